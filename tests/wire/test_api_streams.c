/* SPDX-License-Identifier: Apache-2.0 */
/* Logs and exec, against a pod that is made of callbacks. */
#include "testing.h"

#include "api_upgrades.h"
#include "base/strbuf.h"

#define POD "/api/v1/namespaces/t/pods"

/* What the server asked of the node, and the way back. */
typedef struct FakeNode {
    PodStreams streams;
    LogSink log;
    LogOptions log_options;
    ExecSink exec;
    char *container, *command;
    StrBuf input;
    bool input_ended, closed, log_stopped, tty, paused;
    uint16_t columns, rows;
    size_t waiting; /* what exec_input says is waiting */
} FakeNode;

static FakeNode node;

static int fake_logs(PodStreams *streams _unused_, const Object *pod, const LogOptions *options,
                     const LogSink *sink, LogStream **ret, ApiStatus *reterr, Arena *arena)
{
    if (options->previous)
        return status_set(reterr, arena, STATUS_BAD_REQUEST,
                          "previous terminated container \"%s\" in pod \"%s\" not found",
                          options->container, object_meta(pod)->name);
    node.log = *sink;
    node.log_options = *options;
    free(node.container);
    node.container = mem_strdup(options->container);
    *ret = (LogStream *)(void *)&node;
    return 0;
}

static void fake_log_resume(LogStream *stream _unused_)
{
}

static void fake_log_stop(LogStream *stream _unused_)
{
    node.log_stopped = true;
}

static int fake_exec(PodStreams *streams _unused_, const Object *pod _unused_,
                     const ExecOptions *options, const ExecSink *sink, ExecStream **ret,
                     ApiStatus *reterr _unused_, Arena *arena _unused_)
{
    _strbuf_ StrBuf command = STRBUF_INIT;

    node.exec = *sink;
    node.tty = options->tty;
    free(node.container);
    free(node.command);
    node.container = mem_strdup(options->container);
    for (size_t i = 0; options->command && options->command[i]; i++)
        strbuf_printf(&command, "%s[%s]", i ? " " : "", options->command[i]);
    node.command = mem_strdup(strbuf_string(&command));
    *ret = (ExecStream *)(void *)&node;
    return 0;
}

static size_t fake_exec_input(ExecStream *stream _unused_, Bytes bytes)
{
    strbuf_add(&node.input, bytes.p, bytes.n);
    return node.waiting;
}

static void fake_exec_input_end(ExecStream *stream _unused_)
{
    node.input_ended = true;
}

static void fake_exec_pause(ExecStream *stream _unused_, bool pause _unused_)
{
    node.paused = pause;
}

static void fake_exec_resize(ExecStream *stream _unused_, uint16_t columns, uint16_t rows)
{
    node.columns = columns;
    node.rows = rows;
}

static void fake_exec_close(ExecStream *stream _unused_)
{
    node.closed = true;
}

static const PodStreamsOps fake_ops = {
    .logs = fake_logs,
    .log_resume = fake_log_resume,
    .log_stop = fake_log_stop,
    .exec = fake_exec,
    .exec_input = fake_exec_input,
    .exec_input_end = fake_exec_input_end,
    .exec_pause = fake_exec_pause,
    .exec_resize = fake_exec_resize,
    .exec_close = fake_exec_close,
};

/* clang-format off */
static const ApiCase pod_cases[] = {
    {"a pod", "POST", POD, NULL, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"},{\"name\":\"d\",\"image\":\"b\"}],\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"on a node", "POST", POD "/p/binding", NULL, "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}", 201, {{0}}},
};
static const ApiCase refused_cases[] = {
    {"which container", "GET", POD "/p/log", NULL, NULL, 400, {{"/message", "\"a container name must be specified for pod p, choose one of: [c d] or one of the init containers: [i]\""}}},
    {"the node refuses", "GET", POD "/p/log?container=c&previous=1", NULL, NULL, 400, {{"/message", "\"previous terminated container \\\"c\\\" in pod \\\"p\\\" not found\""}}},
    {"no pod", "GET", POD "/none/log", NULL, NULL, 404, {{0}}},
    {"a bad count", "GET", POD "/p/log?container=c&tailLines=x", NULL, NULL, 400, {{0}}},
    {"a negative count", "GET", POD "/p/log?container=c&tailLines=-1", NULL, NULL, 422, {{0}}},
    {"exec is no plain request", "GET", POD "/p/exec?container=c&command=x&stdout=1", NULL, NULL, 400, {{"/message", "\"Upgrade request required\""}}},
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
    free(node.container);
    free(node.command);
    strbuf_deinit(&node.input);
    return 0;
}

