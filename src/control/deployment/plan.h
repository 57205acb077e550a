/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a Deployment does next, as a pure function: its input are the deployment with
 * its ReplicaSets and their pods at one moment, its output are actions and a new status. The rules
 * and texts are those of Kubernetes.
 *
 * A deployment has one ReplicaSet for each template that it has had. The one with the present template
 * is the new set. Invariants of a plan under RollingUpdate: all sets together never want more than
 * replicas + maxSurge pods, and an old set shrinks only by pods that are not available, or while more
 * than replicas - maxUnavailable pods are. Under Recreate the new set gets no pod before the last old
 * pod has ended.
 *
 * The actions of a plan belong together. When they have been carried out, a new plan is made.
 */
#ifndef CONTROL_DEPLOYMENT_PLAN_H
#define CONTROL_DEPLOYMENT_PLAN_H

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
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
    const char *created; /* the ReplicaSet created since the last write of the status, or NULL */
    const char *error;   /* why its creation failed; NULL if it did not */
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
    const char *revision; /* the annotation of the deployment, to be written with the status */
    bool status_changed;
    int64_t again_after_ns; /* the progress deadline may have passed then; -1: on the next event */
} DeploymentPlan;

void deployment_plan(const DeploymentInput *input, Arena *arena, DeploymentPlan *ret);

int32_t deployment_max_surge(const Deployment *deployment);
int32_t deployment_max_unavailable(const Deployment *deployment);
/* Whether the templates are equal except for the label with the hash. */
bool deployment_same_template(const PodTemplateSpec *a, const PodTemplateSpec *b);

#endif
