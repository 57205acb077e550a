/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace lives in a small buffer of the thread: an origin clears it, each trace appends "func
 * (file:line)". It is only written on failure, so success pays nothing.
 *
 * An Err with the code of the thread's trace is about that same error and takes the trace over;
 * any other is the origin of an error itself.
 */
#include "base/error.h"
#include "base/format.h"

static _Thread_local char trace[1024];
static _Thread_local size_t trace_n;
static _Thread_local int trace_code; /* of the error that the trace is of */

/* The path relative to the source folder, whatever path the compiler was given. */
static const char *short_path(const char *file)
{
    while (strncmp(file, "../", 3) == 0)
        file += 3;
    return file;
}

static void note(const char *what, int r, const char *file, int line, const char *func)
{
    int n;

    if (trace_n >= sizeof(trace) - 1)
        return;
    if (what)
        n = snprintf(trace + trace_n, sizeof(trace) - trace_n, "%s (%s) in %s (%s:%d)", what,
                     strerror(-r), func, short_path(file), line);
    else
        n = snprintf(trace + trace_n, sizeof(trace) - trace_n, " < %s (%s:%d)", func,
                     short_path(file), line);
    if (n > 0)
        trace_n = MIN_OF(trace_n + (size_t)n, sizeof(trace) - 1);
}

int error_origin(int r, const char *file, int line, const char *func)
{
    if (r >= 0)
        return r;
    trace_n = 0;
    trace_code = r;
    note("error", r, file, line, func);
    return r;
}

int error_trace(int r, const char *file, int line, const char *func)
{
    if (r < 0)
        note(NULL, r, file, line, func);
    return r;
}

int error_fold(int r, const char *file, int line, const char *func)
{
    if (r <= 0)
        return error_trace(r, file, line, func);
    trace_n = 0;
    trace_code = -ENOTRECOVERABLE;
    note("unexpected outcome", -ENOTRECOVERABLE, file, line, func);
    return -ENOTRECOVERABLE;
}

void error_trace_take(char *buf, size_t size)
{
    snprintf(buf, size, "%.*s", (int)(size - 1), trace_n ? trace : "");
    error_trace_forget();
}

void error_trace_forget(void)
{
    trace[0] = 0;
    trace_n = 0;
}

/* Marks a message that was cut, so that half a sentence is not mistaken for the whole. */
static void mark_cut(Err *err, int n)
{
    if (n >= (int)sizeof(err->message))
        memcpy(err->message + sizeof(err->message) - 4, "...", 4);
}

int err_set_at(Err *err, int code, const char *file, int line, const char *func, const char *format,
               ...)
{
    va_list args;
    int n;

    if (!err)
        return -(code ? code : EINVAL);
    err->code = code;
    if (trace_n == 0 || code == 0 || trace_code != -code)
        error_origin(-(code ? code : EINVAL), file, line, func);
    else
        error_trace(-code, file, line, func);
    error_trace_take(err->trace, sizeof(err->trace));
    va_start(args, format);
    n = format_text(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (code && n >= 0 && n < (int)sizeof(err->message))
        n += snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %s", strerror(code));
    mark_cut(err, n);
    return -(code ? code : EINVAL);
}

int err_wrap(Err *err, const char *format, ...)
{
    char context[sizeof(err->message)], inner[sizeof(err->message)];
    va_list args;
    int n;

    if (!err)
        return -EINVAL;
    va_start(args, format);
    format_text(context, sizeof(context), format, args);
    va_end(args);
    memcpy(inner, err->message, sizeof(inner));
    n = snprintf(err->message, sizeof(err->message), "%.200s: %s", context, inner);
    mark_cut(err, n);
    return -(err->code ? err->code : EINVAL);
}
