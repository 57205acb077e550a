/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec and attach over WebSocket. Each message begins with the number of its channel:
 *
 *   0 stdin    from the client
 *   1 stdout   2 stderr   to the client
 *   3 error    to the client: how the process has ended
 *   4 resize   from the client: {"Width":80,"Height":24}
 *   255 close  from the client, v5 only: the byte that follows is the channel that has ended, which
 * is how stdin ends
 *
 * channel.k8s.io (and none at all) is the first version: its error channel carries text, and only
 * if something went wrong. The base64 variants are for browsers: text messages, the channel as a
 * digit.
 */
#include <openssl/evp.h>

#include "server/stream_exec.h"

static const struct Protocol {
    const char *name;
    bool closes, base64, plain;
} protocols[] = {
    {"v5.channel.k8s.io", .closes = true},
    {"v4.channel.k8s.io"},
    {"v4.base64.channel.k8s.io", .base64 = true},
    {"channel.k8s.io", .plain = true},
    {"base64.channel.k8s.io", .base64 = true, .plain = true},
};

/* ---- to the client ---- */

static void ws_send(Exec *exec, int channel, Bytes bytes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_reserve(&text, exec->base64 ? bytes.n / 3 * 4 + 8 : bytes.n + 1);
    strbuf_add_char(&text, (char)(exec->base64 ? '0' + channel : channel));
    if (exec->base64)
        text.n += (size_t)EVP_EncodeBlock((unsigned char *)text.p + 1, bytes.p, (int)bytes.n);
    else
        strbuf_add(&text, bytes.p, bytes.n);
    websocket_send(exec->ws, exec->base64, strbuf_bytes(&text));
}

static void ws_end(Exec *exec)
{
    websocket_close(exec->ws, 1000, "");
}

static size_t ws_pending(const Exec *exec)
{
    return websocket_pending(exec->ws);
}

static void ws_pause(Exec *exec, bool pause)
{
    websocket_pause(exec->ws, pause);
}

static const Transport transport = {ws_send, ws_end, ws_pending, ws_pause};

/* ---- from the client ---- */

static void take(Exec *exec, uint8_t channel, Bytes rest)
{
    switch (channel) {
    case CHANNEL_STDIN:
        exec_input(exec, rest);
        break;
    case CHANNEL_RESIZE:
        exec_resize(exec, rest);
        break;
    case CHANNEL_CLOSE:
        if (exec->closes && rest.n == 1 && rest.p[0] == CHANNEL_STDIN)
            exec_input_end(exec);
        break;
    default:
        break;
    }
}

static void take_base64(Exec *exec, uint8_t channel, Bytes rest)
{
    _free_ uint8_t *bytes = NULL;
    int n;

    if (channel < '0' || channel > '9' || rest.n % 4 != 0)
        return;
    bytes = mem_new(rest.n / 4 * 3 + 1);
    n = EVP_DecodeBlock(bytes, rest.p, (int)rest.n);
    if (n < 0)
        return;
    /* It counts the padding as bytes. */
    for (size_t i = rest.n; i > 0 && n > 0 && rest.n - i < 2 && rest.p[i - 1] == '='; i--)
        n--;
    take(exec, channel - '0', (Bytes){bytes, (size_t)n});
}

static void on_message(WebSocket *ws, void *data, bool text, Bytes message)
{
    Exec *exec = data;

    if (message.n == 0)
        return;
    if (exec->base64)
        take_base64(exec, message.p[0], (Bytes){message.p + 1, message.n - 1});
    else
        take(exec, message.p[0], (Bytes){message.p + 1, message.n - 1});
}

static void on_drain(WebSocket *ws, void *data)
{
    exec_drained(data);
}

static void on_close(WebSocket *ws, void *data)
{
    exec_gone(data);
}

bool exec_websocket(Call *call, Exec *exec)
{
    static const WebSocketHandler handler = {on_message, on_drain, on_close};
    const char *names[ARRAY_LEN(protocols) + 1] = {NULL}, *name;

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        names[i] = protocols[i].name;
    name = http_websocket_protocol(call->request, names);
    exec->plain = !name;
    for (size_t i = 0; i < ARRAY_LEN(protocols) && name; i++) {
        if (name == protocols[i].name) {
            exec->closes = protocols[i].closes;
            exec->base64 = protocols[i].base64;
            exec->plain = protocols[i].plain;
        }
    }
    exec->ws = http_websocket_accept(call->request, name, &handler, exec);
    if (!exec->ws)
        return false;
    exec->transport = &transport;
    /* Old clients wait for a first sign of life. */
    ws_send(exec,
            exec->options.standard_out   ? CHANNEL_STDOUT
            : exec->options.standard_err ? CHANNEL_STDERR
                                         : CHANNEL_ERROR,
            BYTES_LITERAL(""));
    exec_ready(exec);
    return true;
}
