/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhook token authentication: what the webhook is asked, what its answers mean, and requests that wait for
 * one. The webhook is a server of the test on the loop of the API server.
 */
#include "testing.h"

#include "api_harness.h"
#include "base/strbuf.h"

#define REVIEWS "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define TOKENS "/apis/authentication.k8s.io/v1/tokenreviews"
#define BEARER(token) "authorization: Bearer " token "\r\n"
#define ANSWER(status) \
    "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"status\":" status "}"
#define JANE                                                                                    \
    ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"jane\",\"uid\":\"7\",\"groups\":[" \
           "\"dev\"],\"extra\":{\"k\":[\"a\",\"b\"]}}}")

typedef struct World {
    Api api;
    HttpServer *hook;
    HttpRequest *asked[600]; /* which have not been answered */
    size_t n, asked_ever;
    char url[64];
    char body[4096]; /* of the newest question */
} World;

static void on_close(HttpRequest *request)
{
    World *w = request->data;

    for (size_t i = 0; i < w->n; i++)
        if (w->asked[i] == request)
            w->asked[i] = w->asked[--w->n];
}

static void on_body(HttpRequest *request, Bytes body)
{
    World *w = request->data;

    snprintf(w->body, sizeof(w->body), "%.*s", (int)body.n, (const char *)body.p);
    w->asked_ever++;
    w->asked[w->n++] = request;
}

static void on_request(void *data, HttpRequest *request)
{
    request->data = data;
    request->on_body = on_body;
    request->on_close = on_close;
}

static int setup(void **state)
{
    World *w = mem_new_type(World);
    HttpServerOptions options = {.handler = {.on_request = on_request, .data = w}};
    WebhookOptions webhook = {.cache_ns = 120 * NS_PER_SEC};
    Err err = ERR_INIT;

    uv_loop_init(&w->api.loop);
    w->hook = http_server_new(&w->api.loop, &options);
    assert_int_equal(http_server_listen(w->hook, "127.0.0.1:0", &err), 0);
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/review", http_server_port(w->hook));
    webhook.url = w->url;
    api_start_on(&w->api, &(ServerOptions){.webhook = &webhook});
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    http_server_free(w->hook);
    api_stop(&w->api);
    free(w);
    return 0;
}

static void wait_for(World *w, size_t n)
{
    while (w->n < n)
        uv_run(&w->api.loop, UV_RUN_ONCE);
}

static void say(World *w, int status, const char *body)
{
    wait_for(w, 1);
    http_respond(w->asked[0], status, "application/json", bytes_from_string(body));
    while (w->n)
        uv_run(&w->api.loop, UV_RUN_ONCE);
}

static void send_to(HttpLoopback *connection, const char *method, const char *path,
                    const char *headers, const char *body)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s %s HTTP/1.1\r\nhost: x\r\ncontent-length: %zu\r\n%s\r\n%s", method,
                  path, strlen(body), headers, body);
    http_loopback_send(connection, strbuf_bytes(&text));
}

static const struct {
    const char *name;
    int hook_status;
    const char *answer;
    int status;
    const char *user;
} answers[] = {
    {"the webhook names a user", 200, JANE, 201,
     "{\"username\":\"jane\",\"uid\":\"7\",\"groups\":[\"dev\",\"system:authenticated\"],\"extra\":"
     "{"
     "\"k\":[\"a\",\"b\"]}}"},
    {"it may have the group already", 201,
     ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"j\",\"groups\":[\"system:"
            "authenticated\"]}}"),
     201, "{\"username\":\"j\",\"groups\":[\"system:authenticated\"]}"},
    {"it knows no such token", 200, ANSWER("{\"authenticated\":false}"), 401, NULL},
    {"it is for another audience", 200,
     ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"j\"},\"audiences\":[\"other\"]}"),
     401, NULL},
    {"it is for this audience", 200,
     ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"j\"},\"audiences\":[\"other\","
            "\"https://kubernetes.default.svc\"]}"),
     201, "{\"username\":\"j\",\"groups\":[\"system:authenticated\"]}"},
    {"a status that is no success", 403, JANE, 401, NULL},
    {"no JSON", 200, "nonsense", 401, NULL},
    {"another kind", 200, "{\"apiVersion\":\"v1\",\"kind\":\"Status\"}", 401, NULL},
    {"another version", 200,
     "{\"apiVersion\":\"authentication.k8s.io/v2\",\"kind\":\"TokenReview\",\"status\":{"
     "\"authenticated\":true}}",
     401, NULL},
    {"a user of the wrong type", 200, ANSWER("{\"authenticated\":true,\"user\":[]}"), 401, NULL},
    {"nothing", 200, "", 401, NULL},
};

static void the_webhook_says_who_it_is(void **state _unused_)
{
    EACH_ROW(i, answers, answers[i].name) {
        World *w;
        HttpLoopback *connection;
        char *user;

        setup((void **)&w);
        connection = api_connect(&w->api, NULL);
        send_to(connection, "POST", REVIEWS, BEARER("t"), "{}");
        say(w, answers[i].hook_status, answers[i].answer);
        api_finish(&w->api, connection);
        assert_int_equal(w->api.status, answers[i].status);
        user = api_json(&w->api, "/status/userInfo");
        if (answers[i].user)
            assert_string_equal(user, answers[i].user);
        free(user);
        http_loopback_free(connection);
        teardown((void **)&w);
    }
}

