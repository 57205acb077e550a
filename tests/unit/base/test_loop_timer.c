/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <uv.h>

#include "base/time/clock.h"
#include "base/loop_timer.h"

typedef struct Fixture {
    uv_loop_t loop;
    uv_timer_t timer;
    int64_t fired_ns; /* 0: not yet */
} Fixture;

static void on_fire(uv_timer_t *timer)
{
    Fixture *f = timer->data;

    f->fired_ns = (int64_t)uv_hrtime();
}

static int setup(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    *state = f;
    if (uv_loop_init(&f->loop) < 0 || uv_timer_init(&f->loop, &f->timer) < 0)
        return -1;
    f->timer.data = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    int r;

    uv_close((uv_handle_t *)&f->timer, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&f->loop);
    free(f);
    return r;
}

/* Without a turn of the loop, so that the loop's time becomes as old. */
static void spend(int64_t ns)
{
    int64_t end = (int64_t)uv_hrtime() + ns;

    while ((int64_t)uv_hrtime() < end)
        continue;
}

static void it_never_fires_early(void **state)
{
    static const int64_t delays[] = {1, 999999, NS_PER_MS, NS_PER_MS + 1, 2500000, 7 * NS_PER_MS};
    Fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        for (int part = 0; part < 10; part++) {
            int64_t begin;

            spend(part * NS_PER_MS / 10); /* at any fraction of a millisecond */
            f->fired_ns = 0;
            begin = (int64_t)uv_hrtime();
            loop_timer_start(&f->timer, on_fire, delays[i]);
            uv_run(&f->loop, UV_RUN_DEFAULT);
            assert_true(f->fired_ns - begin >= delays[i]);
        }
    }
}

static void a_long_turn_before_it_does_not_count(void **state)
{
    Fixture *f = *state;
    int64_t begin;

    spend(50 * NS_PER_MS);
    begin = (int64_t)uv_hrtime();
    loop_timer_start(&f->timer, on_fire, 20 * NS_PER_MS);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->fired_ns - begin >= 20 * NS_PER_MS);
}

static void without_a_delay_it_fires_in_the_next_turn(void **state)
{
    static const int64_t delays[] = {0, -1, INT64_MIN};
    Fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        f->fired_ns = 0;
        loop_timer_start(&f->timer, on_fire, delays[i]);
        assert_int_equal(f->fired_ns, 0);
        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_true(f->fired_ns > 0);
    }
}

static void the_longest_delay_is_no_overflow(void **state)
{
    Fixture *f = *state;

    loop_timer_start(&f->timer, on_fire, INT64_MAX);
    assert_true(uv_timer_get_due_in(&f->timer) > UINT64_C(1000) * 86400 * 365);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->fired_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_never_fires_early, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_turn_before_it_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_delay_it_fires_in_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_delay_is_no_overflow, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
