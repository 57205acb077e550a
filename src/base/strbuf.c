/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "base/format.h"

void strbuf_deinit(StrBuf *buf)
{
    free(buf->p);
    *buf = STRBUF_INIT;
}

void strbuf_reserve(StrBuf *buf, size_t more)
{
    size_t need = buf->n + more + 1;

    if (need <= buf->cap)
        return;
    buf->cap = MAX_OF(need, buf->cap ? buf->cap * 2 : (size_t)64);
    buf->p = mem_resize(buf->p, buf->cap);
    buf->p[buf->n] = 0;
}

void strbuf_add(StrBuf *buf, const void *p, size_t n)
{
    strbuf_reserve(buf, n);
    if (n)
        memcpy(buf->p + buf->n, p, n);
    buf->n += n;
    buf->p[buf->n] = 0;
}

void strbuf_add_string(StrBuf *buf, const char *s)
{
    if (s)
        strbuf_add(buf, s, strlen(s));
}

void strbuf_printf(StrBuf *buf, const char *format, ...)
{
    va_list args, again;
    int n;

    strbuf_reserve(buf, 64);
    va_start(args, format);
    va_copy(again, args);
    n = format_text(buf->p + buf->n, buf->cap - buf->n, format, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n >= buf->cap - buf->n) {
        strbuf_reserve(buf, (size_t)n);
        format_text(buf->p + buf->n, buf->cap - buf->n, format, again);
    }
    va_end(again);
    buf->n += (size_t)n;
}

size_t uint64_print(uint64_t v, char to[static 21])
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    memcpy(to, digits + at, sizeof(digits) - at);
    to[sizeof(digits) - at] = 0;
    return sizeof(digits) - at;
}

void strbuf_add_int64(StrBuf *buf, int64_t v)
{
    strbuf_reserve(buf, 24);
    if (v < 0)
        strbuf_add_char(buf, '-');
    buf->n += uint64_print(v < 0 ? -(uint64_t)v : (uint64_t)v, buf->p + buf->n);
}

void strbuf_truncate(StrBuf *buf, size_t n)
{
    if (n >= buf->n)
        return;
    buf->n = n;
    buf->p[n] = 0;
}

char *strbuf_take(StrBuf *buf)
{
    char *p;

    strbuf_reserve(buf, 0);
    p = buf->p;
    *buf = STRBUF_INIT;
    return p;
}
