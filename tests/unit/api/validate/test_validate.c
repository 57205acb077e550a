/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, paths and metadata; what an update of a Service keeps; warnings. The kinds' own rules are
 * in rules/test_cases.c. */
#include "../rules_fixture.h"

#include "api/object.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/resource_v1.h"
#include "api/validate/pod.h"

static void texts_are_told_apart(void **state)
{
    static const struct {
        Faults (*check)(const char *);
        const char *text;
        size_t faults;
    } rows[] = {
        {check_dns_label, "a", 0},
        {check_dns_label, "a-1", 0},
        {check_dns_label, "", 1},
        {check_dns_label, "-a", 1},
        {check_dns_label, "a-", 1},
        {check_dns_label, "a.b", 1},
        {check_dns_label, "A", 1},
        {check_dns_label, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0},
        {check_dns_label, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1},
        {check_dns_label, "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2},
        {check_dns_1035_label, "a1", 0},
        {check_dns_1035_label, "1a", 1},
        {check_dns_subdomain, "a.b-c.1", 0},
        {check_dns_subdomain, "a..b", 1},
        {check_dns_subdomain, "a.", 1},
        {check_dns_subdomain, ".", 1},
        {check_dns_subdomain, NULL, 1},
        {check_qualified_name, "a_b.C-d", 0},
        {check_qualified_name, "x.y/a", 0},
        {check_qualified_name, "/a", 1},
        {check_qualified_name, "x/", 2},
        {check_qualified_name, "X/a", 1},
        {check_qualified_name, "a/b/c", 1},
        {check_qualified_name, "", 2},
        {check_label_value, "", 0},
        {check_label_value, "a.B_c-1", 0},
        {check_label_value, "a ", 1},
        {check_port_name, "http", 0},
        {check_port_name, "80", 1},
        {check_port_name, "a--b-", 2},
        {check_port_name, "", 2},
        {check_env_name, "A B", 0},
        {check_env_name, "A=B", 1},
        {check_env_name, "\xc3\xa4", 1},
        {check_config_key, "a.b-c_D", 0},
        {check_config_key, "..", 1},
        {check_config_key, "..a", 1},
        {check_config_key, "a/b", 1},
        {check_ip, "10.0.0.1", 0},
        {check_ip, "10.0.0.256", 1},
        {check_ip, "10.0.0", 1},
        {check_ip, "010.0.0.1", 1},
        {check_ip, "2001:db8::1", 0},
        {check_ip, "::ffff:1.2.3.4", 1},
        {check_ip, "x", 1},
        {check_cidr, "10.0.0.0/8", 0},
        {check_cidr, "10.0.0.1/8", 1},
        {check_cidr, "10.0.0.0/33", 1},
        {check_cidr, "10.0.0.0", 1},
        {check_cidr, "/8", 1},
        {check_cidr, "2001:db8::/32", 0},
        {check_cidr, "10.0.0.0/08", 1},
        {check_percent, "25%", 0},
        {check_percent, "%", 1},
        {check_percent, "-1%", 1},
        {check_http_header, "X-A", 0},
        {check_http_header, "X A", 1},
    };

    EACH_ROW(i, rows, rows[i].text)
        if (rows[i].check(rows[i].text).n != rows[i].faults)
            fail_msg("row %zu: \"%s\" has %zu faults", i, rows[i].text,
                     rows[i].check(rows[i].text).n);
}

static void a_prefix_may_end_with_a_dash(void **state)
{
    assert_int_equal(check_name_prefix(check_dns_label, "web-").n, 0);
    assert_int_equal(check_name_prefix(check_dns_label, "web--").n, 0);
    assert_int_equal(check_name_prefix(check_dns_label, "web.").n, 1);
    assert_int_equal(check_name_prefix(check_dns_label, "-").n, 1);
}

static void paths_read_as_kubernetes_writes_them(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};
    const Path *list = PATH(PATH(NULL, "spec.template"), "containers");

    assert_string_equal(path_text(PATH(PATH_INDEX(list, 3), "name"), &causes),
                        "spec.template.containers[3].name");
    assert_string_equal(path_text(PATH_KEY(PATH(NULL, "data"), "a.b"), &causes), "data[a.b]");
    assert_string_equal(path_text(NULL, &causes), "");
}

