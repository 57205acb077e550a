/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "api_upgrades.h"
#include "base/strbuf.h"
#include "http/spdy.h"

/* Everything that the server has sent since, once it has nothing more to do. */
static void take_raw(Api *api, HttpLoopback *stream, StrBuf *ret)
{
    for (int i = 0; i < 4; i++) {
        Bytes bytes;

        api_settle(api);
        bytes = http_loopback_take(stream);
        strbuf_add(ret, bytes.p, bytes.n);
    }
}

/* Prints the status of a response head, and returns where the bytes behind it begin. */
static size_t skip_head(const StrBuf *raw, StrBuf *text)
{
    const char *end;

    if (!str_starts_with(strbuf_string(raw), "HTTP/1.1"))
        return 0;
    end = strstr(raw->p, "\r\n\r\n");
    assert_non_null(end);
    strbuf_printf(text, "%.3s ", raw->p + 9);
    return (size_t)(end - raw->p) + 4;
}

/* ---- WebSocket ---- */

HttpLoopback *ws_open(Api *api, const char *path, const char *protocols)
{
    _free_ char *headers =
        mem_printf("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s",
                   protocols ? "Sec-WebSocket-Protocol: " : "", protocols ? protocols : "",
                   protocols ? "\r\n" : "");
    HttpLoopback *stream = api_stream(api, path, headers);

    api_settle(api);
    return stream;
}

void ws_send(HttpLoopback *stream, uint8_t opcode, const char *p, size_t n)
{
    uint8_t frame[256] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | n)};

    assert_true(n < 120);
    memcpy(frame + 6, p, n); /* a mask of zeroes */
    http_loopback_send(stream, (Bytes){frame, n + 6});
}

char *ws_take(Api *api, HttpLoopback *stream)
{
    _strbuf_ StrBuf raw = STRBUF_INIT, text = STRBUF_INIT;

    take_raw(api, stream, &raw);
    for (size_t at = skip_head(&raw, &text); at + 2 <= raw.n;) {
        const uint8_t *p = (const uint8_t *)raw.p + at;
        size_t n = p[1] & 0x7f, head = 2;

        if (n == 126) {
            n = (size_t)p[2] << 8 | p[3];
            head = 4;
        }
        if ((p[0] & 0xf) == 8)
            strbuf_add_string(&text, "close");
        else if (n > 1)
            strbuf_printf(&text, "%d:%.*s ", p[head], (int)n - 1, (const char *)p + head + 1);
        at += head + n;
    }
    return mem_strdup(strbuf_string(&text));
}

void ws_expect(Api *api, HttpLoopback *stream, const char *what)
{
    _free_ char *is = ws_take(api, stream);

    assert_string_equal(is, what);
}

/* ---- SPDY/3.1 ---- */

void spdy_open(SpdyClient *client, Api *api, const char *path, const char *protocols)
{
    _free_ char *headers = mem_printf(
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: %s\r\n", protocols);
    Bytes dictionary = spdy_dictionary();

    *client = (SpdyClient){.api = api, .stream = api_stream(api, path, headers)};
    assert_int_equal(deflateInit(&client->deflate, Z_DEFAULT_COMPRESSION), Z_OK);
    deflateSetDictionary(&client->deflate, dictionary.p, (uInt)dictionary.n);
    api_settle(api);
}

void spdy_close(SpdyClient *client)
{
    deflateEnd(&client->deflate);
    http_loopback_free(client->stream);
    api_settle(client->api);
}

static void add_number(StrBuf *out, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                              (uint8_t)v};

    strbuf_add(out, bytes, sizeof(bytes));
}

static void add_text(StrBuf *out, const char *text, size_t n)
{
    add_number(out, (uint32_t)n);
    strbuf_add(out, text, n);
}

void spdy_syn(SpdyClient *client, uint32_t id, const char *headers)
{
    _strbuf_ StrBuf block = STRBUF_INIT, frame = STRBUF_INIT, pairs = STRBUF_INIT;
    uint8_t packed[1024];
    uint32_t count = 0;

    for (const char *at = headers; *at; count++) {
        size_t name = strcspn(at, "="), value = strcspn(at + name + 1, " ");

        add_text(&pairs, at, name);
        add_text(&pairs, at + name + 1, value);
        at += name + 1 + value;
        at += *at == ' ';
    }
    add_number(&block, count);
    strbuf_add(&block, strbuf_string(&pairs), pairs.n);
    client->deflate.next_in = (Bytef *)block.p;
    client->deflate.avail_in = (uInt)block.n;
    client->deflate.next_out = packed;
    client->deflate.avail_out = sizeof(packed);
    assert_int_equal(deflate(&client->deflate, Z_SYNC_FLUSH), Z_OK);
    add_number(&frame, 0x80030001);
    add_number(&frame, (uint32_t)(sizeof(packed) - client->deflate.avail_out + 10));
    add_number(&frame, id);
    add_number(&frame, 0);
    strbuf_add(&frame, "\0\0", 2);
    strbuf_add(&frame, packed, sizeof(packed) - client->deflate.avail_out);
    http_loopback_send(client->stream, strbuf_bytes(&frame));
}

void spdy_data(SpdyClient *client, uint32_t id, const char *text, bool fin)
{
    _strbuf_ StrBuf frame = STRBUF_INIT;

    add_number(&frame, id);
    add_number(&frame, (uint32_t)fin << 24 | (uint32_t)strlen(text));
    strbuf_add_string(&frame, text);
    http_loopback_send(client->stream, strbuf_bytes(&frame));
}

void spdy_rst(SpdyClient *client, uint32_t id)
{
    _strbuf_ StrBuf frame = STRBUF_INIT;

    add_number(&frame, 0x80030003);
    add_number(&frame, 8);
    add_number(&frame, id);
    add_number(&frame, SPDY_CANCEL);
    http_loopback_send(client->stream, strbuf_bytes(&frame));
}

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void print_frame(const uint8_t *p, size_t n, StrBuf *text)
{
    uint32_t id = n >= 12 ? number_at(p + 8) : 0;

    if (!(p[0] & 0x80)) {
        if (n > 8)
            strbuf_printf(text, "%u:%.*s ", number_at(p), (int)n - 8, (const char *)p + 8);
        if (p[4] & 1)
            strbuf_printf(text, "end %u ", number_at(p));
    } else if (p[3] == 2) {
        strbuf_printf(text, "reply %u ", id);
    } else if (p[3] == 3) {
        strbuf_printf(text, "reset %u ", id);
    } else if (p[3] == 7) {
        strbuf_add_string(text, "goaway ");
    }
}

char *spdy_take(SpdyClient *client)
{
    _strbuf_ StrBuf raw = STRBUF_INIT, text = STRBUF_INIT;
    size_t n;

    take_raw(client->api, client->stream, &raw);
    for (size_t at = skip_head(&raw, &text); at + 8 <= raw.n; at += n) {
        const uint8_t *p = (const uint8_t *)raw.p + at;

        n = 8 + (number_at(p + 4) & 0xffffff);
        if (at + n > raw.n) /* the text of an HTTP response */
            break;
        print_frame(p, n, &text);
    }
    return mem_strdup(strbuf_string(&text));
}

void spdy_expect(SpdyClient *client, const char *what)
{
    _free_ char *is = spdy_take(client);

    assert_string_equal(is, what);
}
