/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single probes and hooks: which call each becomes, and what its answer means. The calls of the
 * HTTP and gRPC clients, of exec and of the machine are replaced by those of this test, which keep
 * the request; connections are real, to addresses of the loopback.
 */
#include "testing.h"

#include <uv.h>

#include "api/schema/core_container_v1.h"
#include "http/client/client.h"
#include "http/client/grpc.h"
#include "http/client/grpc_health.h"
#include "http/http.h"
#include "node/pod/agent.h"
#include "node/pod/container.h"
#include "node/pod/probes.h"
#include "node/runtime/exec.h"

typedef struct World {
    uv_loop_t loop;
    NodeAgent agent;
    AgentPod pod;
    AgentContainer runs[2];
    char id[8], bundle[8], ip[16], run[8]; /* of the pod and its container */
    Container spec;
    ContainerPort port;
    Probe probe;
    Lifecycle lifecycle;
    /* what was called */
    HttpClientRequest http;
    char url[128], host[64], headers[256];
    HttpClientDone http_done;
    GrpcRequest grpc;
    char message[64];
    size_t message_n;
    GrpcDone grpc_done;
    ExecRequest exec;
    char command[64];
    ExecSink sink;
    void *data; /* of the call in flight; NULL: there is none */
    int cancelled;
    /* what the machine was told */
    int told;
    size_t container;
    int which;
    bool ok, hook;
    uint64_t serial;
    char output[12 * 1024];
} World;

static World *world;

/* ---- what is replaced ---- */

AgentPod *agent_pod_ref(AgentPod *pod)
{
    pod->refs++;
    return pod;
}

AgentPod *agent_pod_unref(AgentPod *pod)
{
    pod->refs--;
    return NULL;
}

AgentContainer *container_at(AgentPod *pod _unused_, size_t index)
{
    return &world->runs[index];
}

const Container *machine_container(const Machine *machine _unused_, size_t container)
{
    assert_int_equal(container, 1);
    return &world->spec;
}

static void told(size_t container, int which, uint64_t serial, bool ok, const char *output)
{
    world->told++;
    world->container = container;
    world->which = which;
    world->serial = serial;
    world->ok = ok;
    snprintf(world->output, sizeof(world->output), "%s", output);
}

void machine_probed(Machine *machine _unused_, size_t container, MachineProbe probe,
                    uint64_t serial, bool ok, const char *output)
{
    world->hook = false;
    told(container, probe, serial, ok, output);
}

void machine_hooked(Machine *machine _unused_, size_t container, MachineHook hook, uint64_t serial,
                    bool ok)
{
    world->hook = true;
    told(container, hook, serial, ok, "");
}

HttpCall *http_call(struct uv_loop_s *loop _unused_, const HttpClientRequest *request,
                    void (*on_data)(void *data, int status, Bytes piece), HttpClientDone done,
                    void *data)
{
    size_t n = 0;

    assert_null(on_data);
    world->http = *request;
    snprintf(world->url, sizeof(world->url), "%s %s:%u%s", request->method, request->address,
             request->port, request->path);
    snprintf(world->host, sizeof(world->host), "%s", str_or(request->host, "none"));
    world->headers[0] = 0;
    for (size_t i = 0; i < request->n_headers; i++)
        n += (size_t)snprintf(world->headers + n, sizeof(world->headers) - n, "%s: %s\n",
                              request->headers[i].name, request->headers[i].value);
    world->http_done = done;
    world->data = data;
    return (HttpCall *)world;
}

void http_call_cancel(HttpCall *call _unused_)
{
    world->cancelled++;
}

GrpcCall *grpc_call(struct uv_loop_s *loop _unused_, const GrpcRequest *request, GrpcDone done,
                    void *data)
{
    world->grpc = *request;
    snprintf(world->url, sizeof(world->url), "%s:%u%s", request->address, request->port,
             request->method);
    assert_true(request->message.n <= sizeof(world->message));
    if (request->message.n)
        memcpy(world->message, request->message.p, request->message.n);
    world->message_n = request->message.n;
    world->grpc_done = done;
    world->data = data;
    return (GrpcCall *)world;
}

