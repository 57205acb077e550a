/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/exec and pods/attach over WebSocket: v4.channel.k8s.io and v5.channel.k8s.io.
 *
 * Each binary message begins with the number of its channel:
 *
 *   0 stdin    from the client
 *   1 stdout   2 stderr   to the client
 *   3 error    to the client: one Status as JSON when the process has ended, success or not
 *   4 resize   from the client: {"Width":80,"Height":24}
 *   255 close  from the client, v5 only: the byte that follows is the channel that has ended, which
 * is how stdin ends
 *
 * Both directions push back: a process that does not read its stdin pauses the connection, a client
 * that does not read pauses the process.
 */
#include "server/internal.h"
#include "server/stream.h"

#define PENDING_MAX ((size_t)512 * 1024)
#define COMMAND_MAX 4096

enum {
    CHANNEL_STDIN,
    CHANNEL_STDOUT,
    CHANNEL_STDERR,
    CHANNEL_ERROR,
    CHANNEL_RESIZE,
    CHANNEL_CLOSE = 255,
};

typedef struct Exec {
    PodStreams *streams;
    WebSocket *ws;      /* NULL: the client is gone */
    ExecStream *stream; /* NULL: the process has ended */
    bool closes;        /* v5 */
    bool tty;
    bool output_paused, input_paused;
    bool early; /* it ended before there was a connection to say so */
    bool starting;
    int exit_code;
    char *message;
} Exec;

/* ---- to the client ---- */

static void send_channel(Exec *exec, uint8_t channel, Bytes bytes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!exec->ws)
        return;
    strbuf_reserve(&text, bytes.n + 1);
    strbuf_add_char(&text, (char)channel);
    strbuf_add(&text, bytes.p, bytes.n);
    websocket_send(exec->ws, false, strbuf_bytes(&text));
}

static void send_result(Exec *exec, int exit_code, const char *message)
{
    _strbuf_ StrBuf text = STRBUF_INIT, quoted = STRBUF_INIT;

    if (exit_code == 0) {
        strbuf_add_string(&text, "{\"metadata\":{},\"status\":\"Success\"}");
    } else if (exit_code > 0) {
        strbuf_printf(&text,
                      "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated "
                      "with non-zero exit code: exit status %d\",\"reason\":\"NonZeroExitCode\","
                      "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
                      exit_code, exit_code);
    } else {
        message = str_or(message, "the command could not run");
        json_encode_string(&quoted, message, strlen(message));
        strbuf_printf(&text,
                      "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error "
                      "occurred: %s,\"reason\":\"InternalError\",\"details\":{\"causes\":[{"
                      "\"message\":%s}]},\"code\":500}",
                      quoted.p + 1, quoted.p);
    }
    send_channel(exec, CHANNEL_ERROR, strbuf_bytes(&text));
    if (exec->ws)
        websocket_close(exec->ws, 1000, "");
}

/* ---- from the process ---- */

static void on_output(void *data, int channel, Bytes bytes)
{
    Exec *exec = data;

    if (!exec->ws)
        return;
    send_channel(exec, (uint8_t)channel, bytes);
    if (exec->ws && exec->stream && !exec->output_paused &&
        websocket_pending(exec->ws) > PENDING_MAX) {
        exec->output_paused = true;
        exec->streams->ops->exec_pause(exec->stream, true);
    }
}

static void on_input_drain(void *data)
{
    Exec *exec = data;

    if (!exec->input_paused || !exec->ws)
        return;
    exec->input_paused = false;
    websocket_pause(exec->ws, false);
}

static void on_exit_code(void *data, int exit_code, const char *message)
{
    Exec *exec = data;

    exec->stream = NULL;
    if (exec->ws) {
        send_result(exec, exit_code, message);
    } else if (exec->starting) {
        exec->early = true;
        exec->exit_code = exit_code;
        exec->message = mem_strdup(message);
    }
}

/* ---- from the client ---- */

static void resize(Exec *exec, Bytes message)
{
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root;
    uint64_t width, height;

    if (json_parse(&arena, message, &doc, &report))
        return;
    root = yyjson_doc_get_root(doc);
    width = yyjson_get_uint(yyjson_obj_get(root, "Width"));
    height = yyjson_get_uint(yyjson_obj_get(root, "Height"));
    if (width && height && width <= UINT16_MAX && height <= UINT16_MAX)
        exec->streams->ops->exec_resize(exec->stream, (uint16_t)width, (uint16_t)height);
}

static void on_message(WebSocket *ws, void *data, bool text, Bytes message)
{
    Exec *exec = data;
    Bytes rest;

    if (message.n == 0 || !exec->stream)
        return;
    rest = (Bytes){message.p + 1, message.n - 1};
    switch (message.p[0]) {
    case CHANNEL_STDIN:
        if (rest.n && exec->streams->ops->exec_input(exec->stream, rest) > PENDING_MAX &&
            exec->ws && !exec->input_paused) {
            exec->input_paused = true;
            websocket_pause(ws, true);
        }
        break;
    case CHANNEL_RESIZE:
        resize(exec, rest);
        break;
    case CHANNEL_CLOSE:
        if (exec->closes && rest.n == 1 && rest.p[0] == CHANNEL_STDIN)
            exec->streams->ops->exec_input_end(exec->stream);
        break;
    default:
        break;
    }
}

