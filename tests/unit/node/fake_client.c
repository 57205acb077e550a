/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json/json.h"
#include "fake_client.h"

struct ClientWatch {
    FakeClient *client;
    const Kind *kind;
    const Selector *fields;
    ClientOnEvent on_event;
    void *data;
    bool stopped;
};

typedef struct Pending {
    WatchEvent event;
    ClientWatch *watch; /* an event for it, or: */
    ClientDone done;
    void *data;
    StatusReason reason;
    Object *object, *before;
} Pending;

struct FakeClient {
    Client client;
    uv_loop_t *loop;
    uv_timer_t timer;
    VEC(Object *) objects;
    VEC(ClientWatch *) watches;
    VEC(Pending) pending;
    uint64_t revision;
};

static FakeClient *fake_of(Client *client)
{
    return CONTAINER_OF(client, FakeClient, client);
}

static void on_pending(uv_timer_t *timer)
{
    FakeClient *f = timer->data;

    for (size_t i = 0; i < f->pending.n; i++) {
        Pending p = f->pending.v[i];

        if (p.watch && !p.watch->stopped) {
            p.event.object = p.object;
            p.event.before = p.before;
            p.watch->on_event(p.watch->data, &p.event);
        } else if (!p.watch && p.done) {
            ApiStatus status = {.reason = p.reason};

            p.done(p.data, &status, p.object);
        }
        object_unref(p.object);
        object_unref(p.before);
    }
    f->pending.n = 0;
}

static void push(FakeClient *f, Pending p)
{
    if (p.object)
        object_ref(p.object);
    if (p.before)
        object_ref(p.before);
    VEC_PUSH(&f->pending, p);
    uv_timer_start(&f->timer, on_pending, 0, 0);
}

static void answer(FakeClient *f, ClientDone done, void *data, StatusReason reason, Object *object)
{
    push(f, (Pending){.done = done, .data = data, .reason = reason, .object = object});
}

static size_t find_at(FakeClient *f, const Kind *kind, const char *ns, const char *name)
{
    for (size_t i = 0; i < f->objects.n; i++) {
        const ObjectMeta *meta = object_meta(f->objects.v[i]);

        if (f->objects.v[i]->kind == kind && str_equal(meta->name, name) &&
            str_equal(meta->namespace, ns))
            return i;
    }
    return SIZE_MAX;
}

static void tell(FakeClient *f, WatchEventType type, Object *object, Object *before)
{
    for (size_t i = 0; i < f->watches.n; i++) {
        ClientWatch *w = f->watches.v[i];

        if (w->stopped || w->kind != object->kind ||
            (w->fields && !selector_matches_fields(w->fields, object)))
            continue;
        push(f, (Pending){.watch = w,
                          .event = {.type = type, .revision = object->revision},
                          .object = object,
                          .before = before});
    }
}

static Object *fake_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    FakeClient *f = fake_of(client);
    size_t i = find_at(f, kind, ns, name);

    return i == SIZE_MAX ? NULL : f->objects.v[i];
}

static uint64_t fake_list(Client *client, const Kind *kind, const ListOptions *options,
                          bool (*each)(void *data, Object *object), void *data)
{
    FakeClient *f = fake_of(client);

    for (size_t i = 0; i < f->objects.n; i++)
        if (f->objects.v[i]->kind == kind &&
            (!options || str_empty(options->ns) ||
             str_equal(object_meta(f->objects.v[i])->namespace, options->ns)))
            if (!each(data, f->objects.v[i]))
                break;
    return f->revision;
}

static ClientWatch *fake_watch(Client *client, const Kind *kind, const ListOptions *options,
                               ClientOnEvent on_event, void *data)
{
    FakeClient *f = fake_of(client);
    ClientWatch *w = mem_new_type(ClientWatch);
    WatchEvent bookmark = {.type = WATCH_BOOKMARK};

    *w = (ClientWatch){f, kind, options ? options->fields : NULL, on_event, data, false};
    VEC_PUSH(&f->watches, w);
    for (size_t i = 0; i < f->objects.n; i++) {
        WatchEvent event = {
            .type = WATCH_ADDED, .object = f->objects.v[i], .revision = f->objects.v[i]->revision};

        if (f->objects.v[i]->kind == kind &&
            (!w->fields || selector_matches_fields(w->fields, f->objects.v[i])))
            on_event(data, &event);
    }
    on_event(data, &bookmark);
    return w;
}

static void fake_watch_stop(ClientWatch *watch)
{
    watch->stopped = true;
}

static void insert(FakeClient *f, Object *object)
{
    object->revision = ++f->revision;
    object->sealed = true;
    VEC_PUSH(&f->objects, object_ref(object));
    tell(f, WATCH_ADDED, object, NULL);
}

