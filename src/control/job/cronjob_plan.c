/* SPDX-License-Identifier: Apache-2.0 */
#include "control/job/cronjob_plan.h"

#include "api/cron.h"
#include "api/meta.h"
#include "api/schema/core_reference_v1.h"
#include "base/time/clock.h"
#include "base/timefmt.h"

#define SCHEDULED_AT "batch.kubernetes.io/cronjob-scheduled-timestamp"
#define MISSED_MANY 100
#define MISSED_MAX 10000 /* steps of counting what was missed */
#define LATE_NS (100 * NS_PER_MS)

/* ---- jobs ---- */

static const char *outcome_of(const Job *job)
{
    for (size_t i = 0; i < job->status.conditions.n; i++) {
        const JobCondition *condition = &job->status.conditions.v[i];

        if (str_equal(condition->status, "True") &&
            (str_equal(condition->type, "Complete") || str_equal(condition->type, "Failed")))
            return condition->type;
    }
    return NULL;
}

bool cronjob_job_has_ended(const Job *job)
{
    return outcome_of(job) != NULL;
}

static void note(CronJobPlan *plan, Arena *arena, const char *type, const char *reason,
                 const char *message)
{
    ARENA_PUSH(arena, &plan->notes, (CronJobNote){type, reason, message});
}

static const ObjectReference *find_active(const CronJobStatus *status, const char *uid)
{
    for (size_t i = 0; i < status->active.n; i++)
        if (str_equal(status->active.v[i].uid, uid))
            return &status->active.v[i];
    return NULL;
}

static const Job *find_job(const CronJobInput *input, const char *uid)
{
    for (size_t i = 0; i < input->n_jobs; i++)
        if (str_equal(input->jobs[i]->metadata.uid, uid))
            return input->jobs[i];
    return NULL;
}

static void look_at_job(const CronJobInput *input, const Job *job, Arena *arena, CronJobPlan *plan)
{
    const char *outcome = outcome_of(job);
    bool known = find_active(&input->cron->status, job->metadata.uid) != NULL;
    Time *succeeded = &plan->status.last_successful_time;

    if (!known && !outcome)
        note(plan, arena, "Warning", "UnexpectedJob",
             arena_printf(arena, "Saw a job that the controller did not create or forgot: %s",
                          job->metadata.name));
    if (known && outcome)
        note(plan, arena, "Normal", "SawCompletedJob",
             arena_printf(arena, "Saw completed job: %s, condition: %s", job->metadata.name,
                          outcome));
    if (str_equal(outcome, "Complete") && job->status.completion_time.set &&
        (!succeeded->set || succeeded->seconds < job->status.completion_time.seconds))
        *succeeded = job->status.completion_time;
}

/* Keeps the active jobs of the status that still exist and have not ended. */
static void keep_active(const CronJobInput *input, Arena *arena, CronJobPlan *plan)
{
    const ObjectReferenceArray *before = &input->cron->status.active;
    ObjectReferenceArray *active = &plan->status.active;

    active->v = arena_new_n(arena, ObjectReference, before->n + 1);
    active->n = 0;
    for (size_t i = 0; i < before->n; i++) {
        const Job *job = find_job(input, before->v[i].uid);

        if (!job)
            note(plan, arena, "Normal", "MissingJob",
                 arena_printf(arena, "Active job went missing: %s", str_or(before->v[i].name, "")));
        else if (!cronjob_job_has_ended(job))
            active->v[active->n++] = before->v[i];
    }
    if (!active->n)
        active->v = NULL;
}

/* ---- history ---- */

static int compare_starts(const void *a, const void *b)
{
    const Job *x = *(const Job *const *)a, *y = *(const Job *const *)b;
    Time s = x->status.start_time, t = y->status.start_time;

    if (s.set != t.set)
        return s.set ? -1 : 1;
    if (s.seconds != t.seconds)
        return s.seconds < t.seconds ? -1 : 1;
    return strcmp(x->metadata.name, y->metadata.name);
}

static void drop_old(const CronJobInput *input, const char *outcome, const int32_t *keep,
                     Arena *arena, CronJobPlan *plan)
{
    const Job **ended = arena_new_n(arena, const Job *, input->n_jobs + 1);
    size_t n = 0;

    if (!keep)
        return;
    for (size_t i = 0; i < input->n_jobs; i++)
        if (str_equal(outcome_of(input->jobs[i]), outcome) &&
            !input->jobs[i]->metadata.deletion_timestamp.set)
            ended[n++] = input->jobs[i];
    if (n > 1)
        qsort(ended, n, sizeof(*ended), compare_starts);
    for (size_t i = 0; i + (size_t)*keep < n; i++)
        plan->deletions[plan->n_deletions++] = ended[i];
}

/* ---- when ---- */

/* The latest scheduled time that has passed, or 0; *ret_next is the next one, or 0 if the schedule has
 * none. *ret_many says that very many times were missed. */
static int64_t latest_due(const CronJobInput *input, const CronSchedule *schedule, int64_t now,
                          bool *ret_many, int64_t *ret_next)
{
    const CronJob *cron = input->cron;
    const int64_t *deadline = cron->spec.starting_deadline_seconds;
    int64_t from = cron->status.last_schedule_time.set ? cron->status.last_schedule_time.seconds
                                                       : cron->metadata.creation_timestamp.seconds;
    int64_t due = 0, next;
    size_t missed = 0;

    if (deadline && now - *deadline > from)
        from = now - *deadline;
    next = cron_next(schedule, input->zone, from);
    /* Only the latest time matters. After a long pause, stop counting and start again near now. */
    while (next && next <= now && missed++ < MISSED_MAX) {
        due = next;
        next = cron_next(schedule, input->zone, due);
    }
    if (next && next <= now) {
        from = now - 2 * (next - due);
        for (next = cron_next(schedule, input->zone, from); next && next <= now;
             next = cron_next(schedule, input->zone, due))
            due = next;
    }
    *ret_many = missed > MISSED_MANY;
    *ret_next = next;
    return due;
}

