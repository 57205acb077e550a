/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <uv.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "fake_registry.h"

struct FakeRegistry {
    const FakeReply *replies;
    size_t n;
    int *used;
    int fd, port;
    uv_thread_t thread;
    VEC(uv_thread_t) threads;
    uv_mutex_t lock;
    uv_cond_t changed;
    StrBuf seen; /* all requests */
    size_t requests, unexpected;
    VEC(int) connections;
};

typedef struct Connection {
    FakeRegistry *fake;
    int fd;
} Connection;

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void send_reply(FakeRegistry *fake, int fd, const char *text)
{
    const char *body = strstr(text, "\r\n\r\n");
    _strbuf_ StrBuf out = STRBUF_INIT;

    while (*text) {
        size_t n = strcspn(text, "@");

        strbuf_add(&out, text, n);
        text += n;
        if (str_starts_with(text, "@PORT@")) {
            strbuf_printf(&out, "%d", fake->port);
            text += strlen("@PORT@");
        } else if (str_starts_with(text, "@LENGTH@")) {
            strbuf_printf(&out, "%zu", strlen(body + 4));
            text += strlen("@LENGTH@");
        } else if (*text) {
            strbuf_add_char(&out, *text++);
        }
    }
    send_all(fd, strbuf_string(&out), out.n);
}

/* Head and body of the next request. False: the client is gone. */
static bool receive(int fd, StrBuf *request)
{
    size_t body = 0, head = 0;

    while (head == 0 || request->n < head + body) {
        char buf[16384];
        ssize_t got = recv(fd, buf, sizeof(buf), 0);
        const char *end, *length;

        if (got <= 0 || request->n > (16u << 20) || (request->n == 0 && buf[0] == 0x16))
            return false; /* 0x16: a client that begins with TLS */
        strbuf_add(request, buf, (size_t)got);
        end = memmem(strbuf_string(request), request->n, "\r\n\r\n", 4);
        if (!end || head)
            continue;
        head = (size_t)(end - request->p) + 4;
        length = strcasestr(request->p, "\r\ncontent-length:");
        if (length && length < end)
            body = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    }
    return true;
}

static const FakeReply *choose(FakeRegistry *fake, const char *request)
{
    for (size_t i = 0; i < fake->n; i++) {
        const FakeReply *r = &fake->replies[i];

        if (r->expect && (r->times < 0 || fake->used[i] < MAX_OF(r->times, 1)) &&
            str_starts_with(request, r->expect) && (!r->with || strstr(request, r->with))) {
            fake->used[i]++;
            return r;
        }
    }
    fake->unexpected++;
    fprintf(stderr, "unexpected request: %.*s\n", (int)strcspn(request, "\r\n"), request);
    return NULL;
}

static void wait_for_close(int fd)
{
    char buf[4096];

    while (recv(fd, buf, sizeof(buf), 0) > 0)
        ;
}

static bool follow(FakeThen then, int fd)
{
    static const char zeros[65536];
    const struct timespec pause = {.tv_nsec = 10000000};

    switch (then) {
    case FAKE_KEEP:
        return true;
    case FAKE_CLOSE:
        break;
    case FAKE_HANG:
        wait_for_close(fd);
        break;
    case FAKE_ZEROS:
        while (send_all(fd, zeros, sizeof(zeros)))
            ;
        break;
    case FAKE_LINES:
        while (send_all(fd, "X-Line: 1\r\n", 11))
            ;
        break;
    case FAKE_INTERIM:
        while (send_all(fd, "HTTP/1.1 103 Early\r\n\r\n", 22))
            ;
        break;
    case FAKE_TRICKLE:
        while (send_all(fd, "0", 1))
            nanosleep(&pause, NULL);
        break;
    }
    return false;
}

