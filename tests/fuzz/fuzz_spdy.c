/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY: any frames, whole and in small pieces, at a handler that answers in every way there is. */
#include "http/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef struct Peer {
    Spdy *spdy;
    unsigned live;
    size_t sent;
} Peer;

static void on_stream(void *data, SpdyStream *stream)
{
    Peer *peer = data;

    peer->live++;
    spdy_reply(peer->spdy, stream);
    spdy_send(peer->spdy, stream, BYTES_LITERAL("0123456789abcdef"));
    if (spdy_header(stream, "reset"))
        spdy_reset(peer->spdy, stream, SPDY_CANCEL);
    else if (stream->id % 8 == 5)
        spdy_finish(peer->spdy, stream);
}

static void on_data(void *data, SpdyStream *stream, Bytes bytes)
{
    Peer *peer = data;

    spdy_send(peer->spdy, stream, bytes);
    if (bytes.n == 7)
        spdy_reset(peer->spdy, stream, SPDY_INTERNAL_ERROR);
    else if (bytes.n == 11)
        peer->spdy = spdy_free(peer->spdy);
}

static void on_end(void *data, SpdyStream *stream)
{
    Peer *peer = data;

    spdy_finish(peer->spdy, stream);
}

static void on_gone(void *data, SpdyStream *stream _unused_)
{
    Peer *peer = data;

    ASSERT(peer->live > 0);
    peer->live--;
}

static void on_goaway(void *data _unused_)
{
}

static void on_send(void *data, Bytes bytes)
{
    Peer *peer = data;

    peer->sent += bytes.n;
}

static void converse(const uint8_t *p, size_t n, size_t piece)
{
    static const SpdyHandler handler = {on_stream, on_data, on_end, on_gone, on_goaway, on_send};
    Peer peer = {0};

    peer.spdy = spdy_new(&handler, &peer);
    for (size_t at = 0; at < n && peer.spdy; at += piece)
        if (spdy_feed(peer.spdy, (Bytes){p + at, MIN_OF(piece, n - at)}))
            break;
    spdy_free(peer.spdy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    converse(p, n, n ? n : 1);
    converse(p, n, 3);
    return 0;
}
