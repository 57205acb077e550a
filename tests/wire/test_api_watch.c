/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: what comes first, what comes later, what a selection hides, and how a stream ends. */
#include "testing.h"

#include "api/schema/core_config_v1.h"
#include "api_harness.h"
#include "base/strbuf.h"
#include "server/request/call.h"

#define CM "/api/v1/namespaces/t/configmaps"
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

static void create(Api *api, const char *name, const char *label)
{
    _free_ char *body =
        mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"k\":\"%s\"}}}", name, label);

    assert_int_equal(api_call(api, "POST", CM, NULL, body), 201);
}

static void label(Api *api, const char *name, const char *value)
{
    _free_ char *body = mem_printf("{\"metadata\":{\"labels\":{\"k\":\"%s\"}}}", value);
    _free_ char *path = mem_printf(CM "/%s", name);

    assert_int_equal(api_call(api, "PATCH", path, MERGE, body), 200);
}

static void delete (Api *api, const char *name)
{
    _free_ char *path = mem_printf(CM "/%s", name);

    assert_int_equal(api_call(api, "DELETE", path, NULL, NULL), 200);
}

/* "ADDED a, MODIFIED b, BOOKMARK" */
static char *summary(Api *api, HttpLoopback *stream)
{
    _free_ char *lines = api_lines(api, stream);
    _strbuf_ StrBuf text = STRBUF_INIT;
    char *at = lines, *line;

    while ((line = strsep(&at, "\n"))) {
        yyjson_doc *doc = *line ? yyjson_read(line, strlen(line), 0) : NULL;
        yyjson_val *root = yyjson_doc_get_root(doc);
        const char *name = yyjson_get_str(yyjson_ptr_get(root, "/object/metadata/name"));
        const char *mark = yyjson_get_str(
            yyjson_ptr_get(root, "/object/metadata/annotations/k8s.io~1initial-events-end"));
        const char *reason = yyjson_get_str(yyjson_ptr_get(root, "/object/reason"));

        if (*line && !doc)
            fail_msg("no JSON: %s", line);
        if (doc)
            strbuf_printf(&text, "%s%s%s%s%s%s", text.n ? ", " : "",
                          yyjson_get_str(yyjson_obj_get(root, "type")), name ? " " : "",
                          name ? name : "", mark ? " end" : "", reason ? reason : "");
        yyjson_doc_free(doc);
    }
    return strbuf_take(&text);
}

static void expect(Api *api, HttpLoopback *stream, const char *what)
{
    _free_ char *is = summary(api, stream);

    assert_string_equal(is, what);
}

static char *revision(Api *api)
{
    char *text, *end;

    api_call(api, "GET", CM, NULL, NULL);
    text = api_json(api, "/metadata/resourceVersion");
    memmove(text, text + 1, strlen(text));
    end = strchr(text, '"');
    *end = 0;
    return text;
}

static void without_a_version_the_state_comes_first(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "a", "1");
    create(api, "b", "1");
    stream = api_stream(api, CM "?watch=1", NULL);
    expect(api, stream, "ADDED a, ADDED b");
    label(api, "a", "2");
    delete (api, "b");
    create(api, "c", "1");
    expect(api, stream, "MODIFIED a, DELETED b, ADDED c");
    http_loopback_free(stream);
}

static void from_a_version_only_what_came_after(void **state)
{
    Api *api = *state;
    _free_ char *from = NULL, *path = NULL;
    HttpLoopback *stream;

    create(api, "a", "1");
    from = revision(api);
    create(api, "b", "1");
    label(api, "a", "2");
    path = mem_printf(CM "?watch=true&resourceVersion=%s", from);
    stream = api_stream(api, path, NULL);
    expect(api, stream, "ADDED b, MODIFIED a");
    http_loopback_free(stream);
}

static void objects_enter_and_leave_a_selection(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "a", "1");
    create(api, "b", "2");
    stream = api_stream(api, CM "?watch=1&labelSelector=k%3D1", NULL);
    expect(api, stream, "ADDED a");
    label(api, "b", "1");
    label(api, "a", "2");
    label(api, "a", "3");
    delete (api, "a");
    delete (api, "b");
    expect(api, stream, "ADDED b, DELETED a, DELETED b");
    http_loopback_free(stream);
}

