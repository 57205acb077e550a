/* SPDX-License-Identifier: Apache-2.0 */
#include "api/condition.h"
#include "control/deployment/replicaset_plan.h"

#include "codec/type.h"
#include "view/pod.h"

#define REPLICA_FAILURE "ReplicaFailure"

static int compare_pods(const void *a, const void *b, void *now_ns)
{
    return pod_compare_worth(*(const Pod *const *)a, *(const Pod *const *)b, *(int64_t *)now_ns);
}

/* ---- counts ---- */

static bool has_labels(const Pod *pod, const StringMap *labels)
{
    for (size_t i = 0; i < labels->n; i++) {
        const char *value = string_map_get(&pod->metadata.labels, labels->v[i].key);

        if (!value || !str_equal(value, labels->v[i].value))
            return false;
    }
    return true;
}

static void count(const ReplicaSetInput *input, const Pod *pod, ReplicaSetPlan *plan)
{
    const ReplicaSetSpec *spec = &input->set->spec;
    int64_t left;

    plan->status.replicas++;
    plan->status.fully_labeled_replicas += has_labels(pod, &spec->template.metadata.labels);
    if (!pod_is_ready(pod))
        return;
    plan->status.ready_replicas++;
    if (pod_is_available(pod, spec->min_ready_seconds, input->now_ns)) {
        plan->status.available_replicas++;
        return;
    }
    left = time_ns(pod_condition(pod, "Ready")->last_transition_time) +
           spec->min_ready_seconds * NS_PER_SEC - input->now_ns;
    if (plan->again_after_ns < 0 || left < plan->again_after_ns)
        plan->again_after_ns = MAX_OF(left, 0);
}

/* Sets the condition ReplicaFailure when a creation or deletion has failed, and removes it when the
 * failure is over. It keeps all other conditions. */
static void note_failure(const ReplicaSetInput *input, Arena *arena, ReplicaSetStatus *status)
{
    const ReplicaSetStatus *before = &input->set->status;
    const ReplicaSetCondition *there = CONDITION_FIND(&before->conditions, REPLICA_FAILURE);
    size_t n = 0;

    status->conditions = before->conditions;
    if (!input->result.failed == !there || (input->result.failed && !input->result.error))
        return;
    status->conditions.v = arena_new_n(arena, ReplicaSetCondition, before->conditions.n + 1);
    for (size_t i = 0; i < before->conditions.n; i++)
        if (&before->conditions.v[i] != there)
            status->conditions.v[n++] = before->conditions.v[i];
    if (input->result.failed)
        status->conditions.v[n++] =
            (ReplicaSetCondition){.type = REPLICA_FAILURE,
                                  .status = "True",
                                  .last_transition_time = time_seconds_from_ns(input->now_ns),
                                  .reason = input->result.reason,
                                  .message = input->result.error};
    status->conditions.n = n;
}

/* ---- the plan ---- */

static void correct(const ReplicaSetInput *input, const PodOwner *owner, const Pod **active,
                    size_t n, ReplicaSetPlan *plan)
{
    int64_t wanted = input->set->spec.replicas ? *input->set->spec.replicas : 1;
    int64_t diff = (int64_t)n - wanted, now_ns = input->now_ns;
    Arena *arena = plan->actions.arena;

    for (int64_t i = 0; i < MIN_OF(-diff, PODS_BURST); i++)
        pod_actions_add(
            &plan->actions, POD_CREATE,
            pod_from_template(arena, owner->ref, owner->ns, &input->set->spec.template));
    if (diff <= 0)
        return;
    if (wanted > 0)
        qsort_r(active, n, sizeof(*active), compare_pods, &now_ns);
    for (int64_t i = 0; i < MIN_OF(diff, PODS_BURST); i++)
        pod_actions_add(&plan->actions, POD_DELETE, active[i]);
}

void replicaset_plan(const ReplicaSetInput *input, Arena *arena, ReplicaSetPlan *ret)
{
    const ReplicaSet *set = input->set;
    const PodOwner *owner = &input->owner;
    const Pod **members = arena_new_n(arena, const Pod *, input->n_pods + 1);
    size_t n, n_active = 0;
    int32_t terminating = 0;

    *ret = (ReplicaSetPlan){.actions = {.arena = arena}, .again_after_ns = -1};
    n = pod_owner_claim(owner, input->pods, input->n_pods, &ret->actions, members);
    for (size_t i = 0; i < n; i++) {
        if (pod_is_terminating(members[i]) && !pod_has_ended(members[i]))
            terminating++;
        if (!pod_is_active(members[i]))
            continue;
        count(input, members[i], ret);
        members[n_active++] = members[i];
    }
    if (!owner->going && !ret->actions.n && !input->result.failed)
        correct(input, owner, members, n_active, ret);
    ret->status.observed_generation = set->metadata.generation;
    ret->status.terminating_replicas = arena_int32(arena, terminating);
    note_failure(input, arena, &ret->status);
    ret->status_changed = !type_equal(&type_ReplicaSetStatus, &ret->status, &set->status);
}
