/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads, the queue of writes, and what happens when they are durable.
 *
 * Every key has an entry with its committed object and its head. A write is checked against the
 * head, becomes the head, and is queued. `queued` counts these writes, so that an entry exists as
 * long as one is in flight. The text of an object is encoded and packed once, when it is queued:
 * the object keeps the result, and the engine gets the same bytes.
 */
#include "api/kind.h"
#include "store/internal.h"

/* The memory that objects may use in addition to their packed texts, not counting those that are
 * referenced. */
#define POOL_BYTES_MAX (48u << 20)

/* A run-time kind was replaced, or removed, and another one has taken its place. */
static void follow_kind(StoreKind *of, const Kind *kind)
{
    if (!str_equal(of->kind->store_prefix, kind->store_prefix)) {
        ASSERT(of->index.n_entries == 0);
        of->dictionary = NULL;
        of->unlike = of->patience = 0;
    }
    kind_ref(kind);
    kind_unref(of->kind);
    of->kind = kind;
}

StoreKind *store_kind(Store *store, const Kind *kind)
{
    StoreKind *of;

    uint16_t id = kind_store_id(kind);

    if (kind->form)
        kind = kind->form->stored;
    ASSERT(kind->family || kind_is_stored(kind));
    while (store->kinds.n <= id)
        VEC_PUSH(&store->kinds, NULL);
    of = store->kinds.v[id];
    if (!of) {
        of = mem_new_type(StoreKind);
        of->kind = kind_ref(kind);
        list_init(&of->watches);
        list_init(&of->snapshots);
        store->kinds.v[id] = of;
    }
    if (_unlikely_(of->kind != kind))
        follow_kind(of, kind);
    return of;
}

const char *store_format_key(Store *store, const char *ns, const char *name)
{
    strbuf_truncate(&store->key, 0);
    if (!str_empty(ns)) {
        strbuf_add_string(&store->key, ns);
        strbuf_add_char(&store->key, '/');
    }
    strbuf_add_string(&store->key, name);
    return strbuf_string(&store->key);
}

static const char *format_key_of(Store *store, const Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    bool namespaced = object->kind->flags & KIND_NAMESPACED;

    return store_format_key(store, namespaced ? meta->namespace : NULL, meta->name);
}

/* ---- reading ---- */

static StoreEntry *find_entry(Store *store, const Kind *kind, const char *ns, const char *name)
{
    size_t id = kind_store_id(kind);
    StoreKind *of = id < store->kinds.n ? store->kinds.v[id] : NULL;

    if (!of)
        return NULL;
    if (!(kind->flags & KIND_NAMESPACED))
        ns = NULL;
    return index_find(&of->index, store_format_key(store, ns, name));
}

static Object *awake(Object *object)
{
    if (object) {
        (void)object_value(object);
        object->used = true;
    }
    return object;
}

Object *store_get(Store *store, const Kind *kind, const char *ns, const char *name)
{
    StoreEntry *entry = find_entry(store, kind, ns, name);

    return entry ? object_as_form(awake(entry->committed), kind) : NULL;
}

Object *store_peek(Store *store, const Kind *kind, const char *ns, const char *name)
{
    StoreEntry *entry = find_entry(store, kind, ns, name);

    return entry ? object_as_form(entry->committed, kind) : NULL;
}

Object *store_head(Store *store, const Kind *kind, const char *ns, const char *name)
{
    StoreEntry *entry = find_entry(store, kind, ns, name);

    return entry ? object_as_form(awake(entry->head), kind) : NULL;
}

static IndexCursor seek_list(StoreKind *of, const char *prefix, const char *after)
{
    if (!str_empty(after) && strcmp(after, prefix) >= 0)
        return index_seek(&of->index, after, true);
    return index_seek(&of->index, prefix, false);
}

void store_walk(Store *store, const Kind *kind, const char *ns, const char *after,
                bool (*each)(void *data, Object *object), void *data)
{
    bool one_namespace = !str_empty(ns) && (kind->flags & KIND_NAMESPACED);
    _free_ char *prefix = one_namespace ? mem_printf("%s/", ns) : mem_strdup("");
    size_t prefix_length = strlen(prefix);
    StoreKind *of = store_kind(store, kind);
    IndexCursor cursor = seek_list(of, prefix, after);
    StoreEntry *entry;

    while ((entry = index_at(&of->index, &cursor))) {
        if (prefix_length > 0 && strncmp(entry->key, prefix, prefix_length) != 0)
            break;
        if (entry->committed && !each(data, object_as_form(entry->committed, kind)))
            break;
        index_next(&of->index, &cursor, entry);
    }
}

