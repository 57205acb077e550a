/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod may use as a whole: see pod_limits.c. */
#ifndef NODE_RUNTIME_POD_LIMITS_H
#define NODE_RUNTIME_POD_LIMITS_H

#include "api/schema/core_pod_v1.h"

/* Sets the limits in the pod's cgroup, which is there. pids: how many processes and threads it may have. False: not all of them
 * could be set. */
bool pod_limits_apply(const char *cgroup, const PodSpec *spec, int64_t pids);

#endif
