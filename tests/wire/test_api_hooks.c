/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks of admission: the webhook is a server of the test that speaks TLS, behind a Service and at a URL. */
#include "testing.h"

#include <openssl/evp.h>

#include "api_harness.h"
#include "api_network.h"
#include "base/files/file.h"
#include "base/strbuf.h"

#define PKI_DIR "/tmp/stead-test-hooks"
#define MAPS "/api/v1/namespaces/t/configmaps"
#define GROUP "/apis/admissionregistration.k8s.io/v1/"
#define ALLOW "\"allowed\":true"
#define HELD_MAX 400

typedef struct World {
    Api api; /* first */
    Clock *clock;
    Pki *pki;
    HttpServer *backend;
    char *ca;
    const char *answer; /* the members of the response; NULL: the question is held */
    const char *uid;    /* the one to answer with; NULL: that of the question */
    int status;
    HttpRequest *held[HELD_MAX];
    size_t n_held, asked;
    StrBuf seen; /* the last question */
} World;

static void on_close(HttpRequest *request)
{
    World *w = request->data;

    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i] == request)
            w->held[i] = w->held[--w->n_held];
}

static void answer(World *w, HttpRequest *request, const char *members)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *at = strstr(strbuf_string(&w->seen), "\"uid\":\"");

    strbuf_printf(&text,
                  "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\","
                  "\"response\":{\"uid\":\"%.36s\",%s}}",
                  w->uid ? w->uid : at + 7, members);
    http_respond(request, w->status, "application/json", strbuf_bytes(&text));
}

static void on_body(HttpRequest *request, Bytes body)
{
    World *w = request->data;

    w->asked++;
    strbuf_truncate(&w->seen, 0);
    strbuf_printf(&w->seen, "%s?%s %.*s", request->path, request->query, (int)body.n,
                  (const char *)body.p);
    if (w->answer)
        answer(w, request, w->answer);
    else if (w->n_held < HELD_MAX)
        w->held[w->n_held++] = request;
}

static void on_request(void *data, HttpRequest *request)
{
    request->data = data;
    request->on_body = on_body;
    request->on_close = on_close;
}

static char *encode(const char *text)
{
    size_t n = strlen(text);
    char *to = mem_resize(NULL, n * 2 + 8);

    EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)text, (int)n);
    return to;
}

static void open_backend(World *w)
{
    static const char *const names[] = {"hook.t.svc", NULL};
    HttpServerOptions options = {.limits = http_limits_default,
                                 .handler = {.on_request = on_request, .data = w}};
    Err err = ERR_INIT;

    file_remove_tree(PKI_DIR);
    if (pki_open(PKI_DIR, names, 0, w->clock, &w->pki, &err) < 0)
        fail_msg("%s", err.message);
    file_remove_tree(PKI_DIR);
    if (http_tls_server(w->pki->server_pem, w->pki->server_key_pem, NULL, &options.tls, &err) < 0)
        fail_msg("%s", err.message);
    w->backend = http_server_new(&w->api.loop, &options);
    http_tls_free(options.tls);
    if (http_server_listen(w->backend, "0.0.0.0:8443", &err) < 0)
        fail_msg("%s", err.message);
    w->ca = encode(w->pki->ca_pem);
}

/* clang-format off */
static const ApiCase service_cases[] = {
    {"its Service", "POST", "/api/v1/namespaces/t/services", NULL, "{\"metadata\":{\"name\":\"hook\"},\"spec\":{\"ports\":[{\"port\":443,\"targetPort\":8443}]}}", 201, {{0}}},
    {"its endpoints", "POST", "/api/v1/namespaces/t/endpoints", NULL, "{\"metadata\":{\"name\":\"hook\"},\"subsets\":[{\"addresses\":[{\"ip\":\"" OWN_ADDRESS "\"}],\"ports\":[{\"port\":8443}]}]}", 201, {{0}}},
};
/* clang-format on */

