/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes, namespaces and PodDisruptionBudgets wait for. */
#include "api/condition.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/policy_v1.h"
#include "why/internal.h"

void why_node(Why *why, const void *value)
{
    const Node *node = value;
    const NodeCondition *ready = CONDITION_FIND(&node->status.conditions, "Ready");
    const char *name = node->metadata.name;

    if (!ready || !str_equal(ready->status, "True")) {
        why_step(why, &kind_node, name, ready ? str_or(ready->reason, "NotReady") : "NotReady",
                 WHY_TEXT(why, "it is not ready%s%s", ready && ready->message ? ": " : "",
                          ready ? str_or(ready->message, "") : ""),
                 "look at the log of the server on this machine");
        return;
    }
    for (size_t i = 0; i < node->status.conditions.n; i++) {
        const NodeCondition *condition = &node->status.conditions.v[i];

        if (condition != ready && str_equal(condition->status, "True")) {
            why_step(why, &kind_node, name, condition->type,
                     WHY_TEXT(why, "it takes no new pods: %s",
                              str_or(condition->message, condition->type)),
                     "make room on the machine; the condition ends by itself");
            return;
        }
    }
    if (node->spec.unschedulable) {
        why_step(why, &kind_node, name, "Unschedulable",
                 "it takes no new pods, since it is cordoned",
                 WHY_TEXT(why, "kubectl uncordon %s", name));
        return;
    }
    for (size_t i = 0; i < node->spec.taints.n; i++)
        if (!str_equal(node->spec.taints.v[i].effect, "PreferNoSchedule")) {
            const char *key = str_or(node->spec.taints.v[i].key, "");

            why_step(why, &kind_node, name, "Tainted",
                     WHY_TEXT(why, "it takes only pods that tolerate its taint %s", key),
                     WHY_TEXT(why, "kubectl taint node %s %s-", name, key));
            return;
        }
}

void why_namespace(Why *why, const void *value)
{
    static const char *const types[] = {
        "NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure", "NamespaceFinalizersRemaining",
        "NamespaceContentRemaining"};
    const Namespace *ns = value;
    const NamespaceCondition *found = NULL;

    if (!ns->metadata.deletion_timestamp.set)
        return;
    for (size_t i = 0; i < ARRAY_LEN(types) && !found; i++)
        if (CONDITION_IS_TRUE(&ns->status.conditions, types[i]))
            found = CONDITION_FIND(&ns->status.conditions, types[i]);
    if (!found)
        why_step(why, &kind_namespace, ns->metadata.name, "Terminating",
                 "it is being deleted, and its objects before it", NULL);
    else
        why_step(
            why, &kind_namespace, ns->metadata.name, str_or(found->reason, found->type),
            WHY_TEXT(why, "it is being deleted: %s", str_or(found->message, "")),
            str_equal(found->type, "NamespaceFinalizersRemaining")
                ? "the programs that have set these finalizers remove them; look at one of the "
                  "objects with stead why"
                : NULL);
}

void why_budget(Why *why, const void *value)
{
    const PodDisruptionBudget *budget = value;
    const PodDisruptionBudgetStatus *status = &budget->status;
    WhyList pods;

    if (status->disruptions_allowed > 0)
        return;
    why_step(why, &kind_pod_disruption_budget, budget->metadata.name, "NoDisruptionsAllowed",
             WHY_TEXT(why, "no pod may be evicted now: %d pods are healthy, and %d have to be",
                      status->current_healthy, status->desired_healthy),
             status->current_healthy == status->desired_healthy
                 ? "run more replicas, or lower minAvailable"
                 : NULL);
    pods = why_list(why, &kind_pod, budget->metadata.namespace,
                    selector_from_api(why->arena, budget->spec.selector));
    why_follow_pods(why, &pods, NULL);
}
