/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stead-pause PIN ID: init of a PID namespace that a pod's containers share. It makes the
 * namespace, holds it by a bind mount at PIN, writes its pid to PIN.init, and stays to reap
 * orphans. ID only shows in process lists. Made a second time, it leaves what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int is_held(const char *pin)
{
    struct stat here, there;

    return stat("/proc/self/ns/pid", &here) == 0 && stat(pin, &there) == 0 &&
           here.st_dev == there.st_dev;
}

static void stay(void)
{
    sigset_t all;
    int null = open("/dev/null", O_RDWR);

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
    int fd;
    pid_t pid;

    if (argc < 2)
        return 2;
    if (is_held(argv[1]))
        return 0;
    if (unshare(CLONE_NEWPID) < 0)
        return fail("cannot make a PID namespace");
    pid = fork();
    if (pid < 0)
        return fail("cannot fork");
    if (pid == 0)
        stay();
    fd = open(argv[1], O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(argv[1]);
    close(fd);
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
    if (mount(path, argv[1], NULL, MS_BIND, NULL) < 0) {
        kill(pid, SIGKILL);
        return fail("cannot hold the PID namespace");
    }
    snprintf(file, sizeof(file), "%s.init", argv[1]);
    snprintf(text, sizeof(text), "%d", pid);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        kill(pid, SIGKILL);
        return fail(file);
    }
    return 0;
}
