/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of Jobs: gathers the pods of a job, calls job_plan(), carries the plan out, and plans
 * again until neither actions nor a new status are left. It also removes the finalizer from pods whose
 * job is gone, and deletes jobs when ttlSecondsAfterFinished has passed.
 */
#include "control/job/plan.h"

#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/type.h"
#include "control/controllers.h"
#include "view/pod.h"

#define PASSES_MAX 16

typedef struct Sync {
    Object *object;
    JobPlan plan;
    PodResult result;
    unsigned passes;
    bool told; /* the status has been written after a failure */
} Sync;

static void plan(Reconcile *reconcile);

static void tell(Reconcile *reconcile, const Sync *sync)
{
    EventRecorder *events = reconcile->controller->events;
    const JobCondition *finished = sync->plan.finished, *changed = sync->plan.changed;

    if (changed && str_equal(changed->status, "True"))
        event_record(events, sync->object, "Normal", "Suspended", "Job suspended");
    else if (changed)
        event_record(events, sync->object, "Normal", "Resumed", "Job resumed");
    if (finished && str_equal(finished->type, "Complete"))
        event_record(events, sync->object, "Normal", "Completed", "Job completed");
    else if (finished)
        event_record(events, sync->object, "Warning", finished->reason, "%s", finished->message);
}

static void on_status(Reconcile *reconcile, void *data, const ApiStatus *status,
                      Object *object _unused_)
{
    if (status->reason == STATUS_OK)
        tell(reconcile, data);
    else if (status->reason != STATUS_NOT_FOUND)
        reconcile->failed = true;
}

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    RECONCILE_WRITE_STATUS(reconcile, Job, sync->object, &sync->plan.status, on_status, sync);
    reconcile_then(reconcile, plan);
}

/* After a failed action. The new status is correct nevertheless, so write it before the retry. */
static void write_last_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    if (sync->plan.status_changed && !sync->told) {
        sync->told = true;
        RECONCILE_WRITE_STATUS(reconcile, Job, sync->object, &sync->plan.status, on_status, sync);
    }
    reconcile_then(reconcile, reconcile_end);
}

static void expire(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    reconcile_delete(reconcile, sync->object, &(WriteOptions){.propagation = "Foreground"}, NULL,
                     NULL);
    reconcile_then(reconcile, reconcile_end);
}

/* Removes the finalizer from the pods with the key in the index, except for those of the job with the
 * uid `but_uid`. No other controller would remove it when their job is gone. */
static void release_pods(Reconcile *reconcile, const char *key, const char *but_uid)
{
    ObjectList pods = object_index_list(controller_index(reconcile->controller, &kind_pod),
                                        &reconcile->arena, key);

    for (size_t i = 0; i < pods.n; i++) {
        const Pod *pod = pods.v[i]->value;
        const OwnerReference *ref = meta_controller(&pod->metadata);

        if (job_tracks(pod) && !(but_uid && str_equal(ref->uid, but_uid)))
            reconcile_update(reconcile, object_of(&kind_pod, job_untracked(&reconcile->arena, pod)),
                             NULL, NULL, NULL);
    }
}

static void release_orphans(Reconcile *reconcile, const char *living_uid)
{
    Arena *arena = &reconcile->arena;

    release_pods(reconcile, arena_printf(arena, "j/%s/%s", reconcile->ns, reconcile->name),
                 living_uid);
    if (!living_uid)
        release_pods(reconcile, arena_printf(arena, "j/%s/", reconcile->ns), NULL);
}

static void plan(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_job);
    Sync *sync = reconcile->data;
    JobInput input;
    PodOwner owner;
    const Job *job;

    if (!object) {
        release_orphans(reconcile, NULL);
        reconcile_then(reconcile, reconcile_end);
        return;
    }
    sync->object = object;
    job = object->value;
    if (!job_is_ours(job)) {
        reconcile_end(reconcile);
        return;
    }
    owner = pod_owner_of(&reconcile->arena, &kind_job, &job->metadata, job->spec.selector);
    input = (JobInput){.job = job, .now_ns = reconcile_now_ns(reconcile)};
    input.pods = pods_gather(reconcile, &owner, &input.n_pods);
    job_plan(&input, &reconcile->arena, &sync->plan);
    reconcile->again_after_ns = sync->plan.again_after_ns;
    if (sync->passes == PASSES_MAX) /* let other keys be processed, then continue */
        reconcile->again_after_ns = NS_PER_MS;
    if (reconcile->failed || sync->passes++ == PASSES_MAX) {
        write_last_status(reconcile);
    } else if (sync->plan.actions.n) {
        pods_carry_out(reconcile, object, &sync->plan.actions, &sync->result);
        reconcile_then(reconcile, plan);
    } else if (sync->plan.status_changed) {
        write_status(reconcile);
    } else if (sync->plan.expired) {
        expire(reconcile);
    } else {
        reconcile_end(reconcile);
    }
}

static void reconcile_job(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_job);

    reconcile->data = arena_new(&reconcile->arena, Sync);
    if (object)
        release_orphans(reconcile, object_meta(object)->uid);
    reconcile_then(reconcile, plan);
}

/* ---- what wakes it ---- */

static Selector *selector_of(Arena *arena, const Object *object)
{
    return selector_from_api(arena, OBJECT_AS(Job, object)->spec.selector);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    controller_enqueue_owners(controller, &kind_job, event, selector_of);
    if (!meta_controller(meta) && event->type != WATCH_DELETED &&
        job_tracks(event->object->value)) /* released, but still with the finalizer */
        controller_enqueue(controller, meta->namespace, "-"); /* no job can have this name */
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_job, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_job);
}

const ControllerOps job_controller = {
    .name = "job",
    .component = "job-controller",
    .start = start,
    .reconcile = reconcile_job,
};
