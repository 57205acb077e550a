/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod may use as a whole: see pod_limits.c. */
#ifndef NODE_RUNTIME_POD_LIMITS_H
#define NODE_RUNTIME_POD_LIMITS_H

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/error.h"

/* Sets the limits in the pod's cgroup, which is there. pids: how many processes and threads it may have. False: not all of them
 * could be set. */
bool pod_limits_apply(const char *cgroup, const PodSpec *spec, int64_t pids);

/* A change of the limits of a cgroup that is in use. */
typedef struct LimitChange {
    const char *cgroup;
    const char *name;                      /* of the container; NULL: the pod as a whole */
    const ResourceRequirements *from, *to; /* `from` of a pod is not used */
    bool always; /* what it has now is not known for certain, so it is set even if both are equal */
} LimitChange;

/* Changes the limits of running containers and of their pod (NULL: it has none as a whole), in an order
 * in which those of the containers never exceed that of the pod. Memory limits below what is in use are
 * refused. After an error, some may have been changed, and the same call can be repeated. It blocks, so
 * call it on the pool. */
int limits_change(const LimitChange *pod, const LimitChange *containers, size_t n, Err *reterr);

#endif
