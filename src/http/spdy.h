/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY/3.1, the server's side: many streams over one way to send bytes. Bytes in, callbacks out,
 * bytes out; no sockets, no clock.
 *
 * Kubernetes' older clients speak it behind an upgrade (exec, attach, cp, port-forward), the newer
 * ones inside a WebSocket (port-forward). The library they are made of counts no windows: it sends
 * without looking and never says that it has read. So windows hold only for a peer that shows it
 * knows them, by SETTINGS with a window or by a first WINDOW_UPDATE; what is sent to others is
 * bounded by whoever carries the bytes. Ours is the same in the other direction: what was handed to
 * on_data counts as read, and who wants to hold a peer back stops feeding.
 *
 * Life of a stream: on_stream; then data until on_end (the peer has ended its half) and, when both
 * halves have ended or one side has reset it, on_gone exactly once, after which it is freed.
 * on_gone also comes from within spdy_finish and spdy_reset.
 */
#ifndef HTTP_SPDY_H
#define HTTP_SPDY_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "http/http.h"

typedef struct Spdy Spdy;

typedef struct SpdyStream {
    uint32_t id;
    const HttpHeader *headers; /* names as sent: lower case */
    size_t n_headers;
    void *user; /* the handler's own */

    /* The rest is spdy.c's. */
    Arena arena;
    StrBuf out; /* waits for the peer's window */
    int64_t window;
    uint32_t unsaid; /* bytes taken that no WINDOW_UPDATE has told of */
    bool replied, peer_ended, finished, end_sent, gone;
} SpdyStream;

typedef struct SpdyHandler {
    /* A new stream; to be answered by spdy_reply (or spdy_reset) before anything is sent. */
    void (*on_stream)(void *data, SpdyStream *stream);
    void (*on_data)(void *data, SpdyStream *stream, Bytes bytes);
    void (*on_end)(void *data, SpdyStream *stream);
    void (*on_gone)(void *data, SpdyStream *stream);
    void (*on_goaway)(void *data); /* the peer opens no more streams, and wants to leave */
    /* Whole frames; copied or sent before it returns. */
    void (*send)(void *data, Bytes bytes);
} SpdyHandler;

/* Reasons of RST_STREAM. */
enum {
    SPDY_PROTOCOL_ERROR = 1,
    SPDY_INVALID_STREAM = 2,
    SPDY_REFUSED_STREAM = 3,
    SPDY_CANCEL = 5,
    SPDY_INTERNAL_ERROR = 6,
    SPDY_FLOW_CONTROL_ERROR = 7,
    SPDY_STREAM_IN_USE = 8,
};

/* Outcome of spdy_feed: no use to go on; a GOAWAY that says so was sent. */
#define SPDY_E_BROKEN 1

Spdy *spdy_new(const SpdyHandler *handler, void *data);
/* No callback comes from it; may be called from within one. */
Spdy *spdy_free(Spdy *spdy);
int spdy_feed(Spdy *spdy, Bytes bytes);

/* NULL if there is none of this name. */
const char *spdy_header(const SpdyStream *stream, const char *name);
void spdy_reply(Spdy *spdy, SpdyStream *stream);
void spdy_send(Spdy *spdy, SpdyStream *stream, Bytes bytes);
/* Bytes that wait for the peer's windows. */
size_t spdy_pending(const SpdyStream *stream);
void spdy_finish(Spdy *spdy, SpdyStream *stream); /* our half ends, behind what was sent */
void spdy_reset(Spdy *spdy, SpdyStream *stream, uint32_t reason);
void spdy_goaway(Spdy *spdy);

/* The dictionary of header blocks, for tests and peers. */
Bytes spdy_dictionary(void);

#endif
