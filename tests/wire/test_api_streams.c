/* SPDX-License-Identifier: Apache-2.0 */
/* Logs and exec, against a pod that is made of callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api_harness.h"
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
    bool input_ended, closed, log_stopped, tty;
    uint16_t columns, rows;
    size_t waiting; /* what exec_input says is waiting */
} FakeNode;

static FakeNode node;

static int fake_logs(PodStreams *streams, const Object *pod, const LogOptions *options,
                     const LogSink *sink, LogStream **ret, ApiStatus *reterr, Arena *arena)
{
    if (options->previous)
        return status_set(reterr, arena, STATUS_BAD_REQUEST,
                          "previous terminated container \"%s\" in pod \"%s\" not found",
                          options->container, object_meta(pod)->name);
    node.log = *sink;
    node.log_options = *options;
    node.container = mem_strdup(options->container);
    *ret = (LogStream *)(void *)&node;
    return 0;
}

static void fake_log_resume(LogStream *stream)
{
}

static void fake_log_stop(LogStream *stream)
{
    node.log_stopped = true;
}

static int fake_exec(PodStreams *streams, const Object *pod, const ExecOptions *options,
                     const ExecSink *sink, ExecStream **ret, ApiStatus *reterr, Arena *arena)
{
    _strbuf_ StrBuf command = STRBUF_INIT;

    node.exec = *sink;
    node.tty = options->tty;
    node.container = mem_strdup(options->container);
    for (size_t i = 0; options->command && options->command[i]; i++)
        strbuf_printf(&command, "%s[%s]", i ? " " : "", options->command[i]);
    node.command = mem_strdup(strbuf_string(&command));
    *ret = (ExecStream *)(void *)&node;
    return 0;
}

static size_t fake_exec_input(ExecStream *stream, Bytes bytes)
{
    strbuf_add(&node.input, bytes.p, bytes.n);
    return node.waiting;
}

static void fake_exec_input_end(ExecStream *stream)
{
    node.input_ended = true;
}

static void fake_exec_pause(ExecStream *stream, bool pause)
{
}

static void fake_exec_resize(ExecStream *stream, uint16_t columns, uint16_t rows)
{
    node.columns = columns;
    node.rows = rows;
}

static void fake_exec_close(ExecStream *stream)
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

/* ---- WebSocket ---- */

static HttpLoopback *exec_open(Api *api, const char *path, const char *protocols)
{
    _free_ char *headers =
        mem_printf("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n",
                   protocols);
    HttpLoopback *stream = api_stream(api, path, headers);

    api_settle(api);
    return stream;
}

static void frame_send(HttpLoopback *stream, uint8_t opcode, const char *p, size_t n)
{
    uint8_t frame[256] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | n)};

    assert_true(n < 120);
    memcpy(frame + 6, p, n); /* a mask of zeroes */
    http_loopback_send(stream, (Bytes){frame, n + 6});
}

/* "1:hello 3:{...}" of the binary frames that have come; "close" for a close frame. */
static char *frames_take(Api *api, HttpLoopback *stream)
{
    _strbuf_ StrBuf raw = STRBUF_INIT, text = STRBUF_INIT;
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        Bytes bytes;

        api_settle(api);
        bytes = http_loopback_take(stream);
        strbuf_add(&raw, bytes.p, bytes.n);
    }
    if (str_starts_with(strbuf_string(&raw), "HTTP/1.1")) {
        const char *end = strstr(raw.p, "\r\n\r\n");

        assert_non_null(end);
        strbuf_printf(&text, "%.3s ", raw.p + 9);
        at = (size_t)(end - raw.p) + 4;
    }
    while (at + 2 <= raw.n) {
        const uint8_t *p = (const uint8_t *)raw.p + at;
        size_t n = p[1] & 0x7f, head = 2;

        if (n == 126) {
            n = (size_t)p[2] << 8 | p[3];
            head = 4;
        }
        if ((p[0] & 0xf) == 8)
            strbuf_add_string(&text, "close");
        else if (n > 1)
            strbuf_printf(&text, "%d:%.*s ", p[head], (int)n - 1, (const char *)p + head + 1);
        at += head + n;
    }
    return strbuf_take(&text);
}

static void expect(Api *api, HttpLoopback *stream, const char *what)
{
    _free_ char *is = frames_take(api, stream);

    assert_string_equal(is, what);
}

static void a_command_runs_over_version_5(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = exec_open(
        api, POD "/p/exec?container=c&command=sh&command=-c&command=a%20b&stdin=1&stdout=1",
        "v5.channel.k8s.io, v4.channel.k8s.io");

    expect(api, stream, "101 ");
    assert_string_equal(node.command, "[sh] [-c] [a b]");
    assert_string_equal(node.container, "c");
    frame_send(stream, 2, "\0hello", 6);
    frame_send(stream, 2, "\4{\"Width\":80,\"Height\":24}", 25);
    frame_send(stream, 2, "\377\0", 2);
    api_settle(api);
    assert_string_equal(node.input.p, "hello");
    assert_int_equal(node.columns, 80);
    assert_int_equal(node.rows, 24);
    assert_true(node.input_ended);
    node.exec.on_output(node.exec.data, 1, BYTES_LITERAL("out"));
    node.exec.on_output(node.exec.data, 2, BYTES_LITERAL("err"));
    expect(api, stream, "1:out 2:err ");
    node.exec.on_exit(node.exec.data, 0, NULL);
    expect(api, stream, "3:{\"metadata\":{},\"status\":\"Success\"} close");
    http_loopback_free(stream);
    assert_false(node.closed);
}

static void an_exit_code_is_told(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        exec_open(api, POD "/p/exec?container=c&command=false&stdout=1", "v4.channel.k8s.io");
    _free_ char *is = NULL;

    free(frames_take(api, stream));
    node.exec.on_exit(node.exec.data, 3, NULL);
    is = frames_take(api, stream);
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
        exec_open(api, POD "/p/exec?container=c&command=cat&stdin=1", "v5.channel.k8s.io");

    free(frames_take(api, stream));
    http_loopback_free(stream);
    api_settle(api);
    assert_true(node.closed);
}

static void attach_names_no_command(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        exec_open(api, POD "/p/attach?container=c&stdout=1&tty=1", "v5.channel.k8s.io");

    expect(api, stream, "101 ");
    assert_string_equal(node.command, "");
    assert_true(node.tty);
    http_loopback_free(stream);
}

static void a_protocol_that_is_not_ours_is_refused(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        exec_open(api, POD "/p/exec?container=c&command=cat&stdin=1", "v9.channel.k8s.io");
    _free_ char *is = NULL;

    is = mem_strndup((const char *)http_loopback_take(stream).p, 12);
    assert_string_equal(is, "HTTP/1.1 400");
    http_loopback_free(stream);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(refusals_come_in_kubernetes_words),
        TEST(a_log_is_followed),
        TEST(a_log_ends),
        TEST(a_command_runs_over_version_5),
        TEST(an_exit_code_is_told),
        TEST(a_client_that_goes_ends_the_command),
        TEST(attach_names_no_command),
        TEST(a_protocol_that_is_not_ours_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
