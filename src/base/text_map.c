/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most three quarters full. Nothing is ever removed. */
#include "base/text_map.h"

#include "base/strmap.h"

static bool is_key(const TextMapSlot *slot, const char *key, size_t length, uint64_t hash)
{
    return slot->hash == hash && slot->length == length && memcmp(slot->key, key, length) == 0;
}

/* The slot that holds the key, or the free slot in which to put it. */
static TextMapSlot *find_slot(const TextMap *map, const char *key, size_t length, uint64_t hash)
{
    size_t mask = map->cap - 1, i = hash & mask;

    while (map->slots[i].key && !is_key(&map->slots[i], key, length, hash))
        i = (i + 1) & mask;
    return &map->slots[i];
}

static void grow(TextMap *map)
{
    const TextMapSlot *old = map->cap ? map->slots : map->few;
    size_t n = map->cap ? map->cap : map->n;

    map->cap = map->cap ? map->cap * 2 : TEXT_MAP_FEW * 4;
    map->slots = arena_new_n(map->arena, TextMapSlot, map->cap);
    for (size_t i = 0; i < n; i++) {
        uint64_t hash;

        if (!old[i].key)
            continue;
        hash = old == map->few ? hash_bytes(old[i].key, old[i].length) : old[i].hash;
        for (size_t at = hash & (map->cap - 1);; at = (at + 1) & (map->cap - 1)) {
            if (map->slots[at].key)
                continue;
            map->slots[at] = old[i];
            map->slots[at].hash = hash;
            break;
        }
    }
}

TextMapSlot *text_map_find_n(const TextMap *map, const char *key, size_t length)
{
    TextMapSlot *slot;

    if (map->cap == 0) {
        for (size_t i = 0; i < map->n; i++)
            if (is_key(&map->few[i], key, length, 0))
                return (TextMapSlot *)(uintptr_t)&map->few[i];
        return NULL;
    }
    slot = find_slot(map, key, length, hash_bytes(key, length));
    return slot->key ? slot : NULL;
}

TextMapSlot *text_map_put_n(TextMap *map, const char *key, size_t length, bool *ret_new)
{
    TextMapSlot *slot;
    uint64_t hash = 0;

    *ret_new = false;
    if (map->cap == 0) {
        slot = text_map_find_n(map, key, length);
        if (slot)
            return slot;
        if (map->n < TEXT_MAP_FEW) {
            *ret_new = true;
            map->few[map->n] = (TextMapSlot){.key = key, .length = length};
            return &map->few[map->n++];
        }
        grow(map);
    } else if ((map->n + 1) * 4 > map->cap * 3) {
        grow(map);
    }
    hash = hash_bytes(key, length);
    slot = find_slot(map, key, length, hash);
    if (!slot->key) {
        *ret_new = true;
        *slot = (TextMapSlot){.key = key, .length = length, .hash = hash};
        map->n++;
    }
    return slot;
}

bool text_map_add_joined(TextMap *map, const char *a, const char *b, const char *c)
{
    const char *parts[] = {a ? a : "", b ? b : "", c ? c : ""};
    size_t lengths[ARRAY_LEN(parts)], length = 0, at = 0;
    bool is_new;
    char *key;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        lengths[i] = strlen(parts[i]);
        length += lengths[i] + 1;
    }
    key = arena_alloc_raw(map->arena, length, 1);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) { /* no text holds the NUL between them */
        memcpy(key + at, parts[i], lengths[i] + 1);
        at += lengths[i] + 1;
    }
    text_map_put_n(map, key, length, &is_new);
    return is_new;
}
