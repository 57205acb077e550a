/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the plan; plan.h states what it guarantees.
 *
 *   1. plan_members.c    which pods belong to the set; adopts orphans, releases pods that do not match
 *   2. plan_revisions.c  which revision is current and which is the update; reuses old revisions,
 *                        deletes surplus ones
 *   3. plan_status.c     counts of the pods
 *   4. plan_replicas.c   applies REPLICA_RULES to each ordinal, from the lowest; plan_claims.c
 *   5. condemned pods    those out of range: hands over their claims and deletes them, from the highest
 *   6. rollout           replaces pods of older revisions, from the highest
 *
 * An ordered set stops where a rule returns VERDICT_WAIT; a parallel set continues with the next pod.
 */
#include "api/meta.h"
#include "control/statefulset/plan_view.h"
#include "view/pod.h"

/* ---- what all steps use ---- */

void plan_act(PlanView *view, PlanActionType type, int64_t ordinal, const char *pod_name,
              const void *value)
{
    ARENA_PUSH(
        view->arena, view->plan,
        (PlanAction){.type = type, .ordinal = ordinal, .pod_name = pod_name, .value = value});
}

Verdict plan_wait_for(PlanView *view, const Member *member, const char *what)
{
    if (view->ordered && !view->plan->waits_for)
        view->plan->waits_for = arena_printf(view->arena, "waiting for pod %s-%" PRId64 " %s",
                                             view->set->metadata.name, member->ordinal, what);
    return VERDICT_WAIT;
}

bool plan_pod_is_available(const PlanView *view, const Pod *pod)
{
    return pod_is_available(pod, view->min_ready_seconds, view->in->now_ns) &&
           !pod_is_terminating(pod);
}

const char *plan_pod_revision(const Pod *pod)
{
    return str_or(string_map_get(&pod->metadata.labels, REVISION_LABEL), "");
}

bool plan_pod_is_updated(const PlanView *view, const Pod *pod)
{
    return str_equal(plan_pod_revision(pod), view->update->metadata.name);
}

/* ---- 5. condemned ---- */

/* Returns true if the ordered set stops here. */
static bool dismiss(PlanView *view, const Member *member)
{
    const Pod *pod = member->pod;
    const char *name = pod->metadata.name;

    if (pod_is_terminating(pod)) {
        plan_wait_for(view, member, "to terminate");
        return true;
    }
    /* While several pods are unavailable, only the lowest of them may be deleted, so that the order
     * is kept. A pod that cannot become available again does not block the others. */
    if (view->ordered && !(pod_is_running_and_ready(pod) && plan_pod_is_available(view, pod)) &&
        !pod_has_ended(pod) && !plan_pod_is_stuck(pod) &&
        member->ordinal != view->first_unavailable) {
        plan_wait_for(view, &(Member){.ordinal = view->first_unavailable},
                      "to be ready, before the set is scaled down");
        return true;
    }
    plan_act(view, PLAN_DELETE_POD, member->ordinal, name, pod);
    plan_wait_for(view, member, "to terminate");
    return true;
}

static bool dismiss_condemned(PlanView *view)
{
    for (size_t i = 0; i < view->n_condemned; i++)
        plan_claims(view, &view->condemned[i], view->condemned[i].pod->metadata.name, true);
    for (size_t i = 0; i < view->n_condemned; i++)
        if (dismiss(view, &view->condemned[i]) && view->ordered)
            return true;
    return false;
}

/* ---- 6. rollout ---- */

/* How many pods are unavailable because of this rollout, and so count against maxUnavailable. Pods of
 * an older revision that are broken anyway do not count, since the rollout is what repairs them
 * (kubernetes/kubernetes#137409). */
static int64_t count_rollout_unavailable(const PlanView *view)
{
    int64_t n = statefulset_replicas(view->set) - (int64_t)view->n_replicas;

    for (size_t i = 0; i < view->n_replicas; i++) {
        const Pod *pod = view->replicas[i].pod;

        n += pod_is_terminating(pod) ||
             (plan_pod_is_updated(view, pod) && !plan_pod_is_available(view, pod));
    }
    return n;
}

static bool is_outdated(const PlanView *view, const Member *member)
{
    return member->ordinal >= statefulset_start(view->set) + statefulset_partition(view->set) &&
           !plan_pod_is_updated(view, member->pod) && !pod_is_terminating(member->pod) &&
           !pod_has_ended(member->pod);
}

/* From the highest ordinal. Unavailable pods are replaced first, since that reduces nothing. */
static void roll_out(PlanView *view)
{
    int64_t budget = statefulset_max_unavailable(view->set) - count_rollout_unavailable(view);

    for (int broken = 1; broken >= 0; broken--)
        for (size_t i = view->n_replicas; i-- > 0 && budget > 0;) {
            const Member *member = &view->replicas[i];

            if (!is_outdated(view, member) ||
                plan_pod_is_available(view, member->pod) == (bool)broken)
                continue;
            plan_act(view, PLAN_DELETE_POD, member->ordinal, member->pod->metadata.name,
                     member->pod);
            plan_wait_for(view, member, "to be updated");
            budget--;
        }
}

/* ---- the whole ---- */

static int compare_actions(const void *a, const void *b)
{
    const PlanAction *x = a, *y = b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static void plan_pods(PlanView *view)
{
    if (plan_replicas(view) || dismiss_condemned(view))
        return;
    if (!statefulset_is_on_delete(view->set))
        roll_out(view);
}

void statefulset_plan(const PlanInput *input, Arena *arena, Plan *ret)
{
    PlanView view = {
        .in = input,
        .set = input->set,
        .arena = arena,
        .plan = ret,
        .ordered = statefulset_is_ordered(input->set),
        .min_ready_seconds = input->set->spec.min_ready_seconds,
    };
    bool going = input->set->metadata.deletion_timestamp.set;

    *ret = (Plan){.arena = arena, .status = input->set->status, .again_after_ns = -1};
    plan_sort_claims(&view);
    plan_members(&view);
    plan_revisions(&view);
    /* Changes of ownership come first. The rest is planned when they have been written. */
    if (ret->n > 0)
        return;
    view.update = plan_update_revision(&view);
    view.current = plan_find_revision(&view, input->set->status.current_revision);
    if (!view.current)
        view.current = view.update;

    plan_count_pods(&view);
    plan_find_unavailable(&view);
    plan_find_next_availability(&view);
    if (!going)
        plan_pods(&view);
    plan_complete_rollout(&view);
    if (!going)
        plan_truncate_history(&view);
    ret->status_changed = plan_status_differs(&ret->status, &input->set->status);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_actions);
}
