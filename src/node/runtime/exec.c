/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec and attach. One interface covers three kinds of streams: pipes (three descriptors), a
 * terminal (crun sends the master over a socket), and conmon's attach socket (packets whose first
 * byte names the stream).
 *
 * An exec ends when the process has exited and its output has been drained. Background processes
 * may keep the pipes open, so the stream also ends after DRAIN_NS without output. crun writes the
 * pid file only after it has started the process; if there is none, the runtime has failed, and
 * the output is its error message.
 *
 * An attach ends when the container ends, or when the client's input ends. With stdinOnce, the end
 * of the input closes the container's stdin, and the client receives the rest of the output.
 * Otherwise the client only detaches; output that answers its last input is still delivered until
 * there has been none for DRAIN_NS, and for LEAVE_NS at most.
 *
 * When the client goes away or the time limit has passed, the process is killed with its
 * descendants. If the process exits by itself, its background processes keep running, as under
 * other runtimes.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/loop_timer.h"
#include "base/strbuf.h"
#include "base/time/clock.h"
#include "node/runtime/exec.h"
#include "node/runtime/oci.h"
#include "node/runtime/process_tree.h"

#define DRAIN_NS (200 * INT64_C(1000000))
#define LEAVE_NS (1000 * INT64_C(1000000))
#define CONFIG_LIMIT (4 << 20)
#define EARLY_LIMIT 8192
#define ATTACH_PACKET 8000
#define ATTACH_PACKET_MAX (64 * 1024) /* conmon sends at most 8 KiB and one byte */

enum { CHANNEL_OUT = 1, CHANNEL_ERR = 2 };
enum { ATTACH_OUT = 2, ATTACH_ERR = 3 };

typedef struct ExecPipe {
    uv_pipe_t pipe;
    bool open, reading, eof;
    int channel;
} ExecPipe;

struct ExecStream {
    struct uv_loop_s *loop;
    ExecSink sink;
    char *process_file, *pid_file, *socket_file;
    uv_process_t process;
    ExecPipe in, out, err; /* for a terminal and for attach, `out` carries both directions */
    uv_poll_t console;     /* readable when crun sends the terminal */
    /* for the time limit, then for draining; also reports failures of the start from the loop */
    uv_timer_t timer;
    bool has_process, has_console, has_timer;
    int console_fd, listen_fd;
    bool starting; /* exec_start or exec_attach has not returned: no call of the sink yet */
    bool tty, attach, stdin_once, paused, input_ended, exited, over, timed_out, want_in, want_out,
        want_err;
    int64_t leave_at_ns; /* when an attached client without further input detaches; 0 if it stays */
    uint16_t columns, rows;
    char *bundle;
    int exit_code;
    StrBuf early;   /* what was written to stderr before the pid file existed */
    StrBuf waiting; /* input that arrived before the terminal */
    char *failure;
    size_t queued; /* memory of the input in flight */
    int handles;
    void (*on_free)(void *data, ExecStream *stream);
    void *on_free_data;
};

typedef struct ExecWrite {
    uv_write_t request;
    ExecStream *stream;
    size_t n; /* memory of the whole, so that many small pieces count as what they take */
    char bytes[];
} ExecWrite;

/* ---- the end ---- */

static void on_exec_closed(uv_handle_t *handle)
{
    ExecStream *s = handle->data;

    if (--s->handles > 0)
        return;
    if (s->console_fd >= 0)
        close(s->console_fd);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    strbuf_deinit(&s->early);
    strbuf_deinit(&s->waiting);
    free(s->process_file);
    free(s->pid_file);
    free(s->socket_file);
    free(s->bundle);
    free(s->failure);
    free(s);
}

static void close_one(void *handle, bool *has)
{
    if (!*has)
        return;
    *has = false;
    uv_close(handle, on_exec_closed);
}

static void exec_release(ExecStream *s)
{
    if (s->over)
        return;
    s->over = true;
    if (s->on_free)
        s->on_free(s->on_free_data, s);
    if (s->process_file)
        unlink(s->process_file);
    if (s->pid_file)
        unlink(s->pid_file);
    if (s->socket_file)
        unlink(s->socket_file);
    close_one(&s->in.pipe, &s->in.open);
    close_one(&s->out.pipe, &s->out.open);
    close_one(&s->err.pipe, &s->err.open);
    close_one(&s->console, &s->has_console);
    close_one(&s->timer, &s->has_timer);
    /* The handle of the process stays open until it has exited, since libuv reaps the process
     * through it. */
}

/* ---- ending the processes ---- */

