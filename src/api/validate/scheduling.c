/* SPDX-License-Identifier: Apache-2.0 */
/* Where pods may run: affinity, tolerations, spreading, gates. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/validate/pod.h"

#define NOT_AN_OPERATOR "not a valid selector operator"

static void validate_requirement(const NodeSelectorRequirement *requirement, bool check_values,
                                 const Path *path, Causes *causes)
{
    const char *op = requirement->operator;
    const StringArray *values = &requirement->values;

    if (str_equal(op, "In") || str_equal(op, "NotIn")) {
        if (!values->n)
            fail_required(causes, PATH(path, "values"),
                          "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_equal(op, "Exists") || str_equal(op, "DoesNotExist")) {
        if (values->n)
            fail_forbidden(causes, PATH(path, "values"),
                           "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (str_equal(op, "Gt") || str_equal(op, "Lt")) {
        if (values->n != 1)
            fail_required(causes, PATH(path, "values"),
                          "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        fail_invalid(causes, PATH(path, "operator"), op, NOT_AN_OPERATOR);
    }
    fail_faults(causes, PATH(path, "key"), requirement->key,
                check_qualified_name(requirement->key));
    for (size_t i = 0; check_values && i < values->n; i++)
        fail_faults(causes, PATH_INDEX(PATH(path, "values"), i), values->v[i],
                    check_label_value(values->v[i]));
}

static void validate_field_requirement(const NodeSelectorRequirement *requirement, const Path *path,
                                       Causes *causes)
{
    if (str_equal(requirement->operator, "In") || str_equal(requirement->operator, "NotIn")) {
        if (requirement->values.n != 1)
            fail_required(causes, PATH(path, "values"),
                          "must be only one value when `operator` is 'In' or 'NotIn' for node "
                          "field selector");
    } else {
        fail_invalid(causes, PATH(path, "operator"), requirement->operator, NOT_AN_OPERATOR);
    }
    if (!str_equal(requirement->key, "metadata.name"))
        fail_invalid(causes, PATH(path, "key"), requirement->key, "not a valid field selector key");
    else
        for (size_t i = 0; i < requirement->values.n; i++)
            fail_faults(causes, PATH_INDEX(PATH(path, "values"), i), requirement->values.v[i],
                        check_dns_subdomain(requirement->values.v[i]));
}

static void validate_term(const NodeSelectorTerm *term, bool check_values, const Path *path,
                          Causes *causes)
{
    for (size_t i = 0; i < term->match_expressions.n; i++)
        validate_requirement(&term->match_expressions.v[i], check_values,
                             PATH_INDEX(PATH(path, "matchExpressions"), i), causes);
    for (size_t i = 0; i < term->match_fields.n; i++)
        validate_field_requirement(&term->match_fields.v[i],
                                   PATH_INDEX(PATH(path, "matchFields"), i), causes);
}

void validate_node_selector(const NodeSelector *selector, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < selector->node_selector_terms.n; i++)
        validate_term(&selector->node_selector_terms.v[i], true,
                      PATH_INDEX(PATH(path, "nodeSelectorTerms"), i), causes);
}

static void validate_weight(int32_t weight, const Path *path, Causes *causes)
{
    if (weight < 1 || weight > 100)
        fail_invalid_int(causes, PATH(path, "weight"), weight, "must be in the range 1-100");
}

static void validate_label_keys(const StringArray *keys, const LabelSelector *selector,
                                const Path *path, Causes *causes)
{
    for (size_t i = 0; i < keys->n; i++)
        fail_faults(causes, PATH_INDEX(path, i), keys->v[i], check_qualified_name(keys->v[i]));
    if (keys->n && !selector)
        fail_forbidden(causes, path, "must not be specified when labelSelector is not set");
}

static void validate_pod_term(const PodAffinityTerm *term, const Path *path, Causes *causes)
{
    TextMap mismatch = TEXT_MAP_INIT(causes->arena);

    validate_label_selector(term->label_selector, path_text(PATH(path, "labelSelector"), causes),
                            causes);
    validate_label_selector(term->namespace_selector,
                            path_text(PATH(path, "namespaceSelector"), causes), causes);
    for (size_t i = 0; i < term->namespaces.n; i++)
        fail_faults(causes, PATH(path, "namespace"), term->namespaces.v[i],
                    check_dns_label(term->namespaces.v[i]));
    validate_label_keys(&term->match_label_keys, term->label_selector, PATH(path, "matchLabelKeys"),
                        causes);
    validate_label_keys(&term->mismatch_label_keys, term->label_selector,
                        PATH(path, "mismatchLabelKeys"), causes);
    for (size_t i = 0; i < term->mismatch_label_keys.n; i++)
        text_map_add(&mismatch, term->mismatch_label_keys.v[i]);
    for (size_t i = 0; i < term->match_label_keys.n; i++)
        if (text_map_has(&mismatch, term->match_label_keys.v[i]))
            fail_invalid(causes, PATH_INDEX(PATH(path, "matchLabelKeys"), i),
                         term->match_label_keys.v[i],
                         "exists in both matchLabelKeys and mismatchLabelKeys");
    fail_faults(causes, PATH(path, "topologyKey"), term->topology_key,
                check_qualified_name(term->topology_key));
}

#define REQUIRED_NAME "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_NAME "preferredDuringSchedulingIgnoredDuringExecution"

static void validate_pod_terms(const PodAffinityTermArray *required,
                               const WeightedPodAffinityTermArray *preferred, const Path *path,
                               Causes *causes)
{
    for (size_t i = 0; i < required->n; i++)
        validate_pod_term(&required->v[i], PATH_INDEX(PATH(path, REQUIRED_NAME), i), causes);
    for (size_t i = 0; i < preferred->n; i++) {
        const Path *at = PATH_INDEX(PATH(path, PREFERRED_NAME), i);

        validate_weight(preferred->v[i].weight, at, causes);
        validate_pod_term(&preferred->v[i].pod_affinity_term, PATH(at, "podAffinityTerm"), causes);
    }
}

static void validate_affinity(const Affinity *affinity, const Path *path, Causes *causes)
{
    if (affinity->node_affinity) {
        const NodeAffinity *node = affinity->node_affinity;
        const Path *at = PATH(path, "nodeAffinity");

        if (node->required_during_scheduling_ignored_during_execution)
            validate_node_selector(node->required_during_scheduling_ignored_during_execution,
                                   PATH(at, REQUIRED_NAME), causes);
        for (size_t i = 0; i < node->preferred_during_scheduling_ignored_during_execution.n; i++) {
            const PreferredSchedulingTerm *term =
                &node->preferred_during_scheduling_ignored_during_execution.v[i];
            const Path *term_path = PATH_INDEX(PATH(at, PREFERRED_NAME), i);

            validate_weight(term->weight, term_path, causes);
            validate_term(&term->preference, false, PATH(term_path, "preference"), causes);
        }
    }
    if (affinity->pod_affinity)
        validate_pod_terms(
            &affinity->pod_affinity->required_during_scheduling_ignored_during_execution,
            &affinity->pod_affinity->preferred_during_scheduling_ignored_during_execution,
            PATH(path, "podAffinity"), causes);
    if (affinity->pod_anti_affinity)
        validate_pod_terms(
            &affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution,
            &affinity->pod_anti_affinity->preferred_during_scheduling_ignored_during_execution,
            PATH(path, "podAntiAffinity"), causes);
}

void validate_tolerations(const TolerationArray *tolerations, const Path *path, Causes *causes)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};

    for (size_t i = 0; i < tolerations->n; i++) {
        const Toleration *toleration = &tolerations->v[i];
        const Path *at = PATH_INDEX(path, i);
        const char *op = str_or(toleration->operator, "Equal");

        if (!str_empty(toleration->key))
            fail_faults(causes, PATH(at, "key"), toleration->key,
                        check_qualified_name(toleration->key));
        else if (!str_equal(op, "Exists"))
            fail_invalid(causes, PATH(at, "operator"), toleration->operator,
                         "operator must be Exists when `key` is empty, which means \"match all "
                         "values and all keys\"");
        if (toleration->toleration_seconds && !str_equal(toleration->effect, "NoExecute"))
            fail_invalid(causes, PATH(at, "effect"), toleration->effect,
                         "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (str_equal(op, "Equal"))
            fail_faults(causes, PATH(at, "operator"), toleration->value,
                        check_label_value(toleration->value));
        else if (!str_equal(op, "Exists"))
            fail_not_supported(causes, PATH(at, "operator"), op, operators);
        else if (!str_empty(toleration->value))
            fail_invalid(causes, PATH(at, "operator"), toleration->value,
                         "value must be empty when `operator` is 'Exists'");
    }
}

/* For each, whether one behind it has the same key and policy. */
static bool *repeated_later(const TopologySpreadConstraintArray *constraints, Arena *arena)
{
    bool *again = arena_new_n(arena, bool, constraints->n + 1);
    TextMap behind = TEXT_MAP_INIT(arena);

    for (size_t i = constraints->n; i-- > 0;)
        again[i] = !text_map_add_joined(&behind, constraints->v[i].topology_key,
                                        constraints->v[i].when_unsatisfiable, NULL);
    return again;
}

