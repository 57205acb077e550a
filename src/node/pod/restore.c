/* SPDX-License-Identifier: Apache-2.0 */
/* Restores the state of pods after a restart of this process. The bundles tell which instance of
 * a container is the newest, its conmon whether it runs, and the exit file how it ended. What
 * RUN has lost, after a reboot, is taken from the status of the pod. A finished pod is not
 * started again. */
#include <dirent.h>
#include <signal.h>

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/container.h"
#include "node/pod/container_spec.h"
#include "node/pod/restore.h"
#include "node/pod/sandbox.h"
#include "node/resize/resize.h"
#include "node/runtime/runtime.h"
#include "node/runtime/strays.h"

static const ContainerStatus *find_status(const PodStatus *status, const char *name)
{
    const ContainerStatusArray *lists[] = {&status->init_container_statuses,
                                           &status->container_statuses,
                                           &status->ephemeral_container_statuses};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            if (str_equal(lists[l]->v[i].name, name))
                return &lists[l]->v[i];
    return NULL;
}

static const char *bare_id(const char *id)
{
    return str_starts_with(str_or(id, ""), "crun://") ? id + 7 : id;
}

static MachineEnd end_from_api(const ContainerStateTerminated *t)
{
    return (MachineEnd){
        .exit_code = t->exit_code,
        .started_ns = ns_from_seconds(t->started_at.seconds),
        .finished_ns = ns_from_seconds(t->finished_at.seconds),
        .reason = t->reason,
        .message = t->message,
    };
}

/* The newest attempt that has a bundle, or -1. */
static int newest_attempt(const AgentPod *pod, const char *name)
{
    _free_ char *path = mem_printf("%s/c/%s", pod->run, name);
    DIR *dir = opendir(path);
    int newest = -1;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *id = mem_printf("%s/%s/id", path, entry->d_name);
        int64_t n;

        if (str_to_int64(entry->d_name, 0, INT32_MAX, &n) == 0 && n > newest && file_exists(id))
            newest = (int)n;
    }
    if (dir)
        closedir(dir);
    return newest;
}

static char *read_small(const char *bundle, const char *name)
{
    _free_ char *path = mem_printf("%s/%s", bundle, name);
    char *text = NULL;
    size_t n;

    return file_read(path, 4096, &text, &n) == 0 ? text : NULL;
}

static char *read_id(const char *bundle)
{
    return read_small(bundle, "id");
}

static bool end_from_bundle(AgentPod *pod, size_t index, int attempt, MachineEnd *end,
                            char **ret_id, char **ret_message)
{
    const Container *spec = machine_container(pod->machine, index);
    _free_ char *bundle = container_bundle(pod, spec->name, attempt);
    RuntimeExit result;

    if (!runtime_read_exit(bundle, &result))
        return false;
    *ret_id = read_id(bundle);
    *ret_message = container_end_message(pod, spec, attempt, result.exit_code);
    *end = (MachineEnd){
        .exit_code = result.exit_code,
        .started_ns = result.started_ns,
        .finished_ns = result.finished_ns,
        .oom_killed = result.oom_killed,
        .reason = result.lost ? "ContainerStatusUnknown" : NULL,
        .message = result.lost ? "The container could not be located when the pod was terminated"
                               : *ret_message,
    };
    return true;
}

/* Restores a container that has no bundle from its last reported status. keep: an ended
 * container stays ended and continues its back-off. */
static void restore_from_api(AgentPod *pod, size_t index, const ContainerStatus *status, bool keep)
{
    MachineEnd end = {.exit_code = 255,
                      .reason = "Unknown",
                      .finished_ns = clock_wall_ns(pod->agent->options.clock)};

    if (!status || str_empty(status->container_id))
        return;
    if (status->state.terminated)
        end = end_from_api(status->state.terminated);
    else if (status->state.running)
        end.started_ns = ns_from_seconds(status->state.running->started_at.seconds);
    else if (status->last_state.terminated)
        end = end_from_api(status->last_state.terminated);
    if (keep && (status->state.terminated || status->last_state.terminated) &&
        !status->state.running)
        machine_restore_exited(pod->machine, index, status->restart_count,
                               bare_id(status->container_id), &end);
    else
        machine_restore_lost(pod->machine, index, status->restart_count,
                             bare_id(status->container_id), &end);
    if (status->last_state.terminated && status->state.terminated) {
        MachineEnd last = end_from_api(status->last_state.terminated);

        machine_restore_last(pod->machine, index,
                             bare_id(status->last_state.terminated->container_id), &last);
    }
}

/* The bundle of a container that an older version has started does not say what it has. */
static void restore_resources(AgentPod *pod, size_t index, const char *bundle,
                              const ContainerStatus *status)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *path = mem_printf("%s/resources", bundle);
    ResourceRequirements has = {0};

    if (!resources_read(path, &arena, &type_ResourceRequirements, &has))
        has = status && status->resources ? *status->resources
                                          : machine_container(pod->machine, index)->resources;
    machine_resources_applied(pod->machine, index, &has);
}

