/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a StatefulSet does next, as a pure function: its input is the set with its
 * pods, claims and revisions at one moment, its output are actions and a new status. It uses no
 * client and no clock and remembers nothing, so the same input gives the same plan. Each rule can
 * therefore be tested by a table, and a whole cluster by simulation.
 *
 * The rules are those of Kubernetes 1.37, with these additions (docs/statefulsets.md):
 * - Under OrderedReady, a pod of an older revision that never became ready does not block the rollout
 *   that would repair it, but is replaced.
 * - Ordinals can be reserved or paused (api/stateful_set.h). A reserved ordinal has no pod, and its claims
 *   stay; `replicas` counts the other ordinals. The pod of a paused ordinal is left as it is. What brings
 *   pods back does not wait for it; what takes pods away does.
 * - Changes of the claim templates flow to the existing claims.
 * - The conditions Progressing and Available say what the set waits for.
 *
 * Invariants of a plan:
 * - It creates a pod only if the input contains no pod of that name, terminating or not.
 * - For an OrderedReady set, it creates pod i only if all pods below are ready and available, and it
 *   deletes from the top, one pod at a time, only while all remaining pods are.
 * - A claim is created before its pod. No plan ever deletes a claim: the retention policy is
 *   expressed by owner references, and the garbage collector acts on these.
 * - No plan creates or deletes the pod of a paused ordinal, or creates the pod of a reserved one.
 * - Under Recreate, a pod of the update revision is created only when no pod of another revision is left.
 * - A claim never becomes smaller.
 * - Actions of one ordinal depend on each other in order of stage. If one fails, the later stages of
 *   that ordinal must not be carried out; if one of ordinal PLAN_WHOLE_SET fails, none of the later
 *   stages of any ordinal. A failed PLAN_FOLLOW_TEMPLATE stops nothing, since a pod can also run with a
 *   claim that did not grow.
 */
#ifndef CONTROL_STATEFULSET_PLAN_H
#define CONTROL_STATEFULSET_PLAN_H

#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/stateful_set.h"
#include "base/arena.h"
#include "base/vec.h"
#include "control/revision.h"

#define POD_NAME_LABEL "statefulset.kubernetes.io/pod-name"
#define POD_INDEX_LABEL "apps.kubernetes.io/pod-index"

#define PLAN_WHOLE_SET (-1)
#define PLAN_CREATIONS_MAX 500 /* pods that one plan creates at most */

typedef struct PlanInput {
    const StatefulSet *set;
    /* Candidates: the pods that the set controls, and those without a controller that its selector
     * matches. The same applies to the revisions. */
    const Pod **pods;
    size_t n_pods;
    const ControllerRevision **revisions;
    size_t n_revisions;
    /* At least the claims of the set's ordinals; others are ignored. */
    const PersistentVolumeClaim **claims;
    size_t n_claims;
    int64_t now_ns; /* wall time */
} PlanInput;

/* In order of stage. All actions of one stage may be carried out at the same time. */
typedef enum PlanActionType {
    PLAN_ADOPT_REVISION, /* value: the new ControllerRevision */
    PLAN_UPDATE_REVISION,
    PLAN_CREATE_REVISION,
    PLAN_ADOPT_POD, /* value: the new Pod */
    PLAN_RELEASE_POD,
    PLAN_CREATE_CLAIM, /* value: the new PersistentVolumeClaim */
    PLAN_UPDATE_CLAIM,
    PLAN_FOLLOW_TEMPLATE, /* value: the PersistentVolumeClaim with what the template has now */
    PLAN_CREATE_POD,
    PLAN_UPDATE_POD,
    PLAN_DELETE_POD, /* value: the Pod as it is */
    PLAN_DELETE_REVISION,
    _PLAN_ACTION_MAX,
} PlanActionType;

typedef struct PlanAction {
    PlanActionType type;
    int64_t ordinal;      /* or PLAN_WHOLE_SET */
    const char *pod_name; /* NULL for PLAN_WHOLE_SET */
    const void *value;
} PlanAction;

/* What a set waits for. The texts are the reasons of its conditions. */
typedef enum PlanWaitReason {
    WAIT_NOTHING,
    WAIT_POD_STARTING,
    WAIT_POD_ENDED, /* its pod has ended and is being replaced */
    WAIT_POD_STUCK, /* a pod of an older revision does not start and is being replaced */
    WAIT_POD_TERMINATING,
    WAIT_POD_NOT_READY,
    WAIT_POD_NOT_AVAILABLE,
    WAIT_CLAIM_TERMINATING,
    WAIT_POD_UPDATING,
    WAIT_RECREATE,
    WAIT_CLAIM_GROWING,
    WAIT_PARTITION, /* from here on only a user can end the wait */
    WAIT_ON_DELETE,
    WAIT_POD_PAUSED,
    _WAIT_MAX,
} PlanWaitReason;

