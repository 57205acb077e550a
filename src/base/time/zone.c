/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif files (RFC 8536). A file lists the moments at which the offset changes; for what comes
 * behind the last of them it ends in a rule such as
 *
 *     CET-1CEST,M3.5.0,M10.5.0/3      name, offset west, summer's name [offset], its start, its end
 *
 * Only the 64-bit part of version 2 and newer is read: all that tzdata has installed for years.
 */
#include "base/time/zone.h"

#include <ctype.h>

#include "base/files/file.h"

#define FOLDER "/usr/share/zoneinfo/"
#define FILE_MAX (1024 * 1024)
#define HEADER 44
#define HOUR 3600
#define DAY 86400

/* A day of the year and a second of it at which the offset changes. */
typedef struct Rule {
    char kind; /* 'M': month.week.day, 'J': 1-365 without leap days, 'D': 0-365 */
    int month, week, day, seconds;
} Rule;

struct Zone {
    size_t n;
    int64_t *at;      /* ascending */
    int32_t *offsets; /* from at[i] on */
    int32_t first;    /* before at[0] */
    int32_t standard, summer;
    bool has_rule, has_summer;
    Rule start, end;
};

/* ---- the rule behind the last change ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970 to the first of January. */
static int64_t days_to_year(int64_t year)
{
    int64_t y = year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t year_of(int64_t at)
{
    int64_t days = at / DAY - (at % DAY < 0), year = 1970 + days / 366;

    while (days_to_year(year + 1) <= days)
        year++;
    while (days_to_year(year) > days)
        year--;
    return year;
}

static bool skip_name(const char **s)
{
    const char *p = *s;

    if (*p == '<') {
        while (*p && *p != '>')
            p++;
        *s = *p ? p + 1 : p;
        return *p == '>';
    }
    while (isalpha((unsigned char)*p))
        p++;
    *s = p;
    return true;
}

static int read_number(const char **s)
{
    int v = 0;

    while (isdigit((unsigned char)**s) && v < 10000)
        v = v * 10 + (*(*s)++ - '0');
    return v;
}

/* [+-]hh[:mm[:ss]] */
static int read_seconds(const char **s)
{
    int sign = **s == '-' ? -1 : 1, v;

    if (**s == '-' || **s == '+')
        (*s)++;
    v = read_number(s) * HOUR;
    for (int unit = 60; unit && **s == ':'; unit /= 60) {
        (*s)++;
        v += read_number(s) * unit;
    }
    return sign * v;
}

static bool read_rule(const char **s, Rule *ret)
{
    if (**s != ',')
        return false;
    (*s)++;
    *ret = (Rule){.kind = **s, .seconds = 2 * HOUR};
    if (**s == 'M') {
        (*s)++;
        ret->month = read_number(s);
        *s += **s == '.';
        ret->week = read_number(s);
        *s += **s == '.';
        if (ret->month < 1 || ret->month > 12 || ret->week < 1 || ret->week > 5)
            return false;
    } else if (**s == 'J') {
        (*s)++;
    } else {
        ret->kind = 'D';
    }
    ret->day = read_number(s);
    if (**s == '/') {
        (*s)++;
        ret->seconds = read_seconds(s);
    }
    return true;
}

static bool read_footer(Zone *zone, const char *s)
{
    if (!skip_name(&s) || !*s)
        return false;
    zone->standard = zone->summer = -read_seconds(&s);
    if (!*s)
        return true;
    if (!skip_name(&s))
        return false;
    zone->summer = zone->standard + HOUR;
    if (*s && *s != ',')
        zone->summer = -read_seconds(&s);
    zone->has_summer = read_rule(&s, &zone->start) && read_rule(&s, &zone->end);
    return zone->has_summer;
}

/* Seconds from the start of the year, in local time. */
static int64_t rule_in_year(const Rule *rule, int64_t year)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = rule->day, first;

    if (rule->kind == 'J')
        day = rule->day - 1 + (is_leap(year) && rule->day >= 60);
    if (rule->kind == 'M') {
        int length = lengths[rule->month - 1] + (rule->month == 2 && is_leap(year));

        first = 0;
        for (int i = 0; i < rule->month - 1; i++)
            first += lengths[i] + (i == 1 && is_leap(year));
        /* 1970 began on a Thursday, the fourth day after Sunday. */
        day = (rule->day - (days_to_year(year) + first + 4) % 7 + 14) % 7 + (rule->week - 1) * 7;
        while (day >= length)
            day -= 7;
        day += first;
    }
    return day * DAY + rule->seconds;
}

