/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are longer than one turn of the loop: they come in pieces, are one state, and cost the
 * memory of a piece; the same for a watch within the process. */
#include "testing.h"

#include "api/schema/core_config_v1.h"
#include "api_harness.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "codec/base64url.h"
#include "codec/protobuf/protobuf.h"
#include "server/request/call.h"

#define CM "/api/v1/namespaces/t/configmaps"
#define MANY 1300

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

/* o0000, o0001... in namespace t, each with the label k of its number by three. */
static void fill(Api *api, int n)
{
    for (int i = 0; i < n; i++) {
        _object_ Object *object = object_new(&kind_config_map);
        ConfigMap *map = object->value;
        Arena *arena = &object->arena;
        char *datum = arena_alloc(arena, 1001);

        memset(datum, 'a' + i % 26, 1000);
        map->metadata.namespace = "t";
        map->metadata.name = arena_printf(arena, "o%04d", i);
        string_map_put(arena, &map->metadata.labels, "k", arena_printf(arena, "%d", i % 3));
        string_map_put(arena, &map->data, "datum", datum);
        client_create(api->client, object, NULL, NULL, NULL);
    }
    api_settle(api);
    assert_int_equal(store_size(api->store, &kind_config_map), n);
}

static Object *config_map(Api *api, const char *name)
{
    return store_get(api->store, &kind_config_map, "t", name);
}

static void replace(Api *api, const char *name)
{
    _object_ Object *object = object_copy(config_map(api, name));

    string_map_put(&object->arena, &OBJECT_AS(ConfigMap, object)->data, "datum", "new");
    client_update(api->client, object, NULL, NULL, NULL);
    api_settle(api);
}

/* The metadata of a list in protobuf, which is its first field. */
static void read_protobuf_metadata(Api *api, ListMeta *ret, Arena *arena)
{
    const char *length = strcasestr(api->head, "content-length:"), *why;
    Bytes body = {(const uint8_t *)api->body, strtoul(length + 15, NULL, 10)};
    ProtobufEnvelope envelope;
    size_t n;

    assert_int_equal(protobuf_envelope(arena, body, &envelope, &why), 0);
    assert_int_equal(envelope.raw.p[0], 0x0a);
    n = envelope.raw.p[1] & 0x7f;
    if (envelope.raw.p[1] & 0x80)
        n |= (size_t)envelope.raw.p[2] << 7;
    assert_int_equal(protobuf_decode(&type_ListMeta, arena,
                                     (Bytes){envelope.raw.p + 2 + (envelope.raw.p[1] >> 7), n}, ret,
                                     &why),
                     0);
}

/* Whatever the form: a list that was cut says how to go on and, unless it is a selection, how much is
 * left; a list that is complete says neither. */
static void every_form_of_a_list_says_how_to_go_on(void **state)
{
    static const char *const forms[] = {
        "application/json", "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/yaml",
        "application/vnd.kubernetes.protobuf"};
    static const struct {
        const char *query;
        bool goes_on;
        int64_t left; /* -1: it does not say */
    } rows[] = {{"limit=2", true, 3},
                {"limit=5", false, -1},
                {"", false, -1},
                {"limit=1&labelSelector=k%3D0", true, -1},
                {"limit=2&labelSelector=k%3D0", false, -1}};
    Api *api = *state;

    fill(api, 5);
    EACH_ROW(i, rows, rows[i].query) {
        EACH_ROW(k, forms, forms[k]) {
            _arena_ Arena arena = ARENA_INIT;
            _free_ char *path = mem_printf(CM "?%s", rows[i].query);
            _free_ char *headers = mem_printf("Accept: %s\r\n", forms[k]);
            ListMeta meta = {0};

            api_call_on(api, api->admin, "GET", path, headers, NULL, 0);
            assert_int_equal(api->status, 200);
            if (strstr(forms[k], "protobuf")) {
                read_protobuf_metadata(api, &meta, &arena);
            } else if (strstr(forms[k], "yaml")) {
                assert_int_equal(strstr(api->body, "continue: ") != NULL, rows[i].goes_on);
                assert_int_equal(strstr(api->body, "remainingItemCount: ") != NULL,
                                 rows[i].left >= 0);
                continue;
            } else {
                yyjson_val *metadata = yyjson_obj_get(yyjson_doc_get_root(api->json), "metadata");
                yyjson_val *left = yyjson_obj_get(metadata, "remainingItemCount");

                meta.continue_ = yyjson_get_str(yyjson_obj_get(metadata, "continue"));
                if (left)
                    meta.remaining_item_count = arena_int64(&arena, yyjson_get_sint(left));
            }
            assert_int_equal(!str_empty(meta.continue_), rows[i].goes_on);
            assert_int_equal(meta.remaining_item_count ? *meta.remaining_item_count : -1,
                             rows[i].left);
        }
    }
}

/* A request whose reader takes no byte. */
static HttpLoopback *stalled(Api *api)
{
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};
    HttpLoopback *stream = http_loopback_new(api->http, &peer);

    http_loopback_stall(stream, true);
    http_loopback_send(stream, BYTES_LITERAL("GET " CM " HTTP/1.1\r\nHost: l\r\n\r\n"));
    return stream;
}

