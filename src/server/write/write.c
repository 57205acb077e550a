/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creates and updates, for HTTP requests and in-process clients alike. All changes of state go
 * through here or through delete.c.
 *
 *   create   defaults -> managedFields -> admission -> system fields -> validation -> admission's
 *            checks -> store
 *   update   checks against the head -> defaults -> what may not change is put back ->
 *            managedFields -> validation -> admission's checks -> store, unless nothing has changed; or removal, if this
 *            took the last finalizer from a deleted object
 *
 * All steps run in one turn of the loop and against the newest head, so no other write can come
 * between them: a conflict can only result from the resourceVersion that a client sends. The write
 * ends when the store reports that it is durable.
 */
#include "api/custom.h"
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/text_check.h"
#include "api/validate/validate.h"
#include "base/list.h"
#include "codec/protobuf/protobuf.h"
#include "server/admission/admission.h"
#include "server/admission/webhook/webhook.h"
#include "server/auth/auth.h"
#include "server/read/read.h"
#include "server/request/decode.h"
#include "server/request/observe.h"
#include "server/write/body.h"
#include "server/write/managed_fields.h"
#include "server/write/pod_part.h"

#define NAME_TRIES 8
#define TRIES_MAX 5 /* of an update whose object changes while webhooks are asked */
#define GENERATE_NAME_MAX 58

/* ---- life ---- */

Write *write_new(Server *server, User *user, const Kind *kind, const char *ns, const char *name)
{
    Write *write = mem_new_type(Write);

    write->server = server;
    list_append(&server->writes, &write->node);
    write->user = user_ref(user);
    write->kind = kind_ref(kind);
    write->arena = ARENA_INIT_SIZE(4096);
    write->ns = kind->flags & KIND_NAMESPACED ? arena_strdup(&write->arena, ns) : NULL;
    write->name = arena_strdup(&write->arena, name);
    return write;
}

void write_warn(Write *write, const char *text)
{
    warnings_add(&write->arena, &write->warnings, arena_strdup(&write->arena, text));
}

void write_finish(Write *write)
{
    list_remove(&write->node);
    /* A write that was refused after it had allocated addresses releases them. */
    if (write->server && write->claimed && (write->status.reason != STATUS_OK || write->dry_run))
        service_settle(write->server->addresses, write->before, write->object);
    if (write->call)
        write->call->write = NULL;
    if (write->server)
        write->done(write);
    body_give_back(write->decoded, &write->object);
    object_unref(write->object);
    object_unref(write->before);
    object_unref(write->asked);
    user_unref(write->user);
    arena_clear(&write->arena);
    kind_unref(write->kind);
    free(write);
}

/* The answer of the store. */
void write_on_stored(void *data, int outcome, const char *reason, Object *object _unused_)
{
    Write *write = data;

    if (write->server && write->call)
        observe_stored(write->call);
    if (outcome == STORE_E_NO_SPACE)
        status_set(&write->status, &write->arena, STATUS_NO_SPACE,
                   "the disk that holds the state is full: %s", str_or(reason, "no space left"));
    else if (outcome)
        status_set(&write->status, &write->arena, STATUS_INTERNAL_ERROR,
                   "the state could not be written: %s", str_or(reason, "unknown error"));
    else if (write->server)
        watch_note_write(write->server);
    write_finish(write);
}

/* Turns a refusal by the store into a status. Returns 0 if the store has queued the write, else the
 * reason. */
static int refused(Write *write, int outcome)
{
    const Object *head;

    switch (outcome) {
    case 0:
        return 0;
    case STORE_E_EXISTS:
        head = store_head(write->server->store, write->kind, write->ns, write->name);
        status_already_exists(&write->status, &write->arena, write->kind, write->name);
        if (head && object_meta(head)->deletion_timestamp.set)
            write->status.message =
                arena_printf(&write->arena, "object is being deleted: %s", write->status.message);
        return write->status.reason;
    case STORE_E_MISSING:
        return status_not_found(&write->status, &write->arena, write->kind, write->name);
    case STORE_E_CONFLICT:
        return status_conflict(&write->status, &write->arena, write->kind, write->name, NULL);
    default:
        (void)ERR_FOLD(outcome);
        return status_set(&write->status, &write->arena, STATUS_INTERNAL_ERROR,
                          "the store refused the write (%d)", outcome);
    }
}

/* ---- parts of both ---- */

