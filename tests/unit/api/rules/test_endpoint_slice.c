/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of endpoint slices. */
#include "../rules_fixture.h"
#include "api/schema/discovery_v1.h"

#define SLICE(members) "{'metadata':{'name':'web-1','namespace':'default'}," members "}"
#define ADDRESS(type, address) \
    SLICE("'addressType':'" type "','endpoints':[{'addresses':['" address "']}]")

static void bad_slices_are_refused(void **state)
{
    static const RuleCase cases[] = {
        {ADDRESS("IPv4", "10.0.0.1"), ""},
        {ADDRESS("IPv6", "fd00::1"), ""},
        {ADDRESS("FQDN", "web.example.com."), ""},
        {SLICE("'endpoints':[]"), "addressType: Required value\n"},
        {SLICE("'addressType':'IPv4','endpoints':[{'addresses':[]}]"),
         "endpoints[0].addresses: Required value: must contain at least 1 address\n"},
        {SLICE("'addressType':'IP'"), "addressType: Unsupported value: \"IP\": supported values: "
                                      "\"FQDN\", \"IPv4\", \"IPv6\"\n"},
        {ADDRESS("IPv4", "127.0.0.1"), "endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": "
                                       "may not be in the loopback range (127.0.0.0/8, "
                                       "::1/128)\n"},
        {ADDRESS("IPv6", "fe80::1"), "endpoints[0].addresses[0]: Invalid value: \"fe80::1\": may "
                                     "not be in the link-local range (169.254.0.0/16, "
                                     "fe80::/10)\n"},
        {ADDRESS("IPv4", "224.0.0.1"), "endpoints[0].addresses[0]: Invalid value: \"224.0.0.1\": "
                                       "may not be in the link-local multicast range "
                                       "(224.0.0.0/24, ff02::/10)\n"},
        {ADDRESS("IPv4", "0.0.0.0"), "endpoints[0].addresses[0]: Invalid value: \"0.0.0.0\": may "
                                     "not be unspecified (0.0.0.0)\n"},
        {ADDRESS("IPv4", "fd00::1"),
         "endpoints[0].addresses: Invalid value: \"fd00::1\": must be an IPv4 address\n"},
        {ADDRESS("IPv6", "10.0.0.1"),
         "endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address\n"},
        {ADDRESS("FQDN", "web"), "endpoints[0].addresses[0]: Invalid value: \"web\": should be a "
                                 "domain with at least two segments separated "
                                 "by dots\n"},
        {SLICE("'addressType':'IPv4','ports':[{'port':1},{'port':2}]"),
         "ports[1].name: Duplicate value: \"\"\n"},
        {SLICE("'addressType':'IPv4','ports':[{'name':'a','protocol':'ICMP'}]"),
         "ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", "
         "\"UDP\"\n"},
        {SLICE("'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1'],'hints':{'forZones':[{'"
               "name':'a'},"
               "{'name':'a'}]}}]"),
         "endpoints[0].hints.forZones[1].name: Duplicate value: \"a\"\n"},
    };

    assert_cases(&kind_endpoint_slice, cases, ARRAY_LEN(cases));
}

static void a_slice_keeps_its_address_type_and_its_old_endpoints(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const Kind *kind = &kind_endpoint_slice;
    const void *before = value_from(&arena, kind, ADDRESS("IPv4", "127.0.0.1"));

    assert_causes(kind, value_from(&arena, kind, ADDRESS("IPv4", "127.0.0.1")), before, &arena, "");
    assert_causes(kind, value_from(&arena, kind, ADDRESS("IPv6", "fd00::1")), before, &arena,
                  "addressType: Invalid value: \"IPv6\": field is immutable\n");
}

static void changes_of_a_slice_are_counted(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const Kind *kind = &kind_endpoint_slice;
    EndpointSlice *before = value_from(&arena, kind, ADDRESS("IPv4", "10.0.0.1"));
    EndpointSlice *same = value_from(&arena, kind, ADDRESS("IPv4", "10.0.0.1"));
    EndpointSlice *moved = value_from(&arena, kind, ADDRESS("IPv4", "10.0.0.2"));

    before->metadata.generation = 4;
    kind->rules->prepare(&arena, same, before);
    assert_int_equal(same->metadata.generation, 4);
    kind->rules->prepare(&arena, moved, before);
    assert_int_equal(moved->metadata.generation, 5);
}

static void ports_get_a_name_and_a_protocol(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const EndpointSlice *slice = value_from(&arena, &kind_endpoint_slice,
                                            SLICE("'addressType':'IPv4','ports':[{'port':80}]"));

    assert_string_equal(slice->ports.v[0].name, "");
    assert_string_equal(slice->ports.v[0].protocol, "TCP");
}

static void topology_of_old_versions_is_dropped(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    EndpointSlice *slice = value_from(&arena, &kind_endpoint_slice,
                                      SLICE("'addressType':'IPv4','endpoints':[{'addresses':['10.0."
                                            "0.1'],'deprecatedTopology':{'a':'b'}}]"));

    kind_endpoint_slice.rules->prepare(&arena, slice, slice);
    assert_int_equal(slice->endpoints.v[0].deprecated_topology.n, 1);
    kind_endpoint_slice.rules->prepare(&arena, slice, NULL);
    assert_int_equal(slice->endpoints.v[0].deprecated_topology.n, 0);
}

static void long_slices_are_cut_in_their_row(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_row(&kind_endpoint_slice,
               value_from(&arena, &kind_endpoint_slice,
                          SLICE("'addressType':'IPv4','ports':[{'port':80},{'name':'any'}],'"
                                "endpoints':[{'addresses':"
                                "['10.0.0.1','10.0.0.2']},{'addresses':['10.0.0.3','10.0.0.4']}]")),
               30,
               "\"web-1\",\"IPv4\",\"80,any\",\"10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...\","
               "\"\\u003cunknown\\u003e\"");
    assert_row(&kind_endpoint_slice,
               value_from(&arena, &kind_endpoint_slice, SLICE("'addressType':'IPv4'")), 30,
               "\"web-1\",\"IPv4\",\"\\u003cunset\\u003e\",\"\\u003cunset\\u003e\","
               "\"\\u003cunknown\\u003e\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_slices_are_refused),
        cmocka_unit_test(a_slice_keeps_its_address_type_and_its_old_endpoints),
        cmocka_unit_test(changes_of_a_slice_are_counted),
        cmocka_unit_test(ports_get_a_name_and_a_protocol),
        cmocka_unit_test(topology_of_old_versions_is_dropped),
        cmocka_unit_test(long_slices_are_cut_in_their_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
