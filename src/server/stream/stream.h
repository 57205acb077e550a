/* SPDX-License-Identifier: Apache-2.0 */
/* What logs, exec and port-forward have in common. */
#ifndef SERVER_STREAM_STREAM_H
#define SERVER_STREAM_STREAM_H

#include "server/request/call.h"

/* The pod of the route, borrowed; *container is the one asked for, or the one to take where none is
 * named. NULL: *reterr says why not. */
Object *stream_pod(Call *call, const char **container, ApiStatus *reterr);
/* The same without a container; it has a node. */
Object *stream_pod_placed(Call *call, ApiStatus *reterr);

/* The subresources of pods and nodes that stream. */
void subresource_log(Call *call);
void subresource_node_proxy(Call *call);
void subresource_exec(Call *call);
void subresource_portforward(Call *call);
void subresource_attach(Call *call);

/* ---- channels over WebSocket: websocket.c ---- */

typedef struct ChannelMessage {
    unsigned channel;
    Bytes bytes;
    uint8_t *decoded; /* the caller's; NULL: bytes lie in the message */
} ChannelMessage;

/* A message is the channel's number and the bytes; in the base64 variants, for browsers, the
 * channel as a digit or letter and text. */
void channel_send(WebSocket *ws, bool base64, unsigned channel, Bytes bytes);
/* False: not well-formed, or of a length without meaning. */
bool channel_take(bool base64, Bytes message, ChannelMessage *ret);
/* The first of `ours` that the client offers; NULL where it offers none at all. False: what it
 * offers is none of ours, answered with 400. */
bool channel_protocol(Call *call, const char *const *ours, const char **ret);

#endif