typedef struct Lister {
    bool (*each)(void *data, Object *object);
    void *data;
} Lister;

static bool each_awake(void *data, Object *object)
{
    const Lister *lister = data;

    (void)object_value(object);
    return lister->each(lister->data, object);
}

void store_list(Store *store, const Kind *kind, const char *ns, const char *after,
                bool (*each)(void *data, Object *object), void *data)
{
    Lister lister = {each, data};

    store_walk(store, kind, ns, after, each_awake, &lister);
}

size_t store_size(Store *store, const Kind *kind)
{
    return store_kind(store, kind)->committed;
}

uint64_t store_revision(const Store *store)
{
    return store->revision;
}

/* ---- queueing ---- */

static void seal(Object *object, uint64_t revision)
{
    char text[21];

    ASSERT(!object->sealed);
    object_drop_json(object);
    object->revision = revision;
    uint64_print(revision, text);
    object_meta(object)->resource_version = arena_strdup(&object->arena, text);
    object->sealed = true;
}

static Write *write_new(Store *store, StoreKind *of, StoreEntry *entry, Object *object)
{
    size_t prefix = strlen(of->kind->store_prefix), key = strlen(entry->key);
    Write *write;

    seal(object, ++store->next_revision);
    texts_pack(store, of, object);
    object_pool_add(&store->pool, object);
    write = mem_resize(NULL, sizeof(*write) + prefix + key + 1);
    *write = (Write){.of = of,
                     .entry = entry,
                     .object = object_ref(object),
                     .revision = object->revision,
                     .value = packed_bytes(object->packed)};
    write->key = (char *)(write + 1);
    memcpy(write->key, of->kind->store_prefix, prefix);
    memcpy(write->key + prefix, entry->key, key + 1);
    if (store->text.cap > (1u << 18))
        strbuf_deinit(&store->text);
    return write;
}

static int queue_write(Store *store, StoreKind *of, StoreEntry *entry, Object *given, bool deletion,
                       StoreDone done, void *data)
{
    _object_ Object *object = object_as_stored(given);
    Write *write = write_new(store, of, entry, object);

    if (object != given)
        seal(given, object->revision);
    write->done = done;
    write->data = data;
    write->deletion = deletion;
    write->urgent = deletion || object_meta(object)->deletion_timestamp.set;
    write->created = !entry->head;
    write->id = object->created = entry->head ? entry->head->created : write->revision;
    entry->head = deletion ? NULL : object;
    entry->queued++;
    store->waiting++;
    write_list_push(&store->fresh, write);
    commit_schedule(store);
    return 0;
}

int store_create(Store *store, Object *object, StoreDone done, void *data)
{
    StoreKind *of = store_kind(store, object->kind);
    StoreEntry *entry = index_put(&of->index, format_key_of(store, object));

    if (entry->head)
        return STORE_E_EXISTS;
    return queue_write(store, of, entry, object, false, done, data);
}

/* The entry that an update or a deletion is about, checked. */
static int find_head(Store *store, const Object *object, uint64_t expected, StoreKind **ret_of,
                     StoreEntry **ret)
{
    StoreKind *of = store_kind(store, object->kind);
    StoreEntry *entry = index_find(&of->index, format_key_of(store, object));

    if (!entry || !entry->head)
        return STORE_E_MISSING;
    if (expected != 0 && entry->head->revision != expected)
        return STORE_E_CONFLICT;
    *ret_of = of;
    *ret = entry;
    return 0;
}

int store_update(Store *store, Object *object, uint64_t expected, StoreDone done, void *data)
{
    StoreKind *of;
    StoreEntry *entry;
    int r = find_head(store, object, expected, &of, &entry);

    return r ? r : queue_write(store, of, entry, object, false, done, data);
}

int store_delete(Store *store, Object *last, uint64_t expected, StoreDone done, void *data)
{
    StoreKind *of;
    StoreEntry *entry;
    int r = find_head(store, last, expected, &of, &entry);

    return r ? r : queue_write(store, of, entry, last, true, done, data);
}

/* ---- durable, or not ---- */

/* Removes the entry if it has neither an object nor a write in flight. */
static void settle_entry(StoreKind *of, StoreEntry *entry)
{
    if (entry->queued > 0)
        return;
    entry->head = entry->committed;
    if (!entry->committed)
        index_remove(&of->index, entry);
}

