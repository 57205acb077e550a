/* SPDX-License-Identifier: Apache-2.0 */
/* The API of moments.h: a write is checked against the newest head, and is in the cache, and heard
 * of, when its event comes. */
#include "api/schema/core_event_v1.h"
#include "codec/json/json.h"
#include "moments_internal.h"

struct MomentWatch {
    const Kind *kind;
    const Selector *fields;
    ClientOnEvent on_event;
    void *data;
    bool stopped;
};

static Moments *of_client(Client *client)
{
    return CONTAINER_OF(client, Moments, client);
}

static size_t find_at(Object **v, size_t n, const Kind *kind, const char *ns, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i]->kind == kind && str_equal(object_meta(v[i])->name, name) &&
            str_equal(object_meta(v[i])->namespace, ns))
            return i;
    return SIZE_MAX;
}

static Object *api_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    Moments *m = of_client(client);
    size_t i = find_at(m->objects.v, m->objects.n, kind, ns, name);

    return i == SIZE_MAX ? NULL : m->objects.v[i];
}

static uint64_t api_list(Client *client, const Kind *kind, const ListOptions *options,
                         bool (*each)(void *data, Object *object), void *data)
{
    Moments *m = of_client(client);

    for (size_t i = 0; i < m->objects.n; i++)
        if (m->objects.v[i]->kind == kind &&
            (!options || str_empty(options->ns) ||
             str_equal(object_meta(m->objects.v[i])->namespace, options->ns)) &&
            !each(data, m->objects.v[i]))
            break;
    return m->revision;
}

static bool is_watched(const MomentWatch *w, const Object *object)
{
    return !w->stopped && w->kind == object->kind &&
           (!w->fields || selector_matches_fields(w->fields, object));
}

static ClientWatch *api_watch(Client *client, const Kind *kind, const ListOptions *options,
                              ClientOnEvent on_event, void *data)
{
    Moments *m = of_client(client);
    MomentWatch *w = mem_new_type(MomentWatch);

    *w = (MomentWatch){kind, options ? options->fields : NULL, on_event, data, false};
    for (size_t i = 0; i < m->objects.n; i++)
        if (is_watched(w, m->objects.v[i]))
            on_event(data, &(WatchEvent){.type = WATCH_ADDED, .object = m->objects.v[i]});
    on_event(data, &(WatchEvent){.type = WATCH_BOOKMARK});
    VEC_PUSH(&m->watches, w);
    return (ClientWatch *)w;
}

static void api_watch_stop(ClientWatch *watch)
{
    ((MomentWatch *)watch)->stopped = true;
}

static void tell(Moments *m, WatchEventType type, Object *object, Object *before)
{
    for (size_t i = 0; i < m->watches.n; i++) {
        MomentWatch *w = m->watches.v[i];

        if (is_watched(w, object))
            w->on_event(w->data, &(WatchEvent){.type = type, .object = object, .before = before});
    }
}

static void answer(MomentEvent *e, StatusReason reason, Object *object)
{
    ClientDone done = (ClientDone)(uintptr_t)e->a;
    ApiStatus status = {.reason = reason};

    if (done)
        done(e->b, &status, object);
}

static void on_refused(Moments *m _unused_, MomentEvent *e)
{
    answer(e, (StatusReason)e->number, NULL);
}

static void refuse(ClientDone done, void *data, StatusReason reason)
{
    MomentEvent *e = moment_push(LANE_API, on_refused);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->number = (int)reason;
}

/* Cache, watchers, caller: as the store does it when a write is durable. */
static void on_committed(Moments *m, MomentEvent *e)
{
    const ObjectMeta *meta = object_meta(e->object);
    size_t i = find_at(m->objects.v, m->objects.n, e->object->kind, meta->namespace, meta->name);
    _object_ Object *before = i == SIZE_MAX ? NULL : m->objects.v[i];

    if (i == SIZE_MAX)
        VEC_PUSH(&m->objects, object_ref(e->object));
    else
        m->objects.v[i] = object_ref(e->object);
    tell(m, before ? WATCH_MODIFIED : WATCH_ADDED, e->object, before);
    answer(e, STATUS_OK, e->object);
}

static void on_removed(Moments *m, MomentEvent *e)
{
    const ObjectMeta *meta = object_meta(e->object);
    size_t i = find_at(m->objects.v, m->objects.n, e->object->kind, meta->namespace, meta->name);
    _object_ Object *before = m->objects.v[i];

    m->objects.v[i] = m->objects.v[--m->objects.n];
    tell(m, WATCH_DELETED, before, before);
    answer(e, STATUS_OK, before);
}

static void commit(Moments *m, Object *object, bool removed, ClientDone done, void *data)
{
    const ObjectMeta *meta = object_meta(object);
    size_t i = find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name);
    MomentEvent *e = moment_push(LANE_API, removed ? on_removed : on_committed);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->object = object_ref(object);
    if (!removed) {
        object->revision = ++m->revision;
        object_meta(object)->resource_version =
            arena_printf(&object->arena, "%" PRIu64, object->revision);
        object->sealed = true;
    }
    if (i == SIZE_MAX) {
        VEC_PUSH(&m->heads, object_ref(object));
        return;
    }
    object_unref(m->heads.v[i]);
    m->heads.v[i] = removed ? m->heads.v[--m->heads.n] : object_ref(object);
}

