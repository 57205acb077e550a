/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of claims and volumes: finds or provisions a PersistentVolume for each claim, binds
 * the two, and reclaims volumes.
 *
 * A binding has two sides, and only both together are a binding:
 *
 *     volume.spec.claimRef  = the claim, with its uid       (written first, it reserves the volume)
 *     claim.spec.volumeName = the volume                    (with the annotation bind-completed)
 *
 * Then both get the phase Bound. Every reconcile compares the present state with this and writes what
 * is missing, so it also completes a binding that a crash has interrupted. A provisioned volume is
 * named pvc-<uid of the claim>, so it is never provisioned twice.
 *
 * A claim of a class with the mode WaitForFirstConsumer is left alone until the scheduler has selected
 * a node for a pod that uses it, by an annotation of the claim.
 *
 * The node is responsible for the files. It creates DATA/volumes/pvc-<uid> when the volume is
 * provisioned. Provisioned volumes have the finalizer stead.dev/volume, which the node removes when it has
 * deleted the files. The node also expands volumes: it has to when the capacity of a volume exceeds
 * the one in the status of its claim.
 *
 * Keys: "ns/name" is a claim, "name" a volume.
 */
#include "api/condition.h"
#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/controllers.h"
#include "control/volume/volume.h"
#include "view/pod.h"

#define BIND_COMPLETED "pv.kubernetes.io/bind-completed"
#define BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller"
#define DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

/* ---- properties of claims and volumes ---- */

static const char *storage_of(const StringMap *map)
{
    return str_or(string_map_get(map, "storage"), "0");
}

static bool refers_to(const PersistentVolume *volume, const PersistentVolumeClaim *claim)
{
    const ObjectReference *ref = volume->spec.claim_ref;

    return ref && str_equal(ref->namespace, claim->metadata.namespace) &&
           str_equal(ref->name, claim->metadata.name) &&
           (str_empty(ref->uid) || str_equal(ref->uid, claim->metadata.uid));
}

static bool is_ours(const PersistentVolume *volume)
{
    return str_equal(string_map_get(&volume->metadata.annotations, VOLUME_PROVISIONED_BY),
                     VOLUME_PROVISIONER);
}

static bool offers_modes(const PersistentVolume *volume, const PersistentVolumeClaim *claim)
{
    for (size_t i = 0; i < claim->spec.access_modes.n; i++) {
        bool found = false;

        for (size_t k = 0; k < volume->spec.access_modes.n; k++)
            found =
                found || str_equal(volume->spec.access_modes.v[k], claim->spec.access_modes.v[i]);
        if (!found)
            return false;
    }
    return true;
}

bool volume_suits_claim(Arena *arena, const PersistentVolume *volume,
                        const PersistentVolumeClaim *claim)
{
    if (volume->metadata.deletion_timestamp.set)
        return false;
    if (!str_equal(volume->spec.storage_class_name, claim->spec.storage_class_name) ||
        !str_equal(str_or(volume->spec.volume_mode, "Filesystem"),
                   str_or(claim->spec.volume_mode, "Filesystem")))
        return false;
    if (!offers_modes(volume, claim) ||
        quantity_compare(storage_of(&volume->spec.capacity),
                         storage_of(&claim->spec.resources.requests)) < 0)
        return false;
    return !claim->spec.selector ||
           selector_matches_labels(selector_from_api(arena, claim->spec.selector),
                                   &volume->metadata.labels);
}

Object *volume_choose(Arena *arena, Object **volumes, size_t n, const PersistentVolumeClaim *claim)
{
    Object *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const PersistentVolume *volume = OBJECT_AS(PersistentVolume, volumes[i]);

        if (refers_to(volume, claim) && !volume->metadata.deletion_timestamp.set)
            return volumes[i];
        if (volume->spec.claim_ref || !volume_suits_claim(arena, volume, claim))
            continue;
        if (!best ||
            quantity_compare(storage_of(&volume->spec.capacity),
                             storage_of(&OBJECT_AS(PersistentVolume, best)->spec.capacity)) < 0)
            best = volumes[i];
    }
    return best;
}

