/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filters of the scheduler, in the order of kube-scheduler. A filter rejects the pod by adding
 * reasons, and the first filter that does ends the walk. Pre-filters judge the pod alone, so their
 * message contains no count of nodes.
 */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/resource_v1.h"
#include "api/selector.h"
#include "base/strbuf.h"
#include "control/scheduler/scheduler.h"
#include "view/pod.h"

typedef struct Reasons {
    Arena *arena;
    const char *v[8];
    size_t n;
    ScheduleOutcome *outcome;
} Reasons;

static void add_reason(Reasons *reasons, const char *reason)
{
    if (reasons->n < ARRAY_LEN(reasons->v))
        reasons->v[reasons->n++] = reason;
}

/* ---- pods on the node ---- */

static const char *ns_of(const Pod *pod)
{
    return str_or(pod->metadata.namespace, "");
}

/* A question about another pod on the node. */
typedef bool (*Question)(const ScheduleInput *in, const void *about, const Pod *other);

typedef struct Asked {
    const ScheduleInput *in;
    Question question;
    const void *about;
    bool yes;
} Asked;

static void ask(void *data, Object *object)
{
    Asked *asked = data;
    const Pod *other = OBJECT_AS(Pod, object);

    if (asked->yes || str_equal(other->metadata.uid, asked->in->pod->metadata.uid) ||
        !placed_has(asked->in->placed, object))
        return;
    asked->yes = !asked->question || asked->question(asked->in, asked->about, other);
}

/* Whether the answer is yes for any other pod on the node that has the key in the index. Without a
 * question, its existence is enough. */
static bool any_placed(const ScheduleInput *in, const char *key, Question question,
                       const void *about)
{
    Asked asked = {in, question, about, false};

    object_index_each(in->pods, key, ask, &asked);
    return asked.yes;
}

/* ---- selectors of nodes ---- */

static bool value_in(const StringArray *values, const char *value)
{
    for (size_t i = 0; i < values->n; i++)
        if (str_equal(values->v[i], value))
            return true;
    return false;
}

static bool compares(const NodeSelectorRequirement *requirement, const char *value, bool greater)
{
    int64_t x, y;

    if (!value || requirement->values.n != 1 ||
        str_to_int64(value, INT64_MIN, INT64_MAX, &x) != 0 ||
        str_to_int64(requirement->values.v[0], INT64_MIN, INT64_MAX, &y) != 0)
        return false;
    return greater ? x > y : x < y;
}

static bool requirement_holds(const NodeSelectorRequirement *requirement, const char *value)
{
    const char *op = requirement->operator;

    if (str_equal(op, "In"))
        return value && value_in(&requirement->values, value);
    if (str_equal(op, "NotIn"))
        return !value || !value_in(&requirement->values, value);
    if (str_equal(op, "Exists"))
        return value != NULL;
    if (str_equal(op, "DoesNotExist"))
        return value == NULL;
    if (str_equal(op, "Gt") || str_equal(op, "Lt"))
        return compares(requirement, value, str_equal(op, "Gt"));
    return false;
}

static bool term_holds(const NodeSelectorTerm *term, const Node *node)
{
    /* A term without requirements matches no node. */
    if (term->match_expressions.n + term->match_fields.n == 0)
        return false;
    for (size_t i = 0; i < term->match_expressions.n; i++) {
        const NodeSelectorRequirement *requirement = &term->match_expressions.v[i];

        if (!requirement_holds(requirement,
                               string_map_get(&node->metadata.labels, requirement->key)))
            return false;
    }
    for (size_t i = 0; i < term->match_fields.n; i++)
        if (!str_equal(term->match_fields.v[i].key, "metadata.name") ||
            !requirement_holds(&term->match_fields.v[i], node->metadata.name))
            return false;
    return true;
}

static bool node_selector_holds(const NodeSelector *selector, const Node *node)
{
    for (size_t i = 0; i < selector->node_selector_terms.n; i++)
        if (term_holds(&selector->node_selector_terms.v[i], node))
            return true;
    return false;
}

/* ---- claims ---- */

static const PersistentVolumeClaim *claim_of(const ScheduleInput *in, const Pod *pod, size_t volume,
                                             const char **ret_name)
{
    const char *name = volume_claim_name(&pod->spec.volumes.v[volume]);

    *ret_name = name;
    return name ? in->claims->find(in->claims, pod->metadata.namespace, name) : NULL;
}

