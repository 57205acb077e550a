/* SPDX-License-Identifier: Apache-2.0 */
#include "api/condition.h"
#include "control/job/plan.h"

#include "codec/type.h"
#include "control/job/internal.h"
#include "view/pod.h"

/* ---- helpers ---- */

const IndexedPod *job_pods_of(const JobSync *sync, int32_t index)
{
    const TextMapSlot *slot = text_map_find_n(&sync->by_index, (const char *)&index, sizeof(index));

    return slot ? slot->value : NULL;
}

static void index_pods(JobSync *sync)
{
    bool is_new;

    for (size_t i = sync->n_pods; i-- > 0;) {
        int32_t index = job_index_of(sync->spec, sync->pods[i]);
        IndexedPod *pod = arena_new(sync->arena, IndexedPod);
        TextMapSlot *slot;

        if (index == NO_INDEX)
            continue;
        slot = text_map_put_n(&sync->by_index, (const char *)arena_int32(sync->arena, index),
                              sizeof(index), &is_new);
        *pod = (IndexedPod){sync->pods[i], slot->value};
        slot->value = pod;
    }
}

static void index_noted(TextMap *map, const StringArray *uids)
{
    for (size_t i = 0; i < uids->n; i++)
        text_map_add(map, uids->v[i]);
}

int32_t job_index_of(const JobSpec *spec, const Pod *pod)
{
    const char *text = string_map_get(&pod->metadata.annotations, JOB_INDEX);
    int32_t completions = spec->completions ? *spec->completions : 0;
    int64_t index;

    if (!text || str_to_int64(text, 0, INT32_MAX, &index) || index >= completions)
        return NO_INDEX;
    return (int32_t)index;
}

int32_t job_index_failures(const Pod *pod)
{
    const char *text = string_map_get(&pod->metadata.annotations, JOB_INDEX_FAILURES);
    int64_t n;

    return text && str_to_int64(text, 0, INT32_MAX, &n) == 0 ? (int32_t)n : 0;
}

/* A pod that is being deleted may disappear before it reports a failure. */
bool job_pod_failed(const JobSpec *spec, const Pod *pod)
{
    if (pod_is_failed(pod))
        return true;
    return !job_replaces_failed_only(spec) && pod_is_terminating(pod) && !pod_is_succeeded(pod);
}

const Pod *job_untracked(Arena *arena, const Pod *pod)
{
    Pod *copy = type_clone(&type_Pod, arena, pod);

    meta_remove_finalizer(&copy->metadata, JOB_FINALIZER);
    return copy;
}

bool job_is_ours(const Job *job)
{
    return str_empty(job->spec.managed_by) || str_equal(job->spec.managed_by, JOB_CONTROLLER);
}

/* ---- conditions ---- */

static const JobCondition *true_condition(const JobStatus *status, const char *type)
{
    const JobCondition *condition = CONDITION_FIND(&status->conditions, type);

    return condition && str_equal(condition->status, "True") ? condition : NULL;
}

static const JobCondition *job_finished(const Job *job)
{
    const JobCondition *condition = true_condition(&job->status, "Complete");

    return condition ? condition : true_condition(&job->status, "Failed");
}

static const JobCondition *new_condition(JobSync *sync, const char *type, const char *status,
                                         const char *reason, const char *message)
{
    JobCondition *condition = arena_new(sync->arena, JobCondition);
    Time now = time_seconds_from_ns(sync->input->now_ns);

    *condition = (JobCondition){type, status, now, now, reason, message};
    return condition;
}

/* An absent condition counts as False. Returns true if the condition has changed. */
static bool put_condition(JobSync *sync, const JobCondition *condition)
{
    JobConditionArray *conditions = &sync->plan->status.conditions;
    const JobCondition *there = CONDITION_FIND(conditions, condition->type);

    if (there ? str_equal(there->status, condition->status) &&
                    str_equal(there->reason, condition->reason) &&
                    str_equal(there->message, condition->message)
              : str_equal(condition->status, "False"))
        return false;
    if (there) {
        size_t i = (size_t)(there - conditions->v);

        conditions->v = ARENA_COPY_N(sync->arena, conditions->v, conditions->n);
        conditions->v[i] = *condition;
    } else {
        ARENA_APPEND(sync->arena, conditions, *condition);
    }
    return true;
}

