/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects and their JSON. The JSON text is made at most once a version: resourceVersion is the last
 * thing known about an object, so the text is made after the store has given it.
 */
#include "api/object.h"
#include "codec/json.h"

/* Room for what the usual object holds besides its struct: most need no second block. */
#define CONTENT 512

Object *object_new(const Kind *kind)
{
    Object *o = mem_new_type(Object);

    o->refs = 1;
    o->kind = kind;
    o->arena = ARENA_INIT_SIZE(kind->type->size + CONTENT);
    o->value = arena_alloc(&o->arena, kind->type->size);
    return o;
}

Object *object_copy(const Object *object)
{
    Object *o = mem_new_type(Object);

    o->refs = 1;
    o->kind = object->kind;
    o->revision = object->revision;
    /* What fitted before fits again: one block, unless the caller adds a lot. */
    o->arena = ARENA_INIT_SIZE(MAX_OF(object->arena.total, (size_t)CONTENT));
    o->value = arena_alloc(&o->arena, object->kind->type->size);
    type_copy(object->kind->type, &o->arena, o->value, object->value);
    return o;
}

Object *object_ref(Object *object)
{
    if (object)
        object->refs++;
    return object;
}

Object *object_unref(Object *object)
{
    if (!object)
        return NULL;
    ASSERT(object->refs > 0);
    if (--object->refs)
        return NULL;
    object_drop_json(object);
    arena_clear(&object->arena);
    free(object);
    return NULL;
}

void object_drop_json(Object *object)
{
    free((void *)(uintptr_t)object->json.p);
    object->json = BYTES_NULL;
}

Bytes object_json(Object *object)
{
    ObjectMeta *meta;
    const char *before;
    StrBuf text = STRBUF_INIT;
    char revision[24];

    if (_likely_(object->json.p))
        return object->json;
    meta = object_meta(object);
    before = meta->resource_version;
    if (object->revision) {
        snprintf(revision, sizeof(revision), "%" PRIu64, object->revision);
        meta->resource_version = revision;
    }
    strbuf_reserve(&text, 1024);
    json_encode(object->kind->type, object->value, object->kind->json_prefix, &text);
    strbuf_add_char(&text, '\n');
    meta->resource_version = before;
    if (!object->sealed) {
        /* It may still change: the text is good for this call only, so it lives with the object's
         * arena. */
        Bytes copy = arena_bytes(&object->arena, strbuf_bytes(&text));

        copy.n--;
        strbuf_deinit(&text);
        return copy;
    }
    object->json.n = text.n - 1;
    object->json.p = (uint8_t *)strbuf_take(&text);
    return object->json;
}

Bytes object_json_line(Object *object)
{
    Bytes json = object_json(object);

    json.n++;
    return json;
}

void object_store_json(const Object *object, StrBuf *out)
{
    ObjectMeta *meta = object_meta(object);
    const char *before = meta->resource_version;

    meta->resource_version = NULL;
    json_encode(object->kind->type, object->value, object->kind->json_prefix, out);
    meta->resource_version = before;
}

char *object_key(const Kind *kind, const char *ns, const char *name, Arena *arena)
{
    if (kind->flags & KIND_NAMESPACED)
        return arena_printf(arena, "%s%s/%s", kind->store_prefix, ns ? ns : "", name);
    return arena_printf(arena, "%s%s", kind->store_prefix, name);
}

void *object_as(const Object *object, const Type *type)
{
    ASSERT(object->kind->type == type);
    return object->value;
}

const OwnerReference *meta_controller(const ObjectMeta *meta)
{
    for (size_t i = 0; i < meta->owner_references.n; i++)
        if (meta->owner_references.v[i].controller && *meta->owner_references.v[i].controller)
            return &meta->owner_references.v[i];
    return NULL;
}

bool meta_has_finalizer(const ObjectMeta *meta, const char *name)
{
    for (size_t i = 0; i < meta->finalizers.n; i++)
        if (str_equal(meta->finalizers.v[i], name))
            return true;
    return false;
}

/* The first entry whose key is not below `key`. */
static size_t lower_bound(const StringMap *map, const char *key)
{
    size_t low = 0, high = map->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(map->v[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *string_map_get(const StringMap *map, const char *key)
{
    size_t i = lower_bound(map, key);

    return i < map->n && strcmp(map->v[i].key, key) == 0 ? map->v[i].value : NULL;
}

void string_map_put(Arena *arena, StringMap *map, const char *key, const char *value)
{
    size_t i = lower_bound(map, key);
    StringEntry *v;

    if (i < map->n && strcmp(map->v[i].key, key) == 0) {
        map->v[i].value = arena_strdup(arena, value);
        return;
    }
    v = arena_new_n(arena, StringEntry, map->n + 1);
    if (map->n) {
        memcpy(v, map->v, i * sizeof(*v));
        memcpy(v + i + 1, map->v + i, (map->n - i) * sizeof(*v));
    }
    v[i] = (StringEntry){arena_strdup(arena, key), arena_strdup(arena, value)};
    map->v = v;
    map->n++;
}

void string_map_remove(StringMap *map, const char *key)
{
    size_t i = lower_bound(map, key);

    if (i >= map->n || strcmp(map->v[i].key, key) != 0)
        return;
    memmove(map->v + i, map->v + i + 1, (map->n - i - 1) * sizeof(*map->v));
    map->n--;
}
