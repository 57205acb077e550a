/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller that mirrors Endpoints which users write into EndpointSlices, since everything that
 * routes traffic reads only these. It does so for a Service without a selector; the Endpoints of the
 * others are written by stead itself (endpoints.c).
 *
 * Subsets with the same ports share a slice, as far as their addresses are of one family, and subsets
 * with the same addresses are one subset with the ports of both. At most 1000 addresses of each subset
 * are mirrored.
 */
#include <arpa/inet.h>

#include "api/meta.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/text_map.h"
#include "control/controllers.h"
#include "control/service/slices.h"

#define ADDRESSES_MAX 1000
/* A limit that Kubernetes has not: each is a write. */
#define GROUPS_MAX 1000
#define MANAGER "endpointslicemirroring-controller.k8s.io"
#define SKIP_LABEL "endpointslice.kubernetes.io/skip-mirror"
#define LEADER_ANNOTATION "control-plane.alpha.kubernetes.io/leader"

/* A subset, with the ports of all subsets that have the same addresses. */
typedef struct Subset {
    const EndpointSubset *of;
    VEC(const EndpointPort *) ports;
    TextMap names; /* of the ports: a slice may have each once */
} Subset;

/* The addresses that have the same ports. */
typedef struct Group {
    const Subset *ports;
    VEC(Endpoint) endpoints[2]; /* of IPv4 and of IPv6 */
    TextMap seen;
    size_t n;
} Group;

typedef struct Mirror {
    Reconcile *reconcile;
    Arena *arena;
    const Endpoints *endpoints;
    VEC(Subset *) subsets;
    VEC(Group *) groups;
    Slices slices;
    size_t invalid, skipped;
} Mirror;

/* ---- keys ---- */

/* One text for the same set, whatever its order. */
static const char *set_key(Arena *arena, const char **texts, size_t n)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    str_sort(texts, n);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&out, "%s\n", texts[i]);
    return arena_strdup(arena, strbuf_string(&out));
}

static const char *port_key(Arena *arena, const EndpointPort *port)
{
    return arena_printf(arena, "%s %s %d %s", str_or(port->protocol, ""), str_or(port->name, ""),
                        port->port, str_or(port->app_protocol, ""));
}

static const char *address_key(Arena *arena, const EndpointAddress *address, const char *state)
{
    const ObjectReference *target = address->target_ref;

    return arena_printf(arena, "%s %s %s %s %s %s", address->ip, str_or(address->hostname, ""),
                        str_or(address->node_name, ""), str_or(target ? target->name : NULL, ""),
                        str_or(target ? target->uid : NULL, ""), state);
}

static const char *addresses_key(Arena *arena, const EndpointSubset *subset)
{
    size_t n = 0;
    const char **texts =
        arena_new_n(arena, const char *, subset->addresses.n + subset->not_ready_addresses.n + 1);

    for (size_t i = 0; i < subset->addresses.n; i++)
        texts[n++] = address_key(arena, &subset->addresses.v[i], "ready");
    for (size_t i = 0; i < subset->not_ready_addresses.n; i++)
        texts[n++] = address_key(arena, &subset->not_ready_addresses.v[i], "");
    return set_key(arena, texts, n);
}

static const char *ports_key(Arena *arena, const Subset *subset)
{
    const char **texts = arena_new_n(arena, const char *, subset->ports.n + 1);

    for (size_t i = 0; i < subset->ports.n; i++)
        texts[i] = port_key(arena, subset->ports.v[i]);
    return set_key(arena, texts, subset->ports.n);
}

/* ---- what is wanted ---- */

static void map_put(TextMap *map, const char *key, void *value)
{
    bool is_new;

    text_map_put_n(map, key, strlen(key), &is_new)->value = value;
}

/* Whether none of its ports has a name that the subset has already. */
static bool can_join(const Subset *subset, const EndpointSubset *of)
{
    for (size_t i = 0; i < of->ports.n; i++)
        if (text_map_has(&subset->names, of->ports.v[i].name))
            return false;
    return true;
}

static Subset *new_subset(Mirror *m, const EndpointSubset *of)
{
    Subset *subset = arena_new(m->arena, Subset);

    subset->of = of;
    subset->names = (TextMap)TEXT_MAP_INIT(m->arena);
    VEC_PUSH(&m->subsets, subset);
    return subset;
}

