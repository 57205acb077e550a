/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler for one node: binds each pod without a node to it, or records in an Event and in the
 * condition PodScheduled why it cannot. Pods that have to wait are tried again when something changes
 * that could help them: a pod goes away, a claim is bound, the node changes.
 *
 * A pod of higher priority may make others go (preempt.c). It is then nominated for the node, and until
 * it is bound, its room is not given to pods of lower priority.
 *
 * A binding in flight counts already: its pod is kept as "assumed" until the answer arrives, so that
 * two pods never get the same resources, port or single-pod claim.
 */
#include "control/scheduler/scheduler.h"

#include "api/meta.h"
#include "api/object.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/resource_v1.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "control/controllers.h"
#include "control/scheduler/disrupt.h"
#include "control/scheduler/preempt.h"
#include "control/volume/volume.h"
#include "view/pod.h"

/* How long a pod may wait for its claims before an Event says so. */
#define CLAIMS_NS (2 * NS_PER_SEC)
/* The same for claims that have been waiting for the pod, as under kube-scheduler. */
#define BIND_NS (600 * NS_PER_SEC)

typedef struct Scheduler {
    StrMap waiting;   /* keys of pods without a node */
    StrMap assumed;   /* key -> Object: bindings in flight */
    Placed *placed;   /* pods on the node, including assumed ones */
    StrMap nominated; /* key -> Object: waiting pods for which others had to go */
    Timer wake;       /* tries all waiting pods again */
} Scheduler;

typedef struct Lookup {
    ClaimLookup base;
    Client *client;
    const ObjectIndex *volumes;
    Arena *arena;
} Lookup;

static const PersistentVolumeClaim *find_claim(const ClaimLookup *base, const char *ns,
                                               const char *name)
{
    const Lookup *lookup = CONTAINER_OF(base, const Lookup, base);
    Object *object = client_get(lookup->client, &kind_persistent_volume_claim, ns, name);

    return object ? OBJECT_AS(PersistentVolumeClaim, object) : NULL;
}

static const DeviceResourceClaim *find_devices(const ClaimLookup *base, const char *ns,
                                               const char *name)
{
    const Lookup *lookup = CONTAINER_OF(base, const Lookup, base);
    Object *object = client_get(lookup->client, &kind_device_resource_claim, ns, name);

    return object ? OBJECT_AS(DeviceResourceClaim, object) : NULL;
}

typedef struct Match {
    const PersistentVolumeClaim *claim;
    Arena *arena;
    bool found;
} Match;

static void look_at_volume(void *data, Object *object)
{
    Match *match = data;

    match->found =
        match->found ||
        volume_suits_claim(match->arena, OBJECT_AS(PersistentVolume, object), match->claim);
}

static ClaimWait claim_wait(const ClaimLookup *base, const PersistentVolumeClaim *claim)
{
    const Lookup *lookup = CONTAINER_OF(base, const Lookup, base);
    Object *object = client_get(lookup->client, &kind_storage_class, NULL,
                                str_or(claim->spec.storage_class_name, ""));
    const StorageClass *class = object ? OBJECT_AS(StorageClass, object) : NULL;
    Match match = {.claim = claim, .arena = lookup->arena};

    if (!class || !volume_class_waits(class))
        return CLAIM_BINDS_ALONE;
    if (!str_equal(class->provisioner, "kubernetes.io/no-provisioner"))
        return CLAIM_AWAITS_NODE;
    object_index_each(lookup->volumes, "a/", look_at_volume, &match);
    object_index_each(
        lookup->volumes,
        arena_printf(lookup->arena, "r/%s/%s", claim->metadata.namespace, claim->metadata.name),
        look_at_volume, &match);
    return match.found ? CLAIM_AWAITS_NODE : CLAIM_HAS_NO_VOLUME;
}

static const PersistentVolume *find_volume(const ClaimLookup *base, const char *name)
{
    const Lookup *lookup = CONTAINER_OF(base, const Lookup, base);
    Object *object = client_get(lookup->client, &kind_persistent_volume, NULL, str_or(name, ""));

    return object ? OBJECT_AS(PersistentVolume, object) : NULL;
}

