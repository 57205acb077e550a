/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visits on their way to the disk.
 *
 * With SYNC_ALWAYS a visit is told to nobody before it is on disk. Those that come while a write is
 * under way are written together by the next one, so one fdatasync serves all that wait, and the
 * count of a busy server costs as little as that of a quiet one.
 *
 *      visits_add --> waiting --+                            +--> done(n, NULL)
 *      visits_add --> waiting --+--> one counter_add() on ---+--> done(n + 1, NULL)
 *      visits_ask --> waiting --+    the pool                +--> done(n + 1, NULL)
 *
 * Otherwise visits are told at once and written behind: every second (SYNC_INTERVAL), or as soon
 * as the write before is done, without fdatasync (SYNC_NEVER). What was told and could not be
 * written is kept, and meanwhile no more are taken.
 *
 * After a failure it is tried again every second until it works, so that a server that is not
 * ready, and so gets no visits, becomes ready by itself.
 */
#ifndef TIME_SERVER_VISITS_H
#define TIME_SERVER_VISITS_H

#include "base/time/clock.h"
#include "config.h"
#include "counter.h"

typedef struct Visits Visits;

typedef struct VisitsStats {
    uint64_t writes, failures; /* of counter_add */
    uint64_t written;          /* visits */
    int64_t write_ns;          /* all writes together */
} VisitsStats;

/* Negative where there is no point in waiting: the file holds no count, or another process counts
 * in it. */
int visits_open(struct uv_loop_s *loop, Clock *clock, const Config *config, Visits **ret,
                Err *reterr);
/* Not before all is answered: visits_flush, and the loop has run. */
Visits *visits_close(Visits *visits);
/* What was told and is not yet written goes out now. */
void visits_flush(Visits *visits);

/* error NULL: the visit counts, and count is its number. Otherwise nothing was counted. */
typedef void (*VisitDone)(void *data, uint64_t count, const char *error);
void visits_add(Visits *visits, const Visit *visit, VisitDone done, void *data);
/* What the file says, without a visit. */
void visits_ask(Visits *visits, VisitDone done, void *data);

uint64_t visits_count(const Visits *visits);    /* as last known */
const char *visits_error(const Visits *visits); /* why the newest write failed; NULL: it did not */
const VisitsStats *visits_stats(const Visits *visits);

#endif