typedef struct Ending {
    uv_work_t work;
    int64_t pids[2]; /* the process, and the runtime that waits for it */
} Ending;

static void ending_work(uv_work_t *work)
{
    Ending *ending = CONTAINER_OF(work, Ending, work);

    process_tree_end(ending->pids, ARRAY_LEN(ending->pids));
}

static void ending_done(uv_work_t *work, int status _unused_)
{
    free(CONTAINER_OF(work, Ending, work));
}

/* No one waits for the process any more: kills it with everything that it has started. */
static void exec_kill(ExecStream *s)
{
    Ending *ending;
    _free_ char *text = NULL;
    int64_t pid = 0;

    if (!s->has_process)
        return;
    if (file_read(s->pid_file, 32, &text, NULL) < 0 || str_to_int64(text, 2, INT32_MAX, &pid) != 0)
        pid = 0;
    ending = mem_new_type(Ending);
    ending->pids[0] = pid;
    ending->pids[1] = s->process.pid;
    uv_queue_work(s->loop, &ending->work, ending_work, ending_done);
}

static void exec_over(ExecStream *s, int code, const char *message)
{
    ExecSink sink = s->sink;
    _free_ char *text = message ? mem_strdup(message) : NULL;

    ASSERT(!s->starting);
    if (s->over)
        return;
    exec_release(s);
    sink.on_exit(sink.data, code, text);
}

static void exec_failed(ExecStream *s)
{
    const char *text = strbuf_string(&s->early);
    size_t n = s->early.n;
    _free_ char *message = NULL;

    while (n > 0 && text[n - 1] == '\n')
        n--;
    message = n ? mem_printf("%.*s", (int)n, text)
                : mem_strdup("the runtime could not start the process");
    exec_over(s, EXEC_E_FAILED, message);
}

static void exec_maybe_over(ExecStream *s)
{
    if (s->over || !s->exited || s->paused)
        return;
    if ((s->out.open && !s->out.eof) || (s->err.open && !s->err.eof))
        return;
    if (s->timed_out)
        exec_over(s, EXEC_E_TIMED_OUT, "timed out");
    else if (!file_exists(s->pid_file))
        exec_failed(s);
    else {
        /* The process wrote this before the runtime had written the pid file. */
        if (s->early.n && !s->tty && s->want_err)
            s->sink.on_output(s->sink.data, CHANNEL_ERR, strbuf_bytes(&s->early));
        exec_over(s, s->exit_code, NULL);
    }
}

/* ---- output ---- */

static void on_exec_alloc(uv_handle_t *handle _unused_, size_t size _unused_, uv_buf_t *buf)
{
    /* shared by all streams: there is one loop, and each read is consumed at once */
    static char shared[64 * 1024];

    *buf = uv_buf_init(shared, sizeof(shared));
}

static void on_drained(uv_timer_t *timer);

/* Restarts the time after which the output counts as drained. */
static void drain_begin(ExecStream *s)
{
    int64_t limit = DRAIN_NS;

    if (s->leave_at_ns)
        limit = MIN_OF(limit, MAX_OF(s->leave_at_ns - (int64_t)uv_hrtime(), INT64_C(0)));
    if (s->exited || s->leave_at_ns)
        loop_timer_start(&s->timer, on_drained, limit);
}

static void exec_output(ExecStream *s, ExecPipe *pipe, const char *p, size_t n)
{
    int channel = pipe->channel;

    ASSERT(!s->starting);
    if (s->attach) {
        if (n < 2)
            return;
        channel = p[0] == ATTACH_ERR ? CHANNEL_ERR : CHANNEL_OUT;
        p++;
        n--;
    } else if (pipe == &s->err && (s->tty || !file_exists(s->pid_file))) {
        strbuf_add(&s->early, p, MIN_OF(n, EARLY_LIMIT - MIN_OF(s->early.n, (size_t)EARLY_LIMIT)));
        return;
    } else if (pipe == &s->err && s->early.n) {
        s->sink.on_output(s->sink.data, CHANNEL_ERR, strbuf_bytes(&s->early));
        strbuf_truncate(&s->early, 0);
    }
    if (!s->over && (channel == CHANNEL_OUT ? s->want_out : s->want_err))
        s->sink.on_output(s->sink.data, channel, (Bytes){(const uint8_t *)p, n});
}

/* libuv stops reading at a hang-up when a read does not fill the buffer. That is right for byte
 * streams, but a packet socket may hold more packets. */
