/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers of ReplicaSets and of ReplicationControllers: each gathers the pods of a set, calls
 * replicaset_plan(), carries the plan out, and plans again until only the status is left to write.
 *
 * A ReplicationController is an older form of a ReplicaSet, whose selector is a map. It is converted
 * to a ReplicaSet before planning, and the status of the plan is converted back.
 */
#include "control/deployment/replicaset_plan.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_replication_v1.h"
#include "codec/type.h"
#include "control/controllers.h"

#define PASSES_MAX 8

/* How the two kinds differ. */
typedef struct ReplicatedKind {
    const Kind *kind;
    SelectorOf selector_of;
    const ReplicaSet *(*as_set)(Arena *arena, const Object *object);
    void (*write_status)(Reconcile *reconcile, const Object *object,
                         const ReplicaSetStatus *status);
} ReplicatedKind;

typedef struct Sync {
    const ReplicatedKind *of;
    Object *object;
    ReplicaSetPlan plan;
    PodResult result;
    unsigned passes;
} Sync;

/* ---- ReplicaSet ---- */

static Selector *selector_of_set(Arena *arena, const Object *object)
{
    return selector_from_api(arena, OBJECT_AS(ReplicaSet, object)->spec.selector);
}

static const ReplicaSet *set_as_set(Arena *arena _unused_, const Object *object)
{
    return object->value;
}

static void write_set_status(Reconcile *reconcile, const Object *object,
                             const ReplicaSetStatus *status)
{
    RECONCILE_WRITE_STATUS(reconcile, ReplicaSet, object, status, NULL, NULL);
}

static const ReplicatedKind replica_set = {
    .kind = &kind_replica_set,
    .selector_of = selector_of_set,
    .as_set = set_as_set,
    .write_status = write_set_status,
};

/* ---- ReplicationController ---- */

static Selector *selector_of_controller(Arena *arena, const Object *object)
{
    return selector_from_map(arena, &OBJECT_AS(ReplicationController, object)->spec.selector);
}

static ReplicaSetStatus status_as_set(Arena *arena, const ReplicationControllerStatus *status)
{
    ReplicaSetStatus ret = {
        .replicas = status->replicas,
        .fully_labeled_replicas = status->fully_labeled_replicas,
        .ready_replicas = status->ready_replicas,
        .available_replicas = status->available_replicas,
        .observed_generation = status->observed_generation,
    };

    ret.conditions.v = arena_new_n(arena, ReplicaSetCondition, status->conditions.n + 1);
    for (size_t i = 0; i < status->conditions.n; i++) {
        const ReplicationControllerCondition *c = &status->conditions.v[i];

        ret.conditions.v[ret.conditions.n++] =
            (ReplicaSetCondition){.type = c->type,
                                  .status = c->status,
                                  .last_transition_time = c->last_transition_time,
                                  .reason = c->reason,
                                  .message = c->message};
    }
    return ret;
}

static const ReplicaSet *controller_as_set(Arena *arena, const Object *object)
{
    const ReplicationController *controller = OBJECT_AS(ReplicationController, object);
    ReplicaSet *set = arena_new(arena, ReplicaSet);
    LabelSelector *selector = arena_new(arena, LabelSelector);

    selector->match_labels = controller->spec.selector;
    set->metadata = controller->metadata;
    set->spec = (ReplicaSetSpec){
        .replicas = controller->spec.replicas,
        .min_ready_seconds = controller->spec.min_ready_seconds,
        .selector = selector,
        .template = *controller->spec.template,
    };
    set->status = status_as_set(arena, &controller->status);
    return set;
}

static void write_controller_status(Reconcile *reconcile, const Object *object,
                                    const ReplicaSetStatus *set)
{
    ReplicationControllerStatus status = {
        .replicas = set->replicas,
        .fully_labeled_replicas = set->fully_labeled_replicas,
        .ready_replicas = set->ready_replicas,
        .available_replicas = set->available_replicas,
        .observed_generation = set->observed_generation,
    };

    status.conditions.v =
        arena_new_n(&reconcile->arena, ReplicationControllerCondition, set->conditions.n + 1);
    for (size_t i = 0; i < set->conditions.n; i++) {
        const ReplicaSetCondition *c = &set->conditions.v[i];

        status.conditions.v[status.conditions.n++] =
            (ReplicationControllerCondition){.type = c->type,
                                             .status = c->status,
                                             .last_transition_time = c->last_transition_time,
                                             .reason = c->reason,
                                             .message = c->message};
    }
    /* The plan also counts pods that end, which this kind has no field for. */
    if (type_equal(&type_ReplicationControllerStatus, &status,
                   &OBJECT_AS(ReplicationController, object)->status))
        return;
    RECONCILE_WRITE_STATUS(reconcile, ReplicationController, object, &status, NULL, NULL);
}

static const ReplicatedKind replication = {
    .kind = &kind_replication_controller,
    .selector_of = selector_of_controller,
    .as_set = controller_as_set,
    .write_status = write_controller_status,
};

/* ---- a reconcile ---- */

static const ReplicatedKind *kind_of(const Controller *controller)
{
    return controller->ops == &replicaset_controller ? &replica_set : &replication;
}

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    if (sync->plan.status_changed)
        sync->of->write_status(reconcile, sync->object, &sync->plan.status);
    reconcile_then(reconcile, reconcile_end);
}

static void plan(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;
    Object *object = reconcile_object(reconcile, sync->of->kind);
    const ReplicaSet *set;
    ReplicaSetInput input;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    set = sync->of->as_set(&reconcile->arena, object);
    input = (ReplicaSetInput){
        .set = set,
        .owner =
            pod_owner_of(&reconcile->arena, sync->of->kind, &set->metadata, set->spec.selector),
        .now_ns = reconcile_now_ns(reconcile),
        .result = sync->result,
    };
    input.pods = pods_gather(reconcile, &input.owner, &input.n_pods);
    replicaset_plan(&input, &reconcile->arena, &sync->plan);
    reconcile->again_after_ns = sync->plan.again_after_ns;
    if (sync->plan.actions.n && sync->passes == PASSES_MAX) /* let other keys be processed first */
        reconcile->again_after_ns = NS_PER_MS;
    if (!sync->plan.actions.n || sync->result.failed || sync->passes++ == PASSES_MAX) {
        write_status(reconcile);
        return;
    }
    pods_carry_out(reconcile, object, &sync->plan.actions, &sync->result);
    reconcile_then(reconcile, plan);
}

static void reconcile_set(Reconcile *reconcile)
{
    Sync *sync = arena_new(&reconcile->arena, Sync);

    sync->of = kind_of(reconcile->controller);
    reconcile->data = sync;
    plan(reconcile);
}

/* ---- what wakes them ---- */

static void on_pod(Controller *controller, const WatchEvent *event)
{
    const ReplicatedKind *of = kind_of(controller);

    controller_enqueue_owners(controller, of->kind, event, of->selector_of);
}

static void start(Controller *controller)
{
    controller_watch(controller, kind_of(controller)->kind, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
    controller_index(controller, kind_of(controller)->kind);
}

const ControllerOps replicaset_controller = {
    .name = "replicaset",
    .component = "replicaset-controller",
    .start = start,
    .reconcile = reconcile_set,
};

const ControllerOps replication_controller = {
    .name = "replication",
    .component = "replication-controller",
    .start = start,
    .reconcile = reconcile_set,
};
