/* SPDX-License-Identifier: Apache-2.0 */
/* See container_spec.h. */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "api/quantity.h"
#include "api/schema/core_pod_v1.h"
#include "base/fault.h"
#include "base/files/beneath.h"
#include "base/files/file.h"
#include "base/log.h"
#include "node/env/environment.h"
#include "node/machine/machine.h"
#include "node/pod/container.h"
#include "node/pod/container_spec.h"
#include "node/resize/resize.h"
#include "node/runtime/apparmor.h"
#include "node/runtime/oci.h"
#include "node/runtime/overlay.h"
#include "node/runtime/seccomp.h"
#include "node/volume/mounts.h"
#include "node/volume/pod_volume.h"
#include "node/volume/volume.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CPU_PERIOD 100000
#define PROFILE_LIMIT (1 << 20)

/* ---- on the loop ---- */

static StringArray string_array(Arena *arena, size_t n)
{
    return (StringArray){arena_new_n(arena, const char *, n + 1), 0};
}

static void spec_args(ContainerSpec *s, const Container *container, const Image *image)
{
    const StringArray *command = container->command.n ? &container->command : &image->entrypoint;
    const StringArray *args =
        container->args.n || container->command.n ? &container->args : &image->cmd;
    StringArray all = string_array(&s->arena, command->n + args->n);

    for (size_t i = 0; i < command->n; i++)
        all.v[all.n++] = container->command.n ? env_expand(&s->arena, command->v[i], &s->env, NULL)
                                              : arena_strdup(&s->arena, command->v[i]);
    for (size_t i = 0; i < args->n; i++)
        all.v[all.n++] = container->args.n ? env_expand(&s->arena, args->v[i], &s->env, NULL)
                                           : arena_strdup(&s->arena, args->v[i]);
    s->oci.args = all;
}

/* Sets the variables of the image, then HOSTNAME, then those of the container. */
static void spec_env(ContainerSpec *s, const Image *image, const char *hostname, bool tty)
{
    EnvList all = {.arena = &s->arena};
    StringArray out;

    env_set(&all, "PATH", DEFAULT_PATH);
    if (tty)
        env_set(&all, "TERM", "xterm");
    env_set(&all, "HOSTNAME", hostname);
    for (size_t i = 0; i < image->env.n; i++) {
        const char *text = image->env.v[i], *equals = strchr(text, '=');

        if (equals)
            env_set(&all, arena_strndup(&s->arena, text, (size_t)(equals - text)),
                    arena_strdup(&s->arena, equals + 1));
    }
    for (size_t i = 0; i < s->env.n; i++)
        env_set(&all, s->env.v[i].key, str_or(s->env.v[i].value, ""));
    out = string_array(&s->arena, all.n + 1);
    for (size_t i = 0; i < all.n; i++)
        out.v[out.n++] = arena_printf(&s->arena, "%s=%s", all.v[i].key, all.v[i].value);
    s->oci.env = out;
}

static int64_t milli_cpu(const StringMap *map)
{
    const char *value = string_map_get(map, "cpu");

    return value ? quantity_milli(value) : 0;
}

static int64_t memory_of(const StringMap *map)
{
    const char *value = string_map_get(map, "memory");

    return value ? quantity_value(value) : 0;
}

static void spec_resources(AgentContainer *c, ContainerSpec *s, const Container *container)
{
    const ResourceRequirements *r = &container->resources;
    const PodStatus *status = &((const Pod *)c->pod->object->value)->status;
    int64_t limit = milli_cpu(&r->limits),
            request = string_map_get(&r->requests, "cpu") ? milli_cpu(&r->requests) : limit;
    int64_t capacity = memory_of(&c->pod->agent->allocatable);
    int score = 1000;

    s->oci.cpu_shares = (uint64_t)MAX_OF(request * 1024 / 1000, 2);
    if (limit) {
        s->oci.cpu_period = CPU_PERIOD;
        s->oci.cpu_quota = MAX_OF(limit * CPU_PERIOD / 1000, 1000);
    }
    s->oci.memory_limit = memory_of(&r->limits);
    if (str_equal(status->qos_class, "Guaranteed"))
        score = -997;
    else if (str_equal(status->qos_class, "Burstable") && capacity)
        score = (int)MAX_OF(2, MIN_OF(999, 1000 - 1000 * (memory_of(&r->requests) / 1024) /
                                                      MAX_OF(capacity / 1024, 1)));
    s->oci.has_oom_score_adj = score >= 0 || c->pod->agent->can_lower_oom;
    if (!c->pod->agent->can_lower_oom)
        score = MAX_OF(score, c->pod->agent->own_oom);
    s->oci.oom_score_adj = score;
}

