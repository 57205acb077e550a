/* SPDX-License-Identifier: Apache-2.0 */
/* APIServices, and an extension server that speaks TLS on a socket in a network namespace of this test. */
#include "testing.h"

#include <openssl/evp.h>

#include "api_harness.h"
#include "api_network.h"
#include "base/files/file.h"
#include "base/strbuf.h"

#define NS "/api/v1/namespaces/t"
#define SERVICES "/apis/apiregistration.k8s.io/v1/apiservices"
#define NAME "v1.ext.example.com"
#define PKI_DIR "/tmp/stead-test-aggregate"
#define AGGREGATED \
    "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n"

typedef struct World {
    Api api; /* first */
    Clock *clock;
    Pki *pki, *stranger;
    HttpServer *backend;
    char *ca;
    const char *discovery; /* what it answers to that */
    int status;
    StrBuf seen; /* the last other request */
} World;

static Pki *make_pki(const char *dir, Clock *clock)
{
    static const char *const names[] = {"ext.t.svc", NULL};
    Err err = ERR_INIT;
    Pki *pki;

    file_remove_tree(dir);
    if (pki_open(dir, names, 0, clock, &pki, &err) < 0)
        fail_msg("%s", err.message);
    file_remove_tree(dir);
    return pki;
}

static void on_close(HttpRequest *request _unused_)
{
}

static void on_request(void *data, HttpRequest *request)
{
    World *w = data;

    request->on_close = on_close; /* a watch ends with its connection */
    if (str_equal(request->path, "/apis/ext.example.com/v1")) {
        http_respond(request, w->status, "application/json", bytes_from_string(w->discovery));
        return;
    }
    strbuf_truncate(&w->seen, 0);
    strbuf_printf(&w->seen, "%s %s?%s as %s\n", request->method, request->path, request->query,
                  str_or(request->peer->common_name, "nobody"));
    for (size_t i = 0; i < request->n_headers; i++)
        strbuf_printf(&w->seen, "%s: %s\n", request->headers[i].name, request->headers[i].value);
    if (str_equal(request->query, "watch=1")) {
        http_stream_begin(request, 200, "application/json");
        http_stream_write(request, BYTES_LITERAL("{\"type\":\"ADDED\"}\n"));
    } else if (str_equal(request->query, "away")) {
        http_add_header(request, "location", "/elsewhere");
        http_respond(request, 302, "text/plain", BYTES_LITERAL(""));
    } else {
        http_respond(request, 200, "application/json", BYTES_LITERAL("{\"kind\":\"ThingList\"}"));
    }
}

