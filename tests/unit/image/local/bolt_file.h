/* SPDX-License-Identifier: Apache-2.0 */
/* Makes small BoltDB files: "a/b/c" is the key c in the bucket b in the bucket a. */
#ifndef BOLT_FILE_H
#define BOLT_FILE_H

#include "base/strbuf.h"

#define BOLT_PAGE 16384u

typedef struct BoltKey {
    const char *path;
    const void *value;
    size_t n; /* 0: strlen(value) */
} BoltKey;

static inline void bolt_put(StrBuf *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        strbuf_add_char(out, (char)(v >> (8 * i)));
}

static inline uint64_t bolt_sum(const uint8_t *p, size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* A leaf page with all keys below the prefix; buckets in it are inline. */
static inline void bolt_leaf(StrBuf *out, const BoltKey *keys, size_t n, const char *prefix,
                             uint64_t id)
{
    StrBuf elements = STRBUF_INIT, data = STRBUF_INIT;
    size_t count = 0, at = 0, positions[64], key_sizes[64], value_sizes[64];
    bool buckets[64];

    for (size_t i = 0; i < n; i++) {
        const char *rest, *slash;
        size_t length;
        bool seen = false;

        if (strncmp(keys[i].path, prefix, strlen(prefix)) != 0)
            continue;
        rest = keys[i].path + strlen(prefix);
        slash = strchr(rest, '/');
        length = slash ? (size_t)(slash - rest) : strlen(rest);
        for (size_t j = 0; j < i && slash; j++)
            seen = seen || (strncmp(keys[j].path, keys[i].path, strlen(prefix) + length + 1) == 0);
        if (seen)
            continue;
        positions[count] = data.n;
        key_sizes[count] = length;
        buckets[count] = slash != NULL;
        strbuf_add(&data, rest, length);
        at = data.n;
        if (slash) {
            _free_ char *below = mem_printf("%.*s/", (int)(strlen(prefix) + length), keys[i].path);

            bolt_put(&data, 0, 8);
            bolt_put(&data, 0, 8);
            bolt_leaf(&data, keys, n, below, 0);
        } else {
            strbuf_add(&data, keys[i].value, keys[i].n ? keys[i].n : strlen(keys[i].value));
        }
        value_sizes[count++] = data.n - at;
    }
    for (size_t i = 0; i < count; i++) {
        bolt_put(&elements, buckets[i], 4);
        bolt_put(&elements, (count - i) * 16 + positions[i], 4);
        bolt_put(&elements, key_sizes[i], 4);
        bolt_put(&elements, value_sizes[i], 4);
    }
    bolt_put(out, id, 8);
    bolt_put(out, 2, 2);
    bolt_put(out, count, 2);
    bolt_put(out, 0, 4);
    strbuf_add(out, strbuf_string(&elements), elements.n);
    strbuf_add(out, strbuf_string(&data), data.n);
    strbuf_deinit(&elements);
    strbuf_deinit(&data);
}

static inline void bolt_pad(StrBuf *out)
{
    while (out->n % BOLT_PAGE)
        strbuf_add_char(out, 0);
}

static inline void bolt_meta(StrBuf *out, uint64_t id, uint64_t transaction)
{
    size_t start;

    bolt_put(out, id, 8);
    bolt_put(out, 4, 2);
    bolt_put(out, 0, 6);
    start = out->n;
    bolt_put(out, 0xED0CDAED, 4);
    bolt_put(out, 2, 4);
    bolt_put(out, BOLT_PAGE, 4);
    bolt_put(out, 0, 4);
    bolt_put(out, 2, 8); /* the root page */
    bolt_put(out, 0, 8);
    bolt_put(out, 3, 8);
    bolt_put(out, 3, 8);
    bolt_put(out, transaction, 8);
    bolt_put(out, bolt_sum((const uint8_t *)out->p + start, 56), 8);
    bolt_pad(out);
}

static inline StrBuf bolt_file(const BoltKey *keys, size_t n)
{
    StrBuf out = STRBUF_INIT;

    bolt_meta(&out, 0, 6);
    bolt_meta(&out, 1, 7);
    bolt_leaf(&out, keys, n, "", 2);
    bolt_pad(&out);
    return out;
}

#endif
