/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller of a CronJob does next, as a pure function: its input are the cron job and its
 * jobs at one moment; its output are a job to create, jobs to delete, Events and a new status. The
 * rules are those of Kubernetes.
 */
#ifndef CONTROL_JOB_CRONJOB_PLAN_H
#define CONTROL_JOB_CRONJOB_PLAN_H

#include "api/schema/batch_v1.h"
#include "base/arena.h"
#include "base/time/zone.h"
#include "base/vec.h"

typedef struct CronJobInput {
    const CronJob *cron;
    const Job **jobs; /* those that the cron job controls */
    size_t n_jobs;
    const Zone *zone; /* NULL for UTC */
    bool zone_is_bad;
    int64_t now_ns;
} CronJobInput;

/* An Event to record. */
typedef struct CronJobNote {
    const char *type, *reason, *message;
} CronJobNote;

typedef struct CronJobPlan {
    const Job *create; /* NULL if no job is due */
    Time due;          /* the scheduled time of that job */
    const Job **deletions;
    size_t n_deletions;
    VEC(CronJobNote) notes;
    CronJobStatus status; /* without the job to create; see cronjob_add_active() */
    bool status_changed;
    int64_t again_after_ns; /* plan again after this time; negative: on the next event */
} CronJobPlan;

void cronjob_plan(const CronJobInput *input, Arena *arena, CronJobPlan *ret);
/* Adds the job to the status after it has been created. */
void cronjob_add_active(Arena *arena, CronJobStatus *status, const Job *job, Time due);
bool cronjob_job_has_ended(const Job *job);

#endif
