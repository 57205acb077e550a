/* SPDX-License-Identifier: Apache-2.0 */
/* Port-forwarding in its two forms, against a pod that is made of callbacks. */
#include "testing.h"

#include "api_upgrades.h"
#include "base/strbuf.h"

#define POD "/api/v1/namespaces/t/pods"
#define FORWARD POD "/p/portforward"
#define MANY ((size_t)1024 * 1024)

/* A connection into the pod. */
struct ForwardStream {
    ForwardSink sink;
    uint16_t port;
    StrBuf input;
    bool ended, paused, closed;
};

typedef struct FakeNode {
    PodStreams streams;
    ForwardStream made[8];
    size_t n;
    size_t waiting;     /* what forward_send says is waiting */
    const char *refuse; /* the next connection is refused with this text */
} FakeNode;

static FakeNode node;

static int fake_forward(PodStreams *streams, const Object *pod, uint16_t port,
                        const ForwardSink *sink, ForwardStream **ret, ApiStatus *reterr,
                        Arena *arena)
{
    if (node.refuse)
        return status_set(reterr, arena, STATUS_BAD_REQUEST, "%s", TAKE_PTR(node.refuse));
    assert_true(node.n < ARRAY_LEN(node.made));
    *ret = &node.made[node.n++];
    **ret = (ForwardStream){.sink = *sink, .port = port};
    return 0;
}

static size_t fake_forward_send(ForwardStream *stream, Bytes bytes)
{
    strbuf_add(&stream->input, bytes.p, bytes.n);
    return node.waiting;
}

static void fake_forward_end(ForwardStream *stream)
{
    stream->ended = true;
}

static void fake_forward_pause(ForwardStream *stream, bool pause)
{
    stream->paused = pause;
}

static void fake_forward_close(ForwardStream *stream)
{
    stream->closed = true;
}

static const PodStreamsOps fake_ops = {
    .forward = fake_forward,
    .forward_send = fake_forward_send,
    .forward_end = fake_forward_end,
    .forward_pause = fake_forward_pause,
    .forward_close = fake_forward_close,
};

static void pod_says(size_t i, const char *text)
{
    node.made[i].sink.on_data(node.made[i].sink.data, bytes_from_string(text));
}

static void pod_closes(size_t i, const char *message)
{
    node.made[i].sink.on_close(node.made[i].sink.data, message);
}

static void expect_input(size_t i, const char *text)
{
    assert_true(i < node.n);
    assert_string_equal(strbuf_string(&node.made[i].input), text);
}

/* clang-format off */
static const ApiCase pod_cases[] = {
    {"a pod", "POST", POD, NULL, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"without a node", "GET", FORWARD "?ports=80", NULL, NULL, 400, {{"/message", "\"pod p does not have a host assigned\""}}},
    {"on a node", "POST", POD "/p/binding", NULL, "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}", 201, {{0}}},
};
static const ApiCase refused_cases[] = {
    {"no pod", "GET", POD "/none/portforward", NULL, NULL, 404, {{0}}},
    {"no plain request", "GET", FORWARD "?ports=80", NULL, NULL, 400, {{"/message", "\"Upgrade request required\""}}},
    {"neither by POST", "POST", FORWARD "?ports=80", NULL, NULL, 400, {{"/message", "\"Upgrade request required\""}}},
};
/* clang-format on */

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    node = (FakeNode){.streams.ops = &fake_ops};
    api_start(api, &node.streams);
    api_fixture(api);
    api_run(api, pod_cases, ARRAY_LEN(pod_cases));
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    for (size_t i = 0; i < node.n; i++)
        strbuf_deinit(&node.made[i].input);
    return 0;
}

static void refusals_come_in_kubernetes_words(void **state)
{
    api_run(*state, refused_cases, ARRAY_LEN(refused_cases));
}

/* ---- channels over a WebSocket ---- */

static void each_port_has_two_channels(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, FORWARD "?ports=80,81&ports=82", "v4.channel.k8s.io");

    /* Each channel begins with its port, little-endian: 80 is 'P' and a NUL. */
    ws_expect(api, stream, "101 0:P 1:P 2:Q 3:Q 4:R 5:R ");
    assert_int_equal(node.n, 3);
    assert_int_equal(node.made[1].port, 81);
    ws_send(stream, 2, "\2ping", 5);
    ws_send(stream, 2, "\3to an error channel", 20);
    ws_send(stream, 2, "\11to none", 8);
    api_settle(api);
    expect_input(0, "");
    expect_input(1, "ping");
    pod_says(1, "pong");
    ws_expect(api, stream, "2:pong ");
    http_loopback_free(stream);
    api_settle(api);
    assert_true(node.made[0].closed && node.made[1].closed && node.made[2].closed);
}

