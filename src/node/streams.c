/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, exec, attach and port-forward for the server (api/streams.h): finds the container,
 * refuses with kubelet's messages, and starts the stream. */
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/pod/container.h"
#include "node/runtime/exec.h"
#include "node/runtime/forward.h"
#include "node/runtime/logs.h"
#include "node/metrics/pages.h"
#include "node/streams.h"

static NodeAgent *agent_of(PodStreams *streams)
{
    return CONTAINER_OF(streams, NodeAgent, streams);
}

static void on_log_free(void *data, LogStream *stream)
{
    NodeAgent *agent = data;

    for (size_t i = 0; i < agent->logs.n; i++)
        if (agent->logs.v[i] == stream)
            agent->logs.v[i--] = agent->logs.v[--agent->logs.n];
}

static void on_exec_free(void *data, ExecStream *stream)
{
    NodeAgent *agent = data;

    for (size_t i = 0; i < agent->execs.n; i++)
        if (agent->execs.v[i] == stream)
            agent->execs.v[i--] = agent->execs.v[--agent->execs.n];
}

static void on_forward_free(void *data, ForwardStream *stream)
{
    NodeAgent *agent = data;

    for (size_t i = 0; i < agent->forwards.n; i++)
        if (agent->forwards.v[i] == stream)
            agent->forwards.v[i--] = agent->forwards.v[--agent->forwards.n];
}

static AgentPod *find_pod(NodeAgent *agent, const Object *pod, const char *container,
                          size_t *ret_index, ApiStatus *reterr, Arena *arena)
{
    AgentPod *found = strmap_get(&agent->pods, object_meta(pod)->uid);

    if (!found || !found->machine) {
        status_set(reterr, arena, STATUS_NOT_FOUND, "pod \"%s\" is not on this node",
                   object_meta(pod)->name);
        return NULL;
    }
    *ret_index = str_empty(container) ? 0 : machine_find(found->machine, container);
    if (str_empty(container))
        for (size_t i = 0; i < machine_count(found->machine); i++)
            if (machine_kind(found->machine, i) == CONTAINER_REGULAR) {
                *ret_index = i;
                break;
            }
    if (*ret_index >= machine_count(found->machine)) {
        status_set(reterr, arena, STATUS_BAD_REQUEST, "container %s is not valid for pod %s",
                   str_or(container, ""), object_meta(pod)->name);
        return NULL;
    }
    return found;
}

static int refuse_waiting(const char *container, const char *pod, WaitingReason reason,
                          ApiStatus *reterr, Arena *arena)
{
    const char *text = reason == WAITING_ERR_IMAGE_PULL || reason == WAITING_REGISTRY_UNAVAILABLE
                           ? "image can't be pulled"
                       : reason == WAITING_IMAGE_PULL_BACK_OFF ? "trying and failing to pull image"
                                                               : waiting_reason_text(reason);

    return status_set(reterr, arena, STATUS_BAD_REQUEST,
                      "container \"%s\" in pod \"%s\" is waiting to start: %s", container, pod,
                      text);
}

static int streams_logs(PodStreams *streams, const Object *object, const LogOptions *options,
                        const LogSink *sink, LogStream **ret, ApiStatus *reterr, Arena *arena)
{
    NodeAgent *agent = agent_of(streams);
    size_t index;
    AgentPod *pod = find_pod(agent, object, options->container, &index, reterr, arena);
    const char *name;
    WaitingReason waiting;
    int attempt;
    bool ended;

    if (!pod)
        return (int)reterr->reason;
    name = machine_container(pod->machine, index)->name;
    waiting = machine_waiting_reason(pod->machine, index);
    attempt = machine_attempt(pod->machine, index);
    if (options->previous) {
        if (!machine_has_previous(pod->machine, index) || attempt < 0)
            return status_set(reterr, arena, STATUS_BAD_REQUEST,
                              "previous terminated container \"%s\" in pod \"%s\" not found", name,
                              pod->name);
        /* While the next instance does not exist yet, the newest one is the previous. */
        if (machine_container_stage(pod->machine, index) != CONTAINER_WAITING)
            attempt--;
        ended = true;
    } else {
        if (waiting != WAITING_NONE)
            return refuse_waiting(name, pod->name, waiting, reterr, arena);
        ended = machine_container_stage(pod->machine, index) == CONTAINER_WAITING ||
                machine_container_stage(pod->machine, index) == CONTAINER_EXITED;
        if (machine_container_stage(pod->machine, index) == CONTAINER_STARTING && attempt > 0) {
            attempt--;
            ended = true;
        }
    }
    _free_ char *path = container_log(pod, name, MAX_OF(attempt, 0));
    *ret = log_stream_new(agent->options.loop, path, ended, options, sink);
    log_stream_on_free(*ret, on_log_free, agent);
    VEC_PUSH(&agent->logs, *ret);
    return STATUS_OK;
}

