/* SPDX-License-Identifier: Apache-2.0 */
/* The file in all its formats. */
#include "app_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "counter.h"

static int set_up(void **state)
{
    make_home();
    return 0;
}

static int tear_down(void **state)
{
    remove_home();
    return 0;
}

static Counter *new_counter(const char *format)
{
    return counter_new(at("visits"), counter_format(format));
}

static uint64_t add(Counter *counter, size_t n)
{
    Visit visits[8] = {0};
    Err err = ERR_INIT;
    uint64_t count;

    for (size_t i = 0; i < n; i++) {
        visits[i] = (Visit){.seconds = 1669707936 + (int64_t)i, .offset = 3 * 3600};
        snprintf(visits[i].caller, sizeof(visits[i].caller), "172.17.0.%zu", i + 1);
    }
    if (counter_add(counter, visits, n, true, &count, &err))
        fail_msg("%s", err.message);
    return count;
}

static void check_load(const char *format, const char *text, size_t n, int r, uint64_t expected)
{
    Counter *counter = new_counter(format);
    Err err = ERR_INIT;
    uint64_t count = 7;

    put_file("visits", text, n);
    assert_int_equal(counter_load(counter, &count, &err), r);
    if (r == 0) {
        assert_true(count == expected);
    } else {
        Visit visit = {.caller = "::1"};
        _free_ char *after = NULL;
        size_t after_n;

        assert_non_null(strstr(err.message, "holds no count"));
        assert_int_equal(counter_add(counter, &visit, 1, true, &count, &err), r);
        assert_int_equal(counter_check(counter, &count, &err), r);
        assert_int_equal(file_read(at("visits"), 1 << 20, &after, &after_n), 0);
        assert_int_equal(after_n, n);
        assert_memory_equal(after, text, n);
    }
    counter_free(counter);
}

#define GOOD(format, text, count) check_load(format, text, sizeof(text) - 1, 0, count)
#define BAD(format, text) check_load(format, text, sizeof(text) - 1, COUNTER_E_BROKEN, 0)
#define LINE "2022-11-29T10:45:36+03:00 - 172.17.0.1"
#define QUOTED "\"Visits:\\n" LINE "\\n\"\n"

static void text_is_a_number_and_nothing_else(void **state)
{
    GOOD("text", "0", 0);
    GOOD("text", "57", 57);
    GOOD("text", "57\n", 57);
    GOOD("line", "57", 57);
    GOOD("line", "57\n", 57);
    BAD("line", "57\n\n");
    GOOD("text", "18446744073709551614", UINT64_MAX - 1);
    BAD("text", "");
    BAD("text", "\n");
    BAD("text", "-1");
    BAD("text", " 1");
    BAD("text", "1 ");
    BAD("text", "1\n\n");
    BAD("text", "0x1");
    BAD("text", "1.0");
    BAD("text", "18446744073709551616");
    BAD("text", "99999999999999999999999999999999999999999999999999999999999999999999999999999999");
    BAD("text", "5\0");
    BAD("text", "Visits:\n");
}

static void binary_is_one_little_endian_integer(void **state)
{
    GOOD("binary", "\x5f", 95);
    GOOD("binary", "\x5f\0\0\0", 95);
    GOOD("binary", "\x01\x02\0\0\0\0\0\0", 513);
    GOOD("binary", "\xfe\xff\xff\xff\xff\xff\xff\xff", UINT64_MAX - 1);
    BAD("binary", "");
    BAD("binary", "\1\0\0\0\0\0\0\0\0");
}

static void a_log_counts_its_lines(void **state)
{
    GOOD("log", "", 0);
    GOOD("log", "Visits:\n", 0);
    GOOD("log", "Visits:\n" LINE "\n", 1);
    GOOD("log", "Visits:\n" LINE "\n2022-11-29T07:45:36Z - 2001:db8::7\n", 2);
    GOOD("quoted", "", 0);
    GOOD("quoted", QUOTED QUOTED, 2);
    BAD("log", LINE "\n");
    BAD("log", "57");
    BAD("log", "Visits:\n\n");
    BAD("log", "Visits:\nhello\n");
    BAD("log", "Visits:\n" LINE " x\n");
    BAD("log", "Visits:\n2022-13-29T10:45:36+03:00 - 172.17.0.1\n");
    BAD("log", "Visits:\n" LINE "\r\n");
    BAD("log", "Visits:\n2022-11-29T10:45:36+03:00 - \n");
    BAD("log", "Visits:\n2022-11-29T10:45:36+03:00 - a\0b\n");
    BAD("quoted", "Visits:\n" LINE "\n");
    BAD("quoted", QUOTED "x\n");
}

