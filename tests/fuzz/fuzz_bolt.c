/* SPDX-License-Identifier: Apache-2.0 */
/* BoltDB files: every bucket, key and value that is found lies within the file. The sums of the meta pages are made right, since no
 * mutation would hit them. */
#include <stdlib.h>

#include "image/local/bolt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned left;

static void look_into(const BoltBucket *bucket, int depth);

typedef struct Look {
    const BoltBucket *bucket;
    int depth;
} Look;

static bool look(void *data, Bytes key, bool is_bucket)
{
    const Look *at = data;
    const Bolt *bolt = at->bucket->bolt;
    _free_ char *name = mem_strndup((const char *)key.p, key.n);
    BoltBucket below;
    Bytes value;

    if (key.n > 0 && (key.p < bolt->p || key.p + key.n > bolt->p + bolt->n))
        abort();
    if (is_bucket && at->depth < 4 && bolt_bucket(at->bucket, name, &below))
        look_into(&below, at->depth + 1);
    if (!is_bucket && bolt_get(at->bucket, name, &value) && value.n > 0 &&
        (value.p < bolt->p || value.p + value.n > bolt->p + bolt->n))
        abort();
    return left > 0 && --left > 0;
}

static void look_into(const BoltBucket *bucket, int depth)
{
    Look at = {bucket, depth};

    bolt_each(bucket, look, &at);
}

static void set_sum(uint8_t *meta)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < 56; i++)
        hash = (hash ^ meta[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < 8; i++)
        meta[56 + i] = (uint8_t)(hash >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_new(size + 1);
    BoltBucket root;
    Bolt bolt;

    memcpy(copy, data, size);
    if (size >= 80)
        set_sum(copy + 16);
    left = 200;
    if (bolt_take(copy, size, &bolt, NULL) < 0)
        return 0;
    root = bolt_root(&bolt);
    look_into(&root, 0);
    bolt_close(&bolt);
    return 0;
}
