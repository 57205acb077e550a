/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash functions of Fowler, Noll and Vo, for values that have to be equal in every process and
 * version, such as a name that is derived from a longer one. They have no secret key, so somebody
 * who chooses the input can make it collide: hash tables with untrusted keys use hash_bytes() of
 * strmap.h.
 *
 * To hash several texts, pass the result for one as the start for the next.
 */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include "base/base.h"

#define FNV_START UINT64_C(14695981039346656037)
#define FNV32_START UINT32_C(2166136261)

/* FNV-1a of the text, without its NUL. */
static inline uint64_t fnv1a(uint64_t start, const char *text)
{
    for (; *text; text++)
        start = (start ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return start;
}

/* Both halves of a hash in 32 bits. */
static inline uint32_t fnv_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ (hash >> 32));
}

/* FNV-1 with 32 bits: Go's hash/fnv New32. */
static inline uint32_t fnv1_32(uint32_t start, const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++)
        start = (start * UINT32_C(16777619)) ^ bytes[i];
    return start;
}

#endif
