/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY for the streams of a pod, over a connection that was upgraded from HTTP/1.1 ("Upgrade:
 * SPDY/3.1") or over the messages of a WebSocket. */
#ifndef SERVER_STREAM_SPDY_H
#define SERVER_STREAM_SPDY_H

#include "http/spdy.h"
#include "server/request/call.h"

#define SPDY_PROTOCOL "SPDY/3.1"

typedef struct SpdyLink SpdyLink;

typedef struct SpdyLinkHandler {
    void (*on_stream)(void *data, SpdyStream *stream);
    void (*on_data)(void *data, SpdyStream *stream, Bytes bytes);
    void (*on_end)(void *data, SpdyStream *stream);
    void (*on_gone)(void *data, SpdyStream *stream);
    void (*on_drain)(void *data); /* everything has been sent */
    void (*on_close)(void *data); /* the last call; the streams end without on_gone */
} SpdyLinkHandler;

/* Whether the request asks for an upgrade from HTTP/1.1 to SPDY. */
bool spdy_wanted(const HttpRequest *request);
/* The first of the client's X-Stream-Protocol-Version that is one of `ours` (NULL-ended); "" if it
 * names none at all. Returns NULL if none of them is supported; the request has been answered with
 * 403 then. */
const char *spdy_negotiate(Call *call, const char *const *ours);

/* protocol: the subprotocol of the WebSocket, or NULL for an upgrade to SPDY itself. Returns NULL
 * if the connection could not be upgraded. */
SpdyLink *spdy_link_new(Call *call, const char *protocol, const SpdyLinkHandler *handler,
                        void *data);
Spdy *spdy_link_spdy(SpdyLink *link);
size_t spdy_link_pending(const SpdyLink *link);
void spdy_link_pause(SpdyLink *link, bool pause);
/* Waits some seconds for the client to disconnect, then closes. Older clients discard what they
 * have not read if the server closes first. */
void spdy_link_close(SpdyLink *link);

#endif
