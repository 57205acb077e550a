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
#include "http/client/response.h"
#include "http/wire.h"

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
} Address;

struct HttpCall {
    uv_loop_t *loop;
    uv_timer_t timer; /* the time limit, or the report of a call that could not be started */
    int64_t timeout_ns;
    bool connect_limit; /* the timer is that of the connection; timeout_ns begins after it */
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
    StrBuf out;     /* to be sent from the loop */
    bool upgraded;  /* the response was 101, and what follows is passed on as it is */
    bool streams;   /* the body comes by http_call_send */
    bool chunked;   /* and has no known length */
    bool out_ended; /* all of it has been given */
    bool reading;   /* wire_read is running; bytes to send wait until it has returned */
    bool paused;
    bool body_full;   /* the limit of the body is reached */
    bool send_broken; /* the peer reads no more; its answer may still come */
    size_t body_limit;
    void (*on_head)(void *data, const HttpClientResponse *head);
    void (*on_data)(void *data, int status, Bytes piece);
    void (*on_drain)(void *data);
    HttpClientDone done;
    void *data;

    HttpResponseParser parser;
    StrBuf body;
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
    strbuf_deinit(&call->body);
    response_deinit(&call->parser);
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

static void fill_head(const HttpCall *call, HttpClientResponse *response)
{
    response->status = response_status(&call->parser);
    if (!response->status)
        return;
    response->headers = call->parser.headers.v;
    response->n_headers = call->parser.headers.n;
}

static void finish(HttpCall *call, int error, const char *text)
{
    HttpClientResponse response = {.error = error, .error_text = text, .length = -1};
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
    fill_head(call, &response);
    response.body = strbuf_bytes(&call->body);
    close_call(call);
    call->done(call->data, &response);
}

void http_call_cancel(HttpCall *call)
{
    if (call && !call->over)
        close_call(call);
}

/* ---- the answer ---- */

static void on_head(void *data)
{
    HttpCall *call = data;
    HttpClientResponse head = {.length = response_length(&call->parser)};

    if (!call->on_head)
        return;
    fill_head(call, &head);
    call->on_head(call->data, &head);
    call->parser.stopped = call->over;
}

static bool on_body(void *data, Bytes piece)
{
    HttpCall *call = data;
    size_t room;

    if (call->on_data) {
        call->on_data(call->data, response_status(&call->parser), piece);
        return !call->over;
    }
    room = call->body_limit - call->body.n;
    strbuf_add(&call->body, piece.p, MIN_OF(piece.n, room));
    call->body_full = piece.n > room;
    return !call->body_full;
}

/* Bytes of the protocol that the connection has changed to. */
static bool feed_upgraded(HttpCall *call, Bytes bytes)
{
    call->on_data(call->data, 101, bytes);
    return !call->over;
}

static bool feed(void *data, const uint8_t *p, size_t n)
{
    HttpCall *call = data;
    size_t taken;

    if (call->upgraded)
        return feed_upgraded(call, (Bytes){p, n});
    switch (response_feed(&call->parser, (Bytes){p, n}, &taken)) {
    case RESPONSE_MORE:
        break;
    case RESPONSE_COMPLETE:
        finish(call, 0, NULL);
        break;
    case RESPONSE_UPGRADED:
        call->upgraded = true;
        return feed_upgraded(call, (Bytes){p + taken, n - taken});
    case RESPONSE_STOPPED:
        if (call->body_full)
            finish(call, 0, NULL);
        break;
    case RESPONSE_MALFORMED:
        finish(call, -EPROTO, "malformed HTTP response");
        break;
    }
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

/* A peer may refuse a body, and close its side before it has read it. false: the call is over. */
static bool stop_sending(HttpCall *call, int error)
{
    if (!call->streams || call->upgraded) {
        finish(call, error, NULL);
        return false;
    }
    call->send_broken = true;
    strbuf_truncate(&call->wire.unsent, 0);
    call->wire.unsent_at = 0;
    return true;
}

/* Sends what waits, in pieces, since TLS encrypts only what the socket has accepted so far. */
static bool send_out(HttpCall *call)
{
    size_t at = 0;
    int r = 0;

    while (r >= 0 && !call->send_broken && at < call->out.n && wire_unsent(&call->wire) == 0) {
        size_t n = MIN_OF(call->out.n - at, (size_t)WIRE_STAGE_SIZE);

        r = wire_write(&call->wire, (const uint8_t *)strbuf_string(&call->out) + at, n);
        at += n;
    }
    if (r < 0 && !stop_sending(call, r))
        return false;
    if (at == call->out.n || call->send_broken) {
        strbuf_deinit(&call->out);
        call->out = STRBUF_INIT;
    } else {
        memmove(call->out.p, call->out.p + at, call->out.n - at);
        strbuf_truncate(&call->out, call->out.n - at);
    }
    return true;
}

static void set_timer(HttpCall *call, int64_t timeout_ns);

/* The connection is ready for the request. */
static bool on_ready(void *data)
{
    HttpCall *call = data;

    if (call->connect_limit)
        set_timer(call, call->timeout_ns);
    return send_out(call);
}

static const WireUser wire_user = {.feed = feed, .handshaken = on_ready};

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
        on_ready(call);
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
    } else if (r == 1 && response_eof(&call->parser) == RESPONSE_COMPLETE) {
        finish(call, 0, NULL);
    } else if (r == 1) {
        finish(call, -ECONNRESET, response_status(&call->parser) ? "unexpected EOF" : "EOF");
    }
}

