/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions of a StatefulSet, which say what it waits for.
 *
 *     Progressing  True: pods or volumes are being changed, or the set waits for one of them.
 *                  False: everything is as the set asks for, or only a user can end the wait.
 *     Available    True: all replicas are available.
 *
 * Kubernetes 1.37 knows Progressing, for the strategy Recreate alone; its reasons and messages are the same
 * here. Every other wait has the reason that plan_wait_text() gives. While a condition keeps its status,
 * it keeps its lastTransitionTime. Conditions of other types belong to others and stay.
 */
#include "api/condition.h"
#include "api/time.h"
#include "control/statefulset/plan_view.h"

static const char *const WAIT_TEXTS[] = {
    [WAIT_NOTHING] = "Complete",
    [WAIT_POD_STARTING] = "PodStarting",
    [WAIT_POD_ENDED] = "PodEnded",
    [WAIT_POD_STUCK] = "PodStuck",
    [WAIT_POD_TERMINATING] = "PodTerminating",
    [WAIT_POD_NOT_READY] = "PodNotReady",
    [WAIT_POD_NOT_AVAILABLE] = "PodNotAvailable",
    [WAIT_CLAIM_TERMINATING] = "ClaimTerminating",
    [WAIT_POD_UPDATING] = "PodUpdating",
    [WAIT_RECREATE] = "RecreateInProgress",
    [WAIT_CLAIM_GROWING] = "ClaimGrowing",
    [WAIT_PARTITION] = "Partition",
    [WAIT_ON_DELETE] = "OnDelete",
    [WAIT_POD_PAUSED] = "PodPaused",
};
static_assert(ARRAY_LEN(WAIT_TEXTS) == _WAIT_MAX, "a text for each reason");

const char *plan_wait_text(PlanWaitReason reason)
{
    return WAIT_TEXTS[reason];
}

static void set_condition(Arena *arena, StatefulSetConditionArray *conditions,
                          StatefulSetCondition condition)
{
    StatefulSetCondition *old = CONDITION_FIND(conditions, condition.type);

    if (old && str_equal(old->status, condition.status))
        condition.last_transition_time = old->last_transition_time;
    /* The array may belong to the set as it is stored. */
    conditions->v = arena_copy_n(arena, conditions->v, conditions->n, conditions->n + 1,
                                 sizeof(*conditions->v));
    old = CONDITION_FIND(conditions, condition.type);
    if (old)
        *old = condition;
    else
        conditions->v[conditions->n++] = condition;
}

static void put_condition(Arena *arena, StatefulSetStatus *status, const char *type, bool is_true,
                          const char *reason, const char *message, int64_t now_ns)
{
    set_condition(arena, &status->conditions,
                  (StatefulSetCondition){.type = type,
                                         .status = is_true ? "True" : "False",
                                         .reason = reason,
                                         .message = message,
                                         .last_transition_time = time_seconds_from_ns(now_ns)});
}

/* ---- waits that no rule notices, since nothing is to be done ---- */

static const Member *find_member(const Members *members,
                                 bool (*matches)(const PlanView *, const Member *),
                                 const PlanView *view)
{
    for (size_t i = 0; i < members->n; i++)
        if (matches(view, &members->v[i]))
            return &members->v[i];
    return NULL;
}

static bool is_old(const PlanView *view, const Member *member)
{
    return !plan_pod_is_updated(view, member->pod);
}

static bool is_paused_and_old(const PlanView *view, const Member *member)
{
    return member->paused && is_old(view, member);
}

static bool is_paused(const PlanView *view _unused_, const Member *member)
{
    return member->paused;
}

static void note_users_waits(PlanView *view)
{
    const Member *old = find_member(&view->replicas, is_paused_and_old, view);
    const Member *extra = find_member(&view->condemned, is_paused, view);
    bool partitioned = statefulset_first_updated(view->set) > statefulset_start(view->set);

    if (old)
        plan_wait_for(view, old, WAIT_POD_PAUSED, "to be updated, but it is paused");
    else if (extra)
        plan_wait_for(view, extra, WAIT_POD_PAUSED, "to be deleted, but it is paused");
    else if (plan_count_available(view) < statefulset_replicas(view->set))
        plan_wait(view, WAIT_POD_PAUSED, "waiting for pods that are not available, but are paused");
    old = find_member(&view->replicas, is_old, view);
    if (old && statefulset_is_on_delete(view->set))
        plan_wait_for(view, old, WAIT_ON_DELETE,
                      "to be deleted by a user, who has chosen the update strategy OnDelete");
    else if (old && partitioned)
        plan_wait_for(view, old, WAIT_PARTITION,
                      "to be updated, which begins when the partition becomes lower");
}

/* ---- the conditions ---- */

/* The reason and the message of Kubernetes for the end of Recreate, once there was one. */
static bool was_recreated(const PlanView *view)
{
    const StatefulSetCondition *old = CONDITION_FIND(&view->set->status.conditions, "Progressing");

    return stateful_set_recreates(view->set) && old &&
           (str_equal(old->reason, "RecreateInProgress") ||
            str_equal(old->reason, "RecreateCompleted"));
}

static void conclude(PlanView *view, bool *ret_progressing, const char **ret_reason,
                     const char **ret_message)
{
    const PlanWait *wait = &view->plan->wait;
    bool recreating = stateful_set_recreates(view->set) && view->current != view->update &&
                      !view->recreate_held && wait->reason != WAIT_NOTHING;

    *ret_progressing = wait->reason != WAIT_NOTHING && wait->reason < WAIT_PARTITION;
    *ret_reason = plan_wait_text(wait->reason);
    *ret_message = wait->message;
    if (wait->reason == WAIT_NOTHING && was_recreated(view)) {
        *ret_reason = "RecreateCompleted";
        *ret_message = "All pods recreated successfully";
    } else if (wait->reason == WAIT_NOTHING) {
        *ret_message = "All replicas are available and up to date";
    } else if (recreating && wait->reason != WAIT_RECREATE) {
        *ret_progressing = true;
        *ret_reason = plan_wait_text(WAIT_RECREATE);
        *ret_message = arena_printf(view->arena, "Waiting for new-revision pods to be created: %s",
                                    wait->message);
    }
}

void plan_conditions(PlanView *view)
{
    int64_t replicas = statefulset_replicas(view->set), available = plan_count_available(view);
    StatefulSetStatus *status = &view->plan->status;
    const char *reason, *message;
    bool progressing;

    note_users_waits(view);
    conclude(view, &progressing, &reason, &message);
    put_condition(view->arena, status, "Progressing", progressing, reason, message,
                  view->in->now_ns);
    if (available < replicas)
        put_condition(view->arena, status, "Available", false, reason,
                      arena_printf(view->arena,
                                   "%" PRId64 " of %" PRId64 " replicas are available: %s",
                                   available, replicas, message),
                      view->in->now_ns);
    else
        put_condition(view->arena, status, "Available", true, "AllReplicasAvailable",
                      arena_printf(view->arena, "%" PRId64 " of %" PRId64 " replicas are available",
                                   available, replicas),
                      view->in->now_ns);
}

void statefulset_note_failure(Arena *arena, StatefulSetStatus *status, const char *reason,
                              const char *message, int64_t now_ns)
{
    const StatefulSetCondition *available = CONDITION_FIND(&status->conditions, "Available");

    if (available && !str_equal(available->status, "True"))
        put_condition(arena, status, "Available", false, reason, message, now_ns);
    put_condition(arena, status, "Progressing", false, reason, message, now_ns);
}
