/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every file includes first: attributes, ownership helpers, assertions, byte strings.
 *
 * Ownership is visible in the text. A local that owns something carries _cleanup_(x_freep); the
 * line that hands it on uses TAKE_PTR or TAKE_FD. Destructors accept NULL and half-built objects,
 * and return NULL.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))
#define _pure_ __attribute__((pure))
#define _noreturn_ __attribute__((noreturn))
#define _must_check_ __attribute__((warn_unused_result))
#define _likely_(x) __builtin_expect(!!(x), 1)
#define _unlikely_(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
/* Each argument is evaluated once. The names are unique, so that calls can be nested. */
#define MIN_OF(a, b) CHOOSE_(<, a, b, __COUNTER__)
#define MAX_OF(a, b) CHOOSE_(>, a, b, __COUNTER__)
#define CHOOSE_(op, a, b, unique) CHOOSE__(op, a, b, unique)
#define CHOOSE__(op, a, b, unique)                          \
    ({                                                      \
        __typeof__(a) _a##unique = (a);                     \
        __typeof__(b) _b##unique = (b);                     \
        _a##unique op _b##unique ? _a##unique : _b##unique; \
    })

#define TAKE_PTR(p)                 \
    ({                              \
        __typeof__(p) _taken = (p); \
        (p) = NULL;                 \
        _taken;                     \
    })
#define TAKE_FD(fd)        \
    ({                     \
        int _taken = (fd); \
        (fd) = -1;         \
        _taken;            \
    })

/* Stays on in release builds: a broken invariant must not reach the store. */
#define ASSERT(x)                                            \
    do {                                                     \
        if (_unlikely_(!(x)))                                \
            assert_failed(#x, __FILE__, __LINE__, __func__); \
    } while (0)

/* "Cannot happen, but survive it": true is reported once a place, and the caller copes. */
#define NEVER(x) (_unlikely_(x) ? never_happened(#x, __FILE__, __LINE__) : false)

void assert_failed(const char *expr, const char *file, int line, const char *func) _noreturn_;
bool never_happened(const char *expr, const char *file, int line);

/* Memory: small allocations abort when there is none, so they have no error path. Sizes that a peer
 * controls are limited before they get here. */
void *mem_new(size_t size);               /* zeroed */
void *mem_resize(void *ptr, size_t size); /* not zeroed */
char *mem_strdup(const char *s);          /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *format, ...) _printf_(1, 2);
#define mem_new_type(T) ((T *)mem_new(sizeof(T)))

static inline void freep(void *pp)
{
    void **p = pp;
    free(*p);
    *p = NULL;
}

/* Bytes that may hold NUL. p == NULL: absent; p != NULL with n == 0: present and empty. */
typedef struct Bytes {
    const uint8_t *p;
    size_t n;
} Bytes;

#define BYTES_NULL ((Bytes){NULL, 0})
#define BYTES_LITERAL(s) ((Bytes){(const uint8_t *)(s), sizeof(s) - 1})
static inline Bytes bytes_from_string(const char *s)
{
    return (Bytes){(const uint8_t *)s, s ? strlen(s) : 0};
}
static inline bool bytes_equal(Bytes a, Bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Strings: NULL counts as "". */
static inline bool str_empty(const char *s)
{
    return !s || !*s;
}
static inline bool str_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}
static inline const char *str_or(const char *s, const char *otherwise)
{
    return str_empty(s) ? otherwise : s;
}
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
void str_sort(const char **v, size_t n); /* by the values of the bytes */
/* Whole string, base 10, in range: 0; else a positive outcome. */
int str_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret);

void close_fdp(int *fd);
#define _close_fd_ _cleanup_(close_fdp)
#define _free_ _cleanup_(freep)

#include "base/banned.h"

#endif
