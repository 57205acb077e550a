/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions, memory that never fails, and the few string helpers everything needs. */
#include "base/base.h"
#include "base/format.h"
#include "base/log.h"

void assert_failed(const char *expr, const char *file, int line, const char *func)
{
    log_write(LOG_LEVEL_ERROR, "assert", "%s:%d %s: %s does not hold", file, line, func, expr);
    abort();
}

bool never_happened(const char *expr, const char *file, int line)
{
    static _Thread_local const char *last_expr;

    /* A place that reports several times in a row is logged once: enough to find it, without
     * flooding the log. */
    if (last_expr != expr)
        log_write(LOG_LEVEL_ERROR, "never", "%s:%d: unexpected: %s; carrying on", file, line, expr);
    last_expr = expr;
    return true;
}

static void *checked(void *p)
{
    if (_unlikely_(!p)) {
        log_write(LOG_LEVEL_ERROR, "memory", "out of memory");
        abort();
    }
    return p;
}

void *mem_new(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *mem_resize(void *ptr, size_t size)
{
    return checked(realloc(ptr, size ? size : 1));
}

char *mem_strdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_resize(NULL, n + 1);

    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list args, again;
    char *text;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = format_text(NULL, 0, format, args);
    va_end(args);
    text = mem_new((size_t)n + 1);
    format_text(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

bool str_starts_with(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    size_t n = s ? strlen(s) : 0, m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void str_sort(const char **v, size_t n)
{
    if (n)
        qsort(v, n, sizeof(*v), compare_texts);
}

int str_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    char *end;
    long long v;

    if (str_empty(s) || !(*s == '-' || (*s >= '0' && *s <= '9')))
        return 1;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno || *end || v < min || v > max)
        return 1;
    *ret = v;
    return 0;
}

void close_fdp(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