void write_complete(Object *object)
{
    const KindRules *rules = object->kind->rules;

    type_default(object->kind->type, &object->arena, object->value);
    if (rules && rules->complete)
        rules->complete(&object->arena, object->value);
}

static void complete(Write *write)
{
    if (!write->completed)
        write_complete(write->object);
    write->completed = true;
}

static void prepare(Write *write)
{
    Object *object = write->object;
    const KindRules *rules = write->kind->rules;

    if (rules && rules->prepare)
        rules->prepare(&object->arena, object->value, write->before ? write->before->value : NULL);
}

/* NULL: the object itself, or a subresource for which the usual rules apply. */
static const SubresourceRules *write_rules(const Write *write)
{
    return str_empty(write->subresource) ? NULL
                                         : kind_subresource_rules(write->kind, write->subresource);
}

static int validate(Write *write)
{
    const Kind *kind = write->kind;
    const void *before = write->before && !write->reform ? write->before->value : NULL;
    const SubresourceRules *rules = write_rules(write);
    Causes causes = {.arena = &write->arena};

    admission_add_causes(write, &causes);
    if (rules && rules->validate) {
        validate_object_meta(kind, object_meta(write->object), object_meta(write->before), NULL,
                             &causes);
        rules->validate(write->object->value, before, &causes);
    } else if (str_equal(write->subresource, "status"))
        validate_object_status(kind, write->object->value, before, &causes);
    else if (!pod_part_validate(write, &causes))
        validate_object(kind, write->object->value, before, &causes);
    if (causes.n)
        return status_invalid(&write->status, &write->arena, kind, write->name, &causes);
    if (write->call && kind->rules && kind->rules->warn && !write->subresource)
        kind->rules->warn(&write->arena, write->object->value, &write->warnings);
    return 0;
}

void write_put_back(Write *write, const Field *field)
{
    Object *object = write->object;

    type_field_copy(field, &object->arena, field_at(object->value, field),
                    field_at(write->before->value, field));
}

/*
 * etcd takes requests of at most 1.5 MiB, which contain the object as protobuf, its key and some
 * overhead. Objects that could not be moved to a cluster on etcd are refused with the same message.
 * Nearly all objects are small, and the size of their arena already proves it without encoding
 * them.
 */
enum { REQUEST_MAX = 1536 * 1024, REQUEST_OVERHEAD = 256, SURELY_SMALL = 512 * 1024 };

static bool is_too_large(const Object *object)
{
    _strbuf_ StrBuf raw = STRBUF_INIT;

    if (object->arena.total < SURELY_SMALL)
        return false;
    protobuf_encode(object->kind->type, object->value, &raw);
    return raw.n + REQUEST_OVERHEAD > REQUEST_MAX;
}

static int refuse_too_large(ApiStatus *ret, Arena *arena)
{
    return status_set(ret, arena, STATUS_UNKNOWN, "etcdserver: request is too large");
}

/* As in kube-apiserver, an object that is too large only because of its managedFields is stored
 * without them, unless it was applied. */
static int check_size(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);

    if (!is_too_large(write->object))
        return 0;
    if (!write->applied && meta->managed_fields.n) {
        meta->managed_fields = (ManagedFieldsEntryArray){0};
        if (!is_too_large(write->object))
            return 0;
    }
    return refuse_too_large(&write->status, &write->arena);
}

/* ---- long bodies ---- */

/* Sets the name that the object will have, so that validation finds the same causes as later. */
static void name_for_now(ObjectMeta *meta, const Foresight *of, Arena *arena)
{
    if (of->kind->flags & KIND_NAMESPACED && str_empty(meta->namespace))
        meta->namespace = arena_strdup(arena, of->ns);
    if (str_empty(meta->name) && !str_empty(meta->generate_name))
        meta->name =
            arena_printf(arena, "%.*s%s", GENERATE_NAME_MAX, meta->generate_name, of->suffix);
}

