/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of a job for failures and successes, and its back-off after failures. */
#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/job/internal.h"
#include "view/pod.h"

#define BACKOFF_FIRST (10 * NS_PER_SEC)
#define BACKOFF_MAX (600 * NS_PER_SEC)

/* ---- failures ---- */

static const ContainerStatus *match_in(const ContainerStatusArray *statuses,
                                       const PodFailurePolicyOnExitCodesRequirement *on)
{
    for (size_t i = 0; i < statuses->n; i++) {
        const ContainerStatus *status = &statuses->v[i];
        const ContainerStateTerminated *end = status->state.terminated;
        bool among = false;

        if (!end || end->exit_code == 0 ||
            (on->container_name && !str_equal(on->container_name, status->name)))
            continue;
        for (size_t k = 0; k < on->values.n; k++)
            among = among || on->values.v[k] == end->exit_code;
        if (among == str_equal(on->operator, "In"))
            return status;
    }
    return NULL;
}

static const PodCondition *match_conditions(const Pod *pod,
                                            const PodFailurePolicyOnPodConditionsPatternArray *on)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        for (size_t k = 0; k < on->n; k++)
            if (str_equal(pod->status.conditions.v[i].type, on->v[k].type) &&
                str_equal(pod->status.conditions.v[i].status, on->v[k].status))
                return &pod->status.conditions.v[i];
    return NULL;
}

/* The message for the action FailJob if the rule matches the pod, else NULL. */
static const char *rule_fits(Arena *arena, const PodFailurePolicyRule *rule, size_t number,
                             const Pod *pod)
{
    const ContainerStatus *container = NULL;
    const PodCondition *condition;

    if (rule->on_exit_codes) {
        container = match_in(&pod->status.init_container_statuses, rule->on_exit_codes);
        if (!container)
            container = match_in(&pod->status.container_statuses, rule->on_exit_codes);
        if (!container)
            return NULL;
        return arena_printf(
            arena,
            "Container %s for pod %s/%s failed with exit code %d matching %s rule at index %zu",
            container->name, pod->metadata.namespace, pod->metadata.name,
            container->state.terminated->exit_code, rule->action, number);
    }
    condition = match_conditions(pod, &rule->on_pod_conditions);
    return condition
               ? arena_printf(arena, "Pod %s/%s has condition %s matching %s rule at index %zu",
                              pod->metadata.namespace, pod->metadata.name, condition->type,
                              rule->action, number)
               : NULL;
}

FailureAction job_failure_action(Arena *arena, const JobSpec *spec, const Pod *pod,
                                 const char **ret_why)
{
    const PodFailurePolicy *policy = spec->pod_failure_policy;

    *ret_why = NULL;
    for (size_t i = 0; policy && i < policy->rules.n; i++) {
        const PodFailurePolicyRule *rule = &policy->rules.v[i];
        const char *why = rule_fits(arena, rule, i, pod);

        if (!why)
            continue;
        if (str_equal(rule->action, "Ignore"))
            return FAILURE_IGNORED;
        if (str_equal(rule->action, "FailIndex"))
            return FAILURE_OF_INDEX;
        if (str_equal(rule->action, "Count"))
            return FAILURE_COUNTS;
        *ret_why = why;
        return FAILURE_OF_JOB;
    }
    return FAILURE_COUNTS;
}

/* ---- success ---- */

static int64_t count_common(const IndexSet *wanted, const IndexSet *have)
{
    int64_t n = 0;

    for (size_t i = 0; i < wanted->n; i++)
        for (size_t k = 0; k < have->n; k++)
            n += MAX_OF(0, (int64_t)MIN_OF(wanted->v[i].to, have->v[k].to) -
                               MAX_OF(wanted->v[i].from, have->v[k].from) + 1);
    return n;
}

int job_success_rule(Arena *arena, const JobSpec *spec, const IndexSet *succeeded)
{
    for (size_t i = 0; spec->success_policy && i < spec->success_policy->rules.n; i++) {
        const SuccessPolicyRule *rule = &spec->success_policy->rules.v[i];
        int64_t have = index_set_total(succeeded), wanted;

        if (rule->succeeded_indexes) {
            IndexSet indexes = index_set_parse(arena, rule->succeeded_indexes);

            have = count_common(&indexes, succeeded);
            wanted = rule->succeeded_count ? *rule->succeeded_count : index_set_total(&indexes);
        } else {
            wanted = rule->succeeded_count ? *rule->succeeded_count : INT64_MAX;
        }
        if (have >= wanted)
            return (int)i;
    }
    return -1;
}

/* ---- back-off ---- */

/* When the last of the pod's containers ended; if that is unknown, the best approximation. */
static int64_t ended_at(const Pod *pod)
{
    const ContainerStatusArray *statuses = &pod->status.container_statuses;
    const PodCondition *ready = pod_condition(pod, "Ready");
    int64_t last = 0;

    for (size_t i = 0; i < statuses->n; i++)
        if (statuses->v[i].state.terminated)
            last = MAX_OF(last, time_ns(statuses->v[i].state.terminated->finished_at));
    if (last)
        return last;
    if (ready && ready->last_transition_time.set)
        return time_ns(ready->last_transition_time);
    if (pod->metadata.deletion_timestamp.set)
        return time_ns(pod->metadata.deletion_timestamp);
    return time_ns(pod->metadata.creation_timestamp);
}

static int64_t wait_after(int64_t failures)
{
    if (failures <= 0)
        return 0;
    return failures > 7 ? BACKOFF_MAX : MIN_OF(BACKOFF_FIRST << (failures - 1), BACKOFF_MAX);
}

static int64_t left_after(const JobSync *sync, int64_t failures, int64_t last)
{
    return failures ? MAX_OF(0, last + wait_after(failures) - sync->input->now_ns) : 0;
}

static int64_t backoff_of_index(const JobSync *sync, int32_t index)
{
    int64_t last = INT64_MIN, failures = 0;

    for (const IndexedPod *at = job_pods_of(sync, index); at; at = at->next)
        if (job_pod_failed(sync->spec, at->pod)) {
            failures = MAX_OF(failures, job_index_failures(at->pod) + 1);
            last = MAX_OF(last, ended_at(at->pod));
        }
    return left_after(sync, failures, last);
}

int64_t job_backoff_left(const JobSync *sync, int32_t index)
{
    int64_t success = INT64_MIN, last = INT64_MIN, failures = 0;

    if (index != NO_INDEX)
        return backoff_of_index(sync, index);
    for (size_t i = 0; i < sync->n_pods; i++)
        if (pod_is_succeeded(sync->pods[i]))
            success = MAX_OF(success, ended_at(sync->pods[i]));
    for (size_t i = 0; i < sync->n_pods; i++) {
        const Pod *pod = sync->pods[i];

        if (!job_pod_failed(sync->spec, pod) || ended_at(pod) <= success)
            continue;
        failures++;
        last = MAX_OF(last, ended_at(pod));
    }
    return left_after(sync, failures, last);
}
