/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cron.h"

#include <ctype.h>

#define ALL (UINT64_C(1) << 63)
#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define FAR (INT64_C(5) * 366 * DAY)

typedef struct Bounds {
    unsigned min, max;
    const char *const *names; /* of min, min + 1, ... */
} Bounds;

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const Bounds minutes = {0, 59, NULL}, hours = {0, 23, NULL}, days = {1, 31, NULL},
                    months = {1, 12, month_names}, weekdays = {0, 6, weekday_names};

/* ---- fields ---- */

static const char *parse_number(Arena *arena, const char *text, unsigned *ret)
{
    int64_t v;

    if (!*text ||
        strspn(text + (*text == '-' || *text == '+'), "0123456789") !=
            strlen(text + (*text == '-' || *text == '+')) ||
        (!isdigit((unsigned char)*text) && !text[1]))
        return arena_printf(arena,
                            "failed to parse int from %s: strconv.Atoi: parsing \"%s\": invalid "
                            "syntax",
                            text, text);
    if (str_to_int64(*text == '+' ? text + 1 : text, INT64_MIN, INT64_MAX, &v))
        return arena_printf(arena,
                            "failed to parse int from %s: strconv.Atoi: parsing \"%s\": value out "
                            "of range",
                            text, text);
    if (v < 0)
        return arena_printf(arena, "negative number (%" PRId64 ") not allowed: %s", v, text);
    *ret = (unsigned)MIN_OF(v, INT64_C(1000000000));
    return NULL;
}

static const char *parse_value(Arena *arena, const char *text, const Bounds *bounds, unsigned *ret)
{
    for (unsigned i = 0; bounds->names && bounds->names[i]; i++)
        if (strcasecmp(bounds->names[i], text) == 0) {
            *ret = bounds->min + i;
            return NULL;
        }
    return parse_number(arena, text, ret);
}

/* "*", "5", "1-5", each with "/step" behind it. */
static const char *parse_range(Arena *arena, const char *text, const Bounds *bounds, uint64_t *bits)
{
    char *step_text = arena_strdup(arena, text), *high = strsep(&step_text, "/"),
         *low = strsep(&high, "-");
    unsigned start = bounds->min, end = bounds->max, step = 1;
    uint64_t extra = 0;
    bool all = str_equal(low, "*") || str_equal(low, "?");
    const char *error = NULL;

    if (all) {
        extra = ALL;
    } else {
        error = parse_value(arena, low, bounds, &start);
        end = start;
        if (!error && high && strchr(high, '-'))
            error = arena_printf(arena, "too many hyphens: %s", text);
        else if (!error && high)
            error = parse_value(arena, high, bounds, &end);
    }
    if (!error && step_text && strchr(step_text, '/'))
        error = arena_printf(arena, "too many slashes: %s", text);
    else if (!error && step_text) {
        error = parse_number(arena, step_text, &step);
        if (!high)
            end = bounds->max;
        if (step > 1)
            extra = 0;
    }
    if (error)
        return error;
    if (start < bounds->min)
        return arena_printf(arena, "beginning of range (%u) below minimum (%u): %s", start,
                            bounds->min, text);
    if (end > bounds->max)
        return arena_printf(arena, "end of range (%u) above maximum (%u): %s", end, bounds->max,
                            text);
    if (start > end)
        return arena_printf(arena, "beginning of range (%u) beyond end of range (%u): %s", start,
                            end, text);
    if (step == 0)
        return arena_printf(arena, "step of range should be a positive number: %s", text);
    for (unsigned i = start; i <= end; i += MIN_OF(step, 64u))
        *bits |= UINT64_C(1) << i;
    *bits |= extra;
    return NULL;
}

static const char *parse_field(Arena *arena, const char *text, const Bounds *bounds, uint64_t *ret)
{
    char *rest = arena_strdup(arena, text), *part;
    const char *error = NULL;

    while (!error && (part = strsep(&rest, ",")))
        if (*part)
            error = parse_range(arena, part, bounds, ret);
    return error;
}

/* ---- words ---- */

static const char *parse_duration(Arena *arena, const char *text, int64_t *ret_seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"h", HOUR},  {"m", MINUTE}, {"s", 1},     {"ms", 1e-3},
                 {"us", 1e-6}, {"µs", 1e-6},  {"ns", 1e-9}, {NULL, 0}};
    const char *p = text;
    double total = 0;

    if (str_equal(text, "0")) {
        *ret_seconds = 0;
        return NULL;
    }
    while (*p) {
        size_t digits = strspn(p, "0123456789."), letters = strcspn(p + digits, "0123456789.");
        const char *unit = arena_strndup(arena, p + digits, letters);
        int i = 0;

        if (!digits)
            break;
        if (!letters)
            return arena_printf(arena, "time: missing unit in duration \"%s\"", text);
        while (units[i].name && !str_equal(units[i].name, unit))
            i++;
        if (!units[i].name)
            return arena_printf(arena, "time: unknown unit \"%s\" in duration \"%s\"", unit, text);
        total += strtod(arena_strndup(arena, p, digits), NULL) * units[i].seconds;
        p += digits + letters;
    }
    if (*p || !*text)
        return arena_printf(arena, "time: invalid duration \"%s\"", text);
    *ret_seconds = total < 9e9 ? (int64_t)total : INT64_C(9000000000);
    return NULL;
}

