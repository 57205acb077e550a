/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of CronJobs: gathers a cron job and its jobs, calls cronjob_plan(), and carries the
 * plan out: first the deletions, then the creation of the job that is due, then the status. It is
 * requeued for the next time of the schedule.
 */
#include "control/job/cronjob_plan.h"

#include "api/object.h"
#include "api/schema/batch_v1.h"
#include "codec/type.h"
#include "control/controllers.h"

typedef struct Sync {
    Object *object;
    CronJobPlan plan;
} Sync;

static void tell_notes(Reconcile *reconcile, const Sync *sync)
{
    for (size_t i = 0; i < sync->plan.notes.n; i++)
        event_record(reconcile->controller->events, sync->object, sync->plan.notes.v[i].type,
                     sync->plan.notes.v[i].reason, "%s", sync->plan.notes.v[i].message);
}

static void on_deleted(Reconcile *reconcile, void *data, const ApiStatus *status,
                       Object *object _unused_)
{
    const Sync *sync = reconcile->data;
    EventRecorder *events = reconcile->controller->events;
    const Job *job = data;

    if (status->reason == STATUS_OK) {
        event_record(events, sync->object, "Normal", "SuccessfulDelete", "Deleted job %s",
                     job->metadata.name);
    } else if (status->reason != STATUS_NOT_FOUND) {
        event_record(events, sync->object, "Warning", "FailedDelete", "Deleted job: %s",
                     status->message);
        reconcile->failed = true;
    }
}

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    if (!type_equal(&type_CronJobStatus, &sync->plan.status,
                    &OBJECT_AS(CronJob, sync->object)->status))
        RECONCILE_WRITE_STATUS(reconcile, CronJob, sync->object, &sync->plan.status, NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

/* The job, if it was created earlier by a server that died before it could write the status. */
static Object *made_before(Reconcile *reconcile, const Job *wanted)
{
    const Sync *sync = reconcile->data;
    Object *there =
        client_get(reconcile->client, &kind_job, wanted->metadata.namespace, wanted->metadata.name);
    const OwnerReference *ref = there ? meta_controller(object_meta(there)) : NULL;

    return ref && str_equal(ref->uid, object_meta(sync->object)->uid) ? there : NULL;
}

static void on_created(Reconcile *reconcile, void *data, const ApiStatus *status, Object *object)
{
    Sync *sync = data;
    EventRecorder *events = reconcile->controller->events;

    if (status->reason == STATUS_OK)
        event_record(events, sync->object, "Normal", "SuccessfulCreate", "Created job %s",
                     object_meta(object)->name);
    else if (status->reason == STATUS_ALREADY_EXISTS)
        object = made_before(reconcile, sync->plan.create);
    if (object) {
        const Job *job = object->value;

        if (!cronjob_job_has_ended(job))
            cronjob_add_active(&reconcile->arena, &sync->plan.status, job, sync->plan.due);
        sync->plan.status.last_schedule_time = sync->plan.due;
        return;
    }
    reconcile->failed = true;
    if (status_has_cause(status, CAUSE_NAMESPACE_TERMINATING))
        return;
    event_record(events, sync->object, "Warning", "FailedCreate", "Error creating job: %s",
                 status->message);
}

static void create(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    if (sync->plan.create && !reconcile->failed)
        reconcile_create(reconcile, object_of(&kind_job, sync->plan.create), NULL, on_created,
                         sync);
    reconcile_then(reconcile, write_status);
}

static void gather(Reconcile *reconcile, CronJobInput *input)
{
    ObjectList all = control_owned(reconcile, &kind_job, &input->cron->metadata, NULL);

    input->jobs = object_list_values(&reconcile->arena, all);
    input->n_jobs = all.n;
}

static void reconcile_cron(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_cron_job);
    Sync *sync = arena_new(&reconcile->arena, Sync);
    CronJobInput input;
    const char *name;
    Zone *zone = NULL;

    reconcile->data = sync;
    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    input = (CronJobInput){.cron = object->value, .now_ns = reconcile_now_ns(reconcile)};
    name = input.cron->spec.time_zone;
    if (name)
        zone = zone_load(name);
    input.zone = zone;
    input.zone_is_bad = name && !zone;
    gather(reconcile, &input);
    cronjob_plan(&input, &reconcile->arena, &sync->plan);
    zone_free(zone);
    reconcile->again_after_ns = sync->plan.again_after_ns;
    tell_notes(reconcile, sync);
    for (size_t i = 0; i < sync->plan.n_deletions; i++)
        reconcile_delete_value(reconcile, &kind_job, sync->plan.deletions[i],
                               &(WriteOptions){.propagation = "Background"}, on_deleted,
                               (void *)(uintptr_t)sync->plan.deletions[i]);
    reconcile_then(reconcile, create);
}

/* ---- what wakes it ---- */

static void on_job(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_owner(controller, &kind_cron_job, object_meta(event->object));
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_cron_job, controller_enqueue_self);
    controller_watch(controller, &kind_job, on_job);
    controller_index(controller, &kind_job);
}

const ControllerOps cronjob_controller = {
    .name = "cronjob",
    .component = "cronjob-controller",
    .start = start,
    .reconcile = reconcile_cron,
};
