/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crun is to run, as plain data, and the config.json made from it. This file does not know Kubernetes. Its only system
 * calls look up users in the container's own /etc/passwd and /etc/group; they never follow a link out of its root.
 */
#ifndef NODE_RUNTIME_OCI_H
#define NODE_RUNTIME_OCI_H

#include "base/arena.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "codec/type.h"

typedef struct OciMount {
    const char *destination, *type, *source;
    const char *options; /* comma-separated */
} OciMount;

typedef struct OciDevice {
    const char *path;
    char type; /* 'c' or 'b' */
    unsigned major, minor, mode;
} OciDevice;

typedef struct OciSpec {
    const char *root;
    bool read_only_root;
    const char *hostname;  /* NULL: the host's UTS namespace */
    StringArray args, env; /* env: "A=b" */
    const char *cwd;
    bool tty;
    uint32_t uid, gid;
    const uint32_t *groups; /* supplemental */
    size_t n_groups;
    bool no_new_privileges;
    bool privileged;
    StringArray cap_add, cap_drop; /* without CAP_; "ALL" */
    bool unmask_proc;
    const OciMount *mounts; /* besides the standard ones */
    size_t n_mounts;
    const char *shm;                          /* folder to be /dev/shm; NULL: a tmpfs of its own */
    const char *network_ns, *ipc_ns, *pid_ns; /* path; NULL: a new one; "": the host's */
    const char *cgroup;                       /* "/stead-x/pod.../id" */
    uint64_t cpu_shares;                      /* 0: not set */
    int64_t cpu_quota;                        /* us per cpu_period; 0: no limit */
    uint64_t cpu_period;
    int64_t memory_limit; /* bytes; 0: none */
    bool has_oom_score_adj;
    int oom_score_adj;
    const StringMap *sysctls; /* NULL: none */
    /* NULL: no filter; "": the default profile; else one as JSON, which seccomp_parse has checked
     */
    const char *seccomp;
    const char *apparmor; /* the profile; NULL: none */
} OciSpec;

/* The capabilities of a container whose spec names none, as a bit mask. */
uint64_t oci_default_capabilities(void);

void oci_spec_json(const OciSpec *spec, StrBuf *out);

/* For exec: the `process` object of a container's config.json with another command. */
int oci_exec_process(const char *config_json, size_t n, const char *const *argv, bool tty,
                     StrBuf *out, Err *reterr);

typedef struct OciUser {
    uint32_t uid, gid;
    uint32_t groups[64]; /* the groups of which /etc/group makes the user a member */
    size_t n_groups;
    const char *home; /* "/" if unknown */
} OciUser;

/* Finds a user as images and pods name it: "", "1000", "1000:1000", "app", "app:staff". */
int oci_user_find(const char *root, const char *user, Arena *arena, OciUser *ret, Err *reterr);

#endif
