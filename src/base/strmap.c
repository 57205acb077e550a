/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing; removal moves later entries of the run back, so there are no tombstones. */
#include <sys/random.h>

#include "base/strmap.h"

static uint64_t sip_key[2];

__attribute__((constructor)) static void sip_key_init(void)
{
    /* This fails only on a kernel without getrandom. The fixed key is then weaker, but not wrong. */
    if (getrandom(sip_key, sizeof(sip_key), GRND_NONBLOCK) != sizeof(sip_key))
        sip_key[0] = (uint64_t)(uintptr_t)&sip_key ^ (uint64_t)getpid();
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND                                                 \
    do {                                                          \
        v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32); \
        v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2;                    \
        v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0;                    \
        v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32); \
    } while (0)

/* SipHash-1-3 */
uint64_t hash_bytes(const void *p, size_t n)
{
    const uint8_t *in = p, *end = in + (n & ~(size_t)7);
    uint64_t v0 = sip_key[0] ^ UINT64_C(0x736f6d6570736575),
             v1 = sip_key[1] ^ UINT64_C(0x646f72616e646f6d),
             v2 = sip_key[0] ^ UINT64_C(0x6c7967656e657261),
             v3 = sip_key[1] ^ UINT64_C(0x7465646279746573), m, last = (uint64_t)n << 56;

    for (; in != end; in += 8) {
        memcpy(&m, in, 8);
        v3 ^= m;
        SIP_ROUND;
        v0 ^= m;
    }
    for (size_t i = 0; i < (n & 7); i++)
        last |= (uint64_t)in[i] << (8 * i);
    v3 ^= last;
    SIP_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

void strmap_deinit(StrMap *map)
{
    STRMAP_EACH(map, slot)
        free(slot->key);
    free(map->slots);
    *map = STRMAP_INIT;
}

/* The slot that holds the key, or the free slot in which to put it. */
static StrMapSlot *find_slot(const StrMap *map, const char *key, uint64_t hash)
{
    size_t mask = map->cap - 1, i = hash & mask;

    while (map->slots[i].key && (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
        i = (i + 1) & mask;
    return &map->slots[i];
}

static void grow(StrMap *map)
{
    StrMap bigger = {.cap = map->cap ? map->cap * 2 : 8};

    bigger.slots = mem_new(bigger.cap * sizeof(*bigger.slots));
    bigger.n = map->n;
    STRMAP_EACH(map, slot) {
        size_t mask = bigger.cap - 1, i = slot->hash & mask;

        while (bigger.slots[i].key)
            i = (i + 1) & mask;
        bigger.slots[i] = *slot;
    }
    free(map->slots);
    *map = bigger;
}

void *strmap_get(const StrMap *map, const char *key)
{
    return map->n ? find_slot(map, key, hash_bytes(key, strlen(key)))->value : NULL;
}

void *strmap_put(StrMap *map, const char *key, void *value)
{
    uint64_t hash = hash_bytes(key, strlen(key));
    StrMapSlot *slot;
    void *before;

    if ((map->n + 1) * 4 > map->cap * 3)
        grow(map);
    slot = find_slot(map, key, hash);
    before = slot->value;
    if (!slot->key) {
        slot->key = mem_strdup(key);
        slot->hash = hash;
        map->n++;
    }
    slot->value = value;
    return before;
}

void *strmap_remove(StrMap *map, const char *key)
{
    StrMapSlot *slot;
    void *value;
    size_t mask, hole;

    if (!map->n)
        return NULL;
    slot = find_slot(map, key, hash_bytes(key, strlen(key)));
    if (!slot->key)
        return NULL;
    value = slot->value;
    free(slot->key);
    map->n--;
    mask = map->cap - 1;
    hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;

        /* Entry i may fill the hole unless its home lies between the hole and itself. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (StrMapSlot){0};
    return value;
}
