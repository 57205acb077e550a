/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <signal.h>
#include <uv.h>

#include "base/fault.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/time/clock.h"

typedef struct Run {
    uv_loop_t loop;
    int done;
    ProcessResult result;
    StrBuf out, err;
} Run;

static void on_done(void *data, const ProcessResult *result)
{
    Run *run = data;

    run->done++;
    run->result = *result;
    strbuf_add(&run->out, result->out.p, result->out.n);
    strbuf_add(&run->err, result->err.p, result->err.n);
}

static int set_up(void **state)
{
    Run *run = mem_new_type(Run);

    signal(SIGPIPE, SIG_IGN);
    *state = run;
    return uv_loop_init(&run->loop);
}

static int tear_down(void **state)
{
    Run *run = *state;

    fault_arm("", 0);
    strbuf_deinit(&run->out);
    strbuf_deinit(&run->err);
    assert_int_equal(uv_loop_close(&run->loop), 0); /* no handle is left */
    free(run);
    return 0;
}

static Process *start(Run *run, ProcessOptions options, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    Process *process;

    if (!options.argv)
        options.argv = argv;
    process_run(&run->loop, &options, on_done, run, &process);
    assert_int_equal(run->done, 0); /* never from within the call */
    return process;
}

static void finish(Run *run)
{
    uv_run(&run->loop, UV_RUN_DEFAULT);
    assert_int_equal(run->done, 1);
}

static void output_and_exit_status_come_back(void **state)
{
    Run *run = *state;

    start(run, (ProcessOptions){0}, "echo out; echo err >&2; exit 3");
    finish(run);
    assert_int_equal(run->result.error, 0);
    assert_int_equal(run->result.exit_status, 3);
    assert_int_equal(run->result.signal, 0);
    assert_string_equal(strbuf_string(&run->out), "out\n");
    assert_string_equal(strbuf_string(&run->err), "err\n");
    assert_false(run->result.truncated || run->result.timed_out);
}

static void output_past_the_limit_is_dropped_and_said(void **state)
{
    Run *run = *state;

    start(run, (ProcessOptions){.output_limit = 1000},
          "head -c 1000 /dev/zero >&2; head -c 3000000 /dev/zero; echo $? >&2");
    finish(run);
    assert_int_equal(run->result.exit_status, 0); /* it was not blocked, nor broken */
    assert_int_equal(run->out.n, 1000);
    assert_int_equal(run->err.n, 1000);
    assert_true(run->result.truncated);
}

static void input_is_given_whole(void **state)
{
    Run *run = *state;
    _free_ char *text = mem_new(300001);

    memset(text, 'i', 300000);
    start(run, (ProcessOptions){.input = bytes_from_string(text)}, "wc -c");
    memset(text, 0, 300000); /* it was copied */
    finish(run);
    assert_int_equal(strtol(strbuf_string(&run->out), NULL, 10), 300000);
}

static void a_program_need_not_read_its_input(void **state)
{
    Run *run = *state;
    _free_ char *text = mem_new(3000001);

    memset(text, 'i', 3000000);
    start(run, (ProcessOptions){.input = bytes_from_string(text)}, "exec <&-; exit 5");
    finish(run);
    assert_int_equal(run->result.exit_status, 5);
}

static void without_input_stdin_is_empty(void **state)
{
    Run *run = *state;

    start(run, (ProcessOptions){0}, "wc -c");
    finish(run);
    assert_int_equal(strtol(strbuf_string(&run->out), NULL, 10), 0);
}

static void past_its_time_it_is_killed(void **state)
{
    Run *run = *state;
    uint64_t begin = uv_hrtime();

    start(run, (ProcessOptions){.timeout_ns = 50 * NS_PER_MS}, "exec sleep 600");
    finish(run);
    assert_true(run->result.timed_out);
    assert_int_equal(run->result.signal, SIGKILL);
    assert_true(uv_hrtime() - begin >= 50 * 1000000ull);
    assert_true(uv_hrtime() - begin < 20 * 1000000000ull);
}

static void what_a_program_said_before_it_was_killed_is_kept(void **state)
{
    Run *run = *state;

    start(run, (ProcessOptions){0}, "echo begun; kill -9 $$");
    finish(run);
    assert_int_equal(run->result.signal, SIGKILL);
    assert_string_equal(strbuf_string(&run->out), "begun\n");
}