static int32_t rule_offset(const Zone *zone, int64_t at)
{
    int64_t year, begin, start, end;

    if (!zone->has_summer)
        return zone->standard;
    year = year_of(at + zone->standard);
    begin = days_to_year(year) * DAY;
    start = begin + rule_in_year(&zone->start, year) - zone->standard;
    end = begin + rule_in_year(&zone->end, year) - zone->summer;
    if (start < end)
        return at >= start && at < end ? zone->summer : zone->standard;
    return at >= end && at < start ? zone->standard : zone->summer;
}

/* ---- the file ---- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

typedef struct Counts {
    size_t utc, standard, leaps, times, types, chars;
} Counts;

static bool read_header(const uint8_t *p, size_t n, Counts *ret)
{
    if (n < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    *ret = (Counts){be32(p + 20), be32(p + 24), be32(p + 28),
                    be32(p + 32), be32(p + 36), be32(p + 40)};
    return ret->utc < FILE_MAX && ret->standard < FILE_MAX && ret->leaps < FILE_MAX &&
           ret->times < FILE_MAX && ret->types < FILE_MAX && ret->chars < FILE_MAX;
}

static size_t block_size(const Counts *c, size_t time_size)
{
    return c->times * (time_size + 1) + c->types * 6 + c->chars + c->leaps * (time_size + 4) +
           c->standard + c->utc;
}

static bool read_block(Zone *zone, const uint8_t *p, const Counts *c)
{
    const uint8_t *indexes = p + c->times * 8, *types = indexes + c->times;

    if (!c->types)
        return false;
    zone->n = c->times;
    zone->at = mem_new((c->times + 1) * sizeof(*zone->at));
    zone->offsets = mem_new((c->times + 1) * sizeof(*zone->offsets));
    zone->first = (int32_t)be32(types);
    for (size_t i = 0; i < c->times; i++) {
        if (indexes[i] >= c->types)
            return false;
        zone->at[i] = be64(p + i * 8);
        zone->offsets[i] = (int32_t)be32(types + (size_t)indexes[i] * 6);
    }
    return true;
}

static bool parse(Zone *zone, const uint8_t *p, size_t n)
{
    char footer[128];
    Counts counts;
    size_t skip, size;

    if (!read_header(p, n, &counts))
        return false;
    skip = HEADER + block_size(&counts, 4);
    if (skip > n || !read_header(p + skip, n - skip, &counts))
        return false;
    size = block_size(&counts, 8);
    if (n - skip - HEADER < size || !read_block(zone, p + skip + HEADER, &counts))
        return false;
    skip += HEADER + size;
    if (n - skip < 2 || p[skip] != '\n' || n - skip > sizeof(footer))
        return true;
    memcpy(footer, p + skip + 1, n - skip - 2);
    footer[n - skip - 2] = 0;
    zone->has_rule = read_footer(zone, footer);
    return true;
}

/* Rejects names that lead out of the folder. */
static bool name_is_good(const char *name)
{
    if (!*name || *name == '/' || strlen(name) > 100)
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("/_+-.", *p))
            return false;
    return !strstr(name, "..");
}

Zone *zone_load(const char *name)
{
    _free_ char *text = NULL, *path = NULL;
    Zone *zone;
    size_t n;

    if (strcmp(name, "UTC") == 0)
        return mem_new_type(Zone);
    if (!name_is_good(name))
        return NULL;
    path = mem_printf(FOLDER "%s", name);
    if (file_read(path, FILE_MAX, &text, &n))
        return NULL;
    zone = mem_new_type(Zone);
    return parse(zone, (const uint8_t *)text, n) ? zone : zone_free(zone);
}

Zone *zone_free(Zone *zone)
{
    if (!zone)
        return NULL;
    free(zone->at);
    free(zone->offsets);
    free(zone);
    return NULL;
}

int32_t zone_offset(const Zone *zone, int64_t at)
{
    size_t low = 0, high;

    if (!zone)
        return 0;
    high = zone->n;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (zone->at[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->n && zone->has_rule)
        return rule_offset(zone, at);
    return low ? zone->offsets[low - 1] : zone->first;
}