static void api_create(Client *client, Object *object, const WriteOptions *options _unused_,
                       ClientDone done, void *data)
{
    Moments *m = of_client(client);
    const ObjectMeta *meta = object_meta(object);

    if (str_equal(object->kind->kind, "Event")) {
        strmap_put(&m->reasons, OBJECT_AS(Event, object)->reason, m);
        refuse(done, data, STATUS_OK);
    } else if (find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name) !=
               SIZE_MAX) {
        refuse(done, data, STATUS_ALREADY_EXISTS);
    } else {
        commit(m, object, false, done, data);
    }
}

/* The main resource keeps the status, and the status subresource all else. */
static Object *merged(const Object *head, Object *object, const char *subresource)
{
    const Field *status = object->kind->status;
    bool status_write = str_equal(subresource, "status");
    const Object *base = status_write ? head : object, *other = status_write ? object : head;
    Object *copy = object_copy(base);

    if (status)
        type_copy(status->type, &copy->arena, (char *)copy->value + status->offset,
                  (const char *)other->value + status->offset);
    return copy;
}

static void api_update(Client *client, Object *object, const WriteOptions *options, ClientDone done,
                       void *data)
{
    Moments *m = of_client(client);
    const ObjectMeta *meta = object_meta(object);
    size_t i = find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name);
    _object_ Object *next = NULL;

    if (i == SIZE_MAX || !str_equal(object_meta(m->heads.v[i])->uid, meta->uid)) {
        refuse(done, data, i == SIZE_MAX ? STATUS_NOT_FOUND : STATUS_CONFLICT);
        return;
    }
    if (!str_empty(meta->resource_version) &&
        !str_equal(meta->resource_version, object_meta(m->heads.v[i])->resource_version)) {
        refuse(done, data, STATUS_CONFLICT);
        return;
    }
    next = merged(m->heads.v[i], object, options ? options->subresource : NULL);
    commit(m, next,
           object_meta(next)->deletion_timestamp.set && !object_meta(next)->finalizers.n &&
               !str_equal(object->kind->kind, "Pod"),
           done, data);
}

static void api_patch(Client *client _unused_, const Kind *kind _unused_, const char *ns _unused_,
                      const char *name _unused_, PatchType type _unused_, Bytes patch _unused_,
                      const WriteOptions *options _unused_, ClientDone done, void *data)
{
    refuse(done, data, STATUS_NOT_FOUND);
}

static void api_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                       const WriteOptions *options, ClientDone done, void *data)
{
    Moments *m = of_client(client);
    size_t i = find_at(m->heads.v, m->heads.n, kind, ns, name);
    int64_t grace = options && options->grace_seconds ? *options->grace_seconds : 0;
    _object_ Object *copy = NULL;
    ObjectMeta *meta;

    if (i == SIZE_MAX) {
        refuse(done, data, STATUS_NOT_FOUND);
        return;
    }
    if (options && options->precondition_uid &&
        !str_equal(options->precondition_uid, object_meta(m->heads.v[i])->uid)) {
        refuse(done, data, STATUS_CONFLICT);
        return;
    }
    copy = object_copy(m->heads.v[i]);
    meta = object_meta(copy);
    if ((!str_equal(kind->kind, "Pod") || grace == 0) && !meta->finalizers.n) {
        commit(m, m->heads.v[i], true, done, data);
        return;
    }
    if (meta->deletion_timestamp.set && meta->deletion_grace_period_seconds &&
        *meta->deletion_grace_period_seconds <= grace) {
        refuse(done, data, STATUS_OK);
        return;
    }
    meta->deletion_timestamp =
        (Time){.seconds = moment_wall_ns(&m->clock) / NS_PER_SEC + grace, .set = true};
    meta->deletion_grace_period_seconds = arena_int64(&copy->arena, grace);
    commit(m, copy, false, done, data);
}

const ClientOps moments_client_ops = {api_get,    api_list,   api_watch, api_watch_stop,
                                      api_create, api_update, api_patch, api_delete};

void moments_put(Moments *m, const char *json)
{
    static const char *const ignore[] = {"apiVersion", "kind", NULL};
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *object = NULL;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root;

    if (json_parse(&arena, bytes_from_string(json), &doc, &report) != 0)
        abort();
    root = yyjson_doc_get_root(doc);
    object = object_new(kind_find_api_version(yyjson_get_str(yyjson_obj_get(root, "apiVersion")),
                                              yyjson_get_str(yyjson_obj_get(root, "kind"))));
    if (json_decode(object->kind->type, &object->arena, root, DECODE_CHECK_FIELDS, ignore,
                    object->value, &report) != 0 ||
        report.field_errors.n)
        abort();
    type_default(object->kind->type, &object->arena, object->value);
    commit(m, object, false, NULL, NULL);
}

void moments_delete(Moments *m, const char *kind, const char *ns, const char *name, int64_t grace)
{
    api_delete(&m->client, kind_find("", "v1", kind), ns, name,
               &(WriteOptions){.grace_seconds = &grace}, NULL, NULL);
}

Object *moments_edit(Moments *m, const char *kind, const char *ns, const char *name)
{
    size_t i = find_at(m->heads.v, m->heads.n, kind_find("", "v1", kind), ns, name);

    return i == SIZE_MAX ? NULL : object_copy(m->heads.v[i]);
}

void moments_write(Moments *m, Object *object, const char *subresource)
{
    api_update(&m->client, object, &(WriteOptions){.subresource = subresource}, NULL, NULL);
    object_unref(object);
}

Object *moments_get(Moments *m, const char *kind, const char *ns, const char *name)
{
    return api_get(&m->client, kind_find("", "v1", kind), ns, name);
}
