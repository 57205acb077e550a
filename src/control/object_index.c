/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each object has an entry that lists its places: the buckets that contain it, and its position in
 * each, so that it can be removed in constant time. A bucket is an unordered array. A removal moves
 * the last element into the gap.
 */
#include "control/object_index.h"

#include "api/meta.h"
#include "base/text_map.h"
#include "base/vec.h"

typedef struct Entry Entry;

typedef struct Bucket {
    char *key;
    VEC(Entry *) entries;
} Bucket;

typedef struct Place {
    Bucket *bucket;
    size_t at;
} Place;

struct Entry {
    Object *object; /* a reference */
    size_t n;
    Place places[];
};

struct ObjectIndex {
    KeysOf keys_of;
    StrMap buckets; /* key -> Bucket */
    StrMap entries; /* kind, namespace and name -> Entry */
};

struct IndexKeys {
    Arena arena;
    TextMap seen;
    VEC(const char *) list;
};

/* ---- keys ---- */

void index_key(IndexKeys *keys, const char *format, ...)
{
    const char *key;
    va_list args;

    va_start(args, format);
    key = arena_vprintf(&keys->arena, format, args);
    va_end(args);
    if (text_map_add(&keys->seen, key))
        VEC_PUSH(&keys->list, key);
}

void index_labels(const ObjectMeta *meta, IndexKeys *keys)
{
    for (size_t i = 0; i < meta->labels.n; i++)
        index_key(keys, "l/%s/%s=%s", str_or(meta->namespace, ""), meta->labels.v[i].key,
                  str_or(meta->labels.v[i].value, ""));
}

void index_owner(const ObjectMeta *meta, IndexKeys *keys)
{
    const OwnerReference *ref = meta_controller(meta);

    if (ref) {
        index_key(keys, "c/%s", str_or(ref->uid, ""));
        return;
    }
    index_key(keys, "o/%s/", str_or(meta->namespace, ""));
    for (size_t i = 0; i < meta->labels.n; i++)
        index_key(keys, "o/%s/%s=%s", str_or(meta->namespace, ""), meta->labels.v[i].key,
                  str_or(meta->labels.v[i].value, ""));
}

void index_selector(const ObjectMeta *meta, const LabelSelector *selector, IndexKeys *keys)
{
    const char *ns = str_or(meta->namespace, "");

    if (!selector)
        return;
    if (selector->match_labels.n) {
        index_key(keys, "s/%s/%s=%s", ns, selector->match_labels.v[0].key,
                  str_or(selector->match_labels.v[0].value, ""));
        return;
    }
    for (size_t i = 0; i < selector->match_expressions.n; i++) {
        const LabelSelectorRequirement *r = &selector->match_expressions.v[i];

        if (!str_equal(r->operator, "In"))
            continue;
        for (size_t k = 0; k < r->values.n; k++)
            index_key(keys, "s/%s/%s=%s", ns, str_or(r->key, ""), str_or(r->values.v[k], ""));
        return;
    }
    index_key(keys, "s/%s/", ns);
}

/* ---- keeping it ---- */

ObjectIndex *object_index_new(KeysOf keys_of)
{
    ObjectIndex *index = mem_new_type(ObjectIndex);

    index->keys_of = keys_of;
    return index;
}

static void entry_free(Entry *entry)
{
    object_unkeep(entry->object);
    free(entry);
}

static void bucket_free(Bucket *bucket)
{
    VEC_DEINIT(&bucket->entries);
    free(bucket->key);
    free(bucket);
}

ObjectIndex *object_index_free(ObjectIndex *index)
{
    if (!index)
        return NULL;
    STRMAP_DEINIT_WITH(&index->entries, entry_free);
    STRMAP_DEINIT_WITH(&index->buckets, bucket_free);
    free(index);
    return NULL;
}

static void take_out(ObjectIndex *index, const Place *place)
{
    Bucket *bucket = place->bucket;
    Entry *last = bucket->entries.v[--bucket->entries.n];

    if (place->at < bucket->entries.n) {
        bucket->entries.v[place->at] = last;
        for (size_t i = 0; i < last->n; i++)
            if (last->places[i].bucket == bucket)
                last->places[i].at = place->at;
    }
    if (bucket->entries.n == 0) {
        strmap_remove(&index->buckets, bucket->key);
        bucket_free(bucket);
    }
}

static void put_in(ObjectIndex *index, Entry *entry, const char *key)
{
    Bucket *bucket = strmap_get(&index->buckets, key);

    if (!bucket) {
        bucket = mem_new_type(Bucket);
        bucket->key = mem_strdup(key);
        strmap_put(&index->buckets, key, bucket);
    }
    entry->places[entry->n++] = (Place){bucket, bucket->entries.n};
    VEC_PUSH(&bucket->entries, entry);
}

static bool same_places(const Entry *entry, const IndexKeys *keys)
{
    if (entry->n != keys->list.n)
        return false;
    for (size_t i = 0; i < entry->n; i++)
        if (!str_equal(entry->places[i].bucket->key, keys->list.v[i]))
            return false;
    return true;
}

