/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox of a pod, which its containers share: network, IPC namespace, /dev/shm, volumes,
 * hosts and resolv.conf. The network is set up in parallel with the rest. There is no pause
 * process, since bind mounts keep the namespaces alive. Only a shared PID namespace needs a
 * process: stead-pause is its init. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "api/schema/core_pod_v1.h"
#include "api/schema/node_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/files/user_namespace.h"
#include "base/log.h"
#include "base/process.h"
#include "node/env/environment.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/claim_volumes.h"
#include "node/pod/host_ports.h"
#include "node/pod/images.h"
#include "node/pod/restore.h"
#include "node/pod/sandbox.h"
#include "node/runtime/cgroup.h"
#include "node/pod/volume_room.h"
#include "node/volume/disk.h"
#include "node/volume/mounts.h"
#include "node/volume/pod_volume.h"
#include "node/volume/volume.h"

#define FILES_RETRY (30 * NS_PER_SEC)

typedef struct SandboxWork {
    uv_work_t work;
    AgentPod *pod;
    Object *object; /* a reference to the version of the pod whose texts are used */
    char *run, *data, *data_dir, *cgroup;
    bool share_ipc;
    int64_t fs_group;
    bool on_mismatch;
    Arena arena;
    PodVolume *volumes;
    size_t n_volumes;
    StringArray images;
    const char *reason;
    Err error;
    int failed;
} SandboxWork;

/* When the first process of this process namespace started, in ticks of the machine since its boot. */
static uint64_t first_process_start(void)
{
    _free_ char *text = NULL;
    const char *at;
    uint64_t start = 0;

    if (file_read("/proc/1/stat", 4096, &text, NULL) < 0 || !(at = strrchr(text, ')')))
        return 0;
    at++;
    for (int i = 0; i < 19 && at; i++) /* starttime is the 20th field behind the name */
        at = strchr(at + 1, ' ');
    return at && sscanf(at, " %" SCNu64, &start) == 1 ? start : 0;
}

/* In the namespaces of an ordinary user's server, mounts and network namespaces end with the first process there, as they do for root
 * with the machine. */
char *node_boot_id(void)
{
    char *text = NULL, *longer;
    size_t n;

    if (file_read("/proc/sys/kernel/random/boot_id", 128, &text, &n) < 0)
        return mem_strdup("unknown");
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = 0;
    if (!in_user_namespace())
        return text;
    longer = mem_printf("%s-%" PRIu64, text, first_process_start());
    free(text);
    return longer;
}

static SandboxWork *work_new(AgentPod *pod)
{
    const PodSpec *spec = agent_pod_spec(pod);
    SandboxWork *w = mem_new_type(SandboxWork);

    w->pod = agent_pod_ref(pod);
    w->object = object_ref(pod->object);
    w->run = mem_strdup(pod->run);
    w->data = mem_strdup(pod->data);
    w->data_dir = mem_strdup(pod->agent->options.data_dir);
    w->share_ipc = !spec->host_ipc;
    w->fs_group = spec->security_context && spec->security_context->fs_group
                      ? *spec->security_context->fs_group
                      : -1;
    w->on_mismatch = spec->security_context &&
                     str_equal(spec->security_context->fs_group_change_policy, "OnRootMismatch");
    return w;
}

static void work_free(SandboxWork *w)
{
    agent_pod_unref(w->pod);
    object_unref(w->object);
    arena_clear(&w->arena);
    free(w->run);
    free(w->data);
    free(w->data_dir);
    free(w->cgroup);
    free(w);
}

/* Collects the image names of the pod's containers. */
static void list_images(SandboxWork *w, const PodSpec *spec)
{
    w->images.v =
        arena_new_n(&w->arena, const char *, spec->init_containers.n + spec->containers.n);
    for (size_t i = 0; i < spec->init_containers.n; i++)
        w->images.v[w->images.n++] =
            arena_strdup(&w->arena, str_or(spec->init_containers.v[i].image, ""));
    for (size_t i = 0; i < spec->containers.n; i++)
        w->images.v[w->images.n++] =
            arena_strdup(&w->arena, str_or(spec->containers.v[i].image, ""));
}