static void wait_until(JobSync *sync, int64_t ns)
{
    int64_t left = MAX_OF(0, ns - sync->input->now_ns);

    if (sync->plan->again_after_ns < 0 || left < sync->plan->again_after_ns)
        sync->plan->again_after_ns = left;
}

/* ---- counting ---- */

/* Whether the pod was deleted because the job was about to end. Then it does not count as a failure of
 * its index, nor, if the job succeeded, of the job. */
static bool was_called_off(const JobSync *sync, const Pod *pod, const char *ending)
{
    return pod_is_terminating(pod) && true_condition(&sync->job->status, ending);
}

static void count_failure(JobSync *sync, const Pod *pod)
{
    int32_t index = job_index_of(sync->spec, pod);
    const char *why;
    FailureAction action = job_failure_action(sync->arena, sync->spec, pod, &why);

    if (job_has_limit_per_index(sync->spec) && index != NO_INDEX &&
        !was_called_off(sync, pod, "FailureTarget") &&
        (action == FAILURE_OF_INDEX ||
         (action != FAILURE_IGNORED &&
          job_index_failures(pod) + 1 > *sync->spec->backoff_limit_per_index)))
        sync->now_failed.v[sync->now_failed.n++] = index;
    if (!job_tracks(pod) || text_map_has(&sync->noted_failed, pod->metadata.uid))
        return;
    if (action == FAILURE_IGNORED || was_called_off(sync, pod, "SuccessCriteriaMet"))
        text_map_add(&sync->counted, pod->metadata.uid);
    else
        sync->new_failed.v[sync->new_failed.n++] = pod->metadata.uid;
}

static void count_success(JobSync *sync, const Pod *pod)
{
    int32_t index = job_index_of(sync->spec, pod);

    if (job_is_indexed(sync->spec)) {
        if (index != NO_INDEX && job_tracks(pod))
            sync->now_succeeded.v[sync->now_succeeded.n++] = index;
    } else if (job_tracks(pod) && !text_map_has(&sync->noted_succeeded, pod->metadata.uid)) {
        sync->new_succeeded.v[sync->new_succeeded.n++] = pod->metadata.uid;
    }
}

static void count(JobSync *sync)
{
    const JobStatus *status = &sync->job->status;
    const UncountedTerminatedPods *noted = status->uncounted_terminated_pods;

    sync->succeeded_indexes = index_set_parse(sync->arena, status->completed_indexes);
    sync->failed_indexes = index_set_parse(sync->arena, status->failed_indexes);
    sync->active = arena_new_n(sync->arena, const Pod *, sync->n_pods + 1);
    sync->now_succeeded.v = arena_new_n(sync->arena, int32_t, sync->n_pods + 1);
    sync->now_failed.v = arena_new_n(sync->arena, int32_t, sync->n_pods + 1);
    sync->new_succeeded.v = arena_new_n(sync->arena, const char *, sync->n_pods + 1);
    sync->new_failed.v = arena_new_n(sync->arena, const char *, sync->n_pods + 1);
    if (noted) {
        index_noted(&sync->noted_succeeded, &noted->succeeded);
        index_noted(&sync->noted_failed, &noted->failed);
    }
    for (size_t i = 0; i < sync->n_pods; i++) {
        const Pod *pod = sync->pods[i];

        if (pod_is_terminating(pod) && !pod_has_ended(pod))
            sync->terminating++;
        if (pod_is_succeeded(pod)) {
            count_success(sync, pod);
        } else if (job_pod_failed(sync->spec, pod)) {
            count_failure(sync, pod);
        } else if (pod_is_active(pod)) {
            sync->active[sync->n_active++] = pod;
            sync->ready += pod_is_ready(pod);
        }
    }
    index_set_add(sync->arena, &sync->succeeded_indexes, sync->now_succeeded.v,
                  sync->now_succeeded.n);
    index_set_add(sync->arena, &sync->failed_indexes, sync->now_failed.v, sync->now_failed.n);
    sync->succeeded = status->succeeded + (int64_t)sync->new_succeeded.n;
    sync->failed = status->failed + (int64_t)sync->new_failed.n;
    if (noted) {
        sync->succeeded += (int64_t)noted->succeeded.n;
        sync->failed += (int64_t)noted->failed.n;
    }
    if (job_is_indexed(sync->spec))
        sync->succeeded = index_set_total(&sync->succeeded_indexes);
}