static int setup(void **state)
{
    World *w = mem_new_type(World);

    w->clock = clock_new_fake(API_EPOCH * NS_PER_SEC);
    w->status = 200;
    w->answer = ALLOW;
    api_start(&w->api, NULL);
    api_fixture(&w->api);
    open_backend(w);
    api_run(&w->api, service_cases, ARRAY_LEN(service_cases));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    http_server_free(w->backend);
    api_stop(&w->api);
    pki_free(w->pki);
    strbuf_deinit(&w->seen);
    free(w->ca);
    clock_free_fake(w->clock);
    free(w);
    return 0;
}

static HttpLoopback *connect_admin(World *w)
{
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};

    return http_loopback_new(w->api.http, &peer);
}

static int call(World *w, const char *method, const char *path, const char *body)
{
    const char *headers =
        str_equal(method, "PATCH") ? "content-type: application/merge-patch+json\r\n" : NULL;

    api_call_on(&w->api, w->api.admin, method, path, headers, body, body ? strlen(body) : 0);
    return w->api.status;
}

#define SERVICE "\"service\":{\"namespace\":\"t\",\"name\":\"hook\",\"path\":\"/ask\"}"
#define URL "\"url\":\"https://127.0.0.1:8443/ask\""

/* Creates the configuration of a webhook for ConfigMaps; `more` are further members of it, each with a comma. */
static void configure_for(World *w, const char *kind, const char *name, const char *client,
                          const char *more, const char *resource)
{
    _free_ char *path = mem_printf(GROUP "%swebhookconfigurations", kind);
    _free_ char *body = mem_printf(
        "{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"%s.x.y\",\"clientConfig\":{%s,"
        "\"caBundle\":\"%s\"},\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\"],%s"
        "\"rules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
        "\"resources\":[\"%s\"]}]}]}",
        name, name, client, w->ca, more, resource);

    assert_int_equal(call(w, "POST", path, body), 201);
}

static void configure(World *w, const char *kind, const char *name, const char *client,
                      const char *more)
{
    configure_for(w, kind, name, client, more, "configmaps");
}

static void a_validating_webhook_is_asked_over_its_service(void **state)
{
    World *w = *state;

    configure(w, "validating", "a", SERVICE, "");
    assert_int_equal(
        call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"k\":\"v\"}}"), 201);
    assert_int_equal(w->asked, 1);
    assert_non_null(strstr(strbuf_string(&w->seen),
                           "/ask?timeout=10s "
                           "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission."
                           "k8s.io/v1\",\"request\":{\"uid\":\""));
    assert_non_null(
        strstr(strbuf_string(&w->seen),
               "\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"ConfigMap\"},\"resource\":{"
               "\"group\":\"\",\"version\":\"v1\",\"resource\":\"configmaps\"}"));
    assert_non_null(strstr(strbuf_string(&w->seen),
                           "\"name\":\"m\",\"namespace\":\"t\",\"operation\":"
                           "\"CREATE\",\"userInfo\":{\"username\":\"kubernetes-admin\""));
    assert_non_null(
        strstr(strbuf_string(&w->seen),
               "\"oldObject\":null,\"dryRun\":false,\"options\":{\"kind\":\"CreateOptions\""));
    assert_non_null(strstr(strbuf_string(&w->seen), "\"data\":{\"k\":\"v\"}"));
    assert_int_equal(call(w, "PATCH", MAPS "/m", "{\"data\":{\"k\":\"w\"}}"), 200);
    assert_non_null(strstr(strbuf_string(&w->seen), "\"operation\":\"UPDATE\""));
    assert_non_null(strstr(strbuf_string(&w->seen), "\"options\":{\"kind\":\"PatchOptions\""));
    assert_int_equal(call(w, "DELETE", MAPS "/m?dryRun=All", NULL), 200);
    assert_non_null(strstr(strbuf_string(&w->seen), "\"operation\":\"DELETE\""));
    assert_non_null(strstr(strbuf_string(&w->seen), "\"object\":null,\"oldObject\":{"));
    assert_non_null(strstr(strbuf_string(&w->seen), "\"dryRun\":true"));
    w->asked = 0;
    assert_int_equal(
        call(w, "POST", "/api/v1/namespaces/t/secrets", "{\"metadata\":{\"name\":\"m\"}}"), 201);
    assert_int_equal(w->asked, 0);
}

