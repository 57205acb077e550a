/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that a StatefulSet applies to each of its replicas, from the lowest ordinal; they are
 * listed in REPLICA_RULES. See plan_view.h.
 */
#include "api/meta.h"
#include "api/waiting_reason.h"
#include "codec/type.h"
#include "control/statefulset/plan_view.h"
#include "view/pod.h"

/* The pod of a paused ordinal is neither created, changed nor deleted, and those above do not wait for
 * it. The user may be looking for the reason why it does not work. */
static Verdict rule_paused_pod_is_left_alone(PlanView *view _unused_, const Member *member)
{
    return member->paused ? VERDICT_NEXT : VERDICT_GO_ON;
}

/* A pod that has ended, successfully or not, is deleted. It is created again when it is gone. */
static Verdict rule_ended_pod_is_replaced(PlanView *view, const Member *member)
{
    if (!member->pod || !pod_has_ended(member->pod))
        return VERDICT_GO_ON;
    if (!pod_is_terminating(member->pod))
        plan_act(view, PLAN_DELETE_POD, member->ordinal, member->pod->metadata.name, member->pod);
    return plan_wait_for(view, member, WAIT_POD_ENDED, "to be replaced, since it has ended");
}

/* A new pod below the partition has the current revision, and so has one that is created while Recreate
 * is held up. All others have the update revision. */
static bool created_as_updated(const PlanView *view, int64_t ordinal)
{
    if (view->current == view->update)
        return true;
    if (view->recreate_held)
        return false;
    return statefulset_is_on_delete(view->set) || ordinal >= statefulset_first_updated(view->set);
}

static Verdict rule_missing_pod_is_created(PlanView *view, const Member *member)
{
    const PodTemplateSpec *template = &view->set->spec.template;
    const ControllerRevision *revision = view->update;
    Pod *pod;
    const char *name;

    if (member->pod)
        return VERDICT_GO_ON;
    if (!created_as_updated(view, member->ordinal)) {
        if (!view->current_template)
            view->current_template = revision_template(view->arena, view->current);
        if (view->current_template) {
            template = view->current_template;
            revision = view->current;
        }
    }
    name = arena_printf(view->arena, "%s-%" PRId64, view->set->metadata.name, member->ordinal);
    if (!plan_claims(view, member, name, CLAIMS_OF_REPLICA))
        return plan_wait_for(view, member, WAIT_CLAIM_TERMINATING,
                             "whose old volume claim has yet to go");
    pod = statefulset_new_pod(view->arena, view->set, template, revision->metadata.name,
                              member->ordinal);
    plan_act(view, PLAN_CREATE_POD, member->ordinal, pod->metadata.name, pod);
    view->creations++;
    return plan_wait_for(view, member, WAIT_POD_STARTING, "to start");
}

static Verdict rule_pending_pod_gets_its_claims(PlanView *view, const Member *member)
{
    if (str_equal(member->pod->status.phase, "Pending"))
        plan_claims(view, member, member->pod->metadata.name, CLAIMS_OF_REPLICA);
    return VERDICT_GO_ON;
}

static Verdict rule_terminating_pod_is_waited_for(PlanView *view, const Member *member)
{
    if (!pod_is_terminating(member->pod))
        return VERDICT_GO_ON;
    return plan_wait_for(view, member, WAIT_POD_TERMINATING, "to terminate");
}

bool plan_pod_is_stuck(const Pod *pod)
{
    const PodCondition *ready = pod_condition(pod, "Ready");
    const ContainerStatusArray *lists[] = {&pod->status.init_container_statuses,
                                           &pod->status.container_statuses};

    if (pod_is_terminating(pod) || pod_is_ready(pod))
        return false;
    if (!str_equal(pod->status.phase, "Running") || !ready || !ready->last_transition_time.set)
        return true;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const ContainerStateWaiting *waiting = lists[l]->v[i].state.waiting;

            WaitingReason reason = waiting ? waiting_reason_parse(waiting->reason) : WAITING_NONE;

            if (waiting && reason != WAITING_POD_INITIALIZING &&
                reason != WAITING_CONTAINER_CREATING)
                return true;
        }
    /* The condition Ready has been False since the start of the pod. */
    return pod->status.start_time.set &&
           ready->last_transition_time.seconds <= pod->status.start_time.seconds + 1;
}

/* Without this rule an ordered set would wait for this pod forever, although the template has been
 * repaired since (kubernetes/kubernetes#67250). */
