/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node does for the volumes of claims besides mounting them for pods: reserves their room
 * when they are provisioned, grows them and updates the status of the claim, unmounts a volume
 * after its last pod, and removes the data of a deleted volume (or keeps them if the reclaim
 * policy is Retain).
 *
 * No state is needed for this: after a restart, pending work follows from the objects and the
 * disk. A volume whose capacity exceeds the status of its claim is to be grown, and a volume that
 * is being deleted and has our finalizer is to be removed.
 */
#include "api/meta.h"
#include "api/quantity.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/volume_class.h"
#include "base/log.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/claim_volumes.h"
#include "node/pod/volume_room.h"
#include "node/volume/disk.h"
#include "node/volume/pod_volume.h"

#define GROW_RETRY_NS (30 * NS_PER_SEC)
#define BUSY_RETRY_NS NS_PER_SEC
#define REMOVE_RETRY_NS NS_PER_SEC

typedef struct VolumeWork {
    uv_work_t work;
    NodeAgent *agent;
    char *name, *data_dir;
    int64_t size;
    DiskRoom room;
    bool keep;
    unsigned uses;
    ClientDone done;
    void *done_data;
    int result;
    Err error;
} VolumeWork;

static VolumeWork *work_new(NodeAgent *agent, const char *name)
{
    VolumeWork *w = mem_new_type(VolumeWork);

    w->agent = agent;
    w->name = mem_strdup(name);
    w->data_dir = mem_strdup(agent->options.data_dir);
    agent->busy++;
    return w;
}

static void work_free(VolumeWork *w)
{
    w->agent->busy--;
    free(w->name);
    free(w->data_dir);
    free(w);
}

static const PersistentVolume *find_volume(NodeAgent *agent, const char *name, Object **ret)
{
    *ret = client_get(agent->options.client, kind_find("", "v1", "PersistentVolume"), NULL, name);
    return *ret ? (*ret)->value : NULL;
}

static bool in_use(NodeAgent *agent, const char *name, const AgentPod *but)
{
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        for (size_t i = 0; i < pod->n_volumes; i++)
            if (pod != but && pod->machine && machine_stage(pod->machine) != MACHINE_DONE &&
                str_equal(pod->volumes[i].disk, name))
                return true;
    }
    return false;
}

/* ---- room ---- */

static void reserve_work(uv_work_t *work)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);

    w->result = volume_disk_reserve(w->data_dir, w->name, w->size, &w->room, &w->error);
}

static void reserve_done(uv_work_t *work, int status _unused_)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);
    ApiStatus answer = {.reason = w->result == -ENOSPC ? STATUS_NO_SPACE
                                  : w->result < 0      ? STATUS_INTERNAL_ERROR
                                                       : STATUS_OK,
                        .message = w->error.message};

    if (w->result == -ENOSPC)
        volume_room_refused(w->agent, w->size);
    else if (w->room.reserved)
        volume_room_look(w->agent);
    w->done(w->done_data, &answer, NULL);
    work_free(w);
}

void node_reserve_volume(NodeAgent *agent, const char *name, int64_t size, bool reserved,
                         ClientDone done, void *data)
{
    VolumeWork *w = work_new(agent, name);

    w->size = size;
    w->room = (DiskRoom){.reserved = reserved, .keep = volume_room_keep(agent)};
    w->done = done;
    w->done_data = data;
    uv_queue_work(agent->options.loop, &w->work, reserve_work, reserve_done);
}

/* ---- growing ---- */

static const char *storage_of(const StringMap *map)
{
    return str_or(string_map_get(map, "storage"), "0");
}

static Object *claim_of(NodeAgent *agent, const PersistentVolume *volume)
{
    const ObjectReference *ref = volume->spec.claim_ref;
    Object *claim =
        ref && !str_empty(ref->uid)
            ? client_get(agent->options.client, kind_find("", "v1", "PersistentVolumeClaim"),
                         ref->namespace, ref->name)
            : NULL;

    return claim && str_equal(object_meta(claim)->uid, ref->uid) ? claim : NULL;
}

Object *agent_volume_claim(NodeAgent *agent, const char *name)
{
    Object *object;
    const PersistentVolume *volume = find_volume(agent, name, &object);

    return volume ? claim_of(agent, volume) : NULL;
}

