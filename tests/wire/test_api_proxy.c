/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/proxy, services/proxy and nodes/proxy against a backend that is a socket in a network namespace of
 * this test: it keeps what it was asked, and answers what the test has given it.
 */
#include "testing.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "api_harness.h"
#include "api_network.h"
#include "base/strbuf.h"

#define NS "/api/v1/namespaces/t"
#define PODS NS "/pods"
#define IP OWN_ADDRESS
#define PORT 8080
/* More than what is kept in the proxy and in both sockets. */
#define MANY ((size_t)8 * 1024 * 1024)

typedef struct Peer {
    uv_tcp_t tcp;
    StrBuf seen;
    bool open, answered, eof;
} Peer;

typedef struct Backend {
    uv_tcp_t listener;
    Peer peer;
    const char *answer; /* once a head has come */
    size_t fill;        /* so many bytes behind it */
    size_t unsent;
    bool keep;    /* the connection stays open */
    bool deaf;    /* reads nothing behind the head */
    size_t until; /* answers when the body has so many bytes */
} Backend;

static Backend backend;

static void on_closed(uv_handle_t *handle _unused_)
{
    backend.peer.open = false;
}

static void close_peer(void)
{
    if (backend.peer.open && !uv_is_closing((uv_handle_t *)&backend.peer.tcp))
        uv_close((uv_handle_t *)&backend.peer.tcp, on_closed);
}

typedef struct Out {
    uv_write_t write;
    char bytes[];
} Out;

static void on_written(uv_write_t *write, int status _unused_)
{
    Out *out = CONTAINER_OF(write, Out, write);

    free(out);
    backend.unsent =
        backend.peer.open ? uv_stream_get_write_queue_size((uv_stream_t *)&backend.peer.tcp) : 0;
    if (backend.peer.answered && !backend.keep && backend.unsent == 0)
        close_peer();
}

static void say(const char *text, size_t fill)
{
    size_t n = strlen(text);
    Out *out = mem_resize(NULL, sizeof(*out) + n + fill);
    uv_buf_t buf = uv_buf_init(out->bytes, (unsigned)(n + fill));

    memcpy(out->bytes, text, n);
    memset(out->bytes + n, 'x', fill);
    uv_write(&out->write, (uv_stream_t *)&backend.peer.tcp, &buf, 1, on_written);
    backend.unsent = uv_stream_get_write_queue_size((uv_stream_t *)&backend.peer.tcp);
}

static void on_alloc(uv_handle_t *handle _unused_, size_t n _unused_, uv_buf_t *ret)
{
    static char buffer[65536];

    *ret = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    Peer *peer = &backend.peer;
    const char *end;

    if (n < 0) {
        peer->eof = true;
        close_peer();
        return;
    }
    strbuf_add(&peer->seen, buf->base, (size_t)n);
    end = strstr(strbuf_string(&peer->seen), "\r\n\r\n");
    if (peer->answered || !end || peer->seen.n - (size_t)(end + 4 - peer->seen.p) < backend.until)
        return;
    peer->answered = true;
    if (backend.deaf)
        uv_read_stop(stream);
    say(str_or(backend.answer, ""), backend.fill);
}

