/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, accepting, draining, and the server's place in the loop. See internal.h. */
#include "http/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/loop_timer.h"

#define ACCEPTS_IN_A_ROW 64
#define BACKLOG 1024
#define LATE_FEW 32
#define LATE_NS 100000
#define LATE_MAX_NS 20000000u

const HttpLimits http_limits_default = {
    .header_bytes = 64 * 1024,
    .body = 3 * 1024 * 1024,
    .connections = 4096,
    .streams = 250,
    .head_timeout_ns = 10 * INT64_C(1000000000),
    .body_timeout_ns = 60 * INT64_C(1000000000),
    .stall_timeout_ns = 60 * INT64_C(1000000000),
    .out_buffer = 1024 * 1024,
};

void server_unref(HttpServer *server)
{
    if (--server->references > 0)
        return;
    LIST_EACH_SAFE(&server->free_requests, node)
        free(CONTAINER_OF(node, Request, node));
    http_server_set_tls(server, NULL);
    places_deinit(server);
    free(server);
}

/* ---- its place in the loop ---- */

static void on_idle(uv_idle_t *idle _unused_)
{
}

void server_wake(HttpServer *server)
{
    if (server->idle_on || server->closed)
        return;
    server->idle_on = true;
    uv_idle_start(&server->idle, on_idle);
}

static void on_late(uv_timer_t *timer _unused_)
{
    /* Waking the loop is enough: on_prepare calls flush_late. */
}

/*
 * Patient answers, such as watches. An event that many see is a write to the socket of each, which
 * costs some microseconds whatever it sends, and a burst of changes would be thousands of such
 * rounds. So a round to many is followed by a rest in proportion, LATE_NS for each but never more
 * than LATE_MAX_NS, and what comes meanwhile goes together in the next round: a round takes about a
 * fifth of its rest, so that events to many leave most of the loop to everybody else. The first
 * event is never late, and up to LATE_FEW readers never wait.
 */
static void flush_late(HttpServer *server)
{
    uint64_t now, n = 0;

    if (list_empty(&server->late))
        return;
    now = uv_hrtime();
    if (now < server->late_ns) {
        if (!uv_is_active((uv_handle_t *)&server->late_timer))
            loop_timer_start(&server->late_timer, on_late, (int64_t)(server->late_ns - now));
        return;
    }
    while (!list_empty(&server->late)) {
        HttpConnection *conn = CONTAINER_OF(server->late.next, HttpConnection, dirty);

        list_remove(&conn->dirty);
        conn->late = false;
        list_append(&server->dirty, &conn->dirty);
        n++;
    }
    if (n > LATE_FEW)
        server->late_ns = now + MIN_OF(n * LATE_NS, LATE_MAX_NS);
}

