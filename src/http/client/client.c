/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 client with one connection for each call. See http.h.
 *
 * Every call ends in finish(), which calls done() once and closes the handles. The memory is freed
 * when the last handle has been closed and the thread that may be creating a socket in another
 * network namespace has returned.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509v3.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "base/strbuf.h"
#include "base/loop_timer.h"
#include "base/vec.h"
#include "http/client/client.h"
#include "http/wire.h"

/* The greatest length of the head of a response. */
#define HEAD_MAX (256u * 1024)

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
} Address;

struct HttpCall {
    uv_loop_t *loop;
    uv_timer_t timer; /* the time limit, or the report of a call that could not be started */
    uv_poll_t poll;
    uv_work_t work;
    unsigned handles; /* handles that have not been closed yet */
    bool has_poll, working, connected, over;
    int poll_events;
    int fd; /* the socket, until the wire takes it over */
    int error;
    Wire wire;
    bool has_wire;
    Address address;
    socklen_t address_n;
    char *netns, *server_name;
    SSL_CTX *tls;
    StrBuf out;
    bool is_head, upgrade;
    bool upgraded; /* the response was 101, and what follows is passed on as it is */
    bool reading;  /* wire_read is running; bytes to send wait until it has returned */
    size_t body_limit;
    void (*on_data)(void *data, int status, Bytes piece);
    void (*on_drain)(void *data);
    HttpClientDone done;
    void *data;

    llhttp_t parser;
    Arena arena;
    StrBuf name, value, body;
    size_t head_n;
    VEC(HttpHeader) headers;
    bool in_value, has_head, complete;
};

/* ---- the end ---- */

static void call_free(HttpCall *call)
{
    if (call->handles > 0 || call->working)
        return;
    if (call->has_wire)
        wire_deinit(&call->wire);
    close_fdp(&call->fd);
    free(call->netns);
    free(call->server_name);
    SSL_CTX_free(call->tls);
    strbuf_deinit(&call->out);
    strbuf_deinit(&call->name);
    strbuf_deinit(&call->value);
    strbuf_deinit(&call->body);
    VEC_DEINIT(&call->headers);
    arena_clear(&call->arena);
    free(call);
}

static void on_handle_closed(uv_handle_t *handle)
{
    HttpCall *call = handle->data;

    call->handles--;
    call_free(call);
}

static void close_call(HttpCall *call)
{
    call->over = true;
    if (call->has_poll) {
        uv_poll_stop(&call->poll);
        close_fdp(&call->wire.fd);
        uv_close((uv_handle_t *)&call->poll, on_handle_closed);
    }
    uv_close((uv_handle_t *)&call->timer, on_handle_closed);
}

static void finish(HttpCall *call, int error, const char *text)
{
    HttpClientResponse response = {.error = error, .error_text = text};
    char message[128];

    if (call->over)
        return;
    if (error < 0 && !text) {
        snprintf(message, sizeof(message), "%s", strerror(-error));
        /* Messages begin in lower case, as Go and most programs write them. */
        if (message[0] >= 'A' && message[0] <= 'Z')
            message[0] = (char)(message[0] | 0x20);
        response.error_text = message;
    }
    if (call->has_head) {
        response.status = call->parser.status_code;
        response.headers = call->headers.v;
        response.n_headers = call->headers.n;
        response.body = strbuf_bytes(&call->body);
    }
    close_call(call);
    call->done(call->data, &response);
}

void http_call_cancel(HttpCall *call)
{
    if (call && !call->over)
        close_call(call);
}

/* ---- the answer ---- */

static int add_text(HttpCall *call, StrBuf *buf, const char *p, size_t n)
{
    call->head_n += n;
    if (call->head_n > HEAD_MAX)
        return -1;
    strbuf_add(buf, p, n);
    return 0;
}