/* ---- volumes, on the loop ---- */

static void planner_init(VolumePlanner *planner, AgentPod *pod, Arena *arena, PodFacts *facts)
{
    NodeAgent *agent = pod->agent;

    agent_pod_facts(pod, facts);
    *planner = (VolumePlanner){
        .facts = facts,
        .arena = arena,
        .data_dir = agent->options.data_dir,
        .pod_data = pod->data,
        .pod_run = pod->run,
        .root_ca_pem = agent->options.root_ca_pem,
        .images = agent->options.images,
        .now_ns = clock_wall_ns(agent->options.clock),
        .tokens = &pod->tokens,
        .make_token = agent->options.make_token,
        .make_token_data = agent->options.make_token_data,
    };
}

static int plan_volume(VolumePlanner *planner, const Volume *volume, PodVolume *ret, Err *reterr)
{
    int r = volume_plan(planner, volume, ret, reterr);

    if (r < 0)
        err_wrap(reterr, "MountVolume.SetUp failed for volume \"%s\" ", volume->name);
    return r;
}

static void tell_of_files(AgentPod *pod, const Err *err)
{
    agent_pod_event(pod, SIZE_MAX, "Warning", "FailedMount", err->message);
}

/* A pod that is restored after a restart keeps the files that it has, even if the objects from
 * which they were made are gone. */
static bool holds_files(const AgentPod *pod, const PodVolume *volume)
{
    _free_ char *data = NULL;

    if (volume->form != VOLUME_FILES || !pod_was_here(pod))
        return false;
    data = mem_printf("%s/..data", volume->path);
    return file_exists(data);
}

static int plan_volumes(AgentPod *pod, SandboxWork *w, Err *reterr)
{
    const PodSpec *spec = agent_pod_spec(pod);
    VolumePlanner planner;
    PodFacts facts;

    planner_init(&planner, pod, &w->arena, &facts);
    w->volumes = arena_new_n(&w->arena, PodVolume, spec->volumes.n + 1);
    for (size_t i = 0; i < spec->volumes.n; i++) {
        Err err = ERR_INIT;
        int r = plan_volume(&planner, &spec->volumes.v[i], &w->volumes[i], &err);

        if (r < 0 && holds_files(pod, &w->volumes[i])) {
            w->volumes[i].kept = true;
            tell_of_files(pod, &err);
        } else if (r < 0) {
            *reterr = err;
            return r;
        }
    }
    w->n_volumes = spec->volumes.n;
    return 0;
}

/* ---- preparing, on the pool ---- */

/* Creates an IPC namespace and keeps it alive by a bind mount. The thread returns to its own
 * namespace. */
static int pin_ipc(const char *path, Err *reterr)
{
    _close_fd_ int own = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
    _close_fd_ int file = -1;
    struct stat here, there;
    int r = 0;

    if (own < 0 || fstat(own, &here) < 0)
        return err_set(reterr, errno, "cannot find the IPC namespace");
    file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || fstat(file, &there) < 0)
        return err_set(reterr, errno, "cannot make %s", path);
    if (here.st_dev == there.st_dev)
        return 0; /* the namespace exists already */
    if (FAULT_CALL("node.ipc.unshare", unshare(CLONE_NEWIPC)) < 0)
        return err_set(reterr, errno, "cannot make an IPC namespace");
    if (FAULT_CALL("node.ipc.mount", mount("/proc/thread-self/ns/ipc", path, NULL, MS_BIND, NULL)) <
        0)
        r = err_set(reterr, errno, "cannot hold the IPC namespace");
    ASSERT(setns(own, CLONE_NEWIPC) == 0);
    return r;
}

static int make_shm(const char *path, Err *reterr)
{
    struct stat here, up;
    int r = file_mkdir_all(path, 0777);
    _free_ char *parent = mem_printf("%s/..", path);

    if (r < 0)
        return err_set(reterr, -r, "cannot make %s", path);
    if (stat(path, &here) == 0 && stat(parent, &up) == 0 && here.st_dev != up.st_dev)
        return 0;
    if (FAULT_CALL("node.shm.mount", mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                           "mode=1777,size=64m")) < 0)
        return err_set(reterr, errno, "cannot mount /dev/shm");
    return 0;
}

