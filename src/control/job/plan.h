/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Job's controller does next, as a pure function: the job and its pods as they are at one
 * moment go in, actions and a new status come out. The rules and the words are Kubernetes'.
 *
 * No ended pod may be counted twice or not at all, whoever deletes it and wherever the controller
 * dies. So each pod carries a finalizer, and is counted in three steps: its uid is noted in the
 * status as uncounted; then the finalizer goes; then, in one write, the uid becomes a count. The
 * successes of an indexed job need no such care, since an index succeeds only once.
 *
 * First the actions of a plan are carried out and a new plan is made; when there are none, the
 * status is written.
 */
#ifndef CONTROL_JOB_PLAN_H
#define CONTROL_JOB_PLAN_H

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
    bool expired;                 /* delete the job: its time after the end is over */
    const JobCondition *finished; /* the job ends with this status, with that condition */
    const JobCondition *changed;  /* it is suspended or resumed with this status */
    int64_t again_after_ns;       /* -1: on the next event */
} JobPlan;

void job_plan(const JobInput *input, Arena *arena, JobPlan *ret);
bool job_is_ours(const Job *job);
/* The pod without the finalizer. */
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
