/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crun has to run, as plain data, and its config.json. No Kubernetes here and no system calls
 * but the look-up of users in the container's own /etc/passwd and /etc/group, which never follows a
 * link out of its root.
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
} OciSpec;

/* Capabilities that a container has when nothing is said, and all that this kernel and process
 * know. */
uint64_t oci_default_capabilities(void);
uint64_t oci_all_capabilities(void); /* of our own bounding set: no one can be given more */
const char *oci_capability_name(unsigned bit);

void oci_spec_json(const OciSpec *spec, StrBuf *out);

/* The process part of a config.json with other args, for exec. */
int oci_exec_process(const char *config_json, size_t n, const char *const *argv, bool tty,
                     StrBuf *out, Err *reterr);

typedef struct OciUser {
    uint32_t uid, gid;
    uint32_t groups[64]; /* of /etc/group, where a name or uid is known there */
    size_t n_groups;
    const char *home; /* "/" if unknown */
} OciUser;

/* "", "1000", "1000:1000", "app", "app:staff" in the root folder's passwd and group. */
int oci_user_find(const char *root, const char *user, Arena *arena, OciUser *ret, Err *reterr);

#endif
