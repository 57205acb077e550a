/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain scalars: yes and no are booleans, 0644 is octal, and 1_000 is a thousand. Times stay
 * strings, as they do when go-yaml converts a document to JSON.
 */
#include "codec/yaml/scalar.h"

#include <math.h>

enum { NUMBER_MAX = 64 };

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (str_equal(s, *words))
            return true;
    return false;
}

static bool resolve_word(const char *s, YamlScalar *ret)
{
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const nothing[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const inf[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
    static const char *const minus_inf[] = {"-.inf", "-.Inf", "-.INF", NULL};

    if (is_one_of(s, nothing))
        *ret = (YamlScalar){.type = YAML_SCALAR_NULL};
    else if (is_one_of(s, yes))
        *ret = (YamlScalar){.type = YAML_SCALAR_BOOL, .boolean = true};
    else if (is_one_of(s, no))
        *ret = (YamlScalar){.type = YAML_SCALAR_BOOL};
    else if (is_one_of(s, nan))
        *ret = (YamlScalar){.type = YAML_SCALAR_FLOAT, .real = NAN};
    else if (is_one_of(s, inf))
        *ret = (YamlScalar){.type = YAML_SCALAR_FLOAT, .real = INFINITY};
    else if (is_one_of(s, minus_inf))
        *ret = (YamlScalar){.type = YAML_SCALAR_FLOAT, .real = -INFINITY};
    else if (str_equal(s, "<<"))
        *ret = (YamlScalar){.type = YAML_SCALAR_MERGE};
    else
        return false;
    return true;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Digits of the base, all of them, in range: true. */
static bool read_digits(const char *s, unsigned base, uint64_t *ret)
{
    uint64_t v = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned digit = (unsigned)digit_value(*s);

        if (digit >= base || v > (UINT64_MAX - digit) / base)
            return false;
        v = v * base + digit;
    }
    *ret = v;
    return true;
}

/* As Go's ParseInt with base 0. */
static bool resolve_int(const char *s, YamlScalar *ret)
{
    bool negative = *s == '-', sign = negative || *s == '+';
    const char *p = s + sign;
    unsigned base = 10;
    uint64_t v;

    if (*p == '0' && p[1]) {
        char c = (char)(p[1] | 32);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        p += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (!read_digits(p, base, &v))
        return false;
    if (negative ? v > (uint64_t)INT64_MAX + 1 : v > INT64_MAX) {
        if (sign)
            return false;
        *ret = (YamlScalar){.type = YAML_SCALAR_UINT, .natural = v};
        return true;
    }
    *ret = (YamlScalar){.type = YAML_SCALAR_INT, .integer = (int64_t)(negative ? 0 - v : v)};
    return true;
}

static size_t count_digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_like_float(const char *s)
{
    size_t whole, fraction = 0;

    s += *s == '-' || *s == '+';
    whole = count_digits(s);
    s += whole;
    if (*s == '.') {
        fraction = count_digits(++s);
        s += fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (!count_digits(s))
            return false;
        s += count_digits(s);
    }
    return !*s;
}

YamlScalar yaml_scalar_resolve(const char *s, size_t n)
{
    YamlScalar scalar = {.type = YAML_SCALAR_STRING};
    char text[NUMBER_MAX], plain[NUMBER_MAX];
    size_t length = 0;

    if (n >= sizeof(text) || (n && memchr(s, 0, n)))
        return scalar;
    memcpy(text, s, n);
    text[n] = 0;
    if (resolve_word(text, &scalar))
        return scalar;
    if (!strchr("+-.0123456789", text[0]))
        return scalar;
    for (size_t i = 0; i < n; i++)
        if (text[i] != '_')
            plain[length++] = text[i];
    plain[length] = 0;
    if (text[0] != '.' && resolve_int(plain, &scalar))
        return scalar;
    if (looks_like_float(plain))
        scalar = (YamlScalar){.type = YAML_SCALAR_FLOAT, .real = strtod(plain, NULL)};
    if (scalar.type == YAML_SCALAR_FLOAT && !isfinite(scalar.real))
        scalar.type = YAML_SCALAR_STRING; /* out of range: no number for Go either */
    return scalar;
}
