/* SPDX-License-Identifier: Apache-2.0 */
/* Both clocks, and chance: what the simulator counts on is that the fake one has one order. */
#include "testing.h"

#include <uv.h>

#include "base/list.h"
#include "base/time/clock.h"

static int fired[4096];
static size_t n_fired;

static void on_fire(Timer *timer)
{
    fired[n_fired++] = (int)(intptr_t)timer->data;
}

static void what_is_due_fires_by_time_then_by_start(void **state)
{
    enum { N = 1000 };
    Clock *clock = clock_new_fake(5 * NS_PER_SEC);
    static Timer timers[N];
    int64_t delay[N];
    Random random;

    random_seed(&random, 3);
    n_fired = 0;
    for (int i = 0; i < N; i++) {
        timers[i] = (Timer){.on_fire = on_fire, .data = (void *)(intptr_t)i};
        delay[i] = (int64_t)random_below(&random, 50) * NS_PER_MS;
        timer_start(clock, &timers[i], delay[i]);
    }
    for (int i = 0; i < N; i += 7)
        timer_stop(clock, &timers[i]);
    clock_fake_advance(clock, NS_PER_SEC);
    assert_int_equal(n_fired, N - (N + 6) / 7);
    for (size_t i = 0; i < n_fired; i++) {
        assert_true(fired[i] % 7 != 0);
        assert_false(timers[fired[i]].active);
        if (i > 0)
            assert_true(delay[fired[i - 1]] < delay[fired[i]] ||
                        (delay[fired[i - 1]] == delay[fired[i]] && fired[i - 1] < fired[i]));
    }
    assert_int_equal(clock_wall_ns(clock), 6 * NS_PER_SEC);
    assert_false(clock_fake_step(clock));
    clock_free_fake(clock);
}

static void time_stands_at_what_is_due_while_it_fires(void **state)
{
    Clock *clock = clock_new_fake(0);
    int64_t start = clock_mono_ns(clock);
    Timer a = {.on_fire = on_fire}, b = {.on_fire = on_fire};

    n_fired = 0;
    timer_start(clock, &a, 10);
    timer_start(clock, &b, 30);
    clock_fake_advance(clock, 9);
    assert_int_equal(n_fired, 0);
    clock_fake_advance(clock, 1);
    assert_int_equal(n_fired, 1);
    assert_true(clock_fake_step(clock));
    assert_int_equal(clock_mono_ns(clock), start + 30);
    assert_int_equal(clock_wall_ns(clock), 30);
    clock_free_fake(clock);
}

static void starting_a_started_timer_moves_it(void **state)
{
    Clock *clock = clock_new_fake(0);
    Timer a = {.on_fire = on_fire, .data = (void *)1}, b = {.on_fire = on_fire, .data = (void *)2};

    n_fired = 0;
    timer_start(clock, &a, 10);
    timer_start(clock, &b, 20);
    timer_start(clock, &a, 30);
    clock_fake_advance(clock, 100);
    assert_int_equal(n_fired, 2);
    assert_int_equal(fired[0], 2);
    timer_start(clock, &a, INT64_MAX); /* for ever, not for an overflow */
    clock_fake_advance(clock, 100);
    assert_true(a.active);
    timer_stop(clock, &a);
    timer_stop(clock, &a);
    clock_free_fake(clock);
}

typedef struct Ticker {
    Timer timer;
    Clock *clock;
    int left;
} Ticker;

static void on_tick(Timer *timer)
{
    Ticker *ticker = timer->data;

    if (--ticker->left)
        timer_start(ticker->clock, timer, 10);
}

static void a_timer_that_starts_itself_again_runs_within_one_advance(void **state)
{
    Ticker ticker = {.clock = clock_new_fake(0), .left = 100};

    ticker.timer = (Timer){.on_fire = on_tick, .data = &ticker};
    timer_start(ticker.clock, &ticker.timer, 10);
    clock_fake_advance(ticker.clock, 505);
    assert_int_equal(ticker.left, 50);
    timer_stop(ticker.clock, &ticker.timer);
    clock_free_fake(ticker.clock);
}

