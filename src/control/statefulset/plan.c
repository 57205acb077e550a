/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the plan; plan.h states what it guarantees.
 *
 *   1. members      which pods belong to the set; adopts orphans, releases pods that do not match
 *   2. revisions    which revision is current and which is the update; reuses old revisions, deletes
 *                   surplus ones
 *   3. status       counts of the pods
 *   4. replicas     applies REPLICA_RULES to each ordinal, from the lowest
 *   5. condemned    pods out of range: hands over their claims and deletes them, from the highest
 *   6. rollout      replaces pods of older revisions, from the highest
 *
 * An ordered set stops where a rule returns VERDICT_WAIT; a parallel set continues with the next pod.
 */
#include "control/statefulset/plan.h"

#include "api/meta.h"
#include "api/selector.h"
#include "api/waiting_reason.h"
#include "codec/type.h"
#include "view/pod.h"

typedef struct Member {
    int64_t ordinal;
    const Pod *pod; /* NULL if it has to be created */
} Member;

typedef struct View {
    const PlanInput *in;
    const StatefulSet *set;
    Arena *arena;
    Plan *plan;
    bool ordered;
    int32_t min_ready_seconds;
    const PersistentVolumeClaim **claims; /* by name */
    /* Live revisions; `update` may be one that this plan creates. */
    const ControllerRevision **revisions;
    size_t n_revisions;
    const ControllerRevision *current, *update;
    const PodTemplateSpec *current_template; /* decoded when first needed */
    Member *replicas, *condemned; /* existing pods: in range, ascending; out of range, descending */
    size_t n_replicas, n_condemned;
    int64_t first_unavailable; /* the lowest such ordinal; -1 if all pods are available */
    size_t creations;
} View;

typedef enum Verdict {
    VERDICT_GO_ON, /* the next rule */
    VERDICT_NEXT,  /* the next pod */
    VERDICT_WAIT,  /* an ordered set stops here; a parallel one continues with the next pod */
} Verdict;

/* ---- helpers ---- */

static void act(View *view, PlanActionType type, int64_t ordinal, const char *pod_name,
                const void *value)
{
    ARENA_PUSH(
        view->arena, view->plan,
        (PlanAction){.type = type, .ordinal = ordinal, .pod_name = pod_name, .value = value});
}

static Verdict wait_for(View *view, const Member *member, const char *what)
{
    if (view->ordered && !view->plan->waits_for)
        view->plan->waits_for = arena_printf(view->arena, "waiting for pod %s-%" PRId64 " %s",
                                             view->set->metadata.name, member->ordinal, what);
    return VERDICT_WAIT;
}

static bool is_available(const View *view, const Pod *pod)
{
    return pod_is_available(pod, view->min_ready_seconds, view->in->now_ns) &&
           !pod_is_terminating(pod);
}

static const char *pod_revision(const Pod *pod)
{
    return str_or(string_map_get(&pod->metadata.labels, REVISION_LABEL), "");
}

static bool is_updated(const View *view, const Pod *pod)
{
    return str_equal(pod_revision(pod), view->update->metadata.name);
}

static int compare_claims(const void *a, const void *b)
{
    const PersistentVolumeClaim *x = *(const PersistentVolumeClaim *const *)a;
    const PersistentVolumeClaim *y = *(const PersistentVolumeClaim *const *)b;

    return strcmp(x->metadata.name, y->metadata.name);
}

static int compare_name_to_claim(const void *key, const void *item)
{
    const PersistentVolumeClaim *claim = *(const PersistentVolumeClaim *const *)item;

    return strcmp(key, claim->metadata.name);
}

static const PersistentVolumeClaim *find_claim(const View *view, const char *name)
{
    const PersistentVolumeClaim **found;

    if (view->in->n_claims == 0)
        return NULL;
    found = bsearch(name, view->claims, view->in->n_claims, sizeof(*view->claims),
                    compare_name_to_claim);
    return found ? *found : NULL;
}

