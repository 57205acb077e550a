/* SPDX-License-Identifier: Apache-2.0 */
/* One pod on this node: connects its machine with the parts that carry out the actions, and follows its object. */
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "node/env/environment.h"
#include "node/machine/machine.h"
#include "node/pod/admit.h"
#include "node/pod/agent.h"
#include "node/pod/claim_volumes.h"
#include "node/pod/container.h"
#include "node/pod/images.h"
#include "node/pod/probes.h"
#include "node/pod/restore.h"
#include "node/pod/sandbox.h"
#include "node/resize/resize.h"
#include "node/runtime/logs.h"
#include "node/runtime/runtime.h"
#include "node/volume/volume.h"

/* ---- the agent's table of pods ---- */

void agent_shutdown_check(NodeAgent *agent)
{
    void (*done)(void *) = agent->shutdown_done;

    if (!agent->shutting_down || !done)
        return;
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        if (pod->machine && machine_stage(pod->machine) != MACHINE_DONE)
            return;
    }
    agent->shutdown_done = NULL;
    done(agent->shutdown_data);
}

void agent_pod_gone(AgentPod *pod)
{
    NodeAgent *agent = pod->agent;

    if (strmap_get(&agent->pods, pod->uid) != pod)
        return;
    strmap_remove(&agent->pods, pod->uid);
    (void)file_remove_tree(pod->logs);
    agent_report_stop(pod);
    agent_pod_unref(pod);
    resize_review_soon(agent, "pods_removed");
    agent_volumes_check(agent); /* one may have waited for this pod to let go of it */
    agent_shutdown_check(agent);
}

void agent_logs_finish(NodeAgent *agent, const char *path)
{
    for (size_t i = 0; i < agent->logs.n; i++)
        if (strcmp(log_stream_path(agent->logs.v[i]), path) == 0)
            log_stream_finish(agent->logs.v[i]);
}

/* ---- a pod ---- */

void agent_pod_facts(AgentPod *pod, PodFacts *ret)
{
    NodeAgent *agent = pod->agent;

    *ret = (PodFacts){
        .client = agent->options.client,
        .pod = pod->object,
        .node_name = agent->options.name,
        .host_ip = agent->host_ip,
        .pod_ip = pod->ip,
        .domain = agent->options.domain,
        .dns_ip = agent->options.dns_ip,
        .api_address = agent->options.api_address,
        .api_port = agent->options.api_port,
        .node_resources = agent->allocatable,
        .volumes = pod->volumes,
        .n_volumes = pod->n_volumes,
    };
}

/* The boundary of a pod's sync: each Event for the user is also a line in the log for the operator. If it is about a failed
 * preparation, the line has the trace of that error. */
static void log_event(const AgentPod *pod, size_t container, const char *type, const char *reason,
                      const char *message)
{
    static LogLimit limit;
    bool warning = str_equal(type, "Warning");
    LogLevel level = warning ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
    _free_ char *name = mem_printf("%s/%s", pod->ns, pod->name);
    bool named = container != SIZE_MAX && pod->machine;
    uint64_t left_out = 0;

    if (warning)
        metric_inc(METRIC_SERIES(METRIC_POD_WARNINGS, reason));
    if (!log_enabled(level))
        return;
    if (warning && !log_limit_take(&limit, clock_mono_ns(pod->agent->options.clock), &left_out))
        return;
    LogField fields[] = {
        LOG_TEXT("pod", name),
        LOG_TEXT("container", named ? machine_container(pod->machine, container)->name : NULL),
        LOG_TEXT("reason", reason),
        LOG_TEXT("trace", pod->prepare_failing ? pod->prepare_error.trace : NULL),
        LOG_NUMBER("left_out", left_out),
    };

    log_write_fields(level, "pod", fields, left_out ? 5 : 4, "%s", message);
}

