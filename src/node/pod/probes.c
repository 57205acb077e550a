/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Performs a single probe or hook: an exec in the container, an HTTP request, a TCP connection, a gRPC call or a sleep. The
 * machine decides when to do so and what the result means. Texts that users read are kubelet's.
 */
#include <assert.h>
#include <arpa/inet.h>

#include "api/schema/core_container_v1.h"
#include "base/format.h"
#include "base/log.h"
#include "base/loop_timer.h"
#include "http/client/client.h"
#include "http/client/grpc.h"
#include "http/client/grpc_health.h"
#include "http/http.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/container.h"
#include "node/pod/probes.h"
#include "node/runtime/exec.h"

#define OUTPUT_LIMIT 10240
#define EXEC_NAME "exec"

static_assert(ARRAY_LEN(((AgentContainer *)0)->probed) == _MACHINE_PROBE_MAX, "each is counted");

typedef struct Attempt {
    ListNode link; /* in the agent's list */
    AgentPod *pod;
    ExecStream *exec; /* one of these is in flight, or the handles below */
    HttpCall *call;
    GrpcCall *grpc;
    size_t container;
    bool is_hook;
    int which; /* MachineProbe or MachineHook */
    uint64_t serial;
    int64_t timeout_ns;
    bool over;
    int failed;   /* the connection failed at once with this error, which the timer reports */
    char *target; /* for messages: URL or address */
    const char *address; /* of a URL, with the port */
    StrBuf output;
    Arena arena;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_timer_t timer;
    int handles;
} Attempt;

static void attempt_free(Attempt *a)
{
    list_remove(&a->link);
    agent_pod_unref(a->pod);
    strbuf_deinit(&a->output);
    arena_clear(&a->arena);
    free(a->target);
    free(a);
}

static void attempt_done(Attempt *a, bool ok, const char *message)
{
    Machine *m = a->pod->machine;

    if (a->over)
        return;
    a->over = true;
    if (!m)
        return;
    if (a->is_hook)
        machine_hooked(m, a->container, a->which, a->serial, ok);
    else {
        container_at(a->pod, a->container)->probed[a->which][ok]++;
        machine_probed(m, a->container, a->which, a->serial, ok, message);
    }
}

/* ---- exec ---- */

static void on_exec_output(void *data, int channel _unused_, Bytes bytes)
{
    Attempt *a = data;

    strbuf_add(&a->output, bytes.p,
               MIN_OF(bytes.n, OUTPUT_LIMIT - MIN_OF(a->output.n, (size_t)OUTPUT_LIMIT)));
}

static void on_exec_exit(void *data, int code, const char *message)
{
    Attempt *a = data;

    a->exec = NULL;
    if (code == EXEC_E_TIMED_OUT) {
        _free_ char *text = mem_printf("command timed out: %s timed out after %" PRId64 "s",
                                       a->target, a->timeout_ns / NS_PER_SEC);

        attempt_done(a, false, text);
    } else if (code < 0) {
        attempt_done(a, false, message);
    } else {
        attempt_done(a, code == 0, strbuf_string(&a->output));
    }
    attempt_free(a);
}

static void attempt_exec(Attempt *a, const ExecAction *action)
{
    AgentContainer *c = container_at(a->pod, a->container);
    const char **argv = arena_new_n(&a->arena, const char *, action->command.n + 1);
    _strbuf_ StrBuf text = STRBUF_INIT;
    ExecSink sink = {on_exec_output, NULL, on_exec_exit, a};
    ExecRequest request = {
        .loop = a->pod->agent->options.loop,
        .runtime = a->pod->agent->runtime,
        .id = c->id,
        .bundle = c->bundle,
        .dir = arena_printf(&a->arena, "%s/" EXEC_NAME, a->pod->run),
        .command = argv,
        .standard_out = true,
        .standard_err = true,
        .timeout_ns = a->timeout_ns,
    };

    for (size_t i = 0; i < action->command.n; i++) {
        argv[i] = arena_strdup(&a->arena, action->command.v[i]);
        strbuf_printf(&text, "%s%s", i ? " " : "", argv[i]);
    }
    a->target = mem_printf("\"%s\"", strbuf_string(&text));
    a->exec = exec_start(&request, &sink);
}

