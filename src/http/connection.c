/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: reading, flushing, closing, and the selection of its protocol. See internal.h. */
#include "http/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* How long, and for how many bytes, a connection is still read after this side of it was shut down. If
 * it were closed with unread bytes, the kernel would send a reset, and the peer could lose the end of the
 * last response. */
#define LINGER_NS (2 * INT64_C(1000000000))
#define LINGER_BYTES (4u * 1024 * 1024)
/* Reading stops at this many bytes of HTTP/1 that wait for the response to an earlier request. */
#define KEPT_MAX (256u * 1024)
#define KEPT_DEFERRED_MAX (16u * 1024)
/* How often one connection is flushed in succession. A fast reader of a long response must not keep the
 * loop from other connections. */
#define FLUSH_ROUNDS 16

static void update_poll(HttpConnection *conn);

/* ---- closing ---- */

static void conn_free(HttpConnection *conn)
{
    HttpServer *server = conn->server;

    if (conn->protocol->deinit)
        conn->protocol->deinit(conn);
    wire_deinit(&conn->wire);
    strbuf_deinit(&conn->kept);
    if (conn->peer.user_free)
        conn->peer.user_free(conn->peer.user);
    arena_clear(&conn->peer_arena);
    free(conn);
    server_unref(server);
}

static void on_poll_closed(uv_handle_t *handle)
{
    conn_free(handle->data);
}

void conn_close(HttpConnection *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    list_remove(&conn->dirty);
    list_remove(&conn->node);
    places_leave(conn);
    LIST_EACH_SAFE(&conn->requests, node)
        request_finish(CONTAINER_OF(node, Request, node),
                       !CONTAINER_OF(node, Request, node)->out_done);
    if (conn->has_poll) {
        uv_poll_stop(&conn->poll);
        close_fdp(&conn->wire.fd);
        uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
    }
    server_connection_gone(conn->server);
}

void conn_close_soon(HttpConnection *conn)
{
    if (conn->close_soon)
        return;
    conn->close_soon = true;
    /* What is left to send may never be accepted by the socket. */
    conn_deadline(conn, conn->server->limits.body_timeout_ns);
    conn_dirty(conn);
}

/* Whether the connection can be closed at once. A server that shuts down only waits if there are unread
 * bytes, because closing would then send a reset. */
static bool may_leave(const HttpConnection *conn)
{
    int unread;

    return conn->eof || !conn->has_poll ||
           (conn->draining && ioctl(conn->wire.fd, FIONREAD, &unread) == 0 && unread == 0);
}

/* Everything has been sent: shuts down this side, and gives the peer time to close its own. */
static void linger(HttpConnection *conn)
{
    if (conn->lingering)
        return;
    conn->lingering = true;
    conn->close_soon = false;
    wire_shutdown(&conn->wire);
    if (may_leave(conn)) {
        conn_close(conn);
        return;
    }
    /* These requests cannot receive anything more. */
    LIST_EACH_SAFE(&conn->requests, node)
        request_finish(CONTAINER_OF(node, Request, node),
                       !CONTAINER_OF(node, Request, node)->out_done);
    conn->paused = false;
    conn->wire.bytes_out = 0;
    conn_deadline(conn, LINGER_NS);
}

/* ---- flushing ---- */

void conn_dirty(HttpConnection *conn)
{
    if (conn->closed || (list_linked(&conn->dirty) && !conn->late))
        return;
    list_remove(&conn->dirty);
    conn->late = false;
    list_append(&conn->server->dirty, &conn->dirty);
    if (!conn->in_read)
        server_wake(conn->server);
}

void conn_dirty_late(HttpConnection *conn)
{
    if (conn->closed || list_linked(&conn->dirty))
        return;
    conn->late = true;
    list_append(&conn->server->late, &conn->dirty);
    server_wake(conn->server);
}

static bool stage_push(HttpConnection *conn)
{
    WireStage *stage = wire_stage();
    int r = wire_write(&conn->wire, stage->p, stage->n);

    stage->n = 0;
    if (r < 0) {
        conn_close(conn);
        return false;
    }
    conn->blocked = wire_unsent(&conn->wire) > 0;
    return !conn->blocked;
}

size_t conn_room(HttpConnection *conn, size_t want)
{
    WireStage *stage = wire_stage();

    if (conn->closed || conn->blocked)
        return 0;
    if (WIRE_STAGE_SIZE - stage->n < want && !stage_push(conn))
        return 0;
    return WIRE_STAGE_SIZE - stage->n;
}

/* Calls on_drain of requests whose output has been sent. If it writes, the connection is dirty again and
 * is flushed in the next round. */