static void an_update_keeps_what_made_the_object(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    ConfigMap *before = value_from(&arena, &kind_config_map,
                                   "{'metadata':{'name':'a','namespace':'b','uid':'1',"
                                   "'deletionTimestamp':'2024-01-01T00:00:00Z',"
                                   "'finalizers':['x/y'],'generation':2}}");
    ConfigMap *now = value_from(&arena, &kind_config_map,
                                "{'metadata':{'name':'c','namespace':'b','uid':'2',"
                                "'deletionTimestamp':'2024-01-01T00:00:00Z',"
                                "'finalizers':['x/y','x/z'],'generation':1}}");

    assert_causes(&kind_config_map, now, before, &arena,
                  "metadata.finalizers: Forbidden: no new finalizers can be added if the object is "
                  "being deleted, found new finalizers []string{\"x/z\"}\n"
                  "metadata.generation: Invalid value: 1: must not be decremented\n"
                  "metadata.name: Invalid value: \"c\": field is immutable\n"
                  "metadata.uid: Invalid value: \"2\": field is immutable\n");
}

static void quotes_in_bad_values_are_escaped(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};

    assert_string_equal(causes_quote(&causes, "<a>\"\\\n"), "\"<a>\\\"\\\\\\n\"");
}

/* ---- what updates of Services keep ---- */

#define SERVICE(members) "{'metadata':{'name':'web','namespace':'default'},'spec':{" members "}}"

static Service *updated(Arena *arena, const char *now, const char *before)
{
    Service *old = value_from(arena, &kind_service, before);
    Service *service = value_from(arena, &kind_service, now);

    kind_service.rules->prepare(arena, old, NULL);
    kind_service.rules->prepare(arena, service, old);
    assert_causes(&kind_service, service, old, arena, "");
    return service;
}

static void addresses_and_ports_given_out_are_kept(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Service *service =
        updated(&arena, SERVICE("'type':'NodePort','ports':[{'name':'a','port':80}]"),
                SERVICE("'type':'NodePort','clusterIP':'10.96.0.5',"
                        "'ports':[{'name':'a','port':80,'nodePort':30001}]"));

    assert_string_equal(service->spec.cluster_ip, "10.96.0.5");
    assert_string_equal(service->spec.cluster_ips.v[0], "10.96.0.5");
    assert_int_equal(service->spec.ports.v[0].node_port, 30001);
}

static void a_change_of_type_drops_what_it_makes_meaningless(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Service *service =
        updated(&arena,
                SERVICE("'type':'ClusterIP','clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
                        "'externalTrafficPolicy':'Cluster',"
                        "'ports':[{'name':'a','port':80,'nodePort':30001}]"),
                SERVICE("'type':'NodePort','clusterIP':'10.96.0.5',"
                        "'ports':[{'name':'a','port':80,'nodePort':30001}]"));

    assert_int_equal(service->spec.ports.v[0].node_port, 0);
    assert_null(service->spec.external_traffic_policy);
    service = updated(&arena,
                      SERVICE("'type':'ExternalName','externalName':'a.b','clusterIP':'10.96.0.5',"
                              "'clusterIPs':['10.96.0.5'],'ipFamilies':['IPv4'],"
                              "'ipFamilyPolicy':'SingleStack'"),
                      SERVICE("'clusterIP':'10.96.0.5','ports':[{'port':80}]"));
    assert_true(str_empty(service->spec.cluster_ip));
    assert_int_equal(service->spec.cluster_ips.n, 0);
    assert_int_equal(service->spec.ip_families.n, 0);
}

/* ---- warnings, bindings ---- */

static void pods_with_doubled_names_are_warned_of(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Warnings warnings = {.n = 0};
    Pod *pod = value_from(&arena, &kind_pod,
                          "{'metadata':{'name':'a','namespace':'b'},'spec':{'containers':[{'name':"
                          "'c','image':'x','ports':[{'containerPort':1},{'containerPort':1}],"
                          "'env':[{'name':'A'},{'name':'A'}]}]}}");

    assert_causes(&kind_pod, pod, NULL, &arena, "");
    kind_pod.rules->warn(&arena, pod, &warnings);
    assert_int_equal(warnings.n, 2);
    assert_string_equal(warnings.v[0], "spec.containers[0].env[1]: hides previous definition of "
                                       "\"A\", which may be dropped when using apply");
    assert_string_equal(warnings.v[1], "spec.containers[0].ports[1]: duplicate port definition "
                                       "with spec.containers[0].ports[0]");
}

/* The smallest number divided by -1 is too large for the processor. */
static void steps_of_capacities_may_be_odd(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    ResourceSlice *slice = value_from(&arena, &kind_resource_slice,
                                      "{'metadata':{'name':'a'},'spec':{'driver':'d.example.com','"
                                      "allNodes':true,'pool':{'name':'p',"
                                      "'resourceSliceCount':1},'devices':[{'name':'a','"
                                      "allowMultipleAllocations':true,'capacity':{'c':"
                                      "{'value':'10','requestPolicy':{'default':'-"
                                      "9223372036854775807','validRange':{'min':'1','step':"
                                      "'-1'}}}}}]}}");

    assert_causes(&kind_resource_slice, slice, NULL, &arena,
                  "spec.devices[0].capacity[c].requestPolicy.validRange.min: Invalid value: "
                  "\"-9223372036854775807\": default is less than min: 1\n");
}

