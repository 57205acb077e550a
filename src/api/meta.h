/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to the metadata of an object: owner references and finalizers. They act on a copy that the
 * caller may change (object_copy, type_copy); the store's objects are immutable. What has to grow is
 * allocated in the arena of that copy. Texts are referenced, not copied.
 */
#ifndef API_META_H
#define API_META_H

#include "api/object.h"

/* The reference with which an object of the kind controls its dependents. */
OwnerReference meta_controller_reference(Arena *arena, const Kind *kind, const ObjectMeta *owner);
void meta_add_owner(Arena *arena, ObjectMeta *meta, OwnerReference owner);
void meta_remove_owner(ObjectMeta *meta, const char *uid);

/* Neither changes anything if the finalizer is already present, or already absent. */
void meta_add_finalizer(Arena *arena, ObjectMeta *meta, const char *name);
void meta_remove_finalizer(ObjectMeta *meta, const char *name);

/* Whether both have the same labels with the same values. */
bool string_map_equal(const StringMap *a,
                      const StringMap *b); /* sorted ones, as objects have them */
bool meta_labels_equal(const ObjectMeta *a, const ObjectMeta *b);

/* Removes every occurrence of the text. */
void string_array_remove(StringArray *array, const char *text);

/* Keeps the object alive until the arena is cleared; returns it. */
Object *arena_hold_object(Arena *arena, Object *object);

#endif
