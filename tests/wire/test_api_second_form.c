/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds that are a second form of another one: an object is written and read in either form. */
#include "testing.h"

#include "api_harness.h"

#define CORE "/api/v1/namespaces/t/events"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/t/events"
#define MERGE "application/merge-patch+json"
#define APPLY "application/apply-patch+yaml"
#define REGARDING "\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"t\",\"name\":\"p\"}"
#define NEW                                                                                    \
    "\"eventTime\":\"2026-01-02T03:04:05.678901Z\",\"reportingController\":\"example.com/c\"," \
    "\"reportingInstance\":\"c-1\",\"action\":\"Doing\",\"reason\":\"Because\",\"type\":"      \
    "\"Normal\","                                                                              \
    "\"note\":\"n\"," REGARDING

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
static const ApiCase event_cases[] = {
    {"an event of the newer API", "POST", EVENTS, NULL, "{\"metadata\":{\"name\":\"e\"}," NEW "}", 201,
     {{"/apiVersion", "\"events.k8s.io/v1\""}, {"/note", "\"n\""}, {"/regarding/name", "\"p\""}, {"/metadata/managedFields/0/apiVersion", "\"events.k8s.io/v1\""}}},
    {"is one of the core group", "GET", CORE "/e", NULL, NULL, 200,
     {{"/apiVersion", "\"v1\""}, {"/message", "\"n\""}, {"/involvedObject/name", "\"p\""}, {"/reportingComponent", "\"example.com/c\""}, {"/note", NULL}}},
    {"and exists already for both", "POST", CORE, NULL, "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"t\"}}", 409, {{0}}},
    {"each form has the checks of its API", "POST", EVENTS, NULL, "{\"metadata\":{\"name\":\"x\"}," REGARDING "}", 422, {{0}}},
    {"which the other one does without", "POST", CORE, NULL, "{\"metadata\":{\"name\":\"old\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"t\",\"name\":\"q\"},\"message\":\"m\",\"count\":3}", 201,
     {{"/message", "\"m\""}}},
    {"the newer API shows the old fields as deprecated", "GET", EVENTS "/old", NULL, NULL, 200,
     {{"/note", "\"m\""}, {"/deprecatedCount", "3"}, {"/regarding/name", "\"q\""}, {"/deprecatedFirstTimestamp", "null"}, {"/eventTime", "null"}}},
    {"a list has the form of its path", "GET", EVENTS, NULL, NULL, 200,
     {{"/kind", "\"EventList\""}, {"/apiVersion", "\"events.k8s.io/v1\""}, {"/items/0/note", "\"n\""}, {"/items/1/note", "\"m\""}, {"/items/2", NULL}}},
    {"fields are selected by the names of the form", "GET", EVENTS "?fieldSelector=regarding.name=q,type!=Warning", NULL, NULL, 200, {{"/items/0/metadata/name", "\"old\""}, {"/items/1", NULL}}},
    {"not by those of the other one", "GET", EVENTS "?fieldSelector=involvedObject.name=q", NULL, NULL, 400, {{"/message", "\"field label not supported: involvedObject.name\""}}},
    {"in the core group as well", "GET", CORE "?fieldSelector=involvedObject.name=p,source=example.com/c", NULL, NULL, 200, {{"/items/0/metadata/name", "\"e\""}, {"/items/1", NULL}}},
    {"a patch is one of its form", "PATCH", EVENTS "/e", MERGE, "{\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:04:06.000000Z\"}}", 200, {{"/series/count", "2"}}},
    {"what may not change there may change here", "PATCH", EVENTS "/e", MERGE, "{\"note\":\"other\"}", 422, {{0}}},
    {"the core group does not mind", "PATCH", CORE "/e", MERGE, "{\"message\":\"other\"}", 200, {{"/message", "\"other\""}, {"/series/count", "2"}}},
    {"who owned the field by its other name owns it no more", "GET", CORE "/e", NULL, NULL, 200,
     {{"/metadata/managedFields/1/apiVersion", "\"v1\""}, {"/metadata/managedFields/1/fieldsV1", "{\"f:message\":{}}"}, {"/metadata/managedFields/0/fieldsV1/f:note", NULL},
      {"/metadata/managedFields/0/fieldsV1/f:reason", "{}"}}},
    {"an apply in one form", "PATCH", EVENTS "/a?fieldManager=one", APPLY, "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"}," NEW "}", 201, {{"/note", "\"n\""}}},
    {"conflicts with one in the other", "PATCH", CORE "/a?fieldManager=two", APPLY, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"},\"message\":\"y\"}", 409,
     {{"/message", "\"Apply failed with 1 conflict: conflict with \\\"one\\\": .note\""}}},
    {"which may be forced", "PATCH", CORE "/a?fieldManager=two&force=true", APPLY, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"},\"message\":\"y\"}", 200,
     {{"/message", "\"y\""}, {"/metadata/managedFields/0/fieldsV1/f:note", NULL}}},
    {"a deletion goes by either name", "DELETE", EVENTS "/e", NULL, NULL, 200, {{"/kind", "\"Status\""}, {"/details/group", "\"events.k8s.io\""}}},
    {"for both", "GET", CORE "/e", NULL, NULL, 404, {{0}}},
    {"as that of a collection", "DELETE", EVENTS, NULL, NULL, 200, {{"/items/0/regarding/name", "\"p\""}}},
    {"for all", "GET", CORE, NULL, NULL, 200, {{"/items/0", NULL}}},
};
/* clang-format on */

static void an_event_has_two_forms(void **state)
{
    api_run(*state, event_cases, ARRAY_LEN(event_cases));
}

static void a_watch_has_the_form_of_its_path(void **state)
{
    Api *api = *state;
    HttpLoopback *events = api_stream(api, EVENTS "?watch=1&fieldSelector=regarding.name=p", NULL);
    HttpLoopback *core = api_stream(api, CORE "?watch=1", NULL);
    static const ApiCase make[] = {
        {"one", "POST", EVENTS, NULL, "{\"metadata\":{\"name\":\"e\"}," NEW "}", 201, {{0}}},
        {"two",
         "POST",
         CORE,
         NULL,
         "{\"metadata\":{\"name\":\"f\"},\"involvedObject\":{\"namespace\":\"t\",\"name\":\"q\"},"
         "\"message\":\"m\"}",
         201,
         {{0}}},
        {"three", "DELETE", CORE "/e", NULL, NULL, 200, {{0}}},
    };
    char *lines;

    api_run(api, make, ARRAY_LEN(make));
    lines = api_lines(api, events);
    assert_non_null(strstr(
        lines, "\"ADDED\",\"object\":{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\""));
    assert_non_null(strstr(
        lines, "\"DELETED\",\"object\":{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\""));
    assert_non_null(strstr(lines, "\"note\":\"n\""));
    assert_null(strstr(lines, "\"note\":\"m\""));
    free(lines);
    lines = api_lines(api, core);
    assert_non_null(strstr(lines, "\"message\":\"n\""));
    assert_non_null(strstr(lines, "\"message\":\"m\""));
    assert_null(strstr(lines, "events.k8s.io/v1\",\"metadata"));
    free(lines);
    http_loopback_free(events);
    http_loopback_free(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_has_two_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_has_the_form_of_its_path, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
