/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts, adopts and ends containers. runtime.h describes the files that hold the state.
 *
 * A start is a chain of events. conmon is spawned with a pipe (_OCI_SYNCPIPE), on which it reports
 * the pid of the created container, or -1 and the message of the runtime. Then the container is
 * started. conmon is watched as soon as its pid is known, but its end is reported only after the
 * result of the start, so that events arrive in order.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <uv.h>
#include <yyjson.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/loop_timer.h"
#include "node/runtime/cgroup.h"
#include "node/runtime/message.h"
#include "node/runtime/runtime.h"

#define SYNC_LIMIT 8192
#define START_TIMEOUT_NS (INT64_C(120) * 1000000000)

struct Runtime {
    struct uv_loop_s *loop;
    char *root, *shim;
    struct Warming *warming; /* in flight, or NULL */
};

typedef enum TaskState {
    TASK_CREATING, /* conmon runs `crun create` */
    TASK_STARTING, /* `crun start` is in flight */
    TASK_RUNNING,
    TASK_OVER, /* the last event has been delivered, and the task is being freed */
} TaskState;

struct RuntimeTask {
    Runtime *runtime;
    char *id, *bundle;
    RuntimeEvents events;
    void *data;
    TaskState state;
    /* conmon ended while STARTING; this is reported after the result of the start */
    bool conmon_gone;
    int pidfd; /* of the container's init, -1 before it is created */
    int conmon_fd;
    StrBuf sync;
    uv_pipe_t sync_pipe;
    uv_poll_t conmon_poll;
    uv_timer_t limit; /* of the creation */
    bool has_sync, has_poll, has_limit;
    int closing;    /* how many close callbacks are outstanding */
    Process *start; /* crun start */
};

/* ---- files ---- */

static bool read_number(const char *bundle, const char *name, int64_t *ret)
{
    _free_ char *path = mem_printf("%s/%s", bundle, name);
    _free_ char *text = NULL;
    size_t n;

    if (file_read(path, 64, &text, &n) < 0)
        return false;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = 0;
    return str_to_int64(text, INT64_MIN, INT64_MAX, ret) == 0;
}

static bool bundle_mtime(const char *bundle, const char *name, int64_t *ret)
{
    _free_ char *path = mem_printf("%s/%s", bundle, name);
    struct stat st;

    if (stat(path, &st) < 0)
        return false;
    *ret = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return true;
}

static int64_t wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

bool runtime_read_exit(const char *bundle, RuntimeExit *ret)
{
    int64_t code, created;

    *ret = (RuntimeExit){0};
    if (!read_number(bundle, "started", &ret->started_ns) && !bundle_mtime(bundle, "pid", &created))
        return false;
    ret->oom_killed = bundle_mtime(bundle, "oom", &created);
    if (read_number(bundle, "exit", &code)) {
        ret->exit_code = (int)code;
        if (!bundle_mtime(bundle, "exit", &ret->finished_ns))
            ret->finished_ns = wall_ns();
        return true;
    }
    ret->exit_code = 137;
    ret->lost = true;
    ret->finished_ns = wall_ns();
    return true;
}

/* The kernel may have reused the pid in the file, so it counts only if the command line of the
 * process has the container's id. */
