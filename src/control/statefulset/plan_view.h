/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of a StatefulSet's plan share: its input in the order in which they need it, and what
 * they have found out so far. plan.c lists the steps.
 */
#ifndef CONTROL_STATEFULSET_PLAN_VIEW_H
#define CONTROL_STATEFULSET_PLAN_VIEW_H

#include "control/statefulset/plan.h"

typedef struct Member {
    int64_t ordinal;
    const Pod *pod; /* NULL if it has to be created */
    bool paused;
} Member;

typedef struct Members {
    Member *v;
    size_t n;
} Members;

typedef struct PlanView {
    const PlanInput *in;
    const StatefulSet *set;
    Arena *arena;
    Plan *plan;
    bool ordered;
    int32_t min_ready_seconds;
    SetOrdinals ordinals;
    ClaimTemplates templates;
    const PersistentVolumeClaim **claims; /* by name */
    /* Live revisions; `update` may be one that this plan creates. */
    const ControllerRevision **revisions;
    size_t n_revisions;
    const ControllerRevision *current, *update;
    const PodTemplateSpec *current_template; /* decoded when first needed */
    Members replicas;          /* existing pods of ordinals that the set wants, ascending */
    Members condemned;         /* those out of range, descending */
    Members reserved;          /* those of reserved ordinals */
    bool recreate_held;        /* a paused pod of an older revision holds up Recreate */
    int64_t first_unavailable; /* the lowest such ordinal; -1 if all pods are available */
    size_t creations;
} PlanView;

typedef enum Verdict {
    VERDICT_GO_ON, /* the next rule */
    VERDICT_NEXT,  /* the next pod */
    VERDICT_WAIT,  /* an ordered set stops here; a parallel one continues with the next pod */
} Verdict;

/* ---- plan.c: what all steps use ---- */

void plan_act(PlanView *view, PlanActionType type, int64_t ordinal, const char *pod_name,
              const void *value);
/* Notes what the set is waiting for, unless it waits for something else already. */
void plan_wait(PlanView *view, PlanWaitReason reason, const char *message);
/* The same for "waiting for pod NAME ...". Returns VERDICT_WAIT. */
Verdict plan_wait_for(PlanView *view, const Member *member, PlanWaitReason reason,
                      const char *what);
bool plan_pod_is_available(const PlanView *view, const Pod *pod);
/* The name of the revision that the pod was created from, or "". */
const char *plan_pod_revision(const Pod *pod);
bool plan_pod_is_updated(const PlanView *view, const Pod *pod);

/* ---- plan_members.c ---- */

/* Finds the pods that belong to the set. Adopts orphans that match, and releases pods of the set that
 * no longer match. A set that is being deleted does neither. */
void plan_members(PlanView *view);
bool plan_set_controls(const ObjectMeta *meta, const StatefulSet *set);
void plan_adopt(PlanView *view, ObjectMeta *meta);

/* ---- plan_revisions.c ---- */

void plan_revisions(PlanView *view);
const ControllerRevision *plan_find_revision(const PlanView *view, const char *name);
/* The revision of the present template. A rollback to an older template reuses its revision under a
 * new number. */
const ControllerRevision *plan_update_revision(PlanView *view);
/* Keeps revisionHistoryLimit revisions in addition to those that a pod or the status names, and
 * deletes the oldest of the others. */
void plan_truncate_history(PlanView *view);

/* ---- plan_status.c ---- */

void plan_count_pods(PlanView *view);
/* The number of replicas that are available and not terminating. */
int64_t plan_count_available(const PlanView *view);
/* When every replica is updated and ready, the rollout is complete and the update revision becomes the
 * current one. */
void plan_complete_rollout(PlanView *view);
void plan_find_unavailable(PlanView *view);
/* Sets the time at which the next pod will have been ready for minReadySeconds. */
void plan_find_next_availability(PlanView *view);

/* ---- plan_conditions.c ---- */

/* Sets the conditions Progressing and Available; others in the status stay. */
void plan_conditions(PlanView *view);

/* ---- plan_claims.c ---- */

void plan_sort_claims(PlanView *view);
typedef enum ClaimsOf {
    CLAIMS_OF_REPLICA,
    CLAIMS_OF_CONDEMNED, /* missing ones are not created; the retention policy applies */
    CLAIMS_OF_RESERVED,  /* missing ones are not created; the others stay */
} ClaimsOf;

/* Creates the missing claims of the ordinal and corrects the owners of the existing ones. Returns
 * false if the pod has to wait because a claim of its predecessor is still to be deleted. */
bool plan_claims(PlanView *view, const Member *member, const char *pod_name, ClaimsOf of);
/* Lets the claims of all replicas follow the templates. */
void plan_follow_templates(PlanView *view);

/* ---- plan_replicas.c ---- */

/* Applies the rules to each ordinal from the lowest, including those without a pod. Returns true if
 * the plan ends here. */
bool plan_replicas(PlanView *view);
/* Whether the pod, of an older revision, will not become ready by itself: it never was, or one of
 * its containers is held back after errors. */
bool plan_pod_is_stuck(const Pod *pod);

#endif
