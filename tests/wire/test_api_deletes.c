/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion: what it answers, what becomes of dependents, how long it takes, and pages of many; and
 * what admission gives a pod from its priority class. */
#include "testing.h"

#include "api_harness.h"
#include "base/strbuf.h"

#define NS "/api/v1/namespaces/t"
#define CM NS "/configmaps"
#define PODS NS "/pods"
#define JOBS "/apis/batch/v1/namespaces/t/jobs"
#define CLASSES "/apis/scheduling.k8s.io/v1/priorityclasses"
#define MERGE "application/merge-patch+json"
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
#define HELD(name) "{\"metadata\":{\"name\":\"" name "\",\"finalizers\":[\"a.b/c\"]},\"data\":{\"k\":\"v\"}}"
static const ApiCase finalizer_cases[] = {
    {"an object that is held", "POST", CM, NULL, HELD("a"), 201, {{0}}},
    {"is only marked", "DELETE", CM "/a", NULL, NULL, 200, {{"/kind", "\"ConfigMap\""}, {"/metadata/finalizers", "[\"a.b/c\"]"}}},
    {"the last finalizer's removal answers the object", "PATCH", CM "/a", MERGE, "{\"metadata\":{\"finalizers\":null}}", 200,
     {{"/kind", "\"ConfigMap\""}, {"/data", "{\"k\":\"v\"}"}, {"/status", NULL}}},
    {"and it is gone", "GET", CM "/a", NULL, NULL, 404, {{0}}},
    {"another", "POST", CM, NULL, HELD("b"), 201, {{0}}},
    {"marked", "DELETE", CM "/b", NULL, NULL, 200, {{0}}},
    {"by an update too", "PUT", CM "/b", NULL, "{\"metadata\":{\"name\":\"b\"}}", 200, {{"/kind", "\"ConfigMap\""}, {"/metadata/name", "\"b\""}}},
    {"a third", "PATCH", CM "/c?fieldManager=f", APPLY, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\",\"finalizers\":[\"a.b/c\"]}}", 201, {{0}}},
    {"marked as well", "DELETE", CM "/c", NULL, NULL, 200, {{0}}},
    {"by apply too", "PATCH", CM "/c?fieldManager=f", APPLY, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}", 200, {{"/kind", "\"ConfigMap\""}}},
    {"a deletion at once answers what has gone", "POST", CM, NULL, "{\"metadata\":{\"name\":\"d\"}}", 201, {{0}}},
    {"in a Status", "DELETE", CM "/d", NULL, NULL, 200, {{"/kind", "\"Status\""}, {"/details/name", "\"d\""}}},
};

#define JOB(name, more) "{\"metadata\":{\"name\":\"" name "\"" more "},\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":\"Never\"," \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"
static const ApiCase orphan_cases[] = {
    {"a Job", "POST", JOBS, NULL, JOB("a", ""), 201, {{0}}},
    {"leaves its pods behind", "DELETE", JOBS "/a", NULL, NULL, 200, {{"/metadata/finalizers", "[\"orphan\"]"}}},
    {"a second", "POST", JOBS, NULL, JOB("b", ""), 201, {{0}}},
    {"unless it is told not to", "DELETE", JOBS "/b?propagationPolicy=Background", NULL, NULL, 200, {{"/kind", "\"Status\""}}},
    {"a third", "POST", JOBS, NULL, JOB("c", ""), 201, {{0}}},
    {"in the body", "DELETE", JOBS "/c", NULL, "{\"propagationPolicy\":\"Foreground\"}", 200, {{"/metadata/finalizers", "[\"foregroundDeletion\"]"}}},
    {"a fourth", "POST", JOBS, NULL, JOB("d", ""), 201, {{0}}},
    {"or in the old way", "DELETE", JOBS "/d", NULL, "{\"orphanDependents\":false}", 200, {{"/kind", "\"Status\""}}},
    {"a fifth", "POST", JOBS, NULL, JOB("e", ",\"finalizers\":[\"foregroundDeletion\"]"), 201, {{0}}},
    {"or says so itself", "DELETE", JOBS "/e", NULL, NULL, 200, {{"/metadata/finalizers", "[\"foregroundDeletion\"]"}}},
    {"all of them", "DELETE", JOBS, NULL, NULL, 200, {{0}}},
    {"an Event", "POST", NS "/events", NULL, "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"t\"}}", 201, {{0}}},
    {"has nothing to leave behind", "DELETE", NS "/events/e?propagationPolicy=Orphan", NULL, NULL, 200, {{"/kind", "\"Status\""}}},
    {"a Deployment", "POST", "/apis/apps/v1/namespaces/t/deployments", NULL,
     "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
     "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}", 201, {{0}}},
    {"takes its dependents with it", "DELETE", "/apis/apps/v1/namespaces/t/deployments/a", NULL, NULL, 200, {{"/kind", "\"Status\""}}},
};