static void join_subsets(Mirror *m)
{
    TextMap found = TEXT_MAP_INIT(m->arena);

    for (size_t i = 0; i < m->endpoints->subsets.n; i++) {
        const EndpointSubset *of = &m->endpoints->subsets.v[i];
        const char *key = addresses_key(m->arena, of);
        Subset *subset = text_map_get(&found, key);

        if (!subset || !can_join(subset, of)) {
            subset = new_subset(m, of);
            map_put(&found, key, subset);
        }
        for (size_t k = 0; k < of->ports.n; k++) {
            ARENA_PUSH(m->arena, &subset->ports, &of->ports.v[k]);
            text_map_add(&subset->names, of->ports.v[k].name);
        }
    }
}

static Endpoint make_endpoint(Arena *arena, const EndpointAddress *address, bool ready)
{
    Endpoint endpoint = {.conditions.ready = arena_bool(arena, ready),
                         .hostname = str_empty(address->hostname) ? NULL : address->hostname,
                         .node_name = address->node_name,
                         .target_ref = address->target_ref};

    endpoint.addresses.v = arena_new(arena, const char *);
    endpoint.addresses.v[0] = address->ip;
    endpoint.addresses.n = 1;
    return endpoint;
}

static void add_address(Mirror *m, Group *group, const EndpointAddress *address, bool ready)
{
    unsigned char ip[16];
    bool six = inet_pton(AF_INET6, address->ip, ip) == 1;
    const char *key = address_key(m->arena, address, "");

    if (!six && inet_pton(AF_INET, address->ip, ip) != 1) {
        m->invalid++;
        m->skipped++;
    } else if (group->n == ADDRESSES_MAX) {
        m->skipped++;
    } else if (!text_map_has(&group->seen, key)) {
        text_map_add(&group->seen, key);
        ARENA_PUSH(m->arena, &group->endpoints[six], make_endpoint(m->arena, address, ready));
        group->n++;
    }
}

static void group_addresses(Mirror *m)
{
    TextMap found = TEXT_MAP_INIT(m->arena);

    for (size_t i = 0; i < m->subsets.n; i++) {
        const Subset *subset = m->subsets.v[i];
        const EndpointSubset *of = subset->of;
        const char *key = ports_key(m->arena, subset);
        Group *group = text_map_get(&found, key);

        if (!group && m->groups.n == GROUPS_MAX) {
            m->skipped += of->addresses.n + of->not_ready_addresses.n;
            continue;
        }
        if (!group) {
            group = arena_new(m->arena, Group);
            group->ports = subset;
            group->seen = (TextMap)TEXT_MAP_INIT(m->arena);
            map_put(&found, key, group);
            VEC_PUSH(&m->groups, group);
        }
        for (size_t k = 0; k < of->addresses.n; k++)
            add_address(m, group, &of->addresses.v[k], true);
        for (size_t k = 0; k < of->not_ready_addresses.n; k++)
            add_address(m, group, &of->not_ready_addresses.v[k], false);
    }
}

static void copy_metadata(Mirror *m, EndpointSlice *slice)
{
    const ObjectMeta *from = &m->endpoints->metadata;
    ObjectMeta *to = &slice->metadata;

    to->namespace = from->namespace;
    for (size_t i = 0; i < from->labels.n; i++)
        string_map_put(m->arena, &to->labels, from->labels.v[i].key, from->labels.v[i].value);
    string_map_put(m->arena, &to->labels, SLICE_SERVICE_LABEL, from->name);
    string_map_put(m->arena, &to->labels, SLICE_MANAGER_LABEL, MANAGER);
    for (size_t i = 0; i < from->annotations.n; i++) {
        const char *key = from->annotations.v[i].key;

        if (!str_equal(key, "endpoints.kubernetes.io/last-change-trigger-time") &&
            !str_equal(key, "kubectl.kubernetes.io/last-applied-configuration"))
            string_map_put(m->arena, &to->annotations, key, from->annotations.v[i].value);
    }
    meta_add_owner(m->arena, to, meta_controller_reference(m->arena, &kind_endpoints, from));
}

static void make_slice(Mirror *m, const Group *group, bool six, size_t number)
{
    EndpointSlice *slice = arena_new(m->arena, EndpointSlice);
    const Subset *subset = group->ports;

    copy_metadata(m, slice);
    slice->address_type = six ? "IPv6" : "IPv4";
    slice->metadata.name =
        slice_name(m->arena, &m->endpoints->metadata,
                   arena_printf(m->arena, "%s %zu", slice->address_type, number));
    slice->ports.v = arena_new_n(m->arena, DiscoveryEndpointPort, subset->ports.n + 1);
    for (size_t i = 0; i < subset->ports.n; i++) {
        const EndpointPort *port = subset->ports.v[i];

        slice->ports.v[slice->ports.n++] =
            (DiscoveryEndpointPort){.name = str_or(port->name, ""),
                                    .protocol = str_or(port->protocol, "TCP"),
                                    .port = arena_int32(m->arena, port->port),
                                    .app_protocol = port->app_protocol};
    }
    slice->endpoints.v = group->endpoints[six].v;
    slice->endpoints.n = group->endpoints[six].n;
    VEC_PUSH(&m->slices, slice);
}