static int streams_exec(PodStreams *streams, const Object *object, const ExecOptions *options,
                        const ExecSink *sink, ExecStream **ret, ApiStatus *reterr, Arena *arena)
{
    NodeAgent *agent = agent_of(streams);
    size_t index;
    AgentPod *pod = find_pod(agent, object, options->container, &index, reterr, arena);
    ExecRequest request = {
        .loop = agent->options.loop,
        .runtime = agent->runtime,
        .command = options->command,
        .standard_in = options->standard_in,
        .standard_out = options->standard_out,
        .standard_err = options->standard_err,
        .tty = options->tty,
    };
    AgentContainer *c;

    if (!pod)
        return (int)reterr->reason;
    c = container_at(pod, index);
    if (!c->task || (machine_container_stage(pod->machine, index) != CONTAINER_RUNNING &&
                     machine_container_stage(pod->machine, index) != CONTAINER_STOPPING))
        return status_set(reterr, arena, STATUS_INTERNAL_ERROR,
                          "unable to upgrade connection: container not found (\"%s\")",
                          machine_container(pod->machine, index)->name);
    request.stdin_once = machine_container(pod->machine, index)->stdin_once;
    request.id = c->id;
    request.bundle = c->bundle;
    request.dir = arena_printf(arena, "%s/exec", pod->run);
    *ret = options->command ? exec_start(&request, sink) : exec_attach(&request, sink);
    exec_stream_on_free(*ret, on_exec_free, agent);
    VEC_PUSH(&agent->execs, *ret);
    return STATUS_OK;
}

static int streams_forward(PodStreams *streams, const Object *object, uint16_t port,
                           const ForwardSink *sink, ForwardStream **ret, ApiStatus *reterr,
                           Arena *arena)
{
    NodeAgent *agent = agent_of(streams);
    AgentPod *pod = strmap_get(&agent->pods, object_meta(object)->uid);
    bool host_network = OBJECT_AS(Pod, object)->spec.host_network;
    ForwardRequest request = {.loop = agent->options.loop, .port = port};

    if (!pod || !pod->machine || !pod->ip || (!host_network && !pod->netns))
        return status_set(reterr, arena, STATUS_NOT_FOUND,
                          "unable to upgrade connection: pod not found (\"%s_%s\")",
                          object_meta(object)->name, object_meta(object)->namespace);
    request.netns = host_network ? NULL : pod->netns;
    request.address = pod->ip;
    *ret = forward_start(&request, sink);
    forward_stream_on_free(*ret, on_forward_free, agent);
    VEC_PUSH(&agent->forwards, *ret);
    return STATUS_OK;
}

static NodePage *streams_node(PodStreams *streams, const char *path, NodePageDone done, void *data)
{
    return node_page_start(agent_of(streams), path, done, data);
}

const PodStreamsOps node_streams_ops = {
    .logs = streams_logs,
    .log_resume = log_stream_resume,
    .log_stop = log_stream_stop,
    .exec = streams_exec,
    .exec_input = exec_stream_input,
    .exec_input_end = exec_stream_input_end,
    .exec_pause = exec_stream_pause,
    .exec_resize = exec_stream_resize,
    .exec_close = exec_stream_close,
    .forward = streams_forward,
    .forward_send = forward_stream_send,
    .forward_end = forward_stream_end,
    .forward_pause = forward_stream_pause,
    .forward_close = forward_stream_close,
    .node = streams_node,
    .node_cancel = node_page_cancel,
};
