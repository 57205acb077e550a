/* SPDX-License-Identifier: Apache-2.0 */
#include <uv.h>

#include "base/log.h"
#include "base/vec.h"
#include "visits.h"

#define RETRY_NS NS_PER_SEC
#define INTERVAL_NS NS_PER_SEC
/* Limits for visits that were answered and are not written yet: at BEHIND_MANY they are written before the end of the interval, and
 * at BEHIND_LIMIT new visits are refused. */
#define BEHIND_MANY 4096
#define BEHIND_LIMIT (16 * BEHIND_MANY)

typedef struct Waiter {
    VisitDone done;
    void *data;
    bool counts; /* true for visits_add, false for visits_ask */
} Waiter;

typedef struct Batch {
    size_t n;          /* visits */
    VEC(Visit) visits; /* the same visits, if the format needs more than their number */
    VEC(Waiter) waiters;
} Batch;

struct Visits {
    uv_loop_t *loop;
    Clock *clock;
    Timer timer; /* for a retry, or for the interval */
    Sync sync;
    bool wants_visits;
    Counter *counter;
    uint64_t count;
    Batch waiting; /* for the next write */
    Batch served;  /* in the current write */
    bool flushing; /* the program is about to end, so writes do not wait for the timer */
    VisitsStats stats;
    Err err; /* of the last write; without a message it succeeded */

    uv_work_t work; /* while busy, the fields below belong to the thread of the pool */
    bool busy;
    int r;
    uint64_t counted;
    int64_t took_ns;
    Err work_err;
};

static void batch_deinit(Batch *batch)
{
    VEC_DEINIT(&batch->visits);
    VEC_DEINIT(&batch->waiters);
}

const char *visits_error(const Visits *visits)
{
    return visits->err.message[0] ? visits->err.message : NULL;
}

uint64_t visits_count(const Visits *visits)
{
    return visits->count;
}

const VisitsStats *visits_stats(const Visits *visits)
{
    return &visits->stats;
}

/* Runs in a thread of the pool. */
static void work(uv_work_t *handle)
{
    Visits *visits = handle->data;
    const Batch *batch = &visits->served;
    uint64_t begin = uv_hrtime();

    visits->work_err = ERR_INIT;
    if (batch->n)
        visits->r = counter_add(visits->counter, batch->visits.v, batch->n,
                                visits->sync != SYNC_NEVER, &visits->counted, &visits->work_err);
    else if (batch->waiters.n)
        visits->r = counter_load(visits->counter, &visits->counted, &visits->work_err);
    else
        visits->r = counter_check(visits->counter, &visits->counted, &visits->work_err);
    visits->took_ns = (int64_t)(uv_hrtime() - begin);
}

static void start(Visits *visits);

static void note_stats(Visits *visits, size_t n)
{
    if (!n)
        return;
    visits->stats.writes++;
    visits->stats.failures += visits->r != 0;
    visits->stats.written += visits->r ? 0 : n;
    visits->stats.write_ns += visits->took_ns;
}

/* Puts visits that were answered but could not be written at the front of the queue. */
static void keep(Visits *visits, Batch *served)
{
    visits->waiting.n += served->n;
    for (size_t i = 0; i < visits->waiting.visits.n; i++)
        VEC_PUSH(&served->visits, visits->waiting.visits.v[i]);
    VEC_DEINIT(&visits->waiting.visits);
    visits->waiting.visits.v = TAKE_PTR(served->visits.v);
    visits->waiting.visits.n = served->visits.n;
    visits->waiting.visits.cap = served->visits.cap;
    served->visits.n = served->visits.cap = 0;
}

static void tell(const Visits *visits, const Batch *served)
{
    const char *error = visits->r ? visits->work_err.message : NULL;
    uint64_t number = visits->counted - served->n;

    for (size_t i = 0; i < served->waiters.n; i++) {
        const Waiter *waiter = &served->waiters.v[i];

        number += waiter->counts;
        waiter->done(waiter->data, waiter->counts ? number : visits->counted, error);
    }
}

/* Logs each reason for not being ready once. */
static void set_error(Visits *visits, const Err *err)
{
    bool same = str_equal(visits->err.message, err->message);

    visits->err = *err;
    if (!same && visits_error(visits))
        log_warn("time-server", "not ready, trying again: %s", visits_error(visits));
    else if (!same)
        log_info("time-server", "ready again");
}