#define POD(name, spec) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"nodeName\":\"node-1\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]" spec "}}"
static const ApiCase grace_cases[] = {
    {"a negative period is one second", "POST", PODS, NULL, POD("a", ",\"terminationGracePeriodSeconds\":-5"), 201, {{"/spec/terminationGracePeriodSeconds", "1"}}},
    {"also for a deletion", "DELETE", PODS "/a?gracePeriodSeconds=-7", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "1"}}},
    {"in its body too", "POST", PODS, NULL, POD("b", ""), 201, {{"/spec/terminationGracePeriodSeconds", "30"}}},
    {"as well", "DELETE", PODS "/b", NULL, "{\"gracePeriodSeconds\":-1}", 200, {{"/metadata/deletionGracePeriodSeconds", "1"}}},
    {"a template keeps what it says", "POST", "/apis/apps/v1/namespaces/t/deployments", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
     "\"spec\":{\"terminationGracePeriodSeconds\":-5,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}", 201,
     {{"/spec/template/spec/terminationGracePeriodSeconds", "-5"}}},
    {"a pod that takes its time", "POST", PODS, NULL, POD("c", ",\"terminationGracePeriodSeconds\":5"), 201, {{0}}},
    {"is given more", "DELETE", PODS "/c?gracePeriodSeconds=60", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "60"}, {"/metadata/deletionTimestamp", "\"2026-11-21T08:01:00Z\""}}},
    {"a second deletion leaves that alone", "DELETE", PODS "/c", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "60"}}},
    {"or asks for less", "DELETE", PODS "/c?gracePeriodSeconds=10", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "10"}, {"/metadata/deletionTimestamp", "\"2026-11-21T08:00:10Z\""}}},
    {"but not for more", "DELETE", PODS "/c?gracePeriodSeconds=20", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "10"}}},
};