/* The loop's own time is that at which its turn began. */
static void the_turn_before_the_start_does_not_count(void **state)
{
    Run *run = *state;
    uint64_t begin = uv_hrtime();

    while (uv_hrtime() - begin < 200 * 1000000ull)
        continue;
    begin = uv_hrtime();
    start(run, (ProcessOptions){.timeout_ns = 100 * NS_PER_MS}, "exec sleep 600");
    finish(run);
    assert_true(run->result.timed_out);
    assert_true(uv_hrtime() - begin >= 100 * 1000000ull);
}

static void what_is_not_there_is_an_error_later(void **state)
{
    static const char *const names[] = {"/no/such/program", "no-such-program-anywhere", "/tmp"};

    EACH_ROW(i, names, names[i]) {
        const char *argv[] = {names[i], NULL};
        Run *run = *state;
        Process *process;

        run->done = 0;
        process = start(run, (ProcessOptions){.argv = argv, .timeout_ns = NS_PER_SEC}, NULL);
        process_kill(process, SIGTERM); /* harmless */
        finish(run);
        assert_int_equal(run->result.error, i < 2 ? -ENOENT : -EACCES);
    }
}

static void an_injected_failure_is_an_error_later(void **state)
{
#ifdef FAULT_POINTS
    Run *run = *state;

    fault_arm("process.spawn", 1);
    start(run, (ProcessOptions){0}, "exit 0");
    finish(run);
    assert_int_equal(run->result.error, -EAGAIN);
#else
    skip();
#endif
}

static void a_grandchild_that_holds_the_pipes_does_not_hold_us_up(void **state)
{
    Run *run = *state;
    uint64_t begin = uv_hrtime();
    int64_t pid;

    start(run, (ProcessOptions){0}, "sleep 600 & echo $!; exit 4");
    finish(run);
    assert_true(uv_hrtime() - begin < 30 * 1000000000ull);
    assert_int_equal(run->result.exit_status, 4);
    assert_false(run->result.timed_out);
    strbuf_truncate(&run->out, run->out.n - 1);
    assert_int_equal(str_to_int64(strbuf_string(&run->out), 2, INT32_MAX, &pid), 0);
    kill((pid_t)pid, SIGKILL);
}

static void a_signal_reaches_it(void **state)
{
    Run *run = *state;
    Process *process = start(run, (ProcessOptions){0}, "exec sleep 600");

    process_kill(process, SIGTERM);
    finish(run);
    assert_int_equal(run->result.signal, SIGTERM);
    assert_false(run->result.timed_out);
}

static void it_gets_its_environment_folder_and_session(void **state)
{
    const char *env[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", NULL};
    Run *run = *state;

    start(run, (ProcessOptions){.env = env, .cwd = "/usr", .new_session = true},
          "pwd; echo $COLOUR $HOME; [ $(ps -o sid= -p $$ 2>/dev/null || echo $$) -eq $$ ] && echo "
          "leads");
    finish(run);
    assert_string_equal(strbuf_string(&run->out), "/usr\nblue\nleads\n");
}

static void many_at_once_all_come_back(void **state)
{
    Run *run = *state;

    for (int i = 0; i < 40; i++) {
        const char *argv[] = {"sh", "-c", "echo x; exit 1", NULL};

        process_run(&run->loop, &(ProcessOptions){.argv = argv}, on_done, run, NULL);
    }
    uv_run(&run->loop, UV_RUN_DEFAULT);
    assert_int_equal(run->done, 40);
    assert_int_equal(run->out.n, 80);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(output_and_exit_status_come_back),
        TEST(output_past_the_limit_is_dropped_and_said),
        TEST(input_is_given_whole),
        TEST(a_program_need_not_read_its_input),
        TEST(without_input_stdin_is_empty),
        TEST(past_its_time_it_is_killed),
        TEST(what_a_program_said_before_it_was_killed_is_kept),
        TEST(the_turn_before_the_start_does_not_count),
        TEST(what_is_not_there_is_an_error_later),
        TEST(an_injected_failure_is_an_error_later),
        TEST(a_grandchild_that_holds_the_pipes_does_not_hold_us_up),
        TEST(a_signal_reaches_it),
        TEST(it_gets_its_environment_folder_and_session),
        TEST(many_at_once_all_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
