/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a Job does next, as a pure function: its input are the job and its pods at
 * one moment, its output are actions and a new status. The rules and texts are those of Kubernetes.
 *
 * Every ended pod must be counted exactly once, no matter who deletes it and where the controller
 * crashes. Each pod therefore has a finalizer and is counted in three steps: the status lists its uid
 * as uncounted; then the finalizer is removed; then one write replaces the uid by a count. The
 * successes of an indexed job need no such care, since an index can succeed only once.
 *
 * The controller carries out the actions of a plan and then makes a new one. If a plan has no actions,
 * it writes the status.
 */
#ifndef CONTROL_JOB_PLAN_H
#define CONTROL_JOB_PLAN_H

#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/pods.h"

#define JOB_INDEX "batch.kubernetes.io/job-completion-index"
#define JOB_INDEX_FAILURES "batch.kubernetes.io/job-index-failure-count"
#define JOB_CONTROLLER "kubernetes.io/job-controller"

typedef struct JobInput {
    const Job *job;
    const Pod *const *pods; /* candidates */
    size_t n_pods;
    int64_t now_ns;
} JobInput;

typedef struct JobPlan {
    PodActions actions;
    JobStatus status;
    bool status_changed;
    bool expired;                 /* delete the job, since its time to live has passed */
    const JobCondition *finished; /* the condition with which this status ends the job, or NULL */
    const JobCondition *changed;  /* the condition Suspended, if this status changes it */
    int64_t again_after_ns;       /* plan again after this time; -1: on the next event */
} JobPlan;

void job_plan(const JobInput *input, Arena *arena, JobPlan *ret);
/* False if spec.managedBy names another controller. */
bool job_is_ours(const Job *job);
/* A copy of the pod without the finalizer of Jobs. */
const Pod *job_untracked(Arena *arena, const Pod *pod);

/* ---- sets of indexes: "1,3-5,7" ---- */

typedef struct IndexSet {
    struct IndexRange {
        int32_t from, to;
    } * v; /* ascending, with gaps between */
    size_t n;
} IndexSet;

IndexSet index_set_parse(Arena *arena, const char *text);
const char *index_set_text(Arena *arena, const IndexSet *set);
bool index_set_has(const IndexSet *set, int32_t index);
int64_t index_set_total(const IndexSet *set);
void index_set_add(Arena *arena, IndexSet *set, const int32_t *v, size_t n);

#endif
