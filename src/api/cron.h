/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of cron: when is the next time? Minute, hour, day of the month, month and day of the
 * week, or a word such as @daily, or @every 1h30m. Reads what Kubernetes reads, and refuses in its
 * words.
 */
#ifndef API_CRON_H
#define API_CRON_H

#include "base/arena.h"
#include "base/time/zone.h"

typedef struct CronSchedule {
    /* Bit n: n fits. The top bit: all do. */
    uint64_t minutes, hours, days, months, weekdays;
    int64_t every; /* seconds, for @every; else 0 */
} CronSchedule;

/* NULL, or what is wrong with the text. */
const char *cron_parse(Arena *arena, const char *text, CronSchedule *ret);
/* The first time after `after` (seconds since 1970); 0 where none comes within five years. An hour
 * that the clock skips has no times, one that it repeats has them twice. */
int64_t cron_next(const CronSchedule *schedule, const Zone *zone, int64_t after);

#endif
