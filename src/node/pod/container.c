/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a container: image, environment and mounts are collected on the loop; the root folder,
 * user, sub paths and config.json are prepared on the pool; then the runtime starts it. The
 * runtime reports its end here, and this file passes it on to the machine. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/process.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/container.h"
#include "node/pod/container_spec.h"
#include "node/pod/disk_eviction.h"
#include "node/pod/images.h"
#include "node/pod/sandbox.h"
#include "node/runtime/logs.h"
#include "node/runtime/message.h"
#include "node/runtime/pod_limits.h"
#include "node/runtime/runtime.h"
#include "node/runtime/strays.h"
#include "node/volume/mounts.h"
#include "registry/reference.h"

#define TERMINATION_LIMIT 4096
#define FALLBACK_BYTES 2048
#define FALLBACK_LINES 80
#define LOG_LIMIT (10 << 20)
#define LOG_KEEP 5
#define LOG_CHECK (10 * NS_PER_SEC)
#define DELETE_RETRY (NS_PER_SEC / 2)
#define DELETE_TRIES 10

AgentContainer *container_at(AgentPod *pod, size_t index)
{
    while (pod->n_containers <= index) {
        AgentContainer *c = mem_new_type(AgentContainer);

        c->pod = pod;
        c->index = pod->n_containers;
        pod->containers =
            mem_resize(pod->containers, (pod->n_containers + 1) * sizeof(*pod->containers));
        pod->containers[pod->n_containers++] = c;
    }
    return pod->containers[index];
}

char *container_bundle(const AgentPod *pod, const char *name, int attempt)
{
    return mem_printf("%s/c/%s/%d", pod->run, name, attempt);
}

char *container_log(const AgentPod *pod, const char *name, int attempt)
{
    return mem_printf("%s/%s/%d.log", pod->logs, name, attempt);
}

static char *container_termination(const AgentPod *pod, const char *name, int attempt)
{
    return mem_printf("%s/etc/%s.%d", pod->data, name, attempt);
}

void container_paths(AgentContainer *c, int attempt, const char *id)
{
    const char *name = machine_container(c->pod->machine, c->index)->name;

    free(c->id);
    free(c->bundle);
    free(c->log);
    c->id = mem_strdup(id);
    c->bundle = container_bundle(c->pod, name, attempt);
    c->log = container_log(c->pod, name, attempt);
}

/* ---- log size ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle);
}

static void log_watch_stop(AgentContainer *c)
{
    timer_stop(c->pod->agent->options.clock, &c->log_timer);
    if (c->log_watch)
        uv_close((uv_handle_t *)c->log_watch, on_watch_closed);
    c->log_watch = NULL;
}

static void log_watch_start(AgentContainer *c);

static void on_log_timer(Timer *timer)
{
    AgentContainer *c = timer->data;

    if (!c->task)
        return;
    if (log_rotate(c->log, LOG_LIMIT, LOG_KEEP))
        (void)runtime_reopen_log(c->bundle);
    log_watch_start(c);
}

static void on_log_grew(uv_fs_event_t *watch, const char *name _unused_, int events _unused_,
                        int status _unused_)
{
    AgentContainer *c = watch->data;

    log_watch_stop(c);
    timer_start(c->pod->agent->options.clock, &c->log_timer, LOG_CHECK);
}

/* A quiet log costs nothing: inotify waits for its growth. After the first growth, the watch is
 * removed, and the size is checked every 10 s. */
static void log_watch_start(AgentContainer *c)
{
    log_watch_stop(c);
    c->log_timer.on_fire = on_log_timer;
    c->log_timer.data = c;
    c->log_watch = mem_new_type(uv_fs_event_t);
    c->log_watch->data = c;
    uv_fs_event_init(c->pod->agent->options.loop, c->log_watch);
    if (uv_fs_event_start(c->log_watch, on_log_grew, c->log, 0) < 0)
        timer_start(c->pod->agent->options.clock, &c->log_timer, LOG_CHECK);
}