static void restore_container(AgentPod *pod, size_t index, bool sandbox)
{
    const PodStatus *api = &((const Pod *)pod->object->value)->status;
    const Container *spec = machine_container(pod->machine, index);
    const ContainerStatus *status = find_status(api, spec->name);
    int attempt = newest_attempt(pod, spec->name);
    _free_ char *bundle = attempt >= 0 ? container_bundle(pod, spec->name, attempt) : NULL;
    _free_ char *id = bundle ? read_id(bundle) : NULL;
    _free_ char *image = NULL, *ended_id = NULL, *message = NULL, *last_id = NULL,
                *last_message = NULL;
    RuntimeExit running;
    MachineEnd end;

    if (id && !runtime_conmon_pid(id, bundle))
        strays_end_init(id, bundle); /* the old instance must not run beside the next one */
    if (id && runtime_conmon_pid(id, bundle) && runtime_read_exit(bundle, &running) &&
        running.lost && running.started_ns && container_adopt(pod, index, attempt, id)) {
        machine_restore_running(pod->machine, index, attempt, id, running.started_ns,
                                status && status->started && *status->started,
                                status && status->ready);
        image = read_small(bundle, "image");
        machine_restore_start_image(pod->machine, index, image);
        restore_resources(pod, index, bundle, status);
    } else if (id && end_from_bundle(pod, index, attempt, &end, &ended_id, &message)) {
        bool again = !str_equal(agent_pod_spec(pod)->restart_policy, "Never");

        container_paths(container_at(pod, index), attempt, id);
        if (sandbox || (end.exit_code == 0 && !again))
            machine_restore_exited(pod->machine, index, attempt, id, &end);
        else
            machine_restore_lost(pod->machine, index, attempt, id, &end);
    } else {
        restore_from_api(pod, index, status, sandbox);
    }
    if (attempt > 0 && end_from_bundle(pod, index, attempt - 1, &end, &last_id, &last_message))
        machine_restore_last(pod->machine, index, last_id, &end);
    if (status)
        machine_restore_image(pod->machine, index, status->image, status->image_id);
}

/* Does the sandbox exist, and was it made since the machine booted? */
static bool sandbox_is_ours(const AgentPod *pod)
{
    _free_ char *path = mem_printf("%s/sandbox", pod->run), *text = NULL, *boot = node_boot_id();
    size_t n;

    return file_read(path, 128, &text, &n) == 0 && str_equal(text, boot);
}

bool pod_was_here(const AgentPod *pod)
{
    _free_ char *path = mem_printf("%s/sandbox", pod->run);

    return file_exists(path);
}

/* ---- before the first pod is restored ---- */

/* Was the container started? `crun start` removes the fifo, and the server that did so may have
 * died before it wrote the file. */
static bool was_started(NodeAgent *agent, const char *id, const char *bundle)
{
    _free_ char *started = mem_printf("%s/started", bundle), *pid = mem_printf("%s/pid", bundle);
    _free_ char *status = mem_printf("%s/crun/%s/status", agent->options.run_dir, id);
    _free_ char *fifo = mem_printf("%s/crun/%s/exec.fifo", agent->options.run_dir, id);
    char text[32];

    if (file_exists(started))
        return true;
    if (!file_exists(pid) || !file_exists(status) || file_exists(fifo))
        return false;
    snprintf(text, sizeof(text), "%" PRId64, clock_wall_ns(agent->options.clock));
    return file_replace(started, text, strlen(text), 0600) == 0;
}

static StrayFate decide(void *data, const char *id, const char *bundle)
{
    _free_ char *exit_file = mem_printf("%s/exit", bundle), *own = read_id(bundle);
    _free_ char *id_file = mem_printf("%s/id", bundle);

    if (str_equal(own, id) && (file_exists(exit_file) || was_started(data, id, bundle)))
        return STRAY_STAYS;
    if (str_equal(own, id))
        unlink(id_file); /* this attempt was never started, so it does not count */
    return STRAY_ENDS;
}

void restore_begin(NodeAgent *agent)
{
    _free_ char *root = mem_printf("%s/crun", agent->options.run_dir);

    strays_end(root, decide, agent);
}

/* Deletes the containers in the runtime that no pod has taken over. */
void restore_end(NodeAgent *agent)
{
    _free_ char *root = mem_printf("%s/crun", agent->options.run_dir);
    StrMap taken = STRMAP_INIT;
    DIR *dir = opendir(root);

    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        for (size_t i = 0; i < pod->n_containers; i++)
            if (pod->containers[i]->task)
                strmap_put(&taken, pod->containers[i]->id, pod);
    }
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && !strmap_get(&taken, entry->d_name))
            runtime_delete(agent->runtime, entry->d_name, NULL, NULL);
    if (dir)
        closedir(dir);
    strmap_deinit(&taken);
}

void pod_restore(AgentPod *pod)
{
    const PodStatus *status = &((const Pod *)pod->object->value)->status;
    bool sandbox = sandbox_is_ours(pod);

    if (str_equal(status->phase, "Succeeded") || str_equal(status->phase, "Failed")) {
        for (size_t i = 0; i < machine_count(pod->machine); i++) {
            const ContainerStatus *one =
                find_status(status, machine_container(pod->machine, i)->name);

            restore_from_api(pod, i, one, true);
            if (one)
                machine_restore_image(pod->machine, i, one->image, one->image_id);
        }
        machine_restore_finished(pod->machine, status->phase, status->reason, status->message);
        return;
    }
    if (!sandbox) { /* hosts contains the old address */
        _free_ char *hosts = mem_printf("%s/etc/hosts", pod->data);

        unlink(hosts);
    }
    for (size_t i = 0; i < machine_count(pod->machine); i++)
        restore_container(pod, i, sandbox);
    machine_restore_resize(pod->machine, &status->conditions);
}