void grpc_call_cancel(GrpcCall *call _unused_)
{
    world->cancelled++;
}

ExecStream *exec_start(const ExecRequest *request, const ExecSink *sink)
{
    size_t n = 0;

    world->exec = *request;
    world->command[0] = 0;
    for (size_t i = 0; request->command[i]; i++)
        n += (size_t)snprintf(world->command + n, sizeof(world->command) - n, "[%s]",
                              request->command[i]);
    world->sink = *sink;
    world->data = sink->data;
    return (ExecStream *)world;
}

void exec_stream_close(ExecStream *stream _unused_)
{
    world->cancelled++;
}

/* ---- the world ---- */

static int setup(void **state)
{
    World *w = world = mem_new_type(World);

    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->agent.options.loop = &w->loop;
    list_init(&w->agent.attempts);
    snprintf(w->ip, sizeof(w->ip), "10.42.0.7");
    snprintf(w->run, sizeof(w->run), "/run/p");
    snprintf(w->id, sizeof(w->id), "id-1");
    snprintf(w->bundle, sizeof(w->bundle), "/bundle");
    w->pod = (AgentPod){
        .refs = 1, .agent = &w->agent, .machine = (Machine *)w, .ip = w->ip, .run = w->run};
    w->runs[1] = (AgentContainer){.id = w->id, .bundle = w->bundle};
    w->port = (ContainerPort){.name = "web", .container_port = 8080};
    w->spec.ports.v = &w->port;
    w->spec.ports.n = 1;
    w->probe.timeout_seconds = 3;
    w->spec.liveness_probe = &w->probe;
    *state = w;
    return 0;
}

/* Nothing is left of any attempt. */
static int teardown(void **state)
{
    World *w = *state;

    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->pod.refs, 1);
    assert_true(list_empty(&w->agent.attempts));
    assert_int_equal(uv_loop_close(&w->loop), 0);
    http_tls_free(w->agent.probe_tls);
    free(w);
    return 0;
}

static void run_probe(World *w)
{
    w->told = 0;
    w->data = NULL;
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 42);
    assert_int_equal(w->told, 0); /* never before it has returned */
    if (w->data)
        return;
    while (!w->told)
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) || w->told);
}

/* The machine was told once, and what. */
static void expect_told(const World *w, bool ok, const char *output)
{
    assert_int_equal(w->told, 1);
    assert_int_equal(w->container, 1);
    assert_int_equal(w->serial, 42);
    if (w->ok != ok)
        print_message("%s\n", w->output);
    assert_int_equal(w->ok, ok);
    assert_string_equal(w->output, output);
}

static void answer_http(World *w, const HttpClientResponse *response)
{
    w->http_done(w->data, response);
}

/* ---- HTTP ---- */

