/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 by proleptic Gregorian arithmetic: no locale, no time-zone files, no shared state. */
#include "base/timefmt.h"

typedef struct Civil {
    int64_t year;
    int month, day, hour, minute, second;
} Civil;

/* Days since 1970-01-01; years start in March, so that the leap day is the last. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400,
            doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1,
            doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

static Civil civil_from_seconds(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400, era, doe, yoe, doy, mp;
    Civil c;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
    c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = (int)(rest / 3600);
    c.minute = (int)(rest / 60 % 60);
    c.second = (int)(rest % 60);
    return c;
}

/* With snprintf, this would take most of the time of encoding an object. */
static char *put_number(char *to, int64_t v, int digits)
{
    for (int i = digits; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + digits;
}

static int print_civil(int64_t seconds, char *buf)
{
    Civil c = civil_from_seconds(seconds);
    char *to = buf;

    if (c.year < 0 || c.year > 9999)
        return snprintf(buf, TIMEFMT_MAX, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", c.year, c.month,
                        c.day, c.hour, c.minute, c.second);
    to = put_number(to, c.year, 4);
    *to++ = '-';
    to = put_number(to, c.month, 2);
    *to++ = '-';
    to = put_number(to, c.day, 2);
    *to++ = 'T';
    to = put_number(to, c.hour, 2);
    *to++ = ':';
    to = put_number(to, c.minute, 2);
    *to++ = ':';
    to = put_number(to, c.second, 2);
    *to = 0;
    return (int)(to - buf);
}

void timefmt_seconds(int64_t seconds, char buf[static TIMEFMT_MAX])
{
    timefmt_offset(seconds, 0, buf);
}

void timefmt_micros(int64_t seconds, int32_t nanos, char buf[static TIMEFMT_MAX])
{
    int n = print_civil(seconds, buf);

    snprintf(buf + n, (size_t)(TIMEFMT_MAX - n), ".%06dZ", nanos / 1000);
}

void timefmt_nanos(int64_t seconds, int32_t nanos, char buf[static TIMEFMT_MAX])
{
    int n = print_civil(seconds, buf);

    snprintf(buf + n, (size_t)(TIMEFMT_MAX - n), ".%09dZ", nanos);
}

void timefmt_offset(int64_t seconds, int offset_seconds, char buf[static TIMEFMT_MAX])
{
    /* Historical local mean times had offsets with seconds, which RFC 3339 cannot express. They are
     * rounded, and the time is shifted so that the text means the same moment. */
    int offset = offset_seconds / 60 * 60, minutes = abs(offset) / 60;
    int n = print_civil(seconds + offset, buf);

    if (offset == 0)
        memcpy(buf + n, "Z", 2);
    else
        snprintf(buf + n, (size_t)(TIMEFMT_MAX - n), "%c%02d:%02d", offset < 0 ? '-' : '+',
                 minutes / 60 % 24, minutes % 60);
}

/* Exactly n digits, and then `after` (0: nothing more is asked). Advances *s. */
static bool take_number(const char **s, int n, char after, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        v = v * 10 + (**s - '0');
    }
    if (after && *(*s)++ != after)
        return false;
    *ret = v;
    return true;
}

static bool take_fraction(const char **s, int32_t *nanos)
{
    int32_t scale = 100000000;

    *nanos = 0;
    if (**s != '.')
        return true;
    (*s)++;
    if (**s < '0' || **s > '9')
        return false;
    for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
        *nanos += (**s - '0') * scale;
    return true;
}

static bool take_zone(const char **s, int *offset)
{
    int hours, minutes, sign = **s == '-' ? -1 : 1;

    *offset = 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return true;
    }
    if (**s != '+' && **s != '-')
        return false;
    (*s)++;
    if (!take_number(s, 2, ':', &hours) || !take_number(s, 2, 0, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

int timefmt_parse(const char *s, int64_t *ret_seconds, int32_t *ret_nanos)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second, offset;
    int32_t nanos;
    bool leap;

    if (!s || !take_number(&s, 4, '-', &year) || !take_number(&s, 2, '-', &month) ||
        !take_number(&s, 2, 0, &day))
        return 1;
    if (*s != 'T' && *s != 't')
        return 1;
    s++;
    if (!take_number(&s, 2, ':', &hour) || !take_number(&s, 2, ':', &minute) ||
        !take_number(&s, 2, 0, &second) || !take_fraction(&s, &nanos) || !take_zone(&s, &offset) ||
        *s)
        return 1;
    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] + (month == 2 && leap) ||
        hour > 23 || minute > 59 || second > 59)
        return 1;
    *ret_seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    *ret_nanos = nanos;
    return 0;
}

/* ---- durations ---- */

/* The digits of v / scale, with as many decimals as it has. */
static int print_fraction(char *to, uint64_t v, uint64_t scale)
{
    int n = snprintf(to, TIMEFMT_MAX, "%" PRIu64, v / scale);
    uint64_t rest = v % scale;

    if (rest)
        to[n++] = '.';
    while (rest) {
        scale /= 10;
        to[n++] = (char)('0' + rest / scale);
        rest %= scale;
    }
    return n;
}

void timefmt_duration(int64_t ns, char buf[static TIMEFMT_MAX])
{
    static const uint64_t second = 1000000000;
    uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, seconds = v / second;
    char *to = buf;

    if (ns < 0)
        *to++ = '-';
    if (v == 0) {
        snprintf(buf, TIMEFMT_MAX, "0s");
    } else if (v < second) {
        uint64_t scale = v < 1000 ? 1 : v < 1000000 ? 1000 : 1000000;

        to += print_fraction(to, v, scale);
        snprintf(to, 8, "%s", scale == 1 ? "ns" : scale == 1000 ? "µs" : "ms");
    } else {
        if (seconds >= 3600)
            to += snprintf(to, 16, "%" PRIu64 "h", seconds / 3600);
        if (seconds >= 60)
            to += snprintf(to, 8, "%" PRIu64 "m", seconds / 60 % 60);
        to += print_fraction(to, v % (60 * second), second);
        snprintf(to, 2, "s");
    }
}

static int64_t unit_ns(const char *s, size_t n)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"µs", 1000},
        {"μs", 1000},
        {"ms", 1000000},
        {"s", 1000000000},
        {"m", INT64_C(60000000000)},
        {"h", INT64_C(3600000000000)},
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
            return units[i].ns;
    return 0;
}

bool timefmt_parse_duration(const char *s, int64_t *ret_ns)
{
    bool negative = *s == '-';
    long double total = 0;

    s += *s == '-' || *s == '+';
    if (!*s)
        return false;
    *ret_ns = 0;
    if (str_equal(s, "0"))
        return true;
    while (*s) {
        long double value = 0, place = 1;
        const char *begin = s;
        size_t letters;
        int64_t unit;

        for (; *s >= '0' && *s <= '9'; s++)
            value = value * 10 + (*s - '0');
        if (*s == '.')
            for (s++; *s >= '0' && *s <= '9'; s++)
                value += (*s - '0') * (place /= 10);
        letters = strcspn(s, ".0123456789");
        unit = unit_ns(s, letters);
        if (!unit || s - begin - (*begin == '.') <= 0)
            return false;
        total += value * (long double)unit;
        s += letters;
        if (total >= 9.2e18L)
            return false;
    }
    *ret_ns = negative ? -(int64_t)(total + 0.5L) : (int64_t)(total + 0.5L);
    return true;
}