void container_free(AgentContainer *c)
{
    if (!c)
        return;
    log_watch_stop(c);
    c->task = runtime_forget(c->task);
    free(c->id);
    free(c->bundle);
    free(c->log);
    arena_clear(&c->image_arena);
    free(c);
}

/* ---- the end of one ---- */

typedef struct Cleanup {
    uv_work_t work;
    AgentPod *pod;
    char *id, *root;
    int tries;
    Timer retry;
    /* its end is reported when none of its processes is left; NULL if it has been reported */
    AgentContainer *ended;
    MachineEnd end;
    char *message;
} Cleanup;

static void cleanup_work(uv_work_t *work)
{
    Cleanup *cleanup = CONTAINER_OF(work, Cleanup, work);

    (void)mounts_below_remove(cleanup->root, NULL);
    (void)file_remove_tree(cleanup->root);
}

static void cleanup_done(uv_work_t *work, int status _unused_)
{
    Cleanup *cleanup = CONTAINER_OF(work, Cleanup, work);
    AgentPod *pod = cleanup->pod;

    free(cleanup->id);
    free(cleanup->root);
    free(cleanup->message);
    free(cleanup);
    pod->deleting--;
    if (pod->teardown_wanted)
        sandbox_teardown(pod);
    agent_pod_unref(pod);
}

static void on_deleted(void *data, const Err *err);

static void on_delete_retry(Timer *timer)
{
    Cleanup *cleanup = timer->data;

    runtime_delete(cleanup->pod->agent->runtime, cleanup->id, on_deleted, cleanup);
}

static void on_deleted(void *data, const Err *err)
{
    Cleanup *cleanup = data;
    AgentPod *pod = cleanup->pod;
    AgentContainer *ended = TAKE_PTR(cleanup->ended);

    if (err && ++cleanup->tries < DELETE_TRIES && !pod->agent->stopping) {
        log_warn("node", "pod %s/%s: %s", pod->ns, pod->name, err->message);
        cleanup->ended = ended;
        cleanup->retry.on_fire = on_delete_retry;
        cleanup->retry.data = cleanup;
        timer_start(pod->agent->options.clock, &cleanup->retry, DELETE_RETRY);
        return;
    }
    if (ended && pod->machine)
        machine_exited(pod->machine, ended->index, &cleanup->end);
    uv_queue_work(cleanup->pod->agent->options.loop, &cleanup->work, cleanup_work, cleanup_done);
}

/* Deletes the container from the runtime, and the root folder of this attempt. The bundle stays,
 * since it holds the state. */
static Cleanup *container_cleanup(AgentContainer *c, int attempt)
{
    AgentPod *pod = c->pod;
    Cleanup *cleanup = mem_new_type(Cleanup);

    cleanup->pod = agent_pod_ref(pod);
    cleanup->id = mem_strdup(c->id);
    cleanup->root = mem_printf("%s/root/%s/%d", pod->data,
                               machine_container(pod->machine, c->index)->name, attempt);
    pod->deleting++;
    runtime_delete(pod->agent->runtime, c->id, on_deleted, cleanup);
    if (attempt >= 2) { /* the last two bundles hold the data of state and lastState */
        _free_ char *old =
            container_bundle(pod, machine_container(pod->machine, c->index)->name, attempt - 2);
        _free_ char *old_log =
            container_log(pod, machine_container(pod->machine, c->index)->name, attempt - 2);
        _free_ char *old_end = container_termination(
            pod, machine_container(pod->machine, c->index)->name, attempt - 2);

        (void)file_remove_tree(old);
        unlink(old_end);
        unlink(old_log);
        for (int i = 1; i < LOG_KEEP; i++) {
            _free_ char *rotated = mem_printf("%s.%d", old_log, i);

            unlink(rotated);
        }
    }
    return cleanup;
}

/* Reads the end of a file, which its container may have made arbitrarily large; NULL if there is
 * none. */
static char *read_end(const char *path, size_t limit)
{
    _close_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _free_ char *text = mem_new(limit + 1);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    n = pread(fd, text, limit, MAX_OF(st.st_size - (off_t)limit, 0));
    return n > 0 ? TAKE_PTR(text) : NULL;
}