#define CLASS(name, value, more) "{\"metadata\":{\"name\":\"" name "\"},\"value\":" value more "}"
#define FREE(name, spec) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]" spec "}}"
static const ApiCase priority_cases[] = {
    {"every cluster has two classes", "GET", CLASSES, NULL, NULL, 200,
     {{"/items/0/metadata/name", "\"system-cluster-critical\""}, {"/items/0/value", "2000000000"}, {"/items/1/metadata/name", "\"system-node-critical\""},
      {"/items/1/value", "2000001000"}, {"/items/2", NULL}}},
    {"which stay", "DELETE", CLASSES "/system-node-critical", NULL, NULL, 403,
     {{"/message", "\"priorityclasses.scheduling.k8s.io \\\"system-node-critical\\\" is forbidden: this is a system priority class and cannot be deleted\""}}},
    {"a pod without a class", "POST", PODS, NULL, FREE("a", ""), 201, {{"/spec/priority", "0"}, {"/spec/preemptionPolicy", "\"PreemptLowerPriority\""}, {"/spec/priorityClassName", NULL}}},
    {"a pod of the system", "POST", PODS, NULL, FREE("b", ",\"priorityClassName\":\"system-cluster-critical\""), 201, {{"/spec/priority", "2000000000"}}},
    {"a class of one's own", "POST", CLASSES, NULL, CLASS("mine", "1234", ",\"preemptionPolicy\":\"Never\""), 201, {{0}}},
    {"is found", "POST", PODS, NULL, FREE("c", ",\"priorityClassName\":\"mine\""), 201, {{"/spec/priority", "1234"}, {"/spec/preemptionPolicy", "\"Never\""}}},
    {"must be the pod's own number", "POST", PODS, NULL, FREE("d", ",\"priorityClassName\":\"mine\",\"priority\":5"), 403,
     {{"/message", "\"pods \\\"d\\\" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1234 from the given PriorityClass name\""}}},
    {"and policy", "POST", PODS, NULL, FREE("d", ",\"priorityClassName\":\"mine\",\"preemptionPolicy\":\"PreemptLowerPriority\""), 403,
     {{"/message", "\"pods \\\"d\\\" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name\""}}},
    {"a class that is not there", "POST", PODS, NULL, FREE("d", ",\"priorityClassName\":\"nope\""), 403, {{"/message", "\"pods \\\"d\\\" is forbidden: no PriorityClass with name nope was found\""}}},
    {"an update may leave them out", "PATCH", PODS "/c", "application/json-patch+json",
     "[{\"op\":\"remove\",\"path\":\"/spec/priority\"},{\"op\":\"remove\",\"path\":\"/spec/preemptionPolicy\"},{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"x\":\"y\"}}]", 200,
     {{"/spec/priority", "1234"}, {"/spec/preemptionPolicy", "\"Never\""}, {"/metadata/labels", "{\"x\":\"y\"}"}}},
    {"a default", "POST", CLASSES, NULL, CLASS("usual", "7", ",\"globalDefault\":true"), 201, {{0}}},
    {"is for pods without a class", "POST", PODS, NULL, FREE("e", ""), 201, {{"/spec/priority", "7"}, {"/spec/priorityClassName", "\"usual\""}}},
    {"there can be but one", "POST", CLASSES, NULL, CLASS("other", "8", ",\"globalDefault\":true"), 403,
     {{"/message", "\"priorityclasses.scheduling.k8s.io \\\"other\\\" is forbidden: PriorityClass usual is already marked as default. Only one default can exist\""}}},
    {"by an update neither", "PATCH", CLASSES "/mine", MERGE, "{\"globalDefault\":true}", 403, {{0}}},
    {"which may repeat itself", "PATCH", CLASSES "/usual", MERGE, "{\"description\":\"d\"}", 200, {{0}}},
    {"a value stays", "PATCH", CLASSES "/mine", MERGE, "{\"value\":5}", 422,
     {{"/message", "\"PriorityClass.scheduling.k8s.io \\\"mine\\\" is invalid: value: Forbidden: may not be changed in an update.\""}}},
    {"values have an end", "POST", CLASSES, NULL, CLASS("big", "1000000001", ""), 422,
     {{"/message", "\"PriorityClass.scheduling.k8s.io \\\"big\\\" is invalid: value: Forbidden: maximum allowed value of a user defined priority is 1000000000\""}}},
    {"names of the system are taken", "POST", CLASSES, NULL, CLASS("system-mine", "5", ""), 422,
     {{"/message", "\"PriorityClass.scheduling.k8s.io \\\"system-mine\\\" is invalid: metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
       "error: system-mine is not a known system priority class\""}}},
};
/* clang-format on */

static void the_last_finalizers_removal_answers_the_object(void **state)
{
    api_run(*state, finalizer_cases, ARRAY_LEN(finalizer_cases));
}

static void jobs_leave_their_pods_behind(void **state)
{
    static const char warning[] =
        "warning: 299 - \"child pods are preserved by default when jobs are deleted;";
    Api *api = *state;

    api_run(api, orphan_cases, ARRAY_LEN(orphan_cases));
    api_call(api, "POST", JOBS, NULL, JOB("x", ""));
    api_call(api, "DELETE", JOBS "/x", NULL, NULL);
    assert_non_null(strcasestr(api->head, warning));
    api_call(api, "DELETE", JOBS, NULL, NULL);
    assert_non_null(strcasestr(api->head, warning));
    api_call(api, "DELETE", JOBS "?propagationPolicy=Background", NULL, NULL);
    assert_null(strcasestr(api->head, warning));
}

