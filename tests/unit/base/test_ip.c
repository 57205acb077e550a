/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/ip.h"

static void addresses_are_parsed_strictly(void **state)
{
    static const struct {
        const char *text;
        int outcome;
        uint32_t address;
    } cases[] = {
        {"10.42.0.1", 0, 0x0a2a0001},
        {"255.255.255.255", 0, 0xffffffff},
        {"10.42.0", 1, 0},
        {"10.42.0.256", 1, 0},
        {"", 1, 0},
        {"::1", 1, 0},
        {"1.2.3.4 ", 1, 0},
    };

    EACH_ROW(i, cases, cases[i].text) {
        uint32_t address = 0;
        char text[16];

        assert_int_equal(ip4_parse(cases[i].text, &address), cases[i].outcome);
        if (cases[i].outcome)
            continue;
        assert_int_equal(address, cases[i].address);
        ip4_print(address, text);
        assert_string_equal(text, cases[i].text);
    }
    assert_true(ip_valid("::1"));
    assert_false(ip_valid("localhost"));
    assert_int_equal(ip4_parse(NULL, &(uint32_t){0}), 1);
}

static void ranges_hold_what_lies_in_them(void **state)
{
    Cidr4 cidr;

    assert_int_equal(cidr4_parse("10.42.0.77/24", &cidr), 0);
    assert_int_equal(cidr.base, 0x0a2a0000);
    assert_true(cidr4_contains(cidr, 0x0a2a00ff));
    assert_false(cidr4_contains(cidr, 0x0a2a0100));
    assert_int_equal(cidr4_parse("0.0.0.0/0", &cidr), 0);
    assert_true(cidr4_contains(cidr, 0xffffffff));
    assert_int_equal(cidr4_parse("10.42.0.0", &cidr), 1);
    assert_int_equal(cidr4_parse("10.42.0.0/33", &cidr), 1);
    assert_int_equal(cidr4_parse("10.42.0.0/x", &cidr), 1);
}

static void lists_of_ranges_are_parsed_whole_or_not_at_all(void **state)
{
    Cidr4 ranges[2];
    size_t n = 9;

    assert_int_equal(cidr4_parse_list("10.0.0.0/8,192.0.2.7/32", 2, ranges, &n), 0);
    assert_int_equal(n, 2);
    assert_true(cidr4_contains(ranges[1], 0xc0000207) && !cidr4_contains(ranges[1], 0xc0000208));
    assert_int_equal(cidr4_parse_list(NULL, 2, ranges, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cidr4_parse_list("", 2, ranges, &n), 1);
    assert_int_equal(cidr4_parse_list("10.0.0.0/8,", 2, ranges, &n), 1);
    assert_int_equal(cidr4_parse_list("10.0.0.0/8,1.0.0.0/8,2.0.0.0/8", 2, ranges, &n), 1);
    assert_int_equal(cidr4_parse_list("10.0.0.0/8000000000000000000000000", 2, ranges, &n), 1);
}

static void ranges_overlap_where_one_holds_the_other(void **state)
{
    static const struct {
        const char *a, *b;
        bool overlap;
    } cases[] = {
        {"10.42.0.0/24", "10.42.0.0/24", true},   {"10.0.0.0/8", "10.42.0.0/24", true},
        {"10.42.0.0/24", "10.43.0.0/24", false},  {"10.96.0.0/12", "10.111.255.0/24", true},
        {"10.96.0.0/12", "10.112.0.0/16", false}, {"0.0.0.0/0", "1.2.3.4/32", true},
    };

    EACH_ROW(i, cases, cases[i].a) {
        Cidr4 a, b;

        assert_int_equal(cidr4_parse(cases[i].a, &a), 0);
        assert_int_equal(cidr4_parse(cases[i].b, &b), 0);
        assert_int_equal(cidr4_overlap(a, b), cases[i].overlap);
        assert_int_equal(cidr4_overlap(b, a), cases[i].overlap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_parsed_strictly),
        cmocka_unit_test(ranges_hold_what_lies_in_them),
        cmocka_unit_test(lists_of_ranges_are_parsed_whole_or_not_at_all),
        cmocka_unit_test(ranges_overlap_where_one_holds_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
