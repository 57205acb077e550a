/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rules/workload/replicas.h"

#include "api/rules/rules.h"
#include "api/schema/core_pod_v1.h"
#include "api/selector.h"

void rules_template_matches(const PodTemplateSpec *template, const Selector *selector,
                            Causes *causes)
{
    if (!selector_matches_labels(selector, &template->metadata.labels))
        causes_add(causes, CAUSE_INVALID, "spec.template.metadata.labels",
                   rules_bad(&type_ObjectMeta, &template->metadata, "labels", causes),
                   "`selector` does not match template `labels`");
}

void rules_template_runs_on(const PodTemplateSpec *template, const char *kind, Causes *causes)
{
    static const char *const always[] = {"Always", NULL};

    if (!str_equal(template->spec.restart_policy, "Always"))
        causes_not_supported(causes, "spec.template.spec.restartPolicy",
                             template->spec.restart_policy, always);
    if (template->spec.active_deadline_seconds)
        causes_forbidden(
            causes, "spec.template.spec.activeDeadlineSeconds",
            arena_printf(causes->arena, "activeDeadlineSeconds in %s is not Supported", kind));
}

void rules_counts_of_replicas(const StatusCount *counts, size_t n, int32_t replicas, Causes *causes)
{
    for (size_t i = 0; i < n; i++)
        if (counts[i].count > replicas)
            causes_invalid_int(causes, counts[i].path, counts[i].count,
                               "cannot be greater than status.replicas");
}

void rules_available(int32_t available, int32_t ready, Causes *causes)
{
    if (available > ready)
        causes_invalid_int(causes, "status.availableReplicas", available,
                           "cannot be greater than readyReplicas");
}
