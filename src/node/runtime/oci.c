/* SPDX-License-Identifier: Apache-2.0 */
/* config.json for crun, with the standard mounts, masked paths and capabilities that containers
 * have under other Kubernetes runtimes. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <yyjson.h>

#include "base/files/beneath.h"
#include "base/files/file.h"
#include "node/runtime/oci.h"
#include "node/runtime/seccomp.h"

#define PASSWD_LIMIT (1 << 20)

/* Indexed by the kernel's number of the capability. */
static const char *const capability_names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

static const char *const default_capabilities[] = {
    "CHOWN",  "DAC_OVERRIDE", "FSETID",  "FOWNER",           "MKNOD",      "NET_RAW", "SETGID",
    "SETUID", "SETFCAP",      "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL",    "AUDIT_WRITE",
};

static const char *const masked_paths[] = {
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* The capabilities of our own bounding set: a container cannot be given more. */
static uint64_t all_capabilities(void)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < ARRAY_LEN(capability_names); i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            all |= UINT64_C(1) << i;
    return all;
}

static uint64_t capability_bit(const char *name)
{
    if (str_starts_with(name, "CAP_"))
        name += 4;
    if (strcasecmp(name, "ALL") == 0)
        return all_capabilities();
    for (unsigned i = 0; i < ARRAY_LEN(capability_names); i++)
        if (strcasecmp(capability_names[i], name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

uint64_t oci_default_capabilities(void)
{
    uint64_t caps = 0;

    for (size_t i = 0; i < ARRAY_LEN(default_capabilities); i++)
        caps |= capability_bit(default_capabilities[i]);
    return caps;
}

static uint64_t spec_capabilities(const OciSpec *spec)
{
    uint64_t caps = oci_default_capabilities();

    if (spec->privileged)
        return all_capabilities();
    for (size_t i = 0; i < spec->cap_add.n; i++)
        if (strcasecmp(spec->cap_add.v[i], "ALL") == 0)
            caps = all_capabilities();
    for (size_t i = 0; i < spec->cap_drop.n; i++)
        caps &= ~capability_bit(spec->cap_drop.v[i]);
    for (size_t i = 0; i < spec->cap_add.n; i++)
        if (strcasecmp(spec->cap_add.v[i], "ALL") != 0)
            caps |= capability_bit(spec->cap_add.v[i]);
    return caps & all_capabilities();
}

/* ---- JSON ---- */

typedef struct Builder {
    yyjson_mut_doc *doc;
    const OciSpec *spec;
} Builder;

static void add_strings(Builder *b, yyjson_mut_val *object, const char *key, const char *const *v,
                        size_t n)
{
    yyjson_mut_val *array = yyjson_mut_arr(b->doc);

    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_strcpy(b->doc, array, v[i]);
    yyjson_mut_obj_add_val(b->doc, object, key, array);
}

static void add_capabilities(Builder *b, yyjson_mut_val *process)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    uint64_t caps = spec_capabilities(b->spec);
    yyjson_mut_val *object = yyjson_mut_obj(b->doc);

    for (size_t s = 0; s < ARRAY_LEN(sets); s++) {
        yyjson_mut_val *array = yyjson_mut_arr(b->doc);

        for (unsigned i = 0; i < ARRAY_LEN(capability_names); i++) {
            char name[40];

            if (!(caps & UINT64_C(1) << i))
                continue;
            snprintf(name, sizeof(name), "CAP_%s", capability_names[i]);
            yyjson_mut_arr_add_strcpy(b->doc, array, name);
        }
        yyjson_mut_obj_add_val(b->doc, object, sets[s], array);
    }
    yyjson_mut_obj_add_val(b->doc, process, "capabilities", object);
}

static void add_process(Builder *b, yyjson_mut_val *root)
{
    const OciSpec *spec = b->spec;
    yyjson_mut_val *process = yyjson_mut_obj(b->doc), *user = yyjson_mut_obj(b->doc);

    yyjson_mut_obj_add_bool(b->doc, process, "terminal", spec->tty);
    yyjson_mut_obj_add_uint(b->doc, user, "uid", spec->uid);
    yyjson_mut_obj_add_uint(b->doc, user, "gid", spec->gid);
    if (spec->n_groups) {
        yyjson_mut_val *groups = yyjson_mut_arr(b->doc);

        for (size_t i = 0; i < spec->n_groups; i++)
            yyjson_mut_arr_add_uint(b->doc, groups, spec->groups[i]);
        yyjson_mut_obj_add_val(b->doc, user, "additionalGids", groups);
    }
    yyjson_mut_obj_add_val(b->doc, process, "user", user);
    add_strings(b, process, "args", spec->args.v, spec->args.n);
    add_strings(b, process, "env", spec->env.v, spec->env.n);
    yyjson_mut_obj_add_strcpy(b->doc, process, "cwd", str_or(spec->cwd, "/"));
    yyjson_mut_obj_add_bool(b->doc, process, "noNewPrivileges", spec->no_new_privileges);
    if (spec->apparmor)
        yyjson_mut_obj_add_strcpy(b->doc, process, "apparmorProfile", spec->apparmor);
    if (spec->has_oom_score_adj)
        yyjson_mut_obj_add_int(b->doc, process, "oomScoreAdj", spec->oom_score_adj);
    add_capabilities(b, process);
    yyjson_mut_obj_add_val(b->doc, root, "process", process);
}

static void add_mount(Builder *b, yyjson_mut_val *mounts, const char *destination, const char *type,
                      const char *source, const char *options)
{
    yyjson_mut_val *mount = yyjson_mut_obj(b->doc), *list = yyjson_mut_arr(b->doc);

    yyjson_mut_obj_add_strcpy(b->doc, mount, "destination", destination);
    yyjson_mut_obj_add_strcpy(b->doc, mount, "type", type);
    yyjson_mut_obj_add_strcpy(b->doc, mount, "source", source);
    for (const char *at = options; at && *at;) {
        size_t n = strcspn(at, ",");

        yyjson_mut_arr_add_strncpy(b->doc, list, at, n);
        at += n + (at[n] == ',');
    }
    yyjson_mut_obj_add_val(b->doc, mount, "options", list);
    yyjson_mut_arr_add_val(mounts, mount);
}

static void add_mounts(Builder *b, yyjson_mut_val *root)
{
    const OciSpec *spec = b->spec;
    yyjson_mut_val *mounts = yyjson_mut_arr(b->doc);
    bool own_network = !spec->network_ns || *spec->network_ns;
    const char *ro = spec->privileged ? "rw" : "ro";
    _free_ char *sys = mem_printf("nosuid,noexec,nodev,%s", ro);
    _free_ char *sys_bind = mem_printf("rbind,nosuid,noexec,nodev,%s", ro);
    _free_ char *cgroup = mem_printf("nosuid,noexec,nodev,relatime,%s", ro);

    add_mount(b, mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
    add_mount(b, mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
    add_mount(b, mounts, "/dev/pts", "devpts", "devpts",
              "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
    /* mqueue shows the IPC namespace of the mounting process, which may be that of the host. */
    add_mount(b, mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
    /* sysfs can only be mounted by a process in the owning network namespace, so otherwise the
     * host's is bind-mounted. */
    if (own_network)
        add_mount(b, mounts, "/sys", "sysfs", "sysfs", sys);
    else
        add_mount(b, mounts, "/sys", "bind", "/sys", sys_bind);
    add_mount(b, mounts, "/sys/fs/cgroup", "cgroup", "cgroup", cgroup);
    if (spec->shm)
        add_mount(b, mounts, "/dev/shm", "bind", spec->shm, "rbind,nosuid,noexec,nodev");
    else
        add_mount(b, mounts, "/dev/shm", "tmpfs", "shm",
                  "nosuid,noexec,nodev,mode=1777,size=65536k");
    for (size_t i = 0; i < spec->n_mounts; i++)
        add_mount(b, mounts, spec->mounts[i].destination, spec->mounts[i].type,
                  spec->mounts[i].source, spec->mounts[i].options);
    yyjson_mut_obj_add_val(b->doc, root, "mounts", mounts);
}

/* path: NULL for a new namespace, "" for that of the host, which is not listed. */
static void add_namespace(Builder *b, yyjson_mut_val *list, const char *type, const char *path)
{
    yyjson_mut_val *ns;

    if (path && !*path)
        return;
    ns = yyjson_mut_obj(b->doc);
    yyjson_mut_obj_add_str(b->doc, ns, "type", type);
    if (path)
        yyjson_mut_obj_add_strcpy(b->doc, ns, "path", path);
    yyjson_mut_arr_add_val(list, ns);
}

static void add_resources(Builder *b, yyjson_mut_val *linux_part)
{
    const OciSpec *spec = b->spec;
    yyjson_mut_val *resources = yyjson_mut_obj(b->doc), *devices = yyjson_mut_arr(b->doc);
    yyjson_mut_val *cpu = yyjson_mut_obj(b->doc), *memory = yyjson_mut_obj(b->doc),
                   *rule = yyjson_mut_obj(b->doc);

    yyjson_mut_obj_add_bool(b->doc, rule, "allow", spec->privileged);
    yyjson_mut_obj_add_str(b->doc, rule, "access", "rwm");
    yyjson_mut_arr_add_val(devices, rule);
    yyjson_mut_obj_add_val(b->doc, resources, "devices", devices);
    if (spec->cpu_shares)
        yyjson_mut_obj_add_uint(b->doc, cpu, "shares", spec->cpu_shares);
    if (spec->cpu_quota) {
        yyjson_mut_obj_add_int(b->doc, cpu, "quota", spec->cpu_quota);
        yyjson_mut_obj_add_uint(b->doc, cpu, "period", spec->cpu_period);
    }
    if (yyjson_mut_obj_size(cpu))
        yyjson_mut_obj_add_val(b->doc, resources, "cpu", cpu);
    if (spec->memory_limit) {
        yyjson_mut_obj_add_int(b->doc, memory, "limit", spec->memory_limit);
        yyjson_mut_obj_add_val(b->doc, resources, "memory", memory);
    }
    yyjson_mut_obj_add_val(b->doc, linux_part, "resources", resources);
}

static void add_device(Builder *b, yyjson_mut_val *devices, const char *path, const struct stat *st)
{
    yyjson_mut_val *device = yyjson_mut_obj(b->doc);

    yyjson_mut_obj_add_strcpy(b->doc, device, "path", path);
    yyjson_mut_obj_add_str(b->doc, device, "type", S_ISCHR(st->st_mode) ? "c" : "b");
    yyjson_mut_obj_add_uint(b->doc, device, "major", major(st->st_rdev));
    yyjson_mut_obj_add_uint(b->doc, device, "minor", minor(st->st_rdev));
    yyjson_mut_obj_add_uint(b->doc, device, "fileMode", st->st_mode & 0777);
    yyjson_mut_obj_add_uint(b->doc, device, "uid", st->st_uid);
    yyjson_mut_obj_add_uint(b->doc, device, "gid", st->st_gid);
    yyjson_mut_arr_add_val(devices, device);
}

/* All devices of the host, except what a container has of its own: terminals, shared memory,
 * message queues. */
static void add_devices_below(Builder *b, yyjson_mut_val *devices, const char *folder, int depth)
{
    static const char *const own[] = {"/dev/pts",    "/dev/shm",     "/dev/fd",      "/dev/mqueue",
                                      "/dev/ptmx",   "/dev/console", "/dev/full",    "/dev/null",
                                      "/dev/random", "/dev/tty",     "/dev/urandom", "/dev/zero"};
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name);
        struct stat st;
        bool skip = entry->d_name[0] == '.';

        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            skip = skip || strcmp(path, own[i]) == 0;
        if (skip || lstat(path, &st) < 0)
            continue;
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
            add_device(b, devices, path, &st);
        else if (S_ISDIR(st.st_mode) && depth < 8)
            add_devices_below(b, devices, path, depth + 1);
    }
    if (dir)
        closedir(dir);
}

static void add_host_devices(Builder *b, yyjson_mut_val *linux_part)
{
    yyjson_mut_val *devices = yyjson_mut_arr(b->doc);

    add_devices_below(b, devices, "/dev", 0);
    yyjson_mut_obj_add_val(b->doc, linux_part, "devices", devices);
}

static void add_seccomp(Builder *b, yyjson_mut_val *linux_part)
{
    const char *text = b->spec->seccomp;
    yyjson_mut_val *profile = NULL;

    if (!text)
        return;
    if (*text)
        ASSERT(seccomp_parse(text, strlen(text), b->doc, &profile, NULL) == 0);
    else
        profile = seccomp_default(b->doc, spec_capabilities(b->spec));
    yyjson_mut_obj_add_val(b->doc, linux_part, "seccomp", profile);
}

/* With cgroup v2, a container sees its own cgroup, and so its limits, at /sys/fs/cgroup. As with other runtimes, a privileged one sees
 * those of the machine. */
static bool wants_cgroup_namespace(const OciSpec *spec)
{
    struct statfs fs;

    return !spec->privileged && statfs("/sys/fs/cgroup", &fs) == 0 &&
           fs.f_type == CGROUP2_SUPER_MAGIC;
}

static void add_linux(Builder *b, yyjson_mut_val *root)
{
    const OciSpec *spec = b->spec;
    yyjson_mut_val *part = yyjson_mut_obj(b->doc), *namespaces = yyjson_mut_arr(b->doc);

    add_namespace(b, namespaces, "mount", NULL);
    add_namespace(b, namespaces, "pid", spec->pid_ns);
    add_namespace(b, namespaces, "ipc", spec->ipc_ns);
    add_namespace(b, namespaces, "network", spec->network_ns);
    add_namespace(b, namespaces, "uts", spec->hostname ? NULL : "");
    if (wants_cgroup_namespace(spec))
        add_namespace(b, namespaces, "cgroup", NULL);
    yyjson_mut_obj_add_val(b->doc, part, "namespaces", namespaces);
    yyjson_mut_obj_add_strcpy(b->doc, part, "cgroupsPath", spec->cgroup);
    add_resources(b, part);
    if (spec->sysctls && spec->sysctls->n) {
        yyjson_mut_val *sysctl = yyjson_mut_obj(b->doc);

        for (size_t i = 0; i < spec->sysctls->n; i++)
            yyjson_mut_obj_add(sysctl, yyjson_mut_strcpy(b->doc, spec->sysctls->v[i].key),
                               yyjson_mut_strcpy(b->doc, str_or(spec->sysctls->v[i].value, "")));
        yyjson_mut_obj_add_val(b->doc, part, "sysctl", sysctl);
    }
    add_seccomp(b, part);
    if (spec->privileged) {
        add_host_devices(b, part);
    } else if (!spec->unmask_proc) {
        add_strings(b, part, "maskedPaths", masked_paths, ARRAY_LEN(masked_paths));
        add_strings(b, part, "readonlyPaths", readonly_paths, ARRAY_LEN(readonly_paths));
    }
    yyjson_mut_obj_add_val(b->doc, root, "linux", part);
}

void oci_spec_json(const OciSpec *spec, StrBuf *out)
{
    Builder b = {.doc = yyjson_mut_doc_new(NULL), .spec = spec};
    yyjson_mut_val *root = yyjson_mut_obj(b.doc), *folder = yyjson_mut_obj(b.doc);
    size_t n;
    char *text;

    yyjson_mut_doc_set_root(b.doc, root);
    yyjson_mut_obj_add_str(b.doc, root, "ociVersion", "1.0.2");
    add_process(&b, root);
    yyjson_mut_obj_add_strcpy(b.doc, folder, "path", spec->root);
    yyjson_mut_obj_add_bool(b.doc, folder, "readonly", spec->read_only_root);
    yyjson_mut_obj_add_val(b.doc, root, "root", folder);
    if (spec->hostname)
        yyjson_mut_obj_add_strcpy(b.doc, root, "hostname", spec->hostname);
    add_mounts(&b, root);
    add_linux(&b, root);
    text = yyjson_mut_write(b.doc, YYJSON_WRITE_NOFLAG, &n);
    ASSERT(text);
    strbuf_add(out, text, n);
    free(text);
    yyjson_mut_doc_free(b.doc);
}

int oci_exec_process(const char *config_json, size_t n, const char *const *argv, bool tty,
                     StrBuf *out, Err *reterr)
{
    yyjson_doc *doc = yyjson_read(config_json, n, 0);
    yyjson_val *process = doc ? yyjson_obj_get(yyjson_doc_get_root(doc), "process") : NULL;
    yyjson_mut_doc *copy;
    yyjson_mut_val *root, *args;
    char *text;

    if (!process) {
        yyjson_doc_free(doc);
        return err_set(reterr, 0, "the container's config.json is unreadable");
    }
    copy = yyjson_mut_doc_new(NULL);
    root = yyjson_val_mut_copy(copy, process);
    yyjson_doc_free(doc);
    yyjson_mut_doc_set_root(copy, root);
    yyjson_mut_obj_remove_key(root, "args");
    yyjson_mut_obj_remove_key(root, "terminal");
    args = yyjson_mut_arr(copy);
    for (size_t i = 0; argv[i]; i++)
        yyjson_mut_arr_add_strcpy(copy, args, argv[i]);
    yyjson_mut_obj_add_val(copy, root, "args", args);
    yyjson_mut_obj_add_bool(copy, root, "terminal", tty);
    text = yyjson_mut_write(copy, YYJSON_WRITE_NOFLAG, &n);
    ASSERT(text);
    strbuf_add(out, text, n);
    free(text);
    yyjson_mut_doc_free(copy);
    return 0;
}

/* ---- users ---- */

/* Reads a file below the root of the container; links are resolved inside that root. NULL if it
 * does not exist. */
static char *read_in_root(const char *root, const char *path)
{
    _close_fd_ int fd = beneath_root(root);
    char *text = NULL;

    if (fd < 0 || beneath_read(fd, path, BENEATH_IN_ROOT, PASSWD_LIMIT, &text, NULL) < 0)
        return NULL;
    return text;
}

/* Splits the next line at ':' into v. Returns the number of fields, or -1 at the end of the
 * text. */
static int next_fields(char **at, char *v[], int max)
{
    char *line = strsep(at, "\n");
    int n = 0;

    if (!line)
        return -1;
    while (n < max && line)
        v[n++] = strsep(&line, ":");
    return n;
}

static bool parse_id(const char *text, uint32_t *ret)
{
    int64_t id;

    if (str_to_int64(text, 0, UINT32_MAX - 1, &id) != 0)
        return false;
    *ret = (uint32_t)id;
    return true;
}

static void find_groups(const char *root, const char *name, OciUser *user)
{
    _free_ char *text = read_in_root(root, "etc/group");
    char *at = text, *v[4];
    int n;

    while (name && (n = next_fields(&at, v, 4)) >= 0) {
        uint32_t gid;
        char *members, *member;

        if (n < 4 || !parse_id(v[2], &gid))
            continue;
        members = v[3];
        while ((member = strsep(&members, ",")))
            if (strcmp(member, name) == 0 && gid != user->gid &&
                user->n_groups < ARRAY_LEN(user->groups))
                user->groups[user->n_groups++] = gid;
    }
}

static bool find_group(const char *root, const char *name, uint32_t *ret)
{
    _free_ char *text = read_in_root(root, "etc/group");
    char *at = text, *v[4];
    int n;

    while ((n = next_fields(&at, v, 4)) >= 0)
        if (n >= 3 && strcmp(v[0], name) == 0)
            return parse_id(v[2], ret);
    return false;
}

int oci_user_find(const char *root, const char *user, Arena *arena, OciUser *ret, Err *reterr)
{
    const char *colon = user ? strchr(user, ':') : NULL;
    const char *name = arena_strndup(arena, str_or(user, "0"),
                                     colon ? (size_t)(colon - user) : strlen(str_or(user, "0")));
    _free_ char *text = read_in_root(root, "etc/passwd");
    char *at = text, *v[7];
    const char *found = NULL;
    bool numeric;
    int n;

    *ret = (OciUser){.home = "/"};
    if (!*name)
        name = "0";
    numeric = parse_id(name, &ret->uid);
    while ((n = next_fields(&at, v, 7)) >= 0) {
        uint32_t uid;

        if (n < 4 || !parse_id(v[2], &uid))
            continue;
        if (numeric ? uid != ret->uid : strcmp(v[0], name) != 0)
            continue;
        ret->uid = uid;
        (void)parse_id(v[3], &ret->gid);
        found = arena_strdup(arena, v[0]);
        if (n >= 6 && *v[5])
            ret->home = arena_strdup(arena, v[5]);
        break;
    }
    if (!numeric && !found)
        return err_set(reterr, 0, "unable to find user %s: no matching entries in passwd file",
                       name);
    if (colon && colon[1]) {
        if (!parse_id(colon + 1, &ret->gid) && !find_group(root, colon + 1, &ret->gid))
            return err_set(reterr, 0, "unable to find group %s: no matching entries in group file",
                           colon + 1);
    }
    find_groups(root, found, ret);
    return 0;
}