/* ---- HTTP ---- */

static void on_response(void *data, const HttpClientResponse *response)
{
    Attempt *a = data;

    a->call = NULL;
    if (response->error == -ETIMEDOUT) {
        _free_ char *text = mem_printf(
            "Get \"%s\": context deadline exceeded (Client.Timeout exceeded while awaiting "
            "headers)",
            a->target);

        attempt_done(a, false, text);
    } else if (response->error) {
        bool dialling = response->error == -ECONNREFUSED || response->error == -EHOSTUNREACH ||
                        response->error == -ENETUNREACH;
        _free_ char *text =
            mem_printf("Get \"%s\": %s%s%s%s", a->target, dialling ? "dial tcp " : "",
                       dialling ? a->address : "", dialling ? ": connect: " : "",
                       str_or(response->error_text, "failed"));

        attempt_done(a, false, text);
    } else if (response->status < 200 || response->status >= 400) {
        _free_ char *text = mem_printf("HTTP probe failed with statuscode: %d", response->status);

        attempt_done(a, false, text);
    } else {
        attempt_done(a, true, "");
    }
    attempt_free(a);
}

static int port_number(const Attempt *a, const IntOrString *port)
{
    const Container *container = machine_container(a->pod->machine, a->container);
    int64_t number;

    if (!port->is_string)
        return port->number;
    for (size_t i = 0; i < container->ports.n; i++)
        if (str_equal(container->ports.v[i].name, port->string))
            return container->ports.v[i].container_port;
    return str_to_int64(port->string, 1, 65535, &number) == 0 ? (int)number : 0;
}

static struct ssl_ctx_st *probe_tls(NodeAgent *agent)
{
    Err err = ERR_INIT;

    if (!agent->probe_tls && http_tls_client(NULL, NULL, NULL, &agent->probe_tls, &err) < 0)
        log_warn("node", "TLS for probes: %s", err.message);
    return agent->probe_tls;
}

static void fail_later(Attempt *a, const char *message);

static void attempt_http(Attempt *a, const HTTPGetAction *action)
{
    bool https = str_equal(action->scheme, "HTTPS");
    int port = port_number(a, &action->port);
    const char *path = str_or(action->path, "/"),
               *address = str_or(action->host, str_or(a->pod->ip, "127.0.0.1"));
    HttpHeader *headers = arena_new_n(&a->arena, HttpHeader, action->http_headers.n + 2);
    HttpClientRequest request = {
        .address = address,
        .port = (uint16_t)port,
        .method = "GET",
        .path = *path == '/' ? path : arena_printf(&a->arena, "/%s", path),
        .headers = headers,
        .timeout_ns = a->timeout_ns ? a->timeout_ns : 30 * NS_PER_SEC,
        .body_limit = OUTPUT_LIMIT,
    };
    bool agent_named = false, accept_named = false;

    for (size_t i = 0; i < action->http_headers.n; i++) {
        const HTTPHeader *header = &action->http_headers.v[i];
        char *name = arena_strdup(&a->arena, header->name);

        for (char *at = name; *at; at++)
            *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
        if (strcmp(name, "host") == 0) {
            request.host = arena_strdup(&a->arena, header->value);
            continue;
        }
        agent_named = agent_named || strcmp(name, "user-agent") == 0;
        accept_named = accept_named || strcmp(name, "accept") == 0;
        headers[request.n_headers++] =
            (HttpHeader){name, arena_strdup(&a->arena, str_or(header->value, ""))};
    }
    if (!agent_named)
        headers[request.n_headers++] =
            (HttpHeader){"user-agent", a->is_hook ? "kube-lifecycle/1.36" : "kube-probe/1.36"};
    if (!accept_named)
        headers[request.n_headers++] = (HttpHeader){"accept", "*/*"};
    a->address = arena_printf(&a->arena, strchr(address, ':') ? "[%s]:%d" : "%s:%d", address, port);
    a->target = mem_printf("%s://%s:%d%s", https ? "https" : "http", address, port, request.path);
    request.tls = https && port > 0 ? probe_tls(a->pod->agent) : NULL;
    if (port < 1 || (https && !request.tls)) {
        fail_later(a, port < 1 ? "invalid port number" : "cannot set up TLS");
        return;
    }
    a->call = http_call(a->pod->agent->options.loop, &request, NULL, on_response, a);
}

