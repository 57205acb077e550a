/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of PodDisruptionBudgets: gathers the pods of a budget and the sizes that their
 * controllers want, calls budget_plan(), and writes the status, which evictions obey.
 */
#include "control/cluster/budget_plan.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/schema/policy_v1.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/controllers.h"

/* ---- gathering ---- */

static void of_replicas(BudgetPod *ret, const ObjectMeta *meta, const int32_t *replicas)
{
    ret->owner = meta->uid;
    ret->wanted = replicas ? *replicas : 1;
    ret->lost = false;
}

/* The size comes from the Deployment that controls the ReplicaSet, or from the set itself. */
static void of_replica_set(Client *client, const ReplicaSet *set, BudgetPod *ret)
{
    const OwnerReference *ref = meta_controller(&set->metadata);
    Object *above = ref && str_equal(ref->kind, "Deployment")
                        ? client_get(client, &kind_deployment, set->metadata.namespace, ref->name)
                        : NULL;

    if (above && str_equal(object_meta(above)->uid, ref->uid))
        of_replicas(ret, object_meta(above), OBJECT_AS(Deployment, above)->spec.replicas);
    else
        of_replicas(ret, &set->metadata, set->spec.replicas);
}

static BudgetPod look_at(Client *client, const Pod *pod)
{
    const OwnerReference *ref = meta_controller(&pod->metadata);
    BudgetPod ret = {.pod = pod, .lost = ref != NULL};
    const Kind *kind;
    Object *owner;

    if (!ref)
        return ret;
    kind = kind_find_api_version(str_or(ref->api_version, ""), str_or(ref->kind, ""));
    if (kind != &kind_replica_set && kind != &kind_stateful_set &&
        kind != &kind_replication_controller)
        return ret;
    owner = client_get(client, kind, pod->metadata.namespace, ref->name);
    if (!owner || !str_equal(object_meta(owner)->uid, ref->uid))
        return ret;
    if (kind == &kind_replica_set)
        of_replica_set(client, owner->value, &ret);
    else if (kind == &kind_replication_controller)
        of_replicas(&ret, object_meta(owner),
                    OBJECT_AS(ReplicationController, owner)->spec.replicas);
    else
        of_replicas(&ret, object_meta(owner), OBJECT_AS(StatefulSet, owner)->spec.replicas);
    return ret;
}

static void gather(Reconcile *reconcile, const PodDisruptionBudget *budget, BudgetInput *input)
{
    Arena *arena = &reconcile->arena;
    Selector *selector = selector_from_api(arena, budget->spec.selector);
    ObjectList pods = object_index_select(controller_index(reconcile->controller, &kind_pod), arena,
                                          'l', reconcile->ns, selector);
    BudgetPod *v = arena_new_n(arena, BudgetPod, pods.n + 1);

    *input = (BudgetInput){.budget = budget, .pods = v, .now_ns = reconcile_now_ns(reconcile)};
    for (size_t i = 0; i < pods.n; i++)
        v[input->n_pods++] = look_at(reconcile->client, pods.v[i]->value);
}

/* ---- reconciling ---- */

static void tell(Reconcile *reconcile, Object *object, const BudgetInput *input,
                 const BudgetPlan *plan)
{
    EventRecorder *events = reconcile->controller->events;

    if (!input->n_pods)
        event_record(events, object, "Normal", "NoPods", "No matching pods found");
    if (plan->error)
        event_record(events, object, "Warning", "CalculateExpectedPodCountFailed",
                     "Failed to calculate the number of expected pods: %s", plan->error);
    else if (plan->unmanaged)
        event_record(events, object, "Warning", "UnmanagedPods",
                     "Pods selected by this PodDisruptionBudget were found to be unmanaged. As a "
                     "result, the status of the PDB cannot be calculated correctly, which may "
                     "result in undefined behavior. To account for these pods please set "
                     "\".spec.minAvailable\" field of the PDB to an integer value.");
}

static void reconcile_budget(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_pod_disruption_budget);
    BudgetPlan plan;
    BudgetInput input;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    gather(reconcile, object->value, &input);
    budget_plan(&input, &reconcile->arena, &plan);
    reconcile->again_after_ns = plan.again_after_ns;
    if (plan.status_changed) {
        tell(reconcile, object, &input, &plan);
        RECONCILE_WRITE_STATUS(reconcile, PodDisruptionBudget, object, &plan.status, NULL, NULL);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* ---- what wakes it ---- */

typedef struct Pair {
    Controller *controller;
    const ObjectMeta *now, *before; /* of a pod; either may be NULL */
} Pair;

static void each_budget(void *data, Object *object)
{
    Pair *pair = data;
    const PodDisruptionBudget *budget = object->value;
    _arena_ Arena arena = ARENA_INIT;
    Selector *selector = selector_from_api(&arena, budget->spec.selector);

    if ((pair->now && selector_matches_labels(selector, &pair->now->labels)) ||
        (pair->before && selector_matches_labels(selector, &pair->before->labels)))
        controller_enqueue(pair->controller, budget->metadata.namespace, budget->metadata.name);
}

static void enqueue_matching(Controller *controller, const char *ns, const ObjectMeta *now,
                             const ObjectMeta *before)
{
    const ObjectIndex *budgets = controller_index(controller, &kind_pod_disruption_budget);
    Pair pair = {controller, now, before};

    object_index_selecting(budgets, ns, &now->labels, each_budget, &pair);
    if (before)
        object_index_selecting(budgets, ns, &before->labels, each_budget, &pair);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    enqueue_matching(controller, meta->namespace, meta,
                     event->before ? object_meta(event->before) : NULL);
}

/* The size of a controller has changed. A budget may be a percentage of it. */
static void on_owner(Controller *controller, const WatchEvent *event)
{
    const Kind *kind = event->object->kind;
    const ObjectMeta *template = NULL;

    if (event->before &&
        object_meta(event->before)->generation == object_meta(event->object)->generation)
        return;
    if (kind == &kind_deployment)
        template = &OBJECT_AS(Deployment, event->object)->spec.template.metadata;
    else if (kind == &kind_replica_set)
        template = &OBJECT_AS(ReplicaSet, event->object)->spec.template.metadata;
    else if (kind == &kind_replication_controller)
        template = &OBJECT_AS(ReplicationController, event->object)->spec.template->metadata;
    else
        template = &OBJECT_AS(StatefulSet, event->object)->spec.template.metadata;
    enqueue_matching(controller, object_meta(event->object)->namespace, template, NULL);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_pod_disruption_budget, controller_enqueue_self);
    controller_index(controller, &kind_pod_disruption_budget);
    controller_index(controller, &kind_pod);
    controller_watch(controller, &kind_pod, on_pod);
    controller_watch(controller, &kind_deployment, on_owner);
    controller_watch(controller, &kind_replica_set, on_owner);
    controller_watch(controller, &kind_replication_controller, on_owner);
    controller_watch(controller, &kind_stateful_set, on_owner);
}

const ControllerOps budget_controller = {
    .name = "budget",
    .component = "controllermanager",
    .start = start,
    .reconcile = reconcile_budget,
};