static void a_last_line_cut_short_does_not_count(void **state)
{
    static const char plain[] = "Visits:\n" LINE "\n", quoted[] = QUOTED;

    for (size_t n = 0; n < sizeof(plain) - 1; n++)
        check_load("log", plain, n, 0, 0);
    for (size_t n = 0; n < sizeof(quoted) - 1; n++)
        check_load("quoted", quoted, n, 0, 0);
    BAD("log", "Visits:\n2022-11-29T10:4X");
    BAD("log", "Visitors");
    BAD("log", "Visits:\n" LINE " and mo");
}

static void a_line_cut_short_goes_with_the_next_addition(void **state)
{
    Counter *counter = new_counter("log");

    put_text("visits", "Visits:\n" LINE "\n2022-11-29T10:4");
    assert_int_equal(add(counter, 2), 3);
    assert_file("visits", "Visits:\n" LINE "\n" LINE "\n2022-11-29T10:45:37+03:00 - 172.17.0.2\n");
    counter_free(counter);
}

static void a_long_log_is_counted_whole(void **state)
{
    enum { N = 20000 };
    Counter *counter = new_counter("quoted");
    int fd = open(at("visits"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    uint64_t count;

    for (int i = 0; i < N; i++)
        assert_int_equal(write(fd, QUOTED, sizeof(QUOTED) - 1), sizeof(QUOTED) - 1);
    close(fd);
    assert_int_equal(counter_load(counter, &count, NULL), 0);
    assert_int_equal(count, N);
    assert_int_equal(add(counter, 3), N + 3);
    assert_int_equal(counter_load(counter, &count, NULL), 0);
    assert_int_equal(count, N + 3);
    counter_free(counter);
}

static void what_is_added_is_there_in_each_format(void **state)
{
    static const struct {
        const char *format, *text;
        size_t n;
    } cases[] = {
        {"text", "3", 1},
        {"line", "3\n", 2},
        {"binary", "\3\0\0\0\0\0\0\0", 8},
        {"log", "Visits:\n" LINE "\n" LINE "\n2022-11-29T10:45:37+03:00 - 172.17.0.2\n",
         8 + 3 * 39},
        {"quoted", QUOTED QUOTED "\"Visits:\\n2022-11-29T10:45:37+03:00 - 172.17.0.2\\n\"\n",
         3 * 52},
    };

    EACH_ROW(i, cases, cases[i].text) {
        Counter *counter = new_counter(cases[i].format), *other = new_counter(cases[i].format);
        _free_ char *text = NULL;
        size_t n;
        uint64_t count;

        unlink(at("visits"));
        assert_int_equal(counter_load(counter, &count, NULL), 0);
        assert_int_equal(count, 0);
        assert_int_equal(add(counter, 1), 1);
        assert_int_equal(add(counter, 2), 3);
        assert_int_equal(file_read(at("visits"), 1000, &text, &n), 0);
        assert_memory_equal(text, cases[i].text, n);
        assert_int_equal(n, cases[i].n);
        assert_int_equal(counter_load(other, &count, NULL), 0);
        assert_int_equal(count, 3);
        counter_free(counter);
        counter_free(other);
    }
}

static void a_count_set_by_hand_goes_on_from_there(void **state)
{
    Counter *counter = new_counter("text"), *log;

    assert_int_equal(add(counter, 1), 1);
    put_text("visits", "100\n");
    assert_int_equal(add(counter, 1), 101);
    unlink(at("visits"));
    assert_int_equal(add(counter, 1), 1);
    put_text("visits", "18446744073709551615");
    assert_int_equal(counter_add(counter, &(Visit){0}, 1, true, &(uint64_t){0}, NULL),
                     COUNTER_E_BROKEN);
    counter_free(counter);
    log = new_counter("log");
    unlink(at("visits"));
    assert_int_equal(add(log, 2), 2);
    put_text("visits", "Visits:\n" LINE "\n");
    assert_int_equal(add(log, 1), 2);
    counter_free(log);
}

static void a_second_process_is_refused(void **state)
{
    Counter *first = new_counter("text"), *second = new_counter("log");
    Err err = ERR_INIT;
    uint64_t count;

    assert_int_equal(counter_check(first, &count, NULL), 0);
    assert_int_equal(counter_check(second, &count, &err), COUNTER_E_TAKEN);
    assert_non_null(strstr(err.message, "another process"));
    assert_int_equal(counter_add(second, &(Visit){0}, 1, true, &count, &err), COUNTER_E_TAKEN);
    counter_free(first);
    assert_int_equal(counter_check(second, &count, &err), 0);
    counter_free(second);
}

static void a_folder_that_is_gone_may_come_back(void **state)
{
    Counter *counter = counter_new(at("volume/visits"), counter_format("text"));
    Err err = ERR_INIT;
    uint64_t count;

    assert_int_equal(counter_check(counter, &count, &err), COUNTER_E_FAILED);
    assert_non_null(strstr(err.message, "No such file or directory"));
    assert_int_equal(counter_load(counter, &count, &err), COUNTER_E_FAILED);
    assert_int_equal(mkdir(at("volume"), 0755), 0);
    assert_int_equal(add(counter, 1), 1);
    assert_int_equal(file_remove_tree(at("volume")), 0);
    assert_int_equal(counter_add(counter, &(Visit){0}, 1, true, &count, &err), COUNTER_E_FAILED);
    assert_int_equal(mkdir(at("volume"), 0755), 0);
    put_text("volume/visits", "41");
    assert_int_equal(add(counter, 1), 42);
    counter_free(counter);
}

/* ---- in place or replaced ---- */

static ino_t inode_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(at(name), &st), 0);
    return st.st_ino;
}

