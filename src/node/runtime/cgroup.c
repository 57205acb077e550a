/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>

#include "base/files/file.h"
#include "node/runtime/cgroup.h"
#include "node/runtime/strays.h"

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
        if (fd >= 0 && write(fd, "0", 1) == 1) /* 0 means the writing process */
            /* one move is enough: all hierarchies share the grace period */
            return;
    }
}

/* ---- removal ---- */

static void end_members(const char *path)
{
    _free_ char *file = mem_printf("%s/cgroup.procs", path), *text = NULL;
    size_t n;

    if (file_read(file, 1 << 20, &text, &n) < 0)
        return;
    for (char *at = text, *line; (line = strsep(&at, "\n"));) {
        int64_t pid;

        if (str_to_int64(line, 2, INT32_MAX, &pid) == 0)
            process_end(pid);
    }
}

/* Deepest first. */
static void remove_cgroup_tree(const char *path)
{
    file_each_entry(path, remove_cgroup_tree);
    if (rmdir(path) < 0 && errno == EBUSY) {
        end_members(path);
        rmdir(path);
    }
}

void cgroup_remove(const char *cgroup)
{
    DIR *dir = opendir("/sys/fs/cgroup");
    _free_ char *unified = mem_printf("/sys/fs/cgroup%s", cgroup);

    remove_cgroup_tree(unified);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("/sys/fs/cgroup/%s%s", entry->d_name, cgroup);

        if (entry->d_name[0] != '.')
            remove_cgroup_tree(path);
    }
    if (dir)
        closedir(dir);
}
