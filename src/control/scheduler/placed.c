/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources that the pods on the node use together, updated pod by pod, so that the cost of a
 * decision depends on the new pod and not on the number of the others: sums of their requests, and
 * their host ports with a count each. The shared index of pods knows which of them have a label or
 * mount a claim.
 */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/strmap.h"
#include "control/scheduler/scheduler.h"
#include "view/pod.h"

#define ANY_IP "0.0.0.0"

typedef struct PlacedPod {
    Object *object; /* a reference */
    Demand demand;
} PlacedPod;

struct Placed {
    StrMap pods;   /* "ns/name" -> PlacedPod */
    StrMap others; /* resource -> amount, stored as the pointer: those that are not in Demand */
    StrMap ports;  /* "port/protocol/ip" and "port/protocol" -> count, stored as the pointer */
    Demand used;
};

/* ---- requests ---- */

static void add_requests(Demand *demand, const ResourceRequirements *resources)
{
    const StringMap *requests = &resources->requests;
    const char *cpu = string_map_get(requests, "cpu"), *memory = string_map_get(requests, "memory");
    const char *storage = string_map_get(requests, "ephemeral-storage");

    demand->milli_cpu += cpu ? quantity_milli(cpu) : 0;
    demand->memory += memory ? quantity_value(memory) : 0;
    demand->storage += storage ? quantity_value(storage) : 0;
}

/* Init containers run one at a time before the containers, each together with the sidecars started
 * before it. The demand is the maximum of these phases. */
static Demand demand_of_spec(const Pod *pod)
{
    Demand all = {0}, sidecars = {0}, peak = {0};

    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const Container *container = &pod->spec.init_containers.v[i];
        Demand now = sidecars;

        add_requests(&now, &container->resources);
        if (container_is_sidecar(container))
            sidecars = now;
        peak.milli_cpu = MAX_OF(peak.milli_cpu, now.milli_cpu);
        peak.memory = MAX_OF(peak.memory, now.memory);
        peak.storage = MAX_OF(peak.storage, now.storage);
    }
    all = sidecars;
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        add_requests(&all, &pod->spec.containers.v[i].resources);
    all.milli_cpu = MAX_OF(all.milli_cpu, peak.milli_cpu);
    all.memory = MAX_OF(all.memory, peak.memory);
    all.storage = MAX_OF(all.storage, peak.storage);
    if (pod->spec.resources) { /* requests of the pod as a whole take precedence */
        const StringMap *requests = &pod->spec.resources->requests;
        const char *cpu = string_map_get(requests, "cpu");
        const char *memory = string_map_get(requests, "memory");

        all.milli_cpu = cpu ? quantity_milli(cpu) : all.milli_cpu;
        all.memory = memory ? quantity_value(memory) : all.memory;
    }
    return all;
}

static bool same_requests(const StringMap *a, const StringMap *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = str_equal(string_map_get(b, a->v[i].key), a->v[i].value);
    return same;
}

/* Whether a container has, or has been granted, other resources than it asks for now. The statuses
 * have the order of the containers, and hardly any pod is being resized. */
static bool any_is_resized(const ContainerArray *containers, const ContainerStatusArray *statuses)
{
    for (size_t i = 0; i < containers->n && i < statuses->n; i++) {
        const ContainerStatus *status = &statuses->v[i];
        const StringMap *asked = &containers->v[i].resources.requests;

        if (!str_equal(status->name, containers->v[i].name))
            return true;
        if (status->resources && (!same_requests(asked, &status->resources->requests) ||
                                  !same_requests(asked, &status->allocated_resources)))
            return true;
    }
    return false;
}

static bool is_resized(const Pod *pod)
{
    const PodSpec *spec = &pod->spec;
    const PodStatus *status = &pod->status;

    if (spec->resources && status->resources &&
        (string_map_get(&spec->resources->requests, "cpu") ||
         string_map_get(&spec->resources->requests, "memory")))
        return true;
    return any_is_resized(&spec->containers, &status->container_statuses) ||
           any_is_resized(&spec->init_containers, &status->init_container_statuses);
}

