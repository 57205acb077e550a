/* SPDX-License-Identifier: Apache-2.0 */
/* TCP clients that take more than their share, on sockets of the loopback. */
#include "testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/time/clock.h"
#include "dns/dns.h"

#define FDS_MAX 300

typedef struct Fixture {
    uv_loop_t loop;
    Client client;
    DnsServer *dns;
    uint16_t port;
    int fds[FDS_MAX];
    size_t n;
} Fixture;

static ClientWatch *watch_nothing(Client *client _unused_, const Kind *kind _unused_,
                                  const ListOptions *options _unused_,
                                  ClientOnEvent on_event _unused_, void *data _unused_)
{
    return NULL;
}

static const ClientOps no_cluster = {.watch = watch_nothing};

static int begin(void **state)
{
    Fixture *f = mem_new_type(Fixture);
    DnsOptions options = {
        .address = "127.0.0.1", .domain = "cluster.local", .resolv_conf = "/nonexistent"};
    Random random;
    Err err = ERR_INIT;
    int r = -1;

    f->client.ops = &no_cluster;
    uv_loop_init(&f->loop);
    random_seed_system(&random);
    for (int i = 0; i < 50 && r < 0; i++) {
        options.port = (uint16_t)(20000 + random_below(&random, 40000));
        r = dns_server_start(&f->loop, &f->client, &options, &f->dns, &err);
    }
    f->port = options.port;
    *state = f;
    return r;
}

static int end(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < f->n; i++)
        close(f->fds[i]);
    dns_server_stop(f->dns);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void turn(Fixture *f)
{
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int connect_from(Fixture *f, uint32_t from)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + from)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(f->port)};

    assert_true(f->n < FDS_MAX);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    f->fds[f->n++] = fd;
    turn(f);
    return fd;
}

/* "x.default.svc.cluster.local A", with its length in front. */
static const char question[] = "\0\55\22\64\1\0\0\1\0\0\0\0\0\0\1x\7default\3svc\7cluster\5local\0"
                               "\0\1\0\1";

static bool answers(Fixture *f, int fd)
{
    char buf[512];

    if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
        return false;
    turn(f);
    return recv(fd, buf, sizeof(buf), 0) > 12;
}

static void a_question_over_tcp_is_answered(void **state)
{
    Fixture *f = *state;

    assert_true(answers(f, connect_from(f, 2)));
}

static void a_client_that_does_not_read_its_answers_is_not_read(void **state)
{
    Fixture *f = *state;
    const size_t one = sizeof(question) - 1, many = 1000;
    _free_ char *all = mem_new(one * many);
    int fd = connect_from(f, 2), other, small = 4096;
    size_t most = 0, sent = 0, idle = 0;

    for (size_t i = 0; i < many; i++)
        memcpy(all + i * one, question, one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    while (sent < (size_t)64 << 20 && idle < 20) {
        size_t at = sent % (one * many);
        ssize_t n = send(fd, all + at, one * many - at, MSG_NOSIGNAL);

        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (n < 0)
            turn(f);
        most = MAX_OF(most, dns_server_unsent(f->dns));
    }
    assert_true(sent < (size_t)64 << 20);
    assert_in_range(most, 1, 128 * 1024);
    other = connect_from(f, 3);
    assert_true(answers(f, other));
}

static void one_address_cannot_hold_all_places(void **state)
{
    Fixture *f = *state;
    int early = connect_from(f, 3), last = -1;

    for (int i = 0; i < 200; i++)
        last = connect_from(f, 2);
    assert_true(answers(f, early));
    assert_true(answers(f, last));
}

static void the_oldest_client_makes_room_for_a_new_one(void **state)
{
    Fixture *f = *state;
    int last = -1;

    for (int i = 0; i < 200; i++)
        last = connect_from(f, 2 + (uint32_t)i);
    assert_true(answers(f, last));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_question_over_tcp_is_answered),
        TEST(a_client_that_does_not_read_its_answers_is_not_read),
        TEST(one_address_cannot_hold_all_places),
        TEST(the_oldest_client_makes_room_for_a_new_one),
    };

    return cmocka_run_group_tests_name("DNS sockets", tests, NULL, NULL);
}
