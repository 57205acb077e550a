/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands up, down, restart, status and reset. `up` starts `stead server` in the background and waits until it is ready: then the
 * server writes a byte to a pipe. If the server ends instead, the pipe is closed, and `up` prints the end of the server's log.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "cli/control_call.h"
#include "cli/kubeconfig.h"
#include "daemon/commands.h"
#include "daemon/ranges.h"
#include "daemon/user_access.h"
#include "net/net.h"
#include "node/node.h"

#define READY_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 30000
#define DOWN_TIMEOUT_NS (INT64_C(900) * 1000000000)
#define CALL_TIMEOUT_NS (INT64_C(10) * 1000000000)

/* ---- up ---- */

static char *log_path(const Options *options)
{
    return mem_printf("%s/stead.log", options->data);
}

static void print_log_tail(const char *path)
{
    _free_ char *text = NULL;
    size_t n;
    const char *at;
    int lines = 0;

    if (file_read(path, 64 * 1024 * 1024, &text, &n) < 0)
        return;
    for (at = text + n; at > text && lines <= 10; at--)
        lines += at[-1] == '\n';
    fprintf(stderr, "The end of %s:\n%s", path, lines > 10 ? at + 1 : text);
}

static void become_server(const char **argv, const char *log)
{
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (setsid() < 0 || out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0 || chdir("/") < 0)
        _exit(127);
    execv("/proc/self/exe", (char **)(uintptr_t)argv);
    _exit(127);
}

/* Returns 0 when the server is ready, or a negative error with a message. */
static int wait_ready(int fd, Err *reterr)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;
    int r;

    do
        r = poll(&p, 1, READY_TIMEOUT_MS);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return err_set(reterr, 0, "the server is not ready after %d s", READY_TIMEOUT_MS / 1000);
    if (read(fd, &byte, 1) == 1)
        return 0;
    return err_set(reterr, 0, "the server ended before it was ready");
}

static int spawn_server(const char *program, Options *options, Err *reterr)
{
    _free_ char *log = log_path(options), *ready = NULL;
    _close_fd_ int read_end = -1, write_end = -1;
    int fds[2], r;
    pid_t pid;

    r = file_mkdir_all(options->data, 0700);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the data folder %s", options->data);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(reterr, errno, "cannot make a pipe");
    read_end = fds[0];
    write_end = fds[1];
    ready = mem_printf("--ready-fd=%d", write_end);
    pid = fork();
    if (pid < 0)
        return err_set(reterr, errno, "cannot start a process");
    if (pid == 0) {
        fcntl(write_end, F_SETFD, 0);
        become_server(options_argv(options, program, "server", ready), log);
    }
    close_fdp(&write_end);
    r = wait_ready(read_end, reterr);
    if (r < 0) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
        print_log_tail(log);
    }
    return r;
}

/* Copies the entry of the server's own kubeconfig to that of root, if root has one. */
static int add_context(Options *options, Err *reterr)
{
    _free_ char *path = mem_printf("%s/admin.kubeconfig", options->data);
    KubeconfigEntry entry = {.name = options->context_name};
    Kubeconfig own;
    int r;

    if (user_access_owns_kubeconfig(options))
        return 0;
    r = kubeconfig_read(path, NULL, &options->arena, &own, reterr);
    if (r)
        return r < 0 ? r : -ENOENT;
    entry.server = own.server;
    entry.ca_pem = own.ca_pem;
    entry.certificate_pem = own.certificate_pem;
    entry.key_pem = own.key_pem;
    return kubeconfig_put(options->kubeconfig, &entry, reterr);
}

/* Gets the options of the running server, as options_print_local writes them. */
static int ask_options(const Options *options, StrBuf *ret, Err *reterr)
{
    int status =
        control_call(options->run, "GET", "/options", BYTES_NULL, CALL_TIMEOUT_NS, ret, reterr);

    if (status < 0)
        return status;
    return status == 200 ? 0 : err_set(reterr, 0, "the server did not report its options");
}

/* Removes the folders that a failed first start has created. Its log was printed before. */
static void forget_first_start(const Options *options, bool had_data, bool had_run)
{
    if (!had_data)
        (void)file_remove_tree(options->data);
    if (!had_run)
        (void)file_remove_tree(options->run);
}