static void prepare_work(uv_work_t *work)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);
    _free_ char *shm = mem_printf("%s/shm", w->run), *ipc = mem_printf("%s/ipc", w->run);
    _free_ char *etc = mem_printf("%s/etc", w->data);
    int r;

    for (size_t i = 0; i < w->images.n; i++) /* unpacked here, since that would block the loop */
        image_bring(w->pod->agent->options.images, w->images.v[i]);
    w->reason = "FailedCreatePodSandBox";
    r = FAULT_POINT("node.sandbox.folders") ? -EIO : file_mkdir_all(w->run, 0755);
    if (r >= 0)
        r = file_mkdir_all(etc, 0755);
    if (r < 0) {
        w->failed = err_set(&w->error, -r, "cannot make the pod's folders");
        return;
    }
    if (w->share_ipc) {
        w->failed = pin_ipc(ipc, &w->error);
        if (w->failed >= 0)
            w->failed = make_shm(shm, &w->error);
    }
    if (w->failed < 0)
        return;
    w->reason = "FailedMount";
    for (size_t i = 0; i < w->n_volumes && w->failed >= 0; i++) {
        w->failed = volume_setup(&w->volumes[i], w->data_dir, w->fs_group, w->on_mismatch,
                                 &w->arena, &w->error);
        if (w->failed < 0)
            err_wrap(&w->error, "MountVolume.SetUp failed for volume \"%s\" ", w->volumes[i].name);
    }
}

/* ---- preparing, on the loop ---- */

static void note_error(AgentPod *pod, const char *reason, const Err *err)
{
    if (pod->prepare_reason)
        return;
    pod->prepare_reason = reason;
    pod->prepare_error = *err;
}

static int write_file(const char *folder, const char *name, const char *text, size_t n)
{
    _free_ char *path = mem_printf("%s/%s", folder, name);
    int r = file_replace(path, text, n, 0644);

    if (r >= 0 && chmod(path, 0644) < 0)
        r = -errno;
    return r;
}

/* hosts and resolv.conf are not replaced if they exist, because running containers have these
 * very files mounted. */
static int write_files(AgentPod *pod, Err *reterr)
{
    _strbuf_ StrBuf hosts = STRBUF_INIT, resolv = STRBUF_INIT, hostname = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *boot = node_boot_id(), *etc = mem_printf("%s/etc", pod->data);
    _free_ char *path = mem_printf("%s/hosts", etc);
    const char *name;
    PodFacts facts;
    int r = 0;

    agent_pod_facts(pod, &facts);
    pod_hosts_file(&facts, &hosts);
    pod_resolv_conf(&facts, &resolv);
    if (pod_kernel_hostname(pod->object, facts.domain, &arena, &name, NULL) == 0)
        strbuf_printf(&hostname, "%s\n", name);
    if (!file_exists(path)) {
        r = write_file(etc, "resolv.conf", strbuf_string(&resolv), resolv.n);
        if (r >= 0)
            r = write_file(etc, "hostname", hostname.p, hostname.n);
        if (r >= 0)
            r = write_file(etc, "hosts", strbuf_string(&hosts), hosts.n);
    }
    if (r >= 0)
        r = write_file(pod->run, "sandbox", boot, strlen(boot));
    return r < 0 ? err_set(reterr, -r, "cannot write the pod's files") : 0;
}

static void tokens_schedule(AgentPod *pod, const PodVolume *volumes, size_t n);

static void prepare_step_done(AgentPod *pod)
{
    Err err = ERR_INIT;

    if (--pod->preparing > 0)
        return;
    if (!pod->prepare_reason && pod->machine && !pod->teardown_wanted && write_files(pod, &err) < 0)
        note_error(pod, "FailedCreatePodSandBox", &err);
    /* After a failure, the machine requests the whole preparation again. */
    follow_end(&pod->files, pod->prepare_reason ? FOLLOW_NO_RETRY : 0);
    if (!pod->machine)
        return;
    if (pod->teardown_wanted) {
        sandbox_teardown(pod);
        return;
    }
    if (pod->prepare_reason) {
        const char *reason = pod->prepare_reason;
        _free_ char *text =
            str_equal(reason, "FailedCreatePodSandBox")
                ? mem_printf("Failed to create pod sandbox: %s", pod->prepare_error.message)
                : mem_strdup(pod->prepare_error.message);

        pod->prepare_reason = NULL;
        pod->prepare_failing = true;
        machine_prepare_failed(pod->machine, reason, text);
        pod->prepare_failing = false;
        return;
    }
    log_debug("node", "pod %s/%s: sandbox is ready, %s", pod->ns, pod->name, str_or(pod->ip, ""));
    tokens_schedule(pod, pod->volumes, pod->n_volumes);
    host_ports_add(pod);
    machine_prepared(pod->machine, pod->ip);
}