/* ---- 1. members ---- */

static bool controlled_by(const ObjectMeta *meta, const StatefulSet *set)
{
    const OwnerReference *ref = meta_controller(meta);

    return ref && str_equal(ref->uid, set->metadata.uid);
}

static void adopt(View *view, ObjectMeta *meta)
{
    meta_add_owner(
        view->arena, meta,
        meta_controller_reference(view->arena, &kind_stateful_set, &view->set->metadata));
}

static void change_owner(View *view, const Pod *pod, int64_t ordinal, bool adopted)
{
    Pod *copy = type_clone(&type_Pod, view->arena, pod);

    if (adopted)
        adopt(view, &copy->metadata);
    else
        meta_remove_owner(&copy->metadata, view->set->metadata.uid);
    act(view, adopted ? PLAN_ADOPT_POD : PLAN_RELEASE_POD, ordinal, copy->metadata.name, copy);
}

static int compare_ordinals(const void *a, const void *b)
{
    int64_t x = ((const Member *)a)->ordinal, y = ((const Member *)b)->ordinal;

    return x < y ? -1 : x > y;
}

static int compare_ordinals_down(const void *a, const void *b)
{
    return compare_ordinals(b, a);
}

/* Adopts orphans that match, and releases pods of the set that no longer match. A set that is being
 * deleted does neither. */
static void sort_out_members(View *view)
{
    const PlanInput *in = view->in;
    const StatefulSet *set = view->set;
    Selector *selector = selector_from_api(view->arena, set->spec.selector);
    bool going = set->metadata.deletion_timestamp.set;

    view->replicas = arena_new_n(view->arena, Member, in->n_pods + 1);
    view->condemned = arena_new_n(view->arena, Member, in->n_pods + 1);
    for (size_t i = 0; i < in->n_pods; i++) {
        const Pod *pod = in->pods[i];
        int64_t ordinal = statefulset_ordinal(set->metadata.name, pod->metadata.name);
        bool matches = ordinal >= 0 && selector_matches_labels(selector, &pod->metadata.labels);
        bool ours = controlled_by(&pod->metadata, set);

        if (!matches) {
            if (ours && !going)
                change_owner(view, pod, PLAN_WHOLE_SET, false);
            continue;
        }
        if (!ours) {
            if (meta_controller(&pod->metadata) || going || pod_is_terminating(pod))
                continue;
            change_owner(view, pod, ordinal, true);
        }
        if (statefulset_in_range(set, ordinal))
            view->replicas[view->n_replicas++] = (Member){ordinal, pod};
        else
            view->condemned[view->n_condemned++] = (Member){ordinal, pod};
    }
    qsort(view->replicas, view->n_replicas, sizeof(Member), compare_ordinals);
    qsort(view->condemned, view->n_condemned, sizeof(Member), compare_ordinals_down);
}

/* ---- 2. revisions ---- */

static void gather_revisions(View *view)
{
    const PlanInput *in = view->in;
    Selector *selector = selector_from_api(view->arena, view->set->spec.selector);

    view->revisions = arena_new_n(view->arena, const ControllerRevision *, in->n_revisions + 1);
    for (size_t i = 0; i < in->n_revisions; i++) {
        const ControllerRevision *revision = in->revisions[i];

        if (!selector_matches_labels(selector, &revision->metadata.labels))
            continue;
        if (!meta_controller(&revision->metadata)) {
            if (!view->set->metadata.deletion_timestamp.set) {
                ControllerRevision *copy =
                    type_clone(&type_ControllerRevision, view->arena, revision);

                adopt(view, &copy->metadata);
                act(view, PLAN_ADOPT_REVISION, PLAN_WHOLE_SET, NULL, copy);
            }
        } else if (!controlled_by(&revision->metadata, view->set)) {
            continue;
        }
        view->revisions[view->n_revisions++] = revision;
    }
    revision_sort(view->revisions, view->n_revisions);
}

