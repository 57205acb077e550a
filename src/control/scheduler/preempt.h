/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods have to go from the node so that a more important one can run. */
#ifndef CONTROL_SCHEDULER_PREEMPT_H
#define CONTROL_SCHEDULER_PREEMPT_H

#include "control/scheduler/scheduler.h"

/* Whether the pod may make others go; otherwise *ret_why has the sentence for its Event, or is NULL
 * if some are going for it already. */
bool preempt_is_eligible(const ScheduleInput *input, const char **ret_why);

/* The fewest and least important pods whose removal lets the pod run; empty if there are none. Only
 * pods of lower priority are candidates. Pods that a disruption budget protects go last. `budgets` is
 * the shared index of PodDisruptionBudgets; the input's pods that are placed must not contain the pod
 * itself. The arena holds the result. */
ObjectList preempt_choose(const ScheduleInput *input, const ObjectIndex *budgets);

static inline int32_t pod_priority(const Pod *pod)
{
    return pod->spec.priority ? *pod->spec.priority : 0;
}

#endif
