/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a port inside a pod, for port-forward: made from within the pod's network
 * namespace, so that what listens on 127.0.0.1 alone is reached too. */
#ifndef NODE_RUNTIME_FORWARD_H
#define NODE_RUNTIME_FORWARD_H

#include "api/streams.h"

struct uv_loop_s;

typedef struct ForwardRequest {
    struct uv_loop_s *loop;
    const char *netns;   /* path; NULL: the machine's own */
    const char *address; /* the pod's, tried last; NULL: none */
    uint16_t port;
} ForwardRequest;

ForwardStream *forward_start(const ForwardRequest *request, const ForwardSink *sink);
size_t forward_stream_send(ForwardStream *stream, Bytes bytes);
void forward_stream_end(ForwardStream *stream);
void forward_stream_pause(ForwardStream *stream, bool pause);
void forward_stream_close(ForwardStream *stream);
/* Called when the stream has ended or was closed, before it is freed. */
void forward_stream_on_free(ForwardStream *stream,
                            void (*on_free)(void *data, ForwardStream *stream), void *data);

#endif
