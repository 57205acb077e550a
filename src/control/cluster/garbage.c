/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The garbage collector, which follows owner references. It deletes an object whose owners are all
 * gone. If some owners remain, it only removes the references to the others. An owner that is deleted
 * in the foreground waits for the dependents that block its deletion. An owner that is deleted with
 * the policy Orphan first loses its dependents.
 *
 * An index, kept from the watches, lists the dependents for the uid of each owner. Whether an owner
 * exists is looked up in the store by its name and uid. An owner of an unknown kind counts as
 * existing, so nothing is deleted because of an assumption.
 *
 * Keys are "<kind id>|<namespace>|<name>".
 */
#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "control/controllers.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"
/* References that one search for a cycle follows at most. */
#define SEARCH_MAX 10000

typedef struct Garbage {
    ObjectIndex *by_owner; /* uid -> dependents, of all kinds */
} Garbage;

static void enqueue(Controller *controller, const Kind *kind, const char *ns, const char *name)
{
    _free_ char *key = mem_printf("%u|%s|%s", kind->id, str_or(ns, ""), name);

    workqueue_add(controller->queue, key);
}

static Object *get_by_key(Reconcile *reconcile)
{
    _free_ char *copy = mem_strdup(reconcile->key);
    char *ns = strchr(copy, '|'), *name;
    int64_t id;

    *ns++ = 0;
    name = strchr(ns, '|');
    *name++ = 0;
    if (str_to_int64(copy, 0, (int64_t)kind_count() - 1, &id) != 0 || !kind_at((size_t)id))
        return NULL;
    return client_get(reconcile->client, kind_at((size_t)id), ns, name);
}

/* ---- the index ---- */

static void keys_of_dependent(const Object *object, IndexKeys *keys)
{
    const ObjectMeta *meta = object_meta(object);

    for (size_t i = 0; i < meta->owner_references.n; i++)
        index_key(keys, "%s", str_or(meta->owner_references.v[i].uid, ""));
}

static ObjectList dependents_of(Reconcile *reconcile, const char *uid)
{
    Garbage *garbage = reconcile->controller->data;

    return object_index_list(garbage->by_owner, &reconcile->arena, str_or(uid, ""));
}

static void enqueue_one(void *controller, Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    enqueue(controller, object->kind, meta->namespace, meta->name);
}

static void enqueue_dependents(Controller *controller, const char *uid)
{
    Garbage *garbage = controller->data;

    object_index_each(garbage->by_owner, str_or(uid, ""), enqueue_one, controller);
}

/* ---- owners ---- */

typedef enum OwnerState { OWNER_THERE, OWNER_GONE, OWNER_WAITS } OwnerState;

static const char *owner_ns(const Kind *kind, const ObjectMeta *dependent)
{
    return (kind->flags & KIND_NAMESPACED) ? dependent->namespace : NULL;
}

static Object *find_owner(Client *client, const ObjectMeta *dependent, const OwnerReference *ref)
{
    const Kind *kind = kind_find_api_version(ref->api_version, ref->kind);
    Object *owner = kind ? client_get(client, kind, owner_ns(kind, dependent), ref->name) : NULL;

    return owner && str_equal(object_meta(owner)->uid, ref->uid) ? owner : NULL;
}

static OwnerState owner_state(Client *client, const ObjectMeta *dependent,
                              const OwnerReference *ref)
{
    const Kind *kind = kind_find_api_version(ref->api_version, ref->kind);
    Object *owner;

    if (!kind || ((kind->flags & KIND_NAMESPACED) && str_empty(dependent->namespace)))
        return OWNER_THERE;
    owner = find_owner(client, dependent, ref);
    if (!owner)
        return OWNER_GONE;
    if (object_meta(owner)->deletion_timestamp.set &&
        meta_has_finalizer(object_meta(owner), FOREGROUND))
        return OWNER_WAITS;
    return OWNER_THERE;
}

/* ---- reconcile ---- */

