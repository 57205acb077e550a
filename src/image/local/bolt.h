/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a BoltDB file, in which containerd keeps its metadata, without locking it.
 *
 * Such a file is a tree of pages that are never changed in place: a transaction writes to pages that the tree of the transaction
 * before does not use, and then one of the two meta pages, in turn. So what the newest meta page refers to is intact as long as the
 * transaction after the next has not begun, which the meta pages tell: bolt_open reads the file as a whole and starts again if they
 * have changed meanwhile.
 *
 * The bytes are not trusted. Each reference is checked against the size of the file, and a search visits at most as many pages as
 * the file has.
 */
#ifndef IMAGE_LOCAL_BOLT_H
#define IMAGE_LOCAL_BOLT_H

#include "base/base.h"
#include "base/error.h"

#define BOLT_BYTES_MAX (64u << 20)

typedef struct Bolt {
    uint8_t *p;
    size_t n;
    uint32_t page_size;
    uint64_t root; /* the page of the root bucket */
} Bolt;

/* A bucket is a tree of pages of its own or, if it is small, lies in the value of its key. */
typedef struct BoltBucket {
    const Bolt *bolt;
    uint64_t page; /* 0: `bytes` is its only page */
    Bytes bytes;
} BoltBucket;

int bolt_open(const char *path, Bolt *ret, Err *reterr);
/* Takes the bytes of a file, which it frees in any case. */
int bolt_take(uint8_t *p, size_t n, Bolt *ret, Err *reterr);
void bolt_close(Bolt *bolt);

BoltBucket bolt_root(const Bolt *bolt);
/* Each is false if there is no such key, or if the file is damaged there. */
bool bolt_bucket(const BoltBucket *in, const char *name, BoltBucket *ret);
bool bolt_get(const BoltBucket *in, const char *key, Bytes *ret);
/* Calls `each` for the keys in order, with whether the value is a bucket, until it returns false. */
void bolt_each(const BoltBucket *in, bool (*each)(void *data, Bytes key, bool is_bucket),
               void *data);

#endif
