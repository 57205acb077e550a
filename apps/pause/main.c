/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: the program of the image registry.k8s.io/pause, for pods that only have to be there. It uses no processor time, reaps what
 * is left to it where it is the first process, and ends with 0 on SIGINT and SIGTERM. "pause -v" prints the version.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    sigset_t set;
    int number;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-v") == 0)
            return puts("pause.c stead-" STEAD_VERSION) < 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        if (sigwait(&set, &number) != 0)
            return 1;
        if (number != SIGCHLD)
            return 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
