/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps of user and group ids. A process may only map its own id; the setuid programs newuidmap and newgidmap (package uidmap) also map
 * the ranges that /etc/subuid and /etc/subgid grant to the user.
 */
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files/file.h"
#include "base/vec.h"
#include "daemon/rootless/internal.h"

#define SUBIDS_MAX (1024 * 1024)
/* Images have users up to this id, "nobody". */
#define IDS_WANTED 65535

typedef VEC(char *) Words;

static void add_range(Words *words, uint64_t inside, uint64_t outside, uint64_t count)
{
    VEC_PUSH(words, mem_printf("%" PRIu64, inside));
    VEC_PUSH(words, mem_printf("%" PRIu64, outside));
    VEC_PUSH(words, mem_printf("%" PRIu64, count));
}

/* Lines "user:first:count", where the user is a name or a number. Returns how many ids were added. */
static uint64_t add_granted(Words *words, const char *path, const char *name, uid_t uid)
{
    _free_ char *text = NULL, *number = mem_printf("%u", (unsigned)uid);
    uint64_t inside = 1;

    if (file_read(path, SUBIDS_MAX, &text, NULL) < 0)
        return 0;
    for (char *at = text, *line; (line = strsep(&at, "\n"));) {
        const char *owner = strsep(&line, ":"), *first = strsep(&line, ":"),
                   *count = strsep(&line, ":");
        int64_t from, n;

        if (!count || (!str_equal(owner, name) && !str_equal(owner, number)) ||
            str_to_int64(first, 1, UINT32_MAX, &from) || str_to_int64(count, 1, UINT32_MAX, &n))
            continue;
        add_range(words, inside, (uint64_t)from, (uint64_t)n);
        inside += (uint64_t)n;
    }
    return inside - 1;
}

static int run(const Words *words, Err *reterr)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(words->v[0], words->v);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (pid < 0)
        return err_set(reterr, errno, "cannot start a process");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(reterr, 0,
                       "%s is missing: install the package uidmap, which every server of an "
                       "ordinary user needs",
                       words->v[0]);
    return err_set(reterr, 0, "%s does not map the ids of this user", words->v[0]);
}

static int map(pid_t pid, const char *program, const char *path, uint64_t own, const char *name,
               Err *reterr)
{
    Words words = VEC_INIT;
    uint64_t granted;
    int r;

    VEC_PUSH(&words, mem_strdup(program));
    VEC_PUSH(&words, mem_printf("%d", (int)pid));
    add_range(&words, 0, own, 1);
    granted = add_granted(&words, path, name, getuid());
    VEC_PUSH(&words, NULL);
    if (granted >= IDS_WANTED)
        r = run(&words, reterr);
    else
        r = err_set(reterr, 0,
                    "%s grants %" PRIu64 " ids to %s, and images need %d. As root: usermod "
                    "--add-subuids 100000-165535 --add-subgids 100000-165535 %s",
                    path, granted, name, IDS_WANTED, name);
    for (size_t i = 0; i < words.n; i++)
        free(words.v[i]);
    VEC_DEINIT(&words);
    return r;
}

int rootless_map_ids(pid_t pid, Err *reterr)
{
    const struct passwd *user = getpwuid(getuid());
    int r;

    if (!user)
        return err_set(reterr, 0, "the user %u is not in /etc/passwd", (unsigned)getuid());
    r = map(pid, "newuidmap", "/etc/subuid", getuid(), user->pw_name, reterr);
    if (r == 0)
        r = map(pid, "newgidmap", "/etc/subgid", getgid(), user->pw_name, reterr);
    return r;
}
