/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is made on the stack, without allocation, and written by one write(2), so that lines of
 * several threads and processes do not mix. Room for what closes a line (quotes, braces, the dots
 * of a cut) is kept back, so that a cut line of JSON is still JSON.
 */
#include <pthread.h>
#include <time.h>

#include "base/format.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "base/utf8.h"

#define LINE_BYTES 4096 /* PIPE_BUF */
#define KEPT_BACK 24
#define BURST INT64_C(10)
#define ONE_LINE_NS INT64_C(10000000000)

LogLevel log_level_max = LOG_LEVEL_INFO;
LogFormat log_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

typedef struct Line {
    char p[LINE_BYTES];
    size_t n;
    bool cut;    /* something did not fit: nothing more comes */
    bool marked; /* that is said in the line */
} Line;

static void put(Line *line, const char *text, size_t n)
{
    if (line->n + n > sizeof(line->p) - KEPT_BACK) {
        line->cut = true;
        return;
    }
    memcpy(line->p + line->n, text, n);
    line->n += n;
}

static void put_string(Line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The end of the line, which is never cut. */
static void put_end(Line *line, const char *text)
{
    size_t n = strlen(text);

    ASSERT(line->n + n <= sizeof(line->p));
    memcpy(line->p + line->n, text, n);
    line->n += n;
}

/* The length of the well-formed UTF-8 character at p; 0: there is none. */
static size_t character_length(const uint8_t *p)
{
    size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n > 0 && utf8_valid(p, n) ? n : 0;
}

/* C1 controls, U+2028 and U+2029, and characters that change the direction of writing: terminals
 * and editors act on all of these. */
static bool is_treacherous(const uint8_t *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (n != 3 || p[0] != 0xe2)
        return false;
    return (p[1] == 0x80 && p[2] >= 0x8e && p[2] <= 0xaf && p[2] != 0x90 &&
            (p[2] < 0x91 || p[2] > 0xa7)) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

static void put_escaped_byte(Line *line, uint8_t byte, bool json)
{
    char text[8];

    if (byte == '\n' || byte == '\t' || byte == '\r')
        snprintf(text, sizeof(text), "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
    else
        snprintf(text, sizeof(text), json ? "\\u%04x" : "\\x%02x", byte);
    put_string(line, text);
}

static void put_escaped_character(Line *line, const uint8_t *p, size_t n)
{
    unsigned code = n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                           : (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    char text[8];

    snprintf(text, sizeof(text), "\\u%04x", code);
    put_string(line, text);
}

/* quoted: within "..." of either format, where quotes and backslashes are escaped as well. */
static void put_text(Line *line, const char *text, bool quoted)
{
    bool json = log_format == LOG_FORMAT_JSON;
    const uint8_t *p = (const uint8_t *)text;

    while (*p && !line->cut) {
        size_t n = character_length(p);

        if (n == 0 && json)
            put_string(line, "\\ufffd");
        else if (n == 0 || *p < ' ' || *p == 0x7f)
            put_escaped_byte(line, *p, json);
        else if (is_treacherous(p, n))
            put_escaped_character(line, p, n);
        else if (quoted && (*p == '"' || *p == '\\'))
            put(line, *p == '"' ? "\\\"" : "\\\\", 2);
        else
            put(line, (const char *)p, n);
        p += MAX_OF(n, (size_t)1);
    }
}

/* Whether a value needs no quotes in the text format. */
static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p > '~' || *p == '"' || *p == '=' ||
            *p == '\\')
            return false;
    return *text != 0;
}

/* A text that may be cut. */
static void put_long_text(Line *line, const char *text, bool quoted)
{
    put_text(line, text, quoted);
    if (line->cut) {
        put_end(line, "...");
        line->marked = true;
    }
}

static void put_number(Line *line, const LogField *field)
{
    char text[32];

    if (field->is_ms)
        snprintf(text, sizeof(text), "%" PRId64 ".%03" PRId64, field->number / 1000000,
                 field->number / 1000 % 1000);
    else
        snprintf(text, sizeof(text), "%" PRId64, field->number);
    put_string(line, text);
}

static void put_field(Line *line, const LogField *field)
{
    bool json = log_format == LOG_FORMAT_JSON;
    size_t before = line->n;

    if ((field->text && !*field->text) || line->cut)
        return;
    put_string(line, json ? ",\"" : " ");
    put_string(line, field->name);
    put_string(line, json ? "\":" : "=");
    if (!line->cut && !field->text)
        put_number(line, field);
    else if (!line->cut && !json && is_plain(field->text))
        put_long_text(line, field->text, false);
    else if (!line->cut)
        put(line, "\"", 1);
    if (line->cut && !line->marked) { /* half a field is none */
        line->n = before;
        return;
    }
    if (field->text && (json || !is_plain(field->text))) {
        put_long_text(line, field->text, true);
        put_end(line, "\"");
    }
}

static void put_head(Line *line, LogLevel level, const char *area)
{
    char when[TIMEFMT_MAX];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    timefmt_micros(now.tv_sec, (int32_t)now.tv_nsec, when);
    if (log_format == LOG_FORMAT_JSON) {
        put_string(line, "{\"time\":\"");
        put_string(line, when);
        put_string(line, "\",\"level\":\"");
        put_string(line, level_names[level]);
        put_string(line, "\",\"area\":\"");
        put_string(line, area);
        put_string(line, "\",\"message\":\"");
    } else {
        put_string(line, when);
        put(line, " ", 1);
        put_string(line, level_names[level]);
        put_string(line, strlen(level_names[level]) < 5 ? "  " : " ");
        put_string(line, area);
        put_string(line, ": ");
    }
}

static void _printf_(5, 0) write_line(LogLevel level, const char *area, const LogField *fields,
                                      size_t n, const char *format, va_list args)
{
    bool json = log_format == LOG_FORMAT_JSON;
    char message[2048];
    Line line;
    int length = format_text(message, sizeof(message), format, args);

    line.n = 0;
    line.cut = line.marked = false;
    put_head(&line, level, area);
    put_long_text(&line, message, json);
    if (!line.cut && length >= (int)sizeof(message))
        put_end(&line, "...");
    if (json)
        put_end(&line, "\"");
    for (size_t i = 0; i < n; i++)
        put_field(&line, &fields[i]);
    if (line.cut && !line.marked)
        put_end(&line, json ? ",\"cut\":\"...\"" : " ...");
    put_end(&line, json ? "}\n" : "\n");
    if (write(STDERR_FILENO, line.p, line.n) < 0)
        return; /* there is nowhere left to report it */
}

void log_write(LogLevel level, const char *area, const char *format, ...)
{
    va_list args;

    if (level > log_level_max)
        return;
    va_start(args, format);
    write_line(level, area, NULL, 0, format, args);
    va_end(args);
}

void log_write_fields(LogLevel level, const char *area, const LogField *fields, size_t n,
                      const char *format, ...)
{
    va_list args;

    if (level > log_level_max)
        return;
    va_start(args, format);
    write_line(level, area, fields, n, format, args);
    va_end(args);
}

bool log_limit_take(LogLimit *limit, int64_t now_ns, uint64_t *ret_left_out)
{
    if (!limit->started)
        limit->credit_ns = BURST * ONE_LINE_NS;
    else
        limit->credit_ns = MIN_OF(limit->credit_ns + (now_ns - limit->at_ns), BURST * ONE_LINE_NS);
    limit->started = true;
    limit->at_ns = now_ns;
    if (limit->credit_ns < ONE_LINE_NS) {
        limit->left_out++;
        return false;
    }
    limit->credit_ns -= ONE_LINE_NS;
    *ret_left_out = limit->left_out;
    limit->left_out = 0;
    return true;
}

static bool may_write(LogLimit *limit, uint64_t *ret_left_out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    bool allowed;

    *ret_left_out = 0;
    if (!limit)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&lock);
    allowed = log_limit_take(limit, now.tv_sec * INT64_C(1000000000) + now.tv_nsec, ret_left_out);
    pthread_mutex_unlock(&lock);
    return allowed;
}

void log_write_limited(LogLimit *limit, LogLevel level, const char *area, const char *format, ...)
{
    uint64_t left_out;
    LogField field;
    va_list args;

    if (level > log_level_max || !may_write(limit, &left_out))
        return;
    field = LOG_NUMBER("left_out", left_out);
    va_start(args, format);
    write_line(level, area, &field, left_out > 0, format, args);
    va_end(args);
}

void log_err_limited(LogLimit *limit, LogLevel level, const char *area, const Err *err,
                     const char *format, ...)
{
    char sentence[1024];
    uint64_t left_out;
    va_list args;

    if (level > log_level_max || !may_write(limit, &left_out))
        return;
    va_start(args, format);
    format_text(sentence, sizeof(sentence), format, args);
    va_end(args);
    log_write_fields(
        level, area,
        (const LogField[]){LOG_TEXT("trace", err->trace), LOG_NUMBER("left_out", left_out)},
        left_out > 0 ? 2 : 1, "%s: %s", sentence, str_or(err->message, "no reason"));
}
