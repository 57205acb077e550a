/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stead reset: everything of this node goes, running or not, also without the server. Blocking.
 * Processes are found by the files that name them, mounts by the kernel's table, cgroups by their
 * name.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "node/agent.h"
#include "node/volume_disk.h"

#define END_TIMEOUT_MS 5000

static void each_folder(const char *path, void (*each)(const char *path))
{
    DIR *dir = opendir(path);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *full = NULL;

        if (entry->d_name[0] == '.')
            continue;
        full = mem_printf("%s/%s", path, entry->d_name);
        each(full);
    }
    if (dir)
        closedir(dir);
}

static int64_t pid_in(const char *path)
{
    _free_ char *text = NULL;
    int64_t pid;
    size_t n;

    if (file_read(path, 32, &text, &n) < 0 || str_to_int64(text, 2, INT32_MAX, &pid) != 0)
        return 0;
    return pid;
}

/* Kills and waits for the end. */
static void end_process(int64_t pid)
{
    int fd = pid ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    (void)poll(&end, 1, END_TIMEOUT_MS);
    close(fd);
}

static void end_bundle(const char *bundle)
{
    _free_ char *id_file = mem_printf("%s/id", bundle), *id = NULL,
                *pid_file = mem_printf("%s/pid", bundle);
    size_t n;
    int conmon;

    if (file_read(id_file, 128, &id, &n) < 0)
        return;
    conmon = runtime_conmon_pid(id, bundle);
    if (!conmon)
        return; /* it ended; the pid may be another's now */
    end_process(pid_in(pid_file));
    end_process(conmon);
}

static void end_container(const char *path)
{
    each_folder(path, end_bundle);
}

static void end_pod(const char *path)
{
    _free_ char *containers = mem_printf("%s/c", path), *init = mem_printf("%s/pid.init", path);

    each_folder(containers, end_container);
    end_process(pid_in(init));
}

/* Of a server that was killed while it started a container, crun may be left without a conmon that
 * knows it; it holds mounts. It is known by the root folder on its command line. */
static void end_strays(const char *run_dir)
{
    _free_ char *root = mem_printf("--root=%s/crun", run_dir);
    DIR *dir = opendir("/proc");

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("/proc/%s/cmdline", entry->d_name), *line = NULL;
        int64_t pid;
        size_t n;

        if (str_to_int64(entry->d_name, 2, INT32_MAX, &pid) != 0 ||
            file_read(path, 64 * 1024, &line, &n) < 0)
            continue;
        for (size_t at = 0; at < n; at += strlen(line + at) + 1)
            if (str_equal(line + at, root)) {
                end_process(pid);
                break;
            }
    }
    if (dir)
        closedir(dir);
}

/* Deepest first; what still holds processes (not ours) is left. */
static void remove_cgroup_tree(const char *path)
{
    each_folder(path, remove_cgroup_tree);
    rmdir(path);
}

static void remove_cgroups(const char *cgroup)
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

int node_remove_all(const char *data_dir, const char *run_dir, Err *reterr)
{
    _free_ char *pods = mem_printf("%s/pods", run_dir), *data = mem_printf("%s/pods", data_dir);
    _free_ char *crun = mem_printf("%s/crun", run_dir),
                *volumes = mem_printf("%s/volumes", data_dir);
    _free_ char *logs = mem_printf("%s/logs", data_dir),
                *cgroup_file = mem_printf("%s/cgroup", run_dir);
    _free_ char *cgroup = NULL;
    const char *folders[] = {pods, data, crun, volumes, logs};
    size_t n;
    int r;

    each_folder(pods, end_pod);
    end_strays(run_dir);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        r = mounts_below_remove(folders[i], reterr);
        if (r < 0)
            return r;
    }
    r = volume_disk_detach_all(data_dir, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        r = file_remove_tree(folders[i]);
        if (r < 0)
            return err_set(reterr, -r, "cannot remove %s", folders[i]);
    }
    if (file_read(cgroup_file, 128, &cgroup, &n) == 0 && str_starts_with(cgroup, "/stead-") &&
        !strchr(cgroup + 1, '/'))
        remove_cgroups(cgroup);
    unlink(cgroup_file);
    return 0;
}
