/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of kubectl's tables. print_duration() rounds as kubectl does, so that ages look the same
 * everywhere. */
#include "api/print.h"

#include "api/schema/core_container_v1.h"
#include "api/selector.h"
#include "codec/json/json.h"

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    YEAR = 365 * DAY,
};

/* "5m30s", or "5m" where the rest is nothing. */
static void print_two_units(StrBuf *out, int64_t big, char big_unit, int64_t small, char small_unit)
{
    strbuf_printf(out, "%" PRId64 "%c", big, big_unit);
    if (small)
        strbuf_printf(out, "%" PRId64 "%c", small, small_unit);
}

void print_duration(StrBuf *out, int64_t seconds)
{
    int64_t s = seconds;

    if (s < -1)
        strbuf_add_string(out, "<invalid>");
    else if (s < 0) /* clocks may differ by a moment */
        strbuf_add_string(out, "0s");
    else if (s < 2 * MINUTE)
        strbuf_printf(out, "%" PRId64 "s", s);
    else if (s < 10 * MINUTE)
        print_two_units(out, s / MINUTE, 'm', s % MINUTE, 's');
    else if (s < 3 * HOUR)
        strbuf_printf(out, "%" PRId64 "m", s / MINUTE);
    else if (s < 8 * HOUR)
        print_two_units(out, s / HOUR, 'h', s / MINUTE % 60, 'm');
    else if (s < 2 * DAY)
        strbuf_printf(out, "%" PRId64 "h", s / HOUR);
    else if (s < 8 * DAY)
        print_two_units(out, s / DAY, 'd', s / HOUR % 24, 'h');
    else if (s < 2 * (int64_t)YEAR)
        strbuf_printf(out, "%" PRId64 "d", s / DAY);
    else if (s < 8 * (int64_t)YEAR)
        print_two_units(out, s / YEAR, 'y', s / DAY % 365, 'd');
    else
        strbuf_printf(out, "%" PRId64 "y", s / YEAR);
}

void print_age(StrBuf *out, Time since, int64_t now_ns)
{
    __int128 ns;

    if (!since.set) {
        strbuf_add_string(out, "<unknown>");
        return;
    }
    /* Division rounds towards zero, so half a second in the future is 0s. The years 1 and 9999 are
     * too far away for 64 bits of nanoseconds; Go saturates there, and so does this. */
    ns = (__int128)now_ns - (__int128)since.seconds * 1000000000 - since.nanos;
    ns = MIN_OF(MAX_OF(ns, (__int128)INT64_MIN), (__int128)INT64_MAX);
    print_duration(out, (int64_t)(ns / 1000000000));
}

void print_some(StrBuf *out, const StringArray *items, size_t max)
{
    if (!items->n)
        strbuf_add_string(out, "<unset>");
    for (size_t i = 0; i < items->n && i < max; i++) {
        if (i)
            strbuf_add_char(out, ',');
        strbuf_add_string(out, items->v[i]);
    }
    if (items->n > max)
        strbuf_printf(out, " + %zu more...", items->n - max);
}

static void next_cell(StrBuf *row)
{
    if (row->n && row->p[row->n - 1] != '[')
        strbuf_add_char(row, ',');
}

void cell_string(StrBuf *row, const char *s)
{
    next_cell(row);
    json_encode_string(row, s ? s : "", s ? strlen(s) : 0);
}

void cell_printf(StrBuf *row, const char *format, ...)
{
    _arena_ Arena arena = ARENA_INIT;
    va_list args;

    va_start(args, format);
    cell_string(row, arena_vprintf(&arena, format, args));
    va_end(args);
}

void cell_int64(StrBuf *row, int64_t v)
{
    next_cell(row);
    strbuf_add_int64(row, v);
}

void cell_bool(StrBuf *row, bool v)
{
    next_cell(row);
    strbuf_add_string(row, v ? "true" : "false");
}

void cell_age(StrBuf *row, Time since, int64_t now_ns)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    print_age(&text, since, now_ns);
    cell_string(row, strbuf_string(&text));
}

void cell_containers(StrBuf *row, const ContainerArray *containers)
{
    _strbuf_ StrBuf names = STRBUF_INIT, images = STRBUF_INIT;

    for (size_t i = 0; i < containers->n; i++) {
        strbuf_printf(&names, "%s%s", i ? "," : "", str_or(containers->v[i].name, ""));
        strbuf_printf(&images, "%s%s", i ? "," : "", str_or(containers->v[i].image, ""));
    }
    cell_string(row, strbuf_string(&names));
    cell_string(row, strbuf_string(&images));
}

void cell_selector(StrBuf *row, const LabelSelector *api, const char *none)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (api)
        selector_print(selector_from_api(&arena, api), &text);
    cell_string(row, str_or(strbuf_string(&text), none));
}

void cell_labels(StrBuf *row, const StringMap *labels)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < labels->n; i++)
        strbuf_printf(&text, "%s%s=%s", i ? "," : "", labels->v[i].key,
                      str_or(labels->v[i].value, ""));
    cell_string(row, text.n ? text.p : "<none>");
}
