/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of HorizontalPodAutoscalers: gathers the target's scale, its pods and what they use, calls
 * autoscale_plan(), sets the scale, and writes the status.
 *
 * Each autoscaler is looked at every 15 seconds, since what pods use changes without an event. Without
 * autoscalers there is no timer. The histories that stabilize a size live in memory only; after a restart,
 * they begin again, as in Kubernetes.
 */
#include "api/scale.h"
#include "api/schema/autoscaling_v1.h"
#include "api/schema/autoscaling_v2.h"
#include "base/strmap.h"
#include "codec/type.h"
#include "control/autoscale/plan.h"
#include "control/controllers.h"

#define INTERVAL (15 * NS_PER_SEC)

/* A key has one reconcile at a time, and only that uses and frees the memory of its autoscaler. */
typedef struct Memory {
    char *uid; /* another autoscaler of the same name begins anew */
    ScaleHistory history;
} Memory;

typedef struct Sync {
    Object *object;
    Object *target;
    AutoscaleInput input;
    ScaledPod *pods; /* of the input */
    size_t n_pods;
    ScaleHistory *history;
    AutoscalePlan plan;
    bool stale; /* the target has changed meanwhile */
} Sync;

static Memory *memory_free(Memory *memory)
{
    if (!memory)
        return NULL;
    scale_history_deinit(&memory->history);
    free(memory->uid);
    free(memory);
    return NULL;
}

static void forget(Reconcile *reconcile)
{
    memory_free(strmap_remove(reconcile->controller->data, reconcile->key));
}

static ScaleHistory *history_of(Reconcile *reconcile, const char *uid)
{
    StrMap *memories = reconcile->controller->data;
    Memory *memory = strmap_get(memories, reconcile->key);

    if (memory && !str_equal(memory->uid, uid)) {
        forget(reconcile);
        memory = NULL;
    }
    if (!memory) {
        memory = mem_new_type(Memory);
        memory->uid = mem_strdup(uid);
        strmap_put(memories, reconcile->key, memory);
    }
    return &memory->history;
}

/* ---- gathering ---- */

/* The group of an apiVersion. */
static const char *group_of(Arena *arena, const char *api_version)
{
    const char *slash = strchr(str_or(api_version, ""), '/');

    return slash ? arena_strndup(arena, api_version, (size_t)(slash - api_version)) : "";
}

/* The kind that a reference names, in any version of its group. NULL: there is none. */
static const Kind *kind_of(const char *group, const char *name)
{
    KIND_EACH(kind)
        if (*kind->plural && str_equal(kind->group, group) && str_equal(kind->kind, name))
            return kind;
    return NULL;
}

/* The object that is scaled. NULL, and why not. */
static Object *find_target(Client *client, Arena *arena, const HorizontalPodAutoscaler *autoscaler,
                           const char **ret_error)
{
    const CrossVersionObjectReference *ref = &autoscaler->spec.scale_target_ref;
    const char *group = group_of(arena, ref->api_version);
    const Kind *kind = kind_of(group, str_or(ref->kind, ""));
    Object *target;

    *ret_error = NULL;
    if (!kind) {
        *ret_error = arena_printf(arena, "no matches for kind \"%s\" in group \"%s\"",
                                  str_or(ref->kind, ""), group);
        return NULL;
    }
    if (!scale_is_served(kind)) {
        *ret_error = "the server could not find the requested resource";
        return NULL;
    }
    target = client_get(client, kind, autoscaler->metadata.namespace, str_or(ref->name, ""));
    if (!target)
        *ret_error = arena_printf(arena, "%s%s%s \"%s\" not found", kind->plural,
                                  *kind->group ? "." : "", kind->group, str_or(ref->name, ""));
    return target ? arena_hold_object(arena, target) : NULL;
}

typedef struct Rivals {
    Reconcile *reconcile;
    const AutoscaleInput *input;
    StrBuf text;
    size_t n;
} Rivals;

static bool selects_any(const Selector *selector, const AutoscaleInput *input)
{
    for (size_t i = 0; i < input->n_pods; i++)
        if (selector_matches_labels(selector, &input->pods[i].pod->metadata.labels))
            return true;
    return false;
}

