/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stead-runtime: runs crun. conmon and the node call this program in place of crun.
 *
 * crun refuses "hybrid" cgroup hosts, where v1 controllers are mounted and an empty v2 hierarchy
 * lies at /sys/fs/cgroup/unified. On such a host, this program runs crun in a mount namespace of
 * its own, in which the v2 hierarchy is unmounted. On pure v1 and pure v2 hosts, it only executes
 * crun. Mounts propagate into the new namespace (slave), so that crun sees the root folders that
 * the node mounts, but mounts do not propagate out of it.
 *
 * crun only runs from a file that cannot be written to, since a container could otherwise overwrite
 * it (CVE-2019-5736). To get such a file, crun mounts itself read-only and executes itself again.
 * This program therefore executes a sealed copy in memory from the start, which saves a third of
 * the CPU time and the wait for the unmount, and leaves nothing behind in /tmp.
 *
 * CRUN in the environment names another runtime than the one in PATH. STEAD_CGROUPS=none makes crun
 * work without cgroups, for a server of an ordinary user who has got none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define UNIFIED "/sys/fs/cgroup/unified"
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U /* since Linux 6.3; older kernels have no such restriction */
#endif

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

static int open_program(const char *name)
{
    const char *path = getenv("PATH");
    char file[4096];

    if (strchr(name, '/'))
        return open(name, O_RDONLY | O_CLOEXEC);
    for (const char *at = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"; at;) {
        int n = (int)strcspn(at, ":"), fd;

        snprintf(file, sizeof(file), "%.*s/%s", n, at, name);
        fd = access(file, X_OK) == 0 ? open(file, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0)
            return fd;
        at = at[n] ? at + n + 1 : NULL;
    }
    return -1;
}

static bool copy_program(int from, int to)
{
    char magic[4] = "";
    struct stat st;
    off_t at = 0;

    /* a script is executed by its path */
    if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode) || pread(from, magic, 4, 0) != 4 ||
        memcmp(magic, "\177ELF", 4) != 0)
        return false;
    while (at < st.st_size)
        if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
            return false;
    return fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

/* Returns only if this is not possible on this machine. */
static void execute_sealed(const char *name, char **argv)
{
    int from = open_program(name), to = -1;

    if (from >= 0)
        to = memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (from >= 0 && to < 0)
        to = memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (to >= 0 && copy_program(from, to))
        fexecve(to, argv, environ);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

/* Other runtimes have their own protection. */
static bool is_crun(const char *runtime)
{
    const char *slash = strrchr(runtime, '/');

    return strcmp(slash ? slash + 1 : runtime, "crun") == 0;
}

/* Inserts the option behind the name of the program. */
static char **without_cgroups(int argc, char **argv)
{
    char **longer = calloc((size_t)argc + 2, sizeof(*longer));

    if (!longer)
        return argv;
    longer[0] = argv[0];
    longer[1] = (char *)(size_t) "--cgroup-manager=disabled";
    memcpy(longer + 2, argv + 1, (size_t)argc * sizeof(*argv)); /* including the NULL at the end */
    return longer;
}

int main(int argc, char **argv)
{
    const char *runtime = getenv("CRUN"), *cgroups = getenv("STEAD_CGROUPS");
    int r;

    if (cgroups && strcmp(cgroups, "none") == 0)
        argv = without_cgroups(argc, argv);
    r = hide_unified();
    if (r < 0) {
        fprintf(stderr, "cannot hide %s from the runtime: %s\n", UNIFIED, strerror(-r));
        return 126;
    }
    if (!runtime || !*runtime)
        runtime = "crun";
    argv[0] = (char *)(size_t)runtime;
    if (is_crun(runtime))
        execute_sealed(runtime, argv);
    execvp(runtime, argv);
    fprintf(stderr, "cannot execute the container runtime %s: %s\n", runtime, strerror(errno));
    return 127;
}