static void validate_spread(const TopologySpreadConstraintArray *constraints, const Path *path,
                            Causes *causes)
{
    const bool *again = repeated_later(constraints, causes->arena);

    for (size_t i = 0; i < constraints->n; i++) {
        const TopologySpreadConstraint *one = &constraints->v[i];
        const Path *at = PATH_INDEX(path, i);

        if (one->max_skew <= 0)
            fail_invalid_int(causes, PATH(at, "maxSkew"), one->max_skew,
                             "must be greater than zero");
        if (again[i])
            fail_duplicate(causes, PATH(at, "{topologyKey, whenUnsatisfiable}"),
                           arena_printf(causes->arena, "{%s, %s}", one->topology_key,
                                        one->when_unsatisfiable));
        if (one->min_domains && *one->min_domains <= 0)
            fail_invalid_int(causes, PATH(at, "minDomains"), *one->min_domains,
                             "must be greater than zero");
        if (one->min_domains && !str_equal(one->when_unsatisfiable, "DoNotSchedule"))
            fail_invalid_int(
                causes, PATH(at, "minDomains"), *one->min_domains,
                arena_printf(causes->arena,
                             "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %s",
                             one->when_unsatisfiable));
        validate_label_keys(&one->match_label_keys, one->label_selector, PATH(at, "matchLabelKeys"),
                            causes);
        validate_label_selector(one->label_selector, path_text(PATH(at, "labelSelector"), causes),
                                causes);
    }
}

