/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Deployment's controller does next, as a pure function: the deployment, its ReplicaSets and
 * their pods as they are at one moment go in, actions and a new status come out. The rules and the
 * words are Kubernetes'.
 *
 * A deployment has one ReplicaSet for each template it has had; the one that holds the present
 * template is the new one. Invariants of a plan under RollingUpdate: all sets together never want
 * more than replicas + maxSurge pods, and an old set only shrinks by pods that are not available,
 * or while more than replicas - maxUnavailable are. Under Recreate the new set gets no pod before
 * the last old one has ended.
 *
 * The actions of a plan belong together; when they are done, a new plan is made.
 */
#ifndef CONTROL_DEPLOYMENT_PLAN_H
#define CONTROL_DEPLOYMENT_PLAN_H

#include "api/generated.h"
#include "base/arena.h"

#define TEMPLATE_HASH_LABEL "pod-template-hash"
#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_REVISION_HISTORY "deployment.kubernetes.io/revision-history"
#define DEPLOYMENT_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX "deployment.kubernetes.io/max-replicas"

typedef struct DeploymentInput {
    const Deployment *deployment;
    const ReplicaSet **sets; /* candidates: controlled by it, or orphans that it selects */
    size_t n_sets;
    const Pod **pods; /* controlled by any of the sets */
    size_t n_pods;
    int64_t now_ns;
    const char *created; /* the ReplicaSet that was made since the status was written last */
    const char *error;   /* why none could be made; NULL: nobody tried, or it worked */
} DeploymentInput;

typedef enum DeploymentActionType {
    DEPLOYMENT_ADOPT,   /* value: the new ReplicaSet */
    DEPLOYMENT_RELEASE, /* value: the new ReplicaSet */
    DEPLOYMENT_CREATE,  /* value: the new ReplicaSet */
    DEPLOYMENT_UPDATE,  /* value: the new ReplicaSet */
    DEPLOYMENT_DELETE,  /* value: the ReplicaSet as it is */
} DeploymentActionType;

typedef struct DeploymentAction {
    DeploymentActionType type;
    const ReplicaSet *set;
    int32_t from, to; /* replicas */
} DeploymentAction;

typedef struct DeploymentPlan {
    Arena *arena;
    DeploymentAction *v;
    size_t n, cap;
    DeploymentStatus status;
    const char *revision; /* of the deployment, to be written with the status */
    bool status_changed;
    int64_t again_after_ns; /* the progress deadline may have passed then; -1: on the next event */
} DeploymentPlan;

void deployment_plan(const DeploymentInput *input, Arena *arena, DeploymentPlan *ret);

int32_t deployment_max_surge(const Deployment *deployment);
int32_t deployment_max_unavailable(const Deployment *deployment);
/* Equal but for the label with the hash. */
bool deployment_same_template(const PodTemplateSpec *a, const PodTemplateSpec *b);

#endif