static void deletions_take_the_time_that_is_asked_for(void **state)
{
    api_run(*state, grace_cases, ARRAY_LEN(grace_cases));
}

static void time_that_has_passed_leaves_the_node_one_second(void **state)
{
    Api *api = *state;
    _free_ char *grace = NULL, *end = NULL;

    api_call(api, "POST", PODS, NULL, POD("a", ""));
    api_call(api, "DELETE", PODS "/a?gracePeriodSeconds=60", NULL, NULL);
    clock_fake_advance(api->clock, 30 * NS_PER_SEC);
    api_call(api, "DELETE", PODS "/a?gracePeriodSeconds=20", NULL, NULL);
    grace = api_json(api, "/metadata/deletionGracePeriodSeconds");
    end = api_json(api, "/metadata/deletionTimestamp");
    assert_string_equal(grace, "1");
    assert_string_equal(end, "\"2026-11-21T08:00:30Z\"");
}

static void pods_get_the_numbers_of_their_class(void **state)
{
    api_run(*state, priority_cases, ARRAY_LEN(priority_cases));
}

static void make_maps(Api *api, int n)
{
    for (int i = 0; i < n; i++) {
        _free_ char *body =
            mem_printf("{\"metadata\":{\"name\":\"m%d\",\"labels\":{\"a\":\"b\"}}}", i);

        api_call(api, "POST", CM, NULL, body);
        assert_int_equal(api->status, 201);
    }
}

static void a_collection_goes_page_by_page(void **state)
{
    Api *api = *state;
    _free_ char *token = NULL, *path = NULL;

    make_maps(api, 5);
    api_call(api, "DELETE", CM "?limit=2", NULL, NULL);
    assert_int_equal(api->status, 200);
    api_expect(api, "/kind", "\"ConfigMapList\"");
    api_expect(api, "/items/1/metadata/name", "\"m1\"");
    api_expect(api, "/items/2", "(absent)");
    api_expect(api, "/metadata/remainingItemCount", "3");
    token = api_json(api, "/metadata/continue");
    assert_non_null(token);
    api_call(api, "GET", CM, NULL, NULL);
    api_expect(api, "/items/0/metadata/name", "\"m2\"");
    api_expect(api, "/items/2/metadata/name", "\"m4\"");
    path = mem_printf(CM "?limit=2&continue=%.*s", (int)strlen(token) - 2, token + 1);
    api_call(api, "DELETE", path, NULL, NULL);
    api_expect(api, "/items/0/metadata/name", "\"m2\"");
    api_expect(api, "/metadata/remainingItemCount", "1");
    api_call(api, "DELETE", CM "?limit=2&labelSelector=a%3Db", NULL, NULL);
    api_expect(api, "/items/0/metadata/name", "\"m4\"");
    api_expect(api, "/metadata/continue", "(absent)");
    api_call(api, "DELETE", CM "?limit=x", NULL, NULL);
    assert_int_equal(api->status, 400);
    make_maps(api, 3);
    api_call(api, "DELETE", CM "?limit=1&labelSelector=a%3Db", NULL, NULL);
    api_expect(api, "/metadata/remainingItemCount", "(absent)");
    token = (free(token), api_json(api, "/metadata/continue"));
    assert_non_null(token);
    api_call(api, "DELETE", CM, NULL, NULL);
    api_expect(api, "/items/1/metadata/name", "\"m2\"");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_last_finalizers_removal_answers_the_object),
        TEST(jobs_leave_their_pods_behind),
        TEST(deletions_take_the_time_that_is_asked_for),
        TEST(time_that_has_passed_leaves_the_node_one_second),
        TEST(pods_get_the_numbers_of_their_class),
        TEST(a_collection_goes_page_by_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