static void filter_claims_are_bound(const ScheduleInput *in, Reasons *reasons)
{
    for (size_t i = 0; i < in->pod->spec.volumes.n; i++) {
        const char *name;
        const PersistentVolumeClaim *claim = claim_of(in, in->pod, i, &name);

        if (!name)
            continue;
        if (!claim) {
            add_reason(reasons,
                       arena_printf(in->arena, "persistentvolumeclaim \"%s\" not found", name));
            return;
        }
        if (claim->metadata.deletion_timestamp.set) {
            add_reason(
                reasons,
                arena_printf(in->arena, "persistentvolumeclaim \"%s\" is being deleted", name));
            return;
        }
        if (str_equal(claim->status.phase, "Lost")) {
            add_reason(
                reasons,
                arena_printf(
                    in->arena,
                    "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"",
                    name, str_or(claim->spec.volume_name, "")));
            return;
        }
    }
    for (size_t i = 0; i < in->pod->spec.volumes.n; i++) {
        const char *name;
        const PersistentVolumeClaim *claim = claim_of(in, in->pod, i, &name);

        if (claim && !str_equal(claim->status.phase, "Bound") &&
            (!str_empty(claim->spec.volume_name) ||
             in->claims->wait(in->claims, claim) == CLAIM_BINDS_ALONE)) {
            add_reason(reasons, "pod has unbound immediate PersistentVolumeClaims");
            reasons->outcome->soon = true;
            return;
        }
    }
}

static bool reaches(const PersistentVolume *volume, const Node *node)
{
    const VolumeNodeAffinity *affinity = volume->spec.node_affinity;

    return !affinity || !affinity->required || node_selector_holds(affinity->required, node);
}

/* The volumes of bound claims have to be within reach of the node; claims that wait for a pod need one
 * that is. */
static void filter_volumes(const ScheduleInput *in, Reasons *reasons)
{
    ScheduleOutcome *outcome = reasons->outcome;
    bool conflict = false, missing = false;

    outcome->claims =
        arena_new_n(in->arena, const PersistentVolumeClaim *, in->pod->spec.volumes.n + 1);
    for (size_t i = 0; i < in->pod->spec.volumes.n; i++) {
        const char *name;
        const PersistentVolumeClaim *claim = claim_of(in, in->pod, i, &name);
        const PersistentVolume *volume;

        if (!claim)
            continue;
        if (str_equal(claim->status.phase, "Bound")) {
            volume = in->claims->volume(in->claims, claim->spec.volume_name);
            conflict = conflict || (volume && !reaches(volume, in->node));
        } else if (in->claims->wait(in->claims, claim) == CLAIM_HAS_NO_VOLUME) {
            missing = true;
        } else {
            outcome->claims[outcome->n_claims++] = claim;
        }
    }
    if (conflict)
        add_reason(reasons, "node(s) didn't match PersistentVolume's node affinity");
    if (missing)
        add_reason(reasons, "node(s) didn't find available persistent volumes to bind");
}

static bool is_single_pod(const PersistentVolumeClaim *claim)
{
    for (size_t i = 0; i < claim->spec.access_modes.n; i++)
        if (str_equal(claim->spec.access_modes.v[i], "ReadWriteOncePod"))
            return true;
    return false;
}

static void filter_single_pod_claims(const ScheduleInput *in, Reasons *reasons)
{
    for (size_t i = 0; i < in->pod->spec.volumes.n; i++) {
        const char *name;
        const PersistentVolumeClaim *claim = claim_of(in, in->pod, i, &name);

        if (!claim || !is_single_pod(claim))
            continue;
        if (any_placed(in, arena_printf(in->arena, "v/%s/%s", ns_of(in->pod), name), NULL, NULL)) {
            add_reason(reasons, "node(s) unavailable due to PersistentVolumeClaim with "
                                "ReadWriteOncePod access mode "
                                "already in-use by another pod");
            return;
        }
    }
}

/* ---- the node and its labels ---- */

static bool tolerates(const Toleration *toleration, const Taint *taint)
{
    if (!str_empty(toleration->effect) && !str_equal(toleration->effect, taint->effect))
        return false;
    if (!str_empty(toleration->key) && !str_equal(toleration->key, taint->key))
        return false;
    if (str_equal(toleration->operator, "Exists"))
        return true;
    return !str_empty(toleration->key) && str_equal(toleration->value, taint->value);
}

const Toleration *schedule_toleration(const Pod *pod, const Taint *taint)
{
    for (size_t i = 0; i < pod->spec.tolerations.n; i++)
        if (tolerates(&pod->spec.tolerations.v[i], taint))
            return &pod->spec.tolerations.v[i];
    return NULL;
}

