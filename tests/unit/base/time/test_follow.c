/* SPDX-License-Identifier: Apache-2.0 */
/* Work that follows its inputs: whatever the order of changes and answers, the last pass has seen
 * the last change. */
#include "testing.h"

#include "base/time/follow.h"

typedef struct World {
    Clock *clock;
    Follow follow;
    int input, seen, passes;
    bool held;
} World;

static void on_due(void *data)
{
    World *w = data;

    if (w->held)
        return;
    follow_begin(&w->follow);
    w->seen = w->input;
    w->passes++;
}

static void begin(World *w)
{
    *w = (World){.clock = clock_new_fake(NS_PER_SEC)};
    follow_init(&w->follow, w->clock, on_due, w);
}

static void end(World *w)
{
    follow_stop(&w->follow);
    clock_free_fake(w->clock);
}

static void change(World *w)
{
    w->input++;
    follow_changed(&w->follow);
}

static void changes_of_a_turn_share_a_pass(void **state)
{
    World w;

    begin(&w);
    change(&w);
    change(&w);
    assert_int_equal(w.passes, 0);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.passes, 1);
    follow_end(&w.follow, 0);
    assert_false(clock_fake_step(w.clock));
    assert_int_equal(w.seen, w.input);
    end(&w);
}

static void a_change_during_a_pass_begins_another_whether_it_worked_or_not(void **state)
{
    static const int64_t retries[] = {0, NS_PER_SEC, FOLLOW_NO_RETRY};

    EACH_ROW(i, retries, NULL) {
        World w;

        begin(&w);
        change(&w);
        clock_fake_advance(w.clock, 0);
        change(&w);
        follow_end(&w.follow, retries[i]);
        clock_fake_advance(w.clock, 0);
        assert_int_equal(w.passes, 2);
        assert_int_equal(w.seen, w.input);
        end(&w);
    }
}

static void a_failed_pass_is_tried_again_in_time_or_with_a_change(void **state)
{
    World w;

    begin(&w);
    change(&w);
    clock_fake_advance(w.clock, 0);
    follow_end(&w.follow, NS_PER_SEC);
    clock_fake_advance(w.clock, NS_PER_SEC - 1);
    assert_int_equal(w.passes, 1);
    clock_fake_advance(w.clock, 1);
    assert_int_equal(w.passes, 2);
    follow_end(&w.follow, FOLLOW_NO_RETRY);
    clock_fake_advance(w.clock, 1000 * NS_PER_SEC);
    assert_int_equal(w.passes, 2);
    change(&w);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.passes, 3);
    end(&w);
}

static void what_was_held_back_begins_when_poked(void **state)
{
    World w;

    begin(&w);
    w.held = true;
    change(&w);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.passes, 0);
    w.held = false;
    follow_poke(&w.follow);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.passes, 1);
    follow_end(&w.follow, 0);
    follow_poke(&w.follow); /* nothing is due */
    assert_false(clock_fake_step(w.clock));
    end(&w);
}

static void nothing_begins_after_the_stop(void **state)
{
    World w;

    begin(&w);
    change(&w);
    clock_fake_advance(w.clock, 0);
    change(&w);
    follow_stop(&w.follow);
    follow_end(&w.follow, 0);
    change(&w);
    assert_false(clock_fake_step(w.clock));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_of_a_turn_share_a_pass),
        cmocka_unit_test(a_change_during_a_pass_begins_another_whether_it_worked_or_not),
        cmocka_unit_test(a_failed_pass_is_tried_again_in_time_or_with_a_change),
        cmocka_unit_test(what_was_held_back_begins_when_poked),
        cmocka_unit_test(nothing_begins_after_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
