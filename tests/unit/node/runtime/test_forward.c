/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to ports, in the network namespace of the test itself. */
#include "testing.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uv.h>

#include "node/runtime/forward.h"

#define LOOPBACK_2 "127.0.0.2" /* what stands for the address of the pod */

typedef struct World {
    uv_loop_t loop;
    int listener, pod; /* the server in the pod, and its side of the connection */
    uint16_t port;
    ForwardStream *stream;
    StrBuf out;
    char *message;
    int ends, drains, closes, frees;
} World;

static void on_data(void *data, Bytes bytes)
{
    strbuf_add(&((World *)data)->out, bytes.p, bytes.n);
}

static void on_end(void *data)
{
    ((World *)data)->ends++;
}

static void on_drain(void *data)
{
    ((World *)data)->drains++;
}

static void on_close(void *data, const char *message)
{
    World *w = data;

    w->closes++;
    w->message = mem_strdup(message);
}

static void on_free(void *data, ForwardStream *stream _unused_)
{
    ((World *)data)->frees++;
}

static const ForwardSink sink = {on_data, on_end, on_drain, on_close, NULL};

/* A port of this loopback address, on which the pod listens or which is only reserved. */
static void begin(World *w, const char *address, bool listens)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof(at);
    ForwardSink with = sink;

    *w = (World){.pod = -1};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_ip4_addr(address, 0, &at), 0);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &n), 0);
    w->port = ntohs(at.sin_port);
    if (listens)
        assert_int_equal(listen(w->listener, 1), 0);
    with.data = w;
    w->stream = forward_start(
        &(ForwardRequest){.loop = &w->loop, .address = LOOPBACK_2, .port = w->port}, &with);
    forward_stream_on_free(w->stream, on_free, w);
    assert_int_equal(w->ends + w->drains + w->closes + w->frees, 0);
}

static void run_until(World *w, const int *count)
{
    while (!*count)
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) || *count);
}

static void end(World *w)
{
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(w->frees, 1);
    if (w->pod >= 0)
        close(w->pod);
    close(w->listener);
    strbuf_deinit(&w->out);
    free(w->message);
}

/* Sends what the client says at once and accepts the connection. */
static void talk(World *w, const char *text)
{
    assert_int_equal(forward_stream_send(w->stream, bytes_from_string(text)), strlen(text));
    run_until(w, &w->drains);
    w->pod = accept(w->listener, NULL, NULL);
    assert_true(w->pod >= 0);
}

static void both_sides_say_what_they_want_and_end(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", LOOPBACK_2};

    EACH_ROW(i, addresses, addresses[i]) {
        char buf[16];
        World w;

        begin(&w, addresses[i], true);
        talk(&w, "question");
        forward_stream_end(w.stream);
        assert_int_equal(forward_stream_send(w.stream, bytes_from_string("late")), 0);
        assert_int_equal(recv(w.pod, buf, sizeof(buf), 0), 8);
        assert_memory_equal(buf, "question", 8);
        assert_int_equal(send(w.pod, "answer", 6, 0), 6);
        close(w.pod);
        w.pod = -1;
        run_until(&w, &w.closes);
        assert_string_equal(strbuf_string(&w.out), "answer");
        assert_int_equal(w.ends, 1);
        assert_null(w.message);
        end(&w);
        assert_int_equal(w.closes, 1);
    }
}

static void a_port_on_which_nothing_listens_is_said_with_its_addresses(void **state)
{
    _free_ char *text = NULL;
    World w;

    begin(&w, LOOPBACK_2, false);
    run_until(&w, &w.closes);
    text =
        mem_printf("failed to execute portforward in network namespace \"host\": failed to "
                   "connect to localhost:%u inside namespace \"host\", IPv4: dial tcp4 "
                   "127.0.0.1:%u: connect: connection refused IPv6 dial tcp6 [::1]:%u: connect: ",
                   w.port, w.port, w.port);
    assert_memory_equal(w.message, text, strlen(text));
    end(&w);
}

static void a_client_that_leaves_hears_nothing_more(void **state)
{
    World w;

    begin(&w, "127.0.0.1", true);
    forward_stream_close(w.stream); /* while a thread creates the socket */
    end(&w);
    assert_int_equal(w.closes + w.ends, 0);

    begin(&w, "127.0.0.1", true);
    talk(&w, "question");
    assert_int_equal(send(w.pod, "answer", 6, 0), 6);
    forward_stream_close(w.stream);
    end(&w);
    assert_int_equal(w.closes + w.ends, 0);
    assert_int_equal(w.out.n, 0);
}

static void nothing_is_read_while_the_client_is_slow(void **state)
{
    World w;

    begin(&w, "127.0.0.1", true);
    talk(&w, "question");
    forward_stream_pause(w.stream, true);
    assert_int_equal(send(w.pod, "answer", 6, 0), 6);
    close(w.pod);
    w.pod = -1;
    uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(w.out.n + (size_t)w.ends, 0);
    forward_stream_pause(w.stream, false);
    run_until(&w, &w.ends);
    assert_string_equal(strbuf_string(&w.out), "answer");
    forward_stream_close(w.stream);
    end(&w);
    assert_int_equal(w.closes, 0);
}

/* ---- what callers owe ---- */

static void without_on_close(World *w)
{
    ForwardSink with = sink;

    with.on_close = NULL;
    forward_start(&(ForwardRequest){.loop = &w->loop, .port = w->port}, &with);
}

static void with_a_second_owner(World *w)
{
    forward_stream_on_free(w->stream, on_free, w);
}

static void after_the_end(World *w)
{
    forward_stream_close(w->stream);
    forward_stream_on_free(w->stream, on_free, w);
}

static void what_callers_owe_is_asserted(void **state)
{
    static const struct {
        const char *name;
        void (*call)(World *w);
    } rows[] = {
        {"a sink without on_close", without_on_close},
        {"a second owner", with_a_second_owner},
        {"an owner of a stream that is over", after_the_end},
    };

    EACH_ROW(i, rows, rows[i].name) {
        int status;
        pid_t child;
        World w;

        begin(&w, "127.0.0.1", true);
        child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            rows[i].call(&w);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        forward_stream_close(w.stream);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_say_what_they_want_and_end),
        cmocka_unit_test(a_port_on_which_nothing_listens_is_said_with_its_addresses),
        cmocka_unit_test(a_client_that_leaves_hears_nothing_more),
        cmocka_unit_test(nothing_is_read_while_the_client_is_slow),
        cmocka_unit_test(what_callers_owe_is_asserted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
