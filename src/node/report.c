/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the API how a pod is. Changes of one loop turn become one write; at most one is under way
 * for a pod, and nothing is written that is known already. A deleted pod's last status is written
 * before the object goes.
 */
#include "base/log.h"
#include "node/agent.h"

static void on_report_timer(Timer *timer);

void agent_report_init(AgentPod *pod)
{
    pod->report.on_fire = on_report_timer;
    pod->report.data = pod;
}

void agent_report(AgentPod *pod)
{
    if (pod->agent->shutting_down || pod->agent->stopping || pod->object_gone)
        return;
    if (pod->reporting)
        pod->report_again = true;
    else if (!pod->report.active)
        timer_start(pod->agent->options.clock, &pod->report, 0);
}

static void on_object_deleted(void *data, const ApiStatus *status, Object *object)
{
    AgentPod *pod = data;

    pod->deleting_object = false;
    if (status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND ||
        status->reason == STATUS_CONFLICT)
        agent_pod_deleted(pod);
    else if (!pod->agent->stopping && !pod->object_gone)
        timer_start(pod->agent->options.clock, &pod->report, NS_PER_SEC);
    agent_pod_unref(pod);
}

static void delete_object(AgentPod *pod)
{
    static const int64_t now = 0;
    WriteOptions options = {.grace_seconds = &now, .precondition_uid = pod->uid};

    if (pod->deleting_object)
        return;
    pod->deleting_object = true;
    client_delete(pod->agent->options.client, pod->object->kind, pod->ns, pod->name, &options,
                  on_object_deleted, agent_pod_ref(pod));
}

/* What is there besides ours stays: conditions of readiness gates, of disruptions. */
static void keep_conditions(Arena *arena, const PodStatus *before, PodStatus *status)
{
    PodCondition *all =
        arena_new_n(arena, PodCondition, before->conditions.n + status->conditions.n);
    size_t n = status->conditions.n;

    memcpy(all, status->conditions.v, n * sizeof(*all));
    for (size_t i = 0; i < before->conditions.n; i++) {
        bool ours = false;

        for (size_t k = 0; k < status->conditions.n; k++)
            ours = ours || str_equal(before->conditions.v[i].type, status->conditions.v[k].type);
        if (!ours)
            all[n++] = before->conditions.v[i];
    }
    status->conditions.v = all;
    status->conditions.n = n;
}

/* Whom the containers run as: known since they were started, or told before. */
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

static void on_reported(void *data, const ApiStatus *status, Object *object)
{
    AgentPod *pod = data;

    pod->reporting = false;
    if (status->reason == STATUS_NOT_FOUND) {
        /* The watch tells, too; here nothing is left to say. */
    } else if (status->reason != STATUS_OK && !pod->agent->stopping && !pod->object_gone) {
        bool conflict = status->reason == STATUS_CONFLICT;

        if (!conflict)
            log_warn("node", "status of pod %s/%s: %s", pod->ns, pod->name,
                     str_or(status->message, "refused"));
        pod->report_again = false;
        /* Not at once: the write that was in the way has to come through the loop first. */
        timer_start(pod->agent->options.clock, &pod->report, conflict ? NS_PER_MS : NS_PER_SEC);
    } else if (pod->report_again || pod->final) {
        pod->report_again = false;
        agent_report(pod);
    }
    agent_pod_unref(pod);
}

static void on_report_timer(Timer *timer)
{
    AgentPod *pod = timer->data;
    NodeAgent *agent = pod->agent;
    Object *newest;
    _object_ Object *copy = NULL;
    WriteOptions options = {.subresource = "status"};
    PodStatus *before, status;

    if (pod->reporting || pod->object_gone || agent->stopping)
        return;
    newest = client_get(agent->options.client, pod->object->kind, pod->ns, pod->name);
    if (!newest || !str_equal(object_meta(newest)->uid, pod->uid)) {
        agent_pod_deleted(pod);
        return;
    }
    if (!pod->machine)
        return;
    copy = object_copy(newest);
    before = &OBJECT_AS(Pod, copy)->status;
    machine_status(pod->machine, &copy->arena, before, agent->host_ip, &status);
    keep_conditions(&copy->arena, before, &status);
    add_users(pod, &copy->arena, &before->init_container_statuses, &status.init_container_statuses);
    add_users(pod, &copy->arena, &before->container_statuses, &status.container_statuses);
    add_users(pod, &copy->arena, &before->ephemeral_container_statuses,
              &status.ephemeral_container_statuses);
    status.resource_claim_statuses = before->resource_claim_statuses;
    if (type_equal(&type_PodStatus, before, &status)) {
        if (pod->final)
            delete_object(pod);
        return;
    }
    *before = status;
    pod->reporting = true;
    client_update(agent->options.client, copy, &options, on_reported, agent_pod_ref(pod));
}
