/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-process client: it reads from the store and makes changes by Writes. Objects are shared,
 * not copied; an object passed to create or update is completed in place unless it is sealed.
 */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/policy_v1.h"
#include "api/selector.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "server/read/read.h"
#include "server/request/decode.h"
#include "server/write/write.h"

typedef struct LocalClient {
    Client client; /* first, so that a Client is one of these */
    ListNode node;
    Server *server;
    User *user;
    ListNode watches;
} LocalClient;

struct ClientWatch {
    ListNode node;
    LocalClient *local;
    StoreWatch *store_watch;
    Arena arena; /* of the selectors */
    const char *ns;
    const Selector *labels, *fields;
    ClientOnEvent on_event;
    void *data;
    bool starting, stopped;
    /* Initial events that are delivered in pieces, one in each turn of the loop: */
    bool pieces;
    const Kind *kind;
    uint64_t began; /* the revision of the store when the watch started */
    StrBuf passed;  /* the key of the last object that was looked at */
    size_t left;    /* how many objects of this piece may still be delivered */
    Timer timer;
};

/* More initial events than this are delivered in pieces of PIECE. */
#define AT_ONCE_MAX 1000
#define PIECE 128

static LocalClient *local_of(Client *client)
{
    return CONTAINER_OF(client, LocalClient, client);
}

/* ---- reading ---- */

static Object *local_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    return store_get(local_of(client)->server->store, kind, ns, name);
}

typedef struct LocalWalk {
    const ListOptions *options;
    bool (*each)(void *data, Object *object);
    void *data;
} LocalWalk;

static bool each_listed(void *data, Object *object)
{
    LocalWalk *walk = data;

    if (!read_matches(object, NULL, walk->options->labels, walk->options->fields))
        return true;
    return walk->each(walk->data, object);
}

static uint64_t local_list(Client *client, const Kind *kind, const ListOptions *options,
                           bool (*each)(void *, Object *), void *data)
{
    static const ListOptions everything = {0};
    Store *store = local_of(client)->server->store;
    LocalWalk walk = {options ? options : &everything, each, data};

    store_list(store, kind, walk.options->ns, NULL, each_listed, &walk);
    return store_revision(store);
}

static bool count_one(void *data, Object *object _unused_)
{
    ++*(size_t *)data;
    return true;
}

static size_t local_count(Client *client, const Kind *kind, const char *ns)
{
    size_t n = 0;

    store_walk(local_of(client)->server->store, kind, ns, NULL, count_one, &n);
    return n;
}

/* ---- watching ---- */

static Selector *selector_copy(Arena *arena, const Selector *from)
{
    Selector *to;

    if (!from)
        return NULL;
    to = arena_new(arena, Selector);
    *to = *from;
    to->v = arena_new_n(arena, Requirement, from->n + 1);
    for (size_t i = 0; i < from->n; i++) {
        Requirement *requirement = &to->v[i];

        *requirement = from->v[i];
        requirement->key = arena_strdup(arena, from->v[i].key);
        requirement->values.v = arena_new_n(arena, const char *, from->v[i].values.n + 1);
        for (size_t k = 0; k < from->v[i].values.n; k++)
            requirement->values.v[k] = arena_strdup(arena, from->v[i].values.v[k]);
    }
    return to;
}

static void client_watch_free(ClientWatch *watch)
{
    list_remove(&watch->node);
    store_watch_stop(watch->store_watch);
    timer_stop(watch->local->server->clock, &watch->timer);
    strbuf_deinit(&watch->passed);
    arena_clear(&watch->arena);
    kind_unref(watch->kind);
    free(watch);
}

static void local_watch_stop(ClientWatch *watch)
{
    watch->stopped = true;
    if (!watch->starting)
        client_watch_free(watch);
}

static const char *format_key(const Object *object, StrBuf *key)
{
    const ObjectMeta *meta = object_meta(object);

    strbuf_truncate(key, 0);
    if (object->kind->flags & KIND_NAMESPACED)
        strbuf_printf(key, "%s/", str_or(meta->namespace, ""));
    strbuf_add_string(key, meta->name);
    return strbuf_string(key);
}