static void open_backend(World *w)
{
    HttpServerOptions options = {.limits = http_limits_default,
                                 .handler = {.on_request = on_request, .data = w}};
    Err err = ERR_INIT;

    if (http_tls_server(w->pki->server_pem, w->pki->server_key_pem, w->pki->front_proxy_ca_pem,
                        &options.tls, &err) < 0)
        fail_msg("%s", err.message);
    w->backend = http_server_new(&w->api.loop, &options);
    http_tls_free(options.tls);
    if (http_server_listen(w->backend, OWN_ADDRESS ":8443", &err) < 0)
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    World *w = mem_new_type(World);
    size_t n;

    w->clock = clock_new_fake(API_EPOCH * NS_PER_SEC);
    w->pki = make_pki(PKI_DIR, w->clock);
    w->stranger = make_pki(PKI_DIR, w->clock);
    n = strlen(w->pki->ca_pem);
    w->ca = mem_resize(NULL, n * 2);
    EVP_EncodeBlock((unsigned char *)w->ca, (const unsigned char *)w->pki->ca_pem, (int)n);
    w->status = 200;
    w->discovery =
        "{\"kind\":\"APIResourceList\",\"groupVersion\":\"ext.example.com/v1\",\"resources\":["
        "{\"name\":\"things/status\",\"kind\":\"Thing\",\"verbs\":[\"get\"]},"
        "{\"name\":\"things\",\"singularName\":\"thing\",\"namespaced\":true,\"kind\":\"Thing\","
        "\"verbs\":[\"get\",\"list\"],\"shortNames\":[\"th\"]}]}";
    api_start_with(&w->api, w->pki);
    api_fixture(&w->api);
    open_backend(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    http_server_free(w->backend);
    api_stop(&w->api);
    pki_free(w->pki);
    pki_free(w->stranger);
    strbuf_deinit(&w->seen);
    free(w->ca);
    clock_free_fake(w->clock);
    free(w);
    return 0;
}

/* clang-format off */
static const ApiCase backend_cases[] = {
    {"its Service", "POST", NS "/services", NULL, "{\"metadata\":{\"name\":\"ext\"},\"spec\":{\"ports\":[{\"port\":443,\"targetPort\":8443}]}}", 201, {{0}}},
    {"its endpoints", "POST", NS "/endpoints", NULL, "{\"metadata\":{\"name\":\"ext\"},\"subsets\":[{\"addresses\":[{\"ip\":\"" OWN_ADDRESS "\"}],\"ports\":[{\"port\":8443}]}]}", 201, {{0}}},
};
/* clang-format on */

static void register_it(World *w, const char *more)
{
    _free_ char *body =
        mem_printf("{\"metadata\":{\"name\":\"" NAME "\"},\"spec\":{\"group\":\"ext.example.com\","
                   "\"version\":\"v1\",\"groupPriorityMinimum\":2000,\"versionPriority\":10,"
                   "\"service\":{\"namespace\":\"t\",\"name\":\"ext\"}%s%s%s}}",
                   more ? more : ",\"caBundle\":\"", more ? "" : w->ca, more ? "" : "\"");

    assert_int_equal(api_call(&w->api, "POST", SERVICES, NULL, body), 201);
}

/* Until the condition has this reason; the test's time limit ends a wait for what never comes. */
static void await_reason(World *w, const char *reason)
{
    _free_ char *want = mem_printf("\"%s\"", reason);

    for (;;) {
        _free_ char *is = NULL;

        api_call(&w->api, "GET", SERVICES "/" NAME, NULL, NULL);
        is = api_json(&w->api, "/status/conditions/0/reason");
        if (str_equal(is, want))
            return;
        uv_run(&w->api.loop, UV_RUN_NOWAIT);
        clock_fake_advance(w->api.clock, 50 * NS_PER_MS);
    }
}

static void expect_seen(World *w, const char *text)
{
    if (!strstr(strbuf_string(&w->seen), text))
        fail_msg("not seen: %s\nin\n%s", text, strbuf_string(&w->seen));
}

static void expect_body(World *w, const char *text)
{
    if (!strstr(w->api.body, text))
        fail_msg("%s is not in\n%s", text, w->api.body);
}

static void expect_not_body(World *w, const char *text)
{
    if (strstr(w->api.body, text))
        fail_msg("%s is in\n%s", text, w->api.body);
}

/* ---- tests ---- */

/* clang-format off */
static const ApiCase local_cases[] = {
    {"a group of this server", "GET", SERVICES "/v1.apps", NULL, NULL, 200, {
        {"/spec", "{\"group\":\"apps\",\"version\":\"v1\",\"groupPriorityMinimum\":17800,\"versionPriority\":15}"},
        {"/status/conditions/0/reason", "\"Local\""}, {"/status/conditions/0/status", "\"True\""},
        {"/metadata/labels", "{\"kube-aggregator.kubernetes.io/automanaged\":\"onstart\"}"}}},
    {"the core group", "GET", SERVICES "/v1.", NULL, NULL, 200, {{"/spec/groupPriorityMinimum", "18000"}}},
    {"not its own", "GET", SERVICES "/v1.apiregistration.k8s.io", NULL, NULL, 404, {{0}}},
    {"a wrong name", "POST", SERVICES, NULL, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"a.b\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1}}", 422, {{0}}},
    {"what extension servers read", "GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication", NULL, NULL, 200, {
        {"/data/requestheader-allowed-names", "\"[\\\"front-proxy-client\\\"]\""}, {"/data/requestheader-username-headers", "\"[\\\"X-Remote-User\\\"]\""}}},
    {"who may read it", "GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader", NULL, NULL, 200, {{0}}},
};
/* clang-format on */

static void the_groups_of_this_server_are_available(void **state)
{
    World *w = *state;

    api_run(&w->api, local_cases, ARRAY_LEN(local_cases));
}

static void requests_are_passed_on_with_their_user(void **state)
{
    World *w = *state;

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, NULL);
    await_reason(w, "Passed");
    assert_int_equal(api_call(&w->api, "GET",
                              "/apis/ext.example.com/v1/namespaces/t/things?limit=500", NULL, NULL),
                     200);
    assert_string_equal(w->api.body, "{\"kind\":\"ThingList\"}");
    expect_seen(w, "GET /apis/ext.example.com/v1/namespaces/t/things?limit=500 as "
                   "front-proxy-client\n");
    expect_seen(w, "x-remote-user: kubernetes-admin\n");
    expect_seen(w, "x-remote-group: system:masters\n");
    expect_seen(w, "host: ext.t.svc\n");
    api_call_on(&w->api, w->api.admin, "POST", "/apis/ext.example.com/v1/things",
                "Authorization: Bearer x\r\nX-Remote-User: root\r\n", "{}", 2);
    assert_int_equal(w->api.status, 200);
    assert_null(strstr(strbuf_string(&w->seen), "authorization"));
    assert_null(strstr(strbuf_string(&w->seen), "root"));
    assert_int_equal(api_call(&w->api, "GET", "/apis/ext.example.com/v1/things?away", NULL, NULL),
                     502);
}