static Verdict rule_stuck_old_pod_is_replaced(PlanView *view, const Member *member)
{
    const Pod *pod = member->pod;

    if (!view->ordered || statefulset_is_on_delete(view->set) || view->recreate_held ||
        plan_pod_is_updated(view, pod) || member->ordinal < statefulset_first_updated(view->set) ||
        !plan_pod_is_stuck(pod))
        return VERDICT_GO_ON;
    plan_act(view, PLAN_DELETE_POD, member->ordinal, pod->metadata.name, pod);
    return plan_wait_for(view, member, WAIT_POD_STUCK,
                         "to be replaced, since its revision is old and it does not start");
}

static Verdict rule_pod_must_be_ready(PlanView *view, const Member *member)
{
    if (pod_is_running_and_ready(member->pod))
        return VERDICT_GO_ON;
    return plan_wait_for(view, member, WAIT_POD_NOT_READY, "to be ready");
}

static Verdict rule_pod_must_be_available(PlanView *view, const Member *member)
{
    if (plan_pod_is_available(view, member->pod))
        return VERDICT_GO_ON;
    return plan_wait_for(view, member, WAIT_POD_NOT_AVAILABLE, "to be available (minReadySeconds)");
}

/* Restores the labels that identify the pod, and applies the retention policy to its claims. */
static Verdict rule_identity_is_kept(PlanView *view, const Member *member)
{
    const Pod *pod = member->pod;
    const char *name = pod->metadata.name;

    if (!str_equal(string_map_get(&pod->metadata.labels, POD_NAME_LABEL), name)) {
        Pod *copy = type_clone(&type_Pod, view->arena, pod);

        string_map_put(view->arena, &copy->metadata.labels, POD_NAME_LABEL, name);
        string_map_put(view->arena, &copy->metadata.labels, POD_INDEX_LABEL,
                       arena_printf(view->arena, "%" PRId64, member->ordinal));
        plan_act(view, PLAN_UPDATE_POD, member->ordinal, name, copy);
    }
    if (!str_equal(pod->status.phase, "Pending"))
        plan_claims(view, member, name, CLAIMS_OF_REPLICA);
    return VERDICT_NEXT;
}

/* The rules are applied in this order until one returns something other than VERDICT_GO_ON. */
static Verdict (*const REPLICA_RULES[])(PlanView *, const Member *) = {
    rule_paused_pod_is_left_alone,
    rule_ended_pod_is_replaced,
    rule_missing_pod_is_created,
    rule_pending_pod_gets_its_claims,
    rule_terminating_pod_is_waited_for,
    rule_stuck_old_pod_is_replaced,
    rule_pod_must_be_ready,
    rule_pod_must_be_available,
    rule_identity_is_kept,
};

/* In a parallel set, the identity of a pod is restored even if the pod is not ready. */
static bool may_skip_wait(const PlanView *view, size_t rule)
{
    return !view->ordered && (REPLICA_RULES[rule] == rule_pod_must_be_ready ||
                              REPLICA_RULES[rule] == rule_pod_must_be_available);
}

/* Returns true if the ordered set stops here. */
static bool tend_replica(PlanView *view, const Member *member)
{
    for (size_t i = 0; i < ARRAY_LEN(REPLICA_RULES); i++) {
        Verdict verdict = REPLICA_RULES[i](view, member);

        if (verdict == VERDICT_WAIT && may_skip_wait(view, i))
            continue;
        if (verdict == VERDICT_WAIT && view->ordered)
            return true;
        if (verdict != VERDICT_GO_ON)
            return false;
    }
    return false;
}

bool plan_replicas(PlanView *view)
{
    const SetOrdinals *ordinals = &view->ordinals;
    const Members *pods = &view->replicas;
    size_t next = 0;

    for (int64_t ordinal = set_ordinals_from(ordinals, ordinals->start); ordinal < ordinals->end;
         ordinal = set_ordinals_from(ordinals, ordinal + 1)) {
        Member member = {.ordinal = ordinal};

        if (view->creations >= PLAN_CREATIONS_MAX) {
            /* Leave the other missing pods to the next plan; continue with the existing ones. */
            if (next == pods->n)
                break;
            ordinal = pods->v[next].ordinal;
        }
        if (next < pods->n && pods->v[next].ordinal == ordinal)
            member = pods->v[next++];
        else
            member.paused = ordinal_set_has(&ordinals->paused, ordinal);
        if (tend_replica(view, &member))
            return true;
    }
    if (view->creations >= PLAN_CREATIONS_MAX)
        view->plan->again_after_ns = 0;
    return false;
}
