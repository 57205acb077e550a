/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the audit log: whole lines whatever happens, rotation, and files that other programs move. */
#include "testing.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "server/audit/log.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)
#define START INT64_C(1795248000) /* 2026-11-21T08:00:00Z */

typedef struct World {
    uv_loop_t loop;
    Clock *clock;
    char folder[32];
    char *path;
    AuditLogOptions options;
    AuditLog *log;
} World;

static void open_log(World *w)
{
    Err err = ERR_INIT;

    if (audit_log_open(&w->options, &w->log, &err) < 0)
        fail_msg("%s", err.message);
}

static void start(World *w)
{
    *w = (World){.folder = "/tmp/audit-log-XXXXXX"};
    uv_loop_init(&w->loop);
    w->clock = clock_new_fake(START * NS_PER_SEC);
    assert_non_null(mkdtemp(w->folder));
    w->path = mem_printf("%s/audit.log", w->folder);
    w->options = (AuditLogOptions){.loop = &w->loop, .clock = w->clock, .path = w->path};
}

static void settle(World *w)
{
    clock_fake_advance(w->clock, 0);
    while (!audit_log_is_idle(w->log))
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void close_log(World *w)
{
    w->log = audit_log_close(w->log);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void stop(World *w)
{
    close_log(w);
    clock_free_fake(w->clock);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(file_remove_tree(w->folder), 0);
    free(w->path);
}

static void add(World *w, const char *line)
{
    assert_true(audit_log_add(w->log, bytes_from_string(line)));
}

static void add_and_settle(World *w, const char *line)
{
    add(w, line);
    settle(w);
}

static char *text_of(const char *path)
{
    char *text;
    size_t n;

    if (file_read(path, TEXT_MAX, &text, &n) < 0)
        return mem_strdup("(missing)");
    return text;
}

static void expect(const char *path, const char *is)
{
    _free_ char *text = text_of(path);

    assert_string_equal(text, is);
}

static size_t files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void lines_are_written_in_order(void **state _unused_)
{
    World w;

    start(&w);
    open_log(&w);
    add(&w, "1\n");
    add(&w, "2\n");
    settle(&w);
    add_and_settle(&w, "3\n");
    expect(w.path, "1\n2\n3\n");
    stop(&w);
}

static void what_waits_is_written_before_the_log_is_closed(void **state _unused_)
{
    World w;

    start(&w);
    open_log(&w);
    add(&w, "1\n");
    clock_fake_advance(w.clock, 0); /* the job has begun */
    add(&w, "2\n");
    close_log(&w);
    expect(w.path, "1\n2\n");
    stop(&w);
}

static void a_log_is_continued(void **state _unused_)
{
    World w;

    start(&w);
    file_replace(w.path, "old\n", 4, 0600);
    open_log(&w);
    add_and_settle(&w, "new\n");
    expect(w.path, "old\nnew\n");
    stop(&w);
}

static void a_line_that_a_killed_server_left_incomplete_is_removed(void **state _unused_)
{
    static const struct {
        const char *before, *after;
    } rows[] = {{"one\ntw", "one\nnew\n"}, {"on", "new\n"}, {"", "new\n"}, {"one\n", "one\nnew\n"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        World w;

        start(&w);
        file_replace(w.path, rows[i].before, strlen(rows[i].before), 0600);
        open_log(&w);
        add_and_settle(&w, "new\n");
        expect(w.path, rows[i].after);
        stop(&w);
    }
}

static void the_end_of_a_long_incomplete_line_is_found(void **state _unused_)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    World w;

    start(&w);
    strbuf_add_string(&text, "one\n");
    for (size_t i = 0; i < 300 * 1000; i++)
        strbuf_add_char(&text, 'x');
    file_replace(w.path, text.p, text.n, 0600);
    open_log(&w);
    add_and_settle(&w, "new\n");
    expect(w.path, "one\nnew\n");
    stop(&w);
}

static void a_renamed_file_is_followed_by_a_new_one(void **state _unused_)
{
    _free_ char *moved = NULL;
    struct stat st;
    World w;

    start(&w);
    moved = mem_printf("%s/moved", w.folder);
    open_log(&w);
    add_and_settle(&w, "1\n");
    assert_int_equal(rename(w.path, moved), 0);
    add_and_settle(&w, "2\n");
    expect(moved, "1\n");
    expect(w.path, "2\n");
    assert_int_equal(stat(w.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    stop(&w);
}

static void a_removed_file_is_followed_by_a_new_one(void **state _unused_)
{
    World w;

    start(&w);
    open_log(&w);
    add_and_settle(&w, "1\n");
    assert_int_equal(unlink(w.path), 0);
    add_and_settle(&w, "2\n");
    expect(w.path, "2\n");
    stop(&w);
}

static void a_truncated_file_is_continued_at_its_end(void **state _unused_)
{
    World w;

    start(&w);
    open_log(&w);
    add_and_settle(&w, "1\n");
    assert_int_equal(truncate(w.path, 0), 0);
    add_and_settle(&w, "2\n");
    expect(w.path, "2\n");
    stop(&w);
}

static void a_full_file_is_rotated(void **state _unused_)
{
    _free_ char *first = NULL, *second = NULL;
    World w;

    start(&w);
    w.options.max_bytes = 10;
    first = mem_printf("%s/audit-2026-11-21T08-00-00.000.log", w.folder);
    second = mem_printf("%s/audit-2026-11-21T08-00-00.001.log", w.folder);
    open_log(&w);
    add_and_settle(&w, "1234\n");
    add(&w, "5678\n");
    add(&w, "a line that is longer than the file\n");
    add(&w, "9\n");
    settle(&w);
    expect(first, "1234\n5678\n");
    expect(second, "a line that is longer than the file\n");
    expect(w.path, "9\n");
    stop(&w);
}

static void old_files_are_removed_by_number(void **state _unused_)
{
    World w;

    start(&w);
    w.options.max_bytes = 4;
    w.options.max_backups = 2;
    open_log(&w);
    for (int i = 0; i < 6; i++) {
        char line[] = "lin0\n";

        line[3] = (char)('0' + i);
        clock_fake_advance(w.clock, NS_PER_SEC);
        add_and_settle(&w, line);
    }
    assert_int_equal(files_in(w.folder), 3);
    expect(w.path, "lin5\n");
    stop(&w);
}

static void old_files_are_removed_by_age(void **state _unused_)
{
    _free_ char *old = NULL, *young = NULL, *other = NULL;
    World w;

    start(&w);
    w.options.max_bytes = 4;
    w.options.max_age_days = 7;
    old = mem_printf("%s/audit-2026-11-14T07-59-59.000.log", w.folder);
    young = mem_printf("%s/audit-2026-11-14T08-00-01.000.log", w.folder);
    other = mem_printf("%s/audit-2025-01-01.log", w.folder);
    file_replace(old, "x\n", 2, 0600);
    file_replace(young, "x\n", 2, 0600);
    file_replace(other, "x\n", 2, 0600);
    open_log(&w);
    add_and_settle(&w, "1234\n");
    add_and_settle(&w, "5678\n");
    assert_false(file_exists(old));
    assert_true(file_exists(young));
    assert_true(file_exists(other));
    stop(&w);
}

/* The limit on the size of files makes a write stop in the middle, as a full disk does. */
static void a_line_that_does_not_fit_on_the_disk_is_lost_as_a_whole(void **state _unused_)
{
    struct rlimit before, limit;
    World w;

    start(&w);
    open_log(&w);
    add_and_settle(&w, "first\n");
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 16;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    add(&w, "second\n");
    add(&w, "third is too long\n");
    settle(&w);
    setrlimit(RLIMIT_FSIZE, &before);
    expect(w.path, "first\nsecond\n");
    add_and_settle(&w, "fourth\n");
    expect(w.path, "first\nsecond\nfourth\n");
    stop(&w);
}

static void lines_beyond_the_limit_of_the_buffer_are_dropped(void **state _unused_)
{
    _strbuf_ StrBuf line = STRBUF_INIT;
    size_t taken = 0;
    World w;

    start(&w);
    open_log(&w);
    for (size_t i = 0; i < 1024 * 1024 - 1; i++)
        strbuf_add_char(&line, 'x');
    strbuf_add_char(&line, '\n');
    for (int i = 0; i < 20; i++)
        taken += audit_log_add(w.log, strbuf_bytes(&line));
    assert_int_equal(taken, 16);
    settle(&w);
    assert_true(audit_log_add(w.log, strbuf_bytes(&line)));
    stop(&w);
}

#ifdef FAULT_POINTS
static void a_log_is_written_again_after_each_failed_step(void **state _unused_)
{
    for (uint64_t n = 1; n <= 6; n++) {
        _free_ char *text = NULL;
        World w;

        start(&w);
        w.options.max_bytes = 4;
        open_log(&w);
        fault_arm("audit.", n);
        for (int i = 0; i < 6; i++)
            add_and_settle(&w, "line\n");
        fault_arm("audit.", 0);
        add_and_settle(&w, "last\n");
        text = text_of(w.path);
        assert_non_null(strstr(text, "last\n"));
        stop(&w);
    }
}
#endif

static void a_log_that_cannot_be_opened_is_an_error(void **state _unused_)
{
    World w;
    Err err = ERR_INIT;

    start(&w);
    w.options.path = "/proc/none/audit.log";
    assert_true(audit_log_open(&w.options, &w.log, &err) < 0);
    assert_non_null(strstr(err.message, "/proc/none/audit.log"));
    w.log = NULL;
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_written_in_order),
        cmocka_unit_test(what_waits_is_written_before_the_log_is_closed),
        cmocka_unit_test(a_log_is_continued),
        cmocka_unit_test(a_line_that_a_killed_server_left_incomplete_is_removed),
        cmocka_unit_test(the_end_of_a_long_incomplete_line_is_found),
        cmocka_unit_test(a_renamed_file_is_followed_by_a_new_one),
        cmocka_unit_test(a_removed_file_is_followed_by_a_new_one),
        cmocka_unit_test(a_truncated_file_is_continued_at_its_end),
        cmocka_unit_test(a_full_file_is_rotated),
        cmocka_unit_test(old_files_are_removed_by_number),
        cmocka_unit_test(old_files_are_removed_by_age),
        cmocka_unit_test(a_line_that_does_not_fit_on_the_disk_is_lost_as_a_whole),
        cmocka_unit_test(lines_beyond_the_limit_of_the_buffer_are_dropped),
#ifdef FAULT_POINTS
        cmocka_unit_test(a_log_is_written_again_after_each_failed_step),
#endif
        cmocka_unit_test(a_log_that_cannot_be_opened_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