static void on_connection(uv_stream_t *listener, int status)
{
    Peer *peer = &backend.peer;

    assert_int_equal(status, 0);
    assert_false(peer->open);
    strbuf_truncate(&peer->seen, 0);
    peer->answered = peer->eof = false;
    uv_tcp_init(listener->loop, &peer->tcp);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    peer->open = true;
    uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

/* What the backend will do with the next connection. */
static void expect(const char *answer)
{
    backend.answer = answer;
    backend.fill = backend.until = 0;
    backend.keep = backend.deaf = false;
}

/* ---- the world ---- */

#define POD(name, ip, ports)                                                                  \
    {"pod " name,                                                                             \
     "POST",                                                                                  \
     PODS,                                                                                    \
     NULL,                                                                                    \
     "{\"metadata\":{\"name\":\"" name                                                        \
     "\"},\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\",\"image\":\"b\"" ports \
     "}]}}",                                                                                  \
     201,                                                                                     \
     {{0}}},                                                                                  \
    {                                                                                         \
        "its address", "PATCH", PODS "/" name "/status", "application/merge-patch+json",      \
            "{\"status\":{\"podIP\":\"" ip "\",\"podIPs\":[{\"ip\":\"" ip "\"}]}}", 200,      \
        {                                                                                     \
            {                                                                                 \
                0                                                                             \
            }                                                                                 \
        }                                                                                     \
    }

#define ENDPOINTS(name, ip, pod)                                                               \
    {                                                                                          \
        "endpoints " name, "POST", NS "/endpoints", NULL,                                      \
            "{\"metadata\":{\"name\":\"" name "\"},\"subsets\":[{\"addresses\":[{\"ip\":\"" ip \
            "\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"t\",\"name\":\"" pod           \
            "\"}}],\"ports\":[{\"name\":\"web\",\"port\":8080}]}]}",                           \
            201,                                                                               \
        {                                                                                      \
            {                                                                                  \
                0                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

/* clang-format off */
static const ApiCase world_cases[] = {
    POD("p", IP, ",\"ports\":[{\"containerPort\":8080}]"),
    POD("bare", IP, ""),
    POD("loop", "127.0.0.1", ""),
    POD("link", "169.254.169.254", ""),
    POD("six", "::1", ""),
    {"without address", "POST", PODS, NULL, "{\"metadata\":{\"name\":\"none\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"a service", "POST", NS "/services", NULL, "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"name\":\"web\",\"port\":80,\"targetPort\":8080}]}}", 201, {{0}}},
    ENDPOINTS("s", IP, "p"),
    ENDPOINTS("stolen", "10.42.0.9", "p"),
    {"endpoints", "POST", NS "/endpoints", NULL, "{\"metadata\":{\"name\":\"empty\"}}", 201, {{0}}},
    {"a node", "POST", "/api/v1/nodes", NULL, "{\"metadata\":{\"name\":\"n\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"" IP "\"}]}}", 201, {{0}}},
    {"its address", "PATCH", "/api/v1/nodes/n/status", "application/merge-patch+json", "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"" IP "\"}]}}", 200, {{0}}},
};
static const ApiCase refused_cases[] = {
    {"no pod", "GET", PODS "/x/proxy/", NULL, NULL, 404, {{"/message", "\"pods \\\"x\\\" not found\""}}},
    {"a wrong scheme", "GET", PODS "/ftp:p:80/proxy/", NULL, NULL, 400, {{"/message", "\"invalid pod request \\\"ftp:p:80\\\"\""}}},
    {"too many parts", "GET", PODS "/http:p:80:1/proxy/", NULL, NULL, 400, {{"/message", "\"invalid pod request \\\"http:p:80:1\\\"\""}}},
    {"no name", "GET", NS "/services/:80/proxy/", NULL, NULL, 400, {{"/message", "\"invalid service request \\\":80\\\"\""}}},
    {"no address", "GET", PODS "/none/proxy/", NULL, NULL, 400, {{"/message", "\"address not allowed\""}}},
    {"loopback", "GET", PODS "/loop:6443/proxy/", NULL, NULL, 400, {{"/message", "\"address not allowed\""}}},
    {"link-local", "GET", PODS "/link/proxy/", NULL, NULL, 400, {{"/message", "\"address not allowed\""}}},
    {"loopback of IPv6", "GET", PODS "/six/proxy/", NULL, NULL, 400, {{"/message", "\"address not allowed\""}}},
    {"dry run", "POST", PODS "/p/proxy/?dryRun=All", NULL, NULL, 400, {{"/message", "\"dryRun is not supported\""}}},
    {"nothing listens", "GET", PODS "/p:9/proxy/", NULL, NULL, 503, {{"/message", "\"error trying to reach service: dial tcp 10.42.0.7:9: connect: connection refused\""}, {"/reason", "\"ServiceUnavailable\""}}},
    {"no service", "GET", NS "/services/x:80/proxy/", NULL, NULL, 404, {{"/message", "\"services \\\"x\\\" not found\""}}},
    {"no endpoints object", "GET", NS "/services/x:web/proxy/", NULL, NULL, 404, {{"/message", "\"endpoints \\\"x\\\" not found\""}}},
    {"no such port", "GET", NS "/services/s:81/proxy/", NULL, NULL, 503, {{"/message", "\"no service port 81 found for service \\\"s\\\"\""}}},
    {"no port of the name", "GET", NS "/services/s:other/proxy/", NULL, NULL, 503, {{"/message", "\"no endpoints available for service \\\"s:other\\\"\""}}},
    {"no endpoints", "GET", NS "/services/empty:web/proxy/", NULL, NULL, 503, {{"/message", "\"no endpoints available for service \\\"empty\\\"\""}}},
    {"the address of another", "GET", NS "/services/stolen:web/proxy/", NULL, NULL, 503, {{"/message", "\"no endpoints available for service \\\"stolen:web\\\"\""}}},
    {"no node", "GET", "/api/v1/nodes/x/proxy/", NULL, NULL, 404, {{0}}},
    {"no subresource behind it", "GET", PODS "/p/log/x", NULL, NULL, 404, {{0}}},
};
/* clang-format on */

static int setup(void **state)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = inet_addr(IP)};
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    api_fixture(api);
    api_run(api, world_cases, ARRAY_LEN(world_cases));
    backend = (Backend){0};
    uv_tcp_init(&api->loop, &backend.listener);
    assert_int_equal(uv_tcp_bind(&backend.listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&backend.listener, 8, on_connection), 0);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    close_peer();
    uv_close((uv_handle_t *)&backend.listener, NULL);
    api_stop(*state);
    strbuf_deinit(&backend.peer.seen);
    free(*state);
    return 0;
}

/* Until something has happened; the test's time limit ends a wait for what never does. */
#define AWAIT(api, what)                   \
    while (!(what)) {                      \
        uv_run(&(api)->loop, UV_RUN_ONCE); \
        api_settle(api);                   \
    }

/* Sends, and waits until the answer has its end. */
static void call(Api *api, const char *method, const char *path, const char *headers,
                 const char *body)
{
    api_call_on(api, api->admin, method, path, headers, body, body ? strlen(body) : 0);
}

static void expect_seen(const char *text)
{
    if (!strstr(strbuf_string(&backend.peer.seen), text))
        fail_msg("not seen: %s\nin\n%s", text, strbuf_string(&backend.peer.seen));
}

static void expect_not_seen(const char *text)
{
    if (strcasestr(strbuf_string(&backend.peer.seen), text))
        fail_msg("seen: %s\nin\n%s", text, strbuf_string(&backend.peer.seen));
}

static void expect_head(Api *api, const char *text)
{
    if (!strcasestr(api->head, text))
        fail_msg("%s is not in\n%s", text, api->head);
}

/* ---- tests ---- */

static void refusals_come_in_kubernetes_words(void **state)
{
    api_run(*state, refused_cases, ARRAY_LEN(refused_cases));
}

static void every_method_arrives(void **state)
{
    static const char *const methods[] = {"GET",    "POST", "PUT",    "PATCH",
                                          "DELETE", "HEAD", "OPTIONS"};

    EACH_ROW(i, methods, methods[i]) {
        _free_ char *line = mem_printf("%s /a%%20b/?q=1&q=%%2f HTTP/1.1\r\n", methods[i]);

        expect("HTTP/1.1 207 Whatever\r\nContent-Length: 2\r\nX-Own: yes\r\n\r\n");
        backend.fill = str_equal(methods[i], "HEAD") ? 0 : 2;
        call(*state, methods[i], PODS "/p/proxy/a%20b/?q=1&q=%2f", NULL, NULL);
        assert_int_equal(((Api *)*state)->status, 207);
        expect_head(*state, "\r\nx-own: yes\r\n");
        expect_head(*state, "\r\nContent-Length: 2\r\n");
        expect_seen(line);
        expect_seen("Host: localhost\r\n");
        assert_string_equal(((Api *)*state)->body, str_equal(methods[i], "HEAD") ? "" : "xx");
    }
}

static const struct {
    const char *path, *line;
} places[] = {
    {PODS "/p:8080/proxy/", "GET / HTTP/1.1"},
    {PODS "/http:bare:8080/proxy/x", "GET /x HTTP/1.1"},
    {PODS "/p/proxy/a/../../b//c/", "GET /b/c/ HTTP/1.1"},
    {PODS "/p/proxy//a", "GET /a HTTP/1.1"},
    {PODS "/p/proxy/%2e%2e/a%3Fb", "GET /a%3Fb HTTP/1.1"},
    {PODS "/p/proxy/a?b=c?d", "GET /a?b=c?d HTTP/1.1"},
    {NS "/services/s:web/proxy/x", "GET /x HTTP/1.1"},
    {NS "/services/s:80/proxy/x", "GET /x HTTP/1.1"},
    {NS "/services/http:s:80/proxy/x", "GET /x HTTP/1.1"},
    {"/api/v1/nodes/n:8080/proxy/x", "GET /x HTTP/1.1"},
};

static void a_name_leads_to_its_address(void **state)
{
    EACH_ROW(i, places, places[i].path) {
        expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        call(*state, "GET", places[i].path, NULL, NULL);
        assert_int_equal(((Api *)*state)->status, 200);
        expect_seen(places[i].line);
    }
}

static void a_proxy_without_a_slash_gets_one(void **state)
{
    call(*state, "GET", PODS "/p/proxy?q=1", NULL, NULL);
    assert_int_equal(((Api *)*state)->status, 301);
    expect_head(*state, "\r\nlocation: " PODS "/p/proxy/?q=1\r\n");
    call(*state, "HEAD", NS "/services/s:web/proxy", NULL, NULL);
    expect_head(*state, "\r\nlocation: " NS "/services/s:web/proxy/\r\n");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    call(*state, "POST", PODS "/p/proxy", NULL, "x");
    assert_int_equal(((Api *)*state)->status, 200);
    expect_seen("POST / HTTP/1.1");
}

static void credentials_and_hop_headers_stay_here(void **state)
{
    expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\n"
           "Keep-Alive: 5\r\nAccess-Control-Allow-Origin: *\r\nSet-Cookie: a\r\nSet-Cookie: "
           "b\r\n\r\n");
    call(*state, "GET", PODS "/p/proxy/x/",
         "Authorization: Bearer t\r\nImpersonate-User: kubernetes-admin\r\nImpersonate-Group: "
         "system:masters\r\n"
         "X-Remote-User: root\r\nConnection: X-Mine\r\nX-Mine: 1\r\nProxy-Authorization: p\r\nTE: "
         "trailers, x\r\n"
         "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Uri: /lie\r\nX-Other: o\r\n"
         "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.dG9r, v1\r\n",
         NULL);
    assert_int_equal(((Api *)*state)->status, 200);
    expect_not_seen("authorization");
    expect_not_seen("impersonate");
    expect_not_seen("x-remote");
    expect_not_seen("x-mine");
    expect_seen("te: trailers\r\n");
    expect_seen("x-other: o\r\n");
    expect_seen("x-forwarded-for: 1.2.3.4, 127.0.0.1\r\n");
    expect_seen("x-forwarded-uri: " PODS "/p/proxy/x/\r\n");
    expect_seen("sec-websocket-protocol: v1\r\n");
    expect_head(*state, "\r\nset-cookie: a\r\nset-cookie: b\r\n");
    assert_null(strcasestr(((Api *)*state)->head, "x-hop"));
    assert_null(strcasestr(((Api *)*state)->head, "keep-alive: 5"));
    assert_null(strcasestr(((Api *)*state)->head, "access-control"));
}

static void a_body_arrives_with_and_without_a_length(void **state)
{
    Api *api = *state;

    expect("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    backend.until = 5;
    call(api, "POST", PODS "/p/proxy/x", NULL, "hello");
    assert_int_equal(api->status, 201);
    assert_string_equal(api->body, "abc");
    expect_seen("Content-Length: 5\r\n");
    expect_seen("\r\n\r\nhello");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    backend.until = 10;
    http_loopback_send(api->admin,
                       bytes_from_string("PUT " PODS
                                         "/p/proxy/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                         "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    api_finish(api, api->admin);
    expect_seen("Transfer-Encoding: chunked\r\n");
    expect_seen("\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
}

static void links_lead_through_the_proxy(void **state)
{
    expect("HTTP/1.1 302 Found\r\nLocation: http://" IP ":8080/new?x\r\nContent-Length: 0\r\n\r\n");
    call(*state, "GET", PODS "/p/proxy/old", NULL, NULL);
    assert_int_equal(((Api *)*state)->status, 302);
    expect_head(*state, "\r\nlocation: " PODS "/p/proxy/new?x\r\n");
    expect("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
           "19\r\n\r\n<a href=\"/x\">y</a>\n");
    call(*state, "GET", PODS "/p/proxy/a/", NULL, NULL);
    assert_string_equal(((Api *)*state)->body, "<a href=\"" PODS "/p/proxy/x\">y</a>\n");
    expect("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\n<a "
           "href=\"/x\">y</a>\n");
    call(*state, "GET", PODS "/p/proxy/a/", NULL, NULL);
    assert_string_equal(((Api *)*state)->body, "<a href=\"/x\">y</a>\n");
}

/* answer: what the backend says before it closes; status 0: the answer is cut off. */
static const struct {
    const char *answer;
    int status;
    const char *body;
} hostile[] = {
    {"", 503, "error trying to reach service: EOF"},
    {"garbage\r\n\r\n", 503, "malformed HTTP response"},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 503, "malformed HTTP response"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 503, "malformed"},
    {"HTTP/1.1 200 OK\r\nX: a\r\n", 503, "EOF"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 503,
     "malformed"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", 200, "ok"},
    {"HTTP/1.1 302 Found\r\nLocation: /%zz\r\nContent-Length: 0\r\n\r\n", 500,
     "parse Location header"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", 0, ""},
};

static void a_hostile_backend_harms_nobody(void **state)
{
    Api *api = *state;

    EACH_ROW(i, hostile, hostile[i].answer) {
        HttpLoopback *stream = api_stream(api, PODS "/p/proxy/x", NULL);

        expect(hostile[i].answer);
        AWAIT(api, backend.peer.answered && !backend.peer.open);
        api_settle(api);
        if (hostile[i].status) {
            api_finish(api, stream);
            assert_int_equal(api->status, hostile[i].status);
            if (!strstr(api->body, hostile[i].body))
                fail_msg("%s", api->body);
        } else {
            assert_true(http_loopback_closed(stream));
        }
        http_loopback_free(stream);
    }
}

static void a_head_without_an_end_is_given_up(void **state)
{
    Api *api = *state;

    expect("HTTP/1.1 200 OK\r\nX: ");
    backend.fill = 1024 * 1024;
    backend.keep = true;
    call(api, "GET", PODS "/p/proxy/x", NULL, NULL);
    assert_int_equal(api->status, 503);
    AWAIT(api, !backend.peer.open);
}

static void an_upgrade_passes_bytes_both_ways(void **state)
{
    Api *api = *state;
    HttpLoopback *stream =
        api_stream(api, NS "/services/s:web/proxy/ws?x=1",
                   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n"
                   "Authorization: Bearer t\r\n");
    Bytes bytes;

    expect("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
           "Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\nfirst");
    backend.keep = true;
    AWAIT(api, backend.peer.answered && backend.unsent == 0);
    api_settle(api);
    bytes = http_loopback_take(stream);
    assert_non_null(strcasestr((const char *)bytes.p, "\r\nsec-websocket-accept: a\r\n"));
    assert_memory_equal(bytes.p + bytes.n - 5, "first", 5);
    expect_seen("GET /ws?x=1 HTTP/1.1\r\n");
    expect_seen("Upgrade: websocket\r\nConnection: Upgrade\r\n");
    expect_not_seen("authorization");
    strbuf_truncate(&backend.peer.seen, 0);
    http_loopback_send(stream, bytes_from_string("\x01\x02to"));
    AWAIT(api, backend.peer.seen.n == 4);
    say("fro", 0);
    AWAIT(api, (bytes = http_loopback_take(stream)).n > 0);
    assert_int_equal(bytes.n, 3);
    http_loopback_eof(stream);
    AWAIT(api, !backend.peer.open);
    http_loopback_free(stream);
}

static void a_refused_upgrade_is_answered(void **state)
{
    static const struct {
        const char *answer;
        int status;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 500},
        {"", 500},
    };

    EACH_ROW(i, rows, rows[i].answer) {
        expect(rows[i].answer);
        call(*state, "GET", PODS "/p/proxy/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n",
             NULL);
        assert_int_equal(((Api *)*state)->status, rows[i].status);
        AWAIT((Api *)*state, !backend.peer.open);
    }
}

static void a_client_that_does_not_read_holds_the_backend_back(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, PODS "/p/proxy/x", NULL);
    size_t got = 0, left;

    expect("HTTP/1.1 200 OK\r\n\r\n");
    backend.fill = MANY * 2;
    http_loopback_stall(stream, true);
    AWAIT(api, backend.peer.answered);
    for (int i = 0; i < 200; i++)
        api_settle(api);
    left = backend.unsent;
    assert_true(left > MANY);
    for (int i = 0; i < 50; i++)
        api_settle(api);
    assert_int_equal(backend.unsent, left);
    http_loopback_stall(stream, false);
    while (backend.peer.open || got < MANY * 2) {
        api_settle(api);
        got += http_loopback_take(stream).n;
    }
    http_loopback_free(stream);
}

static void a_client_that_never_reads_is_given_up(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, PODS "/p/proxy/x", NULL);

    expect("HTTP/1.1 200 OK\r\n\r\n");
    backend.fill = MANY * 2;
    http_loopback_stall(stream, true);
    AWAIT(api, backend.peer.answered);
    for (int i = 0; i < 200; i++)
        api_settle(api);
    clock_fake_advance(api->clock, 61 * NS_PER_SEC);
    AWAIT(api, !backend.peer.open);
    http_loopback_free(stream);
}

static void a_backend_that_does_not_read_holds_the_client_back(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, "/healthz", NULL);
    _free_ char *piece = mem_resize(NULL, 65536);
    _free_ char *head = mem_printf(
        "POST " PODS "/p/proxy/x HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", MANY * 2);
    size_t sent = 0;

    api_finish(api, stream);
    memset(piece, 'y', 65536);
    expect("");
    backend.deaf = backend.keep = true;
    http_loopback_send(stream, bytes_from_string(head));
    AWAIT(api, backend.peer.answered);
    /* A loopback delivers whatever is sent, so what is kept for the backend shows that nothing is dropped. */
    for (; sent < MANY * 2; sent += 65536)
        http_loopback_send(stream, (Bytes){(uint8_t *)piece, 65536});
    for (int i = 0; i < 50; i++)
        api_settle(api);
    uv_read_start((uv_stream_t *)&backend.peer.tcp, on_alloc, on_read);
    AWAIT(api, backend.peer.seen.n > MANY * 2);
    say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0);
    api_finish(api, stream);
    assert_int_equal(api->status, 200);
    close_peer();
    http_loopback_free(stream);
}

static void the_end_of_the_client_ends_the_backend(void **state)
{
    Api *api = *state;
    HttpLoopback *stream = api_stream(api, PODS "/p/proxy/x", NULL);

    expect("HTTP/1.1 200 OK\r\n\r\nsome");
    backend.keep = true;
    AWAIT(api, backend.peer.answered);
    api_settle(api);
    http_loopback_free(stream);
    AWAIT(api, !backend.peer.open);
    assert_true(backend.peer.eof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refusals_come_in_kubernetes_words, setup, teardown),
        cmocka_unit_test_setup_teardown(every_method_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_leads_to_its_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_proxy_without_a_slash_gets_one, setup, teardown),
        cmocka_unit_test_setup_teardown(credentials_and_hop_headers_stay_here, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_arrives_with_and_without_a_length, setup, teardown),
        cmocka_unit_test_setup_teardown(links_lead_through_the_proxy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hostile_backend_harms_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_without_an_end_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(an_upgrade_passes_bytes_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_upgrade_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_holds_the_backend_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_that_never_reads_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backend_that_does_not_read_holds_the_client_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_end_of_the_client_ends_the_backend, setup, teardown),
    };

    if (!own_network()) {
        fprintf(stderr, "needs root for a network namespace of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
