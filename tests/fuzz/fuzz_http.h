/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a loopback that answers all it is asked, in every way there is, for the fuzz targets
 * of http. */
#ifndef TESTS_FUZZ_FUZZ_HTTP_H
#define TESTS_FUZZ_FUZZ_HTTP_H

#include <uv.h>

#include "http/http.h"

static HttpRequest *later;

static void on_later_close(HttpRequest *request)
{
    if (later == request)
        later = NULL;
}

static void on_body(HttpRequest *request, Bytes body)
{
    http_respond(request, 200, "text/plain", body);
}

static void on_message(WebSocket *ws, void *data _unused_, bool text, Bytes message)
{
    websocket_send(ws, text, message);
    if (message.n == 3)
        websocket_close(ws, 1000, "end");
}

static void on_ws_close(WebSocket *ws _unused_, void *data _unused_)
{
}

static void on_raw_data(HttpRaw *raw, void *data _unused_, Bytes bytes)
{
    raw_send(raw, bytes);
    if (bytes.n == 3)
        raw_close(raw);
}

static void on_parameter(void *data, const char *name, const char *value)
{
    size_t *n = data;

    *n += strlen(name) + strlen(value);
}

static void on_request(void *data _unused_, HttpRequest *request)
{
    static const WebSocketHandler ws = {.on_message = on_message, .on_close = on_ws_close};
    static const HttpRawHandler raw = {.on_data = on_raw_data};
    static const char *const protocols[] = {"v4.channel.k8s.io", NULL};
    size_t n = 0;

    http_query_each(request, on_parameter, &n);
    (void)http_percent_decode(&request->arena, request->path, strlen(request->path));
    switch (request->path[0] ? request->path[1] : 0) {
    case 'b':
        request->on_body = on_body;
        request->body_limit = 1000;
        break;
    case 's':
        http_add_header(request, "x-n", request->query);
        http_stream_begin(request, 200, "text/plain");
        http_stream_write(request, bytes_from_string(request->path));
        http_stream_end(request);
        break;
    case 'l':
        if (!later) {
            later = request;
            request->on_close = on_later_close;
            break;
        }
        http_abort(request);
        break;
    case 'w':
        if (!http_wants_websocket(request) ||
            !http_websocket_accept(request, http_websocket_protocol(request, protocols), &ws, NULL))
            http_respond(request, 400, NULL, BYTES_NULL);
        break;
    case 'r':
        if (!http_upgrade_raw(request, "bytes", &raw, NULL))
            http_respond(request, 400, NULL, BYTES_NULL);
        break;
    default:
        http_respond(request, 200, "text/plain", bytes_from_string(request->path));
    }
}

static void converse(HttpServer *server, const char *prefix, size_t prefix_n, const uint8_t *p,
                     size_t n, size_t piece)
{
    HttpLoopback *loopback = http_loopback_new(server, NULL);

    http_loopback_send(loopback, (Bytes){(const uint8_t *)prefix, prefix_n});
    for (size_t at = 0; at < n; at += piece)
        http_loopback_send(loopback, (Bytes){p + at, MIN_OF(piece, n - at)});
    (void)http_loopback_take(loopback);
    if (later)
        http_respond(later, 200, "text/plain", BYTES_LITERAL("late"));
    (void)http_loopback_take(loopback);
    http_loopback_eof(loopback);
    http_loopback_free(loopback);
}

/* Sends the bytes after `prefix`: whole, then again in small pieces; both on fresh connections. */
static void fuzz_http(const char *prefix, size_t prefix_n, const uint8_t *p, size_t n)
{
    const HttpServerOptions options = {.handler.on_request = on_request,
                                       .limits.header_bytes = 4096};
    uv_loop_t loop;
    HttpServer *server;

    uv_loop_init(&loop);
    server = http_server_new(&loop, &options);
    converse(server, prefix, prefix_n, p, n, n ? n : 1);
    converse(server, prefix, prefix_n, p, n, 3);
    http_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop) == 0);
}

#endif
