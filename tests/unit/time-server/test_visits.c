/* SPDX-License-Identifier: Apache-2.0 */
/* Visits on their way to the disk; the clock is a fake one, so nobody waits for a retry. */
#include "app_testing.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <uv.h>

#include "visits.h"

typedef struct Fixture {
    uv_loop_t loop;
    Clock *clock;
    Config config;
    Visits *visits;
    int told, refused;
    uint64_t last;
    bool in_order;
    char error[512];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    *state = f;
    make_home();
    f->clock = clock_new_fake(0);
    f->config = (Config){.format = counter_format("text"), .file = mem_strdup(at("visits"))};
    f->in_order = true;
    return uv_loop_init(&f->loop);
}

static void stop(Fixture *f)
{
    if (f->visits)
        visits_flush(f->visits);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    f->visits = visits_close(f->visits);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    stop(f);
    clock_free_fake(f->clock);
    free((char *)(uintptr_t)f->config.file);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    remove_home();
    return 0;
}

static void open_visits(Fixture *f)
{
    Err err = ERR_INIT;

    if (visits_open(&f->loop, f->clock, &f->config, &f->visits, &err))
        fail_msg("%s", err.message);
}

static void on_told(void *data, uint64_t count, const char *error)
{
    Fixture *f = data;

    f->told += !error;
    f->refused += error != NULL;
    snprintf(f->error, sizeof(f->error), "%s", error ? error : "");
    if (error)
        return;
    f->in_order &= count > f->last;
    f->last = count;
}

static void on_asked(void *data, uint64_t count, const char *error)
{
    assert_null(error);
    *(uint64_t *)data = count;
}

static void add(Fixture *f, int n)
{
    static const Visit visit = {.seconds = 1669707936, .caller = "::1"};

    for (int i = 0; i < n; i++)
        visits_add(f->visits, &visit, on_told, f);
}

