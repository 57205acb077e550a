/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a StatefulSet's controller does next, as a pure function: the set, its pods, claims and
 * revisions as they are at one moment go in, actions and a new status come out. No client, no
 * clock, no memory of its own: the same input gives the same plan, so that each rule can be tested
 * by a table and a whole cluster by simulation.
 *
 * The rules are Kubernetes', with one more: under OrderedReady a pod of an older revision that
 * never came up does not hold up the rollout that would repair it, but is replaced.
 *
 * Invariants of a plan:
 * - a pod is created only where no pod of that name is in the input, terminating or not;
 * - an OrderedReady set creates pod i only if all pods below are ready and available, and deletes
 * from the top, one at a time, only while all that stay are;
 * - a claim is created before its pod, and no plan ever deletes one: retention speaks through owner
 * references;
 * - actions of one ordinal depend on each other in order of stage; a failure stops the later stages
 * of that ordinal, a failure of ordinal PLAN_WHOLE_SET all later ones.
 */
#ifndef CONTROL_STATEFULSET_PLAN_H
#define CONTROL_STATEFULSET_PLAN_H

#include "api/generated.h"
#include "base/arena.h"
#include "control/revision.h"

#define POD_NAME_LABEL "statefulset.kubernetes.io/pod-name"
#define POD_INDEX_LABEL "apps.kubernetes.io/pod-index"

#define PLAN_WHOLE_SET (-1)
#define PLAN_CREATIONS_MAX 500 /* pods created in one pass */

typedef struct PlanInput {
    const StatefulSet *set;
    /* Candidates: whatever the set controls, and what its selector matches and nobody controls. */
    const Pod **pods;
    size_t n_pods;
    const ControllerRevision **revisions;
    size_t n_revisions;
    /* At least those that belong to the set's ordinals; others do no harm. */
    const PersistentVolumeClaim **claims;
    size_t n_claims;
    int64_t now_ns; /* wall time */
} PlanInput;

/* In order of stage: those of one stage may be carried out at once. */
typedef enum PlanActionType {
    PLAN_ADOPT_REVISION, /* value: the new ControllerRevision */
    PLAN_UPDATE_REVISION,
    PLAN_CREATE_REVISION,
    PLAN_ADOPT_POD, /* value: the new Pod */
    PLAN_RELEASE_POD,
    PLAN_CREATE_CLAIM, /* value: the new PersistentVolumeClaim */
    PLAN_UPDATE_CLAIM,
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

typedef struct Plan {
    Arena *arena;
    PlanAction *v;
    size_t n, cap;
    StatefulSetStatus status;
    bool status_changed;
    int64_t again_after_ns; /* plan again then, since a pod will have become available; -1: on the
                               next event */
    const char *waits_for;  /* why an ordered set goes no further for now, for people; NULL: it does
                               not wait */
    StringArray
        conflicting_claims; /* claims that another controller owns, so that retention cannot work */
} Plan;

/* The plan lives in arena and refers to the input. */
void statefulset_plan(const PlanInput *input, Arena *arena, Plan *ret);

/* ---- the steps, pure as well ---- */

/* "web-3" of set "web": 3. Negative: not a name of this set ("web-03" is none either). */
int64_t statefulset_ordinal(const char *set_name, const char *pod_name);
static inline int64_t statefulset_start(const StatefulSet *set)
{
    return set->spec.ordinals ? set->spec.ordinals->start : 0;
}
static inline int64_t statefulset_replicas(const StatefulSet *set)
{
    return set->spec.replicas ? *set->spec.replicas : 1;
}
static inline bool statefulset_in_range(const StatefulSet *set, int64_t ordinal)
{
    return ordinal >= statefulset_start(set) &&
           ordinal < statefulset_start(set) + statefulset_replicas(set);
}
bool statefulset_is_ordered(const StatefulSet *set);
bool statefulset_is_on_delete(const StatefulSet *set);
int64_t statefulset_partition(const StatefulSet *set);
/* A number, or a percentage of the replicas rounded up; at least 1. */
int64_t statefulset_max_unavailable(const StatefulSet *set);

/* Pods and claims as the set makes them. */
Pod *statefulset_new_pod(Arena *arena, const StatefulSet *set, const PodTemplateSpec *template,
                         const char *revision, int64_t ordinal);
const char *statefulset_claim_name(Arena *arena, const StatefulSet *set, size_t template,
                                   int64_t ordinal);
PersistentVolumeClaim *statefulset_new_claim(Arena *arena, const StatefulSet *set, size_t template,
                                             int64_t ordinal);

/* What the retention policy asks of a claim's owner references. condemned: the ordinal is out of
 * range. pod may be NULL while it does not exist. */
typedef enum ClaimOwner { CLAIM_OWNER_NONE, CLAIM_OWNER_SET, CLAIM_OWNER_POD } ClaimOwner;
typedef enum ClaimVerdict {
    CLAIM_FINE,
    CLAIM_LEFT_ALONE, /* an owner of the same name but of an earlier life: the garbage collector's
                         business */
    CLAIM_CONFLICT,   /* another controller owns it, and we have no reference in it */
    CLAIM_UPDATE,
} ClaimVerdict;
ClaimOwner statefulset_claim_owner(const StatefulSet *set, bool condemned);
ClaimVerdict statefulset_judge_claim(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                     const char *pod_name, const Pod *pod, bool condemned);
PersistentVolumeClaim *statefulset_fix_claim(Arena *arena, const StatefulSet *set,
                                             const PersistentVolumeClaim *claim,
                                             const char *pod_name, const Pod *pod, bool condemned);
/* The claim still belongs to a pod that was scaled down, or to a deleted set of this name, and is
 * about to go: a new pod must not start on it. */
bool statefulset_claim_is_stale(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                const char *pod_name, const Pod *pod);

/* Revisions of the set; see control/revision.h. */
Bytes statefulset_revision_data(Arena *arena, const StatefulSet *set);
ControllerRevision *statefulset_new_revision(Arena *arena, const StatefulSet *set, Bytes data,
                                             int64_t revision, int32_t collision_count);

#endif
