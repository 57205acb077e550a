/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get and list of kinds whose objects are not stored but made when they are asked for: NodeMetrics and
 * PodMetrics, and ComponentStatuses (component_status.c). The answers about metrics, and what is missing in
 * them, are those of metrics-server.
 *
 * The node measures asynchronously, so the request waits, and is forgotten if the client goes away.
 */
#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/metrics_v1beta1.h"
#include "api/selector.h"
#include "api/usage.h"
#include "base/vec.h"
#include "codec/type.h"
#include "server/read/read.h"
#include "server/request/respond.h"

typedef struct Computation {
    Call *call;
    UsageSource *source;
    UsageRead *read;
    Selector *labels, *fields;
    VEC(Object *) found;
} Computation;

static void computation_free(Computation *computation)
{
    for (size_t i = 0; i < computation->found.n; i++)
        object_unref(computation->found.v[i]);
    VEC_DEINIT(&computation->found);
    free(computation);
}

/* ---- objects ---- */

static void fill_usage(Arena *arena, StringMap *to, int64_t cpu, int64_t memory)
{
    string_map_put(arena, to, "cpu", quantity_from_nano(arena, cpu));
    string_map_put(arena, to, "memory", quantity_from(arena, memory, true));
}

/* The metadata of the object that was measured; it counts as created when it was measured. */
static void fill_meta(Arena *arena, ObjectMeta *to, const ObjectMeta *from, Time now)
{
    to->name = arena_strdup(arena, from->name);
    to->namespace = arena_strdup(arena, from->namespace);
    to->creation_timestamp = now;
    string_map_fill(arena, &to->labels, &from->labels);
}

static Time time_of(int64_t ns)
{
    return (Time){.seconds = ns / NS_PER_SEC, .set = true};
}

static Object *pod_metrics(const PodUsage *usage, Time now)
{
    Object *object = object_new(&kind_pod_metrics);
    PodMetrics *metrics = object->value;
    Arena *arena = &object->arena;

    fill_meta(arena, &metrics->metadata, object_meta(usage->pod), now);
    metrics->timestamp = time_of(usage->at_ns);
    metrics->window = usage->window_ns;
    metrics->containers.v = arena_new_n(arena, ContainerMetrics, usage->n);
    metrics->containers.n = usage->n;
    for (size_t i = 0; i < usage->n; i++) {
        metrics->containers.v[i].name = arena_strdup(arena, usage->v[i].name);
        fill_usage(arena, &metrics->containers.v[i].usage, usage->v[i].cpu, usage->v[i].memory);
    }
    return object;
}

static Object *node_metrics(const Object *node, const Usage *usage, Time now)
{
    Object *object = object_new(&kind_node_metrics);
    NodeMetrics *metrics = object->value;
    Arena *arena = &object->arena;

    fill_meta(arena, &metrics->metadata, object_meta(node), now);
    metrics->timestamp = time_of(usage->at_ns);
    metrics->window = usage->window_ns;
    fill_usage(arena, &metrics->usage, usage->cpu, usage->memory);
    return object;
}

static void take(Computation *computation, Object *object)
{
    if (read_matches(object, NULL, computation->labels, computation->fields))
        VEC_PUSH(&computation->found, object);
    else
        object_unref(object);
}

/* The node that this server runs on is the only one that is measured. */
static void take_node(Computation *computation, const Usage *usage, Time now)
{
    Server *server = computation->call->server;
    Object *node = store_get(server->store, &kind_node, NULL, server->node_name);

    if (node && usage->window_ns &&
        (!computation->call->route.name ||
         str_equal(computation->call->route.name, server->node_name)))
        take(computation, node_metrics(node, usage, now));
}

/* ---- answers ---- */

static void answer_missing(Call *call)
{
    const Route *route = &call->route;
    bool pods = route->kind == &kind_pod_metrics;
    const Kind *of = pods ? &kind_pod : &kind_node;
    ApiStatus status;

    if (!store_peek(call->server->store, of, route->ns, route->name))
        status_not_found(&status, call->arena, of, route->name);
    else
        status_set(&status, call->arena, STATUS_NOT_FOUND, "%s.metrics.k8s.io \"%s%s%s\" not found",
                   pods ? "podmetrics" : "nodemetrics", str_or(route->ns, ""), pods ? "/" : "",
                   route->name);
    respond_status(call, &status);
}

static void on_usage(void *data, const Usage *usage)
{
    Computation *computation = data;
    Call *call = computation->call;
    const Route *route = &call->route;
    Time now = server_time(call->server);

    call->stream = NULL;
    if (route->kind == &kind_node_metrics)
        take_node(computation, usage, now);
    for (size_t i = 0; i < usage->n_pods; i++)
        take(computation, pod_metrics(&usage->pods[i], now));
    if (!route->name)
        list_answer(call, computation->found.v, computation->found.n);
    else if (computation->found.n)
        respond_object(call, 200, computation->found.v[0]);
    else
        answer_missing(call);
    computation_free(computation);
}

static void on_closed(void *stream)
{
    Computation *computation = stream;

    computation->source->ops->cancel(computation->read);
    computation_free(computation);
}

static void read_usage(Call *call)
{
    const Route *route = &call->route;
    UsageSource *source = call->server->usage;
    UsageQuery query = {
        .ns = route->ns, .name = route->name, .node_only = route->kind == &kind_node_metrics};
    Computation *computation = mem_new_type(Computation);
    ApiStatus status = {.reason = STATUS_OK};

    computation->call = call;
    computation->source = source;
    if (!source)
        status_set(&status, call->arena, STATUS_UNAVAILABLE, "the node agent is not running");
    else if (!route->name)
        (void)read_selectors(call, &computation->labels, &computation->fields, &status);
    if (status.reason != STATUS_OK) {
        respond_status(call, &status);
        computation_free(computation);
        return;
    }
    query.labels = query.node_only ? NULL : computation->labels;
    call->stream = computation;
    call->stream_close = on_closed;
    computation->read = source->ops->read(source, &query, on_usage, computation);
}

void read_computed(Call *call)
{
    if (call->route.kind == &kind_component_status)
        read_component_status(call);
    else
        read_usage(call);
}