static const ControllerRevision *find_revision(const View *view, const char *name)
{
    for (size_t i = 0; i < view->n_revisions; i++)
        if (!str_empty(name) && str_equal(view->revisions[i]->metadata.name, name))
            return view->revisions[i];
    return NULL;
}

/* Whether the revision holds the present template although its bytes differ, because another version
 * with other defaults has written it. */
static bool holds_template(const View *view, const ControllerRevision *revision)
{
    PodTemplateSpec *template = revision_template(view->arena, revision);

    if (!template)
        return false;
    type_default(&type_PodTemplateSpec, view->arena, template);
    return type_equal(&type_PodTemplateSpec, template, &view->set->spec.template);
}

static const ControllerRevision *bump_revision(View *view, const ControllerRevision *old,
                                               int64_t number)
{
    ControllerRevision *copy = revision_renumber(view->arena, old, number);

    act(view, PLAN_UPDATE_REVISION, PLAN_WHOLE_SET, NULL, copy);
    return copy;
}

/* The revision of the present template. A rollback to an older template reuses its revision under a
 * new number. */
static const ControllerRevision *choose_update_revision(View *view)
{
    const StatefulSet *set = view->set;
    const ControllerRevision *newest =
        view->n_revisions ? view->revisions[view->n_revisions - 1] : NULL;
    int32_t collisions = set->status.collision_count ? *set->status.collision_count : 0;
    int64_t number = newest ? newest->revision + 1 : 1;
    ControllerRevision *made;
    Bytes data;

    if (newest && set->metadata.generation > 0 &&
        set->status.observed_generation == set->metadata.generation &&
        str_equal(newest->metadata.name, set->status.update_revision))
        return newest;
    data = statefulset_revision_data(view->arena, set);
    for (size_t i = view->n_revisions; i-- > 0;) {
        if (!bytes_equal(view->revisions[i]->data, data))
            continue;
        if (view->revisions[i] == newest)
            return newest;
        return bump_revision(view, view->revisions[i], number);
    }
    if (newest && (holds_template(view, newest) || set->metadata.deletion_timestamp.set))
        return newest;
    made = statefulset_new_revision(view->arena, set, data, number, collisions);
    if (!set->metadata.deletion_timestamp.set)
        act(view, PLAN_CREATE_REVISION, PLAN_WHOLE_SET, NULL, made);
    return made;
}

static bool revision_is_live(const View *view, const char *name)
{
    const StatefulSetStatus *old = &view->set->status, *new = &view->plan->status;

    if (str_equal(name, new->current_revision) || str_equal(name, new->update_revision) ||
        str_equal(name, old->current_revision) || str_equal(name, old->update_revision))
        return true;
    for (size_t i = 0; i < view->n_replicas; i++)
        if (str_equal(name, pod_revision(view->replicas[i].pod)))
            return true;
    for (size_t i = 0; i < view->n_condemned; i++)
        if (str_equal(name, pod_revision(view->condemned[i].pod)))
            return true;
    return false;
}

/* Keeps revisionHistoryLimit revisions in addition to those that a pod or the status names, and
 * deletes the oldest of the others. */
static void truncate_history(View *view)
{
    int64_t limit =
        view->set->spec.revision_history_limit ? *view->set->spec.revision_history_limit : 10;
    const ControllerRevision **spare =
        arena_new_n(view->arena, const ControllerRevision *, view->n_revisions + 1);
    int64_t n = 0;

    if (limit < 0)
        return;
    for (size_t i = 0; i < view->n_revisions; i++)
        if (!revision_is_live(view, view->revisions[i]->metadata.name))
            spare[n++] = view->revisions[i];
    for (int64_t i = 0; i < n - limit; i++)
        act(view, PLAN_DELETE_REVISION, PLAN_WHOLE_SET, NULL, spare[i]);
}

