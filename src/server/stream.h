/* SPDX-License-Identifier: Apache-2.0 */
/* What logs and exec have in common. */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/internal.h"

/* The pod of the route, borrowed; *container is the one asked for, or the one to take where none is
 * named. NULL: *reterr says why not. */
Object *stream_pod(Call *call, const char **container, ApiStatus *reterr);

#endif
