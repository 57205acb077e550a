/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's filters, in kube-scheduler's order. Each row says no by adding reasons; the first
 * row that does ends the walk. Rows of the pre-filter speak for the pod alone, so their message
 * counts no nodes.
 */
#include "api/object.h"
#include "api/quantity.h"
#include "api/selector.h"
#include "base/strbuf.h"
#include "control/pod.h"
#include "control/scheduler.h"

typedef struct Reasons {
    Arena *arena;
    const char *v[8];
    size_t n;
    bool soon; /* claims are being bound: this changes by itself */
} Reasons;

static void add_reason(Reasons *reasons, const char *reason)
{
    if (reasons->n < ARRAY_LEN(reasons->v))
        reasons->v[reasons->n++] = reason;
}

/* ---- claims ---- */

static const PersistentVolumeClaim *claim_of(const ScheduleInput *in, const Pod *pod, size_t volume,
                                             const char **ret_name)
{
    const PersistentVolumeClaimVolumeSource *source =
        pod->spec.volumes.v[volume].volume_source.persistent_volume_claim;

    *ret_name = source ? source->claim_name : NULL;
    return source ? in->claims->find(in->claims, pod->metadata.namespace, source->claim_name)
                  : NULL;
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

        if (claim && !str_equal(claim->status.phase, "Bound")) {
            add_reason(reasons, "pod has unbound immediate PersistentVolumeClaims");
            reasons->soon = true;
            return;
        }
    }
}

