/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the status of a pod to the API. Changes within one turn of the loop become one write; at
 * most one write per pod is in flight, and an unchanged status is not written. The last status of
 * a deleted pod is written before its object is deleted.
 *
 * The first report that an interactive session runs is delayed. `kubectl run -i` waits until its
 * pod runs or has ended. If the pod runs, newer versions of kubectl print the log so far and
 * attach; if the program has ended by then, attaching fails and kubectl prints the whole log, so
 * that everything appears twice, with a warning. Older versions do not print the log first, so for
 * them attaching has to fail, or they would print nothing. The delay makes a program that ends
 * within SESSION_HOLD appear as ended at once, and each kubectl prints its log once.
 */
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/log.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"

#define CONFLICT_RETRY NS_PER_MS
#define WRITE_RETRY NS_PER_SEC
#define SESSION_HOLD (200 * NS_PER_MS)

void agent_report(AgentPod *pod)
{
    if (!pod->agent->shutting_down && !pod->agent->stopping && !pod->object_gone)
        follow_changed(&pod->report);
}

/* Whether the pod of this name in the API is still the same object. */
static bool object_is_there(AgentPod *pod)
{
    Object *newest = client_get(pod->agent->options.client, pod->object->kind, pod->ns, pod->name);

    return newest && str_equal(object_meta(newest)->uid, pod->uid);
}

static void on_object_deleted(void *data, const ApiStatus *status, Object *object _unused_)
{
    AgentPod *pod = data;
    bool gone = status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND ||
                (status->reason == STATUS_CONFLICT && !object_is_there(pod));

    follow_end(&pod->report, gone ? 0 : WRITE_RETRY);
    if (gone)
        agent_pod_deleted(pod);
    agent_pod_unref(pod);
}

static void delete_object(AgentPod *pod)
{
    static const int64_t now = 0;
    WriteOptions options = {.grace_seconds = &now, .precondition_uid = pod->uid};

    client_delete(pod->agent->options.client, pod->object->kind, pod->ns, pod->name, &options,
                  on_object_deleted, agent_pod_ref(pod));
}

/* These conditions are ours also while they are not there. */
static bool is_resize(const char *type)
{
    return str_equal(type, "PodResizePending") || str_equal(type, "PodResizeInProgress");
}

/* Keeps conditions of other writers, such as readiness gates and disruption targets. */
static void keep_conditions(Arena *arena, const PodStatus *before, PodStatus *status)
{
    PodCondition *all =
        arena_new_n(arena, PodCondition, before->conditions.n + status->conditions.n);
    size_t n = status->conditions.n;

    memcpy(all, status->conditions.v, n * sizeof(*all));
    for (size_t i = 0; i < before->conditions.n; i++) {
        bool ours = is_resize(before->conditions.v[i].type);

        for (size_t k = 0; k < status->conditions.n; k++)
            ours = ours || str_equal(before->conditions.v[i].type, status->conditions.v[k].type);
        if (!ours)
            all[n++] = before->conditions.v[i];
    }
    status->conditions.v = all;
    status->conditions.n = n;
}

/* Adds the users that the containers run as. They are known if this process has started the
 * containers; otherwise the previous status has them. */
static void add_users(AgentPod *pod, Arena *arena, const ContainerStatusArray *before,
                      ContainerStatusArray *after)
{
    for (size_t i = 0; i < after->n; i++) {
        ContainerStatus *status = &after->v[i];
        size_t at = machine_find(pod->machine, status->name);
        const LinuxContainerUser *user = at < pod->n_containers ? pod->containers[at]->user : NULL;

        if (str_empty(status->container_id))
            continue;
        for (size_t k = 0; k < before->n && !user; k++)
            if (str_equal(before->v[k].container_id, status->container_id) && before->v[k].user)
                user = before->v[k].user->linux_;
        if (!user)
            continue;
        status->user = arena_new(arena, ContainerUser);
        status->user->linux_ = arena_new(arena, LinuxContainerUser);
        type_copy(&type_LinuxContainerUser, arena, status->user->linux_, user);
    }
}