static void on_network(void *data, const NetPod *net, const Err *err)
{
    AgentPod *pod = data;

    log_debug("node", "pod %s/%s: network is ready", pod->ns, pod->name);
    if (net) {
        free(pod->netns);
        free(pod->ip);
        pod->netns = mem_strdup(net->netns);
        pod->ip = mem_strdup(net->address);
    } else {
        note_error(pod, "FailedCreatePodSandBox", err);
    }
    prepare_step_done(pod);
    agent_pod_unref(pod);
}

static void on_pause_started(void *data, const ProcessResult *result)
{
    AgentPod *pod = data;
    Err err = ERR_INIT;

    if (result->error || result->signal || result->exit_status) {
        err_set(&err, -result->error, "cannot make a PID namespace: %.*s",
                (int)MIN_OF(result->err.n, (size_t)300), (const char *)result->err.p);
        note_error(pod, "FailedCreatePodSandBox", &err);
    }
    prepare_step_done(pod);
    agent_pod_unref(pod);
}

/* stead-pause creates the namespace, keeps it alive by a bind mount at RUN/pods/<uid>/pid, and
 * stays as its init. */
static void run_pause(AgentPod *pod, ProcessDone done, void *data)
{
    _free_ char *program = mem_printf("%s/stead-pause", pod->agent->options.helper_dir);
    _free_ char *pin = mem_printf("%s/pid", pod->run);
    const char *argv[] = {program, pin, pod->uid, NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = 10 * NS_PER_SEC};

    process_run(pod->agent->options.loop, &options, done, data, NULL);
}

bool sandbox_shares_processes(const AgentPod *pod)
{
    const PodSpec *spec = agent_pod_spec(pod);

    return spec->share_process_namespace && *spec->share_process_namespace && !spec->host_pid;
}

static void prepare_pid_namespace(AgentPod *pod)
{
    pod->preparing++;
    run_pause(pod, on_pause_started, agent_pod_ref(pod));
}

/* If its init has been killed, the kernel has killed all its processes, and no process can be
 * started in the namespace any more. */
static bool has_init(const AgentPod *pod)
{
    _free_ char *file = mem_printf("%s/pid.init", pod->run), *pin = mem_printf("%s/pid", pod->run);
    _free_ char *text = NULL, *alive = NULL;
    struct stat here, there;
    size_t n;

    if (file_read(file, 32, &text, &n) < 0)
        return false;
    alive = mem_printf("/proc/%s/ns/pid", text);
    return stat(alive, &here) == 0 && stat(pin, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

bool sandbox_renew_init(AgentPod *pod, ProcessDone done, void *data)
{
    if (!sandbox_shares_processes(pod) || has_init(pod))
        return false;
    agent_pod_event(pod, SIZE_MAX, "Normal", "SandboxChanged",
                    "The process that holds the pod's PID namespace is gone; it is made anew");
    run_pause(pod, done, data);
    return true;
}

static void tell_of_volumes(AgentPod *pod)
{
    for (size_t i = 0; i < pod->n_volumes; i++) {
        const PodVolume *volume = &pod->volumes[i];
        _free_ char *text = NULL;

        if (!volume->disk)
            continue;
        volume_room_add(pod->agent, volume->disk);
        if (volume->outcome == 0)
            agent_volume_grown(pod->agent, volume->disk, volume->size);
        if (volume->outcome != DISK_E_UNLIMITED)
            continue;
        text = pod->agent->options.rootless
                   ? mem_printf("volume \"%s\" has no limit: this server belongs to an ordinary "
                                "user, who can use neither project quota nor loop devices",
                                volume->name)
                   : mem_printf("volume \"%s\" has no limit: this machine has neither project "
                                "quota for %s nor loop devices",
                                volume->name, pod->agent->options.data_dir);
        agent_pod_event(pod, SIZE_MAX, "Warning", "VolumeSizeNotEnforced", text);
    }
}

static void prepare_done(uv_work_t *work, int status _unused_)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);
    AgentPod *pod = w->pod;

    log_debug("node", "pod %s/%s: volumes are ready", pod->ns, pod->name);
    if (w->failed < 0) {
        note_error(pod, w->reason, &w->error);
    } else {
        arena_clear(&pod->arena);
        pod->arena = w->arena;
        w->arena = ARENA_INIT;
        pod->volumes = w->volumes;
        pod->n_volumes = w->n_volumes;
        tell_of_volumes(pod);
        if (sandbox_shares_processes(pod))
            prepare_pid_namespace(pod);
    }
    prepare_step_done(pod);
    work_free(w);
}

