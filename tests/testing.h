/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, what it wants included before itself, and the rows of table-driven tests.
 *
 * An assertion of cmocka names the line that failed, which is the same line for every row of a table.
 * EACH_ROW therefore notes the row that is being tested, and a test that fails, aborts, or is stopped
 * by a sanitizer or a time-out prints the note:
 *
 *     [   ROW    ] cases[7]: 2022-11-29T10:45Z
 *
 * The groups of tests run through test_run_group, which prints the rows of a test that did not come
 * to its end. */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/* The number of tests that failed. */
int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
                   CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests(tests, setup, teardown) \
    test_run_group(#tests, tests, ARRAY_LEN(tests), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    test_run_group(name, tests, ARRAY_LEN(tests), setup, teardown)

/* Tables may be walked inside of each other; each walk is a level. */
unsigned test_rows_enter(void);
void test_rows_leave(unsigned *level);
/* Notes the row of the innermost table; the text is copied and may be NULL. */
void test_row(const char *table, size_t i, const char *text);

/* Walks `n` rows of what `name` says. `text` is an expression that says what is special about row
 * `i`: its sentence or its input, or NULL if the index has to do. `break` and `return` may be used. */
#define EACH_ROW_OF(i, n, name, text)                                                      \
    for (unsigned i##_level __attribute__((cleanup(test_rows_leave))) = test_rows_enter(), \
                            i##_once = 1;                                                  \
         i##_once; i##_once = 0)                                                           \
        for (size_t i = 0; i < (n) && (test_row(name, i, text), true); i++)

/* Walks an array. */
#define EACH_ROW(i, table, text) EACH_ROW_OF(i, ARRAY_LEN(table), #table, text)

#endif