static void a_watch_is_streamed(void **state)
{
    World *w = *state;
    HttpLoopback *stream;
    Bytes bytes = {0};

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, NULL);
    await_reason(w, "Passed");
    stream = api_stream(&w->api, "/apis/ext.example.com/v1/things?watch=1", NULL);
    while (!bytes.n || !strstr((const char *)bytes.p, "ADDED")) {
        uv_run(&w->api.loop, UV_RUN_NOWAIT);
        api_settle(&w->api);
        bytes = http_loopback_take(stream);
    }
    http_loopback_free(stream);
}

static void authorization_comes_first(void **state)
{
    World *w = *state;
    HttpLoopback *nobody = api_connect(&w->api, "nobody");

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, NULL);
    await_reason(w, "Passed");
    api_call_on(&w->api, nobody, "GET", "/apis/ext.example.com/v1/things", NULL, NULL, 0);
    assert_int_equal(w->api.status, 403);
    assert_int_equal(w->seen.n, 0);
    http_loopback_free(nobody);
}

static void discovery_has_the_resources_of_the_extension(void **state)
{
    World *w = *state;

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, NULL);
    await_reason(w, "Passed");
    api_call(&w->api, "GET", "/apis", NULL, NULL);
    expect_body(w, "{\"name\":\"ext.example.com\",\"versions\":[{\"groupVersion\":"
                   "\"ext.example.com/v1\",\"version\":\"v1\"}],\"preferredVersion\"");
    api_call(&w->api, "GET", "/apis/ext.example.com", NULL, NULL);
    expect_body(w, "\"kind\":\"APIGroup\"");
    api_call(&w->api, "GET", "/apis/ext.example.com/v1", NULL, NULL);
    expect_body(w, "\"kind\":\"APIResourceList\"");
    api_call(&w->api, "GET", "/openapi/v3", NULL, NULL);
    expect_body(w, "\"apis/ext.example.com/v1\"");
    api_call_on(&w->api, w->api.admin, "GET", "/apis", AGGREGATED, NULL, 0);
    expect_body(w, "{\"resource\":\"things\",\"responseKind\":{\"group\":\"ext.example.com\","
                   "\"version\":\"v1\",\"kind\":\"Thing\"},\"scope\":\"Namespaced\","
                   "\"singularResource\":\"thing\",\"verbs\":[\"get\",\"list\"],\"shortNames\":["
                   "\"th\"],\"subresources\":[{\"subresource\":\"status\"");
    expect_not_body(w, "Stale");
    assert_non_null(w->api.json);
}