void object_index_update(ObjectIndex *index, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    _free_ char *id =
        mem_printf("%u/%s/%s", event->object->kind->id, str_or(meta->namespace, ""), meta->name);
    Entry *entry = strmap_get(&index->entries, id);
    IndexKeys keys = {.list = VEC_INIT};

    keys.seen.arena = &keys.arena;
    if (event->type != WATCH_DELETED)
        index->keys_of(event->object, &keys);
    if (entry && keys.list.n && same_places(entry, &keys)) {
        object_unkeep(entry->object);
        entry->object = object_keep(event->object);
    } else {
        for (size_t i = 0; entry && i < entry->n; i++)
            take_out(index, &entry->places[i]);
        if (entry) {
            strmap_remove(&index->entries, id);
            entry_free(entry);
        }
        if (keys.list.n) {
            entry = mem_new(sizeof(*entry) + keys.list.n * sizeof(*entry->places));
            entry->object = object_keep(event->object);
            strmap_put(&index->entries, id, entry);
        }
        for (size_t i = 0; i < keys.list.n; i++)
            put_in(index, entry, keys.list.v[i]);
    }
    VEC_DEINIT(&keys.list);
    arena_clear(&keys.arena);
}

/* ---- looking ---- */

size_t object_index_count(const ObjectIndex *index, const char *key)
{
    const Bucket *bucket = strmap_get(&index->buckets, key);

    return bucket ? bucket->entries.n : 0;
}

void object_index_each(const ObjectIndex *index, const char *key,
                       void (*each)(void *data, Object *object), void *data)
{
    const Bucket *bucket = strmap_get(&index->buckets, key);

    for (size_t i = 0; bucket && i < bucket->entries.n; i++) {
        (void)object_value(bucket->entries.v[i]->object); /* unpacks it if it is at rest */
        each(data, bucket->entries.v[i]->object);
    }
}

static int compare_objects(const void *a, const void *b)
{
    const Object *x = *(Object *const *)a, *y = *(Object *const *)b;
    const ObjectMeta *m = object_meta(x), *n = object_meta(y);
    int order = x->kind->id - y->kind->id;

    if (order == 0)
        order = strcmp(str_or(m->namespace, ""), str_or(n->namespace, ""));
    return order ? order : strcmp(m->name, n->name);
}

typedef struct Gatherer {
    Arena *arena;
    const Selector *selector; /* NULL: all */
    VEC(Object *) found;
} Gatherer;

static void gather(void *data, Object *object)
{
    Gatherer *gatherer = data;

    if (gatherer->selector &&
        !selector_matches_labels(gatherer->selector, &object_meta(object)->labels))
        return;
    VEC_PUSH(&gatherer->found, arena_hold_object(gatherer->arena, object));
}

static ObjectList gathered(Gatherer *gatherer)
{
    size_t n = gatherer->found.n;
    ObjectList list = {.v = ARENA_COPY_N(gatherer->arena, gatherer->found.v, n), .n = n};

    qsort(list.v, n, sizeof(*list.v), compare_objects);
    VEC_DEINIT(&gatherer->found);
    return list;
}

ObjectList object_index_list(const ObjectIndex *index, Arena *arena, const char *key)
{
    Gatherer gatherer = {.arena = arena};

    object_index_each(index, key, gather, &gatherer);
    return gathered(&gatherer);
}

void *object_list_values(Arena *arena, ObjectList list)
{
    void **values = arena_new_n(arena, void *, list.n + 1);

    for (size_t i = 0; i < list.n; i++)
        values[i] = object_value(list.v[i]);
    return values;
}

/* ---- by labels ---- */

static const char *label_key(Arena *arena, char prefix, const char *ns, const char *key,
                             const char *value)
{
    return arena_printf(arena, "%c/%s/%s=%s", prefix, str_or(ns, ""), key, value);
}

/* How many objects have one of the values that the requirement asks for. */
static size_t count_of(const ObjectIndex *index, Arena *arena, char prefix, const char *ns,
                       const Requirement *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->values.n; i++)
        n += object_index_count(index, label_key(arena, prefix, ns, r->key, r->values.v[i]));
    return n;
}

const Requirement *selector_narrow(const Selector *selector)
{
    for (size_t i = 0; i < selector->n; i++)
        if (selector->v[i].op == SELECTOR_EQUALS || selector->v[i].op == SELECTOR_IN)
            return &selector->v[i];
    return NULL;
}

ObjectList object_index_select(const ObjectIndex *index, Arena *arena, char prefix, const char *ns,
                               const Selector *selector)
{
    Gatherer gatherer = {.arena = arena, .selector = selector};
    const Requirement *best = NULL;
    size_t least = SIZE_MAX;

    if (selector->nothing)
        return gathered(&gatherer);
    for (size_t i = 0; i < selector->n; i++) {
        const Requirement *r = &selector->v[i];
        size_t n;

        if (r->op != SELECTOR_EQUALS && r->op != SELECTOR_IN)
            continue;
        n = count_of(index, arena, prefix, ns, r);
        if (n < least) {
            best = r;
            least = n;
        }
    }
    for (size_t i = 0; best && i < best->values.n; i++)
        if (i == 0 ||
            !str_equal(best->values.v[i - 1],
                       best->values.v[i])) /* the values are sorted, so equal ones are adjacent */
            object_index_each(index, label_key(arena, prefix, ns, best->key, best->values.v[i]),
                              gather, &gatherer);
    if (!best)
        object_index_each(index, arena_printf(arena, "%c/%s/", prefix, str_or(ns, "")), gather,
                          &gatherer);
    return gathered(&gatherer);
}

void object_index_selecting(const ObjectIndex *index, const char *ns, const StringMap *labels,
                            void (*each)(void *data, Object *object), void *data)
{
    _arena_ Arena arena = ARENA_INIT;

    for (size_t i = 0; i < labels->n; i++)
        object_index_each(
            index, label_key(&arena, 's', ns, labels->v[i].key, str_or(labels->v[i].value, "")),
            each, data);
    object_index_each(index, arena_printf(&arena, "s/%s/", str_or(ns, "")), each, data);
}
