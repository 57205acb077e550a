/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which surplus pods are deleted; see pods.h. It is that of Kubernetes' ReplicaSets. */
#include "api/schema/core_pod_v1.h"
#include "control/pods.h"
#include "view/pod.h"

#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"

static int phase_rank(const Pod *pod)
{
    if (str_equal(pod->status.phase, "Running"))
        return 2;
    return str_equal(pod->status.phase, "Unknown") ? 1 : 0;
}

static int64_t deletion_cost(const Pod *pod)
{
    const char *text = string_map_get(&pod->metadata.annotations, DELETION_COST);
    int64_t cost;

    return text && str_to_int64(text, INT32_MIN, INT32_MAX, &cost) == 0 ? cost : 0;
}

static int32_t most_restarts(const Pod *pod)
{
    int32_t most = 0;

    for (size_t i = 0; i < pod->status.container_statuses.n; i++)
        most = MAX_OF(most, pod->status.container_statuses.v[i].restart_count);
    return most;
}

static int log2_of(int64_t ns)
{
    return ns > 0 ? 63 - __builtin_clzll((unsigned long long)ns) : -1;
}

/* Ages are compared by their order of magnitude only. Among pods of similar age the uid decides,
 * which is random, so a scale-down does not always remove the youngest pods. */
static int compare_ages(Time a, Time b, const Pod *pod_a, const Pod *pod_b, int64_t now_ns)
{
    int diff;

    if (!a.set || !b.set)
        return a.set == b.set ? 0 : a.set ? 1 : -1;
    diff = log2_of(now_ns - time_ns(a)) - log2_of(now_ns - time_ns(b));
    return diff ? diff : strcmp(str_or(pod_a->metadata.uid, ""), str_or(pod_b->metadata.uid, ""));
}

static int compare_int64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static Time ready_since(const Pod *pod)
{
    return pod_condition(pod, "Ready")->last_transition_time;
}

int pod_compare_worth(const Pod *a, const Pod *b, int64_t now_ns)
{
    bool ready_a = pod_is_ready(a), ready_b = pod_is_ready(b);
    int r;

    r = !str_empty(a->spec.node_name) - !str_empty(b->spec.node_name);
    if (!r)
        r = phase_rank(a) - phase_rank(b);
    if (!r)
        r = ready_a - ready_b;
    if (!r)
        r = compare_int64(deletion_cost(a), deletion_cost(b));
    if (!r && ready_a && ready_b && time_ns(ready_since(a)) != time_ns(ready_since(b)))
        r = compare_ages(ready_since(a), ready_since(b), a, b, now_ns);
    if (!r)
        r = most_restarts(b) - most_restarts(a);
    if (!r && time_ns(a->metadata.creation_timestamp) != time_ns(b->metadata.creation_timestamp))
        r = compare_ages(a->metadata.creation_timestamp, b->metadata.creation_timestamp, a, b,
                         now_ns);
    return r;
}