static void attach_drain(ExecStream *s, ExecPipe *pipe)
{
    char packet[ATTACH_PACKET_MAX];
    uv_os_fd_t fd;
    ssize_t n;

    if (uv_fileno((uv_handle_t *)&pipe->pipe, &fd) < 0)
        return;
    while ((n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0)
        exec_output(s, pipe, packet, (size_t)n);
}

static void on_exec_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    ExecPipe *pipe = CONTAINER_OF(stream, ExecPipe, pipe);
    ExecStream *s = stream->data;

    if (n == 0)
        return;
    if (n > 0) {
        drain_begin(s);
        exec_output(s, pipe, buf->base, (size_t)n);
        return;
    }
    pipe->eof = true;
    uv_read_stop(stream);
    if (!s->attach) {
        exec_maybe_over(s);
        return;
    }
    attach_drain(s, pipe);
    exec_over(s, 0, NULL);
}

static void pipe_read(ExecPipe *pipe, bool on)
{
    if (!pipe->open || pipe->eof || pipe->reading == on)
        return;
    pipe->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&pipe->pipe, on_exec_alloc, on_exec_read);
    else
        uv_read_stop((uv_stream_t *)&pipe->pipe);
}

/* Takes fd, also if it fails. */
static int pipe_open(ExecStream *s, ExecPipe *pipe, int fd, int channel)
{
    int r;

    ASSERT(fd >= 0 && !pipe->open);
    pipe->pipe.data = s;
    pipe->channel = channel;
    uv_pipe_init(s->loop, &pipe->pipe, 0);
    s->handles++;
    pipe->open = true;
    r = uv_pipe_open(&pipe->pipe, fd);
    if (r < 0) {
        close(fd);
        pipe->eof = true;
    }
    return r;
}

/* ---- input ---- */

static void on_shutdown(uv_shutdown_t *request, int status _unused_)
{
    free(request);
}

/* The input has ended and has been written completely. */
static void input_over(ExecStream *s)
{
    if (s->attach && s->stdin_once && !s->tty && s->out.open) {
        uv_shutdown_t *request = mem_new_type(uv_shutdown_t);

        if (uv_shutdown(request, (uv_stream_t *)&s->out.pipe, on_shutdown) < 0)
            free(request);
    } else if (s->attach && !s->leave_at_ns) {
        s->leave_at_ns = (int64_t)uv_hrtime() + LEAVE_NS;
        drain_begin(s);
    } else if (!s->attach && !s->tty) {
        close_one(&s->in.pipe, &s->in.open);
    }
}

static void on_written(uv_write_t *request, int status _unused_)
{
    ExecWrite *write_request = CONTAINER_OF(request, ExecWrite, request);
    ExecStream *s = write_request->stream;

    ASSERT(s->queued >= write_request->n);
    s->queued -= write_request->n;
    free(write_request);
    if (s->over || s->queued > 0)
        return;
    if (s->input_ended)
        input_over(s);
    if (s->sink.on_input_drain)
        s->sink.on_input_drain(s->sink.data);
}

static void exec_write(ExecStream *s, ExecPipe *pipe, const uint8_t *p, size_t n)
{
    ExecWrite *w = mem_new(sizeof(ExecWrite) + n);
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)n);

    w->stream = s;
    w->n = sizeof(ExecWrite) + n;
    memcpy(w->bytes, p, n);
    s->queued += w->n;
    if (uv_write(&w->request, (uv_stream_t *)&pipe->pipe, &buf, 1, on_written) < 0) {
        s->queued -= w->n;
        free(w);
    }
}

size_t exec_stream_input(ExecStream *s, Bytes bytes)
{
    ExecPipe *pipe = s->tty || s->attach ? &s->out : &s->in;

    if (s->over || s->input_ended)
        return 0;
    if (s->tty && !s->attach && !pipe->open) {
        strbuf_add(&s->waiting, bytes.p, bytes.n);
        return s->waiting.n;
    }
    if (!pipe->open)
        return 0;
    for (size_t at = 0; at < bytes.n;) {
        size_t n = s->attach ? MIN_OF(bytes.n - at, (size_t)ATTACH_PACKET) : bytes.n - at;

        exec_write(s, pipe, bytes.p + at, n);
        at += n;
    }
    return s->queued;
}

void exec_stream_input_end(ExecStream *s)
{
    static const uint8_t end_of_transmission = 4;

    if (s->over || s->input_ended || !s->want_in)
        return;
    if (s->tty && !s->attach) /* a terminal has no end of file; a user would press Ctrl-D */
        exec_stream_input(s, (Bytes){&end_of_transmission, 1});
    s->input_ended = true;
    if (s->queued == 0)
        input_over(s);
}

