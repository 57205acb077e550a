/* SPDX-License-Identifier: Apache-2.0 */
/* Evictions: which of them a disruption budget refuses, and what it notes of those that it allows. */
#include "testing.h"

#include "api_harness.h"
#include "base/strbuf.h"

#define PODS "/api/v1/namespaces/t/pods"
#define BUDGETS "/apis/policy/v1/namespaces/t/poddisruptionbudgets"
#define MERGE "application/merge-patch+json"
#define VIOLATES "\"Cannot evict pod as it would violate the pod's disruption budget.\""

typedef struct Row {
    const char *name;
    int allowed, healthy, desired; /* of the budget's status */
    const char *phase, *ready;     /* of the pod */
    const char *policy;            /* of pods that are not ready; NULL: the default */
    const char *condition;         /* DisruptionAllowed=False with this reason; NULL: none */
    bool stale;                    /* the budget's status is of an older generation */
    bool dry_run;
    int status;
    const char *why; /* the cause; NULL: there is none */
    int allowed_after;
} Row;

/* clang-format off */
static const Row rows[] = {
    {"allowed", 1, 3, 2, "Running", "True", .status = 201, .allowed_after = 0},
    {"one of two", 2, 4, 2, "Running", "True", .status = 201, .allowed_after = 1},
    {"none allowed", 0, 2, 2, "Running", "True", .status = 429,
     .why = "\"The disruption budget %s needs 2 healthy pods and has 2 currently\""},
    {"too few", 0, 1, 2, "Running", "True", .status = 429,
     .why = "\"The disruption budget %s needs 2 healthy pods and has 1 currently\""},
    {"enough, but not allowed", 0, 3, 2, "Running", "True", .status = 429,
     .why = "\"The disruption budget %s does not allow evicting pods currently\""},
    {"the budget's controller failed", 0, 2, 2, "Running", "True", .condition = "SyncFailed", .status = 429,
     .why = "\"The disruption budget %s does not allow evicting pods currently because it failed sync: text\""},
    {"the budget's controller says why", 0, 3, 2, "Running", "True", .condition = "Other", .status = 429,
     .why = "\"The disruption budget %s does not allow evicting pods currently (Other): text\""},
    {"stale", 1, 3, 2, "Running", "True", .stale = true, .status = 429, .allowed_after = 1,
     .why = "\"The disruption budget %s is still being processed by the server.\""},
    {"not ready, and enough without it", 0, 2, 2, "Running", "False", .status = 201},
    {"not ready, and too few", 0, 1, 2, "Running", "False", .status = 429,
     .why = "\"The disruption budget %s needs 2 healthy pods and has 1 currently\""},
    {"not ready, and none desired", 0, 0, 0, "Running", "False", .status = 429,
     .why = "\"The disruption budget %s needs 0 healthy pods and has 0 currently\""},
    {"not ready, and always allowed", 0, 1, 2, "Running", "False", .policy = "AlwaysAllow", .status = 201},
    {"ready, so the policy does not matter", 0, 2, 2, "Running", "True", .policy = "AlwaysAllow", .status = 429,
     .why = "\"The disruption budget %s needs 2 healthy pods and has 2 currently\""},
    {"pending", 0, 2, 2, "Pending", "False", .status = 201},
    {"failed", 0, 2, 2, "Failed", "False", .status = 201},
    {"succeeded", 0, 2, 2, "Succeeded", "False", .status = 201},
    {"dry run", 1, 3, 2, "Running", "True", .dry_run = true, .status = 201, .allowed_after = 1},
};
/* clang-format on */

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

static void call(Api *api, int status, const char *method, const char *type, const char *path,
                 const char *body)
{
    api_call(api, method, path, type, body);
    if (api->status != status)
        fail_msg("%s %s: %d %s", method, path, api->status, api->body);
}