static bool each_autoscaler(void *data, Object *object)
{
    Rivals *rivals = data;
    Arena *arena = &rivals->reconcile->arena;
    const ObjectMeta *meta = object_meta(object);
    const char *error;
    Object *target = find_target(rivals->reconcile->client, arena, object->value, &error);
    _object_ Object *scale = target ? scale_of(target) : NULL;
    Selector *selector;

    if (!scale || str_empty(OBJECT_AS(Scale, scale)->status.selector) ||
        selector_parse_labels(arena, OBJECT_AS(Scale, scale)->status.selector, &selector, &error) ||
        !selects_any(selector, rivals->input))
        return true;
    strbuf_printf(&rivals->text, "%s{%s %s}", rivals->n++ ? " " : "", meta->name, meta->namespace);
    return true;
}

/* The autoscalers that control the pods, if it is not this one alone. */
static const char *find_rivals(Reconcile *reconcile, const AutoscaleInput *input)
{
    Rivals rivals = {.reconcile = reconcile, .input = input};
    const char *text = NULL;

    client_list(reconcile->client, &kind_horizontal_pod_autoscaler,
                &(ListOptions){.ns = reconcile->ns}, each_autoscaler, &rivals);
    if (rivals.n > 1)
        text = arena_printf(&reconcile->arena, "[%s]", strbuf_string(&rivals.text));
    strbuf_deinit(&rivals.text);
    return text;
}

static void gather_pods(Reconcile *reconcile, const Selector *selector, Sync *sync)
{
    Arena *arena = &reconcile->arena;
    ObjectList pods = object_index_select(controller_index(reconcile->controller, &kind_pod), arena,
                                          'l', reconcile->ns, selector);

    sync->pods = arena_new_n(arena, ScaledPod, pods.n + 1);
    sync->n_pods = pods.n;
    for (size_t i = 0; i < pods.n; i++)
        sync->pods[i].pod = pods.v[i]->value;
    sync->input.pods = sync->pods;
    sync->input.n_pods = pods.n;
}

/* ---- carrying out ---- */

