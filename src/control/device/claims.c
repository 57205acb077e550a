/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResourceClaims of pods: makes those that a pod wants from templates, and notes their names in the status
 * of the pod; reserves an allocated claim for the pods that use it; takes pods that have ended or are gone
 * from the reservations; and deletes the claims that were made for a pod that has ended.
 *
 * There are two controllers, one with a key for each pod and one with a key for each claim. Who allocates
 * devices to claims is not part of them. Reservations are those of kube-scheduler in Kubernetes; with one
 * node they can be made before a pod is bound, and the scheduler waits for them.
 */
#include "api/object.h"
#include "api/schema/resource_v1.h"
#include "control/controllers.h"
#include "view/pod.h"

#define POD_CLAIM "resource.kubernetes.io/pod-claim-name"
#define FINALIZER "resource.kubernetes.io/delete-protection"

enum { RESERVATIONS_MAX = 256 };

/* ---- claims from templates ---- */

/* The claim that was made for this entry of the pod; NULL: none yet. */
static const Object *made_claim(ObjectList owned, const char *entry)
{
    for (size_t i = 0; i < owned.n; i++)
        if (str_equal(string_map_get(&object_meta(owned.v[i])->annotations, POD_CLAIM), entry))
            return owned.v[i];
    return NULL;
}

static Object *new_claim(const Pod *pod, const PodResourceClaim *entry,
                         const ResourceClaimTemplate *template)
{
    Object *object = object_new(&kind_device_resource_claim);
    DeviceResourceClaim *claim = object->value;
    Arena *arena = &object->arena;

    type_copy(&type_ObjectMeta, arena, &claim->metadata, &template->spec.metadata);
    type_copy(&type_ResourceClaimSpec, arena, &claim->spec, &template->spec.spec);
    claim->metadata.namespace = arena_strdup(arena, pod->metadata.namespace);
    claim->metadata.generate_name = arena_printf(arena, "%s-%s-", pod->metadata.name, entry->name);
    string_map_put(arena, &claim->metadata.annotations, POD_CLAIM,
                   arena_strdup(arena, entry->name));
    meta_add_owner(arena, &claim->metadata,
                   meta_controller_reference(arena, &kind_pod, &pod->metadata));
    return object;
}

static void make_claim(Reconcile *reconcile, const Object *object, const PodResourceClaim *entry)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    const char *name = entry->resource_claim_template_name;
    Object *template =
        client_get(reconcile->client, &kind_resource_claim_template, pod->metadata.namespace, name);

    if (template) {
        reconcile_create(reconcile,
                         new_claim(pod, entry, OBJECT_AS(ResourceClaimTemplate, template)), NULL,
                         NULL, NULL);
        return;
    }
    event_record(reconcile->controller->events, object, "Warning", "FailedResourceClaimCreation",
                 "PodResourceClaim %s: resource claim template \"%s\": "
                 "resourceclaimtemplate.resource.k8s.io \"%s\" not found",
                 entry->name, name, name);
}

static void write_names(Reconcile *reconcile, const Object *object, ObjectList owned)
{
    Object *copy = object_copy(object);
    Pod *pod = OBJECT_AS(Pod, copy);

    for (size_t i = 0; i < pod->spec.resource_claims.n; i++) {
        const PodResourceClaim *entry = &pod->spec.resource_claims.v[i];

        if (!entry->resource_claim_template_name || pod_claim_status(pod, entry->name))
            continue;
        ARENA_APPEND(&copy->arena, &pod->status.resource_claim_statuses,
                     (PodResourceClaimStatus){
                         .name = entry->name,
                         .resource_claim_name = arena_strdup(
                             &copy->arena, object_meta(made_claim(owned, entry->name))->name)});
    }
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

static void reconcile_pod(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_pod);
    const Pod *pod = object ? OBJECT_AS(Pod, object) : NULL;
    bool unnamed = false, missing = false;
    ObjectList owned;

    if (!pod || pod_is_terminating(pod) || pod_has_ended(pod)) {
        reconcile_end(reconcile);
        return;
    }
    owned = control_owned(reconcile, &kind_device_resource_claim, &pod->metadata, NULL);
    for (size_t i = 0; i < pod->spec.resource_claims.n; i++) {
        const PodResourceClaim *entry = &pod->spec.resource_claims.v[i];

        if (!entry->resource_claim_template_name || pod_claim_status(pod, entry->name))
            continue;
        unnamed = true;
        if (!made_claim(owned, entry->name)) {
            missing = true;
            make_claim(reconcile, object, entry);
        }
    }
    if (unnamed && !missing)
        write_names(reconcile, object, owned);
    reconcile_then(reconcile, reconcile_end);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    if (OBJECT_AS(Pod, event->object)->spec.resource_claims.n)
        controller_enqueue_live(controller, event);
}

static void on_claim_of_pod(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_owner(controller, &kind_pod, object_meta(event->object));
}

/* Pods may have been waiting for the template. */
static void on_template(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    _free_ char *key = mem_printf("dt/%s/%s", str_or(meta->namespace, ""), meta->name);

    if (event->type == WATCH_ADDED)
        object_index_each(controller_index(controller, &kind_pod), key, controller_enqueue_found,
                          controller);
}

static void start_pods(Controller *controller)
{
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_device_resource_claim);
    controller_watch(controller, &kind_pod, on_pod);
    controller_watch(controller, &kind_device_resource_claim, on_claim_of_pod);
    controller_watch(controller, &kind_resource_claim_template, on_template);
}

