/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated node. Pods with an image "good-N" come up, those with "bad-N" crash for ever. A pod
 * that was deleted takes its time to stop; a pod that was deleted by force goes on running until
 * the node notices, and keeps its successor of the same name from starting until then, as the real
 * node does.
 */
#include "sim.h"

#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "control/volume/volume.h"
#include "view/pod.h"

static Time now(World *world)
{
    return (Time){.seconds = clock_wall_ns(world->clock) / NS_PER_SEC, .set = true};
}

static void on_written(void *data, const ApiStatus *status, Object *object _unused_)
{
    if (status->reason != STATUS_OK)
        sim_log(data, "the node is refused: %s", status->message);
}

static void write_status(World *world, Object *copy)
{
    client_update(world->node, copy, &(WriteOptions){.subresource = "status"}, on_written, world);
    object_unref(copy);
}

static void set_ready(World *world, Object *copy, bool ready)
{
    Pod *pod = copy->value;
    PodConditionArray *list = &pod->status.conditions;
    PodCondition *v = arena_new_n(&copy->arena, PodCondition, list->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (!str_equal(list->v[i].type, "Ready"))
            v[n++] = list->v[i];
    v[n++] = (PodCondition){
        .type = "Ready", .status = ready ? "True" : "False", .last_transition_time = now(world)};
    *list = (PodConditionArray){.v = v, .n = n};
}

/* ---- resources ---- */

int64_t sim_cpu_asked(const Object *pod)
{
    const char *cpu =
        string_map_get(&OBJECT_AS(Pod, pod)->spec.containers.v[0].resources.requests, "cpu");

    return cpu ? quantity_milli(cpu) : 0;
}

int64_t sim_cpu_granted(const Object *pod)
{
    const ContainerStatusArray *all = &OBJECT_AS(Pod, pod)->status.container_statuses;
    const char *cpu = all->n ? string_map_get(&all->v[0].allocated_resources, "cpu") : NULL;

    return cpu ? quantity_milli(cpu) : sim_cpu_asked(pod);
}

bool sim_holds_cpu(const Object *pod)
{
    return !str_empty(OBJECT_AS(Pod, pod)->spec.node_name) && !pod_has_ended(OBJECT_AS(Pod, pod));
}

static void put_resources(Object *copy)
{
    Pod *pod = copy->value;
    ContainerStatusArray *all = &pod->status.container_statuses;
    ContainerStatus *status;

    if (!all->n) {
        all->v = arena_new(&copy->arena, ContainerStatus);
        all->n = 1;
    }
    status = &all->v[0];
    status->name = "app";
    status->resources = arena_new(&copy->arena, ResourceRequirements);
    type_copy(&type_ResourceRequirements, &copy->arena, status->resources,
              &pod->spec.containers.v[0].resources);
    status->allocated_resources = status->resources->requests;
}

/* Grants one pod what it asks for, if there is room for it. False: there is nothing to grant. */
static bool grant_resources(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    int64_t used = 0, capacity = quantity_milli(SIM_CPU);
    bool done = false;

    for (size_t i = 0; i < pods.n; i++)
        used += sim_holds_cpu(pods.v[i]) ? sim_cpu_granted(pods.v[i]) : 0;
    for (size_t i = 0; i < pods.n && !done; i++) {
        int64_t more = sim_cpu_asked(pods.v[i]) - sim_cpu_granted(pods.v[i]);
        Object *copy;

        if (!more || !str_equal(OBJECT_AS(Pod, pods.v[i])->status.phase, "Running") ||
            (more > 0 && used + more > capacity))
            continue;
        sim_log(world, "the node grants pod %s what it asks for", object_meta(pods.v[i])->name);
        copy = object_copy(pods.v[i]);
        put_resources(copy);
        write_status(world, copy);
        done = true;
    }
    arena_clear(&arena);
    return done;
}

/* ---- pods ---- */

static bool is_good(const Pod *pod)
{
    return str_starts_with(pod->spec.containers.v[0].image, "good");
}

static bool name_is_taken(World *world, const Pod *pod)
{
    STRMAP_EACH(&world->alive, slot)
        if (str_equal(slot->value, pod->metadata.name) && !str_equal(slot->key, pod->metadata.uid))
            return true;
    return false;
}

/* Every claim of a pod that starts must be bound: the scheduler has seen to it. */
static void check_claims(World *world, const Pod *pod)
{
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *source =
            pod->spec.volumes.v[i].volume_source.persistent_volume_claim;
        Object *claim = source ? client_get(world->node, &kind_persistent_volume_claim, SIM_NS,
                                            source->claim_name)
                               : NULL;

        if (source && claim &&
            !str_equal(OBJECT_AS(PersistentVolumeClaim, claim)->status.phase, "Bound"))
            sim_violation(world, "pod %s was scheduled with claim %s unbound", pod->metadata.name,
                          source->claim_name);
    }
}

static void start_pod(World *world, Object *object)
{
    Object *copy = object_copy(object);
    Pod *pod = copy->value;

    check_claims(world, pod);
    if (!strmap_get(&world->alive, pod->metadata.uid))
        strmap_put(&world->alive, pod->metadata.uid, mem_strdup(pod->metadata.name));
    pod->status.phase = "Running";
    pod->status.start_time = now(world);
    pod->status.pod_ip =
        arena_printf(&copy->arena, "10.42.0.%u", 2 + (unsigned)random_below(&world->random, 200));
    set_ready(world, copy, false);
    put_resources(copy);
    write_status(world, copy);
}

static void flip_ready(World *world, Object *object, bool ready)
{
    Object *copy = object_copy(object);

    set_ready(world, copy, ready);
    write_status(world, copy);
}

