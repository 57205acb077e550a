/* SPDX-License-Identifier: Apache-2.0 */
/* See http_testing.h. */
#include "testing.h"

#include "http_testing.h"

static void on_close(HttpRequest *request)
{
    Testing *t = request->data;

    t->closed++;
    t->failed += request->failed;
    if (t->later == request)
        t->later = NULL;
}

static void on_drain(HttpRequest *request)
{
    Testing *t = request->data;

    t->drained++;
}

static void on_echo(HttpRequest *request, Bytes body)
{
    http_respond(request, 200, "application/octet-stream", body);
}

static void on_later_body(HttpRequest *request, Bytes body)
{
    Testing *t = request->data;

    t->later = request;
    t->body_n = body.n;
}

static void answer_head(HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s %s ?%s @%s %d.%d\n", request->method, request->path, request->query,
                  request->authority, request->http_major, request->http_minor);
    for (size_t i = 0; i < request->n_headers; i++)
        strbuf_printf(&text, "%s=%s\n", request->headers[i].name, request->headers[i].value);
    http_respond(request, 200, "text/plain", strbuf_bytes(&text));
}

static void on_ws_message(WebSocket *ws, void *data _unused_, bool text, Bytes message)
{
    if (text && bytes_equal(message, BYTES_LITERAL("bye")))
        websocket_close(ws, 1000, "so long");
    else
        websocket_send(ws, text, message);
}

static void on_ws_close(WebSocket *ws _unused_, void *data)
{
    Testing *t = data;

    t->ws_closed++;
    t->ws = NULL;
}

static void accept_websocket(Testing *t, HttpRequest *request)
{
    static const char *const protocols[] = {"b", "a", NULL};
    static const WebSocketHandler handler = {.on_message = on_ws_message, .on_close = on_ws_close};

    if (!http_wants_websocket(request)) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no WebSocket\n"));
        return;
    }
    t->ws =
        http_websocket_accept(request, http_websocket_protocol(request, protocols), &handler, t);
}

static void on_raw_data(HttpRaw *raw, void *data _unused_, Bytes bytes)
{
    raw_send(raw, bytes);
    if (memchr(bytes.p, '!', bytes.n))
        raw_close(raw);
}

static void on_raw_close(HttpRaw *raw _unused_, void *data)
{
    Testing *t = data;

    t->ws_closed++;
}

static const HttpRawHandler raw_handler = {.on_data = on_raw_data, .on_close = on_raw_close};

static void on_held_piece(HttpRequest *request, Bytes piece)
{
    ((Testing *)request->data)->body_n += piece.n;
}

static void on_held_body(HttpRequest *request, Bytes body _unused_)
{
    http_respond(request, 200, "text/plain", BYTES_LITERAL("all\n"));
}

static void on_request(void *data, HttpRequest *request)
{
    Testing *t = data;

    t->requests++;
    request->data = t;
    request->on_close = on_close;
    request->on_drain = on_drain;
    if (str_equal(request->path, "/hello")) {
        http_respond(request, 200, "text/plain", BYTES_LITERAL("hello\n"));
    } else if (str_equal(request->path, "/known")) {
        http_request_known(request);
        http_respond(request, 200, "text/plain", BYTES_LITERAL("known\n"));
    } else if (str_equal(request->path, "/echo")) {
        request->on_body = on_echo;
    } else if (str_equal(request->path, "/head")) {
        answer_head(request);
    } else if (str_equal(request->path, "/stream")) {
        http_add_header(request, "X-Kind", "stream");
        http_stream_begin(request, 200, "text/plain");
        http_stream_write(request, BYTES_LITERAL("one"));
        http_stream_write(request, BYTES_LITERAL("two"));
        http_stream_end(request);
    } else if (str_equal(request->path, "/later")) {
        t->later = request;
    } else if (str_equal(request->path, "/later-body")) {
        request->on_body = on_later_body;
    } else if (str_equal(request->path, "/held")) {
        t->later = request;
        request->on_body = on_held_body;
        request->on_piece = on_held_piece;
        request->body_limit = SIZE_MAX;
        request->body_slow = true;
        http_request_pause(request, true);
    } else if (str_equal(request->path, "/ws")) {
        accept_websocket(t, request);
    } else if (str_equal(request->path, "/raw")) {
        if (!http_upgrade_raw(request, "bytes", &raw_handler, t))
            http_respond(request, 400, "text/plain", BYTES_LITERAL("no upgrade\n"));
    } else {
        http_respond(request, 404, "text/plain", BYTES_LITERAL("not found\n"));
    }
}

static void on_deferred_close(HttpRequest *request)
{
    Testing *t = request->data;

    t->requests++;
    on_close(request);
    for (size_t i = 0; i < t->n_deferred; i++)
        if (t->deferred[i] == request)
            t->deferred[i] = t->deferred[--t->n_deferred];
}

static void on_resumed(HttpRequest *request)
{
    on_request(request->data, request);
}

static void on_deferrable(void *data, HttpRequest *request)
{
    Testing *t = data;

    if (!t->defer) {
        on_request(t, request);
        return;
    }
    request->data = t;
    request->on_close = on_deferred_close;
    assert_true(t->n_deferred < ARRAY_LEN(t->deferred));
    t->deferred[t->n_deferred++] = request;
    http_request_defer(request, on_resumed);
}

static bool resume_all(Testing *t)
{
    bool any = t->n_deferred > 0;

    while (t->n_deferred) {
        HttpRequest *request = t->deferred[0];

        memmove(t->deferred, t->deferred + 1, --t->n_deferred * sizeof(*t->deferred));
        http_request_resume(request);
    }
    return any;
}

void testing_begin(Testing *t)
{
    *t = (Testing){.options.handler = {.on_request = on_deferrable}};
    t->defer = getenv("STEAD_TEST_DEFER") != NULL;
    t->options.handler.data = t;
    assert_int_equal(uv_loop_init(&t->loop), 0);
}

void testing_server(Testing *t)
{
    t->server = http_server_new(&t->loop, &t->options);
}

void testing_connect(Testing *t)
{
    const HttpPeer peer = {.address = "192.0.2.1", .port = 4711};

    t->loopback = http_loopback_free(t->loopback);
    t->loopback = http_loopback_new(t->server, &peer);
}

void testing_end(Testing *t)
{
    t->loopback = http_loopback_free(t->loopback);
    t->server = http_server_free(t->server);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    strbuf_deinit(&t->taken);
}

void testing_send_bytes(Testing *t, Bytes bytes)
{
    http_loopback_send(t->loopback, bytes);
    resume_all(t);
}

void testing_send(Testing *t, const char *text)
{
    testing_send_bytes(t, bytes_from_string(text));
}

Bytes testing_take_bytes(Testing *t)
{
    strbuf_truncate(&t->taken, 0);
    do {
        Bytes bytes = http_loopback_take(t->loopback);

        strbuf_add(&t->taken, bytes.p, bytes.n);
    } while (resume_all(t));
    return strbuf_bytes(&t->taken);
}

const char *testing_take(Testing *t)
{
    testing_take_bytes(t);
    return strbuf_string(&t->taken);
}

void testing_expect(Testing *t, const char *send, const char *answer)
{
    testing_send(t, send);
    assert_string_equal(testing_take(t), answer);
}