/* Profiles of type Localhost are read from DATA/seccomp. */
static void spec_seccomp(ContainerSpec *s, const AgentPod *pod, const PodSecurityContext *all,
                         const SecurityContext *own)
{
    const SeccompProfile *profile = own && own->seccomp_profile ? own->seccomp_profile
                                    : all                       ? all->seccomp_profile
                                                                : NULL;

    if (!profile || s->oci.privileged)
        return;
    if (str_equal(profile->type, "RuntimeDefault"))
        s->oci.seccomp = "";
    else if (str_equal(profile->type, "Localhost"))
        s->seccomp_file = arena_printf(&s->arena, "%s/seccomp/%s", pod->agent->options.data_dir,
                                       str_or(profile->localhost_profile, ""));
}

/* A container that does not name a profile gets the default one where that is possible, as with other runtimes. */
static void spec_armor(ContainerSpec *s, const PodSecurityContext *all, const SecurityContext *own)
{
    const AppArmorProfile *profile = own && own->app_armor_profile ? own->app_armor_profile
                                     : all                         ? all->app_armor_profile
                                                                   : NULL;
    const char *type = profile ? profile->type : NULL;

    if (str_equal(type, "Unconfined") || !apparmor_usable(NULL))
        return;
    if (str_equal(type, "Localhost")) {
        s->oci.apparmor = arena_strdup(&s->arena, str_or(profile->localhost_profile, ""));
    } else if (!s->oci.privileged) {
        s->oci.apparmor = APPARMOR_DEFAULT;
        s->armor_optional = !profile;
    }
}

static void spec_security(ContainerSpec *s, const AgentPod *agent_pod, const PodSpec *pod,
                          const Container *container, const Image *image)
{
    const SecurityContext *own = container->security_context;
    const PodSecurityContext *all = pod->security_context;
    uint32_t *groups;

    s->run_as_user = own && own->run_as_user   ? *own->run_as_user
                     : all && all->run_as_user ? *all->run_as_user
                                               : -1;
    s->run_as_group = own && own->run_as_group   ? *own->run_as_group
                      : all && all->run_as_group ? *all->run_as_group
                                                 : -1;
    s->non_root = own && own->run_as_non_root
                      ? *own->run_as_non_root
                      : all && all->run_as_non_root && *all->run_as_non_root;
    s->image_user = arena_strdup(&s->arena, str_or(image->user, ""));
    if (all) {
        groups = arena_new_n(&s->arena, uint32_t, all->supplemental_groups.n + 1);
        for (size_t i = 0; i < all->supplemental_groups.n; i++)
            groups[s->n_extra_groups++] = (uint32_t)all->supplemental_groups.v[i];
        if (all->fs_group)
            groups[s->n_extra_groups++] = (uint32_t)*all->fs_group;
        s->extra_groups = groups;
        s->strict_groups = str_equal(all->supplemental_groups_policy, "Strict");
    }
    if (all && all->sysctls.n) {
        StringMap *map = arena_new(&s->arena, StringMap);

        map->v = arena_new_n(&s->arena, StringEntry, all->sysctls.n);
        for (size_t i = 0; i < all->sysctls.n; i++)
            map->v[map->n++] = (StringEntry){all->sysctls.v[i].name, all->sysctls.v[i].value};
        s->oci.sysctls = map;
    }
    if (own) {
        s->oci.privileged = own->privileged && *own->privileged;
        s->oci.read_only_root = own->read_only_root_filesystem && *own->read_only_root_filesystem;
        s->oci.no_new_privileges =
            own->allow_privilege_escalation && !*own->allow_privilege_escalation;
        s->oci.unmask_proc = str_equal(own->proc_mount, "Unmasked");
        if (own->capabilities) {
            s->oci.cap_add = own->capabilities->add;
            s->oci.cap_drop = own->capabilities->drop;
        }
    }
    spec_seccomp(s, agent_pod, all, own);
    spec_armor(s, all, own);
}

