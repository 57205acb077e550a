/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default seccomp profile. See seccomp.h.
 *
 * There are three kinds of calls: those that every program may make; those that need a capability,
 * since they change something outside of the container (mounts, modules, clocks, namespaces); and
 * those that no container may make. Refused calls of the second and third kind fail with EPERM. A
 * call that is missing in the table, because it is newer, fails with ENOSYS: libraries handle a
 * kernel that is too old for a call, but not always one that refuses it.
 *
 * clone is allowed unless it creates namespaces. clone3 passes its flags in memory, which a filter
 * cannot read, so it fails with ENOSYS and libraries fall back to clone. io_uring is refused,
 * because it performs operations that the filter does not see. crun ignores names that an
 * architecture does not have.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <yyjson.h>

#include "base/base.h"
#include "base/strbuf.h"
#include "node/runtime/seccomp.h"

/* clang-format off */
static const char *const always[] = {
    /* files, by name */
    "access", "chdir", "chmod", "chown", "chown32", "creat", "faccessat", "faccessat2", "fchmodat",
    "fchmodat2", "fchownat", "fstatat64", "futimesat", "getcwd", "lchown", "lchown32", "link",
    "linkat", "lstat", "lstat64", "mkdir", "mkdirat", "mknod", "mknodat", "name_to_handle_at",
    "newfstatat", "oldfstat", "oldlstat", "oldstat", "open", "openat", "openat2", "readlink",
    "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "stat64", "statfs",
    "statfs64", "statx", "symlink", "symlinkat", "truncate", "truncate64", "umask", "unlink",
    "unlinkat", "utime", "utimensat", "utimensat_time64", "utimes",
    "getxattr", "getxattrat", "lgetxattr", "listxattr", "listxattrat", "llistxattr", "lremovexattr",
    "lsetxattr", "removexattr", "removexattrat", "setxattr", "setxattrat",
    "file_getattr", "file_setattr",
    /* files, open ones */
    "close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "fadvise64", "fadvise64_64",
    "fallocate", "fchdir", "fchmod", "fchown", "fchown32", "fcntl", "fcntl64", "fdatasync",
    "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatfs",
    "fstatfs64", "fsync", "ftruncate", "ftruncate64", "getdents", "getdents64", "ioctl", "_llseek",
    "lseek", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead",
    "readdir", "readv", "sendfile", "sendfile64", "splice", "sync", "sync_file_range",
    "sync_file_range2", "arm_sync_file_range", "arm_fadvise64_64", "syncfs", "tee", "vmsplice",
    "write", "writev", "cachestat",
    "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup",
    "io_submit",
    /* waiting and notification */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "fanotify_mark", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "_newselect", "pipe", "pipe2", "poll",
    "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select",
    /* memory */
    "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore",
    "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap", "mseal", "msync",
    "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "process_mrelease", "remap_file_pages",
    /* processes and threads */
    "arch_prctl", "arm_set_tls", "set_tls", "get_tls", "breakpoint", "cacheflush", "capget",
    "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_time64",
    "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "getcpu", "getpgid", "getpgrp",
    "getpid", "getppid", "getpriority", "get_robust_list", "getrlimit", "getrusage", "getsid",
    "gettid", "get_thread_area", "kill", "modify_ldt", "pidfd_open", "pidfd_send_signal", "prctl",
    "prlimit64", "ptrace", "process_vm_readv", "process_vm_writev", "restart_syscall", "riscv_flush_icache",
    "rseq", "seccomp", "setpgid", "setpriority", "setrlimit", "set_robust_list", "setsid",
    "set_thread_area", "set_tid_address", "tgkill", "times", "tkill", "ugetrlimit", "vfork",
    "wait4", "waitid", "waitpid", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr",
    "uretprobe", "uprobe",
    "ioprio_get", "ioprio_set", "nice",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield",
    /* user and group ids */
    "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32",
    "getresgid", "getresgid32", "getresuid", "getresuid32", "getuid", "getuid32", "setfsgid",
    "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32",
    "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid",
    "setreuid32", "setuid", "setuid32",
    /* signals */
    "alarm", "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sgetmask", "sigaction", "sigaltstack", "signal", "signalfd", "signalfd4",
    "sigpending", "sigprocmask", "sigreturn", "sigsuspend", "ssetmask",
    /* time */
    "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64",
    "clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getitimer",
    "gettimeofday", "nanosleep", "setitimer", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64",
    "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64",
    /* sockets (socket itself: below) */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg",
    "sendto", "setsockopt", "shutdown", "socketcall", "socketpair",
    /* System V and POSIX IPC */
    "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
    "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
    "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
    "shmget",
    /* the rest */
    "getrandom", "olduname", "oldolduname", "sysinfo", "uname",
    "chroot", /* the kernel checks the capability itself, and containers have it by default */
};

