/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a port of a pod, for port-forward. It is made inside the pod's network
 * namespace, so that it also reaches servers that listen on 127.0.0.1 only. */
#ifndef NODE_RUNTIME_FORWARD_H
#define NODE_RUNTIME_FORWARD_H

#include "api/streams.h"

struct uv_loop_s;

typedef struct ForwardRequest {
    struct uv_loop_s *loop;
    const char *netns;   /* path of the namespace; NULL for the machine's own */
    const char *address; /* the pod's address, which is tried last; NULL if there is none */
    uint16_t port;
} ForwardRequest;

/* Always returns a stream; the first call of the sink comes later, from the loop. After on_close, or
 * after forward_stream_close, the stream must not be used any more. */
ForwardStream *forward_start(const ForwardRequest *request, const ForwardSink *sink);
size_t forward_stream_send(ForwardStream *stream, Bytes bytes);
void forward_stream_end(ForwardStream *stream);
void forward_stream_pause(ForwardStream *stream, bool pause);
void forward_stream_close(ForwardStream *stream);
/* Called when the stream has ended or was closed, before it is freed. */
void forward_stream_on_free(ForwardStream *stream,
                            void (*on_free)(void *data, ForwardStream *stream), void *data);

#endif
