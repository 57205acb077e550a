/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of batch/v1: CronJob. Its template is the spec of a job, so the rules of Job apply to it;
 * the paths in their causes are adjusted.
 */
#include <ctype.h>

#include "api/cron.h"
#include "api/object.h"
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/job.h"
#include "api/rules/rules.h"
#include "api/schema/batch_v1.h"

enum { NAME_MAX_OF_CRON = 52, ZONE_PART_MAX = 14 };

/* Only the pod template gets its defaults here; those of the job are set when the job is
 * created. */
static void cron_job_complete(Arena *arena, void *value)
{
    complete_pod_spec(arena, &((CronJob *)value)->spec.job_template.spec.template.spec);
}

static void cron_job_prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((CronJob *)value)->status = (CronJobStatus){0};
}

/* ---- validation ---- */

static void check_schedule(const CronJobSpec *spec, Causes *causes)
{
    CronSchedule schedule;
    const char *error;

    if (str_empty(spec->schedule)) /* the table says so */
        return;
    error = cron_parse(causes->arena, spec->schedule, &schedule);
    if (error)
        causes_invalid_string(causes, "spec.schedule", spec->schedule, error);
    if (strstr(spec->schedule, "TZ"))
        causes_invalid_string(causes, "spec.schedule", spec->schedule,
                              "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
}

static bool zone_part_is_good(const char *part)
{
    size_t n = strlen(part);

    if (!n || n > ZONE_PART_MAX || *part == '-' || str_equal(part, ".") || str_equal(part, ".."))
        return false;
    for (const char *p = part; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_+", *p))
            return false;
    return true;
}

static void check_zone(const char *name, Causes *causes)
{
    const char *unknown = arena_printf(causes->arena, "unknown time zone %s", name);
    char *rest = arena_strdup(causes->arena, name), *part;
    Zone *zone;

    if (!*name) {
        causes_invalid_string(causes, "spec.timeZone", name,
                              "timeZone must be nil or non-empty string");
        return;
    }
    while ((part = strsep(&rest, "/")))
        if (!zone_part_is_good(part)) {
            causes_invalid_string(causes, "spec.timeZone", name, unknown);
            return;
        }
    if (strcasecmp(name, "Local") == 0)
        causes_invalid_string(causes, "spec.timeZone", name,
                              "timeZone must be an explicit time zone as defined in "
                              "https://www.iana.org/time-zones");
    zone = zone_load(name);
    if (!zone && !str_equal(name, "Local"))
        causes_invalid_string(causes, "spec.timeZone", name, unknown);
    zone_free(zone);
}

static void check_template(const CronJobSpec *spec, Causes *causes)
{
    const JobSpec *job = &spec->job_template.spec;
    size_t first = causes->n;

    job_validate_spec(job, causes);
    for (size_t i = first; i < causes->n; i++)
        causes->v[i].field = arena_printf(causes->arena, "spec.jobTemplate.%s", causes->v[i].field);
    if (job->selector)
        causes_add(causes, CAUSE_INVALID, "spec.jobTemplate.spec.selector",
                   rules_bad(&type_JobSpec, job, "selector", causes),
                   "`selector` will be auto-generated");
    if (job->manual_selector && *job->manual_selector)
        causes_add(causes, CAUSE_NOT_SUPPORTED, "spec.jobTemplate.spec.manualSelector", "true",
                   "supported values: \"nil\", \"false\"");
}

static void cron_job_validate(const void *value, const void *before_value, Causes *causes)
{
    static const char *const policies[] = {"Allow", "Forbid", "Replace", NULL};
    const char *policy;
    const CronJob *cron = value, *before = before_value;
    const CronJobSpec *spec = &cron->spec;

    check_schedule(spec, causes);
    if (spec->time_zone && (!before || !str_equal(spec->time_zone, before->spec.time_zone)))
        check_zone(spec->time_zone, causes);
    policy = spec->concurrency_policy;
    if (!str_equal(policy, "Allow") && !str_equal(policy, "Forbid") &&
        !str_equal(policy, "Replace"))
        causes_not_supported(causes, "spec.concurrencyPolicy", policy, policies);
    check_template(spec, causes);
    if (!before && strlen(str_or(cron->metadata.name, "")) > NAME_MAX_OF_CRON)
        causes_invalid_string(causes, "metadata.name", cron->metadata.name,
                              "must be no more than 52 characters");
}

/* ---- printing ---- */

static void cron_job_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const CronJob *cron = value;
    const CronJobSpec *spec = &cron->spec;

    cell_string(out, cron->metadata.name);
    cell_string(out, spec->schedule);
    cell_string(out, str_or(spec->time_zone, "<none>"));
    cell_string(out, spec->suspend && *spec->suspend ? "True" : "False");
    cell_int64(out, (int64_t)cron->status.active.n);
    if (cron->status.last_schedule_time.set)
        cell_age(out, cron->status.last_schedule_time, now_ns);
    else
        cell_string(out, "<none>");
    cell_age(out, cron->metadata.creation_timestamp, now_ns);
    cell_containers(out, &spec->job_template.spec.template.spec.containers);
    cell_selector(out, spec->job_template.spec.selector, "<none>");
}

static void cron_job_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const CronJob *object = value;

    rules_warn_name(arena, object->metadata.name, warnings);
    rules_warn_pod(arena, &object->spec.job_template.spec.template.metadata,
                   &object->spec.job_template.spec.template.spec, "spec.jobTemplate.spec.template",
                   warnings);
}

const KindRules rules_cron_job = {
    .complete = cron_job_complete,
    .prepare = cron_job_prepare,
    .validate = cron_job_validate,
    .warn = cron_job_warn,
    .print = cron_job_print,
};
