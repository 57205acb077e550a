/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"
#include "base/strmap.h"

#define BUCKETS_MIN 64

void index_each(Index *index, void (*each)(StoreEntry *entry))
{
    for (size_t i = 0; i < index->n_buckets; i++) {
        for (StoreEntry *entry = index->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            each(entry);
        }
    }
}

static void entry_free(StoreEntry *entry)
{
    free(entry);
}

void index_deinit(Index *index)
{
    index_each(index, entry_free);
    for (size_t i = 0; i < index->n; i++)
        free(index->chunks[i]);
    free(index->chunks);
    free(index->buckets);
    VEC_DEINIT(&index->fresh);
    *index = (Index){0};
}

/* ---- by key ---- */

static uint32_t hash_of(const char *key)
{
    return (uint32_t)hash_bytes(key, strlen(key));
}

static StoreEntry **bucket_of(const Index *index, uint32_t hash)
{
    return &index->buckets[hash & (index->n_buckets - 1)];
}

static StoreEntry *find(const Index *index, const char *key, uint32_t hash)
{
    StoreEntry *entry;

    if (index->n_buckets == 0)
        return NULL;
    for (entry = *bucket_of(index, hash); entry; entry = entry->next)
        if (entry->hash == hash && strcmp(entry->key, key) == 0)
            break;
    return entry;
}

StoreEntry *index_find(const Index *index, const char *key)
{
    return find(index, key, hash_of(key));
}