const ControllerOps pod_claim_controller = {
    .name = "pod-resource-claim",
    .component = "resource_claim",
    .start = start_pods,
    .reconcile = reconcile_pod,
};

/* ---- reservations ---- */

static bool is_pod(const ResourceClaimConsumerReference *consumer)
{
    return str_empty(consumer->api_group) && str_equal(consumer->resource, "pods");
}

/* The pod with this identity, or NULL if there is none any more. */
static const Pod *find_pod(Reconcile *reconcile, const char *name, const char *uid)
{
    Object *object = client_get(reconcile->client, &kind_pod, reconcile->ns, name);

    return object && str_equal(object_meta(object)->uid, uid) ? OBJECT_AS(Pod, object) : NULL;
}

/* Users that are no pods are none of ours. */
static bool still_uses(Reconcile *reconcile, const ResourceClaimConsumerReference *consumer)
{
    const Pod *pod;

    if (!is_pod(consumer))
        return true;
    pod = find_pod(reconcile, consumer->name, consumer->uid);
    return pod && !pod_has_ended(pod);
}

typedef struct Reserve {
    Arena *arena;
    ResourceClaimStatus *status;
    bool released, changed;
} Reserve;

static void reserve_for(void *data, Object *object)
{
    Reserve *reserve = data;
    ResourceClaimConsumerReferenceArray *consumers = &reserve->status->reserved_for;
    const Pod *pod = OBJECT_AS(Pod, object);

    if (pod_has_ended(pod) || pod_is_terminating(pod) || consumers->n >= RESERVATIONS_MAX)
        return;
    for (size_t i = 0; i < consumers->n; i++)
        if (str_equal(consumers->v[i].uid, pod->metadata.uid))
            return;
    ARENA_APPEND(
        reserve->arena, consumers,
        (ResourceClaimConsumerReference){.resource = "pods",
                                         .name = arena_strdup(reserve->arena, pod->metadata.name),
                                         .uid = arena_strdup(reserve->arena, pod->metadata.uid)});
    reserve->changed = true;
}

static void release(Reconcile *reconcile, Reserve *reserve)
{
    ResourceClaimConsumerReferenceArray *consumers = &reserve->status->reserved_for;
    size_t n = 0;

    for (size_t i = 0; i < consumers->n; i++)
        if (still_uses(reconcile, &consumers->v[i]))
            consumers->v[n++] = consumers->v[i];
    reserve->released = reserve->changed = n != consumers->n;
    consumers->n = n;
}

static bool made_for_ended_pod(Reconcile *reconcile, const ObjectMeta *meta)
{
    const OwnerReference *owner = meta_controller(meta);
    const Pod *pod;

    if (!owner || !str_equal(owner->kind, "Pod") || !str_equal(owner->api_version, "v1"))
        return false;
    pod = find_pod(reconcile, owner->name, owner->uid);
    return pod && pod_has_ended(pod);
}

static void drop_finalizer(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_device_resource_claim), *copy;

    if (object && meta_has_finalizer(object_meta(object), FINALIZER)) {
        copy = object_copy(object);
        meta_remove_finalizer(object_meta(copy), FINALIZER);
        reconcile_update(reconcile, copy, NULL, NULL, NULL);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* Whoever has set the finalizer has left the removal of the allocation to this controller. */
static bool take_allocation(const ObjectMeta *meta, Reserve *reserve)
{
    ResourceClaimStatus *status = reserve->status;
    bool unused = !status->reserved_for.n && (reserve->released || meta->deletion_timestamp.set);

    if (!meta_has_finalizer(meta, FINALIZER) || !unused)
        return false;
    reserve->changed |= status->allocation != NULL;
    status->allocation = NULL;
    return true;
}

static void reconcile_claim(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_device_resource_claim), *copy;
    const ObjectMeta *meta = object ? object_meta(object) : NULL;
    Reserve reserve = {0};
    bool unprotect;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    copy = object_copy(object);
    reserve.arena = &copy->arena;
    reserve.status = &OBJECT_AS(DeviceResourceClaim, copy)->status;
    release(reconcile, &reserve);
    if (reserve.status->allocation && !meta->deletion_timestamp.set) {
        _free_ char *key = mem_printf("d/%s", reconcile->key);

        object_index_each(controller_index(reconcile->controller, &kind_pod), key, reserve_for,
                          &reserve);
    }
    unprotect = take_allocation(meta, &reserve);
    if (!reserve.changed && !meta->deletion_timestamp.set && made_for_ended_pod(reconcile, meta))
        reconcile_delete(reconcile, object, NULL, NULL, NULL);
    if (reserve.changed)
        reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    else
        object_unref(copy);
    reconcile_then(reconcile, unprotect ? drop_finalizer : reconcile_end);
}

static void on_user(Controller *controller, const WatchEvent *event)
{
    const Pod *pod = OBJECT_AS(Pod, event->object);

    for (size_t i = 0; i < pod->spec.resource_claims.n; i++)
        controller_enqueue(controller, pod->metadata.namespace, pod_claim_name(pod, i));
}

static void start_claims(Controller *controller)
{
    controller_index(controller, &kind_pod);
    controller_watch(controller, &kind_device_resource_claim, controller_enqueue_live);
    controller_watch(controller, &kind_pod, on_user);
}

const ControllerOps claim_reservation_controller = {
    .name = "resource-claim-reservation",
    .component = "resource_claim",
    .start = start_claims,
    .reconcile = reconcile_claim,
};