static void the_real_clock_fires_in_order_and_not_early(void **state)
{
    enum { N = 50 };
    uv_loop_t loop;
    Clock *clock;
    static Timer timers[N];
    int64_t begin;

    uv_loop_init(&loop);
    clock = clock_new_uv(&loop);
    begin = clock_mono_ns(clock);
    n_fired = 0;
    for (int i = 0; i < N; i++) {
        timers[i] = (Timer){.on_fire = on_fire, .data = (void *)(intptr_t)(N - 1 - i)};
        timer_start(clock, &timers[i], (int64_t)(N - 1 - i) * NS_PER_MS / 2);
    }
    timer_stop(clock, &timers[0]); /* the last one due */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(clock_mono_ns(clock) - begin >= (N - 2) * NS_PER_MS / 2);
    assert_int_equal(n_fired, N - 1);
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(fired[i], i);
    assert_true(clock_wall_ns(clock) > INT64_C(1600000000) * NS_PER_SEC);
    assert_null(clock_free_uv(clock));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_again(Timer *timer)
{
    Ticker *ticker = timer->data;

    if (--ticker->left)
        timer_start(ticker->clock, timer, 0);
}

static void a_timer_without_delay_lets_the_loop_turn(void **state)
{
    uv_loop_t loop;
    Ticker ticker = {.left = 1000};

    uv_loop_init(&loop);
    ticker.clock = clock_new_uv(&loop);
    ticker.timer = (Timer){.on_fire = on_again, .data = &ticker};
    timer_start(ticker.clock, &ticker.timer, 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(ticker.left, 0);
    clock_free_uv(ticker.clock);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

typedef struct Listener {
    Ticker ticker;
    uv_pipe_t pipe;
    int fired;
    bool read;
} Listener;

static void on_again_until_read(Timer *timer)
{
    Listener *listener = timer->data;

    if (!listener->read && ++listener->fired < 100000)
        timer_start(listener->ticker.clock, timer, 0);
}

static void on_room(uv_handle_t *handle _unused_, size_t size _unused_, uv_buf_t *buf)
{
    static char room[16];

    *buf = uv_buf_init(room, sizeof(room));
}

static void on_bytes(uv_stream_t *stream, ssize_t n _unused_, const uv_buf_t *buf _unused_)
{
    Listener *listener = stream->data;

    listener->read = true;
    uv_close((uv_handle_t *)&listener->pipe, NULL);
}

static void a_timer_without_delay_does_not_starve_sockets(void **state)
{
    uv_loop_t loop;
    Listener listener = {.read = false};
    int fds[2];

    uv_loop_init(&loop);
    listener.ticker.clock = clock_new_uv(&loop);
    listener.ticker.timer = (Timer){.on_fire = on_again_until_read, .data = &listener};
    assert_int_equal(pipe(fds), 0);
    uv_pipe_init(&loop, &listener.pipe, 0);
    listener.pipe.data = &listener;
    uv_pipe_open(&listener.pipe, fds[0]);
    uv_read_start((uv_stream_t *)&listener.pipe, on_room, on_bytes);
    timer_start(listener.ticker.clock, &listener.ticker.timer, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(listener.read);
    assert_in_range(listener.fired, 0, 100);
    close(fds[1]);
    clock_free_uv(listener.ticker.clock);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_seed_gives_one_sequence_and_a_fair_one(void **state)
{
    Random a, b;
    int counts[10] = {0};

    random_seed(&a, 42);
    random_seed(&b, 42);
    for (int i = 0; i < 10000; i++) {
        uint64_t v = random_below(&a, 10);

        assert_int_equal(v, random_below(&b, 10));
        counts[v]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(counts[i], 850, 1150);
    assert_int_equal(random_below(&a, 0), 0);
    assert_int_equal(random_below(&a, 1), 0);
}

static void names_and_uuids_have_their_form(void **state)
{
    Random random;
    char uuid[37], suffix[6];

    random_seed_system(&random);
    for (int i = 0; i < 1000; i++) {
        random_uuid(&random, uuid);
        assert_int_equal(strlen(uuid), 36);
        assert_int_equal(strspn(uuid, "0123456789abcdef-"), 36);
        assert_true(uuid[8] == '-' && uuid[13] == '-' && uuid[14] == '4' && uuid[18] == '-');
        assert_non_null(strchr("89ab", uuid[19]));
        random_suffix(&random, suffix, 5);
        assert_int_equal(strspn(suffix, "bcdfghjklmnpqrstvwxz2456789"), 5);
        assert_int_equal(strlen(suffix), 5);
    }
}

static void list_nodes_come_and_go(void **state)
{
    ListNode head, nodes[3] = {0};
    size_t n = 0;

    list_init(&head);
    assert_true(list_empty(&head));
    list_remove(&nodes[0]); /* in no list yet */
    for (size_t i = 0; i < 3; i++)
        list_append(&head, &nodes[i]);
    assert_true(list_linked(&nodes[1]));
    LIST_EACH_SAFE(&head, node) {
        assert_ptr_equal(node, &nodes[n++]);
        list_remove(node);
        list_remove(node);
    }
    assert_int_equal(n, 3);
    assert_true(list_empty(&head) && !list_linked(&nodes[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_fires_by_time_then_by_start),
        cmocka_unit_test(time_stands_at_what_is_due_while_it_fires),
        cmocka_unit_test(starting_a_started_timer_moves_it),
        cmocka_unit_test(a_timer_that_starts_itself_again_runs_within_one_advance),
        cmocka_unit_test(the_real_clock_fires_in_order_and_not_early),
        cmocka_unit_test(a_timer_without_delay_lets_the_loop_turn),
        cmocka_unit_test(a_timer_without_delay_does_not_starve_sockets),
        cmocka_unit_test(a_seed_gives_one_sequence_and_a_fair_one),
        cmocka_unit_test(names_and_uuids_have_their_form),
        cmocka_unit_test(list_nodes_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
