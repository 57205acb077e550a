/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/files/file.h"
#include "node/runtime/cgroup.h"

#define ROOT "/sys/fs/cgroup"

char *cgroup_procs_path(const char *line)
{
    const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
    size_t n;

    if (!path)
        return NULL;
    names++;
    n = (size_t)(path - names);
    if (str_starts_with(names, "name=")) { /* a hierarchy without controllers */
        names += 5;
        n -= 5;
    }
    path++;
    path = strcmp(path, "/") == 0 ? "" : path;
    return n ? mem_printf(ROOT "/%.*s%s/cgroup.procs", (int)n, names, path)
             : mem_printf(ROOT "%s/cgroup.procs", path);
}

void cgroup_warm(void)
{
    _free_ char *text = NULL;
    size_t n;

    if (file_read("/proc/self/cgroup", 64 * 1024, &text, &n) < 0)
        return;
    for (char *line = text, *next; line && *line; line = next) {
        _free_ char *path = NULL;
        _close_fd_ int fd = -1;

        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        path = cgroup_procs_path(line);
        fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
        if (fd >= 0 && write(fd, "0", 1) == 1) /* 0: whoever writes */
            return;                            /* all hierarchies wait for the same */
    }
}
