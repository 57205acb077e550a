/* SPDX-License-Identifier: Apache-2.0 */
/* See arena.h. Blocks double in size up to 64 KiB; a larger piece gets a block of its own. */
#include "base/arena.h"
#include "base/format.h"

#define ARENA_FIRST 256
#define ARENA_LARGEST (64 * 1024)

enum { ARRAY_FIRST = 4, ARRAY_FIRST_BYTES = 128 }; /* the capacity of an array is at least both */

struct ArenaBlock {
    ArenaBlock *next;
    size_t size;
    _Alignas(16) char room[];
};

struct ArenaLink {
    ArenaLink *next;
    void (*release)(void *);
    void *thing;
};

void arena_clear(Arena *arena)
{
    size_t first = arena->next_size;

    for (ArenaLink *link = arena->links; link; link = link->next)
        link->release(link->thing);
    for (ArenaBlock *block = arena->block, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (Arena){.next_size = MIN_OF(first, (size_t)1024)};
}

void *arena_alloc_slow(Arena *arena, size_t size, size_t align)
{
    size_t want = arena->next_size ? arena->next_size : ARENA_FIRST;
    bool own = size + align > want / 2 && arena->block;
    ArenaBlock *block;
    uintptr_t at;

    ASSERT(size < SIZE_MAX / 2);
    if (size + align > want || own)
        want = MAX_OF(size + align, own ? 0 : want);
    block = mem_resize(NULL, sizeof(*block) + want);
    block->size = want;
    arena->total += sizeof(*block) + want;
    at = ((uintptr_t)block->room + align - 1) & ~(uintptr_t)(align - 1);
    if (own) {
        /* The block is linked behind the newest one, whose free room stays in use. */
        block->next = arena->block->next;
        arena->block->next = block;
        return (void *)at;
    }
    block->next = arena->block;
    arena->block = block;
    arena->at = (char *)at + size;
    arena->end = block->room + want;
    arena->next_size = MIN_OF(want * 2, (size_t)ARENA_LARGEST);
    return (void *)at;
}

void *arena_copy_n(Arena *arena, const void *v, size_t n, size_t room, size_t size)
{
    char *copy;

    ASSERT(n <= room && room < SIZE_MAX / 2 / size);
    copy = arena_alloc_raw(arena, MAX_OF(room * size, (size_t)1), 8);
    if (n)
        memcpy(copy, v, n * size);
    return copy;
}

void *arena_grow(Arena *arena, const void *v, size_t n, size_t *cap, size_t size)
{
    size_t first = MAX_OF((size_t)ARRAY_FIRST, ARRAY_FIRST_BYTES / size);

    *cap = MAX_OF(n * 2, first);
    return arena_copy_n(arena, v, n, *cap, size);
}

char *arena_strndup(Arena *arena, const char *s, size_t n)
{
    char *copy = arena_alloc_raw(arena, n + 1, 1);

    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *arena_strdup(Arena *arena, const char *s)
{
    return s ? arena_strndup(arena, s, strlen(s)) : NULL;
}

Bytes arena_bytes(Arena *arena, Bytes b)
{
    return b.p ? (Bytes){(uint8_t *)arena_strndup(arena, (const char *)b.p, b.n), b.n} : b;
}

char *arena_vprintf(Arena *arena, const char *format, va_list args)
{
    char small[256], *text;
    va_list again;
    int n;

    va_copy(again, args);
    n = format_text(small, sizeof(small), format, args);
    ASSERT(n >= 0);
    if ((size_t)n < sizeof(small)) {
        text = arena_strndup(arena, small, (size_t)n);
    } else {
        text = arena_alloc_raw(arena, (size_t)n + 1, 1);
        format_text(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    return text;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void arena_link(Arena *arena, void (*release)(void *), void *thing)
{
    ArenaLink *link = arena_alloc_raw(arena, sizeof(*link), _Alignof(ArenaLink));

    ASSERT(release);
    *link = (ArenaLink){arena->links, release, thing};
    arena->links = link;
}