static void make_pod(Api *api, const char *name, const char *phase, const char *ready)
{
    _free_ char *path = mem_printf(PODS "/%s/status", name);
    _free_ char *binding = mem_printf(PODS "/%s/binding", name);
    _free_ char *pod = mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"%s\"}},"
                                  "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}",
                                  name, name);
    _free_ char *bind = mem_printf(
        "{\"metadata\":{\"name\":\"%s\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}", name);
    _free_ char *status = mem_printf("{\"status\":{\"phase\":\"%s\",\"conditions\":[{\"type\":"
                                     "\"Other\",\"status\":\"True\"},{\"type\":"
                                     "\"Ready\",\"status\":\"%s\"}]}}",
                                     phase, ready);

    call(api, 201, "POST", NULL, PODS, pod);
    call(api, 201, "POST", NULL, binding, bind);
    call(api, 200, "PATCH", MERGE, path, status);
}

static void make_budget(Api *api, const char *name, const char *app, const Row *row)
{
    _free_ char *path = mem_printf(BUDGETS "/%s/status", name);
    _free_ char *budget = mem_printf(
        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"minAvailable\":2,%s%s%s\"selector\":"
        "{\"matchLabels\":{\"app\":\"%s\"}}}}",
        name, row->policy ? "\"unhealthyPodEvictionPolicy\":\"" : "",
        row->policy ? row->policy : "", row->policy ? "\"," : "", app);
    _free_ char *condition =
        row->condition ? mem_printf(",\"conditions\":[{\"type\":\"DisruptionAllowed\",\"status\":"
                                    "\"False\",\"reason\":\"%s\",\"message\":\"text\","
                                    "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]",
                                    row->condition)
                       : mem_strdup("");
    _free_ char *status =
        mem_printf("{\"status\":{\"observedGeneration\":%d,\"disruptionsAllowed\":%d,"
                   "\"currentHealthy\":%d,\"desiredHealthy\":%d,\"expectedPods\":4%s}}",
                   row->stale ? 0 : 1, row->allowed, row->healthy, row->desired, condition);

    call(api, 201, "POST", NULL, BUDGETS, budget);
    call(api, 200, "PATCH", MERGE, path, status);
}

static void evict(Api *api, const char *name, bool dry_run)
{
    _free_ char *path = mem_printf(PODS "/%s/eviction", name);
    _free_ char *body =
        mem_printf("{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":"
                   "\"%s\"},\"deleteOptions\":{\"gracePeriodSeconds\":7%s}}",
                   name, dry_run ? ",\"dryRun\":[\"All\"]" : "");

    api_call(api, "POST", path, NULL, body);
}

static void expect_at(Api *api, const Row *row, const char *pointer, const char *is)
{
    _free_ char *there = api_json(api, pointer);

    if (!str_equal(there, is))
        fail_msg("%s: %s is %s, not %s", row->name, pointer, there ? there : "absent",
                 is ? is : "absent");
}

static void expect_pod(Api *api, const Row *row, const char *name)
{
    _free_ char *path = mem_printf(PODS "/%s", name);
    bool goes = row->status == 201 && !row->dry_run;
    bool waits = goes && str_equal(row->phase, "Running");
    _free_ char *marked = NULL;

    api_call(api, "GET", path, NULL, NULL);
    if (goes && (str_equal(row->phase, "Failed") || str_equal(row->phase, "Succeeded"))) {
        assert_int_equal(api->status, 404); /* nothing runs, so nothing has to end first */
        return;
    }
    expect_at(api, row, "/metadata/deletionGracePeriodSeconds", goes ? "7" : NULL);
    marked = api_json(api, "/status/conditions/2/reason");
    if (waits != str_equal(marked, "\"EvictionByEvictionAPI\""))
        fail_msg("%s: the condition DisruptionTarget is %s", row->name, marked ? marked : "absent");
}

static void expect_budget(Api *api, const Row *row, const char *name)
{
    _free_ char *path = mem_printf(BUDGETS "/%s", name);
    _free_ char *noted = mem_printf("/status/disruptedPods/%s", name);
    _free_ char *allowed = mem_printf("%d", row->allowed_after);
    _free_ char *time = NULL;

    call(api, 200, "GET", NULL, path, NULL);
    expect_at(api, row, "/status/disruptionsAllowed", allowed);
    time = api_json(api, noted);
    if ((row->allowed != row->allowed_after) != (time != NULL))
        fail_msg("%s: disruptedPods has %s", row->name, time ? time : "nothing");
}

