/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A test gets deeper than two levels nowhere; a third that is not noted would do no harm. */
#define LEVELS 4
#define ROW_MAX 200

static char rows[LEVELS][ROW_MAX]; /* "" where none is noted yet */
static unsigned level;             /* how many of them are in use */
static pid_t own;                  /* children of a test say nothing */

unsigned test_rows_enter(void)
{
    if (level < LEVELS)
        rows[level][0] = '\0';
    return ++level;
}

void test_rows_leave(unsigned *of)
{
    level = *of - 1;
}

void test_row(const char *table, size_t i, const char *text)
{
    if (level == 0 || level > LEVELS)
        return;
    if (text)
        snprintf(rows[level - 1], ROW_MAX, "%s[%zu]: %s", table, i, text);
    else
        snprintf(rows[level - 1], ROW_MAX, "%s[%zu]", table, i);
}

/* Written with write(), since it also runs in handlers of signals. stdout is where cmocka says which
 * test failed. */
static void print_rows(void)
{
    static const char head[] = "[   ROW    ] ";

    if (getpid() != own)
        return;
    for (unsigned i = 0; i < level && i < LEVELS; i++) {
        size_t n = strlen(rows[i]);

        if (n == 0)
            continue;
        if (write(STDOUT_FILENO, head, sizeof(head) - 1) < 0 ||
            write(STDOUT_FILENO, rows[i], n) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
            return;
    }
    level = 0;
}

static void on_signal(int number)
{
    print_rows();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers call this before they end the process; without them nobody does, and the weak symbol is
 * absent. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* What a test of cmocka becomes, so that there is something of ours before and after it. */
typedef struct Wrapped {
    const struct CMUnitTest *test;
    void *state;
} Wrapped;

static void *group_state;
static CMFixtureFunction group_begin, group_end;

static int begin_shown(void **state)
{
    int r = group_begin ? group_begin(state) : 0;

    group_state = *state;
    return r;
}

static int end_shown(void **state)
{
    return group_end ? group_end(state) : 0;
}

static int begin_wrapped(void **state)
{
    Wrapped *wrapped = *state;
    const struct CMUnitTest *test = wrapped->test;

    wrapped->state = test->initial_state ? test->initial_state : group_state;
    level = 0;
    return test->setup_func ? test->setup_func(&wrapped->state) : 0;
}

static void run_wrapped(void **state)
{
    Wrapped *wrapped = *state;

    wrapped->test->test_func(&wrapped->state);
    level = 0; /* a test that fails does not come here */
}

static int end_wrapped(void **state)
{
    Wrapped *wrapped = *state;

    fflush(stdout);
    print_rows();
    return wrapped->test->teardown_func ? wrapped->test->teardown_func(&wrapped->state) : 0;
}

int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
                   CMFixtureFunction group_setup, CMFixtureFunction group_teardown)
{
    static const int signals[] = {SIGABRT, SIGTERM};
    struct CMUnitTest *shown = mem_new(n * sizeof(*shown));
    Wrapped *wrapped = mem_new(n * sizeof(*wrapped));
    int failed;

    for (size_t i = 0; i < n; i++) {
        wrapped[i].test = &tests[i];
        shown[i] = (struct CMUnitTest){tests[i].name, run_wrapped, begin_wrapped, end_wrapped,
                                       &wrapped[i]};
    }
    own = getpid();
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        signal(signals[i], on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_rows);
    group_begin = group_setup;
    group_end = group_teardown;
    failed = _cmocka_run_group_tests(name, shown, n, begin_shown, end_shown);
    free(wrapped);
    free(shown);
    return failed;
}
