/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long bodies are decoded on libuv's pool. Each test sends one and looks at the loop while the pool
 * works: until uv_run is called again, nothing that the pool has finished can have come back.
 */
#include "testing.h"

#include "api_harness.h"
#include "base/strbuf.h"

#define CM "/api/v1/namespaces/t/configmaps"

enum { LONG = 300 * 1024 };

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

/* A ConfigMap with many keys; the caller frees. */
static char *config_map(const char *name, size_t n, const char *more)
{
    StrBuf text = STRBUF_INIT;

    strbuf_printf(&text,
                  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},%s"
                  "\"data\":{\"a\":\"b\"",
                  name, more);
    for (size_t i = 0; text.n < n; i++)
        strbuf_printf(&text, ",\"key-%zu\":\"a value of this key\"", i);
    strbuf_add_string(&text, "}}");
    return strbuf_take(&text);
}

static void send_body(HttpLoopback *connection, const char *method, const char *path,
                      const char *type, const char *body)
{
    _strbuf_ StrBuf request = STRBUF_INIT;

    strbuf_printf(&request,
                  "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  method, path, type, strlen(body));
    strbuf_add_string(&request, body);
    http_loopback_send(connection, strbuf_bytes(&request));
}

/* What long bodies come to is what short ones come to, for every method and form. */
static void long_bodies_are_decoded_on_the_pool(void **state)
{
    static const struct {
        const char *method, *path, *type;
        const char *more; /* in the object; NULL: the body is a text of its own */
        const char *body;
        int status;
        bool pool;
    } rows[] = {
        {"POST", CM, "application/json", "", NULL, 201, true},
        {"POST", CM, "application/json", "", NULL, 409, true},
        {"POST", CM "?fieldValidation=Strict", "application/json", "\"x\":1,", NULL, 400, true},
        {"POST", CM "?fieldValidation=Nonsense", "application/json", "", NULL, 422, true},
        {"POST", CM, "application/json", "\"data\":[],", NULL, 400, true},
        {"POST", CM, "application/json", "\"immutable\":\"x\",", NULL, 400, true},
        {"POST", CM, "text/plain", "", NULL, 415, true},
        {"PUT", CM "/long", "application/json", "\"x\":1,", NULL, 200, true},
        {"PUT", CM "/other", "application/json", "", NULL, 400, true},
        {"PUT", CM "/long", "application/yaml", "\"immutable\":false,", NULL, 200, true},
        {"PATCH", CM "/long", "application/merge-patch+json", "", NULL, 200, true},
        {"PATCH", CM "/long", "application/strategic-merge-patch+json", "", NULL, 200, true},
        {"PATCH", CM "/long?fieldManager=m&force=true", "application/apply-patch+yaml", "", NULL,
         200, true},
        {"PATCH", CM "/missing", "application/merge-patch+json", "", NULL, 404, true},
        {"PATCH", CM "/long", "application/json-patch+json", "", NULL, 400, true},
        {"PATCH", CM "/long", "text/plain", "", NULL, 415, true},
        {"PATCH", CM "/long", "application/merge-patch+json", NULL, "{\"data\":{\"a\":\"c\"}}", 200,
         false},
    };
    Api *api = *state;

    EACH_ROW(i, rows, rows[i].path) {
        _free_ char *body =
            rows[i].body ? mem_strdup(rows[i].body) : config_map("long", LONG, rows[i].more);
        uint64_t before = server_decoded_on_pool(api->server);

        send_body(api->admin, rows[i].method, rows[i].path, rows[i].type, body);
        /* The loop has done nothing yet but to hand it over. */
        assert_int_equal(server_decoding(api->server), rows[i].pool);
        api_finish(api, api->admin);
        if (api->status != rows[i].status)
            fail_msg("row %zu: %d, not %d: %.300s", i, api->status, rows[i].status, api->body);
        assert_int_equal(server_decoded_on_pool(api->server) - before, rows[i].pool);
    }
}

/* A refusal that is certain is found where the body is decoded, and reads as any other. */
static void hopeless_bodies_are_refused(void **state)
{
    static const struct {
        const char *method, *path, *element;
        size_t n;
        int status;
        const char *message;
    } rows[] = {
        {"POST", CM, "\"k-%zu\":\"v\"", 150000, 500, "etcdserver: request is too large"},
        {"POST", CM "?dryRun=All", "\"k-%zu\":\"v\"", 150000, 201, NULL},
        {"PUT", CM "/many", "\"k-%zu\":\"v\"", 150000, 404, "configmaps \"many\" not found"},
        {"POST", CM, "\"=%zu\":\"v\"", 20000, 422, ", and 19744 more]"},
        {"POST", "/api/v1/namespaces/none/configmaps", "\"=%zu\":\"v\"", 20000, 404,
         "namespaces \"none\" not found"},
    };
    Api *api = *state;

    EACH_ROW(i, rows, rows[i].path) {
        _strbuf_ StrBuf body = STRBUF_INIT;
        _free_ char *message = NULL;
        char element[32];

        strbuf_add_string(&body, "{\"metadata\":{\"name\":\"many\"},\"data\":{");
        for (size_t k = 0; k < rows[i].n; k++) {
            const char *at = strchr(rows[i].element, '%');

            snprintf(element, sizeof(element), "%.*s%zu%s", (int)(at - rows[i].element),
                     rows[i].element, k, at + 3);
            strbuf_printf(&body, "%s%s", k ? "," : "", element);
        }
        strbuf_add_string(&body, "}}");
        send_body(api->admin, rows[i].method, rows[i].path, "application/json",
                  strbuf_string(&body));
        api_finish(api, api->admin);
        message = mem_strdup(yyjson_get_str(yyjson_doc_ptr_get(api->json, "/message")));
        if (api->status != rows[i].status ||
            (rows[i].message && !strstr(str_or(message, ""), rows[i].message)))
            fail_msg("row %zu: %d %.300s", i, api->status, str_or(message, ""));
    }
}

/* What comes behind a long body on one HTTP/1.1 connection is answered behind it; other connections
 * are answered meanwhile. */
static void order_is_kept_and_others_go_on(void **state)
{
    Api *api = *state;
    HttpLoopback *other = api_connect(api, "somebody");
    _free_ char *body = config_map("first", LONG, "");
    _strbuf_ StrBuf raw = STRBUF_INIT;
    Bytes bytes;
    const char *created, *got;

    send_body(api->admin, "POST", CM, "application/json", body);
    http_loopback_send(api->admin,
                       BYTES_LITERAL("GET " CM "/first HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    http_loopback_send(other, BYTES_LITERAL("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    bytes = http_loopback_take(other);
    assert_true(bytes.n > 12 && memcmp(bytes.p, "HTTP/1.1 200", 12) == 0);
    assert_int_equal(server_decoding(api->server), 1);
    assert_int_equal(http_loopback_take(api->admin).n, 0);
    for (int i = 0; i < 8; i++) {
        api_settle(api);
        bytes = http_loopback_take(api->admin);
        strbuf_add(&raw, bytes.p, bytes.n);
    }
    created = strstr(strbuf_string(&raw), "HTTP/1.1 201");
    got = strstr(strbuf_string(&raw), "HTTP/1.1 200");
    assert_true(created && got && created < got);
    http_loopback_free(other);
}

/* Few are decoded at a time; the others wait, and each is answered. */
static void few_are_decoded_at_a_time(void **state)
{
    enum { N = 6 };
    Api *api = *state;
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};
    HttpLoopback *connections[N];

    for (int i = 0; i < N; i++) {
        char name[16];
        _free_ char *body = NULL;

        snprintf(name, sizeof(name), "n%d", i);
        body = config_map(name, LONG, "");
        connections[i] = http_loopback_new(api->http, &peer);
        send_body(connections[i], "POST", CM, "application/json", body);
    }
    assert_int_equal(server_decoding(api->server), 2);
    assert_int_equal(server_decoded_on_pool(api->server), 2);
    for (int i = 0; i < N; i++) {
        api_finish(api, connections[i]);
        assert_int_equal(api->status, 201);
        http_loopback_free(connections[i]);
    }
    assert_int_equal(server_decoded_on_pool(api->server), N);
}

/* A peer that goes while its body is decoded, or waits for that, has asked for nothing. */
static void peers_may_go_meanwhile(void **state)
{
    enum { N = 5 };
    Api *api = *state;
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};
    HttpLoopback *connections[N];

    for (int i = 0; i < N; i++) {
        _free_ char *body = config_map("gone", LONG, i % 2 ? "\"data\":[]," : "");

        connections[i] = http_loopback_new(api->http, &peer);
        send_body(connections[i], "POST", CM, "application/json", body);
    }
    for (int i = 0; i < N; i++)
        http_loopback_free(connections[i]);
    api_settle(api);
    api_settle(api);
    assert_int_equal(server_decoding(api->server), 0);
    assert_int_equal(api_call(api, "GET", CM "/gone", NULL, NULL), 404);
}

/* A server that ends waits for nothing. */
static void the_server_may_end_meanwhile(void **state)
{
    enum { N = 4 };
    Api api;
    HttpLoopback *connections[N];
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};

    api_start(&api, NULL);
    api_fixture(&api);
    for (int i = 0; i < N; i++) {
        _free_ char *body = config_map("gone", LONG, "");

        connections[i] = http_loopback_new(api.http, &peer);
        send_body(connections[i], "POST", CM, "application/json", body);
    }
    assert_int_equal(server_decoding(api.server), 2);
    for (int i = 0; i < N; i++)
        http_loopback_free(connections[i]);
    api.abrupt = true;
    api_stop(&api);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(long_bodies_are_decoded_on_the_pool),
        TEST(hopeless_bodies_are_refused),
        TEST(order_is_kept_and_others_go_on),
        TEST(few_are_decoded_at_a_time),
        TEST(peers_may_go_meanwhile),
        cmocka_unit_test(the_server_may_end_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