static void an_http_probe_is_a_request(void **state)
{
    static HTTPHeader own[] = {{"X-A", "1"}, {"Host", "example.com"}, {"X-Empty", NULL}};
    static HTTPHeader all[] = {{"User-Agent", "me"}, {"ACCEPT", "text/html"}};
    static const struct {
        const char *why;
        HTTPGetAction action;
        const char *url, *host, *headers;
        bool tls;
    } rows[] = {
        {"a port",
         {.port = {.number = 80}, .path = "/x?y"},
         "GET 10.42.0.7:80/x?y",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"a path without a slash",
         {.port = {.number = 80}, .path = "x"},
         "GET 10.42.0.7:80/x",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"no path",
         {.port = {.number = 80}},
         "GET 10.42.0.7:80/",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"a name of a port",
         {.port = {.is_string = true, .string = "web"}, .path = "/"},
         "GET 10.42.0.7:8080/",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"a number as text",
         {.port = {.is_string = true, .string = "81"}, .path = "/"},
         "GET 10.42.0.7:81/",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"another host",
         {.port = {.number = 1}, .path = "/", .host = "192.0.2.9"},
         "GET 192.0.2.9:1/",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"headers",
         {.port = {.number = 80}, .path = "/", .http_headers = {own, 3}},
         "GET 10.42.0.7:80/",
         "example.com",
         "x-a: 1\nx-empty: \nuser-agent: kube-probe/1.36\naccept: */*\n",
         false},
        {"headers that replace ours",
         {.port = {.number = 80}, .path = "/", .http_headers = {all, 2}},
         "GET 10.42.0.7:80/",
         "none",
         "user-agent: me\naccept: text/html\n",
         false},
        {"TLS",
         {.port = {.number = 443}, .path = "/", .scheme = "HTTPS"},
         "GET 10.42.0.7:443/",
         "none",
         "user-agent: kube-probe/1.36\naccept: */*\n",
         true},
    };
    World *w = *state;

    EACH_ROW(i, rows, rows[i].why) {
        HTTPGetAction action = rows[i].action;

        w->probe.probe_handler.http_get = &action;
        run_probe(w);
        assert_non_null(w->data);
        assert_string_equal(w->url, rows[i].url);
        assert_string_equal(w->host, rows[i].host);
        assert_string_equal(w->headers, rows[i].headers);
        assert_int_equal(w->http.tls != NULL, rows[i].tls);
        assert_int_equal(w->http.timeout_ns, 3 * NS_PER_SEC);
        answer_http(w, &(HttpClientResponse){.status = 200});
        expect_told(w, true, "");
    }
}

static void an_http_answer_says_whether_all_is_well(void **state)
{
    static const struct {
        HttpClientResponse response;
        bool ok;
        const char *output;
    } rows[] = {
        {{.status = 200}, true, ""},
        {{.status = 399}, true, ""},
        {{.status = 400}, false, "HTTP probe failed with statuscode: 400"},
        {{.status = 199}, false, "HTTP probe failed with statuscode: 199"},
        {{.status = 503}, false, "HTTP probe failed with statuscode: 503"},
        {{.error = -ETIMEDOUT},
         false,
         "Get \"http://10.42.0.7:80/\": context deadline exceeded (Client.Timeout exceeded while "
         "awaiting headers)"},
        {{.error = -ECONNREFUSED, .error_text = "connection refused"},
         false,
         "Get \"http://10.42.0.7:80/\": dial tcp 10.42.0.7:80: connect: connection refused"},
        {{.error = -EHOSTUNREACH, .error_text = "no route to host"},
         false,
         "Get \"http://10.42.0.7:80/\": dial tcp 10.42.0.7:80: connect: no route to host"},
        {{.error = -ENETUNREACH, .error_text = "unreachable"},
         false,
         "Get \"http://10.42.0.7:80/\": dial tcp 10.42.0.7:80: connect: unreachable"},
        {{.error = -EPROTO, .error_text = "malformed"},
         false,
         "Get \"http://10.42.0.7:80/\": malformed"},
        {{.error = -EIO}, false, "Get \"http://10.42.0.7:80/\": failed"},
    };
    World *w = *state;
    HTTPGetAction action = {.port = {.number = 80}, .path = "/"};

    w->probe.probe_handler.http_get = &action;
    EACH_ROW(i, rows, rows[i].output) {
        run_probe(w);
        answer_http(w, &rows[i].response);
        expect_told(w, rows[i].ok, rows[i].output);
    }
}

