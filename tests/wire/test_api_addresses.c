/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of Services as objects: IPAddress and ServiceCIDR. */
#include "testing.h"

#include "api_harness.h"

#define SVC "/api/v1/namespaces/t/services"
#define IPS "/apis/networking.k8s.io/v1/ipaddresses"
#define RANGES "/apis/networking.k8s.io/v1/servicecidrs"
#define MERGE "application/merge-patch+json"
#define SERVICE(name, spec) \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"ports\":[{\"port\":80}]" spec "}}"

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start_in(api, NULL, "10.96.0.0/29");
    api_fixture(api);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

/* clang-format off */
static const ApiCase address_cases[] = {
    {"the server's own range is an object", "GET", RANGES "/kubernetes", NULL, NULL, 200, {{"/spec/cidrs", "[\"10.96.0.0/29\"]"}}},
    {"and so is the address of its Service", "GET", IPS "/10.96.0.1", NULL, NULL, 200,
     {{"/spec/parentRef", "{\"resource\":\"services\",\"namespace\":\"default\",\"name\":\"kubernetes\"}"},
      {"/metadata/labels", "{\"ipaddress.kubernetes.io/ip-family\":\"IPv4\",\"ipaddress.kubernetes.io/managed-by\":\"ipallocator.k8s.io\"}"},
      {"/metadata/managedFields/0/manager", "\"kube-apiserver\""}}},
    {"a Service", "POST", SVC, NULL, SERVICE("a", ",\"clusterIP\":\"10.96.0.3\""), 201, {{0}}},
    {"has its address at once", "GET", IPS "/10.96.0.3", NULL, NULL, 200, {{"/spec/parentRef/name", "\"a\""}}},
    {"a dry run takes none", "POST", SVC "?dryRun=All", NULL, SERVICE("dry", ",\"clusterIP\":\"10.96.0.4\""), 201, {{0}}},
    {"so there is no object", "GET", IPS "/10.96.0.4", NULL, NULL, 404, {{0}}},
    {"an address is reserved by hand", "POST", IPS, NULL, "{\"metadata\":{\"name\":\"10.96.0.4\"},\"spec\":{\"parentRef\":{\"resource\":\"things\",\"name\":\"x\"}}}", 201, {{0}}},
    {"and then no Service gets it", "POST", SVC, NULL, SERVICE("b", ",\"clusterIP\":\"10.96.0.4\""), 422,
     {{"/details/causes/0/message", "\"Invalid value: [\\\"10.96.0.4\\\"]: failed to allocate IP 10.96.0.4: provided IP is already allocated\""}}},
    {"an address outside of all ranges", "POST", SVC, NULL, SERVICE("b", ",\"clusterIP\":\"10.97.0.9\""), 422, {{0}}},
    {"another range", "POST", RANGES, NULL, "{\"metadata\":{\"name\":\"more\"},\"spec\":{\"cidrs\":[\"10.97.0.0/28\"]}}", 201, {{0}}},
    {"is not used before it is ready", "POST", SVC, NULL, SERVICE("b", ",\"clusterIP\":\"10.97.0.9\""), 422, {{0}}},
    {"when it is", "PATCH", RANGES "/more/status", MERGE, "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"2026-01-02T03:04:05Z\",\"reason\":\"\",\"message\":\"m\"}]}}", 200, {{0}}},
    {"its addresses are taken", "POST", SVC, NULL, SERVICE("b", ",\"clusterIP\":\"10.97.0.9\""), 201, {{0}}},
    {"the own range is filled", "POST", SVC, NULL, SERVICE("c", ""), 201, {{0}}},
    {"to its end", "POST", SVC, NULL, SERVICE("d", ""), 201, {{0}}},
    {"and more", "POST", SVC, NULL, SERVICE("e", ""), 201, {{0}}},
    {"then the other one is taken", "POST", SVC, NULL, SERVICE("f", ""), 201, {{0}}},
    {"a change of the type", "PATCH", SVC "/a", MERGE, "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.y\",\"clusterIP\":\"\",\"clusterIPs\":null}}", 200, {{0}}},
    {"gives the address back", "GET", IPS "/10.96.0.3", NULL, NULL, 404, {{0}}},
    {"as a deletion does", "DELETE", SVC "/b", NULL, NULL, 200, {{0}}},
    {"of the other range", "GET", IPS "/10.97.0.9", NULL, NULL, 404, {{0}}},
    {"one that was reserved by hand stays", "GET", IPS "/10.96.0.4", NULL, NULL, 200, {{0}}},
    {"the own range comes back", "DELETE", RANGES "/kubernetes", NULL, NULL, 200, {{0}}},
    {"when it was deleted", "GET", RANGES "/kubernetes", NULL, NULL, 200, {{"/spec/cidrs", "[\"10.96.0.0/29\"]"}}},
};
/* clang-format on */

static void addresses_of_services_are_objects(void **state)
{
    api_run(*state, address_cases, ARRAY_LEN(address_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_of_services_are_objects, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