char *container_end_message(const AgentPod *pod, const Container *spec, int attempt, int exit_code)
{
    _free_ char *path = container_termination(pod, spec->name, attempt);
    _free_ char *log = container_log(pod, spec->name, attempt);
    char *text = read_end(path, TERMINATION_LIMIT);

    if (str_empty(text) && exit_code != 0 &&
        str_equal(spec->termination_message_policy, "FallbackToLogsOnError")) {
        free(text);
        text = log_tail_text(log, FALLBACK_BYTES, FALLBACK_LINES);
    }
    return text;
}

/* If a container has no PID namespace of its own, its processes may outlive the first one. */
static bool shares_processes(const AgentPod *pod)
{
    return agent_pod_spec(pod)->host_pid || sandbox_shares_processes(pod);
}

static void on_exited(void *data, const RuntimeExit *end)
{
    AgentContainer *c = data;
    AgentPod *pod = c->pod;
    MachineEnd result = {
        .exit_code = end->exit_code,
        .started_ns = end->started_ns,
        .finished_ns = end->finished_ns,
        .oom_killed = end->oom_killed,
        .reason = end->lost ? "ContainerStatusUnknown" : NULL,
    };
    _free_ char *message = NULL;
    Cleanup *cleanup;

    c->task = NULL;
    log_watch_stop(c);
    if (!pod->machine)
        return;
    message = container_end_message(pod, machine_container(pod->machine, c->index),
                                    machine_attempt(pod->machine, c->index), end->exit_code);
    result.message =
        end->lost ? "The container could not be located when the pod was terminated" : message;
    agent_logs_finish(pod->agent, c->log);
    cleanup = container_cleanup(c, machine_attempt(pod->machine, c->index));
    if (!end->lost && !shares_processes(pod)) {
        machine_exited(pod->machine, c->index, &result);
        return;
    }
    /* Processes of it may still run, and hold ports and files that the next instance needs. */
    cleanup->ended = c;
    cleanup->message = result.message ? mem_strdup(result.message) : NULL;
    cleanup->end = result;
    cleanup->end.message = cleanup->message;
}

/* Whether the spec limits what the pod or one of its containers may use. */
static bool has_limits(const PodSpec *spec)
{
    bool found = spec->resources && spec->resources->limits.n;

    for (size_t i = 0; i < spec->containers.n; i++)
        found = found || spec->containers.v[i].resources.limits.n;
    for (size_t i = 0; i < spec->init_containers.n; i++)
        found = found || spec->init_containers.v[i].resources.limits.n;
    return found;
}

static void apply_pod_limits(AgentPod *pod)
{
    const NodeOptions *options = &pod->agent->options;
    _free_ char *cgroup = mem_printf("%s/pod%s", pod->agent->cgroup, pod->uid);

    if (options->no_cgroups) {
        if (has_limits(agent_pod_spec(pod)))
            agent_pod_event(pod, SIZE_MAX, "Warning", "LimitsNotEnforced",
                            "the limits of this pod have no effect: this server belongs to an "
                            "ordinary user and has no cgroups");
        return;
    }
    if (!pod_limits_apply(cgroup, agent_pod_spec(pod),
                          options->pids_limit ? options->pids_limit : POD_PIDS_LIMIT))
        log_warn("node", "pod %s/%s: its limits cannot be set in %s", pod->ns, pod->name, cgroup);
}

static void on_created(void *data)
{
    AgentContainer *c = data;

    log_debug("node", "pod %s/%s: container %zu is created", c->pod->ns, c->pod->name, c->index);
    apply_pod_limits(c->pod);
    storage_watch(c->pod);
    if (c->pod->machine)
        machine_created(c->pod->machine, c->index, c->id, c->image, c->image_id);
}

static void on_started(void *data, int64_t started_ns)
{
    AgentContainer *c = data;

    log_debug("node", "pod %s/%s: container %zu is started", c->pod->ns, c->pod->name, c->index);
    if (!c->pod->machine)
        return;
    log_watch_start(c);
    machine_started(c->pod->machine, c->index, started_ns);
}

