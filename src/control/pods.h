/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controllers of interchangeable pods (ReplicaSet, Job, DaemonSet) share: which pods belong
 * to an owner, pods made from a template, and a list of actions on pods.
 *
 * The plan functions are pure: they fill a PodActions from the state at one moment. pods_carry_out()
 * issues all of these writes at once and records Events about them. The controller then makes a new
 * plan from the resulting state, so that no action is based on stale information.
 */
#ifndef CONTROL_PODS_H
#define CONTROL_PODS_H

#include "api/schema/core_pod_v1.h"
#include "api/selector.h"
#include "control/controller.h"

#define PODS_BURST 500 /* pods that one pass creates or deletes at most */
/* A pod of a Job has this finalizer until the status of the Job has counted it. */
#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"

typedef enum PodActionType {
    POD_ADOPT,   /* value: the new Pod */
    POD_RELEASE, /* value: the new Pod */
    POD_UPDATE,  /* value: the new Pod */
    POD_CREATE,  /* value: the new Pod, with a name or a prefix of one */
    POD_DELETE,  /* value: the Pod as it is */
} PodActionType;

typedef struct PodAction {
    PodActionType type;
    const Pod *pod;
} PodAction;

typedef struct PodActions {
    Arena *arena;
    PodAction *v;
    size_t n, cap;
} PodActions;

void pod_actions_add(PodActions *actions, PodActionType type, const Pod *pod);

typedef struct PodOwner {
    OwnerReference ref;
    const char *ns;
    const Selector *selector;
    bool going; /* the owner is being deleted, so it neither adopts nor releases pods */
} PodOwner;

PodOwner pod_owner_of(Arena *arena, const Kind *kind, const ObjectMeta *meta,
                      const LabelSelector *selector);
/* Writes to `members`, which has room for all candidates, those that the owner controls and that its
 * selector matches; returns their number. Adds actions that adopt matching pods without a controller
 * and release pods of the owner that no longer match. */
size_t pod_owner_claim(const PodOwner *owner, const Pod *const *candidates, size_t n,
                       PodActions *actions, const Pod **members);
/* A new pod of the owner, without a name: the API server derives one from generateName unless the
 * caller sets it. */
Pod *pod_from_template(Arena *arena, OwnerReference owner, const char *ns,
                       const PodTemplateSpec *template);

/* The outcome of pods_carry_out(). */
typedef struct PodResult {
    bool failed;
    const char *error;  /* of the first failure, in the reconcile's arena */
    const char *reason; /* FailedCreate or FailedDelete */
} PodResult;

/* Issues all writes. `result` is filled as they are answered, so it must live as long as the
 * reconcile; read it in the continuation of reconcile_then(). */
void pods_carry_out(Reconcile *reconcile, Object *about, const PodActions *actions,
                    PodResult *result);
/* The pods that the owner controls, and those without a controller that it may adopt. */
const Pod **pods_gather(Reconcile *reconcile, const PodOwner *owner, size_t *ret_n);

static inline bool pod_is_active(const Pod *pod)
{
    return !str_equal(pod->status.phase, "Succeeded") && !str_equal(pod->status.phase, "Failed") &&
           !pod->metadata.deletion_timestamp.set;
}

static inline bool job_tracks(const Pod *pod)
{
    return meta_has_finalizer(&pod->metadata, JOB_FINALIZER);
}

/* Orders surplus pods: negative if `a` is to be deleted before `b`. The pods that are worth least are
 * deleted first: not placed, not running, not ready, with a low deletion cost, ready only recently,
 * often restarted, young. */
int pod_compare_worth(const Pod *a, const Pod *b, int64_t now_ns);

/* A number, or a percentage of the total; `otherwise` if it is absent or a text of another form. */
int64_t scaled_value(const IntOrString *v, int64_t total, bool round_up, int64_t otherwise);

#endif