static void serve(void *data)
{
    Connection *connection = data;
    FakeRegistry *fake = connection->fake;
    int fd = connection->fd;
    bool open = true;

    free(connection);
    while (open) {
        _strbuf_ StrBuf request = STRBUF_INIT;
        const FakeReply *reply;

        if (!receive(fd, &request))
            break;
        uv_mutex_lock(&fake->lock);
        fake->requests++;
        strbuf_add_string(&fake->seen, strbuf_string(&request));
        reply = choose(fake, strbuf_string(&request));
        uv_cond_broadcast(&fake->changed);
        uv_mutex_unlock(&fake->lock);
        send_reply(fake, fd,
                   reply ? str_or(reply->reply, "")
                         : "HTTP/1.1 500 Unexpected\r\nContent-Length: 0\r\n\r\n");
        open = follow(reply ? reply->then : FAKE_KEEP, fd);
    }
    shutdown(fd, SHUT_RDWR);
}

static void listen_on(void *data)
{
    FakeRegistry *fake = data;

    for (;;) {
        int fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC);
        Connection *connection;
        uv_thread_t thread;

        if (fd < 0)
            return;
        connection = mem_new_type(Connection);
        *connection = (Connection){fake, fd};
        uv_mutex_lock(&fake->lock);
        VEC_PUSH(&fake->connections, fd);
        ASSERT(uv_thread_create(&thread, serve, connection) == 0);
        VEC_PUSH(&fake->threads, thread);
        uv_mutex_unlock(&fake->lock);
    }
}

FakeRegistry *fake_start(const FakeReply *replies, size_t n)
{
    FakeRegistry *fake = mem_new_type(FakeRegistry);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    fake->replies = replies;
    fake->n = n;
    fake->used = mem_new(sizeof(int) * (n + 1));
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(fake->fd, (struct sockaddr *)&address, size) == 0 && listen(fake->fd, 64) == 0);
    ASSERT(getsockname(fake->fd, (struct sockaddr *)&address, &size) == 0);
    fake->port = ntohs(address.sin_port);
    ASSERT(uv_mutex_init(&fake->lock) == 0 && uv_cond_init(&fake->changed) == 0);
    ASSERT(uv_thread_create(&fake->thread, listen_on, fake) == 0);
    return fake;
}

int fake_port(const FakeRegistry *fake)
{
    return fake->port;
}

size_t fake_requests(FakeRegistry *fake)
{
    size_t n;

    uv_mutex_lock(&fake->lock);
    n = fake->requests;
    uv_mutex_unlock(&fake->lock);
    return n;
}

size_t fake_connections(FakeRegistry *fake)
{
    size_t n;

    uv_mutex_lock(&fake->lock);
    n = fake->connections.n;
    uv_mutex_unlock(&fake->lock);
    return n;
}

bool fake_has_seen(FakeRegistry *fake, const char *text)
{
    bool seen;

    uv_mutex_lock(&fake->lock);
    seen = strstr(strbuf_string(&fake->seen), text) != NULL;
    uv_mutex_unlock(&fake->lock);
    return seen;
}

void fake_wait(FakeRegistry *fake, size_t requests)
{
    uv_mutex_lock(&fake->lock);
    while (fake->requests < requests)
        uv_cond_wait(&fake->changed, &fake->lock);
    uv_mutex_unlock(&fake->lock);
}

size_t fake_stop(FakeRegistry *fake)
{
    size_t unexpected;

    shutdown(fake->fd, SHUT_RDWR);
    uv_thread_join(&fake->thread);
    for (size_t i = 0; i < fake->connections.n; i++)
        shutdown(fake->connections.v[i], SHUT_RDWR);
    for (size_t i = 0; i < fake->threads.n; i++)
        uv_thread_join(&fake->threads.v[i]);
    for (size_t i = 0; i < fake->connections.n; i++)
        close(fake->connections.v[i]);
    close(fake->fd);
    unexpected = fake->unexpected;
    VEC_DEINIT(&fake->threads);
    VEC_DEINIT(&fake->connections);
    strbuf_deinit(&fake->seen);
    uv_cond_destroy(&fake->changed);
    uv_mutex_destroy(&fake->lock);
    free(fake->used);
    free(fake);
    return unexpected;
}