void agent_pod_event(AgentPod *pod, size_t container, const char *type, const char *reason,
                     const char *message)
{
    EventRecorder *events = pod->agent->events;

    if (!events || pod->agent->stopping)
        return;
    log_event(pod, container, type, reason, message);
    if (container == SIZE_MAX || !pod->machine) {
        event_record(events, pod->object, type, reason, "%s", message);
    } else {
        ContainerKind kind = machine_kind(pod->machine, container);
        _free_ char *field = mem_printf("spec.%s{%s}",
                                        kind == CONTAINER_REGULAR     ? "containers"
                                        : kind == CONTAINER_EPHEMERAL ? "ephemeralContainers"
                                                                      : "initContainers",
                                        machine_container(pod->machine, container)->name);

        event_record_field(events, pod->object, field, type, reason, "%s", message);
    }
}

/* ---- actions of the machine ---- */

static void op_prepare(void *data)
{
    sandbox_prepare(data);
}

static void op_start(void *data, size_t container, int attempt)
{
    container_begin(data, container, attempt);
}

static void op_signal(void *data, size_t container, bool kill)
{
    container_signal(data, container, kill);
}

static void op_probe(void *data, size_t container, MachineProbe probe, uint64_t serial)
{
    probe_run(data, container, probe, serial);
}

static void op_hook(void *data, size_t container, MachineHook hook, int64_t limit_ns,
                    uint64_t serial)
{
    hook_run(data, container, hook, limit_ns, serial);
}

static void op_teardown(void *data)
{
    AgentPod *pod = data;

    pod->teardown_wanted = true;
    resize_review_soon(pod->agent, "pod_terminated");
    sandbox_teardown(pod);
}

static void op_changed(void *data)
{
    agent_report(data);
}

static void op_gone(void *data)
{
    AgentPod *pod = data;

    pod->final = true;
    if (pod->object_gone)
        agent_pod_gone(pod);
    else
        agent_report(pod);
}

static void op_event(void *data, size_t container, const char *type, const char *reason,
                     const char *message)
{
    agent_pod_event(data, container, type, reason, message);
}

static void op_abandon(void *data, size_t container)
{
    container_abandon(data, container);
}

static void op_resize(void *data)
{
    resize_apply(data);
}

static const MachineOps machine_ops = {
    op_prepare, op_start, op_signal, op_probe,   op_hook,   op_teardown,
    op_changed, op_gone,  op_event,  op_abandon, op_resize,
};

/* ---- life ---- */

AgentPod *agent_pod_ref(AgentPod *pod)
{
    pod->refs++;
    return pod;
}

/* Stops everything that would start by itself. */
static void agent_pod_stop(AgentPod *pod)
{
    agent_report_stop(pod);
    follow_stop(&pod->files);
    resize_apply_stop(pod);
    timer_stop(pod->agent->options.clock, &pod->token_timer);
    timer_stop(pod->agent->options.clock, &pod->teardown_retry);
}

AgentPod *agent_pod_unref(AgentPod *pod)
{
    if (!pod || --pod->refs > 0)
        return NULL;
    agent_pod_stop(pod);
    for (size_t i = 0; i < pod->n_containers; i++)
        container_free(pod->containers[i]);
    pod_tokens_clear(&pod->tokens);
    free(pod->containers);
    machine_free(pod->machine);
    object_unref(pod->object);
    object_unref(pod->asked);
    arena_clear(&pod->arena);
    free(pod->uid);
    free(pod->ns);
    free(pod->name);
    free(pod->run);
    free(pod->data);
    free(pod->logs);
    free(pod->netns);
    free(pod->ip);
    free(pod);
    return NULL;
}

static int64_t deletion_grace(const ObjectMeta *meta)
{
    return ns_from_seconds(
        meta->deletion_grace_period_seconds ? *meta->deletion_grace_period_seconds : 30);
}

