/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One proxied request. See proxy.h.
 *
 * The request of the client is the owner: when it ends, for whatever reason, proxy_close ends the call to
 * the backend. The call ends by itself with on_done. Each side is paused while too much waits for the
 * other one, and goes on when that has left. A client that takes nothing of what waits for STALL_NS is
 * given up, since it holds a connection of the backend.
 */
#include "server/proxy/proxy.h"

#include <strings.h>

#include "base/time/clock.h"
#include "base/vec.h"
#include "http/client/client.h"
#include "server/proxy/rewrite.h"
#include "server/request/respond.h"

#define PROXY_PENDING ((size_t)256 * 1024)
#define CONNECT_NS (30 * NS_PER_SEC)
#define STALL_NS (60 * NS_PER_SEC)
/* Of all clients together: each holds two sockets. */
#define PROXIES_MAX 1024

typedef struct Proxy {
    Call *call;
    HttpRequest *request;
    HttpCall *backend; /* NULL: it has ended */
    HttpRaw *raw;      /* after an upgrade */
    HtmlRewriter *html;
    Rewrite rewrite; /* prefix NULL: nothing is rewritten */
    const char *address;
    uint16_t port;
    bool extension, upgrade;
    bool begun; /* the head of the answer is on its way to the client */
    bool input_paused, output_paused;
    Timer stall;
    size_t stalled; /* what waited when the timer began */
} Proxy;

/* ---- errors ---- */

/* In the words of Go's net package, which clients of kube-apiserver know. */
static const char *error_text(const Proxy *proxy, const HttpClientResponse *response)
{
    bool six = strchr(proxy->address, ':');
    const char *place = arena_printf(proxy->call->arena, six ? "[%s]:%u" : "%s:%u", proxy->address,
                                     (unsigned)proxy->port);

    switch (response->error) {
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return arena_printf(proxy->call->arena, "dial tcp %s: connect: %s", place,
                            response->error_text);
    case -ETIMEDOUT:
        return arena_printf(proxy->call->arena, "dial tcp %s: i/o timeout", place);
    default:
        return response->error_text;
    }
}

static void answer_error(Proxy *proxy, StatusReason reason, const char *text)
{
    ApiStatus status;

    proxy->begun = true;
    if (proxy->extension) {
        const char *line = arena_printf(proxy->call->arena, "%s\n", text);

        http_add_header(proxy->request, "x-content-type-options", "nosniff");
        http_respond(proxy->request, 503, "text/plain; charset=utf-8", bytes_from_string(line));
        return;
    }
    status_set(&status, proxy->call->arena, reason, "%s", text);
    respond_status(proxy->call, &status);
}

/* ---- headers ---- */

/* Headers that are for one connection only (RFC 9110, 7.6.1). */
static bool is_hop(const char *name)
{
    static const char *const names[] = {
        "connection", "proxy-connection", "keep-alive",        "proxy-authenticate", "te",
        "trailer",    "upgrade",          "transfer-encoding", "proxy-authorization"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal(name, names[i]))
            return true;
    return false;
}

/* Whether a comma-separated list has the name. */
static bool lists(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (list && *list) {
        size_t blank = strspn(list, " \t,");
        size_t length = strcspn(list + blank, " \t,");

        if (length == n && strncasecmp(list + blank, name, n) == 0)
            return true;
        list += blank + length;
    }
    return false;
}

static bool is_named_by_connection(const HttpHeader *headers, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(headers[i].name, "connection") && lists(headers[i].value, name))
            return true;
    return false;
}

/* What proves who the client is, or says so, is for this server only. */
static bool is_credential(const char *name)
{
    return str_equal(name, "authorization") || str_starts_with(name, "impersonate-") ||
           str_starts_with(name, "x-remote-");
}

#define BEARER_PROTOCOL "base64url.bearer.authorization.k8s.io."

/* A browser passes its token as one of the protocols of a WebSocket. */
static const char *without_token(Arena *arena, const char *protocols)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    char *at = arena_strdup(arena, protocols), *protocol;

    if (!strstr(protocols, BEARER_PROTOCOL))
        return protocols;
    while ((protocol = strsep(&at, ","))) {
        protocol += strspn(protocol, " \t");
        if (str_starts_with(protocol, BEARER_PROTOCOL))
            continue;
        strbuf_printf(&out, "%s%s", out.n ? "," : "", protocol);
    }
    return arena_strdup(arena, strbuf_string(&out));
}