static const char *parse_word(Arena *arena, const char *text, CronSchedule *ret)
{
    static const struct {
        const char *word, *fields;
    } words[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    const char *error;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal(words[i].word, text))
            return cron_parse(arena, words[i].fields, ret);
    if (strncmp(text, "@every ", 7) != 0)
        return arena_printf(arena, "unrecognized descriptor: %s", text);
    error = parse_duration(arena, text + 7, &ret->every);
    if (error)
        return arena_printf(arena, "failed to parse duration %s: %s", text, error);
    ret->every = MAX_OF(ret->every, INT64_C(1));
    return NULL;
}

/* ---- the whole ---- */

static const char *wrong_count(Arena *arena, char **fields, size_t n)
{
    const char *list = "";

    for (size_t i = 0; i < n; i++)
        list = arena_printf(arena, "%s%s%s", list, i ? " " : "", fields[i]);
    return arena_printf(arena, "expected exactly 5 fields, found %zu: [%s]", n, list);
}

const char *cron_parse(Arena *arena, const char *text, CronSchedule *ret)
{
    enum { FIELDS = 5, FIELDS_MAX = 32 };
    char *fields[FIELDS_MAX], *rest, *field;
    const Bounds *const bounds[FIELDS] = {&minutes, &hours, &days, &months, &weekdays};
    uint64_t *const bits[FIELDS] = {&ret->minutes, &ret->hours, &ret->days, &ret->months,
                                    &ret->weekdays};
    const char *error = NULL;
    size_t n = 0;

    *ret = (CronSchedule){0};
    if (strncmp(text, "TZ=", 3) == 0 || strncmp(text, "CRON_TZ=", 8) == 0) {
        text = strchr(text, ' ');
        if (!text)
            return "invalid schedule format";
        text += strspn(text, " \t");
    }
    if (*text == '@')
        return parse_word(arena, text, ret);
    rest = arena_strdup(arena, text);
    while (n < FIELDS_MAX && (field = strsep(&rest, " \t\n\r\v\f")))
        if (*field)
            fields[n++] = field;
    if (n != FIELDS)
        return wrong_count(arena, fields, n);
    for (size_t i = 0; !error && i < FIELDS; i++)
        error = parse_field(arena, fields[i], bounds[i], bits[i]);
    return error;
}

/* ---- the next time ---- */

typedef struct Civil {
    int month, day, weekday, seconds; /* of the day */
} Civil;

/* After Howard Hinnant's days_from_civil: years begin in March, so that leap days come last. */
static Civil civil_of(const Zone *zone, int64_t at)
{
    int64_t local = at + zone_offset(zone, at), day = local / DAY - (local % DAY < 0);
    int64_t of_era = (day + 719468) % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;

    return (Civil){.month = (int)(month < 10 ? month + 3 : month - 9),
                   .day = (int)(of_year - (153 * month + 2) / 5 + 1),
                   .weekday = (int)(((day + 4) % 7 + 7) % 7),
                   .seconds = (int)(local - day * DAY)};
}

static bool has_bit(uint64_t bits, int n)
{
    return bits >> n & 1;
}

/* If both kinds of days are restricted, a match of either is enough. */
static bool day_fits(const CronSchedule *schedule, const Civil *civil)
{
    bool day = has_bit(schedule->days, civil->day),
         weekday = has_bit(schedule->weekdays, civil->weekday);

    if (!has_bit(schedule->months, civil->month))
        return false;
    return (schedule->days | schedule->weekdays) & ALL ? day && weekday : day || weekday;
}

/* The start of the next local day; a day may have more or less than 24 hours. */
static int64_t next_day(const Zone *zone, int64_t at, int seconds)
{
    int64_t next = at + DAY - seconds;
    Civil civil = civil_of(zone, next);

    if (civil.seconds > DAY / 2)
        return next + DAY - civil.seconds;
    if (civil.seconds && civil_of(zone, next - civil.seconds).seconds == 0)
        return next - civil.seconds;
    return next;
}

int64_t cron_next(const CronSchedule *schedule, const Zone *zone, int64_t after)
{
    int64_t at = after + MINUTE - after % MINUTE;

    if (schedule->every)
        return after + schedule->every;
    while (at < after + FAR) {
        Civil civil = civil_of(zone, at);

        if (!day_fits(schedule, &civil)) {
            at = next_day(zone, at, civil.seconds);
        } else if (!has_bit(schedule->hours, civil.seconds / HOUR)) {
            at += HOUR - civil.seconds % HOUR;
        } else if (!has_bit(schedule->minutes, civil.seconds % HOUR / MINUTE)) {
            at += MINUTE - civil.seconds % MINUTE;
        } else {
            return at;
        }
    }
    return 0;
}
