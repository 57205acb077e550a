/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: a process of the user outside of the namespaces, which creates the namespaces by way
 * of the init, and opens sockets of the machine for the server inside. It trusts whoever can open
 * RUN/host.sock (mode 0600 in a folder of mode 0700), which is the user alone.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files/file.h"
#include "daemon/rootless/internal.h"

#define BACKLOG 1024
#define CLIENTS_MAX 32
#define NAMESPACES \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

typedef struct Holder {
    const char *run;
    char *path; /* of the socket */
    int server, init_fd, life;
    pid_t init, outside;
    char *why_no_outside;
    bool has_cgroup;
    struct pollfd polls[3 + CLIENTS_MAX]; /* the socket, the init, the outside; then the clients */
    size_t n;
} Holder;

/* ---- the namespaces ---- */

/* Why the kernel does not let this user make a user namespace. */
static int explain_refusal(int number, Err *reterr)
{
    static const struct {
        const char *path, *bad;
        const char *name;
    } settings[] = {
        {"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
        {"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"},
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
         "kernel.apparmor_restrict_unprivileged_userns=0"},
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        _free_ char *text = NULL;

        if (file_read(settings[i].path, 64, &text, NULL) < 0)
            continue;
        text[strcspn(text, "\n")] = 0;
        if (str_equal(text, settings[i].bad))
            return err_set(reterr, number,
                           "the kernel does not let users make user namespaces. As root: sysctl %s",
                           settings[i].name);
    }
    return err_set(reterr, number, "cannot make a user namespace");
}

static int make_namespaces(Holder *holder, Err *reterr)
{
    unsigned long flags = NAMESPACES | SIGCHLD;
    char text[512];
    ssize_t n;
    int pair[2], r;
    long pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(reterr, errno, "cannot make a socket");
    holder->has_cgroup = rootless_has_cgroup();
    if (holder->has_cgroup)
        flags |= CLONE_NEWCGROUP;
    pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        close(pair[0]);
        rootless_init(pair[1], holder->has_cgroup, holder->run);
    }
    close(pair[1]);
    holder->life = pair[0];
    if (pid < 0)
        return explain_refusal(errno, reterr);
    holder->init = (pid_t)pid;
    holder->init_fd = (int)syscall(SYS_pidfd_open, holder->init, 0);
    if (holder->has_cgroup)
        rootless_leave_cgroup();
    r = rootless_map_ids(holder->init, reterr);
    if (r == 0)
        r = file_write_fd(holder->life, "+", 1);
    if (r < 0)
        return r;
    do
        n = read(holder->life, text, sizeof(text) - 1);
    while (n < 0 && errno == EINTR);
    if (n == 1) { /* "c": with cgroups */
        holder->has_cgroup = text[0] == 'c';
        return 0;
    }
    text[MAX_OF(n, 0)] = 0;
    return err_set(reterr, 0, "%s", n > 0 ? text : "the first process of the namespaces ended");
}

/* ---- sockets of the machine ---- */

static int open_listener(const char *address, uint16_t port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    _close_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 || inet_pton(AF_INET, address, &four.sin_addr) != 1)
        return fd < 0 ? -errno : -EINVAL;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&four, sizeof(four)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* ---- requests ---- */

/* Returns false if the holder is to end. */
static bool answer(Holder *holder, int client, char *text)
{
    char *words = text, *verb = strsep(&words, " "), *address = strsep(&words, " ");
    int64_t port;

    if (str_equal(verb, ROOTLESS_ASK_END))
        return false;
    if (str_equal(verb, ROOTLESS_ASK_INIT)) {
        (void)rootless_send_fd(client, 0, holder->init_fd);
    } else if (str_equal(verb, "listen") && address && words &&
               str_to_int64(words, 0, 65535, &port) == 0) {
        _close_fd_ int fd = open_listener(address, (uint16_t)port);

        (void)rootless_send_fd(client, fd < 0 ? -fd : 0, fd);
    } else {
        (void)rootless_send_fd(client, EINVAL, -1);
    }
    return true;
}

static void drop_client(Holder *holder, size_t i)
{
    close(holder->polls[i].fd);
    holder->polls[i] = holder->polls[--holder->n];
}

static bool serve_client(Holder *holder, size_t i)
{
    char text[256];
    ssize_t n = recv(holder->polls[i].fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0) {
        drop_client(holder, i);
        return true;
    }
    text[n] = 0;
    return answer(holder, holder->polls[i].fd, text);
}

