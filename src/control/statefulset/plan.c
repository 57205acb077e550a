/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the plan; plan.h states what it guarantees.
 *
 *   1. plan_members.c    which pods belong to the set; adopts orphans, releases pods that do not match
 *   2. plan_revisions.c  which revision is current and which is the update; reuses old revisions,
 *                        deletes surplus ones
 *   3. plan_status.c     counts of the pods
 *   4. reserved pods     those of reserved ordinals: deletes them at once, since the user has chosen them
 *   5. Recreate          deletes all pods of older revisions, and ends here until they are gone
 *   6. plan_replicas.c   applies REPLICA_RULES to each ordinal, from the lowest; plan_claims.c
 *   7. condemned pods    those out of range: hands over their claims and deletes them, from the highest
 *   8. rollout           replaces pods of older revisions, from the highest
 *   9. plan_claims.c     lets the claims follow their templates
 *  10. plan_conditions.c says what the set waits for
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

void plan_wait(PlanView *view, PlanWaitReason reason, const char *message)
{
    if (view->plan->wait.reason == WAIT_NOTHING)
        view->plan->wait = (PlanWait){reason, message};
}

Verdict plan_wait_for(PlanView *view, const Member *member, PlanWaitReason reason, const char *what)
{
    if (view->plan->wait.reason == WAIT_NOTHING)
        plan_wait(view, reason,
                  arena_printf(view->arena, "waiting for pod %s-%" PRId64 " %s",
                               view->set->metadata.name, member->ordinal, what));
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

/* ---- 4. reserved ---- */

/* Returns whether such pods are left. */
static bool take_out_reserved(PlanView *view)
{
    for (size_t i = 0; i < view->reserved.n; i++) {
        const Member *member = &view->reserved.v[i];
        const Pod *pod = member->pod;

        plan_claims(view, member, pod->metadata.name, CLAIMS_OF_RESERVED);
        if (!pod_is_terminating(pod))
            plan_act(view, PLAN_DELETE_POD, member->ordinal, pod->metadata.name, pod);
    }
    return view->reserved.n > 0;
}

/* ---- 5. Recreate ---- */

/* Visits the pods of other revisions that are not reserved. */
static size_t find_old(const PlanView *view, bool paused, const Member **ret)
{
    const Members *lists[] = {&view->replicas, &view->condemned};
    size_t n = 0;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const Member *member = &lists[l]->v[i];

            if (!plan_pod_is_updated(view, member->pod) && member->paused == paused)
                ret[n++] = member;
        }
    return n;
}

/* Returns true if the plan ends here, because pods of other revisions are left. */
static bool recreate(PlanView *view)
{
    const Member **old =
        arena_new_n(view->arena, const Member *, view->replicas.n + view->condemned.n + 1);
    size_t n;

    /* Without this, the other pods would be down for as long as a pod is paused. */
    if (find_old(view, true, old) > 0) {
        view->recreate_held = true;
        return false;
    }
    n = find_old(view, false, old);
    for (size_t i = 0; i < n; i++)
        if (!pod_is_terminating(old[i]->pod))
            plan_act(view, PLAN_DELETE_POD, old[i]->ordinal, old[i]->pod->metadata.name,
                     old[i]->pod);
    for (size_t i = 0; i < view->condemned.n; i++)
        if (!view->condemned.v[i].paused)
            plan_claims(view, &view->condemned.v[i], view->condemned.v[i].pod->metadata.name,
                        CLAIMS_OF_CONDEMNED);
    for (size_t i = 0; i < view->reserved.n; i++)
        n += !plan_pod_is_updated(view, view->reserved.v[i].pod);
    if (n > 0)
        plan_wait(view, WAIT_RECREATE, "Deleting old revision pods");
    return n > 0;
}

/* ---- 7. condemned ---- */

/* Returns true if the ordered set stops here. */
static bool dismiss(PlanView *view, const Member *member)
{
    const Pod *pod = member->pod;
    const char *name = pod->metadata.name;

    if (pod_is_terminating(pod)) {
        plan_wait_for(view, member, WAIT_POD_TERMINATING, "to terminate");
        return true;
    }
    /* While several pods are unavailable, only the lowest of them may be deleted, so that the order
     * is kept. A pod that cannot become available again does not block the others. */
    if (view->ordered && !(pod_is_running_and_ready(pod) && plan_pod_is_available(view, pod)) &&
        !pod_has_ended(pod) && !plan_pod_is_stuck(pod) &&
        member->ordinal != view->first_unavailable) {
        plan_wait_for(view, &(Member){.ordinal = view->first_unavailable}, WAIT_POD_NOT_READY,
                      "to be ready, before the set is scaled down");
        return true;
    }
    plan_act(view, PLAN_DELETE_POD, member->ordinal, name, pod);
    plan_wait_for(view, member, WAIT_POD_TERMINATING, "to terminate");
    return true;
}

