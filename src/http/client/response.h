/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of HTTP/1.1 responses. Its input is untrusted: a probe, a proxied request and an extension
 * server all read what a pod sends. It has no socket, so that it can be fuzzed.
 *
 * The head is limited to RESPONSE_HEAD_MAX bytes. The body is passed on as it arrives and never kept.
 * Interim responses (1xx) are dropped, except for a 101 that was asked for.
 */
#ifndef HTTP_CLIENT_RESPONSE_H
#define HTTP_CLIENT_RESPONSE_H

#include <llhttp.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "http/http.h"

#define RESPONSE_HEAD_MAX (256u * 1024)

typedef enum ResponseState {
    RESPONSE_MORE,     /* all input was taken */
    RESPONSE_COMPLETE, /* the response has ended */
    RESPONSE_UPGRADED, /* 101 came: the rest of the input is of the new protocol */
    RESPONSE_STOPPED,  /* on_body has returned false */
    RESPONSE_MALFORMED,
} ResponseState;

typedef struct HttpResponseParser {
    llhttp_t llhttp;
    Arena arena;
    StrBuf name, value;
    size_t head_n;           /* bytes of all headers and trailers */
    VEC(HttpHeader) headers; /* lower-case names; memory of the arena */
    bool is_head;            /* the request was a HEAD, so the response has no body */
    bool upgrade;            /* a 101 was asked for */
    bool in_value, has_head, has_length, complete, stopped;
    void (*on_head)(void *data); /* optional; the status and the headers are valid from here on */
    bool (*on_body)(void *data, Bytes piece);
    void *data;
} HttpResponseParser;

void response_init(HttpResponseParser *parser);
void response_deinit(HttpResponseParser *parser);
/* *ret_taken: how much of the input belongs to the response. */
ResponseState response_feed(HttpResponseParser *parser, Bytes bytes, size_t *ret_taken);
/* The connection has ended: RESPONSE_COMPLETE, or RESPONSE_MALFORMED where more should have come. */
ResponseState response_eof(HttpResponseParser *parser);
int response_status(const HttpResponseParser *parser); /* 0: the head is not there yet */
/* The length of the body that the head announces; -1: unknown. */
int64_t response_length(const HttpResponseParser *parser);

#endif
