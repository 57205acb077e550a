/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, exec, attach and port-forward for the API server: see streams.c. */
#ifndef NODE_STREAMS_H
#define NODE_STREAMS_H

#include "api/streams.h"

extern const PodStreamsOps node_streams_ops;

#endif