/* The slices of a family are numbered, so that one whose ports have changed keeps its name. */
static void make_slices(Mirror *m)
{
    size_t n[2] = {0};

    for (size_t i = 0; i < m->groups.n; i++)
        for (unsigned six = 0; six < 2; six++)
            if (m->groups.v[i]->endpoints[six].n)
                make_slice(m, m->groups.v[i], six, n[six]++);
}

static void tell(const Mirror *m)
{
    EventRecorder *events = m->reconcile->controller->events;
    const Object *about = reconcile_object(m->reconcile, &kind_endpoints);

    if (m->invalid)
        event_record(events, about, "Warning", "InvalidIPAddress",
                     "Skipped %zu invalid IP addresses when mirroring to EndpointSlices",
                     m->invalid);
    if (m->skipped > m->invalid)
        event_record(events, about, "Warning", "TooManyAddressesToMirror",
                     "A max of %d addresses can be mirrored to EndpointSlices per Endpoints "
                     "subset. %zu addresses were skipped",
                     ADDRESSES_MAX, m->skipped);
}

/* ---- the controller ---- */

static bool should_mirror(Reconcile *reconcile, const Endpoints *endpoints)
{
    Object *service = reconcile_object(reconcile, &kind_service);

    return service && OBJECT_AS(Service, service)->spec.selector.n == 0 && endpoints &&
           !endpoints->metadata.deletion_timestamp.set &&
           !str_equal(string_map_get(&endpoints->metadata.labels, SKIP_LABEL), "true") &&
           !string_map_get(&endpoints->metadata.annotations, LEADER_ANNOTATION);
}

static void reconcile_mirror(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_endpoints);
    const Endpoints *endpoints = object ? OBJECT_AS(Endpoints, object) : NULL;
    Mirror m = {.reconcile = reconcile, .arena = &reconcile->arena, .endpoints = endpoints};

    if (should_mirror(reconcile, endpoints)) {
        join_subsets(&m);
        group_addresses(&m);
        make_slices(&m);
        tell(&m);
    }
    for (size_t i = 0; i < m.slices.n; i++)
        slice_put(reconcile, m.slices.v[i]);
    slices_drop(reconcile, MANAGER, &m.slices);
    VEC_DEINIT(&m.subsets);
    VEC_DEINIT(&m.groups);
    VEC_DEINIT(&m.slices);
    reconcile_then(reconcile, reconcile_end);
}

static bool has_selector(const Object *service)
{
    return OBJECT_AS(Service, service)->spec.selector.n > 0;
}

/* A Service with a selector, now and before, has nothing to mirror. */
static void on_service(Controller *controller, const WatchEvent *event)
{
    if (!has_selector(event->object) || (event->before && !has_selector(event->before)))
        controller_enqueue_self(controller, event);
}

static bool is_ours(const ObjectMeta *meta)
{
    return str_equal(string_map_get(&meta->labels, "endpoints.kubernetes.io/managed-by"),
                     "endpoint-controller");
}

static void on_endpoints(Controller *controller, const WatchEvent *event)
{
    if (!is_ours(object_meta(event->object)) ||
        (event->before && !is_ours(object_meta(event->before))))
        controller_enqueue_self(controller, event);
}

/* Reverts changes that others make to the slices of this controller. */
static void on_slice(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    if (str_equal(string_map_get(&meta->labels, SLICE_MANAGER_LABEL), MANAGER))
        controller_enqueue(controller, meta->namespace,
                           string_map_get(&meta->labels, SLICE_SERVICE_LABEL));
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_service, on_service);
    controller_watch(controller, &kind_endpoints, on_endpoints);
    controller_watch(controller, &kind_endpoint_slice, on_slice);
    controller_index(controller, &kind_endpoint_slice);
}

const ControllerOps mirror_controller = {
    .name = "endpointslicemirroring",
    .component = "endpoint-slice-mirroring-controller",
    .start = start,
    .reconcile = reconcile_mirror,
};
