/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

/* The length of the character that begins here, or 0 if the bytes are not a valid character. */
static size_t decode_at(const uint8_t *p, size_t n, uint32_t *ret)
{
    uint32_t code, min;
    size_t more;

    *ret = p[0];
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0)
        more = 1, code = p[0] & 0x1f, min = 0x80;
    else if (p[0] >= 0xe0 && p[0] < 0xf0)
        more = 2, code = p[0] & 0x0f, min = 0x800;
    else if (p[0] >= 0xf0 && p[0] < 0xf5)
        more = 3, code = p[0] & 0x07, min = 0x10000;
    else
        return 0;
    if (n <= more)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    *ret = code;
    return code < min || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : more + 1;
}

static size_t length_at(const uint8_t *p, size_t n)
{
    uint32_t code;

    return decode_at(p, n, &code);
}

size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *ret)
{
    size_t length = decode_at(p, n, ret);

    if (length)
        return length;
    *ret = UTF8_REPLACEMENT;
    return 1;
}

size_t utf8_encode(uint32_t code, char to[static 4])
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The number of leading ASCII bytes, rounded down to whole words. */
static size_t ascii_words(const uint8_t *p, size_t n)
{
    size_t i = 0;

    for (uint64_t word; n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

bool utf8_valid(const uint8_t *p, size_t n)
{
    size_t length;

    for (size_t i = ascii_words(p, n); i < n; i += length) {
        length = length_at(p + i, n - i);
        if (!length)
            return false;
    }
    return true;
}

const char *utf8_clean(Arena *arena, const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const uint8_t *p = (const uint8_t *)text;
    size_t n, length;
    char *out, *at;

    if (!text)
        return NULL;
    n = strlen(text);
    if (_likely_(utf8_valid(p, n)))
        return text;
    out = at = arena_alloc(arena, n * 3 + 1);
    for (size_t i = 0; i < n; i += MAX_OF(length, (size_t)1)) {
        length = length_at(p + i, n - i);
        memcpy(at, length ? text + i : replacement, length ? length : 3);
        at += length ? length : 3;
    }
    *at = 0;
    return out;
}
