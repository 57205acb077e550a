/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are passed on: everything arrives in both directions, ends and resets too, and their number is limited. */
#include "testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/rootless/forward.h"

#define MUCH ((size_t)3 * 1024 * 1024)

typedef struct Fixture {
    uv_loop_t loop;
    uv_async_t over;
    Forwards *forwards;
    ForwardPort *port;
    int server;        /* what the port leads to */
    uint16_t from, to; /* numbers of the two ports */
    size_t sent, came; /* by the client */
    bool reset;        /* what the client saw at the end */
} Fixture;

static int listener(uint16_t *ret_port, bool block)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (block ? 0 : SOCK_NONBLOCK), 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void on_over(uv_async_t *async)
{
    Fixture *f = async->data;

    f->port = forward_close(f->port);
    f->forwards = forwards_free(f->forwards);
    uv_close((uv_handle_t *)async, NULL);
}

static void open_all(Fixture *f)
{
    int fd = listener(&f->from, false);

    uv_loop_init(&f->loop);
    uv_async_init(&f->loop, &f->over, on_over);
    f->over.data = f;
    f->server = listener(&f->to, true);
    f->forwards = forwards_new(&f->loop);
    f->port = forward_open(f->forwards, fd, "127.0.0.1", f->to);
    assert_non_null(f->port);
}

static void run_with(Fixture *f, void *(*client)(void *data), void *(*server)(void *data))
{
    pthread_t threads[2];

    pthread_create(&threads[0], NULL, client, f);
    pthread_create(&threads[1], NULL, server, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    close(f->server);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads all before it answers, so that neither direction may depend on the other one. */
static void *answer_after_all(void *data)
{
    Fixture *f = data;
    int fd = accept(f->server, NULL, NULL);
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0)
        f->came += (size_t)n;
    memset(piece, 'x', sizeof(piece));
    for (size_t left = f->came; left; left -= (size_t)n)
        if ((n = write(fd, piece, MIN_OF(left, sizeof(piece)))) <= 0)
            break;
    close(fd);
    return NULL;
}

static void *send_much(void *data)
{
    Fixture *f = data;
    int fd = connect_to(f->from);
    char piece[4096] = "";
    size_t back = 0;
    ssize_t n;

    while (f->sent < MUCH && (n = write(fd, piece, sizeof(piece))) > 0)
        f->sent += (size_t)n;
    shutdown(fd, SHUT_WR); /* half of the connection is over, the other half goes on */
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        back += (size_t)n;
    f->reset = n < 0;
    f->sent = back == f->sent ? f->sent : 0;
    close(fd);
    uv_async_send(&f->over);
    return NULL;
}

static void everything_arrives_in_both_directions(void **state _unused_)
{
    Fixture f = {0};

    open_all(&f);
    run_with(&f, send_much, answer_after_all);
    assert_int_equal(f.sent, MUCH);
    assert_int_equal(f.came, MUCH);
    assert_false(f.reset);
}

static void *do_nothing(void *data _unused_)
{
    return NULL;
}

static void *expect_reset(void *data)
{
    Fixture *f = data;
    int fd = connect_to(f->from);
    char byte;

    f->reset = read(fd, &byte, 1) < 0 && errno == ECONNRESET;
    close(fd);
    uv_async_send(&f->over);
    return NULL;
}

static void a_target_that_does_not_listen_is_a_reset(void **state _unused_)
{
    Fixture f = {0};

    open_all(&f);
    shutdown(f.server, SHUT_RDWR);
    run_with(&f, expect_reset, do_nothing);
    assert_true(f.reset);
}

/* The ones before stay open, and nobody reads or writes. */
static void *open_too_many(void *data)
{
    Fixture *f = data;
    static int fds[FORWARD_CONNECTIONS];
    char byte;
    int last;

    for (size_t i = 0; i < FORWARD_CONNECTIONS; i++)
        fds[i] = connect_to(f->from);
    last = connect_to(f->from);
    f->reset = last >= 0 && read(last, &byte, 1) < 0 && errno == ECONNRESET;
    close(last);
    for (size_t i = 0; i < FORWARD_CONNECTIONS; i++)
        close(fds[i]);
    uv_async_send(&f->over);
    return NULL;
}

static void one_connection_too_many_is_reset(void **state _unused_)
{
    struct rlimit files = {4 * FORWARD_CONNECTIONS, 4 * FORWARD_CONNECTIONS};
    Fixture f = {0};

    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        skip(); /* the hard limit of this machine is lower */
    open_all(&f);
    run_with(&f, open_too_many, do_nothing);
    assert_true(f.reset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives_in_both_directions),
        cmocka_unit_test(a_target_that_does_not_listen_is_a_reset),
        cmocka_unit_test(one_connection_too_many_is_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
