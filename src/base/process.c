/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is done when it has exited and both its outputs are closed, so that no output is lost.
 * Since a grandchild may keep an output open forever (conmon does), the pipes are closed 100 ms
 * after the exit.
 */
#include <fcntl.h>
#include <signal.h>
#include <uv.h>

#include "base/fault.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/loop_timer.h"

#define OUTPUT_LIMIT_DEFAULT (64 * 1024)
#define LINGER_NS (100 * INT64_C(1000000))

typedef struct Output {
    uv_pipe_t pipe;
    StrBuf text;
    bool open;
} Output;

struct Process {
    uv_process_t process;
    Output out, err;
    uv_pipe_t in;
    bool in_open;
    uv_write_t write;
    uv_timer_t timer;
    char *input;
    size_t limit;
    ProcessResult result;
    ProcessDone done;
    void *data;
    bool exited, finished;
    int handles; /* not yet closed */
};

static void on_closed(uv_handle_t *handle)
{
    Process *p = handle->data;

    if (--p->handles)
        return;
    strbuf_deinit(&p->out.text);
    strbuf_deinit(&p->err.text);
    free(p->input);
    free(p);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void finish(Process *p)
{
    if (p->finished)
        return;
    p->finished = true;
    p->result.out = strbuf_bytes(&p->out.text);
    p->result.err = strbuf_bytes(&p->err.text);
    p->done(p->data, &p->result);
    if (p->process.loop)
        close_handle(&p->process);
    close_handle(&p->out.pipe);
    close_handle(&p->err.pipe);
    close_handle(&p->in);
    close_handle(&p->timer);
}

static void maybe_finish(Process *p)
{
    if (p->exited && !p->out.open && !p->err.open)
        finish(p);
}

static void on_linger(uv_timer_t *timer)
{
    finish(timer->data);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
    Process *p = process->data;

    p->exited = true;
    p->result.exit_status = (int)status;
    p->result.signal = signal;
    uv_timer_stop(&p->timer);
    if (p->out.open || p->err.open)
        loop_timer_start(&p->timer, on_linger, LINGER_NS);
    maybe_finish(p);
}

static void on_timeout(uv_timer_t *timer)
{
    Process *p = timer->data;

    p->result.timed_out = true;
    uv_process_kill(&p->process, SIGKILL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char room[16 * 1024];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof(room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    Process *p = stream->data;
    Output *output = stream == (uv_stream_t *)&p->out.pipe ? &p->out : &p->err;

    if (n < 0) {
        output->open = false;
        uv_read_stop(stream);
        maybe_finish(p);
        return;
    }
    if (output->text.n + (size_t)n > p->limit) {
        p->result.truncated = true;
        n = (ssize_t)(p->limit - output->text.n);
    }
    strbuf_add(&output->text, buf->base, (size_t)n);
}

static void on_written(uv_write_t *write, int status)
{
    Process *p = write->data;

    (void)status; /* a program that does not read its input says why by its exit status */
    close_handle(&p->in);
    p->in_open = false;
}

static void on_failed_later(uv_timer_t *timer)
{
    finish(timer->data);
}

static void init_handles(Process *p, uv_loop_t *loop)
{
    uv_pipe_init(loop, &p->out.pipe, 0);
    uv_pipe_init(loop, &p->err.pipe, 0);
    uv_pipe_init(loop, &p->in, 0);
    uv_timer_init(loop, &p->timer);
    p->handles = 5;
    p->process.data = p->out.pipe.data = p->err.pipe.data = p->in.data = p->timer.data =
        p->write.data = p;
}

static int spawn(Process *p, uv_loop_t *loop, const ProcessOptions *options)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = options->input.n ? UV_CREATE_PIPE | UV_READABLE_PIPE : UV_IGNORE,
         .data.stream = (uv_stream_t *)&p->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->out.pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->err.pipe},
    };
    uv_process_options_t o = {
        .exit_cb = on_exit_status,
        .file = options->argv[0],
        .args = (char **)(uintptr_t)options->argv,
        .env = (char **)(uintptr_t)options->env,
        .cwd = options->cwd,
        .flags = options->new_session ? UV_PROCESS_DETACHED : 0,
        .stdio = stdio,
        .stdio_count = 3,
    };
    int r;

    if (FAULT_POINT_OF("process.spawn", options->argv))
        return UV_EAGAIN;
    r = uv_spawn(loop, &p->process, &o);
    if (r == 0 && FAULT_POINT_OF("process.spawned", options->argv))
        uv_process_kill(&p->process, SIGKILL);
    return r;
}

void process_run(struct uv_loop_s *loop, const ProcessOptions *options, ProcessDone done,
                 void *data, Process **ret)
{
    Process *p = mem_new_type(Process);
    int r;

    ASSERT(options->argv && options->argv[0] && done);
    p->done = done;
    p->data = data;
    p->limit = options->output_limit ? options->output_limit : OUTPUT_LIMIT_DEFAULT;
    init_handles(p, loop);
    r = spawn(p, loop, options);
    if (r < 0) {
        /* uv_spawn initialises the process handle even if it fails; an injected fault does not. */
        if (!p->process.loop)
            p->handles--;
        p->result.error = r;
        uv_timer_start(&p->timer, on_failed_later, 0, 0);
    } else {
        p->out.open = p->err.open = true;
        uv_read_start((uv_stream_t *)&p->out.pipe, on_alloc, on_read);
        uv_read_start((uv_stream_t *)&p->err.pipe, on_alloc, on_read);
        if (options->input.n) {
            uv_buf_t buf;

            p->input = mem_strndup((const char *)options->input.p, options->input.n);
            buf = uv_buf_init(p->input, (unsigned)options->input.n);
            p->in_open = true;
            uv_write(&p->write, (uv_stream_t *)&p->in, &buf, 1, on_written);
        }
        if (options->timeout_ns > 0)
            loop_timer_start(&p->timer, on_timeout, options->timeout_ns);
    }
    if (ret)
        *ret = p;
}

void process_kill(Process *process, int signal)
{
    if (!process->exited && !process->finished && process->result.error == 0)
        uv_process_kill(&process->process, signal);
}