/* ---- claims ---- */

static void set_claim_phase(Reconcile *reconcile, const Object *object, const char *phase)
{
    Object *copy;

    if (str_equal(OBJECT_AS(PersistentVolumeClaim, object)->status.phase, phase))
        return;
    copy = object_copy(object);
    OBJECT_AS(PersistentVolumeClaim, copy)->status.phase = phase;
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

/* Writes the claim's side of the binding. */
static void point_claim(Reconcile *reconcile, const Object *object, const char *volume,
                        bool provisioned)
{
    Object *copy = object_copy(object);
    PersistentVolumeClaim *claim = copy->value;
    StringMap *annotations = &claim->metadata.annotations;

    string_map_put(&copy->arena, annotations, BIND_COMPLETED, "yes");
    if (str_empty(claim->spec.volume_name)) {
        claim->spec.volume_name = arena_strdup(&copy->arena, volume);
        string_map_put(&copy->arena, annotations, BOUND_BY_CONTROLLER, "yes");
    }
    if (provisioned) {
        string_map_put(&copy->arena, annotations, "volume.beta.kubernetes.io/storage-provisioner",
                       VOLUME_PROVISIONER);
        string_map_put(&copy->arena, annotations, "volume.kubernetes.io/storage-provisioner",
                       VOLUME_PROVISIONER);
    }
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* Writes the volume's side of the binding. */
static void point_volume(Reconcile *reconcile, const Object *object,
                         const PersistentVolumeClaim *claim)
{
    Object *copy = object_copy(object);
    PersistentVolume *volume = copy->value;

    if (!volume->spec.claim_ref)
        string_map_put(&copy->arena, &volume->metadata.annotations, BOUND_BY_CONTROLLER, "yes");
    volume->spec.claim_ref = type_clone(&type_ObjectReference, &copy->arena,
                                        volume_reference_to(&reconcile->arena, claim));
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* Writes the status of a bound claim. An existing capacity is kept, since only the node changes it,
 * after it has expanded the volume. */
static void confirm_claim(Reconcile *reconcile, const Object *object,
                          const PersistentVolume *volume)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);
    PersistentVolumeClaimStatus status;

    if (str_equal(claim->status.phase, "Bound") && claim->status.capacity.n > 0)
        return;
    status = (PersistentVolumeClaimStatus){.phase = "Bound",
                                           .access_modes = volume->spec.access_modes,
                                           .capacity = volume->spec.capacity,
                                           .conditions = claim->status.conditions};
    RECONCILE_WRITE_STATUS(reconcile, PersistentVolumeClaim, object, &status, NULL, NULL);
}

static void announce_resize(Reconcile *reconcile, const Object *object)
{
    Object *copy = object_copy(object);
    PersistentVolumeClaimCondition condition = {
        .type = "FileSystemResizePending",
        .status = "True",
        .message =
            "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
        .last_transition_time = reconcile_now(reconcile),
    };

    ARENA_APPEND(&copy->arena, &OBJECT_AS(PersistentVolumeClaim, copy)->status.conditions,
                 condition);
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

/* Handles a refused reservation. If only the room is short, the claim waits until a volume is deleted
 * or the node reports that there is room (control_volume_room). */
static void not_reserved(Reconcile *reconcile, const ApiStatus *status)
{
    reconcile->failed = reconcile->failed || status->reason != STATUS_NO_SPACE;
}

typedef struct Expansion {
    const Object *claim, *volume;
    const char *asked;
} Expansion;

/* The space for an expansion has been reserved: writes the new capacity of the volume. */
static void on_room_to_grow(Reconcile *reconcile, void *data, const ApiStatus *status,
                            Object *object _unused_)
{
    Expansion *expansion = data;
    Object *copy;

    if (status->reason != STATUS_OK) {
        event_record(reconcile->controller->events, expansion->claim, "Warning",
                     "VolumeResizeFailed", "resize volume \"%s\" by resizer \"%s\" failed: %s",
                     object_meta(expansion->volume)->name, VOLUME_PROVISIONER, status->message);
        not_reserved(reconcile, status);
        return;
    }
    copy = object_copy(expansion->volume);
    string_map_put(&copy->arena, &OBJECT_AS(PersistentVolume, copy)->spec.capacity, "storage",
                   arena_strdup(&copy->arena, expansion->asked));
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* Handles a bound claim that requests more: raises the capacity of the volume. The node then expands
 * the file system and writes the new capacity to the status of the claim. */
static void expand(Reconcile *reconcile, const Object *object, Object *volume_object)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);
    const PersistentVolume *volume = OBJECT_AS(PersistentVolume, volume_object);
    const char *asked = storage_of(&claim->spec.resources.requests);
    const char *has = storage_of(&claim->status.capacity);

    if (claim->status.capacity.n == 0 || !is_ours(volume) || quantity_compare(asked, has) <= 0)
        return;
    if (quantity_compare(asked, storage_of(&volume->spec.capacity)) > 0) {
        Expansion *expansion = arena_new(&reconcile->arena, Expansion);

        arena_hold_object(&reconcile->arena, volume_object);
        *expansion = (Expansion){object, volume_object, asked};
        event_record(reconcile->controller->events, object, "Normal", "Resizing",
                     "External resizer is resizing volume %s", volume->metadata.name);
        reconcile_reserve_volume(reconcile, volume->metadata.name, quantity_value(asked),
                                 volume_is_reserved(&volume->metadata), on_room_to_grow, expansion);
    } else if (!CONDITION_FIND(&claim->status.conditions, "FileSystemResizePending")) {
        announce_resize(reconcile, object);
    }
}

static void lose_claim(Reconcile *reconcile, const Object *object, const char *message)
{
    if (str_equal(OBJECT_AS(PersistentVolumeClaim, object)->status.phase, "Lost"))
        return;
    event_record(reconcile->controller->events, object, "Warning", "ClaimLost", "%s", message);
    set_claim_phase(reconcile, object, "Lost");
}

static bool is_bound(const PersistentVolumeClaim *claim)
{
    return string_map_get(&claim->metadata.annotations, BIND_COMPLETED) != NULL;
}

/* Reconciles a claim that names its volume, because its user chose it or because it is bound. */
static void follow_volume_name(Reconcile *reconcile, Object *object)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);
    Object *found =
        client_get(reconcile->client, &kind_persistent_volume, NULL, claim->spec.volume_name);
    const PersistentVolume *volume = found ? OBJECT_AS(PersistentVolume, found) : NULL;

    if (!volume) {
        if (is_bound(claim))
            lose_claim(reconcile, object,
                       "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        else
            set_claim_phase(reconcile, object, "Pending");
        return;
    }
    if (volume->spec.claim_ref && !refers_to(volume, claim)) {
        if (is_bound(claim))
            lose_claim(reconcile, object,
                       "Two claims are bound to the same volume, this one is bound incorrectly");
        else
            set_claim_phase(reconcile, object, "Pending");
        return;
    }
    if (!volume->spec.claim_ref || str_empty(volume->spec.claim_ref->uid)) {
        if (!volume->metadata.deletion_timestamp.set)
            point_volume(reconcile, found, claim);
        return;
    }
    if (!is_bound(claim)) {
        point_claim(reconcile, object, volume->metadata.name, is_ours(volume));
        return;
    }
    confirm_claim(reconcile, object, volume);
    expand(reconcile, object, found);
}