/* The node has one runtime, which programs that choose one call by its own name or by that of the
 * reference implementation. */
static int check_runtime_class(const AgentPod *pod, Err *reterr)
{
    static const char *const handlers[] = {"crun", "runc"};
    const char *name = agent_pod_spec(pod)->runtime_class_name;
    const RuntimeClass *class;
    Object *object;

    if (str_empty(name))
        return 0;
    object = client_get(pod->agent->options.client, &kind_runtime_class, NULL, name);
    if (!object)
        return err_set(reterr, 0,
                       "failed to get runtime handler from RuntimeClass \"%s\": "
                       "runtimeclass.node.k8s.io \"%s\" not found",
                       name, name);
    class = object->value;
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (str_equal(class->handler, handlers[i]))
            return 0;
    return err_set(reterr, 0,
                   "no runtime for \"%s\" is configured; this node has the handlers crun and runc",
                   class->handler);
}

static void prepare_begin(AgentPod *pod)
{
    NodeAgent *agent = pod->agent;
    const PodSpec *spec = agent_pod_spec(pod);
    const PodStatus *status = &((const Pod *)pod->object->value)->status;
    const char *hostname;
    SandboxWork *w;
    Err err = ERR_INIT;

    w = work_new(pod);
    list_images(w, spec);
    if (spec->host_users && !*spec->host_users) {
        err_set(&err, 0,
                "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
        note_error(pod, "FailedCreatePodSandBox", &err);
    }
    if (check_runtime_class(pod, &err) < 0)
        note_error(pod, "FailedCreatePodSandBox", &err);
    if (pod_kernel_hostname(pod->object, agent->options.domain, &w->arena, &hostname, &err) < 0)
        note_error(pod, "FailedCreatePodSandBox", &err);
    if (plan_volumes(pod, w, &err) < 0)
        note_error(pod, "FailedMount", &err);
    if (spec->host_network) {
        free(pod->ip);
        pod->ip = mem_strdup(agent->host_ip);
    } else {
        pod->preparing++;
        pod->network = true;
        net_pod_add(agent->options.net, pod->uid, status->pod_ip, on_network, agent_pod_ref(pod));
    }
    uv_queue_work(agent->options.loop, &w->work, prepare_work, prepare_done);
}

/* ---- images that are volumes ---- */

static void on_volume_image(void *data, WaitingReason reason, const char *message);

/* Waits for the image of each such volume, one after the other, and begins the preparation then. A
 * pod that was here before has them mounted. */
static void want_volume_images(AgentPod *pod)
{
    const VolumeArray *volumes = &agent_pod_spec(pod)->volumes;

    while (!pod->prepare_reason && pod->volume_images < volumes->n && !pod_was_here(pod)) {
        const ImageVolumeSource *image = volumes->v[pod->volume_images].volume_source.image;

        if (image && !str_empty(image->reference)) {
            pod->volume_want = pod_image_want(pod, SIZE_MAX, image->reference, image->pull_policy,
                                              on_volume_image, pod);
            if (pod->volume_want)
                return;
        } else {
            pod->volume_images++;
        }
    }
    prepare_begin(pod);
}

static void on_volume_image(void *data, WaitingReason reason, const char *message)
{
    AgentPod *pod = data;
    const Volume *volume = &agent_pod_spec(pod)->volumes.v[pod->volume_images++];
    bool waited = pod->volume_want != NULL;
    Err err = ERR_INIT;

    pod->volume_want = NULL;
    if (reason != WAITING_NONE) {
        err_set(
            &err, 0,
            "MountVolume.SetUp failed for volume \"%s\" : image \"%s\" is not on this machine: %s",
            volume->name, volume->volume_source.image->reference, message);
        note_error(pod, "FailedMount", &err);
    }
    if (waited)
        want_volume_images(pod);
}

void sandbox_prepare(AgentPod *pod)
{
    if (pod->preparing)
        return;
    pod->prepare_reason = NULL;
    pod->preparing = 1;
    pod->volume_images = 0;
    follow_begin(&pod->files);
    want_volume_images(pod);
}

/* ---- files that change while the pod runs ---- */

/* Volumes are independent: a failure of one does not prevent the others from being written. */
static void refresh_work(uv_work_t *work)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);

    for (size_t i = 0; i < w->n_volumes; i++) {
        Err err = ERR_INIT;

        if (!file_exists(w->volumes[i].path) ||
            volume_write_files(&w->volumes[i], w->fs_group, &err) >= 0 || w->failed < 0)
            continue;
        err_wrap(&err, "MountVolume.SetUp failed for volume \"%s\" ", w->volumes[i].name);
        w->error = err;
        w->failed = -EIO;
    }
}

