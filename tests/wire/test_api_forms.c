/* SPDX-License-Identifier: Apache-2.0 */
/* Apply, and the forms an answer can take: tables, metadata alone, YAML, protobuf, discovery. */
#include "testing.h"

#include "api/schema/core_config_v1.h"
#include "api/status.h"
#include "api_harness.h"
#include "base/strbuf.h"
#include "codec/protobuf/protobuf.h"

#define CM "/api/v1/namespaces/t/configmaps"
#define APPLY "application/apply-patch+yaml"
#define JSON_PATCH "application/json-patch+json"
#define DOC(more) \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"s\"}" more "}"

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
static const ApiCase apply_cases[] = {
    {"apply creates", "PATCH", CM "/s?fieldManager=x", APPLY, DOC(",\"data\":{\"a\":\"1\",\"b\":\"2\"}"), 201,
     {{"/data", "{\"a\":\"1\",\"b\":\"2\"}"}, {"/metadata/managedFields/0/operation", "\"Apply\""}, {"/metadata/managedFields/0/fieldsV1", "{\"f:data\":{\"f:a\":{},\"f:b\":{}}}"}}},
    {"what is no longer applied goes", "PATCH", CM "/s?fieldManager=x", APPLY, DOC(",\"data\":{\"a\":\"1\"}"), 200, {{"/data", "{\"a\":\"1\"}"}}},
    {"another one's field is a conflict", "PATCH", CM "/s?fieldManager=y", APPLY, DOC(",\"data\":{\"a\":\"2\"}"), 409,
     {{"/message", "\"Apply failed with 1 conflict: conflict with \\\"x\\\": .data.a\""}, {"/details", "{\"causes\":[{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"x\\\"\",\"field\":\".data.a\"}]}"}}},
    {"unless it is forced", "PATCH", CM "/s?fieldManager=y&force=true", APPLY, DOC(",\"data\":{\"a\":\"2\"}"), 200,
     {{"/data", "{\"a\":\"2\"}"}, {"/metadata/managedFields/1", NULL}, {"/metadata/managedFields/0/manager", "\"y\""}}},
    {"the same value is shared", "PATCH", CM "/s?fieldManager=x", APPLY, DOC(",\"data\":{\"a\":\"2\"}"), 200, {{"/metadata/managedFields/1/manager", "\"y\""}}},
    {"a shared field stays when one lets go", "PATCH", CM "/s?fieldManager=x", APPLY, DOC(""), 200, {{"/data", "{\"a\":\"2\"}"}}},
    {"an update takes a field over", "PATCH", CM "/s?fieldManager=z", "application/merge-patch+json", "{\"data\":{\"a\":\"3\"}}", 200,
     {{"/metadata/managedFields/0/manager", "\"z\""}, {"/metadata/managedFields/0/operation", "\"Update\""}, {"/metadata/managedFields/1", NULL}}},
    {"a manager is required", "PATCH", CM "/s", APPLY, DOC(""), 422,
     {{"/message", "\"PatchOptions.meta.k8s.io \\\"\\\" is invalid: fieldManager: Required value: is required for apply patch\""}}},
    {"a type is required", "PATCH", CM "/s?fieldManager=x", APPLY, "{}", 400, {{"/message", "\"invalid object type: /, Kind=\""}}},
    {"no managed fields", "PATCH", CM "/s?fieldManager=x", APPLY, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"s\",\"managedFields\":[{}]}}", 400, {{"/message", "\"metadata.managedFields must be nil\""}}},
    {"no unknown fields", "PATCH", CM "/s?fieldManager=x", APPLY, DOC(",\"foo\":1"), 500,
     {{"/message", "\"failed to create typed patch object (/s; /v1, Kind=ConfigMap): .foo: field not declared in schema\""}, {"/reason", NULL}}},
    {"YAML is what it says", "PATCH", CM "/s2?fieldManager=x", APPLY, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: s2\ndata:\n  k: |\n    two\n    lines\n", 201, {{"/data/k", "\"two\\nlines\\n\""}}},
};
/* clang-format on */

static void apply_keeps_count_of_who_set_what(void **state)
{
    api_run(*state, apply_cases, ARRAY_LEN(apply_cases));
}