static void bindings_are_to_nodes(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Binding *binding = value_from(
        &arena, &kind_binding, "{'metadata':{'name':'a','namespace':'b'},'target':{'kind':'Pod'}}");

    assert_causes(&kind_binding, binding, NULL, &arena,
                  "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", "
                  "\"<empty>\"\ntarget.name: Required value\n");
}

static void templates_have_no_ephemeral_containers(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};
    Pod *pod = value_from(&arena, &kind_pod,
                          "{'metadata':{'labels':{'-':'x'}},'spec':{'containers':[{'name':'c',"
                          "'image':'x'}],'ephemeralContainers':[{'name':'d','image':'x'}]}}");
    PodTemplateSpec template = {.metadata = pod->metadata, .spec = pod->spec};

    template.metadata.labels = (StringMap){.n = 0};
    validate_pod_template_spec(&template, "spec.template", &causes);
    assert_string_equal(causes_text(&causes),
                        "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers "
                        "not allowed in pod template\n");
}

static void every_ephemeral_container_is_checked(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Pod *pod = value_from(&arena, &kind_pod,
                          "{'metadata':{'name':'p','namespace':'n'},'spec':{'containers':[{"
                          "'name':'c','image':'x'}],'ephemeralContainers':[{'name':'d','image':'x',"
                          "'workingDir':'','command':['a'],'lifecycle':{}},{'name':'d','image':"
                          "'x','targetContainerName':'none'}]}}");

    assert_causes(&kind_pod, pod, NULL, &arena,
                  "spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an "
                  "Ephemeral Container\n"
                  "spec.ephemeralContainers[1].name: Duplicate value: \"d\"\n"
                  "spec.ephemeralContainers[1].targetContainerName: Not found: \"none\"\n"
                  "spec.ephemeralContainers: Forbidden: cannot be set on create\n");
}

/* However many mistakes a body contains, what is made of them stays small. */
static void causes_are_bounded(void **state)
{
    static const char *const supported[] = {"a", "b", NULL};
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena}, large = {.arena = &arena};
    const Path *path = PATH(PATH(NULL, "spec"), "list");
    _free_ char *text = mem_new(CAUSES_TEXT_MAX + 1);
    ApiStatus status;
    size_t total;

    for (size_t i = 0; i < CAUSES_MAX; i++)
        fail_required(&causes, PATH_INDEX(path, i), "why");
    assert_int_equal(causes.left_out, 0);
    total = arena.total;
    for (size_t i = 0; i < 25000; i++) {
        fail_required(&causes, PATH_INDEX(path, i), "why");
        fail_invalid(&causes, PATH_INDEX(path, i), "bad", "why");
        fail_invalid_int(&causes, PATH_INDEX(path, i), 7, "why");
        fail_not_supported(&causes, PATH_INDEX(path, i), "bad", supported);
    }
    assert_int_equal(causes.n, CAUSES_MAX);
    assert_int_equal(causes.left_out, 100000);
    assert_in_range(arena.total - total, 0, 4096);
    status_invalid(&status, &arena, &kind_pod, "p", &causes);
    assert_non_null(strstr(status.message, "[spec.list[0]: Required value: why, "));
    assert_non_null(
        strstr(status.message, "spec.list[255]: Required value: why, and 100000 more]"));

    memset(text, 'x', CAUSES_TEXT_MAX);
    for (size_t i = 0; i < 3; i++)
        fail_invalid(&large, path, text, "why");
    assert_int_equal(large.n, 1);
    assert_int_equal(large.left_out, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_told_apart),
        cmocka_unit_test(a_prefix_may_end_with_a_dash),
        cmocka_unit_test(paths_read_as_kubernetes_writes_them),
        cmocka_unit_test(an_update_keeps_what_made_the_object),
        cmocka_unit_test(quotes_in_bad_values_are_escaped),
        cmocka_unit_test(addresses_and_ports_given_out_are_kept),
        cmocka_unit_test(a_change_of_type_drops_what_it_makes_meaningless),
        cmocka_unit_test(pods_with_doubled_names_are_warned_of),
        cmocka_unit_test(steps_of_capacities_may_be_odd),
        cmocka_unit_test(bindings_are_to_nodes),
        cmocka_unit_test(causes_are_bounded),
        cmocka_unit_test(templates_have_no_ephemeral_containers),
        cmocka_unit_test(every_ephemeral_container_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