static void a_long_list_waits_for_its_reader_and_is_one_state(void **state)
{
    Api *api = *state;
    uint64_t revision;
    HttpLoopback *stream;
    yyjson_val *items, *item;
    size_t at, n;
    Object *last;

    fill(api, MANY);
    revision = store_revision(api->store);
    stream = stalled(api);
    api_settle(api);
    /* The list has not come by the last one yet, or it would not keep its version. */
    last = object_keep(config_map(api, "o1299"));
    assert_int_equal(last->still, 3); /* the store's, the window's and mine */
    replace(api, "o1299");
    assert_int_equal(last->still, 4); /* the list's, the window's two and mine */
    replace(api, "o0000");            /* sent already, or waiting to be */
    client_delete(api->client, &kind_config_map, "t", "o1000", NULL, NULL, NULL);
    client_delete(api->client, &kind_config_map, "t", "o0001", NULL, NULL, NULL);
    api_settle(api);
    http_loopback_stall(stream, false);
    api_finish(api, stream);
    assert_non_null(api->json);
    items = yyjson_obj_get(yyjson_doc_get_root(api->json), "items");
    assert_int_equal(yyjson_arr_size(items), MANY);
    yyjson_arr_foreach(items, at, n, item)
    {
        char name[32];

        snprintf(name, sizeof(name), "o%04zu", at);
        assert_string_equal(yyjson_get_str(yyjson_ptr_get(item, "/metadata/name")), name);
        assert_in_range(
            strtoull(yyjson_get_str(yyjson_ptr_get(item, "/metadata/resourceVersion")), NULL, 10),
            1, revision);
        assert_int_equal(yyjson_get_len(yyjson_ptr_get(item, "/data/datum")), 1000);
    }
    object_unkeep(last);
    http_loopback_free(stream);
}

/* The request for the page after the one that was answered. */
static char *next_page(Api *api)
{
    _free_ char *token = api_json(api, "/metadata/continue");

    return mem_printf(CM "?limit=2&continue=%.*s", (int)strlen(token) - 2, token + 1);
}

static void pages_have_the_revision_of_the_first_one_for_five_minutes(void **state)
{
    Api *api = *state;
    _free_ char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL, *revision = NULL;

    fill(api, 9);
    api_call(api, "GET", CM "?limit=2", NULL, NULL);
    revision = api_json(api, "/metadata/resourceVersion");
    first = next_page(api);
    replace(api, "o0003");
    api_settle(api);
    api_call(api, "GET", first, NULL, NULL);
    assert_int_equal(api->status, 200);
    api_expect(api, "/metadata/resourceVersion", revision);
    api_expect(api, "/items/0/metadata/name", "\"o0002\"");
    second = next_page(api);
    clock_fake_advance(api->clock, 299 * NS_PER_SEC);
    api_call(api, "GET", second, NULL, NULL);
    assert_int_equal(api->status, 200);
    api_expect(api, "/items/0/metadata/name", "\"o0004\"");
    clock_fake_advance(api->clock, NS_PER_SEC);
    api_call(api, "GET", second, NULL, NULL);
    assert_int_equal(api->status, 410);
    api_expect(api, "/reason", "\"Expired\"");
    third = next_page(api);

    /* The client agrees to a list that is not of one state. */
    api_call(api, "GET", third, NULL, NULL);
    assert_int_equal(api->status, 200);
    api_expect(api, "/items/0/metadata/name", "\"o0004\"");
    free(revision);
    revision = mem_printf("\"%" PRIu64 "\"", store_revision(api->store));
    api_expect(api, "/metadata/resourceVersion", revision);
    fourth = next_page(api);
    replace(api, "o0000");
    api_settle(api);
    api_call(api, "GET", fourth, NULL, NULL);
    assert_int_equal(api->status, 200);
    api_expect(api, "/metadata/resourceVersion", revision);
    api_expect(api, "/items/0/metadata/name", "\"o0006\"");
}

static void a_token_with_other_members_is_refused(void **state)
{
    static const struct {
        const char *token;
        int status;
    } rows[] = {
        {"{\"v\":\"meta.k8s.io/v1\",\"rv\":1}", 400},
        {"{\"v\":\"meta.k8s.io/v1\",\"rv\":99999999,\"start\":\"t/o0001\",\"began\":0}", 410},
        {"{\"rv\":1,\"start\":\"t/o0001\",\"began\":-9223372036854775808}", 410},
        {"{\"rv\":1,\"start\":\"t/o0001\",\"began\":9223372036854775807}", 410},
        {"{\"rv\":-2,\"start\":\"t/o0001\"}", 410},
        {"{\"rv\":-1,\"start\":\"t/o0001\"}", 200},
        {"[1]", 400},
    };
    Api *api = *state;

    fill(api, 3);
    EACH_ROW(i, rows, rows[i].token) {
        _strbuf_ StrBuf token = STRBUF_INIT;
        _free_ char *path = NULL;

        base64url_add(&token, (const uint8_t *)rows[i].token, strlen(rows[i].token));
        path = mem_printf(CM "?continue=%s", strbuf_string(&token));
        api_call(api, "GET", path, NULL, NULL);
        assert_int_equal(api->status, rows[i].status);
    }
}

