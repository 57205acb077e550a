/* SPDX-License-Identifier: Apache-2.0 */
/* Base64, table-driven. Decoding reads four characters at a time; only line breaks and the end take
 * a slower path. */
#include "codec/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0x80 };

static uint8_t base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

void base64_encode(Bytes b, StrBuf *out)
{
    const uint8_t *p = b.p, *end = b.p + b.n;
    char *to;

    if (b.n == 0)
        return;
    strbuf_reserve(out, base64_length(b.n) + 1);
    to = out->p + out->n;
    for (; end - p >= 3; p += 3) {
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *to++ = alphabet[p[2] & 63];
    }
    if (p < end) {
        *to++ = alphabet[p[0] >> 2];
        if (end - p == 1) {
            *to++ = alphabet[(p[0] & 3) << 4];
            *to++ = '=';
        } else {
            *to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
            *to++ = alphabet[(p[1] & 15) << 2];
        }
        *to++ = '=';
    }
    *to = 0;
    out->n = (size_t)(to - out->p);
}

static size_t skip_breaks(const char *s, size_t n, size_t i)
{
    while (i < n && (s[i] == '\n' || s[i] == '\r'))
        i++;
    return i;
}

/* Checks what follows '=' as character j of a quantum: a second '=' if j is 2, and then nothing. */
static int check_padding(const char *s, size_t n, size_t i, int j, size_t *ret_bad)
{
    size_t pad = i - 1;

    if (j < 2) {
        *ret_bad = pad;
        return 1;
    }
    i = skip_breaks(s, n, i);
    if (j == 2) {
        if (i == n || s[i] != '=') {
            *ret_bad = i == n ? n : i;
            return 1;
        }
        i = skip_breaks(s, n, i + 1);
    }
    if (i < n) {
        *ret_bad = i;
        return 1;
    }
    return 0;
}

int base64_decode(Arena *arena, const char *s, size_t n, Bytes *ret, size_t *ret_bad)
{
    uint8_t *out = arena_alloc_raw(arena, n / 4 * 3 + 4, 1), *to = out;
    size_t i = 0;

    for (;;) {
        uint8_t d[4] = {0};
        int j = 0;
        bool padded = false;

        while (j < 4 && (i = skip_breaks(s, n, i)) < n) {
            uint8_t c = (uint8_t)s[i++];
            d[j] = base64_digit(c);
            if (d[j] != BAD) {
                j++;
                continue;
            }
            if (c != '=') {
                *ret_bad = i - 1;
                return 1;
            }
            if (check_padding(s, n, i, j, ret_bad))
                return 1;
            d[j] = 0;
            padded = true;
            break;
        }
        if (j == 0 && !padded)
            break;
        if (j < 4 && !padded) {
            *ret_bad = i - (size_t)j;
            return 1;
        }
        *to++ = (uint8_t)(d[0] << 2 | d[1] >> 4);
        if (j > 2)
            *to++ = (uint8_t)(d[1] << 4 | d[2] >> 2);
        if (j > 3)
            *to++ = (uint8_t)(d[2] << 6 | d[3]);
        if (padded)
            break;
    }
    *ret = (Bytes){out, (size_t)(to - out)};
    return 0;
}
