/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator: many small pieces that live and die together, such as one request or one API
 * object.
 *
 * arena_link() ties the life of a reference-counted thing to an arena: its release function runs
 * once when the arena is cleared. That is how a request keeps cached objects alive without copying
 * them.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

typedef struct ArenaBlock ArenaBlock;
typedef struct ArenaLink ArenaLink;

typedef struct Arena {
    ArenaBlock *block; /* newest block; older ones behind it */
    char *at, *end;    /* free room in the newest block */
    ArenaLink *links;
    size_t total;     /* bytes taken from malloc */
    size_t next_size; /* size of the next block; grows */
} Arena;

#define ARENA_INIT ((Arena){0})
#define ARENA_INIT_SIZE(n) ((Arena){.next_size = (n)})
/* Begins in an array, such as one on the stack, and goes on with blocks. */
#define ARENA_INIT_ROOM(room) \
    ((Arena){.at = (room), .end = (room) + sizeof(room), .next_size = sizeof(room)})

void arena_clear(Arena *arena); /* frees everything, runs links; the arena can be used again */
void *arena_alloc_slow(Arena *arena, size_t size, size_t align);

/* Not zeroed. */
static inline void *arena_alloc_raw(Arena *arena, size_t size, size_t align)
{
    uintptr_t at = ((uintptr_t)arena->at + align - 1) & ~(uintptr_t)(align - 1);

    if (_likely_(arena->at && at <= (uintptr_t)arena->end && size <= (uintptr_t)arena->end - at)) {
        arena->at = (char *)at + size;
        return (void *)at;
    }
    return arena_alloc_slow(arena, size, align);
}
static inline void *arena_alloc(Arena *arena, size_t size)
{
    return memset(arena_alloc_raw(arena, size, 8), 0, size);
}
#define arena_new(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define arena_new_n(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (n)))

/* ---- arrays ----
 *
 * Three ways to make an array longer. All give back a pointer to the new element, and none writes to
 * an array that others may share, such as a list of a cached object: either it is copied first, or it
 * has a capacity, which only its builder has.
 *
 * ARENA_PUSH builds an array of any length. `vec` points to a struct with v, n and cap, for instance
 * VEC(Pod *) of vec.h, that begins as zeros. The capacity doubles, so n pushes copy O(n) elements.
 *
 *     VEC(Action) plan = VEC_INIT;
 *     ARENA_PUSH(arena, &plan, (Action){.pod = pod});
 *
 * ARENA_PUSH_CAP does the same for a list without a capacity of its own; `cap` points to a size_t
 * that is kept beside it and is 0 at first.
 *
 * ARENA_APPEND is for one more element in the list of an object (v and n). It copies the list each
 * time, so a loop over what a client can make long uses one of the others.
 *
 *     ARENA_APPEND(&object->arena, &meta->finalizers, name);
 */
#define ARENA_PUSH(arena, vec, ...)                           \
    ({                                                        \
        __typeof__(vec) _vec = (vec);                         \
        ARENA_PUSH_AT_(arena, _vec, &_vec->cap, __VA_ARGS__); \
    })
#define ARENA_PUSH_CAP(arena, list, cap, ...)           \
    ({                                                  \
        __typeof__(list) _vec = (list);                 \
        size_t *_cap = (cap);                           \
        ARENA_PUSH_AT_(arena, _vec, _cap, __VA_ARGS__); \
    })
#define ARENA_APPEND(arena, list, ...)                                                         \
    ({                                                                                         \
        __typeof__(list) _list = (list);                                                       \
        _list->v = arena_copy_n((arena), _list->v, _list->n, _list->n + 1, sizeof(*_list->v)); \
        _list->v[_list->n] = __VA_ARGS__;                                                      \
        &_list->v[_list->n++];                                                                 \
    })
#define ARENA_PUSH_AT_(arena, vec, cap, ...)                                          \
    if ((vec)->n >= *(cap))                                                           \
        (vec)->v = arena_grow((arena), (vec)->v, (vec)->n, (cap), sizeof(*(vec)->v)); \
    (vec)->v[(vec)->n] = __VA_ARGS__;                                                 \
    &(vec)->v[(vec)->n++]
/* A copy of an array, whose elements still point at what they pointed at. */
#define ARENA_COPY_N(arena, v, n) \
    ((__typeof__(&(v)[0]))arena_copy_n((arena), (v), (n), (n), sizeof((v)[0])))

/* A copy of the n elements with a larger capacity, which *cap becomes. */
void *arena_grow(Arena *arena, const void *v, size_t n, size_t *cap, size_t size);
/* A copy of the n elements in room for `room` of them; never NULL. */
void *arena_copy_n(Arena *arena, const void *v, size_t n, size_t room, size_t size);

char *arena_strdup(Arena *arena, const char *s); /* NULL gives NULL */
char *arena_strndup(Arena *arena, const char *s, size_t n);
Bytes arena_bytes(Arena *arena, Bytes b);
char *arena_printf(Arena *arena, const char *format, ...) _printf_(2, 3);
char *arena_vprintf(Arena *arena, const char *format, va_list args) _printf_(2, 0);
void arena_link(Arena *arena, void (*release)(void *), void *thing);

/* A pointer to a copy of a scalar, for optional fields: spec->replicas = arena_int32(arena, 3). */
static inline int32_t *arena_int32(Arena *arena, int32_t v)
{
    int32_t *p = arena_alloc_raw(arena, sizeof(v), sizeof(v));
    *p = v;
    return p;
}
static inline int64_t *arena_int64(Arena *arena, int64_t v)
{
    int64_t *p = arena_alloc_raw(arena, sizeof(v), sizeof(v));
    *p = v;
    return p;
}
static inline bool *arena_bool(Arena *arena, bool v)
{
    bool *p = arena_alloc_raw(arena, sizeof(v), sizeof(v));
    *p = v;
    return p;
}

#define _arena_ _cleanup_(arena_clear)

#endif
