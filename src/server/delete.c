/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion. An object goes at once, unless somebody has to act before: finalizers keep it with a
 * deletionTimestamp until the last one is taken off (an update does the removal then), and Pods
 * that run get their grace period first.
 */
#include "server/internal.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

static int refuse_precondition(Write *write, const char *what, const char *asked, const char *is,
                               const char *meaning)
{
    /* This one text names the kind where all others name the resource. */
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
    const char **v;
    size_t n = 0;

    if (meta_has_finalizer(meta, name) == wanted)
        return;
    v = arena_new_n(&object->arena, const char *, meta->finalizers.n + 1);
    for (size_t i = 0; i < meta->finalizers.n; i++)
        if (!str_equal(meta->finalizers.v[i], name))
            v[n++] = meta->finalizers.v[i];
    if (wanted)
        v[n++] = name;
    meta->finalizers.v = n ? v : NULL;
    meta->finalizers.n = n;
}

static void set_propagation(const Write *write, Object *object)
{
    if (str_empty(write->propagation))
        return;
    set_finalizer(object, FOREGROUND, str_equal(write->propagation, "Foreground"));
    set_finalizer(object, ORPHAN, str_equal(write->propagation, "Orphan"));
}

/* How long the object may take; only Pods that are somewhere and still run get any time. */
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

/* Marks it as being deleted; a second deletion can only shorten the time. false: nothing new. */
static bool mark(Write *write, Object *object, int64_t grace)
{
    ObjectMeta *meta = object_meta(object);
    int64_t now = server_now(write->server), before;

    if (!meta->deletion_timestamp.set) {
        meta->deletion_timestamp = (Time){.seconds = now + grace, .set = true};
        /* A namespace takes as long as it takes. */
        if (object->kind != &kind_namespace)
            meta->deletion_grace_period_seconds = arena_int64(&object->arena, grace);
        if (meta->generation > 0)
            meta->generation++;
        return true;
    }
    before = meta->deletion_grace_period_seconds ? *meta->deletion_grace_period_seconds : 0;
    if (grace >= before)
        return false;
    meta->deletion_timestamp.seconds =
        MAX_OF(now, meta->deletion_timestamp.seconds - before + grace);
    if (grace == 0)
        meta->deletion_timestamp.seconds = now;
    meta->deletion_grace_period_seconds = arena_int64(&object->arena, grace);
    return true;
}

static bool must_wait(const Object *object)
{
    return object_meta(object)->finalizers.n ||
           (object->kind == &kind_namespace && OBJECT_AS(Namespace, object)->spec.finalizers.n);
}

/* The new version, or the last one. 0: queued; a reason; -1: answered as it is. */
static int delete_steps(Write *write)
{
    Store *store = write->server->store;
    Object *object = write->object;
    uint64_t revision = write->before->revision;
    bool changed, graceful;
    int64_t grace;
    int r;

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
    if (r == 0) {
        write->object = object_copy(write->before);
        r = delete_steps(write);
    }
    if (r)
        write_finish(write);
}