static void flush_header(HttpCall *call)
{
    HttpHeader header;

    if (!call->in_value)
        return;
    for (char *c = call->name.p; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    header.name = arena_strdup(&call->arena, strbuf_string(&call->name));
    header.value = arena_strdup(&call->arena, strbuf_string(&call->value));
    VEC_PUSH(&call->headers, header);
    strbuf_truncate(&call->name, 0);
    strbuf_truncate(&call->value, 0);
    call->in_value = false;
}

static int on_field(llhttp_t *parser, const char *p, size_t n)
{
    HttpCall *call = parser->data;

    if (call->has_head)
        return 0;
    flush_header(call);
    return add_text(call, &call->name, p, n);
}

static int on_value(llhttp_t *parser, const char *p, size_t n)
{
    HttpCall *call = parser->data;

    return call->has_head ? 0 : add_text(call, &call->value, p, n);
}

static int on_value_complete(llhttp_t *parser)
{
    HttpCall *call = parser->data;

    call->in_value = !call->has_head;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    HttpCall *call = parser->data;

    flush_header(call);
    /* Interim responses such as 100 Continue precede the response. */
    call->has_head = parser->status_code >= 200 || (call->upgrade && parser->status_code == 101);
    if (!call->has_head)
        call->headers.n = 0;
    return call->is_head && call->has_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    HttpCall *call = parser->data;
    size_t room;

    if (call->on_data) {
        call->on_data(call->data, parser->status_code, (Bytes){(const uint8_t *)p, n});
        return call->over ? -1 : 0;
    }
    room = call->body_limit - call->body.n;
    strbuf_add(&call->body, p, MIN_OF(n, room));
    if (n <= room)
        return 0;
    call->complete = true;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    HttpCall *call = parser->data;

    call->complete = call->has_head && parser->status_code != 101;
    return call->complete ? HPE_PAUSED : 0;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* Bytes of the protocol that the connection has changed to. */
static bool feed_upgraded(HttpCall *call, const uint8_t *p, size_t n)
{
    call->on_data(call->data, 101, (Bytes){p, n});
    return !call->over;
}

static bool feed(void *data, const uint8_t *p, size_t n)
{
    HttpCall *call = data;
    llhttp_errno_t error;

    if (call->upgraded)
        return feed_upgraded(call, p, n);
    error = llhttp_execute(&call->parser, (const char *)p, n);
    if (call->over)
        return false;
    if (error == HPE_PAUSED_UPGRADE && call->upgrade && call->on_data) {
        const uint8_t *rest = (const uint8_t *)llhttp_get_error_pos(&call->parser);

        call->upgraded = true;
        return feed_upgraded(call, rest, (size_t)(p + n - rest));
    }
    if (call->complete)
        finish(call, 0, NULL);
    else if (error != HPE_OK)
        finish(call, -EPROTO, "malformed HTTP response");
    return !call->over;
}

/* ---- the socket ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void want(HttpCall *call, int events)
{
    if (call->poll_events == events)
        return;
    call->poll_events = events;
    uv_poll_start(&call->poll, events, on_poll);
}

static bool send_request(HttpCall *call)
{
    int r = wire_write(&call->wire, (const uint8_t *)strbuf_string(&call->out), call->out.n);

    strbuf_deinit(&call->out);
    call->out = STRBUF_INIT;
    if (r < 0)
        finish(call, r, NULL);
    return r >= 0;
}

static bool on_handshaken(void *data)
{
    return send_request(data);
}

static const WireUser wire_user = {.feed = feed, .handshaken = on_handshaken};

static void on_broken(HttpCall *call, int error)
{
    char text[160];
    long verify = call->wire.ssl ? SSL_get_verify_result(call->wire.ssl) : X509_V_OK;

    if (!call->wire.ssl || call->wire.handshaken) {
        finish(call, error, NULL);
        return;
    }
    if (verify != X509_V_OK)
        snprintf(text, sizeof(text), "certificate: %s", X509_verify_cert_error_string(verify));
    else
        wire_tls_error(text, sizeof(text));
    finish(call, error, text);
}

static void on_connected(HttpCall *call)
{
    int error = 0, r;
    socklen_t n = sizeof(error);

    getsockopt(call->wire.fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) {
        finish(call, -error, NULL);
        return;
    }
    call->connected = true;
    r = wire_start(&call->wire);
    if (r < 0)
        on_broken(call, r);
    else if (!call->wire.ssl)
        send_request(call);
}

static void on_readable(HttpCall *call)
{
    int r;

    call->reading = true;
    r = wire_read(&call->wire, &wire_user, call);
    call->reading = false;
    if (call->over)
        return;
    if (r < 0) {
        on_broken(call, r);
    } else if (r == 1 && call->upgraded) {
        finish(call, 0, NULL);
    } else if (r == 1) {
        /* A response without a length ends when the connection ends. */
        if (call->has_head && llhttp_finish(&call->parser) == HPE_OK)
            finish(call, 0, NULL);
        else if (!call->over && call->complete)
            finish(call, 0, NULL);
        else
            finish(call, -ECONNRESET, call->has_head ? "unexpected EOF" : "EOF");
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    HttpCall *call = poll->data;
    int r;

    if (!call->connected) {
        on_connected(call);
    } else {
        r = wire_flush(&call->wire);
        if (r < 0) {
            finish(call, r, NULL);
            return;
        }
        if ((events & UV_READABLE) || status < 0)
            on_readable(call);
        if (!call->over && call->upgraded && call->out.n > 0)
            send_request(call);
        if (status < 0 && !call->over)
            finish(call, -ECONNRESET, NULL);
        if (!call->over && call->on_drain && wire_unsent(&call->wire) == 0)
            call->on_drain(call->data);
    }
    if (!call->over)
        want(call, UV_READABLE | (wire_unsent(&call->wire) > 0 ? UV_WRITABLE : 0));
}

static void set_server_name(HttpCall *call)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(call->wire.ssl);
    unsigned char ip[16];

    if (!call->server_name)
        return;
    if (inet_pton(AF_INET, call->server_name, ip) == 1 ||
        inet_pton(AF_INET6, call->server_name, ip) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(param, call->server_name);
    } else {
        SSL_set_tlsext_host_name(call->wire.ssl, call->server_name);
        X509_VERIFY_PARAM_set1_host(param, call->server_name, 0);
    }
}

