/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion. An object is removed at once, unless something has to happen before: finalizers keep it
 * with a deletionTimestamp until the last one is taken off (an update does the removal then), and
 * Pods that run get their grace period first.
 */
#include "api/meta.h"
#include "api/object.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "server/admission/admission.h"
#include "server/admission/webhook/webhook.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

static int refuse_precondition(Write *write, const char *what, const char *asked, const char *is,
                               const char *meaning)
{
    /* This is the only text that names the kind; all others name the resource. */
    write->status = (ApiStatus){
        .reason = STATUS_CONFLICT,
        .name = write->name,
        .group = write->kind->group,
        .kind = write->kind->kind,
        .message = arena_printf(&write->arena,
                                "Operation cannot be fulfilled on %s%s%s \"%s\": the %s in the "
                                "precondition (%s) does not match the %s in record (%s). The "
                                "object might have been %s",
                                write->kind->kind, *write->kind->group ? "." : "",
                                write->kind->group, write->name, what, asked, what, is, meaning)};
    return STATUS_CONFLICT;
}

static int check_preconditions(Write *write)
{
    const ObjectMeta *meta = object_meta(write->before);

    if (write->precondition_uid && !str_equal(write->precondition_uid, meta->uid))
        return refuse_precondition(write, "UID", write->precondition_uid, meta->uid,
                                   "deleted and then recreated");
    if (write->precondition_revision &&
        !str_equal(write->precondition_revision, meta->resource_version))
        return refuse_precondition(write, "ResourceVersion", write->precondition_revision,
                                   meta->resource_version, "modified");
    return 0;
}

static void set_finalizer(Object *object, const char *name, bool wanted)
{
    ObjectMeta *meta = object_meta(object);

    if (wanted)
        meta_add_finalizer(&object->arena, meta, name);
    else
        meta_remove_finalizer(meta, name);
}

/* Decides what becomes of the dependents: what the request asks for, otherwise what the object
 * itself says, otherwise the default of its kind. Some kinds leave their dependents behind by
 * default, since they are older than the garbage collector. */
static void set_propagation(const Write *write, Object *object)
{
    const char *policy = write->propagation;
    const ObjectMeta *meta = object_meta(object);

    if (kind_same_store(object->kind, &kind_event))
        return;
    if (str_empty(policy)) {
        if (!(object->kind->flags & KIND_ORPHANS) || meta_has_finalizer(meta, FOREGROUND))
            return;
        policy = "Orphan";
    }
    set_finalizer(object, FOREGROUND, str_equal(policy, "Foreground"));
    set_finalizer(object, ORPHAN, str_equal(policy, "Orphan"));
}

/* Returns the grace period of the object. Only Pods that are bound to a node and still run have
 * one. */
static int64_t grace_of(const Write *write, const Object *object)
{
    int64_t grace = 0;
    const Pod *pod;

    if (!(write->kind->flags & KIND_GRACEFUL_DELETE))
        return 0;
    pod = OBJECT_AS(Pod, object);
    if (write->grace_seconds)
        grace = *write->grace_seconds;
    else if (pod->spec.termination_grace_period_seconds)
        grace = *pod->spec.termination_grace_period_seconds;
    if (str_empty(pod->spec.node_name) || str_equal(pod->status.phase, "Failed") ||
        str_equal(pod->status.phase, "Succeeded"))
        return 0;
    return grace < 0 ? 1 : grace;
}

/* Another deletion can only shorten the grace period, and only if it asks for one. False: no
 * change. */
static bool shorten(Write *write, ObjectMeta *meta, Arena *arena, int64_t grace)
{
    int64_t before = meta->deletion_grace_period_seconds ? *meta->deletion_grace_period_seconds : 0;
    int64_t now = server_now(write->server), end = meta->deletion_timestamp.seconds;

    if (!write->grace_seconds || grace >= before)
        return false;
    end += grace - before;
    if (end < now) {
        end = now;
        /* The period has passed already, but only the node may remove the pod. */
        if (grace)
            grace = 1;
    }
    meta->deletion_timestamp.seconds = end;
    meta->deletion_grace_period_seconds = arena_int64(arena, grace);
    return true;
}