int write_foresee(const Foresight *of, Object *object, Arena *arena, ApiStatus *ret)
{
    const Kind *kind = object->kind;
    ObjectMeta *meta = object_meta(object), asked = *meta;
    bool resets = kind->status && (kind->flags & KIND_HAS_STATUS) && kind != &kind_node;
    size_t size = resets ? type_field_size(kind->status) : 0;
    void *at = resets ? field_at(object->value, kind->status) : NULL;
    void *status = arena_alloc(arena, size + 1);
    Causes causes = {.arena = arena};
    bool too_large;

    if (resets) {
        memcpy(status, at, size);
        memset(at, 0, size);
    }
    meta->managed_fields = (ManagedFieldsEntryArray){0};
    name_for_now(meta, of, arena);
    if (of->creates)
        validate_object(kind, object->value, NULL, &causes);
    too_large = of->stores && is_too_large(object);
    if (causes_full(&causes) || (too_large && causes.n))
        status_invalid(ret, arena, kind, meta->name, &causes);
    else if (too_large)
        refuse_too_large(ret, arena);
    *meta = asked;
    if (resets)
        memcpy(at, status, size);
    return ret->reason;
}

/* Applies the refusal that was foreseen on the pool, if there is one. */
static int refuse_foreseen(Write *write)
{
    if (!write->foreseen)
        return 0;
    write->status = *write->foreseen;
    return write->status.reason;
}

/* ---- create ---- */

static int check_namespace(Write *write)
{
    return object_match_namespace(write->object, write->ns,
                                  (write->kind->flags & KIND_NAMESPACED) != 0, &write->status,
                                  &write->arena);
}

static void generate_name(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    char name[GENERATE_NAME_MAX + GENERATED_SUFFIX + 1];
    size_t n = strnlen(meta->generate_name, GENERATE_NAME_MAX);

    memcpy(name, meta->generate_name, n);
    random_suffix(write->server->random, name + n, GENERATED_SUFFIX);
    meta->name = arena_strndup(&write->object->arena, name, n + GENERATED_SUFFIX);
    write->name = arena_strndup(&write->arena, name, n + GENERATED_SUFFIX);
}

static void fill_system_fields(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    char uid[37];

    random_uuid(write->server->random, uid);
    meta->uid = arena_strdup(&write->object->arena, uid);
    meta->creation_timestamp = server_time(write->server);
    meta->deletion_timestamp = (Time){0};
    meta->deletion_grace_period_seconds = NULL;
    meta->self_link = NULL;
    meta->resource_version = NULL;
    meta->generation = write->kind->flags & KIND_HAS_GENERATION ? 1 : 0;
}

/* Clients cannot set the status of a new object. Nodes are the exception: they report their own. */
static void reset_status(Write *write)
{
    const Kind *kind = write->kind;

    if (kind->status && (kind->flags & KIND_HAS_STATUS) && kind != &kind_node)
        memset(field_at(write->object->value, kind->status), 0, type_field_size(kind->status));
}

/* Replaces a generated name in a refusal by generateName, which is all that the client knows. */
static void forget_name(Write *write)
{
    Arena *arena = &write->arena;
    const char *prefix = object_meta(write->object)->generate_name,
               *message = write->status.message;
    const char *at = message ? strstr(message, write->name) : NULL;

    if (at)
        write->status.message = arena_printf(arena, "%.*s%s%s", (int)(at - message), message,
                                             prefix, at + strlen(write->name));
    if (str_equal(write->status.name, write->name))
        write->status.name = arena_strdup(arena, prefix);
}

/* An update or an apply that creates the object needs permission to create as well. */
static int check_may_create(Write *write)
{
    const Attributes attributes = {.verb = "create",
                                   .group = write->kind->group,
                                   .resource = write->kind->plural,
                                   .ns = write->kind == &kind_namespace ? write->name : write->ns,
                                   .name = write->name};
    const char *reason;

    if (authorize(write->server, write->user, &attributes, &write->arena, &reason))
        return 0;
    return authorize_forbidden(&write->status, &write->arena, write->user, &attributes, reason);
}

/* Up to the webhooks that may change the object. */
static int create_begin(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    int r;

    r = check_namespace(write);
    if (r)
        return r;
    if (!str_empty(meta->resource_version) && !str_equal(meta->resource_version, "0"))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "resourceVersion should not be set on objects to be created");
    write->name = arena_strdup(&write->arena, meta->name);
    complete(write);
    reset_status(write);
    meta->managed_fields = write->applied ? meta->managed_fields : (ManagedFieldsEntryArray){0};
    if (!write->applied && !write->foreseen)
        managed_update(write->server, write->object, NULL, write->manager, write->subresource);
    write->generated = str_empty(meta->name) && !str_empty(meta->generate_name);
    if (write->generated)
        generate_name(write);
    r = admission_create(write);
    return r ? r : refuse_foreseen(write);
}