/* Adjusts a change that happens while initial events are still being delivered. An object that the
 * watcher has not received yet is an addition to it, or nothing if it was deleted (false).
 * each_piece then skips what was delivered this way. */
static bool adjust_early(const ClientWatch *watch, WatchEvent *event)
{
    _strbuf_ StrBuf key = STRBUF_INIT;

    if (!event->before || event->before->revision > watch->began ||
        strcmp(format_key(event->object, &key), strbuf_string(&watch->passed)) <= 0)
        return true;
    if (event->type == WATCH_DELETED)
        return false;
    event->type = WATCH_ADDED;
    event->before = NULL;
    return true;
}

static void on_store_event(void *data, const WatchEvent *event)
{
    ClientWatch *watch = data;
    bool now, before;
    WatchEvent seen = *event;

    if (watch->stopped || (watch->pieces && !adjust_early(watch, &seen)))
        return;
    now = read_matches(event->object, watch->ns, watch->labels, watch->fields);
    before = now;
    if (seen.type == WATCH_MODIFIED && seen.before)
        before = read_matches(seen.before, watch->ns, watch->labels, watch->fields);
    if (!now && !before)
        return;
    if (seen.type == WATCH_MODIFIED && now != before)
        seen.type = now ? WATCH_ADDED : WATCH_DELETED;
    watch->on_event(watch->data, &seen);
}

static bool each_initial(void *data, Object *object)
{
    ClientWatch *watch = data;

    if (read_matches(object, NULL, watch->labels, watch->fields))
        watch->on_event(
            watch->data,
            &(WatchEvent){.type = WATCH_ADDED, .object = object, .revision = object->revision});
    return !watch->stopped;
}

/* Objects newer than the start of the watch have been delivered as changes. */
static bool each_piece(void *data, Object *object)
{
    ClientWatch *watch = data;

    format_key(object, &watch->passed);
    if (object->revision <= watch->began)
        each_initial(watch, object);
    return !watch->stopped && --watch->left > 0;
}

static void on_piece(Timer *timer)
{
    ClientWatch *watch = timer->data;
    Store *store = watch->local->server->store;
    const char *after = watch->passed.n ? strbuf_string(&watch->passed) : NULL;
    _free_ char *from = mem_strdup(after);

    watch->left = PIECE;
    watch->starting = true;
    store_list(store, watch->kind, watch->ns, from, each_piece, watch);
    if (!watch->stopped && watch->left > 0) {
        watch->pieces = false;
        watch->on_event(watch->data,
                        &(WatchEvent){.type = WATCH_BOOKMARK, .revision = store_revision(store)});
    }
    watch->starting = false;
    if (watch->stopped)
        client_watch_free(watch);
    else if (watch->pieces)
        timer_start(watch->local->server->clock, timer, 0);
}

static void watch_in_pieces(ClientWatch *watch)
{
    watch->pieces = true;
    watch->timer.on_fire = on_piece;
    watch->timer.data = watch;
    timer_start(watch->local->server->clock, &watch->timer, 0);
}

static ClientWatch *local_watch(Client *client, const Kind *kind, const ListOptions *options,
                                ClientOnEvent on_event, void *data)
{
    LocalClient *local = local_of(client);
    Store *store = local->server->store;
    ClientWatch *watch = mem_new_type(ClientWatch);
    uint64_t revision = store_revision(store);

    watch->local = local;
    watch->on_event = on_event;
    watch->data = data;
    if (options) {
        watch->ns = str_empty(options->ns) ? NULL : arena_strdup(&watch->arena, options->ns);
        watch->labels = selector_copy(&watch->arena, options->labels);
        watch->fields = selector_copy(&watch->arena, options->fields);
    }
    list_append(&local->watches, &watch->node);
    watch->starting = true;
    watch->kind = kind_ref(kind);
    watch->began = revision;
    if (store_size(store, kind) > AT_ONCE_MAX)
        watch_in_pieces(watch);
    else
        store_list(store, kind, watch->ns, NULL, each_initial, watch);
    if (!watch->stopped && !watch->pieces)
        on_event(data, &(WatchEvent){.type = WATCH_BOOKMARK, .revision = revision});
    if (!watch->stopped)
        (void)NEVER(
            store_watch(store, kind, revision, on_store_event, watch, &watch->store_watch) != 0);
    watch->starting = false;
    if (watch->stopped) {
        client_watch_free(watch);
        return NULL;
    }
    return watch;
}