static void on_drain(WebSocket *ws, void *data)
{
    Exec *exec = data;

    if (!exec->output_paused || !exec->stream)
        return;
    exec->output_paused = false;
    exec->streams->ops->exec_pause(exec->stream, false);
}

static void on_close(WebSocket *ws, void *data)
{
    Exec *exec = data;

    exec->ws = NULL;
    if (exec->stream)
        exec->streams->ops->exec_close(TAKE_PTR(exec->stream));
    free(exec->message);
    free(exec);
}

/* ---- start ---- */

typedef struct ExecQuery {
    Arena *arena;
    VEC(const char *) command;
    ExecOptions options;
} ExecQuery;

static void on_parameter(void *data, const char *name, const char *value)
{
    ExecQuery *query = data;

    if (str_equal(name, "command")) {
        if (query->command.n < COMMAND_MAX)
            VEC_PUSH(&query->command, arena_strdup(query->arena, value));
    } else if (str_equal(name, "container")) {
        query->options.container = arena_strdup(query->arena, value);
    } else if (str_equal(name, "stdin")) {
        query->options.standard_in = query_true(value);
    } else if (str_equal(name, "stdout")) {
        query->options.standard_out = query_true(value);
    } else if (str_equal(name, "stderr")) {
        query->options.standard_err = query_true(value);
    } else if (str_equal(name, "tty")) {
        query->options.tty = query_true(value);
    }
}

static int check_query(Call *call, const ExecQuery *query, bool attach, ApiStatus *reterr)
{
    static const Kind options = {.group = "", .kind = "PodExecOptions", .plural = ""};
    static const Kind attach_options = {.group = "", .kind = "PodAttachOptions", .plural = ""};
    Causes causes = {.arena = call->arena};

    if (!attach && query->command.n == 0)
        causes_required(&causes, "command", NULL);
    if (!query->options.standard_in && !query->options.standard_out && !query->options.standard_err)
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "you must specify at least 1 of stdin, stdout, stderr");
    return causes.n ? status_invalid(reterr, call->arena, attach ? &attach_options : &options, "",
                                     &causes)
                    : 0;
}

static Exec *exec_start(Call *call, ExecQuery *query, bool attach, ApiStatus *reterr)
{
    PodStreams *streams = call->server->streams;
    Object *pod;
    Exec *exec;
    ExecSink sink;

    if (check_query(call, query, attach, reterr))
        return NULL;
    pod = stream_pod(call, &query->options.container, reterr);
    if (!pod)
        return NULL;
    if (str_empty(OBJECT_AS(Pod, pod)->spec.node_name)) {
        status_set(reterr, call->arena, STATUS_BAD_REQUEST, "pod %s does not have a host assigned",
                   call->route.name);
        return NULL;
    }
    exec = mem_new_type(Exec);
    exec->streams = streams;
    exec->tty = query->options.tty;
    exec->starting = true;
    sink = (ExecSink){on_output, on_input_drain, on_exit_code, exec};
    if (streams->ops->exec(streams, pod, &query->options, &sink, &exec->stream, reterr,
                           call->arena)) {
        free(exec);
        return NULL;
    }
    return exec;
}

static void run(Call *call, bool attach)
{
    static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    static const WebSocketHandler handler = {on_message, on_drain, on_close};
    HttpRequest *request = call->request;
    ExecQuery query = {.arena = call->arena, .command = VEC_INIT};
    ApiStatus status = {.reason = STATUS_OK};
    const char *protocol;
    Exec *exec;

    if (!http_wants_websocket(request)) {
        status_set(&status, call->arena, STATUS_BAD_REQUEST, "Upgrade request required");
        respond_status(call, &status);
        return;
    }
    protocol = http_websocket_protocol(request, protocols);
    if (!protocol) {
        status_set(&status, call->arena, STATUS_BAD_REQUEST,
                   "unable to upgrade: none of the offered subprotocols is v5.channel.k8s.io or "
                   "v4.channel.k8s.io");
        respond_status(call, &status);
        return;
    }
    http_query_each(request, on_parameter, &query);
    if (!attach) {
        VEC_PUSH(&query.command, NULL);
        query.options.command = query.command.v;
        query.command.n--;
    }
    exec = exec_start(call, &query, attach, &status);
    VEC_DEINIT(&query.command);
    if (!exec) {
        respond_status(call, &status);
        return;
    }
    exec->closes = str_equal(protocol, protocols[0]);
    exec->ws = http_websocket_accept(request, protocol, &handler, exec);
    exec->starting = false;
    if (!exec->ws) {
        if (exec->stream)
            exec->streams->ops->exec_close(TAKE_PTR(exec->stream));
        free(exec->message);
        free(exec);
        return;
    }
    /* Old clients wait for a first sign of life. */
    send_channel(exec, CHANNEL_STDOUT, BYTES_LITERAL(""));
    if (exec->early)
        send_result(exec, exec->exit_code, exec->message);
}

void subresource_exec(Call *call)
{
    run(call, false);
}

void subresource_attach(Call *call)
{
    run(call, true);
}