static void drop_finalizer(Reconcile *reconcile, const Object *object, const char *name)
{
    Object *copy = object_copy(object);

    meta_remove_finalizer(object_meta(copy), name);
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* Removes the references whose element in `drop` is true. */
static void drop_owners(Reconcile *reconcile, const Object *object, const bool *drop)
{
    Object *copy = object_copy(object);
    OwnerReferenceArray *owners = &object_meta(copy)->owner_references;
    size_t n = 0;

    for (size_t i = 0; i < owners->n; i++)
        if (!drop[i])
            owners->v[n++] = owners->v[i];
    owners->n = n;
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

/* The present version of the dependent, or NULL. */
static Object *dependent_object(Client *client, const Object *d)
{
    return client_get(client, d->kind, object_meta(d)->namespace, object_meta(d)->name);
}

static const OwnerReference *ref_to(const ObjectMeta *meta, const char *uid)
{
    for (size_t i = 0; i < meta->owner_references.n; i++)
        if (str_equal(meta->owner_references.v[i].uid, uid))
            return &meta->owner_references.v[i];
    return NULL;
}

static bool waits_for_dependents(const Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    return meta->deletion_timestamp.set && meta_has_finalizer(meta, FOREGROUND);
}

static bool blocks(const ObjectMeta *dependent, const char *uid)
{
    for (size_t i = 0; i < dependent->owner_references.n; i++) {
        const OwnerReference *ref = &dependent->owner_references.v[i];

        if (str_equal(ref->uid, uid) && ref->block_owner_deletion && *ref->block_owner_deletion)
            return true;
    }
    return false;
}

/* The search for a cycle of owners that wait for each other. */
typedef struct Search {
    Reconcile *reconcile;
    const char *target; /* the uid of the owner that a cycle would have to contain */
    StrMap seen;        /* uids */
    VEC(const char *) open;
    size_t steps;
    bool found;
} Search;

static void search_from(Search *search, const char *uid)
{
    ObjectList dependents = dependents_of(search->reconcile, uid);

    for (size_t i = 0; i < dependents.n && !search->found; i++) {
        Object *object = dependent_object(search->reconcile->client, dependents.v[i]);
        const ObjectMeta *meta = object ? object_meta(object) : NULL;

        search->found = ++search->steps > SEARCH_MAX;
        if (!meta || !blocks(meta, uid) || !waits_for_dependents(object))
            continue;
        search->found |= str_equal(meta->uid, search->target);
        if (strmap_get(&search->seen, meta->uid))
            continue;
        strmap_put(&search->seen, meta->uid, search);
        VEC_PUSH(&search->open, meta->uid);
    }
}

/* Whether `dependent`, which waits for its own dependents, thereby waits for the owner. Objects do not
 * change during the search, so their uids can be used without a copy. A graph that is too large for
 * the search counts as a cycle; the only consequence is that the owner goes before its dependent. */
static bool is_circle(Reconcile *reconcile, const char *owner, const Object *dependent)
{
    Search search = {.reconcile = reconcile, .target = owner};

    if (str_equal(object_meta(dependent)->uid, owner))
        return true;
    VEC_PUSH(&search.open, object_meta(dependent)->uid);
    while (search.open.n && !search.found)
        search_from(&search, search.open.v[--search.open.n]);
    strmap_deinit(&search.seen);
    VEC_DEINIT(&search.open);
    return search.found;
}

/* Lets the owner go when no dependent blocks it. Dependents that are not being deleted are enqueued, so
 * that they will be; the others enqueue the owner when they change or disappear. */
static void wait_for_dependents(Reconcile *reconcile, const Object *owner)
{
    const char *uid = object_meta(owner)->uid;
    ObjectList dependents = dependents_of(reconcile, uid);
    bool blocked = false;

    for (size_t i = 0; i < dependents.n; i++) {
        Object *object = dependent_object(reconcile->client, dependents.v[i]);

        if (!object || !blocks(object_meta(object), uid))
            continue;
        if (!object_meta(object)->deletion_timestamp.set)
            enqueue_one(reconcile->controller, object);
        else if (!blocked && waits_for_dependents(object) && is_circle(reconcile, uid, object))
            continue;
        blocked = true;
    }
    if (!blocked)
        drop_finalizer(reconcile, owner, FOREGROUND);
}

static void orphan_dependents(Reconcile *reconcile, const Object *owner)
{
    const char *uid = object_meta(owner)->uid;
    ObjectList dependents = dependents_of(reconcile, uid);
    bool left = false;

    for (size_t i = 0; i < dependents.n; i++) {
        Object *object = dependent_object(reconcile->client, dependents.v[i]);
        const OwnerReferenceArray *owners = object ? &object_meta(object)->owner_references : NULL;
        bool *drop;

        if (!owners || !ref_to(object_meta(object), uid))
            continue;
        left = true;
        drop = arena_new_n(&reconcile->arena, bool, owners->n);
        for (size_t k = 0; k < owners->n; k++)
            drop[k] = str_equal(owners->v[k].uid, uid);
        drop_owners(reconcile, object, drop);
    }
    /* Otherwise the change of each dependent enqueues the owner again. */
    if (!left)
        drop_finalizer(reconcile, owner, ORPHAN);
}

static bool has_blocking_dependents(Reconcile *reconcile, const Object *object)
{
    Garbage *garbage = reconcile->controller->data;

    return object_index_count(garbage->by_owner, str_or(object_meta(object)->uid, "")) > 0;
}

static void collect(Reconcile *reconcile, const Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    bool *drop = arena_new_n(&reconcile->arena, bool, meta->owner_references.n + 1);
    size_t there = 0, waits = 0, gone = 0;
    const char *propagation = "Background";

    for (size_t i = 0; i < meta->owner_references.n; i++) {
        OwnerState state = owner_state(reconcile->client, meta, &meta->owner_references.v[i]);

        drop[i] = state != OWNER_THERE;
        there += state == OWNER_THERE;
        waits += state == OWNER_WAITS;
        gone += state == OWNER_GONE;
    }
    if (waits + gone == 0)
        return;
    if (there > 0) {
        drop_owners(reconcile, object, drop);
        return;
    }
    if (meta_has_finalizer(meta, ORPHAN))
        propagation = "Orphan";
    else if (meta_has_finalizer(meta, FOREGROUND) ||
             (waits > 0 && has_blocking_dependents(reconcile, object)))
        propagation = "Foreground";
    reconcile_delete(reconcile, object,
                     &(WriteOptions){.propagation = propagation,
                                     .precondition_revision = meta->resource_version},
                     NULL, NULL);
}

static void reconcile_dependent(Reconcile *reconcile)
{
    Object *object = get_by_key(reconcile);
    const ObjectMeta *meta = object ? object_meta(object) : NULL;

    if (meta && meta->deletion_timestamp.set) {
        if (meta_has_finalizer(meta, ORPHAN))
            orphan_dependents(reconcile, object);
        else if (meta_has_finalizer(meta, FOREGROUND))
            wait_for_dependents(reconcile, object);
    } else if (meta && meta->owner_references.n > 0) {
        collect(reconcile, object);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* ---- what wakes it ---- */

/* Enqueues the owners that wait for their dependents, one of which has changed or disappeared. */
static void enqueue_waiting_owners(Controller *controller, const ObjectMeta *meta)
{
    for (size_t i = 0; i < meta->owner_references.n; i++) {
        Object *owner = find_owner(controller->client, meta, &meta->owner_references.v[i]);

        if (owner && object_meta(owner)->deletion_timestamp.set)
            enqueue(controller, owner->kind, object_meta(owner)->namespace,
                    object_meta(owner)->name);
    }
}

static void on_object(Controller *controller, const WatchEvent *event)
{
    Garbage *garbage = controller->data;
    const Object *object = event->object;
    const ObjectMeta *meta = object_meta(object);

    object_index_update(garbage->by_owner, event);
    if (event->before && object_meta(event->before)->owner_references.n)
        enqueue_waiting_owners(controller, object_meta(event->before));
    if (event->type == WATCH_DELETED) {
        enqueue_dependents(controller, meta->uid);
        enqueue_waiting_owners(controller, meta);
        return;
    }
    if (meta->owner_references.n || meta->deletion_timestamp.set)
        enqueue(controller, object->kind, meta->namespace, meta->name);
}

static bool may_depend(const Kind *kind)
{
    return kind != &kind_event;
}

static void start(Controller *controller)
{
    Garbage *garbage = mem_new_type(Garbage);

    garbage->by_owner = object_index_new(keys_of_dependent);
    controller->data = garbage;
    controller_watch_kinds(controller, may_depend, on_object);
}

static void stop(Controller *controller)
{
    Garbage *garbage = controller->data;

    object_index_free(garbage->by_owner);
    free(garbage);
}

const ControllerOps garbage_controller = {
    .name = "garbage-collector",
    .component = "garbage-collector-controller",
    .start = start,
    .reconcile = reconcile_dependent,
    .stop = stop,
};