static void refusals_come_in_kubernetes_words(void **state)
{
    api_run(*state, refused_cases, ARRAY_LEN(refused_cases));
}

static void a_log_is_followed(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(
        api, POD "/p/log?container=d&follow=true&tailLines=5&timestamps=true&sinceSeconds=10",
        NULL);
    _free_ char *first = NULL, *second = NULL;

    free(api_lines(api, stream));
    assert_string_equal(node.container, "d");
    assert_true(node.log_options.follow && node.log_options.timestamps);
    assert_int_equal(node.log_options.tail_lines, 5);
    assert_int_equal(node.log_options.since_ns, (API_EPOCH - 10) * NS_PER_SEC);
    node.log.on_data(node.log.data, BYTES_LITERAL("one\n"));
    first = api_lines(api, stream);
    assert_string_equal(first, "one\n");
    node.log.on_data(node.log.data, BYTES_LITERAL("two\n"));
    second = api_lines(api, stream);
    assert_string_equal(second, "two\n");
    http_loopback_free(stream);
    api_settle(api);
    assert_true(node.log_stopped);
}

static void a_log_ends(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, POD "/p/log?container=c", NULL);
    Bytes bytes;
    _free_ char *raw = NULL;

    free(api_lines(api, stream));
    node.log.on_data(node.log.data, BYTES_LITERAL("x"));
    node.log.on_end(node.log.data);
    api_settle(api);
    bytes = http_loopback_take(stream);
    raw = mem_strndup((const char *)bytes.p, bytes.n);
    assert_non_null(strstr(raw, "0\r\n\r\n"));
    http_loopback_free(stream);
    assert_false(node.log_stopped);
}

/* Each message has the first byte of what is sent where other streams have their channel. */
static void a_log_is_sent_over_a_websocket(void **state)
{
    static const char *const protocols[] = {"binary.k8s.io", "base64.binary.k8s.io", NULL};
    static const char *const messages[] = {"101 111:ne\n 116:wo\n close",
                                           "101 98:25lCg== 100:HdvCg== close",
                                           "101 111:ne\n 116:wo\n close"};
    Api *api = *state;

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        HttpLoopback *stream = ws_open(api, POD "/p/log?container=c", protocols[i]);

        node.log_stopped = false;
        node.log.on_data(node.log.data, BYTES_LITERAL("one\n"));
        node.log.on_data(node.log.data, BYTES_LITERAL("two\n"));
        node.log.on_end(node.log.data);
        ws_expect(api, stream, messages[i]);
        assert_false(node.log_stopped);
        http_loopback_free(stream);
    }
}

static void a_log_stops_with_its_websocket(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = ws_open(api, POD "/p/log?container=c&follow=true", "binary.k8s.io");
    _free_ char *refusal = NULL;

    node.log_stopped = false;
    node.log.on_data(node.log.data, BYTES_LITERAL("one\n"));
    ws_send(stream, 2, "nonsense", 8); /* is ignored */
    ws_expect(api, stream, "101 111:ne\n ");
    assert_false(node.log_stopped);
    ws_send(stream, 8, "\3\350", 2);
    api_settle(api);
    assert_true(node.log_stopped);
    http_loopback_free(stream);
    stream = ws_open(api, POD "/p/log?container=c", "v4.channel.k8s.io");
    refusal = ws_take(api, stream);
    assert_true(str_starts_with(refusal, "400 "));
    http_loopback_free(stream);
}

/* ---- WebSocket ---- */

