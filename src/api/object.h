/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version of one API object: a struct of its kind in an arena of its own, reference-counted.
 *
 * An Object that the store or a cache holds is immutable: whoever wants a change takes
 * object_copy(), changes the copy while it has the only reference, and hands it to the client.
 * metadata is always the first member, so object_meta(o) needs no table. JSON of the object is made
 * once, on first use, and shared by all readers.
 */
#ifndef API_OBJECT_H
#define API_OBJECT_H

#include "api/generated.h"
#include "api/kind.h"
#include "base/arena.h"
#include "base/strbuf.h"

struct Object {
    uint32_t refs; /* loop thread only */
    bool sealed;   /* in the store: no more changes */
    const Kind *kind;
    uint64_t revision; /* store revision of this version; 0 before it is written */
    uint64_t created;  /* the same of its first version; the store's own */
    void *value;
    Arena arena;
    Bytes json; /* lazily made, malloc'ed; see object_json */
};

Object *object_new(const Kind *kind);      /* zeroed value, one reference */
Object *object_copy(const Object *object); /* deep, not sealed, revision kept, one reference */
Object *object_ref(Object *object);
Object *object_unref(Object *object); /* NULL is fine; returns NULL */
static inline void object_unrefp(Object **object)
{
    *object = object_unref(*object);
}
#define _object_ _cleanup_(object_unrefp)

static inline ObjectMeta *object_meta(const Object *object)
{
    return object->value;
}
/* The whole object as JSON with kind, apiVersion and resourceVersion; kept until the object goes.
 */
Bytes object_json(Object *object);
/* The same with the newline that ends an answer; it always stands behind the text. */
Bytes object_json_line(Object *object);
void object_drop_json(Object *object);
/* The JSON that the store holds: no resourceVersion. */
void object_store_json(const Object *object, StrBuf *out);
/* "/registry/pods/default/web-0" */
char *object_key(const Kind *kind, const char *ns, const char *name, Arena *arena);

/* Typed access: OBJECT_AS(Pod, object)->spec.containers. The kind is checked. */
#define OBJECT_AS(T, object) ((T *)object_as((object), &type_##T))
void *object_as(const Object *object, const Type *type);

/* The controller owner reference, or NULL. */
const OwnerReference *meta_controller(const ObjectMeta *meta);
bool meta_has_finalizer(const ObjectMeta *meta, const char *name);
const char *string_map_get(const StringMap *map, const char *key); /* NULL: not there */
/* Puts or replaces, keeping the order of keys. */
void string_map_put(Arena *arena, StringMap *map, const char *key, const char *value);
void string_map_remove(StringMap *map, const char *key);

#endif