typedef VEC(HttpHeader) Headers;

static bool is_replaced(const ProxyTarget *target, const char *name)
{
    for (size_t i = 0; i < target->n_headers; i++)
        if (str_equal(target->headers[i].name, name))
            return true;
    return false;
}

static void collect_headers(const Proxy *proxy, const ProxyTarget *target, Headers *ret)
{
    static const char *const own[] = {"host", "content-length", "expect", "x-forwarded-for"};
    const HttpRequest *request = proxy->request;
    Arena *arena = proxy->call->arena;
    const char *forwarded = NULL;

    for (size_t i = 0; i < request->n_headers; i++) {
        HttpHeader header = request->headers[i];
        bool is_own =
            is_hop(header.name) || is_credential(header.name) || is_replaced(target, header.name) ||
            (target->prefix && !proxy->upgrade && str_equal(header.name, "x-forwarded-uri")) ||
            is_named_by_connection(request->headers, request->n_headers, header.name);

        for (size_t k = 0; k < ARRAY_LEN(own); k++)
            is_own |= str_equal(header.name, own[k]);
        if (str_equal(header.name, "x-forwarded-for"))
            forwarded =
                forwarded ? arena_printf(arena, "%s, %s", forwarded, header.value) : header.value;
        if (is_own)
            continue;
        if (str_equal(header.name, "sec-websocket-protocol"))
            header.value = without_token(arena, header.value);
        if (*header.value || !str_equal(header.name, "sec-websocket-protocol"))
            VEC_PUSH(ret, header);
    }
    if (lists(http_header(request, "te"), "trailers"))
        VEC_PUSH(ret, ((HttpHeader){"te", "trailers"}));
    if (!str_empty(request->peer->address))
        forwarded = forwarded ? arena_printf(arena, "%s, %s", forwarded, request->peer->address)
                              : request->peer->address;
    if (forwarded)
        VEC_PUSH(ret, ((HttpHeader){"x-forwarded-for", forwarded}));
    if (target->prefix && !proxy->upgrade)
        VEC_PUSH(ret, ((HttpHeader){"x-forwarded-uri",
                                    rewrite_join(arena, target->prefix, target->path)}));
    for (size_t i = 0; i < target->n_headers; i++)
        VEC_PUSH(ret, target->headers[i]);
}

/* ---- the answer ---- */

static void on_stall(Timer *timer)
{
    Proxy *proxy = CONTAINER_OF(timer, Proxy, stall);
    size_t pending = http_stream_pending(proxy->request);

    if (pending >= proxy->stalled) {
        http_abort(proxy->request);
        return;
    }
    proxy->stalled = pending;
    timer_start(proxy->call->server->clock, timer, STALL_NS);
}

static void hold_output(Proxy *proxy)
{
    size_t pending = http_stream_pending(proxy->request);

    if (pending <= PROXY_PENDING || proxy->output_paused || !proxy->backend)
        return;
    proxy->output_paused = true;
    http_call_pause(proxy->backend, true);
    proxy->stalled = pending;
    proxy->stall.on_fire = on_stall;
    timer_start(proxy->call->server->clock, &proxy->stall, STALL_NS);
}

static void release_output(Proxy *proxy)
{
    if (!proxy->output_paused)
        return;
    proxy->output_paused = false;
    timer_stop(proxy->call->server->clock, &proxy->stall);
    if (proxy->backend)
        http_call_pause(proxy->backend, false);
}

static void on_client_drain(HttpRequest *request)
{
    release_output(((Call *)request->data)->stream);
}

static const char *header_of(const HttpClientResponse *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++)
        if (str_equal(response->headers[i].name, name))
            return response->headers[i].value;
    return NULL;
}

/* Which sites may read an answer is for this server to say, not for a pod. */
static bool is_cross_origin(const char *name)
{
    static const char *const names[] = {
        "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal(name, names[i]))
            return true;
    return false;
}

static void copy_headers(Proxy *proxy, const HttpClientResponse *head)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *name = head->headers[i].name, *value = head->headers[i].value;

        if ((is_hop(name) && !(head->status == 101 && str_equal(name, "upgrade"))) ||
            str_equal(name, "content-length") || str_equal(name, "content-type") ||
            (head->status == 101 && str_equal(name, "upgrade")) ||
            (proxy->call->audit_id && str_equal(name, "audit-id")) || /* it is there already */
            is_named_by_connection(head->headers, head->n_headers, name) ||
            (proxy->rewrite.prefix && !proxy->upgrade &&
             (is_cross_origin(name) || str_equal(name, "location"))))
            continue;
        http_add_header(proxy->request, arena_strdup(&proxy->request->arena, name), value);
    }
}

