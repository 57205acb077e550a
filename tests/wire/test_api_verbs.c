/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one after the other, as a client sees them: statuses, bodies and the texts of
 * refusals. */
#include "testing.h"

#include "api_harness.h"

#define CM "/api/v1/namespaces/t/configmaps"
#define POD "/api/v1/namespaces/t/pods"
#define MERGE "application/merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define APPLY "application/apply-patch+yaml"

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
static const ApiCase create_cases[] = {
    {"an object is created", "POST", CM, NULL, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"data\":{\"a\":\"1\"}}", 201,
     {{"/metadata/name", "\"a\""}, {"/metadata/namespace", "\"t\""}, {"/metadata/creationTimestamp", "\"2026-11-21T08:00:00Z\""},
      {"/data", "{\"a\":\"1\"}"}, {"/kind", "\"ConfigMap\""},
      {"/metadata/managedFields", "[{\"manager\":\"test\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"time\":\"2026-11-21T08:00:00Z\","
       "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:data\":{\".\":{},\"f:a\":{}}}}]"}}},
    {"it is there", "GET", CM "/a", NULL, NULL, 200, {{"/data/a", "\"1\""}}},
    {"a second one of the name is refused", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"}}", 409,
     {{"/message", "\"configmaps \\\"a\\\" already exists\""}, {"/reason", "\"AlreadyExists\""}, {"/details", "{\"name\":\"a\",\"kind\":\"configmaps\"}"}}},
    {"a missing one is not found", "GET", CM "/b", NULL, NULL, 404,
     {{"/message", "\"configmaps \\\"b\\\" not found\""}, {"/details", "{\"name\":\"b\",\"kind\":\"configmaps\"}"}}},
    {"a name is required", "POST", CM, NULL, "{\"metadata\":{}}", 422,
     {{"/message", "\"ConfigMap \\\"\\\" is invalid: metadata.name: Required value: name or generateName is required\""}}},
    {"another namespace than the path's is refused", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"other\"}}", 400,
     {{"/message", "\"the namespace of the provided object does not match the namespace sent on the request\""}}},
    {"the namespace has to exist", "POST", "/api/v1/namespaces/nope/configmaps", NULL, "{\"metadata\":{\"name\":\"a\"}}", 404,
     {{"/message", "\"namespaces \\\"nope\\\" not found\""}, {"/details", "{\"name\":\"nope\",\"kind\":\"namespaces\"}"}}},
    {"another kind is refused", "POST", POD, NULL, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}", 400,
     {{"/message", "\"ConfigMap in version \\\"v1\\\" cannot be handled as a Pod: converting (v1.ConfigMap) to (core.Pod): unknown conversion\""}}},
    {"a wrong type is refused", "POST", CM, NULL, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":1}}", 400,
     {{"/message", "\"ConfigMap in version \\\"v1\\\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string\""}}},
    {"an unknown field is passed over when they are to be ignored", "POST", CM "?dryRun=All&fieldValidation=Ignore", NULL, "{\"metadata\":{\"name\":\"lax\"},\"x\":1}", 201, {{0}}},
    {"or warned of", "POST", CM "?dryRun=All&fieldValidation=Warn", NULL, "{\"metadata\":{\"name\":\"lax\"},\"x\":1}", 201, {{0}}},
    {"there is no other way", "POST", CM "?dryRun=All&fieldValidation=warn", NULL, "{\"metadata\":{\"name\":\"lax\"}}", 422, {{0}}},
    {"an unknown field is refused when strict", "POST", CM "?fieldValidation=Strict", NULL,
     "{\"metadata\":{\"name\":\"x\"},\"foo\":{\"a\":\"1\"},\"data\":{\"a\":\"b\",\"a\":\"c\"}}", 400,
     {{"/message", "\"ConfigMap in version \\\"v1\\\" cannot be handled as a ConfigMap: strict decoding error: unknown field \\\"foo\\\", duplicate field \\\"data.a\\\"\""}}},
    {"nothing at all is no object", "POST", CM, NULL, "{bad", 400, {{"/reason", "\"BadRequest\""}}},
    {"a text is no body", "POST", CM, "text/plain", "x", 415,
     {{"/message", "\"the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf\""}}},
    {"YAML is one", "POST", CM, "application/yaml", "metadata:\n  name: yam\ndata:\n  k: v\n", 201, {{"/data/k", "\"v\""}}},
    {"what was never made has no name", "POST", POD, NULL,
     "{\"metadata\":{\"generateName\":\"x-\"},\"spec\":{\"serviceAccountName\":\"nope\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", 403,
     {{"/message", "\"pods \\\"x-\\\" is forbidden: error looking up service account t/nope: serviceaccount \\\"nope\\\" not found\""}, {"/details/name", "\"x-\""}}},
    {"a dry run changes nothing", "POST", CM "?dryRun=All", NULL, "{\"metadata\":{\"name\":\"dry\"}}", 201, {{"/metadata/name", "\"dry\""}}},
    {"so it is not there", "GET", CM "/dry", NULL, NULL, 404, {{0}}},
    {"dryRun knows one word", "POST", CM "?dryRun=Some", NULL, "{\"metadata\":{\"name\":\"dry\"}}", 422, {{0}}},
};