static void tell_drained(HttpConnection *conn)
{
    LIST_EACH_SAFE(&conn->requests, node) {
        Request *request = CONTAINER_OF(node, Request, node);

        if (!request->wants_drain || request->pending > 0)
            continue;
        request->wants_drain = false;
        if (request->pub.on_drain && !request->ended)
            request->pub.on_drain(&request->pub);
        if (conn->closed)
            return;
    }
}

/* Sends what it can, and then processes input that was kept. Returns false if there is nothing more to
 * do now. Input is processed even if the socket is full; otherwise two peers could wait for each other. */
static bool flush_round(HttpConnection *conn)
{
    bool more;

    if (!conn->blocked) {
        conn->protocol->pull(conn);
        if (!conn->closed)
            stage_push(conn);
    }
    if (conn->closed)
        return false;
    more = conn->protocol->resume && conn->protocol->resume(conn);
    return more && !conn->closed && !conn->close_soon;
}

void conn_flush(HttpConnection *conn)
{
    int r;

    list_remove(&conn->dirty);
    conn->late = false;
    if (conn->closed)
        return;
    r = conn->abort ? -ECONNABORTED : wire_flush(&conn->wire);
    if (r < 0) {
        conn_close(conn);
        return;
    }
    conn->blocked = r > 0;
    if (conn->wire.handshaken && !conn->lingering)
        for (int i = 0; i < FLUSH_ROUNDS && flush_round(conn); i++)
            ;
    if (conn->closed)
        return;
    if (!conn->blocked) {
        tell_drained(conn);
        if (conn->closed)
            return;
        if (conn->close_soon)
            linger(conn);
        if (conn->closed)
            return;
    }
    if (conn->server->unsent > 0 || conn->blocked)
        server_tick_start(conn->server);
    update_poll(conn);
}

/* ---- reading ---- */

static bool feed(void *data, const uint8_t *p, size_t n)
{
    HttpConnection *conn = data;

    if (conn->lingering || conn->close_soon) {
        conn->wire.bytes_out += n;
        if (conn->wire.bytes_out > LINGER_BYTES && conn->lingering)
            conn_close(conn);
        return !conn->closed;
    }
    if (!conn->protocol->feed(conn, p, n) && !conn->closed)
        conn_close_soon(conn);
    return !conn->closed;
}

static bool on_handshaken(void *data)
{
    HttpConnection *conn = data;
    Bytes alpn = wire_tls_alpn(&conn->wire);

    tls_peer(conn->wire.ssl, &conn->peer, &conn->peer_arena);
    if (bytes_equal(alpn, BYTES_LITERAL("h2"))) {
        if (h2_init(conn) < 0) {
            conn_close(conn);
            return false;
        }
    } else if (alpn.n > 0) {
        h1_init(conn);
    }
    conn_dirty(conn);
    return true;
}

static const WireUser wire_user = {.feed = feed, .handshaken = on_handshaken};

/* Whether the peer has closed its socket, and not only its sending side. This is visible at once on a
 * Unix socket, but not over TCP. */
static bool has_hung_up(const HttpConnection *conn)
{
    struct pollfd socket = {.fd = conn->wire.fd};

    return conn->has_poll && poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP);
}

static void on_eof(HttpConnection *conn)
{
    conn->eof = true;
    if (conn->lingering || !conn->wire.handshaken || has_hung_up(conn))
        conn_close(conn);
    else
        conn->protocol->eof(conn);
}

static void read_some(HttpConnection *conn)
{
    int r;

    conn->in_read = true;
    r = wire_read(&conn->wire, &wire_user, conn);
    conn->in_read = false;
    if (conn->closed)
        return;
    if (r < 0) {
        conn_close(conn);
        return;
    }
    if (r == 1)
        on_eof(conn);
    if (!conn->closed && list_linked(&conn->dirty))
        conn_flush(conn);
    if (!conn->closed && list_linked(&conn->dirty))
        server_wake(conn->server);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    HttpConnection *conn = poll->data;

    if (status < 0) {
        conn_close(conn);
        return;
    }
    if (events & UV_WRITABLE)
        conn_flush(conn);
    if ((events & UV_READABLE) && !conn->closed)
        read_some(conn);
    if (!conn->closed)
        update_poll(conn);
}

/* Whether so much output of an upgraded connection is pending that it must not be read. Otherwise a
 * handler that echoes its input to a peer that does not read would fill the memory. */
static bool raw_is_behind(const HttpConnection *conn)
{
    return conn->raw && raw_pending(conn->raw) > conn->server->limits.out_buffer;
}

/* The peer of a deferred request is not known yet. */
static size_t most_kept(const HttpConnection *conn)
{
    return conn->h1_halted ? KEPT_DEFERRED_MAX : KEPT_MAX;
}