static void a_command_runs_over_version_5(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/exec?container=c&command=sh&command=-c&command=a%20b&stdin=1&stdout=1",
                "v5.channel.k8s.io, v4.channel.k8s.io");

    ws_expect(api, stream, "101 ");
    assert_string_equal(node.command, "[sh] [-c] [a b]");
    assert_string_equal(node.container, "c");
    ws_send(stream, 2, "\0hello", 6);
    ws_send(stream, 2, "\4{\"Width\":80,\"Height\":24}", 25);
    ws_send(stream, 2, "\377\0", 2);
    api_settle(api);
    assert_string_equal(node.input.p, "hello");
    assert_int_equal(node.columns, 80);
    assert_int_equal(node.rows, 24);
    assert_true(node.input_ended);
    node.exec.on_output(node.exec.data, 1, BYTES_LITERAL("out"));
    node.exec.on_output(node.exec.data, 2, BYTES_LITERAL("err"));
    ws_expect(api, stream, "1:out 2:err ");
    node.exec.on_exit(node.exec.data, 0, NULL);
    ws_expect(api, stream, "3:{\"metadata\":{},\"status\":\"Success\"} close");
    http_loopback_free(stream);
    assert_false(node.closed);
}

static void an_exit_code_is_told(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/exec?container=c&command=false&stdout=1", "v4.channel.k8s.io");
    _free_ char *is = NULL;

    free(ws_take(api, stream));
    node.exec.on_exit(node.exec.data, 3, NULL);
    is = ws_take(api, stream);
    assert_non_null(strstr(is, "\"status\":\"Failure\""));
    assert_non_null(strstr(is,
                           "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"
                           "\"ExitCode\",\"message\":\"3\"}]}"));
    http_loopback_free(stream);
}

static void a_client_that_goes_ends_the_command(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/exec?container=c&command=cat&stdin=1", "v5.channel.k8s.io");

    free(ws_take(api, stream));
    http_loopback_free(stream);
    api_settle(api);
    assert_true(node.closed);
}

static void attach_names_no_command(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/attach?container=c&stdout=1&tty=1", "v5.channel.k8s.io");

    ws_expect(api, stream, "101 ");
    assert_string_equal(node.command, "");
    assert_true(node.tty);
    http_loopback_free(stream);
}

static void a_protocol_that_is_not_ours_is_refused(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/exec?container=c&command=cat&stdin=1", "v9.channel.k8s.io");
    _free_ char *is = NULL;

    is = mem_strndup((const char *)http_loopback_take(stream).p, 12);
    assert_string_equal(is, "HTTP/1.1 400");
    http_loopback_free(stream);
}

/* ---- SPDY ---- */

static void a_command_runs_over_spdy(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, POD "/p/exec?container=c&command=sh&stdin=1&stdout=1&stderr=1",
              "v4.channel.k8s.io, channel.k8s.io");
    spdy_syn(&client, 1, "streamtype=error");
    spdy_syn(&client, 3, "streamtype=stdin");
    spdy_syn(&client, 5, "streamtype=stdout");
    spdy_expect(&client, "101 reply 1 reply 3 reply 5 ");
    assert_true(node.paused); /* until the last stream is there */
    spdy_syn(&client, 7, "streamtype=stderr");
    spdy_syn(&client, 9, "streamtype=resize");
    spdy_expect(&client, "reply 7 reply 9 ");
    assert_false(node.paused);
    spdy_data(&client, 3, "hello", false);
    spdy_data(&client, 9, "{\"Width\":80,\"Hei", false);
    assert_int_equal(node.columns, 0);
    spdy_data(&client, 9, "ght\":24}{\"Width\":81,\"Height\":25}", false);
    assert_string_equal(node.input.p, "hello");
    assert_int_equal(node.columns, 81);
    assert_int_equal(node.rows, 25);
    assert_false(node.input_ended);
    spdy_data(&client, 3, "", true);
    assert_true(node.input_ended);
    node.exec.on_output(node.exec.data, 1, BYTES_LITERAL("out"));
    node.exec.on_output(node.exec.data, 2, BYTES_LITERAL("err"));
    spdy_expect(&client, "5:out 7:err ");
    node.exec.on_exit(node.exec.data, 0, NULL);
    spdy_expect(&client,
                "1:{\"metadata\":{},\"status\":\"Success\"} end 3 end 5 end 7 end 1 end 9 ");
    spdy_close(&client);
    assert_false(node.closed);
}