/* While its resources are changed, a pod counts with the larger of what it asks for and what it has. */
Demand schedule_demand(const Pod *pod)
{
    Demand demand = demand_of_spec(pod);
    _arena_ Arena arena = ARENA_INIT;
    ResourceSum sum = RESOURCE_SUM_INIT(&arena);
    const char *cpu, *memory;

    if (!is_resized(pod))
        return demand;
    pod_requests(&sum, pod, (PodDemandOptions){.in_force = true});
    cpu = resource_sum_get(&sum, "cpu");
    memory = resource_sum_get(&sum, "memory");
    demand.milli_cpu = cpu ? quantity_milli(cpu) : 0;
    demand.memory = memory ? quantity_value(memory) : 0;
    return demand;
}

static bool has_others(const StringMap *requests)
{
    for (size_t i = 0; i < requests->n; i++)
        if (strchr(requests->v[i].key, '/') || str_starts_with(requests->v[i].key, "hugepages-"))
            return true;
    return false;
}

/* Most pods have none, which is found out without adding anything up. */
StringMap schedule_other_requests(Arena *arena, const Pod *pod)
{
    ResourceSum sum = RESOURCE_SUM_INIT(arena);
    StringMap all;
    size_t n = 0;
    bool any = false;

    for (size_t i = 0; i < pod->spec.containers.n; i++)
        any = any || has_others(&pod->spec.containers.v[i].resources.requests);
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        any = any || has_others(&pod->spec.init_containers.v[i].resources.requests);
    if (!any)
        return (StringMap){0};
    pod_requests(&sum, pod, (PodDemandOptions){.overhead = true});
    all = resource_sum_map(&sum);
    for (size_t i = 0; i < all.n; i++)
        if (strchr(all.v[i].key, '/') || str_starts_with(all.v[i].key, "hugepages-"))
            all.v[n++] = all.v[i];
    all.n = n;
    return all;
}

static void add_demand(Demand *to, const Demand *demand, int64_t sign)
{
    to->milli_cpu += sign * demand->milli_cpu;
    to->memory += sign * demand->memory;
    to->storage += sign * demand->storage;
}

/* ---- other resources ---- */

static void count_resource(Placed *placed, const char *name, int64_t by)
{
    int64_t amount = (int64_t)(intptr_t)strmap_get(&placed->others, name) + by;

    if (amount > 0)
        strmap_put(&placed->others, name, (void *)(intptr_t)amount);
    else
        strmap_remove(&placed->others, name);
}

static void count_others(Placed *placed, const Pod *pod, int64_t sign)
{
    _arena_ Arena arena = ARENA_INIT;
    StringMap others = schedule_other_requests(&arena, pod);

    for (size_t i = 0; i < others.n; i++)
        count_resource(placed, others.v[i].key, sign * quantity_value(others.v[i].value));
}

int64_t placed_used_of(const Placed *placed, const char *resource)
{
    return (int64_t)(intptr_t)strmap_get(&placed->others, resource);
}

/* ---- host ports ---- */

static void count_port(Placed *placed, const char *key, int64_t by)
{
    int64_t count = (int64_t)(intptr_t)strmap_get(&placed->ports, key) + by;

    if (count > 0)
        strmap_put(&placed->ports, key, (void *)(intptr_t)count);
    else
        strmap_remove(&placed->ports, key);
}

static char *port_key(const ContainerPort *port, const char *ip)
{
    const char *protocol = str_or(port->protocol, "TCP");

    return ip ? mem_printf("%d/%s/%s", port->host_port, protocol, ip)
              : mem_printf("%d/%s", port->host_port, protocol);
}

static void count_ports(Placed *placed, const Container *container, int64_t by)
{
    for (size_t i = 0; i < container->ports.n; i++) {
        const ContainerPort *port = &container->ports.v[i];
        _free_ char *one = NULL, *all = NULL;

        if (!port->host_port)
            continue;
        one = port_key(port, str_or(port->host_ip, ANY_IP));
        all = port_key(port, NULL);
        count_port(placed, one, by);
        count_port(placed, all, by);
    }
}

