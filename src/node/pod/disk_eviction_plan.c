/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of disk_eviction.h. */
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "node/pod/disk_eviction.h"

#define RESOURCE "ephemeral-storage"
#define LIMITS_PERIOD (10 * NS_PER_SEC)
#define LOOK_LEAST NS_PER_SEC
#define LOOK_MOST (60 * NS_PER_SEC)
#define WRITE_RATE ((uint64_t)1 << 30)  /* bytes a second that pods may write */
#define EVICT_LEAST ((int64_t)16 << 20) /* evicting a pod that uses less would not help */
#define CRITICAL_PRIORITY 2000000000    /* kubelet never evicts pods of this priority or above */

static int64_t amount(const StringMap *map, const char **ret_text)
{
    const char *text = string_map_get(map, RESOURCE);

    if (ret_text)
        *ret_text = text;
    return text ? quantity_value(text) : 0;
}

/* The sum over the containers that run at the same time, or the amount of an init container if
 * that is larger, as Kubernetes computes it. */
static int64_t pod_amount(const PodSpec *spec, bool limits)
{
    int64_t sum = 0, most = 0;

    for (size_t i = 0; i < spec->init_containers.n; i++) {
        const ResourceRequirements *r = &spec->init_containers.v[i].resources;
        int64_t one = amount(limits ? &r->limits : &r->requests, NULL);

        if (container_is_sidecar(&spec->init_containers.v[i]))
            sum += one;
        most = MAX_OF(most, container_is_sidecar(&spec->init_containers.v[i]) ? sum : sum + one);
    }
    for (size_t i = 0; i < spec->containers.n; i++) {
        const ResourceRequirements *r = &spec->containers.v[i].resources;

        sum += amount(limits ? &r->limits : &r->requests, NULL);
    }
    return MAX_OF(sum, most);
}

static const EmptyDirVolumeSource *disk_dir(const Volume *volume)
{
    const EmptyDirVolumeSource *source = volume->volume_source.empty_dir;

    return source && !str_equal(source->medium, "Memory") ? source : NULL;
}

void storage_pod_plan(const PodSpec *spec, Arena *arena, StoragePod *ret)
{
    size_t all = spec->containers.n + spec->init_containers.n + spec->volumes.n;

    *ret = (StoragePod){
        .v = arena_new_n(arena, StorageUse, all + 1),
        .limit = pod_amount(spec, true),
        .request = pod_amount(spec, false),
        .priority = spec->priority ? *spec->priority : 0,
    };
    for (size_t i = 0; i < spec->containers.n + spec->init_containers.n; i++) {
        bool regular = i < spec->containers.n;
        const Container *container =
            regular ? &spec->containers.v[i] : &spec->init_containers.v[i - spec->containers.n];
        StorageUse use = {.name = container->name};

        use.request = amount(&container->resources.requests, NULL);
        /* kubelet enforces the limits of single containers only for regular ones */
        use.limit = regular ? amount(&container->resources.limits, &use.limit_text) : 0;
        ret->v[ret->n++] = use;
    }
    for (size_t i = 0; i < spec->volumes.n; i++) {
        const EmptyDirVolumeSource *source = disk_dir(&spec->volumes.v[i]);
        StorageUse use = {.name = spec->volumes.v[i].name, .empty_dir = true};

        if (!source)
            continue;
        use.limit_text = source->size_limit;
        use.limit = str_empty(source->size_limit) ? 0 : quantity_value(source->size_limit);
        ret->v[ret->n++] = use;
    }
}

bool storage_has_limits(const PodSpec *spec)
{
    for (size_t i = 0; i < spec->volumes.n; i++) {
        const EmptyDirVolumeSource *source = disk_dir(&spec->volumes.v[i]);

        if (source && !str_empty(source->size_limit) && quantity_value(source->size_limit) > 0)
            return true;
    }
    return pod_amount(spec, true) > 0;
}

static int64_t used_by(const StoragePod *pod)
{
    int64_t used = pod->others_used;

    for (size_t i = 0; i < pod->n; i++)
        used += pod->v[i].used;
    return used;
}

static bool is_over(const StorageUse *use)
{
    return use->limit > 0 && use->used > use->limit;
}

static const char *canonical(Arena *arena, const char *text)
{
    const char *ret = text;

    (void)quantity_canonical(arena, text, strlen(text), &ret);
    return ret;
}

/* Checks volumes, then the pod, then containers, in kubelet's order. Kubelet's messages end with
 * a space. */
const char *storage_over_limit(const StoragePod *pod, Arena *arena)
{
    for (size_t i = 0; i < pod->n; i++)
        if (pod->v[i].empty_dir && is_over(&pod->v[i]))
            return arena_printf(arena, "Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ",
                                pod->v[i].name, canonical(arena, pod->v[i].limit_text));
    if (pod->limit > 0 && used_by(pod) > pod->limit)
        return arena_printf(arena,
                            "Pod ephemeral local storage usage exceeds the total limit of "
                            "containers %s. ",
                            quantity_from(arena, pod->limit, true));
    for (size_t i = 0; i < pod->n; i++)
        if (!pod->v[i].empty_dir && is_over(&pod->v[i]))
            return arena_printf(arena,
                                "Container %s exceeded its local ephemeral storage limit \"%s\". ",
                                pod->v[i].name, canonical(arena, pod->v[i].limit_text));
    return NULL;
}

/* kubelet's ranking: pods above their requests come first, then those of lower priority, then
 * those that use more. */
static bool goes_before(const StoragePod *a, const StoragePod *b)
{
    int64_t over_a = used_by(a) - a->request, over_b = used_by(b) - b->request;

    if ((over_a > 0) != (over_b > 0))
        return over_a > 0;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return over_a > over_b;
}

size_t storage_pick(const StoragePod *pods, size_t n)
{
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < n; i++)
        if (used_by(&pods[i]) >= EVICT_LEAST && pods[i].priority < CRITICAL_PRIORITY &&
            (first == SIZE_MAX || goes_before(&pods[i], &pods[first])))
            first = i;
    return first;
}

const char *storage_pressure_message(const StoragePod *pod, uint64_t reserve, uint64_t available,
                                     Arena *arena)
{
    const char *text = arena_printf(arena,
                                    "The node was low on resource: " RESOURCE
                                    ". Threshold quantity: %s, available: %s. ",
                                    quantity_from(arena, (int64_t)reserve, true),
                                    quantity_from(arena, (int64_t)(available / 1024 * 1024), true));

    for (size_t i = 0; i < pod->n; i++) {
        const StorageUse *use = &pod->v[i];

        if (!use->empty_dir && use->used > use->request)
            text = arena_printf(arena,
                                "%sContainer %s was using %s, request is %s, has larger "
                                "consumption of " RESOURCE ". ",
                                text, use->name, quantity_from(arena, use->used, true),
                                quantity_from(arena, use->request, true));
    }
    return text;
}

int64_t storage_next_look(uint64_t available, uint64_t reserve, bool limits)
{
    uint64_t room = available > reserve ? available - reserve : 0;
    int64_t wait = (int64_t)(room / WRITE_RATE) * NS_PER_SEC;

    wait = MAX_OF(LOOK_LEAST, MIN_OF(wait, LOOK_MOST));
    return limits ? MIN_OF(wait, LIMITS_PERIOD) : wait;
}
