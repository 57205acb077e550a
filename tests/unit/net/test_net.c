/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/net.h"
#include "net/nft.h"

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

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
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

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Cidr4 a, b;

        assert_int_equal(cidr4_parse(cases[i].a, &a), 0);
        assert_int_equal(cidr4_parse(cases[i].b, &b), 0);
        assert_int_equal(cidr4_overlap(a, b), cases[i].overlap);
        assert_int_equal(cidr4_overlap(b, a), cases[i].overlap);
    }
}

static const NftTable table = {.instance = "t", .bridge = "t", .pod_cidr = "10.42.0.0/24"};
static const char *const addresses[] = {"10.96.0.5"};

static void a_service_with_endpoints_is_spread_over_them(void **state)
{
    const NetEndpoint endpoints[] = {{"10.42.0.2", 5000}, {"10.42.0.3", 5000}};
    NetServicePort port = {.key = "default/web:http",
                           .protocol = "TCP",
                           .addresses = addresses,
                           .n_addresses = 1,
                           .port = 80,
                           .node_port = 30314,
                           .endpoints = endpoints,
                           .n_endpoints = 2};
    _strbuf_ StrBuf add = STRBUF_INIT, delete = STRBUF_INIT;

    nft_print_service_add(&table, &port, &add);
    assert_non_null(strstr(
        add.p, "dnat to numgen random mod 2 map { 0 : 10.42.0.2 . 5000, 1 : 10.42.0.3 . 5000 }"));
    assert_non_null(strstr(
        add.p,
        "add element ip stead-t services { 10.96.0.5 . tcp . 80 : goto s-default-web-http-"));
    assert_non_null(strstr(add.p, "add element ip stead-t nodeports { tcp . 30314 : goto "));
    nft_print_service_delete(&table, &port, &delete);
    assert_non_null(
        strstr(delete.p, "delete element ip stead-t services { 10.96.0.5 . tcp . 80 : goto "));
    assert_non_null(strstr(delete.p, "delete chain ip stead-t s-default-web-http-"));
}

static void a_service_with_affinity_maps_by_the_clients_address(void **state)
{
    const NetEndpoint endpoints[] = {{"10.42.0.2", 5000}};
    NetServicePort port = {.key = "default/web:",
                           .protocol = "UDP",
                           .addresses = addresses,
                           .n_addresses = 1,
                           .port = 53,
                           .endpoints = endpoints,
                           .n_endpoints = 1,
                           .affinity_seconds = 10800};
    _strbuf_ StrBuf add = STRBUF_INIT;

    nft_print_service_add(&table, &port, &add);
    assert_non_null(strstr(add.p, "meta l4proto udp dnat to jhash ip saddr mod 1 "));
}

static void a_service_without_endpoints_is_refused(void **state)
{
    NetServicePort port = {.key = "default/web:",
                           .protocol = "TCP",
                           .addresses = addresses,
                           .n_addresses = 1,
                           .port = 80,
                           .node_port = 30000};
    _strbuf_ StrBuf add = STRBUF_INIT;

    nft_print_service_add(&table, &port, &add);
    assert_string_equal(add.p, "add element ip stead-t nobody { 10.96.0.5 . tcp . 80 }\n"
                               "add element ip stead-t nobody-nodeports { tcp . 30000 }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_parsed_strictly),
        cmocka_unit_test(ranges_hold_what_lies_in_them),
        cmocka_unit_test(lists_of_ranges_are_parsed_whole_or_not_at_all),
        cmocka_unit_test(ranges_overlap_where_one_holds_the_other),
        cmocka_unit_test(a_service_with_endpoints_is_spread_over_them),
        cmocka_unit_test(a_service_with_affinity_maps_by_the_clients_address),
        cmocka_unit_test(a_service_without_endpoints_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