static void on_provisioned(Reconcile *reconcile, void *data, const ApiStatus *status,
                           Object *object)
{
    Object *claim = data;

    if (status->reason == STATUS_OK)
        event_record(reconcile->controller->events, claim, "Normal", "ProvisioningSucceeded",
                     "Successfully provisioned volume %s", object_meta(object)->name);
    else if (status->reason != STATUS_ALREADY_EXISTS)
        event_record(reconcile->controller->events, claim, "Warning", "ProvisioningFailed",
                     "failed to provision volume with StorageClass \"%s\": %s",
                     OBJECT_AS(PersistentVolumeClaim, claim)->spec.storage_class_name,
                     status->message);
    if (status->reason != STATUS_OK && status->reason != STATUS_ALREADY_EXISTS)
        not_reserved(reconcile, status);
}

typedef struct Provision {
    Object *claim;
    PersistentVolume *volume;
} Provision;

static void on_reserved(Reconcile *reconcile, void *data, const ApiStatus *status, Object *object)
{
    Provision *provision = data;

    if (status->reason == STATUS_OK)
        reconcile_create(reconcile, object_of(&kind_persistent_volume, provision->volume), NULL,
                         on_provisioned, provision->claim);
    else
        on_provisioned(reconcile, provision->claim, status, object);
}