/* ---- 3. status ---- */

static void count_pod(const View *view, const Pod *pod, StatefulSetStatus *status)
{
    status->replicas++;
    if (pod_is_running_and_ready(pod)) {
        status->ready_replicas++;
        if (pod_is_available(pod, view->min_ready_seconds, view->in->now_ns))
            status->available_replicas++;
    }
    if (pod_is_terminating(pod))
        return;
    if (str_equal(pod_revision(pod), view->current->metadata.name))
        status->current_replicas++;
    if (is_updated(view, pod))
        status->updated_replicas++;
}

static void count_pods(View *view)
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
    for (size_t i = 0; i < view->n_replicas; i++)
        count_pod(view, view->replicas[i].pod, status);
    for (size_t i = 0; i < view->n_condemned; i++)
        count_pod(view, view->condemned[i].pod, status);
}

/* When every replica is updated and ready, the rollout is complete and the update revision becomes the
 * current one. */
static void complete_rollout(View *view)
{
    StatefulSetStatus *status = &view->plan->status;
    int64_t replicas = statefulset_replicas(view->set);

    if (statefulset_is_on_delete(view->set) || status->updated_replicas != replicas ||
        status->ready_replicas != replicas || status->replicas != replicas)
        return;
    status->current_replicas = status->updated_replicas;
    status->current_revision = status->update_revision;
}

static void find_unavailable(View *view)
{
    int64_t start = statefulset_start(view->set), expected = start;

    view->first_unavailable = -1;
    for (size_t i = 0; i < view->n_replicas; i++) {
        const Member *member = &view->replicas[i];
        bool gap = member->ordinal != expected;

        if (gap && view->first_unavailable < 0)
            view->first_unavailable = expected;
        expected = member->ordinal + 1;
        if (is_available(view, member->pod))
            continue;
        if (view->first_unavailable < 0)
            view->first_unavailable = member->ordinal;
    }
    if (view->first_unavailable < 0 && expected < start + statefulset_replicas(view->set))
        view->first_unavailable = expected;
    for (size_t i = view->n_condemned; i-- > 0;) {
        if (is_available(view, view->condemned[i].pod))
            continue;
        if (view->first_unavailable < 0)
            view->first_unavailable = view->condemned[i].ordinal;
    }
}

