/* SPDX-License-Identifier: Apache-2.0 */
/* Which routes of the machine keep the server from starting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "cli/command.h"
#include "daemon/ranges.h"

/* cmocka's macro would rename our function. */
#include "testing.h"

#define ROUTES_MAX 3

typedef struct Case {
    const char *name;
    struct {
        const char *to, *link;
    } routes[ROUTES_MAX];
    const char *option, *route; /* of the message; NULL: the server starts */
} Case;

static const Case cases[] = {
    {"no route", {{0}}, NULL, NULL},
    {"a route beside all ranges", {{"192.168.0.0/16", "eth0"}}, NULL, NULL},
    {"the same as the pods",
     {{"10.42.0.0/24", "other"}},
     "--pod-cidr",
     "10.42.0.0/24 on the link other"},
    {"one address of the pods",
     {{"10.42.0.7/32", "tun0"}},
     "--pod-cidr",
     "10.42.0.7/32 on the link tun0"},
    {"the last address of the services",
     {{"10.111.255.255/32", "eth0"}},
     "--service-cidr",
     "10.111.255.255/32 on the link eth0"},
    {"the address after the services", {{"10.112.0.0/32", "eth0"}}, NULL, NULL},
    {"a load balancer's",
     {{"10.43.0.128/25", "eth0"}},
     "--lb-cidr",
     "10.43.0.128/25 on the link eth0"},
    {"a route that holds them all",
     {{"10.0.0.0/8", "lan"}},
     "--pod-cidr",
     "10.0.0.0/8 on the link lan"},
    {"the default route", {{"0.0.0.0/0", "eth0"}}, NULL, NULL},
    {"the halves of a VPN's default route",
     {{"0.0.0.0/1", "tun0"}, {"128.0.0.0/1", "tun0"}},
     NULL,
     NULL},
    {"a quarter of all addresses",
     {{"0.0.0.0/2", "tun0"}},
     "--pod-cidr",
     "0.0.0.0/2 on the link tun0"},
    {"its own, of an earlier run",
     {{"10.42.0.0/24", "stead"}, {"10.96.0.0/12", "stead"}},
     NULL,
     NULL},
    {"the first of two that overlap",
     {{"10.43.0.0/24", "a"}, {"10.42.0.0/24", "b"}},
     "--lb-cidr",
     "10.43.0.0/24 on the link a"},
    {"one after others that do not",
     {{"0.0.0.0/0", "eth0"}, {"10.42.0.0/24", "stead"}, {"10.96.0.0/16", "lan"}},
     "--service-cidr",
     "10.96.0.0/16 on the link lan"},
};

static void a_route_that_overlaps_a_range_is_found(void **state)
{
    static const Command command = {.name = "server", .options = OPTIONS_LOCAL};
    Options options;

    assert_int_equal(options_parse(&command, 0, NULL, &options), 0);
    EACH_ROW(i, cases, cases[i].name) {
        RangeSearch search = {.instance = options.instance};

        options_ranges(&options, search.ranges);
        for (size_t k = 0; k < ROUTES_MAX && cases[i].routes[k].to; k++) {
            Cidr4 to;

            assert_int_equal(cidr4_parse(cases[i].routes[k].to, &to), 0);
            ranges_look_at(&search, to, cases[i].routes[k].link);
        }
        if (!str_equal(search.found ? search.found->name : NULL, cases[i].option) ||
            !str_equal(search.route, str_or(cases[i].route, "")))
            fail_msg("%s: found %s, %s", cases[i].name, search.found ? search.found->name : "none",
                     search.route);
    }
    arena_clear(&options.arena);
}

static void a_server_without_a_network_has_no_ranges_to_check(void **state)
{
    const char *argv[] = {"--no-network", "--pod-cidr", "127.0.0.0/24"};
    static const Command command = {.name = "server", .options = OPTIONS_LOCAL};
    Options options;
    Err err = ERR_INIT;

    assert_int_equal(options_parse(&command, ARRAY_LEN(argv), (char **)argv, &options), 0);
    assert_int_equal(ranges_check(&options, &err), 0);
    arena_clear(&options.arena);
}

static void addresses_of_the_cluster_and_the_machine_are_own(void **state)
{
    static const struct {
        const char *address;
        bool is_own;
    } rows[] = {
        {"10.42.0.1", true}, {"10.42.0.255", true}, {"10.96.0.1", true},   {"10.43.0.9", true},
        {"127.0.0.1", true}, {"10.41.0.1", false},  {"10.112.0.0", false}, {"192.0.2.1", false},
    };
    static const Command command = {.name = "server", .options = OPTIONS_LOCAL};
    const struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    Options options;

    assert_int_equal(options_parse(&command, 0, NULL, &options), 0);
    EACH_ROW(i, rows, rows[i].address) {
        struct sockaddr_in four = {.sin_family = AF_INET};

        assert_int_equal(inet_pton(AF_INET, rows[i].address, &four.sin_addr), 1);
        assert_int_equal(ranges_are_own(&options, (const struct sockaddr *)&four), rows[i].is_own);
    }
    assert_false(ranges_are_own(&options, (const struct sockaddr *)&six));
    arena_clear(&options.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_that_overlaps_a_range_is_found),
        cmocka_unit_test(a_server_without_a_network_has_no_ranges_to_check),
        cmocka_unit_test(addresses_of_the_cluster_and_the_machine_are_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