static void turn(Fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void one_write_serves_all_that_wait(void **state)
{
    Fixture *f = *state;

    open_visits(f);
    add(f, 1); /* begins a write at once */
    add(f, 999);
    assert_int_equal(f->told, 0); /* nobody hears of it before it is on disk */
    turn(f);
    assert_int_equal(f->told, 1000);
    assert_true(f->in_order);
    assert_int_equal(f->last, 1000);
    assert_int_equal(visits_count(f->visits), 1000);
    assert_int_equal(visits_stats(f->visits)->writes, 2);
    assert_int_equal(visits_stats(f->visits)->written, 1000);
    assert_file("visits", "1000");
}

static void a_question_is_no_visit(void **state)
{
    Fixture *f = *state;
    uint64_t first = 9, second = 9;

    open_visits(f);
    visits_ask(f->visits, on_asked, &first);
    turn(f);
    assert_int_equal(first, 0);
    assert_false(file_exists(at("visits")));
    add(f, 2);
    visits_ask(f->visits, on_asked, &second);
    add(f, 2);
    turn(f);
    assert_int_equal(second, 4); /* what the file says when it is answered */
    assert_int_equal(f->last, 4);
    put_text("visits", "70");
    visits_ask(f->visits, on_asked, &second);
    turn(f);
    assert_int_equal(second, 70);
}

static void a_failed_write_counts_nothing_and_it_recovers_by_itself(void **state)
{
#ifdef FAULT_POINTS
    static const char *const points[] = {"counter.write", "counter.sync", "counter.rename"};
    Fixture *f = *state;

    open_visits(f);
    EACH_ROW(i, points, points[i]) {
        f->told = f->refused = 0;
        put_text("visits", "5"); /* another's, so it is replaced */
        fault_arm(points[i], 1);
        add(f, 1);
        turn(f);
        assert_int_equal(f->refused, 1);
        assert_non_null(strstr(f->error, "cannot "));
        assert_non_null(visits_error(f->visits));
        assert_file("visits", "5");
        fault_arm(points[i], i < 2 ? 1 : 0); /* the first attempt fails too */
        clock_fake_advance(f->clock, NS_PER_SEC);
        turn(f);
        clock_fake_advance(f->clock, NS_PER_SEC);
        turn(f);
        assert_null(visits_error(f->visits));
        assert_file("visits", "5");
        assert_false(clock_fake_step(f->clock)); /* all is quiet again */
    }
    fault_arm("", 0);
    add(f, 2);
    turn(f);
    assert_int_equal(f->told, 2);
    assert_file("visits", "7");
    assert_int_equal(visits_stats(f->visits)->failures, 3);
#else
    skip();
#endif
}

static void those_who_come_after_a_failure_are_tried_at_once(void **state)
{
#ifdef FAULT_POINTS
    Fixture *f = *state;

    open_visits(f);
    fault_arm("counter.write", 1);
    add(f, 1);
    add(f, 3); /* wait while the first one fails */
    turn(f);
    assert_int_equal(f->refused, 1);
    assert_int_equal(f->told, 3);
    assert_int_equal(f->last, 3);
    assert_null(visits_error(f->visits));
#else
    skip();
#endif
}

static void a_broken_file_stops_the_start_and_stays(void **state)
{
    Fixture *f = *state;
    Err err = ERR_INIT;

    put_text("visits", "many\n");
    assert_true(visits_open(&f->loop, f->clock, &f->config, &f->visits, &err) < 0);
    assert_non_null(strstr(err.message, "visits holds no count of visits in the format \"text\""));
    assert_null(f->visits);
    assert_file("visits", "many\n");
}

static void a_second_one_is_refused(void **state)
{
    Fixture *f = *state;
    Visits *second = NULL;
    Err err = ERR_INIT;

    open_visits(f);
    assert_true(visits_open(&f->loop, f->clock, &f->config, &second, &err) < 0);
    assert_non_null(strstr(err.message, "another process counts in"));
    assert_null(second);
}

static void without_a_folder_it_starts_unready_and_becomes_ready(void **state)
{
    Fixture *f = *state;

    free((char *)(uintptr_t)f->config.file);
    f->config.file = mem_strdup(at("volume/visits"));
    open_visits(f);
    assert_non_null(strstr(visits_error(f->visits), "No such file or directory"));
    clock_fake_advance(f->clock, 3 * NS_PER_SEC);
    turn(f);
    assert_non_null(visits_error(f->visits));
    assert_int_equal(mkdir(at("volume"), 0755), 0);
    put_text("volume/visits", "8");
    clock_fake_advance(f->clock, NS_PER_SEC);
    turn(f);
    assert_null(visits_error(f->visits));
    assert_int_equal(visits_count(f->visits), 8);
}

/* ---- other promises ---- */

static void with_interval_all_of_a_second_is_one_write(void **state)
{
    Fixture *f = *state;

    f->config.sync = SYNC_INTERVAL;
    open_visits(f);
    for (int second = 1; second <= 3; second++) {
        add(f, 100);
        assert_int_equal(f->told, second * 100); /* at once */
        turn(f);
        assert_int_equal(visits_stats(f->visits)->writes, second - 1);
        clock_fake_advance(f->clock, NS_PER_SEC);
        turn(f);
        assert_int_equal(visits_stats(f->visits)->writes, second);
    }
    assert_true(f->in_order);
    assert_file("visits", "300");
    assert_false(clock_fake_step(f->clock));
    add(f, 5);
    stop(f); /* the end writes what is left */
    assert_file("visits", "305");
}

static void with_never_it_is_written_behind(void **state)
{
    Fixture *f = *state;

    f->config.sync = SYNC_NEVER;
    f->config.format = counter_format("log");
    open_visits(f);
    add(f, 50);
    assert_int_equal(f->told, 50);
    turn(f);
    assert_int_equal(visits_stats(f->visits)->written, 50);
    assert_true(visits_stats(f->visits)->writes <= 2);
    assert_int_equal(visits_count(f->visits), 50);
}

static void too_many_of_a_log_do_not_wait_for_the_interval(void **state)
{
    Fixture *f = *state;

    f->config.sync = SYNC_INTERVAL;
    f->config.format = counter_format("log");
    open_visits(f);
    add(f, 100000); /* no turn of the loop between: the first 4096 are being written */
    assert_true(f->told > 65536 && f->refused > 0);
    assert_string_equal(f->error, "the disk does not keep up");
    turn(f);
    assert_int_equal(visits_stats(f->visits)->written, f->told);
    assert_int_equal(visits_stats(f->visits)->writes, 2);
}

static void what_was_told_is_kept_through_a_failure(void **state)
{
#ifdef FAULT_POINTS
    Fixture *f = *state;

    f->config.sync = SYNC_INTERVAL;
    open_visits(f);
    add(f, 10);
    fault_arm("counter.write", 1);
    clock_fake_advance(f->clock, NS_PER_SEC);
    turn(f);
    assert_non_null(visits_error(f->visits));
    add(f, 1);
    assert_int_equal(f->refused, 1); /* no more are taken meanwhile */
    clock_fake_advance(f->clock, NS_PER_SEC);
    turn(f);
    assert_null(visits_error(f->visits));
    assert_file("visits", "10");
    add(f, 1);
    assert_int_equal(f->last, 11);
#else
    skip();
#endif
}

/* ---- a real volume ---- */

static bool retry(Fixture *f)
{
    clock_fake_advance(f->clock, NS_PER_SEC);
    turn(f);
    return !visits_error(f->visits);
}

static void fill(const char *path)
{
    static char block[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    while (write(fd, block, sizeof(block)) > 0)
        continue;
    close(fd);
}

/* In a child with mounts of its own. The line where it went wrong, or 0; 77: may not mount. */
static int on_a_volume(Fixture *f, const char *format)
{
#define CHECK(x) \
    if (!(x))    \
    return (__LINE__ % 250) + 1
    const char *volume = mem_strdup(at("volume"));
    int told;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", volume, "tmpfs", 0, "size=256k") < 0)
        return 77;
    f->config.file = mem_strdup(at("volume/visits"));
    f->config.format = counter_format(format);
    open_visits(f);
    add(f, 3);
    turn(f);
    CHECK(f->told == 3);

    fill(at("volume/ballast"));
    /* A log has room in its last block at first. */
    for (told = f->told; !f->refused && f->told < 1000; told = f->told) {
        add(f, 10);
        turn(f);
    }
    CHECK(strstr(f->error, "No space left on device") && visits_error(f->visits));
    CHECK(!retry(f));
    unlink(at("volume/ballast"));
    CHECK(retry(f) && visits_count(f->visits) == (uint64_t)told);
    add(f, 1);
    turn(f);
    CHECK(f->told == told + 1 && f->last == (uint64_t)told + 1);

    f->refused = 0;
    CHECK(mount(NULL, volume, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    add(f, 1);
    turn(f);
    CHECK(f->refused == 1 && strstr(f->error, "Read-only file system"));
    CHECK(!retry(f));
    CHECK(mount(NULL, volume, NULL, MS_REMOUNT, NULL) == 0);
    CHECK(retry(f));
    add(f, 1);
    turn(f);
    CHECK(f->last == (uint64_t)told + 2 && f->in_order);
    return 0;
#undef CHECK
}

static void check_on_a_volume(Fixture *f, const char *format)
{
    int status;
    pid_t child;

    assert_int_equal(mkdir(at("volume"), 0755), 0);
    child = fork();
    if (child == 0) {
        uv_loop_fork(&f->loop);
        _exit(on_a_volume(f, format));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_or_read_only_volume_refuses_and_recovers(void **state)
{
    check_on_a_volume(*state, "text");
}

static void so_does_a_log(void **state)
{
    check_on_a_volume(*state, "log");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        /* These fork, so they come before anything has started the pool's threads. */
        TEST(a_full_or_read_only_volume_refuses_and_recovers),
        TEST(so_does_a_log),
        TEST(one_write_serves_all_that_wait),
        TEST(a_question_is_no_visit),
        TEST(a_failed_write_counts_nothing_and_it_recovers_by_itself),
        TEST(those_who_come_after_a_failure_are_tried_at_once),
        TEST(a_broken_file_stops_the_start_and_stays),
        TEST(a_second_one_is_refused),
        TEST(without_a_folder_it_starts_unready_and_becomes_ready),
        TEST(with_interval_all_of_a_second_is_one_write),
        TEST(with_never_it_is_written_behind),
        TEST(too_many_of_a_log_do_not_wait_for_the_interval),
        TEST(what_was_told_is_kept_through_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
