/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of a WebSocket, against the server of http_testing.h over a socket. */
#include "testing.h"

#include "http/client/client.h"
#include "http_testing.h"

typedef struct Fixture {
    Testing t; /* first */
    WebSocketClient *ws;
    const char *first; /* sent by on_open */
    StrBuf messages;   /* "text:hello binary:..." */
    bool opened, done;
    int error, status;
    StrBuf body;
} Fixture;

static int begin(void **state)
{
    Fixture *f = mem_new_type(Fixture);
    Err err = ERR_INIT;

    testing_begin(&f->t);
    testing_server(&f->t);
    if (http_server_listen(f->t.server, "127.0.0.1:0", &err) < 0)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int end(void **state)
{
    Fixture *f = *state;

    testing_end(&f->t);
    strbuf_deinit(&f->messages);
    strbuf_deinit(&f->body);
    free(f);
    return 0;
}

static void on_open(WebSocketClient *ws, void *data)
{
    Fixture *f = data;

    assert_false(f->opened);
    f->opened = true;
    websocket_client_send(ws, true, bytes_from_string(f->first));
}

static void on_message(WebSocketClient *ws, void *data, bool text, Bytes message)
{
    Fixture *f = data;

    strbuf_printf(&f->messages, "%s:%.*s ", text ? "text" : "binary", (int)MIN_OF(message.n, 16u),
                  (const char *)message.p);
    if (bytes_equal(message, BYTES_LITERAL("one")))
        websocket_client_send(ws, false, BYTES_LITERAL("two"));
    else if (bytes_equal(message, BYTES_LITERAL("two")))
        websocket_client_send(ws, true, BYTES_LITERAL("bye"));
}

static void on_done(void *data, const HttpClientResponse *response)
{
    Fixture *f = data;

    f->done = true;
    f->error = response->error;
    f->status = response->status;
    if (response->error)
        strbuf_add_string(&f->body, response->error_text);
    else
        strbuf_add(&f->body, response->body.p, response->body.n);
}

static void run(Fixture *f, const char *path)
{
    static const WebSocketClientHandler handler = {
        .on_open = on_open, .on_message = on_message, .done = on_done};
    HttpClientRequest request = {.address = "127.0.0.1",
                                 .port = http_server_port(f->t.server),
                                 .method = "GET",
                                 .path = path,
                                 .timeout_ns = INT64_C(20000000000)};

    f->ws = websocket_client_open(&f->t.loop, &request, "a", &handler, f);
    while (!f->done)
        uv_run(&f->t.loop, UV_RUN_ONCE);
}

static void messages_go_both_ways_until_the_peer_closes(void **state)
{
    Fixture *f = *state;

    f->first = "one";
    run(f, "/ws");
    assert_true(f->opened);
    assert_string_equal(strbuf_string(&f->messages), "text:one binary:two ");
    assert_int_equal(f->error, 0);
    assert_int_equal(f->status, 101);
}

static void a_refusal_is_its_answer(void **state)
{
    Fixture *f = *state;

    run(f, "/nothing");
    assert_false(f->opened);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->status, 404);
    assert_string_equal(strbuf_string(&f->body), "not found\n");
}

/* A server that upgrades to bytes of its choice. */

static Bytes bad_frames;

static void accept_badly(void *data, HttpRequest *request)
{
    static const HttpRawHandler handler = {NULL};
    const char *key =
        str_equal(request->path, "/wrong-key") ? "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" : NULL;
    HttpRaw *raw;

    if (key)
        http_add_header(request, "Sec-WebSocket-Accept", key);
    raw = http_upgrade_raw(request, "websocket", &handler, NULL);
    assert_non_null(raw);
    raw_send(raw, bad_frames);
}

static void a_server_that_does_not_know_the_key_is_left(void **state)
{
    static const char *const paths[] = {"/wrong-key", "/no-key"};
    Fixture *f = *state;
    Err err = ERR_INIT;

    f->t.server = http_server_free(f->t.server);
    f->t.options.handler.on_request = accept_badly;
    testing_server(&f->t);
    assert_int_equal(http_server_listen(f->t.server, "127.0.0.1:0", &err), 0);
    bad_frames = BYTES_LITERAL("\x81\x01x");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        f->done = false;
        strbuf_truncate(&f->body, 0);
        run(f, paths[i]);
        assert_false(f->opened);
        assert_int_equal(f->error, -EPROTO);
        assert_string_equal(strbuf_string(&f->body), "the server's WebSocket key is wrong");
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(messages_go_both_ways_until_the_peer_closes),
        TEST(a_refusal_is_its_answer),
        TEST(a_server_that_does_not_know_the_key_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
