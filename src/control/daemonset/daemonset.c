/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of DaemonSets: gathers the pods and revisions of a set, calls daemonset_plan(),
 * carries the plan out, and plans again until only the status is left to write.
 */
#include "control/daemonset/plan.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/strmap.h"
#include "control/controllers.h"
#include "control/revision.h"

#define PASSES_MAX 8
#define BACKOFF_FIRST_NS NS_PER_SEC
#define BACKOFF_MAX_NS (15 * 60 * NS_PER_SEC)

/* When a failed pod of a set was last deleted, and for how long the next failed one is kept. */
typedef struct Backoff {
    int64_t last_ns, delay_ns;
} Backoff;

typedef struct Daemons {
    StrMap backoffs; /* by key */
} Daemons;

typedef struct Sync {
    Object *object;
    DaemonSetPlan plan;
    PodResult result;
    unsigned passes;
    bool collided;
} Sync;

/* ---- failed pods ---- */

static int64_t backoff_left(Reconcile *reconcile)
{
    Daemons *daemons = reconcile->controller->data;
    Backoff *backoff = strmap_get(&daemons->backoffs, reconcile->key);
    int64_t now_ns = clock_mono_ns(reconcile->controller->options->clock);

    return backoff ? MAX_OF(backoff->last_ns + backoff->delay_ns - now_ns, INT64_C(0)) : 0;
}

static void backoff_note(Reconcile *reconcile)
{
    Daemons *daemons = reconcile->controller->data;
    Backoff *backoff = strmap_get(&daemons->backoffs, reconcile->key);
    int64_t now_ns = clock_mono_ns(reconcile->controller->options->clock);

    if (!backoff) {
        backoff = mem_new_type(Backoff);
        strmap_put(&daemons->backoffs, reconcile->key, backoff);
    }
    if (!backoff->delay_ns || now_ns - backoff->last_ns > 2 * BACKOFF_MAX_NS)
        backoff->delay_ns = BACKOFF_FIRST_NS;
    else
        backoff->delay_ns = MIN_OF(backoff->delay_ns * 2, BACKOFF_MAX_NS);
    backoff->last_ns = now_ns;
}

static void tell_ended(Reconcile *reconcile, const Sync *sync)
{
    EventRecorder *events = reconcile->controller->events;
    const Pod *failed = sync->plan.failed, *succeeded = sync->plan.succeeded;

    if (failed) {
        event_record(events, sync->object, "Warning", "FailedDaemonPod",
                     "Found failed daemon pod %s/%s on node %s, will try to kill it",
                     failed->metadata.namespace, failed->metadata.name,
                     str_or(failed->spec.node_name, ""));
        backoff_note(reconcile);
    }
    if (succeeded)
        event_record(events, sync->object, "Normal", "SucceededDaemonPod",
                     "Found succeeded daemon pod %s/%s on node %s, will try to delete it",
                     succeeded->metadata.namespace, succeeded->metadata.name,
                     str_or(succeeded->spec.node_name, ""));
}

/* ---- revisions ---- */

static void on_revision_made(Reconcile *reconcile, void *data, const ApiStatus *status,
                             Object *object _unused_)
{
    const ControllerRevision *wanted = data;
    Sync *sync = reconcile->data;
    Object *there;

    if (status->reason == STATUS_OK)
        return;
    reconcile->failed = true;
    if (status->reason != STATUS_ALREADY_EXISTS)
        return;
    there = client_get(reconcile->client, &kind_controller_revision, wanted->metadata.namespace,
                       wanted->metadata.name);
    sync->collided =
        there && !bytes_equal(OBJECT_AS(ControllerRevision, there)->data, wanted->data);
}

static bool write_revisions(Reconcile *reconcile, const DaemonSetPlan *plan)
{
    if (plan->create_revision)
        reconcile_create(reconcile, object_of(&kind_controller_revision, plan->create_revision),
                         NULL, on_revision_made, (void *)(uintptr_t)plan->create_revision);
    if (plan->update_revision)
        reconcile_update(reconcile, object_of(&kind_controller_revision, plan->update_revision),
                         NULL, NULL, NULL);
    return plan->create_revision || plan->update_revision;
}