static void a_question_is_a_token_review(void **state)
{
    World *w = *state;
    HttpLoopback *connection = api_connect(&w->api, NULL);

    send_to(connection, "GET", "/api", BEARER("a\\b"), "");
    wait_for(w, 1);
    assert_string_equal(
        w->body, "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\","
                 "\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"token\":\"a\\\\b\","
                 "\"audiences\":[\"https://kubernetes.default.svc\"]},\"status\":{\"user\":{}}}");
    assert_string_equal(w->asked[0]->path, "/review");
    say(w, 200, JANE);
    api_finish(&w->api, connection);
    assert_int_equal(w->api.status, 200);
    http_loopback_free(connection);
}

static void many_requests_of_a_token_ask_once(void **state)
{
    World *w = *state;
    HttpLoopback *connections[20];

    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        connections[i] = api_connect(&w->api, NULL);
        send_to(connections[i], "POST", REVIEWS, BEARER("t"), "{}");
    }
    say(w, 200, JANE);
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        api_finish(&w->api, connections[i]);
        assert_int_equal(w->api.status, 201);
    }
    /* It is kept, also for the next request of a connection, and ends at its time. */
    send_to(connections[0], "POST", REVIEWS, BEARER("t"), "{}");
    api_finish(&w->api, connections[0]);
    assert_int_equal(w->asked_ever, 1);
    clock_fake_advance(w->api.clock, 121 * NS_PER_SEC);
    send_to(connections[0], "POST", REVIEWS, BEARER("t"), "{}");
    say(w, 200, ANSWER("{\"authenticated\":false}"));
    api_finish(&w->api, connections[0]);
    assert_int_equal(w->api.status, 401);
    for (size_t i = 0; i < ARRAY_LEN(connections); i++)
        http_loopback_free(connections[i]);
}

static void others_are_served_while_one_waits(void **state)
{
    World *w = *state;
    HttpLoopback *connection = api_connect(&w->api, NULL);

    send_to(connection, "GET", "/api", BEARER("t"), "");
    wait_for(w, 1);
    assert_int_equal(api_call(&w->api, "GET", "/api", NULL, NULL), 200);
    assert_int_equal(http_loopback_take(connection).n, 0);
    /* The peer goes away meanwhile, and nobody waits for the answer any more. */
    http_loopback_free(connection);
    say(w, 200, JANE);
    assert_int_equal(w->asked_ever, 1);
}

static void a_dead_webhook_costs_its_time_once(void **state)
{
    World *w = *state;
    HttpLoopback *one = api_connect(&w->api, NULL), *two = api_connect(&w->api, NULL);

    send_to(one, "GET", "/api", BEARER("t"), "");
    send_to(two, "GET", "/api", BEARER("t"), "");
    wait_for(w, 1);
    clock_fake_advance(w->api.clock, 31 * NS_PER_SEC);
    api_finish(&w->api, one);
    assert_int_equal(w->api.status, 401);
    api_finish(&w->api, two);
    assert_int_equal(w->api.status, 401);
    assert_int_equal(w->asked_ever, 1);
    http_loopback_free(one);
    http_loopback_free(two);
}

static void a_failure_is_tried_again(void **state)
{
    World *w = *state;
    HttpLoopback *connection = api_connect(&w->api, NULL);

    send_to(connection, "GET", "/api", BEARER("t"), "");
    for (int i = 0; i < 4; i++) {
        say(w, i % 2 ? 429 : 500, "");
        while (!clock_fake_step(w->api.clock))
            uv_run(&w->api.loop, UV_RUN_ONCE);
    }
    say(w, 200, JANE);
    api_finish(&w->api, connection);
    assert_int_equal(w->api.status, 200);
    assert_int_equal(w->asked_ever, 5);
    http_loopback_free(connection);
}

static void a_token_review_asks_it_as_well(void **state)
{
    World *w = *state;
    HttpLoopback *connection = api_connect(&w->api, NULL);

    send_to(w->api.admin, "POST", TOKENS, "",
            "{\"spec\":{\"token\":\"t\",\"audiences\":[\"a\",\"b\"]}}");
    say(w, 200,
        ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"j\"},\"audiences\":[\"b\"]}"));
    api_finish(&w->api, w->api.admin);
    assert_int_equal(w->api.status, 201);
    api_expect(&w->api, "/status/audiences", "[\"b\"]");
    api_expect(&w->api, "/status/user/username", "\"j\"");
    send_to(w->api.admin, "POST", TOKENS, "", "{\"spec\":{\"token\":\"u\"}}");
    say(w, 200, ANSWER("{\"authenticated\":false,\"error\":\"no such token\"}"));
    api_finish(&w->api, w->api.admin);
    api_expect(&w->api, "/status/error", "\"no such token\"");
    http_loopback_free(connection);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_webhook_says_who_it_is), TEST(a_question_is_a_token_review),
        TEST(many_requests_of_a_token_ask_once),      TEST(others_are_served_while_one_waits),
        TEST(a_dead_webhook_costs_its_time_once),     TEST(a_failure_is_tried_again),
        TEST(a_token_review_asks_it_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