/* The object has its final content: what the system adds, and validation. */
static int create_check(Write *write)
{
    int r = 0;

    /* The webhooks may have changed what admission has set, and the name. */
    if (write->mutated) {
        ObjectMeta *meta = object_meta(write->object);

        reset_status(write);
        r = check_namespace(write);
        if (r == 0)
            meta->name = arena_strdup(&write->object->arena, write->name);
        if (r == 0)
            r = admission_create(write);
    }
    if (r == 0)
        r = admission_allocate(write);
    if (r)
        return r;
    fill_system_fields(write);
    prepare(write);
    if (str_empty(write->name)) /* the rules of the kind may have given it one */
        write->name = arena_strdup(&write->arena, object_meta(write->object)->name);
    admission_named(write);
    r = validate(write);
    if (r == 0 && write->upsert)
        r = check_may_create(write);
    return r;
}

static int create_store(Write *write)
{
    Server *server = write->server;
    int r = write->waited ? admission_namespace(write) : 0;

    if (r == 0)
        r = admission_validate(write);
    if (r)
        return r;
    if (write->dry_run)
        return store_head(server->store, write->kind, write->ns, write->name)
                   ? refused(write, STORE_E_EXISTS)
                   : 0;
    r = check_size(write);
    if (r)
        return r;
    r = store_create(server->store, write->object, write_on_stored, write);
    for (int i = 1; r == STORE_E_EXISTS && write->generated && i < NAME_TRIES; i++) {
        generate_name(write);
        r = store_create(server->store, write->object, write_on_stored, write);
    }
    if (r == 0)
        admission_stored(write);
    return refused(write, r);
}

/* Nothing is created any more that would have to be deleted at once. */
static int check_definition(Write *write)
{
    if (!write->kind->custom || !write->kind->custom->terminating)
        return 0;
    return status_set(&write->status, &write->arena, STATUS_METHOD_NOT_ALLOWED,
                      "create not allowed while custom resource definition is terminating");
}

static void create_admitted(Write *write, int r)
{
    if (r == 0)
        r = create_store(write);
    if (r || write->dry_run)
        write_finish(write);
}

static void create_mutated(Write *write, int r)
{
    if (r == 0)
        r = create_check(write);
    if (r)
        write_finish(write);
    else
        hooks_validate(write, HOOK_CREATE, create_admitted);
}

void write_create(Write *write)
{
    int r;

    write->created = true;
    r = check_definition(write);
    if (r == 0)
        r = create_begin(write);
    if (r &&
        write->generated) /* no object has that name, and retries should get the same message */
        forget_name(write);
    if (r)
        write_finish(write);
    else
        hooks_mutate(write, HOOK_CREATE, create_mutated);
}

/* ---- update ---- */

/* Compares the name and namespace in the object with those in the URL. */
static int check_name(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);

    if (str_empty(meta->name))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "the name of the object (%s based on URL) was undeterminable: name must "
                          "be provided",
                          write->name);
    if (!str_equal(meta->name, write->name))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "the name of the object (%s) does not match the name on the URL (%s)",
                          meta->name, write->name);
    return check_namespace(write);
}

static int refuse_unversioned(Write *write)
{
    Causes causes = {.arena = &write->arena};

    causes_invalid_int(&causes, "metadata.resourceVersion", 0, "must be specified for an update");
    return status_invalid(&write->status, &write->arena, write->kind, write->name, &causes);
}

static int check_identity(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    const ObjectMeta *before = object_meta(write->before);
    int64_t revision;
    int r;

    r = check_name(write);
    if (r)
        return r;
    if (!str_empty(meta->uid) && !str_equal(meta->uid, before->uid))
        return status_conflict(
            &write->status, &write->arena, write->kind, write->name,
            arena_printf(&write->arena,
                         "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
                         "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID "
                         "in object meta: %s",
                         object_key(write->kind, write->ns, write->name, &write->arena), meta->uid,
                         before->uid));
    if (str_empty(meta->resource_version) || str_equal(meta->resource_version, "0"))
        return write->kind->flags & KIND_VERSIONED_UPDATE ? refuse_unversioned(write) : 0;
    if (str_to_int64(meta->resource_version, 0, INT64_MAX, &revision))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "strconv.ParseUint: parsing \"%s\": invalid syntax",
                          meta->resource_version);
    if (!str_equal(meta->resource_version, before->resource_version))
        return status_conflict(&write->status, &write->arena, write->kind, write->name, NULL);
    return 0;
}