static void provision(Reconcile *reconcile, Object *object, const StorageClass *class)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);
    const ControlOptions *options = reconcile->controller->options;
    PersistentVolume *volume =
        volume_new(&reconcile->arena, claim, class, options->volume_dir, options->node_name);
    Provision *step = arena_new(&reconcile->arena, Provision);

    if (client_get(reconcile->client, &kind_persistent_volume, NULL, volume->metadata.name))
        return; /* an event of that volume will follow, whether it is being deleted or not ours */
    event_record(reconcile->controller->events, object, "Normal", "Provisioning",
                 "External provisioner is provisioning volume for claim \"%s/%s\"", reconcile->ns,
                 reconcile->name);
    *step = (Provision){object, volume};
    reconcile_reserve_volume(reconcile, volume->metadata.name,
                             quantity_value(storage_of(&volume->spec.capacity)),
                             volume_is_reserved(&volume->metadata), on_reserved, step);
}

static bool is_default_class(const Object *object)
{
    return str_equal(string_map_get(&object_meta(object)->annotations, DEFAULT_CLASS), "true");
}

/* Assigns the default class to a claim without one: the newest, if several are marked as default. */
static bool assign_default_class(Reconcile *reconcile, const Object *object)
{
    ObjectList classes =
        control_list(reconcile->client, &reconcile->arena, &kind_storage_class, NULL);
    const ObjectMeta *best = NULL;
    Object *copy;

    for (size_t i = 0; i < classes.n; i++) {
        const ObjectMeta *meta = object_meta(classes.v[i]);

        if (is_default_class(classes.v[i]) &&
            (!best || meta->creation_timestamp.seconds > best->creation_timestamp.seconds))
            best = meta;
    }
    if (!best)
        return false;
    copy = object_copy(object);
    OBJECT_AS(PersistentVolumeClaim, copy)->spec.storage_class_name =
        arena_strdup(&copy->arena, best->name);
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
    return true;
}

/* Whether the claim waits for the scheduler, which selects a node when a pod uses the claim. */
static bool awaits_consumer(const PersistentVolumeClaim *claim, const StorageClass *class)
{
    return class && volume_class_waits(class) &&
           !string_map_get(&claim->metadata.annotations, VOLUME_SELECTED_NODE);
}

/* The volumes that are reserved for the claim, and those that are not reserved unless the claim waits
 * for a pod. */
static ObjectList volumes_for(Reconcile *reconcile, const PersistentVolumeClaim *claim, bool waits)
{
    const ObjectIndex *index = controller_index(reconcile->controller, &kind_persistent_volume);
    Arena *arena = &reconcile->arena;
    ObjectList reserved = object_index_list(
        index, arena,
        arena_printf(arena, "r/%s/%s", claim->metadata.namespace, claim->metadata.name));
    ObjectList available = object_index_list(index, arena, "a/"), all;

    all.n = reserved.n + available.n;
    all.v = arena_new_n(arena, Object *, all.n + 1);
    memcpy(all.v, reserved.v, reserved.n * sizeof(*all.v));
    memcpy(all.v + reserved.n, available.v, available.n * sizeof(*all.v));
    if (waits)
        all.n = reserved.n;
    return all;
}

