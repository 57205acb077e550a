/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_ROLLOUT_H
#define CLI_COMMANDS_ROLLOUT_H

#include "cli/resources.h"

/* How far a StatefulSet, Deployment or DaemonSet is, in kubectl's words, a line; 0: not yet, 1:
 * done, -1: it will not come. */
int rollout_progress(yyjson_val *object, StrBuf *out);
/* Waits until it is done, calling say with each new line; deadline by uv_hrtime, 0: none. 0, or 1
 * after a message. */
int rollout_wait(Cluster *cluster, const Target *target, int64_t deadline_ns,
                 void (*say)(void *data, yyjson_val *object, const char *line), void *data);

#endif