static bool wants_us(const Pod *pod)
{
    return str_empty(pod->spec.node_name) && !pod_is_terminating(pod) && !pod_has_ended(pod) &&
           pod->spec.scheduling_gates.n == 0 &&
           (str_empty(pod->spec.scheduler_name) ||
            str_equal(pod->spec.scheduler_name, "default-scheduler"));
}

static bool takes_room(const Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);

    return !str_empty(pod->spec.node_name) && !pod_has_ended(pod);
}

/* ---- binding a pod ---- */

/* The answer has arrived. If the pod is bound, the watch reports it on the node, and it stays placed;
 * otherwise it is removed. */
static void forget_assumed(Reconcile *reconcile, bool bound)
{
    Scheduler *scheduler = reconcile->controller->data;
    Object *pod = strmap_remove(&scheduler->assumed, reconcile->key);
    Object *now = client_get(reconcile->client, &kind_pod, reconcile->ns, reconcile->name);

    if (pod && !bound && !(now && takes_room(now)))
        placed_remove(scheduler->placed, pod);
    object_unref(pod);
}

static void on_bound(Reconcile *reconcile, void *data, const ApiStatus *status,
                     Object *object _unused_)
{
    Object *pod = data;

    if (status->reason == STATUS_OK)
        event_record(reconcile->controller->events, pod, "Normal", "Scheduled",
                     "Successfully assigned %s/%s to %s", reconcile->ns, reconcile->name,
                     reconcile->controller->options->node_name);
    else if (status->reason != STATUS_NOT_FOUND)
        reconcile->failed = true;
    forget_assumed(reconcile, status->reason == STATUS_OK);
}

static void bind(Reconcile *reconcile, Object *pod)
{
    Scheduler *scheduler = reconcile->controller->data;
    Object *object = object_new(&kind_binding);
    Binding *binding = object->value;
    Arena *arena = &object->arena;

    arena_hold_object(&reconcile->arena, pod);
    binding->metadata.name = arena_strdup(arena, reconcile->name);
    binding->metadata.namespace = arena_strdup(arena, reconcile->ns);
    binding->metadata.uid = arena_strdup(arena, object_meta(pod)->uid);
    binding->target.kind = "Node";
    binding->target.name = arena_strdup(arena, reconcile->controller->options->node_name);
    object_unref(strmap_put(&scheduler->assumed, reconcile->key, object_ref(pod)));
    placed_put(scheduler->placed, pod);
    reconcile_create(reconcile, object, &(WriteOptions){.subresource = "binding"}, on_bound, pod);
}

/* ---- refusing a pod ---- */

static void put_condition(Object *object, const char *reason, const char *message, Time now)
{
    Pod *pod = object->value;
    const PodCondition *old = pod_condition(pod, "PodScheduled");
    PodCondition condition = {.type = "PodScheduled",
                              .status = "False",
                              .reason = reason,
                              .observed_generation = pod->metadata.generation};
    PodConditionArray *list = &pod->status.conditions;

    condition.message = arena_strdup(&object->arena, message);
    condition.last_transition_time =
        old && str_equal(old->status, "False") ? old->last_transition_time : now;
    if (old) {
        list->v[old - list->v] = condition;
        return;
    }
    ARENA_APPEND(&object->arena, list, condition);
}

/* `nominated` is the node where room is being made, "" for none; NULL: as it is. */
static void refuse_nominated(Reconcile *reconcile, const Object *object, const char *reason,
                             const char *message, const char *nominated)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    const PodCondition *old = pod_condition(pod, "PodScheduled");
    const char *now = str_or(pod->status.nominated_node_name, "");
    bool same = old && str_equal(old->status, "False") && str_equal(old->message, message);
    Object *copy;

    /* Do not repeat the same message. */
    if (same && (!nominated || str_equal(nominated, now)))
        return;
    if (!same)
        event_record(reconcile->controller->events, object, "Warning", "FailedScheduling", "%s",
                     message);
    copy = object_copy(object);
    put_condition(copy, reason, message, reconcile_now(reconcile));
    if (nominated)
        OBJECT_AS(Pod, copy)->status.nominated_node_name =
            *nominated ? arena_strdup(&copy->arena, nominated) : NULL;
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