/* clang-format off */
#define LAST "kubectl.kubernetes.io/last-applied-configuration"
#define LAST_AT "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
#define MOVED(data) "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\",\"namespace\":\"t\"},\"data\":" data "}"
static const ApiCase move_cases[] = {
    {"what kubectl applies itself", "POST", CM "?fieldManager=kubectl-client-side-apply", NULL,
     "{\"metadata\":{\"name\":\"m\",\"annotations\":{\"" LAST "\":\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{\\\"name\\\":\\\"m\\\"},"
     "\\\"data\\\":{\\\"a\\\":\\\"1\\\",\\\"b\\\":\\\"2\\\"}}\"}},\"data\":{\"a\":\"1\",\"b\":\"3\"}}", 201, {{0}}},
    {"is another's for anyone else", "PATCH", CM "/m?fieldManager=x", APPLY, MOVED("{\"a\":\"9\"}"), 409, {{0}}},
    {"is its own when the server applies", "PATCH", CM "/m?fieldManager=kubectl", APPLY, MOVED("{\"a\":\"9\"}"), 200,
     {{"/data", "{\"a\":\"9\",\"b\":\"3\"}"},
      {LAST_AT, "\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"data\\\":{\\\"a\\\":\\\"9\\\"},\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{\\\"name\\\":\\\"m\\\",\\\"namespace\\\":\\\"t\\\"}}\\n\""}}},
    {"but not what was changed since", "PATCH", CM "/m?fieldManager=kubectl", APPLY, MOVED("{\"b\":\"9\"}"), 409,
     {{"/details/causes/0/field", "\".data.b\""}}},
    {"it may say that all of it is its own now", "PATCH", CM "/m?fieldManager=kubectl", JSON_PATCH,
     "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[{\"manager\":\"kubectl\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\","
     "\"fieldsV1\":{\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}}]}]", 200, {{"/metadata/managedFields/1", NULL}, {"/metadata/managedFields/0/operation", "\"Apply\""}}},
    {"and what it leaves out then goes, alone", "PATCH", CM "/m?fieldManager=kubectl", APPLY, MOVED("{\"a\":\"9\"}"), 200, {{"/data", "{\"a\":\"9\"}"}}},
    {"a list that nobody can read is not taken", "PATCH", CM "/m?fieldManager=kubectl", JSON_PATCH,
     "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[{\"manager\":\"z\",\"operation\":\"Guess\"}]}]", 200, {{"/metadata/managedFields/0/manager", "\"kubectl\""}}},
};
/* clang-format on */

static void kubectl_goes_over_to_the_servers_apply(void **state)
{
    api_run(*state, move_cases, ARRAY_LEN(move_cases));
}

static void call_as(Api *api, const char *path, const char *accept)
{
    _free_ char *header = mem_printf("Accept: %s\r\n", accept);

    api_call_on(api, api->admin, "GET", path, header, NULL, 0);
}

