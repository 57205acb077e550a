/* SPDX-License-Identifier: Apache-2.0 */
/* See channels.h. */
#include "server/stream/channels.h"

#include <openssl/evp.h>

#include "server/request/respond.h"

enum { CLOSE_NORMAL = 1000 };

struct Channels {
    WebSocket *ws;
    bool base64;
    const ChannelsHandler *handler;
    void *data;
};

bool channels_negotiate(Call *call, const char *const *ours, const char **ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    ApiStatus status = {.reason = STATUS_OK};

    *ret = http_websocket_protocol(call->request, ours);
    if (*ret || !http_header(call->request, "sec-websocket-protocol"))
        return true;
    for (size_t i = 0; ours[i]; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", ours[i]);
    status_set(&status, call->arena, STATUS_BAD_REQUEST,
               "unable to upgrade: none of the offered subprotocols is one of %s",
               strbuf_string(&text));
    respond_status(call, &status);
    return false;
}

/* ---- from the client ---- */

/* Decodes the bytes behind the channel number of a base64 message, which the caller frees. Returns
 * false if they are malformed. */
static bool decode_base64(Bytes text, Bytes *ret, uint8_t **ret_owned)
{
    size_t padding = 0;
    uint8_t *decoded;
    int n;

    *ret = BYTES_NULL;
    *ret_owned = NULL;
    if (text.n == 0)
        return true;
    if (text.n % 4 != 0)
        return false;
    while (padding < 2 && text.p[text.n - 1 - padding] == '=')
        padding++;
    decoded = *ret_owned = mem_new(text.n / 4 * 3);
    n = EVP_DecodeBlock(decoded, text.p, (int)text.n); /* counts the padding as zeros */
    if (n < (int)padding)
        return false;
    *ret = (Bytes){decoded, (size_t)n - padding};
    return true;
}

static void on_message(WebSocket *ws _unused_, void *data, bool text _unused_, Bytes message)
{
    Channels *channels = data;
    _free_ uint8_t *owned = NULL;
    Bytes bytes;
    unsigned channel;

    if (message.n == 0)
        return;
    channel = message.p[0];
    bytes = (Bytes){message.p + 1, message.n - 1};
    if (channels->base64) {
        if (channel < '0' || !decode_base64(bytes, &bytes, &owned))
            return;
        channel -= '0';
    }
    channels->handler->on_bytes(channels->data, channel, bytes);
}

static void on_drain(WebSocket *ws _unused_, void *data)
{
    Channels *channels = data;

    channels->handler->on_drain(channels->data);
}

static void on_close(WebSocket *ws _unused_, void *data)
{
    Channels *channels = data;

    channels->handler->on_close(channels->data);
}

Channels *channels_accept(Call *call, const char *protocol, bool base64,
                          const ChannelsHandler *handler, void *data)
{
    static const WebSocketHandler ws_handler = {on_message, on_drain, on_close};
    Channels *channels = arena_new(call->arena, Channels);

    *channels = (Channels){.base64 = base64, .handler = handler, .data = data};
    channels->ws = http_websocket_accept(call->request, protocol, &ws_handler, channels);
    return channels->ws ? channels : NULL;
}

/* ---- to the client ---- */

void channels_send(Channels *channels, unsigned channel, Bytes bytes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool base64 = channels->base64;

    strbuf_reserve(&text, base64 ? bytes.n / 3 * 4 + 8 : bytes.n + 1);
    strbuf_add_char(&text, (char)(base64 ? '0' + channel : channel));
    if (base64)
        text.n += (size_t)EVP_EncodeBlock((unsigned char *)text.p + 1, bytes.p, (int)bytes.n);
    else
        strbuf_add(&text, bytes.p, bytes.n);
    websocket_send(channels->ws, base64, strbuf_bytes(&text));
}

size_t channels_pending(const Channels *channels)
{
    return websocket_pending(channels->ws);
}

void channels_pause(Channels *channels, bool pause)
{
    websocket_pause(channels->ws, pause);
}

void channels_close(Channels *channels)
{
    websocket_close(channels->ws, CLOSE_NORMAL, "");
}