static void update_poll(HttpConnection *conn)
{
    int want = 0;

    if (!conn->has_poll || conn->closed)
        return;
    if (!conn->eof && !conn->paused && conn->kept.n <= most_kept(conn) && !raw_is_behind(conn))
        want |= UV_READABLE;
    if (wire_unsent(&conn->wire) > 0)
        want |= UV_WRITABLE;
    if (want == conn->poll_events)
        return;
    conn->poll_events = want;
    if (want)
        uv_poll_start(&conn->poll, want, on_poll);
    else
        uv_poll_stop(&conn->poll);
}

void conn_pause(HttpConnection *conn, bool pause)
{
    conn->paused = pause;
    update_poll(conn);
}

void conn_drain(HttpConnection *conn)
{
    conn->draining = true;
    if ((conn->poll_events & UV_READABLE) && !conn->in_read)
        read_some(conn);
    if (!conn->closed)
        conn->protocol->drain(conn);
}

/* ---- time ---- */

void conn_deadline(HttpConnection *conn, int64_t ns)
{
    conn->idle = false;
    conn->deadline_ms = ns > 0 ? (int64_t)uv_now(conn->server->loop) + ns / 1000000 : 0;
    if (ns > 0)
        server_tick_start(conn->server);
}

/* Starts the idle time. A connection that only exchanges pings and settings remains idle. */
void conn_idle(HttpConnection *conn)
{
    const HttpLimits *limits = &conn->server->limits;

    if (conn->idle)
        return;
    conn_deadline(conn, !conn->known && limits->unknown_idle_timeout_ns
                            ? limits->unknown_idle_timeout_ns
                            : limits->idle_timeout_ns);
    conn->idle = true;
}

/* Whether the request has occupied the connection for too long. */
static bool is_late(const Request *request, int64_t now_ms)
{
    int64_t stall_ms = request->server->limits.stall_timeout_ns / 1000000;

    if (request->waits_body && !request->resumed && now_ms >= request_body_deadline(request))
        return true;
    /* While the response has not been ended, its handler is responsible for limiting it. */
    return request->ended && request->pending > 0 && now_ms - request->out_progress_ms >= stall_ms;
}

/* Whether the socket has accepted nothing for too long, and no request is still producing a response. */
static bool is_stuck(HttpConnection *conn, int64_t now_ms)
{
    if (wire_unsent(&conn->wire) == 0 || conn->out_seen != conn->wire.bytes_out) {
        conn->out_seen = conn->wire.bytes_out;
        conn->out_seen_ms = now_ms;
        return false;
    }
    LIST_EACH(&conn->requests, node) {
        if (!CONTAINER_OF(node, Request, node)->ended)
            return false;
    }
    return now_ms - conn->out_seen_ms >= conn->server->limits.stall_timeout_ns / 1000000;
}

void conn_tick(HttpConnection *conn, int64_t now_ms)
{
    if (is_stuck(conn, now_ms)) {
        conn_close(conn);
        return;
    }
    if (conn->deadline_ms && now_ms >= conn->deadline_ms) {
        if (conn->h2 && conn->idle)
            h2_leave(conn);
        else
            conn_close(conn);
        return;
    }
    if (conn->server->waiting == 0 && conn->server->unsent == 0)
        return;
    LIST_EACH_SAFE(&conn->requests, node) {
        Request *request = CONTAINER_OF(node, Request, node);

        if (is_late(request, now_ms))
            http_abort(&request->pub);
        if (conn->closed)
            return;
    }
}

/* ---- selection of the protocol ---- */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* Detects the protocol of clients that did not select one with ALPN: HTTP/2 starts with its preface,
 * everything else is HTTP/1. */
static bool sniff_feed(HttpConnection *conn, const uint8_t *p, size_t n)
{
    _strbuf_ StrBuf start = STRBUF_INIT;
    size_t compare;

    if (conn->kept.n > 0) {
        strbuf_add(&conn->kept, p, n);
        start = conn->kept;
        conn->kept = STRBUF_INIT;
        p = (const uint8_t *)start.p;
        n = start.n;
    }
    compare = MIN_OF(n, sizeof(preface) - 1);
    if (conn->server->options.no_h2 || memcmp(p, preface, compare) != 0) {
        h1_init(conn);
    } else if (compare < sizeof(preface) - 1) {
        strbuf_add(&conn->kept, p, n);
        return true;
    } else if (h2_init(conn) < 0) {
        return false;
    }
    return conn->protocol->feed(conn, p, n);
}

static void sniff_eof(HttpConnection *conn)
{
    conn_close(conn);
}

static void nothing(HttpConnection *conn _unused_)
{
}