static void finish(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;

    for (size_t i = 0; !sync->stale && i < sync->plan.notes.n; i++)
        event_record(reconcile->controller->events, sync->object, sync->plan.notes.v[i].type,
                     sync->plan.notes.v[i].reason, "%s", sync->plan.notes.v[i].message);
    if (!sync->stale && !type_equal(&type_HorizontalPodAutoscalerStatus, &sync->plan.status,
                                    &OBJECT_AS(HorizontalPodAutoscaler, sync->object)->status))
        RECONCILE_WRITE_STATUS(reconcile, HorizontalPodAutoscaler, sync->object, &sync->plan.status,
                               NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

static void on_scaled(Reconcile *reconcile, void *data, const ApiStatus *status,
                      Object *object _unused_)
{
    Sync *sync = data;

    /* Somebody else has changed the target: the next attempt decides by its new state. */
    if (status->reason == STATUS_CONFLICT) {
        reconcile->failed = sync->stale = true;
        return;
    }
    autoscale_rescaled(&sync->input, status->reason == STATUS_OK ? NULL : status->message,
                       sync->history, &reconcile->arena, &sync->plan);
}

static void carry_out(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;
    Object *scaled;

    autoscale_plan(&sync->input, sync->history, &reconcile->arena, &sync->plan);
    if (sync->plan.rescale) {
        scaled = object_copy(sync->target);
        scale_set_replicas(scaled, sync->plan.replicas);
        reconcile_update(
            reconcile, scaled,
            &(WriteOptions){.subresource = "scale", .field_manager = "kube-controller-manager"},
            on_scaled, sync);
    }
    reconcile_then(reconcile, finish);
}

static const ContainerUsage *copy_usage(Arena *arena, const PodUsage *usage)
{
    ContainerUsage *v = arena_copy_n(arena, usage->v, usage->n, usage->n, sizeof(*v));

    for (size_t i = 0; i < usage->n; i++)
        v[i].name = arena_strdup(arena, v[i].name);
    return v;
}

/* The usage is valid during the callback only. */
static void take_usage(ScaledPod *pod, Arena *arena, const PodUsage *usage)
{
    PodUsage *own = arena_new(arena, PodUsage);

    *own = *usage;
    own->pod = NULL;
    own->v = copy_usage(arena, usage);
    pod->usage = own;
}

static void on_usage(Reconcile *reconcile, void *data, const Usage *usage)
{
    Sync *sync = data;
    StrMap by_uid = STRMAP_INIT;

    if (!usage)
        sync->input.no_metrics = "unable to fetch metrics from resource metrics API: the server is "
                                 "currently unable to handle the request (get pods.metrics.k8s.io)";
    else if (!usage->n_pods)
        sync->input.no_metrics = "no metrics returned from resource metrics API";
    for (size_t i = 0; i < sync->n_pods; i++)
        strmap_put(&by_uid, sync->pods[i].pod->metadata.uid, &sync->pods[i]);
    for (size_t i = 0; usage && i < usage->n_pods; i++) {
        ScaledPod *pod = strmap_get(&by_uid, object_meta(usage->pods[i].pod)->uid);

        if (pod)
            take_usage(pod, &reconcile->arena, &usage->pods[i]);
    }
    strmap_deinit(&by_uid);
}

/* Gathers what metrics are computed from. */
static void measure(Reconcile *reconcile, Sync *sync)
{
    Arena *arena = &reconcile->arena;
    Selector *selector;
    const char *error;

    if (str_empty(sync->input.selector) ||
        selector_parse_labels(arena, sync->input.selector, &selector, &error))
        return;
    gather_pods(reconcile, selector, sync);
    sync->input.rivals = find_rivals(reconcile, &sync->input);
    reconcile_read_usage(reconcile, &(UsageQuery){.ns = reconcile->ns, .labels = selector},
                         on_usage, sync);
}

static void reconcile_autoscaler(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_horizontal_pod_autoscaler);
    Sync *sync = arena_new(&reconcile->arena, Sync);
    AutoscaleInput *input = &sync->input;
    Arena *arena = &reconcile->arena;
    _object_ Object *scale = NULL;

    if (!object) {
        forget(reconcile);
        reconcile_end(reconcile);
        return;
    }
    reconcile->data = sync;
    reconcile->again_after_ns = INTERVAL;
    /* A size that stays is no reason to look at it less often. */
    reconcile->progress = true;
    sync->object = object;
    sync->history = history_of(reconcile, object_meta(object)->uid);
    *input = (AutoscaleInput){.autoscaler = object->value, .now_ns = reconcile_now_ns(reconcile)};
    sync->target = find_target(reconcile->client, arena, input->autoscaler, &input->scale_error);
    scale = sync->target ? scale_of(sync->target) : NULL;
    if (scale) {
        input->current = OBJECT_AS(Scale, scale)->spec.replicas;
        input->selector = arena_strdup(arena, OBJECT_AS(Scale, scale)->status.selector);
    }
    if (scale && input->current > 0)
        measure(reconcile, sync);
    reconcile_then(reconcile, carry_out);
}

/* ---- what wakes it ---- */

/* A new one is looked at once, a changed one at the end of its interval: its own status changes it, too. */
static void on_autoscaler(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    _free_ char *key = mem_printf("%s/%s", meta->namespace, meta->name);

    if (event->type == WATCH_MODIFIED)
        workqueue_add_after(controller->queue, key, INTERVAL);
    else
        workqueue_add(controller->queue, key);
}

static void start(Controller *controller)
{
    controller->data = mem_new_type(StrMap);
    controller_watch(controller, &kind_horizontal_pod_autoscaler, on_autoscaler);
    controller_index(controller, &kind_pod);
}

static void stop(Controller *controller)
{
    StrMap *memories = controller->data;

    STRMAP_DEINIT_WITH(memories, memory_free);
    free(memories);
}

const ControllerOps autoscaler_controller = {
    .name = "horizontalpodautoscaler",
    .component = "horizontal-pod-autoscaler",
    .start = start,
    .reconcile = reconcile_autoscaler,
    .stop = stop,
};