static bool is_html(const HttpClientResponse *head)
{
    const char *type = header_of(head, "content-type");
    size_t n = type ? strcspn(type, ";") : 0;

    while (n > 0 && (type[n - 1] == ' ' || type[n - 1] == '\t'))
        n--;
    return n == 9 && strncmp(type, "text/html", 9) == 0 && !header_of(head, "content-encoding");
}

static void begin_answer(Proxy *proxy, const HttpClientResponse *head)
{
    const char *location = header_of(head, "location");
    bool rewrite = proxy->rewrite.prefix && !proxy->upgrade;
    int64_t length = head->length;

    if (rewrite && !str_empty(location)) {
        const char *changed = rewrite_url(&proxy->rewrite, proxy->call->arena, location);

        if (!changed) {
            answer_error(proxy, STATUS_INTERNAL_ERROR,
                         "Internal error occurred: error trying to parse Location header: "
                         "the backend's redirect is malformed");
            return;
        }
        http_add_header(proxy->request, "location", changed);
    } else if (rewrite && is_html(head) && !str_equal(proxy->request->method, "HEAD")) {
        proxy->html = html_rewriter_new(&proxy->rewrite);
        length = -1;
    }
    copy_headers(proxy, head);
    proxy->begun = true;
    proxy->request->on_drain = on_client_drain;
    if (length >= 0)
        http_stream_begin_sized(proxy->request, head->status, header_of(head, "content-type"),
                                (uint64_t)length);
    else
        http_stream_begin(proxy->request, head->status, header_of(head, "content-type"));
}

/* ---- after an upgrade ---- */

static void on_raw_data(HttpRaw *raw, void *data, Bytes bytes)
{
    Proxy *proxy = data;

    if (!proxy->backend)
        return;
    http_call_send(proxy->backend, bytes);
    if (http_call_unsent(proxy->backend) > PROXY_PENDING && !proxy->input_paused) {
        proxy->input_paused = true;
        raw_pause(raw, true);
    }
}

static void on_raw_drain(HttpRaw *raw _unused_, void *data)
{
    release_output(data);
}

static const HttpRawHandler raw_handler = {on_raw_data, on_raw_drain, NULL};

static void begin_upgrade(Proxy *proxy, const HttpClientResponse *head)
{
    const char *protocol = header_of(head, "upgrade");

    copy_headers(proxy, head);
    proxy->begun = true;
    proxy->raw = http_upgrade_raw(proxy->request, str_or(protocol, ""), &raw_handler, proxy);
    if (!proxy->raw)
        http_abort(proxy->request);
}

/* ---- from the backend ---- */

static void on_head(void *data, const HttpClientResponse *head)
{
    Proxy *proxy = data;
    bool refused = proxy->extension && head->status >= 300 && head->status <= 399 &&
                   !str_empty(header_of(head, "location"));

    if (refused) {
        static const char text[] =
            "the backend attempted to redirect this request, which is not permitted";

        proxy->begun = true;
        http_respond(proxy->request, 502, NULL, bytes_from_string(text));
    } else if (head->status == 101) {
        begin_upgrade(proxy, head);
    } else if (proxy->upgrade && head->status < 400) {
        answer_error(proxy, STATUS_UNKNOWN,
                     arena_printf(proxy->call->arena, "invalid upgrade response: status code %d",
                                  head->status));
    } else {
        begin_answer(proxy, head);
    }
}

static void on_data(void *data, int status, Bytes piece)
{
    Proxy *proxy = data;

    if (proxy->raw) {
        raw_send(proxy->raw, piece);
    } else if (status == 101) {
        return; /* the client is gone */
    } else if (proxy->html) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        html_rewriter_feed(proxy->html, piece, &out);
        http_stream_write(proxy->request, strbuf_bytes(&out));
    } else {
        http_stream_write(proxy->request, piece);
    }
    hold_output(proxy);
}

static void end_answer(Proxy *proxy)
{
    if (proxy->html) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        html_rewriter_end(proxy->html, &out);
        http_stream_write(proxy->request, strbuf_bytes(&out));
    }
    http_stream_end(proxy->request);
}

