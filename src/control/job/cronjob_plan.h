/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do next for a CronJob: it and its jobs as they are at one moment go in, one job to make,
 * jobs to delete, things to tell and a new status come out. Pure. The rules are Kubernetes'.
 */
#ifndef CONTROL_JOB_CRONJOB_PLAN_H
#define CONTROL_JOB_CRONJOB_PLAN_H

#include "api/generated.h"
#include "base/arena.h"
#include "base/time/zone.h"

typedef struct CronJobInput {
    const CronJob *cron;
    const Job **jobs; /* that the cron job controls */
    size_t n_jobs;
    const Zone *zone; /* NULL: UTC */
    bool zone_is_bad;
    int64_t now_ns;
} CronJobInput;

typedef struct CronJobNote {
    const char *type, *reason, *message;
} CronJobNote;

typedef struct CronJobPlan {
    const Job *create; /* NULL: nothing is due */
    Time due;          /* the time that it is for */
    const Job **deletions;
    size_t n_deletions;
    CronJobNote *notes;
    size_t n_notes;
    CronJobStatus status; /* before create and deletions have been carried out */
    bool status_changed;
    int64_t again_after_ns; /* negative: when something wakes it */
} CronJobPlan;

void cronjob_plan(const CronJobInput *input, Arena *arena, CronJobPlan *ret);
/* The status once the job is there. */
void cronjob_add_active(Arena *arena, CronJobStatus *status, const Job *job, Time due);
bool cronjob_job_has_ended(const Job *job);

#endif