/* ---- gRPC ---- */

static char *grpc_text(const Attempt *a, const GrpcReply *reply)
{
    int64_t seconds = a->timeout_ns / NS_PER_SEC;
    char number[24];
    uint64_t status;

    if (!reply->connected && reply->error == -ETIMEDOUT)
        return mem_printf("timeout: failed to connect service \"%s\" within %" PRId64 "s: %s",
                          a->target, seconds, reply->text);
    if (!reply->connected)
        return mem_printf("error: failed to connect service at \"%s\": %s", a->target, reply->text);
    if (reply->error == -ETIMEDOUT || reply->status == GRPC_DEADLINE_EXCEEDED)
        return mem_printf("timeout: health rpc did not complete within %" PRId64 "s", seconds);
    if (reply->status == GRPC_UNIMPLEMENTED)
        return mem_printf("error: this server does not implement the grpc health protocol "
                          "(grpc.health.v1.Health): %s",
                          reply->text);
    if (reply->status != GRPC_OK)
        return mem_printf("error: health rpc probe failed: rpc error: code = %s desc = %s",
                          grpc_status_name(reply->status), reply->text);
    if (grpc_health_response(reply->message, &status))
        return mem_strdup("error: health rpc probe failed: rpc error: code = Internal desc = the "
                          "response is malformed");
    if (status == HEALTH_SERVING)
        return NULL;
    return mem_printf("service unhealthy (responded with \"%s\")",
                      grpc_health_name(status, number));
}

static void on_grpc_reply(void *data, const GrpcReply *reply)
{
    Attempt *a = data;
    _free_ char *text = grpc_text(a, reply);

    a->grpc = NULL;
    attempt_done(a, !text, str_or(text, "service healthy"));
    attempt_free(a);
}

static void attempt_grpc(Attempt *a, const GRPCAction *action)
{
    const char *address = str_or(a->pod->ip, "127.0.0.1");
    _strbuf_ StrBuf message = STRBUF_INIT;
    GrpcRequest request = {
        .address = address,
        .port = (uint16_t)action->port,
        .method = GRPC_HEALTH_CHECK,
        .user_agent = "kube-probe/1.36",
        .timeout_ns = a->timeout_ns,
    };

    grpc_health_request(action->service, &message);
    request.message = strbuf_bytes(&message);
    a->target = mem_printf(strchr(address, ':') ? "[%s]:%d" : "%s:%d", address, action->port);
    a->grpc = grpc_call(a->pod->agent->options.loop, &request, on_grpc_reply, a);
}

/* ---- TCP, sleep ---- */

static void on_attempt_closed(uv_handle_t *handle)
{
    Attempt *a = handle->data;

    if (--a->handles == 0)
        attempt_free(a);
}

static void handles_close(Attempt *a)
{
    if (!uv_is_closing((uv_handle_t *)&a->timer))
        uv_close((uv_handle_t *)&a->timer, on_attempt_closed);
    if (a->handles > 1 && !uv_is_closing((uv_handle_t *)&a->tcp))
        uv_close((uv_handle_t *)&a->tcp, on_attempt_closed);
}

static void connection_failed(Attempt *a, int error)
{
    char words[ERROR_TEXT_MAX];
    _free_ char *text =
        mem_printf("dial tcp %s: connect: %s", a->target, format_error(error, words));

    attempt_done(a, false, text);
}

static void on_connected(uv_connect_t *connect, int status)
{
    Attempt *a = connect->data;

    if (status == UV_ECANCELED)
        return;
    if (status < 0)
        connection_failed(a, status);
    else
        attempt_done(a, true, "");
    handles_close(a);
}

static void on_attempt_timer(uv_timer_t *timer)
{
    Attempt *a = timer->data;

    if (a->failed) {
        connection_failed(a, a->failed);
    } else if (a->handles > 1) {
        _free_ char *text = mem_printf("dial tcp %s: i/o timeout", a->target);

        attempt_done(a, false, text);
    } else {
        attempt_done(a, str_empty(a->target), str_or(a->target, ""));
    }
    handles_close(a);
}

