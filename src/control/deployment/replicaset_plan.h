/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a ReplicaSet does next, as a pure function: it keeps as many active pods as
 * the set wants. pod_compare_worth() decides which of too many pods are deleted.
 */
#ifndef CONTROL_DEPLOYMENT_REPLICASET_PLAN_H
#define CONTROL_DEPLOYMENT_REPLICASET_PLAN_H

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/pods.h"

typedef struct ReplicaSetInput {
    const ReplicaSet *set;
    PodOwner owner;         /* what its pods belong to: the set, or what was converted to it */
    const Pod *const *pods; /* candidates; see pods_gather() */
    size_t n_pods;
    int64_t now_ns;
    PodResult result; /* of the actions of the previous plan */
} ReplicaSetInput;

typedef struct ReplicaSetPlan {
    PodActions actions; /* changes of ownership, or creations, or deletions */
    ReplicaSetStatus status;
    bool status_changed;
    int64_t again_after_ns; /* until the next pod becomes available; -1 if none will by itself */
} ReplicaSetPlan;

void replicaset_plan(const ReplicaSetInput *input, Arena *arena, ReplicaSetPlan *ret);

#endif
