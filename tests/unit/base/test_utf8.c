/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/utf8.h"

static void only_well_formed_text_is_valid(void **state)
{
    static const struct {
        const char *text, *clean; /* NULL: it is clean */
    } rows[] = {
        {"", NULL},
        {"plain", NULL},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
    };
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, rows, rows[i].text) {
        const char *text = rows[i].text, *clean = utf8_clean(&arena, text);

        assert_int_equal(utf8_valid((const uint8_t *)text, strlen(text)), !rows[i].clean);
        assert_string_equal(clean, rows[i].clean ? rows[i].clean : text);
        assert_true(rows[i].clean || clean == text);
    }
    assert_null(utf8_clean(&arena, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_well_formed_text_is_valid)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
