/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes of objects by their properties: their owner, their labels, the claims that they mount.
 * Watches keep an index up to date, so a reconcile finds the objects that concern it without looking
 * at all objects of the kind.
 *
 * An index maps texts, the keys, to objects; an object can have any number of keys. They are computed
 * when the object appears or changes. The shared indexes (shared_index_keys) have these keys:
 *
 *     c/UID             objects whose controller owner is UID
 *     l/NS/KEY=VALUE    objects with the label
 *     l/NS/, l/         all objects of the namespace, all objects
 *     o/NS/KEY=VALUE    objects with the label that have no controller owner
 *     o/NS/             objects that have no controller owner
 *     j/NS/NAME         pods whose controller owner is a Job of this name; with an empty NAME, pods
 *                       without a controller owner that still have the finalizer of Jobs
 *     v/NS/NAME         pods that mount the claim
 *     x/NS/KEY=VALUE    pods with a required anti-affinity to pods that have the label and are in
 *                       the namespace (in any namespace if NS is a star)
 *     x/NS/             pods with a required anti-affinity of another form
 *     i/ADDRESS         Services that have the address
 *     r/NS/NAME         volumes that are reserved for the claim
 *     a/                volumes that are not reserved
 *     s/NS/KEY=VALUE    objects whose selector requires the label (the first such requirement)
 *     s/NS/             objects with a selector that requires no single label
 */
#ifndef CONTROL_OBJECT_INDEX_H
#define CONTROL_OBJECT_INDEX_H

#include "api/client.h"
#include "base/arena.h"
#include "base/strmap.h"

typedef struct ObjectList {
    Object **v;
    size_t n;
} ObjectList;

/* An array of the structs of the objects, for example of `const Pod *`: the caller knows the kind. */
void *object_list_values(Arena *arena, ObjectList list);

typedef struct ObjectIndex ObjectIndex;
typedef struct IndexKeys IndexKeys; /* collects the keys of an object */
typedef void (*KeysOf)(const Object *object, IndexKeys *keys);

/* The function that computes the keys of the shared index of a kind; NULL if it has no index. */
KeysOf shared_index_keys(const Kind *kind);

/* Adds a key of the object; adding it twice has no effect. */
void index_key(IndexKeys *keys, const char *format, ...) _printf_(2, 3);

ObjectIndex *object_index_new(KeysOf keys_of);
ObjectIndex *object_index_free(ObjectIndex *index);
void object_index_update(ObjectIndex *index, const WatchEvent *event);
size_t object_index_count(const ObjectIndex *index, const char *key);
/* All objects with the key, ordered by kind, namespace and name. The arena holds them. */
ObjectList object_index_list(const ObjectIndex *index, Arena *arena, const char *key);
/* Calls `each` for all objects with the key, in no particular order and without holding them. The
 * callback must not change the index. */
void object_index_each(const ObjectIndex *index, const char *key,
                       void (*each)(void *data, Object *object), void *data);

/* ---- by labels ---- */

/* Add the keys of an object's labels, of its owner, and of its selector (which may be NULL). */
void index_labels(const ObjectMeta *meta, IndexKeys *keys);
void index_owner(const ObjectMeta *meta, IndexKeys *keys);
void index_selector(const ObjectMeta *meta, const struct LabelSelector *selector, IndexKeys *keys);
/* The objects of a namespace that the selector matches: of all objects with the prefix 'l', of those
 * without a controller owner with the prefix 'o'. */
ObjectList object_index_select(const ObjectIndex *index, Arena *arena, char prefix, const char *ns,
                               const Selector *selector);
/* The first requirement that a label has one of a set of values, or NULL. */
const Requirement *selector_narrow(const Selector *selector);
/* Calls `each` once for every object whose selector may match the labels. The callback has to
 * evaluate the whole selector. */
void object_index_selecting(const ObjectIndex *index, const char *ns, const StringMap *labels,
                            void (*each)(void *data, Object *object), void *data);

#endif
