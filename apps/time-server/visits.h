/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of visits that are to be written to the file.
 *
 * With SYNC_ALWAYS a visit is answered only when it is on the disk. Visits that arrive during a write are written together by the
 * next one, so all visits that wait share one fdatasync, and a busy server does not need more of them per second.
 *
 *      visits_add --> waiting --+                            +--> done(n, NULL)
 *      visits_add --> waiting --+--> one counter_add() on ---+--> done(n + 1, NULL)
 *      visits_ask --> waiting --+    the pool                +--> done(n + 1, NULL)
 *
 * In the other modes visits are answered at once and written later: every second (SYNC_INTERVAL), or after the previous write and
 * without fdatasync (SYNC_NEVER). Visits that were answered but could not be written stay in the queue, and meanwhile new visits are
 * refused.
 *
 * After a failure the write, or a check of the file, is repeated every second until it succeeds. So a server that is not ready, and
 * therefore gets no visits, becomes ready without one.
 */
#ifndef TIME_SERVER_VISITS_H
#define TIME_SERVER_VISITS_H

#include "base/time/clock.h"
#include "config.h"
#include "counter.h"

typedef struct Visits Visits;

typedef struct VisitsStats {
    uint64_t writes, failures; /* calls of counter_add, and those that failed */
    uint64_t written;          /* visits */
    int64_t write_ns;          /* the time of all writes together */
} VisitsStats;

/* Returns 0, also if the file cannot be used at the moment, or a negative error with a message if waiting would not help: the file
 * does not hold a count, or another process counts in it. */
int visits_open(struct uv_loop_s *loop, Clock *clock, const Config *config, Visits **ret,
                Err *reterr);
/* Frees everything. All visits have to be answered before, by visits_flush and a run of the loop. */
Visits *visits_close(Visits *visits);
/* Writes at once all visits that were answered and are not written yet. The program is about to end. */
void visits_flush(Visits *visits);

/* Without an error the visit is counted, and `count` is its number. With an error it is not counted. */
typedef void (*VisitDone)(void *data, uint64_t count, const char *error);
/* Counts a visit. `done` is called exactly once, possibly before visits_add returns. */
void visits_add(Visits *visits, const Visit *visit, VisitDone done, void *data);
/* Reads the count of the file without a visit. */
void visits_ask(Visits *visits, VisitDone done, void *data);

uint64_t visits_count(const Visits *visits);    /* the last known count */
const char *visits_error(const Visits *visits); /* why the last write failed; NULL: it succeeded */
const VisitsStats *visits_stats(const Visits *visits);

#endif
