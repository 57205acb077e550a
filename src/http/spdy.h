/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of SPDY/3.1: many streams over one connection. It turns received bytes into
 * callbacks, and calls into bytes to send; it uses neither sockets nor a clock.
 *
 * Older clients of Kubernetes use it after an upgrade (exec, attach, cp, port-forward), newer ones
 * inside a WebSocket (port-forward). Their library implements no flow control: it sends without
 * regard to windows, and never announces what it has read. Windows are therefore only applied to a
 * peer that shows that it supports them, by SETTINGS with a window or by a first WINDOW_UPDATE. For
 * other peers, the layer that transports the bytes has to limit what is sent. In the other
 * direction, bytes that were passed to on_data count as read; a caller that wants to slow the peer
 * down stops calling spdy_feed.
 *
 * The life of a stream: on_stream is called first, then on_data until on_end, which says that the
 * peer has ended its half. When both halves have ended, or one side has reset the stream, on_gone
 * is called exactly once, and then the stream is freed. spdy_finish and spdy_reset may call on_gone
 * before they return.
 */
#ifndef HTTP_SPDY_H
#define HTTP_SPDY_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "http/http.h"

typedef struct Spdy Spdy;

typedef struct SpdyStream {
    uint32_t id;
    const HttpHeader *headers; /* names in lower case, as they were sent */
    size_t n_headers;
    void *user; /* for the handler */

    /* The remaining members are private to spdy.c. */
    Arena arena;
    StrBuf out; /* bytes that wait for the peer's window */
    int64_t window;
    uint32_t unsaid; /* bytes that were read and not yet announced by a WINDOW_UPDATE */
    bool replied, peer_ended, finished, end_sent, gone;
} SpdyStream;

typedef struct SpdyHandler {
    /* The peer has opened a stream. The handler has to answer it with spdy_reply or spdy_reset
     * before it sends anything. */
    void (*on_stream)(void *data, SpdyStream *stream);
    void (*on_data)(void *data, SpdyStream *stream, Bytes bytes);
    void (*on_end)(void *data, SpdyStream *stream);
    void (*on_gone)(void *data, SpdyStream *stream);
    void (*on_goaway)(void *data); /* the peer opens no more streams and is about to disconnect */
    /* Sends whole frames. The bytes must be copied or sent before it returns. */
    void (*send)(void *data, Bytes bytes);
} SpdyHandler;

/* The reasons of an RST_STREAM frame. */
enum {
    SPDY_PROTOCOL_ERROR = 1,
    SPDY_INVALID_STREAM = 2,
    SPDY_REFUSED_STREAM = 3,
    SPDY_CANCEL = 5,
    SPDY_INTERNAL_ERROR = 6,
    SPDY_FLOW_CONTROL_ERROR = 7,
    SPDY_STREAM_IN_USE = 8,
};

/* Outcome of spdy_feed: the connection cannot be used any more. A GOAWAY frame with the reason has
 * been sent. */
#define SPDY_E_BROKEN 1

Spdy *spdy_new(const SpdyHandler *handler, void *data);
/* Frees the connection without calling any callback. It may be called from within a callback. */
Spdy *spdy_free(Spdy *spdy);
int spdy_feed(Spdy *spdy, Bytes bytes);

/* Returns the value of the header with this name, or NULL. */
const char *spdy_header(const SpdyStream *stream, const char *name);
void spdy_reply(Spdy *spdy, SpdyStream *stream);
void spdy_send(Spdy *spdy, SpdyStream *stream, Bytes bytes);
/* The number of bytes that wait for the peer's windows. */
size_t spdy_pending(const SpdyStream *stream);
/* Ends this side's half of the stream, after what has been sent. */
void spdy_finish(Spdy *spdy, SpdyStream *stream);
void spdy_reset(Spdy *spdy, SpdyStream *stream, uint32_t reason);
void spdy_goaway(Spdy *spdy);

/* The dictionary of header blocks, for tests and peers. */
Bytes spdy_dictionary(void);

#endif