static void a_port_that_is_none_fails_without_a_call(void **state)
{
    static const struct {
        IntOrString port;
        const char *scheme;
    } rows[] = {
        {{.number = 0}, "HTTP"},
        {{.number = 0}, "HTTPS"},
        {{.is_string = true, .string = "nothing"}, "HTTP"},
        {{.is_string = true, .string = "0"}, "HTTP"},
        {{.is_string = true, .string = "65536"}, "HTTPS"},
    };
    World *w = *state;

    EACH_ROW(i, rows, rows[i].port.string) {
        HTTPGetAction action = {.port = rows[i].port, .scheme = rows[i].scheme};

        w->probe.probe_handler.http_get = &action;
        run_probe(w);
        assert_null(w->data);
        expect_told(w, false, "invalid port number");
    }
}

/* ---- gRPC ---- */

static void a_grpc_probe_asks_for_the_health_of_a_service(void **state)
{
    World *w = *state;
    GRPCAction action = {.port = 50051, .service = "db"};

    w->probe.probe_handler.grpc = &action;
    run_probe(w);
    assert_string_equal(w->url, "10.42.0.7:50051" GRPC_HEALTH_CHECK);
    assert_string_equal(w->grpc.user_agent, "kube-probe/1.36");
    assert_int_equal(w->grpc.timeout_ns, 3 * NS_PER_SEC);
    assert_int_equal(w->message_n, 4);
    assert_memory_equal(w->message, "\x0a\2db", 4);
    w->grpc_done(
        w->data,
        &(GrpcReply){.connected = true, .text = "", .message = {(const uint8_t *)"\x08\1", 2}});
    expect_told(w, true, "service healthy");
}

static void a_grpc_answer_says_whether_all_is_well(void **state)
{
    static const struct {
        GrpcReply reply;
        const char *output;
    } rows[] = {
        {{.connected = true, .text = "", .message = {(const uint8_t *)"\x08\2", 2}},
         "service unhealthy (responded with \"NOT_SERVING\")"},
        {{.connected = true, .text = "", .message = {(const uint8_t *)"\x08", 1}},
         "error: health rpc probe failed: rpc error: code = Internal desc = the response is "
         "malformed"},
        {{.error = -ETIMEDOUT, .text = "t"},
         "timeout: failed to connect service \"10.42.0.7:50051\" within 3s: t"},
        {{.error = -ECONNREFUSED, .text = "refused"},
         "error: failed to connect service at \"10.42.0.7:50051\": refused"},
        {{.connected = true, .error = -ETIMEDOUT, .text = ""},
         "timeout: health rpc did not complete within 3s"},
        {{.connected = true, .status = GRPC_DEADLINE_EXCEEDED, .text = ""},
         "timeout: health rpc did not complete within 3s"},
        {{.connected = true, .status = GRPC_UNIMPLEMENTED, .text = "unknown"},
         "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
         "unknown"},
        {{.connected = true, .status = GRPC_NOT_FOUND, .text = "db"},
         "error: health rpc probe failed: rpc error: code = NotFound desc = db"},
    };
    World *w = *state;
    GRPCAction action = {.port = 50051};

    w->probe.probe_handler.grpc = &action;
    EACH_ROW(i, rows, rows[i].output) {
        run_probe(w);
        w->grpc_done(w->data, &rows[i].reply);
        expect_told(w, false, rows[i].output);
    }
}

/* ---- exec ---- */

static void an_exec_probe_is_a_command_in_the_container(void **state)
{
    static const char *const command[] = {"cat", "/a b"};
    static const struct {
        int code;
        const char *message, *out; /* out: what the command writes */
        bool ok;
        const char *output;
    } rows[] = {
        {0, NULL, "fine", true, "fine"},
        {1, NULL, "no", false, "no"},
        {EXEC_E_FAILED, "no such file", "", false, "no such file"},
        {EXEC_E_TIMED_OUT, NULL, "x", false, "command timed out: \"cat /a b\" timed out after 3s"},
    };
    World *w = *state;
    ExecAction action = {.command = {(const char **)(uintptr_t)command, 2}};

    w->probe.probe_handler.exec = &action;
    EACH_ROW(i, rows, rows[i].output) {
        run_probe(w);
        assert_string_equal(w->command, "[cat][/a b]");
        assert_string_equal(w->exec.id, "id-1");
        assert_string_equal(w->exec.bundle, "/bundle");
        assert_int_equal(w->exec.timeout_ns, 3 * NS_PER_SEC);
        assert_true(w->exec.standard_out && w->exec.standard_err && !w->exec.standard_in);
        w->sink.on_output(w->data, 1, bytes_from_string(rows[i].out));
        w->sink.on_exit(w->data, rows[i].code, rows[i].message);
        expect_told(w, rows[i].ok, rows[i].output);
    }
}

