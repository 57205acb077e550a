/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole API server in the test: memory engine, fake clock, fixed seed, and HTTP/1.1 over a
 * loopback without a socket. Requests are bytes, answers are a status, headers and JSON.
 */
#ifndef TESTS_WIRE_API_HARNESS_H
#define TESTS_WIRE_API_HARNESS_H

#include <uv.h>
#include <yyjson.h>

#include "base/time/clock.h"
#include "http/http.h"
#include "server/server.h"
#include "store/store.h"

typedef struct Api {
    uv_loop_t loop;
    MemoryState *state;
    Store *store;
    Clock *clock;
    Random random;
    Server *server;
    HttpServer *http;
    HttpLoopback *admin; /* a connection of kubernetes-admin, system:masters */
    Client *client;
    /* the newest answer */
    int status;
    char *head, *body;
    size_t body_n;
    yyjson_doc *json;
    bool abrupt; /* api_stop does not wait for what is under way */
} Api;

/* One request and what must come of it. `at` are JSON pointers with the compact JSON expected
 * there; NULL means absent. */
typedef struct ApiCase {
    const char *name;
    const char *method, *path;
    const char *type; /* Content-Type; NULL: application/json where there is a body */
    const char *body;
    int status;
    struct {
        const char *at, *is;
    } expect[8];
} ApiCase;

#define API_EPOCH INT64_C(1795248000) /* 2026-11-21T08:00:00Z */

void api_start(Api *api, PodStreams *streams);
/* The same with another range of service addresses. */
void api_start_in(Api *api, PodStreams *streams, const char *service_cidr);
/* The same with certificates. */
void api_start_with(Api *api, const Pki *pki);
/* The same with further options, on the loop of *api, which the caller has initialized. */
void api_start_on(Api *api, const ServerOptions *options);
void api_stop(Api *api);
/* Another connection; who NULL: without a certificate. The caller frees it. */
HttpLoopback *api_connect(Api *api, const char *who);
/* Sends and waits for the whole answer. headers: extra lines, each with CRLF, or NULL. */
void api_call_on(Api *api, HttpLoopback *connection, const char *method, const char *path,
                 const char *headers, const char *body, size_t n);
/* The same for a request whose answer may be a stream: waits for no more than its head. */
void api_open_on(Api *api, HttpLoopback *connection, const char *method, const char *path,
                 const char *headers);
int api_call(Api *api, const char *method, const char *path, const char *type, const char *body);
void api_run(Api *api, const ApiCase *cases, size_t n);
/* The loop, the store and the connection, until nothing is left to do. */
void api_settle(Api *api);
/* Compact JSON at the pointer of the newest answer; NULL where there is nothing. The caller
 * frees. */
char *api_json(Api *api, const char *pointer);
/* Fails if that value is another one, as JSON; "(absent)" if there is to be none. */
void api_expect(Api *api, const char *pointer, const char *is);
/* Begins a streaming request; what comes is taken by api_lines. */
HttpLoopback *api_stream(Api *api, const char *path, const char *headers);
/* Waits for the whole answer of a request that was begun so. */
void api_finish(Api *api, HttpLoopback *connection);
/* The body that has come since, with the chunk framing taken off. The caller frees. */
char *api_lines(Api *api, HttpLoopback *stream);
void api_fixture(Api *api); /* namespace "t" with a default ServiceAccount */

#endif
