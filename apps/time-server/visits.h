/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A count that is on disk before anybody hears of it.
 *
 * Visits that come while a write is under way are written together by the next one, so one
 * fdatasync serves all that wait. Each write goes to a file aside, which then takes the place of
 * the old one: a reader gets an old count or a new one, never half of either. A lock on FILE.lock
 * keeps a second process away.
 */
#ifndef TIME_SERVER_VISITS_H
#define TIME_SERVER_VISITS_H

#include "base/error.h"

struct uv_loop_s;

typedef struct Visits Visits;

/* Reads the count; a missing file is 0, one that is no count stops the start and is left as it is.
 */
int visits_open(struct uv_loop_s *loop, const char *file, Visits **ret, Err *reterr);
/* Not before the last visit has been answered. */
Visits *visits_close(Visits *visits);

/* error NULL: the visit is on disk, and count is its number. Otherwise nothing was counted. */
typedef void (*VisitDone)(void *data, uint64_t count, const char *error);
void visits_add(Visits *visits, VisitDone done, void *data);

uint64_t visits_count(const Visits *visits);    /* durable ones */
const char *visits_error(const Visits *visits); /* why the newest write failed; NULL: it did not */
bool visits_busy(const Visits *visits);

#endif
