/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command of an ordinary user inside the namespaces of the user's server. See rootless.h. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files/file.h"
#include "cli/command.h"
#include "cli/control_call.h"
#include "cli/place.h"
#include "daemon/rootless/internal.h"

#define END_TIMEOUT_MS 10000

/* The same command with its place spelled out, since XDG_RUNTIME_DIR and the id of the user mean something else inside. */
static const char **argv_inside(Options *options)
{
    const char **argv = arena_new_n(&options->arena, const char *, (size_t)options->argc + 9);
    size_t n = 0;

    argv[n++] = "stead";
    argv[n++] = options->command;
    argv[n++] = "--data";
    argv[n++] = options->data;
    argv[n++] = "--run";
    argv[n++] = options->run;
    argv[n++] = "--instance";
    argv[n++] = options->instance;
    for (int i = 0; i < options->argc; i++)
        argv[n++] = options->argv[i];
    return argv;
}

/* The program is opened before: afterwards, /proc/self is that of another process namespace. */
static _Noreturn void execute(Options *options, int program)
{
    static const char *const foreign[] = {"SUDO_UID", "DOAS_USER", "PKEXEC_UID"};
    const char **argv = argv_inside(options);
    _free_ char *facts = rootless_facts(options->run);

    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        unsetenv(foreign[i]);
    setenv(PLACE_INSIDE, "1", 1);
    setenv("XDG_RUNTIME_DIR", options->run, 1); /* crun keeps files there */
    if (facts && strstr(facts, "Cgroups:  none"))
        setenv(ROOTLESS_CGROUPS, "none", 1);
    fexecve(program, (char **)(uintptr_t)argv, environ);
    fprintf(stderr, "stead: cannot execute the program again: %s\n", strerror(errno));
    _exit(127);
}

static int relay(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t relayed; /* who gets the signals of this process */

static void pass_on(int number)
{
    kill(relayed, number);
}

/* The user namespace comes first, since it gives the right to join the others. There is a cgroup namespace only if there are cgroups;
 * that of the machine cannot be joined. */
static int join(int init)
{
    static const int kinds[] = {CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWPID,
                                CLONE_NEWNS};

    if (setns(init, CLONE_NEWUSER) < 0)
        return -1;
    (void)setns(init, CLONE_NEWCGROUP);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (setns(init, kinds[i]) < 0)
            return -1;
    return 0;
}

/* Has joined the namespaces except that of the processes, in which only its child is. */
static _Noreturn void enter(Options *options, int init)
{
    char folder[PATH_MAX];
    int program = open("/proc/self/exe", O_RDONLY);
    bool known = getcwd(folder, sizeof(folder));
    pid_t pid;

    rootless_join_cgroup(init);
    if (program < 0 || join(init) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
        fprintf(stderr, "stead: cannot enter the namespaces of the server: %s\n", strerror(errno));
        _exit(1);
    }
    if (!known || chdir(folder) < 0)
        (void)!chdir("/");
    fcntl(program, F_SETFD, FD_CLOEXEC);
    pid = fork();
    if (pid == 0)
        execute(options, program);
    relayed = pid;
    signal(SIGTERM, pass_on);
    _exit(pid < 0 ? 1 : relay(pid));
}

static int run_inside(Options *options, int socket)
{
    _close_fd_ int init = rootless_ask(socket, ROOTLESS_ASK_INIT);
    pid_t pid;

    if (init < 0) {
        fprintf(stderr, "stead: the holder of the namespaces does not answer: %s\n",
                strerror(-init));
        return 1;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        enter(options, init);
    if (pid < 0) {
        fprintf(stderr, "stead: cannot start a process: %s\n", strerror(errno));
        return 1;
    }
    relayed = pid;
    signal(SIGTERM, pass_on);
    signal(SIGINT, SIG_IGN); /* the command inside gets it from the terminal, too */
    return relay(pid);
}

/* Ends the holder, and with it everything in the namespaces, and waits until its process is gone. */
static void end_holder(int socket)
{
    struct ucred holder = {0};
    socklen_t n = sizeof(holder);
    struct pollfd end = {.fd = -1, .events = POLLIN};

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &holder, &n) == 0 && holder.pid > 0)
        end.fd = (int)syscall(SYS_pidfd_open, holder.pid, 0);
    (void)rootless_ask(socket, ROOTLESS_ASK_END);
    if (end.fd >= 0)
        (void)poll(&end, 1, END_TIMEOUT_MS);
    close_fdp(&end.fd);
}

/* After `down` and `reset` nothing runs in the namespaces, and after a start that failed, nothing has begun to. */
static bool ends_all(const Options *options, bool started, int code)
{
    bool ending = str_equal(options->command, "down") || str_equal(options->command, "reset");

    if (control_is_alive(options->run))
        return false;
    return (ending && code == 0) ||
           (started && (code != 0 || str_equal(options->command, "image")));
}

int rootless_run(const char *program _unused_, Options *options)
{
    bool started = false;
    _close_fd_ int socket = rootless_connect(options->run);
    Err err = ERR_INIT;
    int code;

    if (socket < 0 && str_equal(options->command, "down")) {
        printf("stead is not running.\n");
        return 0;
    }
    rootless_enter_scope(options);
    if (socket < 0) {
        if (rootless_start_holder(options, &err) < 0)
            return fail(&err);
        started = true;
        socket = rootless_connect(options->run);
    }
    code = run_inside(options, socket);
    if (ends_all(options, started, code)) {
        end_holder(socket);
        if (str_equal(options->command, "reset"))
            (void)file_remove_tree(options->run);
    }
    return code;
}
