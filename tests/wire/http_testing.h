/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on a loopback with a handler that knows a few paths, for tests of the wire:
 *
 *   /hello  "hello\n"                    /echo    the body
 *   /head   method, path, query, headers /stream  "one", "two" and the end, in three writes
 *   /later  kept in `later` until the test answers; /later-body the same with a body
 *   /held   a body in pieces, which is paused until the test lets it go on
 *   /ws     a WebSocket that sends back; with subprotocols "a" and "b"
 *   /known  "known\n", to a peer that is known from then on
 *   /raw    an upgrade to "bytes" that sends back
 *
 * With STEAD_TEST_DEFER in the environment, the handler defers every request and resumes it as soon as its
 * caller has returned. This must not change any answer.
 */
#ifndef TESTS_WIRE_HTTP_TESTING_H
#define TESTS_WIRE_HTTP_TESTING_H

#include <uv.h>

#include "base/strbuf.h"
#include "http/http.h"

typedef struct Testing {
    uv_loop_t loop;
    HttpServerOptions options;
    HttpServer *server;
    HttpLoopback *loopback;
    HttpRequest *later;
    WebSocket *ws;
    int requests, closed, failed, drained, ws_closed;
    size_t body_n;
    bool defer;
    HttpRequest *deferred[512];
    size_t n_deferred;
    StrBuf taken;
} Testing;

void testing_begin(Testing *t);
void testing_server(Testing *t);  /* after options were set */
void testing_connect(Testing *t); /* a new loopback */
void testing_end(Testing *t);
void testing_send(Testing *t, const char *text);
void testing_send_bytes(Testing *t, Bytes bytes);
/* The same as testing_take. */
Bytes testing_take_bytes(Testing *t);
/* What came back; valid until the next take. */
const char *testing_take(Testing *t);
/* Sends and compares. */
void testing_expect(Testing *t, const char *send, const char *answer);

#endif
