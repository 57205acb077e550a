/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <pthread.h>
#include <uv.h>

#include "base/observe/turn.h"

/* Reports come from the thread and from the loop. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static char reports[8][400];
static size_t n_reports;

static void on_report(const char *text)
{
    pthread_mutex_lock(&mutex);
    if (n_reports < ARRAY_LEN(reports))
        snprintf(reports[n_reports++], sizeof(reports[0]), "%s", text);
    pthread_cond_broadcast(&told);
    pthread_mutex_unlock(&mutex);
}

static void on_stuck(uv_timer_t *timer)
{
    TurnWork outer, inner;

    uv_close((uv_handle_t *)timer, NULL);
    turn_work_begin(&outer, "reconcile", "garbage-collector", "default/web");
    turn_work_begin(&inner, "request", "GET", NULL);
    turn_work_end(&inner);
    /* It ends when the watchdog has spoken: without one, never. */
    pthread_mutex_lock(&mutex);
    while (n_reports == 0)
        pthread_cond_wait(&told, &mutex);
    pthread_mutex_unlock(&mutex);
    turn_work_end(&outer);
}

static void a_turn_that_does_not_end_is_reported_while_it_runs(void **state)
{
    uv_loop_t loop;
    uv_timer_t timer;

    uv_loop_init(&loop);
    turn_watch_start(&loop);
    turn_watch_report_to(on_report);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_stuck, 1, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_non_null(strstr(reports[0], "now: reconcile garbage-collector default/web"));
    assert_int_equal(n_reports, 2);
    assert_non_null(strstr(reports[1], "took"));
    assert_non_null(strstr(reports[1], "longest in it: reconcile garbage-collector default/web ("));
    turn_watch_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_late(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_loop_that_sleeps_is_not_reported(void **state)
{
    uv_loop_t loop;
    uv_timer_t timer;
    TurnWork work;

    n_reports = 0;
    uv_loop_init(&loop);
    turn_watch_start(&loop);
    turn_work_begin(&work, "request", "GET", "/api");
    turn_work_end(&work);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_late, 1200, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    turn_watch_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(n_reports, 0);
}

static void brackets_without_a_watch_do_nothing(void **state)
{
    TurnWork work;

    turn_work_begin(&work, "request", "GET", "/api");
    turn_work_end(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_that_does_not_end_is_reported_while_it_runs),
        cmocka_unit_test(a_loop_that_sleeps_is_not_reported),
        cmocka_unit_test(brackets_without_a_watch_do_nothing),
    };

    return cmocka_run_group_tests_name("watchdog of the loop", tests, NULL, NULL);
}