/* Sets the time at which the next pod will have been ready for minReadySeconds. */
static void find_next_availability(View *view)
{
    int64_t next = -1;

    for (size_t i = 0; i < view->n_replicas + view->n_condemned; i++) {
        const Pod *pod = i < view->n_replicas ? view->replicas[i].pod
                                              : view->condemned[i - view->n_replicas].pod;
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

/* ---- 4. replicas ---- */

/* Creates the missing claims of the ordinal and corrects the owners of the existing ones. Returns
 * false if the pod has to wait because a claim of its predecessor is still to be deleted. */
static bool tend_claims(View *view, const Member *member, const char *pod_name, bool condemned)
{
    const StatefulSet *set = view->set;
    bool fine = true;

    for (size_t i = 0; i < set->spec.volume_claim_templates.n; i++) {
        const char *name = statefulset_claim_name(view->arena, set, i, member->ordinal);
        const PersistentVolumeClaim *claim = find_claim(view, name);

        if (!claim) {
            if (!condemned)
                act(view, PLAN_CREATE_CLAIM, member->ordinal, pod_name,
                    statefulset_new_claim(view->arena, set, i, member->ordinal));
            continue;
        }
        if (claim->metadata.deletion_timestamp.set ||
            (!member->pod && statefulset_claim_is_stale(set, claim, pod_name, NULL))) {
            fine = false;
            continue;
        }
        switch (statefulset_judge_claim(set, claim, pod_name, member->pod, condemned)) {
        case CLAIM_CONFLICT:
            ARENA_PUSH(view->arena, &view->plan->conflicting_claims, name);
            break;
        case CLAIM_UPDATE:
            act(view, PLAN_UPDATE_CLAIM, member->ordinal, pod_name,
                statefulset_fix_claim(view->arena, set, claim, pod_name, member->pod, condemned));
            break;
        case CLAIM_FINE:
        case CLAIM_LEFT_ALONE:
            break;
        }
    }
    return fine;
}

/* A pod that has ended, successfully or not, is deleted. It is created again when it is gone. */
static Verdict rule_ended_pod_is_replaced(View *view, const Member *member)
{
    if (!member->pod || !pod_has_ended(member->pod))
        return VERDICT_GO_ON;
    if (!pod_is_terminating(member->pod))
        act(view, PLAN_DELETE_POD, member->ordinal, member->pod->metadata.name, member->pod);
    return wait_for(view, member, "to be replaced, since it has ended");
}

/* A new pod below the partition has the current revision, all others have the update revision. */
static bool created_as_updated(const View *view, int64_t ordinal)
{
    return statefulset_is_on_delete(view->set) ||
           ordinal >= statefulset_start(view->set) + statefulset_partition(view->set) ||
           view->current == view->update;
}

static Verdict rule_missing_pod_is_created(View *view, const Member *member)
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
    if (!tend_claims(view, member, name, false))
        return wait_for(view, member, "whose old volume claim has yet to go");
    pod = statefulset_new_pod(view->arena, view->set, template, revision->metadata.name,
                              member->ordinal);
    act(view, PLAN_CREATE_POD, member->ordinal, pod->metadata.name, pod);
    view->creations++;
    return wait_for(view, member, "to start");
}

static Verdict rule_pending_pod_gets_its_claims(View *view, const Member *member)
{
    if (str_equal(member->pod->status.phase, "Pending"))
        tend_claims(view, member, member->pod->metadata.name, false);
    return VERDICT_GO_ON;
}

static Verdict rule_terminating_pod_is_waited_for(View *view, const Member *member)
{
    return pod_is_terminating(member->pod) ? wait_for(view, member, "to terminate") : VERDICT_GO_ON;
}

/* Whether the pod, of an older revision, will not become ready by itself: it never was, or one of
 * its containers is held back after errors. */
static bool is_stuck(const Pod *pod)
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
static Verdict rule_stuck_old_pod_is_replaced(View *view, const Member *member)
{
    const Pod *pod = member->pod;

    if (!view->ordered || statefulset_is_on_delete(view->set) || is_updated(view, pod) ||
        member->ordinal < statefulset_start(view->set) + statefulset_partition(view->set) ||
        !is_stuck(pod))
        return VERDICT_GO_ON;
    act(view, PLAN_DELETE_POD, member->ordinal, pod->metadata.name, pod);
    return wait_for(view, member,
                    "to be replaced, since its revision is old and it does not start");
}

static Verdict rule_pod_must_be_ready(View *view, const Member *member)
{
    return pod_is_running_and_ready(member->pod) ? VERDICT_GO_ON
                                                 : wait_for(view, member, "to be ready");
}

static Verdict rule_pod_must_be_available(View *view, const Member *member)
{
    return is_available(view, member->pod)
               ? VERDICT_GO_ON
               : wait_for(view, member, "to be available (minReadySeconds)");
}

/* Restores the labels that identify the pod, and applies the retention policy to its claims. */
static Verdict rule_identity_is_kept(View *view, const Member *member)
{
    const Pod *pod = member->pod;
    const char *name = pod->metadata.name;

    if (!str_equal(string_map_get(&pod->metadata.labels, POD_NAME_LABEL), name)) {
        Pod *copy = type_clone(&type_Pod, view->arena, pod);

        string_map_put(view->arena, &copy->metadata.labels, POD_NAME_LABEL, name);
        string_map_put(view->arena, &copy->metadata.labels, POD_INDEX_LABEL,
                       arena_printf(view->arena, "%" PRId64, member->ordinal));
        act(view, PLAN_UPDATE_POD, member->ordinal, name, copy);
    }
    if (!str_equal(pod->status.phase, "Pending"))
        tend_claims(view, member, name, false);
    return VERDICT_NEXT;
}

/* The rules are applied in this order until one returns something other than VERDICT_GO_ON. */
static Verdict (*const REPLICA_RULES[])(View *, const Member *) = {
    rule_ended_pod_is_replaced,       rule_missing_pod_is_created,
    rule_pending_pod_gets_its_claims, rule_terminating_pod_is_waited_for,
    rule_stuck_old_pod_is_replaced,   rule_pod_must_be_ready,
    rule_pod_must_be_available,       rule_identity_is_kept,
};

/* In a parallel set, the identity of a pod is restored even if the pod is not ready. */
static bool may_skip_wait(const View *view, size_t rule)
{
    return !view->ordered && (REPLICA_RULES[rule] == rule_pod_must_be_ready ||
                              REPLICA_RULES[rule] == rule_pod_must_be_available);
}

/* Returns true if the ordered set stops here. */
static bool tend_replica(View *view, const Member *member)
{
    for (size_t i = 0; i < ARRAY_LEN(REPLICA_RULES); i++) {
        Verdict verdict = may_skip_wait(view, i) ? VERDICT_GO_ON : REPLICA_RULES[i](view, member);

        if (verdict == VERDICT_WAIT && view->ordered)
            return true;
        if (verdict != VERDICT_GO_ON)
            return false;
    }
    return false;
}

/* Goes through all ordinals from the lowest, including those without a pod. Returns true if the plan
 * ends here. */
static bool tend_replicas(View *view)
{
    int64_t end = statefulset_start(view->set) + statefulset_replicas(view->set);
    size_t next = 0;

    for (int64_t ordinal = statefulset_start(view->set); ordinal < end; ordinal++) {
        Member member = {.ordinal = ordinal};

        if (view->creations >= PLAN_CREATIONS_MAX) {
            /* Leave the other missing pods to the next plan; continue with the existing ones. */
            if (next == view->n_replicas)
                break;
            ordinal = view->replicas[next].ordinal;
        }
        if (next < view->n_replicas && view->replicas[next].ordinal == ordinal)
            member = view->replicas[next++];
        if (tend_replica(view, &member))
            return true;
    }
    if (view->creations >= PLAN_CREATIONS_MAX)
        view->plan->again_after_ns = 0;
    return false;
}

/* ---- 5. condemned ---- */

/* Returns true if the ordered set stops here. */
static bool dismiss(View *view, const Member *member)
{
    const Pod *pod = member->pod;
    const char *name = pod->metadata.name;

    if (pod_is_terminating(pod)) {
        wait_for(view, member, "to terminate");
        return true;
    }
    /* While several pods are unavailable, only the lowest of them may be deleted, so that the order
     * is kept. A pod that cannot become available again does not block the others. */
    if (view->ordered && !(pod_is_running_and_ready(pod) && is_available(view, pod)) &&
        !pod_has_ended(pod) && !is_stuck(pod) && member->ordinal != view->first_unavailable) {
        wait_for(view, &(Member){.ordinal = view->first_unavailable},
                 "to be ready, before the set is scaled down");
        return true;
    }
    act(view, PLAN_DELETE_POD, member->ordinal, name, pod);
    wait_for(view, member, "to terminate");
    return true;
}

static bool dismiss_condemned(View *view)
{
    for (size_t i = 0; i < view->n_condemned; i++)
        tend_claims(view, &view->condemned[i], view->condemned[i].pod->metadata.name, true);
    for (size_t i = 0; i < view->n_condemned; i++)
        if (dismiss(view, &view->condemned[i]) && view->ordered)
            return true;
    return false;
}

/* ---- 6. rollout ---- */

/* How many pods are unavailable because of this rollout, and so count against maxUnavailable. Pods of
 * an older revision that are broken anyway do not count, since the rollout is what repairs them
 * (kubernetes/kubernetes#137409). */
static int64_t count_rollout_unavailable(const View *view)
{
    int64_t n = statefulset_replicas(view->set) - (int64_t)view->n_replicas;

    for (size_t i = 0; i < view->n_replicas; i++) {
        const Pod *pod = view->replicas[i].pod;

        n += pod_is_terminating(pod) || (is_updated(view, pod) && !is_available(view, pod));
    }
    return n;
}

static bool is_outdated(const View *view, const Member *member)
{
    return member->ordinal >= statefulset_start(view->set) + statefulset_partition(view->set) &&
           !is_updated(view, member->pod) && !pod_is_terminating(member->pod) &&
           !pod_has_ended(member->pod);
}

/* From the highest ordinal. Unavailable pods are replaced first, since that reduces nothing. */
static void roll_out(View *view)
{
    int64_t budget = statefulset_max_unavailable(view->set) - count_rollout_unavailable(view);

    for (int broken = 1; broken >= 0; broken--)
        for (size_t i = view->n_replicas; i-- > 0 && budget > 0;) {
            const Member *member = &view->replicas[i];

            if (!is_outdated(view, member) || is_available(view, member->pod) == (bool)broken)
                continue;
            act(view, PLAN_DELETE_POD, member->ordinal, member->pod->metadata.name, member->pod);
            wait_for(view, member, "to be updated");
            budget--;
        }
}

/* ---- the whole ---- */

static bool int32_equal(const int32_t *a, const int32_t *b)
{
    return (a ? *a : 0) == (b ? *b : 0) && !a == !b;
}

static bool status_differs(const StatefulSetStatus *a, const StatefulSetStatus *b)
{
    return a->observed_generation != b->observed_generation || a->replicas != b->replicas ||
           a->ready_replicas != b->ready_replicas ||
           a->available_replicas != b->available_replicas ||
           a->current_replicas != b->current_replicas ||
           a->updated_replicas != b->updated_replicas ||
           !str_equal(a->current_revision, b->current_revision) ||
           !str_equal(a->update_revision, b->update_revision) ||
           !int32_equal(a->collision_count, b->collision_count);
}

static int compare_actions(const void *a, const void *b)
{
    const PlanAction *x = a, *y = b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static void plan_pods(View *view)
{
    if (tend_replicas(view) || dismiss_condemned(view))
        return;
    if (!statefulset_is_on_delete(view->set))
        roll_out(view);
}

void statefulset_plan(const PlanInput *input, Arena *arena, Plan *ret)
{
    View view = {
        .in = input,
        .set = input->set,
        .arena = arena,
        .plan = ret,
        .ordered = statefulset_is_ordered(input->set),
        .min_ready_seconds = input->set->spec.min_ready_seconds,
    };
    bool going = input->set->metadata.deletion_timestamp.set;

    *ret = (Plan){.arena = arena, .status = input->set->status, .again_after_ns = -1};
    view.claims = ARENA_COPY_N(arena, input->claims, input->n_claims);
    qsort(view.claims, input->n_claims, sizeof(*view.claims), compare_claims);

    sort_out_members(&view);
    gather_revisions(&view);
    /* Changes of ownership come first. The rest is planned when they have been written. */
    if (ret->n > 0)
        return;
    view.update = choose_update_revision(&view);
    view.current = find_revision(&view, input->set->status.current_revision);
    if (!view.current)
        view.current = view.update;

    count_pods(&view);
    find_unavailable(&view);
    find_next_availability(&view);
    if (!going)
        plan_pods(&view);
    complete_rollout(&view);
    if (!going)
        truncate_history(&view);
    ret->status_changed = status_differs(&ret->status, &input->set->status);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_actions);
}