static void other_forms_of_long_lists_are_whole(void **state)
{
    static const struct {
        const char *path, *headers;
        size_t n;
    } cases[] = {
        {CM "?labelSelector=k%3D1", NULL, 433},
        {CM "?limit=700", NULL, 700},
        {CM "?limit=300&labelSelector=k%3D2", NULL, 300},
        {CM, "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", MANY},
        {CM, "Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io\r\n", MANY},
        {CM "?pretty=true", NULL, MANY},
        {CM, "User-Agent: curl/8\r\n", MANY},
        {"/api/v1/configmaps", NULL, MANY},
    };
    Api *api = *state;

    fill(api, MANY);
    EACH_ROW(i, cases, cases[i].path) {
        yyjson_val *root, *items;

        api_call_on(api, api->admin, "GET", cases[i].path, cases[i].headers, NULL, 0);
        assert_int_equal(api->status, 200);
        assert_non_null(api->json);
        root = yyjson_doc_get_root(api->json);
        items = yyjson_obj_get(root, "items");
        items = items ? items : yyjson_obj_get(root, "rows");
        assert_int_equal(yyjson_arr_size(items), cases[i].n);
    }
}

static void a_reader_that_leaves_takes_its_list_along(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;

    fill(api, MANY);
    for (int i = 0; i < 3; i++) {
        stream = stalled(api);
        if (i)
            api_settle(api);
        http_loopback_free(stream);
        replace(api, "o1299");
    }
}

/* ---- a watch within the process ---- */

typedef struct Seen {
    StrMap objects; /* name -> revision as a pointer */
    int added, other;
    bool complete;
} Seen;

static void on_event(void *data, const WatchEvent *event)
{
    Seen *seen = data;
    const char *name;

    if (event->type == WATCH_BOOKMARK) {
        seen->complete = true;
        return;
    }
    name = object_meta(event->object)->name;
    if (event->type == WATCH_ADDED) {
        seen->added++;
        assert_null(strmap_put(&seen->objects, name, (void *)(uintptr_t)event->revision));
    } else {
        void *before = event->type == WATCH_DELETED
                           ? strmap_remove(&seen->objects, name)
                           : strmap_put(&seen->objects, name, (void *)(uintptr_t)event->revision);

        seen->other++;
        assert_ptr_equal(before, (void *)(uintptr_t)event->before->revision);
    }
}

static bool each_expected(void *data, Object *object)
{
    Seen *seen = data;

    assert_ptr_equal(strmap_remove(&seen->objects, object_meta(object)->name),
                     (void *)(uintptr_t)object->revision);
    return true;
}

static void a_watch_of_many_comes_in_pieces_between_changes(void **state)
{
    Api *api = *state;
    Seen seen = {0};
    ClientWatch *watch;

    fill(api, MANY);
    watch = client_watch(api->client, &kind_config_map, NULL, on_event, &seen);
    assert_non_null(watch);
    assert_false(seen.complete);
    for (int i = 0; !seen.complete; i++) {
        char name[32];

        assert_in_range(i, 0, 100);
        snprintf(name, sizeof(name), "o%04d", (i * 517) % MANY);
        if (config_map(api, name))
            replace(api, name);
        if (config_map(api, name))
            replace(api, name);
        snprintf(name, sizeof(name), "o%04d", (i * 389 + 7) % MANY);
        client_delete(api->client, &kind_config_map, "t", name, NULL, NULL, NULL);
        api_settle(api);
    }
    store_list(api->store, &kind_config_map, NULL, NULL, each_expected, &seen);
    assert_int_equal(seen.objects.n, 0);
    strmap_deinit(&seen.objects);
    client_watch_stop(api->client, watch);
}

static void a_watch_in_pieces_can_be_stopped_at_any_time(void **state)
{
    Api *api = *state;

    fill(api, MANY);
    for (int i = 0; i < 4; i++) {
        Seen seen = {0};
        ClientWatch *watch = client_watch(api->client, &kind_config_map, NULL, on_event, &seen);

        for (int k = 0; k < i; k++)
            api_settle(api);
        client_watch_stop(api->client, watch);
        strmap_deinit(&seen.objects);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_form_of_a_list_says_how_to_go_on),
        TEST(a_long_list_waits_for_its_reader_and_is_one_state),
        TEST(pages_have_the_revision_of_the_first_one_for_five_minutes),
        TEST(a_token_with_other_members_is_refused),
        TEST(other_forms_of_long_lists_are_whole),
        TEST(a_reader_that_leaves_takes_its_list_along),
        TEST(a_watch_of_many_comes_in_pieces_between_changes),
        TEST(a_watch_in_pieces_can_be_stopped_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
