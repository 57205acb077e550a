/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a WebSocket (RFC 6455) over a raw stream. Frames go into the stream's queue as soon
 * as they are made, so the length of that queue alone says how far behind the reader is.
 */
#include "http/internal.h"
#include "http/websocket_frames.h"

#define MESSAGE_MAX (1024 * 1024)
/* How long the peer may take to answer our close. */
#define CLOSE_NS (2 * INT64_C(1000000000))

struct WebSocket {
    HttpRaw *raw;
    HttpConnection *conn;
    WebSocketFrames frames;
    const WebSocketHandler *handler;
    void *data;
    bool closing;
};

bool http_wants_websocket(const HttpRequest *pub)
{
    const Request *request = (const Request *)pub;
    const char *key = http_header(pub, "sec-websocket-key");

    return request->upgrade && str_equal(pub->method, "GET") &&
           header_has_token(http_header(pub, "upgrade"), "websocket") &&
           str_equal(http_header(pub, "sec-websocket-version"), "13") && key &&
           strlen(key) == WEBSOCKET_KEY_LENGTH;
}

const char *http_websocket_protocol(const HttpRequest *request, const char *const *ours)
{
    for (; *ours; ours++)
        for (size_t i = 0; i < request->n_headers; i++)
            if (strcmp(request->headers[i].name, "sec-websocket-protocol") == 0 &&
                header_has_token(request->headers[i].value, *ours))
                return *ours;
    return NULL;
}

/* ---- the frames' callbacks ---- */

static void on_message(void *data, bool text, Bytes message)
{
    WebSocket *ws = data;

    if (!ws->closing)
        ws->handler->on_message(ws, ws->data, text, message);
}

static void send_bytes(void *data, Bytes bytes)
{
    WebSocket *ws = data;

    raw_send(ws->raw, bytes);
}

static bool is_paused(const void *data)
{
    const WebSocket *ws = data;

    return ws->conn->paused;
}

static const WebSocketFramesHandler frames_handler = {on_message, send_bytes, is_paused};

/* Sends the frames that are queued; ends the stream when both sides have closed. */
static void send_all(WebSocket *ws)
{
    if (!frames_flush(&ws->frames))
        raw_abort(ws->raw);
    else if (frames_are_over(&ws->frames))
        raw_close(ws->raw);
}

/* ---- the stream's callbacks ---- */

static void on_data(HttpRaw *raw, void *data, Bytes bytes)
{
    WebSocket *ws = data;
    Bytes rest;

    if (!frames_feed(&ws->frames, bytes, &rest)) {
        raw_abort(raw);
        return;
    }
    if (rest.n > 0 && ws->conn->paused)
        strbuf_add(&ws->conn->kept, rest.p, rest.n);
    send_all(ws);
}

static void on_drain(HttpRaw *raw _unused_, void *data)
{
    WebSocket *ws = data;

    if (ws->handler->on_drain && !ws->closing)
        ws->handler->on_drain(ws, ws->data);
}

static void on_close(HttpRaw *raw _unused_, void *data)
{
    WebSocket *ws = data;

    ws->closing = true;
    if (ws->handler->on_close)
        ws->handler->on_close(ws, ws->data);
    frames_deinit(&ws->frames);
}

static const HttpRawHandler raw_handler = {
    .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

/* ---- for handlers ---- */

WebSocket *http_websocket_accept(HttpRequest *pub, const char *protocol,
                                 const WebSocketHandler *handler, void *data)
{
    Request *request = (Request *)pub;
    char accept[32];
    WebSocket *ws;

    if (request->finished || request->begun || !http_wants_websocket(pub))
        return NULL;
    websocket_accept_key(http_header(pub, "sec-websocket-key"), accept);
    http_add_header(pub, "Sec-WebSocket-Accept", accept);
    if (protocol)
        http_add_header(pub, "Sec-WebSocket-Protocol", protocol);
    ws = arena_new(&pub->arena, WebSocket);
    ws->handler = handler;
    ws->data = data;
    ws->conn = request->conn;
    ws->raw = http_upgrade_raw(pub, "websocket", &raw_handler, ws);
    if (!ws->raw)
        return NULL;
    frames_init(&ws->frames, false, MESSAGE_MAX, &frames_handler, ws);
    return ws;
}

void websocket_send(WebSocket *ws, bool text, Bytes message)
{
    /* A message that would follow a close is dropped. */
    if (!ws->closing && frames_message(&ws->frames, text, message))
        send_all(ws);
}

size_t websocket_pending(const WebSocket *ws)
{
    return raw_pending(ws->raw);
}

void websocket_pause(WebSocket *ws, bool pause)
{
    if (!ws->closing)
        raw_pause(ws->raw, pause);
}

void websocket_close(WebSocket *ws, uint16_t code, const char *reason)
{
    if (ws->closing)
        return;
    if (!frames_close(&ws->frames, code, reason))
        raw_abort(ws->raw);
    ws->closing = true;
    raw_pause(ws->raw, false);
    conn_deadline(ws->conn, CLOSE_NS);
    send_all(ws);
}
