/* SPDX-License-Identifier: Apache-2.0 */
/* Priority and fairness: its objects, and what a client sees of it. */
#include "testing.h"

#include "api_harness.h"

#define SCHEMAS "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
#define LEVELS "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
#define MERGE "application/merge-patch+json"

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
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
static const ApiCase object_cases[] = {
    {"schemas are there from the start", "GET", SCHEMAS "/service-accounts", NULL, NULL, 200,
     {{"/spec/matchingPrecedence", "9000"}, {"/metadata/annotations", "{\"apf.kubernetes.io/autoupdate-spec\":\"true\"}"},
      {"/metadata/managedFields/1/manager", "\"api-priority-and-fairness-config-producer-v1\""},
      {"/status/conditions/0/reason", "\"Found\""}, {"/status/conditions/0/status", "\"False\""}}},
    {"and levels", "GET", LEVELS "/workload-low", NULL, NULL, 200, {{"/spec/limited/nominalConcurrencyShares", "100"}, {"/spec/limited/lendablePercent", "90"}}},
    {"a mandatory one is fixed", "PATCH", SCHEMAS "/exempt", MERGE, "{\"spec\":{\"matchingPrecedence\":5}}", 422, {{0}}},
    {"another one that is updated automatically goes back", "PATCH", LEVELS "/workload-low", MERGE, "{\"spec\":{\"limited\":{\"nominalConcurrencyShares\":7}}}", 200, {{0}}},
    {"to its value", "GET", LEVELS "/workload-low", NULL, NULL, 200, {{"/spec/limited/nominalConcurrencyShares", "100"}}},
    {"unless that is turned off", "PATCH", LEVELS "/workload-low", MERGE, "{\"metadata\":{\"annotations\":{\"apf.kubernetes.io/autoupdate-spec\":\"false\"}},\"spec\":{\"limited\":{\"nominalConcurrencyShares\":7}}}", 200, {{0}}},
    {"when it keeps the new one", "GET", LEVELS "/workload-low", NULL, NULL, 200, {{"/spec/limited/nominalConcurrencyShares", "7"}}},
    {"a deleted one", "DELETE", SCHEMAS "/exempt", NULL, NULL, 200, {{0}}},
    {"comes back", "GET", SCHEMAS "/exempt", NULL, NULL, 200, {{"/spec/matchingPrecedence", "1"}}},
    {"a schema without a level", "POST", SCHEMAS, NULL, "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"l\"}}}", 201, {{0}}},
    {"is dangling", "GET", SCHEMAS "/s", NULL, NULL, 200, {{"/status/conditions/0/status", "\"True\""}, {"/status/conditions/0/reason", "\"NotFound\""},
      {"/status/conditions/0/message", "\"This FlowSchema references the PriorityLevelConfiguration object named \\\"l\\\" but there is no such object\""}}},
    {"until there is one", "POST", LEVELS, NULL, "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"type\":\"Limited\",\"limited\":{\"limitResponse\":{\"type\":\"Reject\"}}}}", 201, {{0}}},
    {"and then it is not", "GET", SCHEMAS "/s", NULL, NULL, 200, {{"/status/conditions/0/status", "\"False\""}}},
};

/* A level without any seat refuses what its schema matches, and nothing else. */
static const ApiCase reject_cases[] = {
    {"a level of no seats", "POST", LEVELS, NULL, "{\"metadata\":{\"name\":\"none\"},\"spec\":{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":0,\"borrowingLimitPercent\":0,\"limitResponse\":{\"type\":\"Reject\"}}}}", 201, {{0}}},
    {"for secrets", "POST", SCHEMAS, NULL, "{\"metadata\":{\"name\":\"none\"},\"spec\":{\"matchingPrecedence\":2,\"priorityLevelConfiguration\":{\"name\":\"none\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"eve\"}}],\"resourceRules\":[{\"verbs\":[\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"namespaces\":[\"*\"]}]}]}}", 201, {{0}}},
    {"who may list them", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", NULL, "{\"metadata\":{\"name\":\"eve\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"eve\",\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}", 201, {{0}}},
};
/* clang-format on */

static void objects_are_there_and_stay(void **state)
{
    api_run(*state, object_cases, ARRAY_LEN(object_cases));
}

static void a_level_without_seats_refuses_its_requests(void **state)
{
    Api *api = *state;
    HttpLoopback *eve;

    api_run(api, reject_cases, ARRAY_LEN(reject_cases));
    eve = api_connect(api, "eve");
    api_call_on(api, eve, "GET", "/api/v1/namespaces/t/secrets", NULL, NULL, 0);
    assert_int_equal(api->status, 429);
    api_call_on(api, eve, "GET", "/api/v1/namespaces/t/configmaps", NULL, NULL, 0);
    assert_int_equal(api->status, 200);
    http_loopback_free(eve);
}

/* ---- a flood ---- */

enum { FLOOD = 1500 };

static const ApiCase flood_cases[] = {
    {"everyone may do everything",
     "POST",
     "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
     NULL,
     "{\"metadata\":{\"name\":\"all\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"eve\","
     "\"apiGroup\":\"rbac.authorization.k8s.io\"},{\"kind\":\"User\",\"name\":\"bob\","
     "\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"ClusterRole\","
     "\"name\":\"cluster-admin\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}",
     201,
     {{0}}},
};

static void ask(HttpLoopback *connection)
{
    http_loopback_send(connection,
                       BYTES_LITERAL("GET /api/v1/namespaces/t/configmaps HTTP/1.1\r\nHost: "
                                     "x\r\n\r\n"));
}

static void one_turn(Api *api)
{
    store_flush_now(api->store);
    uv_run(&api->loop, UV_RUN_NOWAIT);
    clock_fake_step(api->clock);
}

/* How many turns of the loop the answer takes. */
static unsigned turns_to_answer(Api *api, HttpLoopback *connection)
{
    unsigned turns = 1;

    for (ask(connection); !http_loopback_take(connection).n; turns++) {
        one_turn(api);
        assert_true(turns < 1000);
    }
    return turns;
}

/* One user sends more than can be answered in many turns, on as many connections; another one, who asks
 * for the same, is answered in twice the time that he waits when he is alone. */
static void a_flood_of_one_user_hardly_delays_another(void **state)
{
    Api *api = *state;
    HttpLoopback *bob, **eve = mem_new(FLOOD * sizeof(*eve));
    unsigned alone, served = 0;

    api_run(api, flood_cases, ARRAY_LEN(flood_cases));
    bob = api_connect(api, "bob");
    alone = turns_to_answer(api, bob);
    for (size_t i = 0; i < FLOOD; i++) {
        eve[i] = api_connect(api, "eve");
        ask(eve[i]);
    }
    assert_in_range(turns_to_answer(api, bob), 1, 2 * alone);
    for (size_t i = 0; i < FLOOD; i++) {
        Bytes answer = http_loopback_take(eve[i]);

        served += answer.n > 12 && memcmp(answer.p, "HTTP/1.1 200", 12) == 0;
    }
    assert_true(served < FLOOD / 4); /* it was a flood: others still wait, or were refused */
    api_settle(api);
    for (size_t i = 0; i < FLOOD; i++)
        http_loopback_free(eve[i]);
    free(eve);
    http_loopback_free(bob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_are_there_and_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(a_level_without_seats_refuses_its_requests, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_one_user_hardly_delays_another, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