static bool mounts(const Pod *pod, const char *ns, const char *claim)
{
    if (!str_equal(pod->metadata.namespace, ns))
        return false;
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *source =
            pod->spec.volumes.v[i].volume_source.persistent_volume_claim;

        if (source && str_equal(source->claim_name, claim))
            return true;
    }
    return false;
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
        for (size_t k = 0; k < in->n_placed; k++)
            if (mounts(in->placed[k], in->pod->metadata.namespace, name)) {
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

static bool is_tolerated(const Pod *pod, const Taint *taint)
{
    for (size_t i = 0; i < pod->spec.tolerations.n; i++)
        if (tolerates(&pod->spec.tolerations.v[i], taint))
            return true;
    return false;
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
    /* An empty term selects nothing. */
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

static bool affinity_holds(const Pod *pod, const Node *node)
{
    const Affinity *affinity = pod->spec.affinity;
    const NodeSelector *required;

    if (!affinity || !affinity->node_affinity)
        return true;
    required = affinity->node_affinity->required_during_scheduling_ignored_during_execution;
    if (!required)
        return true;
    for (size_t i = 0; i < required->node_selector_terms.n; i++)
        if (term_holds(&required->node_selector_terms.v[i], node))
            return true;
    return false;
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

static bool ports_clash(const ContainerPort *a, const ContainerPort *b)
{
    const char *x = str_or(a->host_ip, "0.0.0.0"), *y = str_or(b->host_ip, "0.0.0.0");

    return a->host_port && a->host_port == b->host_port &&
           str_equal(str_or(a->protocol, "TCP"), str_or(b->protocol, "TCP")) &&
           (str_equal(x, y) || str_equal(x, "0.0.0.0") || str_equal(y, "0.0.0.0"));
}

static bool has_port(const Container *container, const ContainerPort *port)
{
    for (size_t k = 0; k < container->ports.n; k++)
        if (ports_clash(port, &container->ports.v[k]))
            return true;
    return false;
}

/* Init containers end and give theirs back, but sidecars stay. */
static bool port_is_taken(const Pod *pod, const ContainerPort *port)
{
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        if (str_equal(pod->spec.init_containers.v[i].restart_policy, "Always") &&
            has_port(&pod->spec.init_containers.v[i], port))
            return true;
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        if (has_port(&pod->spec.containers.v[i], port))
            return true;
    return false;
}

static bool ports_are_free(const ScheduleInput *in, const Container *container)
{
    for (size_t k = 0; k < container->ports.n; k++)
        for (size_t p = 0; p < in->n_placed; p++)
            if (port_is_taken(in->placed[p], &container->ports.v[k]))
                return false;
    return true;
}

static void filter_ports(const ScheduleInput *in, Reasons *reasons)
{
    const PodSpec *spec = &in->pod->spec;
    bool free = true;

    for (size_t i = 0; i < spec->init_containers.n; i++)
        if (str_equal(spec->init_containers.v[i].restart_policy, "Always"))
            free = free && ports_are_free(in, &spec->init_containers.v[i]);
    for (size_t i = 0; i < spec->containers.n; i++)
        free = free && ports_are_free(in, &spec->containers.v[i]);
    if (!free)
        add_reason(reasons, "node(s) didn't have free ports for the requested pod ports");
}

typedef struct Demand {
    int64_t milli_cpu, memory, storage;
} Demand;

static void add_requests(Demand *demand, const ResourceRequirements *resources)
{
    const StringMap *requests = &resources->requests;
    const char *cpu = string_map_get(requests, "cpu"), *memory = string_map_get(requests, "memory");
    const char *storage = string_map_get(requests, "ephemeral-storage");

    demand->milli_cpu += cpu ? quantity_milli(cpu) : 0;
    demand->memory += memory ? quantity_value(memory) : 0;
    demand->storage += storage ? quantity_value(storage) : 0;
}

/* Init containers run one after the other, before the others, beside the sidecars that were started
 * before them. */
static Demand demand_of(const Pod *pod)
{
    Demand all = {0}, sidecars = {0}, peak = {0};

    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const Container *container = &pod->spec.init_containers.v[i];
        Demand now = sidecars;

        add_requests(&now, &container->resources);
        if (str_equal(container->restart_policy, "Always"))
            sidecars = now;
        peak.milli_cpu = MAX_OF(peak.milli_cpu, now.milli_cpu);
        peak.memory = MAX_OF(peak.memory, now.memory);
        peak.storage = MAX_OF(peak.storage, now.storage);
    }
    all = sidecars;
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        add_requests(&all, &pod->spec.containers.v[i].resources);
    all.milli_cpu = MAX_OF(all.milli_cpu, peak.milli_cpu);
    all.memory = MAX_OF(all.memory, peak.memory);
    all.storage = MAX_OF(all.storage, peak.storage);
    if (pod->spec.resources) { /* what the pod asks for as a whole goes before its parts */
        const StringMap *requests = &pod->spec.resources->requests;
        const char *cpu = string_map_get(requests, "cpu");
        const char *memory = string_map_get(requests, "memory");

        all.milli_cpu = cpu ? quantity_milli(cpu) : all.milli_cpu;
        all.memory = memory ? quantity_value(memory) : all.memory;
    }
    return all;
}

static void filter_resources(const ScheduleInput *in, Reasons *reasons)
{
    const StringMap *has = &in->node->status.allocatable;
    const char *cpu = string_map_get(has, "cpu"), *memory = string_map_get(has, "memory");
    const char *storage = string_map_get(has, "ephemeral-storage"),
               *pods = string_map_get(has, "pods");
    Demand want = demand_of(in->pod), used = {0};

    for (size_t i = 0; i < in->n_placed; i++) {
        Demand d = demand_of(in->placed[i]);

        used.milli_cpu += d.milli_cpu;
        used.memory += d.memory;
        used.storage += d.storage;
    }
    if (pods && (int64_t)in->n_placed + 1 > quantity_value(pods))
        add_reason(reasons, "Too many pods");
    if (cpu && want.milli_cpu > 0 && used.milli_cpu + want.milli_cpu > quantity_milli(cpu))
        add_reason(reasons, "Insufficient cpu");
    if (storage && want.storage > 0 && used.storage + want.storage > quantity_value(storage))
        add_reason(reasons, "Insufficient ephemeral-storage");
    if (memory && want.memory > 0 && used.memory + want.memory > quantity_value(memory))
        add_reason(reasons, "Insufficient memory");
}

/* ---- other pods ---- */

/* On one node any topology is the node, so a term says: with, or not with, such pods. */
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

static bool finds_company(const ScheduleInput *in, const PodAffinityTerm *term)
{
    for (size_t i = 0; i < in->n_placed; i++)
        if (term_matches(in, term, in->placed[i], in->pod->metadata.namespace))
            return true;
    /* The first of a group that wants to be together may start. */
    return term_matches(in, term, in->pod, in->pod->metadata.namespace);
}

static void filter_company(const ScheduleInput *in, Reasons *reasons)
{
    const Affinity *affinity = in->pod->spec.affinity;

    if (affinity && affinity->pod_affinity) {
        const PodAffinityTermArray *terms =
            &affinity->pod_affinity->required_during_scheduling_ignored_during_execution;

        for (size_t i = 0; i < terms->n; i++)
            if (!finds_company(in, &terms->v[i])) {
                add_reason(reasons, "node(s) didn't match pod affinity rules");
                return;
            }
    }
    for (size_t i = 0; i < in->n_placed; i++) {
        if (repels(in, in->pod, in->placed[i])) {
            add_reason(reasons, "node(s) didn't match pod anti-affinity rules");
            return;
        }
        if (repels(in, in->placed[i], in->pod)) {
            add_reason(reasons, "node(s) didn't satisfy existing pods anti-affinity rules");
            return;
        }
    }
}

/* ---- the table ---- */

typedef struct Filter {
    void (*check)(const ScheduleInput *in, Reasons *reasons);
    bool of_pod;     /* a pre-filter */
    bool preemption; /* taking other pods away could have helped; stead never does */
} Filter;

static const Filter FILTERS[] = {
    {filter_claims_are_bound, true, false},
    {filter_unschedulable, false, false},
    {filter_taints, false, false},
    {filter_node_selector, false, false},
    {filter_ports, false, true},
    {filter_resources, false, true},
    {filter_single_pod_claims, false, true},
    {filter_company, false, true},
};

static int compare_reasons(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *make_message(const ScheduleInput *in, const Filter *filter, Reasons *reasons)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_add_string(&out, "0/1 nodes are available:");
    qsort(reasons->v, reasons->n, sizeof(*reasons->v), compare_reasons);
    for (size_t i = 0; i < reasons->n; i++)
        strbuf_printf(&out, "%s %s%s", i ? "," : "", filter->of_pod ? "" : "1 ", reasons->v[i]);
    strbuf_printf(&out, ". preemption: 0/1 nodes are available: 1 %s.",
                  filter->preemption ? "No preemption victims found for incoming pod"
                                     : "Preemption is not helpful for scheduling");
    return arena_strdup(in->arena, strbuf_string(&out));
}

const char *schedule_check(const ScheduleInput *input, bool *ret_soon)
{
    Reasons reasons = {.arena = input->arena};

    *ret_soon = false;
    if (!input->node)
        return "no nodes available to schedule pods";
    for (size_t i = 0; i < ARRAY_LEN(FILTERS); i++) {
        FILTERS[i].check(input, &reasons);
        *ret_soon = reasons.soon;
        if (reasons.n > 0)
            return make_message(input, &FILTERS[i], &reasons);
    }
    return NULL;
}
