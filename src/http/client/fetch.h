/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to a URL, whose host may be a name: what a server asks other servers in the background, such
 * as the key set of an identity provider. The name is looked up in the thread pool, and its addresses are
 * tried in order. Redirects are not followed, so the answer is from the place that was configured.
 */
#ifndef HTTP_CLIENT_FETCH_H
#define HTTP_CLIENT_FETCH_H

#include "http/http.h"

typedef struct FetchUrl {
    bool is_https;
    const char *host; /* an IPv6 address is without brackets */
    uint16_t port;
    const char *authority; /* for the Host header: as it is in the URL */
    const char *path;      /* with the query */
} FetchUrl;

/* Parses "https://host[:port][/path]" into the arena. Returns false if the URL has another scheme, a user, a
 * fragment, or is malformed. */
bool fetch_url_parse(Arena *arena, const char *text, FetchUrl *ret);

typedef struct FetchRequest {
    const char *method; /* NULL: GET */
    const char *url;
    const HttpHeader *headers;
    size_t n_headers;
    Bytes body;
    struct ssl_ctx_st *tls;  /* for https */
    const char *server_name; /* that the certificate has to have; NULL: the host */
    const char *address;     /* numeric, with a port: where to connect; NULL: to the host */
    uint16_t port;
    int64_t timeout_ns; /* for everything */
    size_t body_limit;  /* a longer answer is an error */
} FetchRequest;

typedef struct FetchAnswer {
    const char *error; /* NULL: there is an answer; otherwise a sentence as Go's client prints it */
    bool may_retry;    /* the error is one of the network that may have gone already */
    int status;
    const HttpHeader *headers;
    size_t n_headers;
    Bytes body;
} FetchAnswer;

typedef struct Fetch Fetch;
/* Calls done exactly once, from the loop and after this function has returned, unless it is canceled. The
 * answer is valid during the call, and the fetch must not be used after it has begun. */
Fetch *fetch_start(struct uv_loop_s *loop, const FetchRequest *request,
                   void (*done)(void *data, const FetchAnswer *answer), void *data);
Fetch *fetch_cancel(Fetch *fetch); /* takes NULL, returns NULL; done is not called */

#endif