static int bring_up(const char *program, Options *options)
{
    bool had_data = file_exists(options->data), had_run = file_exists(options->run);
    Err err = ERR_INIT;

    if (ranges_check(options, &err) < 0)
        return fail(&err);
    if (spawn_server(program, options, &err) < 0) {
        forget_first_start(options, had_data, had_run);
        return fail(&err);
    }
    return add_context(options, &err) < 0 ? fail(&err) : 0;
}

/* `up` does not change a running server, so its options have to be those of the command line. */
static int keep_up(Options *options)
{
    _strbuf_ StrBuf running = STRBUF_INIT, differences = STRBUF_INIT;
    Err err = ERR_INIT;

    if (ask_options(options, &running, &err) < 0)
        return fail(&err);
    options_print_differences(options, strbuf_string(&running), &differences);
    if (differences.n) {
        fprintf(stderr,
                "stead: the server already runs with %s. To change that, run 'stead restart' with "
                "these options. To run a second server, give it its own --run and --data.\n",
                strbuf_string(&differences));
        return 1;
    }
    if (options_adopt(options, strbuf_string(&running)))
        return 1;
    return add_context(options, &err) < 0 ? fail(&err) : 0;
}

/* Says what the user may do now. Users in the group of administrators can create privileged pods. */
static void say_access(const Options *options, const CallingUser *user, const char *group)
{
    printf("The context \"%s\" in %s is for %s, in the group %s.\n", options->context_name,
           user->kubeconfig, user->name, group);
    if (str_equal(group, USER_GROUP_ADMIN))
        printf("%s may do everything in this cluster now, and can become root on this machine "
               "through it.\n(--user-group GROUP grants less, --no-user nothing.)\n",
               user->name);
    else
        printf("%s may do what the roles of this group allow. For example: kubectl create "
               "clusterrolebinding %s --clusterrole=view --group=%s\n",
               user->name, group, group);
}

/* Root has what it asked for even if a user's file cannot be changed, so a failure is only a warning. */
static void give_access(Options *options, bool again)
{
    CallingUser user;
    const char *group;
    Err err = ERR_INIT;

    if (options->no_user || !calling_user_find(&options->arena, &user) ||
        (again && !user_access_is_given(options, &user)))
        return;
    if (user_access_give(options, &user, &group, &err) < 0)
        fprintf(stderr, "stead: the context was not added to %s: %s\n", user.kubeconfig,
                err.message);
    else if (!again)
        say_access(options, &user, group);
}

static void say_up(Options *options, const char *what)
{
    if (user_access_owns_kubeconfig(options))
        printf("%s.\n", what);
    else
        printf("%s. The context \"%s\" in %s is current.\n", what, options->context_name,
               options->kubeconfig);
    give_access(options, false);
}

int command_up(const char *program, Options *options)
{
    bool running;

    if (need_root(options,
                  "it starts a server that manages links, mounts and cgroups of this machine"))
        return 1;
    running = control_is_alive(options->run);
    if (running ? keep_up(options) : bring_up(program, options))
        return 1;
    say_up(options, running ? "stead is already up" : "stead is up");
    return 0;
}

/* ---- down, restart ---- */

/* Asks the server to stop and waits until its process is gone. */
static int stop_server(const Options *options, const char *path, int64_t timeout_ns, Err *reterr)
{
    _strbuf_ StrBuf answer = STRBUF_INIT;
    struct pollfd p = {.events = POLLIN};
    _close_fd_ int pidfd = -1;
    int64_t pid;
    int status = control_call(options->run, "POST", path, BYTES_NULL, timeout_ns, &answer, reterr);

    if (status < 0)
        return status;
    strbuf_truncate(&answer, strcspn(strbuf_string(&answer), "\n"));
    if (status != 200 || str_to_int64(strbuf_string(&answer), 1, INT_MAX, &pid))
        return err_set(reterr, 0, "the server refused to stop: %s", strbuf_string(&answer));
    pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (pidfd < 0)
        return 0; /* gone already */
    p.fd = pidfd;
    if (poll(&p, 1, STOP_TIMEOUT_MS) == 0)
        return err_set(reterr, 0, "the server (pid %d) has not ended after %d s", (int)pid,
                       STOP_TIMEOUT_MS / 1000);
    return 0;
}

