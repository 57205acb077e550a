/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of EndpointSlices, and of Endpoints for older clients: which pods a Service has, on
 * which ports, and whether they are ready.
 *
 * It computes the wanted objects from the Service and the pods of its namespace, and creates, updates
 * or deletes those that differ. Pods are ordered by name and fill slices of 100, so a change affects
 * few slices. The name of a slice follows from the Service and the slice's number, so a crash never
 * leaves a duplicate.
 *
 * The Service default/kubernetes has no selector; its endpoint is the API server itself.
 */
#include "api/meta.h"
#include "api/pod_containers.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/selector.h"
#include "base/vec.h"
#include "codec/type.h"
#include "control/controllers.h"
#include "control/service/slices.h"
#include "view/pod.h"

#define SLICE_MAX 100
#define ENDPOINTS_MAX 1000
#define MANAGER "endpointslice-controller.k8s.io"
#define HEADLESS_LABEL "service.kubernetes.io/headless"

/* ---- pods of a service ---- */

typedef struct Backend {
    const Pod *pod;
    const int32_t *ports; /* one per port of the Service; 0 if the pod has none of that name */
    bool ready, serving, terminating;
} Backend;

typedef struct Backends {
    Backend *v;
    size_t n;
} Backends;

static bool port_matches(const ContainerPort *port, const ServicePort *of)
{
    return str_equal(port->name, of->target_port.string) &&
           str_equal(str_or(port->protocol, "TCP"), str_or(of->protocol, "TCP"));
}

static int32_t resolve_port(const Pod *pod, const ServicePort *port)
{
    const Container *container;

    if (!port->target_port.is_string)
        return port->target_port.number ? port->target_port.number : port->port;
    for (size_t next = 0; (container = pod_next_lasting(&pod->spec, &next));)
        for (size_t i = 0; i < container->ports.n; i++)
            if (port_matches(&container->ports.v[i], port))
                return container->ports.v[i].container_port;
    return 0;
}

static Backend make_backend(Arena *arena, const Service *service, const Pod *pod)
{
    int32_t *ports = arena_new_n(arena, int32_t, service->spec.ports.n + 1);
    Backend backend = {.pod = pod, .ports = ports, .terminating = pod_is_terminating(pod)};

    for (size_t i = 0; i < service->spec.ports.n; i++)
        ports[i] = resolve_port(pod, &service->spec.ports.v[i]);
    backend.serving = pod_is_ready(pod);
    backend.ready =
        service->spec.publish_not_ready_addresses || (backend.serving && !backend.terminating);
    return backend;
}

static Backends find_backends(Reconcile *reconcile, const Service *service)
{
    Arena *arena = &reconcile->arena;
    Selector *selector = selector_from_map(arena, &service->spec.selector);
    ObjectList pods = object_index_select(controller_index(reconcile->controller, &kind_pod), arena,
                                          'l', reconcile->ns, selector);
    Backends backends = {.v = arena_new_n(arena, Backend, pods.n + 1)};

    for (size_t i = 0; i < pods.n; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods.v[i]);

        if (!pod_has_ended(pod) && !str_empty(pod->status.pod_ip))
            backends.v[backends.n++] = make_backend(arena, service, pod);
    }
    return backends;
}

static bool same_ports(const Service *service, const Backend *a, const Backend *b)
{
    return memcmp(a->ports, b->ports, service->spec.ports.n * sizeof(*a->ports)) == 0;
}

static ObjectReference *pod_reference(Arena *arena, const Pod *pod)
{
    ObjectReference *ref = arena_new(arena, ObjectReference);

    *ref = (ObjectReference){.kind = "Pod",
                             .namespace = pod->metadata.namespace,
                             .name = pod->metadata.name,
                             .uid = pod->metadata.uid};
    return ref;
}

/* The hostname of the pod if it has a DNS name of its own below this Service, else NULL. */
static const char *pod_hostname(const Service *service, const Pod *pod)
{
    return str_equal(pod->spec.subdomain, service->metadata.name) ? pod->spec.hostname : NULL;
}

static bool is_headless(const Service *service)
{
    return str_equal(service->spec.cluster_ip, "None");
}

/* ---- slices ---- */