static void add_mount(ContainerSpec *s, const char *destination, const char *source,
                      const char *options)
{
    s->mounts[s->oci.n_mounts++] = (OciMount){arena_strdup(&s->arena, destination), "bind",
                                              arena_strdup(&s->arena, source), options};
}

static const PodVolume *find_volume(const AgentPod *pod, const char *name)
{
    for (size_t i = 0; i < pod->n_volumes; i++)
        if (str_equal(pod->volumes[i].name, name))
            return &pod->volumes[i];
    return NULL;
}

static bool mounts_path(const Container *container, const char *path)
{
    for (size_t i = 0; i < container->volume_mounts.n; i++)
        if (str_equal(container->volume_mounts.v[i].mount_path, path))
            return true;
    return false;
}

static const char *mount_options(Arena *arena, const VolumeMount *mount, const PodVolume *volume)
{
    const char *propagation = str_equal(mount->mount_propagation, "Bidirectional")     ? "rshared"
                              : str_equal(mount->mount_propagation, "HostToContainer") ? "rslave"
                                                                                       : "rprivate";
    /* written by us alone */
    bool ours = volume->form == VOLUME_FILES || volume->form == VOLUME_IMAGE;
    bool deep = mount->read_only && !str_empty(mount->recursive_read_only) &&
                !str_equal(mount->recursive_read_only, "Disabled");

    return arena_printf(arena, "rbind,%s,%s%s%s", propagation,
                        mount->read_only || volume->read_only || ours ? "ro" : "rw",
                        deep ? ",rro" : "", volume->form == VOLUME_IMAGE ? ",noexec" : "");
}

static int spec_volume_mounts(AgentContainer *c, ContainerSpec *s, const Container *container,
                              int attempt, Err *reterr)
{
    const AgentPod *pod = c->pod;

    for (size_t i = 0; i < container->volume_mounts.n; i++) {
        const VolumeMount *mount = &container->volume_mounts.v[i];
        const PodVolume *volume = find_volume(pod, mount->name);
        const char *sub = mount->sub_path;

        if (!volume)
            return err_set(reterr, 0, "cannot find volume \"%s\" to mount into container \"%s\"",
                           mount->name, container->name);
        if (!str_empty(mount->sub_path_expr))
            sub = env_expand(&s->arena, mount->sub_path_expr, &s->env, NULL);
        add_mount(s, mount->mount_path, volume->path, mount_options(&s->arena, mount, volume));
        if (str_empty(sub))
            continue;
        s->sub_paths[s->n_sub_paths++] = (SpecMount){
            .volume_path = arena_strdup(&s->arena, volume->path),
            .sub_path = arena_strdup(&s->arena, sub),
            .pin =
                arena_printf(&s->arena, "%s/sub/%s/%d/%zu", pod->run, container->name, attempt, i),
            .mount = s->oci.n_mounts - 1,
        };
    }
    return 0;
}

static int spec_mounts(AgentContainer *c, ContainerSpec *s, const Container *container, int attempt,
                       Err *reterr)
{
    const AgentPod *pod = c->pod;
    const PodSpec *spec = agent_pod_spec(pod);
    Arena *arena = &s->arena;
    bool ro = s->oci.read_only_root;
    const char *options = ro ? "rbind,rprivate,ro" : "rbind,rprivate,rw";

    s->mounts = arena_new_n(arena, OciMount, container->volume_mounts.n + 8);
    s->sub_paths = arena_new_n(arena, SpecMount, container->volume_mounts.n + 1);
    s->oci.mounts = s->mounts;
    if (!mounts_path(container, "/etc/hosts"))
        add_mount(s, "/etc/hosts", arena_printf(arena, "%s/etc/hosts", pod->data), options);
    if (!mounts_path(container, "/etc/resolv.conf"))
        add_mount(s, "/etc/resolv.conf", arena_printf(arena, "%s/etc/resolv.conf", pod->data),
                  options);
    if (!mounts_path(container, "/etc/hostname") && !spec->host_network)
        add_mount(s, "/etc/hostname", arena_printf(arena, "%s/etc/hostname", pod->data), options);
    s->termination_path =
        arena_strdup(arena, str_or(container->termination_message_path, "/dev/termination-log"));
    s->termination_file = arena_printf(arena, "%s/etc/%s.%d", pod->data, container->name, attempt);
    if (!mounts_path(container, s->termination_path))
        add_mount(s, s->termination_path, s->termination_file, "rbind,rprivate,rw");
    return spec_volume_mounts(c, s, container, attempt, reterr);
}

