/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections into pods. A socket belongs to the network namespace in which it was created,
 * wherever it is used. So a thread of the pool enters the namespace, creates the socket and
 * returns; everything else happens on the loop.
 *
 * The addresses 127.0.0.1, ::1 and that of the pod are tried in this order, each with a new
 * socket. What the client sends meanwhile is queued.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/format.h"
#include "base/strbuf.h"
#include "node/runtime/forward.h"

#define ATTEMPTS 3

struct ForwardStream {
    struct uv_loop_s *loop;
    ForwardSink sink;
    char *netns, *address;
    uint16_t port;
    int attempt, fd, error; /* error: of the attempt */
    int errors[ATTEMPTS];
    uv_work_t work;
    uv_tcp_t tcp;
    uv_connect_t connect;
    bool starting; /* forward_start has not returned: no call of the sink yet */
    bool working, open, connected, paused, over;
    bool input_ended, shut, eof;
    StrBuf waiting; /* queued until there is a connection */
    size_t queued;  /* memory of the bytes in flight */
    int handles;
    void (*on_free)(void *data, ForwardStream *stream);
    void *on_free_data;
};

typedef struct ForwardWrite {
    uv_write_t request;
    ForwardStream *stream;
    size_t n; /* memory of the whole, so that many small pieces count as what they take */
    char bytes[];
} ForwardWrite;

static void attempt_next(ForwardStream *s);

/* ---- the end ---- */

static void free_when_done(ForwardStream *s)
{
    if (!s->over || s->handles > 0 || s->working)
        return;
    if (s->fd >= 0)
        close(s->fd);
    strbuf_deinit(&s->waiting);
    free(s->netns);
    free(s->address);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    ForwardStream *s = handle->data;

    s->handles--;
    if (!s->over && handle == (uv_handle_t *)&s->tcp)
        attempt_next(s);
    else
        free_when_done(s);
}

static void close_tcp(ForwardStream *s)
{
    if (!s->open)
        return;
    s->open = false;
    uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void release(ForwardStream *s)
{
    s->over = true;
    if (s->on_free)
        s->on_free(s->on_free_data, s);
    close_tcp(s);
    free_when_done(s);
}

static void finish(ForwardStream *s, const char *message)
{
    ForwardSink sink = s->sink;

    ASSERT(!s->starting);
    if (s->over)
        return;
    release(s);
    sink.on_close(sink.data, message);
}

static void maybe_over(ForwardStream *s)
{
    if (s->eof && s->shut)
        finish(s, NULL);
}

/* ---- from the pod ---- */

static void on_alloc(uv_handle_t *handle _unused_, size_t size _unused_, uv_buf_t *buf)
{
    static char shared[64 * 1024]; /* one loop, one read at a time */

    *buf = uv_buf_init(shared, sizeof(shared));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    ForwardStream *s = stream->data;

    if (n > 0) {
        s->sink.on_data(s->sink.data, (Bytes){(const uint8_t *)buf->base, (size_t)n});
    } else if (n == UV_EOF) {
        s->eof = true;
        uv_read_stop(stream);
        s->sink.on_end(s->sink.data);
        if (!s->over)
            maybe_over(s);
    } else if (n < 0) {
        /* the pod has reset the connection, which is not a failure of forwarding */
        finish(s, NULL);
    }
}

static void read_on(ForwardStream *s)
{
    if (s->connected && !s->eof && !s->paused)
        uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
}

/* ---- to the pod ---- */

static void on_shutdown(uv_shutdown_t *request, int status _unused_)
{
    ForwardStream *s = request->data;

    free(request);
    s->shut = true;
    if (!s->over)
        maybe_over(s);
}

static void shut(ForwardStream *s)
{
    uv_shutdown_t *request = mem_new_type(uv_shutdown_t);

    request->data = s;
    if (uv_shutdown(request, (uv_stream_t *)&s->tcp, on_shutdown) < 0) {
        free(request);
        finish(s, NULL);
    }
}

static void on_written(uv_write_t *request, int status)
{
    ForwardWrite *w = CONTAINER_OF(request, ForwardWrite, request);
    ForwardStream *s = w->stream;

    ASSERT(s->queued >= w->n);
    s->queued -= w->n;
    free(w);
    if (s->over)
        return;
    if (status < 0)
        finish(s, NULL);
    else if (s->queued == 0)
        s->sink.on_drain(s->sink.data);
}

static void write_out(ForwardStream *s, const void *p, size_t n)
{
    ForwardWrite *w = mem_new(sizeof(ForwardWrite) + n);
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)n);

    w->stream = s;
    w->n = sizeof(ForwardWrite) + n;
    memcpy(w->bytes, p, n);
    s->queued += w->n;
    if (uv_write(&w->request, (uv_stream_t *)&s->tcp, &buf, 1, on_written) < 0) {
        s->queued -= w->n; /* the pod has closed the connection, which the next read reports */
        free(w);
    }
}

/* ---- connecting ---- */

static const char *attempt_address(const ForwardStream *s, int attempt)
{
    return attempt == 0 ? "127.0.0.1" : attempt == 1 ? "::1" : s->address;
}