/* Connects the socket, which exists by now. It does not call back; a failure is reported later,
 * from the loop. */
static void start_connect(HttpCall *call)
{
    int on = 1;

    if (call->address.any.sa_family != AF_UNIX)
        setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(call->fd, &call->address.any, call->address_n) < 0 && errno != EINPROGRESS) {
        call->error = -errno;
        return;
    }
    wire_init(&call->wire, TAKE_FD(call->fd), call->tls, true);
    call->has_wire = true;
    if (call->wire.ssl)
        set_server_name(call);
    uv_poll_init(call->loop, &call->poll, call->wire.fd);
    call->poll.data = call;
    call->has_poll = true;
    call->handles++;
    want(call, UV_WRITABLE);
}

static int open_socket(const HttpCall *call)
{
    int fd = socket(call->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? -errno : fd;
}

/* Runs on a thread of the pool. A socket belongs to the network namespace in which its thread was
 * when it created the socket. */
static void open_in_namespace(uv_work_t *work)
{
    HttpCall *call = work->data;
    _close_fd_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    _close_fd_ int there = home < 0 ? -1 : open(call->netns, O_RDONLY | O_CLOEXEC);

    if (there < 0 || setns(there, CLONE_NEWNET) < 0) {
        call->error = -errno;
        return;
    }
    call->fd = open_socket(call);
    if (call->fd < 0)
        call->error = call->fd;
    /* A thread that stayed in the namespace would create sockets of later tasks there. */
    ASSERT(setns(home, CLONE_NEWNET) == 0);
}

static void on_opened(uv_work_t *work, int status)
{
    HttpCall *call = work->data;

    call->working = false;
    if (call->over) {
        call_free(call);
        return;
    }
    if (status < 0)
        call->error = status;
    if (call->error == 0)
        start_connect(call);
    if (call->error < 0)
        finish(call, call->error, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    HttpCall *call = timer->data;

    if (call->error < 0)
        finish(call, call->error, NULL);
    else
        finish(call, -ETIMEDOUT,
               call->connected ? "timed out waiting for the answer" : "timed out connecting");
}

/* ---- the request ---- */

static int set_address(HttpCall *call, const char *text, uint16_t port)
{
    Address *address = &call->address;
    size_t n;

    if (str_starts_with(text, "unix:")) {
        n = strlen(text + 5);
        if (n >= sizeof(address->local.sun_path))
            return -ENAMETOOLONG;
        address->local.sun_family = AF_UNIX;
        memcpy(address->local.sun_path, text + 5, n);
        call->address_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    } else if (inet_pton(AF_INET, text, &address->four.sin_addr) == 1) {
        address->four.sin_family = AF_INET;
        address->four.sin_port = htons(port);
        call->address_n = sizeof(address->four);
    } else if (inet_pton(AF_INET6, text, &address->six.sin6_addr) == 1) {
        address->six.sin6_family = AF_INET6;
        address->six.sin6_port = htons(port);
        call->address_n = sizeof(address->six);
    } else {
        return -EINVAL;
    }
    return 0;
}

static bool is_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' && *s != '\t')
            return false;
    return true;
}

static int write_request(HttpCall *call, const HttpClientRequest *request)
{
    const char *method = str_or(request->method, "GET");
    bool local = str_starts_with(request->address, "unix:");
    StrBuf *out = &call->out;

    if (!is_clean(method) || !is_clean(str_or(request->path, "/")) ||
        strchr(str_or(request->path, "/"), ' ') || (request->host && !is_clean(request->host)))
        return -EINVAL;
    strbuf_printf(out, "%s %s HTTP/1.1\r\n", method, str_or(request->path, "/"));
    if (request->host)
        strbuf_printf(out, "Host: %s\r\n", request->host);
    else if (local)
        strbuf_add_string(out, "Host: localhost\r\n");
    else
        strbuf_printf(out, strchr(request->address, ':') ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n",
                      request->address, (unsigned)request->port);
    for (size_t i = 0; i < request->n_headers; i++) {
        if (!is_clean(request->headers[i].name) || !is_clean(request->headers[i].value))
            return -EINVAL;
        strbuf_printf(out, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
    }
    if (request->body.p)
        strbuf_printf(out, "Content-Length: %zu\r\n", request->body.n);
    if (request->upgrade)
        strbuf_printf(out, "Upgrade: %s\r\nConnection: Upgrade\r\n\r\n", request->upgrade);
    else
        strbuf_add_string(out, "Connection: close\r\n\r\n");
    if (request->body.n > 0)
        strbuf_add(out, request->body.p, request->body.n);
    call->is_head = str_equal(method, "HEAD");
    return 0;
}

HttpCall *http_call(uv_loop_t *loop, const HttpClientRequest *request,
                    void (*on_data)(void *data, int status, Bytes piece), HttpClientDone done,
                    void *data)
{
    HttpCall *call = mem_new_type(HttpCall);

    call->loop = loop;
    call->fd = -1;
    call->on_data = on_data;
    call->on_drain = request->on_drain;
    call->upgrade = request->upgrade != NULL;
    call->done = done;
    call->data = data;
    call->body_limit = request->body_limit ? request->body_limit : SIZE_MAX;
    call->server_name = mem_strdup(request->server_name);
    call->tls = request->tls;
    if (call->tls)
        SSL_CTX_up_ref(call->tls);
    llhttp_init(&call->parser, HTTP_RESPONSE, &settings);
    call->parser.data = call;
    uv_timer_init(loop, &call->timer);
    call->timer.data = call;
    call->handles = 1;
    call->error = set_address(call, request->address, request->port);
    if (call->error == 0)
        call->error = write_request(call, request);
    if (call->error == 0 && request->netns) {
        call->netns = mem_strdup(request->netns);
        call->work.data = call;
        call->working = true;
        uv_queue_work(loop, &call->work, open_in_namespace, on_opened);
    } else if (call->error == 0) {
        call->fd = open_socket(call);
        call->error = MIN_OF(call->fd, 0);
        if (call->error == 0)
            start_connect(call);
    }
    if (call->error < 0)
        uv_timer_start(&call->timer, on_timer, 0, 0);
    else if (request->timeout_ns > 0)
        loop_timer_start(&call->timer, on_timer, request->timeout_ns);
    return call;
}

/* ---- after an upgrade ---- */

void http_call_send(HttpCall *call, Bytes bytes)
{
    if (call->over || !call->upgraded)
        return;
    strbuf_add(&call->out, bytes.p, bytes.n);
    if (call->reading)
        return;
    if (send_request(call))
        want(call, UV_READABLE | (wire_unsent(&call->wire) > 0 ? UV_WRITABLE : 0));
}

size_t http_call_unsent(const HttpCall *call)
{
    return call->out.n + (call->has_wire ? wire_unsent(&call->wire) : 0);
}

const char *http_call_header(const HttpCall *call, const char *name)
{
    for (size_t i = 0; i < call->headers.n; i++)
        if (str_equal(call->headers.v[i].name, name))
            return call->headers.v[i].value;
    return NULL;
}
