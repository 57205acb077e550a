/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered channels of bytes over a WebSocket, as the channel.k8s.io protocols define them. A message is
 * the channel's number and the bytes. The base64 variants are for browsers: text messages that begin with
 * the channel as a digit.
 */
#ifndef SERVER_STREAM_CHANNELS_H
#define SERVER_STREAM_CHANNELS_H

#include "server/request/call.h"

typedef struct Channels Channels;

typedef struct ChannelsHandler {
    /* Bytes for one channel, valid until the call returns. */
    void (*on_bytes)(void *data, unsigned channel, Bytes bytes);
    void (*on_drain)(void *data); /* everything has been sent */
    void (*on_close)(void *data); /* the last call; the Channels must not be used any more */
} ChannelsHandler;

/* *ret is the first of `ours` (NULL-terminated) that the client offers, NULL if it offers none at all.
 * False: the client offers only other protocols, and the request has been answered with 400. */
bool channels_negotiate(Call *call, const char *const *ours, const char **ret);

/* Accepts the WebSocket with this protocol, which may be NULL. The result belongs to the request. NULL:
 * the client has not asked for a WebSocket, and the request is still unanswered. */
Channels *channels_accept(Call *call, const char *protocol, bool base64,
                          const ChannelsHandler *handler, void *data);
void channels_send(Channels *channels, unsigned channel, Bytes bytes);
/* The number of bytes that have not been sent yet. */
size_t channels_pending(const Channels *channels);
/* Stops reading: back-pressure towards the client. */
void channels_pause(Channels *channels, bool pause);
void channels_close(Channels *channels);

#endif