typedef struct Consumers {
    Arena *arena;
    const char *names; /* separated by commas */
    size_t n;
} Consumers;

static void add_consumer(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    Consumers *consumers = data;

    if (pod_has_ended(pod) || !str_empty(pod->spec.node_name))
        return;
    consumers->names = consumers->n++ ? arena_printf(consumers->arena, "%s,%s", consumers->names,
                                                     pod->metadata.name)
                                      : pod->metadata.name;
}

static void tell_that_it_waits(Reconcile *reconcile, const Object *object)
{
    Arena *arena = &reconcile->arena;
    Consumers consumers = {.arena = arena};

    object_index_each(controller_index(reconcile->controller, &kind_pod),
                      arena_printf(arena, "v/%s/%s", reconcile->ns, reconcile->name), add_consumer,
                      &consumers);
    if (consumers.n)
        event_record(reconcile->controller->events, object, "Normal", "WaitForPodScheduled",
                     "waiting for pod%s %s to be scheduled", consumers.n > 1 ? "s" : "",
                     consumers.names);
    else
        event_record(reconcile->controller->events, object, "Normal", "WaitForFirstConsumer",
                     "waiting for first consumer to be created before binding");
}

static void find_volume(Reconcile *reconcile, Object *object)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);
    Object *found = str_empty(claim->spec.storage_class_name)
                        ? NULL
                        : client_get(reconcile->client, &kind_storage_class, NULL,
                                     claim->spec.storage_class_name);
    const StorageClass *class = found ? OBJECT_AS(StorageClass, found) : NULL;
    bool waits = awaits_consumer(claim, class);
    ObjectList volumes = volumes_for(reconcile, claim, waits);
    Object *volume = volume_choose(&reconcile->arena, volumes.v, volumes.n, claim);

    if (volume) {
        const PersistentVolume *chosen = OBJECT_AS(PersistentVolume, volume);

        if (!chosen->spec.claim_ref || str_empty(chosen->spec.claim_ref->uid))
            point_volume(reconcile, volume, claim);
        else
            point_claim(reconcile, object, chosen->metadata.name, is_ours(chosen));
        return;
    }
    if (!claim->spec.storage_class_name && assign_default_class(reconcile, object))
        return;
    set_claim_phase(reconcile, object, "Pending");
    if (str_empty(claim->spec.storage_class_name)) {
        event_record(reconcile->controller->events, object, "Normal", "FailedBinding",
                     "no persistent volumes available for this claim and no storage class is set");
        return;
    }
    if (!class)
        event_record(reconcile->controller->events, object, "Warning", "ProvisioningFailed",
                     "storageclass.storage.k8s.io \"%s\" not found",
                     claim->spec.storage_class_name);
    else if (waits)
        tell_that_it_waits(reconcile, object);
    else if (str_equal(class->provisioner, VOLUME_PROVISIONER))
        provision(reconcile, object, class);
    else
        event_record(reconcile->controller->events, object, "Normal", "ExternalProvisioning",
                     "Waiting for a volume to be created either by the external provisioner '%s' "
                     "or manually by the "
                     "system administrator. If volume creation is delayed, please verify that the "
                     "provisioner is "
                     "running and correctly registered.",
                     class->provisioner);
}

static void reconcile_claim(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_persistent_volume_claim);

    if (!object)
        return;
    if (!str_empty(OBJECT_AS(PersistentVolumeClaim, object)->spec.volume_name))
        follow_volume_name(reconcile, object);
    else if (!object_meta(object)->deletion_timestamp.set)
        find_volume(reconcile, object);
}

/* ---- volumes ---- */

/* An earlier version named the folder above the data, and no node. The node may also have a new name,
 * or the data folder another path. Returns whether the volume has been written. */
