/* SPDX-License-Identifier: Apache-2.0 */
/* What the server adds to objects, or refuses of them, by looking at others. */
#include "testing.h"

#include "api/object.h"
#include "api/schema/core_service_v1.h"
#include "api_harness.h"
#include "base/strbuf.h"

#define NS "/api/v1/namespaces/t"
#define RBAC "/apis/rbac.authorization.k8s.io/v1/namespaces/t"

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
static const ApiCase pull_secrets[] = {
    {"an account with secrets", "POST", NS "/serviceaccounts", NULL, "{\"metadata\":{\"name\":\"a\"},\"imagePullSecrets\":[{\"name\":\"x\"},{\"name\":\"y\"}]}", 201, {{0}}},
    {"a pod without takes them", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccountName\":\"a\",\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201,
     {{"/spec/imagePullSecrets", "[{\"name\":\"x\"},{\"name\":\"y\"}]"}}},
    {"a pod with its own keeps them", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"serviceAccountName\":\"a\",\"imagePullSecrets\":[{\"name\":\"z\"}],\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201,
     {{"/spec/imagePullSecrets", "[{\"name\":\"z\"}]"}}},
    {"an account without has none to give", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201,
     {{"/spec/imagePullSecrets", NULL}}},
};
#define POD_OF_CLASS(name, class, more) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"runtimeClassName\":\"" class "\"," more "\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}"
#define CLASSES "/apis/node.k8s.io/v1/runtimeclasses"
static const ApiCase runtime_classes[] = {
    {"a class", "POST", CLASSES, NULL, "{\"metadata\":{\"name\":\"small\"},\"handler\":\"crun\",\"overhead\":{\"podFixed\":{\"cpu\":\"100m\"}},"
     "\"scheduling\":{\"nodeSelector\":{\"a\":\"b\"},\"tolerations\":[{\"key\":\"x\",\"operator\":\"Exists\"}]}}", 201, {{0}}},
    {"gives what it says", "POST", NS "/pods", NULL, POD_OF_CLASS("rc1", "small", "\"nodeSelector\":{\"c\":\"d\"},\"tolerations\":[{\"key\":\"x\",\"operator\":\"Exists\"}],"), 201,
     {{"/spec/overhead", "{\"cpu\":\"100m\"}"}, {"/spec/nodeSelector", "{\"a\":\"b\",\"c\":\"d\"}"}, {"/spec/tolerations/0", "{\"key\":\"x\",\"operator\":\"Exists\"}"}, {"/spec/tolerations/3", NULL}}},
    {"the same overhead is fine", "POST", NS "/pods", NULL, POD_OF_CLASS("rc2", "small", "\"overhead\":{\"cpu\":\"100m\"},"), 201, {{0}}},
    {"another one is not", "POST", NS "/pods", NULL, POD_OF_CLASS("rc3", "small", "\"overhead\":{\"cpu\":\"1\"},"), 403,
     {{"/message", "\"pods \\\"rc3\\\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead\""}}},
    {"nor is a selector that contradicts", "POST", NS "/pods", NULL, POD_OF_CLASS("rc4", "small", "\"nodeSelector\":{\"a\":\"z\"},"), 403,
     {{"/message", "\"pods \\\"rc4\\\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = z\""}}},
    {"a class that does not exist", "POST", NS "/pods", NULL, POD_OF_CLASS("rc5", "none", ""), 403,
     {{"/message", "\"pods \\\"rc5\\\" is forbidden: pod rejected: RuntimeClass \\\"none\\\" not found\""}}},
    {"overhead without a class", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"rc6\"},\"spec\":{\"overhead\":{\"cpu\":\"1\"},\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 403,
     {{"/message", "\"pods \\\"rc6\\\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead\""}}},
    {"an update has to name its version", "PUT", CLASSES "/small", NULL, "{\"metadata\":{\"name\":\"small\"},\"handler\":\"crun\"}", 422,
     {{"/message", "\"RuntimeClass.node.k8s.io \\\"small\\\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update\""}}},
    {"a patch has it by itself", "PATCH", CLASSES "/small", "application/merge-patch+json", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 200, {{0}}},
};
static const ApiCase roles[] = {
    {"what bob may do", "POST", RBAC "/roles", NULL, "{\"metadata\":{\"name\":\"bob\"},\"rules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\"]},{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}]}", 201, {{0}}},
    {"is what bob may do", "POST", RBAC "/rolebindings", NULL, "{\"metadata\":{\"name\":\"bob\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Role\",\"name\":\"bob\"},\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"bob\"}]}", 201, {{0}}},
};
/* clang-format on */

