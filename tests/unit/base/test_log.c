/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log: their two formats, what untrusted text can do to them, and the budget. */
#include "testing.h"

#include <fcntl.h>

#include "base/log.h"

/* What `write_lines` puts on standard error. */
static const char *capture(void (*write_lines)(void))
{
    static char text[65536];
    int saved = dup(STDERR_FILENO), pipe_fds[2];
    ssize_t n;

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(pipe_fds[0], text, sizeof(text) - 1);
    close(pipe_fds[0]);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static const char *untrusted;

static void quote_untrusted(void)
{
    log_write_fields(LOG_LEVEL_WARN, "test", LOG_FIELDS(LOG_TEXT("name", untrusted)), "about %s",
                     untrusted);
}

static void write_all_kinds(void)
{
    log_write_fields(LOG_LEVEL_WARN, "test",
                     LOG_FIELDS(LOG_TEXT("plain", "web-0"), LOG_TEXT("spaced", "a b"),
                                LOG_TEXT("empty", ""), LOG_TEXT("none", NULL),
                                LOG_NUMBER("count", -3), LOG_MS("ms", 12345678)),
                     "it is %s", "said");
}

static void a_line_has_time_level_area_sentence_and_fields(void **state)
{
    const char *text = capture(write_all_kinds);

    assert_int_equal(text[10], 'T');
    assert_string_equal(text + 27,
                        " warn  test: it is said plain=web-0 spaced=\"a b\" count=-3 ms=12.345\n");
}

static void a_line_of_json_has_the_same(void **state)
{
    const char *text;

    log_format = LOG_FORMAT_JSON;
    text = capture(write_all_kinds);
    log_format = LOG_FORMAT_TEXT;
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_string_equal(strstr(text, ",\"level\""),
                        ",\"level\":\"warn\",\"area\":\"test\",\"message\":\"it is said\","
                        "\"plain\":\"web-0\",\"spaced\":\"a b\",\"count\":-3,\"ms\":12.345}\n");
}

static void no_text_can_forge_a_line_or_move_the_cursor(void **state)
{
    static const char *const texts[] = {
        "a\n2026-11-30T00:00:00.000000Z info  server: forged",
        "a\r\x1b[2Khidden",
        "a\x7f\x08\x08",
        "c1 \xc2\x9b 2K",            /* U+009B: CSI in one character */
        "line\xe2\x80\xa8separator", /* U+2028 */
        "bidi \xe2\x80\xae\xe2\x81\xa6 override",
        "broken \xff\xc3 utf-8 \xed\xa0\x80 surrogate",
        "quote \" equals= back\\slash",
    };

    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        EACH_ROW(i, texts, texts[i]) {
            const char *line;

            untrusted = texts[i];
            log_format = (LogFormat)format;
            line = capture(quote_untrusted);
            log_format = LOG_FORMAT_TEXT;
            assert_int_equal(count_lines(line), 1);
            for (const unsigned char *p = (const unsigned char *)line; p[1]; p++)
                assert_in_range(*p, ' ', '~');
        }
    }
    untrusted = texts[ARRAY_LEN(texts) - 1];
    assert_non_null(
        strstr(capture(quote_untrusted), "name=\"quote \\\" equals= back\\\\slash\"\n"));
}

static void ordinary_characters_of_other_scripts_stay(void **state)
{
    untrusted = "\xc3\xa4\xe2\x80\x94\xe6\x97\xa5\xf0\x9f\x90\x99";
    assert_non_null(strstr(capture(quote_untrusted), untrusted));
}

static char long_text[8192];

static void write_long_ones(void)
{
    log_write(LOG_LEVEL_WARN, "test", "%s", long_text);
    for (size_t n = 1800; n < 2060; n += 20)
        log_write_fields(LOG_LEVEL_WARN, "test",
                         LOG_FIELDS(LOG_TEXT("text", long_text), LOG_NUMBER("after", 1)), "%s",
                         long_text + sizeof(long_text) - n);
}

static void long_lines_are_cut_and_stay_whole(void **state)
{
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        static const char fills[] = {'x', '\n', '"'};

        EACH_ROW(i, fills, NULL) {
            const char *text;

            memset(long_text, fills[i], sizeof(long_text) - 1);
            log_format = (LogFormat)format;
            text = capture(write_long_ones);
            log_format = LOG_FORMAT_TEXT;
            while (*text) {
                size_t n = strcspn(text, "\n");

                assert_in_range(n, 1000, 4095);
                assert_non_null(memmem(text, n, "...", 3));
                if (format == LOG_FORMAT_JSON)
                    assert_memory_equal(text + n - 1, "}", 1);
                text += n + 1;
            }
        }
    }
}

static void below_the_level_nothing_is_written(void **state)
{
    log_level_max = LOG_LEVEL_ERROR;
    assert_string_equal(capture(write_all_kinds), "");
    log_level_max = LOG_LEVEL_INFO;
}

static void a_budget_lets_ten_through_and_then_one_in_ten_seconds(void **state)
{
    LogLimit limit = {0};
    int64_t now = INT64_C(5000000000);
    uint64_t left_out;
    unsigned passed = 0;

    for (int i = 0; i < 1000; i++)
        passed += log_limit_take(&limit, now, &left_out);
    assert_int_equal(passed, 10);
    now += INT64_C(9999999999);
    assert_false(log_limit_take(&limit, now, &left_out));
    now += 1;
    assert_true(log_limit_take(&limit, now, &left_out));
    assert_int_equal(left_out, 991);
    assert_false(log_limit_take(&limit, now, &left_out));
    now += INT64_C(1000000000000);
    passed = 0;
    for (int i = 0; i < 1000; i++)
        passed += log_limit_take(&limit, now, &left_out);
    assert_int_equal(passed, 10);
}

static void write_often(void)
{
    for (int i = 0; i < 100; i++)
        log_limited(LOG_LEVEL_WARN, "test", "again %d", i);
}

static void a_place_in_the_source_has_a_budget_of_its_own(void **state)
{
    assert_int_equal(count_lines(capture(write_often)), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_area_sentence_and_fields),
        cmocka_unit_test(a_line_of_json_has_the_same),
        cmocka_unit_test(no_text_can_forge_a_line_or_move_the_cursor),
        cmocka_unit_test(ordinary_characters_of_other_scripts_stay),
        cmocka_unit_test(long_lines_are_cut_and_stay_whole),
        cmocka_unit_test(below_the_level_nothing_is_written),
        cmocka_unit_test(a_budget_lets_ten_through_and_then_one_in_ten_seconds),
        cmocka_unit_test(a_place_in_the_source_has_a_budget_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
