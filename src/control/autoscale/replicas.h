/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many replicas one metric asks for: the calculation of Kubernetes' HorizontalPodAutoscaler for the
 * CPU and memory of pods, as a pure function.
 *
 * The number of pods that are ready is scaled by the ratio of what they use to the target. Pods without a
 * measurement, and pods that are not ready, are counted in the way that changes least: when the number
 * would go up, as if they used nothing, and when it would go down, as if they used what they request.
 */
#ifndef CONTROL_AUTOSCALE_REPLICAS_H
#define CONTROL_AUTOSCALE_REPLICAS_H

#include "api/schema/core_pod_v1.h"
#include "api/usage.h"
#include "base/arena.h"

/* A pod that the target's selector matches. */
typedef struct ScaledPod {
    const Pod *pod;
    const PodUsage *usage; /* NULL: not measured */
} ScaledPod;

typedef struct ReplicasInput {
    const ScaledPod *pods;
    size_t n_pods;
    const char *resource;  /* cpu or memory */
    const char *container; /* NULL: all containers of a pod together */
    const int32_t
        *utilization;     /* the target in percent of the requests; NULL: target_milli applies */
    int64_t target_milli; /* the target for each pod, in thousandths */
    double tolerance_up, tolerance_down;
    int32_t current;
    int64_t now_ns;
    const char *no_metrics; /* why nothing was measured at all; NULL: something may have been */
} ReplicasInput;

typedef struct ReplicasResult {
    const char *error; /* NULL: the others are valid */
    int32_t replicas;
    int32_t utilization; /* of the pods that were measured */
    int64_t average_milli;
} ReplicasResult;

void replicas_compute(const ReplicasInput *input, Arena *arena, ReplicasResult *ret);

#endif
