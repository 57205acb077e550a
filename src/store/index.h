/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one kind by key ("ns/name", "name" for cluster-wide kinds): a hash table to find
 * one, a sorted array of sorted chunks to walk in order.
 *
 * A new entry is kept in `fresh` until the order is needed. Searching the sorted keys, which are
 * scattered in memory, would cost more than the rest of the insertion, and entries that arrive in a
 * burst can be sorted together. An insertion into the order moves at most the pointers of one
 * chunk, and sometimes those of the array of chunks, which is cheap up to millions of objects. A
 * walk reads memory sequentially.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "api/object.h"
#include "base/vec.h"

typedef struct StoreEntry {
    Object *committed;       /* the committed version, kept; NULL if there is none */
    Object *head;            /* borrowed from the newest queued write, or the same as committed */
    struct StoreEntry *next; /* the next entry of the same bucket */
    uint32_t queued;         /* writes of this key that are not committed yet */
    uint32_t hash;
    size_t fresh; /* one more than its position in `fresh` of the index; 0 if it is in the order */
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
    uint64_t changes; /* counts insertions and removals, which make existing cursors invalid */
} Index;

typedef struct IndexCursor {
    size_t chunk, at;
    uint64_t changes;
} IndexCursor;

/* Calls `each` once for every entry, in any order. */
void index_each(Index *index, void (*each)(StoreEntry *entry));
void index_deinit(Index *index); /* frees entries; their objects must be gone */
StoreEntry *index_find(const Index *index, const char *key);
StoreEntry *index_put(Index *index, const char *key); /* finds the entry, or creates it */
void index_remove(Index *index, StoreEntry *entry);   /* frees it */

/* Returns a cursor at the first entry whose key is greater than key, or, if `after` is false, also
 * one that equals it. */
IndexCursor index_seek(Index *index, const char *key, bool after);
static inline StoreEntry *index_at(const Index *index, const IndexCursor *cursor)
{
    return cursor->chunk < index->n ? index->chunks[cursor->chunk]->entries[cursor->at] : NULL;
}
/* Prefetches the next packed texts for a caller that reads them in order. */
static inline void index_prefetch(const Index *index, const IndexCursor *cursor)
{
    const IndexChunk *chunk = index->chunks[cursor->chunk];
    StoreEntry *const *at = chunk->entries + cursor->at;
    size_t left = chunk->n - cursor->at;

    /* Each step prefetches what the next one reads: first the entry, then its object, then the
     * text. */
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
/* Moves the cursor behind `entry`, at which it was, even if other entries have been added or
 * removed since. `entry` itself must still exist. */
void index_next(Index *index, IndexCursor *cursor, const StoreEntry *entry);

#endif