static void count_ports_of(Placed *placed, const Pod *pod, int64_t by)
{
    const Container *container;

    for (size_t next = 0; (container = pod_next_lasting(&pod->spec, &next));)
        count_ports(placed, container, by);
}

bool placed_port_is_taken(const Placed *placed, const ContainerPort *port)
{
    const char *ip = str_or(port->host_ip, ANY_IP);
    _free_ char *own = NULL, *any = NULL;

    if (!port->host_port)
        return false;
    own = port_key(port, str_equal(ip, ANY_IP) ? NULL : ip);
    any = port_key(port, ANY_IP);
    return strmap_get(&placed->ports, own) || strmap_get(&placed->ports, any);
}

/* ---- the pods ---- */

Placed *placed_new(void)
{
    return mem_new_type(Placed);
}

static void pod_free(PlacedPod *pod)
{
    object_unkeep(pod->object);
    free(pod);
}

Placed *placed_free(Placed *placed)
{
    if (!placed)
        return NULL;
    STRMAP_DEINIT_WITH(&placed->pods, pod_free);
    strmap_deinit(&placed->ports);
    strmap_deinit(&placed->others);
    free(placed);
    return NULL;
}

static char *key_of(const ObjectMeta *meta)
{
    return mem_printf("%s/%s", str_or(meta->namespace, ""), meta->name);
}

void placed_remove(Placed *placed, const Object *object)
{
    _free_ char *key = key_of(object_meta(object));
    PlacedPod *pod = strmap_remove(&placed->pods, key);

    if (!pod)
        return;
    add_demand(&placed->used, &pod->demand, -1);
    count_ports_of(placed, OBJECT_AS(Pod, pod->object), -1);
    count_others(placed, OBJECT_AS(Pod, pod->object), -1);
    pod_free(pod);
}

static bool same_pod(const PlacedPod *pod, const Object *object)
{
    const ObjectMeta *old = object_meta(pod->object), *now = object_meta(object);

    return old->generation && old->generation == now->generation && str_equal(old->uid, now->uid);
}

bool placed_put(Placed *placed, Object *object)
{
    _free_ char *key = key_of(object_meta(object));
    PlacedPod *pod = strmap_get(&placed->pods, key);
    bool same = pod && same_pod(pod, object), less;
    Demand demand;

    /* Nearly all changes affect the status only, and its demand is counted already. */
    if (same && !is_resized(OBJECT_AS(Pod, pod->object)) && !is_resized(OBJECT_AS(Pod, object))) {
        object_keep(object);
        object_unkeep(pod->object);
        pod->object = object;
        return false;
    }
    demand = schedule_demand(OBJECT_AS(Pod, object));
    less = pod && (demand.milli_cpu < pod->demand.milli_cpu || demand.memory < pod->demand.memory);
    placed_remove(placed, object);
    pod = mem_new_type(PlacedPod);
    *pod = (PlacedPod){object_keep(object), demand};
    strmap_put(&placed->pods, key, pod);
    add_demand(&placed->used, &pod->demand, 1);
    count_ports_of(placed, OBJECT_AS(Pod, object), 1);
    count_others(placed, OBJECT_AS(Pod, object), 1);
    return less;
}

size_t placed_count(const Placed *placed)
{
    return placed->pods.n;
}

Demand placed_used(const Placed *placed)
{
    return placed->used;
}

bool placed_has(const Placed *placed, const Object *object)
{
    _free_ char *key = key_of(object_meta(object));

    return strmap_get(&placed->pods, key) != NULL;
}

void placed_each(const Placed *placed, void (*each)(void *data, Object *object), void *data)
{
    STRMAP_EACH(&placed->pods, slot)
        each(data, ((PlacedPod *)slot->value)->object);
}