static bool carry_over(Reconcile *reconcile, const Object *object)
{
    const ControlOptions *options = reconcile->controller->options;
    const ObjectMeta *meta = object_meta(object);
    Object *copy;

    if (!is_ours(OBJECT_AS(PersistentVolume, object)) || meta->deletion_timestamp.set ||
        !meta_has_finalizer(meta, VOLUME_FINALIZER))
        return false;
    copy = object_copy(object);
    if (!volume_place(&copy->arena, copy->value, options->volume_dir, options->node_name)) {
        object_unref(copy);
        return false;
    }
    reconcile_update(reconcile, copy, &(WriteOptions){.reform = true}, NULL, NULL);
    return true;
}

static void set_volume_phase(Reconcile *reconcile, const Object *object, const char *phase)
{
    Object *copy;

    if (str_equal(OBJECT_AS(PersistentVolume, object)->status.phase, phase))
        return;
    copy = object_copy(object);
    OBJECT_AS(PersistentVolume, copy)->status.phase = phase;
    OBJECT_AS(PersistentVolume, copy)->status.last_phase_transition_time = reconcile_now(reconcile);
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

static void unprotect(Reconcile *reconcile, const Object *object)
{
    Object *copy;

    if (!meta_has_finalizer(object_meta(object), VOLUME_PROTECTION))
        return;
    copy = object_copy(object);
    meta_remove_finalizer(object_meta(copy), VOLUME_PROTECTION);
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* Frees a volume that is reserved for a claim which is bound to another one. */
static void unbind(Reconcile *reconcile, const Object *object)
{
    Object *copy;
    PersistentVolume *volume;

    if (is_ours(OBJECT_AS(PersistentVolume, object))) {
        reconcile_delete(reconcile, object, NULL, NULL, NULL);
        return;
    }
    copy = object_copy(object);
    volume = copy->value;
    if (string_map_get(&volume->metadata.annotations, BOUND_BY_CONTROLLER)) {
        volume->spec.claim_ref = NULL;
        string_map_remove(&volume->metadata.annotations, BOUND_BY_CONTROLLER);
    } else {
        volume->spec.claim_ref->uid = NULL;
    }
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

static void release_volume(Reconcile *reconcile, const Object *object)
{
    const PersistentVolume *volume = OBJECT_AS(PersistentVolume, object);

    if (!str_equal(volume->status.phase, "Released")) {
        set_volume_phase(reconcile, object, "Released");
        return;
    }
    if (volume->metadata.deletion_timestamp.set)
        unprotect(reconcile, object);
    else if (str_equal(volume->spec.persistent_volume_reclaim_policy, "Delete") && is_ours(volume))
        reconcile_delete(reconcile, object, NULL, NULL, NULL);
}

static void reconcile_volume(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_persistent_volume);
    const PersistentVolume *volume = object ? OBJECT_AS(PersistentVolume, object) : NULL;
    const ObjectReference *ref = volume ? volume->spec.claim_ref : NULL;
    Object *found;
    const PersistentVolumeClaim *claim;

    if (!volume || carry_over(reconcile, object))
        return;
    if (!ref) {
        if (volume->metadata.deletion_timestamp.set)
            unprotect(reconcile, object);
        else
            set_volume_phase(reconcile, object, "Available");
        return;
    }
    found = client_get(reconcile->client, &kind_persistent_volume_claim, ref->namespace, ref->name);
    claim = found ? OBJECT_AS(PersistentVolumeClaim, found) : NULL;
    if (!claim || (!str_empty(ref->uid) && !str_equal(ref->uid, claim->metadata.uid))) {
        if (str_empty(ref->uid))
            set_volume_phase(reconcile, object, "Available");
        else
            release_volume(reconcile, object);
    } else if (str_equal(claim->spec.volume_name, volume->metadata.name)) {
        if (!str_empty(ref->uid))
            set_volume_phase(reconcile, object, "Bound");
        controller_enqueue(reconcile->controller, ref->namespace, ref->name);
    } else if (str_empty(claim->spec.volume_name)) {
        controller_enqueue(reconcile->controller, ref->namespace, ref->name);
    } else if (!str_empty(ref->uid)) {
        unbind(reconcile, object);
    }
}

/* ---- the controller ---- */

static void reconcile_any(Reconcile *reconcile)
{
    if (*reconcile->ns)
        reconcile_claim(reconcile);
    else
        reconcile_volume(reconcile);
    reconcile_then(reconcile, reconcile_end);
}

static bool on_pending_claim(void *data, Object *object)
{
    if (!str_equal(OBJECT_AS(PersistentVolumeClaim, object)->status.phase, "Bound"))
        controller_enqueue_found(data, object);
    return true;
}

static bool on_some_claim(void *data, Object *object)
{
    controller_enqueue_found(data, object);
    return true;
}

static bool on_waiting_claim(void *data, Object *object)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, object);

    if (!str_equal(claim->status.phase, "Bound") ||
        quantity_compare(storage_of(&claim->spec.resources.requests),
                         storage_of(&claim->status.capacity)) > 0)
        controller_enqueue(data, claim->metadata.namespace, claim->metadata.name);
    return true;
}

