/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the API how a pod is. Changes of one loop turn become one write; at most one is under way
 * for a pod, and nothing is written that is known already. A deleted pod's last status is written
 * before the object goes.
 */
#include "base/log.h"
#include "node/agent.h"

#define CONFLICT_RETRY NS_PER_MS
#define WRITE_RETRY NS_PER_SEC

void agent_report(AgentPod *pod)
{
    if (!pod->agent->shutting_down && !pod->agent->stopping && !pod->object_gone)
        follow_changed(&pod->report);
}

/* Is the API's pod of this name still this one? */
static bool object_is_there(AgentPod *pod)
{
    Object *newest = client_get(pod->agent->options.client, pod->object->kind, pod->ns, pod->name);

    return newest && str_equal(object_meta(newest)->uid, pod->uid);
}

static void on_object_deleted(void *data, const ApiStatus *status, Object *object)
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
    int64_t retry = 0;

    if (status->reason == STATUS_NOT_FOUND) {
        retry = FOLLOW_NO_RETRY; /* the watch says so, too */
    } else if (status->reason == STATUS_CONFLICT) {
        /* Not at once: the write that was in the way has to come through the loop first. */
        retry = CONFLICT_RETRY;
    } else if (status->reason != STATUS_OK) {
        log_warn("node", "status of pod %s/%s: %s", pod->ns, pod->name,
                 str_or(status->message, "refused"));
        retry = WRITE_RETRY;
    }
    follow_end(&pod->report, retry);
    if (retry == 0 && pod->final)
        agent_report(pod); /* now the object may go */
    agent_pod_unref(pod);
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
    follow_begin(&pod->report);
    copy = object_copy(client_get(agent->options.client, pod->object->kind, pod->ns, pod->name));
    before = &OBJECT_AS(Pod, copy)->status;
    machine_status(pod->machine, &copy->arena, before, agent->host_ip, &status);
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
}