static const ApiCase update_cases[] = {
    {"an object", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a\":\"1\"}}", 201, {{0}}},
    {"is replaced without a version", "PUT", CM "/a", NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a\":\"2\"}}", 200, {{"/data/a", "\"2\""}}},
    {"an old version is a conflict", "PUT", CM "/a", NULL, "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}", 409,
     {{"/message", "\"Operation cannot be fulfilled on configmaps \\\"a\\\": the object has been modified; please apply your changes to the latest version and try again\""}}},
    {"the name has to be the path's", "PUT", CM "/a", NULL, "{\"metadata\":{\"name\":\"b\"}}", 400,
     {{"/message", "\"the name of the object (b) does not match the name on the URL (a)\""}}},
    {"also where there is none", "PUT", CM "/zz", NULL, "{\"metadata\":{\"name\":\"b\"}}", 400,
     {{"/message", "\"the name of the object (b) does not match the name on the URL (zz)\""}}},
    {"a missing one cannot be replaced", "PUT", CM "/zz", NULL, "{\"metadata\":{\"name\":\"zz\"}}", 404, {{"/message", "\"configmaps \\\"zz\\\" not found\""}}},
    {"a merge patch", "PATCH", CM "/a", MERGE, "{\"data\":{\"b\":\"3\"}}", 200, {{"/data", "{\"a\":\"2\",\"b\":\"3\"}"}}},
    {"null removes", "PATCH", CM "/a", MERGE, "{\"data\":{\"a\":null}}", 200, {{"/data", "{\"b\":\"3\"}"}}},
    {"a JSON patch", "PATCH", CM "/a", JSON_PATCH, "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"4\"}]", 200, {{"/data", "{\"b\":\"3\",\"c\":\"4\"}"}}},
    {"whose test fails", "PATCH", CM "/a", JSON_PATCH, "[{\"op\":\"test\",\"path\":\"/data/c\",\"value\":\"5\"}]", 422,
     {{"/message", "\"the server rejected our request due to an error in our request\""}, {"/details", "{}"}}},
    {"a strategic patch", "PATCH", CM "/a", "application/strategic-merge-patch+json", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", 200, {{"/metadata/labels", "{\"x\":\"y\"}"}}},
    {"a patch that is none", "PATCH", CM "/a", MERGE, "[]", 400,
     {{"/message", "\"error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}\""}}},
    {"a number is none either", "PATCH", CM "/a", MERGE, "5", 400,
     {{"/message", "\"error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}\""}}},
    {"a patch of an unknown kind", "PATCH", CM "/a", "application/json", "{}", 415, {{"/message", "\"415: Unsupported Media Type\""}, {"/details", "{}"}}},
    {"a patch with an old version", "PATCH", CM "/a", MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"q\":\"r\"}}", 409, {{0}}},
    {"deletion says what went", "DELETE", CM "/a", NULL, NULL, 200, {{"/status", "\"Success\""}, {"/details/name", "\"a\""}, {"/details/kind", "\"configmaps\""}}},
    {"and then it is gone", "DELETE", CM "/a", NULL, NULL, 404, {{0}}},
    {"one that is held", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"x.y/z\"]}}", 201, {{0}}},
    {"stays when it is deleted", "DELETE", CM "/a", NULL, NULL, 200, {{0}}},
    {"and so does its name", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\"}}", 409,
     {{"/message", "\"object is being deleted: configmaps \\\"a\\\" already exists\""}}},
};

