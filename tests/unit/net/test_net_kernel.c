/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods and services in a network and mount namespace of the test's own: nothing of it reaches the
 * host, and all of it goes when the process ends, however it ends.
 */
#include "testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/process.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/netns.h"

#define RUN_DIR "/tmp/stead-test-net"
#define PODS 2

typedef struct Fixture {
    uv_loop_t loop;
    Net *net;
    NetPod pods[PODS];
    char netns[PODS][128], address[PODS][16];
    int listeners[PODS];
    int pending;
} Fixture;

static int enter_own_world(void **state)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    file_mkdir_all(RUN_DIR, 0700);
    if (mount("tmpfs", RUN_DIR, "tmpfs", 0, NULL) < 0)
        return -1;
    unsigned lo;
    return link_index("lo", &lo) || link_set_up(lo) < 0 ? -1 : 0;
}

static int leave_own_world(void **state)
{
    umount2(RUN_DIR, MNT_DETACH);
    rmdir(RUN_DIR);
    return 0;
}

static int listen_here(void *data)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5000)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0)
        return -errno;
    *(int *)data = fd;
    return 0;
}

static void on_pod(void *data, const NetPod *pod, const Err *err)
{
    Fixture *f = data;
    int i = --f->pending;

    if (err)
        fail_msg("%s", err->message);
    snprintf(f->netns[i], sizeof(f->netns[i]), "%s", pod->netns);
    snprintf(f->address[i], sizeof(f->address[i]), "%s", pod->address);
}

static void on_net_error(void *data _unused_, const Err *err)
{
    fail_msg("%s", err->message);
}

static void open_net(Fixture *f)
{
    NetOptions options = {.instance = "stdt",
                          .pod_cidr = "10.42.0.0/24",
                          .service_cidr = "10.96.0.0/12",
                          .dns_ip = "10.96.0.10",
                          .run_dir = RUN_DIR,
                          .on_error = on_net_error};
    Err err = ERR_INIT;

    uv_loop_init(&f->loop);
    if (net_open(&f->loop, &options, &f->net, &err) < 0)
        fail_msg("%s", err.message);
}

static void close_net(Fixture *f)
{
    f->net = net_close(f->net);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void on_probe_done(void *data, const ProcessResult *result)
{
    *(int *)data = result->exit_status == 0;
}

/* Runs the loop until the nft table says `text`: the event the test waits for. Bounded by tries,
 * each a whole nft run. */
static void wait_for_table(Fixture *f, const char *text)
{
    static const char *argv[] = {"sh", "-c", NULL, NULL};
    _free_ char *command = mem_printf("nft list table ip stead-stdt | grep -q '%s'", text);

    argv[2] = command;
    for (int tries = 0; tries < 200; tries++) {
        int found = -1;

        process_run(&f->loop, &(ProcessOptions){.argv = argv}, on_probe_done, &found, NULL);
        while (found < 0)
            uv_run(&f->loop, UV_RUN_ONCE);
        if (found)
            return;
    }
    fail_msg("the table never got %s", text);
}

typedef struct Dial {
    const char *address;
    uint16_t port;
    int result;
} Dial;

static int dial(void *data)
{
    Dial *d = data;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(d->port)};
    _close_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t n = sizeof(d->result);

    inet_pton(AF_INET, d->address, &to.sin_addr);
    d->result = 0;
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        d->result = errno;
    else if (poll(&p, 1, 2000) == 0)
        d->result = ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &d->result, &n);
    return 0;
}

/* How many connections wait at the listener; takes them. */
static int accepted(int listener)
{
    int n = 0;

    for (;; n++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            return n;
        close(fd);
    }
}

static void set_service(Fixture *f, size_t endpoints)
{
    static const char *const addresses[] = {"10.96.7.7"};
    NetEndpoint list[PODS] = {{f->address[0], 5000}, {f->address[1], 5000}};

    net_service_set(f->net, &(NetServicePort){.key = "default/web:",
                                              .protocol = "TCP",
                                              .addresses = addresses,
                                              .n_addresses = 1,
                                              .port = 80,
                                              .node_port = 30314,
                                              .endpoints = list,
                                              .n_endpoints = endpoints});
}

static void services_reach_ready_pods_and_refuse_without_any(void **state)
{
    Fixture f = {0};
    Dial d;
    int got[PODS];
    Err err = ERR_INIT;

    open_net(&f);
    f.pending = PODS;
    net_pod_add(f.net, "pod-a", NULL, on_pod, &f);
    net_pod_add(f.net, "pod-b", NULL, on_pod, &f);
    while (f.pending)
        uv_run(&f.loop, UV_RUN_ONCE);
    assert_string_not_equal(f.address[0], f.address[1]);
    for (int i = 0; i < PODS; i++) {
        assert_int_equal(netns_run(f.netns[i], listen_here, &f.listeners[i]), 0);
        assert_int_equal(fcntl(f.listeners[i], F_SETFL, O_NONBLOCK), 0);
    }

    /* nobody there: refused at once */
    set_service(&f, 0);
    net_service_sync_done(f.net);
    wait_for_table(&f, "elements = { 10.96.7.7 . tcp . 80 }");
    d = (Dial){"10.96.7.7", 80, 0};
    dial(&d);
    assert_int_equal(d.result, ECONNREFUSED);

    /* from the machine, by address and by node port */
    set_service(&f, PODS);
    wait_for_table(&f, "mod 2 map");
    for (int i = 0; i < 40; i++) {
        d = i % 2 ? (Dial){"10.96.7.7", 80, 0} : (Dial){"127.0.0.1", 30314, 0};
        dial(&d);
        assert_int_equal(d.result, 0);
    }
    for (int i = 0; i < PODS; i++) {
        got[i] = accepted(f.listeners[i]);
        assert_true(got[i] > 4);
    }
    assert_int_equal(got[0] + got[1], 40);

    /* from a pod, itself included; and pod to pod */
    for (int i = 0; i < 20; i++) {
        d = (Dial){"10.96.7.7", 80, 0};
        assert_int_equal(netns_run(f.netns[0], dial, &d), 0);
        assert_int_equal(d.result, 0);
    }
    assert_true(accepted(f.listeners[0]) > 0);
    assert_true(accepted(f.listeners[1]) > 0);
    d = (Dial){f.address[1], 5000, 0};
    assert_int_equal(netns_run(f.netns[0], dial, &d), 0);
    assert_int_equal(d.result, 0);

    /* a new process finds the pods again and replaces the table */
    close_net(&f);
    open_net(&f);
    f.pending = 1;
    net_pod_add(f.net, "pod-a", NULL, on_pod, &f);
    while (f.pending)
        uv_run(&f.loop, UV_RUN_ONCE);
    d = (Dial){"10.96.7.7", 80, 0};
    dial(&d);
    assert_int_equal(d.result, 0);
    net_service_sync_done(f.net);
    wait_for_table(&f, "hairpin");
    close_net(&f);

    for (int i = 0; i < PODS; i++)
        close(f.listeners[i]);
    assert_int_equal(net_remove_all("stdt", RUN_DIR, &err), 0);
    assert_int_equal(link_index("stdt", &(unsigned){0}), NETLINK_E_MISSING);
    assert_false(file_exists(RUN_DIR "/netns/pod-a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_reach_ready_pods_and_refuse_without_any),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, enter_own_world, leave_own_world);
}
