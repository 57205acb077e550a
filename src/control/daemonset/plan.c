/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemonset/plan.h"

#include "api/schema/core_scheduling_v1.h"
#include "control/revision.h"
#include "control/scheduler/scheduler.h"
#include "view/pod.h"

#define GENERATION "deprecated.daemonset.template.generation"
#define GENERATION_LABEL "pod-template-generation"

/* ---- revisions ---- */

static bool is_current(const ControllerRevision *revision, Bytes data)
{
    return bytes_equal(revision->data, data);
}

/* The newest revision that holds the present template; it gets the highest number. */
static const ControllerRevision *plan_revision(const DaemonSetInput *input, Bytes data,
                                               Arena *arena, DaemonSetPlan *plan)
{
    const int32_t *collisions = input->set->status.collision_count;
    const ControllerRevision *current = NULL;
    int64_t highest = 0;

    for (size_t i = 0; i < input->n_revisions; i++) {
        highest = MAX_OF(highest, input->revisions[i]->revision);
        if (is_current(input->revisions[i], data))
            current = input->revisions[i];
    }
    if (!current)
        return plan->create_revision =
                   revision_new(arena, &kind_daemon_set, &input->set->metadata,
                                &input->set->spec.template.metadata.labels, REVISION_LABEL, data,
                                highest + 1, collisions ? *collisions : 0);
    if (current->revision < highest)
        plan->update_revision = revision_renumber(arena, current, highest + 1);
    return current;
}

static bool is_used(const ControllerRevision *revision, const Pod **pods, size_t n)
{
    const char *hash = string_map_get(&revision->metadata.labels, REVISION_LABEL);

    for (size_t i = 0; i < n; i++)
        if (str_equal(string_map_get(&pods[i]->metadata.labels, REVISION_LABEL), hash))
            return true;
    return false;
}

static void plan_history(const DaemonSetInput *input, const ControllerRevision *current,
                         const Pod **members, size_t n, Arena *arena, DaemonSetPlan *plan)
{
    const ControllerRevision **old =
        arena_new_n(arena, const ControllerRevision *, input->n_revisions + 1);
    size_t keep = input->set->spec.revision_history_limit
                      ? (size_t)*input->set->spec.revision_history_limit
                      : 10,
           n_old = 0;

    for (size_t i = 0; i < input->n_revisions; i++)
        if (input->revisions[i] != current && !is_used(input->revisions[i], members, n))
            old[n_old++] = input->revisions[i];
    revision_sort(old, n_old);
    plan->old_revisions = old;
    plan->n_old_revisions = n_old > keep ? n_old - keep : 0;
}

/* ---- pods ---- */

static void add_toleration(Arena *arena, PodSpec *spec, const char *key, const char *effect)
{
    Toleration added = {.key = key, .operator= "Exists", .effect = effect};

    for (size_t i = 0; i < spec->tolerations.n; i++)
        if (type_equal(&type_Toleration, &spec->tolerations.v[i], &added))
            return;
    ARENA_APPEND(arena, &spec->tolerations, added);
}