/* clang-format off */
static const struct {
    const char *name, *answer;
    int hook_status, status;
    const char *message;
} refusals[] = {
    {"without a reason", "\"allowed\":false", 200, 400, "\"admission webhook \\\"a.x.y\\\" denied the request without explanation\""},
    {"with a message", "\"allowed\":false,\"status\":{\"message\":\"no\",\"code\":418,\"reason\":\"Tea\"}", 200, 418, "\"admission webhook \\\"a.x.y\\\" denied the request: no\""},
    {"with a reason alone", "\"allowed\":false,\"status\":{\"reason\":\"Tea\",\"code\":403}", 200, 403, "\"admission webhook \\\"a.x.y\\\" denied the request: Tea\""},
    {"an error of the webhook", ALLOW, 404, 500, "\"Internal error occurred: failed calling webhook \\\"a.x.y\\\": failed to call webhook: the server could not find the requested resource\""},
    {"a patch", ALLOW ",\"patch\":\"W10=\",\"patchType\":\"JSONPatch\"", 200, 500, "\"Internal error occurred: failed calling webhook \\\"a.x.y\\\": received invalid webhook response: validating webhook may not return response.patch\""},
};
/* clang-format on */

static void a_refusal_is_told_in_kubernetes_words(void **state)
{
    World *w = *state;

    configure(w, "validating", "a", URL, "");
    EACH_ROW(i, refusals, refusals[i].name) {
        w->answer = refusals[i].answer;
        w->status = refusals[i].hook_status;
        assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"),
                         refusals[i].status);
        api_expect(&w->api, "/message", refusals[i].message);
        assert_int_equal(call(w, "GET", MAPS "/m", NULL), 404);
    }
    w->answer = ALLOW;
    w->status = 200;
    w->uid = "00000000-0000-0000-0000-000000000000";
    assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"), 500);
}

static void a_mutating_webhook_changes_the_object(void **state)
{
    World *w = *state;
    _free_ char *patch =
        encode("[{\"op\":\"add\",\"path\":\"/data\",\"value\":{\"hook\":\"was here\"}}]");
    _free_ char *changes = mem_printf(ALLOW ",\"patchType\":\"JSONPatch\",\"patch\":\"%s\"", patch);

    configure(w, "mutating", "a", URL, "");
    w->answer = changes;
    assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"generateName\":\"m-\"}}"), 201);
    api_expect(&w->api, "/data", "{\"hook\":\"was here\"}");
    assert_null(strstr(strbuf_string(&w->seen), "\"name\":\"m-"));
    assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"), 201);
    assert_int_equal(call(w, "PATCH", MAPS "/m", "{\"data\":{\"k\":\"w\"}}"), 200);
    api_expect(&w->api, "/data", "{\"hook\":\"was here\"}");
}

/* Whatever admission adds is there once, also after a webhook has changed the object. */
static void admission_completes_what_a_webhook_has_changed(void **state)
{
    World *w = *state;
    _free_ char *patch =
        encode("[{\"op\":\"add\",\"path\":\"/spec/containers/-\",\"value\":{\"name\":\"side\","
               "\"image\":\"b\"}}]");
    _free_ char *changes = mem_printf(ALLOW ",\"patchType\":\"JSONPatch\",\"patch\":\"%s\"", patch);
    _free_ char *mount = NULL;

    configure_for(w, "mutating", "a", URL, "", "pods");
    w->answer = changes;
    assert_int_equal(
        call(w, "POST", "/api/v1/namespaces/t/pods",
             "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\","
             "\"image\":\"a\"}]}}"),
        201);
    api_expect(&w->api, "/spec/containers/1/name", "\"side\"");
    api_expect(&w->api, "/spec/containers/2", "(absent)");
    api_expect(&w->api, "/spec/containers/1/imagePullPolicy", "\"Always\"");
    mount = api_json(&w->api, "/spec/containers/0/volumeMounts/0");
    api_expect(&w->api, "/spec/containers/1/volumeMounts/0", mount);
    api_expect(&w->api, "/spec/volumes/1", "(absent)");
    api_expect(&w->api, "/spec/tolerations/2", "(absent)");
}

