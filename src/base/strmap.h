/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from strings to pointers (open addressing, SipHash with a key of this process, so that
 * foreign names cannot be chosen to collide). Keys are copied. Iteration order is unspecified.
 */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H

#include "base/base.h"

typedef struct StrMapSlot {
    char *key; /* NULL: free */
    void *value;
    uint64_t hash;
} StrMapSlot;

typedef struct StrMap {
    StrMapSlot *slots;
    size_t n, cap; /* cap is a power of two or 0 */
} StrMap;

#define STRMAP_INIT ((StrMap){0})

void strmap_deinit(StrMap *map);                             /* frees keys, not values */
void *strmap_get(const StrMap *map, const char *key);        /* NULL: not there */
void *strmap_put(StrMap *map, const char *key, void *value); /* the value before, or NULL */
void *strmap_remove(StrMap *map, const char *key);           /* the value removed, or NULL */

/* STRMAP_EACH(&map, slot) { slot->key, slot->value }: do not change the map meanwhile. */
#define STRMAP_EACH(map, slot)                                                              \
    for (StrMapSlot *slot = (map)->slots; slot && slot < (map)->slots + (map)->cap; slot++) \
        if (slot->key)

/* As strmap_deinit; free_value, a function or a macro, is called with each value. */
#define STRMAP_DEINIT_WITH(map, free_value) \
    do {                                    \
        STRMAP_EACH(map, slot)              \
            free_value(slot->value);        \
        strmap_deinit(map);                 \
    } while (false)

uint64_t hash_bytes(const void *p, size_t n);

#endif