/* 10 KiB are enough for an Event, and nobody may fill the memory with more. */
static void output_is_kept_up_to_a_limit(void **state)
{
    static char piece[4096];
    static const char *const command[] = {"x"};
    World *w = *state;
    ExecAction action = {.command = {(const char **)(uintptr_t)command, 1}};
    size_t kept = 0;

    memset(piece, 'x', sizeof(piece));
    w->probe.probe_handler.exec = &action;
    run_probe(w);
    for (int i = 0; i < 4; i++)
        w->sink.on_output(w->data, 1 + i % 2, (Bytes){(const uint8_t *)piece, sizeof(piece)});
    w->sink.on_exit(w->data, 1, NULL);
    kept = strlen(w->output);
    assert_int_equal(kept, 10240);
    assert_int_equal(w->told, 1);
}

/* ---- TCP ---- */

static void on_connection(uv_stream_t *server, int status)
{
}

static int listen_on(uv_tcp_t *server, uv_loop_t *loop)
{
    struct sockaddr_in address;
    int n = sizeof(address);

    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_init(loop, server), 0);
    assert_int_equal(uv_tcp_bind(server, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)server, 4, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(server, (struct sockaddr *)&address, &n), 0);
    return ntohs(address.sin_port);
}

static void a_tcp_probe_connects(void **state)
{
    World *w = *state;
    TCPSocketAction action = {0};
    uv_tcp_t server;
    _free_ char *refused = NULL;

    snprintf(w->ip, sizeof(w->ip), "127.0.0.1");
    w->probe.probe_handler.tcp_socket = &action;
    action.port.number = listen_on(&server, &w->loop);
    run_probe(w);
    expect_told(w, true, "");
    uv_close((uv_handle_t *)&server, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    refused = mem_printf("dial tcp 127.0.0.1:%d: connect: connection refused", action.port.number);
    run_probe(w);
    expect_told(w, false, refused);
}

/* The kernel refuses a connection to a broadcast address at once, without sending anything. */
static void a_tcp_probe_that_fails_at_once_says_why(void **state)
{
    World *w = *state;
    TCPSocketAction action = {.port = {.number = 80}, .host = "255.255.255.255"};

    w->probe.probe_handler.tcp_socket = &action;
    run_probe(w);
    expect_told(w, false, "dial tcp 255.255.255.255:80: connect: network is unreachable");
}

static void a_tcp_probe_needs_an_address_and_a_port(void **state)
{
    static const TCPSocketAction rows[] = {
        {.port = {.number = 0}},
        {.port = {.is_string = true, .string = "x"}},
        {.port = {.number = 80}, .host = "example.com"},
    };
    World *w = *state;

    snprintf(w->ip, sizeof(w->ip), "127.0.0.1");
    EACH_ROW(i, rows, rows[i].host) {
        TCPSocketAction action = rows[i];

        w->probe.probe_handler.tcp_socket = &action;
        run_probe(w);
        expect_told(w, false, "invalid address or port");
    }
}

/* ---- hooks, and the end ---- */

static void a_probe_of_no_kind_fails(void **state)
{
    World *w = *state;

    run_probe(w);
    expect_told(w, false, "missing probe handler");
}

static void hooks_say_who_they_are_and_take_the_time_that_is_left(void **state)
{
    World *w = *state;
    HTTPGetAction get = {.port = {.number = 80}};
    SleepAction nap = {.seconds = 0};
    LifecycleHandler handler = {.http_get = &get};

    w->spec.lifecycle = &w->lifecycle;
    w->lifecycle.pre_stop = &handler;
    hook_run(&w->pod, 1, MACHINE_PRE_STOP, 7 * NS_PER_SEC, 42);
    assert_int_equal(w->http.timeout_ns, 7 * NS_PER_SEC);
    assert_non_null(strstr(w->headers, "user-agent: kube-lifecycle/1.36"));
    answer_http(w, &(HttpClientResponse){.status = 500});
    expect_told(w, false, "");
    assert_true(w->hook);
    assert_int_equal(w->which, MACHINE_PRE_STOP);
    /* Without a limit a request still ends. */
    w->told = 0;
    hook_run(&w->pod, 1, MACHINE_PRE_STOP, 0, 42);
    assert_int_equal(w->http.timeout_ns, 30 * NS_PER_SEC);
    answer_http(w, &(HttpClientResponse){.status = 200});
    expect_told(w, true, "");
    w->told = 0;
    handler = (LifecycleHandler){.sleep = &nap};
    w->lifecycle = (Lifecycle){.post_start = &handler};
    hook_run(&w->pod, 1, MACHINE_POST_START, NS_PER_SEC, 42);
    while (!w->told)
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) || w->told);
    expect_told(w, true, "");
    assert_int_equal(w->which, MACHINE_POST_START);
}

