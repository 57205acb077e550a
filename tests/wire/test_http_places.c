/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that take what they do not need: places, time and memory. Every client here has a
 * loopback address of its own, and 127.0.0.1, whose clients are local users, is not used.
 */
#include "testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http_testing.h"

#define MS INT64_C(1000000)
#define CLIENTS_MAX 64

typedef struct Fixture {
    Testing t;
    int fds[CLIENTS_MAX];
    size_t n;
} Fixture;

static int begin(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    testing_begin(&f->t);
    f->t.options.limits.connections = 20;
    f->t.options.limits.reserve = 5;
    f->t.options.limits.per_address = 4;
    f->t.options.limits.known_per_address = 6;
    *state = f;
    return 0;
}

static int end(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < f->n; i++)
        close(f->fds[i]);
    testing_end(&f->t);
    free(f);
    return 0;
}

static void serve(Fixture *f)
{
    Err err = ERR_INIT;

    testing_server(&f->t);
    if (http_server_listen(f->t.server, "127.0.0.1:0", &err) < 0)
        fail_msg("%s", err.message);
}

static void turn(Fixture *f)
{
    for (int i = 0; i < 4; i++)
        uv_run(&f->t.loop, UV_RUN_NOWAIT);
}

/* A connection from 127.0.0.`from`. */
static int connect_from(Fixture *f, int from)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)from)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(http_server_port(f->t.server))};

    assert_true(f->n < CLIENTS_MAX);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    f->fds[f->n++] = fd;
    turn(f);
    return fd;
}

static bool is_open(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_PEEK);

    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Whether the client gets an answer. */
static bool ask(Fixture *f, int fd, const char *path)
{
    char buf[512];
    _free_ char *text = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    ssize_t n;

    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return false;
    turn(f);
    n = recv(fd, buf, sizeof(buf), 0);
    return n > 12 && memcmp(buf, "HTTP/1.1 200", 12) == 0;
}

static size_t n_open(const Fixture *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += is_open(f->fds[i]);
    return n;
}

static void a_flood_from_one_address_only_pushes_out_itself(void **state)
{
    Fixture *f = *state;
    int quiet[3], last = -1;

    serve(f);
    for (int i = 0; i < 3; i++)
        quiet[i] = connect_from(f, 3);
    for (int i = 0; i < 40; i++)
        last = connect_from(f, 2);
    assert_int_equal(n_open(f), 3 + 4);
    for (int i = 0; i < 3; i++)
        assert_true(ask(f, quiet[i], "/hello"));
    assert_true(ask(f, last, "/hello"));
}

static void a_connection_at_work_outlives_idle_ones_of_its_address(void **state)
{
    Fixture *f = *state;
    int busy;

    serve(f);
    busy = connect_from(f, 2);
    assert_false(ask(f, busy, "/later"));
    for (int i = 0; i < 10; i++)
        connect_from(f, 2);
    http_respond(f->t.later, 200, "text/plain", BYTES_LITERAL("now"));
    turn(f);
    assert_true(is_open(busy));
    assert_int_equal(f->t.failed, 0);
}

static void unknown_peers_leave_the_reserve_to_known_ones(void **state)
{
    Fixture *f = *state;
    int known[5];

    serve(f);
    for (int i = 0; i < 25; i++)
        connect_from(f, 10 + i);
    assert_int_equal(n_open(f), 15);
    for (int i = 0; i < 5; i++) {
        known[i] = connect_from(f, 50 + i);
        assert_true(ask(f, known[i], "/known"));
    }
    for (int i = 0; i < 25; i++)
        connect_from(f, 60 + i);
    for (int i = 0; i < 5; i++)
        assert_true(ask(f, known[i], "/known"));
    assert_in_range(n_open(f), 15, 20);
}

static void known_peers_of_one_address_are_bounded_as_well(void **state)
{
    Fixture *f = *state;
    int other, last = -1;

    serve(f);
    other = connect_from(f, 3);
    assert_true(ask(f, other, "/known"));
    for (int i = 0; i < 30; i++) {
        last = connect_from(f, 2);
        assert_true(ask(f, last, "/known"));
    }
    assert_int_equal(n_open(f), 1 + 6);
    assert_true(ask(f, other, "/known"));
    assert_true(ask(f, last, "/known"));
}

static void the_last_place_goes_to_a_new_peer(void **state)
{
    Fixture *f = *state;
    int last = -1;

    serve(f);
    for (int i = 0; i < 40; i++) {
        last = connect_from(f, 10 + i);
        assert_true(ask(f, last, "/known"));
    }
    assert_int_equal(n_open(f), 20);
    assert_true(ask(f, last, "/known"));
}

/* ---- time ---- */