int runtime_conmon_pid(const char *id, const char *bundle)
{
    _free_ char *path = NULL;
    char text[8192];
    int64_t pid;
    ssize_t n;
    int fd;

    if (!read_number(bundle, "conmon.pid", &pid) || pid <= 1)
        return 0;
    path = mem_printf("/proc/%" PRId64 "/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text));
    close(fd);
    return n > 0 && memmem(text, (size_t)n, id, strlen(id)) ? (int)pid : 0;
}

static int write_ctl(const char *bundle, const char *text)
{
    _free_ char *path = mem_printf("%s/ctl", bundle);
    _close_fd_ int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return ERR_ORIGIN(-errno);
    if (write(fd, text, strlen(text)) < 0)
        return ERR_ORIGIN(-errno);
    return 0;
}

int runtime_reopen_log(const char *bundle)
{
    return ERR_TRACE(write_ctl(bundle, "2 0 0\n"));
}

int runtime_resize(const char *bundle, uint16_t columns, uint16_t rows)
{
    char text[32];

    snprintf(text, sizeof(text), "1 %u %u\n", MIN_OF(rows, 1000), MIN_OF(columns, 1000));
    return ERR_TRACE(write_ctl(bundle, text));
}

/* ---- a task's end ---- */

static void task_release(RuntimeTask *task)
{
    if (task->state != TASK_OVER || task->closing > 0 || task->start)
        return;
    if (task->pidfd >= 0)
        close(task->pidfd);
    if (task->conmon_fd >= 0)
        close(task->conmon_fd);
    strbuf_deinit(&task->sync);
    free(task->id);
    free(task->bundle);
    free(task);
}

static void on_closed(uv_handle_t *handle)
{
    RuntimeTask *task = handle->data;

    task->closing--;
    task_release(task);
}

static void task_close_handle(RuntimeTask *task, uv_handle_t *handle, bool *has)
{
    if (!*has)
        return;
    *has = false;
    task->closing++;
    uv_close(handle, on_closed);
}

/* Ends the task, which is freed now or when its handles have been closed. */
static void task_end(RuntimeTask *task)
{
    task->state = TASK_OVER;
    task->closing++; /* keeps the task alive during this function */
    task_close_handle(task, (uv_handle_t *)&task->sync_pipe, &task->has_sync);
    task_close_handle(task, (uv_handle_t *)&task->conmon_poll, &task->has_poll);
    task_close_handle(task, (uv_handle_t *)&task->limit, &task->has_limit);
    task->closing--;
    task_release(task); /* if `crun start` is in flight, on_start_done releases the task */
}

RuntimeTask *runtime_forget(RuntimeTask *task)
{
    if (!task)
        return NULL;
    task_end(task);
    return NULL;
}

static void task_fail(RuntimeTask *task, bool created, const char *message)
{
    RuntimeEvents events = task->events;
    void *data = task->data;
    _free_ char *text = mem_strdup(message);

    task_end(task);
    if (events.on_failed)
        events.on_failed(data, created, text);
}

static void task_exited(RuntimeTask *task)
{
    RuntimeEvents events = task->events;
    void *data = task->data;
    RuntimeExit end;

    if (!runtime_read_exit(task->bundle, &end))
        end = (RuntimeExit){.exit_code = 137, .lost = true, .finished_ns = wall_ns()};
    if (end.lost && task->pidfd >= 0) /* without conmon, its end could not be detected */
        (void)syscall(SYS_pidfd_send_signal, task->pidfd, SIGKILL, NULL, 0);
    task_end(task);
    if (events.on_exit)
        events.on_exit(data, &end);
}

static void on_conmon_gone(uv_poll_t *handle, int status _unused_, int events _unused_)
{
    RuntimeTask *task = handle->data;

    uv_poll_stop(handle);
    if (task->state == TASK_RUNNING)
        task_exited(task);
    else
        task->conmon_gone = true;
}

static int pidfd_of(int64_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

    return fd < 0 ? -errno : fd;
}

/* Starts to watch conmon; false if it has ended already. */
static bool task_watch(RuntimeTask *task, int pid)
{
    task->conmon_fd = pidfd_of(pid);
    if (task->conmon_fd < 0) {
        task->conmon_fd = -1;
        return false;
    }
    task->conmon_poll.data = task;
    if (uv_poll_init(task->runtime->loop, &task->conmon_poll, task->conmon_fd) < 0)
        return false;
    task->has_poll = true;
    return uv_poll_start(&task->conmon_poll, UV_READABLE, on_conmon_gone) == 0;
}

/* ---- starting ---- */

static void task_started(RuntimeTask *task)
{
    int64_t now = wall_ns();
    _free_ char *path = mem_printf("%s/started", task->bundle);
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, now);
    (void)file_replace(path, text, strlen(text), 0600);
    task->state = TASK_RUNNING;
    task->closing++; /* keeps the task alive if the callback forgets it */
    if (task->events.on_started)
        task->events.on_started(task->data, now);
    task->closing--;
    if (task->state == TASK_OVER)
        task_release(task);
    else if (task->conmon_gone)
        task_exited(task);
}

static void on_start_done(void *data, const ProcessResult *result)
{
    RuntimeTask *task = data;

    task->start = NULL;
    if (task->state == TASK_OVER) {
        task_release(task);
        return;
    }
    if (result->error || result->signal || result->exit_status != 0) {
        _free_ char *message =
            result->error ? mem_printf("cannot run the runtime: %s", strerror(-result->error))
                          : runtime_message(result->err);

        if (task->pidfd >= 0)
            syscall(SYS_pidfd_send_signal, task->pidfd, SIGKILL, NULL, 0);
        task_fail(task, true, message);
        return;
    }
    task_started(task);
}

/* `crun start` only writes a byte to a fifo that the container's init reads, and removes the
 * fifo. If the runtime is crun, this function does the same, which saves the start of two
 * programs, about 10 ms. Returns false if this is not possible; then `crun start` does it, or
 * reports why it cannot be done. */