static void refuse(Reconcile *reconcile, const Object *object, const char *reason,
                   const char *message)
{
    refuse_nominated(reconcile, object, reason, message, NULL);
}

/* ---- preemption ---- */

static void make_go(Reconcile *reconcile, const ScheduleInput *in, const Object *victim)
{
    event_record(reconcile->controller->events, victim, "Normal", "Preempted",
                 "Preempted by pod %s on node %s", in->pod->metadata.uid, in->node->metadata.name);
    schedule_disrupt(reconcile, victim, "PreemptionByScheduler",
                     arena_printf(in->arena, "%s: preempting to accommodate a higher priority pod",
                                  str_or(in->pod->spec.scheduler_name, "default-scheduler")));
}

/* The pod does not fit. If less important pods are in its way, they have to go; it is tried again when
 * they have. */
static void preempt_or_refuse(Reconcile *reconcile, const ScheduleInput *in, const Object *object,
                              const ScheduleOutcome *outcome, const char *message)
{
    const char *why;
    ObjectList victims = {0};

    if (outcome->preemptible && !preempt_is_eligible(in, &why)) {
        if (why)
            refuse(reconcile, object, "Unschedulable",
                   arena_printf(in->arena, "%s preemption: %s", outcome->reasons, why));
        return;
    }
    if (outcome->preemptible)
        victims = preempt_choose(
            in, controller_index(reconcile->controller, &kind_pod_disruption_budget));
    for (size_t i = 0; i < victims.n; i++)
        make_go(reconcile, in, victims.v[i]);
    refuse_nominated(reconcile, object, "Unschedulable", victims.n ? outcome->reasons : message,
                     victims.n ? in->node->metadata.name : "");
}

/* Pods of at least this priority for which room was made, except the pod itself and those that have
 * been bound. They are placed while the pod is judged. */
static ObjectList place_nominated(Scheduler *scheduler, Arena *arena, const char *key,
                                  const Pod *pod)
{
    ObjectList list = {.v = arena_new_n(arena, Object *, scheduler->nominated.n + 1)};

    STRMAP_EACH(&scheduler->nominated, slot) {
        Object *other = slot->value;

        if (str_equal(slot->key, key) || placed_has(scheduler->placed, other) ||
            pod_priority(OBJECT_AS(Pod, other)) < pod_priority(pod))
            continue;
        placed_put(scheduler->placed, other);
        list.v[list.n++] = arena_hold_object(arena, other);
    }
    return list;
}

/* Time until the pod has existed for so long. */
static int64_t time_left(const Reconcile *reconcile, const Object *pod, int64_t age_ns)
{
    return ns_from_seconds(object_meta(pod)->creation_timestamp.seconds) + age_ns -
           reconcile_now_ns(reconcile);
}

/* Selects the node for the claims, so that they get their volumes. The last one that is bound wakes
 * the pod. */
static void bind_claims(Reconcile *reconcile, const Object *pod, const ScheduleOutcome *outcome)
{
    const char *node_name = reconcile->controller->options->node_name;
    int64_t left_ns = time_left(reconcile, pod, BIND_NS);

    for (size_t i = 0; i < outcome->n_claims; i++) {
        const ObjectMeta *meta = &outcome->claims[i]->metadata;
        Object *claim, *copy;

        if (str_equal(string_map_get(&meta->annotations, VOLUME_SELECTED_NODE), node_name))
            continue;
        claim = client_get(reconcile->client, &kind_persistent_volume_claim, meta->namespace,
                           meta->name);
        copy = object_copy(claim);
        string_map_put(&copy->arena, &object_meta(copy)->annotations, VOLUME_SELECTED_NODE,
                       arena_strdup(&copy->arena, node_name));
        reconcile_update(reconcile, copy, NULL, NULL, NULL);
    }
    if (left_ns > 0)
        reconcile->again_after_ns = left_ns;
    else
        refuse(reconcile, pod, "SchedulerError",
               "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline "
               "exceeded");
}