static void on_done(void *data, const HttpClientResponse *response)
{
    Proxy *proxy = data;

    proxy->backend = NULL;
    if (proxy->raw)
        raw_close(proxy->raw);
    else if (!proxy->begun && proxy->upgrade)
        answer_error(proxy, STATUS_UNKNOWN,
                     arena_printf(proxy->call->arena, "error dialing backend: %s",
                                  error_text(proxy, response)));
    else if (!proxy->begun)
        answer_error(proxy, STATUS_UNAVAILABLE,
                     arena_printf(proxy->call->arena, "error trying to reach service: %s",
                                  error_text(proxy, response)));
    else if (response->error)
        http_abort(proxy->request); /* no end that looks like a whole answer */
    else
        end_answer(proxy);
}

static void on_backend_drain(void *data)
{
    Proxy *proxy = data;

    if (!proxy->input_paused)
        return;
    proxy->input_paused = false;
    if (proxy->raw)
        raw_pause(proxy->raw, false);
    else
        http_request_pause(proxy->request, false);
}

/* ---- from the client ---- */

static void on_piece(HttpRequest *request, Bytes piece)
{
    Proxy *proxy = ((Call *)request->data)->stream;

    if (!proxy->backend)
        return;
    http_call_send(proxy->backend, piece);
    if (http_call_unsent(proxy->backend) > PROXY_PENDING && !proxy->input_paused) {
        proxy->input_paused = true;
        http_request_pause(request, true);
    }
}

static void on_body_end(HttpRequest *request, Bytes body _unused_)
{
    Proxy *proxy = ((Call *)request->data)->stream;

    if (proxy->backend)
        http_call_send_end(proxy->backend);
}

static void proxy_close(void *data)
{
    Proxy *proxy = data;

    http_call_cancel(proxy->backend);
    timer_stop(proxy->call->server->clock, &proxy->stall);
    html_rewriter_free(proxy->html);
    proxy->call->server->proxied--;
    free(proxy);
}

/* ---- start ---- */

static Proxy *proxy_new(Call *call, const ProxyTarget *target)
{
    Proxy *proxy = mem_new_type(Proxy);
    bool six = strchr(target->address, ':');

    proxy->call = call;
    proxy->request = call->request;
    proxy->address = arena_strdup(call->arena, target->address);
    proxy->port = target->port;
    proxy->extension = target->extension;
    proxy->upgrade = http_wants_upgrade(call->request) != NULL;
    proxy->rewrite = (Rewrite){
        .prefix = arena_strdup(call->arena, target->prefix),
        .backend = arena_printf(call->arena, six ? "[%s]:%u" : "%s:%u", target->address,
                                (unsigned)target->port),
        .host = target->host ? target->host : call->request->authority,
    };
    call->server->proxied++;
    call->stream = proxy;
    call->stream_close = proxy_close;
    return proxy;
}

void proxy_start(Call *call, const ProxyTarget *target)
{
    HttpRequest *request = call->request;
    int64_t length = http_body_length(request);
    Headers headers = VEC_INIT;
    HttpClientRequest to = {
        .address = target->address,
        .port = target->port,
        .method = request->method,
        .path = *request->query ? arena_printf(call->arena, "%s?%s", target->path, request->query)
                                : target->path,
        .tls = target->tls,
        .server_name = target->server_name,
        .connect_timeout_ns = CONNECT_NS,
        .on_head = on_head,
        .on_drain = on_backend_drain,
    };
    Proxy *proxy;

    if (call->server->proxied >= PROXIES_MAX) {
        ApiStatus status = {.retry_after = 1};

        status_set(&status, call->arena, STATUS_TOO_MANY_REQUESTS,
                   "too many requests are proxied at the same time, please try again later");
        status.retry_after = 1;
        respond_status(call, &status);
        return;
    }
    proxy = proxy_new(call, target);
    collect_headers(proxy, target, &headers);
    to.host = proxy->rewrite.host;
    to.headers = headers.v;
    to.n_headers = headers.n;
    to.upgrade = proxy->upgrade ? http_wants_upgrade(request) : NULL;
    to.streams = length != 0 && !proxy->upgrade;
    to.length = length;
    proxy->backend = http_call(call->server->loop, &to, on_data, on_done, proxy);
    VEC_DEINIT(&headers);
    if (to.streams) {
        request->on_piece = on_piece;
        request->on_body = on_body_end;
        request->body_limit = SIZE_MAX;
        request->body_slow = true;
    }
}