static void keep_system_fields(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    const ObjectMeta *before = object_meta(write->before);
    Arena *arena = &write->object->arena;

    meta->uid = arena_strdup(arena, before->uid);
    meta->resource_version = arena_strdup(arena, before->resource_version);
    meta->generation = before->generation;
    meta->self_link = NULL;
    meta->creation_timestamp = before->creation_timestamp;
    meta->deletion_timestamp = before->deletion_timestamp;
    meta->deletion_grace_period_seconds =
        before->deletion_grace_period_seconds
            ? arena_int64(arena, *before->deletion_grace_period_seconds)
            : NULL;
}

static void keep_meta(Write *write)
{
    static const char *const names[] = {"labels", "annotations", "ownerReferences", "finalizers"};
    ObjectMeta *meta = object_meta(write->object);
    const ObjectMeta *before = object_meta(write->before);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        type_member_copy(&type_ObjectMeta, names[i], &write->object->arena, meta, before);
}

/* Restores what the (sub)resource of this write does not own: all but the status for the status
 * subresource, and the status for the main resource. */
static void keep_other_side(Write *write)
{
    const Kind *kind = write->kind;
    Object *object = write->object;
    const SubresourceRules *rules = write_rules(write);

    if (rules || str_equal(write->subresource, "status")) {
        for (size_t i = 0; i < kind->type->n_fields; i++) {
            const Field *field = &kind->type->fields[i];

            if (field->offset != 0 && field != kind->status)
                write_put_back(write, field);
        }
        if (rules && rules->keeps_meta)
            keep_meta(write);
        if (rules && rules->prepare)
            rules->prepare(&object->arena, object->value, write->before->value,
                           clock_wall_ns(write->server->clock));
        return;
    }
    if (pod_part_keep(write))
        return;
    if (kind->status && (kind->flags & KIND_HAS_STATUS))
        write_put_back(write, kind->status);
    if (kind == &kind_namespace) {
        NamespaceSpec *spec = &OBJECT_AS(Namespace, object)->spec;
        StringArray asked = spec->finalizers;

        write_put_back(write, kind->spec);
        if (str_equal(write->subresource, "finalize"))
            spec->finalizers = asked;
    }
}

static bool has_finalizers(const Object *object)
{
    if (object_meta(object)->finalizers.n)
        return true;
    return object->kind == &kind_namespace && OBJECT_AS(Namespace, object)->spec.finalizers.n;
}

/* The object is being deleted, and neither finalizers nor a grace period are left to wait for. */
static bool may_go(const Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    return meta->deletion_timestamp.set && !has_finalizers(object) &&
           (!meta->deletion_grace_period_seconds || *meta->deletion_grace_period_seconds == 0);
}

/* A kind without a spec, such as PodTemplate, keeps what a user wants in its other fields. */
static bool same_content(const Kind *kind, const void *a, const void *b)
{
    if (kind->spec && !kind->custom)
        return type_field_equal(kind->spec, field_at(a, kind->spec), field_at(b, kind->spec));
    for (size_t i = 1; i < kind->type->n_fields; i++) /* the first one is metadata */
        if (!(kind->flags & KIND_HAS_STATUS && &kind->type->fields[i] == kind->status) &&
            !type_field_equal(&kind->type->fields[i], field_at(a, &kind->type->fields[i]),
                              field_at(b, &kind->type->fields[i])))
            return false;
    return true;
}

static void count_generation(Write *write)
{
    if ((write->kind->flags & KIND_HAS_GENERATION) && !str_equal(write->subresource, "status") &&
        !same_content(write->kind, write->object->value, write->before->value))
        object_meta(write->object)->generation++;
}

static bool same_but_for_managed(Object *object, const Object *before)
{
    ObjectMeta *meta = object_meta(object);
    ManagedFieldsEntryArray kept = meta->managed_fields;
    bool same;

    meta->managed_fields = object_meta(before)->managed_fields;
    same = type_equal(object->kind->type, object->value, before->value);
    meta->managed_fields = kept;
    return same;
}