/* A failed start, while processes that may still be working on it are being killed. */
typedef struct Failure {
    uv_work_t work;
    AgentContainer *container;
    char *message, *id, *root;
} Failure;

static void tell_failure(AgentContainer *c, bool created, const char *message)
{
    AgentPod *pod = c->pod;
    /* crun already looks for the program when it creates the container. Other runtimes find out when they start it, and
     * clients expect what follows from that: an instance that existed and ended. */
    bool program = !created && runtime_fault(message) == RUNTIME_FAULT_NO_PROGRAM;

    if (!pod->machine)
        return;
    container_cleanup(c, machine_attempt(pod->machine, c->index));
    if (program)
        machine_created(pod->machine, c->index, c->id, c->image, c->image_id);
    machine_start_failed(pod->machine, c->index,
                         created || program ? WAITING_RUN_CONTAINER_ERROR : WAITING_CREATE_ERROR,
                         message, created || program);
}

static void failure_work(uv_work_t *work)
{
    Failure *failure = CONTAINER_OF(work, Failure, work);

    strays_end_of(failure->root, failure->id);
}

static void failure_done(uv_work_t *work, int status _unused_)
{
    Failure *failure = CONTAINER_OF(work, Failure, work);
    AgentContainer *c = failure->container;
    AgentPod *pod = c->pod;

    c->starting = false;
    tell_failure(c, false, failure->message);
    free(failure->message);
    free(failure->id);
    free(failure->root);
    free(failure);
    agent_pod_unref(pod);
}

static void on_failed(void *data, bool created, const char *message)
{
    AgentContainer *c = data;
    Failure *failure;

    c->task = NULL;
    if (created) {
        tell_failure(c, true, message);
        return;
    }
    /* If one of conmon and the runtime has failed, the other may still be running. */
    failure = mem_new_type(Failure);
    failure->container = c;
    failure->message = mem_strdup(str_or(message, ""));
    failure->id = mem_strdup(c->id);
    failure->root = mem_printf("%s/crun", c->pod->agent->options.run_dir);
    c->starting = true;
    agent_pod_ref(c->pod);
    uv_queue_work(c->pod->agent->options.loop, &failure->work, failure_work, failure_done);
}

static const RuntimeEvents runtime_events = {on_created, on_started, on_failed, on_exited};

bool container_adopt(AgentPod *pod, size_t index, int attempt, const char *id)
{
    AgentContainer *c = container_at(pod, index);

    container_paths(c, attempt, id);
    c->task = runtime_adopt(pod->agent->runtime, id, c->bundle, &runtime_events, c);
    if (c->task)
        log_watch_start(c);
    return c->task != NULL;
}

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {
        {"HUP", SIGHUP},     {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
        {"USR1", SIGUSR1},   {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"ALRM", SIGALRM},
        {"WINCH", SIGWINCH}, {"PWR", SIGPWR},   {"CONT", SIGCONT}, {"STOP", SIGSTOP},
        {"ABRT", SIGABRT},   {"IO", SIGIO},
    };
    int64_t number;

    if (str_empty(name))
        return SIGTERM;
    if (str_to_int64(name, 1, 64, &number) == 0)
        return (int)number;
    if (str_starts_with(name, "SIG"))
        name += 3;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].number;
    if (str_starts_with(name, "RTMIN+") && str_to_int64(name + 6, 0, 30, &number) == 0)
        return SIGRTMIN + (int)number;
    if (str_starts_with(name, "RTMAX-") && str_to_int64(name + 6, 0, 30, &number) == 0)
        return SIGRTMAX - (int)number;
    return SIGTERM;
}

void container_signal(AgentPod *pod, size_t index, bool kill)
{
    AgentContainer *c = container_at(pod, index);
    const Container *spec = machine_container(pod->machine, index);
    const char *name = spec->lifecycle && !str_empty(spec->lifecycle->stop_signal)
                           ? spec->lifecycle->stop_signal
                           : c->stop_signal;

    (void)runtime_signal(c->task, kill ? SIGKILL : signal_number(name));
}

