/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See turn.h. The mutex guards the chain of work and what the thread reads: a record of work is on
 * the stack of its caller and is only valid while it is in the chain.
 *
 * The first piece of work that begins while the thread sleeps wakes it. It then looks once a
 * second, and goes back to sleep when it finds the loop idle, so a quiet server has no wake-ups
 * because of it.
 */
#include <pthread.h>
#include <time.h>
#include <uv.h>

#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/observe/turn.h"

/* Shorter pieces of work are never reported as the cause of a long turn. */
#define NOTED_NS (TURN_LIMIT_NS / 20)

static struct {
    bool watching; /* only the loop's thread writes it */
    uv_loop_t *loop;
    uv_prepare_t prepare;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool armed, stop;
    TurnWork *work;
    uint64_t began_ns, idle_ns; /* at the beginning of this turn */
    uint64_t turns;
    int64_t last_long_ns;
    int64_t longest_ns;
    char longest[256];
    void (*report)(const char *text);
} watch = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void report(const char *text)
{
    if (watch.report)
        watch.report(text);
    else
        log_warn("loop", "%s", text);
}

static void describe(const TurnWork *work, char *buf, size_t size)
{
    if (work)
        snprintf(buf, size, "%s %s", work->kind, work->text);
    else
        snprintf(buf, size, "unnamed work");
}

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* Returns how long this turn of the loop has been busy. */
static int64_t busy_ns(uint64_t now)
{
    uint64_t idle = uv_metrics_idle_time(watch.loop) - watch.idle_ns, all = now - watch.began_ns;

    return all > idle ? (int64_t)(all - idle) : 0;
}

/* ---- on the thread ---- */

/* Looks at the current turn, with the mutex held. Returns false if the loop is idle. */
static bool look(uint64_t *turn, int64_t *next_ns)
{
    char what[256], text[400];
    int64_t busy = busy_ns(uv_hrtime());

    if (*turn != watch.turns) {
        *turn = watch.turns;
        *next_ns = TURN_LIMIT_NS;
    }
    if (busy < *next_ns)
        return watch.work || busy >= TURN_LIMIT_NS;
    *next_ns = busy * 2;
    describe(watch.work, what, sizeof(what));
    snprintf(text, sizeof(text),
             "a turn of the loop has been running for %.1f s and delays everything else; now: %s",
             seconds(busy), what);
    report(text);
    return true;
}

static void *on_thread(void *data _unused_)
{
    uint64_t turn = 0;
    int64_t next_ns = TURN_LIMIT_NS;

    pthread_mutex_lock(&watch.mutex);
    while (!watch.stop) {
        struct timespec until;

        if (!watch.armed) {
            pthread_cond_wait(&watch.wake, &watch.mutex);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        while (!watch.stop &&
               pthread_cond_timedwait(&watch.wake, &watch.mutex, &until) != ETIMEDOUT)
            ;
        if (!watch.stop)
            watch.armed = look(&turn, &next_ns);
    }
    pthread_mutex_unlock(&watch.mutex);
    return NULL;
}

/* ---- on the loop ---- */

static void on_prepare(uv_prepare_t *prepare _unused_)
{
    char text[400] = "";
    uint64_t now = uv_hrtime();
    int64_t busy;

    pthread_mutex_lock(&watch.mutex);
    busy = busy_ns(now);
    if (busy >= TURN_LIMIT_NS)
        snprintf(text, sizeof(text), "a turn of the loop took %.1f s; longest in it: %s (%.1f s)",
                 seconds(busy), *watch.longest ? watch.longest : "unnamed work",
                 seconds(watch.longest_ns));
    watch.began_ns = now;
    watch.idle_ns = uv_metrics_idle_time(watch.loop);
    watch.turns++;
    watch.longest_ns = 0;
    *watch.longest = 0;
    pthread_mutex_unlock(&watch.mutex);
    if (*text) {
        watch.last_long_ns = (int64_t)now;
        metric_inc(metric_single(METRIC_LONG_TURNS));
        report(text);
    }
}

int64_t turn_last_long_ns(void)
{
    return watch.last_long_ns;
}

static size_t copy_text(char *to, size_t room, const char *text)
{
    size_t n = strnlen(str_or(text, ""), room - 1);

    memcpy(to, str_or(text, ""), n);
    to[n] = 0;
    return n;
}

void turn_work_begin(TurnWork *work, const char *kind, const char *name, const char *detail)
{
    size_t n;

    if (!watch.watching)
        return;
    work->kind = kind;
    work->began_ns = (int64_t)uv_hrtime();
    work->outer = watch.work;
    n = copy_text(work->text, sizeof(work->text) / 2, name);
    if (detail) {
        work->text[n++] = ' ';
        copy_text(work->text + n, sizeof(work->text) - n, detail);
    }
    pthread_mutex_lock(&watch.mutex);
    watch.work = work;
    if (!watch.armed) {
        watch.armed = true;
        pthread_cond_signal(&watch.wake);
    }
    pthread_mutex_unlock(&watch.mutex);
}

void turn_work_end(TurnWork *work)
{
    int64_t took;

    if (!watch.watching || watch.work != work)
        return;
    took = (int64_t)uv_hrtime() - work->began_ns;
    pthread_mutex_lock(&watch.mutex);
    watch.work = work->outer;
    if (took >= NOTED_NS && took > watch.longest_ns) {
        watch.longest_ns = took;
        describe(work, watch.longest, sizeof(watch.longest));
    }
    pthread_mutex_unlock(&watch.mutex);
}

void turn_watch_start(uv_loop_t *loop)
{
    pthread_condattr_t attributes;

    /* If the idle time cannot be measured or the thread cannot be started, the server runs without
     * a watchdog. */
    if (watch.watching || uv_loop_configure(loop, UV_METRICS_IDLE_TIME) != 0)
        return;
    watch.loop = loop;
    watch.stop = watch.armed = false;
    watch.work = NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    watch.began_ns = uv_hrtime();
    watch.idle_ns = 0;
    if (pthread_create(&watch.thread, NULL, on_thread, NULL) != 0)
        return;
    uv_prepare_init(loop, &watch.prepare);
    uv_prepare_start(&watch.prepare, on_prepare);
    uv_unref((uv_handle_t *)&watch.prepare);
    watch.watching = true;
}

void turn_watch_stop(void)
{
    if (!watch.watching)
        return;
    pthread_mutex_lock(&watch.mutex);
    watch.stop = true;
    pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.mutex);
    pthread_join(watch.thread, NULL);
    pthread_cond_destroy(&watch.wake);
    uv_close((uv_handle_t *)&watch.prepare, NULL);
    watch.watching = false;
}

void turn_watch_report_to(void (*function)(const char *text))
{
    watch.report = function;
}
