/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by what they say: whose they are, which labels they have, which claim they mount. Watches
 * keep an index up to date, so that a reconcile finds the objects that concern it without looking
 * at all that there are.
 *
 * An object stands under any number of keys, which are texts; the index takes them from the object
 * when it comes and drops them when it changes or goes. The shared indexes (index_of) have these:
 *
 *     c/UID             the controller owner is UID
 *     l/NS/KEY=VALUE    has the label
 *     l/NS/, l/         is in the namespace, is there
 *     o/NS/KEY=VALUE    has the label, and no controller owner
 *     o/NS/             has no controller owner
 *     j/NS/NAME         a pod whose controller owner is a Job of the name; NAME "" : has none, but
 *                       the finalizer of Jobs
 *     v/NS/NAME         a pod that mounts the claim
 *     x/NS/KEY=VALUE    a pod that may not be placed beside pods of the namespace (or of all, where
 *                       NS is a star) that have the label
 *     x/NS/             or beside such that it describes in another way
 *     r/NS/NAME         a volume that is reserved for the claim
 *     a/                a volume that is reserved for nobody
 *     s/NS/KEY=VALUE    selects by a label that has to be so (the selector's first such)
 *     s/NS/             selects in another way
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

/* The keys of the shared index of a kind; NULL: it has none. */
KeysOf shared_index_keys(const Kind *kind);

void index_key(IndexKeys *keys, const char *format, ...) _printf_(2, 3);

ObjectIndex *object_index_new(KeysOf keys_of);
ObjectIndex *object_index_free(ObjectIndex *index);
void object_index_update(ObjectIndex *index, const WatchEvent *event);
size_t object_index_count(const ObjectIndex *index, const char *key);
/* All under the key, ordered by kind, namespace and name. The arena holds them. */
ObjectList object_index_list(const ObjectIndex *index, Arena *arena, const char *key);
/* The same in no order, without holding them: for a look that changes nothing. */
void object_index_each(const ObjectIndex *index, const char *key,
                       void (*each)(void *data, Object *object), void *data);

/* ---- by labels ---- */

/* Keys for an object that has labels, may be owned, and (selector not NULL) selects others. */
void index_labels(const ObjectMeta *meta, IndexKeys *keys);
void index_owner(const ObjectMeta *meta, IndexKeys *keys);
void index_selector(const ObjectMeta *meta, const struct LabelSelector *selector, IndexKeys *keys);
/* Of a namespace those that the selector matches; prefix 'l': all, 'o': without a controller. */
ObjectList object_index_select(const ObjectIndex *index, Arena *arena, char prefix, const char *ns,
                               const Selector *selector);
/* The first requirement that a label must have one of some values; NULL: there is none. */
const Requirement *selector_narrow(const Selector *selector);
/* Calls each once for every object that may select these labels; it has to look closer. */
void object_index_selecting(const ObjectIndex *index, const char *ns, const StringMap *labels,
                            void (*each)(void *data, Object *object), void *data);

#endif
