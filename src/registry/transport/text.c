/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "registry/transport/text.h"

static size_t sequence_length(const char *text, size_t n)
{
    for (size_t length = 1; length <= 4 && length <= n; length++)
        if (utf8_valid((const uint8_t *)text, length))
            return length;
    return 0;
}

/* U+0080 to U+009F, the separators U+2028 and U+2029, and the characters that change the
 * direction of writing. */
static bool is_control(const char *text, size_t n)
{
    const uint8_t *c = (const uint8_t *)text;

    if (n == 1)
        return c[0] < ' ' || c[0] == 0x7f;
    if (n == 2)
        return c[0] == 0xc2 && c[1] < 0xa0;
    return n == 3 && c[0] == 0xe2 &&
           ((c[1] == 0x80 && ((c[2] >= 0x8e && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae))) ||
            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

void text_quote(char *to, size_t size, const char *text, size_t n)
{
    size_t used = 0, i = 0;

    ASSERT(size >= 8);
    while (i < n && text[i]) {
        size_t length = sequence_length(text + i, n - i);
        bool plain = length > 0 && !is_control(text + i, length);

        if (used + MAX_OF(length, (size_t)1) > size - 4) {
            memcpy(to + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            memcpy(to + used, text + i, length);
        else
            to[used] = length ? ' ' : '?';
        used += plain ? length : 1;
        i += MAX_OF(length, (size_t)1);
    }
    to[used] = 0;
}
