/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What controllers of interchangeable pods (ReplicaSet, Job) share: whose a pod is, pods made from
 * a template, and a list of things to do with pods.
 *
 * The plans are pure: they fill a PodActions from what is there at one moment. pods_carry_out()
 * does all of it at once and tells about it in Events; the plan is then made anew from what is
 * there, so that nothing is done on stale grounds.
 */
#ifndef CONTROL_PODS_H
#define CONTROL_PODS_H

#include "api/selector.h"
#include "control/controller.h"

#define PODS_BURST 500 /* created or deleted in one pass */
/* On the pods of a Job, until the Job's status has counted them. */
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
    bool going; /* being deleted: adopts nobody */
} PodOwner;

PodOwner pod_owner_of(Arena *arena, const Kind *kind, const ObjectMeta *meta,
                      const LabelSelector *selector);
/* Of the candidates those that belong to the owner, into members (room for all of them): what it
 * controls and its selector matches. Orphans that match are adopted, what no longer matches is let
 * go; both become actions. */
size_t pod_owner_claim(const PodOwner *owner, const Pod *const *candidates, size_t n,
                       PodActions *actions, const Pod **members);
/* A new pod of the owner, without a name: the API server derives one from generateName unless the
 * caller sets it. */
Pod *pod_from_template(Arena *arena, OwnerReference owner, const char *ns,
                       const PodTemplateSpec *template);

/* How carrying out went. */
typedef struct PodResult {
    bool failed;
    const char *error;  /* of the first failure, in the reconcile's arena */
    const char *reason; /* FailedCreate or FailedDelete */
} PodResult;

/* Issues all writes; result must live as long as the reconcile. Go on with reconcile_then. */
void pods_carry_out(Reconcile *reconcile, Object *about, const PodActions *actions,
                    PodResult *result);
/* The pods of a namespace that may concern the owner. */
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

/* Which of two pods goes first where there are too many: negative, the first. Pods go first that are worth least: not
 * placed, not running, not ready, cheap, ready only recently, often restarted, young. */
int pod_compare_worth(const Pod *a, const Pod *b, int64_t now_ns);

/* A number, or a percentage of the total; `otherwise` if it is absent or a text of another form. */
int64_t scaled_value(const IntOrString *v, int64_t total, bool round_up, int64_t otherwise);

#endif
