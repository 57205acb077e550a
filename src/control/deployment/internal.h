/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the plan of Deployments share. */
#ifndef CONTROL_DEPLOYMENT_INTERNAL_H
#define CONTROL_DEPLOYMENT_INTERNAL_H

#include "api/schema/apps_v1.h"
#include "control/deployment/plan.h"
#include "control/pods.h"

typedef struct Rollout {
    const DeploymentInput *input;
    const Deployment *deployment;
    Arena *arena;
    DeploymentPlan *plan;
    const ReplicaSet *current; /* has the present template; NULL if none has */
    const ReplicaSet **old;    /* oldest first */
    size_t n_old;
    int32_t replicas, surge, unavailable;
} Rollout;

static inline int32_t set_replicas(const ReplicaSet *set)
{
    return set->spec.replicas ? *set->spec.replicas : 1;
}
/* The number of replicas that all sets together want. */
int32_t rollout_wanted(const Rollout *rollout);
void rollout_add(Rollout *rollout, DeploymentActionType type, const ReplicaSet *set, int32_t from,
                 int32_t to);

/* sets.c */
void rollout_find_sets(Rollout *rollout);
/* Creates the set of the present template. */
void rollout_create_current(Rollout *rollout);
/* Updates its annotations; returns false if they are up to date. */
bool rollout_update_current(Rollout *rollout);
void rollout_clean_up(Rollout *rollout);
/* Sets the size of the set. With `force`, the set is also written if only its annotations change.
 * Returns false if there is nothing to do. */
bool rollout_resize(Rollout *rollout, const ReplicaSet *set, int32_t replicas, bool force);
int32_t rollout_new_size(const Rollout *rollout, int32_t of_current);

/* status.c */
void rollout_begin_status(Rollout *rollout);
void rollout_pause_status(Rollout *rollout);
void rollout_count_status(Rollout *rollout);
void rollout_progress_status(Rollout *rollout);
bool rollout_is_complete(const Rollout *rollout, const DeploymentStatus *status);

#endif
