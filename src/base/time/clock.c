/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both clocks keep their timers in one binary heap by (due time, order of start). Timer.impl[0] is
 * the place in the heap plus one, impl[1] the order of start. The real clock arms a single uv_timer
 * for the earliest, so a quiet program has no wake-ups at all.
 *
 * A timer that is due at once must not become a uv_timer of 0 ms: libuv runs such a timer again
 * and again without polling for I/O when its callback starts it anew. An idle and a check handle
 * take its place: the loop then polls without waiting, and the timer fires after that poll. For
 * the same reason a timer that is started while timers fire never fires in the same round, and a
 * round that has taken ROUND_NS leaves what else is due for after the next poll.
 */
#include <time.h>
#include <uv.h>

#include "base/time/clock.h"
#include "base/vec.h"

typedef struct Heap {
    VEC(Timer *) timers;
    uintptr_t starts;
} Heap;

static bool before(const Timer *a, const Timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns
                                  : (uintptr_t)a->impl[1] < (uintptr_t)b->impl[1];
}

static void place(Heap *heap, size_t i, Timer *timer)
{
    heap->timers.v[i] = timer;
    timer->impl[0] = (void *)(i + 1);
}

static void sift(Heap *heap, size_t i, Timer *timer)
{
    for (; i > 0 && before(timer, heap->timers.v[(i - 1) / 2]); i = (i - 1) / 2)
        place(heap, i, heap->timers.v[(i - 1) / 2]);
    for (size_t child; (child = i * 2 + 1) < heap->timers.n; i = child) {
        if (child + 1 < heap->timers.n && before(heap->timers.v[child + 1], heap->timers.v[child]))
            child++;
        if (!before(heap->timers.v[child], timer))
            break;
        place(heap, i, heap->timers.v[child]);
    }
    place(heap, i, timer);
}

static void heap_remove(Heap *heap, Timer *timer)
{
    size_t i = (size_t)(uintptr_t)timer->impl[0] - 1;
    Timer *last;

    ASSERT(i < heap->timers.n && heap->timers.v[i] == timer);
    last = heap->timers.v[--heap->timers.n];
    if (last != timer)
        sift(heap, i, last);
    timer->impl[0] = NULL;
    timer->active = false;
}

static void heap_add(Heap *heap, Timer *timer, int64_t due_ns)
{
    if (timer->active)
        heap_remove(heap, timer);
    timer->due_ns = due_ns;
    timer->impl[1] = (void *)++heap->starts;
    timer->active = true;
    VEC_PUSH(&heap->timers, timer);
    sift(heap, heap->timers.n - 1, timer);
}

static int64_t due_in(int64_t now, int64_t delay_ns)
{
    return delay_ns <= 0 ? now : delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns;
}

/* ---- the real one ---- */

#define UV_CLOCK_HANDLES 3
#define ROUND_NS (10 * NS_PER_MS)

