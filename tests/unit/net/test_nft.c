/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "net/net.h"
#include "net/nft.h"

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
        cmocka_unit_test(a_service_with_endpoints_is_spread_over_them),
        cmocka_unit_test(a_service_with_affinity_maps_by_the_clients_address),
        cmocka_unit_test(a_service_without_endpoints_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
