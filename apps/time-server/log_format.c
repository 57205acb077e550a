/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"
#include "log_format.h"

typedef enum Match { MATCH_WHOLE, MATCH_PART, MATCH_NONE } Match;

/* The part of a line that was not matched yet. */
typedef struct Cursor {
    const char *p, *end;
} Cursor;

/* Matches the text up to the character `stop`. The line may end before the text. */
static Match match_literal(Cursor *at, const char *text, char stop)
{
    for (; *text != stop; text++, at->p++) {
        if (at->p == at->end)
            return MATCH_PART;
        if (*at->p != *text)
            return MATCH_NONE;
    }
    return MATCH_WHOLE;
}

static Match match_time(Cursor *at)
{
    static const char letters[] = "0123456789-:.+TZ";
    char text[TIMEFMT_MAX];
    int64_t seconds;
    int32_t nanos;
    size_t n = 0;

    for (; at->p < at->end && *at->p && strchr(letters, *at->p); at->p++) {
        if (n + 1 == sizeof(text))
            return MATCH_NONE;
        text[n++] = *at->p;
    }
    if (at->p == at->end)
        return MATCH_PART;
    text[n] = 0;
    return timefmt_parse(text, &seconds, &nanos) ? MATCH_NONE : MATCH_WHOLE;
}

static Match match_caller(Cursor *at)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:%-_";
    const char *begin = at->p;

    while (at->p < at->end && *at->p && strchr(letters, *at->p))
        at->p++;
    if (at->p > begin)
        return MATCH_WHOLE;
    return at->p == at->end ? MATCH_PART : MATCH_NONE;
}

static Match match_line(const LogFormat *format, const char *p, size_t n)
{
    Cursor at = {p, p + n};
    Match match = match_literal(&at, format->before, 0);

    if (match == MATCH_WHOLE)
        match = match_time(&at);
    if (match == MATCH_WHOLE)
        match = match_literal(&at, " - ", 0);
    if (match == MATCH_WHOLE)
        match = match_caller(&at);
    if (match == MATCH_WHOLE)
        match = match_literal(&at, format->after, '\n');
    return match == MATCH_WHOLE && at.p < at.end ? MATCH_NONE : match;
}

static Match match(const LogScan *scan, const LogFormat *format, const char *p, size_t n)
{
    Cursor at = {p, p + n};
    Match found;

    if (scan->header || !*format->header)
        return match_line(format, p, n);
    found = match_literal(&at, format->header, '\n');
    return found == MATCH_WHOLE && at.p < at.end ? MATCH_NONE : found;
}

static bool scan_line(LogScan *scan, const LogFormat *format, const char *p, size_t n)
{
    if (match(scan, format, p, n) != MATCH_WHOLE)
        return false;
    scan->count += scan->header || !*format->header;
    scan->header = true;
    scan->good += (int64_t)n + 1;
    return true;
}

bool log_scan(LogScan *scan, const LogFormat *format, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t more = (size_t)((line_end ? line_end : end) - p);

        if (!line_end || scan->rest_n) {
            if (more > sizeof(scan->rest) - scan->rest_n)
                return false;
            memcpy(scan->rest + scan->rest_n, p, more);
            scan->rest_n += more;
            if (!line_end)
                return true;
            if (!scan_line(scan, format, scan->rest, scan->rest_n))
                return false;
            scan->rest_n = 0;
        } else if (!scan_line(scan, format, p, more)) {
            return false;
        }
        p = line_end + 1;
    }
    return true;
}

bool log_scan_end(const LogScan *scan, const LogFormat *format)
{
    return !scan->rest_n || match(scan, format, scan->rest, scan->rest_n) != MATCH_NONE;
}

void log_print(StrBuf *buf, const LogFormat *format, const Visit *visit)
{
    char when[TIMEFMT_MAX];

    timefmt_offset(visit->seconds, visit->offset, when);
    strbuf_printf(buf, "%s%s - %s%s", format->before, when, visit->caller, format->after);
}
