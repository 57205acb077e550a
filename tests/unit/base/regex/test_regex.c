/* SPDX-License-Identifier: Apache-2.0 */
/* Replays what Go's regexp package answers (tests/oracle/cel/regex.go), and bounds the time of a match. */
#include <time.h>
#include <yyjson.h>

#include "base/regex/regex.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "testing.h"

static const char *cases_path;

/* The recorder writes bytes that are no UTF-8 as U+F7xx. */
static Bytes unescape(Arena *arena, yyjson_val *val)
{
    const char *from = yyjson_get_str(val);
    size_t n = yyjson_get_len(val), to = 0;
    uint8_t *text = arena_alloc(arena, n + 1);

    for (size_t i = 0; i < n;) {
        uint32_t rune;
        size_t length = utf8_decode((const uint8_t *)from + i, n - i, &rune);

        if (rune >= 0xf700 && rune <= 0xf7ff)
            text[to++] = (uint8_t)rune;
        else
            to = (size_t)((uint8_t *)mempcpy(text + to, from + i, length) - text);
        i += length;
    }
    return (Bytes){text, to};
}

static int check_match(const Regex *regex, const char *pattern, Bytes text, int64_t begin,
                       int64_t end)
{
    RegexSpan span;
    bool expected = begin >= 0;
    bool tested = regex_test(regex, (const char *)text.p, text.n) == 0;
    bool found = regex_find(regex, (const char *)text.p, text.n, 0, &span) == 0;

    if (tested == expected && found == expected &&
        (!found || ((int64_t)span.begin == begin && (int64_t)span.end == end)))
        return 0;
    print_error("`%s` on \"%.*s\": expected %" PRId64 "..%" PRId64
                ", test says %d, find says %d %zu..%zu\n",
                pattern, (int)text.n, text.p, begin, end, tested, found, found ? span.begin : 0,
                found ? span.end : 0);
    return 1;
}

static int check_case(Arena *arena, yyjson_val *one, RegexUse use)
{
    Bytes pattern = unescape(arena, yyjson_obj_get(one, "pattern"));
    yyjson_val *error = yyjson_obj_get(one, "error"), *texts = yyjson_obj_get(one, "texts");
    const char *message = NULL;
    const Regex *regex = regex_compile(arena, (const char *)pattern.p, pattern.n, use, &message);
    int failed = 0;

    if (error) {
        Bytes expected = unescape(arena, error);

        if (!regex && bytes_equal(expected, bytes_from_string(message)))
            return 0;
        print_error("`%s`: expected \"%s\", got \"%s\"\n", pattern.p, expected.p, message);
        return 1;
    }
    if (!regex) {
        print_error("`%s`: should compile, but \"%s\"\n", pattern.p, message);
        return 1;
    }
    for (size_t i = 0; i + 2 < yyjson_arr_size(texts); i += 3)
        failed +=
            check_match(regex, (const char *)pattern.p, unescape(arena, yyjson_arr_get(texts, i)),
                        yyjson_get_sint(yyjson_arr_get(texts, i + 1)),
                        yyjson_get_sint(yyjson_arr_get(texts, i + 2)));
    return failed;
}

static void go_and_we_agree(void **state _unused_)
{
    yyjson_doc *doc = yyjson_read_file(cases_path, 0, NULL, NULL);
    yyjson_val *one;
    yyjson_arr_iter iter;
    int failed = 0;

    assert_non_null(doc);
    iter = yyjson_arr_iter_with(yyjson_doc_get_root(doc));
    while ((one = yyjson_arr_iter_next(&iter))) {
        _arena_ Arena arena = ARENA_INIT;

        failed += check_case(&arena, one, REGEX_OFTEN) + check_case(&arena, one, REGEX_ONCE);
    }
    assert_true(yyjson_arr_size(yyjson_doc_get_root(doc)) > 1000);
    yyjson_doc_free(doc);
    assert_int_equal(failed, 0);
}

/* Expressions that take exponential time where alternatives are tried one after the other. */
static void no_expression_is_catastrophic(void **state _unused_)
{
    static const char *const patterns[] = {"(a*)*b",
                                           "(a+)+$",
                                           "(a|aa)+$",
                                           "(a|a?)+b",
                                           "^(a?){500}a{500}$",
                                           "(.*)(.*)(.*)(.*)[^a]$",
                                           "((a{0,30}){0,30})b",
                                           "(x+x+)+y",
                                           "(?i)(a*)*\\b_"};
    _arena_ Arena arena = ARENA_INIT;
    size_t n = 20000;
    char *text = arena_alloc(&arena, n + 1);

    memset(text, 'a', n);
    EACH_ROW(i, patterns, patterns[i]) {
        const char *error;
        const Regex *regex =
            regex_compile(&arena, patterns[i], strlen(patterns[i]), REGEX_ONCE, &error);
        clock_t begin = clock();

        assert_non_null(regex);
        regex_test(regex, text, n);
        assert_true((double)(clock() - begin) / CLOCKS_PER_SEC <
                    20); /* with sanitizers, on a busy machine */
    }
}

static void large_expressions_are_refused_and_large_matches_given_up(void **state _unused_)
{
    _arena_ Arena arena = ARENA_INIT;
    StrBuf pattern _strbuf_ = STRBUF_INIT;
    const char *error, *wide = "x{1000}!";
    const Regex *regex;
    size_t n = 100000;
    char *text = arena_alloc(&arena, n + 1);

    for (size_t i = 0; i < 60; i++)
        strbuf_add_string(&pattern, "(ab){1000}");
    assert_null(regex_compile(&arena, pattern.p, pattern.n, REGEX_OFTEN, &error));
    assert_true(str_starts_with(error, "error parsing regexp: expression too large: `(ab){1000}"));
    strbuf_truncate(&pattern, 0);
    for (size_t i = 0; i < 3000; i++)
        strbuf_add_string(&pattern, "(?i)\\pL");
    assert_null(regex_compile(&arena, pattern.p, pattern.n, REGEX_OFTEN, &error));
    strbuf_truncate(&pattern, 0);
    for (size_t i = 0; i < 1000000; i++)
        strbuf_add_char(&pattern, '(');
    assert_null(regex_compile(&arena, pattern.p, pattern.n, REGEX_OFTEN, &error));
    regex = regex_compile(&arena, wide, strlen(wide), REGEX_OFTEN, &error);
    assert_non_null(regex);
    memset(text, 'x', n);
    assert_int_equal(regex_test(regex, text, n), REGEX_E_WORK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_and_we_agree),
        cmocka_unit_test(no_expression_is_catastrophic),
        cmocka_unit_test(large_expressions_are_refused_and_large_matches_given_up),
    };

    ASSERT(argc == 2);
    cases_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