static void refresh_done(uv_work_t *work, int status _unused_)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);
    AgentPod *pod = w->pod;

    if (w->failed < 0 && pod->machine)
        tell_of_files(pod, &w->error);
    follow_end(&pod->files, w->failed < 0 ? FILES_RETRY : 0);
    if (pod->teardown_wanted)
        sandbox_teardown(pod);
    work_free(w);
}

static void on_tokens_due(Timer *timer)
{
    follow_changed(&((AgentPod *)timer->data)->files);
}

static void tokens_schedule(AgentPod *pod, const PodVolume *volumes, size_t n)
{
    Clock *clock = pod->agent->options.clock;
    int64_t due = 0;

    for (size_t i = 0; i < n; i++)
        if (volumes[i].refresh_ns && (!due || volumes[i].refresh_ns < due))
            due = volumes[i].refresh_ns;
    timer_stop(clock, &pod->token_timer);
    if (due)
        timer_start(clock, &pod->token_timer, MAX_OF(due - clock_wall_ns(clock), NS_PER_SEC));
}

/* Plans the present content of the pod's volumes of files. As under Kubernetes, a volume whose
 * objects are missing keeps its files; *reterr describes the first such case, for an event. */
static void plan_files(AgentPod *pod, SandboxWork *w, Err *reterr)
{
    const VolumeArray *all = &agent_pod_spec(pod)->volumes;
    VEC(PodVolume) planned = VEC_INIT, complete = VEC_INIT;
    VolumePlanner planner;
    PodFacts facts;

    planner_init(&planner, pod, &w->arena, &facts);
    for (size_t i = 0; i < all->n && i < pod->n_volumes; i++) {
        PodVolume volume = {0};
        Err err = ERR_INIT;

        if (pod->volumes[i].form != VOLUME_FILES)
            continue;
        if (plan_volume(&planner, &all->v[i], &volume, &err) >= 0)
            ARENA_PUSH(&w->arena, &complete, volume);
        else if (str_empty(reterr->message))
            *reterr = err;
        ARENA_PUSH(&w->arena, &planned, volume);
    }
    w->volumes = complete.v;
    w->n_volumes = complete.n;
    tokens_schedule(pod, planned.v, planned.n);
}

static void on_files_due(void *data)
{
    AgentPod *pod = data;
    SandboxWork *w;
    Err err = ERR_INIT;

    if (pod->preparing || !pod->machine || machine_stage(pod->machine) != MACHINE_ACTIVE)
        return;
    follow_begin(&pod->files);
    w = work_new(pod);
    plan_files(pod, w, &err);
    if (!str_empty(err.message))
        tell_of_files(pod, &err);
    if (w->n_volumes) {
        uv_queue_work(pod->agent->options.loop, &w->work, refresh_work, refresh_done);
    } else {
        work_free(w);
        follow_end(&pod->files, 0);
    }
}

