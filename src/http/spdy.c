/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY/3.1 (see spdy.h for what is counted and what is not).
 *
 * A frame is a head of eight bytes and a payload. Data is passed on as it arrives. A control frame
 * is collected first, so its length is limited to CONTROL_MAX. The header blocks of one direction
 * form one zlib stream. Each of them has to be inflated, even for a stream that is refused, and the
 * inflated size is limited to HEADERS_MAX.
 *
 *   control  1|version(15) type(16) | flags(8) length(24) | payload
 *   data     0|stream(31)           | flags(8) length(24) | payload
 *
 * A callback may reset or finish any stream, and may free the Spdy. Streams that end while frames
 * are being read are freed at once, so no pointer to a stream is kept across a callback.
 */
#include <zlib.h>

#include "base/vec.h"
#include "http/spdy.h"

#define VERSION 3
#define HEAD_SIZE 8
#define CONTROL_MAX (64u * 1024)
#define HEADERS_MAX (64u * 1024)
#define HEADER_COUNT_MAX 100
#define STREAMS_MAX 4096
#define DATA_MAX ((size_t)32 * 1024)
#define WINDOW_INITIAL (64 * 1024)
#define WINDOW_MAX INT32_MAX
#define STREAM_ID_MAX 0x7fffffffu

enum {
    SYN_STREAM = 1,
    SYN_REPLY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    HEADERS = 8,
    WINDOW_UPDATE = 9,
};
enum { FLAG_FIN = 1, FLAG_UNIDIRECTIONAL = 2 };
enum { SETTING_INITIAL_WINDOW = 7 };

struct Spdy {
    SpdyHandler handler;
    void *data;
    z_stream inflate, deflate;
    VEC(SpdyStream *) streams; /* sorted by id */
    uint32_t last_id;

    StrBuf control; /* of the frame being read: its head, then its payload */
    bool in_data, data_fin;
    uint32_t data_id;
    size_t data_left;

    StrBuf frame; /* the frame that is being written */
    bool peer_counts;
    int64_t window; /* the peer's window for the whole connection */
    int64_t initial_window;
    uint32_t unsaid;
    bool feeding, freed, broken, away;
};

/* ---- the dictionary ---- */

// clang-format off
static const char *const dictionary_words[] = {
    "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset",
    "accept-encoding", "accept-language", "accept-ranges", "age", "allow", "authorization",
    "cache-control", "connection", "content-base", "content-encoding", "content-language",
    "content-length", "content-location", "content-md5", "content-range", "content-type",
    "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "last-modified", "location",
    "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer",
    "retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
    "vary", "via", "warning", "www-authenticate", "method", "get", "status", "200 OK",
    "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin",
};
static const char dictionary_tail[] =
    "1001012012022052063003023033043053063074024054064074084094104114124134144154164175025045"
    "05203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401"
    " Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 S"
    "ervice UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, We"
    "d, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xm"
    "l,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdc"
    "hcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
// clang-format on

Bytes spdy_dictionary(void)
{
    static uint8_t bytes[1423];
    static size_t n;

    if (n)
        return (Bytes){bytes, n};
    for (size_t i = 0; i < ARRAY_LEN(dictionary_words); i++) {
        size_t length = strlen(dictionary_words[i]);

        n += 3;
        bytes[n++] = (uint8_t)length;
        memcpy(bytes + n, dictionary_words[i], length);
        n += length;
    }
    ASSERT(n + sizeof(dictionary_tail) - 1 == sizeof(bytes));
    memcpy(bytes + n, dictionary_tail, sizeof(dictionary_tail) - 1);
    n = sizeof(bytes);
    return (Bytes){bytes, n};
}

/* ---- numbers ---- */

