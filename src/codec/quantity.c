/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as exact numbers: a 128-bit mantissa and a power of ten. Digits beyond the mantissa,
 * and those below 10^-9, are rounded up, so that a request for a small amount never becomes zero.
 *
 * As in Kubernetes, some texts that are nearly canonical, such as "1.500", are kept as they were
 * written, so that clients read the same text as there.
 */
#include "codec/quantity.h"

typedef __int128 Int128;

typedef enum QuantityFormat { FORMAT_DECIMAL, FORMAT_BINARY, FORMAT_EXPONENT } QuantityFormat;

typedef struct Amount {
    Int128 mantissa; /* never negative */
    int scale;       /* power of ten */
    bool negative;
    bool verbatim; /* the text is kept as it is */
    QuantityFormat format;
} Amount;

typedef struct QuantityText {
    const char *num, *denom, *suffix;
    size_t num_n, denom_n, suffix_n;
    bool negative;
} QuantityText;

static const Int128 mantissa_limit = ((Int128)1 << 126) / 10;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_suffix_char(char c)
{
    return c && strchr("eEinumkKMGTP", c);
}

static int split(const char *s, size_t n, QuantityText *ret)
{
    const char *end = s + n, *p = s;

    *ret = (QuantityText){0};
    if (n == 0)
        return QUANTITY_E_FORMAT;
    if (*p == '-' || *p == '+')
        ret->negative = *p++ == '-';
    while (p < end && *p == '0')
        p++;
    ret->num = p;
    while (p < end && is_digit(*p))
        p++;
    ret->num_n = (size_t)(p - ret->num);
    if (p < end && *p == '.') {
        ret->denom = ++p;
        while (p < end && is_digit(*p))
            p++;
        ret->denom_n = (size_t)(p - ret->denom);
    }
    ret->suffix = p;
    while (p < end && is_suffix_char(*p))
        p++;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    while (p < end && is_digit(*p))
        p++;
    ret->suffix_n = (size_t)(end - ret->suffix);
    return p == end ? 0 : QUANTITY_E_FORMAT;
}