static const char *local_time(Arena *arena, const Zone *zone, int64_t at)
{
    char text[TIMEFMT_MAX];
    int32_t offset = zone_offset(zone, at);

    if (!offset) {
        timefmt_seconds(at, text);
        return arena_strdup(arena, text);
    }
    timefmt_offset(at, offset, text);
    return arena_strdup(arena, text);
}

static const Job *make_job(const CronJobInput *input, int64_t due, Arena *arena)
{
    const CronJob *cron = input->cron;
    const JobTemplateSpec *template = &cron->spec.job_template;
    Job *job = arena_new(arena, Job);
    ObjectMeta *meta = &job->metadata;

    type_copy(&type_JobSpec, arena, &job->spec, &template->spec);
    type_copy(&type_ObjectMeta, arena, meta,
              &(ObjectMeta){.labels = template->metadata.labels,
                            .annotations = template->metadata.annotations});
    string_map_put(arena, &meta->annotations, SCHEDULED_AT, local_time(arena, input->zone, due));
    /* The name contains the scheduled minute, so the same time cannot create two jobs. */
    meta->name = arena_printf(arena, "%s-%" PRId64, cron->metadata.name, due / 60);
    meta->namespace = cron->metadata.namespace;
    meta_add_owner(arena, meta, meta_controller_reference(arena, &kind_cron_job, &cron->metadata));
    return job;
}

static void replace_active(const CronJobInput *input, CronJobPlan *plan)
{
    for (size_t i = 0; i < plan->status.active.n; i++) {
        const Job *job = find_job(input, plan->status.active.v[i].uid);

        if (job)
            plan->deletions[plan->n_deletions++] = job;
    }
    plan->status.active = (ObjectReferenceArray){0};
}

static void start_due(const CronJobInput *input, int64_t due, Arena *arena, CronJobPlan *plan)
{
    const CronJobSpec *spec = &input->cron->spec;

    if (input->cron->status.last_schedule_time.set &&
        input->cron->status.last_schedule_time.seconds == due)
        return;
    if (str_equal(spec->concurrency_policy, "Forbid") && plan->status.active.n) {
        note(plan, arena, "Normal", "JobAlreadyActive",
             "Not starting job because prior execution is running and concurrency policy is "
             "Forbid");
        return;
    }
    if (str_equal(spec->concurrency_policy, "Replace"))
        replace_active(input, plan);
    plan->create = make_job(input, due, arena);
    plan->due = (Time){.seconds = due, .set = true};
}

static const char *quoted(Arena *arena, const char *text)
{
    return arena_printf(arena, "\"%s\"", text);
}

static void schedule(const CronJobInput *input, Arena *arena, CronJobPlan *plan)
{
    const CronJobSpec *spec = &input->cron->spec;
    int64_t now = input->now_ns / NS_PER_SEC, due, next;
    CronSchedule parsed;
    const char *error;
    bool many;

    if (input->zone_is_bad) {
        note(plan, arena, "Warning", "UnknownTimeZone",
             arena_printf(arena, "invalid timeZone: %s: unknown time zone %s",
                          quoted(arena, spec->time_zone), spec->time_zone));
        return;
    }
    if (spec->suspend && *spec->suspend)
        return;
    error = cron_parse(arena, str_or(spec->schedule, ""), &parsed);
    if (error) {
        note(plan, arena, "Warning", "UnparseableSchedule",
             arena_printf(arena, "unparseable schedule: %s : %s",
                          quoted(arena, str_or(spec->schedule, "")), error));
        return;
    }
    due = latest_due(input, &parsed, now, &many, &next);
    if (!next) { /* such as the 31st of February */
        note(plan, arena, "Warning", "InvalidSchedule",
             arena_printf(arena,
                          "invalid schedule: %s : time difference between two schedules is less "
                          "than 1 second",
                          spec->schedule));
        return;
    }
    if (many)
        note(plan, arena, "Warning", "TooManyMissedTimes",
             "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check "
             "clock skew");
    if (due)
        start_due(input, due, arena, plan);
    plan->again_after_ns = ns_from_seconds(next) - input->now_ns + LATE_NS;
}

void cronjob_plan(const CronJobInput *input, Arena *arena, CronJobPlan *ret)
{
    const CronJobSpec *spec = &input->cron->spec;

    *ret = (CronJobPlan){.status = input->cron->status, .again_after_ns = -1};
    ret->deletions = arena_new_n(arena, const Job *, 2 * input->n_jobs + 1);
    for (size_t i = 0; i < input->n_jobs; i++)
        look_at_job(input, input->jobs[i], arena, ret);
    keep_active(input, arena, ret);
    drop_old(input, "Complete", spec->successful_jobs_history_limit, arena, ret);
    drop_old(input, "Failed", spec->failed_jobs_history_limit, arena, ret);
    if (!input->cron->metadata.deletion_timestamp.set)
        schedule(input, arena, ret);
    ret->status_changed = !type_equal(&type_CronJobStatus, &ret->status, &input->cron->status);
}

void cronjob_add_active(Arena *arena, CronJobStatus *status, const Job *job, Time due)
{
    if (!find_active(status, job->metadata.uid))
        ARENA_APPEND(arena, &status->active,
                     (ObjectReference){.kind = kind_job.kind,
                                       .namespace = job->metadata.namespace,
                                       .name = job->metadata.name,
                                       .uid = job->metadata.uid,
                                       .api_version = kind_job.api_version,
                                       .resource_version = job->metadata.resource_version});
    status->last_schedule_time = due;
}