/* With a descriptor on what is there before, so that its inode cannot come back. */
static bool is_replaced_by(Counter *counter, size_t n, uint64_t expected)
{
    _close_fd_ _unused_ int before = open(at("visits"), O_PATH | O_CLOEXEC);
    ino_t inode = inode_of("visits");

    assert_int_equal(add(counter, n), expected);
    return inode_of("visits") != inode;
}

static void a_count_as_long_as_the_old_one_is_overwritten_in_place(void **state)
{
    Counter *counter = new_counter("text"), *binary;

    assert_int_equal(add(counter, 7), 7);
    assert_false(is_replaced_by(counter, 2, 9));
    assert_file("visits", "9");
    assert_true(is_replaced_by(counter, 1, 10));
    assert_false(is_replaced_by(counter, 1, 11));
    assert_file("visits", "11");
    counter_free(counter);

    binary = new_counter("binary");
    put_file("visits", "\xff", 1);
    assert_true(is_replaced_by(binary, 1, 256));
    assert_false(is_replaced_by(binary, 1, 257));
    counter_free(binary);
}

static void a_file_of_somebody_else_or_with_a_second_name_is_replaced(void **state)
{
    Counter *counter = new_counter("text");

    put_text("visits", "20");
    assert_true(is_replaced_by(counter, 1, 21));
    assert_false(is_replaced_by(counter, 1, 22));
    assert_int_equal(link(at("visits"), at("kept")), 0);
    assert_true(is_replaced_by(counter, 1, 23));
    assert_file("kept", "22");
    assert_false(is_replaced_by(counter, 1, 24));
    unlink(at("visits"));
    assert_int_equal(symlink("kept", at("visits")), 0);
    assert_int_equal(add(counter, 1), 23);
    assert_file("kept", "22");
    counter_free(counter);
}

static void who_has_it_open_keeps_what_was_there(void **state)
{
    Counter *counter = new_counter("text");
    char text[8] = {0};
    int reader;

    assert_int_equal(add(counter, 5), 5);
    reader = open(at("visits"), O_RDONLY | O_CLOEXEC);
    assert_true(is_replaced_by(counter, 1, 6));
    assert_int_equal(pread(reader, text, sizeof(text), 0), 1);
    assert_string_equal(text, "5");
    close(reader);
    assert_false(is_replaced_by(counter, 1, 7));
    counter_free(counter);
}