static void initial_events_end_with_a_bookmark(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "a", "1");
    stream = api_stream(api,
                        CM "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&"
                           "resourceVersionMatch=NotOlderThan",
                        NULL);
    expect(api, stream, "ADDED a, BOOKMARK end");
    label(api, "a", "2");
    expect(api, stream, "MODIFIED a");
    http_loopback_free(stream);
    assert_int_equal(api_call(api, "GET", CM "?watch=1&sendInitialEvents=true", NULL, NULL), 422);
    assert_non_null(strstr(
        api->body, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
}

static void a_minute_after_a_write_there_is_a_bookmark(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, CM "?watch=1&allowWatchBookmarks=true", NULL);

    expect(api, stream, "");
    assert_int_equal(
        api_call(api, "POST", "/api/v1/namespaces", NULL, "{\"metadata\":{\"name\":\"x\"}}"), 201);
    clock_fake_advance(api->clock, 61 * NS_PER_SEC);
    expect(api, stream, "BOOKMARK");
    clock_fake_advance(api->clock, 600 * NS_PER_SEC);
    expect(api, stream, "");
    http_loopback_free(stream);
}

static void a_watch_ends_when_its_time_is_up(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        api_stream(api, CM "?watch=1&timeoutSeconds=5&allowWatchBookmarks=1", NULL);
    _free_ char *raw = NULL;
    Bytes bytes;

    expect(api, stream, "");
    clock_fake_advance(api->clock, 4 * NS_PER_SEC);
    expect(api, stream, "");
    clock_fake_advance(api->clock, 2 * NS_PER_SEC);
    api_settle(api);
    bytes = http_loopback_take(stream);
    raw = mem_strndup((const char *)bytes.p, bytes.n);
    assert_non_null(strstr(raw, "BOOKMARK"));
    assert_non_null(strstr(raw, "0\r\n\r\n"));
    http_loopback_free(stream);
}

static void a_version_that_is_too_old_is_expired(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "a", "x");
    for (int i = 0; i < 1100; i++) {
        char value[16];

        snprintf(value, sizeof(value), "v%d", i);
        label(api, "a", value);
    }
    stream = api_stream(api, CM "?watch=1&resourceVersion=2", NULL);
    expect(api, stream, "ERRORExpired");
    http_loopback_free(stream);
}

static void a_watch_of_tables_names_the_columns_once(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;
    _free_ char *first = NULL, *second = NULL;

    create(api, "a", "1");
    stream =
        api_stream(api, CM "?watch=1", "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n");
    first = api_lines(api, stream);
    label(api, "a", "2");
    second = api_lines(api, stream);
    assert_non_null(strstr(first, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\","));
    assert_non_null(strstr(first, "\"columnDefinitions\":[{"));
    assert_non_null(strstr(first, "{\"cells\":[\"a\",0,\"0s\"],\"object\":{\"kind\":"
                                  "\"PartialObjectMetadata\""));
    assert_non_null(strstr(second, "\"columnDefinitions\":null"));
    http_loopback_free(stream);
}

static void many_objects_reach_a_slow_reader_in_order(void **state)
{
    Api *api = *state;
    _strbuf_ StrBuf big = STRBUF_INIT, body = STRBUF_INIT;
    HttpLoopback *stream;
    _free_ char *is = NULL;

    for (int i = 0; i < 100000; i++)
        strbuf_add_char(&big, 'x');
    for (int i = 0; i < 30; i++) {
        strbuf_truncate(&body, 0);
        strbuf_printf(&body, "{\"metadata\":{\"name\":\"o%02d\"},\"data\":{\"a\":\"%s\"}}", i,
                      big.p);
        assert_int_equal(api_call(api, "POST", CM, NULL, body.p), 201);
    }
    stream = api_stream(api, CM "?watch=1", NULL);
    is = summary(api, stream);
    assert_true(str_starts_with(is, "ADDED o00, ADDED o01, "));
    assert_true(str_ends_with(is, "ADDED o28, ADDED o29"));
    http_loopback_free(stream);
}

/* ---- a reader that does not read ---- */

static void put_big(Api *api, size_t n, const char *label)
{
    _strbuf_ StrBuf body = STRBUF_INIT;

    strbuf_printf(&body,
                  "{\"metadata\":{\"name\":\"big\",\"labels\":{\"k\":\"%s\"}},\"data\":{\"a\":\"",
                  label);
    for (size_t i = 0; i < n; i++)
        strbuf_add_char(&body, 'x');
    strbuf_add_string(&body, "\"}}");
    assert_int_equal(api_call(api, "PUT", CM "/big", NULL, body.p), 200);
}

/* What a stalled reader finds when it reads again. */
static void expect_expired(Api *api, HttpLoopback *stream, size_t most)
{
    _free_ char *lines = NULL;
    bool found;

    http_loopback_stall(stream, false);
    lines = api_lines(api, stream);
    found = strstr(lines, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\"") &&
            strstr(lines, "\"reason\":\"Expired\"") && strstr(lines, "\"code\":410}");
    assert_true(found);
    assert_true(strlen(lines) <= most);
}

