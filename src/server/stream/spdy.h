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
    void (*on_drain)(void *data); /* everything that was sent has left */
    void (*on_close)(void *data); /* the last call; streams go without on_gone */
} SpdyLinkHandler;

/* Does the request ask to leave HTTP/1.1 for SPDY? */
bool spdy_wanted(const HttpRequest *request);
/* The first of the client's X-Stream-Protocol-Version that is one of `ours` (NULL-ended); "" if it
 * names none at all. NULL: nothing fits, answered with 403. */
const char *spdy_negotiate(Call *call, const char *const *ours);

/* protocol: of a WebSocket; NULL: the upgrade to SPDY itself. NULL: there was nothing to
 * upgrade. */
SpdyLink *spdy_link_new(Call *call, const char *protocol, const SpdyLinkHandler *handler,
                        void *data);
Spdy *spdy_link_spdy(SpdyLink *link);
size_t spdy_link_pending(const SpdyLink *link);
void spdy_link_pause(SpdyLink *link, bool pause);
/* Waits some seconds for the client to disconnect, then closes. Older clients discard what they
 * have not read if the server closes first. */
void spdy_link_close(SpdyLink *link);

#endif
