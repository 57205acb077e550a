/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455) over a raw stream: wslay reads and makes frames, answers pings and checks
 * UTF-8; what it makes goes into the stream's queue at once, so the queue alone says how far behind
 * the reader is.
 */
#include "http/internal.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <strings.h>
#include <wslay/wslay.h>

#define MESSAGE_MAX (1024 * 1024)
/* Time for the peer to answer our close. */
#define CLOSE_NS (2 * INT64_C(1000000000))
#define KEY_LENGTH 24

struct WebSocket {
    HttpRaw *raw;
    HttpConnection *conn;
    wslay_event_context_ptr wslay;
    const WebSocketHandler *handler;
    void *data;
    Bytes in; /* being fed */
    bool closing;
};

bool http_wants_websocket(const HttpRequest *pub)
{
    const Request *request = (const Request *)pub;
    const char *key = http_header(pub, "sec-websocket-key");

    return request->upgrade && str_equal(pub->method, "GET") &&
           header_has_token(http_header(pub, "upgrade"), "websocket") &&
           str_equal(http_header(pub, "sec-websocket-version"), "13") && key &&
           strlen(key) == KEY_LENGTH;
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

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *buf, size_t n, int flags, void *data)
{
    WebSocket *ws = data;

    if (ws->in.n == 0 || ws->conn->paused) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    n = MIN_OF(n, ws->in.n);
    memcpy(buf, ws->in.p, n);
    ws->in.p += n;
    ws->in.n -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *p, size_t n, int flags,
                       void *data)
{
    WebSocket *ws = data;

    raw_send(ws->raw, (Bytes){p, n});
    return (ssize_t)n;
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg,
                       void *data)
{
    WebSocket *ws = data;

    if (!wslay_is_ctrl_frame(arg->opcode) && !ws->closing)
        ws->handler->on_message(
            ws, ws->data, arg->opcode == WSLAY_TEXT_FRAME,
            (Bytes){arg->msg ? arg->msg : (const uint8_t *)"", arg->msg_length});
}

/* Sends what wslay has made; ends the stream when both sides have said goodbye. */
static void send_all(WebSocket *ws)
{
    if (wslay_event_send(ws->wslay) != 0)
        raw_abort(ws->raw);
    else if (wslay_event_get_close_sent(ws->wslay) && (wslay_event_get_close_received(ws->wslay) ||
                                                       !wslay_event_get_read_enabled(ws->wslay)))
        raw_close(ws->raw);
}

/* ---- the stream's callbacks ---- */

static void on_data(HttpRaw *raw, void *data, Bytes bytes)
{
    WebSocket *ws = data;

    ws->in = bytes;
    if (wslay_event_recv(ws->wslay) != 0) {
        raw_abort(raw);
        return;
    }
    if (ws->in.n > 0 && ws->conn->paused)
        strbuf_add(&ws->conn->kept, ws->in.p, ws->in.n);
    ws->in = BYTES_NULL;
    send_all(ws);
}

static void on_drain(HttpRaw *raw, void *data)
{
    WebSocket *ws = data;

    if (ws->handler->on_drain && !ws->closing)
        ws->handler->on_drain(ws, ws->data);
}

static void on_close(HttpRaw *raw, void *data)
{
    WebSocket *ws = data;

    ws->closing = true;
    if (ws->handler->on_close)
        ws->handler->on_close(ws, ws->data);
    wslay_event_context_free(ws->wslay);
}

static const HttpRawHandler raw_handler = {
    .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

/* ---- for handlers ---- */

static void accept_key(const char *key, char ret[static 32])
{
    char text[KEY_LENGTH + 37];
    unsigned char digest[SHA_DIGEST_LENGTH];

    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
}

WebSocket *http_websocket_accept(HttpRequest *pub, const char *protocol,
                                 const WebSocketHandler *handler, void *data)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    Request *request = (Request *)pub;
    char accept[32];
    WebSocket *ws;

    if (request->finished || request->begun || !http_wants_websocket(pub))
        return NULL;
    accept_key(http_header(pub, "sec-websocket-key"), accept);
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
    ASSERT(wslay_event_context_server_init(&ws->wslay, &callbacks, ws) == 0);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, MESSAGE_MAX);
    return ws;
}

void websocket_send(WebSocket *ws, bool text, Bytes message)
{
    const struct wslay_event_msg msg = {.opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                        .msg = message.p,
                                        .msg_length = message.n};

    if (ws->closing)
        return;
    /* After a close nothing more may follow: the message is dropped. */
    if (wslay_event_queue_msg(ws->wslay, &msg) == 0)
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
    /* A control frame holds 125 bytes, two of them the code. */
    if (wslay_event_queue_close(ws->wslay, code, (const uint8_t *)reason,
                                reason ? MIN_OF(strlen(reason), 123u) : 0) != 0)
        raw_abort(ws->raw);
    ws->closing = true;
    raw_pause(ws->raw, false);
    conn_deadline(ws->conn, CLOSE_NS);
    send_all(ws);
}
