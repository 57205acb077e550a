/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_ROLLOUT_H
#define CLI_COMMANDS_ROLLOUT_H

#include "cli/resources.h"

/* Appends the progress of a StatefulSet, Deployment or DaemonSet as a line in the words of kubectl. Returns 1 if the rollout is
 * complete, 0 if it is not, or -1 if it has failed or has no progress to show. */
int rollout_progress(yyjson_val *object, StrBuf *out);
/* Waits for the end of a rollout, and calls `say` with each new line. The deadline is a time of uv_hrtime; 0: there is none.
 * Returns 0 when the rollout is complete, or 1 after printing a message. */
int rollout_wait(Cluster *cluster, const Target *target, int64_t deadline_ns,
                 void (*say)(void *data, yyjson_val *object, const char *line), void *data);

#endif
