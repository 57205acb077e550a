/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stead-pause PIN ID: init of a PID namespace that a pod's containers share. It makes the
 * namespace, holds it by a bind mount at PIN, writes its pid to PIN.init, and stays to reap
 * orphans. ID is only there for process lists. If the namespace exists already and its init is
 * alive, the program changes nothing. The init ends by itself unless the program has completed all
 * steps, so no init is left over if the program is killed half-way.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

/* Whether a namespace is pinned there and its init, without which it cannot be used, is alive. */
static int is_held(const char *pin, int init_file)
{
    struct stat pinned, alive;
    char path[64], text[32];
    ssize_t n = pread(init_file, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = 0;
    snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", text);
    return stat(path, &alive) == 0 && stat(pin, &pinned) == 0 && alive.st_dev == pinned.st_dev &&
           alive.st_ino == pinned.st_ino;
}

static void stay(int may_stay, int init_file)
{
    sigset_t all;
    int null = open("/dev/null", O_RDWR);
    char yes;

    close(init_file); /* this also releases the lock */
    if (read(may_stay, &yes, 1) != 1)
        _exit(1);
    close(may_stay);
    setsid();
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    if (null > 2)
        close(null);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        int signal;

        sigwait(&all, &signal);
        if (signal == SIGTERM || signal == SIGINT)
            _exit(0);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}

int main(int argc, char **argv)
{
    char path[64], file[4096], text[32];
    int fd, init_file, may_stay[2];
    pid_t pid;

    if (argc < 2)
        return 2;
    snprintf(file, sizeof(file), "%s.init", argv[1]);
    init_file = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    /* Only one process at a time may make the namespace. */
    if (init_file < 0 || flock(init_file, LOCK_EX) < 0)
        return fail(file);
    if (is_held(argv[1], init_file))
        return 0;
    /* Removes a namespace whose init has ended. */
    while (umount2(argv[1], MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
    if (pipe(may_stay) < 0)
        return fail("cannot make a pipe");
    if (unshare(CLONE_NEWPID) < 0)
        return fail("cannot make a PID namespace");
    pid = fork();
    if (pid < 0)
        return fail("cannot fork");
    if (pid == 0) {
        close(may_stay[1]);
        stay(may_stay[0], init_file);
    }
    close(may_stay[0]);
    fd = open(argv[1], O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(argv[1]);
    close(fd);
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
    if (mount(path, argv[1], NULL, MS_BIND, NULL) < 0) {
        kill(pid, SIGKILL);
        return fail("cannot hold the PID namespace");
    }
    snprintf(text, sizeof(text), "%d", pid);
    if (ftruncate(init_file, 0) < 0 || pwrite(init_file, text, strlen(text), 0) < 0) {
        kill(pid, SIGKILL);
        return fail(file);
    }
    if (write(may_stay[1], "", 1) < 0)
        return fail("cannot let the init stay");
    return 0;
}