static bool is_due(const PersistentVolume *volume, const Object *claim)
{
    const StringMap *has = &OBJECT_AS(PersistentVolumeClaim, claim)->status.capacity;

    return has->n > 0 && quantity_compare(storage_of(&volume->spec.capacity), storage_of(has)) > 0;
}

static void on_retry(Timer *timer)
{
    agent_volumes_check(timer->data);
}

static void retry_later(NodeAgent *agent, int64_t delay_ns)
{
    int64_t at = clock_mono_ns(agent->options.clock) + delay_ns;

    agent->volume_retry.on_fire = on_retry;
    agent->volume_retry.data = agent;
    if (agent->volume_retry.active && agent->volume_retry_at <= at)
        return;
    agent->volume_retry_at = at;
    timer_start(agent->options.clock, &agent->volume_retry, delay_ns);
}

static void on_claim_told(void *data, const ApiStatus *status, Object *object _unused_)
{
    NodeAgent *agent = data;

    agent->busy--;
    if (status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND || agent->stopping)
        return;
    log_warn("node", "telling a claim its size: %s", str_or(status->message, "refused"));
    retry_later(agent, GROW_RETRY_NS);
}

static void drop_conditions(PersistentVolumeClaimStatus *status)
{
    static const char *const over[] = {"Resizing", "FileSystemResizePending",
                                       "ControllerResizeError", "NodeResizeError"};
    size_t kept = 0;

    for (size_t i = 0; i < status->conditions.n; i++) {
        bool is_over = false;

        for (size_t k = 0; k < ARRAY_LEN(over); k++)
            is_over = is_over || str_equal(status->conditions.v[i].type, over[k]);
        if (!is_over)
            status->conditions.v[kept++] = status->conditions.v[i];
    }
    status->conditions.n = kept;
}

void agent_volume_grown(NodeAgent *agent, const char *name, int64_t size)
{
    Object *object, *claim;
    const PersistentVolume *volume = find_volume(agent, name, &object);
    PersistentVolumeClaimStatus *status;

    claim = volume ? claim_of(agent, volume) : NULL;
    if (!claim || !is_due(volume, claim) ||
        quantity_value(storage_of(&volume->spec.capacity)) > size)
        return;
    {
        _object_ Object *copy = object_copy(claim);

        status = &OBJECT_AS(PersistentVolumeClaim, copy)->status;
        string_map_put(&copy->arena, &status->capacity, "storage",
                       arena_strdup(&copy->arena, storage_of(&volume->spec.capacity)));
        drop_conditions(status);
        /* a conflicting write does not matter: the size on the disk is what it is */
        object_meta(copy)->resource_version = NULL;
        agent->busy++;
        event_record(agent->events, claim, "Normal", "FileSystemResizeSuccessful",
                     "MountVolume.NodeExpandVolume succeeded for volume \"%s\" %s", name,
                     agent->options.name);
        client_update(agent->options.client, copy, &(WriteOptions){.subresource = "status"},
                      on_claim_told, agent);
    }
}

static bool recheck(void *data, Object *object)
{
    agent_volume_check(data, object);
    return true;
}

void agent_volumes_check(NodeAgent *agent)
{
    if (!agent->stopping)
        client_list(agent->options.client, kind_find("", "v1", "PersistentVolume"), NULL, recheck,
                    agent);
}

static void grow_work(uv_work_t *work)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);

    w->result = volume_disk_grow(w->data_dir, w->name, w->size, w->room.keep, &w->error);
}

static void grow_done(uv_work_t *work, int status _unused_)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);
    NodeAgent *agent = w->agent;
    Object *object = NULL;
    const PersistentVolume *volume = NULL;

    if (!agent->stopping && w->result == 0)
        agent_volume_grown(agent, w->name, w->size);
    /* No pod will let go of the volume and have it checked again. */
    if (!agent->stopping && w->result == DISK_E_BUSY)
        retry_later(agent, BUSY_RETRY_NS);
    if (!agent->stopping && w->result < 0)
        volume = find_volume(agent, w->name, &object);
    if (volume && claim_of(agent, volume)) {
        event_record(agent->events, claim_of(agent, volume), "Warning", "VolumeResizeFailed",
                     "NodeExpandVolume failed: %s", w->error.message);
        retry_later(agent, GROW_RETRY_NS);
    }
    volume_room_look(agent);
    work_free(w);
}

/* ---- letting go ---- */