static void read_until_killed(Counter *counter)
{
    uint64_t last = 0, count;

    while (counter_load(counter, &count, NULL) == 0 && count >= last && count % 3331 == 0)
        last = count;
    _exit(1);
}

/* Steps of 3331 alter all low digits at once, so a mixture of two counts is no multiple of it. */
static void a_reader_never_sees_a_mixture(void **state)
{
    static const char *const formats[] = {"text", "binary"};

    EACH_ROW(i, formats, formats[i]) {
        Counter *counter = new_counter(formats[i]);
        uint64_t count, sum = 0;
        pid_t reader;
        int status;

        unlink(at("visits"));
        assert_int_equal(counter_add(counter, NULL, 3331, false, &count, NULL), 0);
        reader = fork();
        if (reader == 0)
            read_until_killed(counter);
        for (int k = 0; k < 20000; k++, sum++)
            assert_int_equal(counter_add(counter, NULL, 3331, false, &count, NULL), 0);
        assert_int_equal(waitpid(reader, &status, WNOHANG), 0); /* it found nothing amiss */
        kill(reader, SIGKILL);
        waitpid(reader, &status, 0);
        assert_true(count == 3331 * (sum + 1));
        counter_free(counter);
    }
}

/* Every step fails once: nothing counts, and nothing is left that reads as more. */
static void an_addition_that_fails_counts_nothing(void **state)
{
#ifdef FAULT_POINTS
    static const char *const formats[] = {"text", "line", "binary", "log", "quoted"};

    EACH_ROW(i, formats, formats[i]) {
        Counter *counter = new_counter(formats[i]);
        uint64_t n = 1, count;

        unlink(at("visits"));
        for (;; n++) {
            Visit visits[2] = {{.caller = "::1"}, {.caller = "::1"}};
            Err err = ERR_INIT;
            int r;

            fault_arm("counter.", n);
            r = counter_add(counter, visits, 2, true, &count, &err);
            fault_arm("", 0);
            if (r == 0)
                break;
            assert_int_equal(r, COUNTER_E_FAILED);
            assert_non_null(strstr(err.message, "cannot "));
            assert_int_equal(counter_load(counter, &count, &err), 0);
            assert_int_equal(count, 0);
        }
        assert_true(n > 2);
        assert_int_equal(count, 2);
        counter_free(counter);
    }
#else
    skip();
#endif
}

static void an_overwriting_that_fails_counts_nothing(void **state)
{
#ifdef FAULT_POINTS
    static const char *const points[] = {"counter.write", "counter.sync"};
    Counter *counter = new_counter("text");
    uint64_t count;

    assert_int_equal(add(counter, 5), 5);
    EACH_ROW(i, points, points[i]) {
        Err err = ERR_INIT;

        fault_arm(points[i], 1);
        assert_int_equal(counter_add(counter, &(Visit){0}, 1, true, &count, &err),
                         COUNTER_E_FAILED);
        fault_arm("", 0);
        assert_non_null(strstr(err.message, "cannot write"));
        assert_file("visits", "5");
    }
    assert_int_equal(add(counter, 1), 6);
    counter_free(counter);
#else
    skip();
#endif
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(text_is_a_number_and_nothing_else),
        TEST(binary_is_one_little_endian_integer),
        TEST(a_log_counts_its_lines),
        TEST(a_last_line_cut_short_does_not_count),
        TEST(a_line_cut_short_goes_with_the_next_addition),
        TEST(a_long_log_is_counted_whole),
        TEST(what_is_added_is_there_in_each_format),
        TEST(a_count_set_by_hand_goes_on_from_there),
        TEST(a_second_process_is_refused),
        TEST(a_folder_that_is_gone_may_come_back),
        TEST(a_count_as_long_as_the_old_one_is_overwritten_in_place),
        TEST(a_file_of_somebody_else_or_with_a_second_name_is_replaced),
        TEST(who_has_it_open_keeps_what_was_there),
        TEST(a_reader_never_sees_a_mixture),
        TEST(an_addition_that_fails_counts_nothing),
        TEST(an_overwriting_that_fails_counts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