/* Adds the tolerations that let daemons stay on a node that other pods have to leave. */
static void tolerate(Arena *arena, PodSpec *spec)
{
    static const struct {
        const char *key, *effect;
        bool of_host_network;
    } taints[] = {
        {"node.kubernetes.io/not-ready", "NoExecute", false},
        {"node.kubernetes.io/unreachable", "NoExecute", false},
        {"node.kubernetes.io/disk-pressure", "NoSchedule", false},
        {"node.kubernetes.io/memory-pressure", "NoSchedule", false},
        {"node.kubernetes.io/pid-pressure", "NoSchedule", false},
        {"node.kubernetes.io/unschedulable", "NoSchedule", false},
        {"node.kubernetes.io/network-unavailable", "NoSchedule", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(taints); i++)
        if (!taints[i].of_host_network || spec->host_network)
            add_toleration(arena, spec, taints[i].key, taints[i].effect);
}

/* The node has been checked against the template's affinity, which this replaces: the pod is for this
 * node only. */
static void bind_to(Arena *arena, PodSpec *spec, const char *node)
{
    NodeSelector *selector = arena_new(arena, NodeSelector);
    NodeSelectorTerm *term = arena_new(arena, NodeSelectorTerm);
    NodeSelectorRequirement *field = arena_new(arena, NodeSelectorRequirement);

    *field = (NodeSelectorRequirement){.key = "metadata.name", .operator= "In" };
    field->values = (StringArray){arena_new(arena, const char *), 1};
    field->values.v[0] = node;
    term->match_fields = (NodeSelectorRequirementArray){field, 1};
    selector->node_selector_terms = (NodeSelectorTermArray){term, 1};
    if (!spec->affinity)
        spec->affinity = arena_new(arena, Affinity);
    if (!spec->affinity->node_affinity)
        spec->affinity->node_affinity = arena_new(arena, NodeAffinity);
    spec->affinity->node_affinity->required_during_scheduling_ignored_during_execution = selector;
}

static Pod *make_pod(const DaemonSetInput *input, const PodOwner *owner, const char *hash,
                     Arena *arena)
{
    const char *generation = string_map_get(&input->set->metadata.annotations, GENERATION);
    Pod *pod = pod_from_template(arena, owner->ref, owner->ns, &input->set->spec.template);

    if (generation)
        string_map_put(arena, &pod->metadata.labels, GENERATION_LABEL, generation);
    string_map_put(arena, &pod->metadata.labels, REVISION_LABEL, hash);
    tolerate(arena, &pod->spec);
    bind_to(arena, &pod->spec, input->node->metadata.name);
    return pod;
}

/* May a pod of the set start on the node, and may one that is there stay? */
static void judge_node(const DaemonSetInput *input, Arena *arena, bool *ret_start, bool *ret_stay)
{
    Pod pod = {.spec = input->set->spec.template.spec};
    const char *wanted = pod.spec.node_name;

    *ret_start = *ret_stay = false;
    if (!input->node || (!str_empty(wanted) && !str_equal(wanted, input->node->metadata.name)))
        return;
    tolerate(arena, &pod.spec);
    if (!schedule_node_is_wanted(&pod, input->node))
        return;
    *ret_stay = schedule_tolerates(&pod, input->node, "NoExecute");
    *ret_start = *ret_stay && schedule_tolerates(&pod, input->node, "NoSchedule");
}

/* Oldest first. */
static int compare_pods(const void *a, const void *b)
{
    const Pod *x = *(const Pod *const *)a, *y = *(const Pod *const *)b;
    int64_t s = time_ns(x->metadata.creation_timestamp),
            t = time_ns(y->metadata.creation_timestamp);

    if (s != t)
        return s < t ? -1 : 1;
    return strcmp(str_or(x->metadata.name, ""), str_or(y->metadata.name, ""));
}

typedef struct View {
    const DaemonSetInput *input;
    const char *hash;
    const Pod **running; /* neither terminating nor ended, oldest first */
    size_t n_running;
    const Pod *old, *new; /* the oldest pod of older revisions, and of the present one */
    bool surges;
} View;

static bool is_new(const View *view, const Pod *pod)
{
    return str_equal(string_map_get(&pod->metadata.labels, REVISION_LABEL), view->hash);
}

static bool is_available(const View *view, const Pod *pod)
{
    return pod_is_available(pod, view->input->set->spec.min_ready_seconds, view->input->now_ns);
}

static bool surges(const DaemonSetSpec *spec)
{
    const RollingUpdateDaemonSet *rolling = spec->update_strategy.rolling_update;

    return str_equal(spec->update_strategy.type, "RollingUpdate") && rolling &&
           scaled_value(rolling->max_surge, 1, true, 0) > 0;
}

/* Deletes pods that have ended, so that others can start. */
static void sort_out(View *view, const Pod **members, size_t n, Arena *arena, DaemonSetPlan *plan)
{
    view->running = arena_new_n(arena, const Pod *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const Pod *pod = members[i];

        if (pod_is_terminating(pod))
            continue;
        if (pod_is_failed(pod)) {
            if (!view->input->spare_failed) {
                pod_actions_add(&plan->actions, POD_DELETE, pod);
                plan->failed = pod;
            }
        } else if (pod_is_succeeded(pod)) {
            pod_actions_add(&plan->actions, POD_DELETE, pod);
            plan->succeeded = pod;
        } else {
            const Pod **first = is_new(view, pod) ? &view->new : &view->old;

            view->running[view->n_running++] = pod;
            *first = *first ? *first : pod;
        }
    }
}

/* Deletes surplus pods: a node has one, or two while the new pod of a surge is not available yet and
 * the old one is ready. */
static void prune(const View *view, DaemonSetPlan *plan)
{
    for (size_t i = 0; i < view->n_running; i++) {
        const Pod *pod = view->running[i];
        bool excess = view->surges ? pod != view->old && pod != view->new : i > 0;

        if (excess)
            pod_actions_add(&plan->actions, POD_DELETE, pod);
    }
    if (view->surges && view->old && view->new &&
        (!pod_is_ready(view->old) || is_available(view, view->new)))
        pod_actions_add(&plan->actions, POD_DELETE, view->old);
}

static void roll(const View *view, const PodOwner *owner, Arena *arena, DaemonSetPlan *plan)
{
    if (!str_equal(view->input->set->spec.update_strategy.type, "RollingUpdate") || !view->old ||
        view->new || plan->actions.n)
        return;
    /* With one node, maxUnavailable always allows this pod to be unavailable. */
    if (view->surges)
        pod_actions_add(&plan->actions, POD_CREATE,
                        make_pod(view->input, owner, view->hash, arena));
    else
        pod_actions_add(&plan->actions, POD_DELETE, view->old);
}

static void manage(View *view, const PodOwner *owner, const Pod **members, size_t n, bool start,
                   bool stay, Arena *arena, DaemonSetPlan *plan)
{
    if (!stay) {
        for (size_t i = 0; i < n; i++)
            if (!pod_is_terminating(members[i]))
                pod_actions_add(&plan->actions, POD_DELETE, members[i]);
        return;
    }
    sort_out(view, members, n, arena, plan);
    if (start && (n == 0 || (view->surges && view->n_running == 0)))
        pod_actions_add(&plan->actions, POD_CREATE,
                        make_pod(view->input, owner, view->hash, arena));
    else
        prune(view, plan);
    if (start)
        roll(view, owner, arena, plan);
}

/* ---- status ---- */

static void wake_for_available(const View *view, const Pod *pod, DaemonSetPlan *plan)
{
    const PodCondition *ready = pod_condition(pod, "Ready");

    plan->again_after_ns =
        MAX_OF(time_ns(ready->last_transition_time) +
                   view->input->set->spec.min_ready_seconds * NS_PER_SEC - view->input->now_ns,
               INT64_C(0));
}

static void fill_status(const View *view, const Pod **members, size_t n, bool start,
                        DaemonSetPlan *plan)
{
    const DaemonSet *set = view->input->set;
    DaemonSetStatus *status = &plan->status;

    status->observed_generation = set->metadata.generation;
    status->collision_count = set->status.collision_count;
    status->conditions = set->status.conditions;
    if (start) {
        status->desired_number_scheduled = 1;
        status->current_number_scheduled = n > 0;
    } else {
        status->number_misscheduled = n > 0;
    }
    if (start && n) {
        const Pod *first = members[0];

        status->number_ready = pod_is_ready(first);
        status->number_available = pod_is_ready(first) && is_available(view, first);
        status->updated_number_scheduled = is_new(view, first);
    }
    for (size_t i = 0; i < view->n_running; i++)
        if (pod_is_ready(view->running[i]) && !is_available(view, view->running[i]))
            wake_for_available(view, view->running[i], plan);
    status->number_unavailable = status->desired_number_scheduled - status->number_available;
}

void daemonset_plan(const DaemonSetInput *input, Arena *arena, DaemonSetPlan *ret)
{
    const DaemonSet *set = input->set;
    PodOwner owner = pod_owner_of(arena, &kind_daemon_set, &set->metadata, set->spec.selector);
    const Pod **members = arena_new_n(arena, const Pod *, input->n_pods + 1);
    Bytes data = revision_data(arena, &set->spec.template);
    const ControllerRevision *current;
    View view = {.input = input, .surges = surges(&set->spec)};
    bool start, stay;
    size_t n, n_live = 0;

    *ret = (DaemonSetPlan){.actions = {.arena = arena}, .again_after_ns = -1};
    if (set->metadata.deletion_timestamp.set)
        return;
    n = pod_owner_claim(&owner, input->pods, input->n_pods, &ret->actions, members);
    for (size_t i = 0; i < n; i++) /* ignore those that are about to disappear */
        if (!(pod_is_terminating(members[i]) && pod_has_ended(members[i])))
            members[n_live++] = members[i];
    n = n_live;
    if (n > 1)
        qsort(members, n, sizeof(*members), compare_pods);
    current = plan_revision(input, data, arena, ret);
    view.hash = string_map_get(&current->metadata.labels, REVISION_LABEL);
    judge_node(input, arena, &start, &stay);
    if (!ret->actions.n)
        manage(&view, &owner, members, n, start, stay, arena, ret);
    plan_history(input, current, members, n, arena, ret);
    fill_status(&view, members, n, start, ret);
    if (input->collided)
        ret->status.collision_count = arena_int32(
            arena, (set->status.collision_count ? *set->status.collision_count : 0) + 1);
    ret->status_changed = !type_equal(&type_DaemonSetStatus, &ret->status, &set->status);
}