static void reconcile_pod(Reconcile *reconcile)
{
    Scheduler *scheduler = reconcile->controller->data;
    Object *object = reconcile_object(reconcile, &kind_pod);
    const char *node_name = reconcile->controller->options->node_name;
    Lookup lookup = {.base = {.find = find_claim,
                              .wait = claim_wait,
                              .volume = find_volume,
                              .devices = find_devices},
                     .client = reconcile->client,
                     .volumes = controller_index(reconcile->controller, &kind_persistent_volume),
                     .arena = &reconcile->arena};
    ScheduleInput in = {.claims = &lookup.base, .arena = &reconcile->arena};
    ScheduleOutcome outcome;
    ObjectList nominated;
    Object *node;
    const char *message;
    int64_t left_ns;

    if (!object || !wants_us(OBJECT_AS(Pod, object))) {
        reconcile_end(reconcile);
        return;
    }
    in.pod = OBJECT_AS(Pod, object);
    node = client_get(reconcile->client, &kind_node, NULL, node_name);
    in.node = node ? OBJECT_AS(Node, node) : NULL;
    in.placed = scheduler->placed;
    in.pods = controller_index(reconcile->controller, &kind_pod);
    nominated = place_nominated(scheduler, &reconcile->arena, reconcile->key, in.pod);
    message = schedule_check(&in, &outcome);
    left_ns = time_left(reconcile, object, CLAIMS_NS);
    if (message && outcome.soon && left_ns > 0)
        reconcile->again_after_ns = left_ns;
    else if (message)
        preempt_or_refuse(reconcile, &in, object, &outcome, message);
    for (size_t i = 0; i < nominated.n; i++)
        placed_remove(scheduler->placed, nominated.v[i]);
    if (message)
        ;
    else if (outcome.n_claims)
        bind_claims(reconcile, object, &outcome);
    else
        bind(reconcile, object);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- what wakes it ---- */

typedef struct Waiter {
    const char *key;
    int32_t priority;
} Waiter;

/* The more important ones first; beyond that, independent of the hash function. */
static int compare_waiters(const void *a, const void *b)
{
    const Waiter *x = a, *y = b;

    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return strcmp(x->key, y->key);
}

static int32_t priority_of(Controller *controller, const char *key)
{
    _free_ char *ns = mem_strdup(key);
    char *name = strchr(ns, '/');
    Object *object;

    *name++ = 0;
    object = client_get(controller->client, &kind_pod, ns, name);
    return object ? pod_priority(OBJECT_AS(Pod, object)) : 0;
}

static void on_wake(Timer *timer)
{
    Controller *controller = timer->data;
    Scheduler *scheduler = controller->data;
    VEC(Waiter) waiters = VEC_INIT;

    STRMAP_EACH(&scheduler->waiting, slot) {
        Waiter waiter = {slot->key, priority_of(controller, slot->key)};

        VEC_PUSH(&waiters, waiter);
    }
    if (waiters.n)
        qsort(waiters.v, waiters.n, sizeof(*waiters.v), compare_waiters);
    for (size_t i = 0; i < waiters.n; i++)
        workqueue_add(controller->queue, waiters.v[i].key);
    VEC_DEINIT(&waiters);
}

/* Reasons to try again often come in groups, for example when many pods end. The timer runs once for
 * all of them. */
static void wake_waiting(Controller *controller)
{
    Scheduler *scheduler = controller->data;

    if (scheduler->waiting.n > 0)
        timer_start(controller->options->clock, &scheduler->wake, 0);
}

/* Returns whether the pod takes less than before, though it has not gone. */
static bool note_placed(Scheduler *scheduler, const WatchEvent *event, const char *key)
{
    const Object *assumed = strmap_get(&scheduler->assumed, key);

    if (event->type != WATCH_DELETED && takes_room(event->object))
        return placed_put(scheduler->placed, event->object);
    if (event->type == WATCH_DELETED || !assumed ||
        !str_equal(object_meta(assumed)->uid, object_meta(event->object)->uid))
        placed_remove(scheduler->placed, event->object);
    return false;
}

static void note_nominated(Scheduler *scheduler, const WatchEvent *event, const char *key)
{
    const Pod *pod = OBJECT_AS(Pod, event->object);

    if (event->type != WATCH_DELETED && wants_us(pod) &&
        !str_empty(pod->status.nominated_node_name))
        object_unref(strmap_put(&scheduler->nominated, key, object_ref(event->object)));
    else if (scheduler->nominated.n)
        object_unref(strmap_remove(&scheduler->nominated, key));
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    Scheduler *scheduler = controller->data;
    const Pod *pod = OBJECT_AS(Pod, event->object);
    _free_ char *key = mem_printf("%s/%s", pod->metadata.namespace, pod->metadata.name);
    bool less = note_placed(scheduler, event, key);

    note_nominated(scheduler, event, key);
    if (event->type != WATCH_DELETED && wants_us(pod)) {
        strmap_put(&scheduler->waiting, key, scheduler);
        workqueue_add(controller->queue, key);
        return;
    }
    strmap_remove(&scheduler->waiting, key);
    if (less || event->type == WATCH_DELETED || pod_has_ended(pod))
        wake_waiting(controller);
}

static void wake_one(void *data, Object *object)
{
    if (wants_us(OBJECT_AS(Pod, object)))
        controller_enqueue_found(data, object);
}

/* Only pods that mount the claim can wait for it. */
static void on_claim(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const char *phase = OBJECT_AS(PersistentVolumeClaim, event->object)->status.phase;
    _free_ char *key = NULL;

    if (event->type == WATCH_MODIFIED && event->before &&
        str_equal(phase, OBJECT_AS(PersistentVolumeClaim, event->before)->status.phase))
        return;
    key = mem_printf("v/%s/%s", str_or(meta->namespace, ""), meta->name);
    object_index_each(controller_index(controller, &kind_pod), key, wake_one, controller);
}

static void on_devices(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    _free_ char *key = mem_printf("d/%s/%s", str_or(meta->namespace, ""), meta->name);

    object_index_each(controller_index(controller, &kind_pod), key, wake_one, controller);
}

/* Not every change of the node matters here, but they are rare. */
static void on_node(Controller *controller, const WatchEvent *event _unused_)
{
    wake_waiting(controller);
}

/* Pods may wait for a volume that nobody has claimed. Provisioned ones are claimed from the start. */
static void on_volume(Controller *controller, const WatchEvent *event)
{
    if (event->type != WATCH_DELETED && !OBJECT_AS(PersistentVolume, event->object)->spec.claim_ref)
        wake_waiting(controller);
}

static void on_class(Controller *controller, const WatchEvent *event _unused_)
{
    wake_waiting(controller);
}

static void start(Controller *controller)
{
    Scheduler *scheduler = mem_new_type(Scheduler);

    scheduler->placed = placed_new();
    scheduler->wake.on_fire = on_wake;
    scheduler->wake.data = controller;
    controller->data = scheduler;
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_persistent_volume);
    controller_index(controller, &kind_pod_disruption_budget);
    controller_watch(controller, &kind_pod, on_pod);
    controller_watch(controller, &kind_persistent_volume_claim, on_claim);
    controller_watch(controller, &kind_device_resource_claim, on_devices);
    controller_watch(controller, &kind_node, on_node);
    controller_watch(controller, &kind_persistent_volume, on_volume);
    controller_watch(controller, &kind_storage_class, on_class);
}

static void stop(Controller *controller)
{
    Scheduler *scheduler = controller->data;

    STRMAP_DEINIT_WITH(&scheduler->assumed, object_unref);
    STRMAP_DEINIT_WITH(&scheduler->nominated, object_unref);
    strmap_deinit(&scheduler->waiting);
    placed_free(scheduler->placed);
    timer_stop(controller->options->clock, &scheduler->wake);
    free(scheduler);
}

const ControllerOps scheduler_controller = {
    .name = "scheduler",
    .component = "default-scheduler",
    .start = start,
    .reconcile = reconcile_pod,
    .stop = stop,
};
