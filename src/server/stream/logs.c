/* SPDX-License-Identifier: Apache-2.0 */
/* pods/log: the log of a container, complete or followed; and the checks that log, exec and attach
 * share. */
#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/time/clock.h"
#include "base/timefmt.h"
#include "codec/base64.h"
#include "server/request/respond.h"
#include "server/stream/channels.h"
#include "server/stream/stream.h"

/* ---- containers ---- */

static void add_names(StrBuf *out, const ContainerArray *containers)
{
    for (size_t i = 0; i < containers->n; i++)
        strbuf_printf(out, "%s%s", i ? " " : "", containers->v[i].name);
}

static bool has_container(const PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->containers.n; i++)
        if (str_equal(spec->containers.v[i].name, name))
            return true;
    for (size_t i = 0; i < spec->init_containers.n; i++)
        if (str_equal(spec->init_containers.v[i].name, name))
            return true;
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++)
        if (str_equal(spec->ephemeral_containers.v[i].ephemeral_container_common.name, name))
            return true;
    return false;
}

static int choose_container(Call *call, const Pod *pod, const char **name, ApiStatus *reterr)
{
    const char *annotated =
        string_map_get(&pod->metadata.annotations, "kubectl.kubernetes.io/default-container");
    _strbuf_ StrBuf names = STRBUF_INIT, others = STRBUF_INIT;

    if (!str_empty(*name)) {
        if (has_container(&pod->spec, *name))
            return 0;
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "container %s is not valid for pod %s", *name, pod->metadata.name);
    }
    if (pod->spec.containers.n == 1) {
        *name = pod->spec.containers.v[0].name;
        return 0;
    }
    if (annotated && has_container(&pod->spec, annotated)) {
        *name = annotated;
        return 0;
    }
    add_names(&names, &pod->spec.containers);
    add_names(&others, &pod->spec.init_containers);
    return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                      "a container name must be specified for pod %s, choose one of: [%s]%s%s%s",
                      pod->metadata.name, strbuf_string(&names),
                      others.n ? " or one of the init containers: [" : "", strbuf_string(&others),
                      others.n ? "]" : "");
}

Object *stream_pod(Call *call, const char **container, ApiStatus *reterr)
{
    const Route *route = &call->route;
    Object *pod = store_get(call->server->store, &kind_pod, route->ns, route->name);

    if (!pod)
        status_not_found(reterr, call->arena, &kind_pod, route->name);
    else if (choose_container(call, OBJECT_AS(Pod, pod), container, reterr) == 0 &&
             call->server->streams)
        return pod;
    else if (!call->server->streams && reterr->reason == STATUS_OK)
        status_set(reterr, call->arena, STATUS_UNAVAILABLE,
                   "no node is there to serve the pod's streams");
    return NULL;
}

Object *stream_pod_placed(Call *call, ApiStatus *reterr)
{
    const Route *route = &call->route;
    Object *pod = store_get(call->server->store, &kind_pod, route->ns, route->name);

    if (!pod)
        status_not_found(reterr, call->arena, &kind_pod, route->name);
    else if (str_empty(OBJECT_AS(Pod, pod)->spec.node_name))
        status_set(reterr, call->arena, STATUS_BAD_REQUEST, "pod %s does not have a host assigned",
                   route->name);
    else if (!call->server->streams)
        status_set(reterr, call->arena, STATUS_UNAVAILABLE,
                   "no node is there to serve the pod's streams");
    else
        return pod;
    return NULL;
}

/* ---- options ---- */

static int parse_int(Call *call, const char *name, int64_t min, int64_t *ret, ApiStatus *reterr)
{
    const char *value = http_query(call->request, name);

    if (str_empty(value))
        return 0;
    if (str_to_int64(value, INT64_MIN, INT64_MAX, ret))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax", value);
    if (*ret < min) {
        static const Kind options = {.group = "", .kind = "PodLogOptions", .plural = ""};
        Causes causes = {.arena = call->arena};

        causes_invalid_int(&causes, name, *ret,
                           min ? "must be greater than 0" : "must be greater than or equal to 0");
        return status_invalid(reterr, call->arena, &options, "", &causes);
    }
    return 0;
}

#define TIME_MAX (INT64_MAX / NS_PER_SEC - 1)

static int parse_options(Call *call, LogOptions *ret, ApiStatus *reterr)
{
    const char *since = http_query(call->request, "sinceTime");
    int64_t seconds = 0;
    int32_t nanos = 0;
    int r;

    *ret = (LogOptions){.container = http_query(call->request, "container"),
                        .follow = query_true(http_query(call->request, "follow")),
                        .previous = query_true(http_query(call->request, "previous")),
                        .timestamps = query_true(http_query(call->request, "timestamps")),
                        .tail_lines = -1,
                        .limit_bytes = -1};
    r = parse_int(call, "tailLines", 0, &ret->tail_lines, reterr);
    if (r == 0)
        r = parse_int(call, "limitBytes", 1, &ret->limit_bytes, reterr);
    if (r == 0)
        r = parse_int(call, "sinceSeconds", 1, &seconds, reterr);
    if (r)
        return r;
    if (seconds && seconds < TIME_MAX)
        ret->since_ns = clock_wall_ns(call->server->clock) - seconds * NS_PER_SEC;
    if (str_empty(since))
        return 0;
    if (timefmt_parse(since, &seconds, &nanos))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "sinceTime: \"%s\" is no RFC 3339 time", since);
    seconds = MIN_OF(MAX_OF(seconds, 0), TIME_MAX); /* that nanoseconds can represent */
    ret->since_ns = seconds * NS_PER_SEC + nanos;
    return 0;
}

