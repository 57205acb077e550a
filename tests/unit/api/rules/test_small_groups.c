/* SPDX-License-Identifier: Apache-2.0 */
/* Storage classes, endpoint slices, leases, token requests and access reviews. */
#include "../rules_fixture.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/authorization_v1.h"
#include "api/schema/coordination_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/schema/storage_v1.h"

typedef struct Case {
    const char *json, *causes;
} Case;

static void check_cases(const Kind *kind, const Case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _arena_ Arena arena = ARENA_INIT;

        assert_causes(kind, value_from(&arena, kind, cases[i].json), NULL, &arena, cases[i].causes);
    }
}

/* ---- StorageClass ---- */

#define CLASS(members) "{'metadata':{'name':'fast'}," members "}"

static void bad_classes_are_refused(void **state)
{
    static const Case cases[] = {
        {CLASS("'provisioner':'stead.dev/Local'"), ""},
        {CLASS("'reclaimPolicy':'Delete'"), "provisioner: Required value\n"},
        {CLASS("'provisioner':'a','parameters':{'':'x'}"),
         "parameters: Invalid value: \"\": field can not be empty.\n"},
        {CLASS("'provisioner':'a','reclaimPolicy':'Recycle'"),
         "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", "
         "\"Retain\"\n"},
        {CLASS("'provisioner':'a','allowedTopologies':[{'matchLabelExpressions':[{'key':'k','"
               "values':['a','a']},"
               "{'key':'k','values':['b']}]}]"),
         "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"\n"
         "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"k\"\n"},
        {CLASS("'provisioner':'a','allowedTopologies':[{},{}]"),
         "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\"\n"},
    };

    check_cases(&kind_storage_class, cases, ARRAY_LEN(cases));
}

static void a_class_cannot_change_what_volumes_are_made_of(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const void *before = value_from(&arena, &kind_storage_class, CLASS("'provisioner':'a'"));
    const void *now =
        value_from(&arena, &kind_storage_class,
                   CLASS("'provisioner':'b','parameters':{'k':'v'},'reclaimPolicy':'Retain',"
                         "'volumeBindingMode':'WaitForFirstConsumer','allowVolumeExpansion':true"));

    assert_causes(
        &kind_storage_class, now, before, &arena,
        "provisioner: Invalid value: \"b\": field is immutable\n"
        "parameters: Invalid value: {\"k\":\"v\"}: field is immutable\n"
        "reclaimPolicy: Invalid value: \"Retain\": field is immutable\n"
        "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable\n");
}

static void the_default_class_says_so_in_its_row(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_row(
        &kind_storage_class,
        value_from(
            &arena, &kind_storage_class,
            "{'metadata':{'name':'fast','creationTimestamp':'1970-01-01T00:00:00Z','annotations':"
            "{'storageclass.kubernetes.io/is-default-class':'true'}},'provisioner':'a'}"),
        30, "\"fast (default)\",\"a\",\"Delete\",\"Immediate\",false,\"30s\"");
}

/* ---- EndpointSlice ---- */

#define SLICE(members) "{'metadata':{'name':'web-1','namespace':'default'}," members "}"
#define ADDRESS(type, address) \
    SLICE("'addressType':'" type "','endpoints':[{'addresses':['" address "']}]")

static void bad_slices_are_refused(void **state)
{
    static const Case cases[] = {
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

    check_cases(&kind_endpoint_slice, cases, ARRAY_LEN(cases));
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

/* ---- the others ---- */

static void leases_last_at_least_a_second(void **state)
{
    static const Case cases[] = {
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'leaseDurationSeconds':1}}", ""},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'leaseDurationSeconds':0,'"
         "leaseTransitions':-1}}",
         "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0\n"
         "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0\n"},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'preferredHolder':'x'}}",
         "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined\n"},
    };
    _arena_ Arena arena = ARENA_INIT;

    check_cases(&kind_lease, cases, ARRAY_LEN(cases));
    assert_row(&kind_lease, value_from(&arena, &kind_lease, "{'metadata':{'name':'a'},'spec':{}}"),
               1, "\"a\",\"\",\"\\u003cunknown\\u003e\"");
}