static bool dismiss_condemned(PlanView *view)
{
    const Members *condemned = &view->condemned;

    for (size_t i = 0; i < condemned->n; i++)
        if (!condemned->v[i].paused)
            plan_claims(view, &condemned->v[i], condemned->v[i].pod->metadata.name,
                        CLAIMS_OF_CONDEMNED);
    for (size_t i = 0; i < condemned->n; i++)
        if (!condemned->v[i].paused && dismiss(view, &condemned->v[i]) && view->ordered)
            return true;
    return false;
}

/* ---- 8. rollout ---- */

/* How many pods are unavailable because of this rollout, and so count against maxUnavailable. Pods of
 * an older revision that are broken anyway do not count, since the rollout is what repairs them
 * (kubernetes/kubernetes#137409). A paused pod counts, since the rollout does not repair it. */
static int64_t count_rollout_unavailable(const PlanView *view)
{
    int64_t n = statefulset_replicas(view->set) - (int64_t)view->replicas.n;

    for (size_t i = 0; i < view->replicas.n; i++) {
        const Member *member = &view->replicas.v[i];

        n += pod_is_terminating(member->pod) ||
             ((plan_pod_is_updated(view, member->pod) || member->paused) &&
              !plan_pod_is_available(view, member->pod));
    }
    return n;
}

static bool is_outdated(const PlanView *view, const Member *member)
{
    return member->ordinal >= statefulset_first_updated(view->set) && !member->paused &&
           !plan_pod_is_updated(view, member->pod) && !pod_is_terminating(member->pod) &&
           !pod_has_ended(member->pod);
}

/* From the highest ordinal. All unavailable pods are replaced first, whatever the budget is, since that
 * reduces nothing; but those that replace them use the budget. */
static void roll_out(PlanView *view)
{
    int64_t budget = statefulset_max_unavailable(view->set) - count_rollout_unavailable(view);

    for (int broken = 1; broken >= 0; broken--)
        for (size_t i = view->replicas.n; i-- > 0;) {
            const Member *member = &view->replicas.v[i];

            if (!is_outdated(view, member) || (!broken && budget <= 0) ||
                plan_pod_is_available(view, member->pod) == (bool)broken)
                continue;
            plan_act(view, PLAN_DELETE_POD, member->ordinal, member->pod->metadata.name,
                     member->pod);
            plan_wait_for(view, member, WAIT_POD_UPDATING, "to be updated");
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

/* The lowest paused replica that is not available, or -1. */
static int64_t paused_unavailable(const PlanView *view)
{
    const SetOrdinals *ordinals = &view->ordinals;
    const OrdinalSet *paused = &ordinals->paused;
    size_t next = 0;

    for (size_t i = 0; i < paused->n; i++)
        for (int64_t ordinal =
                 set_ordinals_from(ordinals, MAX_OF(paused->v[i].first, ordinals->start));
             ordinal <= paused->v[i].last && ordinal < ordinals->end;
             ordinal = set_ordinals_from(ordinals, ordinal + 1)) {
            while (next < view->replicas.n && view->replicas.v[next].ordinal < ordinal)
                next++;
            if (next == view->replicas.n || view->replicas.v[next].ordinal > ordinal ||
                !plan_pod_is_available(view, view->replicas.v[next].pod))
                return ordinal;
        }
    return -1;
}

static void plan_pods(PlanView *view)
{
    bool recreates = stateful_set_recreates(view->set), taking_out = take_out_reserved(view);
    int64_t paused;

    if ((recreates && recreate(view)) || plan_replicas(view))
        return;
    if (taking_out)
        plan_wait_for(view, &view->reserved.v[0], WAIT_POD_TERMINATING,
                      "to terminate, since its ordinal is reserved");
    /* From here on, pods are taken away. An ordered set does this while all others are available. */
    paused = view->ordered ? paused_unavailable(view) : -1;
    if (paused >= 0)
        plan_wait_for(view, &(Member){.ordinal = paused}, WAIT_POD_PAUSED,
                      "to be available, but it is paused");
    if (view->ordered && (taking_out || paused >= 0))
        return;
    if (dismiss_condemned(view))
        return;
    if (!recreates && !statefulset_is_on_delete(view->set))
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
        .ordinals = stateful_set_ordinals(arena, input->set),
        .templates = stateful_set_claim_templates(arena, input->set),
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
    if (!going) {
        plan_pods(&view);
        plan_follow_templates(&view);
    }
    plan_complete_rollout(&view);
    if (!going) {
        plan_conditions(&view);
        plan_truncate_history(&view);
    }
    ret->status_changed = statefulset_status_differs(&ret->status, &input->set->status);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_actions);
}