static DiscoveryEndpointPortArray slice_ports(Arena *arena, const Service *service,
                                              const Backend *backend)
{
    DiscoveryEndpointPortArray ports = {
        .v = arena_new_n(arena, DiscoveryEndpointPort, service->spec.ports.n + 1)};

    for (size_t i = 0; i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];

        if (!backend || !backend->ports[i])
            continue;
        ports.v[ports.n++] = (DiscoveryEndpointPort){.name = str_or(port->name, ""),
                                                     .protocol = str_or(port->protocol, "TCP"),
                                                     .port = arena_int32(arena, backend->ports[i]),
                                                     .app_protocol = port->app_protocol};
    }
    return ports;
}

static EndpointSlice *new_slice(Arena *arena, const Service *service, const Backend *backend,
                                size_t number)
{
    EndpointSlice *slice = arena_new(arena, EndpointSlice);
    StringMap *labels = &slice->metadata.labels;

    slice->metadata.name =
        slice_name(arena, &service->metadata, arena_printf(arena, "%zu", number));
    slice->metadata.namespace = service->metadata.namespace;
    for (size_t i = 0; i < service->metadata.labels.n; i++)
        string_map_put(arena, labels, service->metadata.labels.v[i].key,
                       service->metadata.labels.v[i].value);
    string_map_put(arena, labels, SLICE_SERVICE_LABEL, service->metadata.name);
    string_map_put(arena, labels, SLICE_MANAGER_LABEL, MANAGER);
    if (is_headless(service))
        string_map_put(arena, labels, HEADLESS_LABEL, "");
    meta_add_owner(arena, &slice->metadata,
                   meta_controller_reference(arena, &kind_service, &service->metadata));
    slice->address_type = "IPv4";
    slice->ports = slice_ports(arena, service, backend);
    slice->endpoints.v = arena_new_n(arena, Endpoint, SLICE_MAX);
    return slice;
}

static Endpoint make_endpoint(Arena *arena, const Service *service, const Backend *backend)
{
    Endpoint endpoint = {
        .conditions = {.ready = arena_bool(arena, backend->ready),
                       .serving = arena_bool(arena, backend->serving),
                       .terminating = arena_bool(arena, backend->terminating)},
        .hostname = pod_hostname(service, backend->pod),
        .node_name = backend->pod->spec.node_name,
        .target_ref = pod_reference(arena, backend->pod),
    };

    endpoint.addresses.v = arena_new(arena, const char *);
    endpoint.addresses.v[0] = backend->pod->status.pod_ip;
    endpoint.addresses.n = 1;
    return endpoint;
}

/* Pods share a slice if the ports of the Service have the same numbers in them. A Service without pods
 * has one empty slice. */
static void make_slices(Arena *arena, const Service *service, const Backends *backends,
                        Slices *slices)
{
    bool *taken = arena_new_n(arena, bool, backends->n + 1);

    for (size_t i = 0; i < backends->n; i++) {
        EndpointSlice *slice = NULL;

        for (size_t k = i; k < backends->n && !taken[i]; k++) {
            if ((k != i && taken[k]) || !same_ports(service, &backends->v[i], &backends->v[k]))
                continue;
            if (!slice || slice->endpoints.n == SLICE_MAX) {
                slice = new_slice(arena, service, &backends->v[k], slices->n);
                VEC_PUSH(slices, slice);
            }
            slice->endpoints.v[slice->endpoints.n++] =
                make_endpoint(arena, service, &backends->v[k]);
            if (k != i)
                taken[k] = true;
        }
        taken[i] = true;
    }
    if (slices->n == 0)
        VEC_PUSH(slices, new_slice(arena, service, NULL, 0));
}

/* ---- Endpoints ---- */

static EndpointAddress make_address(Arena *arena, const Service *service, const Backend *backend)
{
    return (EndpointAddress){.ip = backend->pod->status.pod_ip,
                             .hostname = pod_hostname(service, backend->pod),
                             .node_name = backend->pod->spec.node_name,
                             .target_ref = pod_reference(arena, backend->pod)};
}

static EndpointSubset *new_subset(Arena *arena, const Service *service, const Backend *backend,
                                  size_t room)
{
    EndpointSubset *subset = arena_new(arena, EndpointSubset);

    subset->addresses.v = arena_new_n(arena, EndpointAddress, room);
    subset->not_ready_addresses.v = arena_new_n(arena, EndpointAddress, room);
    subset->ports.v = arena_new_n(arena, EndpointPort, service->spec.ports.n + 1);
    for (size_t i = 0; i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];

        if (backend->ports[i])
            subset->ports.v[subset->ports.n++] =
                (EndpointPort){.name = port->name,
                               .port = backend->ports[i],
                               .protocol = str_or(port->protocol, "TCP"),
                               .app_protocol = port->app_protocol};
    }
    return subset;
}

