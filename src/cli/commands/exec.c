/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead exec`: runs a command over a WebSocket with the protocol v5.channel.k8s.io. The first byte of a message is its channel, and a
 * message on channel 255 closes a channel, such as that of the standard input. Writing output blocks until the reader takes it.
 * Input is read only while little of it waits to be sent.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "cli/commands/commands.h"
#include "cli/commands/pod_container.h"
#include "cli/resources.h"
#include "http/client/client.h"

enum { CHANNEL_IN, CHANNEL_OUT, CHANNEL_ERR, CHANNEL_STATUS, CHANNEL_RESIZE, CHANNEL_CLOSE = 255 };

#define INPUT_STEP (32 * 1024)
/* Unsent bytes above which standard input is left unread. */
#define INPUT_HIGH (512 * 1024)

typedef struct Exec {
    Cluster cluster;
    const Options *options;
    bool standard_in, tty;
    WebSocketClient *ws;
    uv_poll_t input_poll; /* for input that epoll supports */
    uv_idle_t input_idle; /* for other input, such as a file */
    uv_signal_t resized;
    bool has_poll, has_idle, has_signal, input_on, input_ended;
    int input_flags; /* the original flags of the descriptor */
    struct termios terminal;
    bool terminal_changed;
    bool has_status;
    bool ended_itself; /* the command ended, with exit_code */
    int exit_code;
} Exec;

/* ---- input ---- */

static void send_channel(Exec *exec, int channel, const void *p, size_t n)
{
    _strbuf_ StrBuf message = STRBUF_INIT;

    strbuf_add_char(&message, (char)channel);
    strbuf_add(&message, p, n);
    websocket_client_send(exec->ws, false, strbuf_bytes(&message));
}

static void on_input(uv_poll_t *poll, int status, int events);
static void on_idle(uv_idle_t *idle);

static void input_on(Exec *exec, bool on)
{
    if (exec->input_on == on)
        return;
    exec->input_on = on;
    if (exec->has_poll && on)
        uv_poll_start(&exec->input_poll, UV_READABLE, on_input);
    else if (exec->has_poll)
        uv_poll_stop(&exec->input_poll);
    else if (on)
        uv_idle_start(&exec->input_idle, on_idle);
    else
        uv_idle_stop(&exec->input_idle);
}

static void read_input(Exec *exec)
{
    char block[INPUT_STEP];
    ssize_t n = read(STDIN_FILENO, block, sizeof(block));
    uint8_t which = CHANNEL_IN;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        send_channel(exec, CHANNEL_IN, block, (size_t)n);
        input_on(exec, websocket_client_pending(exec->ws) < INPUT_HIGH);
        return;
    }
    exec->input_ended = true;
    input_on(exec, false);
    send_channel(exec, CHANNEL_CLOSE, &which, 1);
}

static void on_input(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    read_input(poll->data);
}

static void on_idle(uv_idle_t *idle)
{
    read_input(idle->data);
}

static void start_input(Exec *exec)
{
    exec->input_flags = fcntl(STDIN_FILENO, F_GETFL);
    if (uv_poll_init(&exec->cluster.loop, &exec->input_poll, STDIN_FILENO) == 0) {
        exec->has_poll = true;
        exec->input_poll.data = exec;
    } else {
        uv_idle_init(&exec->cluster.loop, &exec->input_idle);
        exec->has_idle = true;
        exec->input_idle.data = exec;
    }
    input_on(exec, true);
}

/* ---- the terminal ---- */

static void send_size(Exec *exec)
{
    struct winsize size;
    char text[64];

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
        return;
    snprintf(text, sizeof(text), "{\"Width\":%u,\"Height\":%u}", size.ws_col, size.ws_row);
    send_channel(exec, CHANNEL_RESIZE, text, strlen(text));
}

static void on_resized(uv_signal_t *handle, int number _unused_)
{
    send_size(handle->data);
}

static void start_terminal(Exec *exec)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &exec->terminal) < 0)
        return;
    raw = exec->terminal;
    cfmakeraw(&raw);
    exec->terminal_changed = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    uv_signal_init(&exec->cluster.loop, &exec->resized);
    exec->has_signal = true;
    exec->resized.data = exec;
    uv_signal_start(&exec->resized, on_resized, SIGWINCH);
    send_size(exec);
}

/* Restores the terminal and the standard input. */
static void stop(Exec *exec)
{
    if (exec->terminal_changed)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &exec->terminal);
    exec->terminal_changed = false;
    if (exec->has_poll)
        uv_close((uv_handle_t *)&exec->input_poll, NULL);
    if (exec->has_idle)
        uv_close((uv_handle_t *)&exec->input_idle, NULL);
    if (exec->has_signal)
        uv_close((uv_handle_t *)&exec->resized, NULL);
    /* The loop made the descriptor non-blocking, and other processes may share it. */
    if (exec->has_poll && exec->input_flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, exec->input_flags);
    exec->has_poll = exec->has_idle = exec->has_signal = false;
}

/* ---- output ---- */

static void write_all(int fd, Bytes bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};

            poll(&p, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return;
        } else if (n > 0) {
            bytes.p += n;
            bytes.n -= (size_t)n;
        }
    }
}

/* Handles the final Status: success, the exit code of the command, or an error. */
static void take_status(Exec *exec, Bytes text)
{
    yyjson_val *status = cluster_parse(&exec->cluster, arena_bytes(exec->cluster.arena, text));
    yyjson_val *cause;
    size_t i, n;

    exec->has_status = true;
    if (str_equal(json_text(status, "/status"), "Success"))
        return;
    exec->exit_code = 1;
    if (!str_equal(json_text(status, "/reason"), "NonZeroExitCode")) {
        fprintf(stderr, "error: %s\n", str_or(json_text(status, "/message"), "it failed"));
        return;
    }
    exec->ended_itself = true;
    yyjson_arr_foreach(yyjson_ptr_get(status, "/details/causes"), i, n, cause)
    {
        int64_t code;

        if (str_equal(json_text(cause, "/reason"), "ExitCode") &&
            str_to_int64(json_text(cause, "/message"), 1, 255, &code) == 0)
            exec->exit_code = (int)code;
    }
}

static void on_message(WebSocketClient *ws _unused_, void *data, bool is_text _unused_,
                       Bytes message)
{
    Exec *exec = data;
    Bytes rest = {message.p + 1, message.n ? message.n - 1 : 0};

    if (!message.n)
        return;
    if (message.p[0] == CHANNEL_OUT)
        write_all(STDOUT_FILENO, rest);
    else if (message.p[0] == CHANNEL_ERR)
        write_all(STDERR_FILENO, rest);
    else if (message.p[0] == CHANNEL_STATUS && rest.n)
        take_status(exec, rest);
}

static void on_open(WebSocketClient *ws, void *data)
{
    Exec *exec = data;

    exec->ws = ws;
    if (exec->tty)
        start_terminal(exec);
    if (exec->standard_in)
        start_input(exec);
}

static void on_drain(WebSocketClient *ws _unused_, void *data)
{
    Exec *exec = data;

    if ((exec->has_poll || exec->has_idle) && !exec->input_ended)
        input_on(exec, true);
}

static void on_done(void *data, const HttpClientResponse *response)
{
    Exec *exec = data;
    ClusterReply reply = {.status = response->status};

    stop(exec);
    if (exec->has_status)
        return;
    exec->exit_code = 1;
    if (response->error) {
        cluster_unreachable(&exec->cluster, response->error, response->error_text);
    } else if (response->status == 101) {
        fprintf(stderr, "error: the connection ended before the command did\n");
    } else {
        reply.body = arena_bytes(exec->cluster.arena, response->body);
        reply.json = cluster_parse(&exec->cluster, reply.body);
        cluster_refused(&reply);
    }
}

static const WebSocketClientHandler handler = {
    .on_open = on_open, .on_message = on_message, .on_drain = on_drain, .done = on_done};

/* ---- the command ---- */

static void exec_path(Exec *exec, yyjson_val *pod, const char *container, StrBuf *path)
{
    const Options *o = exec->options;

    resource_path(path, resources_find(&exec->cluster, "pods"),
                  json_text(pod, "/metadata/namespace"), json_text(pod, "/metadata/name"), "exec");
    for (size_t i = 1; i < o->n_words; i++)
        url_add_query(path, "command", o->words[i]);
    url_add_query(path, "container", container);
    if (exec->standard_in)
        url_add_query(path, "stdin", "true");
    url_add_query(path, "stdout", "true");
    url_add_query(path, exec->tty ? "tty" : "stderr", "true");
}

static int run(Exec *exec)
{
    const Options *o = exec->options;
    _strbuf_ StrBuf path = STRBUF_INIT;
    HttpHeader headers[CLUSTER_HEADERS];
    HttpClientRequest request;
    const char *container;
    yyjson_val *pod;
    Target target;
    size_t of;

    if (cluster_open(o, &exec->cluster) ||
        target_from_word(&exec->cluster, o->words[0], "pods", &target) ||
        target_pod(&exec->cluster, &target, &pod, &of))
        return 1;
    container = pod_container(pod, o->container, o->quiet);
    if (!container)
        return 1;
    exec_path(exec, pod, container, &path);
    request = cluster_request(&exec->cluster, &(ClusterCall){.path = path.p}, headers);
    exec->ws =
        websocket_client_open(&exec->cluster.loop, &request, "v5.channel.k8s.io", &handler, exec);
    uv_run(&exec->cluster.loop, UV_RUN_DEFAULT);
    if (exec->ended_itself && !o->quiet)
        fprintf(stderr, "command terminated with exit code %d\n", exec->exit_code);
    return exec->exit_code;
}

int command_exec(const char *program, Options *options)
{
    Exec exec = {.options = options, .standard_in = options->standard_in, .tty = options->tty};
    int r;

    (void)program;
    if (options->n_before_dashes == SIZE_MAX || options->n_before_dashes != 1 ||
        options->n_words < 2) {
        fprintf(stderr, "stead: give the command after two dashes: stead exec %s -- %s\n",
                options->words[0], options->n_words > 1 ? options->words[1] : "COMMAND");
        return 2;
    }
    if (exec.tty && (!exec.standard_in || !isatty(STDIN_FILENO))) {
        if (exec.standard_in)
            fprintf(stderr, "Unable to use a TTY - input is not a terminal or the right kind of "
                            "file\n");
        exec.tty = exec.tty && !exec.standard_in;
    }
    r = run(&exec);
    cluster_close(&exec.cluster);
    return r;
}