static void a_command_that_ends_before_its_client_is_there_says_so_then(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, POD "/p/exec?container=c&command=true&stdout=1",
              "v4.channel.k8s.io");
    node.exec.on_exit(node.exec.data, 0, NULL);
    spdy_syn(&client, 1, "streamtype=error");
    spdy_expect(&client, "101 reply 1 ");
    spdy_syn(&client, 3, "streamtype=stdout");
    spdy_expect(&client, "reply 3 1:{\"metadata\":{},\"status\":\"Success\"} end 3 end 1 ");
    spdy_close(&client);
}

static void a_stream_that_no_command_has_is_refused(void **state)
{
    SpdyClient client;

    spdy_open(&client, *state, POD "/p/exec?container=c&command=true&stdout=1",
              "v4.channel.k8s.io");
    spdy_syn(&client, 1, "streamtype=error");
    spdy_syn(&client, 3, "streamtype=error");
    spdy_syn(&client, 5, "streamtype=other");
    spdy_expect(&client, "101 reply 1 reset 3 reset 5 ");
    spdy_close(&client);
    assert_true(node.closed);
}

/* Before version 4, the error stream carries text, and only of failures. */
static void old_clients_get_text(void **state)
{
    static const struct {
        int exit_code;
        const char *message, *text;
    } cases[] = {
        {0, NULL, "end 3 end 1 "},
        {3, NULL, "1:command terminated with non-zero exit code: exit status 3 end 3 end 1 "},
        {-1, "no such file", "1:Internal error occurred: no such file end 3 end 1 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SpdyClient client;

        spdy_open(&client, *state, POD "/p/exec?container=c&command=true&stdout=1",
                  "channel.k8s.io");
        spdy_syn(&client, 1, "streamtype=error");
        spdy_syn(&client, 3, "streamtype=stdout");
        spdy_expect(&client, "101 reply 1 reply 3 ");
        node.exec.on_exit(node.exec.data, cases[i].exit_code, cases[i].message);
        spdy_expect(&client, cases[i].text);
        spdy_close(&client);
    }
}

static void a_client_that_opens_no_streams_is_left(void **state)
{
    Api *api = *state;
    SpdyClient client;

    spdy_open(&client, api, POD "/p/exec?container=c&command=true&stdout=1", "v4.channel.k8s.io");
    spdy_syn(&client, 1, "streamtype=error");
    spdy_expect(&client, "101 reply 1 ");
    clock_fake_advance(api->clock, 31 * NS_PER_SEC);
    spdy_expect(&client, "goaway ");
    clock_fake_advance(api->clock, 6 * NS_PER_SEC);
    spdy_expect(&client, "");
    assert_true(node.closed);
    spdy_close(&client);
}

static void a_process_that_does_not_read_stops_the_client(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        ws_open(api, POD "/p/exec?container=c&command=cat&stdin=1", "v5.channel.k8s.io");

    free(ws_take(api, stream));
    node.waiting = 1024 * 1024;
    ws_send(stream, 2, "\0one", 4);
    api_settle(api);
    ws_send(stream, 2, "\0two", 4);
    api_settle(api);
    assert_string_equal(node.input.p, "one");
    node.waiting = 0;
    node.exec.on_input_drain(node.exec.data);
    free(ws_take(api, stream));
    assert_string_equal(node.input.p, "onetwo");
    http_loopback_free(stream);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(refusals_come_in_kubernetes_words),
        TEST(a_log_is_followed),
        TEST(a_log_ends),
        TEST(a_log_is_sent_over_a_websocket),
        TEST(a_log_stops_with_its_websocket),
        TEST(a_command_runs_over_version_5),
        TEST(an_exit_code_is_told),
        TEST(a_client_that_goes_ends_the_command),
        TEST(attach_names_no_command),
        TEST(a_protocol_that_is_not_ours_is_refused),
        TEST(a_command_runs_over_spdy),
        TEST(a_command_that_ends_before_its_client_is_there_says_so_then),
        TEST(a_stream_that_no_command_has_is_refused),
        TEST(old_clients_get_text),
        TEST(a_client_that_opens_no_streams_is_left),
        TEST(a_process_that_does_not_read_stops_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