/* ---- the stream ---- */

#define PENDING_MAX ((size_t)256 * 1024)

/* Over a WebSocket, each piece of the log is a message without a channel number: binary, or a text in
 * base64 for clients that can only receive text. Messages of the client are ignored. */
static const char *const websocket_protocols[] = {"binary.k8s.io", "base64.binary.k8s.io", NULL};

enum { CLOSE_NORMAL = 1000, MESSAGE_MAX = 2048 };

typedef struct Log {
    Server *server;
    HttpRequest *request; /* NULL: gone */
    WebSocket *ws;        /* NULL: a plain answer */
    bool base64;
    LogStream *stream; /* NULL: ended */
    bool waiting;      /* the log was told to wait */
} Log;

static void send_message(Log *log, Bytes bytes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (log->base64)
        base64_encode(bytes, &text);
    websocket_send(log->ws, log->base64, log->base64 ? strbuf_bytes(&text) : bytes);
}

static void send_bytes(Log *log, Bytes bytes)
{
    if (!log->ws) {
        http_stream_write(log->request, bytes);
        return;
    }
    while (bytes.n && log->request) {
        size_t n = MIN_OF(bytes.n, (size_t)MESSAGE_MAX);

        send_message(log, (Bytes){bytes.p, n});
        bytes = (Bytes){bytes.p + n, bytes.n - n};
    }
}

static size_t pending(const Log *log)
{
    return log->ws ? websocket_pending(log->ws) : http_stream_pending(log->request);
}

static bool on_log_data(void *data, Bytes bytes)
{
    Log *log = data;

    if (!log->request)
        return true;
    send_bytes(log, bytes);
    if (!log->request || pending(log) < PENDING_MAX)
        return true;
    log->waiting = true;
    return false;
}

static void on_log_end(void *data)
{
    Log *log = data;

    log->stream = NULL;
    if (log->request && log->ws)
        websocket_close(log->ws, CLOSE_NORMAL, "");
    else if (log->request)
        http_stream_end(log->request);
}

static void resume(Log *log)
{
    if (!log || !log->waiting || !log->stream)
        return;
    log->waiting = false;
    log->server->streams->ops->log_resume(log->stream);
}

static void on_drain(HttpRequest *request)
{
    resume(((Call *)request->data)->stream);
}

static void log_close(void *data)
{
    Log *log = data;

    if (log->stream)
        log->server->streams->ops->log_stop(TAKE_PTR(log->stream));
    log->request = NULL;
}

static void on_message(WebSocket *ws _unused_, void *data _unused_, bool text _unused_,
                       Bytes message _unused_)
{
}

static void on_websocket_drain(WebSocket *ws _unused_, void *data)
{
    resume(data);
}

/* Also when the client says that it wants no more. */
static void on_websocket_close(WebSocket *ws _unused_, void *data)
{
    log_close(data);
}

/* Returns false if the answer has to be a plain one. */
static bool begin_websocket(Call *call, Log *log, const char *protocol)
{
    static const WebSocketHandler handler = {on_message, on_websocket_drain, on_websocket_close};

    log->base64 = str_equal(protocol, websocket_protocols[1]);
    log->ws = http_websocket_accept(call->request, protocol, &handler, log);
    if (!log->ws)
        return false;
    send_message(log, BYTES_NULL); /* tells the client that the stream works */
    return true;
}

void subresource_log(Call *call)
{
    PodStreams *streams = call->server->streams;
    ApiStatus status = {.reason = STATUS_OK};
    Log *log = arena_new(call->arena, Log);
    LogSink sink = {on_log_data, on_log_end, log};
    bool websocket = http_wants_websocket(call->request), placed;
    const char *protocol = NULL;
    LogOptions options;
    Object *pod;

    pod = parse_options(call, &options, &status) ? NULL
                                                 : stream_pod(call, &options.container, &status);
    if (!pod) {
        respond_status(call, &status);
        return;
    }
    if (websocket && !channels_negotiate(call, websocket_protocols, &protocol))
        return;
    placed = !str_empty(OBJECT_AS(Pod, pod)->spec.node_name);
    if (!placed && !websocket) {
        http_respond(call->request, 200, "text/plain", BYTES_LITERAL(""));
        return;
    }
    log->server = call->server;
    log->request = call->request;
    if (placed &&
        streams->ops->logs(streams, pod, &options, &sink, &log->stream, &status, call->arena)) {
        respond_status(call, &status);
        return;
    }
    call->stream = log;
    call->stream_close = log_close;
    if (websocket && begin_websocket(call, log, protocol)) {
        if (!placed)
            websocket_close(log->ws, CLOSE_NORMAL, "");
        return;
    }
    call->request->on_drain = on_drain;
    http_stream_begin(call->request, 200, "text/plain");
}