static void on_worked(uv_work_t *handle, int status _unused_)
{
    Visits *visits = handle->data;
    Batch served = visits->served;
    bool told = visits->sync != SYNC_ALWAYS, question = served.waiters.n && !served.n;

    visits->served = (Batch){0};
    note_stats(visits, served.n);
    /* That the count could be read does not mean that a write would succeed. */
    if (!question || visits->r)
        set_error(visits, &visits->work_err);
    if (visits->r == 0)
        visits->count = visits->counted + (told ? visits->waiting.n : 0);
    tell(visits, &served);
    if (visits->r && told)
        keep(visits, &served);
    visits->busy = false; /* not earlier, since a callback may add the next visit */
    batch_deinit(&served);
    start(visits);
}

static void work_now(Visits *visits)
{
    timer_stop(visits->clock, &visits->timer);
    visits->served = visits->waiting;
    visits->waiting = (Batch){0};
    visits->busy = true;
    uv_queue_work(visits->loop, &visits->work, work, on_worked);
}

static void start(Visits *visits)
{
    bool failing = visits_error(visits), pending = visits->waiting.n > 0;
    bool now =
        visits->flushing || visits->sync == SYNC_NEVER || visits->waiting.visits.n >= BEHIND_MANY;

    if (visits->busy)
        return;
    if (visits->waiting.waiters.n || (now && pending && !failing))
        work_now(visits);
    else if (visits->timer.active || visits->flushing)
        return;
    else if (failing)
        timer_start(visits->clock, &visits->timer, RETRY_NS);
    else if (pending)
        timer_start(visits->clock, &visits->timer, INTERVAL_NS);
}

static void on_timer(Timer *timer)
{
    Visits *visits = timer->data;

    if (!visits->busy)
        work_now(visits);
}

int visits_open(struct uv_loop_s *loop, Clock *clock, const Config *config, Visits **ret,
                Err *reterr)
{
    Visits *visits = mem_new_type(Visits);
    int r;

    visits->loop = loop;
    visits->clock = clock;
    visits->timer = (Timer){.on_fire = on_timer, .data = visits};
    visits->sync = config->sync;
    visits->wants_visits = counter_wants_visits(config->format);
    visits->counter = counter_new(config->file, config->format);
    visits->work.data = visits;
    r = counter_check(visits->counter, &visits->count, &visits->err);
    if (r == COUNTER_E_BROKEN || r == COUNTER_E_TAKEN) {
        r = err_set(reterr, 0, "%s", visits->err.message);
        visits_close(visits);
        return r;
    }
    start(visits);
    *ret = visits;
    return 0;
}

Visits *visits_close(Visits *visits)
{
    if (!visits)
        return NULL;
    ASSERT(!visits->busy);
    timer_stop(visits->clock, &visits->timer);
    counter_free(visits->counter);
    batch_deinit(&visits->waiting);
    free(visits);
    return NULL;
}

void visits_flush(Visits *visits)
{
    visits->flushing = true;
    timer_stop(visits->clock, &visits->timer);
    start(visits);
}

static void wait_for_work(Visits *visits, VisitDone done, void *data, bool counts)
{
    VEC_PUSH(&visits->waiting.waiters, ((Waiter){done, data, counts}));
    start(visits);
}

void visits_add(Visits *visits, const Visit *visit, VisitDone done, void *data)
{
    const char *error = visits->waiting.visits.n >= BEHIND_LIMIT ? "the disk does not keep up"
                                                                 : visits_error(visits);

    if (visits->sync != SYNC_ALWAYS && error) {
        done(data, visits->count, error);
        return;
    }
    visits->waiting.n++;
    if (visits->wants_visits)
        VEC_PUSH(&visits->waiting.visits, *visit);
    if (visits->sync == SYNC_ALWAYS) {
        wait_for_work(visits, done, data, true);
        return;
    }
    start(visits);
    done(data, ++visits->count, NULL);
}

void visits_ask(Visits *visits, VisitDone done, void *data)
{
    wait_for_work(visits, done, data, false);
}
