/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a PodDisruptionBudget, as a pure function of the budget, the pods that it selects and
 * the sizes that their controllers want.
 *
 * An eviction notes its pod in disruptedPods before it deletes the pod. A noted pod does not count as
 * healthy until it is terminating, or until two minutes have passed without that.
 */
#ifndef CONTROL_CLUSTER_BUDGET_PLAN_H
#define CONTROL_CLUSTER_BUDGET_PLAN_H

#include "api/schema/core_pod_v1.h"
#include "api/schema/policy_v1.h"
#include "base/arena.h"

typedef struct BudgetPod {
    const Pod *pod;
    const char *owner; /* uid of the controller that sets the size; NULL if the pod has none */
    int32_t wanted;    /* that size */
    bool lost;         /* the pod has a controller, but its size is unknown */
} BudgetPod;

typedef struct BudgetInput {
    const PodDisruptionBudget *budget;
    const BudgetPod *pods;
    size_t n_pods;
    int64_t now_ns;
} BudgetInput;

typedef struct BudgetPlan {
    PodDisruptionBudgetStatus status;
    bool status_changed;
    const char *error;      /* why the status cannot be computed; NULL if it can */
    bool unmanaged;         /* some pods lack the controller that the budget needs */
    int64_t again_after_ns; /* until the next noted eviction expires; -1 if there is none */
} BudgetPlan;

void budget_plan(const BudgetInput *input, Arena *arena, BudgetPlan *ret);

#endif
