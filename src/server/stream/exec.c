/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/exec and pods/attach: the parameters, the process, and the report of its end. The transports
 * (exec.h) implement the protocols of the clients.
 *
 * There is back-pressure in both directions: a process that does not read its stdin pauses the
 * connection, and a client that does not read pauses the process.
 */
#include "base/vec.h"
#include "codec/json/json.h"
#include "server/request/respond.h"
#include "server/stream/exec.h"
#include "server/stream/spdy.h"
#include "server/stream/stream.h"

#define PENDING_MAX ((size_t)512 * 1024)
#define COMMAND_MAX 4096

/* ---- the end ---- */

static void result_json(StrBuf *text, int exit_code, const char *message)
{
    _strbuf_ StrBuf quoted = STRBUF_INIT;

    if (exit_code == 0) {
        strbuf_add_string(text, "{\"metadata\":{},\"status\":\"Success\"}");
    } else if (exit_code > 0) {
        strbuf_printf(text,
                      "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated "
                      "with non-zero exit code: exit status %d\",\"reason\":\"NonZeroExitCode\","
                      "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
                      exit_code, exit_code);
    } else {
        json_encode_string(&quoted, message, strlen(message));
        strbuf_printf(text,
                      "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error "
                      "occurred: %s,\"reason\":\"InternalError\",\"details\":{\"causes\":[{"
                      "\"message\":%s}]},\"code\":500}",
                      quoted.p + 1, quoted.p);
    }
}

static void result_text(StrBuf *text, int exit_code, const char *message)
{
    if (exit_code > 0)
        strbuf_printf(text, "command terminated with non-zero exit code: exit status %d",
                      exit_code);
    else if (exit_code < 0)
        strbuf_printf(text, "Internal error occurred: %s", message);
}

static void tell_end(Exec *exec, int exit_code, const char *message)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    message = str_or(message, "the command could not run");
    if (exec->plain)
        result_text(&text, exit_code, message);
    else
        result_json(&text, exit_code, message);
    exec->told = true;
    if (text.n > 0)
        exec->transport->send(exec, CHANNEL_ERROR, strbuf_bytes(&text));
    exec->transport->end(exec);
}

/* ---- from the process ---- */

static void on_output(void *data, int channel, Bytes bytes)
{
    Exec *exec = data;

    if (!exec->transport)
        return;
    exec->transport->send(exec, channel, bytes);
    if (exec->stream && !exec->output_paused && exec->transport->pending(exec) > PENDING_MAX) {
        exec->output_paused = true;
        exec->streams->ops->exec_pause(exec->stream, true);
    }
}

static void on_input_drain(void *data)
{
    Exec *exec = data;

    if (!exec->input_paused)
        return;
    exec->input_paused = false;
    if (exec->transport)
        exec->transport->pause(exec, false);
}

static void on_exit_code(void *data, int exit_code, const char *message)
{
    Exec *exec = data;

    exec->stream = NULL;
    if (exec->transport) {
        on_input_drain(exec);
        tell_end(exec, exit_code, message);
    } else {
        exec->ended = true;
        exec->exit_code = exit_code;
        exec->message = mem_strdup(message);
    }
}

/* ---- from the client ---- */

void exec_ready(Exec *exec)
{
    if (exec->ended)
        tell_end(exec, exec->exit_code, exec->message);
    else if (exec->stream)
        exec->streams->ops->exec_pause(exec->stream, false);
}

void exec_input(Exec *exec, Bytes bytes)
{
    if (bytes.n == 0 || !exec->stream)
        return;
    if (exec->streams->ops->exec_input(exec->stream, bytes) > PENDING_MAX && exec->transport &&
        !exec->input_paused) {
        exec->input_paused = true;
        exec->transport->pause(exec, true);
    }
}

void exec_input_end(Exec *exec)
{
    if (exec->stream)
        exec->streams->ops->exec_input_end(exec->stream);
}

void exec_resize(Exec *exec, Bytes json)
{
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root;
    uint64_t width, height;

    if (!exec->stream || json_parse(&arena, json, &doc, &report))
        return;
    root = yyjson_doc_get_root(doc);
    width = yyjson_get_uint(yyjson_obj_get(root, "Width"));
    height = yyjson_get_uint(yyjson_obj_get(root, "Height"));
    if (width && height && width <= UINT16_MAX && height <= UINT16_MAX)
        exec->streams->ops->exec_resize(exec->stream, (uint16_t)width, (uint16_t)height);
}

void exec_drained(Exec *exec)
{
    if (!exec->output_paused || !exec->stream)
        return;
    exec->output_paused = false;
    exec->streams->ops->exec_pause(exec->stream, false);
}

void exec_gone(Exec *exec)
{
    exec->transport = NULL;
    if (exec->stream)
        exec->streams->ops->exec_close(TAKE_PTR(exec->stream));
    strbuf_deinit(&exec->sizes);
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
    exec = mem_new_type(Exec);
    exec->streams = streams;
    exec->options = query->options;
    sink = (ExecSink){on_output, on_input_drain, on_exit_code, exec};
    if (streams->ops->exec(streams, pod, &query->options, &sink, &exec->stream, reterr,
                           call->arena)) {
        free(exec);
        return NULL;
    }
    streams->ops->exec_pause(exec->stream, true);
    return exec;
}

static void run(Call *call, bool attach)
{
    HttpRequest *request = call->request;
    ExecQuery query = {.arena = call->arena, .command = VEC_INIT};
    ApiStatus status = {.reason = STATUS_OK};
    const struct ExecProtocol *channels = NULL;
    const char *protocol = NULL;
    bool websocket = http_wants_websocket(request);
    Exec *exec;

    if (!stream_pod_placed(call, &status)) {
        respond_status(call, &status);
        return;
    }
    if (!websocket && !spdy_wanted(request)) {
        status_set(&status, call->arena, STATUS_BAD_REQUEST, "Upgrade request required");
        respond_status(call, &status);
        return;
    }
    if (websocket)
        channels = exec_websocket_protocol(call);
    else
        protocol = exec_spdy_protocol(call);
    if (!channels && !protocol)
        return;
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
    exec->options.command = NULL;
    if (!(websocket ? exec_websocket(call, exec, channels) : exec_spdy(call, exec, protocol))) {
        exec_gone(exec);
        status_set(&status, call->arena, STATUS_BAD_REQUEST, "Upgrade request required");
        respond_status(call, &status);
    }
}

void subresource_exec(Call *call)
{
    run(call, false);
}

void subresource_attach(Call *call)
{
    run(call, true);
}
