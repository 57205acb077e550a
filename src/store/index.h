/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one kind by key ("ns/name", "name" for cluster-wide kinds): a hash table to find
 * one, a sorted array of sorted chunks to walk in order.
 *
 * A new entry waits in `fresh` until somebody asks for the order: a search through keys that lie
 * all over memory costs more than all else of an insert, and those that come in a burst are sorted
 * together. In the order, an insert moves at most one chunk's pointers, and now and then one of the
 * chunk array, which stays cheap up to millions of objects. A walk reads memory in a row.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "api/object.h"
#include "base/vec.h"

typedef struct StoreEntry {
    Object *committed;       /* kept; NULL: not there */
    Object *head;            /* borrowed from the newest queued write, or the same as committed */
    struct StoreEntry *next; /* of the same bucket */
    uint32_t queued;         /* writes of this key that are not committed yet */
    uint32_t hash;
    size_t fresh; /* its place in the index's fresh ones, from 1; 0: it is in the order */
    char key[];
} StoreEntry;

#define INDEX_CHUNK_MAX 62

typedef struct IndexChunk {
    size_t n;
    StoreEntry *entries[INDEX_CHUNK_MAX];
} IndexChunk;

typedef struct Index {
    StoreEntry **buckets;
    size_t n_entries, n_buckets; /* a power of two, or 0 */
    IndexChunk **chunks;         /* none is empty */
    size_t n, cap;
    VEC(StoreEntry *) fresh;
    uint64_t changes; /* counts inserts and removals: a cursor from before is void */
} Index;

typedef struct IndexCursor {
    size_t chunk, at;
    uint64_t changes;
} IndexCursor;

/* Calls each once an entry, in any order. */
void index_each(Index *index, void (*each)(StoreEntry *entry));
void index_deinit(Index *index); /* frees entries; their objects must be gone */
StoreEntry *index_find(const Index *index, const char *key);
StoreEntry *index_put(Index *index, const char *key); /* finds or makes it */
void index_remove(Index *index, StoreEntry *entry);   /* frees it */

/* To the first entry whose key is not less (after == false), or greater (after == true) than
 * key. */
IndexCursor index_seek(Index *index, const char *key, bool after);
static inline StoreEntry *index_at(const Index *index, const IndexCursor *cursor)
{
    return cursor->chunk < index->n ? index->chunks[cursor->chunk]->entries[cursor->at] : NULL;
}
/* For who is about to read the packed texts in order: asks for the next ones. */
static inline void index_prefetch(const Index *index, const IndexCursor *cursor)
{
    const IndexChunk *chunk = index->chunks[cursor->chunk];
    StoreEntry *const *at = chunk->entries + cursor->at;
    size_t left = chunk->n - cursor->at;

    /* Each step asks for what the next one will read: entry, object, text. */
    if (left > 12)
        __builtin_prefetch(at[12]);
    if (left > 8)
        __builtin_prefetch(at[8]->committed);
    if (left > 4 && at[4]->committed) {
        __builtin_prefetch(at[4]->committed->packed);
        __builtin_prefetch((const char *)at[4]->committed->packed + 64);
        __builtin_prefetch((const char *)at[4]->committed->packed + 128);
    }
}
/* Behind `entry`, which was the cursor's, even if others came or went since. `entry` itself must
 * still be there. */
void index_next(Index *index, IndexCursor *cursor, const StoreEntry *entry);

#endif
