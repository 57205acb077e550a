/* SPDX-License-Identifier: Apache-2.0 */
#include "control/scheduler/disrupt.h"

#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "view/pod.h"

/* The pod may have gone meanwhile, or its status may have changed; the deletion matters more. */
static void on_marked(Reconcile *reconcile _unused_, void *data _unused_,
                      const ApiStatus *status _unused_, Object *object _unused_)
{
}

void schedule_disrupt(Reconcile *reconcile, const Object *object, const char *reason,
                      const char *message)
{
    Object *copy;
    Pod *pod;
    const PodCondition *old;
    PodCondition condition = {.type = "DisruptionTarget", .status = "True", .reason = reason};

    if (pod_is_terminating(OBJECT_AS(Pod, object)))
        return;
    copy = object_copy(object);
    pod = OBJECT_AS(Pod, copy);
    old = pod_condition(pod, condition.type);
    condition.message = arena_strdup(&copy->arena, message);
    condition.last_transition_time = reconcile_now(reconcile);
    condition.observed_generation = pod->metadata.generation;

    if (old)
        pod->status.conditions.v[old - pod->status.conditions.v] = condition;
    else
        ARENA_APPEND(&copy->arena, &pod->status.conditions, condition);
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, on_marked, NULL);
    reconcile_delete(reconcile, object, NULL, NULL, NULL);
}