void exec_stream_pause(ExecStream *s, bool pause)
{
    if (s->over)
        return;
    s->paused = pause;
    pipe_read(&s->out, !pause);
    pipe_read(&s->err, !pause);
    if (!pause)
        drain_begin(s);
}

void exec_stream_resize(ExecStream *s, uint16_t columns, uint16_t rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};

    s->columns = columns;
    s->rows = rows;
    if (s->attach)
        (void)runtime_resize(s->bundle, columns, rows);
    else if (s->console_fd >= 0)
        (void)ioctl(s->console_fd, TIOCSWINSZ, &size);
}

void exec_stream_close(ExecStream *s)
{
    if (!s || s->over)
        return;
    exec_kill(s);
    exec_release(s);
}

void exec_stream_on_free(ExecStream *s, void (*on_free)(void *data, ExecStream *stream), void *data)
{
    ASSERT(!s->over && !s->on_free);
    s->on_free = on_free;
    s->on_free_data = data;
}

/* ---- the terminal ---- */

static int receive_fd(int socket)
{
    char name[256], control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {name, sizeof(name)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    int fd = -1;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
        return -1;
    header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static void on_console(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    ExecStream *s = poll->data;
    _close_fd_ int connection = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    int fd = connection >= 0 ? receive_fd(connection) : -1;
    struct termios mode;

    if (connection < 0)
        return;
    close_one(&s->console, &s->has_console);
    if (fd < 0)
        return;
    if (tcgetattr(fd, &mode) == 0) {
        mode.c_oflag |= ONLCR;
        (void)tcsetattr(fd, TCSANOW, &mode);
    }
    s->console_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (pipe_open(s, &s->out, fd, CHANNEL_OUT) < 0)
        return;
    if (s->columns)
        exec_stream_resize(s, s->columns, s->rows);
    pipe_read(&s->out, !s->paused);
    if (s->waiting.n)
        exec_write(s, &s->out, (const uint8_t *)s->waiting.p, s->waiting.n);
    strbuf_truncate(&s->waiting, 0);
}

/* The path may be longer than sun_path, so the folder is addressed through a descriptor. */
static int socket_at(const char *path, int type, bool listening)
{
    const char *slash = strrchr(path, '/');
    _free_ char *folder = mem_strndup(path, (size_t)(slash - path));
    _close_fd_ int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _close_fd_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (dir < 0 || fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s", dir, slash);
    if (listening)
        r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ? -errno
                                                                                            : 0;
    else
        r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    return r < 0 ? r : TAKE_FD(fd);
}

/* ---- starting ---- */

static void on_drained(uv_timer_t *timer)
{
    ExecStream *s = timer->data;

    if (s->paused)
        return;
    s->out.eof = s->err.eof = true;
    if (s->leave_at_ns)
        exec_over(s, 0, NULL);
    else
        exec_maybe_over(s);
}

static void on_time_limit(uv_timer_t *timer)
{
    ExecStream *s = timer->data;

    s->timed_out = true;
    exec_kill(s);
    loop_timer_start(&s->timer, on_drained, DRAIN_NS);
    if (!s->exited)
        s->exited = true; /* do not wait for the exit of the process: report the timeout now */
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    ExecStream *s = process->data;

    s->exited = true;
    s->exit_code = signal ? 128 + signal : (int)status;
    close_one(&s->process, &s->has_process);
    if (s->over)
        return;
    if (s->has_console) { /* no terminal was sent, so the process never started */
        close_one(&s->console, &s->has_console);
        s->out.eof = true;
    }
    loop_timer_start(&s->timer, on_drained, DRAIN_NS);
    exec_maybe_over(s);
}

static void on_late_failure(uv_timer_t *timer)
{
    ExecStream *s = timer->data;

    exec_over(s, EXEC_E_FAILED, s->failure);
}

static ExecStream *stream_new(const ExecRequest *request, const ExecSink *sink)
{
    ExecStream *s = mem_new_type(ExecStream);

    ASSERT(sink->on_output && sink->on_exit);
    s->starting = true;
    s->loop = request->loop;
    s->sink = *sink;
    s->tty = request->tty;
    s->want_in = request->standard_in;
    s->want_out = request->standard_out;
    s->want_err = request->standard_err;
    s->bundle = mem_strdup(request->bundle);
    s->console_fd = s->listen_fd = -1;
    s->timer.data = s->console.data = s->process.data = s;
    uv_timer_init(s->loop, &s->timer);
    s->has_timer = true;
    s->handles = 1;
    return s;
}

static ExecStream *started(ExecStream *s)
{
    s->starting = false;
    return s;
}

static ExecStream *fail_later(ExecStream *s, const char *message)
{
    s->failure = mem_strdup(message);
    uv_timer_start(&s->timer, on_late_failure, 0, 0);
    return started(s);
}

static int write_process(ExecStream *s, const ExecRequest *request, Err *reterr)
{
    static unsigned counter;
    _free_ char *config = mem_printf("%s/config.json", request->bundle), *text = NULL;
    _strbuf_ StrBuf json = STRBUF_INIT;
    size_t n;
    int r = file_read(config, CONFIG_LIMIT, &text, &n);

    if (r < 0)
        return err_set(reterr, -r, "cannot read %s", config);
    r = oci_exec_process(text, n, request->command, request->tty, &json, reterr);
    if (r < 0)
        return r;
    counter++;
    (void)file_mkdir_all(request->dir, 0700);
    s->process_file = mem_printf("%s/exec-%d-%u.json", request->dir, getpid(), counter);
    s->pid_file = mem_printf("%s/exec-%d-%u.pid", request->dir, getpid(), counter);
    if (request->tty)
        s->socket_file = mem_printf("%s/exec-%d-%u.tty", request->dir, getpid(), counter);
    unlink(s->pid_file);
    r = file_replace(s->process_file, json.p, json.n, 0600);
    return r < 0 ? err_set(reterr, -r, "cannot write %s", s->process_file) : 0;
}

static int make_pipe(ExecStream *s, ExecPipe *pipe, int channel, bool input, int *ret_child)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_child = fds[input ? 0 : 1];
    (void)fchmod(*ret_child, 0666); /* the process may open /dev/stdout as another user */
    return pipe_open(s, pipe, fds[input ? 1 : 0], channel);
}

static int spawn(ExecStream *s, const ExecRequest *request)
{
    const char *argv[16];
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .exit_cb = on_process_exit, .stdio_count = 3, .stdio = stdio, .flags = UV_PROCESS_DETACHED};
    int child[3] = {-1, -1, -1}, r = 0;

    if (request->tty) {
        s->listen_fd = socket_at(s->socket_file, SOCK_STREAM, true);
        if (s->listen_fd < 0)
            return s->listen_fd;
        r = uv_poll_init(s->loop, &s->console, s->listen_fd);
        if (r < 0)
            return r;
        s->handles++;
        s->has_console = true;
        uv_poll_start(&s->console, UV_READABLE, on_console);
    } else {
        if (request->standard_in)
            r = make_pipe(s, &s->in, 0, true, &child[0]);
        if (r >= 0)
            r = make_pipe(s, &s->out, CHANNEL_OUT, false, &child[1]);
    }
    if (r >= 0)
        r = make_pipe(s, &s->err, CHANNEL_ERR, false, &child[2]);
    for (int i = 0; i < 3; i++)
        if (child[i] >= 0)
            stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = child[i]};
    runtime_exec_argv(request->runtime, request->id, s->process_file, s->pid_file, s->socket_file,
                      argv);
    options.file = argv[0];
    options.args = (char **)(size_t)argv;
    if (r >= 0) {
        r = uv_spawn(s->loop, &s->process, &options);
        s->handles++;
        s->has_process = true;
    }
    for (int i = 0; i < 3; i++)
        if (child[i] >= 0)
            close(child[i]);
    return r;
}

ExecStream *exec_start(const ExecRequest *request, const ExecSink *sink)
{
    ExecStream *s = stream_new(request, sink);
    Err err = ERR_INIT;
    int r;

    if (write_process(s, request, &err) < 0)
        return fail_later(s, err.message);
    r = spawn(s, request);
    if (r < 0) {
        _free_ char *text = mem_printf("cannot run the runtime: %s", strerror(-r));

        return fail_later(s, text);
    }
    if (request->timeout_ns)
        loop_timer_start(&s->timer, on_time_limit, request->timeout_ns);
    pipe_read(&s->out, true);
    pipe_read(&s->err, true);
    return started(s);
}

ExecStream *exec_attach(const ExecRequest *request, const ExecSink *sink)
{
    ExecStream *s = stream_new(request, sink);
    _free_ char *path = mem_printf("%s/attach", request->bundle);
    int fd = socket_at(path, SOCK_SEQPACKET, false);

    s->attach = true;
    s->stdin_once = request->stdin_once;
    if (fd < 0)
        return fail_later(s, "the container cannot be attached to");
    if (pipe_open(s, &s->out, fd, CHANNEL_OUT) < 0)
        return fail_later(s, "the container cannot be attached to");
    pipe_read(&s->out, true);
    return started(s);
}
