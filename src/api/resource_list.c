/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resource_list.h"

#include <stdlib.h>

#include "api/object.h"
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/resource_name.h"

int64_t resource_amount(const char *name, const char *quantity)
{
    return str_equal(name, "cpu") ? quantity_milli(quantity) : quantity_value(quantity);
}

bool requirements_equal(const ResourceRequirements *a, const ResourceRequirements *b)
{
    static const ResourceRequirements none = {0};

    return type_equal(&type_ResourceRequirements, a ? a : &none, b ? b : &none);
}

/* ---- sums ---- */

static TextMapSlot *slot_of(ResourceSum *sum, const char *name)
{
    bool is_new;

    return text_map_put_n(&sum->amounts, name, strlen(name), &is_new);
}

void resource_sum_put(ResourceSum *sum, const char *name, const char *quantity)
{
    slot_of(sum, name)->value = (void *)(uintptr_t)quantity;
}

static void add_one(ResourceSum *sum, const char *name, const char *quantity)
{
    TextMapSlot *slot = slot_of(sum, name);

    slot->value =
        (void *)(uintptr_t)(slot->value ? quantity_add(sum->amounts.arena, slot->value, quantity)
                                        : quantity);
}

static void raise_one(ResourceSum *sum, const char *name, const char *quantity)
{
    TextMapSlot *slot = slot_of(sum, name);

    if (!slot->value || quantity_compare(quantity, slot->value) > 0)
        slot->value = (void *)(uintptr_t)quantity;
}

typedef void (*Each)(ResourceSum *sum, const char *name, const char *quantity);

static void for_map(ResourceSum *sum, const StringMap *amounts, Each each)
{
    for (size_t i = 0; i < amounts->n; i++)
        each(sum, amounts->v[i].key, amounts->v[i].value);
}

static void for_sum(ResourceSum *sum, const ResourceSum *other, Each each)
{
    StringMap amounts = resource_sum_map(other);

    for_map(sum, &amounts, each);
}

void resource_sum_add(ResourceSum *sum, const StringMap *amounts)
{
    for_map(sum, amounts, add_one);
}

void resource_sum_add_sum(ResourceSum *sum, const ResourceSum *other)
{
    for_sum(sum, other, add_one);
}

void resource_sum_raise(ResourceSum *sum, const StringMap *amounts)
{
    for_map(sum, amounts, raise_one);
}

void resource_sum_raise_sum(ResourceSum *sum, const ResourceSum *other)
{
    for_sum(sum, other, raise_one);
}

const char *resource_sum_get(const ResourceSum *sum, const char *name)
{
    return text_map_get(&sum->amounts, name);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const StringEntry *)a)->key, ((const StringEntry *)b)->key);
}

StringMap resource_sum_map(const ResourceSum *sum)
{
    const TextMap *from = &sum->amounts;
    const TextMapSlot *slots = from->cap ? from->slots : from->few;
    size_t n_slots = from->cap ? from->cap : from->n;
    StringMap map = {.v = arena_new_n(from->arena, StringEntry, from->n + 1)};

    for (size_t i = 0; i < n_slots; i++)
        if (slots[i].key)
            map.v[map.n++] = (StringEntry){slots[i].key, slots[i].value};
    qsort(map.v, map.n, sizeof(*map.v), compare_keys);
    return map;
}

/* ---- pods ---- */

typedef struct PodWalk {
    const Pod *pod;
    PodDemandOptions options;
    bool limits;       /* or requests */
    TextMap *statuses; /* name -> ContainerStatus */
} PodWalk;

static const StringMap *side(const PodWalk *walk, const ResourceRequirements *resources)
{
    return walk->limits ? &resources->limits : &resources->requests;
}

bool pod_resize_is_infeasible(const Pod *pod)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        if (str_equal(pod->status.conditions.v[i].type, "PodResizePending"))
            return str_equal(pod->status.conditions.v[i].reason, "Infeasible");
    return false;
}

/* What the container asks for, or has while a change of it is under way. */
static void add_container(const PodWalk *walk, ResourceSum *sum, const Container *container,
                          bool is_lasting)
{
    const StringMap *asked = side(walk, &container->resources);
    const ContainerStatus *status =
        walk->statuses && is_lasting ? text_map_get(walk->statuses, container->name) : NULL;
    ResourceSum most = RESOURCE_SUM_INIT(sum->amounts.arena);

    if (!status || !status->resources) {
        resource_sum_add(sum, asked);
        return;
    }
    if (!pod_resize_is_infeasible(walk->pod))
        resource_sum_add(&most, asked);
    resource_sum_raise(&most, side(walk, status->resources));
    if (!walk->limits)
        resource_sum_raise(&most, &status->allocated_resources);
    resource_sum_add_sum(sum, &most);
}

