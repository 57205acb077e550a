/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/strbuf.h"
#include "control/control.h"

typedef struct Rig {
    Clock *clock;
    Random random;
    WorkQueue *queue;
    StrBuf seen; /* "a b a" */
    bool hold;   /* do not finish at once */
    bool fail;
    WorkResult result;
    int64_t again_after_ns;
    const char *adds[2][2]; /* processing the first adds the second */
    size_t n_processed;
} Rig;

static void process(void *data, const char *key)
{
    Rig *rig = data;

    rig->n_processed++;
    strbuf_printf(&rig->seen, "%s%s", rig->seen.n ? " " : "", key);
    for (size_t i = 0; i < ARRAY_LEN(rig->adds); i++)
        if (rig->adds[i][0] && str_equal(rig->adds[i][0], key))
            workqueue_add(rig->queue, rig->adds[i][1]);
    if (!rig->hold)
        workqueue_done(rig->queue, key, rig->fail ? WORK_FAILED : rig->result, rig->again_after_ns);
}

static const WorkQueueOps ops = {process};

static int setup(void **state)
{
    Rig *rig = mem_new_type(Rig);

    rig->clock = clock_new_fake(0);
    random_seed(&rig->random, 1);
    rig->result = WORK_DONE;
    rig->again_after_ns = -1;
    rig->queue = workqueue_new(rig->clock, &ops, rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    Rig *rig = *state;

    workqueue_free(rig->queue);
    clock_free_fake(rig->clock);
    strbuf_deinit(&rig->seen);
    free(rig);
    return 0;
}

static void keys_come_later_in_order_and_once(void **state)
{
    Rig *rig = *state;

    workqueue_add(rig->queue, "a");
    workqueue_add(rig->queue, "b");
    workqueue_add(rig->queue, "a");
    assert_string_equal(strbuf_string(&rig->seen), "");
    clock_fake_advance(rig->clock, 0);
    assert_string_equal(strbuf_string(&rig->seen), "a b");
}

static void a_busy_key_is_not_handed_out_but_remembered(void **state)
{
    Rig *rig = *state;

    rig->hold = true;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, NS_PER_SEC);
    assert_string_equal(strbuf_string(&rig->seen), "a");
    workqueue_done(rig->queue, "a", WORK_DONE, -1);
    clock_fake_advance(rig->clock, 0);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    workqueue_done(rig->queue, "a", WORK_DONE, -1);
}

static void failures_back_off_from_5_ms_and_double(void **state)
{
    Rig *rig = *state;

    rig->fail = true;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    clock_fake_advance(rig->clock, 4 * NS_PER_MS);
    assert_string_equal(strbuf_string(&rig->seen), "a");
    clock_fake_advance(rig->clock, 1 * NS_PER_MS);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    clock_fake_advance(rig->clock, 9 * NS_PER_MS);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    clock_fake_advance(rig->clock, 1 * NS_PER_MS);
    assert_string_equal(strbuf_string(&rig->seen), "a a a");
}

static void success_forgets_the_back_off(void **state)
{
    Rig *rig = *state;

    rig->fail = true;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 100 * NS_PER_MS);
    rig->fail = false;
    workqueue_add(rig->queue, "a"); /* does not wait for the back-off either */
    clock_fake_advance(rig->clock, 0);
    strbuf_truncate(&rig->seen, 0);
    rig->fail = true;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    clock_fake_advance(rig->clock, 5 * NS_PER_MS);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
}

static void of_two_delays_the_earlier_counts(void **state)
{
    Rig *rig = *state;

    workqueue_add_after(rig->queue, "a", 10 * NS_PER_SEC);
    workqueue_add_after(rig->queue, "b", 5 * NS_PER_SEC);
    workqueue_add_after(rig->queue, "a", 2 * NS_PER_SEC);
    workqueue_add_after(rig->queue, "a", 20 * NS_PER_SEC);
    clock_fake_advance(rig->clock, 2 * NS_PER_SEC);
    assert_string_equal(strbuf_string(&rig->seen), "a");
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    assert_string_equal(strbuf_string(&rig->seen), "a b");
}

