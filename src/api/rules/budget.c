/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of policy/v1: PodDisruptionBudget. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/policy_v1.h"

static void budget_validate(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    const PodDisruptionBudget *budget = value;
    const PodDisruptionBudgetSpec *spec = &budget->spec;

    if (spec->min_available && spec->max_unavailable)
        causes_add(causes, CAUSE_INVALID, "spec",
                   rules_bad(&type_PodDisruptionBudget, budget, "spec", causes),
                   "minAvailable and maxUnavailable cannot be both set");
    if (spec->min_available)
        validate_int_or_percent(spec->min_available, "spec.minAvailable", causes);
    if (spec->max_unavailable)
        validate_int_or_percent(spec->max_unavailable, "spec.maxUnavailable", causes);
    validate_label_selector(spec->selector, "spec.selector", causes);
    if (spec->unhealthy_pod_eviction_policy &&
        !str_equal(spec->unhealthy_pod_eviction_policy, policies[0]) &&
        !str_equal(spec->unhealthy_pod_eviction_policy, policies[1]))
        causes_not_supported(causes, "spec.unhealthyPodEvictionPolicy",
                             spec->unhealthy_pod_eviction_policy, policies);
}

static void budget_validate_status(const void *value, const void *before _unused_, Causes *causes)
{
    const PodDisruptionBudgetStatus *status = &((const PodDisruptionBudget *)value)->status;

    validate_type(&type_PodDisruptionBudgetStatus, status, NULL, "status", causes);
    for (size_t i = 0; i < status->conditions.n; i++)
        fail_faults(causes, PATH(PATH_INDEX(PATH(NULL, "status.conditions"), i), "type"),
                    status->conditions.v[i].type,
                    check_qualified_name(status->conditions.v[i].type));
    validate_non_negative(status->disruptions_allowed, "status.disruptionsAllowed", causes);
    validate_non_negative(status->current_healthy, "status.currentHealthy", causes);
    validate_non_negative(status->desired_healthy, "status.desiredHealthy", causes);
    validate_non_negative(status->expected_pods, "status.expectedPods", causes);
}

static void cell_demand(StrBuf *out, const IntOrString *v)
{
    if (!v)
        cell_string(out, "N/A");
    else if (v->is_string)
        cell_string(out, v->string);
    else
        cell_printf(out, "%d", v->number);
}

static void budget_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const PodDisruptionBudget *budget = value;

    cell_string(out, budget->metadata.name);
    cell_demand(out, budget->spec.min_available);
    cell_demand(out, budget->spec.max_unavailable);
    cell_int64(out, budget->status.disruptions_allowed);
    cell_age(out, budget->metadata.creation_timestamp, now_ns);
}

const KindRules rules_pod_disruption_budget = {
    .validate = budget_validate,
    .validate_status = budget_validate_status,
    .print = budget_print,
};