/* ---- ending ---- */

void sandbox_end_pause(const char *run)
{
    _free_ char *path = mem_printf("%s/pid.init", run), *text = NULL;
    int64_t pid;
    size_t n;

    if (file_read(path, 32, &text, &n) == 0 && str_to_int64(text, 2, INT32_MAX, &pid) == 0)
        kill((pid_t)pid, SIGKILL);
}

static void teardown_work(uv_work_t *work)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);

    sandbox_end_pause(w->run);
    w->failed = mounts_below_remove(w->run, &w->error);
    if (w->failed >= 0)
        w->failed = mounts_below_remove(w->data, &w->error);
    if (w->failed >= 0) {
        w->failed = FAULT_POINT("node.sandbox.remove") ? -EIO : file_remove_tree(w->run);
        if (w->failed >= 0)
            w->failed = file_remove_tree(w->data);
        if (w->failed < 0)
            err_set(&w->error, -w->failed, "cannot remove the pod's folders");
    }
    cgroup_remove(w->cgroup);
}

static void on_teardown_retry(Timer *timer)
{
    sandbox_teardown(timer->data);
}

static void torn_down(AgentPod *pod)
{
    NodeAgent *agent = pod->agent;

    pod->tearing_down = false;
    pod->teardown_wanted = false;
    agent_volumes_release(pod);
    if (pod->machine)
        machine_torn_down(pod->machine);
    agent_shutdown_check(agent);
}

static void teardown_later(AgentPod *pod, const char *why)
{
    agent_pod_event(pod, SIZE_MAX, "Warning", "FailedKillPod", why);
    pod->tearing_down = false;
    timer_start(pod->agent->options.clock, &pod->teardown_retry, NS_PER_SEC);
}

static void on_network_removed(void *data, const Err *err)
{
    AgentPod *pod = data;

    if (err && pod->machine) {
        teardown_later(pod, err->message);
    } else {
        pod->network = false;
        torn_down(pod);
    }
    agent_pod_unref(pod);
}

static void teardown_done(uv_work_t *work, int status _unused_)
{
    SandboxWork *w = CONTAINER_OF(work, SandboxWork, work);
    AgentPod *pod = w->pod;

    if (w->failed < 0 && pod->machine) {
        teardown_later(pod, w->error.message);
    } else if (pod->network) {
        net_pod_remove(pod->agent->options.net, pod->uid, on_network_removed, agent_pod_ref(pod));
    } else {
        torn_down(pod);
    }
    work_free(w);
}

/* Begins when nothing that works on the same folders is in flight any more. */
void sandbox_teardown(AgentPod *pod)
{
    SandboxWork *w;

    if (pod->volume_want) { /* nothing else has begun */
        pod->volume_want = pod_image_forget(pod->volume_want);
        pod->preparing = 0;
        follow_end(&pod->files, FOLLOW_NO_RETRY);
    }
    if (pod->tearing_down || pod->preparing || pod->files.running || pod->deleting)
        return;
    for (size_t i = 0; i < pod->n_containers; i++)
        if (pod->containers[i]->starting)
            return;
    timer_stop(pod->agent->options.clock, &pod->token_timer);
    timer_stop(pod->agent->options.clock, &pod->teardown_retry);
    pod->tearing_down = true;
    host_ports_remove(pod);
    w = work_new(pod);
    w->cgroup = mem_printf("%s/pod%s", pod->agent->cgroup, pod->uid);
    uv_queue_work(pod->agent->options.loop, &w->work, teardown_work, teardown_done);
}

void sandbox_init(AgentPod *pod)
{
    follow_init(&pod->files, pod->agent->options.clock, on_files_due, pod);
    pod->token_timer.on_fire = on_tokens_due;
    pod->teardown_retry.on_fire = on_teardown_retry;
    pod->token_timer.data = pod->teardown_retry.data = pod;
}
