/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from the namespaces to the network of the machine: pasta (package passt), which passes on packets as an ordinary process.
 * It forwards no ports, since the server does that itself for exactly the ports that are asked for. The gateway is not mapped to the
 * loopback addresses of the machine, so pods do not reach what listens only there; DNS queries are the exception.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/rootless/internal.h"

static bool in_path(const char *name)
{
    const char *path = str_or(getenv("PATH"), "/usr/bin:/bin");

    while (path) {
        size_t n = strcspn(path, ":");
        _free_ char *file = mem_printf("%.*s/%s", (int)n, path, name);

        if (access(file, X_OK) == 0)
            return true;
        path = path[n] ? path + n + 1 : NULL;
    }
    return false;
}

/* pasta goes into the background when the link is set up, and then its first process ends with success. */
static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static pid_t read_pid(const char *path)
{
    FILE *file = fopen(path, "re");
    int pid = 0;

    if (file && fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid;
}

pid_t rootless_start_outside(pid_t init, const char *run_dir, char **ret_why)
{
    _free_ char *netns = mem_printf("/proc/%d/ns/net", (int)init);
    _free_ char *userns = mem_printf("/proc/%d/ns/user", (int)init);
    _free_ char *pid_file = mem_printf("%s/pasta.pid", run_dir);
    /* clang-format off */
    const char *argv[] = {
        "pasta", "--quiet", "--config-net", "--ipv4-only", "--no-map-gw",
        "--dns-forward", ROOTLESS_RESOLVER,
        "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
        "--pid", pid_file, "--userns", userns, "--netns", netns, NULL,
    };
    /* clang-format on */
    pid_t first;

    *ret_why = NULL;
    if (!in_path("pasta")) {
        *ret_why = mem_strdup("pasta is not installed (package passt)");
        return 0;
    }
    if (access("/dev/net/tun", R_OK | W_OK) < 0) {
        *ret_why =
            mem_strdup("this user may not open /dev/net/tun (as root: chmod 666 /dev/net/tun)");
        return 0;
    }
    unlink(pid_file);
    first = fork();
    if (first == 0) {
        signal(SIGPIPE, SIG_DFL); /* older versions of pasta fail if it is ignored */
        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    if (first < 0 || wait_for(first) != 0) {
        *ret_why =
            mem_strdup("pasta did not start: the machine itself may have no network (the log "
                       "has the reason)");
        return 0;
    }
    return read_pid(pid_file);
}
