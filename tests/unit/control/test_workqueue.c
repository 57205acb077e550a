/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "control/control.h"

typedef struct Rig {
    Clock *clock;
    Random random;
    WorkQueue *queue;
    StrBuf seen; /* "a b a" */
    bool hold;   /* do not finish at once */
    bool fail;
} Rig;

static void process(void *data, const char *key)
{
    Rig *rig = data;

    strbuf_printf(&rig->seen, "%s%s", rig->seen.n ? " " : "", key);
    if (!rig->hold)
        workqueue_done(rig->queue, key, !rig->fail);
}

static const WorkQueueOps ops = {process};

static int setup(void **state)
{
    Rig *rig = mem_new_type(Rig);

    rig->clock = clock_new_fake(0);
    random_seed(&rig->random, 1);
    rig->queue = workqueue_new(rig->clock, &rig->random, &ops, rig);
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
    workqueue_done(rig->queue, "a", true);
    clock_fake_advance(rig->clock, 0);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    workqueue_done(rig->queue, "a", true);
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
    workqueue_done(rig->queue, "a", true);
    clock_fake_advance(rig->clock, 0);
    assert_string_equal(strbuf_string(&rig->seen), "a a");
    workqueue_done(rig->queue, "a", true);
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
    };
    return cmocka_run_group_tests_name("work queue", tests, NULL, NULL);
}
