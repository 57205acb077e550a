/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: what is read has a next time within five years, later than now, or none. */
#include <stdlib.h>

#include "api/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    const int64_t now = 1795248000;
    CronSchedule schedule;
    int64_t next;

    if (size > 256 || memchr(data, 0, size) ||
        cron_parse(&arena, arena_strndup(&arena, (const char *)data, size), &schedule))
        return 0;
    next = cron_next(&schedule, NULL, now);
    if (next && (next <= now || (!schedule.every && next > now + INT64_C(5) * 366 * 86400)))
        abort();
    return 0;
}