static void release_work(uv_work_t *work)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);

    w->result = volume_disk_release(w->data_dir, w->name, w->uses, &w->error);
}

static void release_done(uv_work_t *work, int status _unused_)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);
    NodeAgent *agent = w->agent;
    Object *object;

    if (w->result < 0)
        log_warn("node", "%s", w->error.message);
    else if (!agent->stopping && find_volume(agent, w->name, &object))
        /* growing may have had to wait until the volume was unmounted */
        agent_volume_check(agent, object);
    volume_room_look(agent);
    work_free(w);
}

void agent_volumes_release(AgentPod *pod)
{
    for (size_t i = 0; i < pod->n_volumes; i++) {
        const char *name = pod->volumes[i].disk;
        VolumeWork *w;

        if (!name || in_use(pod->agent, name, pod))
            continue;
        w = work_new(pod->agent, name);
        w->uses = volume_disk_uses(name);
        uv_queue_work(pod->agent->options.loop, &w->work, release_work, release_done);
    }
    pod->n_volumes = 0;
}

/* ---- removing ---- */

static void removal_work(uv_work_t *work)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);

    w->result = w->keep ? volume_disk_keep(w->data_dir, w->name, &w->error)
                        : volume_disk_remove(w->data_dir, w->name, &w->error);
}

static void on_finalizer_removed(void *data, const ApiStatus *status, Object *object _unused_)
{
    NodeAgent *agent = data;

    agent->busy--;
    /* After a conflict, the watch delivers the newer version, and this is tried again. */
    if (status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND ||
        status->reason == STATUS_CONFLICT || agent->stopping)
        return;
    log_warn("node", "removing a volume's finalizer: %s", str_or(status->message, "refused"));
    retry_later(agent, REMOVE_RETRY_NS);
}

static void removal_done(uv_work_t *work, int status _unused_)
{
    VolumeWork *w = CONTAINER_OF(work, VolumeWork, work);
    NodeAgent *agent = w->agent;
    Object *volume = NULL;

    if (!agent->stopping)
        find_volume(agent, w->name, &volume);
    if (w->result < 0) {
        log_warn("node", "%s", w->error.message);
        if (volume) {
            event_record(agent->events, volume, "Warning", "VolumeFailedDelete", "%s",
                         w->error.message);
            retry_later(agent, REMOVE_RETRY_NS);
        }
    } else if (volume && object_meta(volume)->deletion_timestamp.set) {
        _object_ Object *copy = object_copy(volume);

        meta_remove_finalizer(object_meta(copy), VOLUME_FINALIZER);
        agent->busy++;
        client_update(agent->options.client, copy, NULL, on_finalizer_removed, agent);
    }
    volume_room_look(agent);
    work_free(w);
}

static void remove_or_keep(NodeAgent *agent, const PersistentVolume *volume)
{
    const ObjectMeta *meta = &volume->metadata;
    VolumeWork *w;

    if (meta_has_finalizer(meta, "kubernetes.io/pv-protection") || in_use(agent, meta->name, NULL))
        return; /* the watch delivers the object again when that changes */
    w = work_new(agent, meta->name);
    w->keep = !str_equal(volume->spec.persistent_volume_reclaim_policy, "Delete");
    uv_queue_work(agent->options.loop, &w->work, removal_work, removal_done);
}

void agent_volume_check(NodeAgent *agent, Object *object)
{
    const PersistentVolume *volume = object->value;
    Object *claim;
    VolumeWork *w;

    if (!meta_has_finalizer(&volume->metadata, VOLUME_FINALIZER))
        return;
    if (volume->metadata.deletion_timestamp.set) {
        remove_or_keep(agent, volume);
        return;
    }
    claim = claim_of(agent, volume);
    if (!claim || !is_due(volume, claim))
        return;
    w = work_new(agent, volume->metadata.name);
    w->size = quantity_value(storage_of(&volume->spec.capacity));
    w->room.keep = volume_room_keep(agent);
    uv_queue_work(agent->options.loop, &w->work, grow_work, grow_done);
}

/* ---- at the start ---- */

static bool is_known(void *data, const char *name)
{
    Object *object;

    return find_volume(data, name, &object) != NULL;
}

void agent_volumes_sweep(NodeAgent *agent)
{
    volume_disk_sweep(agent->options.data_dir, is_known, agent);
}
