/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.k8s.io: what the server makes of what a node measures. */
#include "testing.h"

#include "api_harness.h"
#include "api/meta.h"
#include "api/schema/core_pod_v1.h"
#include "api/usage.h"

#define PODS "/apis/metrics.k8s.io/v1beta1/namespaces/t/pods"
#define NODES "/apis/metrics.k8s.io/v1beta1/nodes"
#define POD(name, app)                                                                           \
    "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"app\":\"" app                            \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"},{\"name\":\"d\",\"image\":" \
    "\"b\"}]}}"

struct UsageRead {
    Timer timer;
    UsageDone done;
    void *data;
    Clock *clock;
    Arena arena;
    PodUsage *pods;
    size_t n;
};

/* A node that answers by the clock, and has measured all pods but "fresh". */
typedef struct FakeNode {
    UsageSource source;
    Api *api;
    int64_t window_ns;
    size_t cancelled;
    UsageRead *last;
} FakeNode;

static FakeNode fake;

static void read_free(UsageRead *read)
{
    timer_stop(read->clock, &read->timer);
    arena_clear(&read->arena);
    free(read);
}

static void on_fire(Timer *timer)
{
    UsageRead *read = timer->data;
    Usage usage = {.pods = read->pods,
                   .n_pods = read->n,
                   .at_ns = API_EPOCH * NS_PER_SEC,
                   .window_ns = fake.window_ns,
                   .cpu = 1250000000,
                   .memory = 3 << 20};

    fake.last = NULL;
    read->done(read->data, &usage);
    read_free(read);
}

static bool each_pod(void *data, Object *object)
{
    static const ContainerUsage containers[] = {{"c", 5000000, 1 << 20}, {"d", 1, 1023}};
    UsageRead *read = data;

    if (str_equal(object_meta(object)->name, "fresh"))
        return true;
    read->pods[read->n++] = (PodUsage){.pod = arena_hold_object(&read->arena, object),
                                       .at_ns = API_EPOCH * NS_PER_SEC,
                                       .window_ns = 15 * NS_PER_SEC + 500 * NS_PER_MS,
                                       .v = containers,
                                       .n = 2};
    return true;
}

static UsageRead *fake_read(UsageSource *source _unused_, const UsageQuery *query, UsageDone done,
                            void *data)
{
    UsageRead *read = mem_new_type(UsageRead);
    ListOptions options = {.ns = query->ns, .labels = query->labels};

    read->clock = fake.api->clock;
    read->done = done;
    read->data = data;
    read->pods = arena_new_n(&read->arena, PodUsage, 10);
    if (query->name) {
        Object *pod = client_get(fake.api->client, &kind_pod, query->ns, query->name);

        if (pod)
            each_pod(read, pod);
    } else if (!query->node_only) {
        client_list(fake.api->client, &kind_pod, &options, each_pod, read);
    }
    read->timer.on_fire = on_fire;
    read->timer.data = read;
    timer_start(read->clock, &read->timer, 0);
    return fake.last = read;
}

static void fake_cancel(UsageRead *read)
{
    fake.cancelled++;
    fake.last = NULL;
    read_free(read);
}

