/* SPDX-License-Identifier: Apache-2.0 */
/* Percent decoding and queries. */
#include "testing.h"

#include "base/strbuf.h"
#include "http/http.h"

static void percent_sequences_are_decoded(void **state)
{
    // clang-format off
    static const struct { const char *in, *out; } cases[] = {
        {"", ""}, {"abc", "abc"}, {"a%20b", "a b"}, {"%2F%2f", "//"}, {"a+b", "a+b"}, {"%c3%A4", "\xc3\xa4"},
        {"%", NULL}, {"%2", NULL}, {"%zz", NULL}, {"a%2", NULL}, {"%00", NULL}, {"x%00y", NULL}, {"%%41", NULL},
    };
    // clang-format on
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, cases, NULL) {
        char *out = http_percent_decode(&arena, cases[i].in, strlen(cases[i].in));

        if (cases[i].out)
            assert_string_equal(out, cases[i].out);
        else
            assert_null(out);
    }
}

static void decoding_stops_at_the_given_length(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_string_equal(http_percent_decode(&arena, "ab%20cd", 2), "ab");
    assert_null(http_percent_decode(&arena, "ab%20cd", 4));
}

static void query_finds_the_first_of_a_name(void **state)
{
    HttpRequest request = {.query = "watch=1&name=a%26b&empty=&flag&x=1+2&x=3&%6eoise=yes&bad=%zz"};

    assert_string_equal(http_query(&request, "watch"), "1");
    assert_string_equal(http_query(&request, "name"), "a&b");
    assert_string_equal(http_query(&request, "empty"), "");
    assert_string_equal(http_query(&request, "flag"), "");
    assert_string_equal(http_query(&request, "x"), "1 2");
    assert_string_equal(http_query(&request, "noise"), "yes");
    assert_null(http_query(&request, "bad"));
    assert_null(http_query(&request, "none"));
    arena_clear(&request.arena);
}

static void note(void *data, const char *name, const char *value)
{
    strbuf_printf(data, "[%s=%s]", name, value);
}

static void query_each_passes_over_malformed_parameters(void **state)
{
    HttpRequest request = {.query = "&&a=1&b=%2&c;d=1&e=f=g&&h"};
    _strbuf_ StrBuf seen = STRBUF_INIT;

    http_query_each(&request, note, &seen);
    assert_string_equal(strbuf_string(&seen), "[a=1][e=f=g][h=]");
    arena_clear(&request.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_sequences_are_decoded),
        cmocka_unit_test(decoding_stops_at_the_given_length),
        cmocka_unit_test(query_finds_the_first_of_a_name),
        cmocka_unit_test(query_each_passes_over_malformed_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