/* The disk has room for claims that wait for some: a volume is gone, and its files before it, or the
 * node says so. */
static void on_room(Controller *controller)
{
    client_list(controller->client, &kind_persistent_volume_claim, NULL, on_waiting_claim,
                controller);
}

typedef struct VolumeFinder {
    Controller *controller;
    const PersistentVolumeClaim *claim;
} VolumeFinder;

static void on_volume_of_claim(void *data, Object *object)
{
    const VolumeFinder *finder = data;

    if (refers_to(OBJECT_AS(PersistentVolume, object), finder->claim))
        controller_enqueue(finder->controller, NULL, object_meta(object)->name);
}

static void on_claim(Controller *controller, const WatchEvent *event)
{
    const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, event->object);

    if (event->type == WATCH_DELETED) {
        /* A volume may be reserved for a claim that never came to name it. */
        _free_ char *key = mem_printf("r/%s/%s", claim->metadata.namespace, claim->metadata.name);

        object_index_each(controller_index(controller, &kind_persistent_volume), key,
                          on_volume_of_claim, &(VolumeFinder){controller, claim});
        return;
    }
    controller_enqueue(controller, claim->metadata.namespace, claim->metadata.name);
    if (!str_empty(claim->spec.volume_name) && event->type == WATCH_MODIFIED)
        controller_enqueue(controller, NULL, claim->spec.volume_name);
}

static void on_volume(Controller *controller, const WatchEvent *event)
{
    const PersistentVolume *volume = OBJECT_AS(PersistentVolume, event->object);

    controller_enqueue(controller, NULL, volume->metadata.name);
    if (volume->spec.claim_ref)
        controller_enqueue(controller, volume->spec.claim_ref->namespace,
                           volume->spec.claim_ref->name);
    else if (event->type != WATCH_DELETED)
        client_list(controller->client, &kind_persistent_volume_claim, NULL, on_pending_claim,
                    controller);
    if (event->type == WATCH_DELETED)
        on_room(controller);
}

static void on_class(Controller *controller, const WatchEvent *event)
{
    if (event->type != WATCH_DELETED)
        client_list(controller->client, &kind_persistent_volume_claim, NULL,
                    event->type == WATCH_ADDED ? on_pending_claim : on_some_claim, controller);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_persistent_volume_claim, on_claim);
    controller_watch(controller, &kind_persistent_volume, on_volume);
    controller_watch(controller, &kind_storage_class, on_class);
    controller_index(controller, &kind_persistent_volume);
    controller_index(controller, &kind_pod);
}

const ControllerOps volume_controller = {
    .name = "volume",
    .component = "stead.dev/volume",
    .start = start,
    .reconcile = reconcile_any,
    .on_room = on_room,
};