/* ---- preparing on the pool ---- */

typedef struct Preparation {
    uv_work_t work;
    AgentContainer *container;
    int attempt;
    ContainerSpec *spec; /* NULL if it could not be made */
    WaitingReason reason;
    Err error;
    int failed;
} Preparation;

/* The primary group comes first, as the kernel reports it. */
static LinuxContainerUser *container_user(const ContainerSpec *spec, Arena *arena)
{
    LinuxContainerUser *user = arena_new(arena, LinuxContainerUser);
    int64_t *groups = arena_new_n(arena, int64_t, spec->oci.n_groups + 1);
    size_t n = 0;

    groups[n++] = spec->oci.gid;
    for (size_t i = 0; i < spec->oci.n_groups; i++)
        if (spec->oci.groups[i] != spec->oci.gid)
            groups[n++] = spec->oci.groups[i];
    user->uid = spec->oci.uid;
    user->gid = spec->oci.gid;
    user->supplemental_groups.v = groups;
    user->supplemental_groups.n = n;
    return user;
}

static void prepare_work(uv_work_t *work)
{
    Preparation *p = CONTAINER_OF(work, Preparation, work);

    if (p->spec && p->failed >= 0)
        p->failed = container_spec_prepare(p->spec, &p->error);
}

static void prepare_done(uv_work_t *work, int status _unused_)
{
    Preparation *p = CONTAINER_OF(work, Preparation, work);
    AgentContainer *c = p->container;
    AgentPod *pod = c->pod;
    RuntimeStart start = {.id = c->id, .bundle = c->bundle, .log_path = c->log};

    log_debug("node", "pod %s/%s: container %zu is prepared", pod->ns, pod->name, c->index);
    c->starting = false;
    if (p->spec) {
        start.name = p->spec->name;
        start.standard_in = p->spec->standard_in;
        start.stdin_once = p->spec->stdin_once;
        start.tty = p->spec->oci.tty;
        c->user = p->failed < 0 ? NULL : container_user(p->spec, &c->image_arena);
    }
    if (pod->machine && p->failed < 0) {
        if (p->spec)
            container_cleanup(c, p->attempt);
        machine_start_failed(pod->machine, c->index,
                             !p->spec                ? p->reason
                             : p->spec->config_error ? WAITING_CONFIG_ERROR
                                                     : WAITING_CREATE_ERROR,
                             p->error.message, false);
    } else if (pod->machine &&
               (machine_stage(pod->machine) >= MACHINE_STOPPING || pod->agent->stopping)) {
        container_cleanup(c, p->attempt);
        machine_start_failed(pod->machine, c->index, WAITING_CONTAINER_CREATING,
                             "the pod is being stopped", false);
    } else if (pod->machine) {
        /* once more, since the effect of the first call may end soon */
        runtime_expect(pod->agent->runtime);
        c->task = runtime_start(pod->agent->runtime, &start, &runtime_events, c);
    }
    container_spec_free(p->spec);
    free(p);
    agent_pod_unref(pod);
}

static void on_init_renewed(void *data, const ProcessResult *result)
{
    Preparation *p = data;

    if (result->error || result->signal || result->exit_status)
        p->failed = err_set(&p->error, -result->error, "cannot make a PID namespace: %.*s",
                            (int)MIN_OF(result->err.n, (size_t)300), (const char *)result->err.p);
    uv_queue_work(p->container->pod->agent->options.loop, &p->work, prepare_work, prepare_done);
}

/* Reported from the loop, since a result must not arrive before the op returns. */
static void begin_preparing(AgentContainer *c, ContainerSpec *spec, WaitingReason reason,
                            const Err *failed)
{
    AgentPod *pod = c->pod;
    Preparation *p = mem_new_type(Preparation);

    p->container = c;
    p->attempt = machine_attempt(pod->machine, c->index);
    p->spec = spec;
    p->failed = failed ? -EINVAL : 0;
    if (failed)
        p->error = *failed;
    p->reason = reason;
    if (failed || !sandbox_renew_init(pod, on_init_renewed, p))
        uv_queue_work(pod->agent->options.loop, &p->work, prepare_work, prepare_done);
    runtime_expect(pod->agent->runtime);
}