static void fail(ForwardStream *s)
{
    const char *where = str_or(s->netns, "host");
    char four[ERROR_TEXT_MAX], six[ERROR_TEXT_MAX];
    _free_ char *text = mem_printf(
        "failed to execute portforward in network namespace \"%s\": failed to connect to "
        "localhost:%u inside namespace \"%s\", IPv4: dial tcp4 127.0.0.1:%u: connect: %s "
        "IPv6 dial tcp6 [::1]:%u: connect: %s",
        where, s->port, where, s->port, format_error(s->errors[0], four), s->port,
        format_error(s->errors[1], six));

    finish(s, text);
}

static void attempt_failed(ForwardStream *s, int error)
{
    ASSERT(s->attempt < ATTEMPTS);
    s->errors[s->attempt] = error;
    s->attempt++;
    if (s->open)
        close_tcp(s); /* the next attempt begins when the handle is closed */
    else
        attempt_next(s);
}

static void on_connected(uv_connect_t *request, int status)
{
    ForwardStream *s = request->data;

    if (s->over)
        return;
    if (status < 0) {
        attempt_failed(s, status);
        return;
    }
    s->connected = true;
    uv_tcp_nodelay(&s->tcp, 1);
    if (s->waiting.n)
        write_out(s, s->waiting.p, s->waiting.n);
    strbuf_deinit(&s->waiting);
    if (s->input_ended)
        shut(s);
    if (!s->over)
        read_on(s);
}

static int connect_to(ForwardStream *s, const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } to = {0};
    int r;

    ASSERT(s->fd >= 0 && !s->open);
    uv_tcp_init(s->loop, &s->tcp);
    s->tcp.data = s->connect.data = s;
    s->handles++;
    s->open = true;
    r = uv_tcp_open(&s->tcp, s->fd);
    if (r < 0)
        return r;
    s->fd = -1;
    r = strchr(address, ':') ? uv_ip6_addr(address, s->port, &to.six)
                             : uv_ip4_addr(address, s->port, &to.four);
    return r < 0 ? r : uv_tcp_connect(&s->connect, &s->tcp, &to.any, on_connected);
}

/* Runs on the pool. */
static void open_socket(uv_work_t *work)
{
    ForwardStream *s = work->data;
    const char *address = attempt_address(s, s->attempt);
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    _close_fd_ int home = -1, there = -1;

    if (s->netns) {
        home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        there = home < 0 ? -1 : open(s->netns, O_RDONLY | O_CLOEXEC);
        if (there < 0 || setns(there, CLONE_NEWNET) < 0) {
            s->error = -errno;
            return;
        }
    }
    s->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->error = s->fd < 0 ? -errno : 0;
    /* A thread that stayed in the namespace would create sockets of later tasks there. */
    if (s->netns)
        ASSERT(setns(home, CLONE_NEWNET) == 0);
}

static void on_opened(uv_work_t *work, int status)
{
    ForwardStream *s = work->data;
    int r;

    s->working = false;
    if (s->over) {
        free_when_done(s);
        return;
    }
    r = status < 0 ? status : s->error;
    if (r >= 0)
        r = connect_to(s, attempt_address(s, s->attempt));
    if (r < 0)
        attempt_failed(s, r);
}

static void attempt_next(ForwardStream *s)
{
    int r;

    if (s->attempt == ATTEMPTS || !attempt_address(s, s->attempt)) {
        fail(s);
        return;
    }
    if (s->fd >= 0)
        close(TAKE_FD(s->fd));
    s->work.data = s;
    r = uv_queue_work(s->loop, &s->work, open_socket, on_opened);
    ASSERT(r == 0);
    s->working = true;
}

/* ---- for the node ---- */

size_t forward_stream_send(ForwardStream *s, Bytes bytes)
{
    if (s->over || s->input_ended || bytes.n == 0)
        return 0;
    if (!s->connected) {
        strbuf_add(&s->waiting, bytes.p, bytes.n);
        return s->waiting.n;
    }
    write_out(s, bytes.p, bytes.n);
    return s->queued;
}

void forward_stream_end(ForwardStream *s)
{
    if (s->over || s->input_ended)
        return;
    s->input_ended = true;
    if (s->connected)
        shut(s);
}

void forward_stream_pause(ForwardStream *s, bool pause)
{
    if (s->over || s->paused == pause)
        return;
    s->paused = pause;
    if (!pause)
        read_on(s);
    else if (s->connected)
        uv_read_stop((uv_stream_t *)&s->tcp);
}

void forward_stream_close(ForwardStream *s)
{
    if (!s->over)
        release(s);
}

void forward_stream_on_free(ForwardStream *s, void (*on_free)(void *data, ForwardStream *stream),
                            void *data)
{
    ASSERT(!s->over && !s->on_free);
    s->on_free = on_free;
    s->on_free_data = data;
}

ForwardStream *forward_start(const ForwardRequest *request, const ForwardSink *sink)
{
    ForwardStream *s = mem_new_type(ForwardStream);

    ASSERT(sink->on_data && sink->on_end && sink->on_drain && sink->on_close);
    s->starting = true;
    s->loop = request->loop;
    s->sink = *sink;
    s->netns = mem_strdup(request->netns);
    s->address = mem_strdup(request->address);
    s->port = request->port;
    s->fd = -1;
    attempt_next(s);
    s->starting = false;
    return s;
}
