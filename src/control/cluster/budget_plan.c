/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cluster/budget_plan.h"

#include "codec/type.h"
#include "control/controller.h"
#include "control/pods.h"
#include "view/pod.h"

#define DELETION_TIMEOUT (120 * NS_PER_SEC)
#define DISRUPTION_ALLOWED "DisruptionAllowed"

static const Time *disrupted_at(const PodDisruptionBudgetStatus *status, const char *pod)
{
    for (size_t i = 0; i < status->disrupted_pods.n; i++)
        if (str_equal(status->disrupted_pods.v[i].key, pod))
            return &status->disrupted_pods.v[i].value;
    return NULL;
}

/* Keeps the noted evictions whose pods are still to be deleted. */
static void keep_disrupted(const BudgetInput *input, Arena *arena, BudgetPlan *plan)
{
    const PodDisruptionBudgetStatus *before = &input->budget->status;
    TimeMap *kept = &plan->status.disrupted_pods;

    kept->v = arena_new_n(arena, TimeEntry, before->disrupted_pods.n + 1);
    for (size_t i = 0; i < before->disrupted_pods.n; i++) {
        const TimeEntry *entry = &before->disrupted_pods.v[i];
        int64_t left = time_ns(entry->value) + DELETION_TIMEOUT - input->now_ns;

        for (size_t k = 0; k < input->n_pods && left > 0; k++) {
            const ObjectMeta *meta = &input->pods[k].pod->metadata;

            if (!str_equal(meta->name, entry->key) || meta->deletion_timestamp.set)
                continue;
            kept->v[kept->n++] = *entry;
            if (plan->again_after_ns < 0 || left < plan->again_after_ns)
                plan->again_after_ns = left;
            break;
        }
    }
    if (!kept->n)
        kept->v = NULL;
}

static int32_t count_healthy(const BudgetInput *input, const BudgetPlan *plan)
{
    int32_t n = 0;

    for (size_t i = 0; i < input->n_pods; i++) {
        const Pod *pod = input->pods[i].pod;

        n += !pod_is_terminating(pod) && pod_is_ready(pod) &&
             !disrupted_at(&plan->status, pod->metadata.name);
    }
    return n;
}

/* The sum of the sizes that the controllers of the pods want, counting each controller once. */
static int64_t count_wanted(const BudgetInput *input, Arena *arena, BudgetPlan *plan)
{
    int64_t wanted = 0;

    for (size_t i = 0; i < input->n_pods; i++) {
        const BudgetPod *pod = &input->pods[i];
        bool seen = false;

        if (pod->lost) {
            plan->error =
                arena_printf(arena, "found no controllers for pod \"%s\"", pod->pod->metadata.name);
            return 0;
        }
        if (!pod->owner) {
            plan->unmanaged = true;
            continue;
        }
        for (size_t k = 0; k < i && !seen; k++)
            seen = str_equal(input->pods[k].owner, pod->owner);
        if (!seen)
            wanted += pod->wanted;
    }
    return wanted;
}

static void demand(const BudgetInput *input, Arena *arena, BudgetPlan *plan)
{
    const PodDisruptionBudgetSpec *spec = &input->budget->spec;
    int64_t expected = 0, desired = 0;

    if (spec->max_unavailable) {
        expected = count_wanted(input, arena, plan);
        desired = MAX_OF(0, expected - scaled_value(spec->max_unavailable, expected, true, 0));
    } else if (spec->min_available && !spec->min_available->is_string) {
        expected = (int64_t)input->n_pods;
        desired = spec->min_available->number;
    } else if (spec->min_available) {
        expected = count_wanted(input, arena, plan);
        desired = scaled_value(spec->min_available, expected, true, 0);
    }
    plan->status.expected_pods = (int32_t)expected;
    plan->status.desired_healthy = (int32_t)desired;
}

static void put_condition(const BudgetInput *input, Arena *arena, BudgetPlan *plan)
{
    const ConditionArray *before = &input->budget->status.conditions;
    ConditionArray *now = &plan->status.conditions;
    bool allowed = plan->status.disruptions_allowed > 0;
    Condition condition = {
        .type = DISRUPTION_ALLOWED,
        .status = allowed ? "True" : "False",
        .observed_generation = input->budget->metadata.generation,
        .last_transition_time = time_seconds_from_ns(input->now_ns),
        .reason = plan->error ? "SyncFailed"
                  : allowed   ? "SufficientPods"
                              : "InsufficientPods",
        .message = plan->error ? plan->error : "",
    };

    *now = (ConditionArray){.v = arena_new_n(arena, Condition, before->n + 1)};
    for (size_t i = 0; i < before->n; i++) {
        if (!str_equal(before->v[i].type, DISRUPTION_ALLOWED))
            now->v[now->n++] = before->v[i];
        else if (str_equal(before->v[i].status, condition.status))
            condition.last_transition_time = before->v[i].last_transition_time;
    }
    now->v[now->n++] = condition;
}

void budget_plan(const BudgetInput *input, Arena *arena, BudgetPlan *ret)
{
    const PodDisruptionBudgetStatus *before = &input->budget->status;
    PodDisruptionBudgetStatus *now = &ret->status;

    *ret = (BudgetPlan){.again_after_ns = -1};
    keep_disrupted(input, arena, ret);
    demand(input, arena, ret);
    now->current_healthy = count_healthy(input, ret);
    if (ret->error) { /* allow no disruption, and leave the rest of the status as it was */
        *now = *before;
        now->disruptions_allowed = 0;
    } else if (now->expected_pods > 0) {
        now->disruptions_allowed = MAX_OF(0, now->current_healthy - now->desired_healthy);
    }
    now->observed_generation = input->budget->metadata.generation;
    put_condition(input, arena, ret);
    ret->status_changed = !type_equal(&type_PodDisruptionBudgetStatus, now, before);
}