const Protocol protocol_sniff = {
    .feed = sniff_feed, .pull = nothing, .eof = sniff_eof, .drain = conn_close};

void conn_use(HttpConnection *conn, const Protocol *protocol)
{
    conn->protocol = protocol;
}

/* ---- new connections ---- */

static void set_address(HttpConnection *conn)
{
    struct sockaddr_storage storage;
    socklen_t n = sizeof(storage);
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
    struct sockaddr_in *four = (struct sockaddr_in *)&storage;
    int on = 1, idle = 60, interval = 15, count = 4;

    if (getpeername(conn->wire.fd, (struct sockaddr *)&storage, &n) < 0)
        return;
    if (storage.ss_family == AF_INET) {
        inet_ntop(AF_INET, &four->sin_addr, conn->address, sizeof(conn->address));
        conn->peer.port = ntohs(four->sin_port);
    } else if (storage.ss_family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, conn->address, sizeof(conn->address));
        else
            inet_ntop(AF_INET6, &six->sin6_addr, conn->address, sizeof(conn->address));
        conn->peer.port = ntohs(six->sin6_port);
    } else {
        return;
    }
    setsockopt(conn->wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* Detects within two minutes that the peer has disappeared. */
    setsockopt(conn->wire.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(conn->wire.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(conn->wire.fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(conn->wire.fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

HttpConnection *conn_new(HttpServer *server, int fd, const HttpPeer *peer)
{
    HttpConnection *conn = mem_new_type(HttpConnection);

    conn->server = server;
    conn->protocol = &protocol_sniff;
    list_init(&conn->requests);
    wire_init(&conn->wire, fd, fd >= 0 ? server->tls : NULL, false);
    if (peer)
        conn->peer = *peer;
    if (!conn->peer.address)
        conn->peer.address = conn->address;
    list_append(&server->connections, &conn->node);
    server_connection_here(server);
    server->references++;
    if (server->options.no_h2 && !conn->wire.ssl)
        h1_init(conn);
    return conn;
}

void conn_start(HttpConnection *conn)
{
    set_address(conn);
    places_take(conn);
    conn->has_poll = true;
    uv_poll_init(conn->server->loop, &conn->poll, conn->wire.fd);
    conn->poll.data = conn;
    conn_deadline(conn, conn->server->limits.head_timeout_ns);
    update_poll(conn);
}

/* ---- loopback ---- */

struct HttpLoopback {
    HttpConnection *conn;
    StrBuf out, taken;
};

HttpLoopback *http_loopback_new(HttpServer *server, const HttpPeer *peer)
{
    HttpLoopback *loopback = mem_new_type(HttpLoopback);

    loopback->conn = conn_new(server, -1, peer);
    loopback->conn->loopback = loopback;
    loopback->conn->wire.sink = &loopback->out;
    return loopback;
}

void http_loopback_send(HttpLoopback *loopback, Bytes bytes)
{
    HttpConnection *conn = loopback->conn;

    if (conn->closed || bytes.n == 0)
        return;
    conn->in_read = true;
    feed(conn, bytes.p, bytes.n);
    conn->in_read = false;
    for (int i = 0; i < FLUSH_ROUNDS && !conn->closed && list_linked(&conn->dirty); i++)
        conn_flush(conn);
}

void http_loopback_eof(HttpLoopback *loopback)
{
    HttpConnection *conn = loopback->conn;

    if (conn->closed || conn->eof)
        return;
    on_eof(conn);
    for (int i = 0; i < FLUSH_ROUNDS && !conn->closed && list_linked(&conn->dirty); i++)
        conn_flush(conn);
}

Bytes http_loopback_take(HttpLoopback *loopback)
{
    for (int i = 0;
         i < FLUSH_ROUNDS && !loopback->conn->closed && list_linked(&loopback->conn->dirty); i++)
        conn_flush(loopback->conn);
    strbuf_deinit(&loopback->taken);
    loopback->taken = loopback->out;
    loopback->out = STRBUF_INIT;
    return strbuf_bytes(&loopback->taken);
}

void http_loopback_stall(HttpLoopback *loopback, bool stall)
{
    loopback->conn->wire.sink_full = stall;
    if (!stall && wire_unsent(&loopback->conn->wire) > 0)
        conn_dirty(loopback->conn);
}

bool http_loopback_closed(const HttpLoopback *loopback)
{
    return loopback->conn->closed;
}

HttpLoopback *http_loopback_free(HttpLoopback *loopback)
{
    if (!loopback)
        return NULL;
    conn_close(loopback->conn);
    conn_free(loopback->conn);
    strbuf_deinit(&loopback->out);
    strbuf_deinit(&loopback->taken);
    free(loopback);
    return NULL;
}