static void it_ends_with_the_last_connection(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, FORWARD "?ports=80&ports=81", "v4.channel.k8s.io");
    _free_ char *error = NULL;

    ws_expect(api, stream, "101 0:P 1:P 2:Q 3:Q ");
    node.made[0].sink.on_end(node.made[0].sink.data);
    assert_true(node.made[0].ended); /* a channel has no end of its own */
    pod_closes(0, "connection refused");
    error = ws_take(api, stream);
    assert_true(str_starts_with(error, "1:error forwarding port 80 to pod p, uid "));
    assert_non_null(strstr(error, ": connection refused "));
    assert_null(strstr(error, "close"));
    pod_closes(1, "reset");
    free(error);
    error = ws_take(api, stream);
    assert_true(str_starts_with(error, "3:error forwarding port 81 to pod p, uid "));
    assert_non_null(strstr(error, ": reset close"));
    http_loopback_free(stream);
}

static void a_refused_port_says_why(void **state)
{
    Api *api = *state;
    HttpLoopback *stream;
    _free_ char *text = NULL;

    node.refuse = "no such network";
    stream = ws_open(api, FORWARD "?ports=80", "v4.channel.k8s.io");
    text = ws_take(api, stream);
    assert_non_null(strstr(text, ": no such network close"));
    assert_int_equal(node.n, 0);
    http_loopback_free(stream);
}

static void base64_is_text(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, FORWARD "?ports=80", "v4.base64.channel.k8s.io");

    /* A channel is printed as the code of its digit. */
    ws_expect(api, stream, "101 48:UAA= 49:UAA= ");
    ws_send(stream, 1, "0aGk=", 5);
    ws_send(stream, 1, "0eW91", 5);
    ws_send(stream, 1, "0", 1);     /* nothing */
    ws_send(stream, 1, "0a", 2);    /* not a multiple of four */
    ws_send(stream, 1, "0a$Z=", 5); /* not base64 */
    ws_send(stream, 1, "0====", 5); /* more padding than base64 has */
    ws_send(stream, 1, "/aGk=", 5); /* below the digits */
    api_settle(api);
    expect_input(0, "hiyou");
    pod_says(0, "all");
    ws_expect(api, stream, "48:YWxs ");
    http_loopback_free(stream);
}

static void ports_are_checked(void **state)
{
    static const char *const queries[] = {"",         "?ports=",      "?ports=0",
                                          "?ports=x", "?ports=65536", "?ports=80,"};
    Api *api = *state;

    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        _free_ char *path = mem_printf(FORWARD "%s", queries[i]);
        HttpLoopback *stream = ws_open(api, path, "v4.channel.k8s.io");
        _free_ char *head = mem_strndup((const char *)http_loopback_take(stream).p, 12);

        if (!str_equal(head, "HTTP/1.1 400"))
            fail_msg("%s: %s", queries[i], head);
        http_loopback_free(stream);
    }
    assert_int_equal(node.n, 0);
}

static void a_pod_that_does_not_read_stops_the_client(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, FORWARD "?ports=80", "v4.channel.k8s.io");

    free(ws_take(api, stream));
    node.waiting = MANY;
    ws_send(stream, 2, "\0one", 4);
    api_settle(api);
    ws_send(stream, 2, "\0two", 4);
    api_settle(api);
    expect_input(0, "one");
    node.waiting = 0;
    node.made[0].sink.on_drain(node.made[0].sink.data);
    free(ws_take(api, stream));
    expect_input(0, "onetwo");
    http_loopback_free(stream);
}

static void a_client_that_does_not_read_stops_the_pod(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, FORWARD "?ports=80", "v4.channel.k8s.io");
    _free_ char *much = mem_new(MANY + 1);

    memset(much, 'x', MANY);
    free(ws_take(api, stream));
    pod_says(0, "a little");
    assert_false(node.made[0].paused);
    http_loopback_stall(stream, true);
    pod_says(0, much);
    assert_true(node.made[0].paused);
    http_loopback_stall(stream, false);
    api_settle(api);
    for (int i = 0; i < 100 && node.made[0].paused; i++) {
        http_loopback_take(stream);
        api_settle(api);
    }
    assert_false(node.made[0].paused);
    http_loopback_free(stream);
}

/* ---- SPDY ---- */

static void a_pair_of_streams_is_a_connection(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    spdy_syn(&client, 1, "streamtype=error port=80 requestid=0");
    spdy_expect(&client, "101 reply 1 ");
    assert_int_equal(node.n, 0);
    spdy_syn(&client, 3, "streamtype=data port=80 requestid=0");
    spdy_data(&client, 3, "ping", false);
    spdy_expect(&client, "reply 3 ");
    expect_input(0, "ping");
    spdy_data(&client, 1, "to the error stream", true);
    pod_says(0, "pong");
    spdy_expect(&client, "3:pong ");
    expect_input(0, "ping");
    assert_false(node.made[0].ended);
    spdy_data(&client, 3, "", true);
    assert_true(node.made[0].ended);
    pod_closes(0, NULL);
    spdy_expect(&client, "end 1 end 3 ");
    spdy_close(&client);
    assert_false(node.made[0].closed);
}

