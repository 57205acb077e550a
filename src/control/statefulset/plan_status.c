/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a StatefulSet, and which of its pods are unavailable: see plan_view.h. */
#include "codec/type.h"
#include "control/statefulset/plan_view.h"
#include "view/pod.h"

static void count_pod(const PlanView *view, const Pod *pod, StatefulSetStatus *status)
{
    status->replicas++;
    if (pod_is_running_and_ready(pod)) {
        status->ready_replicas++;
        if (pod_is_available(pod, view->min_ready_seconds, view->in->now_ns))
            status->available_replicas++;
    }
    if (pod_is_terminating(pod))
        return;
    if (str_equal(plan_pod_revision(pod), view->current->metadata.name))
        status->current_replicas++;
    if (plan_pod_is_updated(view, pod))
        status->updated_replicas++;
}

static void count_pods(const PlanView *view, const Members *members, StatefulSetStatus *status)
{
    for (size_t i = 0; i < members->n; i++)
        count_pod(view, members->v[i].pod, status);
}

void plan_count_pods(PlanView *view)
{
    const StatefulSet *set = view->set;
    StatefulSetStatus *status = &view->plan->status;

    status->observed_generation = set->metadata.generation;
    status->current_revision = view->current->metadata.name;
    status->update_revision = view->update->metadata.name;
    if (!status->collision_count)
        status->collision_count = arena_int32(view->arena, 0);
    status->replicas = status->ready_replicas = status->available_replicas = 0;
    status->current_replicas = status->updated_replicas = 0;
    count_pods(view, &view->replicas, status);
    count_pods(view, &view->condemned, status);
    count_pods(view, &view->reserved, status);
}

int64_t plan_count_available(const PlanView *view)
{
    int64_t n = 0;

    for (size_t i = 0; i < view->replicas.n; i++)
        n += plan_pod_is_available(view, view->replicas.v[i].pod);
    return n;
}

void plan_complete_rollout(PlanView *view)
{
    StatefulSetStatus *status = &view->plan->status;
    int64_t replicas = statefulset_replicas(view->set);

    if (statefulset_is_on_delete(view->set) || status->updated_replicas != replicas ||
        status->ready_replicas != replicas || status->replicas != replicas)
        return;
    status->current_replicas = status->updated_replicas;
    status->current_revision = status->update_revision;
}

void plan_find_unavailable(PlanView *view)
{
    const SetOrdinals *ordinals = &view->ordinals;
    int64_t expected = set_ordinals_from(ordinals, ordinals->start);

    view->first_unavailable = -1;
    for (size_t i = 0; i < view->replicas.n; i++) {
        const Member *member = &view->replicas.v[i];
        bool gap = member->ordinal != expected;

        if (gap && view->first_unavailable < 0)
            view->first_unavailable = expected;
        expected = set_ordinals_from(ordinals, member->ordinal + 1);
        if (plan_pod_is_available(view, member->pod))
            continue;
        if (view->first_unavailable < 0)
            view->first_unavailable = member->ordinal;
    }
    if (view->first_unavailable < 0 && expected < ordinals->end)
        view->first_unavailable = expected;
    for (size_t i = view->condemned.n; i-- > 0;) {
        const Member *member = &view->condemned.v[i];

        if (member->paused || plan_pod_is_available(view, member->pod))
            continue;
        if (view->first_unavailable < 0)
            view->first_unavailable = member->ordinal;
    }
}

void plan_find_next_availability(PlanView *view)
{
    int64_t next = -1;

    for (size_t i = 0; i < view->replicas.n + view->condemned.n; i++) {
        const Pod *pod = i < view->replicas.n ? view->replicas.v[i].pod
                                              : view->condemned.v[i - view->replicas.n].pod;
        const PodCondition *ready = pod_condition(pod, "Ready");
        int64_t due;

        if (view->min_ready_seconds <= 0 || !pod_is_ready(pod) || !ready->last_transition_time.set)
            continue;
        due = time_ns(ready->last_transition_time) + view->min_ready_seconds * INT64_C(1000000000) -
              view->in->now_ns;
        if (due > 0 && (next < 0 || due < next))
            next = due;
    }
    view->plan->again_after_ns = next;
}

static bool int32_equal(const int32_t *a, const int32_t *b)
{
    return (a ? *a : 0) == (b ? *b : 0) && !a == !b;
}

static bool conditions_equal(const StatefulSetConditionArray *a, const StatefulSetConditionArray *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!type_equal(&type_StatefulSetCondition, &a->v[i], &b->v[i]))
            return false;
    return true;
}

bool statefulset_status_differs(const StatefulSetStatus *a, const StatefulSetStatus *b)
{
    return a->observed_generation != b->observed_generation || a->replicas != b->replicas ||
           a->ready_replicas != b->ready_replicas ||
           a->available_replicas != b->available_replicas ||
           a->current_replicas != b->current_replicas ||
           a->updated_replicas != b->updated_replicas ||
           !str_equal(a->current_revision, b->current_revision) ||
           !str_equal(a->update_revision, b->update_revision) ||
           !int32_equal(a->collision_count, b->collision_count) ||
           !conditions_equal(&a->conditions, &b->conditions);
}
