/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of a WebSocket (RFC 6455): a call that upgrades, then wslay reads and makes
 * masked frames. See http.h.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <uv.h>
#include <wslay/wslay.h>

#include "base/strbuf.h"
#include "base/time/clock.h"
#include "http/client/client.h"
#include "http/http.h"

#define MESSAGE_MAX (4 * 1024 * 1024)
#define HEADERS_MAX 16

struct WebSocketClient {
    HttpCall *call;
    wslay_event_context_ptr wslay;
    const WebSocketClientHandler *handler;
    void *data;
    char key[32];
    Bytes in;       /* being fed */
    StrBuf refused; /* the body of an answer that is no 101 */
    bool open;
};

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *buf, size_t n, int flags, void *data)
{
    WebSocketClient *ws = data;

    if (ws->in.n == 0) {
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
    WebSocketClient *ws = data;

    http_call_send(ws->call, (Bytes){p, n});
    return (ssize_t)n;
}

static int on_mask(wslay_event_context_ptr wslay, uint8_t *buf, size_t n, void *data)
{
    random_secret(buf, n);
    return 0;
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg,
                       void *data)
{
    WebSocketClient *ws = data;

    if (!wslay_is_ctrl_frame(arg->opcode))
        ws->handler->on_message(
            ws, ws->data, arg->opcode == WSLAY_TEXT_FRAME,
            (Bytes){arg->msg ? arg->msg : (const uint8_t *)"", arg->msg_length});
}

/* ---- the call's callbacks ---- */

static bool key_was_taken(const WebSocketClient *ws)
{
    char text[128], expected[32];
    unsigned char digest[SHA_DIGEST_LENGTH];

    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", ws->key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)expected, digest, sizeof(digest));
    return str_equal(http_call_header(ws->call, "sec-websocket-accept"), expected);
}

static void end(WebSocketClient *ws, const HttpClientResponse *response)
{
    ws->call = NULL;
    ws->handler->done(ws->data, response);
    wslay_event_context_free(ws->wslay);
    strbuf_deinit(&ws->refused);
    free(ws);
}

static void fail(WebSocketClient *ws, const char *text)
{
    HttpClientResponse response = {.error = -EPROTO, .error_text = text};

    http_call_cancel(ws->call);
    end(ws, &response);
}

static void on_data(void *data, int status, Bytes bytes)
{
    WebSocketClient *ws = data;

    if (status != 101) {
        /* Why it was refused. */
        strbuf_add(&ws->refused, bytes.p, MIN_OF(bytes.n, MESSAGE_MAX - ws->refused.n));
        return;
    }
    if (!ws->open && !key_was_taken(ws)) {
        fail(ws, "the server's WebSocket key is wrong");
        return;
    }
    if (!ws->open) {
        ws->open = true;
        ws->handler->on_open(ws, ws->data);
    }
    ws->in = bytes;
    if (wslay_event_recv(ws->wslay) != 0 || wslay_event_send(ws->wslay) != 0) {
        fail(ws, "malformed WebSocket frame");
        return;
    }
    ws->in = BYTES_NULL;
    /* The peer has said goodbye, and our answer is on its way: nothing more will come. */
    if (wslay_event_get_close_received(ws->wslay)) {
        HttpClientResponse response = {.status = 101};

        http_call_cancel(ws->call);
        end(ws, &response);
    }
}

static void on_drain(void *data)
{
    WebSocketClient *ws = data;

    if (ws->open && ws->handler->on_drain)
        ws->handler->on_drain(ws, ws->data);
}

static void on_done(void *data, const HttpClientResponse *response)
{
    WebSocketClient *ws = data;
    HttpClientResponse whole = *response;

    if (!whole.error)
        whole.body = strbuf_bytes(&ws->refused);
    end(ws, &whole);
}

/* ---- for callers ---- */

WebSocketClient *websocket_client_open(uv_loop_t *loop, const HttpClientRequest *request,
                                       const char *protocol, const WebSocketClientHandler *handler,
                                       void *data)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    HttpHeader headers[HEADERS_MAX];
    HttpClientRequest upgrade = *request;
    WebSocketClient *ws = mem_new_type(WebSocketClient);
    unsigned char secret[16];

    ASSERT(request->n_headers + 3 <= HEADERS_MAX);
    random_secret(secret, sizeof(secret));
    EVP_EncodeBlock((unsigned char *)ws->key, secret, sizeof(secret));
    ws->handler = handler;
    ws->data = data;
    ASSERT(wslay_event_context_client_init(&ws->wslay, &callbacks, ws) == 0);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, MESSAGE_MAX);
    if (request->n_headers)
        memcpy(headers, request->headers, request->n_headers * sizeof(*headers));
    headers[upgrade.n_headers++] = (HttpHeader){"Sec-WebSocket-Version", "13"};
    headers[upgrade.n_headers++] = (HttpHeader){"Sec-WebSocket-Key", ws->key};
    if (protocol)
        headers[upgrade.n_headers++] = (HttpHeader){"Sec-WebSocket-Protocol", protocol};
    upgrade.headers = headers;
    upgrade.upgrade = "websocket";
    upgrade.on_drain = on_drain;
    ws->call = http_call(loop, &upgrade, on_data, on_done, ws);
    return ws;
}

void websocket_client_send(WebSocketClient *ws, bool text, Bytes message)
{
    const struct wslay_event_msg msg = {.opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                        .msg = message.p,
                                        .msg_length = message.n};

    /* Inside on_data the frames leave when the feed is done. */
    if (ws->open && wslay_event_queue_msg(ws->wslay, &msg) == 0 && ws->in.p == NULL)
        wslay_event_send(ws->wslay);
}

size_t websocket_client_pending(const WebSocketClient *ws)
{
    return ws->call ? http_call_unsent(ws->call) : 0;
}

void websocket_client_close(WebSocketClient *ws)
{
    if (ws->open && wslay_event_queue_close(ws->wslay, 1000, NULL, 0) == 0 && ws->in.p == NULL)
        wslay_event_send(ws->wslay);
}