static bool is_tolerated(const Pod *pod, const Taint *taint)
{
    return schedule_toleration(pod, taint) != NULL;
}

static void filter_unschedulable(const ScheduleInput *in, Reasons *reasons)
{
    static const Taint taint = {.key = "node.kubernetes.io/unschedulable", .effect = "NoSchedule"};

    if (in->node->spec.unschedulable && !is_tolerated(in->pod, &taint))
        add_reason(reasons, "node(s) were unschedulable");
}

static void filter_taints(const ScheduleInput *in, Reasons *reasons)
{
    for (size_t i = 0; i < in->node->spec.taints.n; i++) {
        const Taint *taint = &in->node->spec.taints.v[i];

        if (str_equal(taint->effect, "PreferNoSchedule") || is_tolerated(in->pod, taint))
            continue;
        add_reason(reasons, "node(s) had untolerated taint(s)");
        return;
    }
}

static bool affinity_holds(const Pod *pod, const Node *node)
{
    const Affinity *affinity = pod->spec.affinity;
    const NodeSelector *required;

    if (!affinity || !affinity->node_affinity)
        return true;
    required = affinity->node_affinity->required_during_scheduling_ignored_during_execution;
    return !required || node_selector_holds(required, node);
}

bool schedule_node_is_wanted(const Pod *pod, const Node *node)
{
    const StringMap *selector = &pod->spec.node_selector;
    bool fits = affinity_holds(pod, node);

    for (size_t i = 0; i < selector->n; i++) {
        const char *value = string_map_get(&node->metadata.labels, selector->v[i].key);

        fits = fits && value && str_equal(value, selector->v[i].value);
    }
    return fits;
}

bool schedule_tolerates(const Pod *pod, const Node *node, const char *effect)
{
    for (size_t i = 0; i < node->spec.taints.n; i++)
        if (str_equal(node->spec.taints.v[i].effect, effect) &&
            !is_tolerated(pod, &node->spec.taints.v[i]))
            return false;
    return true;
}

static void filter_node_selector(const ScheduleInput *in, Reasons *reasons)
{
    if (!schedule_node_is_wanted(in->pod, in->node))
        add_reason(reasons, "node(s) didn't match Pod's node affinity/selector");
}

/* ---- ports and resources ---- */

static bool ports_are_free(const ScheduleInput *in, const Container *container)
{
    for (size_t k = 0; k < container->ports.n; k++)
        if (placed_port_is_taken(in->placed, &container->ports.v[k]))
            return false;
    return true;
}

static void filter_ports(const ScheduleInput *in, Reasons *reasons)
{
    const Container *container;
    bool free = true;

    for (size_t next = 0; (container = pod_next_lasting(&in->pod->spec, &next));)
        free = free && ports_are_free(in, container);
    if (!free)
        add_reason(reasons, "node(s) didn't have free ports for the requested pod ports");
}

static void filter_other_resources(const ScheduleInput *in, Reasons *reasons)
{
    StringMap wants = schedule_other_requests(in->arena, in->pod);

    for (size_t i = 0; i < wants.n; i++) {
        const char *name = wants.v[i].key,
                   *has = string_map_get(&in->node->status.allocatable, name);
        int64_t want = quantity_value(wants.v[i].value);

        if (want > 0 && placed_used_of(in->placed, name) + want > (has ? quantity_value(has) : 0))
            add_reason(reasons, arena_printf(in->arena, "Insufficient %s", name));
    }
}

static void filter_resources(const ScheduleInput *in, Reasons *reasons)
{
    const StringMap *has = &in->node->status.allocatable;
    const char *cpu = string_map_get(has, "cpu"), *memory = string_map_get(has, "memory");
    const char *storage = string_map_get(has, "ephemeral-storage"),
               *pods = string_map_get(has, "pods");
    Demand want = schedule_demand(in->pod), used = placed_used(in->placed);

    if (pods && (int64_t)placed_count(in->placed) + 1 > quantity_value(pods))
        add_reason(reasons, "Too many pods");
    if (cpu && want.milli_cpu > 0 && used.milli_cpu + want.milli_cpu > quantity_milli(cpu))
        add_reason(reasons, "Insufficient cpu");
    if (storage && want.storage > 0 && used.storage + want.storage > quantity_value(storage))
        add_reason(reasons, "Insufficient ephemeral-storage");
    if (memory && want.memory > 0 && used.memory + want.memory > quantity_value(memory))
        add_reason(reasons, "Insufficient memory");
    filter_other_resources(in, reasons);
}