typedef struct UvClock {
    Clock clock;
    Heap heap;
    uv_timer_t timer;
    uv_idle_t idle;   /* active: something is due, and the loop does not wait for I/O */
    uv_check_t check; /* fires what is due once the loop has polled for I/O */
    int64_t armed_ns; /* 0: not armed */
    int open_handles;
    bool firing;
} UvClock;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static int64_t uv_clock_wall_ns(Clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t uv_clock_mono_ns(Clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

static void uv_clock_on_timer(uv_timer_t *handle);
static void uv_clock_on_check(uv_check_t *handle);

static void on_idle(uv_idle_t *handle _unused_)
{
}

static void uv_clock_disarm(UvClock *c)
{
    uv_timer_stop(&c->timer);
    uv_idle_stop(&c->idle);
    uv_check_stop(&c->check);
    c->armed_ns = 0;
}

static void uv_clock_arm(UvClock *c)
{
    int64_t due, ms;

    if (c->firing)
        return;
    if (!c->heap.timers.n) {
        uv_clock_disarm(c);
        return;
    }
    due = c->heap.timers.v[0]->due_ns;
    if (c->armed_ns == due)
        return;
    uv_clock_disarm(c);
    c->armed_ns = due;
    /* Rounds up: waking a fraction of a millisecond early would only lead to another wait. */
    ms = (due - read_clock(CLOCK_MONOTONIC) + NS_PER_MS - 1) / NS_PER_MS;
    if (ms <= 0) {
        uv_idle_start(&c->idle, on_idle);
        uv_check_start(&c->check, uv_clock_on_check);
        return;
    }
    uv_update_time(c->timer.loop);
    uv_timer_start(&c->timer, uv_clock_on_timer, (uint64_t)ms, 0);
}

static void uv_clock_fire(UvClock *c)
{
    int64_t now = read_clock(CLOCK_MONOTONIC);
    uintptr_t newest = c->heap.starts;

    c->firing = true;
    uv_clock_disarm(c);
    while (c->heap.timers.n) {
        Timer *timer = c->heap.timers.v[0];

        if (timer->due_ns > now || (uintptr_t)timer->impl[1] > newest)
            break;
        heap_remove(&c->heap, timer);
        timer->on_fire(timer);
        if (read_clock(CLOCK_MONOTONIC) - now >= ROUND_NS)
            break;
    }
    c->firing = false;
    uv_clock_arm(c);
}

static void uv_clock_on_timer(uv_timer_t *handle)
{
    uv_clock_fire(handle->data);
}

static void uv_clock_on_check(uv_check_t *handle)
{
    uv_clock_fire(handle->data);
}

static void uv_clock_timer_start(Clock *clock, Timer *timer, int64_t delay_ns)
{
    UvClock *c = CONTAINER_OF(clock, UvClock, clock);

    heap_add(&c->heap, timer, due_in(read_clock(CLOCK_MONOTONIC), delay_ns));
    uv_clock_arm(c);
}

static void uv_clock_timer_stop(Clock *clock, Timer *timer)
{
    UvClock *c = CONTAINER_OF(clock, UvClock, clock);

    if (!timer->active)
        return;
    heap_remove(&c->heap, timer);
    uv_clock_arm(c);
}

static const ClockOps uv_clock_ops = {
    .wall_ns = uv_clock_wall_ns,
    .mono_ns = uv_clock_mono_ns,
    .timer_start = uv_clock_timer_start,
    .timer_stop = uv_clock_timer_stop,
};

Clock *clock_new_uv(struct uv_loop_s *loop)
{
    UvClock *c = mem_new_type(UvClock);

    c->clock.ops = &uv_clock_ops;
    uv_timer_init(loop, &c->timer);
    uv_idle_init(loop, &c->idle);
    uv_check_init(loop, &c->check);
    c->timer.data = c->idle.data = c->check.data = c;
    c->open_handles = UV_CLOCK_HANDLES;
    return &c->clock;
}

static void uv_clock_closed(uv_handle_t *handle)
{
    UvClock *c = handle->data;

    if (--c->open_handles)
        return;
    VEC_DEINIT(&c->heap.timers);
    free(c);
}

Clock *clock_free_uv(Clock *clock)
{
    UvClock *c = clock ? CONTAINER_OF(clock, UvClock, clock) : NULL;

    if (!c)
        return NULL;
    uv_close((uv_handle_t *)&c->timer, uv_clock_closed);
    uv_close((uv_handle_t *)&c->idle, uv_clock_closed);
    uv_close((uv_handle_t *)&c->check, uv_clock_closed);
    return NULL;
}

/* ---- the one that moves only when told ---- */

typedef struct FakeClock {
    Clock clock;
    Heap heap;
    int64_t wall_ns, mono_ns;
} FakeClock;

static int64_t fake_wall_ns(Clock *clock)
{
    return CONTAINER_OF(clock, FakeClock, clock)->wall_ns;
}

static int64_t fake_mono_ns(Clock *clock)
{
    return CONTAINER_OF(clock, FakeClock, clock)->mono_ns;
}

static void fake_timer_start(Clock *clock, Timer *timer, int64_t delay_ns)
{
    FakeClock *c = CONTAINER_OF(clock, FakeClock, clock);

    heap_add(&c->heap, timer, due_in(c->mono_ns, delay_ns));
}

static void fake_timer_stop(Clock *clock, Timer *timer)
{
    if (timer->active)
        heap_remove(&CONTAINER_OF(clock, FakeClock, clock)->heap, timer);
}

static const ClockOps fake_clock_ops = {
    .wall_ns = fake_wall_ns,
    .mono_ns = fake_mono_ns,
    .timer_start = fake_timer_start,
    .timer_stop = fake_timer_stop,
};

Clock *clock_new_fake(int64_t wall_ns)
{
    FakeClock *c = mem_new_type(FakeClock);

    c->clock.ops = &fake_clock_ops;
    c->wall_ns = wall_ns;
    c->mono_ns = NS_PER_SEC; /* not 0, which stands for "never" in many fields */
    return &c->clock;
}

Clock *clock_free_fake(Clock *clock)
{
    FakeClock *c = clock ? CONTAINER_OF(clock, FakeClock, clock) : NULL;

    if (c)
        VEC_DEINIT(&c->heap.timers);
    free(c);
    return NULL;
}

static void fake_move_to(FakeClock *c, int64_t mono_ns)
{
    if (mono_ns <= c->mono_ns)
        return;
    c->wall_ns += mono_ns - c->mono_ns;
    c->mono_ns = mono_ns;
}

bool clock_fake_step(Clock *clock)
{
    FakeClock *c = CONTAINER_OF(clock, FakeClock, clock);
    Timer *timer;

    if (!c->heap.timers.n)
        return false;
    timer = c->heap.timers.v[0];
    fake_move_to(c, timer->due_ns);
    heap_remove(&c->heap, timer);
    timer->on_fire(timer);
    return true;
}

void clock_fake_advance(Clock *clock, int64_t ns)
{
    FakeClock *c = CONTAINER_OF(clock, FakeClock, clock);
    int64_t until = c->mono_ns + ns;

    while (c->heap.timers.n && c->heap.timers.v[0]->due_ns <= until)
        clock_fake_step(clock);
    fake_move_to(c, until);
}