static uint32_t read32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void add32(StrBuf *out, uint32_t v)
{
    const uint8_t p[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    strbuf_add(out, p, sizeof(p));
}

/* ---- sending ---- */

static void frame_begin(Spdy *spdy, uint16_t type, uint8_t flags, size_t length)
{
    strbuf_truncate(&spdy->frame, 0);
    add32(&spdy->frame, 0x80000000u | VERSION << 16 | type);
    add32(&spdy->frame, (uint32_t)flags << 24 | (uint32_t)length);
}

static void frame_send(Spdy *spdy)
{
    spdy->handler.send(spdy->data, strbuf_bytes(&spdy->frame));
}

static void send_numbers(Spdy *spdy, uint16_t type, uint32_t a, uint32_t b)
{
    frame_begin(spdy, type, 0, 8);
    add32(&spdy->frame, a);
    add32(&spdy->frame, b);
    frame_send(spdy);
}

static void send_data(Spdy *spdy, SpdyStream *stream, const uint8_t *p, size_t n, bool end)
{
    strbuf_truncate(&spdy->frame, 0);
    add32(&spdy->frame, stream->id);
    add32(&spdy->frame, (uint32_t)(end ? FLAG_FIN : 0) << 24 | (uint32_t)n);
    strbuf_add(&spdy->frame, p, n);
    stream->window -= (int64_t)n;
    spdy->window -= (int64_t)n;
    frame_send(spdy);
}

void spdy_goaway(Spdy *spdy)
{
    if (spdy->away)
        return;
    spdy->away = true;
    send_numbers(spdy, GOAWAY, spdy->last_id, spdy->broken ? 1 : 0);
}

/* ---- streams ---- */

/* The position of the stream with this id, or the position at which it would be inserted. */
static size_t stream_place(const Spdy *spdy, uint32_t id)
{
    size_t low = 0, high = spdy->streams.n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (spdy->streams.v[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static SpdyStream *stream_find(const Spdy *spdy, uint32_t id)
{
    size_t at = stream_place(spdy, id);

    return at < spdy->streams.n && spdy->streams.v[at]->id == id ? spdy->streams.v[at] : NULL;
}

static void stream_free(SpdyStream *stream)
{
    strbuf_deinit(&stream->out);
    arena_clear(&stream->arena);
    free(stream);
}

static void stream_gone(Spdy *spdy, SpdyStream *stream)
{
    size_t at = stream_place(spdy, stream->id);

    ASSERT(spdy->streams.v[at] == stream);
    spdy->streams.n--;
    memmove(spdy->streams.v + at, spdy->streams.v + at + 1,
            (spdy->streams.n - at) * sizeof(*spdy->streams.v));
    stream->gone = true;
    spdy->handler.on_gone(spdy->data, stream);
    stream_free(stream);
}

/* Sends as much as the windows allow. Returns true if the stream has ended and was freed. */
static bool stream_flush(Spdy *spdy, SpdyStream *stream)
{
    size_t at = 0;

    while (at < stream->out.n) {
        size_t n = MIN_OF(stream->out.n - at, DATA_MAX);

        if (spdy->peer_counts) {
            int64_t room = MIN_OF(stream->window, spdy->window);

            if (room <= 0)
                break;
            n = MIN_OF(n, (size_t)room);
        }
        send_data(spdy, stream, (const uint8_t *)stream->out.p + at, n, false);
        at += n;
    }
    if (at) {
        memmove(stream->out.p, stream->out.p + at, stream->out.n - at);
        strbuf_truncate(&stream->out, stream->out.n - at);
    }
    if (!stream->finished || stream->out.n > 0)
        return false;
    if (!stream->end_sent) {
        stream->end_sent = true;
        send_data(spdy, stream, NULL, 0, true);
    }
    if (!stream->peer_ended)
        return false;
    stream_gone(spdy, stream);
    return true;
}

/* The end of one stream may end others, so the next stream is looked up by its id each time. */
static void flush_all(Spdy *spdy)
{
    size_t at;

    for (uint32_t id = 0; (at = stream_place(spdy, id)) < spdy->streams.n;) {
        id = spdy->streams.v[at]->id + 1;
        stream_flush(spdy, spdy->streams.v[at]);
    }
}

const char *spdy_header(const SpdyStream *stream, const char *name)
{
    for (size_t i = 0; i < stream->n_headers; i++)
        if (strcmp(stream->headers[i].name, name) == 0)
            return stream->headers[i].value;
    return NULL;
}

void spdy_reply(Spdy *spdy, SpdyStream *stream)
{
    const uint8_t none[4] = {0};
    uint8_t block[64];
    int r;

    if (stream->gone || stream->replied)
        return;
    stream->replied = true;
    spdy->deflate.next_in = (Bytef *)(uintptr_t)none;
    spdy->deflate.avail_in = sizeof(none);
    spdy->deflate.next_out = block;
    spdy->deflate.avail_out = sizeof(block);
    r = deflate(&spdy->deflate, Z_SYNC_FLUSH);
    ASSERT(r == Z_OK && spdy->deflate.avail_in == 0 && spdy->deflate.avail_out > 0);
    frame_begin(spdy, SYN_REPLY, 0, 4 + sizeof(block) - spdy->deflate.avail_out);
    add32(&spdy->frame, stream->id);
    strbuf_add(&spdy->frame, block, sizeof(block) - spdy->deflate.avail_out);
    frame_send(spdy);
}

void spdy_send(Spdy *spdy, SpdyStream *stream, Bytes bytes)
{
    if (stream->gone || stream->finished)
        return;
    if (!spdy->peer_counts && stream->out.n == 0) { /* without a copy */
        for (size_t at = 0; at < bytes.n; at += DATA_MAX)
            send_data(spdy, stream, bytes.p + at, MIN_OF(bytes.n - at, DATA_MAX), false);
        return;
    }
    strbuf_add(&stream->out, bytes.p, bytes.n);
    stream_flush(spdy, stream);
}

size_t spdy_pending(const SpdyStream *stream)
{
    return stream->out.n;
}

void spdy_finish(Spdy *spdy, SpdyStream *stream)
{
    if (stream->gone || stream->finished)
        return;
    stream->finished = true;
    stream_flush(spdy, stream);
}

void spdy_reset(Spdy *spdy, SpdyStream *stream, uint32_t reason)
{
    if (stream->gone)
        return;
    send_numbers(spdy, RST_STREAM, stream->id, reason);
    stream_gone(spdy, stream);
}

/* ---- header blocks ---- */

/* Inflates a whole block. A positive result means that it is damaged or too large. */
static int block_inflate(Spdy *spdy, const uint8_t *p, size_t n, StrBuf *out)
{
    z_stream *z = &spdy->inflate;
    int r;

    z->next_in = (Bytef *)(uintptr_t)p;
    z->avail_in = (uInt)n;
    do {
        uint8_t piece[4096];

        z->next_out = piece;
        z->avail_out = sizeof(piece);
        r = inflate(z, Z_SYNC_FLUSH);
        if (r == Z_NEED_DICT) {
            Bytes dictionary = spdy_dictionary();

            if (inflateSetDictionary(z, dictionary.p, (uInt)dictionary.n) != Z_OK)
                return SPDY_E_BROKEN;
            continue;
        }
        if (r != Z_OK && r != Z_BUF_ERROR)
            return SPDY_E_BROKEN;
        if (out->n + sizeof(piece) - z->avail_out > HEADERS_MAX)
            return SPDY_E_BROKEN;
        strbuf_add(out, piece, sizeof(piece) - z->avail_out);
        if (r == Z_BUF_ERROR)
            break;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return z->avail_in > 0 ? SPDY_E_BROKEN : 0;
}

/* Reads a length-prefixed string up to its first NUL, which separates several values; only the
 * first one is used. */
static bool block_string(Arena *arena, Bytes *block, const char **ret)
{
    size_t n;

    if (block->n < 4)
        return false;
    n = read32(block->p);
    if (n > block->n - 4)
        return false;
    *ret = arena_strndup(arena, (const char *)block->p + 4, n);
    block->p += 4 + n;
    block->n -= 4 + n;
    return true;
}

static bool block_parse(SpdyStream *stream, Bytes block)
{
    uint32_t count;
    HttpHeader *headers;

    if (block.n < 4)
        return false;
    count = read32(block.p);
    if (count > HEADER_COUNT_MAX)
        return false;
    block.p += 4;
    block.n -= 4;
    headers = arena_new_n(&stream->arena, HttpHeader, count + 1);
    for (uint32_t i = 0; i < count; i++)
        if (!block_string(&stream->arena, &block, &headers[i].name) ||
            !block_string(&stream->arena, &block, &headers[i].value))
            return false;
    stream->headers = headers;
    stream->n_headers = count;
    return true;
}

/* ---- frames ---- */

static void peer_ended(Spdy *spdy, SpdyStream *stream)
{
    uint32_t id = stream->id;

    if (stream->peer_ended)
        return;
    stream->peer_ended = true;
    spdy->handler.on_end(spdy->data, stream);
    if (!spdy->freed && stream_find(spdy, id) == stream && stream->end_sent)
        stream_gone(spdy, stream);
}

static int on_syn_stream(Spdy *spdy, uint8_t flags, Bytes payload)
{
    _strbuf_ StrBuf block = STRBUF_INIT;
    SpdyStream *stream;
    uint32_t id;

    if (payload.n < 10)
        return SPDY_E_BROKEN;
    id = read32(payload.p) & STREAM_ID_MAX;
    if (block_inflate(spdy, payload.p + 10, payload.n - 10, &block))
        return SPDY_E_BROKEN;
    if (id % 2 == 0 || id <= spdy->last_id)
        return SPDY_E_BROKEN;
    spdy->last_id = id;
    if (spdy->streams.n >= STREAMS_MAX || spdy->away) {
        send_numbers(spdy, RST_STREAM, id, SPDY_REFUSED_STREAM);
        return 0;
    }
    stream = mem_new_type(SpdyStream);
    stream->id = id;
    stream->window = spdy->initial_window;
    if (!block_parse(stream, strbuf_bytes(&block))) {
        stream_free(stream);
        send_numbers(spdy, RST_STREAM, id, SPDY_PROTOCOL_ERROR);
        return 0;
    }
    if (flags & FLAG_UNIDIRECTIONAL)
        stream->finished = stream->end_sent = true;
    VEC_PUSH(&spdy->streams, stream);
    spdy->handler.on_stream(spdy->data, stream);
    if ((flags & FLAG_FIN) && !spdy->freed && stream_find(spdy, id) == stream)
        peer_ended(spdy, stream);
    return 0;
}

static int on_headers(Spdy *spdy, uint8_t flags, Bytes payload)
{
    _strbuf_ StrBuf block = STRBUF_INIT;
    SpdyStream *stream;

    if (payload.n < 4 || block_inflate(spdy, payload.p + 4, payload.n - 4, &block))
        return SPDY_E_BROKEN;
    stream = stream_find(spdy, read32(payload.p) & STREAM_ID_MAX);
    if (stream && (flags & FLAG_FIN))
        peer_ended(spdy, stream);
    return 0;
}

static int on_rst_stream(Spdy *spdy, uint8_t flags _unused_, Bytes payload)
{
    SpdyStream *stream;

    if (payload.n != 8)
        return SPDY_E_BROKEN;
    stream = stream_find(spdy, read32(payload.p) & STREAM_ID_MAX);
    if (stream)
        stream_gone(spdy, stream);
    return 0;
}

static int on_settings(Spdy *spdy, uint8_t flags _unused_, Bytes payload)
{
    if (payload.n < 4 || (payload.n - 4) / 8 < read32(payload.p))
        return SPDY_E_BROKEN;
    for (uint32_t i = 0; i < read32(payload.p); i++) {
        const uint8_t *entry = payload.p + 4 + (size_t)i * 8;
        int64_t value = read32(entry + 4);

        if ((read32(entry) & 0xffffff) != SETTING_INITIAL_WINDOW)
            continue;
        if (value > WINDOW_MAX)
            return SPDY_E_BROKEN;
        for (size_t k = 0; k < spdy->streams.n; k++)
            spdy->streams.v[k]->window += value - spdy->initial_window;
        spdy->initial_window = value;
        spdy->peer_counts = true;
    }
    flush_all(spdy);
    return 0;
}

static int on_ping(Spdy *spdy, uint8_t flags _unused_, Bytes payload)
{
    if (payload.n != 4)
        return SPDY_E_BROKEN;
    if (read32(payload.p) % 2 == 0) /* a reply to a ping of this side, which sends none */
        return 0;
    frame_begin(spdy, PING, 0, 4);
    strbuf_add(&spdy->frame, payload.p, 4);
    frame_send(spdy);
    return 0;
}

static int on_goaway(Spdy *spdy, uint8_t flags _unused_, Bytes payload)
{
    if (payload.n != 8)
        return SPDY_E_BROKEN;
    spdy->handler.on_goaway(spdy->data);
    return 0;
}

static int on_window_update(Spdy *spdy, uint8_t flags _unused_, Bytes payload)
{
    uint32_t id, delta;
    SpdyStream *stream;

    if (payload.n != 8)
        return SPDY_E_BROKEN;
    id = read32(payload.p) & STREAM_ID_MAX;
    delta = read32(payload.p + 4) & STREAM_ID_MAX;
    spdy->peer_counts = true;
    if (id == 0) {
        if (delta == 0 || spdy->window + delta > WINDOW_MAX)
            return SPDY_E_BROKEN;
        spdy->window += delta;
        flush_all(spdy);
        return 0;
    }
    stream = stream_find(spdy, id);
    if (!stream)
        return 0;
    if (delta == 0 || stream->window + delta > WINDOW_MAX) {
        spdy_reset(spdy, stream, SPDY_FLOW_CONTROL_ERROR);
        return 0;
    }
    stream->window += delta;
    stream_flush(spdy, stream);
    return 0;
}

static int on_nothing(Spdy *spdy _unused_, uint8_t flags _unused_, Bytes payload _unused_)
{
    return 0;
}

static int on_syn_reply(Spdy *spdy _unused_, uint8_t flags _unused_, Bytes payload _unused_)
{
    return SPDY_E_BROKEN; /* only the server answers a stream, and this side is the server */
}

static int (*const on_control[])(Spdy *spdy, uint8_t flags, Bytes payload) = {
    [SYN_STREAM] = on_syn_stream,
    [SYN_REPLY] = on_syn_reply,
    [RST_STREAM] = on_rst_stream,
    [SETTINGS] = on_settings,
    [5] = on_nothing, /* NOOP of older drafts */
    [PING] = on_ping,
    [GOAWAY] = on_goaway,
    [HEADERS] = on_headers,
    [WINDOW_UPDATE] = on_window_update,
};

/* ---- reading ---- */

static void say_window(Spdy *spdy, uint32_t id, uint32_t *unsaid)
{
    if (*unsaid < WINDOW_INITIAL / 2)
        return;
    send_numbers(spdy, WINDOW_UPDATE, id, *unsaid);
    *unsaid = 0;
}

static void data_piece(Spdy *spdy, Bytes piece)
{
    SpdyStream *stream = stream_find(spdy, spdy->data_id);
    uint32_t id = spdy->data_id;

    spdy->data_left -= piece.n;
    spdy->unsaid += (uint32_t)piece.n;
    say_window(spdy, 0, &spdy->unsaid);
    if (!stream || stream->peer_ended)
        return;
    stream->unsaid += (uint32_t)piece.n;
    if (piece.n > 0) {
        say_window(spdy, id, &stream->unsaid);
        spdy->handler.on_data(spdy->data, stream, piece);
    }
    if (spdy->data_left == 0 && spdy->data_fin && !spdy->freed && stream_find(spdy, id) == stream)
        peer_ended(spdy, stream);
}

static int control_whole(Spdy *spdy)
{
    const uint8_t *head = (const uint8_t *)spdy->control.p;
    uint32_t word = read32(head);
    uint32_t type = word & 0xffff;
    Bytes payload = {head + HEAD_SIZE, spdy->control.n - HEAD_SIZE};

    if ((word >> 16 & 0x7fff) != VERSION)
        return SPDY_E_BROKEN;
    if (type >= ARRAY_LEN(on_control) || !on_control[type])
        return 0; /* a frame of a later draft, which has to be ignored */
    return on_control[type](spdy, head[4], payload);
}

/* Handles a complete head: either data begins, or the payload of a control frame has to be
 * collected. */
static int head_whole(Spdy *spdy)
{
    const uint8_t *head = (const uint8_t *)spdy->control.p;
    uint32_t length = read32(head + 4) & 0xffffff;

    if (head[0] & 0x80)
        return length > CONTROL_MAX ? SPDY_E_BROKEN : 0;
    spdy->in_data = true;
    spdy->data_id = read32(head);
    spdy->data_fin = (head[4] & FLAG_FIN) != 0;
    spdy->data_left = length;
    strbuf_truncate(&spdy->control, 0);
    if (spdy->data_id == 0)
        return SPDY_E_BROKEN;
    if (!stream_find(spdy, spdy->data_id) && spdy->data_id > spdy->last_id)
        return SPDY_E_BROKEN;
    return 0;
}

/* Consumes the next bytes, which belong to a head, to a control frame, or to data. */
static int step(Spdy *spdy, Bytes *bytes)
{
    size_t want, n;

    if (spdy->in_data) {
        Bytes piece = {bytes->p, MIN_OF(bytes->n, spdy->data_left)};

        bytes->p += piece.n;
        bytes->n -= piece.n;
        data_piece(spdy, piece);
        spdy->in_data = spdy->data_left > 0;
        return 0;
    }
    want = spdy->control.n < HEAD_SIZE
               ? HEAD_SIZE
               : HEAD_SIZE + (read32((const uint8_t *)spdy->control.p + 4) & 0xffffff);
    n = MIN_OF(bytes->n, want - spdy->control.n);
    strbuf_add(&spdy->control, bytes->p, n);
    bytes->p += n;
    bytes->n -= n;
    if (spdy->control.n < want)
        return 0;
    if (want == HEAD_SIZE && n > 0) {
        int r = head_whole(spdy);

        if (r || spdy->in_data || (read32((const uint8_t *)spdy->control.p + 4) & 0xffffff))
            return r;
    }
    n = (size_t)control_whole(spdy);
    strbuf_truncate(&spdy->control, 0);
    return (int)n;
}

static void destroy(Spdy *spdy)
{
    while (spdy->streams.n > 0)
        stream_free(spdy->streams.v[--spdy->streams.n]);
    VEC_DEINIT(&spdy->streams);
    strbuf_deinit(&spdy->control);
    strbuf_deinit(&spdy->frame);
    inflateEnd(&spdy->inflate);
    deflateEnd(&spdy->deflate);
    free(spdy);
}

int spdy_feed(Spdy *spdy, Bytes bytes)
{
    int r = spdy->broken ? SPDY_E_BROKEN : 0;

    ASSERT(!spdy->feeding);
    spdy->feeding = true;
    /* A data frame without data still needs a step. */
    while (r == 0 && !spdy->freed && (bytes.n > 0 || (spdy->in_data && spdy->data_left == 0)))
        r = step(spdy, &bytes);
    spdy->feeding = false;
    if (spdy->freed) {
        destroy(spdy);
        return 0;
    }
    if (r && !spdy->broken) {
        spdy->broken = true;
        spdy_goaway(spdy);
    }
    return r;
}

Spdy *spdy_new(const SpdyHandler *handler, void *data)
{
    Bytes dictionary = spdy_dictionary();
    Spdy *spdy = mem_new_type(Spdy);

    spdy->handler = *handler;
    spdy->data = data;
    spdy->window = spdy->initial_window = WINDOW_INITIAL;
    ASSERT(inflateInit(&spdy->inflate) == Z_OK);
    ASSERT(deflateInit2(&spdy->deflate, Z_BEST_SPEED, Z_DEFLATED, 11, 1, Z_DEFAULT_STRATEGY) ==
           Z_OK);
    ASSERT(deflateSetDictionary(&spdy->deflate, dictionary.p, (uInt)dictionary.n) == Z_OK);
    return spdy;
}

Spdy *spdy_free(Spdy *spdy)
{
    if (!spdy)
        return NULL;
    spdy->freed = true;
    if (!spdy->feeding)
        destroy(spdy);
    return NULL;
}
