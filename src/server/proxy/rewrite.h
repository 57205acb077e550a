/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy changes in an answer, so that its links lead through the proxy again: the Location of a
 * redirect, and the links of an HTML page. The rules are those of kube-apiserver.
 *
 * A link is changed if its path is absolute and it is of the backend itself: without a host, or with the
 * host that the backend was asked under.
 */
#ifndef SERVER_PROXY_REWRITE_H
#define SERVER_PROXY_REWRITE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/strbuf.h"

typedef struct Rewrite {
    const char *prefix;  /* path of the proxy without its last slash: "/api/v1/.../proxy" */
    const char *backend; /* "10.42.0.7:80" */
    const char *host;    /* the Host header that the backend has seen */
} Rewrite;

/* path.Clean and path.Join of Go for absolute paths; a slash at the end stays. */
char *rewrite_join(Arena *arena, const char *prefix, const char *path);
/* A path as Go writes it into a request. */
char *rewrite_encode(Arena *arena, const char *path);
/* The link that is to be shown instead; the same pointer if it stays as it is. NULL: it is malformed. */
const char *rewrite_url(const Rewrite *rewrite, Arena *arena, const char *url);

/*
 * Changes the links of a page that arrives in pieces. Whatever is not a tag with such a link is passed on
 * byte for byte. At most HTML_TAG_MAX bytes are kept: a longer tag is passed on as it is.
 */
enum { HTML_TAG_MAX = 64 * 1024 };

typedef struct HtmlRewriter HtmlRewriter;
HtmlRewriter *html_rewriter_new(const Rewrite *rewrite); /* copies it */
void html_rewriter_feed(HtmlRewriter *html, Bytes bytes, StrBuf *out);
void html_rewriter_end(HtmlRewriter *html, StrBuf *out);
HtmlRewriter *html_rewriter_free(HtmlRewriter *html);

#endif