static void pods_take_what_their_runtime_class_says(void **state)
{
    api_run(*state, runtime_classes, ARRAY_LEN(runtime_classes));
}

static void pods_take_the_pull_secrets_of_their_account(void **state)
{
    api_run(*state, pull_secrets, ARRAY_LEN(pull_secrets));
}

#define RULE(verb, resource) \
    "{\"verbs\":[\"" verb "\"],\"apiGroups\":[\"\"],\"resources\":[\"" resource "\"]}"

/* With all verbs he could grant what he does not hold, as "escalate" allows. */
static void let_bob_create_roles(Api *api)
{
    static const char create_only[] =
        "{\"rules\":[{\"verbs\":[\"create\"],\"apiGroups\":[\"rbac.authorization.k8s.io\"],"
        "\"resources\":[\"roles\"]}," RULE("get", "pods") "]}";

    api_run(api, roles, ARRAY_LEN(roles));
    api_call(api, "PATCH", RBAC "/roles/bob", "application/merge-patch+json", create_only);
    assert_int_equal(api->status, 200);
}

static void nobody_grants_what_he_does_not_hold(void **state)
{
    static const struct {
        const char *rules;
        int status;
    } cases[] = {
        {RULE("get", "pods"), 201},
        {RULE("list", "pods"), 403},
        {RULE("get", "secrets"), 403},
        {RULE("get", "pods") "," RULE("get", "pods"), 201},
        {RULE("get", "pods") "," RULE("get", "secrets"), 403},
        {RULE("get", "pods") "," RULE("get", "pods") "," RULE("get", "secrets"), 403},
    };
    Api *api = *state;

    let_bob_create_roles(api);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _free_ char *body =
            mem_printf("{\"metadata\":{\"name\":\"r%zu\"},\"rules\":[%s]}", i, cases[i].rules);

        api_call_on(api, api->admin, "POST", RBAC "/roles",
                    "Content-Type: application/json\r\nImpersonate-User: bob\r\n", body,
                    strlen(body));
        if (api->status != cases[i].status)
            fail_msg("[%s]: %d %s", cases[i].rules, api->status, api->body);
    }
}

/* Verbs on the same thing are in one line, and lines are sorted. */
static void what_is_missing_is_listed(void **state)
{
    static const struct {
        const char *rules, *lines;
    } cases[] = {
        {"{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"]"
         "}",
         "\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\" \"watch\"]}"},
        {"{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}",
         "\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\"]}"},
        {RULE("get", "secrets") "," RULE("get", "nodes") "," RULE("list", "secrets"),
         "\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"
         "\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"},
        {"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":["
         "\"a\",\"b\"]}",
         "\n{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}"
         "\n{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"b\"], Verbs:[\"get\"]}"},
    };
    Api *api = *state;

    let_bob_create_roles(api);
    EACH_ROW(i, cases, cases[i].lines) {
        _free_ char *body =
            mem_printf("{\"metadata\":{\"name\":\"r\"},\"rules\":[%s]}", cases[i].rules);
        const char *lines;

        api_call_on(api, api->admin, "POST", RBAC "/roles",
                    "Content-Type: application/json\r\nImpersonate-User: bob\r\n", body,
                    strlen(body));
        assert_int_equal(api->status, 403);
        lines = strchr(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(api->json), "/message")),
                       '\n');
        assert_non_null(lines);
        assert_string_equal(lines, cases[i].lines);
    }
}

static char *make_service(Api *api, int number)
{
    _free_ char *body = mem_printf(
        "{\"metadata\":{\"name\":\"s%d\"},\"spec\":{\"ports\":[{\"port\":80}]}}", number);

    api_call(api, "POST", NS "/services", NULL, body);
    return api->status == 201 ? api_json(api, "/spec/clusterIP") : NULL;
}

/* Eight addresses, without the first and the last, and without that of the API. */
static void a_range_gives_each_of_its_addresses_once(void **state)
{
    Api *api = *state;
    bool given[8] = {false};
    _free_ char *last = NULL, *again = NULL;

    for (int i = 0; i < 5; i++) {
        int64_t n;

        free(last);
        last = make_service(api, i);
        assert_non_null(last);
        assert_true(str_starts_with(last, "\"10.96.0."));
        last[strlen(last) - 1] = 0;
        assert_int_equal(str_to_int64(last + 9, 2, 6, &n), 0);
        assert_false(given[n]);
        given[n] = true;
    }
    assert_null(make_service(api, 5));
    assert_int_equal(api->status, 422);
    assert_non_null(strstr(api->body, "range is full"));
    api_call(api, "DELETE", NS "/services/s4", NULL, NULL);
    assert_int_equal(api->status, 200);
    again = make_service(api, 6);
    assert_non_null(again);
    again[strlen(again) - 1] = 0;
    assert_string_equal(again, last);
}