static int read_suffix(const char *s, size_t n, int *ret_base, int *ret_exponent,
                       QuantityFormat *ret_format)
{
    static const struct {
        char text[3];
        int8_t base, exponent;
    } suffixes[] = {
        {"", 10, 0},   {"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"k", 10, 3},  {"M", 10, 6},
        {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
        {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
    };
    char number[24];
    int64_t exponent;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (strlen(suffixes[i].text) == n && memcmp(suffixes[i].text, s, n) == 0) {
            *ret_base = suffixes[i].base;
            *ret_exponent = suffixes[i].exponent;
            *ret_format = suffixes[i].base == 2 ? FORMAT_BINARY : FORMAT_DECIMAL;
            return 0;
        }
    if (n < 2 || (*s != 'e' && *s != 'E') || n - 1 >= sizeof(number))
        return QUANTITY_E_SUFFIX;
    memcpy(number, s + 1, n - 1);
    number[n - 1] = 0;
    if (str_to_int64(number + (number[0] == '+'), -1000, 1000, &exponent))
        return QUANTITY_E_SUFFIX;
    *ret_base = 10;
    *ret_exponent = (int)exponent;
    *ret_format = FORMAT_EXPONENT;
    return 0;
}

static Int128 divide_up(Int128 v, Int128 by)
{
    return v / by + (v % by != 0);
}

/* Reads digits into the mantissa. Digits that do not fit only round it up. */
static void read_digits(Amount *amount, const char *s, size_t n, bool fraction, bool *sticky)
{
    for (size_t i = 0; i < n; i++) {
        if (amount->mantissa >= mantissa_limit) {
            *sticky |= s[i] != '0';
            amount->scale += fraction ? 0 : 1;
            continue;
        }
        amount->mantissa = amount->mantissa * 10 + (s[i] - '0');
        amount->scale -= fraction ? 1 : 0;
    }
}

static void multiply_binary(Amount *amount, int exponent)
{
    for (int i = 0; i < exponent; i++) {
        while (amount->mantissa >= ((Int128)1 << 125) && amount->scale < 0) {
            amount->mantissa = divide_up(amount->mantissa, 10);
            amount->scale++;
        }
        if (amount->mantissa >= ((Int128)1 << 125))
            break; /* far beyond the cap */
        amount->mantissa *= 2;
    }
}

/* Returns the mantissa at another scale, rounded up. It saturates instead of overflowing. */
static Int128 at_scale(const Amount *amount, int scale)
{
    Int128 v = amount->mantissa, limit = (Int128)1 << 126;

    for (int i = amount->scale; i > scale && v; i--) {
        if (v > limit / 10)
            return limit;
        v *= 10;
    }
    for (int i = amount->scale; i < scale && v > 1; i++)
        v = divide_up(v, 10);
    return v;
}

static bool all_zero(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != '0')
            return false;
    return true;
}

/* Kubernetes keeps the text of quick-path numbers that look canonical. */
static bool keeps_text(const QuantityText *text, const Amount *amount, int base, int exponent)
{
    char tail[3] = {'1', '1', '1'};
    size_t n = text->num_n + text->denom_n;

    if (base == 2)
        return text->denom_n == 0 && exponent % 10 == 0 && amount->mantissa & 7 &&
               15 - (int)n - exponent * 3 / 10 - 1 >= 0;
    if (n > 18 || amount->scale < -9 || amount->scale % 3 != 0 || text->num_n == 0)
        return false;
    for (size_t i = 0; i < 3 && i < n; i++) {
        size_t at = n - 1 - i;
        tail[i] = at < text->num_n ? text->num[at] : text->denom[at - text->num_n];
    }
    return n < 3 || !all_zero(tail, 3);
}

static int quantity_parse(const char *s, size_t n, Amount *ret)
{
    QuantityText text;
    int base = 10, exponent = 0, r;
    bool sticky = false;

    *ret = (Amount){0};
    r = split(s, n, &text);
    if (r)
        return r;
    r = read_suffix(text.suffix, text.suffix_n, &base, &exponent, &ret->format);
    if (r)
        return r;
    ret->negative = text.negative;
    read_digits(ret, text.num, text.num_n, false, &sticky);
    if (base == 2) {
        ret->verbatim = keeps_text(&text, ret, base, exponent);
        read_digits(ret, text.denom, text.denom_n, true, &sticky);
        ret->mantissa += sticky;
        multiply_binary(ret, exponent);
    } else {
        read_digits(ret, text.denom, text.denom_n, true, &sticky);
        ret->mantissa += sticky;
        ret->scale += exponent;
        ret->verbatim = keeps_text(&text, ret, base, exponent);
    }
    if (ret->scale < -9) {
        ret->mantissa = at_scale(ret, -9);
        ret->scale = -9;
    }
    if (base == 2 && !ret->verbatim && at_scale(ret, 0) > INT64_MAX) {
        ret->mantissa = INT64_MAX;
        ret->scale = 0;
    }
    if (ret->mantissa == 0)
        ret->scale = 0;
    return 0;
}

static const char *print_number(Arena *arena, const Amount *amount, Int128 v, const char *suffix)
{
    char digits[48];
    size_t at = sizeof(digits);

    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v);
    if (amount->negative)
        digits[--at] = '-';
    return arena_printf(arena, "%s%s", digits + at, suffix);
}

static const char *print_decimal(Arena *arena, const Amount *amount)
{
    static const char *const suffixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    Int128 v = amount->mantissa;
    int scale = amount->scale;
    char exponent[16];

    while (v % 10 == 0) {
        v /= 10;
        scale++;
    }
    while (scale % 3 != 0 || (scale > 18 && amount->format != FORMAT_EXPONENT)) {
        if (v >= mantissa_limit)
            break;
        v *= 10;
        scale--;
    }
    if (amount->format == FORMAT_EXPONENT) {
        snprintf(exponent, sizeof(exponent), "e%d", scale);
        return print_number(arena, amount, v, scale ? exponent : "");
    }
    return print_number(arena, amount, v, suffixes[MIN_OF(MAX_OF(scale / 3 + 3, 0), 9)]);
}

static const char *print_amount(Arena *arena, const Amount *amount)
{
    static const char *const suffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    Amount whole = {.mantissa = at_scale(amount, 0)};
    size_t power = 0;

    if (amount->mantissa == 0)
        return "0";
    if (amount->format != FORMAT_BINARY || whole.mantissa < 1024 ||
        (amount->scale < 0 && at_scale(&whole, amount->scale) != amount->mantissa))
        return print_decimal(arena, amount);
    while (whole.mantissa % 1024 == 0 && power + 1 < ARRAY_LEN(suffixes)) {
        whole.mantissa /= 1024;
        power++;
    }
    return print_number(arena, amount, whole.mantissa, suffixes[power]);
}

int quantity_canonical(Arena *arena, const char *text, size_t n, const char **ret)
{
    Amount amount;
    int r;

    while (n && (*text == ' ' || (*text >= '\t' && *text <= '\r')))
        text++, n--;
    while (n && (text[n - 1] == ' ' || (text[n - 1] >= '\t' && text[n - 1] <= '\r')))
        n--;
    r = quantity_parse(text, n, &amount);
    if (r)
        return r;
    *ret = amount.verbatim ? arena_strndup(arena, text, n) : print_amount(arena, &amount);
    return 0;
}

const char *quantity_error(int outcome)
{
    switch (outcome) {
    case QUANTITY_E_NUMERIC:
        return "unable to parse numeric part of quantity";
    case QUANTITY_E_SUFFIX:
        return "unable to parse quantity's suffix";
    default:
        return "quantities must match the regular expression "
               "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    }
}

static int64_t value_at(const char *text, int scale)
{
    Amount amount;
    Int128 v;

    if (str_empty(text) || quantity_parse(text, strlen(text), &amount))
        return 0;
    v = MIN_OF(at_scale(&amount, scale), (Int128)INT64_MAX);
    return amount.negative ? -(int64_t)v : (int64_t)v;
}

int64_t quantity_value(const char *text)
{
    return value_at(text, 0);
}

int64_t quantity_milli(const char *text)
{
    return value_at(text, -3);
}

int64_t quantity_nano(const char *text)
{
    return value_at(text, -9);
}

int quantity_compare(const char *a, const char *b)
{
    Amount x = {0}, y = {0};
    Int128 u, v;

    if (!str_empty(a) && quantity_parse(a, strlen(a), &x))
        x = (Amount){0};
    if (!str_empty(b) && quantity_parse(b, strlen(b), &y))
        y = (Amount){0};
    u = x.negative ? -at_scale(&x, -9) : at_scale(&x, -9);
    v = y.negative ? -at_scale(&y, -9) : at_scale(&y, -9);
    return (u > v) - (u < v);
}

static Int128 signed_at(const Amount *amount, int scale)
{
    Int128 v = MIN_OF(at_scale(amount, scale), (Int128)1 << 125);

    return amount->negative ? -v : v;
}

static const char *sum(Arena *arena, const char *a, const char *b, int sign)
{
    Amount x = {0}, y = {0}, all;
    Int128 v;

    if (!str_empty(a) && quantity_parse(a, strlen(a), &x))
        x = (Amount){0};
    if (!str_empty(b) && quantity_parse(b, strlen(b), &y))
        y = (Amount){0};
    all.format = x.mantissa ? x.format : y.format;
    all.scale = !x.mantissa ? y.scale : !y.mantissa ? x.scale : MIN_OF(x.scale, y.scale);
    v = signed_at(&x, all.scale) + sign * signed_at(&y, all.scale);
    all.negative = v < 0;
    all.mantissa = v < 0 ? -v : v;
    return print_amount(arena, &all);
}

const char *quantity_add(Arena *arena, const char *a, const char *b)
{
    return sum(arena, a, b, 1);
}

const char *quantity_subtract(Arena *arena, const char *a, const char *b)
{
    return sum(arena, a, b, -1);
}

const char *quantity_from(Arena *arena, int64_t value, bool binary)
{
    Amount amount = {.format = binary ? FORMAT_BINARY : FORMAT_DECIMAL, .negative = value < 0};

    amount.mantissa = value < 0 ? -(Int128)value : value;
    return print_amount(arena, &amount);
}

const char *quantity_from_nano(Arena *arena, int64_t nano)
{
    Amount amount = {.format = FORMAT_DECIMAL, .negative = nano < 0, .scale = -9};

    amount.mantissa = nano < 0 ? -(Int128)nano : nano;
    return print_amount(arena, &amount);
}