static void what_is_cancelled_tells_nothing(void **state)
{
    static const char *const command[] = {"x"};
    World *w = *state;
    ExecAction exec = {.command = {(const char **)(uintptr_t)command, 1}};
    HTTPGetAction get = {.port = {.number = 80}};
    GRPCAction grpc = {.port = 1};
    TCPSocketAction tcp = {.port = {.number = 9}, .host = "127.0.0.1"};

    w->probe.probe_handler = (ProbeHandler){.exec = &exec};
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 1);
    w->probe.probe_handler = (ProbeHandler){.http_get = &get};
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 2);
    w->probe.probe_handler = (ProbeHandler){.grpc = &grpc};
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 3);
    w->probe.probe_handler = (ProbeHandler){.tcp_socket = &tcp};
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 4);
    w->probe.probe_handler = (ProbeHandler){0};
    probe_run(&w->pod, 1, MACHINE_LIVENESS, 5);
    assert_int_equal(w->pod.refs, 6);
    attempts_cancel(&w->agent);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->cancelled, 3);
    assert_int_equal(w->told, 0);
}

/* The pod has been given up while the call was in flight. */
static void an_answer_for_a_pod_that_is_given_up_is_dropped(void **state)
{
    World *w = *state;
    HTTPGetAction get = {.port = {.number = 80}};

    w->probe.probe_handler.http_get = &get;
    run_probe(w);
    w->pod.machine = NULL;
    answer_http(w, &(HttpClientResponse){.status = 200});
    assert_int_equal(w->told, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_http_probe_is_a_request),
        TEST(an_http_answer_says_whether_all_is_well),
        TEST(a_port_that_is_none_fails_without_a_call),
        TEST(a_grpc_probe_asks_for_the_health_of_a_service),
        TEST(a_grpc_answer_says_whether_all_is_well),
        TEST(an_exec_probe_is_a_command_in_the_container),
        TEST(output_is_kept_up_to_a_limit),
        TEST(a_tcp_probe_connects),
        TEST(a_tcp_probe_that_fails_at_once_says_why),
        TEST(a_tcp_probe_needs_an_address_and_a_port),
        TEST(a_probe_of_no_kind_fails),
        TEST(hooks_say_who_they_are_and_take_the_time_that_is_left),
        TEST(what_is_cancelled_tells_nothing),
        TEST(an_answer_for_a_pod_that_is_given_up_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