static const ApiCase path_cases[] = {
    {"an unknown path is a text", "GET", "/foo", NULL, NULL, 404, {{0}}},
    {"an unknown group too", "GET", "/apis/foo/v1", NULL, NULL, 404, {{0}}},
    {"an unknown resource is a Status", "GET", "/apis/apps/v1/foos", NULL, NULL, 404, {{"/message", "\"the server could not find the requested resource\""}, {"/details", "{}"}}},
    {"no method for that", "PUT", "/api/v1/pods", NULL, "{}", 405, {{"/message", "\"the server does not allow this method on the requested resource\""}}},
    {"no creation across namespaces", "POST", "/api/v1/pods", NULL, "{}", 405, {{0}}},
    {"version", "GET", "/version", NULL, NULL, 200, {{"/minor", "\"36\""}}},
    {"health", "GET", "/healthz", NULL, NULL, 200, {{0}}},
    {"groups", "GET", "/apis", NULL, NULL, 200, {{"/kind", "\"APIGroupList\""}}},
    {"resources", "GET", "/api/v1", NULL, NULL, 200, {{"/kind", "\"APIResourceList\""}, {"/groupVersion", "\"v1\""}}},
    {"the service of the API itself", "GET", "/api/v1/namespaces/default/services/kubernetes", NULL, NULL, 200, {{"/spec/clusterIP", "\"10.96.0.1\""}, {"/spec/clusterIPs", "[\"10.96.0.1\"]"}}},
    {"the standard class", "GET", "/apis/storage.k8s.io/v1/storageclasses/standard", NULL, NULL, 200, {{"/provisioner", "\"stead.dev/volume\""}}},
    {"system namespaces", "GET", "/api/v1/namespaces/kube-system", NULL, NULL, 200, {{"/status/phase", "\"Active\""}, {"/spec/finalizers", "[\"kubernetes\"]"}, {"/metadata/labels", "{\"kubernetes.io/metadata.name\":\"kube-system\"}"}}},
    {"they stay", "DELETE", "/api/v1/namespaces/default", NULL, NULL, 403, {{"/message", "\"namespaces \\\"default\\\" is forbidden: this namespace may not be deleted\""}}},
};

static const ApiCase list_cases[] = {
    {"a", "POST", CM, NULL, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"k\":\"1\"}}}", 201, {{0}}},
    {"b", "POST", CM, NULL, "{\"metadata\":{\"name\":\"b\",\"labels\":{\"k\":\"2\"}}}", 201, {{0}}},
    {"c", "POST", CM, NULL, "{\"metadata\":{\"name\":\"c\"}}", 201, {{0}}},
    {"all of a namespace, in order", "GET", CM, NULL, NULL, 200,
     {{"/kind", "\"ConfigMapList\""}, {"/items/0/metadata/name", "\"a\""}, {"/items/2/metadata/name", "\"c\""}, {"/items/3", NULL}, {"/items/0/kind", NULL}}},
    {"by label", "GET", CM "?labelSelector=k%3D2", NULL, NULL, 200, {{"/items/0/metadata/name", "\"b\""}, {"/items/1", NULL}}},
    {"by field", "GET", CM "?fieldSelector=metadata.name%3Dc", NULL, NULL, 200, {{"/items/0/metadata/name", "\"c\""}, {"/items/1", NULL}}},
    {"in parts", "GET", CM "?limit=2", NULL, NULL, 200, {{"/items/1/metadata/name", "\"b\""}, {"/items/2", NULL}, {"/metadata/remainingItemCount", "1"}}},
    {"a bad label selector", "GET", CM "?labelSelector=a,,b", NULL, NULL, 400, {{"/message", "\"found ',', expected: identifier after ','\""}}},
    {"a bad field selector", "GET", CM "?fieldSelector=foo", NULL, NULL, 400, {{"/message", "\"invalid selector: 'foo'; can't understand 'foo'\""}}},
    {"an unknown field", "GET", CM "?fieldSelector=foo%3Db", NULL, NULL, 400, {{"/message", "\"\\\"foo\\\" is not a known field selector: only \\\"metadata.name\\\", \\\"metadata.namespace\\\"\""}}},
    {"a bad limit", "GET", CM "?limit=x", NULL, NULL, 400, {{"/message", "\"strconv.ParseInt: parsing \\\"x\\\": invalid syntax\""}}},
    {"a bad version", "GET", CM "?resourceVersion=x", NULL, NULL, 400,
     {{"/message", "\"invalid resource version: resourceVersion: Invalid value: \\\"x\\\": strconv.ParseUint: parsing \\\"x\\\": invalid syntax\""}}},
    {"a version of the future", "GET", CM "?resourceVersion=99999999", NULL, NULL, 504,
     {{"/reason", "\"Timeout\""}, {"/details", "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}],\"retryAfterSeconds\":1}"}}},
    {"a match without a version", "GET", CM "?resourceVersionMatch=Exact", NULL, NULL, 422,
     {{"/message", "\"ListOptions.meta.k8s.io \\\"\\\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided\""}}},
    {"a bad mark", "GET", CM "?continue=abc", NULL, NULL, 400, {{0}}},
    {"all go at once", "DELETE", CM, NULL, NULL, 200, {{"/kind", "\"ConfigMapList\""}, {"/items/2/metadata/name", "\"c\""}}},
    {"none is left", "GET", CM, NULL, NULL, 200, {{"/items", "[]"}}},
};
/* clang-format on */

