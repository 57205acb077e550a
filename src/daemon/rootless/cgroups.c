/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of an ordinary user's server. Only cgroup v2 can be delegated to a user, and systemd does that: `systemd-run --user --scope -p
 * Delegate=yes` runs a command in a cgroup that belongs to the user. This cgroup becomes the root of the cgroup namespace, so the rest of
 * stead finds at /sys/fs/cgroup what root finds there.
 *
 * A cgroup with controllers for its children must not have processes of its own, so the holder and everything that is no container are
 * in the children "holder" and "init".
 *
 * Where there is no such cgroup, an empty folder is mounted on /sys/fs/cgroup, and containers are started without cgroups.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/files/file.h"
#include "daemon/rootless/internal.h"

#define ROOT "/sys/fs/cgroup"
#define IN_SCOPE "STEAD_IN_SCOPE"

static const char *const wanted[] = {"cpu", "memory", "pids"};

static bool is_v2(void)
{
    struct statfs fs;

    return statfs(ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* "/user.slice/...": the cgroup of a process. The caller frees; NULL: it is not one of v2. */
static char *cgroup_of(int64_t pid)
{
    _free_ char *path = mem_printf("/proc/%" PRId64 "/cgroup", pid), *text = NULL;
    char *found = NULL;

    if (is_v2() && file_read(path, 65536, &text, NULL) == 0)
        found = strstr(text, "0::/");
    if (!found)
        return NULL;
    found[strcspn(found, "\n")] = 0;
    return mem_strdup(found + 3);
}

static char *own_cgroup(void)
{
    return cgroup_of(getpid());
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at += n)
        if ((at == text || at[-1] == ' ') && (!at[n] || at[n] == ' ' || at[n] == '\n'))
            return true;
    return false;
}

bool rootless_has_cgroup(void)
{
    _free_ char *own = own_cgroup();
    _free_ char *folder = own ? mem_printf(ROOT "%s", own) : NULL, *list = NULL, *text = NULL,
                *procs = NULL;

    if (!own || str_equal(own, "/"))
        return false;
    list = mem_printf("%s/cgroup.controllers", folder);
    procs = mem_printf("%s/cgroup.procs", folder);
    if (access(folder, W_OK) < 0 || access(procs, W_OK) < 0 ||
        file_read(list, 4096, &text, NULL) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!has_word(text, wanted[i]))
            return false;
    return true;
}

const char *rootless_why_no_cgroup(void)
{
    return is_v2() ? "systemd has not delegated a cgroup to this user"
                   : "the machine uses cgroup v1, which users cannot be given";
}

/* A process may be moved only within what belongs to the user, so every command that starts something has to begin there. */
void rootless_enter_scope(const Options *options)
{
    _free_ char *bus = mem_printf("%s/systemd/private", str_or(getenv("XDG_RUNTIME_DIR"), ""));
    _free_ char *own = own_cgroup(), *mine = mem_printf("/user@%u.service/", (unsigned)getuid());
    char program[PATH_MAX];
    const char **argv;
    int n = 0;

    if (!realpath("/proc/self/exe", program) || !own || getenv(IN_SCOPE) || rootless_has_cgroup() ||
        strstr(own, mine) || !file_exists(bus))
        return;
    argv = mem_new(sizeof(*argv) * (size_t)(options->argc + 12));
    for (const char *const *word =
             (const char *const[]){"systemd-run", "--user", "--scope", "--quiet", "--collect", "-p",
                                   "Delegate=yes", "--", program, NULL};
         *word; word++)
        argv[n++] = *word;
    argv[n++] = options->command;
    for (int i = 0; i < options->argc; i++)
        argv[n++] = options->argv[i];
    argv[n] = NULL;
    setenv(IN_SCOPE, "1", 1);
    execvp(argv[0], (char **)(uintptr_t)argv);
    free(argv); /* without systemd-run there are no cgroups */
}

static int put(const char *path, const char *text)
{
    _close_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

void rootless_leave_cgroup(void)
{
    _free_ char *own = own_cgroup();
    _free_ char *folder = mem_printf(ROOT "%s/holder", str_or(own, ""));
    _free_ char *procs = mem_printf("%s/cgroup.procs", folder);
    _free_ char *parent = mem_printf("%d", (int)getppid());

    if (!own || (mkdir(folder, 0755) < 0 && errno != EEXIST))
        return;
    (void)put(procs, parent); /* the command that waits for this process */
    (void)put(procs, "0");
}

/* From inside of a cgroup namespace the kernel would refuse this, since the process comes from outside. */
void rootless_join_cgroup(int init)
{
    _free_ char *info = mem_printf("/proc/self/fdinfo/%d", init), *text = NULL, *cgroup = NULL,
                *procs = NULL;
    const char *line;
    int64_t pid;

    if (file_read(info, 4096, &text, NULL) < 0 || !(line = strstr(text, "Pid:\t")) ||
        sscanf(line, "Pid: %" SCNd64, &pid) != 1 || pid <= 0)
        return;
    cgroup = cgroup_of(pid);
    if (!cgroup || !str_ends_with(cgroup, "/init"))
        return; /* the namespaces have no cgroups */
    procs = mem_printf(ROOT "%s/cgroup.procs", cgroup);
    (void)put(procs, "0");
}

bool rootless_lacks_cgroups(void)
{
    return str_equal(getenv(ROOTLESS_CGROUPS), "none");
}

/* The controllers cannot be used while other processes of the user are in the same cgroup, such as a shell. */
static bool use_controllers(void)
{
    return (mkdir(ROOT "/init", 0755) == 0 || errno == EEXIST) &&
           put(ROOT "/init/cgroup.procs", "0") == 0 &&
           put(ROOT "/cgroup.subtree_control", "+cpu +memory +pids") == 0;
}

static int mount_empty(void)
{
    return mount("none", ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k");
}

int rootless_mount_cgroup(bool *has, Err *reterr)
{
    /* The kernel does not mount the cgroups on themselves, so an empty folder comes between. */
    if (mount_empty() < 0 ||
        (*has && mount("cgroup2", ROOT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0))
        return err_set(reterr, errno, "cannot mount " ROOT);
    if (!*has || use_controllers())
        return 0;
    *has = false;
    return mount_empty() < 0 ? err_set(reterr, errno, "cannot mount " ROOT) : 0;
}
