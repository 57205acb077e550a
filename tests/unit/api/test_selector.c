/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors as text: what is read, and how it is written again. */
#include "testing.h"

#include "api/selector.h"

static void selectors_are_read_and_written(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {" ", ""},
        {"a=b", "a=b"},
        {"a==b", "a=b"},
        {"a!=b", "a!=b"},
        {"a", "a"},
        {"!a", "!a"},
        {"a=", "a="},
        {" a = b , c in ( e , d ) , ! f ", "a=b,c in (d,e),!f"},
        {"a\t=\nb\r,c notin (d)", "a=b,c notin (d)"},
        {"n>3,n<5", "n>3,n<5"},
        {"in in (in,notin)", "in in (in,notin)"},
    };

    EACH_ROW(i, rows, rows[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf text = STRBUF_INIT;
        const char *error = "";
        Selector *selector;

        if (selector_parse_labels(&arena, rows[i].in, &selector, &error))
            fail_msg("%s", error);
        selector_print(selector, &text);
        assert_string_equal(strbuf_string(&text), rows[i].out);
    }
}

static void what_is_no_selector_is_refused(void **state)
{
    static const char *const rows[] = {"a=b,", ",a",    "a b", "a in b", "a in (b",
                                       "=b",   "a=b c", "!",   "a>x"};

    EACH_ROW(i, rows, rows[i]) {
        _arena_ Arena arena = ARENA_INIT;
        const char *error = NULL;
        Selector *selector;

        assert_true(selector_parse_labels(&arena, rows[i], &selector, &error) > 0);
        assert_non_null(error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_are_read_and_written),
        cmocka_unit_test(what_is_no_selector_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