static void on_created(void *data, const ApiStatus *status, Object *object)
{
    *(bool *)data = status->reason == STATUS_OK;
}

static bool create_service(Api *api, Server *server, const char *name)
{
    Object *object = object_new(&kind_service);
    Service *service = OBJECT_AS(Service, object);
    bool created = false;

    service->metadata.name = arena_strdup(&object->arena, name);
    service->metadata.namespace = "t";
    service->spec.ports.v = arena_new(&object->arena, ServicePort);
    service->spec.ports.v[0].port = 80;
    service->spec.ports.n = 1;
    client_create(server_client(server, "test"), object, NULL, on_created, &created);
    object_unref(object);
    api_settle(api);
    return created;
}

/* The addresses that Services have are read when the server starts. */
static void a_server_that_starts_knows_the_addresses_that_are_taken(void **state)
{
    Api *api = *state;
    _free_ char *first = make_service(api, 0), *second = make_service(api, 1), *third = NULL;
    Server *again;
    Err err = ERR_INIT;

    assert_non_null(second);
    for (int i = 2; i < 5; i++) {
        free(third);
        third = make_service(api, i);
        assert_non_null(third);
    }
    if (server_new(&(ServerOptions){.loop = &api->loop,
                                    .store = api->store,
                                    .clock = api->clock,
                                    .random = &api->random,
                                    .service_cidr = "10.96.0.0/29",
                                    .node_name = "node-1"},
                   &again, &err) < 0)
        fail_msg("%s", err.message);
    api_settle(api);
    assert_false(create_service(api, again, "more"));
    api_call(api, "DELETE", NS "/services/s0", NULL, NULL);
    assert_true(create_service(api, again, "more"));
    api_settle(api);
    server_free(again);
}

/* ---- Pod Security ---- */

/* clang-format off */
static const ApiCase security[] = {
    {"a namespace", "PATCH", NS, "application/merge-patch+json", "{\"metadata\":{\"labels\":{"
     "\"pod-security.kubernetes.io/enforce\":\"baseline\",\"pod-security.kubernetes.io/enforce-version\":\"v1.20\",\"pod-security.kubernetes.io/audit\":\"restricted\",\"pod-security.kubernetes.io/warn\":\"privileged\"}}}", 200, {{0}}},
    {"a pod that is not restricted", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"a pod that is not even baseline", "POST", NS "/pods", NULL, "{\"metadata\":{\"name\":\"u\"},\"spec\":{\"hostPID\":true,\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 403, {{0}}},
    {"a template", "POST", NS "/podtemplates", NULL, "{\"metadata\":{\"name\":\"t\"},\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}}", 201, {{0}}},
};
/* clang-format on */

static void expect_metric(Api *api, const char *labels, int value)
{
    _free_ char *line =
        mem_printf("pod_security_evaluations_total{%s,subresource=\"\"} %d\n", labels, value);

    api_call(api, "GET", "/metrics", NULL, NULL);
    if (!strstr(api->body, line))
        fail_msg("no line %s", line);
}

static void evaluations_of_pod_security_are_counted(void **state)
{
    Api *api = *state;

    api_run(api, security, ARRAY_LEN(security));
    expect_metric(api,
                  "decision=\"allow\",policy_level=\"baseline\",policy_version=\"v1.20\",mode="
                  "\"enforce\",request_operation=\"create\",resource=\"pod\"",
                  1);
    expect_metric(api,
                  "decision=\"deny\",policy_level=\"baseline\",policy_version=\"v1.20\",mode="
                  "\"enforce\",request_operation=\"create\",resource=\"pod\"",
                  1);
    expect_metric(api,
                  "decision=\"deny\",policy_level=\"restricted\",policy_version=\"latest\",mode="
                  "\"audit\",request_operation=\"create\",resource=\"pod\"",
                  2);
    expect_metric(api,
                  "decision=\"deny\",policy_level=\"restricted\",policy_version=\"latest\",mode="
                  "\"audit\",request_operation=\"create\",resource=\"controller\"",
                  1);
    assert_null(strstr(api->body, "mode=\"warn\""));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(pods_take_the_pull_secrets_of_their_account),
        TEST(pods_take_what_their_runtime_class_says),
        TEST(nobody_grants_what_he_does_not_hold),
        TEST(what_is_missing_is_listed),
        TEST(a_range_gives_each_of_its_addresses_once),
        TEST(a_server_that_starts_knows_the_addresses_that_are_taken),
        TEST(evaluations_of_pod_security_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