static void flush_all(HttpServer *server)
{
    ListNode batch;

    flush_late(server);

    /* Connections that become dirty again meanwhile are flushed after the next poll. */
    list_init(&batch);
    while (!list_empty(&server->dirty)) {
        ListNode *node = server->dirty.next;

        list_remove(node);
        list_append(&batch, node);
    }
    while (!list_empty(&batch))
        conn_flush(CONTAINER_OF(batch.next, HttpConnection, dirty));
    while (!list_empty(&server->graveyard))
        request_drop(CONTAINER_OF(server->graveyard.next, Request, node));
    if (!server->idle_on || !list_empty(&server->dirty))
        return;
    server->idle_on = false;
    uv_idle_stop(&server->idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    flush_all(prepare->data);
}

static void on_check(uv_check_t *check)
{
    flush_all(check->data);
}

static void listener_pause(Listener *listener, bool pause);

static void listeners_go_on(HttpServer *server)
{
    if (server->n_connections < server->limits.connections)
        LIST_EACH(&server->listeners, node)
            listener_pause(CONTAINER_OF(node, Listener, node), false);
}

static void on_tick(uv_timer_t *timer)
{
    HttpServer *server = timer->data;
    int64_t now = (int64_t)uv_now(server->loop);
    bool needed = server->waiting > 0 || server->unsent > 0;

    LIST_EACH_SAFE(&server->connections, node) {
        HttpConnection *conn = CONTAINER_OF(node, HttpConnection, node);

        conn_tick(conn, now);
        needed |= !conn->closed && (conn->deadline_ms || conn->blocked);
    }
    listeners_go_on(server);
    if (!needed)
        uv_timer_stop(timer);
}

void server_tick_start(HttpServer *server)
{
    const HttpLimits *limits = &server->limits;
    int64_t ns =
        MIN_OF(MIN_OF(limits->head_timeout_ns, limits->body_timeout_ns), limits->stall_timeout_ns) /
        4;
    uint64_t ms;

    if (server->closed || uv_is_active((uv_handle_t *)&server->tick))
        return;
    ms = (uint64_t)MAX_OF(INT64_C(10), MIN_OF(ns / 1000000, INT64_C(1000)));
    uv_timer_start(&server->tick, on_tick, ms, ms);
}

static void on_handle_closed(uv_handle_t *handle)
{
    server_unref(handle->data);
}

static void init_handle(HttpServer *server, uv_handle_t *handle)
{
    handle->data = server;
    server->references++;
    /* The server alone does not keep the loop running: its connections and listeners do. */
    uv_unref(handle);
}

HttpServer *http_server_new(uv_loop_t *loop, const HttpServerOptions *options)
{
    HttpServer *server = mem_new_type(HttpServer);
    HttpLimits *limits = &server->limits;
    const HttpLimits *fallback = &http_limits_default;

    server->loop = loop;
    server->options = *options;
    *limits = options->limits;
    limits->header_bytes = limits->header_bytes ? limits->header_bytes : fallback->header_bytes;
    limits->body = limits->body ? limits->body : fallback->body;
    limits->connections = limits->connections ? limits->connections : fallback->connections;
    limits->streams = limits->streams ? limits->streams : fallback->streams;
    limits->head_timeout_ns =
        limits->head_timeout_ns ? limits->head_timeout_ns : fallback->head_timeout_ns;
    limits->body_timeout_ns =
        limits->body_timeout_ns ? limits->body_timeout_ns : fallback->body_timeout_ns;
    limits->stall_timeout_ns =
        limits->stall_timeout_ns ? limits->stall_timeout_ns : fallback->stall_timeout_ns;
    limits->reserve = MIN_OF(limits->reserve, limits->connections - 1);
    limits->out_buffer = limits->out_buffer ? limits->out_buffer : fallback->out_buffer;
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->unknown);
    list_init(&server->known);
    list_init(&server->dirty);
    list_init(&server->late);
    list_init(&server->graveyard);
    list_init(&server->orphans);
    list_init(&server->free_requests);
    server->references = 1;
    http_server_set_tls(server, options->tls);
    uv_prepare_init(loop, &server->prepare);
    uv_check_init(loop, &server->check);
    uv_idle_init(loop, &server->idle);
    uv_timer_init(loop, &server->tick);
    uv_timer_init(loop, &server->late_timer);
    uv_timer_init(loop, &server->grace);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_check_start(&server->check, on_check);
    init_handle(server, (uv_handle_t *)&server->prepare);
    init_handle(server, (uv_handle_t *)&server->check);
    init_handle(server, (uv_handle_t *)&server->idle);
    init_handle(server, (uv_handle_t *)&server->tick);
    init_handle(server, (uv_handle_t *)&server->late_timer);
    init_handle(server, (uv_handle_t *)&server->grace);
    return server;
}

/* ---- listening ---- */

