/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the plan of Jobs share. */
#ifndef CONTROL_JOB_INTERNAL_H
#define CONTROL_JOB_INTERNAL_H

#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/text_map.h"
#include "control/job/plan.h"

#define NO_INDEX (-1)

/* A list of the pods of one index. */
typedef struct IndexedPod IndexedPod;
struct IndexedPod {
    const Pod *pod;
    IndexedPod *next;
};

typedef struct Indexes {
    int32_t *v;
    size_t n;
} Indexes;

typedef struct JobSync {
    const JobInput *input;
    const Job *job;
    const JobSpec *spec;
    Arena *arena;
    JobPlan *plan;
    PodOwner owner;
    const Pod **pods, **active;
    size_t n_pods, n_active;
    int32_t ready, terminating;
    StringArray new_succeeded, new_failed; /* uids to add to the status as uncounted */
    TextMap counted;                       /* uids whose finalizer may be removed */
    TextMap noted_succeeded, noted_failed; /* uids that are in the status */
    TextMap by_index;                      /* of an indexed job: index -> IndexedPod */
    Indexes now_succeeded, now_failed;     /* indexes to add to the sets */
    IndexSet succeeded_indexes, failed_indexes;
    int64_t succeeded, failed;
    const JobCondition *ending; /* why the job ends: SuccessCriteriaMet or FailureTarget */
} JobSync;

static inline bool job_is_indexed(const JobSpec *spec)
{
    return str_equal(spec->completion_mode, "Indexed");
}
static inline bool job_is_suspended(const JobSpec *spec)
{
    return spec->suspend && *spec->suspend;
}
static inline bool job_has_limit_per_index(const JobSpec *spec)
{
    return job_is_indexed(spec) && spec->backoff_limit_per_index;
}
static inline bool job_replaces_failed_only(const JobSpec *spec)
{
    return str_equal(spec->pod_replacement_policy, "Failed");
}
const IndexedPod *job_pods_of(const JobSync *sync, int32_t index);
/* NO_INDEX if the pod has none, or one that is out of range. */
int32_t job_index_of(const JobSpec *spec, const Pod *pod);
int32_t job_index_failures(const Pod *pod);
bool job_pod_failed(const JobSpec *spec, const Pod *pod);

/* policy.c */
typedef enum FailureAction {
    FAILURE_COUNTS,
    FAILURE_IGNORED,
    FAILURE_OF_INDEX,
    FAILURE_OF_JOB
} FailureAction;
/* The consequence of the pod's failure under the failure policy. *ret_why is the message for
 * FAILURE_OF_JOB, else NULL. */
FailureAction job_failure_action(Arena *arena, const JobSpec *spec, const Pod *pod,
                                 const char **ret_why);
/* The number of the first rule of the success policy that is met, or -1. */
int job_success_rule(Arena *arena, const JobSpec *spec, const IndexSet *succeeded);
/* How long to wait before the next pod is created, because of failures; 0 for not at all. `index` is
 * NO_INDEX for the whole job. */
int64_t job_backoff_left(const JobSync *sync, int32_t index);

/* pods.c */
void job_delete(JobSync *sync, const Pod *pod, bool uncounted);
void job_manage(JobSync *sync);

#endif
