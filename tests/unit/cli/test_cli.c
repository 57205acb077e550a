/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of tables, options and durations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cluster.h"
#include "cli/table.h"

/* Its macro would rename our function. */
#include <cmocka.h>

static void lay_out(Layout *layout, const char *text, const char *expected)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    layout_text(layout, bytes_from_string(text), &out);
    assert_string_equal(strbuf_string(&out), expected);
}

static void columns_are_as_wide_as_their_widest_cell_and_three_blanks(void **state)
{
    Layout layout = LAYOUT_TABLE;

    lay_out(&layout, "NAME\tREADY\tAGE\nweb-0\t1/1\t5s\n",
            "NAME    READY   AGE\nweb-0   1/1     5s\n");
    lay_out(&layout, "a\tb\tc\n", "a       b       c\n"); /* never narrower */
    layout_deinit(&layout);
}

static void a_line_without_the_column_parts_its_blocks(void **state)
{
    Layout layout = LAYOUT_DESCRIBE;

    lay_out(&layout, "Name:\tx\nLabels:\ta=1\n\tb=2\nList:\n  Type:\tlong\n  T:\tz\n",
            "Name:    x\nLabels:  a=1\n         b=2\nList:\n  Type:  long\n  T:     z\n");
    lay_out(&layout, "é:\tx\nab:\ty\n", "é:   x\nab:  y\n"); /* characters, not bytes */
    lay_out(&layout, "", "");
    layout_deinit(&layout);
}

static void durations_are_read_in_units(void **state)
{
    int64_t ns = 0;

    assert_int_equal(duration_parse("1h30m", &ns), 0);
    assert_true(ns == INT64_C(5400) * 1000000000);
    assert_int_equal(duration_parse("250ms", &ns), 0);
    assert_true(ns == 250000000);
    assert_int_equal(duration_parse("7", &ns), 0);
    assert_true(ns == INT64_C(7) * 1000000000);
    assert_int_not_equal(duration_parse("", &ns), 0);
    assert_int_not_equal(duration_parse("5x", &ns), 0);
    assert_int_not_equal(duration_parse("-5s", &ns), 0);
    assert_int_not_equal(duration_parse("99999999999s", &ns), 0);
}

static const Command command = {
    .name = "exec", .options = OPTIONS_API | OPTIONS_EXEC | OPTIONS_DELETE | OPTIONS_FILES};

static void letters_join_and_two_dashes_end_options(void **state)
{
    const char *argv[] = {"-it", "-nkube", "web-0", "--wait=false", "-f",
                          "a",   "-f=b",   "--",    "ls",           "-l"};
    Options options;

    assert_int_equal(options_parse(&command, ARRAY_LEN(argv), (char **)argv, &options), 0);
    assert_true(options.standard_in && options.tty && options.no_wait);
    assert_string_equal(options.ns, "kube");
    assert_int_equal(options.files.n, 2);
    assert_string_equal(options.files.v[1], "b");
    assert_int_equal(options.n_before_dashes, 1);
    assert_int_equal(options.n_words, 3);
    assert_string_equal(options.words[2], "-l");
    arena_clear(&options.arena);
}

static void an_option_of_another_command_is_refused(void **state)
{
    const char *argv[] = {"--replicas=3"};
    Options options;

    assert_int_equal(options_parse(&command, 1, (char **)argv, &options), 2);
    arena_clear(&options.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell_and_three_blanks),
        cmocka_unit_test(a_line_without_the_column_parts_its_blocks),
        cmocka_unit_test(durations_are_read_in_units),
        cmocka_unit_test(letters_join_and_two_dashes_end_options),
        cmocka_unit_test(an_option_of_another_command_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