static bool task_let_go(const RuntimeTask *task)
{
    _free_ char *status = mem_printf("%s/%s/status", task->runtime->root, task->id);
    _free_ char *fifo = mem_printf("%s/%s/exec.fifo", task->runtime->root, task->id);
    _close_fd_ int fd = -1;

    if (!file_exists(status))
        return false;
    fd = FAULT_CALL("node.let_go.open", open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd < 0 || FAULT_CALL("node.let_go.write", write(fd, "", 1)) != 1)
        return false;
    /* If the fifo stays, a later server takes the container for one that was never started and
     * kills it, which is acceptable. */
    (void)FAULT_CALL("node.let_go.unlink", unlink(fifo));
    return true;
}

static void task_created(RuntimeTask *task, int64_t pid)
{
    const char *argv[] = {
        task->runtime->shim, "--root", task->runtime->root, "start", task->id, NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = START_TIMEOUT_NS};
    int conmon = runtime_conmon_pid(task->id, task->bundle);

    task->pidfd = pidfd_of(pid);
    if (task->pidfd < 0)
        task->pidfd = -1;
    if (!conmon || !task_watch(task, conmon))
        task->conmon_gone = true;
    task->state = TASK_STARTING;
    task->closing++; /* the callback may forget the task */
    if (task->events.on_created)
        task->events.on_created(task->data);
    task->closing--;
    if (task->state == TASK_OVER)
        task_release(task);
    else if (task_let_go(task))
        task_started(task);
    else
        process_run(task->runtime->loop, &options, on_start_done, task, &task->start);
}

static void task_parse_sync(RuntimeTask *task)
{
    yyjson_doc *doc = yyjson_read(strbuf_string(&task->sync), task->sync.n, 0);
    yyjson_val *root = doc ? yyjson_doc_get_root(doc) : NULL;
    yyjson_val *pid = root ? yyjson_obj_get(root, "data") : NULL;
    const char *text = root ? yyjson_get_str(yyjson_obj_get(root, "message")) : NULL;

    if (pid && yyjson_is_int(pid) && yyjson_get_sint(pid) > 0) {
        task_created(task, yyjson_get_sint(pid));
    } else {
        _free_ char *message = text ? runtime_message(bytes_from_string(text))
                                    : mem_strdup("conmon ended before the container was created");
        task_fail(task, false, message);
    }
    yyjson_doc_free(doc);
}

static void on_sync_alloc(uv_handle_t *handle, size_t size _unused_, uv_buf_t *buf)
{
    RuntimeTask *task = handle->data;

    strbuf_reserve(&task->sync, SYNC_LIMIT);
    *buf = uv_buf_init(task->sync.p + task->sync.n, SYNC_LIMIT - 1);
}

static void on_sync_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf _unused_)
{
    RuntimeTask *task = stream->data;

    if (n > 0) {
        task->sync.n += (size_t)n;
        task->sync.p[task->sync.n] = 0;
        if (!memchr(task->sync.p, '\n', task->sync.n) && task->sync.n < 4 * SYNC_LIMIT)
            return;
    }
    if (n == 0)
        return;
    uv_read_stop(stream);
    task_close_handle(task, (uv_handle_t *)&task->sync_pipe, &task->has_sync);
    task_close_handle(task, (uv_handle_t *)&task->limit, &task->has_limit);
    task_parse_sync(task);
}

/* If the runtime is killed half-way, conmon waits for ever, since a process of the runtime still
 * holds the pipe that conmon reads. */
static void on_limit(uv_timer_t *timer)
{
    task_fail(timer->data, false, "the container was not created in time");
}

static void on_first_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_first_exit(uv_process_t *process, int64_t status _unused_, int signal _unused_)
{
    uv_close((uv_handle_t *)process, on_first_closed);
}

/* Spawns conmon, with the write end of the pipe as descriptor 3. conmon forks and its first
 * process exits; that one has to be reaped here, whatever becomes of the task. */