static Endpoints *make_endpoints(Arena *arena, const Service *service, const Backends *backends)
{
    Endpoints *endpoints = arena_new(arena, Endpoints);
    StringMap *labels = &endpoints->metadata.labels;
    const Backend **first = arena_new_n(arena, const Backend *, backends->n + 1);

    endpoints->metadata.name = service->metadata.name;
    endpoints->metadata.namespace = service->metadata.namespace;
    for (size_t i = 0; i < service->metadata.labels.n; i++)
        string_map_put(arena, labels, service->metadata.labels.v[i].key,
                       service->metadata.labels.v[i].value);
    string_map_put(arena, labels, "endpoints.kubernetes.io/managed-by", "endpoint-controller");
    if (is_headless(service))
        string_map_put(arena, labels, HEADLESS_LABEL, "");
    endpoints->subsets.v = arena_new_n(arena, EndpointSubset, backends->n + 1);
    for (size_t i = 0; i < backends->n && i < ENDPOINTS_MAX; i++) {
        const Backend *backend = &backends->v[i];
        EndpointSubset *subset = NULL;

        if (backend->terminating && !service->spec.publish_not_ready_addresses)
            continue;
        for (size_t k = 0; k < endpoints->subsets.n && !subset; k++)
            if (same_ports(service, first[k], backend))
                subset = &endpoints->subsets.v[k];
        if (!subset) {
            first[endpoints->subsets.n] = backend;
            subset = &endpoints->subsets.v[endpoints->subsets.n++];
            *subset = *new_subset(arena, service, backend, backends->n);
        }
        if (backend->ready)
            subset->addresses.v[subset->addresses.n++] = make_address(arena, service, backend);
        else
            subset->not_ready_addresses.v[subset->not_ready_addresses.n++] =
                make_address(arena, service, backend);
    }
    return endpoints;
}

/* ---- writing ---- */

static bool endpoints_equal(const void *a, const void *b)
{
    Endpoints x = *(const Endpoints *)a, y = *(const Endpoints *)b;
    bool same = meta_labels_equal(&x.metadata, &y.metadata);

    x.metadata = y.metadata = (ObjectMeta){0};
    return same && type_equal(&type_Endpoints, &x, &y);
}

static void put_endpoints(Reconcile *reconcile, Endpoints *endpoints)
{
    derived_put(reconcile, &kind_endpoints, endpoints->metadata.name, endpoints, endpoints_equal);
}

static void drop_endpoints(Reconcile *reconcile)
{
    Object *there = reconcile_object(reconcile, &kind_endpoints);
    const char *manager =
        there ? string_map_get(&object_meta(there)->labels, "endpoints.kubernetes.io/managed-by")
              : NULL;

    if (str_equal(manager, "endpoint-controller"))
        reconcile_delete(reconcile, there, NULL, NULL, NULL);
}

/* ---- the API server itself ---- */

static void put_api_server(Reconcile *reconcile)
{
    Arena *arena = &reconcile->arena;
    const ControlOptions *options = reconcile->controller->options;
    EndpointSlice *slice = arena_new(arena, EndpointSlice);
    Endpoints *endpoints = arena_new(arena, Endpoints);
    EndpointSubset *subset = arena_new(arena, EndpointSubset);

    if (!options->api_address)
        return;
    slice->metadata.name = endpoints->metadata.name = "kubernetes";
    slice->metadata.namespace = endpoints->metadata.namespace = "default";
    string_map_put(arena, &slice->metadata.labels, SLICE_SERVICE_LABEL, "kubernetes");
    string_map_put(arena, &endpoints->metadata.labels, "endpointslice.kubernetes.io/skip-mirror",
                   "true");
    slice->address_type = "IPv4";
    slice->endpoints.v = arena_new(arena, Endpoint);
    slice->endpoints.n = 1;
    slice->endpoints.v[0].addresses.v = arena_new(arena, const char *);
    slice->endpoints.v[0].addresses.v[0] = options->api_address;
    slice->endpoints.v[0].addresses.n = 1;
    slice->endpoints.v[0].conditions.ready = arena_bool(arena, true);
    slice->ports.v = arena_new(arena, DiscoveryEndpointPort);
    slice->ports.n = 1;
    slice->ports.v[0] = (DiscoveryEndpointPort){
        .name = "https", .protocol = "TCP", .port = arena_int32(arena, options->api_port)};
    subset->addresses.v = arena_new(arena, EndpointAddress);
    subset->addresses.v[0].ip = options->api_address;
    subset->addresses.n = 1;
    subset->ports.v = arena_new(arena, EndpointPort);
    subset->ports.v[0] =
        (EndpointPort){.name = "https", .protocol = "TCP", .port = options->api_port};
    subset->ports.n = 1;
    endpoints->subsets.v = subset;
    endpoints->subsets.n = 1;
    slice_put(reconcile, slice);
    put_endpoints(reconcile, endpoints);
}