static void add_containers(const PodWalk *walk, ResourceSum *sum)
{
    const PodSpec *spec = &walk->pod->spec;
    Arena *arena = sum->amounts.arena;
    ResourceSum peak = RESOURCE_SUM_INIT(arena), sidecars = RESOURCE_SUM_INIT(arena);

    for (size_t i = 0; i < spec->containers.n; i++)
        add_container(walk, sum, &spec->containers.v[i], true);
    for (size_t i = 0; i < spec->init_containers.n; i++) {
        const Container *container = &spec->init_containers.v[i];
        ResourceSum now = RESOURCE_SUM_INIT(arena);

        if (container_is_sidecar(container)) {
            add_container(walk, sum, container, true);
            add_container(walk, &sidecars, container, true);
        } else {
            add_container(walk, &now, container, false);
        }
        resource_sum_add_sum(&now, &sidecars);
        resource_sum_raise_sum(&peak, &now);
    }
    resource_sum_raise_sum(sum, &peak);
}

static bool is_for_pods(const char *name)
{
    return str_equal(name, "cpu") || str_equal(name, "memory") || resource_is_huge_pages(name);
}

static bool has_own(const StringMap *amounts)
{
    for (size_t i = 0; i < amounts->n; i++)
        if (is_for_pods(amounts->v[i].key))
            return true;
    return false;
}

bool pod_has_own_resources(const Pod *pod)
{
    const ResourceRequirements *own = pod->spec.resources;

    return own && (has_own(&own->requests) || has_own(&own->limits));
}

static void index_statuses(TextMap *map, const ContainerStatusArray *statuses)
{
    for (size_t i = 0; i < statuses->n; i++)
        text_map_put_first(map, statuses->v[i].name, &statuses->v[i]);
}

/* Amounts of the pod itself replace the sums of its containers. */
static void put_own(const PodWalk *walk, ResourceSum *sum)
{
    const Pod *pod = walk->pod;
    const StringMap *asked = side(walk, pod->spec.resources);
    const ResourceRequirements *has = walk->options.in_force ? pod->status.resources : NULL;
    ResourceSum most = RESOURCE_SUM_INIT(sum->amounts.arena);

    if (!has || !pod_resize_is_infeasible(pod))
        resource_sum_add(&most, asked);
    if (has) {
        resource_sum_raise(&most, side(walk, has));
        if (!walk->limits)
            resource_sum_raise(&most, &pod->status.allocated_resources);
    }
    for (size_t i = 0; i < asked->n; i++)
        if (is_for_pods(asked->v[i].key))
            resource_sum_put(sum, asked->v[i].key, resource_sum_get(&most, asked->v[i].key));
}

static void add_pod(PodWalk *walk, ResourceSum *sum)
{
    const Pod *pod = walk->pod;
    TextMap statuses = TEXT_MAP_INIT(sum->amounts.arena);

    if (walk->options.in_force) {
        index_statuses(&statuses, &pod->status.container_statuses);
        index_statuses(&statuses, &pod->status.init_container_statuses);
        walk->statuses = &statuses;
    }
    add_containers(walk, sum);
    if (pod->spec.resources)
        put_own(walk, sum);
}

void pod_requests(ResourceSum *sum, const Pod *pod, PodDemandOptions options)
{
    add_pod(&(PodWalk){.pod = pod, .options = options}, sum);
    if (options.overhead)
        resource_sum_add(sum, &pod->spec.overhead);
}

void pod_limits(ResourceSum *sum, const Pod *pod, PodDemandOptions options)
{
    const StringMap *overhead = &pod->spec.overhead;

    add_pod(&(PodWalk){.pod = pod, .options = options, .limits = true}, sum);
    for (size_t i = 0; options.overhead && i < overhead->n; i++) {
        const char *limit = resource_sum_get(sum, overhead->v[i].key);

        if (limit && quantity_compare(limit, "0") != 0)
            add_one(sum, overhead->v[i].key, overhead->v[i].value);
    }
}

/* ---- quality of service ---- */

static bool is_positive(const StringMap *resources, const char *name)
{
    const char *quantity = string_map_get(resources, name);

    return quantity && quantity_compare(quantity, "0") > 0;
}

static void look_at_quality(const ResourceRequirements *resources, bool *any, bool *guaranteed)
{
    static const char *const names[] = {"cpu", "memory"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *limit = string_map_get(&resources->limits, names[i]);
        const char *request = string_map_get(&resources->requests, names[i]);

        *any |= is_positive(&resources->limits, names[i]) ||
                is_positive(&resources->requests, names[i]);
        if (!is_positive(&resources->limits, names[i]) ||
            (request && quantity_compare(request, limit) != 0))
            *guaranteed = false;
    }
}

const char *pod_quality(const PodSpec *spec)
{
    bool any = false, guaranteed = true;

    if (spec->resources && (spec->resources->limits.n || spec->resources->requests.n)) {
        look_at_quality(spec->resources, &any, &guaranteed);
    } else {
        for (size_t i = 0; i < spec->containers.n; i++)
            look_at_quality(&spec->containers.v[i].resources, &any, &guaranteed);
        for (size_t i = 0; i < spec->init_containers.n; i++)
            look_at_quality(&spec->init_containers.v[i].resources, &any, &guaranteed);
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}