static void accept_client(Holder *holder)
{
    int fd = accept4(holder->server, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (holder->n == ARRAY_LEN(holder->polls))
        drop_client(holder, 3);
    holder->polls[holder->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* ---- facts for `stead status` ---- */

static void write_facts(const Holder *holder)
{
    _free_ char *path = mem_printf("%s/facts", holder->run);
    _free_ char *text = mem_printf(
        "Rootless: the pods belong to the user %u\n"
        "Cgroups:  %s%s\n"
        "Outside:  %s%s\n",
        (unsigned)getuid(),
        holder->has_cgroup ? "yes, delegated by systemd"
                           : "none, so limits of CPU, memory and processes are not enforced: ",
        holder->has_cgroup ? "" : rootless_why_no_cgroup(),
        holder->outside ? "through pasta" : "pods do not reach other networks: ",
        str_or(holder->why_no_outside, ""));

    (void)file_replace(path, text, strlen(text), 0600);
}

char *rootless_facts(const char *run_dir)
{
    _free_ char *path = mem_printf("%s/facts", run_dir);
    char *text = NULL;

    return file_read(path, 4096, &text, NULL) < 0 ? NULL : text;
}

/* ---- life ---- */

static int open_server(Holder *holder, Err *reterr)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int n, r;

    holder->path = mem_printf("%s/host.sock", holder->run);
    n = snprintf(address.sun_path, sizeof(address.sun_path), "%s", holder->path);
    if (n >= (int)sizeof(address.sun_path))
        return err_set(reterr, ENAMETOOLONG, "cannot listen on %s", holder->path);
    holder->server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    unlink(holder->path);
    mask = umask(0177);
    r = holder->server < 0 ? -1
                           : bind(holder->server, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (r < 0 || listen(holder->server, CLIENTS_MAX) < 0)
        return err_set(reterr, errno, "cannot listen on %s", holder->path);
    return 0;
}

static void end_namespaces(Holder *holder)
{
    close_fdp(&holder->life);
    if (holder->init > 0) {
        kill(holder->init, SIGKILL);
        while (waitpid(holder->init, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (holder->outside > 0)
        kill(holder->outside, SIGTERM);
    if (holder->path)
        unlink(holder->path);
}

static int become_daemon(const char *log)
{
    _close_fd_ int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    _close_fd_ int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (setsid() < 0 || out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0 || chdir("/") < 0)
        return -errno;
    return 0;
}

static _Noreturn void serve(Holder *holder)
{
    holder->polls[0] = (struct pollfd){.fd = holder->server, .events = POLLIN};
    holder->polls[1] = (struct pollfd){.fd = holder->init_fd, .events = POLLIN};
    holder->polls[2] = (struct pollfd){.fd = -1};
    holder->n = 3;
    for (;;) {
        if (poll(holder->polls, holder->n, -1) < 0)
            continue;
        if (holder->polls[1].revents)
            break;
        for (size_t i = holder->n; i-- > 3;)
            if (holder->polls[i].revents && !serve_client(holder, i))
                goto end;
        if (holder->polls[0].revents)
            accept_client(holder);
    }
end:
    end_namespaces(holder);
    _exit(0);
}

static _Noreturn void run(Holder *holder, int ready, const char *log)
{
    Err err = ERR_INIT;
    int r = become_daemon(log);

    prctl(PR_SET_NAME, "stead-holder");
    signal(SIGPIPE, SIG_IGN);
    if (r < 0)
        err_set(&err, -r, "cannot write %s", log);
    if (r == 0)
        r = open_server(holder, &err);
    if (r == 0)
        r = make_namespaces(holder, &err);
    if (r < 0) {
        (void)file_write_fd(ready, err.message, strlen(err.message));
        end_namespaces(holder);
        _exit(1);
    }
    holder->outside = rootless_start_outside(holder->init, holder->run, &holder->why_no_outside);
    write_facts(holder);
    (void)file_write_fd(ready, "+", 1);
    close(ready);
    serve(holder);
}

int rootless_start_holder(const Options *options, Err *reterr)
{
    _free_ char *log = mem_printf("%s/stead.log", options->data), *text = NULL;
    Holder holder = {.run = options->run, .server = -1, .init_fd = -1, .life = -1};
    _close_fd_ int in = -1;
    int fds[2], r;
    size_t n = 0;
    pid_t pid;

    r = file_mkdir_all(options->data, 0700);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the data folder %s", options->data);
    r = file_mkdir_all(options->run, 0700);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the run folder %s", options->run);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(reterr, errno, "cannot make a pipe");
    in = fds[0];
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        run(&holder, fds[1], log);
    }
    close(fds[1]);
    if (pid < 0)
        return err_set(reterr, errno, "cannot start a process");
    r = file_read_fd(in, 4096, &text, &n);
    if (r == 0 && str_equal(text, "+"))
        return 0;
    waitpid(pid, NULL, 0);
    return err_set(reterr, 0, "%s", n ? text : "the holder of the namespaces ended");
}
