/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do next for a DaemonSet, on the one node that there is: its pods and revisions as they
 * are at one moment go in, actions and a new status come out. Pure. The rules are Kubernetes'.
 */
#ifndef CONTROL_DAEMONSET_PLAN_H
#define CONTROL_DAEMONSET_PLAN_H

#include "control/pods.h"

typedef struct DaemonSetInput {
    const DaemonSet *set;
    const Node *node; /* NULL: there is none yet */
    const Pod **pods; /* that may concern the set */
    size_t n_pods;
    const ControllerRevision **revisions; /* of the set */
    size_t n_revisions;
    int64_t now_ns;
    bool spare_failed; /* a failed pod was deleted a moment ago: not the next one yet */
    bool collided;     /* the new revision's name is taken by another template */
} DaemonSetInput;

typedef struct DaemonSetPlan {
    /* First the revisions, each NULL or to be written; pods wait for them. */
    const ControllerRevision *create_revision, *update_revision;
    const ControllerRevision **old_revisions; /* to be deleted */
    size_t n_old_revisions;
    PodActions actions;
    const Pod *failed, *succeeded; /* that are deleted since they have ended */
    DaemonSetStatus status;
    bool status_changed;
    int64_t again_after_ns; /* negative: when something wakes it */
} DaemonSetPlan;

void daemonset_plan(const DaemonSetInput *input, Arena *arena, DaemonSetPlan *ret);

#endif