static void pairs_are_told_apart_without_a_request_id(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    for (uint32_t id = 1; id < 9; id += 4) {
        spdy_syn(&client, id, "streamtype=error port=80");
        spdy_syn(&client, id + 2, "streamtype=data port=80");
    }
    spdy_expect(&client, "101 reply 1 reply 3 reply 5 reply 7 ");
    assert_int_equal(node.n, 2);
    spdy_data(&client, 7, "second", false);
    expect_input(0, "");
    expect_input(1, "second");
    pod_closes(1, NULL);
    spdy_expect(&client, "end 5 end 7 ");
    spdy_close(&client);
    assert_true(node.made[0].closed);
}

static void streams_that_are_no_part_of_a_pair_are_refused(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    spdy_syn(&client, 1, "streamtype=data");
    spdy_syn(&client, 3, "streamtype=data port=0");
    spdy_syn(&client, 5, "streamtype=other port=80");
    spdy_syn(&client, 7, "streamtype=error port=80 requestid=0");
    spdy_syn(&client, 9, "streamtype=error port=80 requestid=0");
    spdy_expect(&client, "101 reset 1 reset 3 reset 5 reply 7 reset 9 ");
    assert_int_equal(node.n, 0);
    spdy_close(&client);
}

static void a_client_has_a_limit_of_connections(void **state)
{
    SpdyClient client;
    _free_ char *text = NULL;

    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    for (uint32_t i = 0; i < 256; i++) {
        _free_ char *headers = mem_printf("streamtype=error port=80 requestid=%u", i);

        spdy_syn(&client, i * 2 + 1, headers);
    }
    text = spdy_take(&client);
    assert_null(strstr(text, "reset"));
    spdy_syn(&client, 513, "streamtype=error port=80 requestid=256");
    spdy_expect(&client, "reset 513 ");
    /* A connection that is over makes room for another. */
    spdy_rst(&client, 1);
    spdy_syn(&client, 515, "streamtype=error port=80 requestid=256");
    spdy_expect(&client, "reply 515 ");
    spdy_close(&client);
}

static void a_reset_closes_the_connection(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    spdy_syn(&client, 1, "streamtype=error port=80 requestid=0");
    spdy_syn(&client, 3, "streamtype=data port=80 requestid=0");
    free(spdy_take(&client));
    spdy_rst(&client, 3);
    spdy_expect(&client, "end 1 ");
    assert_true(node.made[0].closed);
    spdy_close(&client);
}

static void a_failed_connection_is_told_on_the_error_stream(void **state)
{
    SpdyClient client;
    _free_ char *text = NULL;

    node.refuse = "connection refused";
    spdy_open(&client, *state, FORWARD, "portforward.k8s.io");
    spdy_syn(&client, 1, "streamtype=error port=80 requestid=0");
    spdy_syn(&client, 3, "streamtype=data port=80 requestid=0");
    text = spdy_take(&client);
    assert_true(
        str_starts_with(text, "101 reply 1 reply 3 1:error forwarding port 80 to pod p, uid "));
    assert_non_null(strstr(text, ": connection refused end 1 end 3 "));
    spdy_close(&client);
}

static void another_pod_of_the_name_is_not_the_same(void **state)
{
    Api *api = *state;
    SpdyClient client;
    _free_ char *text = NULL;

    spdy_open(&client, api, FORWARD, "portforward.k8s.io");
    spdy_syn(&client, 1, "streamtype=error port=80 requestid=0");
    free(spdy_take(&client));
    api_call(api, "DELETE", POD "/p?gracePeriodSeconds=0", NULL, NULL);
    spdy_syn(&client, 3, "streamtype=data port=80 requestid=0");
    text = spdy_take(&client);
    assert_non_null(strstr(text, ": pod not found (\"p_t\") "));
    assert_int_equal(node.n, 0);
    spdy_close(&client);
}

static void an_unknown_protocol_is_refused(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, FORWARD, "other.k8s.io");
    spdy_expect(&client, "403 ");
    spdy_close(&client);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(refusals_come_in_kubernetes_words),
        TEST(each_port_has_two_channels),
        TEST(it_ends_with_the_last_connection),
        TEST(a_refused_port_says_why),
        TEST(base64_is_text),
        TEST(ports_are_checked),
        TEST(a_pod_that_does_not_read_stops_the_client),
        TEST(a_client_that_does_not_read_stops_the_pod),
        TEST(a_pair_of_streams_is_a_connection),
        TEST(pairs_are_told_apart_without_a_request_id),
        TEST(streams_that_are_no_part_of_a_pair_are_refused),
        TEST(a_client_has_a_limit_of_connections),
        TEST(a_reset_closes_the_connection),
        TEST(a_failed_connection_is_told_on_the_error_stream),
        TEST(another_pod_of_the_name_is_not_the_same),
        TEST(an_unknown_protocol_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