static void accept_incoming(Listener *listener, unsigned most)
{
    HttpServer *server = listener->server;

    for (unsigned i = 0; i < most; i++) {
        HttpConnection *least = NULL;
        int fd;

        if (server->n_connections >= server->limits.connections) {
            least = places_least(server);
            if (!least) {
                listener_pause(listener, true);
                return;
            }
        }
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            /* Out of descriptors: continue when a connection has been closed. */
            if ((errno == EMFILE || errno == ENFILE || errno == ENOMEM) &&
                server->n_connections > 0)
                listener_pause(listener, true);
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            return;
        }
        if (least)
            conn_close(least);
        conn_start(conn_new(server, fd, NULL));
    }
}

static void on_incoming(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    accept_incoming(poll->data, ACCEPTS_IN_A_ROW);
}

static void listener_pause(Listener *listener, bool pause)
{
    if (listener->paused == pause)
        return;
    listener->paused = pause;
    if (pause)
        uv_poll_stop(&listener->poll);
    else
        uv_poll_start(&listener->poll, UV_READABLE, on_incoming);
}

static void on_listener_closed(uv_handle_t *handle)
{
    Listener *listener = handle->data;
    HttpServer *server = listener->server;

    free(listener);
    server_unref(server);
}

static void listener_close(Listener *listener)
{
    list_remove(&listener->node);
    uv_poll_stop(&listener->poll);
    close_fdp(&listener->fd);
    if (listener->unlink_path)
        unlink(listener->unlink_path);
    free(listener->unlink_path);
    uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
}

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
} Address;

static int parse_address(const char *text, Address *ret, socklen_t *ret_n, Err *reterr)
{
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    size_t n;
    int64_t port;

    memset(ret, 0, sizeof(*ret));
    if (str_starts_with(text, "unix:")) {
        n = strlen(text + 5);
        if (n == 0 || n >= sizeof(ret->local.sun_path))
            return err_set(reterr, EINVAL, "socket path %s", text + 5);
        ret->local.sun_family = AF_UNIX;
        memcpy(ret->local.sun_path, text + 5, n);
        *ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
        return 0;
    }
    if (!colon || str_to_int64(colon + 1, 0, 65535, &port) != 0)
        return err_set(reterr, EINVAL, "address %s has no port", text);
    n = (size_t)(colon - text);
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n >= sizeof(host))
        return err_set(reterr, EINVAL, "address %s", text);
    memcpy(host, text, n);
    if (n == 0 || inet_pton(AF_INET6, host, &ret->six.sin6_addr) == 1) {
        ret->six.sin6_family = AF_INET6;
        ret->six.sin6_port = htons((uint16_t)port);
        *ret_n = sizeof(ret->six);
    } else if (inet_pton(AF_INET, host, &ret->four.sin_addr) == 1) {
        ret->four.sin_family = AF_INET;
        ret->four.sin_port = htons((uint16_t)port);
        *ret_n = sizeof(ret->four);
    } else {
        return err_set(reterr, EINVAL, "%s is no IP address", host);
    }
    return 0;
}

static int open_socket(Address *address, socklen_t n, int *ret_fd)
{
    _close_fd_ int fd =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, off = 0;

    if (fd < 0)
        return -errno;
    if (address->any.sa_family == AF_UNIX) {
        /* A socket that a killed predecessor has left behind. */
        unlink(address->local.sun_path);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (address->any.sa_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, &address->any, n) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static Listener *listener_add(HttpServer *server, int fd)
{
    Listener *listener = mem_new_type(Listener);
    Address address;
    socklen_t n = sizeof(address);

    listener->server = server;
    listener->fd = fd;
    server->references++;
    if (getsockname(fd, &address.any, &n) == 0 && address.any.sa_family != AF_UNIX)
        server->port =
            ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
    list_append(&server->listeners, &listener->node);
    uv_poll_init(server->loop, &listener->poll, fd);
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_incoming);
    return listener;
}

void http_server_listen_fd(HttpServer *server, int fd)
{
    listener_add(server, fd);
}

int http_server_listen(HttpServer *server, const char *text, Err *reterr)
{
    Address address;
    socklen_t n = 0;
    Listener *listener;
    int fd, r;

    r = parse_address(text, &address, &n, reterr);
    if (r < 0)
        return r;
    r = open_socket(&address, n, &fd);
    if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && text[0] == ':') {
        /* A machine without IPv6. */
        in_port_t port = address.six.sin6_port;

        memset(&address, 0, sizeof(address));
        address.four.sin_family = AF_INET;
        address.four.sin_port = port;
        n = sizeof(address.four);
        r = open_socket(&address, n, &fd);
    }
    if (r < 0)
        return err_set(reterr, -r, "listen on %s", text);
    listener = listener_add(server, fd);
    if (address.any.sa_family == AF_UNIX)
        listener->unlink_path = mem_strdup(address.local.sun_path);
    return 0;
}