static void replace(FakeClient *f, size_t i, Object *object)
{
    Object *before = f->objects.v[i];

    object->revision = ++f->revision;
    object->sealed = true;
    f->objects.v[i] = object_ref(object);
    tell(f, WATCH_MODIFIED, object, before);
    object_unref(before);
}

static void fake_create(Client *client, Object *object, const WriteOptions *options _unused_,
                        ClientDone done, void *data)
{
    insert(fake_of(client), object);
    answer(fake_of(client), done, data, STATUS_OK, object);
}

static void fake_update(Client *client, Object *object, const WriteOptions *options _unused_,
                        ClientDone done, void *data)
{
    FakeClient *f = fake_of(client);
    size_t i = find_at(f, object->kind, object_meta(object)->namespace, object_meta(object)->name);

    if (i == SIZE_MAX) {
        answer(f, done, data, STATUS_NOT_FOUND, NULL);
    } else if (object->revision && object->revision != f->objects.v[i]->revision) {
        answer(f, done, data, STATUS_CONFLICT, NULL);
    } else {
        replace(f, i, object);
        answer(f, done, data, STATUS_OK, object);
    }
}

static void fake_patch(Client *client, const Kind *kind _unused_, const char *ns _unused_,
                       const char *name _unused_, PatchType type _unused_, Bytes patch _unused_,
                       const WriteOptions *options _unused_, ClientDone done, void *data)
{
    answer(fake_of(client), done, data, STATUS_OK, NULL);
}

static void fake_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                        const WriteOptions *options, ClientDone done, void *data)
{
    FakeClient *f = fake_of(client);
    size_t i = find_at(f, kind, ns, name);
    Object *object;

    if (i == SIZE_MAX) {
        answer(f, done, data, STATUS_NOT_FOUND, NULL);
        return;
    }
    object = f->objects.v[i];
    if (str_equal(kind->kind, "Pod") && options && options->grace_seconds &&
        *options->grace_seconds > 0) {
        Object *copy = object_copy(object);

        object_meta(copy)->deletion_timestamp = (Time){.seconds = 1, .set = true};
        object_meta(copy)->deletion_grace_period_seconds =
            arena_int64(&copy->arena, *options->grace_seconds);
        replace(f, i, copy);
        answer(f, done, data, STATUS_OK, copy);
        object_unref(copy);
        return;
    }
    f->objects.v[i] = f->objects.v[--f->objects.n];
    tell(f, WATCH_DELETED, object, object);
    answer(f, done, data, STATUS_OK, object);
    object_unref(object);
}

static const ClientOps fake_ops = {fake_get,    fake_list,   fake_watch, fake_watch_stop,
                                   fake_create, fake_update, fake_patch, fake_delete};

FakeClient *fake_client_new(uv_loop_t *loop)
{
    FakeClient *f = mem_new_type(FakeClient);

    f->client.ops = &fake_ops;
    f->loop = loop;
    f->timer.data = f;
    uv_timer_init(loop, &f->timer);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

FakeClient *fake_client_free(FakeClient *f)
{
    for (size_t i = 0; i < f->pending.n; i++) {
        object_unref(f->pending.v[i].object);
        object_unref(f->pending.v[i].before);
    }
    for (size_t i = 0; i < f->objects.n; i++)
        object_unref(f->objects.v[i]);
    for (size_t i = 0; i < f->watches.n; i++)
        free(f->watches.v[i]);
    VEC_DEINIT(&f->objects);
    VEC_DEINIT(&f->watches);
    VEC_DEINIT(&f->pending);
    uv_close((uv_handle_t *)&f->timer, on_closed);
    return NULL;
}

Client *fake_client(FakeClient *f)
{
    return &f->client;
}

Object *fake_client_put(FakeClient *f, const char *json)
{
    static const char *const ignore[] = {"apiVersion", "kind", NULL};
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root;
    Object *object;
    size_t i;

    if (json_parse(&arena, bytes_from_string(json), &doc, &report) != 0)
        abort();
    root = yyjson_doc_get_root(doc);
    object = object_new(kind_find_api_version(yyjson_get_str(yyjson_obj_get(root, "apiVersion")),
                                              yyjson_get_str(yyjson_obj_get(root, "kind"))));
    if (json_decode(object->kind->type, &object->arena, root, DECODE_CHECK_FIELDS, ignore,
                    object->value, &report) != 0)
        abort();
    type_default(object->kind->type, &object->arena, object->value);
    i = find_at(f, object->kind, object_meta(object)->namespace, object_meta(object)->name);
    if (i == SIZE_MAX)
        insert(f, object);
    else
        replace(f, i, object);
    object_unref(object);
    return object;
}

void fake_client_delete(FakeClient *f, const char *kind, const char *ns, const char *name,
                        int64_t grace)
{
    WriteOptions options = {.grace_seconds = &grace};

    fake_delete(&f->client, kind_find("", "v1", kind), ns, name, &options, NULL, NULL);
}
