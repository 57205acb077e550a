/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with their trace and their messages, and fault points, which make errors. */
#include "testing.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fault.h"

static int give_below(int r)
{
    return r < 0 ? ERR_ORIGIN(r) : r;
}

static int give(int r)
{
    return ERR_TRACE(give_below(r));
}

static void a_trace_names_every_place_on_the_way(void **state)
{
    char text[1024];

    assert_int_equal(give(-EIO), -EIO);
    error_trace_take(text, sizeof(text));
    assert_non_null(strstr(text, "Input/output error"));
    assert_non_null(strstr(text, "give_below"));
    assert_non_null(strstr(text, "< give ("));
    error_trace_take(text, sizeof(text));
    assert_string_equal(text, "");
}

static void success_and_outcomes_leave_no_trace(void **state)
{
    char text[64];

    assert_int_equal(give(0), 0);
    assert_int_equal(give(3), 3);
    error_trace_take(text, sizeof(text));
    assert_string_equal(text, "");
}

static void an_outcome_nobody_expected_becomes_fatal(void **state)
{
    char text[1024];

    assert_int_equal(ERR_FOLD(0), 0);
    assert_int_equal(ERR_FOLD(-EPERM), -EPERM);
    assert_int_equal(ERR_FOLD(7), -ENOTRECOVERABLE);
    error_trace_take(text, sizeof(text));
    assert_non_null(strstr(text, "unexpected outcome"));
}

static void a_new_error_forgets_the_old_trace(void **state)
{
    char text[1024];

    give(-EIO);
    give(-ENOSPC);
    error_trace_take(text, sizeof(text));
    assert_null(strstr(text, "Input/output"));
    assert_non_null(strstr(text, "No space left"));
}

static void a_long_way_up_does_not_overrun(void **state)
{
    char text[2048];

    give(-EIO);
    for (int i = 0; i < 1000; i++)
        ERR_TRACE(-EIO);
    error_trace_take(text, sizeof(text));
    assert_in_range(strlen(text), 1000, 1023);
}

static void messages_say_what_and_get_context(void **state)
{
    Err err = ERR_INIT;

    assert_int_equal(err_set(&err, ENOENT, "open %s", "/x"), -ENOENT);
    assert_string_equal(err.message, "open /x: No such file or directory");
    assert_int_equal(err_wrap(&err, "pod %s", "web-0"), -ENOENT);
    assert_string_equal(err.message, "pod web-0: open /x: No such file or directory");
    assert_int_equal(err_set(&err, 0, "wrong"), -EINVAL);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.message, "wrong");
    assert_int_equal(err_wrap(&err, "a"), -EINVAL);
    assert_int_equal(err_set(NULL, EIO, "nobody listens"), -EIO);
    assert_int_equal(err_wrap(NULL, "nobody listens"), -EINVAL);
}

static int give_with_a_sentence(int code, Err *reterr)
{
    give(-EIO);
    return err_set(reterr, code, "read it");
}

static void a_sentence_takes_the_trace_of_its_error_along(void **state)
{
    Err err = ERR_INIT;
    char text[64];

    give_with_a_sentence(EIO, &err);
    assert_non_null(strstr(err.trace, "give_below"));
    assert_non_null(strstr(err.trace, "< give_with_a_sentence (tests/unit/base/test_error.c:"));
    error_trace_take(text, sizeof(text));
    assert_string_equal(text, "");
}

static void a_sentence_about_another_error_begins_a_trace(void **state)
{
    Err err = ERR_INIT;

    give_with_a_sentence(ENOENT, &err);
    assert_null(strstr(err.trace, "give_below"));
    assert_non_null(strstr(err.trace, "No such file or directory) in give_with_a_sentence"));
}

static void a_cut_message_says_so(void **state)
{
    char text[2000];
    Err err = ERR_INIT;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    err_set(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_string_equal(err.message + sizeof(err.message) - 4, "...");
    err_set(&err, EIO, "%.505s", text); /* it is strerror's text that is cut */
    assert_string_equal(err.message + sizeof(err.message) - 4, "...");
    err_wrap(&err, "%s", text);
    assert_string_equal(err.message + sizeof(err.message) - 4, "...");
}

static void the_nth_hit_of_a_point_fails_and_no_other(void **state)
{
    fault_arm("store.", 3);
    for (uint64_t i = 1; i < 10; i++) {
        assert_false(fault_hit("file.write"));
        assert_int_equal(fault_hit(i % 2 ? "store.commit" : "store.open"), i == 3);
        assert_int_equal(fault_count(), i);
    }
    fault_arm("store.", 1);
    assert_true(fault_hit("store.x"));
    fault_arm("", 0);
    assert_false(fault_hit("store.x"));
    assert_int_equal(fault_count(), 0);
}

static void the_environment_arms_too(void **state)
{
    static const char *const bad[] = {"", "x", "x:", "x:0", "x:y", "x:-1"};
    int status;
    pid_t child;

    fault_arm("", 0);
    EACH_ROW(i, bad, bad[i]) {
        setenv("STEAD_FAULT", bad[i], 1);
        fault_arm_from_environment();
        assert_false(fault_hit("x"));
    }
    setenv("STEAD_FAULT", "x:2", 1);
    fault_arm_from_environment();
    assert_false(fault_hit("x"));
    assert_true(fault_hit("x"));
    child = fork();
    if (child == 0) {
        setenv("STEAD_FAULT", "x:1:kill", 1);
        fault_arm_from_environment();
        fault_hit("x");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fault_arm("", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_names_every_place_on_the_way),
        cmocka_unit_test(success_and_outcomes_leave_no_trace),
        cmocka_unit_test(an_outcome_nobody_expected_becomes_fatal),
        cmocka_unit_test(a_new_error_forgets_the_old_trace),
        cmocka_unit_test(a_long_way_up_does_not_overrun),
        cmocka_unit_test(messages_say_what_and_get_context),
        cmocka_unit_test(a_sentence_takes_the_trace_of_its_error_along),
        cmocka_unit_test(a_sentence_about_another_error_begins_a_trace),
        cmocka_unit_test(a_cut_message_says_so),
        cmocka_unit_test(the_nth_hit_of_a_point_fails_and_no_other),
        cmocka_unit_test(the_environment_arms_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