static void a_budget_decides(void **state)
{
    Api *api = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const Row *row = &rows[i];
        _free_ char *name = mem_printf("p%zu", i);
        _strbuf_ StrBuf why = STRBUF_INIT;
        const char *hole = row->why ? strstr(row->why, "%s") : NULL;

        make_pod(api, name, row->phase, row->ready);
        make_budget(api, name, name, row);
        evict(api, name, row->dry_run);
        if (api->status != row->status)
            fail_msg("%s: %d %s", row->name, api->status, api->body);
        if (hole) {
            strbuf_printf(&why, "%.*s%s%s", (int)(hole - row->why), row->why, name, hole + 2);
            expect_at(api, row, "/message", VIOLATES);
            expect_at(api, row, "/details/causes/0/message", strbuf_string(&why));
            expect_at(api, row, "/details/retryAfterSeconds", row->stale ? "10" : NULL);
        }
        expect_pod(api, row, name);
        expect_budget(api, row, name);
    }
}

static void the_last_disruption_changes_the_condition(void **state)
{
    static const Row row = {"last",       1, 3, 2, "Running", "True", .condition = "SufficientPods",
                            .status = 201};
    Api *api = *state;

    make_pod(api, "p", row.phase, row.ready);
    make_budget(api, "p", "p", &row);
    evict(api, "p", false);
    call(api, 200, "GET", NULL, BUDGETS "/p", NULL);
    expect_at(api, &row, "/status/conditions/0/status", "\"False\"");
    expect_at(api, &row, "/status/conditions/0/reason", "\"InsufficientPods\"");
}

static void a_pod_has_one_budget_or_none(void **state)
{
    static const Row row = {"two budgets", 1, 3, 2, "Running", "True", .status = 500};
    Api *api = *state;

    make_pod(api, "p", row.phase, row.ready);
    make_budget(api, "other", "other", &row);
    evict(api, "p", true);
    assert_int_equal(api->status, 201);
    make_budget(api, "one", "p", &row);
    make_budget(api, "two", "p", &row);
    evict(api, "p", false);
    assert_int_equal(api->status, 500);
    expect_at(api, &row, "/message",
              "\"This pod has more than one PodDisruptionBudget, which the eviction subresource "
              "does not support.\"");
}

static void an_eviction_names_its_pod(void **state)
{
    static const ApiCase cases[] = {
        {"of no pod",
         "POST",
         PODS "/none/eviction",
         NULL,
         "{\"metadata\":{\"name\":\"none\"}}",
         404,
         {{0}}},
        {"of another",
         "POST",
         PODS "/p/eviction",
         NULL,
         "{\"metadata\":{\"name\":\"q\"}}",
         400,
         {{"/message", "\"name in URL does not match name in Eviction object\""}}},
        {"of another version of the pod",
         "POST",
         PODS "/p/eviction",
         NULL,
         "{\"metadata\":{\"name\":\"p\"},\"deleteOptions\":{\"preconditions\":{\"uid\":\"x\"}}}",
         409,
         {{0}}},
        {"of a version that there is not",
         "POST",
         PODS "/p/eviction",
         NULL,
         "{\"apiVersion\":\"policy/v1alpha1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}",
         400,
         {{0}}},
        {"in the earlier version of the API",
         "POST",
         PODS "/p/eviction",
         NULL,
         "{\"apiVersion\":\"policy/v1beta1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}",
         201,
         {{0}}},
    };

    make_pod(*state, "p", "Running", "True");
    api_run(*state, cases, ARRAY_LEN(cases));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_budget_decides),
        TEST(the_last_disruption_changes_the_condition),
        TEST(a_pod_has_one_budget_or_none),
        TEST(an_eviction_names_its_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