static bool is_api_server(const char *ns, const char *name)
{
    return str_equal(ns, "default") && str_equal(name, "kubernetes");
}

static void reconcile_service(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_service);
    const Service *service = object ? OBJECT_AS(Service, object) : NULL;
    Slices slices = VEC_INIT;

    if (service && is_api_server(reconcile->ns, reconcile->name)) {
        put_api_server(reconcile);
    } else if (!service || service->metadata.deletion_timestamp.set ||
               str_equal(service->spec.type, "ExternalName")) {
        slices_drop(reconcile, MANAGER, NULL);
        drop_endpoints(reconcile);
    } else if (service->spec.selector.n > 0) {
        Backends backends = find_backends(reconcile, service);

        make_slices(&reconcile->arena, service, &backends, &slices);
        for (size_t i = 0; i < slices.n; i++)
            slice_put(reconcile, slices.v[i]);
        slices_drop(reconcile, MANAGER, &slices);
        put_endpoints(reconcile, make_endpoints(&reconcile->arena, service, &backends));
    }
    VEC_DEINIT(&slices);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- what wakes it ---- */

typedef struct Finder {
    Controller *controller;
    const ObjectMeta *now, *before;
} Finder;

static bool map_matches(const StringMap *selector, const StringMap *labels)
{
    if (selector->n == 0)
        return false;
    for (size_t i = 0; i < selector->n; i++)
        if (!str_equal(string_map_get(labels, selector->v[i].key), selector->v[i].value))
            return false;
    return true;
}

static void on_service_found(void *data, Object *object)
{
    Finder *finder = data;
    const StringMap *selector = &OBJECT_AS(Service, object)->spec.selector;

    if (map_matches(selector, &finder->now->labels) ||
        (finder->before && map_matches(selector, &finder->before->labels)))
        controller_enqueue(finder->controller, object_meta(object)->namespace,
                           object_meta(object)->name);
}

/* Whether the change matters to Services. The most frequent changes, of container states, do not. */
static bool pod_changed(const Pod *a, const Pod *b)
{
    return !str_equal(a->status.pod_ip, b->status.pod_ip) || pod_is_ready(a) != pod_is_ready(b) ||
           pod_has_ended(a) != pod_has_ended(b) || pod_is_terminating(a) != pod_is_terminating(b) ||
           !str_equal(a->spec.node_name, b->spec.node_name) ||
           !meta_labels_equal(&a->metadata, &b->metadata);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    Finder finder = {controller, object_meta(event->object),
                     event->before ? object_meta(event->before) : NULL};
    const ObjectIndex *services;

    if (event->type == WATCH_MODIFIED && event->before &&
        !pod_changed(OBJECT_AS(Pod, event->before), OBJECT_AS(Pod, event->object)))
        return;
    services = controller_index(controller, &kind_service);
    object_index_selecting(services, finder.now->namespace, &finder.now->labels, on_service_found,
                           &finder);
    if (finder.before)
        object_index_selecting(services, finder.now->namespace, &finder.before->labels,
                               on_service_found, &finder);
}

/* Reverts changes that others make to the slices of this controller. */
static void on_slice(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const char *service = string_map_get(&meta->labels, SLICE_SERVICE_LABEL);
    bool ours = str_equal(string_map_get(&meta->labels, SLICE_MANAGER_LABEL), MANAGER);

    if (service && (ours || is_api_server(meta->namespace, service)))
        controller_enqueue(controller, meta->namespace, service);
}

static void on_endpoints(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    if (event->type != WATCH_ADDED &&
        client_get(controller->client, &kind_service, meta->namespace, meta->name))
        controller_enqueue(controller, meta->namespace, meta->name);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_service, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_watch(controller, &kind_endpoint_slice, on_slice);
    controller_watch(controller, &kind_endpoints, on_endpoints);
    controller_index(controller, &kind_service);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_endpoint_slice);
}

const ControllerOps endpoints_controller = {
    .name = "endpoints",
    .component = "endpoint-controller",
    .start = start,
    .reconcile = reconcile_service,
};
