/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a ReplicaSet's controller does next, as a pure function: as many active pods as wanted, no
 * more. Of too many, those go first that are worth least: not placed, not running, not ready,
 * cheap, ready only recently, often restarted, young.
 */
#ifndef CONTROL_DEPLOYMENT_REPLICASET_PLAN_H
#define CONTROL_DEPLOYMENT_REPLICASET_PLAN_H

#include "control/pods.h"

typedef struct ReplicaSetInput {
    const ReplicaSet *set;
    const Pod *const *pods; /* candidates: controlled by the set, or orphans that it selects */
    size_t n_pods;
    int64_t now_ns;
    PodResult result; /* of what was tried last */
} ReplicaSetInput;

typedef struct ReplicaSetPlan {
    PodActions actions; /* at most adoptions and one of creations and deletions */
    ReplicaSetStatus status;
    bool status_changed;
    int64_t again_after_ns; /* a pod becomes available then; -1: none does by itself */
} ReplicaSetPlan;

void replicaset_plan(const ReplicaSetInput *input, Arena *arena, ReplicaSetPlan *ret);

#endif
