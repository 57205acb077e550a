/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings and plain characters are copied here; each number is formatted by snprintf, one
 * conversion at a time. Only the conversions that this program uses are supported; any other is a
 * bug.
 */
#include "base/format.h"

#define SPEC_MAX 32
#define NUMBER_MAX 512 /* of a double in %f */

typedef struct Out {
    char *buf;
    size_t size, n; /* n: what the whole text takes, whether it fits or not */
} Out;

/* One conversion: "%-12.3lld". */
typedef struct Spec {
    bool left;
    int width, precision; /* precision -1: none */
    char flags[8];
    char length[3]; /* "", "l", "ll", "h", "hh", "z", "j", "t" */
    char conversion;
} Spec;

static void add(Out *out, const char *text, size_t n)
{
    if (out->n < out->size) {
        size_t room = out->size - out->n;

        memcpy(out->buf + out->n, text, MIN_OF(n, room));
    }
    out->n += n;
}

static void pad(Out *out, size_t n)
{
    while (n--)
        add(out, " ", 1);
}

static void add_string(Out *out, const Spec *spec, const char *text)
{
    size_t n = !text                 ? 0
               : spec->precision < 0 ? strlen(text)
                                     : strnlen(text, (size_t)spec->precision);
    size_t blank = spec->width > 0 && (size_t)spec->width > n ? (size_t)spec->width - n : 0;

    if (!spec->left)
        pad(out, blank);
    add(out, text ? text : "", n);
    if (spec->left)
        pad(out, blank);
}

static int read_number(const char **at)
{
    int n = 0;

    while (**at >= '0' && **at <= '9')
        n = n * 10 + *(*at)++ - '0';
    return n;
}

/* *at is behind the "%"; numbers that are "*" come from args. */
static void read_spec(const char **at, va_list *args, Spec *ret)
{
    size_t n = 0;

    *ret = (Spec){.precision = -1};
    for (; **at && strchr("-+ #0", **at); (*at)++) {
        ret->left |= **at == '-';
        if (n < sizeof(ret->flags) - 1)
            ret->flags[n++] = **at;
    }
    if (**at == '*') {
        (*at)++;
        ret->width = va_arg(*args, int);
        if (ret->width < 0) {
            ret->left = true;
            ret->width = -ret->width;
        }
    } else {
        ret->width = read_number(at);
    }
    if (**at == '.') {
        (*at)++;
        if (**at == '*') {
            (*at)++;
            ret->precision = va_arg(*args, int);
        } else {
            ret->precision = read_number(at);
        }
    }
    for (n = 0; **at && strchr("hlzjt", **at); (*at)++)
        if (n < sizeof(ret->length) - 1)
            ret->length[n++] = **at;
    ret->conversion = **at;
    if (**at)
        (*at)++;
}

/* Writes the conversion as text again, with "*" replaced by numbers. */
static void write_spec(const Spec *spec, const char *length, char ret[static SPEC_MAX])
{
    int n = snprintf(ret, SPEC_MAX, "%%%s%s", spec->left && !strchr(spec->flags, '-') ? "-" : "",
                     spec->flags);

    if (spec->width)
        n += snprintf(ret + n, SPEC_MAX - (size_t)n, "%d", spec->width);
    if (spec->precision >= 0)
        n += snprintf(ret + n, SPEC_MAX - (size_t)n, ".%d", spec->precision);
    snprintf(ret + n, SPEC_MAX - (size_t)n, "%s%c", length, spec->conversion);
}

static long long signed_arg(const char *length, va_list *args)
{
    switch (length[0]) {
    case 'l':
        return length[1] ? va_arg(*args, long long) : va_arg(*args, long);
    case 'z':
    case 't':
        return va_arg(*args, ptrdiff_t);
    case 'j':
        return va_arg(*args, intmax_t);
    case 'h':
        return length[1] ? (signed char)va_arg(*args, int) : (short)va_arg(*args, int);
    default:
        return va_arg(*args, int);
    }
}

static unsigned long long unsigned_arg(const char *length, va_list *args)
{
    switch (length[0]) {
    case 'l':
        return length[1] ? va_arg(*args, unsigned long long) : va_arg(*args, unsigned long);
    case 'z':
    case 't':
        return va_arg(*args, size_t);
    case 'j':
        return va_arg(*args, uintmax_t);
    case 'h':
        return length[1] ? (unsigned char)va_arg(*args, unsigned)
                         : (unsigned short)va_arg(*args, unsigned);
    default:
        return va_arg(*args, unsigned);
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void add_number(Out *out, const Spec *spec, va_list *args)
{
    char format[SPEC_MAX], text[NUMBER_MAX];
    int n;

    switch (spec->conversion) {
    case 'd':
    case 'i':
        write_spec(spec, "ll", format);
        n = snprintf(text, sizeof(text), format, signed_arg(spec->length, args));
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        write_spec(spec, "ll", format);
        n = snprintf(text, sizeof(text), format, unsigned_arg(spec->length, args));
        break;
    case 'f':
    case 'g':
    case 'e':
        write_spec(spec, "", format);
        n = snprintf(text, sizeof(text), format, va_arg(*args, double));
        break;
    case 'c':
        write_spec(spec, "", format);
        n = snprintf(text, sizeof(text), format, va_arg(*args, int));
        break;
    case 'p':
        write_spec(spec, "", format);
        n = snprintf(text, sizeof(text), format, va_arg(*args, void *));
        break;
    default:
        ASSERT(!"a conversion that is not known");
        return;
    }
    ASSERT(n >= 0);
    add(out, text, MIN_OF((size_t)n, sizeof(text) - 1));
}

#pragma GCC diagnostic pop

int format_text(char *buf, size_t size, const char *format, va_list args)
{
    Out out = {buf, size, 0};
    va_list rest;

    va_copy(rest, args);
    while (*format) {
        size_t plain = strcspn(format, "%");
        Spec spec;

        add(&out, format, plain);
        format += plain;
        if (!*format)
            break;
        format++;
        if (*format == '%') {
            add(&out, format++, 1);
            continue;
        }
        read_spec(&format, &rest, &spec);
        if (spec.conversion == 's')
            add_string(&out, &spec, va_arg(rest, const char *));
        else
            add_number(&out, &spec, &rest);
    }
    va_end(rest);
    if (size)
        buf[MIN_OF(out.n, size - 1)] = 0;
    ASSERT(out.n <= INT_MAX);
    return (int)out.n;
}

const char *format_error(int error, char to[static ERROR_TEXT_MAX])
{
    snprintf(to, ERROR_TEXT_MAX, "%s", strerror(error < 0 ? -error : error));
    if (to[0] >= 'A' && to[0] <= 'Z' && !(to[1] >= 'A' && to[1] <= 'Z'))
        to[0] = (char)(to[0] | 0x20);
    return to;
}
