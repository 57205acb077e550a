/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

void index_deinit(Index *index)
{
    for (size_t i = 0; i < index->n; i++) {
        for (size_t j = 0; j < index->chunks[i]->n; j++)
            free(index->chunks[i]->entries[j]);
        free(index->chunks[i]);
    }
    free(index->chunks);
    *index = (Index){0};
}

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

IndexCursor index_seek(const Index *index, const char *key, bool after)
{
    IndexCursor cursor = {.changes = index->changes};

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

void index_next(const Index *index, IndexCursor *cursor, const StoreEntry *entry)
{
    if (_unlikely_(cursor->changes != index->changes)) {
        *cursor = index_seek(index, entry->key, true);
        return;
    }
    if (++cursor->at == index->chunks[cursor->chunk]->n) {
        cursor->chunk++;
        cursor->at = 0;
    }
}

StoreEntry *index_find(const Index *index, const char *key)
{
    IndexCursor cursor = index_seek(index, key, false);
    StoreEntry *entry = index_at(index, &cursor);

    return entry && strcmp(entry->key, key) == 0 ? entry : NULL;
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

StoreEntry *index_put(Index *index, const char *key)
{
    size_t at = find_chunk(index, key), place, length = strlen(key);
    IndexChunk *chunk;
    StoreEntry *entry;

    if (index->n == 0)
        insert_chunk(index, 0, mem_new_type(IndexChunk));
    place = find_place(index->chunks[at], key, false);
    chunk = index->chunks[at];
    if (place < chunk->n && strcmp(chunk->entries[place]->key, key) == 0)
        return chunk->entries[place];
    if (chunk->n == INDEX_CHUNK_MAX) {
        split_chunk(index, at, place);
        if (place > chunk->n) {
            place -= chunk->n;
            chunk = index->chunks[at + 1];
        }
    }
    entry = mem_new(sizeof(*entry) + length + 1);
    memcpy(entry->key, key, length + 1);
    memmove(chunk->entries + place + 1, chunk->entries + place,
            (chunk->n - place) * sizeof(*chunk->entries));
    chunk->entries[place] = entry;
    chunk->n++;
    index->changes++;
    return entry;
}

void index_remove(Index *index, StoreEntry *entry)
{
    IndexCursor cursor = index_seek(index, entry->key, false);
    IndexChunk *chunk;

    ASSERT(index_at(index, &cursor) == entry);
    chunk = index->chunks[cursor.chunk];
    chunk->n--;
    memmove(chunk->entries + cursor.at, chunk->entries + cursor.at + 1,
            (chunk->n - cursor.at) * sizeof(*chunk->entries));
    if (chunk->n == 0) {
        free(chunk);
        index->n--;
        memmove(index->chunks + cursor.chunk, index->chunks + cursor.chunk + 1,
                (index->n - cursor.chunk) * sizeof(*index->chunks));
    }
    index->changes++;
    free(entry);
}
