/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#define UNCOUNTED __attribute__((no_sanitize_coverage))
/* Bytes that libc looks at in about the time of a basic block. */
#define BYTES_PER_STEP 8

/* n log n at these sizes gives up to 2.25. Quadratic work hides behind what each item costs by
 * itself, so where that is much the small sizes say little. Where it is next to nothing a buffer
 * that doubles at the wrong moment shows. */
#define SUSPICIOUS 2.2
#define SUSPICIOUS_HEAVY 2.0
#define TOO_FAST 2.4
#define TOO_FAST_LIGHT 3.2
enum { HEAVY = 4000, LIGHT = 100 }; /* steps an item */

uint64_t work_count;

void __sanitizer_cov_trace_pc(void);
UNCOUNTED void __sanitizer_cov_trace_pc(void)
{
    work_count++;
}

UNCOUNTED static void count_bytes(size_t n)
{
    work_count += 1 + n / BYTES_PER_STEP;
}

/* clang-format off */
#define WRAP(type, name, params, args, cost)         \
    type __real_##name params;                       \
    type __wrap_##name params;                       \
    UNCOUNTED type __wrap_##name params              \
    {                                                \
        type r = __real_##name args;                 \
                                                     \
        count_bytes(cost);                           \
        return r;                                    \
    }

WRAP(void *, memcpy, (void *to, const void *from, size_t n), (to, from, n), n)
WRAP(void *, memmove, (void *to, const void *from, size_t n), (to, from, n), n)
WRAP(void *, memset, (void *to, int c, size_t n), (to, c, n), n)
WRAP(void *, memchr, (const void *p, int c, size_t n), (p, c, n), r ? (size_t)((char *)r - (const char *)p) : n)
WRAP(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n), r ? 0 : n)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), n * size)
WRAP(void *, realloc, (void *p, size_t n), (p, n), n)
WRAP(size_t, strlen, (const char *s), (s), r)
WRAP(size_t, strnlen, (const char *s, size_t n), (s, n), r)
WRAP(size_t, strspn, (const char *s, const char *set), (s, set), r)
WRAP(size_t, strcspn, (const char *s, const char *set), (s, set), r)
WRAP(char *, strchr, (const char *s, int c), (s, c), r ? (size_t)(r - s) : strlen(s))
WRAP(char *, strrchr, (const char *s, int c), (s, c), strlen(s))
WRAP(char *, strpbrk, (const char *s, const char *set), (s, set), r ? (size_t)(r - s) : strlen(s))
WRAP(char *, strstr, (const char *s, const char *what), (s, what), r ? (size_t)(r - s) : strlen(s))
WRAP(int, vsnprintf, (char *to, size_t n, const char *format, va_list args), (to, n, format, args), r > 0 ? (size_t)r : 0)
/* clang-format on */

UNCOUNTED static size_t common(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] && a[i] == b[i])
        i++;
    return i;
}

/* clang-format off */
WRAP(int, strcmp, (const char *a, const char *b), (a, b), common(a, b, SIZE_MAX))
WRAP(int, strncmp, (const char *a, const char *b, size_t n), (a, b, n), common(a, b, n))
WRAP(int, strcasecmp, (const char *a, const char *b), (a, b), common(a, b, SIZE_MAX))
WRAP(int, strncasecmp, (const char *a, const char *b, size_t n), (a, b, n), common(a, b, n))
/* clang-format on */

/* Hash maps are keyed at random; here always alike, so that counts repeat. */
ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags);
UNCOUNTED ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)to)[i] = (unsigned char)(i * 37 + 11);
    return (ssize_t)n;
}

static double ratio_at(WorkAt at, void *data, size_t n, Growth *ret)
{
    ret->n = n;
    for (int i = 0; i < 3; i++)
        ret->work[i] = at(data, n << i);
    if (ret->work[1] <= ret->work[0] || ret->work[2] <= ret->work[1])
        return 0;
    return (double)(ret->work[2] - ret->work[1]) / (double)(ret->work[1] - ret->work[0]);
}

static bool is_fine(WorkAt at, void *data, size_t n, Growth *ret)
{
    ret->ratio = ratio_at(at, data, n, ret);
    return ret->ratio <= (ret->work[2] / (4 * n) < LIGHT ? TOO_FAST_LIGHT : TOO_FAST);
}

bool growth_is_linear(WorkAt at, void *data, size_t small, size_t large, Growth *ret)
{
    ret->ratio = ratio_at(at, data, small, ret);
    if (ret->ratio <= (ret->work[2] / (4 * small) > HEAVY ? SUSPICIOUS_HEAVY : SUSPICIOUS))
        return true;
    /* A limit between two sizes, past which the work is another one, looks like growth, too, but
     * not at two places. */
    return is_fine(at, data, large, ret) || is_fine(at, data, large * 4, ret);
}

bool growth_is_below(WorkAt at, void *data, size_t n, double limit, Growth *ret)
{
    ret->ratio = ratio_at(at, data, n, ret);
    return ret->ratio <= limit;
}