static const struct {
    int capability;
    const char *const calls[26];
} with_capability[] = {
    {CAP_SYS_ADMIN, {"bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen",
                     "fspick", "listmount", "listns", "mount", "mount_setattr", "move_mount",
                     "open_tree", "open_tree_attr", "perf_event_open", "pivot_root", "quotactl",
                     "quotactl_fd", "setdomainname", "sethostname", "setns", "statmount", "syslog",
                     "unshare"}},
    {CAP_SYS_ADMIN, {"umount", "umount2", "lookup_dcookie", "swapon", "swapoff"}},
    {CAP_BPF, {"bpf"}},
    {CAP_PERFMON, {"perf_event_open"}},
    {CAP_DAC_READ_SEARCH, {"open_by_handle_at"}},
    {CAP_SYS_BOOT, {"reboot"}},
    {CAP_SYS_MODULE, {"delete_module", "init_module", "finit_module"}},
    {CAP_SYS_PACCT, {"acct"}},
    {CAP_SYS_PTRACE, {"kcmp", "pidfd_getfd", "process_madvise"}},
    {CAP_SYS_RAWIO, {"iopl", "ioperm"}},
    {CAP_SYS_TIME, {"clock_settime", "clock_settime64", "settimeofday", "stime"}},
    {CAP_SYS_TTY_CONFIG, {"vhangup"}},
    {CAP_SYS_NICE, {"get_mempolicy", "mbind", "migrate_pages", "move_pages", "set_mempolicy",
                    "set_mempolicy_home_node"}},
    {CAP_SYSLOG, {"syslog"}},
};

/* Keyrings and userfaultfd are not separated by namespaces, io_uring bypasses the filter, and
 * the others are obsolete. */
static const char *const never[] = {
    "add_key", "keyctl", "request_key", "userfaultfd", "io_uring_enter", "io_uring_register",
    "io_uring_setup", "kexec_load", "kexec_file_load", "create_module", "get_kernel_syms",
    "query_module", "nfsservctl", "_sysctl", "sysfs", "uselib", "ustat", "vm86", "vm86old",
    "vserver", "afs_syscall", "getpmsg", "putpmsg", "security", "tuxcall",
};

static const char *const architectures[] = {
#if defined(__x86_64__)
    /* X32 is left out: it is not used, and each architecture costs 6 ms per container */
    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
#elif defined(__aarch64__)
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#elif defined(__riscv) && __riscv_xlen == 64
    "SCMP_ARCH_RISCV64",
#endif
    NULL,
};
/* clang-format on */

#define NAMESPACE_FLAGS                                                                        \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
     CLONE_NEWCGROUP)

typedef struct Profile {
    yyjson_mut_doc *doc;
    yyjson_mut_val *rules;
} Profile;

