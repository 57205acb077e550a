/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of ReplicaSets: gathers the pods of a set, calls replicaset_plan(), carries the plan
 * out, and plans again until only the status is left to write.
 */
#include "control/deployment/replicaset_plan.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/type.h"
#include "control/controllers.h"

#define PASSES_MAX 8

typedef struct Sync {
    Object *object;
    ReplicaSetPlan plan;
    PodResult result;
    unsigned passes;
} Sync;

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    if (sync->plan.status_changed)
        RECONCILE_WRITE_STATUS(reconcile, ReplicaSet, sync->object, &sync->plan.status, NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

static void plan(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_replica_set);
    Sync *sync = reconcile->data;
    const ReplicaSet *set;
    ReplicaSetInput input;
    PodOwner owner;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    set = object->value;
    owner = pod_owner_of(&reconcile->arena, &kind_replica_set, &set->metadata, set->spec.selector);
    input = (ReplicaSetInput){
        .set = set, .now_ns = reconcile_now_ns(reconcile), .result = sync->result};
    input.pods = pods_gather(reconcile, &owner, &input.n_pods);
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
    reconcile->data = arena_new(&reconcile->arena, Sync);
    plan(reconcile);
}

/* ---- what wakes it ---- */

static const LabelSelector *selector_of(const Object *object)
{
    return OBJECT_AS(ReplicaSet, object)->spec.selector;
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_owners(controller, &kind_replica_set, event, selector_of);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_replica_set, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_replica_set);
}

const ControllerOps replicaset_controller = {
    .name = "replicaset",
    .component = "replicaset-controller",
    .start = start,
    .reconcile = reconcile_set,
};
