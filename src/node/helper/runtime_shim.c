/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stead-runtime: crun, as conmon and the node call it.
 *
 * crun refuses "hybrid" cgroup hosts, where v1 controllers are mounted and an empty v2 hierarchy
 * lies at /sys/fs/cgroup/unified. So where that one is mounted, crun runs in a mount namespace of
 * its own without it; on pure v1 and pure v2 hosts this program only executes crun. The new
 * namespace gets mounts from outside (slave), so that crun sees the root folders that the node
 * mounts, but nothing it does goes back.
 *
 * CRUN in the environment names another runtime than the one in PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#define UNIFIED "/sys/fs/cgroup/unified"

static int hide_unified(void)
{
    struct statfs fs;

    if (statfs("/sys/fs/cgroup", &fs) < 0 || fs.f_type == CGROUP2_SUPER_MAGIC)
        return 0;
    if (statfs(UNIFIED, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return 0;
    if (unshare(CLONE_NEWNS) < 0)
        return -errno;
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return -errno;
    if (umount2(UNIFIED, MNT_DETACH) < 0)
        return -errno;
    return 0;
}

int main(int argc, char **argv)
{
    const char *runtime = getenv("CRUN");
    int r;

    (void)argc;
    r = hide_unified();
    if (r < 0) {
        fprintf(stderr, "cannot hide %s from the runtime: %s\n", UNIFIED, strerror(-r));
        return 126;
    }
    if (!runtime || !*runtime)
        runtime = "crun";
    argv[0] = (char *)(size_t)runtime;
    execvp(runtime, argv);
    fprintf(stderr, "cannot execute the container runtime %s: %s\n", runtime, strerror(errno));
    return 127;
}