/* "quay.io/team/app" of "quay.io/team/app:1"; a name that is an id stays as it is. */
static const char *repository_of(Arena *arena, const char *name)
{
    ImageReference reference;

    return reference_parse(arena, name, &reference, NULL) == 0
               ? arena_printf(arena, "%s/%s", reference.domain, reference.path)
               : name;
}

/* Finds the image, which is on this machine now. */
static int find_image(AgentContainer *c, const char *name, Image *ret, Err *reterr)
{
    int r;

    c->user = NULL;
    c->image_config = NULL;
    arena_clear(&c->image_arena);
    r = image_find(c->pod->agent->options.images, name, &c->image_arena, ret, reterr);
    if (r > 0)
        return err_set(reterr, 0, "the image %s has just been removed from this machine", name);
    if (r < 0)
        return ERR_TRACE(r);
    c->image = ret->name ? ret->name : arena_strdup(&c->image_arena, name);
    c->image_id = str_empty(ret->digest)
                      ? ret->id
                      : arena_printf(&c->image_arena, "%s@%s",
                                     repository_of(&c->image_arena, c->image), ret->digest);
    c->image_config = ret->id;
    c->stop_signal = ret->stop_signal;
    return 0;
}

static void on_image_ready(void *data, WaitingReason reason, const char *message)
{
    AgentContainer *c = data;
    AgentPod *pod = c->pod;
    const Container *spec = machine_container(pod->machine, c->index);
    _free_ char *wanted = TAKE_PTR(c->wanted_image);
    ContainerSpec *prepared = NULL;
    Err err = ERR_INIT;
    Image image = {0};

    c->want = NULL;
    if (reason != WAITING_NONE) {
        err_set(&err, 0, "%s", message);
    } else if (!str_equal(wanted, spec->image)) {
        reason = WAITING_CONTAINER_CREATING;
        err_set(&err, 0, "the container has another image by now");
    } else if (find_image(c, wanted, &image, &err) < 0) {
        reason = WAITING_ERR_IMAGE_PULL;
    } else if (container_spec_new(c, spec, machine_attempt(pod->machine, c->index), &image,
                                  &prepared, &err) < 0) {
        reason = WAITING_CONFIG_ERROR;
    } else {
        machine_resources_applied(pod->machine, c->index, &spec->resources);
    }
    begin_preparing(c, prepared, reason, reason == WAITING_NONE ? NULL : &err);
}

void container_begin(AgentPod *pod, size_t index, int attempt)
{
    AgentContainer *c = container_at(pod, index);
    const Container *spec = machine_container(pod->machine, index);
    char id[65];

    for (int i = 0; i < 4; i++)
        snprintf(id + i * 16, 17, "%016" PRIx64, random_next(pod->agent->options.random));
    container_paths(c, attempt, id);
    c->starting = true;
    agent_pod_ref(pod);
    c->wanted_image = mem_strdup(str_or(spec->image, ""));
    c->want = pod_image_want(pod, index, spec->image, spec->image_pull_policy, on_image_ready, c);
}

void container_abandon(AgentPod *pod, size_t index)
{
    AgentContainer *c = container_at(pod, index);
    Err err = ERR_INIT;

    if (!c->want)
        return;
    c->want = pod_image_forget(c->want);
    free(TAKE_PTR(c->wanted_image));
    err_set(&err, 0, "the start was given up while the image was pulled");
    begin_preparing(c, NULL, WAITING_CONTAINER_CREATING, &err);
}

void container_forget(AgentContainer *c)
{
    c->task = runtime_forget(c->task);
    if (!c->want)
        return;
    c->want = pod_image_forget(c->want);
    free(TAKE_PTR(c->wanted_image));
    c->starting = false;
    agent_pod_unref(c->pod);
}