/* ---- the end of the job ---- */

/* With the restartPolicy OnFailure, restarts of containers count as failures. */
static bool restarted_too_often(const JobSync *sync)
{
    int64_t limit = sync->spec->backoff_limit ? *sync->spec->backoff_limit : 6, restarts = 0;

    if (!str_equal(sync->spec->template.spec.restart_policy, "OnFailure"))
        return false;
    for (size_t i = 0; i < sync->n_pods; i++) {
        const PodStatus *status = &sync->pods[i]->status;

        if (!str_equal(status->phase, "Running") && !str_equal(status->phase, "Pending"))
            continue;
        for (size_t k = 0; k < status->init_container_statuses.n; k++)
            restarts += status->init_container_statuses.v[k].restart_count;
        for (size_t k = 0; k < status->container_statuses.n; k++)
            restarts += status->container_statuses.v[k].restart_count;
    }
    return limit == 0 ? restarts > 0 : restarts >= limit;
}

static const JobCondition *fails(JobSync *sync, const char *reason, const char *message)
{
    return new_condition(sync, "FailureTarget", "True", reason, message);
}

static const JobCondition *fails_by_policy(JobSync *sync)
{
    const char *why;

    for (size_t i = 0; sync->spec->pod_failure_policy && i < sync->n_pods; i++)
        if (pod_is_failed(sync->pods[i]) &&
            job_failure_action(sync->arena, sync->spec, sync->pods[i], &why) == FAILURE_OF_JOB)
            return fails(sync, "PodFailurePolicy", why);
    return NULL;
}