/* ---- writing ---- */

typedef struct LocalDone {
    ClientDone done;
    void *data;
} LocalDone;

static void on_written(Write *write)
{
    LocalDone *local = write->data;

    if (local->done)
        local->done(local->data, &write->status,
                    write->status.reason == STATUS_OK ? write->object : NULL);
}

static Write *start(Client *client, const Kind *kind, const char *ns, const char *name,
                    const WriteOptions *options, ClientDone done, void *data)
{
    LocalClient *local = local_of(client);
    Write *write = write_new(local->server, local->user, kind, ns, name);
    LocalDone *then = arena_new(&write->arena, LocalDone);

    then->done = done;
    then->data = data;
    write->done = on_written;
    write->data = then;
    write->validation = VALIDATION_IGNORE;
    if (!options)
        return write;
    write->subresource = arena_strdup(&write->arena, options->subresource);
    write->manager = arena_strdup(&write->arena, options->field_manager);
    write->dry_run = options->dry_run;
    write->force = options->force;
    write->reform = options->reform;
    write->propagation = arena_strdup(&write->arena, options->propagation);
    write->precondition_uid = arena_strdup(&write->arena, options->precondition_uid);
    write->precondition_revision = arena_strdup(&write->arena, options->precondition_revision);
    if (options->grace_seconds)
        write->grace_seconds = arena_int64(&write->arena, *options->grace_seconds);
    return write;
}

static void take_object(Write *write, Object *object)
{
    write->object = object->sealed ? object_copy(object) : object_ref(object);
}

static void local_create(Client *client, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    const ObjectMeta *meta = object_meta(object);
    bool binding = object->kind == &kind_binding, eviction = object->kind == &kind_eviction;
    Write *write = start(client, binding || eviction ? &kind_pod : object->kind, meta->namespace,
                         meta->name, options, done, data);

    if (binding) {
        write_binding(write, object);
    } else if (eviction) {
        write_eviction(write, object);
    } else {
        take_object(write, object);
        write_create(write);
    }
}

static void local_update(Client *client, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    const ObjectMeta *meta = object_meta(object);
    Write *write = start(client, object->kind, meta->namespace, meta->name, options, done, data);

    take_object(write, object);
    write_update(write);
}

static void local_patch(Client *client, const Kind *kind, const char *ns, const char *name,
                        PatchType type, Bytes patch, const WriteOptions *options, ClientDone done,
                        void *data)
{
    Write *write = start(client, kind, ns, name, options, done, data);

    write_patch(write, type, patch);
}

static void local_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                         const WriteOptions *options, ClientDone done, void *data)
{
    write_delete(start(client, kind, ns, name, options, done, data));
}

static const ClientOps local_ops = {
    .get = local_get,
    .list = local_list,
    .watch = local_watch,
    .watch_stop = local_watch_stop,
    .create = local_create,
    .update = local_update,
    .patch = local_patch,
    .delete = local_delete,
    .count = local_count,
};

Client *server_client(Server *server, const char *user)
{
    LocalClient *local = mem_new_type(LocalClient);

    local->client.ops = &local_ops;
    local->server = server;
    local->user = user_new(user, NULL);
    user_add_group(local->user, "system:masters");
    user_add_group(local->user, "system:authenticated");
    list_init(&local->watches);
    list_append(&server->local_clients, &local->node);
    return &local->client;
}

void local_clients_free(Server *server)
{
    LIST_EACH_SAFE(&server->local_clients, node) {
        LocalClient *local = CONTAINER_OF(node, LocalClient, node);

        LIST_EACH_SAFE(&local->watches, inner)
            client_watch_free(CONTAINER_OF(inner, ClientWatch, node));
        list_remove(&local->node);
        user_unref(local->user);
        free(local);
    }
}
