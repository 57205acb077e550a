/* SPDX-License-Identifier: Apache-2.0 */
#include "api/condition.h"
#include "view/pod.h"

const PodCondition *pod_condition(const Pod *pod, const char *type)
{
    return CONDITION_FIND(&pod->status.conditions, type);
}

bool pod_is_ready(const Pod *pod)
{
    const PodCondition *ready = pod_condition(pod, "Ready");

    return ready && str_equal(ready->status, "True");
}

bool pod_is_running_and_ready(const Pod *pod)
{
    return str_equal(pod->status.phase, "Running") && pod_is_ready(pod);
}

bool pod_is_available(const Pod *pod, int32_t min_ready_seconds, int64_t now_ns)
{
    const PodCondition *ready = pod_condition(pod, "Ready");

    if (!ready || !str_equal(ready->status, "True"))
        return false;
    if (min_ready_seconds <= 0)
        return true;
    return ready->last_transition_time.set &&
           time_ns(ready->last_transition_time) + min_ready_seconds * INT64_C(1000000000) <= now_ns;
}
