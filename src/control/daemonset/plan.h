/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a DaemonSet does next, on the only node: its input are the set with its pods
 * and revisions at one moment, its output are actions and a new status. It is a pure function. The
 * rules are those of Kubernetes.
 */
#ifndef CONTROL_DAEMONSET_PLAN_H
#define CONTROL_DAEMONSET_PLAN_H

#include "api/schema/apps_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/pods.h"

typedef struct DaemonSetInput {
    const DaemonSet *set;
    const Node *node; /* NULL if it does not exist yet */
    const Pod **pods; /* candidates; see pods_gather() */
    size_t n_pods;
    const ControllerRevision **revisions; /* of the set */
    size_t n_revisions;
    int64_t now_ns;
    bool spare_failed; /* keep failed pods until the back-off of the last deletion is over */
    bool collided;     /* another template has the name of the new revision */
} DaemonSetInput;

typedef struct DaemonSetPlan {
    /* Revisions to write, or NULL. They have to be written before the actions on pods. */
    const ControllerRevision *create_revision, *update_revision;
    const ControllerRevision **old_revisions; /* to be deleted */
    size_t n_old_revisions;
    PodActions actions;
    const Pod *failed, *succeeded; /* pods that the plan deletes because they have ended, or NULL */
    DaemonSetStatus status;
    bool status_changed;
    int64_t again_after_ns; /* plan again after this time; negative: on the next event */
} DaemonSetPlan;

void daemonset_plan(const DaemonSetInput *input, Arena *arena, DaemonSetPlan *ret);

#endif