static void want_more(HttpCall *call)
{
    size_t unsent = wire_unsent(&call->wire) + (call->wire.handshaken ? call->out.n : 0);

    if (!call->connected)
        return;
    want(call, (call->paused ? 0 : UV_READABLE) | (unsent > 0 ? UV_WRITABLE : 0));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    HttpCall *call = poll->data;
    int r;

    if (!call->connected) {
        on_connected(call);
    } else {
        r = wire_flush(&call->wire);
        if (r < 0 && !stop_sending(call, r))
            return;
        if (((events & UV_READABLE) || status < 0) && !call->paused)
            on_readable(call);
        if (!call->over && call->wire.handshaken)
            send_out(call);
        if (status < 0 && !call->over)
            finish(call, -ECONNRESET, NULL);
        if (!call->over && call->on_drain && http_call_unsent(call) == 0)
            call->on_drain(call->data);
    }
    if (!call->over)
        want_more(call);
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

static void set_timer(HttpCall *call, int64_t timeout_ns)
{
    if (timeout_ns > 0)
        loop_timer_start(&call->timer, on_timer, timeout_ns);
    else
        uv_timer_stop(&call->timer);
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
    if (request->streams && request->length < 0)
        strbuf_add_string(out, "Transfer-Encoding: chunked\r\n");
    else if (request->streams)
        strbuf_printf(out, "Content-Length: %" PRIi64 "\r\n", request->length);
    else if (request->body.p)
        strbuf_printf(out, "Content-Length: %zu\r\n", request->body.n);
    if (request->upgrade)
        strbuf_printf(out, "Upgrade: %s\r\nConnection: Upgrade\r\n\r\n", request->upgrade);
    else
        strbuf_add_string(out, "Connection: close\r\n\r\n");
    if (request->body.n > 0)
        strbuf_add(out, request->body.p, request->body.n);
    call->parser.is_head = str_equal(method, "HEAD");
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
    call->on_head = request->on_head;
    call->streams = request->streams;
    call->chunked = request->streams && request->length < 0;
    call->timeout_ns = request->timeout_ns;
    call->connect_limit = request->connect_timeout_ns > 0;
    call->done = done;
    call->data = data;
    call->body_limit = request->body_limit ? request->body_limit : SIZE_MAX;
    call->server_name = mem_strdup(request->server_name);
    call->tls = request->tls;
    if (call->tls)
        SSL_CTX_up_ref(call->tls);
    response_init(&call->parser);
    call->parser.upgrade = request->upgrade && on_data;
    call->parser.on_head = on_head;
    call->parser.on_body = on_body;
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
    else
        set_timer(call, call->connect_limit ? request->connect_timeout_ns : request->timeout_ns);
    return call;
}

/* ---- a body in pieces, and bytes after an upgrade ---- */

/* Nothing is written here: the caller may be within the read of another connection, which shares the
 * buffers of the thread (wire.h). */
void http_call_send(HttpCall *call, Bytes bytes)
{
    bool body = call->streams && !call->out_ended;

    if (call->over || bytes.n == 0 || !(call->upgraded || body) || call->send_broken)
        return;
    if (call->chunked && !call->upgraded)
        strbuf_printf(&call->out, "%zx\r\n", bytes.n);
    strbuf_add(&call->out, bytes.p, bytes.n);
    if (call->chunked && !call->upgraded)
        strbuf_add_string(&call->out, "\r\n");
    if (!call->reading)
        want_more(call);
}

void http_call_send_end(HttpCall *call)
{
    if (call->over || call->out_ended || !call->streams)
        return;
    call->out_ended = true;
    if (call->chunked)
        strbuf_add_string(&call->out, "0\r\n\r\n");
    if (!call->reading)
        want_more(call);
}

void http_call_pause(HttpCall *call, bool pause)
{
    if (call->over || call->paused == pause)
        return;
    call->paused = pause;
    if (!call->reading)
        want_more(call);
}

size_t http_call_unsent(const HttpCall *call)
{
    return call->out.n + (call->has_wire ? wire_unsent(&call->wire) : 0);
}

const char *http_call_header(const HttpCall *call, const char *name)
{
    for (size_t i = 0; i < call->parser.headers.n; i++)
        if (str_equal(call->parser.headers.v[i].name, name))
            return call->parser.headers.v[i].value;
    return NULL;
}