int command_down(const char *program, Options *options)
{
    _strbuf_ StrBuf running = STRBUF_INIT;
    Err err = ERR_INIT;

    (void)program;
    if (need_root(options,
                  "it stops the server and the pods of this machine, which belong to root"))
        return 1;
    if (!control_is_alive(options->run)) {
        printf("stead is not running.\n");
        return 0;
    }
    if (ask_options(options, &running, &err) < 0 ||
        stop_server(options, "/down", DOWN_TIMEOUT_NS, &err) < 0)
        return fail(&err);
    printf("stead is down. Its data are kept in %s.\n",
           options_local_value(&options->arena, strbuf_string(&running), "--data"));
    return 0;
}

/* Options that the command line does not have are taken from the running server. */
int command_restart(const char *program, Options *options)
{
    _strbuf_ StrBuf running = STRBUF_INIT;
    Err err = ERR_INIT;

    if (need_root(options, "the server belongs to root"))
        return 1;
    if (!control_is_alive(options->run)) {
        if (bring_up(program, options))
            return 1;
        say_up(options, "stead was not running; it is up now");
        return 0;
    }
    if (ask_options(options, &running, &err) < 0)
        return fail(&err);
    if (options_adopt(options, strbuf_string(&running)))
        return 1;
    if (stop_server(options, "/stop", CALL_TIMEOUT_NS, &err) < 0)
        return fail(&err);
    if (bring_up(program, options))
        return 1;
    give_access(options, true);
    printf("The server was restarted; the pods kept running.\n");
    return 0;
}

/* ---- status ---- */

int command_status(const char *program, Options *options)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    (void)program;
    if (control_reaches(options) && !control_is_alive(options->run)) {
        printf("stead is not running. Start it with: stead up\n");
        return 1;
    }
    if (control_read(options, "/status", &text))
        return 1;
    fputs(strbuf_string(&text), stdout);
    return 0;
}

/* ---- reset ---- */

/* Removes the content of a folder, and the folder unless it is a mount point, such as that of a disk for the data. */
static int remove_content(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int r = folder ? 0 : -errno;

    while (r >= 0 && (entry = readdir(folder))) {
        _free_ char *child = mem_printf("%s/%s", path, entry->d_name);

        if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, ".."))
            r = file_remove_tree(child);
    }
    if (folder)
        closedir(folder);
    return r >= 0 && rmdir(path) < 0 && errno != EBUSY ? -errno : r;
}

static int remove_folder(const char *path, Err *reterr)
{
    int r = file_remove_tree(path);

    if (r == -EXDEV)
        r = remove_content(path);
    return r < 0 ? err_set(reterr, -r, "cannot remove %s", path) : 0;
}

/* Stops the server, after a check that its data are in the folder that is about to be removed. */
static int stop_for_reset(Options *options, Err *reterr)
{
    _strbuf_ StrBuf running = STRBUF_INIT;
    const char *data;
    int r = ask_options(options, &running, reterr);

    if (r < 0)
        return r;
    data = options_local_value(&options->arena, strbuf_string(&running), "--data");
    if (!str_equal(data, options->data))
        return err_set(reterr, 0,
                       "the server that runs in %s has its data in %s, not in %s, so nothing was "
                       "removed. To remove that server: stead reset --yes --run %s --data %s",
                       options->run, data, options->data, options->run, data);
    if (options_adopt(options, strbuf_string(&running)))
        return err_set(reterr, 0, "the server's options cannot be read, so nothing was removed");
    return stop_server(options, "/stop", CALL_TIMEOUT_NS, reterr);
}

int command_reset(const char *program, Options *options)
{
    Err err = ERR_INIT;
    int r;

    (void)program;
    if (!options->yes) {
        fprintf(stderr,
                "stead: reset removes all pods, volumes and data in %s for good. To confirm: "
                "stead reset --yes\n",
                options->data);
        return 2;
    }
    if (need_root(options, "it removes pods, volumes and data that belong to root"))
        return 1;
    if (control_is_alive(options->run) && stop_for_reset(options, &err) < 0)
        return fail(&err);
    r = node_remove_all(options->data, options->run, &err);
    if (r == 0)
        r = net_remove_all(options->instance, options->run, &err);
    if (r < 0)
        return fail(&err);
    user_access_take_all(options);
    if (remove_folder(options->run, &err) < 0 || remove_folder(options->data, &err) < 0)
        return fail(&err);
    if (!user_access_owns_kubeconfig(options) &&
        kubeconfig_remove(options->kubeconfig, options->context_name, &err) < 0)
        return fail(&err);
    printf("All of stead's state is removed.\n");
    return 0;
}
