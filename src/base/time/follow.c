/* SPDX-License-Identifier: Apache-2.0 */
/* See follow.h. */
#include "base/time/follow.h"

static void on_timer(Timer *timer)
{
    Follow *f = timer->data;

    if (!f->stopped && !f->running && follow_is_due(f))
        f->on_due(f->data);
}

void follow_init(Follow *f, Clock *clock, void (*on_due)(void *data), void *data)
{
    ASSERT(on_due);
    *f = (Follow){.clock = clock, .on_due = on_due, .data = data};
    f->timer.on_fire = on_timer;
    f->timer.data = f;
}

void follow_stop(Follow *f)
{
    if (f->clock)
        timer_stop(f->clock, &f->timer);
    f->stopped = true;
}

bool follow_is_due(const Follow *f)
{
    return f->done != f->changes;
}

void follow_changed(Follow *f)
{
    f->changes++;
    follow_poke(f);
}

void follow_poke(Follow *f)
{
    if (!f->stopped && !f->running && follow_is_due(f))
        timer_start(f->clock, &f->timer, 0);
}

void follow_begin(Follow *f)
{
    ASSERT(!f->running);
    timer_stop(f->clock, &f->timer);
    f->running = true;
    f->seen = f->changes;
}

void follow_end(Follow *f, int64_t retry_ns)
{
    ASSERT(f->running);
    f->running = false;
    if (retry_ns == 0)
        f->done = f->seen;
    if (f->stopped)
        return;
    if (f->seen != f->changes)
        timer_start(f->clock, &f->timer, 0);
    else if (retry_ns > 0)
        timer_start(f->clock, &f->timer, retry_ns);
}
