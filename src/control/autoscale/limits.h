/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the number of replicas that the metrics ask for: it is held back by what was recommended
 * and done a short time ago (stabilization and rates), and by the smallest and largest size. All
 * functions are pure but for the history, which belongs to one autoscaler and lives in memory only, as in
 * Kubernetes.
 */
#ifndef CONTROL_AUTOSCALE_LIMITS_H
#define CONTROL_AUTOSCALE_LIMITS_H

#include "api/schema/autoscaling_v2.h"
#include "base/vec.h"

typedef struct ScaleMoment {
    int32_t replicas; /* recommended; or by how many the size was changed */
    int64_t at_ns;
} ScaleMoment;

typedef VEC(ScaleMoment) ScaleMoments;

typedef struct ScaleHistory {
    ScaleMoments recommendations, ups, downs;
} ScaleHistory;

void scale_history_deinit(ScaleHistory *history);
/* The first recommendation is the size that is found. */
void scale_history_begin(ScaleHistory *history, int32_t current, int64_t now_ns);
/* Notes a change of size, for the policies of the behavior; NULL: there are none. */
void scale_history_note(ScaleHistory *history, const HorizontalPodAutoscalerBehavior *behavior,
                        int32_t before, int32_t after, int64_t now_ns);

typedef struct LimitInput {
    const HorizontalPodAutoscalerBehavior *behavior; /* NULL: as Kubernetes does by default */
    int32_t least, most, current, desired;
    int64_t now_ns;
} LimitInput;

typedef struct LimitResult {
    int32_t replicas;
    bool limited;                           /* the condition ScalingLimited */
    const char *able_reason, *able_message; /* of AbleToScale */
    const char *limit_reason, *limit_message;
} LimitResult;

void limit_replicas(const LimitInput *input, ScaleHistory *history, LimitResult *ret);

#endif
