/* SPDX-License-Identifier: Apache-2.0 */
/* The node's part of `stead reset`: removes everything that belongs to this node, whether it
 * runs or not, without needing a server. Blocking. Processes are found by the files that hold
 * their ids, mounts in the kernel's table, cgroups by their names. */
#include <dirent.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "node/pod/agent.h"
#include "node/runtime/cgroup.h"
#include "node/runtime/runtime.h"
#include "node/runtime/strays.h"
#include "node/volume/disk.h"
#include "node/volume/mounts.h"

static int64_t pid_in(const char *path)
{
    _free_ char *text = NULL;
    int64_t pid;
    size_t n;

    if (file_read(path, 32, &text, &n) < 0 || str_to_int64(text, 2, INT32_MAX, &pid) != 0)
        return 0;
    return pid;
}

static void end_bundle(const char *bundle)
{
    _free_ char *id_file = mem_printf("%s/id", bundle), *id = NULL;
    size_t n;

    if (file_read(id_file, 128, &id, &n) < 0)
        return;
    strays_end_init(id, bundle);
    process_end(runtime_conmon_pid(id, bundle));
}

static void end_container(const char *path)
{
    file_each_entry(path, end_bundle);
}

static void end_pod(const char *path)
{
    _free_ char *containers = mem_printf("%s/c", path), *init = mem_printf("%s/pid.init", path);

    file_each_entry(containers, end_container);
    process_end(pid_in(init));
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

    /* conmon and the runtime come first: they could still create what is removed below */
    strays_end(crun, NULL, NULL);
    file_each_entry(pods, end_pod);
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
        cgroup_remove(cgroup);
    unlink(cgroup_file);
    return 0;
}