static int task_spawn(RuntimeTask *task, const RuntimeStart *start, int fd)
{
    _free_ char *pid = mem_printf("%s/pid", start->bundle);
    _free_ char *conmon_pid = mem_printf("%s/conmon.pid", start->bundle);
    _free_ char *log = mem_printf("k8s-file:%s", start->log_path);
    _free_ char *root = mem_printf("--runtime-arg=--root=%s", task->runtime->root);
    _free_ char *path =
        mem_printf("PATH=%s", str_or(getenv("PATH"), "/usr/sbin:/usr/bin:/sbin:/bin"));
    _free_ char *crun = mem_printf("CRUN=%s", str_or(getenv("CRUN"), ""));
    _free_ char *cgroups = mem_printf("STEAD_CGROUPS=%s", str_or(getenv("STEAD_CGROUPS"), ""));
    const char *argv[40] = {
        "conmon",
        "--api-version",
        "1",
        "-c",
        start->id,
        "-u",
        start->id,
        "-n",
        start->name,
        "-r",
        task->runtime->shim,
        root,
        "-b",
        start->bundle,
        "-p",
        pid,
        "-P",
        conmon_pid,
        "-l",
        log,
        "--persist-dir",
        start->bundle,
        "--full-attach",
        "--no-new-keyring",
        "--no-sync-log",
        "--log-level",
        "error",
    };
    char *env[] = {(char *)(size_t) "_OCI_SYNCPIPE=3", path, crun, cgroups, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_first_exit,
        .file = "conmon",
        .args = (char **)(size_t)argv,
        .env = env,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 4,
        .stdio = stdio,
    };
    uv_process_t *first;
    size_t n = 0;
    int r;

    while (argv[n])
        n++;
    if (start->standard_in)
        argv[n++] = "-i";
    if (start->standard_in && !start->stdin_once)
        argv[n++] = "--leave-stdin-open";
    if (start->tty)
        argv[n++] = "-t";
    if (FAULT_POINT("node.conmon.spawn"))
        return UV_EAGAIN;
    first = mem_new_type(uv_process_t);
    r = uv_spawn(task->runtime->loop, first, &options);
    if (r < 0) /* libuv requires the handle to be closed even after a failure */
        on_first_exit(first, 0, 0);
    else if (FAULT_POINT("node.conmon.spawned"))
        uv_process_kill(first, SIGKILL);
    return r;
}

typedef struct LateFailure {
    uv_timer_t timer;
    RuntimeTask *task;
    char *message;
} LateFailure;

static void on_late_closed(uv_handle_t *handle)
{
    LateFailure *late = handle->data;

    free(late->message);
    free(late);
}

static void on_late(uv_timer_t *timer)
{
    LateFailure *late = timer->data;

    if (late->task->state != TASK_OVER)
        task_fail(late->task, false, late->message);
    late->task->closing--;
    task_release(late->task);
    uv_close((uv_handle_t *)timer, on_late_closed);
}

/* Failures of the start itself are reported from the loop like all others. */
static void task_fail_later(RuntimeTask *task, const char *message)
{
    LateFailure *late = mem_new_type(LateFailure);

    late->task = task;
    late->message = mem_strdup(message);
    late->timer.data = late;
    task->closing++;
    uv_timer_init(task->runtime->loop, &late->timer);
    uv_timer_start(&late->timer, on_late, 0, 0);
}

static RuntimeTask *task_new(Runtime *runtime, const char *id, const char *bundle,
                             const RuntimeEvents *events, void *data)
{
    RuntimeTask *task = mem_new_type(RuntimeTask);

    task->runtime = runtime;
    task->id = mem_strdup(id);
    task->bundle = mem_strdup(bundle);
    task->events = *events;
    task->data = data;
    task->pidfd = task->conmon_fd = -1;
    return task;
}

RuntimeTask *runtime_start(Runtime *runtime, const RuntimeStart *start, const RuntimeEvents *events,
                           void *data)
{
    RuntimeTask *task = task_new(runtime, start->id, start->bundle, events, data);
    int fds[2], r;

    (void)file_mkdir_for(start->log_path, 0755);
    if (FAULT_POINT("node.runtime.start") || pipe2(fds, O_CLOEXEC) < 0) {
        task_fail_later(task, "cannot make a pipe for conmon");
        return task;
    }
    task->sync_pipe.data = task;
    uv_pipe_init(runtime->loop, &task->sync_pipe, 0);
    task->has_sync = true;
    r = uv_pipe_open(&task->sync_pipe, fds[0]);
    if (r < 0)
        close(fds[0]);
    else
        r = task_spawn(task, start, fds[1]);
    close(fds[1]);
    if (r < 0) {
        _free_ char *message = mem_printf("cannot start conmon: %s", uv_strerror(r));

        task_fail_later(task, message);
        return task;
    }
    task->limit.data = task;
    uv_timer_init(runtime->loop, &task->limit);
    loop_timer_start(&task->limit, on_limit, START_TIMEOUT_NS);
    task->has_limit = true;
    uv_read_start((uv_stream_t *)&task->sync_pipe, on_sync_alloc, on_sync_read);
    return task;
}

