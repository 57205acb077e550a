/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding and queries (RFC 3986; "+" is a blank in a query, as browsers and Go have
 * it). */
#include "http/http.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char *decode(Arena *arena, const char *text, size_t n, bool plus)
{
    char *out = arena_alloc_raw(arena, n + 1, 1), *at = out;
    size_t plain = n;

    /* Nearly all texts contain nothing to decode. */
    if (memchr(text, '%', n) || (plus && memchr(text, '+', n)))
        plain = 0;
    else if (memchr(text, 0, n))
        return NULL;
    at = mempcpy(at, text, plain);
    for (size_t i = plain; i < n; i++) {
        int high, low;

        if (text[i] == '+' && plus) {
            *at++ = ' ';
            continue;
        }
        if (text[i] != '%') {
            if (text[i] == 0)
                return NULL;
            *at++ = text[i];
            continue;
        }
        if (n - i < 3)
            return NULL;
        high = hex_digit(text[i + 1]);
        low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || high + low == 0)
            return NULL;
        *at++ = (char)(high << 4 | low);
        i += 2;
    }
    *at = 0;
    return out;
}

char *http_percent_decode(Arena *arena, const char *text, size_t n)
{
    return decode(arena, text, n, false);
}

/* The next "name=value" of *at; false at the end. Malformed ones are passed over, as Go does. */
static bool next_parameter(Arena *arena, const char **at, const char **ret_name,
                           const char **ret_value)
{
    while (**at) {
        const char *start = *at, *end = strchrnul(start, '&');
        const char *equals = memchr(start, '=', (size_t)(end - start));
        const char *name_end = equals ? equals : end;

        *at = *end ? end + 1 : end;
        if (start == end || memchr(start, ';', (size_t)(end - start)))
            continue;
        *ret_name = decode(arena, start, (size_t)(name_end - start), true);
        *ret_value = equals ? decode(arena, equals + 1, (size_t)(end - equals - 1), true) : "";
        if (*ret_name && *ret_value)
            return true;
    }
    return false;
}

const char *http_query(HttpRequest *request, const char *name)
{
    const char *at = request->query, *key, *value;

    while (next_parameter(&request->arena, &at, &key, &value))
        if (strcmp(key, name) == 0)
            return value;
    return NULL;
}

void http_query_each(HttpRequest *request,
                     void (*each)(void *data, const char *name, const char *value), void *data)
{
    const char *at = request->query, *name, *value;

    while (next_parameter(&request->arena, &at, &name, &value))
        each(data, name, value);
}