static void a_reader_that_does_not_read_costs_bounded_memory(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;
    size_t most = 0;

    create(api, "big", "1");
    stream = api_stream(api, CM "?watch=1", NULL);
    expect(api, stream, "ADDED big");
    http_loopback_stall(stream, true);
    for (int i = 0; i < 60; i++) {
        char text[16];

        snprintf(text, sizeof(text), "v%d", i);
        put_big(api, 900 * 1000, text);
        most = MAX_OF(most, api->server->watch_bytes);
    }
    assert_in_range(most, 900 * 1000, 4 << 20);
    assert_int_equal(api->server->watch_bytes, 0);
    expect_expired(api, stream, 3 << 20);
    http_loopback_free(stream);
}

static void many_small_events_are_bounded_as_well(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "big", "1");
    stream = api_stream(api, CM "?watch=1", NULL);
    expect(api, stream, "ADDED big");
    http_loopback_stall(stream, true);
    for (int i = 0; i < 700; i++) {
        char text[16];

        snprintf(text, sizeof(text), "v%d", i);
        put_big(api, 10 * 1000, text);
        assert_true(api->server->watch_bytes <= 4 << 20);
    }
    expect_expired(api, stream, 2 << 20);
    http_loopback_free(stream);
}

static void a_stalled_reader_is_let_go_after_a_minute(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    create(api, "big", "1");
    stream = api_stream(api, CM "?watch=1", NULL);
    expect(api, stream, "ADDED big");
    http_loopback_stall(stream, true);
    for (int i = 0; i < 3; i++)
        put_big(api, 900 * 1000, i ? "b" : "c");
    assert_true(api->server->watch_bytes > 0);
    clock_fake_advance(api->clock, 121 * NS_PER_SEC);
    assert_int_equal(api->server->watch_bytes, 0);
    expect_expired(api, stream, 2 << 20);
    http_loopback_free(stream);
}

/* ---- in the process ---- */

static void note(void *data, const WatchEvent *event)
{
    static const char letters[] = {'A', 'M', 'D', 'B'};
    StrBuf *text = data;

    strbuf_add_char(text, letters[event->type]);
}

static void a_client_in_the_process_sees_the_same(void **state)
{
    Api *api = *state;
    _strbuf_ StrBuf text = STRBUF_INIT;
    ClientWatch *watch;

    create(api, "a", "1");
    watch = client_watch(api->client, &kind_config_map, NULL, note, &text);
    label(api, "a", "2");
    delete (api, "a");
    client_watch_stop(api->client, watch);
    create(api, "b", "1");
    assert_string_equal(text.p, "ABMD");
}

static void keep(void *data, const ApiStatus *status, Object *object _unused_)
{
    *(int *)data = status->reason;
}

static void a_client_in_the_process_writes_the_same_way(void **state)
{
    Api *api = *state;
    _object_ Object *object = object_new(&kind_config_map), *copy = NULL, *stale = NULL;
    int reason = -1;

    object_meta(object)->name = "in";
    object_meta(object)->namespace = "t";
    client_create(api->client, object, NULL, keep, &reason);
    api_settle(api);
    assert_int_equal(reason, STATUS_OK);
    stale = object_copy(client_get(api->client, &kind_config_map, "t", "in"));
    copy = object_copy(stale);
    string_map_put(&copy->arena, &OBJECT_AS(ConfigMap, copy)->data, "k", "v");
    client_update(api->client, copy, NULL, keep, &reason);
    api_settle(api);
    assert_int_equal(reason, STATUS_OK);
    string_map_put(&stale->arena, &OBJECT_AS(ConfigMap, stale)->data, "k", "w");
    client_update(api->client, stale, NULL, keep, &reason);
    api_settle(api);
    assert_int_equal(reason, STATUS_CONFLICT);
    client_delete(api->client, &kind_config_map, "t", "in", NULL, keep, &reason);
    api_settle(api);
    assert_int_equal(reason, STATUS_OK);
    assert_null(client_get(api->client, &kind_config_map, "t", "in"));
    client_delete(api->client, &kind_config_map, "t", "in", NULL, keep, &reason);
    assert_int_equal(reason, STATUS_NOT_FOUND);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_a_version_the_state_comes_first),
        TEST(from_a_version_only_what_came_after),
        TEST(objects_enter_and_leave_a_selection),
        TEST(initial_events_end_with_a_bookmark),
        TEST(a_minute_after_a_write_there_is_a_bookmark),
        TEST(a_watch_ends_when_its_time_is_up),
        TEST(a_version_that_is_too_old_is_expired),
        TEST(a_watch_of_tables_names_the_columns_once),
        TEST(many_objects_reach_a_slow_reader_in_order),
        TEST(a_reader_that_does_not_read_costs_bounded_memory),
        TEST(many_small_events_are_bounded_as_well),
        TEST(a_stalled_reader_is_let_go_after_a_minute),
        TEST(a_client_in_the_process_sees_the_same),
        TEST(a_client_in_the_process_writes_the_same_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
