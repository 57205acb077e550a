/* SPDX-License-Identifier: Apache-2.0 */
/* Making objects, and small queries. Their texts are in object_text.c. */
#include "api/object.h"

/* Room for the strings and lists of a typical object, so that most objects need no second block. */
#define CONTENT 512

Object *object_new(const Kind *kind)
{
    Object *o = mem_new_type(Object);

    o->refs = 1;
    o->kind = kind_ref(kind);
    o->arena = ARENA_INIT_SIZE(kind->type->size + CONTENT);
    o->value = arena_alloc(&o->arena, kind->type->size);
    return o;
}

Object *object_of(const Kind *kind, const void *value)
{
    Object *object = object_new(kind);

    type_copy(kind->type, &object->arena, object->value, value);
    return object;
}

Object *object_copy(const Object *object)
{
    Object *o = mem_new_type(Object);

    o->refs = 1;
    o->kind = kind_ref(object->kind);
    o->revision = object->revision;
    /* The copy needs as much as the original: one block, unless the caller adds a lot. */
    o->arena = ARENA_INIT_SIZE(MAX_OF(object->arena.total, (size_t)CONTENT));
    o->value = arena_alloc(&o->arena, object->kind->type->size);
    type_copy(object->kind->type, &o->arena, o->value, object_value(object));
    return o;
}

/* ---- forms ---- */

typedef void (*Convert)(Arena *arena, const void *value, void *ret);

static Object *convert(Object *object, const Kind *kind, Convert by)
{
    _arena_ Arena scratch = ARENA_INIT;
    void *shallow = arena_alloc(&scratch, kind->type->size);

    by(&scratch, object_value(object), shallow);
    return object_of(kind, shallow);
}

/* Forms in versions of the kind that have been replaced meanwhile are given up. */
static Object *find_form(Object *object, const Kind *kind)
{
    Object **at = &object->form;

    while (*at && (*at)->kind != kind) {
        Object *form = *at;

        if (kind_is_current(form->kind)) {
            at = &form->form;
        } else {
            *at = TAKE_PTR(form->form);
            object_unref(form);
        }
    }
    return *at;
}

Object *object_as_form(Object *object, const Kind *kind)
{
    Object *form;

    if (!object || object->kind == kind)
        return object;
    ASSERT(kind->family || (kind->form && kind->form->stored == object->kind));
    (void)object_value(object);
    form = find_form(object, kind);
    if (form)
        return form;
    form = kind->family ? object_recoded(object, kind)
                        : convert(object, kind, kind->form->from_stored);
    form->revision = object->revision;
    form->created = object->created;
    form->sealed = true;
    form->form = object->form;
    object->form = form;
    return form;
}

Object *object_as_stored(Object *object)
{
    const Kind *kind = object->kind;
    const KindFamily *family;

    if (kind->form)
        return convert(object, kind->form->stored, kind->form->to_stored);
    if (!kind->family)
        return object_ref(object);
    family = kind_family_find(kind->group, kind->plural);
    if (!family || family->stored == kind)
        return object_ref(object);
    return object_recoded(object, family->stored);
}

bool kind_same_store(const Kind *a, const Kind *b)
{
    return kind_store_id(a) == kind_store_id(b);
}

Object *object_converted(Object *object, const Kind *kind)
{
    _object_ Object *stored = NULL;

    ASSERT(kind_same_store(object->kind, kind));
    if (object->kind == kind)
        return object_ref(object);
    if (kind->family)
        return object_recoded(object, kind);
    stored = object_as_stored(object);
    return kind->form ? convert(stored, kind, kind->form->from_stored) : object_ref(stored);
}

Object *object_ref(Object *object)
{
    if (object)
        object->refs++;
    return object;
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
    return object_value(object);
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

void string_map_fill(Arena *arena, StringMap *map, const StringMap *from)
{
    StringMap all = {.v = from->n ? arena_new_n(arena, StringEntry, map->n + from->n) : NULL};
    size_t i = 0, j = 0;

    if (from->n == 0)
        return;
    while (i < map->n || j < from->n) { /* both are in order */
        int order = i == map->n ? 1 : j == from->n ? -1 : strcmp(map->v[i].key, from->v[j].key);

        if (order > 0)
            all.v[all.n++] = (StringEntry){arena_strdup(arena, from->v[j].key),
                                           arena_strdup(arena, from->v[j].value)};
        else
            all.v[all.n++] = map->v[i++];
        j += order >= 0;
    }
    *map = all;
}

void string_map_remove(StringMap *map, const char *key)
{
    size_t i = lower_bound(map, key);

    if (i >= map->n || strcmp(map->v[i].key, key) != 0)
        return;
    memmove(map->v + i, map->v + i + 1, (map->n - i - 1) * sizeof(*map->v));
    map->n--;
}
