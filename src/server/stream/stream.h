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

#endif