/* The PID namespace of the target of an ephemeral container; NULL if it gets its own. */
static const char *target_pid_namespace(AgentContainer *c, ContainerSpec *s)
{
    AgentPod *pod = c->pod;
    const PodSpec *spec = agent_pod_spec(pod);
    size_t first = spec->init_containers.n + spec->containers.n, target, n;
    _free_ char *text = NULL, *path = NULL;
    const char *name;
    int64_t pid;

    if (c->index < first || c->index - first >= spec->ephemeral_containers.n)
        return NULL;
    name = spec->ephemeral_containers.v[c->index - first].target_container_name;
    target = str_empty(name) ? machine_count(pod->machine) : machine_find(pod->machine, name);
    if (target >= machine_count(pod->machine) || !container_at(pod, target)->bundle)
        return NULL;
    path = mem_printf("%s/pid", container_at(pod, target)->bundle);
    if (file_read(path, 32, &text, &n) < 0)
        return NULL;
    text[strcspn(text, "\n")] = 0;
    return str_to_int64(text, 2, INT32_MAX, &pid)
               ? NULL
               : arena_printf(&s->arena, "/proc/%" PRId64 "/ns/pid", pid);
}

static void spec_namespaces(AgentContainer *c, ContainerSpec *s, const char *hostname)
{
    const AgentPod *pod = c->pod;
    const PodSpec *spec = agent_pod_spec(pod);

    s->oci.network_ns = spec->host_network ? "" : arena_strdup(&s->arena, pod->netns);
    s->oci.hostname = spec->host_network ? NULL : hostname;
    s->oci.ipc_ns = spec->host_ipc ? "" : arena_printf(&s->arena, "%s/ipc", pod->run);
    s->oci.shm = spec->host_ipc ? "/dev/shm" : arena_printf(&s->arena, "%s/shm", pod->run);
    if (spec->host_pid)
        s->oci.pid_ns = "";
    else if (spec->share_process_namespace && *spec->share_process_namespace)
        s->oci.pid_ns = arena_printf(&s->arena, "%s/pid", pod->run);
    else
        s->oci.pid_ns = target_pid_namespace(c, s);
    s->oci.cgroup = arena_printf(&s->arena, "%s/pod%s/%s", pod->agent->cgroup, pod->uid, s->id);
}