static void an_extension_that_dies_is_stale(void **state)
{
    World *w = *state;

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, NULL);
    await_reason(w, "Passed");
    w->backend = http_server_free(w->backend);
    await_reason(w, "FailedDiscoveryCheck");
    api_call(&w->api, "GET", "/apis/ext.example.com/v1/things", NULL, NULL);
    assert_int_equal(w->api.status, 503);
    assert_string_equal(w->api.body, "service unavailable\n");
    api_call_on(&w->api, w->api.admin, "GET", "/apis", AGGREGATED, NULL, 0);
    expect_body(w, "\"resource\":\"things\"");
    expect_body(w, "Stale");
    open_backend(w);
    await_reason(w, "Passed");
    assert_int_equal(api_call(&w->api, "DELETE", SERVICES "/" NAME, NULL, NULL), 200);
    assert_int_equal(api_call(&w->api, "GET", "/apis/ext.example.com/v1/things", NULL, NULL), 404);
    api_call_on(&w->api, w->api.admin, "GET", "/apis", AGGREGATED, NULL, 0);
    expect_not_body(w, "ext.example.com");
}

static const char *const lies[] = {
    "",
    "{",
    "[]",
    "{\"resources\":{}}",
    "{\"resources\":[1,null,{\"name\":5},{\"name\":\"/\"}]}",
    "{\"resources\":[{\"name\":\"a/b/c\"},{\"name\":\"\\u0000\"},{\"name\":\"a\",\"verbs\":[[]]}]}",
};

static void an_extension_that_lies_harms_nobody(void **state)
{
    World *w = *state;

    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    EACH_ROW(i, lies, lies[i]) {
        w->discovery = lies[i];
        register_it(w, NULL);
        await_reason(w, "Passed");
        api_call_on(&w->api, w->api.admin, "GET", "/apis", AGGREGATED, NULL, 0);
        assert_int_equal(w->api.status, 200);
        assert_non_null(w->api.json);
        expect_body(w, "\"apps\"");
        assert_int_equal(api_call(&w->api, "DELETE", SERVICES "/" NAME, NULL, NULL), 200);
    }
}

static void the_condition_says_what_is_missing(void **state)
{
    World *w = *state;

    register_it(w, NULL);
    await_reason(w, "ServiceNotFound");
    expect_body(w, "service/ext in \\\"t\\\" is not present");
    api_run(&w->api, backend_cases, 1);
    await_reason(w, "EndpointsNotFound");
    api_call(&w->api, "PATCH", NS "/services/ext", "application/merge-patch+json",
             "{\"spec\":{\"ports\":[{\"port\":444}]}}");
    await_reason(w, "ServicePortError");
    api_call(&w->api, "PATCH", NS "/services/ext", "application/merge-patch+json",
             "{\"spec\":{\"ports\":[{\"port\":443,\"name\":\"web\"}]}}");
    api_run(&w->api, backend_cases + 1, 1);
    await_reason(w, "MissingEndpoints");
    api_call(&w->api, "PATCH", NS "/services/ext", "application/merge-patch+json",
             "{\"spec\":{\"ports\":[{\"port\":443}]}}");
    await_reason(w, "Passed");
    w->status = 404;
    clock_fake_advance(w->api.clock, 31 * NS_PER_SEC);
    await_reason(w, "FailedDiscoveryCheck");
    expect_body(w, "bad status from https://ext.t.svc:443/apis/ext.example.com/v1: 404");
}

static void a_certificate_of_a_stranger_is_refused(void **state)
{
    World *w = *state;
    _free_ char *ca = mem_resize(NULL, strlen(w->stranger->ca_pem) * 2);
    _free_ char *more = NULL;

    EVP_EncodeBlock((unsigned char *)ca, (const unsigned char *)w->stranger->ca_pem,
                    (int)strlen(w->stranger->ca_pem));
    more = mem_printf(",\"caBundle\":\"%s\"", ca);
    api_run(&w->api, backend_cases, ARRAY_LEN(backend_cases));
    register_it(w, more);
    await_reason(w, "FailedDiscoveryCheck");
    expect_body(w, "certificate");
    assert_int_equal(api_call(&w->api, "DELETE", SERVICES "/" NAME, NULL, NULL), 200);
    register_it(w, ",\"insecureSkipTLSVerify\":true");
    await_reason(w, "Passed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_groups_of_this_server_are_available, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_are_passed_on_with_their_user, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_is_streamed, setup, teardown),
        cmocka_unit_test_setup_teardown(authorization_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(discovery_has_the_resources_of_the_extension, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_extension_that_dies_is_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(an_extension_that_lies_harms_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(the_condition_says_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_certificate_of_a_stranger_is_refused, setup, teardown),
    };

    if (!own_network()) {
        fprintf(stderr, "needs root for a network namespace of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
