/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line a message on stderr: time, level, area, text. Library code does not log above debug:
 * boundaries and commands do. Secrets never.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

extern LogLevel log_level_max;

void log_write(LogLevel level, const char *area, const char *format, ...) _printf_(3, 4);

#define log_error(area, ...) log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                               \
    do {                                                   \
        if (_unlikely_(log_level_max >= LOG_LEVEL_DEBUG))  \
            log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__); \
    } while (0)

#endif
