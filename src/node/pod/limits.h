/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod may use as a whole: see limits.c. */
#ifndef NODE_POD_LIMITS_H
#define NODE_POD_LIMITS_H

#include "node/pod/agent.h"

void pod_limits_apply(const AgentPod *pod); /* its cgroup is there */

#endif