static void what_becomes_due_while_busy_comes_afterwards(void **state)
{
    Rig *rig = *state;

    rig->hold = true;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    workqueue_add_after(rig->queue, "a", NS_PER_SEC);
    clock_fake_advance(rig->clock, 2 * NS_PER_SEC);
    assert_string_equal(strbuf_string(&rig->seen), "a");
    workqueue_done(rig->queue, "a", WORK_DONE, -1);
    clock_fake_advance(rig->clock, 0);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    workqueue_done(rig->queue, "a", WORK_DONE, -1);
}

/* ---- requeues ---- */

/* How often keys were processed in a second, and in the hour after it. */
static void assert_backs_off(Rig *rig)
{
    clock_fake_advance(rig->clock, NS_PER_SEC);
    assert_in_range(rig->n_processed, 2, 40);
    rig->n_processed = 0;
    clock_fake_advance(rig->clock, 3600 * NS_PER_SEC);
    assert_in_range(rig->n_processed, 1, 3600);
}

static void a_key_that_adds_itself_backs_off(void **state)
{
    Rig *rig = *state;

    rig->adds[0][0] = rig->adds[0][1] = "a";
    workqueue_add(rig->queue, "a");
    assert_backs_off(rig);
}

static void two_keys_that_add_each_other_back_off(void **state)
{
    Rig *rig = *state;

    rig->adds[0][0] = rig->adds[1][1] = "a";
    rig->adds[0][1] = rig->adds[1][0] = "b";
    workqueue_add(rig->queue, "a");
    assert_backs_off(rig);
}

static void a_key_that_asks_to_run_again_at_once_backs_off(void **state)
{
    Rig *rig = *state;

    rig->again_after_ns = 0;
    workqueue_add(rig->queue, "a");
    assert_backs_off(rig);
}

static void a_key_that_makes_progress_runs_again_at_once(void **state)
{
    Rig *rig = *state;

    rig->again_after_ns = 0;
    rig->result = WORK_PROGRESS;
    workqueue_add(rig->queue, "a");
    for (int i = 0; i < 1000 && clock_fake_step(rig->clock); i++)
        ;
    assert_int_equal(clock_mono_ns(rig->clock), NS_PER_SEC); /* where it began */
    assert_int_equal(rig->n_processed, 1000);
}

static void an_event_does_not_wait_for_the_back_off_of_requeues(void **state)
{
    Rig *rig = *state;

    rig->again_after_ns = 0;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 10 * NS_PER_SEC);
    rig->n_processed = 0;
    rig->again_after_ns = -1;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    assert_int_equal(rig->n_processed, 1);
}

static void a_deadline_is_kept_however_often_it_is_set(void **state)
{
    Rig *rig = *state;

    rig->again_after_ns = 2 * NS_PER_SEC;
    workqueue_add(rig->queue, "a");
    clock_fake_advance(rig->clock, 0);
    rig->n_processed = 0;
    clock_fake_advance(rig->clock, 2000 * NS_PER_SEC);
    assert_int_equal(rig->n_processed, 1000);
}

static void a_turn_of_the_loop_is_bounded(void **state)
{
    Rig *rig = *state;
    char key[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        workqueue_add(rig->queue, key);
    }
    assert_true(clock_fake_step(rig->clock));
    assert_int_equal(rig->n_processed, 64);
    clock_fake_advance(rig->clock, 0);
    assert_int_equal(rig->n_processed, 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_come_later_in_order_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_key_is_not_handed_out_but_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failures_back_off_from_5_ms_and_double, setup, teardown),
        cmocka_unit_test_setup_teardown(success_forgets_the_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(of_two_delays_the_earlier_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_becomes_due_while_busy_comes_afterwards, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_that_adds_itself_backs_off, setup, teardown),
        cmocka_unit_test_setup_teardown(two_keys_that_add_each_other_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_asks_to_run_again_at_once_backs_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_that_makes_progress_runs_again_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_event_does_not_wait_for_the_back_off_of_requeues, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_deadline_is_kept_however_often_it_is_set, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_turn_of_the_loop_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests_name("work queue", tests, NULL, NULL);
}