static const JobCondition *fails_by_limits(JobSync *sync)
{
    const JobSpec *spec = sync->spec;
    Time start = sync->plan->status.start_time;
    int64_t deadline;

    if (sync->failed > (spec->backoff_limit ? *spec->backoff_limit : 6) ||
        restarted_too_often(sync))
        return fails(sync, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
    if (!spec->active_deadline_seconds || job_is_suspended(spec) || !start.set)
        return NULL;
    deadline = time_ns(start) + ns_from_seconds(*spec->active_deadline_seconds);
    if (sync->input->now_ns >= deadline)
        return fails(sync, "DeadlineExceeded", "Job was active longer than specified deadline");
    wait_until(sync, deadline);
    return NULL;
}

static const JobCondition *ends_by_indexes(JobSync *sync)
{
    const JobSpec *spec = sync->spec;
    int64_t failed = index_set_total(&sync->failed_indexes);
    int rule;

    if (!job_is_indexed(spec))
        return NULL;
    if (job_has_limit_per_index(spec)) {
        if (spec->max_failed_indexes && failed > *spec->max_failed_indexes)
            return fails(sync, "MaxFailedIndexesExceeded",
                         "Job has exceeded the specified maximal number of failed indexes");
        if (failed > 0 && failed + sync->succeeded >= *spec->completions)
            return fails(sync, "FailedIndexes", "Job has failed indexes");
    }
    rule = job_success_rule(sync->arena, spec, &sync->succeeded_indexes);
    if (rule < 0)
        return NULL;
    return new_condition(sync, "SuccessCriteriaMet", "True", "SuccessPolicy",
                         arena_printf(sync->arena, "Matched rules at index %d", rule));
}

static void find_ending(JobSync *sync)
{
    sync->ending = true_condition(&sync->job->status, "SuccessCriteriaMet");
    if (!sync->ending)
        sync->ending = true_condition(&sync->job->status, "FailureTarget");
    if (!sync->ending)
        sync->ending = fails_by_policy(sync);
    if (!sync->ending)
        sync->ending = fails_by_limits(sync);
    if (!sync->ending)
        sync->ending = ends_by_indexes(sync);
}

static bool is_complete(const JobSync *sync)
{
    if (sync->n_active)
        return false;
    return sync->spec->completions ? sync->succeeded >= *sync->spec->completions
                                   : sync->succeeded > 0;
}

static bool ends_in_failure(const JobSync *sync)
{
    return sync->ending && str_equal(sync->ending->type, "FailureTarget");
}

/* ---- the status ---- */

static void note_suspension(JobSync *sync)
{
    JobStatus *status = &sync->plan->status;
    bool suspended = job_is_suspended(sync->spec);
    const JobCondition *condition =
        suspended ? new_condition(sync, "Suspended", "True", "JobSuspended", "Job suspended")
                  : new_condition(sync, "Suspended", "False", "JobResumed", "Job resumed");

    if (!put_condition(sync, condition))
        return;
    sync->plan->changed = condition;
    status->start_time = suspended ? (Time){0} : time_seconds_from_ns(sync->input->now_ns);
}

/* Returns the number of noted uids whose pod has lost its finalizer or is gone, which become counts.
 * *ret lists the others and the new ones. */
static int32_t settle(JobSync *sync, const StringArray *noted, const StringArray *new,
                      StringArray *ret)
{
    TextMap tracked = TEXT_MAP_INIT(sync->arena);
    int32_t settled = 0;

    ret->v = arena_new_n(sync->arena, const char *, noted->n + new->n);

    for (size_t i = 0; noted->n && i < sync->n_pods; i++)
        if (job_tracks(sync->pods[i]))
            text_map_add(&tracked, sync->pods[i]->metadata.uid);
    for (size_t i = 0; i < noted->n; i++) {
        if (text_map_has(&tracked, noted->v[i]))
            ret->v[ret->n++] = noted->v[i];
        else
            settled++;
    }
    for (size_t i = 0; i < new->n; i++)
        ret->v[ret->n++] = new->v[i];
    return settled;
}

/* Clients can write any count into the status, so the sum may overflow. */
static void add_bounded(int32_t *count, int32_t more)
{
    if (__builtin_add_overflow(*count, more, count))
        *count = INT32_MAX;
}

static void note_counts(JobSync *sync)
{
    static const UncountedTerminatedPods none = {0};
    const UncountedTerminatedPods *noted = sync->job->status.uncounted_terminated_pods;
    UncountedTerminatedPods *now = arena_new(sync->arena, UncountedTerminatedPods);
    JobStatus *status = &sync->plan->status;

    noted = noted ? noted : &none;
    add_bounded(&status->succeeded,
                settle(sync, &noted->succeeded, &sync->new_succeeded, &now->succeeded));
    add_bounded(&status->failed, settle(sync, &noted->failed, &sync->new_failed, &now->failed));
    status->uncounted_terminated_pods = now;
    status->active = (int32_t)sync->n_active;
    status->ready = arena_int32(sync->arena, sync->ready);
    status->terminating = arena_int32(sync->arena, sync->terminating);
    if (!job_is_indexed(sync->spec))
        return;
    status->succeeded = (int32_t)sync->succeeded;
    status->completed_indexes = index_set_text(sync->arena, &sync->succeeded_indexes);
    if (job_has_limit_per_index(sync->spec))
        status->failed_indexes = index_set_text(sync->arena, &sync->failed_indexes);
}

/* A job is finished only when none of its pods runs and all of them are counted. */
static void note_ending(JobSync *sync)
{
    JobStatus *status = &sync->plan->status;
    const UncountedTerminatedPods *uncounted = status->uncounted_terminated_pods;
    const JobCondition *last;
    bool failure = ends_in_failure(sync);

    if (!sync->ending)
        return;
    put_condition(sync, sync->ending);
    if (sync->n_active || sync->terminating || uncounted->succeeded.n || uncounted->failed.n)
        return;
    last = new_condition(sync, failure ? "Failed" : "Complete", "True", sync->ending->reason,
                         sync->ending->message);
    put_condition(sync, last);
    sync->plan->finished = last;
    if (!failure)
        status->completion_time = last->last_transition_time;
}

/* ---- the plan ---- */

/* Removes the finalizer of pods whose end is recorded in the status. */
static void release_noted(JobSync *sync)
{
    IndexSet done = index_set_parse(sync->arena, sync->job->status.completed_indexes);

    for (size_t i = 0; i < sync->n_pods; i++) {
        const Pod *pod = sync->pods[i];
        const char *uid = pod->metadata.uid;
        int32_t index = job_index_of(sync->spec, pod);
        bool counted = text_map_has(&sync->counted, uid) ||
                       text_map_has(&sync->noted_succeeded, uid) ||
                       text_map_has(&sync->noted_failed, uid);

        if (!job_tracks(pod))
            continue;
        if (job_is_indexed(sync->spec) && pod_is_succeeded(pod))
            counted = counted || index == NO_INDEX || index_set_has(&done, index);
        if (counted)
            pod_actions_add(&sync->plan->actions, POD_UPDATE, job_untracked(sync->arena, pod));
    }
}

static void plan_running(JobSync *sync)
{
    JobPlan *plan = sync->plan;
    bool going = sync->job->metadata.deletion_timestamp.set;

    if (!plan->status.start_time.set && !job_is_suspended(sync->spec))
        plan->status.start_time = time_seconds_from_ns(sync->input->now_ns);
    count(sync);
    find_ending(sync);
    release_noted(sync);
    if (!sync->ending && is_complete(sync))
        sync->ending = new_condition(sync, "SuccessCriteriaMet", "True", "CompletionsReached",
                                     "Reached expected number of succeeded pods");
    if (sync->ending) {
        /* The status must record why the job ends before pods are deleted, so that these pods are not
         * counted as failures. */
        for (size_t i = 0;
             i < sync->n_active && true_condition(&sync->job->status, sync->ending->type); i++)
            job_delete(sync, sync->active[i], false);
    } else if (!going) {
        job_manage(sync);
        note_suspension(sync);
    }
    note_counts(sync);
    note_ending(sync);
}

static void plan_finished(JobSync *sync, const JobCondition *finished)
{
    int64_t expires;

    for (size_t i = 0; i < sync->n_pods; i++)
        if (job_tracks(sync->pods[i]))
            pod_actions_add(&sync->plan->actions, POD_UPDATE,
                            job_untracked(sync->arena, sync->pods[i]));
    if (!sync->spec->ttl_seconds_after_finished || sync->job->metadata.deletion_timestamp.set)
        return;
    expires = time_ns(finished->last_transition_time) +
              *sync->spec->ttl_seconds_after_finished * NS_PER_SEC;
    if (sync->input->now_ns >= expires)
        sync->plan->expired = true;
    else
        wait_until(sync, expires);
}

void job_plan(const JobInput *input, Arena *arena, JobPlan *ret)
{
    const Job *job = input->job;
    const JobCondition *finished = job_finished(job);
    JobSync sync = {.input = input,
                    .job = job,
                    .spec = &job->spec,
                    .arena = arena,
                    .plan = ret,
                    .counted = TEXT_MAP_INIT(arena),
                    .noted_succeeded = TEXT_MAP_INIT(arena),
                    .noted_failed = TEXT_MAP_INIT(arena),
                    .by_index = TEXT_MAP_INIT(arena)};

    *ret = (JobPlan){.actions = {.arena = arena}, .status = job->status, .again_after_ns = -1};
    sync.owner = pod_owner_of(arena, &kind_job, &job->metadata, job->spec.selector);
    sync.pods = arena_new_n(arena, const Pod *, input->n_pods + 1);
    sync.n_pods =
        pod_owner_claim(&sync.owner, input->pods, input->n_pods, &ret->actions, sync.pods);
    if (ret->actions.n) /* changes of ownership come first */
        return;
    if (job_is_indexed(sync.spec))
        index_pods(&sync);
    if (finished)
        plan_finished(&sync, finished);
    else
        plan_running(&sync);
    ret->status_changed = !type_equal(&type_JobStatus, &ret->status, &job->status);
}
