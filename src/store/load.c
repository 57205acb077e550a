/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the state at start: the engine's keys and packed texts become objects, and its log fills
 * the window, so that watches can continue after a restart. Objects stay packed, so even a large
 * state loads quickly. Keys of unknown kinds stay in the engine, untouched.
 *
 * Databases of version 2 have JSON without resourceVersion in place of packed texts; it is decoded
 * and packed here, and stays as it is in the engine until the object changes.
 */
#include "base/strmap.h"
#include "codec/json/json.h"
#include "store/internal.h"

static const char *const ignored[] = {"apiVersion", "kind", NULL};

typedef struct Loader {
    Store *store;
    Err *reterr;
    StrMap newest;    /* of the log: key -> its newest version so far, referenced */
    const Kind *hint; /* keys come in order: the kind of the last one is likely that of the next */
    VEC(StoreRecord) strangers; /* of kinds that are unknown so far; copies */
} Loader;

/* Does the key belong to the kind? "services/specs/x" is no key of a kind at "services/". */
static const char *match_kind(const Kind *kind, const char *key)
{
    const char *rest;

    if (!kind_is_stored(kind) || !str_starts_with(key, kind->store_prefix))
        return NULL;
    rest = key + strlen(kind->store_prefix);
    return !!strchr(rest, '/') == !!(kind->flags & KIND_NAMESPACED) ? rest : NULL;
}

static const Kind *find_kind(Loader *loader, const char *key)
{
    if (loader->hint && match_kind(loader->hint, key))
        return loader->hint;
    KIND_EACH(kind) {
        if (match_kind(kind, key)) {
            loader->hint = kind;
            return kind;
        }
    }
    return NULL;
}

static int refuse(Loader *loader, const char *key, const char *why)
{
    return err_set(loader->reterr, 0, "the stored object %s cannot be read: %s", key,
                   str_or(why, "it is damaged"));
}

/* JSON, as version 2 wrote it. */
static int decode(Loader *loader, const Kind *kind, const char *key, Bytes text, uint64_t revision,
                  Object **ret)
{
    _object_ Object *object = object_new(kind);
    _arena_ Arena scratch = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;

    if (json_parse(&scratch, text, &doc, &report) != 0)
        return refuse(loader, key, report.error);
    if (json_decode(kind->type, &object->arena, yyjson_doc_get_root(doc), 0, ignored, object->value,
                    &report) != 0)
        return refuse(loader, key, report.error);
    object->revision = revision;
    object_meta(object)->resource_version = arena_printf(&object->arena, "%" PRIu64, revision);
    object->sealed = true;
    object_pack(object, store_kind(loader->store, kind)->dictionary, &loader->store->text);
    *ret = TAKE_PTR(object);
    return 0;
}

static int read_object(Loader *loader, const Kind *kind, const char *key, Bytes value,
                       uint64_t revision, Object **ret)
{
    Err err = ERR_INIT;
    Packed *packed;
    int r = 0;

    if (value.n > 0 && value.p[0] == '{') {
        r = decode(loader, kind, key, value, revision, ret);
    } else {
        packed = texts_read(loader->store, value);
        *ret = packed ? object_from_packed(kind, packed, revision, &err) : NULL;
        if (!*ret)
            return refuse(loader, key, err.message);
    }
    if (r >= 0)
        object_pool_add(&loader->store->pool, *ret);
    return ERR_TRACE(r);
}

/* The record is the engine's only during the call, so its key and its value are copied behind one another. */
static void keep_stranger(Loader *loader, const StoreRecord *record)
{
    size_t key_n = strlen(record->key) + 1;
    char *copy = mem_new(key_n + record->value.n);
    StoreRecord own = *record;

    memcpy(copy, record->key, key_n);
    if (record->value.n)
        memcpy(copy + key_n, record->value.p, record->value.n);
    own.key = copy;
    own.value = (Bytes){(uint8_t *)copy + key_n, record->value.n};
    VEC_PUSH(&loader->strangers, own);
}

static int load_object(void *data, const StoreRecord *record)
{
    Loader *loader = data;
    const Kind *kind = find_kind(loader, record->key);
    StoreEntry *entry;
    StoreKind *of;
    Object *object;
    int r;

    if (!kind) {
        if (!texts_load(loader->store, record))
            keep_stranger(loader, record);
        return 0;
    }
    r = read_object(loader, kind, record->key, record->value, record->revision, &object);
    if (r < 0)
        return ERR_TRACE(r);
    object->created = record->id;
    of = store_kind(loader->store, kind);
    entry = index_put(&of->index, match_kind(kind, record->key));
    if (entry->committed) {
        object_unref(object);
        return refuse(loader, record->key, "it is there twice");
    }
    object->still = 1;
    entry->committed = entry->head = object;
    of->committed++;
    return 0;
}

/* Tries the records of unknown kinds again, when all definitions of kinds have been read. */
static int load_strangers(Loader *loader)
{
    int r = 0;

    store_define_loaded(loader->store);
    loader->hint = NULL;
    for (size_t i = 0; r == 0 && i < loader->strangers.n; i++) {
        const StoreRecord *record = &loader->strangers.v[i];

        if (find_kind(loader, record->key))
            r = load_object(loader, record);
        else
            (void)texts_load(loader->store, record);
    }
    return ERR_TRACE(r);
}

static void forget_strangers(Loader *loader)
{
    for (size_t i = 0; i < loader->strangers.n; i++)
        free((void *)(uintptr_t)loader->strangers.v[i].key);
    VEC_DEINIT(&loader->strangers);
}

static int load_change(void *data, const StoreRecord *record)
{
    Loader *loader = data;
    Window *window = &loader->store->window;
    const Kind *kind = find_kind(loader, record->key);
    bool deletion = !record->value.p;
    Bytes text = deletion ? record->last : record->value;
    StoreEntry *entry;
    Object *object, *before;
    Change change;

    if (!kind || !text.p)
        return 0;
    entry = index_find(&store_kind(loader->store, kind)->index, match_kind(kind, record->key));
    if (entry && entry->committed->revision == record->revision) {
        object = object_keep(entry->committed);
    } else {
        int r = read_object(loader, kind, record->key, text, record->revision, &object);

        if (r < 0)
            return ERR_TRACE(r);
        object->still = 1;
    }
    before = deletion ? strmap_remove(&loader->newest, record->key)
                      : strmap_put(&loader->newest, record->key, object_keep(object));
    change = (Change){
        .type = deletion          ? WATCH_DELETED
                : record->created ? WATCH_ADDED
                                  : WATCH_MODIFIED,
        .revision = record->revision,
        .object = object,
        .before = before,
    };
    window_push(window, change);
    return 0;
}

int store_load(Store *store, Err *reterr)
{
    Loader loader = {.store = store, .reterr = reterr, .strangers = VEC_INIT};
    uint64_t oldest = 0;
    int r;

    r = store->engine->ops->load(store->engine, load_object, &loader, &store->revision, reterr);
    if (r == 0)
        r = load_strangers(&loader);
    forget_strangers(&loader);
    if (r < 0)
        return ERR_TRACE(r);
    store->next_revision = store->revision;
    r = store->engine->ops->load_log(store->engine, load_change, &loader, &oldest, reterr);
    STRMAP_DEINIT_WITH(&loader.newest, object_unkeep);
    if (r < 0)
        return ERR_TRACE(r);
    store->window.oldest = MAX_OF(store->window.oldest, oldest);
    return 0;
}
