/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedules of CronJobs: minute, hour, day of the month, month and day of the week, or a word
 * such as @daily, or @every 1h30m. The parser accepts the same texts as Kubernetes, and its
 * messages are those of Kubernetes.
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
/* The first time after `after` (seconds since 1970), or 0 if there is none within five years. Times
 * in an hour that is skipped by a change of the clock do not occur; those in a repeated hour occur
 * twice. */
int64_t cron_next(const CronSchedule *schedule, const Zone *zone, int64_t after);

#endif