/* ---- other pods ---- */

/* Whether the pod is one that the term is about. With one node, every topology is that node. */
static bool term_matches(const ScheduleInput *in, const PodAffinityTerm *term, const Pod *pod,
                         const char *own_ns)
{
    bool ns_fits =
        term->namespaces.n == 0 && !term->namespace_selector
            ? str_equal(pod->metadata.namespace, own_ns)
            : value_in(&term->namespaces, pod->metadata.namespace) ||
                  (term->namespace_selector && term->namespace_selector->match_labels.n == 0 &&
                   term->namespace_selector->match_expressions.n == 0);

    return ns_fits && string_map_get(&in->node->metadata.labels, str_or(term->topology_key, "")) &&
           selector_matches_labels(selector_from_api(in->arena, term->label_selector),
                                   &pod->metadata.labels);
}

static bool repels(const ScheduleInput *in, const Pod *who, const Pod *whom)
{
    const Affinity *affinity = who->spec.affinity;
    const PodAffinityTermArray *terms;

    if (!affinity || !affinity->pod_anti_affinity)
        return false;
    terms = &affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution;
    for (size_t i = 0; i < terms->n; i++)
        if (term_matches(in, &terms->v[i], whom, who->metadata.namespace))
            return true;
    return false;
}

static bool is_meant(const ScheduleInput *in, const void *term, const Pod *other)
{
    return term_matches(in, term, other, in->pod->metadata.namespace);
}

static bool repels_us(const ScheduleInput *in, const void *about _unused_, const Pod *other)
{
    return repels(in, other, in->pod);
}

/* Whether a pod on the node matches the term. If the selector requires a label, only pods with that
 * label are examined, otherwise all pods of the namespace. */
static bool any_matches(const ScheduleInput *in, const PodAffinityTerm *term, const char *ns)
{
    const Requirement *r = selector_narrow(selector_from_api(in->arena, term->label_selector));

    if (!r)
        return any_placed(in, arena_printf(in->arena, "l/%s/", ns), is_meant, term);
    for (size_t i = 0; i < r->values.n; i++)
        if (any_placed(in, arena_printf(in->arena, "l/%s/%s=%s", ns, r->key, r->values.v[i]),
                       is_meant, term))
            return true;
    return false;
}

static bool is_beside(const ScheduleInput *in, const PodAffinityTerm *term)
{
    if (term->namespace_selector) /* only an empty one is supported: all namespaces */
        return any_placed(in, "l/", is_meant, term);
    if (!term->namespaces.n)
        return any_matches(in, term, ns_of(in->pod));
    for (size_t i = 0; i < term->namespaces.n; i++)
        if (any_matches(in, term, str_or(term->namespaces.v[i], "")))
            return true;
    return false;
}

static bool finds_company(const ScheduleInput *in, const PodAffinityTerm *term)
{
    /* A pod that matches its own term is the first of its group and may start. */
    return is_beside(in, term) || term_matches(in, term, in->pod, in->pod->metadata.namespace);
}

static bool is_repelled_in(const ScheduleInput *in, const char *ns)
{
    const StringMap *labels = &in->pod->metadata.labels;

    for (size_t i = 0; i < labels->n; i++)
        if (any_placed(in,
                       arena_printf(in->arena, "x/%s/%s=%s", ns, labels->v[i].key,
                                    str_or(labels->v[i].value, "")),
                       repels_us, NULL))
            return true;
    return any_placed(in, arena_printf(in->arena, "x/%s/", ns), repels_us, NULL);
}

static void filter_company(const ScheduleInput *in, Reasons *reasons)
{
    const Affinity *affinity = in->pod->spec.affinity;
    const PodAffinityTermArray *terms;

    if (affinity && affinity->pod_affinity) {
        terms = &affinity->pod_affinity->required_during_scheduling_ignored_during_execution;
        for (size_t i = 0; i < terms->n; i++)
            if (!finds_company(in, &terms->v[i])) {
                add_reason(reasons, "node(s) didn't match pod affinity rules");
                return;
            }
    }
    if (affinity && affinity->pod_anti_affinity) {
        terms = &affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution;
        for (size_t i = 0; i < terms->n; i++)
            if (is_beside(in, &terms->v[i])) {
                add_reason(reasons, "node(s) didn't match pod anti-affinity rules");
                return;
            }
    }
    if (is_repelled_in(in, ns_of(in->pod)) || is_repelled_in(in, "*"))
        add_reason(reasons, "node(s) didn't satisfy existing pods anti-affinity rules");
}

