/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta.h"

OwnerReference meta_controller_reference(Arena *arena, const Kind *kind, const ObjectMeta *owner)
{
    return (OwnerReference){
        .api_version = kind->api_version,
        .kind = kind->kind,
        .name = owner->name,
        .uid = owner->uid,
        .controller = arena_bool(arena, true),
        .block_owner_deletion = arena_bool(arena, true),
    };
}

void meta_add_owner(Arena *arena, ObjectMeta *meta, OwnerReference owner)
{
    ARENA_APPEND(arena, &meta->owner_references, owner);
}

void meta_remove_owner(ObjectMeta *meta, const char *uid)
{
    OwnerReferenceArray *owners = &meta->owner_references;
    size_t n = 0;

    for (size_t i = 0; i < owners->n; i++)
        if (!str_equal(owners->v[i].uid, uid))
            owners->v[n++] = owners->v[i];
    owners->n = n;
}

void string_array_remove(StringArray *array, const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < array->n; i++)
        if (!str_equal(array->v[i], text))
            array->v[n++] = array->v[i];
    array->n = n;
}

void meta_add_finalizer(Arena *arena, ObjectMeta *meta, const char *name)
{
    if (!meta_has_finalizer(meta, name))
        ARENA_APPEND(arena, &meta->finalizers, name);
}

void meta_remove_finalizer(ObjectMeta *meta, const char *name)
{
    string_array_remove(&meta->finalizers, name);
}

bool string_map_equal(const StringMap *a, const StringMap *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) /* both are sorted by key */
        if (!str_equal(a->v[i].key, b->v[i].key) || !str_equal(a->v[i].value, b->v[i].value))
            return false;
    return true;
}

bool meta_labels_equal(const ObjectMeta *a, const ObjectMeta *b)
{
    return string_map_equal(&a->labels, &b->labels);
}

static void release_object(void *object)
{
    object_unref(object);
}

Object *arena_hold_object(Arena *arena, Object *object)
{
    arena_link(arena, release_object, object_ref(object));
    return object;
}