/* What a Service holds alone is taken once, after the webhooks. */
static void a_service_that_is_changed_keeps_its_ports(void **state)
{
    World *w = *state;
    const char *services = "/api/v1/namespaces/t/services";
    _free_ char *patch =
        encode("[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{\"a\":\"b\"}}]");
    _free_ char *changes = mem_printf(ALLOW ",\"patchType\":\"JSONPatch\",\"patch\":\"%s\"", patch);

    configure_for(w, "mutating", "a", URL, "", "services");
    w->answer = changes;
    assert_int_equal(call(w, "POST", services,
                          "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}"),
                     201);
    assert_int_equal(call(w, "PATCH", "/api/v1/namespaces/t/services/s",
                          "{\"metadata\":{\"annotations\":null},\"spec\":{\"type\":\"NodePort\"}}"),
                     200);
    api_expect(&w->api, "/metadata/annotations", "{\"a\":\"b\"}");
}

/* Both are asked about as what the client sends, and not as what becomes of the pod. */
static void an_eviction_and_a_binding_are_asked_about(void **state)
{
    World *w = *state;
    const char *pods = "/api/v1/namespaces/t/pods";
    const char *eviction = "{\"kind\":\"Eviction\",\"apiVersion\":\"policy/v1\",\"metadata\":{"
                           "\"name\":\"p\"}}";
    const char *binding = "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":"
                          "\"n\"}}";

    assert_int_equal(
        call(w, "POST", pods,
             "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\","
             "\"image\":\"a\"}]}}"),
        201);
    configure_for(w, "validating", "a", URL, "", "pods/*");
    w->answer = "\"allowed\":false";
    assert_int_equal(call(w, "POST", "/api/v1/namespaces/t/pods/p/binding", binding), 400);
    assert_non_null(strstr(strbuf_string(&w->seen), "\"subResource\":\"binding\""));
    assert_int_equal(call(w, "POST", "/api/v1/namespaces/t/pods/p/eviction", eviction), 400);
    assert_non_null(strstr(strbuf_string(&w->seen), "\"kind\":\"Eviction\""));
    w->answer = ALLOW;
    assert_int_equal(call(w, "POST", "/api/v1/namespaces/t/pods/p/binding", binding), 201);
    assert_int_equal(call(w, "GET", "/api/v1/namespaces/t/pods/p", NULL), 200);
    api_expect(&w->api, "/spec/nodeName", "\"n\"");
    w->asked = 0;
    assert_int_equal(call(w, "POST", "/api/v1/namespaces/t/pods/p/eviction", eviction), 201);
    assert_int_equal(w->asked, 1);
}

static void a_webhook_that_fails_may_be_ignored(void **state)
{
    World *w = *state;

    configure(w, "validating", "a", URL, "\"failurePolicy\":\"Ignore\",");
    w->status = 500;
    assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"), 201);
    assert_int_equal(w->asked, 1);
}

static void begin(World *w, HttpLoopback *connection, const char *method, const char *path,
                  const char *body)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text,
                  "%s %s HTTP/1.1\r\nhost: x\r\ncontent-type: %s\r\ncontent-length: "
                  "%zu\r\n\r\n%s",
                  method, path,
                  str_equal(method, "PATCH") ? "application/merge-patch+json" : "application/json",
                  strlen(body), body);
    w->answer = NULL;
    http_loopback_send(connection, strbuf_bytes(&text));
    for (size_t n = w->n_held; w->n_held == n;)
        uv_run(&w->api.loop, UV_RUN_ONCE);
}