typedef struct PlanWait {
    PlanWaitReason reason;
    const char *message; /* "waiting for pod web-1 to be ready"; NULL if it does not wait */
} PlanWait;

/* "PodNotReady" */
const char *plan_wait_text(PlanWaitReason reason);

typedef struct Plan {
    Arena *arena;
    PlanAction *v;
    size_t n, cap;
    StatefulSetStatus status;
    bool status_changed;
    /* Plan again after this time, because a pod will have become available; -1: on the next event. */
    int64_t again_after_ns;
    PlanWait wait; /* the first of its waits */
    /* Names of claims that another controller owns, so that the retention policy has no effect. */
    VEC(const char *) conflicting_claims;
} Plan;

/* The plan is allocated in the arena and refers to the input. */
void statefulset_plan(const PlanInput *input, Arena *arena, Plan *ret);

/* ---- the parts of the plan; these are pure functions as well ---- */

/* The ordinal in a pod's name: 3 for "web-3" of the set "web". Negative if the name is not one that
 * this set gives ("web-03" is not). */
int64_t statefulset_ordinal(const char *set_name, const char *pod_name);
static inline int64_t statefulset_start(const StatefulSet *set)
{
    return set->spec.ordinals ? set->spec.ordinals->start : 0;
}
static inline int64_t statefulset_replicas(const StatefulSet *set)
{
    return set->spec.replicas ? *set->spec.replicas : 1;
}
bool statefulset_is_ordered(const StatefulSet *set);
bool statefulset_is_on_delete(const StatefulSet *set);
/* The lowest ordinal that a rollout updates. Reserved ordinals do not shift it. */
int64_t statefulset_first_updated(const StatefulSet *set);
/* A number, or a percentage of the replicas rounded up; at least 1. */
int64_t statefulset_max_unavailable(const StatefulSet *set);

/* Pods and claims as the set creates them. */
Pod *statefulset_new_pod(Arena *arena, const StatefulSet *set, const PodTemplateSpec *template,
                         const char *revision, int64_t ordinal);
const char *statefulset_claim_name(Arena *arena, const StatefulSet *set, size_t template,
                                   int64_t ordinal);
PersistentVolumeClaim *statefulset_new_claim(Arena *arena, const StatefulSet *set,
                                             const ClaimTemplates *templates, size_t template,
                                             int64_t ordinal);
/* A copy of the claim to which the changes of its template since it last followed it are applied, or
 * NULL if there are none. Labels and annotations that somebody has changed in the claim stay unless the
 * template has changed the same ones. */
PersistentVolumeClaim *statefulset_follow_template(Arena *arena, const StatefulSet *set,
                                                   const ClaimTemplates *templates, size_t template,
                                                   const PersistentVolumeClaim *claim);
/* Puts what a failed action means into the conditions of a status. */
void statefulset_note_failure(Arena *arena, StatefulSetStatus *status, const char *reason,
                              const char *message, int64_t now_ns);
bool statefulset_status_differs(const StatefulSetStatus *a, const StatefulSetStatus *b);

/* Which owner reference the retention policy requires of a claim. `condemned` says that the ordinal
 * is out of range. `pod` is NULL if the pod does not exist. */
typedef enum ClaimOwner { CLAIM_OWNER_NONE, CLAIM_OWNER_SET, CLAIM_OWNER_POD } ClaimOwner;
typedef enum ClaimVerdict {
    CLAIM_FINE,
    CLAIM_LEFT_ALONE, /* its owner has been deleted and another one has the same name: the garbage
                         collector deals with the claim */
    CLAIM_CONFLICT,   /* another controller owns it, so the policy cannot take effect */
    CLAIM_UPDATE,
} ClaimVerdict;
ClaimOwner statefulset_claim_owner(const StatefulSet *set, bool condemned);
ClaimVerdict statefulset_judge_claim(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                     const char *pod_name, const Pod *pod, bool condemned);
PersistentVolumeClaim *statefulset_fix_claim(Arena *arena, const StatefulSet *set,
                                             const PersistentVolumeClaim *claim,
                                             const char *pod_name, const Pod *pod, bool condemned);
/* Whether the claim belongs to a pod that was scaled down, or to a deleted set of the same name, and
 * is about to be deleted. A new pod must not start with it. */
bool statefulset_claim_is_stale(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                const char *pod_name, const Pod *pod);

/* Revisions of the set; see control/revision.h. */
Bytes statefulset_revision_data(Arena *arena, const StatefulSet *set);
ControllerRevision *statefulset_new_revision(Arena *arena, const StatefulSet *set, Bytes data,
                                             int64_t revision, int32_t collision_count);

#endif