/* Marks the object as being deleted. False: it was marked already, and nothing changes. */
static bool mark(Write *write, Object *object, int64_t grace)
{
    ObjectMeta *meta = object_meta(object);

    if (meta->deletion_timestamp.set)
        return shorten(write, meta, &object->arena, grace);
    /* A grace period has no limit, but timestamps end with the year 9999. */
    meta->deletion_timestamp = (Time){
        .seconds = server_now(write->server) + MIN_OF(grace, INT64_C(250000000000)), .set = true};
    /* The deletion of a namespace has no time limit. */
    if (object->kind != &kind_namespace)
        meta->deletion_grace_period_seconds = arena_int64(&object->arena, grace);
    if (meta->generation > 0)
        meta->generation++;
    return true;
}

static bool must_wait(const Object *object)
{
    return object_meta(object)->finalizers.n ||
           (object->kind == &kind_namespace && OBJECT_AS(Namespace, object)->spec.finalizers.n);
}

/* Queues the marked version, or the removal. Returns 0 if queued, a reason if refused, and -1 if
 * there is nothing to store (a dry run, or no change). */
static int delete_steps(Write *write)
{
    Store *store = write->server->store;
    Object *object = write->object;
    uint64_t revision = write->before->revision;
    bool changed, graceful;
    int64_t grace;
    int r;

    if (object->kind->rules && object->kind->rules->begin_delete &&
        !object_meta(object)->deletion_timestamp.set)
        object->kind->rules->begin_delete(&object->arena, object->value,
                                          server_now(write->server) * NS_PER_SEC);
    set_propagation(write, object);
    changed = !type_equal(object->kind->type, object->value, write->before->value);
    grace = grace_of(write, object);
    graceful = grace > 0;
    if (graceful || must_wait(object)) {
        changed |= mark(write, object, grace);
        if (object->kind == &kind_namespace)
            OBJECT_AS(Namespace, object)->status.phase = "Terminating";
        if (write->dry_run || !changed)
            return -1;
        r = store_update(store, object, revision, write_on_stored, write);
    } else {
        if (write->kind->flags & KIND_GRACEFUL_DELETE)
            mark(write, object, 0);
        write->gone = true;
        if (write->dry_run)
            return -1;
        r = store_delete(store, object, revision, write_on_stored, write);
    }
    if (!r)
        admission_removed(write);
    if (r == STORE_E_MISSING)
        return status_not_found(&write->status, &write->arena, write->kind, write->name);
    return r ? status_conflict(&write->status, &write->arena, write->kind, write->name, NULL) : 0;
}

static int check_delete(Write *write)
{
    static const char *const policies[] = {"Foreground", "Background", "Orphan", "nil", NULL};
    static const Kind options = {
        .group = "meta.k8s.io", .kind = "DeleteOptions", .plural = "deleteoptions"};
    Causes causes = {.arena = &write->arena};

    for (size_t i = 0; !str_empty(write->propagation) && i < 3; i++)
        if (str_equal(write->propagation, policies[i]))
            return 0;
    if (str_empty(write->propagation))
        return 0;
    causes_not_supported(&causes, "propagationPolicy", write->propagation, policies);
    return status_invalid(&write->status, &write->arena, &options, "", &causes);
}

/* A deletion has nothing that could be out of date but its conditions, so it begins anew. */
static void delete_admitted(Write *write, int r)
{
    if (r == 0 && write_is_stale(write)) {
        write->again = write_delete;
        if (write_begin_anew(write))
            return;
        r = status_conflict(&write->status, &write->arena, write->kind, write->name, NULL);
    }
    if (r == 0) {
        write->object = object_copy(write->before);
        r = delete_steps(write);
    }
    if (r)
        write_finish(write);
}

static void delete_mutated(Write *write, int r)
{
    if (r)
        write_finish(write);
    else
        hooks_validate(write, HOOK_DELETE, delete_admitted);
}

void write_delete(Write *write)
{
    Object *head;
    int r = check_delete(write);

    if (r == 0) {
        head = store_head(write->server->store, write->kind, write->ns, write->name);
        if (!head)
            r = status_not_found(&write->status, &write->arena, write->kind, write->name);
        else
            write->before = object_ref(head);
    }
    if (r == 0)
        r = check_preconditions(write);
    if (r == 0)
        r = admission_delete(write);
    if (r)
        write_finish(write);
    else
        hooks_mutate(write, HOOK_DELETE, delete_mutated);
}