/* error 0: allowed */
static yyjson_mut_val *add_rule(Profile *p, const char *const *names, size_t n, int error)
{
    yyjson_mut_val *rule = yyjson_mut_obj(p->doc), *list = yyjson_mut_arr(p->doc);

    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_str(p->doc, list, names[i]);
    yyjson_mut_obj_add_val(p->doc, rule, "names", list);
    yyjson_mut_obj_add_str(p->doc, rule, "action", error ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
    if (error)
        yyjson_mut_obj_add_int(p->doc, rule, "errnoRet", error);
    yyjson_mut_arr_add_val(p->rules, rule);
    return rule;
}

static void add_condition(Profile *p, yyjson_mut_val *rule, const char *op, uint64_t value,
                          uint64_t value_two)
{
    yyjson_mut_val *list = yyjson_mut_arr(p->doc), *condition = yyjson_mut_obj(p->doc);

    yyjson_mut_obj_add_uint(p->doc, condition, "index", 0);
    yyjson_mut_obj_add_uint(p->doc, condition, "value", value);
    yyjson_mut_obj_add_uint(p->doc, condition, "valueTwo", value_two);
    yyjson_mut_obj_add_str(p->doc, condition, "op", op);
    yyjson_mut_arr_add_val(list, condition);
    yyjson_mut_obj_add_val(p->doc, rule, "args", list);
}

static void add_if(Profile *p, const char *name, int error, const char *op, uint64_t value,
                   uint64_t value_two)
{
    add_condition(p, add_rule(p, &name, 1, error), op, value, value_two);
}

static void add_clone(Profile *p)
{
    add_if(p, "clone", 0, "SCMP_CMP_MASKED_EQ", NAMESPACE_FLAGS, 0);
    for (uint64_t flag = 1; flag <= NAMESPACE_FLAGS; flag <<= 1)
        if (flag & NAMESPACE_FLAGS)
            add_if(p, "clone", EPERM, "SCMP_CMP_MASKED_EQ", flag, flag);
}

/* Each call gets one rule, since a second rule for the same call would conflict. */
static void add_with_capabilities(Profile *p, uint64_t capabilities)
{
    const char *refused[64];
    size_t n_refused = 0;

    for (size_t i = 0; i < ARRAY_LEN(with_capability); i++) {
        for (size_t k = 0; with_capability[i].calls[k]; k++) {
            const char *name = with_capability[i].calls[k];
            bool allowed = false, seen = false;

            for (size_t a = 0; a < ARRAY_LEN(with_capability); a++)
                for (size_t b = 0; with_capability[a].calls[b]; b++) {
                    if (strcmp(with_capability[a].calls[b], name) != 0)
                        continue;
                    seen = seen || a < i;
                    allowed = allowed || capabilities & UINT64_C(1)
                                                            << with_capability[a].capability;
                }
            if (seen)
                continue;
            if (allowed)
                add_rule(p, &name, 1, 0);
            else if (strcmp(name, "clone") == 0)
                add_clone(p);
            else if (strcmp(name, "clone3") == 0)
                add_rule(p, &name, 1, ENOSYS);
            else if (n_refused < ARRAY_LEN(refused))
                refused[n_refused++] = name;
        }
    }
    add_rule(p, refused, n_refused, EPERM);
}

yyjson_mut_val *seccomp_default(yyjson_mut_doc *doc, uint64_t capabilities)
{
    static const unsigned long personalities[] = {PER_LINUX, PER_LINUX32, UNAME26,
                                                  PER_LINUX32 | UNAME26, 0xffffffff};
    yyjson_mut_val *profile = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
    Profile p = {doc, yyjson_mut_arr(doc)};

    yyjson_mut_obj_add_str(doc, profile, "defaultAction", "SCMP_ACT_ERRNO");
    yyjson_mut_obj_add_int(doc, profile, "defaultErrnoRet", ENOSYS);
    for (size_t i = 0; architectures[i]; i++)
        yyjson_mut_arr_add_str(doc, list, architectures[i]);
    yyjson_mut_obj_add_val(doc, profile, "architectures", list);
    add_rule(&p, always, ARRAY_LEN(always), 0);
    add_rule(&p, never, ARRAY_LEN(never), EPERM);
    add_with_capabilities(&p, capabilities);
    for (size_t i = 0; i < ARRAY_LEN(personalities); i++)
        add_if(&p, "personality", 0, "SCMP_CMP_EQ", personalities[i], 0);
    /* Sockets to the hypervisor (AF_VSOCK) are not separated by network namespaces. */
    add_if(&p, "socket", 0, "SCMP_CMP_NE", AF_VSOCK, 0);
    add_if(&p, "socket", EAFNOSUPPORT, "SCMP_CMP_EQ", AF_VSOCK, 0);
    yyjson_mut_obj_add_val(doc, profile, "syscalls", p.rules);
    return profile;
}

int seccomp_parse(const char *text, size_t n, yyjson_mut_doc *doc, yyjson_mut_val **ret,
                  Err *reterr)
{
    yyjson_read_err error;
    yyjson_doc *parsed = yyjson_read_opts((char *)(uintptr_t)text, n, 0, NULL, &error);
    yyjson_val *root = yyjson_doc_get_root(parsed);
    int r = 0;

    if (!parsed)
        return err_set(reterr, 0, "decoding seccomp profile failed: %s at byte %zu", error.msg,
                       error.pos);
    if (!yyjson_is_str(yyjson_obj_get(root, "defaultAction")))
        r = err_set(reterr, 0, "decoding seccomp profile failed: it has no defaultAction");
    else if (ret)
        *ret = yyjson_val_mut_copy(doc, root);
    yyjson_doc_free(parsed);
    return r;
}
