/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from texts to pointers for the length of one piece of work: it lies in an arena, and
 * its keys are borrowed. This is what finds duplicates and matches the items of one list with those
 * of another, so that whatever a client can make long is looked at a constant number of times.
 *
 *     TextMap names = TEXT_MAP_INIT(arena);
 *     for (...)
 *         if (!text_map_add(&names, item->name))
 *             fail_duplicate(...);
 *
 * The first few keys are compared one by one, since most lists are short; from there on they are
 * hashed (SipHash with a key of this process, see strmap.h).
 */
#ifndef BASE_TEXT_MAP_H
#define BASE_TEXT_MAP_H

#include "base/arena.h"

enum { TEXT_MAP_FEW = 8 };

typedef struct TextMapSlot {
    const char *key; /* NULL: free */
    size_t length;
    uint64_t hash; /* 0 while there are only a few */
    void *value;
} TextMapSlot;

typedef struct TextMap {
    Arena *arena;
    size_t n, cap; /* cap: of slots, a power of two; 0: the keys are in few */
    TextMapSlot *slots;
    TextMapSlot few[TEXT_MAP_FEW];
} TextMap;

#define TEXT_MAP_INIT(a) \
    {                    \
        .arena = (a)     \
    }

/* The slot of the key, or NULL. It stays valid until the next key is put. */
TextMapSlot *text_map_find_n(const TextMap *map, const char *key, size_t length);
/* The slot of the key, made with value NULL where there was none. The map keeps `key` itself. */
TextMapSlot *text_map_put_n(TextMap *map, const char *key, size_t length, bool *ret_new);

/* NULL as a key is the same as "". */
static inline bool text_map_has(const TextMap *map, const char *key)
{
    return text_map_find_n(map, key ? key : "", key ? strlen(key) : 0);
}
/* False: it was there already. */
static inline bool text_map_add(TextMap *map, const char *key)
{
    bool is_new;

    text_map_put_n(map, key ? key : "", key ? strlen(key) : 0, &is_new);
    return is_new;
}
static inline void *text_map_get(const TextMap *map, const char *key)
{
    const TextMapSlot *slot = text_map_find_n(map, key ? key : "", key ? strlen(key) : 0);

    return slot ? slot->value : NULL;
}
/* The same for a key of several texts, such as a port and its protocol. c may be NULL. */
bool text_map_add_joined(TextMap *map, const char *a, const char *b, const char *c);
/* Of equal keys the first stays. */
static inline void text_map_put_first(TextMap *map, const char *key, void *value)
{
    bool is_new;
    TextMapSlot *slot = text_map_put_n(map, key ? key : "", key ? strlen(key) : 0, &is_new);

    if (is_new)
        slot->value = value;
}

#endif