static void tokens_last_between_ten_minutes_and_long(void **state)
{
    static const struct {
        const char *json, *causes;
    } rows[] = {
        {"{'spec':{'audiences':[]}}", ""},
        {"{'spec':{'audiences':[],'expirationSeconds':599}}",
         "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 "
         "minutes\n"},
        {"{'spec':{'audiences':[],'expirationSeconds':4294967297}}",
         "spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger "
         "than 2^32 seconds\n"},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        Causes causes = {.arena = &arena};

        kind_token_request.rules->validate(value_from(&arena, &kind_token_request, rows[i].json),
                                           NULL, &causes);
        assert_string_equal(causes_text(&causes), rows[i].causes);
    }
}

static void reviews_ask_exactly_one_thing(void **state)
{
    static const struct {
        const Kind *kind;
        const char *json, *causes;
    } rows[] = {
        {&kind_self_subject_access_review, "{'spec':{'resourceAttributes':{'verb':'get'}}}", ""},
        {&kind_self_subject_access_review, "{'spec':{}}",
         "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or "
         "resourceAttributes must "
         "be specified\n"},
        {&kind_self_subject_access_review,
         "{'metadata':{'name':'a'},'spec':{'resourceAttributes':{},'nonResourceAttributes':{'path':"
         "'/'}}}",
         "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: cannot be specified in "
         "combination with "
         "resourceAttributes\n"
         "metadata: Invalid value: {\"name\":\"a\"}: must be empty\n"},
        {&kind_subject_access_review, "{'spec':{'nonResourceAttributes':{'path':'/'}}}",
         "spec.user: Invalid value: \"\": at least one of user or group must be specified\n"},
        {&kind_subject_access_review,
         "{'spec':{'user':'a','resourceAttributes':{'fieldSelector':{},'labelSelector':{'"
         "rawSelector':'a','requirements':"
         "[{'key':'a','operator':'Exists'}]}}}}",
         "spec.resourceAttributes.fieldSelector.requirements: Required value: when "
         "spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is "
         "required\n"
         "spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a\": may not "
         "specified at the same time as "
         "requirements\n"},
        {&kind_subject_access_review,
         "{'spec':{'user':'a','resourceAttributes':{'fieldSelector':{'requirements':[{'key':'','"
         "operator':'In'}]},"
         "'labelSelector':{'requirements':[{'key':'a','operator':'Exists','values':['b']},{'key':'"
         "a','operator':'Gt'}]}}}}",
         "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be "
         "specified\n"
         "spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be "
         "specified when "
         "`operator` is 'In' or 'NotIn'\n"
         "spec.resourceAttributes.labelSelector.requirements[0].values: Forbidden: may not be "
         "specified when `operator` "
         "is 'Exists' or 'DoesNotExist'\n"},
        {&kind_local_subject_access_review,
         "{'metadata':{'namespace':'a'},'spec':{'user':'a','resourceAttributes':{'namespace':'b'}}"
         "}",
         "spec.resourceAttributes.namespace: Invalid value: \"b\": must match "
         "metadata.namespace\n"},
        {&kind_local_subject_access_review,
         "{'metadata':{'namespace':'a'},'spec':{'user':'a','nonResourceAttributes':{'path':'/'}}}",
         "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: disallowed on this kind of "
         "request\n"},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        Causes causes = {.arena = &arena};

        rows[i].kind->rules->validate(value_from(&arena, rows[i].kind, rows[i].json), NULL,
                                      &causes);
        assert_string_equal(causes_text(&causes), rows[i].causes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_classes_are_refused),
        cmocka_unit_test(a_class_cannot_change_what_volumes_are_made_of),
        cmocka_unit_test(the_default_class_says_so_in_its_row),
        cmocka_unit_test(bad_slices_are_refused),
        cmocka_unit_test(a_slice_keeps_its_address_type_and_its_old_endpoints),
        cmocka_unit_test(changes_of_a_slice_are_counted),
        cmocka_unit_test(ports_get_a_name_and_a_protocol),
        cmocka_unit_test(topology_of_old_versions_is_dropped),
        cmocka_unit_test(long_slices_are_cut_in_their_row),
        cmocka_unit_test(leases_last_at_least_a_second),
        cmocka_unit_test(tokens_last_between_ten_minutes_and_long),
        cmocka_unit_test(reviews_ask_exactly_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
