/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one kind in order of key ("ns/name", "name" for cluster-wide kinds): a sorted array of sorted chunks.
 *
 * Two binary searches find a key; an insert moves at most one chunk's pointers, and now and then one of the chunk array,
 * which stays cheap up to millions of objects. A walk reads memory in a row.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "api/object.h"

typedef struct StoreEntry {
    Object *committed; /* referenced; NULL: not there */
    Object *head;      /* borrowed from the newest queued write, or the same as committed */
    uint32_t queued;   /* writes of this key that are not committed yet */
    char key[];
} StoreEntry;

#define INDEX_CHUNK_MAX 62

typedef struct IndexChunk {
    size_t n;
    StoreEntry *entries[INDEX_CHUNK_MAX];
} IndexChunk;

typedef struct Index {
    IndexChunk **chunks; /* none is empty */
    size_t n, cap;
    uint64_t changes;    /* counts inserts and removals: a cursor from before is void */
} Index;

typedef struct IndexCursor {
    size_t chunk, at;
    uint64_t changes;
} IndexCursor;

void index_deinit(Index *index); /* frees entries; their objects must be gone */
StoreEntry *index_find(const Index *index, const char *key);
StoreEntry *index_put(Index *index, const char *key); /* finds or makes it */
void index_remove(Index *index, StoreEntry *entry);   /* frees it */

/* To the first entry whose key is not less (after == false), or greater (after == true) than key. */
IndexCursor index_seek(const Index *index, const char *key, bool after);
static inline StoreEntry *index_at(const Index *index, const IndexCursor *cursor)
{
    return cursor->chunk < index->n ? index->chunks[cursor->chunk]->entries[cursor->at] : NULL;
}
/* Behind `entry`, which was the cursor's, even if others came or went since. `entry` itself must still be there. */
void index_next(const Index *index, IndexCursor *cursor, const StoreEntry *entry);

#endif