uint16_t http_server_port(const HttpServer *server)
{
    return server->port;
}

/* ---- the end ---- */

static void drained(HttpServer *server)
{
    void (*done)(void *) = TAKE_PTR(server->drained);

    uv_timer_stop(&server->grace);
    if (done)
        done(server->drained_data);
}

static void on_grace(uv_timer_t *timer);

/* A process may have several servers for one handler, so the gauge is not set but moved. */
static void count_connections(HttpServer *server, int by)
{
    server->n_connections += (unsigned)by;
    if (server->options.handler.connections)
        metric_add(server->options.handler.connections, by);
}

void server_connection_here(HttpServer *server)
{
    count_connections(server, 1);
}

void server_connection_gone(HttpServer *server)
{
    count_connections(server, -1);
    if (server->closed)
        return;
    if (!server->draining)
        listeners_go_on(server);
    else if (server->n_connections == 0 && server->drained)
        uv_timer_start(&server->grace, on_grace, 0, 0);
}

static void close_all(HttpServer *server)
{
    while (!list_empty(&server->connections))
        conn_close(CONTAINER_OF(server->connections.next, HttpConnection, node));
}

static void on_grace(uv_timer_t *timer)
{
    HttpServer *server = timer->data;

    close_all(server);
    drained(server);
}

static void drain_all(HttpServer *server)
{
    ListNode batch;

    /* Reading from one connection may close others, so the list is walked as a batch. */
    list_init(&batch);
    while (!list_empty(&server->connections)) {
        ListNode *node = server->connections.next;

        list_remove(node);
        list_append(&batch, node);
    }
    while (!list_empty(&batch)) {
        ListNode *node = batch.next;

        list_remove(node);
        list_append(&server->connections, node);
        conn_drain(CONTAINER_OF(node, HttpConnection, node));
    }
}

void http_server_drain(HttpServer *server, int64_t grace_ns, void (*done)(void *), void *data)
{
    server->draining = true;
    server->drained = done;
    server->drained_data = data;
    while (!list_empty(&server->listeners)) {
        Listener *listener = CONTAINER_OF(server->listeners.next, Listener, node);

        accept_incoming(listener, server->limits.connections); /* who came before the end */
        listener_close(listener);
    }
    uv_ref((uv_handle_t *)&server->grace);
    loop_timer_start(&server->grace, on_grace, grace_ns);
    drain_all(server);
    if (server->n_connections == 0)
        uv_timer_start(&server->grace, on_grace, 0, 0);
}

HttpServer *http_server_free(HttpServer *server)
{
    if (!server)
        return NULL;
    server->drained = NULL;
    while (!list_empty(&server->listeners))
        listener_close(CONTAINER_OF(server->listeners.next, Listener, node));
    close_all(server);
    server->closed = true;
    while (!list_empty(&server->graveyard))
        request_drop(CONTAINER_OF(server->graveyard.next, Request, node));
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->check, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->late_timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->grace, on_handle_closed);
    server_unref(server);
    return NULL;
}
