/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer, always ended by a NUL that does not count. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include "base/base.h"

typedef struct StrBuf {
    char *p; /* NULL while empty and never grown */
    size_t n, cap;
} StrBuf;

#define STRBUF_INIT ((StrBuf){0})

void strbuf_deinit(StrBuf *buf);
void strbuf_reserve(StrBuf *buf, size_t more);
void strbuf_add(StrBuf *buf, const void *p, size_t n);
void strbuf_add_string(StrBuf *buf, const char *s);
void strbuf_printf(StrBuf *buf, const char *format, ...) _printf_(2, 3);
void strbuf_add_int64(StrBuf *buf, int64_t v);
size_t uint64_print(uint64_t v,
                    char to[static 21]); /* decimal, NUL behind it; returns the length */
void strbuf_truncate(StrBuf *buf, size_t n);
char *strbuf_take(StrBuf *buf); /* the caller frees; never NULL */
static inline const char *strbuf_string(const StrBuf *buf)
{
    return buf->p ? buf->p : "";
}
static inline void strbuf_add_char(StrBuf *buf, char c)
{
    if (_unlikely_(buf->n + 2 > buf->cap))
        strbuf_reserve(buf, 1);
    buf->p[buf->n++] = c;
    buf->p[buf->n] = 0;
}
static inline Bytes strbuf_bytes(const StrBuf *buf)
{
    return (Bytes){(const uint8_t *)strbuf_string(buf), buf->n};
}

#define _strbuf_ _cleanup_(strbuf_deinit)

#endif