int container_spec_new(AgentContainer *c, const Container *container, int attempt,
                       const Image *image, ContainerSpec **ret, Err *reterr)
{
    AgentPod *pod = c->pod;
    const PodSpec *pod_spec = agent_pod_spec(pod);
    ContainerSpec *s = mem_new_type(ContainerSpec);
    const char *hostname;
    PodFacts facts;
    int r;

    s->pod = object_ref(pod->object);
    s->name = arena_strdup(&s->arena, container->name);
    s->image = arena_strdup(&s->arena, str_or(container->image, ""));
    s->id = arena_strdup(&s->arena, c->id);
    s->bundle = arena_strdup(&s->arena, c->bundle);
    s->root = arena_printf(&s->arena, "%s/root/%s/%d", pod->data, container->name, attempt);
    s->pod_text = arena_printf(&s->arena, "%s_%s(%s)", pod->name, pod->ns, pod->uid);
    s->layers = string_array(&s->arena, image->layers.n);
    for (size_t i = 0; i < image->layers.n; i++)
        s->layers.v[s->layers.n++] = arena_strdup(&s->arena, image->layers.v[i]);
    agent_pod_facts(pod, &facts);
    r = pod_kernel_hostname(pod->object, facts.domain, &s->arena, &hostname, reterr);
    if (r >= 0)
        r = pod_env(&facts, &s->arena, container, &s->env, reterr);
    if (r >= 0) {
        spec_security(s, pod, pod_spec, container, image);
        spec_args(s, container, image);
        spec_env(s, image, hostname, container->tty);
        spec_resources(c, s, container);
        s->resources = resources_text(&type_ResourceRequirements, &container->resources);
        spec_namespaces(c, s, hostname);
        s->oci.root = arena_printf(&s->arena, "%s/root", s->root);
        s->oci.cwd = arena_strdup(&s->arena,
                                  str_or(container->working_dir, str_or(image->working_dir, "/")));
        s->oci.tty = container->tty;
        s->standard_in = container->stdin;
        s->stdin_once = container->stdin_once;
        r = spec_mounts(c, s, container, attempt, reterr);
    }
    if (r >= 0 && !s->oci.args.n)
        r = err_set(reterr, 0, "no command specified");
    if (r < 0) {
        container_spec_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

ContainerSpec *container_spec_free(ContainerSpec *s)
{
    Arena arena;

    if (!s)
        return NULL;
    object_unref(s->pod);
    free(s->resources);
    arena = s->arena;
    free(s);
    arena_clear(&arena);
    return NULL;
}

/* ---- on the pool ---- */

/* The upper folder appears as "/" of the container, so it gets the owner and mode of the image's
 * root. */
static int copy_folder_mode(const char *from, const char *to)
{
    _close_fd_ int source = beneath_root(from), fd = beneath_root(to);
    struct stat st;
    int r;

    if (source < 0 || fd < 0)
        return source < 0 ? source : fd;
    if (fstat(source, &st) < 0)
        return -errno;
    r = beneath_chown(fd, st.st_uid, st.st_gid);
    return r < 0 ? r : beneath_chmod(fd, st.st_mode & 07777);
}

static int mount_root(ContainerSpec *s, Err *reterr)
{
    _free_ char *upper = mem_printf("%s/upper", s->root), *work = mem_printf("%s/work", s->root);
    int r;

    (void)mounts_below_remove(s->root, NULL);
    r = file_remove_tree(s->root);
    if (r >= 0)
        r = file_mkdir_all(upper, 0755);
    if (r >= 0)
        r = file_mkdir_all(work, 0700);
    if (r >= 0)
        r = file_mkdir_all(s->oci.root, 0755);
    if (r >= 0 && s->layers.n)
        r = copy_folder_mode(s->layers.v[s->layers.n - 1], upper);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the root folder");
    if (!s->layers.n) {
        if (mount(upper, s->oci.root, NULL, MS_BIND, NULL) < 0)
            return err_set(reterr, errno, "cannot mount the root folder");
        return 0;
    }
    r = FAULT_POINT("node.container.mount") ? -EIO
                                            : overlay_mount(&s->layers, upper, work, s->oci.root);
    return r < 0 ? err_set(reterr, -r, "cannot mount the root folder") : 0;
}

/* Makes the missing folders of a path below the root; links are resolved inside the root. */
static void make_in_root(const char *root, const char *path)
{
    _close_fd_ int dir = beneath_root(root), made = -1;

    if (dir >= 0 && *path == '/') /* the runtime reports failures with a better message */
        made = beneath_make_folders(dir, path, BENEATH_IN_ROOT, 0755);
}

static int prepare_user(ContainerSpec *s, Err *reterr)
{
    char text[64];
    const char *user = s->image_user;
    uint32_t *groups;
    OciUser found;
    int r;

    if (s->run_as_user >= 0) {
        snprintf(text, sizeof(text), "%" PRId64, s->run_as_user);
        user = text;
    }
    s->config_error = true;
    if (s->non_root && s->run_as_user == 0)
        return err_set(reterr, 0,
                       "container's runAsUser breaks non-root policy (pod: \"%s\", container: %s)",
                       s->pod_text, s->name);
    if (s->non_root && s->run_as_user < 0 && *user && (*user < '0' || *user > '9'))
        return err_set(
            reterr, 0,
            "container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is "
            "non-root (pod: \"%s\", container: %s)",
            user, s->pod_text, s->name);
    s->config_error = false;
    r = oci_user_find(s->oci.root, user, &s->arena, &found, reterr);
    if (r < 0)
        return r;
    if (s->non_root && found.uid == 0) {
        s->config_error = true;
        return err_set(
            reterr, 0,
            "container has runAsNonRoot and image will run as root (pod: \"%s\", container: %s)",
            s->pod_text, s->name);
    }
    s->oci.uid = found.uid;
    s->oci.gid = s->run_as_group >= 0 ? (uint32_t)s->run_as_group : found.gid;
    groups = arena_new_n(&s->arena, uint32_t, found.n_groups + s->n_extra_groups + 1);
    for (size_t i = 0; i < found.n_groups && !s->strict_groups; i++)
        groups[s->oci.n_groups++] = found.groups[i];
    for (size_t i = 0; i < s->n_extra_groups; i++)
        groups[s->oci.n_groups++] = s->extra_groups[i];
    s->oci.groups = groups;
    return 0;
}

static int write_small(const char *path, const char *text, mode_t mode, Err *reterr)
{
    int r = file_replace(path, text, strlen(text), mode);

    if (r >= 0 && chmod(path, mode) < 0)
        r = -errno;
    return r < 0 ? err_set(reterr, -r, "cannot write %s", path) : 0;
}

static int write_in_bundle(const ContainerSpec *s, const char *name, const char *text, mode_t mode,
                           Err *reterr)
{
    _free_ char *path = mem_printf("%s/%s", s->bundle, name);

    return write_small(path, text, mode, reterr);
}

/* The profile is read for each start, so that a corrected one takes effect at the next attempt. */
static int read_seccomp(ContainerSpec *s, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r;

    if (!s->seccomp_file)
        return 0;
    r = file_read(s->seccomp_file, PROFILE_LIMIT, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "cannot load seccomp profile \"%s\"", s->seccomp_file);
    r = seccomp_parse(text, n, NULL, NULL, reterr);
    if (r < 0)
        return err_wrap(reterr, "cannot load seccomp profile \"%s\"", s->seccomp_file);
    s->oci.seccomp = arena_strndup(&s->arena, text, n);
    return 0;
}

static int prepare_armor(ContainerSpec *s, Err *reterr)
{
    static atomic_bool said;
    Err err = ERR_INIT;
    int r = 0;

    if (!s->oci.apparmor)
        return 0;
    if (!str_equal(s->oci.apparmor, APPARMOR_DEFAULT))
        return apparmor_find(s->oci.apparmor, reterr);
    r = apparmor_load_default(s->armor_optional ? &err : reterr);
    if (r == 0 || !s->armor_optional)
        return r;
    s->oci.apparmor = NULL;
    if (!atomic_exchange(&said, true))
        log_warn("node", "containers start without an AppArmor profile: %s", err.message);
    return 0;
}

int container_spec_prepare(ContainerSpec *s, Err *reterr)
{
    _strbuf_ StrBuf json = STRBUF_INIT;
    int r;

    r = file_remove_tree(s->bundle);
    if (r >= 0)
        r = file_mkdir_all(s->bundle, 0700);
    if (r < 0)
        return err_set(reterr, -r, "cannot make %s", s->bundle);
    r = mount_root(s, reterr);
    if (r < 0)
        return r;
    r = prepare_user(s, reterr);
    if (r >= 0)
        r = read_seccomp(s, reterr);
    if (r >= 0)
        r = prepare_armor(s, reterr);
    for (size_t i = 0; i < s->n_sub_paths && r >= 0; i++) {
        r = volume_sub_path(s->sub_paths[i].volume_path, s->sub_paths[i].sub_path,
                            s->sub_paths[i].pin, reterr);
        if (r < 0)
            s->config_error = true;
        s->mounts[s->sub_paths[i].mount].source = s->sub_paths[i].pin;
    }
    if (r >= 0)
        r = write_small(s->termination_file, "", 0666, reterr);
    if (r >= 0)
        r = write_in_bundle(s, "image", s->image, 0600, reterr);
    if (r >= 0)
        r = write_in_bundle(s, "resources", s->resources, 0600, reterr);
    if (r >= 0)
        r = write_in_bundle(s, "id", s->id, 0600, reterr);
    if (r < 0)
        return r;
    make_in_root(s->oci.root, s->oci.cwd);
    oci_spec_json(&s->oci, &json);
    return write_in_bundle(s, "config.json", json.p, 0600, reterr);
}
