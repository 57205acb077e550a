/* SPDX-License-Identifier: Apache-2.0 */
/* One write(2) a line, so that lines of several processes do not mix. */
#include <time.h>

#include "base/log.h"
#include "base/timefmt.h"

LogLevel log_level_max = LOG_LEVEL_INFO;

void log_write(LogLevel level, const char *area, const char *format, ...)
{
    static const char *const names[] = {"error", "warn ", "info ", "debug"};
    char line[2048], when[TIMEFMT_MAX];
    struct timespec now;
    va_list args;
    int n, m;

    if (level > log_level_max)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    timefmt_micros(now.tv_sec, (int32_t)now.tv_nsec, when);
    n = snprintf(line, sizeof(line), "%s %s %s: ", when, names[level], area);
    va_start(args, format);
    m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    n = MIN_OF(n + MAX_OF(m, 0), (int)sizeof(line) - 2);
    /* Foreign text may be quoted in a message: keep it to one line. */
    for (int i = 0; i < n; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nowhere to say it */
}
