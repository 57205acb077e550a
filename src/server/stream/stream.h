/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that logs, exec, attach and port-forward share. */
#ifndef SERVER_STREAM_STREAM_H
#define SERVER_STREAM_STREAM_H

#include "server/request/call.h"

/* The pod of the route, borrowed from the store. *container is the requested container; if it is
 * NULL or empty, it is set to the default one. NULL: *reterr says why. */
Object *stream_pod(Call *call, const char **container, ApiStatus *reterr);
/* The same without a container, for a pod that is assigned to a node. */
Object *stream_pod_placed(Call *call, ApiStatus *reterr);

/* The subresources of pods that stream. */
void subresource_log(Call *call);
void subresource_exec(Call *call);
void subresource_portforward(Call *call);
void subresource_attach(Call *call);

#endif