void validate_scheduling(const PodSpec *spec, const Path *path, Causes *causes)
{
    TextMap gates = TEXT_MAP_INIT(causes->arena);

    if (spec->node_selector.n)
        validate_labels(&spec->node_selector, path_text(PATH(path, "nodeSelector"), causes),
                        causes);
    if (spec->affinity)
        validate_affinity(spec->affinity, PATH(path, "affinity"), causes);
    for (size_t i = 0; i < spec->readiness_gates.n; i++) {
        const char *type = spec->readiness_gates.v[i].condition_type;

        fail_faults(causes, PATH(PATH_INDEX(PATH(path, "readinessGates"), i), "conditionType"),
                    type, check_qualified_name(type));
    }
    for (size_t i = 0; i < spec->scheduling_gates.n; i++) {
        const char *name = spec->scheduling_gates.v[i].name;
        const Path *at = PATH_INDEX(PATH(path, "schedulingGates"), i);

        fail_faults(causes, at, name, check_qualified_name(name));
        fail_if_seen(causes, at, &gates, name);
    }
    if (spec->topology_spread_constraints.n)
        validate_spread(&spec->topology_spread_constraints, PATH(path, "topologySpreadConstraints"),
                        causes);
    validate_tolerations(&spec->tolerations, PATH(path, "tolerations"), causes);
}
