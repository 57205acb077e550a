/* SPDX-License-Identifier: Apache-2.0 */
/* Table cells: ages in kubectl's steps, commas and quotes. */
#include "testing.h"

#include "api/print.h"
#include "api/schema/core_container_v1.h"

#define NS INT64_C(1000000000)

static void durations_are_printed_in_kubectls_steps(void **state)
{
    enum { M = 60, H = 60 * M, D = 24 * H, Y = 365 * D };
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-2, "<invalid>"},
        {-1, "0s"},
        {0, "0s"},
        {119, "119s"},
        {120, "2m"},
        {125, "2m5s"},
        {9 * M + 59, "9m59s"},
        {10 * M + 1, "10m"},
        {3 * H - 1, "179m"},
        {3 * H, "3h"},
        {3 * H + 12 * M, "3h12m"},
        {8 * H + 30 * M, "8h"},
        {2 * D - 1, "47h"},
        {2 * D, "2d"},
        {2 * D + 5 * H, "2d5h"},
        {8 * D + 5 * H, "8d"},
        {2 * (int64_t)Y - 1, "729d"},
        {2 * (int64_t)Y, "2y"},
        {2 * (int64_t)Y + 30 * D, "2y30d"},
        {8 * (int64_t)Y + 30 * D, "8y"},
    };

    EACH_ROW(i, rows, rows[i].text) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        print_duration(&text, rows[i].seconds);
        assert_string_equal(strbuf_string(&text), rows[i].text);
    }
}

static void ages_count_from_a_time(void **state)
{
    _strbuf_ StrBuf row = STRBUF_INIT;

    cell_age(&row, (Time){0}, 100 * NS);
    cell_age(&row, (Time){.seconds = 55, .set = true}, 100 * NS);
    cell_age(&row, (Time){.seconds = 99, .nanos = 500000000, .set = true}, 101 * NS);
    cell_age(&row, (Time){.seconds = 100, .nanos = 500000000, .set = true}, 100 * NS);
    assert_string_equal(strbuf_string(&row), "\"\\u003cunknown\\u003e\",\"45s\",\"1s\",\"0s\"");
}

static void cells_bring_their_commas_and_quotes(void **state)
{
    _strbuf_ StrBuf row = STRBUF_INIT;

    strbuf_add_char(&row, '[');
    cell_string(&row, "a\"b");
    cell_string(&row, NULL);
    cell_string(&row, "ends with [");
    cell_int64(&row, -3);
    cell_bool(&row, true);
    cell_printf(&row, "%d/%d", 1, 2);
    assert_string_equal(strbuf_string(&row), "[\"a\\\"b\",\"\",\"ends with [\",-3,true,\"1/2\"");
}

static void long_lists_are_cut(void **state)
{
    const char *v[] = {"a", "b", "c", "d", "e"};
    static const struct {
        size_t n;
        const char *text;
    } rows[] = {{0, "<unset>"}, {1, "a"}, {3, "a,b,c"}, {5, "a,b,c + 2 more..."}};

    EACH_ROW(i, rows, rows[i].text) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        print_some(&text, &(const StringArray){v, rows[i].n}, 3);
        assert_string_equal(strbuf_string(&text), rows[i].text);
    }
}

static void containers_are_two_cells(void **state)
{
    Container v[] = {{.name = "a", .image = "x:1"}, {.name = "b", .image = "y:2"}};
    _strbuf_ StrBuf row = STRBUF_INIT;

    cell_containers(&row, &(const ContainerArray){v, 2});
    assert_string_equal(strbuf_string(&row), "\"a,b\",\"x:1,y:2\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_printed_in_kubectls_steps),
        cmocka_unit_test(ages_count_from_a_time),
        cmocka_unit_test(cells_bring_their_commas_and_quotes),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(containers_are_two_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
