/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version of one API object: a struct of its kind in an arena of its own, reference-counted.
 *
 * An Object that the store or a cache holds is immutable. To change it, call object_copy(), change
 * the copy while you hold the only reference, and pass it to the client. metadata is always the
 * first member, so object_meta(o) needs no table. The JSON text of an object is made on first use
 * and shared by all readers.
 *
 * Objects in the store are packed: their compressed JSON text takes a tenth of the memory of struct
 * and text. Struct and text are made from it on access (object_value, object_meta, OBJECT_AS,
 * object_json) and count against the store's ObjectPool. When the pool exceeds its limit, they are
 * freed again, the least recently used first, unless there are references other than those of
 * object_keep. This happens only between two callbacks of the loop, so borrowed pointers stay valid
 * until the loop runs again, or as long as a reference is held.
 */
#ifndef API_OBJECT_H
#define API_OBJECT_H

#include "api/kind.h"
#include "api/schema/meta_v1.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "codec/pack.h"

typedef struct ObjectPool ObjectPool;

struct Object {
    uint32_t refs;  /* loop thread only */
    uint32_t still; /* how many of these belong to holders that do not access the object */
    bool sealed;    /* in the store: no more changes */
    bool used;      /* used since the pool last visited it */
    const Kind *kind;
    uint64_t revision; /* store revision of this version; 0 before it is written */
    /* NULL if the object is only packed, which objects that the caller has created or received from
     * a Client never are. */
    void *value;
    Bytes json;     /* created on first use, malloc'ed; see object_json */
    Packed *packed; /* the packed JSON of an object that is in the store */
    /* The members above fill one line of the processor's cache, and a list reads no others. */
    uint64_t created; /* the revision of its first version; the store's own */
    Arena arena;
    Object *form; /* the same in another form or version of its kind, made on first use, and from
                         there on in further ones */
    ObjectPool *pool; /* NULL: not in one */
    ListNode node;    /* of pool->warm while it has value or json, else of pool->cold */
    size_t warm_bytes;
};

/* The objects of a store, and the memory that they use besides their packed texts. */
struct ObjectPool {
    ListNode warm; /* oldest first */
    ListNode cold;
    size_t n_warm, bytes, limit;
    size_t in_vain; /* the number of objects visited since the last one that could be freed */
    /* Called when bytes exceed the limit; object_pool_cool has to be called later. */
    void (*on_full)(ObjectPool *pool);
};

Object *object_new(const Kind *kind);      /* zeroed value, one reference */
Object *object_copy(const Object *object); /* deep, not sealed, revision kept, one reference */
Object *object_ref(Object *object);
/* The object in another form: as the kind, which is its own, a second form of its own (KindForm), or
 * another version of a run-time kind (KindFamily).
 * Borrowed for as long as the object's value is. NULL stays NULL. */
Object *object_as_form(Object *object, const Kind *kind);
/* The object as it is stored. A new reference. */
Object *object_as_stored(Object *object);
/* The object as one of another version of its run-time kind: what its schema does not know is pruned, and its
 * defaults are filled in. A new reference. */
Object *object_recoded(const Object *object, const Kind *kind);
/* Whether objects of both are stored as the same kind, and such an object as the other one: a new
 * reference. */
bool kind_same_store(const Kind *a, const Kind *b);
Object *object_converted(Object *object, const Kind *kind);
/* An object of the kind whose value is a deep copy. */
Object *object_of(const Kind *kind, const void *value);
Object *object_unref(Object *object); /* NULL is fine; returns NULL */
static inline void object_unrefp(Object **object)
{
    *object = object_unref(*object);
}
#define _object_ _cleanup_(object_unrefp)
/* References of holders that do not access the object, such as caches and queues. Its struct and
 * text may be freed meanwhile. */
static inline Object *object_keep(Object *object)
{
    if (object)
        object->still++;
    return object_ref(object);
}
static inline Object *object_unkeep(Object *object)
{
    if (object)
        object->still--;
    return object_unref(object);
}

void object_wake(const Object *object);
static inline void *object_value(const Object *object)
{
    if (_unlikely_(!object->value))
        object_wake(object);
    return object->value;
}
static inline ObjectMeta *object_meta(const Object *object)
{
    return object_value(object);
}
/* The whole object as JSON, with kind, apiVersion and resourceVersion. The text is kept while the
 * object is referenced or used. */
Bytes object_json(Object *object);
/* Appends the same text from byte `skip` on without keeping it, for callers that visit many
 * objects. */
void object_add_json(Object *object, size_t skip, StrBuf *out);
/* The same with a newline behind it, as answers end. */
Bytes object_json_line(Object *object);
void object_drop_json(Object *object);

/* ---- at rest ---- */

/* Makes an object that consists of its packed text only, and takes the text. NULL with *reterr:
 * the text is not an object of the kind; this is checked only if it was written under another
 * schema. */
Object *object_from_packed(const Kind *kind, Packed *packed, uint64_t revision, Err *reterr);
/* Encodes a sealed object and packs it; `scratch` is room to do that in. */
void object_pack(Object *object, PackDictionary *dictionary, StrBuf *scratch);
void object_pool_init(ObjectPool *pool, size_t limit, void (*on_full)(ObjectPool *pool));
/* Objects that still exist no longer belong to a pool. */
void object_pool_deinit(ObjectPool *pool);
void object_pool_add(ObjectPool *pool, Object *object);
/* Visits up to `max` objects of the pool that have a struct or a text, and frees those that are not
 * in use, until at most `limit` bytes are left. True: there is more to do. Must not be called in a
 * callback that may have borrowed an object. */
bool object_pool_cool(ObjectPool *pool, size_t limit, size_t max);

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
/* Puts all entries whose keys are not there yet. */
void string_map_fill(Arena *arena, StringMap *map, const StringMap *from);

#endif