static const UsageOps fake_ops = {fake_read, fake_cancel};

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    api_fixture(api);
    fake = (FakeNode){.source.ops = &fake_ops, .api = api, .window_ns = 20 * NS_PER_SEC};
    server_set_usage(api->server, &fake.source);
    api_call(api, "POST", "/api/v1/nodes", NULL,
             "{\"metadata\":{\"name\":\"node-1\",\"labels\":{\"zone\":\"a\"}}}");
    api_call(api, "POST", "/api/v1/namespaces/t/pods", NULL, POD("one", "web"));
    api_call(api, "POST", "/api/v1/namespaces/t/pods", NULL, POD("two", "db"));
    api_call(api, "POST", "/api/v1/namespaces/t/pods", NULL, POD("fresh", "web"));
    assert_int_equal(api->status, 201);
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
static const ApiCase cases[] = {
    {"a pod", "GET", PODS "/one", NULL, NULL, 200,
     {{"/kind", "\"PodMetrics\""}, {"/apiVersion", "\"metrics.k8s.io/v1beta1\""},
      {"/metadata", "{\"name\":\"one\",\"namespace\":\"t\",\"creationTimestamp\":\"2026-11-21T08:00:00Z\",\"labels\":{\"app\":\"web\"}}"},
      {"/timestamp", "\"2026-11-21T08:00:00Z\""}, {"/window", "\"15.5s\""},
      {"/containers", "[{\"name\":\"c\",\"usage\":{\"cpu\":\"5m\",\"memory\":\"1Mi\"}},{\"name\":\"d\",\"usage\":{\"cpu\":\"1n\",\"memory\":\"1023\"}}]"}}},
    {"all pods that have been measured", "GET", PODS, NULL, NULL, 200,
     {{"/kind", "\"PodMetricsList\""}, {"/metadata", "{}"}, {"/items/0/metadata/name", "\"one\""}, {"/items/0/kind", NULL},
      {"/items/1/metadata/name", "\"two\""}, {"/items/2", NULL}}},
    {"of all namespaces", "GET", "/apis/metrics.k8s.io/v1beta1/pods", NULL, NULL, 200, {{"/items/1/metadata/name", "\"two\""}}},
    {"by labels", "GET", PODS "?labelSelector=app%3Ddb", NULL, NULL, 200, {{"/items/0/metadata/name", "\"two\""}, {"/items/1", NULL}}},
    {"by name", "GET", PODS "?fieldSelector=metadata.name%3Dtwo", NULL, NULL, 200, {{"/items/0/metadata/name", "\"two\""}, {"/items/1", NULL}}},
    {"a bad selector", "GET", PODS "?labelSelector=%21%21", NULL, NULL, 400, {{0}}},
    {"a pod that is not there", "GET", PODS "/absent", NULL, NULL, 404, {{"/message", "\"pods \\\"absent\\\" not found\""}}},
    {"a pod that has not been measured", "GET", PODS "/fresh", NULL, NULL, 404,
     {{"/message", "\"podmetrics.metrics.k8s.io \\\"t/fresh\\\" not found\""}}},
    {"the node", "GET", NODES, NULL, NULL, 200,
     {{"/items/0/metadata/labels", "{\"zone\":\"a\"}"}, {"/items/0/usage", "{\"cpu\":\"1250m\",\"memory\":\"3Mi\"}"}, {"/items/0/window", "\"20s\""}}},
    {"the node by name", "GET", NODES "/node-1", NULL, NULL, 200, {{"/kind", "\"NodeMetrics\""}}},
    {"another node", "GET", NODES "/node-2", NULL, NULL, 404, {{"/message", "\"nodes \\\"node-2\\\" not found\""}}},
    {"nothing can be written", "POST", PODS, NULL, "{}", 405, {{0}}},
    {"or deleted", "DELETE", PODS "/one", NULL, NULL, 405, {{0}}},
    {"or watched", "GET", PODS "?watch=true", NULL, NULL, 405, {{0}}},
    {"discovery has both", "GET", "/apis/metrics.k8s.io/v1beta1", NULL, NULL, 200,
     {{"/resources/0", "{\"name\":\"nodes\",\"singularName\":\"\",\"namespaced\":false,\"kind\":\"NodeMetrics\",\"verbs\":[\"get\",\"list\"]}"},
      {"/resources/1", "{\"name\":\"pods\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"PodMetrics\",\"verbs\":[\"get\",\"list\"]}"}}},
    {"a role brings it into the role view", "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader", NULL, NULL, 200,
     {{"/rules", "[{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"metrics.k8s.io\"],\"resources\":[\"nodes\",\"pods\"]}]"},
      {"/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-view", "\"true\""}}},
};
/* clang-format on */

static void metrics_are_those_of_metrics_server(void **state)
{
    api_run(*state, cases, ARRAY_LEN(cases));
}

static void a_node_that_has_not_been_measured_is_left_out(void **state)
{
    Api *api = *state;

    fake.window_ns = 0;
    api_call(api, "GET", NODES, NULL, NULL);
    assert_int_equal(api->status, 200);
    assert_int_equal(yyjson_arr_size(yyjson_ptr_get(yyjson_doc_get_root(api->json), "/items")), 0);
    api_call(api, "GET", NODES "/node-1", NULL, NULL);
    assert_int_equal(api->status, 404);
}

static void without_a_node_there_are_no_metrics(void **state)
{
    Api *api = *state;

    server_set_usage(api->server, NULL);
    api_call(api, "GET", PODS, NULL, NULL);
    assert_int_equal(api->status, 503);
}

static void tables_have_the_columns_of_metrics_server(void **state)
{
    Api *api = *state;
    char *row;

    api_call_on(api, api->admin, "GET", PODS,
                "accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", NULL, 0);
    row = api_json(api, "/rows/0/cells");
    assert_string_equal(row, "[\"one\",\"5000001n\",\"1049599\",\"15.5s\"]");
    free(row);
}

/* kubectl top asks for protobuf. */
static void protobuf_has_the_window_as_nanoseconds(void **state)
{
    static const uint8_t window[] = {0x1a, 6, 0x08, 0x80, 0xf6, 0xfc, 0xde, 0x39};
    Api *api = *state;

    api_call_on(api, api->admin, "GET", PODS "/one",
                "accept: application/vnd.kubernetes.protobuf\r\n", NULL, 0);
    assert_int_equal(api->status, 200);
    assert_memory_equal(api->body, "k8s", 4);
    assert_non_null(memmem(api->body, api->body_n, window, sizeof(window)));
}

static void who_goes_away_is_not_answered(void **state)
{
    Api *api = *state;
    HttpLoopback *eve = api_stream(api, PODS "/one", NULL);

    assert_non_null(fake.last);
    http_loopback_free(eve);
    assert_int_equal(fake.cancelled, 1);
    assert_null(fake.last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metrics_are_those_of_metrics_server),
        TEST(a_node_that_has_not_been_measured_is_left_out),
        TEST(without_a_node_there_are_no_metrics),
        TEST(tables_have_the_columns_of_metrics_server),
        TEST(protobuf_has_the_window_as_nanoseconds),
        TEST(who_goes_away_is_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