static void update_managed(Write *write)
{
    ObjectMeta *meta = object_meta(write->object);
    const ObjectMeta *before = object_meta(write->before);
    Object *object = write->object;

    if (write->applied)
        return;
    /* An empty list is the way for a client to clear managedFields. */
    if (meta->managed_fields.v && meta->managed_fields.n == 0)
        return;
    /* A client may send a list of its own, as kubectl does when it migrates to server-side apply;
     * it then replaces the stored one. Other writers cannot change it. */
    if (!write->call || !str_empty(write->subresource) || !managed_readable(&meta->managed_fields))
        type_member_copy(&type_ObjectMeta, "managedFields", &object->arena, meta, before);
    if (str_empty(write->manager) || same_but_for_managed(object, write->before))
        return;
    managed_update(write->server, object, write->before, write->manager, write->subresource);
}

static void keep(Write *write)
{
    keep_system_fields(write);
    keep_other_side(write);
    prepare(write);
}

/* Up to the webhooks that may change the object. */
static int update_begin(Write *write)
{
    int r;

    r = check_identity(write);
    if (r == 0)
        r = refuse_foreseen(write);
    if (r)
        return r;
    complete(write);
    r = node_restriction_admit(write); /* also what will be restored counts as an attempt */
    if (r)
        return r;
    keep(write);
    count_generation(write);
    update_managed(write);
    return admission_update(write);
}

static int update_check(Write *write)
{
    int r = 0;

    if (write->mutated) {
        r = check_name(write);
        if (r)
            return r;
        keep(write);
        count_generation(write);
        r = admission_update(write);
    }
    if (r == 0)
        r = admission_allocate(write);
    return r ? r : validate(write);
}

/* Returns 0 if the write is queued, or is a dry run that passed; a reason if it is refused; -1 if
 * it changes nothing. */
static int update_store(Write *write)
{
    Server *server = write->server;
    int r = admission_validate(write);

    if (r || write->dry_run)
        return r;
    if (may_go(write->object)) {
        write->gone = true;
        r = refused(write, store_delete(server->store, write->object, write->before->revision,
                                        write_on_stored, write));
        if (r == 0)
            admission_removed(write);
        return r;
    }
    if (managed_same(write->object, write->before)) {
        object_unref(write->object);
        write->object = object_ref(write->before);
        return -1;
    }
    r = check_size(write);
    if (r == 0)
        r = refused(write, store_update(server->store, write->object, write->before->revision,
                                        write_on_stored, write));
    if (r == 0)
        admission_stored(write);
    return r;
}

bool write_is_stale(Write *write)
{
    Object *head = store_head(write->server->store, write->kind, write->ns, write->name);

    return write->waited && (!head || head->revision != write->before->revision ||
                             !str_equal(object_meta(head)->uid, object_meta(write->before)->uid));
}

bool write_begin_anew(Write *write)
{
    if (!write->again || write->tries++ >= TRIES_MAX)
        return false;
    if (write->claimed)
        service_settle(write->server->addresses, write->before, write->object);
    write->claimed = false;
    write->object = object_unref(write->object);
    write->before = object_unref(write->before);
    write->applied = write->completed = write->mutated = write->waited = false;
    write->charges = NULL;
    write->again(write);
    return true;
}

static void update_admitted(Write *write, int r)
{
    if (r == 0 && write_is_stale(write)) {
        if (write_begin_anew(write))
            return;
        r = refused(write, STORE_E_CONFLICT);
    }
    if (r == 0)
        r = update_store(write);
    if (r || write->dry_run)
        write_finish(write);
}

static void update_mutated(Write *write, int r)
{
    if (r == 0)
        r = update_check(write);
    if (r)
        write_finish(write);
    else
        hooks_validate(write, HOOK_UPDATE, update_admitted);
}

void write_update_from(Write *write)
{
    if (update_begin(write))
        write_finish(write);
    else
        hooks_mutate(write, HOOK_UPDATE, update_mutated);
}

static void update_again(Write *write)
{
    write->object = object_copy(write->asked);
    write_update(write);
}

void write_update(Write *write)
{
    Object *head = store_head(write->server->store, write->kind, write->ns, write->name);
    const ObjectMeta *meta = object_meta(write->object);

    if (!write->asked && hooks_exist(write->server)) {
        write->asked = object_copy(write->object);
        write->again = update_again;
    }
    if (check_name(write)) {
        write_finish(write);
    } else if (head) {
        write->before = object_ref(head);
        write_update_from(write);
    } else if ((write->kind->flags & KIND_CREATE_ON_UPDATE) && !write->subresource &&
               str_empty(meta->resource_version) && str_empty(meta->uid)) {
        write->upsert = true;
        write_create(write);
    } else {
        refused(write, STORE_E_MISSING);
        write_finish(write);
    }
}
