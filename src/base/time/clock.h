/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, injected. Whatever decides (controllers, scheduler, pod machine) is given a Clock, and a
 * Random (base/random.h); the daemon passes the real ones, the simulator its own.
 */
#ifndef BASE_TIME_CLOCK_H
#define BASE_TIME_CLOCK_H

#include "base/base.h"
#include "base/random.h"

typedef struct Clock Clock;
typedef struct Timer Timer;

typedef struct ClockOps {
    int64_t (*wall_ns)(Clock *clock); /* since 1970 */
    int64_t (*mono_ns)(Clock *clock); /* never goes back */
    /* One shot; calls back on the loop. Starting a started timer moves it. */
    void (*timer_start)(Clock *clock, Timer *timer, int64_t delay_ns);
    void (*timer_stop)(Clock *clock, Timer *timer);
} ClockOps;

struct Clock {
    const ClockOps *ops;
};

/* Embedded in its owner. Set on_fire and data before the first start; stop before freeing
 * (timer_deinit). */
struct Timer {
    void (*on_fire)(Timer *timer);
    void *data;
    bool active;
    int64_t due_ns; /* mono; kept by the clock */
    void *impl[4];  /* the clock's own */
};

static inline int64_t clock_wall_ns(Clock *clock)
{
    return clock->ops->wall_ns(clock);
}
static inline int64_t clock_mono_ns(Clock *clock)
{
    return clock->ops->mono_ns(clock);
}
static inline void timer_start(Clock *clock, Timer *timer, int64_t delay_ns)
{
    ASSERT(timer->on_fire);
    clock->ops->timer_start(clock, timer, delay_ns);
}
static inline void timer_stop(Clock *clock, Timer *timer)
{
    clock->ops->timer_stop(clock, timer);
}

#define NS_PER_SEC INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* Converts untrusted seconds, such as a deadline or a time in an object, to nanoseconds. The result
 * saturates at a value of which two can still be added or subtracted. */
static inline int64_t ns_from_seconds(int64_t seconds)
{
    const int64_t most = INT64_MAX / 2 / NS_PER_SEC - 1;

    return MIN_OF(MAX_OF(seconds, -most), most) * NS_PER_SEC;
}

/* The clock of the real world, over one libuv loop (struct uv_loop_s). All its timers share one
 * uv_timer, kept in a heap. */
struct uv_loop_s;
Clock *clock_new_uv(struct uv_loop_s *loop);
Clock *clock_free_uv(Clock *clock);
/* A clock that moves only when it is told to. Timers fire in the order of their due times, then of
 * their starts. */
Clock *clock_new_fake(int64_t wall_ns);
Clock *clock_free_fake(Clock *clock);
void clock_fake_advance(Clock *clock, int64_t ns);
/* Moves to the next timer and fires it; false if there is none. */
bool clock_fake_step(Clock *clock);

#endif
