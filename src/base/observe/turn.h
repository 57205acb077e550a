/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog of the loop. Everything shares one loop, so one piece of work that takes a second
 * delays all requests, probes and DNS answers by a second. A turn of the loop that takes longer
 * than TURN_LIMIT_NS is logged:
 *
 *   while it runs   by a thread of its own, after 1 s, 2 s, 4 s...: what is running now
 *   when it ends    by the loop: how long it took, and which piece of work took longest
 *
 * so that also a loop that never comes round again leaves lines that say why. A turn is the time
 * between two polls for I/O without the time that the loop slept in the poll.
 *
 * Whoever starts a piece of work brackets it: a request, a reconcile, the sync of a pod. Brackets
 * may be nested. They cost nothing where no loop is watched, and the thread sleeps while nothing is
 * bracketed.
 */
#ifndef BASE_OBSERVE_TURN_H
#define BASE_OBSERVE_TURN_H

#include "base/base.h"

struct uv_loop_s;

#define TURN_LIMIT_NS INT64_C(1000000000)

typedef struct TurnWork {
    const char *kind; /* a literal */
    int64_t began_ns;
    struct TurnWork *outer;
    char text[120]; /* a copy: the work may free what it was named after; cut */
} TurnWork;

/* At most one loop a process is watched; begin before the loop runs. */
void turn_watch_start(struct uv_loop_s *loop);
void turn_watch_stop(void);

/* When a turn that took too long ended last (monotonic); 0: none has. */
int64_t turn_last_long_ns(void);

/* On the loop's thread. "reconcile", "garbage-collector", "default/web"; "request", "GET", "/api".
 * The detail may be NULL. */
void turn_work_begin(TurnWork *work, const char *kind, const char *name, const char *detail);
void turn_work_end(TurnWork *work);

/* For tests: gets the text of each report instead of the log. */
void turn_watch_report_to(void (*report)(const char *text));

#endif