#define RUN(test, cases)                          \
    static void test(void **state)                \
    {                                             \
        api_run(*state, cases, ARRAY_LEN(cases)); \
    }
RUN(objects_are_created_or_refused_in_kubernetes_words, create_cases)
RUN(objects_are_replaced_patched_and_deleted, update_cases)
RUN(paths_lead_where_they_should, path_cases)
RUN(lists_are_selected_and_cut, list_cases)

static void an_unchanged_object_keeps_its_version(void **state)
{
    Api *api = *state;
    _free_ char *first = NULL, *second = NULL;

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"n\"},\"data\":{\"a\":\"1\"}}");
    first = api_json(api, "/metadata/resourceVersion");
    clock_fake_advance(api->clock, 5 * NS_PER_SEC);
    assert_int_equal(api_call(api, "PATCH", CM "/n", MERGE, "{\"data\":{\"a\":\"1\"}}"), 200);
    second = api_json(api, "/metadata/resourceVersion");
    assert_string_equal(first, second);
}

static void a_name_is_generated(void **state)
{
    Api *api = *state;
    _free_ char *name = NULL;

    assert_int_equal(api_call(api, "POST", CM, NULL, "{\"metadata\":{\"generateName\":\"g-\"}}"),
                     201);
    name = api_json(api, "/metadata/name");
    assert_int_equal(strlen(name), strlen("\"g-xxxxx\""));
}

static void a_list_goes_on_where_it_was_cut(void **state)
{
    Api *api = *state;
    _free_ char *mark = NULL, *path = NULL, *name = NULL;

    for (char c = 'a'; c < 'f'; c++) {
        _free_ char *body = mem_printf("{\"metadata\":{\"name\":\"%c\"}}", c);

        assert_int_equal(api_call(api, "POST", CM, NULL, body), 201);
    }
    assert_int_equal(api_call(api, "GET", CM "?limit=3", NULL, NULL), 200);
    mark = api_json(api, "/metadata/continue");
    assert_non_null(mark);
    path = mem_printf(CM "?limit=3&continue=%.*s", (int)strlen(mark) - 2, mark + 1);
    assert_int_equal(api_call(api, "GET", path, NULL, NULL), 200);
    name = api_json(api, "/items/0/metadata/name");
    assert_string_equal(name, "\"d\"");
}

static void unknown_fields_are_warned_of(void **state)
{
    Api *api = *state;

    assert_int_equal(
        api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"w\"},\"spec\":{\"foo\":1}}"),
        201);
    assert_non_null(strcasestr(api->head, "warning: 299 - \"unknown field \\\"spec\\\"\"\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_are_created_or_refused_in_kubernetes_words, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(objects_are_replaced_patched_and_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_lead_where_they_should, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_selected_and_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unchanged_object_keeps_its_version, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_generated, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_goes_on_where_it_was_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_fields_are_warned_of, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
