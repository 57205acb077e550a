/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of a WebSocket (RFC 6455): a call that upgrades and then carries frames. See client.h. */
#include <openssl/evp.h>
#include <uv.h>

#include "base/strbuf.h"
#include "base/time/clock.h"
#include "http/client/client.h"
#include "http/websocket_frames.h"

#define MESSAGE_MAX (4 * 1024 * 1024)
#define HEADERS_MAX 16

struct WebSocketClient {
    HttpCall *call;
    WebSocketFrames frames;
    const WebSocketClientHandler *handler;
    void *data;
    char key[32];
    StrBuf refused; /* the body of a response other than 101 */
    bool open;
};

/* ---- the frames' callbacks ---- */

static void on_message(void *data, bool text, Bytes message)
{
    WebSocketClient *ws = data;

    ws->handler->on_message(ws, ws->data, text, message);
}

static void send_bytes(void *data, Bytes bytes)
{
    WebSocketClient *ws = data;

    http_call_send(ws->call, bytes);
}

static const WebSocketFramesHandler frames_handler = {on_message, send_bytes, NULL};

/* ---- the call's callbacks ---- */

static bool key_was_accepted(const WebSocketClient *ws)
{
    char expected[32];

    websocket_accept_key(ws->key, expected);
    return str_equal(http_call_header(ws->call, "sec-websocket-accept"), expected);
}

static void end(WebSocketClient *ws, const HttpClientResponse *response)
{
    ws->call = NULL;
    ws->handler->done(ws->data, response);
    frames_deinit(&ws->frames);
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
    Bytes rest;

    if (status != 101) {
        /* The body says why the upgrade was refused. */
        strbuf_add(&ws->refused, bytes.p, MIN_OF(bytes.n, MESSAGE_MAX - ws->refused.n));
        return;
    }
    if (!ws->open && !key_was_accepted(ws)) {
        fail(ws, "the server's WebSocket key is wrong");
        return;
    }
    if (!ws->open) {
        ws->open = true;
        ws->handler->on_open(ws, ws->data);
    }
    if (!frames_feed(&ws->frames, bytes, &rest) || !frames_flush(&ws->frames)) {
        fail(ws, "malformed WebSocket frame");
        return;
    }
    /* The peer has closed, and our close is on its way: nothing more will arrive. */
    if (frames_close_received(&ws->frames)) {
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
    HttpHeader headers[HEADERS_MAX];
    HttpClientRequest upgrade = *request;
    WebSocketClient *ws = mem_new_type(WebSocketClient);
    unsigned char secret[16];

    ASSERT(request->n_headers + 3 <= HEADERS_MAX);
    random_secret(secret, sizeof(secret));
    EVP_EncodeBlock((unsigned char *)ws->key, secret, sizeof(secret));
    ws->handler = handler;
    ws->data = data;
    frames_init(&ws->frames, true, MESSAGE_MAX, &frames_handler, ws);
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
    /* Within on_data, the frames are sent once the feed has ended. */
    if (ws->open && frames_message(&ws->frames, text, message) && !ws->frames.in.p)
        frames_flush(&ws->frames);
}

size_t websocket_client_pending(const WebSocketClient *ws)
{
    return ws->call ? http_call_unsent(ws->call) : 0;
}