static void crash_loop(World *world, Object *object)
{
    Object *copy = object_copy(object);
    PodStatus *status = &OBJECT_AS(Pod, copy)->status;

    status->container_statuses.v[0].state.waiting = arena_new(&copy->arena, ContainerStateWaiting);
    status->container_statuses.v[0].state.waiting->reason = "CrashLoopBackOff";
    write_status(world, copy);
}

static void fail_pod(World *world, Object *object)
{
    Object *copy = object_copy(object);

    OBJECT_AS(Pod, copy)->status.phase = one_in(world, 2) ? "Failed" : "Succeeded";
    set_ready(world, copy, false);
    free(strmap_remove(&world->alive, object_meta(object)->uid));
    write_status(world, copy);
}

static void stop_pod(World *world, Object *object)
{
    int64_t zero = 0;

    free(strmap_remove(&world->alive, object_meta(object)->uid));
    client_delete(
        world->node, &kind_pod, SIM_NS, object_meta(object)->name,
        &(WriteOptions){.grace_seconds = &zero, .precondition_uid = object_meta(object)->uid}, NULL,
        NULL);
}

/* What the pod would do next if all goes well. False: nothing. */
static bool advance_pod(World *world, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);

    if (str_empty(pod->spec.node_name))
        return false;
    if (pod_is_terminating(pod)) {
        stop_pod(world, object);
        return true;
    }
    if (str_equal(pod->status.phase, "Pending")) {
        if (name_is_taken(world, pod))
            return false;
        start_pod(world, object);
        return true;
    }
    if (pod_has_ended(pod) || pod_is_ready(pod))
        return false;
    if (is_good(pod)) {
        flip_ready(world, object, true);
        return true;
    }
    if (!pod->status.container_statuses.v[0].state.waiting) {
        crash_loop(world, object);
        return true;
    }
    return false;
}

static void disturb_pod(World *world, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);

    if (!str_equal(pod->status.phase, "Running") || pod_is_terminating(pod))
        return;
    if (pod_is_ready(pod) && !one_in(world, 3))
        flip_ready(world, object, false);
    else
        fail_pod(world, object);
}

/* Containers whose pod was deleted by force. */
static bool stop_leftovers(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    const char *found = NULL;

    STRMAP_EACH(&world->alive, slot) {
        bool there = false;

        for (size_t i = 0; i < pods.n; i++)
            there = there || str_equal(object_meta(pods.v[i])->uid, slot->key);
        if (!there && (!found || strcmp(slot->key, found) < 0))
            found = slot->key;
    }
    if (found)
        free(strmap_remove(&world->alive, found));
    arena_clear(&arena);
    return found != NULL;
}

static bool remove_files(World *world)
{
    Arena arena = ARENA_INIT;
    SimList volumes = sim_list(world, &arena, &kind_persistent_volume);
    bool done = false;

    for (size_t i = 0; i < volumes.n && !done; i++) {
        const ObjectMeta *meta = object_meta(volumes.v[i]);
        Object *copy;
        StringArray *finalizers;
        size_t n = 0;

        if (!meta->deletion_timestamp.set || !meta_has_finalizer(meta, VOLUME_FINALIZER))
            continue;
        copy = object_copy(volumes.v[i]);
        finalizers = &object_meta(copy)->finalizers;
        for (size_t k = 0; k < finalizers->n; k++)
            if (!str_equal(finalizers->v[k], VOLUME_FINALIZER))
                finalizers->v[n++] = finalizers->v[k];
        finalizers->n = n;
        client_update(world->node, copy, NULL, on_written, world);
        object_unref(copy);
        done = true;
    }
    arena_clear(&arena);
    return done;
}

/* A volume that was declared bigger is grown, and its claim told. */
static bool grow_volumes(World *world)
{
    Arena arena = ARENA_INIT;
    SimList claims = sim_list(world, &arena, &kind_persistent_volume_claim);
    bool done = false;

    for (size_t i = 0; i < claims.n && !done; i++) {
        const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, claims.v[i]);
        Object *volume =
            str_empty(claim->spec.volume_name)
                ? NULL
                : client_get(world->node, &kind_persistent_volume, NULL, claim->spec.volume_name);
        const char *has = string_map_get(&claim->status.capacity, "storage"), *now_has;
        Object *copy;

        if (!volume || !has)
            continue;
        now_has = string_map_get(&OBJECT_AS(PersistentVolume, volume)->spec.capacity, "storage");
        if (quantity_compare(now_has, has) <= 0)
            continue;
        copy = object_copy(claims.v[i]);
        string_map_put(&copy->arena, &OBJECT_AS(PersistentVolumeClaim, copy)->status.capacity,
                       "storage", arena_strdup(&copy->arena, now_has));
        OBJECT_AS(PersistentVolumeClaim, copy)->status.conditions.n = 0;
        write_status(world, copy);
        done = true;
    }
    arena_clear(&arena);
    return done;
}

void sim_node_step(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);

    world->n_node++;
    if (one_in(world, 10)) {
        (void)(stop_leftovers(world) || remove_files(world) || grow_volumes(world) ||
               grant_resources(world));
    } else if (pods.n > 0) {
        Object *pod = pods.v[random_below(&world->random, pods.n)];

        if (one_in(world, 12))
            disturb_pod(world, pod);
        else
            advance_pod(world, pod);
    }
    arena_clear(&arena);
}

bool sim_node_settle(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    bool done = stop_leftovers(world);

    for (size_t i = 0; i < pods.n; i++)
        done |= advance_pod(world, pods.v[i]);
    done |= remove_files(world);
    done |= grow_volumes(world);
    done |= grant_resources(world);
    arena_clear(&arena);
    return done;
}