static void answers_take_the_form_that_is_asked_for(void **state)
{
    Api *api = *state;

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    call_as(api, CM,
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g="
            "meta.k8s.io,application/json");
    assert_int_equal(api->status, 200);
    api_expect(api, "/kind", "\"Table\"");
    api_expect(api, "/rows/0/cells", "[\"a\",1,\"0s\"]");
    api_expect(api, "/rows/0/object/kind", "\"PartialObjectMetadata\"");
    call_as(api, CM "?includeObject=None", "application/json;as=Table;v=v1;g=meta.k8s.io");
    api_expect(api, "/rows/0/object", "null");
    call_as(api, CM "?includeObject=Object", "application/json;as=Table;v=v1;g=meta.k8s.io");
    api_expect(api, "/rows/0/object/data", "{\"k\":\"v\"}");
    call_as(api, CM "/a", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    api_expect(api, "/kind", "\"PartialObjectMetadata\"");
    api_expect(api, "/data", "(absent)");
    call_as(api, CM, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    api_expect(api, "/kind", "\"PartialObjectMetadataList\"");
    api_expect(api, "/items/0/metadata/name", "\"a\"");
    call_as(api, CM "/a", "application/yaml");
    assert_non_null(strstr(api->head, "application/yaml"));
    assert_non_null(strstr(api->body, "\ndata:\n  k: v\n"));
    call_as(api, CM "/a", "application/vnd.kubernetes.protobuf,application/json");
    api_expect(api, "/kind", "\"ConfigMap\"");
    call_as(api, CM "/a", "application/vnd.kubernetes.protobuf");
    assert_memory_equal(api->body, "k8s", 4);
    call_as(api, CM "/a", "text/plain");
    assert_int_equal(api->status, 406);
}

/* One that wants a form and takes no other is told so, in kube-apiserver's words. */
static void forms_that_there_are_not_are_refused(void **state)
{
#define ONLY                                                                            \
    "only the following media types are accepted: application/json, application/yaml, " \
    "application/vnd.kubernetes.protobuf"
#define META(as) "application/json;as=" as ";v=v1;g=meta.k8s.io"
    static const struct {
        const char *method, *path, *accept, *body, *message; /* NULL: served */
    } cases[] = {
        {"GET", "/api", META("Table"), NULL, ONLY},
        {"GET", "/apis", META("Table"), NULL, ONLY},
        {"GET", "/api/v1", META("Table"), NULL, ONLY},
        {"GET", "/apis/apps", META("PartialObjectMetadata"), NULL, ONLY},
        {"GET", CM "/a", "application/json;as=Table;v=v2;g=meta.k8s.io", NULL, ONLY},
        {"GET", CM "/a", "application/json;as=Table;v=v1;g=x", NULL, ONLY},
        {"GET", CM, META("Foo"), NULL, ONLY},
        {"GET", CM, META("PartialObjectMetadata"), NULL,
         "you requested PartialObjectMetadata, but the requested object is a list "
         "(*core.ConfigMapList)"},
        {"GET", CM "/a", META("PartialObjectMetadataList"), NULL,
         "you requested PartialObjectMetadataList, but the requested object is not a list "
         "(*core.ConfigMap)"},
        {"DELETE", CM "?dryRun=All", META("PartialObjectMetadata"), NULL,
         "you requested PartialObjectMetadata, but the requested object is a list "
         "(*core.ConfigMapList)"},
        {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", META("Table"), "{}", ONLY},
        {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
         META("Table") ",application/json", "{}", NULL},
        {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", META("Table"),
         "{\"spec\":{\"nonResourceAttributes\":{\"path\":\"/\",\"verb\":\"get\"}}}", ONLY},
        {"POST", "/api/v1/namespaces/t/serviceaccounts/default/token", META("Table"), "{}", ONLY},
        {"DELETE", CM "?dryRun=All", META("Table"), NULL, NULL},
        {"GET", CM "/a", META("Table"), NULL, NULL},
        {"GET", "/apis/apps", "application/yaml", NULL, NULL},
        {"GET", "/apis/apps/v1", "application/yaml", NULL, NULL},
        {"GET", "/api/v1", "application/vnd.kubernetes.protobuf", NULL, NULL},
    };
    Api *api = *state;

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"}}");
    EACH_ROW(i, cases, cases[i].path) {
        const char *body = cases[i].body;
        _free_ char *headers = mem_printf("Accept: %s\r\n%s", cases[i].accept,
                                          body ? "Content-Type: application/json\r\n" : "");
        _free_ char *message = NULL, *wanted = mem_printf("\"%s\"", cases[i].message);

        api_call_on(api, api->admin, cases[i].method, cases[i].path, headers, body,
                    body ? strlen(body) : 0);
        message = api_json(api, "/message");
        if (cases[i].message ? api->status != 406 || !str_equal(message, wanted)
                             : api->status / 100 != 2)
            fail_msg("%s %s as %s: %d %s", cases[i].method, cases[i].path, cases[i].accept,
                     api->status, api->body);
    }
}

static void call_by(Api *api, const char *path, const char *agent)
{
    _free_ char *header = mem_printf("User-Agent: %s\r\n", agent);

    api_call_on(api, api->admin, "GET", path, header, NULL, 0);
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && str_equal(text + strlen(text) - strlen(end), end);
}

static void json_ends_in_a_newline(void **state)
{
    static const char *const paths[] = {CM, CM "/a", CM "/nope", "/version", "/apis", "/api/v1"};
    Api *api = *state;

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    assert_true(ends_with(api->body, "\"data\":{\"k\":\"v\"}}\n"));
    EACH_ROW(i, paths, paths[i]) {
        call_by(api, paths[i], "kubectl/v1.36");
        assert_true(ends_with(api->body, "}\n"));
        assert_null(strstr(api->body, "\n  \""));
    }
}

static void what_may_be_a_mistake_is_told(void **state)
{
#define TEMPLATE                                                                          \
    "{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\"," \
    "\"image\":\"i\","                                                                    \
    "\"env\":[{\"name\":\"X\",\"value\":\"1\"},{\"name\":\"X\",\"value\":\"2\"}],"        \
    "\"resources\":{\"limits\":{\"memory\":\"100m\"}}}]}}"
    static const struct {
        const char *path, *body, *warning;
    } cases[] = {
        {"/apis/apps/v1/namespaces/t/deployments",
         "{\"metadata\":{\"name\":\"a.b\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
         "\"template\":" TEMPLATE "}}",
         "a DNS label is recommended: [must not contain dots]"},
        {"/apis/apps/v1/namespaces/t/daemonsets",
         "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
         "\"template\":" TEMPLATE "}}",
         "spec.template.spec.containers[0].resources.limits[memory]: fractional byte value"},
        {"/apis/batch/v1/namespaces/t/cronjobs",
         "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"schedule\":\"@daily\",\"jobTemplate\":{"
         "\"spec\":{"
         "\"template\":{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\","
         "\"image\":"
         "\"i\",\"env\":[{\"name\":\"X\"},{\"name\":\"X\"}]}]}}}}}}",
         "spec.jobTemplate.spec.template.spec.containers[0].env[1]: hides previous definition"},
        {"/apis/networking.k8s.io/v1/namespaces/t/networkpolicies",
         "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podSelector\":{}}}",
         "stead keeps NetworkPolicies but does not filter"},
    };
    Api *api = *state;

    EACH_ROW(i, cases, cases[i].path) {
        api_call(api, "POST", cases[i].path, NULL, cases[i].body);
        assert_int_equal(api->status, 201);
        assert_non_null(strcasestr(api->head, "warning: 299 - "));
        assert_non_null(strstr(api->head, cases[i].warning));
    }
}

static void people_get_lines(void **state)
{
    Api *api = *state;

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    call_by(api, CM "/a", "curl/8.0");
    assert_true(ends_with(api->body, "  \"data\": {\n    \"k\": \"v\"\n  }\n}\n"));
    call_by(api, CM, "Mozilla/5.0 (X11)");
    assert_non_null(strstr(api->body, "\n  \"items\": [\n"));
    call_by(api, CM "/nope", "Wget/1.21");
    assert_non_null(strstr(api->body, "\n  \"reason\": \"NotFound\",\n"));
    call_by(api, CM "/a?pretty=false", "curl/8.0");
    assert_null(strstr(api->body, "\n  "));
    call_by(api, CM "/a?pretty=true", "kubectl/v1.36");
    assert_non_null(strstr(api->body, "\n  \"kind\": \"ConfigMap\",\n"));
}

static void discovery_comes_in_both_forms(void **state)
{
    Api *api = *state;
    static const char aggregated[] =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    _free_ char *known = NULL;
    const char *etag;

    call_as(api, "/apis", aggregated);
    assert_int_equal(api->status, 200);
    assert_non_null(
        strstr(api->head, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
    api_expect(api, "/kind", "\"APIGroupDiscoveryList\"");
    etag = strcasestr(api->head, "etag: \"");
    assert_non_null(etag);
    known = mem_printf("Accept: %s\r\nIf-None-Match: %.*s\r\n", aggregated,
                       (int)strcspn(etag + 6, "\r"), etag + 6);
    api_call_on(api, api->admin, "GET", "/apis", known, NULL, 0);
    assert_int_equal(api->status, 304);
    assert_string_equal(api->body, "");
    api_call_on(api, api->admin, "GET", "/api", known, NULL, 0); /* another document */
    assert_int_equal(api->status, 200);
    call_as(api, "/api", aggregated);
    api_expect(api, "/items/0/versions/0/version", "\"v1\"");
    api_expect(api, "/items/0/versions/0/freshness", "\"Current\"");
    call_as(api, "/apis", "application/json");
    api_expect(api, "/kind", "\"APIGroupList\"");
    call_as(api, "/apis/apps", "application/json");
    api_expect(api, "/preferredVersion", "{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}");
}

static void protobuf_bodies_are_read(void **state)
{
    Api *api = *state;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf raw = STRBUF_INIT, body = STRBUF_INIT;
    ConfigMap value = {.metadata.name = "pb"};

    string_map_put(&arena, &value.data, "k", "v");
    protobuf_encode(&type_ConfigMap, &value, &raw);
    protobuf_encode_envelope("v1", "ConfigMap", strbuf_bytes(&raw), &body);
    api_call_on(api, api->admin, "POST", CM,
                "Content-Type: application/vnd.kubernetes.protobuf\r\n", body.p, body.n);
    assert_int_equal(api->status, 201);
    api_expect(api, "/data", "{\"k\":\"v\"}");
    api_call_on(api, api->admin, "POST", CM,
                "Content-Type: application/vnd.kubernetes.protobuf\r\n", body.p, body.n / 2);
    assert_int_equal(api->status, 400);
}

/* Kubernetes' limits: 3 MiB of a body, and what etcd takes of an object. */
static void what_is_too_large_is_refused(void **state)
{
    static const char pods[] = "/api/v1/namespaces/t/pods";
    Api *api = *state;
    _strbuf_ StrBuf body = STRBUF_INIT;

    for (size_t size = 1400 * 1024; size <= 3100 * 1024; size += 200 * 1024) {
        strbuf_truncate(&body, 0);
        strbuf_add_string(&body, "{\"metadata\":{\"name\":\"large\"},\"spec\":{\"containers\":[{"
                                 "\"name\":\"c\",\"image\":\"i\",\"args\":[\"");
        for (size_t i = 0; i < size; i++)
            strbuf_add_char(&body, 'a');
        strbuf_add_string(&body, "\"]}]}}");
        api_call(api, "POST", pods, NULL, body.p);
        if (size < 1500 * 1024) {
            assert_int_equal(api->status, 201);
            api_call(api, "DELETE", "/api/v1/namespaces/t/pods/large?gracePeriodSeconds=0", NULL,
                     NULL);
        } else if (size < 3000 * 1024) {
            assert_int_equal(api->status, 500);
            api_expect(api, "/message", "\"etcdserver: request is too large\"");
            api_expect(api, "/reason", "(absent)");
        } else if (body.n > 3 * 1024 * 1024) {
            assert_int_equal(api->status, 413);
            api_expect(api, "/message", "\"Request entity too large: limit is 3145728\"");
        }
    }
}

/* A body that is nothing but mistakes is answered with a list of bounded length. */
static void mistakes_without_end_are_answered_briefly(void **state)
{
    enum { ELEMENTS = 20000 };
    Api *api = *state;
    _strbuf_ StrBuf body = STRBUF_INIT;
    yyjson_val *causes;

    strbuf_add_string(&body, "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"=\"");
    for (int i = 1; i < ELEMENTS; i++)
        strbuf_add_string(&body, ",\"=\"");
    strbuf_add_string(&body, "]}}");
    api_call(api, "POST", CM, NULL, strbuf_string(&body));
    assert_int_equal(api->status, 422);
    causes = yyjson_doc_ptr_get(api->json, "/details/causes");
    assert_int_equal(yyjson_arr_size(causes), CAUSES_MAX);
    assert_in_range(strlen(api->body), 1, 4 * CAUSES_TEXT_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(apply_keeps_count_of_who_set_what),
        TEST(kubectl_goes_over_to_the_servers_apply),
        TEST(answers_take_the_form_that_is_asked_for),
        TEST(forms_that_there_are_not_are_refused),
        TEST(json_ends_in_a_newline),
        TEST(what_may_be_a_mistake_is_told),
        TEST(people_get_lines),
        TEST(discovery_comes_in_both_forms),
        TEST(protobuf_bodies_are_read),
        TEST(what_is_too_large_is_refused),
        TEST(mistakes_without_end_are_answered_briefly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
