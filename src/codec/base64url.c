/* SPDX-License-Identifier: Apache-2.0 */
/* See base64url.h. */
#include "codec/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_add(StrBuf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? p[i + 2] : 0);

        strbuf_add_char(out, alphabet[v >> 18]);
        strbuf_add_char(out, alphabet[v >> 12 & 63]);
        if (i + 1 < n)
            strbuf_add_char(out, alphabet[v >> 6 & 63]);
        if (i + 2 < n)
            strbuf_add_char(out, alphabet[v & 63]);
    }
}

static int digit_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

int base64url_decode(Arena *arena, const char *s, size_t n, Bytes *ret)
{
    uint8_t *p = arena_alloc(arena, n + 1);
    size_t out = 0;
    uint32_t bits = 0;
    int count = 0;

    if (n % 4 == 1)
        return 1;
    for (size_t i = 0; i < n; i++) {
        int digit = digit_of(s[i]);

        if (digit < 0)
            return 1;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            p[out++] = (uint8_t)(bits >> count);
        }
    }
    *ret = (Bytes){p, out};
    return 0;
}