/* The patch is applied once more to the object as it is now, and the webhook sees that. */
static void an_object_that_changes_meanwhile_is_patched_anew(void **state)
{
    World *w = *state;
    HttpLoopback *other = connect_admin(w);

    assert_int_equal(call(w, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"), 201);
    configure(w, "validating", "a", URL,
              "\"objectSelector\":{\"matchLabels\":{\"slow\":\"yes\"}},");
    begin(w, other, "PATCH", MAPS "/m", "{\"metadata\":{\"labels\":{\"slow\":\"yes\"}}}");
    w->answer = ALLOW;
    assert_int_equal(call(w, "PATCH", MAPS "/m", "{\"data\":{\"k\":\"mine\"}}"), 200);
    assert_int_equal(w->asked, 1);
    answer(w, w->held[0], ALLOW);
    api_finish(&w->api, other);
    assert_int_equal(w->api.status, 200);
    assert_int_equal(w->asked, 2);
    api_expect(&w->api, "/data", "{\"k\":\"mine\"}");
    api_expect(&w->api, "/metadata/labels", "{\"slow\":\"yes\"}");
    http_loopback_free(other);
}

static void a_write_of_a_client_that_has_gone_is_dropped(void **state)
{
    World *w = *state;
    HttpLoopback *other = connect_admin(w);

    configure(w, "validating", "a", URL, "");
    begin(w, other, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}");
    http_loopback_free(other);
    while (w->n_held)
        uv_run(&w->api.loop, UV_RUN_ONCE);
    w->answer = ALLOW;
    assert_int_equal(call(w, "GET", MAPS "/m", NULL), 404);
}

static void many_writes_wait_for_a_dead_webhook_at_once(void **state)
{
    World *w = *state;
    HttpLoopback *connections[270];
    uint64_t began = uv_hrtime();

    configure(w, "validating", "a", URL, "\"timeoutSeconds\":1,");
    w->answer = NULL;
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        _free_ char *body = mem_printf("{\"metadata\":{\"name\":\"m-%zu\"}}", i);
        _free_ char *text = mem_printf("POST " MAPS " HTTP/1.1\r\nhost: x\r\ncontent-type: "
                                       "application/json\r\ncontent-length: %zu\r\n\r\n%s",
                                       strlen(body), body);

        connections[i] = connect_admin(w);
        http_loopback_send(connections[i], bytes_from_string(text));
    }
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        _strbuf_ StrBuf raw = STRBUF_INIT;

        for (;;) {
            Bytes bytes = http_loopback_take(connections[i]);

            strbuf_add(&raw, bytes.p, bytes.n);
            if (raw.n)
                break;
            uv_run(&w->api.loop, UV_RUN_ONCE);
        }
        assert_true(str_starts_with(strbuf_string(&raw), "HTTP/1.1 500"));
        http_loopback_free(connections[i]);
    }
    assert_true(uv_hrtime() - began < 20 * (uint64_t)NS_PER_SEC);
}

static void the_server_stops_while_writes_wait(void **state)
{
    World *w = *state;
    HttpLoopback *other = connect_admin(w);

    configure(w, "mutating", "a", URL, "");
    begin(w, other, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}");
    http_loopback_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_validating_webhook_is_asked_over_its_service, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_in_kubernetes_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mutating_webhook_changes_the_object, setup, teardown),
        cmocka_unit_test_setup_teardown(admission_completes_what_a_webhook_has_changed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_eviction_and_a_binding_are_asked_about, setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_that_is_changed_keeps_its_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(a_webhook_that_fails_may_be_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(an_object_that_changes_meanwhile_is_patched_anew, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_write_of_a_client_that_has_gone_is_dropped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_writes_wait_for_a_dead_webhook_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_server_stops_while_writes_wait, setup, teardown),
    };

    if (!own_network()) {
        fprintf(stderr, "needs root for a network namespace of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
