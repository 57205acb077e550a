/* SPDX-License-Identifier: Apache-2.0 */
/* Channels in the messages of a WebSocket, as bytes or as base64. */
#include <openssl/evp.h>

#include "server/request/respond.h"
#include "server/stream/stream.h"

void channel_send(WebSocket *ws, bool base64, unsigned channel, Bytes bytes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_reserve(&text, base64 ? bytes.n / 3 * 4 + 8 : bytes.n + 1);
    strbuf_add_char(&text, (char)(base64 ? '0' + channel : channel));
    if (base64)
        text.n += (size_t)EVP_EncodeBlock((unsigned char *)text.p + 1, bytes.p, (int)bytes.n);
    else
        strbuf_add(&text, bytes.p, bytes.n);
    websocket_send(ws, base64, strbuf_bytes(&text));
}

bool channel_take(bool base64, Bytes message, ChannelMessage *ret)
{
    size_t padding = 0;
    int n;

    *ret = (ChannelMessage){0};
    if (message.n == 0)
        return false;
    ret->channel = message.p[0];
    ret->bytes = (Bytes){message.p + 1, message.n - 1};
    if (!base64)
        return true;
    if (message.p[0] < '0' || ret->bytes.n % 4 != 0)
        return false;
    ret->channel = message.p[0] - '0';
    if (ret->bytes.n == 0)
        return true;
    while (padding < 2 && message.p[message.n - 1 - padding] == '=')
        padding++;
    ret->decoded = mem_new(ret->bytes.n / 4 * 3);
    n = EVP_DecodeBlock(ret->decoded, ret->bytes.p, (int)ret->bytes.n); /* padding counts */
    if (n < (int)padding) {
        free(TAKE_PTR(ret->decoded));
        return false;
    }
    ret->bytes = (Bytes){ret->decoded, (size_t)n - padding};
    return true;
}

bool channel_protocol(Call *call, const char *const *ours, const char **ret)
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
