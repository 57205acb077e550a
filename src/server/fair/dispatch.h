/* SPDX-License-Identifier: Apache-2.0 */
/* Priority levels with their queues: dispatch.c. Which level a request has is decided in fair.c. */
#ifndef SERVER_FAIR_DISPATCH_H
#define SERVER_FAIR_DISPATCH_H

#include "api/schema/flowcontrol_v1.h"
#include "base/list.h"
#include "base/observe/metrics.h"
#include "base/time/clock.h"

typedef struct Level Level;
typedef struct Dispatch Dispatch;

/* What waits, or runs: embedded in its owner. */
typedef struct Ticket {
    ListNode node; /* of a queue */
    Level *level;  /* NULL: not counted */
    size_t queue;
    bool waits;
    int64_t since_ns;
    void (*run)(struct Ticket *ticket);
} Ticket;

Dispatch *dispatch_new(Clock *clock);
/* What waits is forgotten. */
Dispatch *dispatch_free(Dispatch *dispatch);

/* Makes the level, or changes it. */
Level *dispatch_level(Dispatch *dispatch, const PriorityLevelConfiguration *config);
/* The level is gone, but not for requests that have it already. */
void dispatch_retire(Level *level);
/* After levels have changed: divides the seats. */
void dispatch_divide(Dispatch *dispatch);
const char *level_uid(const Level *level);

/* Calls ticket->run now, or later; false: refused. `flow` is a hash of the request's flow. */
bool dispatch_run(Dispatch *dispatch, Level *level, uint64_t flow, Ticket *ticket);
void dispatch_end(Dispatch *dispatch, Ticket *ticket);

#endif
