/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "node/runtime/program.h"

#define OUTPUT_MAX 300

/* A file without a name; /dev/null if there is no room for one. */
static int open_scratch(const char *text)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 && text && file_write_fd(fd, text, strlen(text)) < 0)
        close_fdp(&fd);
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static int spawn(const ProgramOptions *options, int input, int output, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, output >= 0 ? output : 0, 1);
    posix_spawn_file_actions_adddup2(&actions, output >= 0 ? output : 0, 2);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (options->lock >= 0)
        posix_spawn_file_actions_adddup2(&actions, options->lock, 3);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = FAULT_POINT("node.program.spawn")
            ? EIO
            : posix_spawnp(ret, options->argv[0], &actions, &attributes,
                           (char **)(uintptr_t)options->argv, (char **)(uintptr_t)options->env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

int program_run(const ProgramOptions *options, Err *reterr)
{
    const char *name = options->argv[0];
    _close_fd_ int output = open_scratch(NULL), input = -1;
    char said[OUTPUT_MAX + 1] = "";
    int r, status;
    pid_t pid;

    if (options->input && (input = open_scratch(options->input)) < 0)
        return err_set(reterr, errno, "cannot write the input of %s", name);
    r = spawn(options, input, output, &pid);
    if (r > 0)
        return err_set(reterr, r, "cannot start %s (package %s)", name, options->package);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(reterr, errno, "cannot wait for %s", name);
    if (FAULT_POINT("node.program.status"))
        return err_set(reterr, EIO, "%s failed", name);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (output >= 0) {
        ssize_t n = pread(output, said, OUTPUT_MAX, 0);

        said[n > 0 ? n : 0] = 0;
    }
    return err_set(reterr, EIO, "%s failed: %s", name, said);
}