static void delete_revisions(Reconcile *reconcile, const DaemonSetPlan *plan)
{
    for (size_t i = 0; i < plan->n_old_revisions; i++)
        reconcile_delete_value(reconcile, &kind_controller_revision, plan->old_revisions[i], NULL,
                               NULL, NULL);
}

static void gather_revisions(Reconcile *reconcile, DaemonSetInput *input)
{
    ObjectList all =
        control_owned(reconcile, &kind_controller_revision, &input->set->metadata, NULL);

    input->revisions = object_list_values(&reconcile->arena, all);
    input->n_revisions = all.n;
}

/* ---- the reconcile ---- */

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    delete_revisions(reconcile, &sync->plan);
    if (sync->plan.status_changed)
        RECONCILE_WRITE_STATUS(reconcile, DaemonSet, sync->object, &sync->plan.status, NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

static void plan(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_daemon_set);
    const char *node_name = reconcile->controller->options->node_name;
    Sync *sync = reconcile->data;
    int64_t left_ns = backoff_left(reconcile);
    DaemonSetInput input;
    Object *node;
    PodOwner owner;

    if (!object) {
        free(strmap_remove(&((Daemons *)reconcile->controller->data)->backoffs, reconcile->key));
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    node = client_get(reconcile->client, &kind_node, NULL, node_name);
    input = (DaemonSetInput){.set = object->value,
                             .node = node ? node->value : NULL,
                             .now_ns = reconcile_now_ns(reconcile),
                             .spare_failed = left_ns > 0,
                             .collided = sync->collided};
    owner = pod_owner_of(&reconcile->arena, &kind_daemon_set, &input.set->metadata,
                         input.set->spec.selector);
    input.pods = pods_gather(reconcile, &owner, &input.n_pods);
    gather_revisions(reconcile, &input);
    daemonset_plan(&input, &reconcile->arena, &sync->plan);
    reconcile->again_after_ns = left_ns > 0 ? left_ns : sync->plan.again_after_ns;
    if (sync->passes == PASSES_MAX) /* let other keys be processed, then continue */
        reconcile->again_after_ns = NS_PER_MS;
    if (reconcile->failed || sync->result.failed || sync->passes++ == PASSES_MAX) {
        write_status(reconcile);
    } else if (write_revisions(reconcile, &sync->plan)) {
        reconcile_then(reconcile, plan);
    } else if (sync->plan.actions.n) {
        tell_ended(reconcile, sync);
        pods_carry_out(reconcile, object, &sync->plan.actions, &sync->result);
        reconcile_then(reconcile, plan);
    } else {
        write_status(reconcile);
    }
}

static void reconcile_set(Reconcile *reconcile)
{
    reconcile->data = arena_new(&reconcile->arena, Sync);
    plan(reconcile);
}

/* ---- what wakes it ---- */

static Selector *selector_of(Arena *arena, const Object *object)
{
    return selector_from_api(arena, OBJECT_AS(DaemonSet, object)->spec.selector);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_owners(controller, &kind_daemon_set, event, selector_of);
}

static bool enqueue_set(void *data, Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    controller_enqueue(data, meta->namespace, meta->name);
    return true;
}

/* Only labels and the spec of the node, with its taints, matter to a DaemonSet. */
static void on_node(Controller *controller, const WatchEvent *event)
{
    const Node *now = event->object->value, *before = event->before ? event->before->value : NULL;

    if (before && event->type == WATCH_MODIFIED &&
        type_equal(&type_NodeSpec, &now->spec, &before->spec) &&
        meta_labels_equal(&now->metadata, &before->metadata))
        return;
    client_list(controller->client, &kind_daemon_set, &(ListOptions){0}, enqueue_set, controller);
}

static void start(Controller *controller)
{
    controller->data = mem_new_type(Daemons);
    controller_watch(controller, &kind_daemon_set, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_daemon_set);
    controller_index(controller, &kind_controller_revision);
    controller_watch(controller, &kind_node, on_node);
}

static void stop(Controller *controller)
{
    Daemons *daemons = controller->data;

    STRMAP_DEINIT_WITH(&daemons->backoffs, free);
    free(daemons);
}

const ControllerOps daemonset_controller = {
    .name = "daemonset",
    .component = "daemonset-controller",
    .start = start,
    .reconcile = reconcile_set,
    .stop = stop,
};
