/* SPDX-License-Identifier: Apache-2.0 */
/* An attach, against a socket as conmon has it. */
#include "testing.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "node/runtime/exec.h"

typedef struct World {
    uv_loop_t loop;
    char dir[64];
    int listener, conmon;
    ExecStream *stream;
    StrBuf out;
    char *message;
    int ends;
} World;

static void on_output(void *data, int channel _unused_, Bytes bytes)
{
    strbuf_add(&((World *)data)->out, bytes.p, bytes.n);
}

static void on_exit_code(void *data, int code _unused_, const char *message)
{
    World *w = data;

    w->ends++;
    w->message = mem_strdup(message);
}

static void begin(World *w, bool stdin_once)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ExecSink sink = {on_output, NULL, on_exit_code, w};
    ExecRequest request = {.loop = &w->loop,
                           .bundle = w->dir,
                           .standard_in = true,
                           .standard_out = true,
                           .stdin_once = stdin_once};

    *w = (World){.dir = "/tmp/stead-attach-XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/attach", w->dir);
    w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(w->listener, 1), 0);
    w->stream = exec_attach(&request, &sink);
    w->conmon = accept(w->listener, NULL, NULL);
    assert_true(w->conmon >= 0);
}

static void say(World *w, const char *text)
{
    _free_ char *packet = mem_printf("%c%s", 2, text);

    assert_int_equal(send(w->conmon, packet, strlen(packet), 0), (int)strlen(packet));
}

static void run_until_end(World *w)
{
    while (!w->ends)
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) || w->ends);
}

static void end(World *w)
{
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->ends, 1);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    close(w->conmon);
    close(w->listener);
    strbuf_deinit(&w->out);
    assert_int_equal(file_remove_tree(w->dir), 0);
}

static void the_last_words_of_a_container_are_seen_to_the_end(void **state)
{
    World w;

    begin(&w, true);
    for (int i = 0; i < 5; i++)
        say(&w, "word ");
    close(w.conmon); /* it has ended before anything was read */
    w.conmon = -1;
    run_until_end(&w);
    assert_string_equal(strbuf_string(&w.out), "word word word word word ");
    end(&w);
}

static void an_end_of_input_ends_the_containers_own_where_it_is_to(void **state)
{
    char buf[64];
    World w;

    begin(&w, true);
    exec_stream_input(w.stream, bytes_from_string("in"));
    exec_stream_input_end(w.stream);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(recv(w.conmon, buf, sizeof(buf), 0), 2);
    assert_int_equal(recv(w.conmon, buf, sizeof(buf), 0), 0);
    say(&w, "rest");
    uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(w.ends, 0); /* the container goes on */
    shutdown(w.conmon, SHUT_RDWR);
    run_until_end(&w);
    assert_string_equal(strbuf_string(&w.out), "rest");
    end(&w);
}

static void else_the_client_leaves_with_the_answer(void **state)
{
    char buf[64];
    World w;

    begin(&w, false);
    exec_stream_input(w.stream, bytes_from_string("in"));
    exec_stream_input_end(w.stream);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(recv(w.conmon, buf, sizeof(buf), 0), 2);
    say(&w, "answer");
    run_until_end(&w);
    assert_string_equal(strbuf_string(&w.out), "answer");
    end(&w);
}

static void on_talk(uv_timer_t *timer)
{
    World *w = timer->data;

    if (w->ends)
        uv_close((uv_handle_t *)timer, NULL);
    else
        say(w, ".");
}

static void a_container_that_never_is_silent_keeps_no_client(void **state)
{
    uv_timer_t timer;
    World w;

    begin(&w, false);
    timer.data = &w;
    uv_timer_init(&w.loop, &timer);
    uv_timer_start(&timer, on_talk, 0, 20);
    exec_stream_input_end(w.stream);
    run_until_end(&w);
    end(&w);
}

static void an_exec_that_cannot_be_started_says_so_after_its_start(void **state)
{
    static const char *const command[] = {"true", NULL};
    World w = {.dir = "/tmp/stead-no-such-bundle"};
    ExecSink sink = {on_output, NULL, on_exit_code, &w};
    ExecRequest request = {.loop = &w.loop,
                           .id = "x",
                           .bundle = w.dir,
                           .dir = w.dir,
                           .command = command,
                           .standard_out = true};

    assert_int_equal(uv_loop_init(&w.loop), 0);
    for (int attach = 0; attach < 2; attach++) {
        w.ends = 0;
        w.stream = attach ? exec_attach(&request, &sink) : exec_start(&request, &sink);
        assert_int_equal(w.ends, 0);
        run_until_end(&w);
        assert_string_equal(
            w.message,
            attach
                ? "the container cannot be attached to"
                : "cannot read /tmp/stead-no-such-bundle/config.json: No such file or directory");
        free(TAKE_PTR(w.message));
    }
    uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(w.ends, 1);
    assert_int_equal(uv_loop_close(&w.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_words_of_a_container_are_seen_to_the_end),
        cmocka_unit_test(an_end_of_input_ends_the_containers_own_where_it_is_to),
        cmocka_unit_test(else_the_client_leaves_with_the_answer),
        cmocka_unit_test(a_container_that_never_is_silent_keeps_no_client),
        cmocka_unit_test(an_exec_that_cannot_be_started_says_so_after_its_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