static void timer_begin(Attempt *a, int64_t delay_ns)
{
    a->timer.data = a;
    uv_timer_init(a->pod->agent->options.loop, &a->timer);
    a->handles++;
    loop_timer_start(&a->timer, on_attempt_timer, delay_ns);
}

static void fail_later(Attempt *a, const char *message)
{
    free(a->target);
    a->target = mem_strdup(message);
    timer_begin(a, 0);
}

static void attempt_tcp(Attempt *a, const char *host, int port)
{
    struct sockaddr_storage address;
    const char *ip = str_or(host, str_or(a->pod->ip, "127.0.0.1"));

    a->target = mem_printf(strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
    if (port < 1 || (uv_ip4_addr(ip, port, (struct sockaddr_in *)&address) < 0 &&
                     uv_ip6_addr(ip, port, (struct sockaddr_in6 *)&address) < 0)) {
        fail_later(a, "invalid address or port");
        return;
    }
    timer_begin(a, a->timeout_ns);
    a->tcp.data = a;
    uv_tcp_init(a->pod->agent->options.loop, &a->tcp);
    a->handles++;
    a->connect.data = a;
    a->failed = uv_tcp_connect(&a->connect, &a->tcp, (struct sockaddr *)&address, on_connected);
    if (a->failed)
        uv_timer_start(&a->timer, on_attempt_timer, 0, 0);
}

/* ---- both ---- */

static Attempt *attempt_new(AgentPod *pod, size_t container, int which, uint64_t serial)
{
    Attempt *a = mem_new_type(Attempt);

    a->pod = agent_pod_ref(pod);
    a->container = container;
    a->which = which;
    a->serial = serial;
    list_append(&pod->agent->attempts, &a->link);
    return a;
}

void probe_run(AgentPod *pod, size_t container, MachineProbe which, uint64_t serial)
{
    const Container *spec = machine_container(pod->machine, container);
    const Probe *probe = which == MACHINE_STARTUP     ? spec->startup_probe
                         : which == MACHINE_READINESS ? spec->readiness_probe
                                                      : spec->liveness_probe;
    const ProbeHandler *handler = &probe->probe_handler;
    Attempt *a = attempt_new(pod, container, which, serial);

    a->timeout_ns = (int64_t)MAX_OF(probe->timeout_seconds, 1) * NS_PER_SEC;
    if (handler->exec)
        attempt_exec(a, handler->exec);
    else if (handler->http_get)
        attempt_http(a, handler->http_get);
    else if (handler->tcp_socket)
        attempt_tcp(a, handler->tcp_socket->host, port_number(a, &handler->tcp_socket->port));
    else if (handler->grpc)
        attempt_grpc(a, handler->grpc);
    else
        fail_later(a, "missing probe handler");
}

void hook_run(AgentPod *pod, size_t container, MachineHook which, int64_t limit_ns, uint64_t serial)
{
    const Container *spec = machine_container(pod->machine, container);
    const LifecycleHandler *handler =
        which == MACHINE_POST_START ? spec->lifecycle->post_start : spec->lifecycle->pre_stop;
    Attempt *a = attempt_new(pod, container, which, serial);

    a->is_hook = true;
    a->timeout_ns = limit_ns;
    if (handler->exec)
        attempt_exec(a, handler->exec);
    else if (handler->http_get)
        attempt_http(a, handler->http_get);
    else
        timer_begin(a, handler->sleep ? ns_from_seconds(handler->sleep->seconds) : 0);
}

void attempts_cancel(NodeAgent *agent)
{
    LIST_EACH_SAFE(&agent->attempts, node) {
        Attempt *a = CONTAINER_OF(node, Attempt, link);

        a->over = true;
        if (a->exec) {
            exec_stream_close(a->exec);
            attempt_free(a);
        } else if (a->call) {
            http_call_cancel(a->call);
            attempt_free(a);
        } else if (a->grpc) {
            grpc_call_cancel(a->grpc);
            attempt_free(a);
        } else if (a->handles) {
            handles_close(a);
        }
    }
}
