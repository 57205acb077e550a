/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one message a line on standard error, in one of two formats.
 *
 *   text   2026-11-30T11:45:36.123456Z warn  store: the commit failed writes=3 reason="disk full"
 *   json   {"time":"2026-11-30T11:45:36.123456Z","level":"warn","area":"store",
 *           "message":"the commit failed","writes":3,"reason":"disk full"}      (on one line)
 *
 * A message may have fields besides its sentence: what a person filters or counts by belongs there.
 * Untrusted text may be quoted anywhere: control characters, line and paragraph separators and
 * characters that turn the direction of writing are escaped, so that no text can forge a line or
 * hide a part of one. A line has 4 KiB at most (a write to a pipe of that size is not torn apart);
 * longer ones are cut, and end in "...".
 *
 * Where an outsider decides how often something is logged, the limited form holds it to a burst of
 * ten lines and then one in ten seconds, each of which says how many were left out before it.
 *
 * Secrets (tokens, keys, query strings, bodies) are never logged. Library code does not log above
 * debug: the boundaries where a unit of work ends do, and so do commands; see error.h. Every
 * function may be called on any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;
typedef enum LogFormat { LOG_FORMAT_TEXT, LOG_FORMAT_JSON } LogFormat;

extern LogLevel log_level_max;
extern LogFormat log_format;

typedef struct LogField {
    const char *name; /* one word of ours, never untrusted */
    const char *text; /* NULL: the number counts */
    int64_t number;
    bool is_ms; /* the number is nanoseconds, shown as milliseconds: "12.345" */
} LogField;

/* A text of NULL counts as empty. */
#define LOG_TEXT(name, text) ((LogField){(name), str_or((text), ""), 0, false})
#define LOG_NUMBER(name, number) ((LogField){(name), NULL, (int64_t)(number), false})
#define LOG_MS(name, ns) ((LogField){(name), NULL, (ns), true})
#define LOG_FIELDS(...) \
    (const LogField[]){__VA_ARGS__}, sizeof((const LogField[]){__VA_ARGS__}) / sizeof(LogField)

void log_write(LogLevel level, const char *area, const char *format, ...) _printf_(3, 4);
/* Fields with an empty text are left out. */
void log_write_fields(LogLevel level, const char *area, const LogField *fields, size_t n,
                      const char *format, ...) _printf_(5, 6);

/* A budget of lines; zeroed means full. */
typedef struct LogLimit {
    int64_t at_ns, credit_ns;
    uint64_t left_out;
    bool started;
} LogLimit;

/* True: the line may be written; *ret_left_out: how many were not since the last one. */
bool log_limit_take(LogLimit *limit, int64_t now_ns, uint64_t *ret_left_out);
void log_write_limited(LogLimit *limit, LogLevel level, const char *area, const char *format, ...)
    _printf_(4, 5);

/* "sentence: the error's message", and its trace as a field. limit may be NULL. */
void log_err_limited(LogLimit *limit, LogLevel level, const char *area, const Err *err,
                     const char *format, ...) _printf_(5, 6);

#define log_enabled(level) _unlikely_(log_level_max >= (level))
#define log_error(area, ...) log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                               \
    do {                                                   \
        if (log_enabled(LOG_LEVEL_DEBUG))                  \
            log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__); \
    } while (0)
/* One budget for each place in the source. */
#define log_limited(level, area, ...)                             \
    do {                                                          \
        static LogLimit _log_limit;                               \
        log_write_limited(&_log_limit, level, area, __VA_ARGS__); \
    } while (0)

#endif