/* ---- devices ---- */

static bool is_reserved_for(const DeviceResourceClaim *claim, const Pod *pod)
{
    for (size_t i = 0; i < claim->status.reserved_for.n; i++)
        if (str_equal(claim->status.reserved_for.v[i].uid, pod->metadata.uid))
            return true;
    return false;
}

/* Why the pod cannot have this claim at any node; NULL: it can. */
static const char *why_no_devices(const ScheduleInput *in, size_t i)
{
    const char *name = pod_claim_name(in->pod, i);
    const DeviceResourceClaim *claim = NULL;

    if (!name)
        return arena_printf(in->arena, "pod \"%s/%s\": ResourceClaim not created yet",
                            ns_of(in->pod), in->pod->metadata.name);
    if (in->claims->devices)
        claim = in->claims->devices(in->claims, ns_of(in->pod), name);
    if (!claim)
        return arena_printf(in->arena, "resourceclaim.resource.k8s.io \"%s\" not found", name);
    if (claim->metadata.deletion_timestamp.set)
        return arena_printf(in->arena, "resourceclaim \"%s\" is being deleted", name);
    if (!claim->status.allocation)
        return "cannot allocate all claims";
    return is_reserved_for(claim, in->pod) ? NULL : "resourceclaim in use";
}

/* Devices are allocated by others; the scheduler only waits for them. */
static void filter_devices(const ScheduleInput *in, Reasons *reasons)
{
    for (size_t i = 0; i < in->pod->spec.resource_claims.n; i++) {
        const char *why = why_no_devices(in, i);

        if (why) {
            add_reason(reasons, why);
            return;
        }
    }
}

/* The devices may be those of other nodes. */
static void filter_devices_are_here(const ScheduleInput *in, Reasons *reasons)
{
    for (size_t i = 0; i < in->pod->spec.resource_claims.n; i++) {
        const DeviceResourceClaim *claim =
            in->claims->devices(in->claims, ns_of(in->pod), pod_claim_name(in->pod, i));
        const NodeSelector *selector = claim->status.allocation->node_selector;

        if (selector && !node_selector_holds(selector, in->node)) {
            add_reason(reasons, "resourceclaim not available on the node");
            return;
        }
    }
}

/* ---- the table ---- */

typedef struct Filter {
    void (*check)(const ScheduleInput *in, Reasons *reasons);
    bool of_pod;     /* a pre-filter */
    bool preemption; /* evicting other pods could help */
} Filter;

static const Filter FILTERS[] = {
    {filter_claims_are_bound, true, false}, {filter_devices, true, false},
    {filter_unschedulable, false, false},   {filter_taints, false, false},
    {filter_node_selector, false, false},   {filter_ports, false, true},
    {filter_resources, false, true},        {filter_single_pod_claims, false, true},
    {filter_volumes, false, false},         {filter_devices_are_here, false, false},
    {filter_company, false, true},
};

static const char *make_message(const ScheduleInput *in, const Filter *filter, Reasons *reasons)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_add_string(&out, "0/1 nodes are available:");
    str_sort(reasons->v, reasons->n);
    for (size_t i = 0; i < reasons->n; i++)
        strbuf_printf(&out, "%s %s%s", i ? "," : "", filter->of_pod ? "" : "1 ", reasons->v[i]);
    strbuf_add_char(&out, '.');
    reasons->outcome->reasons = arena_strdup(in->arena, strbuf_string(&out));
    reasons->outcome->preemptible = filter->preemption;
    strbuf_printf(&out, " preemption: 0/1 nodes are available: 1 %s.",
                  filter->preemption ? "No preemption victims found for incoming pod"
                                     : "Preemption is not helpful for scheduling");
    return arena_strdup(in->arena, strbuf_string(&out));
}

const char *schedule_check(const ScheduleInput *input, ScheduleOutcome *ret)
{
    Reasons reasons = {.arena = input->arena, .outcome = ret};

    *ret = (ScheduleOutcome){0};
    if (!input->node)
        return "no nodes available to schedule pods";
    for (size_t i = 0; i < ARRAY_LEN(FILTERS); i++) {
        FILTERS[i].check(input, &reasons);
        if (reasons.n > 0)
            return make_message(input, &FILTERS[i], &reasons);
    }
    return NULL;
}