RuntimeTask *runtime_adopt(Runtime *runtime, const char *id, const char *bundle,
                           const RuntimeEvents *events, void *data)
{
    int conmon = runtime_conmon_pid(id, bundle);
    RuntimeTask *task;
    int64_t pid;

    if (!conmon)
        return NULL;
    task = task_new(runtime, id, bundle, events, data);
    task->state = TASK_RUNNING;
    if (!task_watch(task, conmon)) {
        task_end(task);
        return NULL;
    }
    if (read_number(bundle, "pid", &pid))
        task->pidfd = pidfd_of(pid);
    if (task->pidfd < 0)
        task->pidfd = -1;
    return task;
}

int runtime_signal(RuntimeTask *task, int signal)
{
    if (!task || task->pidfd < 0)
        return 0;
    if (syscall(SYS_pidfd_send_signal, task->pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
        return ERR_ORIGIN(-errno);
    return 0;
}

/* ---- warming ---- */

typedef struct Warming {
    uv_work_t work;
    Runtime *runtime; /* NULL if the runtime has been freed */
    bool again;
} Warming;

static void warm_work(uv_work_t *work _unused_)
{
    cgroup_warm();
}

static void warm_done(uv_work_t *work, int status)
{
    Warming *warming = CONTAINER_OF(work, Warming, work);
    Runtime *runtime = warming->runtime;

    if (runtime && warming->again && status == 0) {
        warming->again = false;
        uv_queue_work(runtime->loop, &warming->work, warm_work, warm_done);
        return;
    }
    if (runtime)
        runtime->warming = NULL;
    free(warming);
}

void runtime_expect(Runtime *runtime)
{
    if (runtime->warming) {
        runtime->warming->again = true;
        return;
    }
    runtime->warming = mem_new_type(Warming);
    runtime->warming->runtime = runtime;
    uv_queue_work(runtime->loop, &runtime->warming->work, warm_work, warm_done);
}

/* ---- deleting ---- */

typedef struct Deletion {
    void (*done)(void *data, const Err *err);
    void *data;
    char *id;
} Deletion;

static void on_deleted(void *data, const ProcessResult *result)
{
    Deletion *deletion = data;
    Err err = ERR_INIT;
    bool failed = true;

    if (result->error) {
        err_set(&err, -result->error, "cannot run the runtime");
    } else if (result->timed_out) {
        err_set(&err, 0, "the runtime did not delete container %s in time", deletion->id);
    } else if (result->signal || result->exit_status != 0) {
        _free_ char *message = runtime_message(result->err);

        failed = runtime_fault(message) != RUNTIME_FAULT_NO_CONTAINER;
        err_set(&err, 0, "cannot delete container %s: %s", deletion->id, message);
    } else {
        failed = false;
    }
    if (deletion->done)
        deletion->done(deletion->data, failed ? &err : NULL);
    free(deletion->id);
    free(deletion);
}

void runtime_delete(Runtime *runtime, const char *id, void (*done)(void *data, const Err *err),
                    void *data)
{
    const char *argv[] = {runtime->shim, "--root", runtime->root, "delete", "--force", id, NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = INT64_C(60) * 1000000000};
    Deletion *deletion = mem_new_type(Deletion);

    deletion->done = done;
    deletion->data = data;
    deletion->id = mem_strdup(id);
    process_run(runtime->loop, &options, on_deleted, deletion, NULL);
}

void runtime_exec_argv(const Runtime *runtime, const char *id, const char *process_json,
                       const char *pid_file, const char *console_socket, const char **argv)
{
    size_t n = 0;

    argv[n++] = runtime->shim;
    argv[n++] = "--root";
    argv[n++] = runtime->root;
    argv[n++] = "exec";
    argv[n++] = "--process";
    argv[n++] = process_json;
    argv[n++] = "--pid-file";
    argv[n++] = pid_file;
    if (console_socket) {
        argv[n++] = "--console-socket";
        argv[n++] = console_socket;
    }
    argv[n++] = id;
    argv[n] = NULL;
}

Runtime *runtime_new(const RuntimeOptions *options)
{
    Runtime *runtime = mem_new_type(Runtime);

    runtime->loop = options->loop;
    runtime->root = mem_strdup(options->root);
    runtime->shim = mem_strdup(options->shim);
    return runtime;
}

Runtime *runtime_free(Runtime *runtime)
{
    if (!runtime)
        return NULL;
    if (runtime->warming)
        runtime->warming->runtime = NULL;
    free(runtime->root);
    free(runtime->shim);
    free(runtime);
    return NULL;
}
