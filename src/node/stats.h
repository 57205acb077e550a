/* SPDX-License-Identifier: Apache-2.0 */
/* What the node says of itself in kubelet's paths: see stats.c. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include "base/strbuf.h"
#include "node/pod/agent.h"

/* False: nothing is known under this path. */
bool agent_answer(NodeAgent *agent, const char *path, const char **ret_type, StrBuf *out);

#endif
