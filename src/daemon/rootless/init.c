/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of the namespaces of an ordinary user's server: it prepares the mounts, says so, and then only reaps. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "daemon/rootless/internal.h"
#include "net/netlink.h"

/* Queries go to pasta instead of the resolver of the machine, which may be at a loopback address. Search domains and options stay. */
static int mount_resolv_conf(const char *run_dir, Err *reterr)
{
    _free_ char *own = mem_printf("%s/resolv.conf", run_dir), *text = NULL;
    _strbuf_ StrBuf out = STRBUF_INIT;
    char real[PATH_MAX];
    int r;

    if (!realpath("/etc/resolv.conf", real) || file_read(real, 65536, &text, NULL) < 0)
        return 0; /* then there is nothing to replace */
    strbuf_add_string(&out, "nameserver " ROOTLESS_RESOLVER "\n");
    for (char *at = text, *line; (line = strsep(&at, "\n"));)
        if (!str_starts_with(line, "nameserver"))
            strbuf_printf(&out, "%s\n", line);
    r = file_replace(own, out.p, out.n, 0644);
    if (r == 0 && mount(own, real, NULL, MS_BIND, NULL) < 0)
        r = -errno;
    return r < 0 ? err_set(reterr, -r, "cannot mount %s on %s", own, real) : 0;
}

static int set_loopback_up(Err *reterr)
{
    unsigned lo;
    int r = link_index("lo", &lo);

    if (r == 0)
        r = link_set_up(lo);
    return r ? err_set(reterr, r < 0 ? -r : ENODEV, "cannot set the loopback link up") : 0;
}

static int prepare(bool *has_cgroup, const char *run_dir, Err *reterr)
{
    int r;

    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_set(reterr, errno, "cannot become root in the user namespace");
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return err_set(reterr, errno, "cannot make the mounts private");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return err_set(reterr, errno,
                       "cannot mount /proc (is this a container whose /proc is masked?)");
    r = rootless_mount_cgroup(has_cgroup, reterr);
    if (r == 0)
        r = mount_resolv_conf(run_dir, reterr);
    return r < 0 ? r : set_loopback_up(reterr);
}

static void reap(int signals)
{
    struct signalfd_siginfo info;

    (void)!read(signals, &info, sizeof(info));
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

_Noreturn void rootless_init(int life, bool has_cgroup, const char *run_dir)
{
    struct pollfd polls[2] = {{.fd = life, .events = POLLIN}, {.events = POLLIN}};
    Err err = ERR_INIT;
    sigset_t set;
    char byte;

    prctl(PR_SET_NAME, "stead-init");
    /* Nothing of the holder stays open, in particular not the pipe on which it reports readiness. */
    if (dup2(life, 3) < 0 || close_range(4, ~0u, 0) < 0)
        _exit(1);
    life = polls[0].fd = 3;
    /* The holder writes a byte when the ids are mapped. */
    if (read(life, &byte, 1) != 1)
        _exit(1);
    if (prepare(&has_cgroup, run_dir, &err) < 0) {
        (void)file_write_fd(life, err.message, strlen(err.message));
        _exit(1);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    polls[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
    (void)file_write_fd(life, has_cgroup ? "c" : "+", 1);
    for (;;) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (polls[1].revents)
            reap(polls[1].fd);
        if (polls[0].revents && read(life, &byte, 1) <= 0)
            _exit(
                0); /* the holder is gone; with this process, so is everything in the namespaces */
    }
}
