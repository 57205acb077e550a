/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/strbuf.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
    StrBuf buf = STRBUF_INIT;
    _free_ char *taken = NULL;

    assert_string_equal(strbuf_string(&buf), "");
    assert_int_equal(strbuf_bytes(&buf).n, 0);
    strbuf_add(&buf, NULL, 0);
    strbuf_add_string(&buf, NULL);
    strbuf_truncate(&buf, 0);
    taken = strbuf_take(&buf);
    assert_string_equal(taken, "");
    assert_null(buf.p);
    strbuf_deinit(&buf);
}

static void what_is_added_is_there_and_ended_by_nul(void **state)
{
    _strbuf_ StrBuf buf = STRBUF_INIT;

    for (int i = 0; i < 1000; i++) {
        strbuf_add_char(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.p[buf.n], 0);
        assert_true(buf.n < buf.cap);
    }
    strbuf_add(&buf, "x\0y", 3);
    assert_int_equal(buf.n, 1003);
    assert_memory_equal(buf.p + 1000, "x\0y", 4);
    strbuf_truncate(&buf, 2);
    strbuf_truncate(&buf, 500);
    assert_string_equal(buf.p, "ab");
}

static void printing_grows_as_needed(void **state)
{
    _strbuf_ StrBuf buf = STRBUF_INIT;
    char text[5000];

    memset(text, 'q', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    for (size_t n = 0; n < sizeof(text) - 1; n += 61) {
        strbuf_truncate(&buf, 0);
        strbuf_printf(&buf, "<%s>%d", text + n, 7);
        assert_int_equal(buf.n, sizeof(text) - 1 - n + 3);
        assert_string_equal(buf.p + buf.n - 2, ">7");
    }
}

static void numbers_are_printed_like_printf_does(void **state)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 12345678901, INT64_MAX, INT64_MIN};

    EACH_ROW(i, numbers, NULL) {
        _strbuf_ StrBuf buf = STRBUF_INIT;
        char expected[24];

        strbuf_add_int64(&buf, numbers[i]);
        snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        assert_string_equal(buf.p, expected);
    }
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max;
        int r;
        int64_t v;
    } cases[] = {
        {"0", 0, 9, 0, 0},
        {"-5", -9, 9, 0, -5},
        {"9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 1, 0},
        {"10", 0, 9, 1, 0},
        {"-1", 0, 9, 1, 0},
        {"", 0, 9, 1, 0},
        {NULL, 0, 9, 1, 0},
        {"-", -9, 9, 1, 0},
        {"+1", 0, 9, 1, 0},
        {" 1", 0, 9, 1, 0},
        {"1 ", 0, 9, 1, 0},
        {"0x1", 0, 9, 1, 0},
        {"--1", -9, 9, 1, 0},
    };

    EACH_ROW(i, cases, cases[i].text) {
        int64_t v = 0;

        assert_int_equal(str_to_int64(cases[i].text, cases[i].min, cases[i].max, &v), cases[i].r);
        assert_int_equal(v, cases[i].v);
    }
}

static void strings_begin_and_end(void **state)
{
    assert_true(str_starts_with("abc", "ab") && str_starts_with("abc", ""));
    assert_false(str_starts_with("a", "ab") || str_starts_with(NULL, "a"));
    assert_true(str_ends_with("abc", "bc") && str_ends_with("abc", ""));
    assert_false(str_ends_with("c", "bc") || str_ends_with(NULL, "a"));
    assert_true(str_equal(NULL, "") && str_equal("a", "a") && !str_equal("a", NULL));
    assert_string_equal(str_or(NULL, "x"), "x");
    assert_string_equal(str_or("", "x"), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(what_is_added_is_there_and_ended_by_nul),
        cmocka_unit_test(printing_grows_as_needed),
        cmocka_unit_test(numbers_are_printed_like_printf_does),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(strings_begin_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