static void on_wake(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until the server has closed the connection; false: not within `ms`. */
static bool closes_within(Fixture *f, int fd, int64_t ms, const char *say, size_t n)
{
    uint64_t until = uv_hrtime() + (uint64_t)(ms * MS);
    uv_timer_t wake;
    bool woken = false;
    char buf[4096];
    ssize_t r = 1;

    uv_timer_init(&f->t.loop, &wake);
    wake.data = &woken;
    uv_timer_start(&wake, on_wake, 5, 5);
    while (uv_hrtime() < until) {
        uv_run(&f->t.loop, UV_RUN_ONCE);
        if (say && woken && send(fd, say, n, MSG_NOSIGNAL) < 0)
            break;
        woken = false;
        r = say ? recv(fd, buf, sizeof(buf), 0) : recv(fd, buf, 1, MSG_PEEK);
        if (r == 0 || (r < 0 && errno != EAGAIN))
            break;
    }
    uv_close((uv_handle_t *)&wake, NULL);
    turn(f);
    return uv_hrtime() < until;
}

static void an_unknown_peer_is_idle_for_a_short_time_only(void **state)
{
    Fixture *f = *state;
    int unknown, known;

    f->t.options.limits.idle_timeout_ns = 3600 * 1000 * MS;
    f->t.options.limits.unknown_idle_timeout_ns = 50 * MS;
    serve(f);
    known = connect_from(f, 2);
    assert_true(ask(f, known, "/known"));
    unknown = connect_from(f, 2);
    assert_true(ask(f, unknown, "/hello"));
    assert_true(closes_within(f, unknown, 10000, NULL, 0));
    assert_true(ask(f, known, "/known"));
}

static void a_body_that_trickles_ends_in_time(void **state)
{
    Fixture *f = *state;
    const char *head = "POST /echo HTTP/1.1\r\nHost:x\r\nContent-Length: 1000000\r\n\r\n";
    int fd;

    f->t.options.limits.body_timeout_ns = 100 * MS;
    serve(f);
    fd = connect_from(f, 2);
    assert_int_equal(send(fd, head, strlen(head), 0), strlen(head));
    assert_true(closes_within(f, fd, 10000, "x", 1));
    assert_int_equal(f->t.failed, 1);
}

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

static void pings_do_not_keep_a_connection_without_requests(void **state)
{
    Fixture *f = *state;
    int fd;

    f->t.options.limits.idle_timeout_ns = 100 * MS;
    serve(f);
    fd = connect_from(f, 2);
    assert_int_equal(send(fd, preface, sizeof(preface), 0), sizeof(preface));
    assert_true(closes_within(f, fd, 10000, "\0\0\10\6\0\0\0\0\0pingpong", 17));
}

/* ---- answers that do not leave ---- */

static void a_finished_answer_that_is_not_read_is_given_up(void **state)
{
    Fixture *f = *state;
    const size_t n = 16 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int fd;

    f->t.options.limits.stall_timeout_ns = 100 * MS;
    serve(f);
    fd = connect_from(f, 2);
    assert_false(ask(f, fd, "/later"));
    http_respond(f->t.later, 200, "text/plain", (Bytes){big, n});
    for (int i = 0; i < 1000 && !f->t.failed; i++)
        closes_within(f, fd, 10, NULL, 0);
    assert_int_equal(f->t.failed, 1);
}

static void a_stream_without_an_end_is_its_handlers_to_bound(void **state)
{
    Fixture *f = *state;
    const size_t n = 16 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int fd;

    f->t.options.limits.stall_timeout_ns = 20 * MS;
    serve(f);
    fd = connect_from(f, 2);
    assert_false(ask(f, fd, "/later"));
    http_stream_begin(f->t.later, 200, NULL);
    http_stream_write(f->t.later, (Bytes){big, n});
    for (int i = 0; i < 20; i++)
        closes_within(f, fd, 10, NULL, 0);
    assert_int_equal(f->t.closed, 0);
    http_stream_end(f->t.later);
    for (int i = 0; i < 1000 && !f->t.failed; i++)
        closes_within(f, fd, 10, NULL, 0);
    assert_int_equal(f->t.failed, 1);
}

/* GET /later over HTTP/2, by literal header fields without indexing. */
static const char get_later[] = "\0\0\15\1\5\0\0\0\1\202\206\4\6/later\1\1x";

static void a_window_that_stays_closed_ends_the_stream(void **state)
{
    Fixture *f = *state;
    const size_t n = 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int fd;
    char buf[65536];

    f->t.options.limits.stall_timeout_ns = 100 * MS;
    serve(f);
    fd = connect_from(f, 2);
    assert_int_equal(send(fd, preface, sizeof(preface), 0), sizeof(preface));
    assert_int_equal(send(fd, get_later, sizeof(get_later) - 1, 0), sizeof(get_later) - 1);
    turn(f);
    assert_non_null(f->t.later);
    http_respond(f->t.later, 200, "text/plain", (Bytes){big, n});
    for (int i = 0; i < 1000 && !f->t.failed; i++) {
        closes_within(f, fd, 10, NULL, 0);
        (void)!recv(fd, buf, sizeof(buf), 0);
    }
    assert_int_equal(f->t.failed, 1);
    assert_true(is_open(fd));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_flood_from_one_address_only_pushes_out_itself),
        TEST(a_connection_at_work_outlives_idle_ones_of_its_address),
        TEST(unknown_peers_leave_the_reserve_to_known_ones),
        TEST(known_peers_of_one_address_are_bounded_as_well),
        TEST(the_last_place_goes_to_a_new_peer),
        TEST(an_unknown_peer_is_idle_for_a_short_time_only),
        TEST(a_body_that_trickles_ends_in_time),
        TEST(pings_do_not_keep_a_connection_without_requests),
        TEST(a_finished_answer_that_is_not_read_is_given_up),
        TEST(a_stream_without_an_end_is_its_handlers_to_bound),
        TEST(a_window_that_stays_closed_ends_the_stream),
    };

    return cmocka_run_group_tests_name("places, time and memory", tests, NULL, NULL);
}