/* Fails a pod that this node does not admit. Pods that an earlier process has admitted are not checked again. */
static void pod_check_admission(AgentPod *pod)
{
    NodeAgent *agent = pod->agent;
    VEC(const Pod *) others = VEC_INIT;
    _free_ char *text = NULL;
    const char *reason;
    Err err = ERR_INIT;

    if (machine_stage(pod->machine) != MACHINE_PREPARING ||
        object_meta(pod->object)->deletion_timestamp.set)
        return;
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *other = slot->value;

        /* A pod that has ended holds no resources, and one that was deleted by force does not count. */
        if (other->machine && !other->object_gone &&
            machine_stage(other->machine) < MACHINE_TEARDOWN)
            VEC_PUSH(&others, other->object->value);
    }
    if (pod_admit(pod->object->value, others.v, others.n, &reason, &err) < 0) {
        agent_pod_event(pod, SIZE_MAX, "Warning", reason, err.message);
        text = mem_printf("Pod was rejected: %s", err.message);
        machine_fail(pod->machine, reason, text);
    }
    VEC_DEINIT(&others);
}

AgentPod *agent_pod_new(NodeAgent *agent, Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    AgentPod *pod = mem_new_type(AgentPod);

    pod->refs = 1;
    pod->agent = agent;
    pod->uid = mem_strdup(meta->uid);
    pod->ns = mem_strdup(meta->namespace);
    pod->name = mem_strdup(meta->name);
    pod->run = mem_printf("%s/pods/%s", agent->options.run_dir, meta->uid);
    pod->data = mem_printf("%s/pods/%s", agent->options.data_dir, meta->uid);
    pod->logs = mem_printf("%s/logs/pods/%s_%s_%s", agent->options.data_dir, meta->namespace,
                           meta->name, meta->uid);
    log_debug("node", "pod %s/%s: begins", pod->ns, pod->name);
    agent_report_init(pod);
    sandbox_init(pod);
    resize_apply_init(pod);
    resize_begin(pod, object);
    pod->machine = machine_new(pod->object, agent->options.clock, &machine_ops, pod);
    pod_restore(pod);
    agent_pod_ref(pod);
    if (!pod_was_here(pod))
        pod_check_admission(pod);
    machine_run(pod->machine);
    if (meta->deletion_timestamp.set)
        machine_delete(pod->machine, deletion_grace(meta));
    agent_pod_unref(pod);
    return pod;
}

/* Could the content of downward API volumes differ now? */
static bool shows_change(const ObjectMeta *before, const ObjectMeta *now)
{
    const ObjectMeta a = {.labels = before->labels, .annotations = before->annotations};
    const ObjectMeta b = {.labels = now->labels, .annotations = now->annotations};

    return before->generation != now->generation || !type_equal(&type_ObjectMeta, &a, &b);
}

/* This does not find out what has changed: the machine and the report compare the actual with the desired state, and do
 * nothing if they are equal. */
void agent_pod_update(AgentPod *pod, Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    _object_ Object *old = object_ref(pod->object);

    resize_take(pod, object);
    if (!pod->machine)
        return;
    agent_pod_ref(pod);
    machine_update(pod->machine, pod->object);
    if (shows_change(object_meta(old), meta))
        follow_changed(&pod->files);
    agent_report(pod); /* readiness gates are conditions that other clients write */
    if (meta->deletion_timestamp.set)
        machine_delete(pod->machine, deletion_grace(meta));
    agent_pod_unref(pod);
}

/* The object has been deleted from the API, by the node or by force: stops what still runs. */
void agent_pod_deleted(AgentPod *pod)
{
    if (pod->object_gone)
        return;
    pod->object_gone = true;
    agent_pod_ref(pod);
    if (pod->final)
        agent_pod_gone(pod);
    else if (pod->machine)
        machine_delete(pod->machine, 0);
    agent_pod_unref(pod);
}

void agent_pod_forget(AgentPod *pod)
{
    agent_pod_stop(pod);
    for (size_t i = 0; i < pod->n_containers; i++)
        container_forget(pod->containers[i]);
    pod->volume_want = pod_image_forget(pod->volume_want);
    pod->machine = machine_free(pod->machine);
}