static void on_reported(void *data, const ApiStatus *status, Object *object _unused_)
{
    AgentPod *pod = data;
    int64_t retry = 0;

    if (status->reason == STATUS_NOT_FOUND) {
        retry = FOLLOW_NO_RETRY; /* the watch reports this as well */
    } else if (status->reason == STATUS_CONFLICT) {
        /* The retry is delayed, since the result of the conflicting write has to arrive through
         * the loop first. */
        retry = CONFLICT_RETRY;
    } else if (status->reason != STATUS_OK) {
        log_warn("node", "status of pod %s/%s: %s", pod->ns, pod->name,
                 str_or(status->message, "refused"));
        retry = WRITE_RETRY;
    }
    follow_end(&pod->report, retry);
    if (retry == 0 && pod->final)
        agent_report(pod); /* the status has been written, so the object may be deleted */
    agent_pod_unref(pod);
}

/* Whether the pod looks like one that a client creates, attaches to, and waits for. */
static bool is_session(const PodSpec *spec)
{
    const Container *c = spec->containers.v;

    return spec->containers.n == 1 && c->stdin && !str_equal(spec->restart_policy, "Always") &&
           !c->startup_probe && !c->readiness_probe && !c->liveness_probe;
}

/* Whether the report that the pod runs has to be delayed. The question is asked again at the next
 * change and when the delay is over. */
static bool is_held_back(AgentPod *pod, const Pod *before, const PodStatus *now)
{
    Clock *clock = pod->agent->options.clock;
    int64_t now_ns = clock_mono_ns(clock);

    if (!is_session(&before->spec) || before->metadata.deletion_timestamp.set ||
        !str_equal(now->phase, "Running") || str_equal(before->status.phase, "Running"))
        return false;
    if (!pod->hold_until)
        pod->hold_until = now_ns + SESSION_HOLD;
    if (now_ns >= pod->hold_until)
        return false;
    timer_start(clock, &pod->hold, pod->hold_until - now_ns);
    return true;
}

static void on_hold_over(Timer *timer)
{
    follow_poke(&((AgentPod *)timer->data)->report);
}

static void on_report_due(void *data)
{
    AgentPod *pod = data;
    NodeAgent *agent = pod->agent;
    _object_ Object *copy = NULL;
    WriteOptions options = {.subresource = "status"};
    PodStatus *before, status;

    if (pod->object_gone || agent->stopping || agent->shutting_down)
        return;
    if (!object_is_there(pod)) {
        agent_pod_deleted(pod);
        return;
    }
    if (!pod->machine)
        return;
    copy = object_copy(client_get(agent->options.client, pod->object->kind, pod->ns, pod->name));
    before = &OBJECT_AS(Pod, copy)->status;
    machine_status(pod->machine, &copy->arena, before, agent->host_ip, &status);
    if (is_held_back(pod, copy->value, &status))
        return;
    follow_begin(&pod->report);
    keep_conditions(&copy->arena, before, &status);
    add_users(pod, &copy->arena, &before->init_container_statuses, &status.init_container_statuses);
    add_users(pod, &copy->arena, &before->container_statuses, &status.container_statuses);
    add_users(pod, &copy->arena, &before->ephemeral_container_statuses,
              &status.ephemeral_container_statuses);
    status.resource_claim_statuses = before->resource_claim_statuses;
    if (!type_equal(&type_PodStatus, before, &status)) {
        *before = status;
        client_update(agent->options.client, copy, &options, on_reported, agent_pod_ref(pod));
    } else if (pod->final) {
        delete_object(pod);
    } else {
        follow_end(&pod->report, 0);
    }
}

void agent_report_init(AgentPod *pod)
{
    follow_init(&pod->report, pod->agent->options.clock, on_report_due, pod);
    pod->hold.on_fire = on_hold_over;
    pod->hold.data = pod;
}

void agent_report_stop(AgentPod *pod)
{
    follow_stop(&pod->report);
    timer_stop(pod->agent->options.clock, &pod->hold);
}
