/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of HorizontalPodAutoscalers does at one moment, as a pure function: its input are
 * the autoscaler, the scale of its target, the pods of the target and what was measured of them; its
 * output are the number of replicas, a new status and Events. Algorithm, reasons and messages are those
 * of Kubernetes.
 */
#ifndef CONTROL_AUTOSCALE_PLAN_H
#define CONTROL_AUTOSCALE_PLAN_H

#include "control/autoscale/limits.h"
#include "control/autoscale/replicas.h"

typedef struct AutoscaleInput {
    const HorizontalPodAutoscaler *autoscaler;
    const char *scale_error; /* why the scale of the target is not known; NULL: it is */
    int32_t current;         /* what the scale asks for */
    const char *selector;    /* of the scale, as text; "" if it has none */
    const char *rivals; /* the autoscalers that control these pods, if there are several; or NULL */
    const ScaledPod *pods;
    size_t n_pods;
    const char *no_metrics; /* why nothing was measured at all; NULL: something may have been */
    int64_t now_ns;
} AutoscaleInput;

/* An Event to record. */
typedef struct AutoscaleNote {
    const char *type, *reason, *message;
} AutoscaleNote;

typedef struct AutoscalePlan {
    bool rescale; /* set the scale to `replicas`, and then call autoscale_rescaled() */
    int32_t replicas;
    const char *reason; /* of the rescale */
    VEC(AutoscaleNote) notes;
    HorizontalPodAutoscalerStatus status;
} AutoscalePlan;

/* The history is that of this autoscaler; the recommendation is added to it. */
void autoscale_plan(const AutoscaleInput *input, ScaleHistory *history, Arena *arena,
                    AutoscalePlan *ret);
/* Completes the status when the scale has been written, or was refused with this error. */
void autoscale_rescaled(const AutoscaleInput *input, const char *error, ScaleHistory *history,
                        Arena *arena, AutoscalePlan *plan);

#endif
