/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version of one API object: a struct of its kind in an arena of its own, reference-counted.
 *
 * An Object that the store or a cache holds is immutable: whoever wants a change takes
 * object_copy(), changes the copy while it has the only reference, and hands it to the client.
 * metadata is always the first member, so object_meta(o) needs no table. JSON of the object is made
 * on first use and shared by all readers.
 *
 * What the store holds is kept packed: its JSON text, compressed, a tenth of what struct and text
 * take. Struct and text are made of that when somebody looks (object_value, object_meta, OBJECT_AS,
 * object_json), count against the store's ObjectPool, and go again, those not used for longest
 * first, while nobody but holders at rest (object_keep) has the object. That happens between two
 * callbacks of the loop only, so what was borrowed stays good as long as it always did: until the
 * loop runs again, or as long as the reference is held.
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
    uint32_t still; /* of these, of holders at rest */
    bool sealed;    /* in the store: no more changes */
    bool used;      /* since the pool last came by */
    const Kind *kind;
    uint64_t revision; /* store revision of this version; 0 before it is written */
    void *value;    /* NULL: at rest. Never so in what one has made oneself, or got of a Client */
    Bytes json;     /* lazily made, malloc'ed; see object_json */
    Packed *packed; /* of what is in the store: its JSON */
    /* That was one line of the processor's cache, and all that a list reads. */
    uint64_t created; /* the revision of its first version; the store's own */
    Arena arena;
    ObjectPool *pool; /* NULL: not in one */
    ListNode node;    /* of pool->warm while it has value or json, else of pool->cold */
    size_t warm_bytes;
};

/* A store's objects, and what they take beside their packed texts. */
struct ObjectPool {
    ListNode warm; /* oldest first */
    ListNode cold;
    size_t n_warm, bytes, limit;
    size_t in_vain;                    /* looked at since the last that could go to rest */
    void (*on_full)(ObjectPool *pool); /* bytes exceed limit: object_pool_cool is due, later */
};

Object *object_new(const Kind *kind);      /* zeroed value, one reference */
Object *object_copy(const Object *object); /* deep, not sealed, revision kept, one reference */
Object *object_ref(Object *object);
/* An object of the kind whose value is a deep copy. */
Object *object_of(const Kind *kind, const void *value);
Object *object_unref(Object *object); /* NULL is fine; returns NULL */
static inline void object_unrefp(Object **object)
{
    *object = object_unref(*object);
}
#define _object_ _cleanup_(object_unrefp)
/* References of holders that do not look at the object while they hold it, such as caches and
 * queues: it may go to rest. */
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
/* The whole object as JSON with kind, apiVersion and resourceVersion; kept while the object is
 * referenced or used. */
Bytes object_json(Object *object);
/* Appends the same from its byte `skip` on, without keeping it: for those who go through many. */
void object_add_json(Object *object, size_t skip, StrBuf *out);
/* The same with the newline that ends an answer; it always stands behind the text. */
Bytes object_json_line(Object *object);
void object_drop_json(Object *object);

/* ---- at rest ---- */

/* An object that is nothing but its packed text, which it takes. NULL with *reterr: the text is no
 * object of the kind. It is only looked at where it was written under another schema. */
Object *object_from_packed(const Kind *kind, Packed *packed, uint64_t revision, Err *reterr);
/* Encodes a sealed object and packs it; `scratch` is room to do that in. */
void object_pack(Object *object, PackDictionary *dictionary, StrBuf *scratch);
void object_pool_init(ObjectPool *pool, size_t limit, void (*on_full)(ObjectPool *pool));
/* Objects that are left are on their own. */
void object_pool_deinit(ObjectPool *pool);
void object_pool_add(ObjectPool *pool, Object *object);
/* Looks at up to `max` of the warm objects and sends those to rest that can go, until no more than
 * `limit` bytes are left. True: there is more to do. Never within a callback that may have borrowed
 * an object. */
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
