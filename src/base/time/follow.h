/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that has to follow its inputs: status reports, files in volumes, a volume's size.
 *
 * Such work takes time, and its inputs change while it runs. A flag "dirty" that the end of the
 * work clears loses every change that came after the work had read its inputs. Here changes are
 * counted instead. A pass notes the count when it reads the inputs, and its end compares that with
 * the count of now: if the two differ, another pass begins. No change between the two can be lost,
 * in whatever order changes and answers arrive.
 *
 *     follow_changed()  an input changed; a pass begins with the next turn of the loop, or when the
 *                       one under way has ended. Changes of one turn share a pass.
 *     on_due            the owner reads the inputs: it calls follow_begin(), starts the work, and
 *                       calls follow_end() from its answer. If the work cannot begin now it does
 *                       nothing; whatever ends that state calls follow_poke().
 *     follow_end()      the pass is over. Inputs that changed meanwhile begin another one at once;
 *                       a pass that failed is tried again after a while.
 *
 * At most one pass is under way at a time.
 */
#ifndef BASE_TIME_FOLLOW_H
#define BASE_TIME_FOLLOW_H

#include "base/time/clock.h"

/* For follow_end(): the pass failed, and only another change can help. */
#define FOLLOW_NO_RETRY INT64_C(-1)

typedef struct Follow {
    Clock *clock;
    void (*on_due)(void *data);
    void *data;
    Timer timer;
    uint64_t changes; /* of the inputs, so far */
    uint64_t seen;    /* changes that the newest pass has read */
    uint64_t done;    /* changes that a pass has carried out */
    bool running, stopped;
} Follow;

void follow_init(Follow *follow, Clock *clock, void (*on_due)(void *data), void *data);
/* No further pass begins. A pass that is under way may still end. */
void follow_stop(Follow *follow);

void follow_changed(Follow *follow);
/* What kept a pass from beginning may be over: one begins if it is due. */
void follow_poke(Follow *follow);
void follow_begin(Follow *follow);
/* retry_ns 0: the pass has carried its inputs out. Else it failed: another one begins after that
 * time, or with FOLLOW_NO_RETRY when an input changes; in both cases at once if one did already. */
void follow_end(Follow *follow, int64_t retry_ns);
/* Has an input changed that no finished pass has carried out? */
bool follow_is_due(const Follow *follow);

#endif
