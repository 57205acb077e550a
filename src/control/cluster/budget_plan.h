/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a PodDisruptionBudget stands, as a pure function: the budget, the pods that it selects and
 * the sizes that their controllers want go in, the new status comes out.
 *
 * An eviction notes its pod in disruptedPods before the pod is deleted. Such a pod does not count
 * as healthy, until it is seen to go, or has not gone for two minutes.
 */
#ifndef CONTROL_CLUSTER_BUDGET_PLAN_H
#define CONTROL_CLUSTER_BUDGET_PLAN_H

#include "api/generated.h"
#include "base/arena.h"

typedef struct BudgetPod {
    const Pod *pod;
    const char
        *owner;     /* uid of what says how many there should be; NULL: nobody controls the pod */
    int32_t wanted; /* that many */
    bool lost;      /* it is controlled, but nobody says how many */
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
    const char *error;      /* why it cannot be told; NULL: it can */
    bool unmanaged;         /* some pods have no controller, and it would be needed */
    int64_t again_after_ns; /* a noted eviction runs out then; -1: none does */
} BudgetPlan;

void budget_plan(const BudgetInput *input, Arena *arena, BudgetPlan *ret);

#endif