static void grow(Index *index)
{
    StoreEntry **before = index->buckets;
    size_t n = index->n_buckets;

    index->n_buckets = MAX_OF(n * 2, (size_t)BUCKETS_MIN);
    index->buckets = mem_new(index->n_buckets * sizeof(*index->buckets));
    for (size_t i = 0; i < n; i++) {
        for (StoreEntry *entry = before[i], *next; entry; entry = next) {
            StoreEntry **bucket = bucket_of(index, entry->hash);

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(before);
}

StoreEntry *index_put(Index *index, const char *key)
{
    uint32_t hash = hash_of(key);
    StoreEntry *entry = find(index, key, hash), **bucket;
    size_t length;

    if (entry)
        return entry;
    if (index->n_entries >= index->n_buckets)
        grow(index);
    length = strlen(key);
    entry = mem_new(sizeof(*entry) + length + 1);
    memcpy(entry->key, key, length + 1);
    entry->hash = hash;
    bucket = bucket_of(index, hash);
    entry->next = *bucket;
    *bucket = entry;
    index->n_entries++;
    VEC_PUSH(&index->fresh, entry);
    entry->fresh = index->fresh.n;
    index->changes++;
    return entry;
}

/* ---- in order ---- */

/* The last chunk that begins at or before key; 0 if none does. */
static size_t find_chunk(const Index *index, const char *key)
{
    size_t low = 0, high = index->n;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(index->chunks[middle]->entries[0]->key, key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The first place in the chunk whose key is not less than (or, with after, is greater than) key. */
static size_t find_place(const IndexChunk *chunk, const char *key, bool after)
{
    size_t low = 0, high = chunk->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(chunk->entries[middle]->key, key);

        if (c < 0 || (after && c == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert_chunk(Index *index, size_t at, IndexChunk *chunk)
{
    if (index->n == index->cap) {
        index->cap = MAX_OF(index->cap * 2, (size_t)8);
        index->chunks = mem_resize(index->chunks, index->cap * sizeof(*index->chunks));
    }
    memmove(index->chunks + at + 1, index->chunks + at, (index->n - at) * sizeof(*index->chunks));
    index->chunks[at] = chunk;
    index->n++;
}

/* Halves a full chunk; one that is filled in rising order keeps all but its last entry, so that
 * chunks end up full. */
static void split_chunk(Index *index, size_t at, size_t place)
{
    IndexChunk *chunk = index->chunks[at], *more = mem_new_type(IndexChunk);
    size_t keep = place == chunk->n && at + 1 == index->n ? chunk->n - 1 : chunk->n / 2;

    more->n = chunk->n - keep;
    memcpy(more->entries, chunk->entries + keep, more->n * sizeof(*more->entries));
    chunk->n = keep;
    insert_chunk(index, at + 1, more);
}

static void insert(Index *index, StoreEntry *entry)
{
    size_t at = find_chunk(index, entry->key), place;
    IndexChunk *chunk;

    if (index->n == 0)
        insert_chunk(index, 0, mem_new_type(IndexChunk));
    place = find_place(index->chunks[at], entry->key, false);
    chunk = index->chunks[at];
    if (chunk->n == INDEX_CHUNK_MAX) {
        split_chunk(index, at, place);
        if (place > chunk->n) {
            place -= chunk->n;
            chunk = index->chunks[at + 1];
        }
    }
    memmove(chunk->entries + place + 1, chunk->entries + place,
            (chunk->n - place) * sizeof(*chunk->entries));
    chunk->entries[place] = entry;
    chunk->n++;
    entry->fresh = 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp((*(StoreEntry *const *)a)->key, (*(StoreEntry *const *)b)->key);
}

static void put_in_order(Index *index)
{
    qsort(index->fresh.v, index->fresh.n, sizeof(*index->fresh.v), compare);
    for (size_t i = 0; i < index->fresh.n; i++)
        insert(index, index->fresh.v[i]);
    index->fresh.n = 0;
    if (index->fresh.cap > 1024)
        VEC_DEINIT(&index->fresh);
}

IndexCursor index_seek(Index *index, const char *key, bool after)
{
    IndexCursor cursor = {.changes = index->changes};

    if (index->fresh.n > 0)
        put_in_order(index);
    if (index->n == 0)
        return cursor;
    cursor.chunk = find_chunk(index, key);
    cursor.at = find_place(index->chunks[cursor.chunk], key, after);
    if (cursor.at == index->chunks[cursor.chunk]->n) {
        cursor.chunk++;
        cursor.at = 0;
    }
    return cursor;
}

void index_next(Index *index, IndexCursor *cursor, const StoreEntry *entry)
{
    const IndexChunk *chunk;

    if (_unlikely_(cursor->changes != index->changes)) {
        *cursor = index_seek(index, entry->key, true);
        return;
    }
    chunk = index->chunks[cursor->chunk];
    if (++cursor->at == chunk->n) {
        cursor->chunk++;
        cursor->at = 0;
        return;
    }
    /* Entries and objects lie all over memory: a walk asks for them before it gets there. */
    if (cursor->at + 8 < chunk->n) {
        __builtin_prefetch(chunk->entries[cursor->at + 8]);
        __builtin_prefetch(chunk->entries[cursor->at + 4]->committed);
    }
}

/* ---- removal ---- */

static void leave_order(Index *index, StoreEntry *entry)
{
    size_t at = find_chunk(index, entry->key),
           place = find_place(index->chunks[at], entry->key, false);
    IndexChunk *chunk = index->chunks[at];

    ASSERT(chunk->entries[place] == entry);
    chunk->n--;
    memmove(chunk->entries + place, chunk->entries + place + 1,
            (chunk->n - place) * sizeof(*chunk->entries));
    if (chunk->n == 0) {
        free(chunk);
        index->n--;
        memmove(index->chunks + at, index->chunks + at + 1,
                (index->n - at) * sizeof(*index->chunks));
    }
}

void index_remove(Index *index, StoreEntry *entry)
{
    StoreEntry **at = bucket_of(index, entry->hash);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    index->n_entries--;
    if (entry->fresh > 0) {
        StoreEntry *last = index->fresh.v[--index->fresh.n];

        index->fresh.v[entry->fresh - 1] = last;
        last->fresh = entry->fresh;
    } else {
        leave_order(index, entry);
    }
    index->changes++;
    free(entry);
}
