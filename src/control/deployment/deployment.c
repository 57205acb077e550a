/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of Deployments: gathers the ReplicaSets of a deployment and their pods, calls
 * deployment_plan(), carries the plan out, and plans again until only the status is left to write.
 * The next step of a rollout follows when the status of a ReplicaSet shows that the previous one has
 * taken effect.
 */
#include "control/deployment/plan.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/type.h"
#include "control/controllers.h"
#include "control/pods.h"

#define PASSES_MAX 8

typedef struct Sync {
    Object *object;
    DeploymentPlan plan;
    const char *created, *error;
    bool collided;
    unsigned passes;
} Sync;

typedef struct Step {
    Sync *sync;
    const DeploymentAction *action;
} Step;

/* ---- carrying out ---- */

static void tell_scaled(Reconcile *reconcile, const Step *step)
{
    const DeploymentAction *action = step->action;

    if (action->from != action->to)
        event_record(reconcile->controller->events, step->sync->object, "Normal",
                     "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d",
                     action->from < action->to ? "up" : "down", action->set->metadata.name,
                     action->from, action->to);
}

/* The name exists: either the same ReplicaSet was created before, or another template has the same
 * hash. */
static void look_at_taken(Reconcile *reconcile, Step *step)
{
    const ReplicaSet *wanted = step->action->set;
    Object *there = client_get(reconcile->client, &kind_replica_set, wanted->metadata.namespace,
                               wanted->metadata.name);
    const OwnerReference *ref = there ? meta_controller(object_meta(there)) : NULL;

    if (there && !(ref && str_equal(ref->uid, object_meta(step->sync->object)->uid) &&
                   deployment_same_template(&OBJECT_AS(ReplicaSet, there)->spec.template,
                                            &wanted->spec.template)))
        step->sync->collided = true;
    reconcile->failed = true;
}

static void on_created(Reconcile *reconcile, void *data, const ApiStatus *status,
                       Object *object _unused_)
{
    Step *step = data;
    const char *name = step->action->set->metadata.name;

    if (status->reason == STATUS_OK) {
        step->sync->created = name;
        tell_scaled(reconcile, step);
    } else if (status->reason == STATUS_ALREADY_EXISTS) {
        look_at_taken(reconcile, step);
    } else {
        reconcile->failed = true;
        step->sync->error =
            arena_printf(&reconcile->arena, "Failed to create new replica set \"%s\": %s", name,
                         status->message);
        if (status_has_cause(status, CAUSE_NAMESPACE_TERMINATING))
            return;
        event_record(reconcile->controller->events, step->sync->object, "Warning",
                     "ReplicaSetCreateError", "%s", step->sync->error);
    }
}

static void on_updated(Reconcile *reconcile, void *data, const ApiStatus *status,
                       Object *object _unused_)
{
    if (status->reason == STATUS_OK)
        tell_scaled(reconcile, data);
    else if (status->reason != STATUS_NOT_FOUND)
        reconcile->failed = true;
}

static void carry_out(Reconcile *reconcile, Sync *sync)
{
    for (size_t i = 0; i < sync->plan.n; i++) {
        const DeploymentAction *action = &sync->plan.v[i];
        Step *step = arena_new(&reconcile->arena, Step);

        *step = (Step){sync, action};
        if (action->type == DEPLOYMENT_CREATE) {
            reconcile_create(reconcile, object_of(&kind_replica_set, action->set), NULL, on_created,
                             step);
        } else if (action->type == DEPLOYMENT_DELETE) {
            reconcile_delete_value(reconcile, &kind_replica_set, action->set, NULL, NULL, NULL);
        } else {
            reconcile_update(reconcile, object_of(&kind_replica_set, action->set), NULL, on_updated,
                             step);
        }
    }
}

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;
    Object *copy = object_copy(sync->object);
    Deployment *deployment = copy->value;

    if (sync->collided) {
        /* The next plan hashes with the new count, and so finds another name. */
        const int32_t *count = deployment->status.collision_count;

        deployment->status.collision_count = arena_int32(&copy->arena, (count ? *count : 0) + 1);
    } else if (sync->plan.status_changed) {
        type_copy(&type_DeploymentStatus, &copy->arena, &deployment->status, &sync->plan.status);
        if (sync->plan.revision)
            string_map_put(&copy->arena, &deployment->metadata.annotations, DEPLOYMENT_REVISION,
                           sync->plan.revision);
    } else {
        object_unref(copy);
        reconcile_end(reconcile);
        return;
    }
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- gathering ---- */

static void gather(Reconcile *reconcile, const Deployment *deployment, DeploymentInput *input)
{
    Arena *arena = &reconcile->arena;
    PodOwner owner =
        pod_owner_of(arena, &kind_deployment, &deployment->metadata, deployment->spec.selector);
    ObjectList sets =
        control_owned(reconcile, &kind_replica_set, &deployment->metadata, owner.selector);
    ObjectList *pods = arena_new_n(arena, ObjectList, sets.n + 1);
    size_t n = 0;

    input->sets = object_list_values(arena, sets);
    input->n_sets = sets.n;
    for (size_t i = 0; i < sets.n; i++) {
        pods[i] = control_owned(reconcile, &kind_pod, object_meta(sets.v[i]), NULL);
        n += pods[i].n;
    }
    input->pods = arena_new_n(arena, const Pod *, n + 1);
    for (size_t i = 0; i < sets.n; i++)
        for (size_t k = 0; k < pods[i].n; k++)
            input->pods[input->n_pods++] = pods[i].v[k]->value;
}

static void plan(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_deployment);
    Sync *sync = reconcile->data;
    DeploymentInput input;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    input = (DeploymentInput){.deployment = object->value,
                              .now_ns = reconcile_now_ns(reconcile),
                              .created = sync->created,
                              .error = sync->error};
    gather(reconcile, object->value, &input);
    deployment_plan(&input, &reconcile->arena, &sync->plan);
    reconcile->again_after_ns = sync->plan.again_after_ns;
    if (sync->plan.n && sync->passes == PASSES_MAX) /* let other keys be processed first */
        reconcile->again_after_ns = NS_PER_MS;
    if (!sync->plan.n || reconcile->failed || sync->passes++ == PASSES_MAX) {
        write_status(reconcile);
        return;
    }
    carry_out(reconcile, sync);
    reconcile_then(reconcile, plan);
}

static void reconcile_deployment(Reconcile *reconcile)
{
    reconcile->data = arena_new(&reconcile->arena, Sync);
    plan(reconcile);
}

/* ---- what wakes it ---- */

static Selector *selector_of(Arena *arena, const Object *object)
{
    return selector_from_api(arena, OBJECT_AS(Deployment, object)->spec.selector);
}

static void on_set(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_owners(controller, &kind_deployment, event, selector_of);
}

/* The strategy Recreate waits until the last old pod is gone. */
static void on_pod(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const OwnerReference *ref = meta_controller(meta);
    Object *set;

    if (event->type != WATCH_DELETED || !ref || !str_equal(ref->kind, "ReplicaSet"))
        return;
    set = client_get(controller->client, &kind_replica_set, meta->namespace, ref->name);
    if (set)
        controller_enqueue_owner(controller, &kind_deployment, object_meta(set));
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_deployment, controller_enqueue_self);
    controller_watch(controller, &kind_replica_set, on_set);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_replica_set);
    controller_index(controller, &kind_deployment);
}

const ControllerOps deployment_controller = {
    .name = "deployment",
    .component = "deployment-controller",
    .start = start,
    .reconcile = reconcile_deployment,
};