static void apply(Store *store, Write *write)
{
    StoreEntry *entry = write->entry;
    Object *before = TAKE_PTR(entry->committed);
    Change change = {
        .type = write->deletion ? WATCH_DELETED
                : before        ? WATCH_MODIFIED
                                : WATCH_ADDED,
        .revision = write->revision,
        .object = object_keep(write->object),
        .before = before,
    };

    if (before && !list_empty(&write->of->snapshots))
        snapshot_note(write->of, entry->key, before);
    if (!write->deletion)
        entry->committed = object_keep(write->object);
    write->of->committed += (size_t) !!entry->committed - (size_t) !!before;
    entry->queued--;
    settle_entry(write->of, entry);
    store->revision = write->revision;
    store->waiting--;
    /* Callbacks cannot make the window drop the change: only apply() pushes, and it does not nest. */
    window_push(&store->window, change);
    store_define(store, change.object, write->deletion);
    watch_tell(write->of, &change);
    if (write->done)
        write->done(write->data, 0, NULL, write->object);
}

bool store_deliver(Store *store, Batch *batch, size_t max)
{
    bool whole;

    store->depth++;
    for (; batch->writes.first && max > 0; max--) {
        Write *write = batch->writes.first;

        batch->writes.first = write->next;
        if (write->entry)
            apply(store, write);
        else
            store->waiting--;
        write_free(write);
    }
    whole = !batch->writes.first;
    if (whole)
        free(batch);
    /* The delivered objects can be packed again now. */
    store->pool.in_vain = 0;
    if (store->pool.bytes > store->pool.limit)
        commit_cool(store);
    watch_leave(store);
    return whole;
}

void store_roll_back(Store *store, Batch *batch)
{
    /* Nothing else is queued, so an entry's count reaches 0 at its last write. */
    for (Write *write = batch->writes.first; write; write = write->next) {
        store->waiting--;
        if (!write->entry) {
            texts_not_saved(write);
            continue;
        }
        write->entry->queued--;
        settle_entry(write->of, write->entry);
    }
}

void store_answer_refused(Batch *batch)
{
    for (Write *write = batch->writes.first, *next; write; write = next) {
        next = write->next;
        if (write->done)
            write->done(write->data, batch->outcome, batch->err.message, NULL);
        write_free(write);
    }
    free(batch);
}

/* ---- objects at rest ---- */

static void on_pool_full(ObjectPool *pool)
{
    commit_cool(CONTAINER_OF(pool, Store, pool));
}

void store_rest(Store *store)
{
    store->pool.in_vain = 0;
    (void)object_pool_cool(&store->pool, 0, SIZE_MAX);
}

/* ---- open and close ---- */

static void forget(StoreEntry *entry)
{
    object_unkeep(entry->committed);
}

static void store_free(Store *store)
{
    window_deinit(&store->window);
    store_undefine_all(store);
    for (size_t i = 0; i < store->kinds.n; i++) {
        StoreKind *of = store->kinds.v[i];

        if (!of)
            continue;
        ASSERT(list_empty(&of->watches) && list_empty(&of->snapshots));
        index_each(&of->index, forget);
        index_deinit(&of->index);
        kind_unref(of->kind);
        free(of);
    }
    object_pool_deinit(&store->pool);
    texts_deinit(store);
    VEC_DEINIT(&store->kinds);
    VEC_DEINIT(&store->stopped);
    strbuf_deinit(&store->key);
    strbuf_deinit(&store->text);
    free(store);
}

int store_open(struct uv_loop_s *loop, StoreEngine *engine, size_t window, Store **ret, Err *reterr)
{
    Store *store = mem_new_type(Store);
    int r;

    store->engine = engine;
    object_pool_init(&store->pool, POOL_BYTES_MAX, on_pool_full);
    window_init(&store->window, window, 0);
    r = store_load(store, reterr);
    if (r < 0) {
        engine->ops->close(engine);
        store_free(store);
        return ERR_TRACE(r);
    }
    r = commit_start(store, loop);
    if (r < 0) {
        store_close(store);
        return err_set(reterr, -r, "start the store");
    }
    *ret = store;
    return 0;
}

Store *store_close(Store *store)
{
    if (!store)
        return NULL;
    commit_stop(store);
    store->engine->ops->close(store->engine);
    store_free(store);
    return NULL;
}
