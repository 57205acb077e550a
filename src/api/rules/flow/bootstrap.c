/* SPDX-License-Identifier: Apache-2.0 */
/* The flow schemas and priority levels that every server has from its start, with the values of
 * Kubernetes. Mandatory ones cannot be changed. */
#include "api/flow_bootstrap.h"

#include "api/schema/flowcontrol_v1.h"

/* clang-format off */
#define EVERYTHING "\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"clusterScope\":true,\"namespaces\":[\"*\"]}],\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]"

const FlowBootstrap flow_bootstrap[] = {
    {&kind_priority_level_configuration, "catch-all", true,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":5,\"limitResponse\":{\"type\":\"Reject\"},\"lendablePercent\":0}}"},
    {&kind_priority_level_configuration, "exempt", true,
     "{\"type\":\"Exempt\",\"exempt\":{\"nominalConcurrencyShares\":0,\"lendablePercent\":0}}"},
    {&kind_priority_level_configuration, "global-default", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":20,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":128,\"handSize\":6,\"queueLengthLimit\":50}},\"lendablePercent\":50}}"},
    {&kind_priority_level_configuration, "leader-election", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":10,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":16,\"handSize\":4,\"queueLengthLimit\":50}},\"lendablePercent\":0}}"},
    {&kind_priority_level_configuration, "node-high", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":40,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":64,\"handSize\":6,\"queueLengthLimit\":50}},\"lendablePercent\":25}}"},
    {&kind_priority_level_configuration, "system", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":30,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":64,\"handSize\":6,\"queueLengthLimit\":50}},\"lendablePercent\":33}}"},
    {&kind_priority_level_configuration, "workload-high", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":40,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":128,\"handSize\":6,\"queueLengthLimit\":50}},\"lendablePercent\":50}}"},
    {&kind_priority_level_configuration, "workload-low", false,
     "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":100,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":128,\"handSize\":6,\"queueLengthLimit\":50}},\"lendablePercent\":90}}"},
    {&kind_flow_schema, "catch-all", true,
     "{\"priorityLevelConfiguration\":{\"name\":\"catch-all\"},\"matchingPrecedence\":10000,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:unauthenticated\"}},{\"kind\":\"Group\",\"group\":{\"name\":\"system:authenticated\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "exempt", true,
     "{\"priorityLevelConfiguration\":{\"name\":\"exempt\"},\"matchingPrecedence\":1,\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:masters\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "global-default", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"global-default\"},\"matchingPrecedence\":9900,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:unauthenticated\"}},{\"kind\":\"Group\",\"group\":{\"name\":\"system:authenticated\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "kube-controller-manager", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"workload-high\"},\"matchingPrecedence\":800,\"distinguisherMethod\":{\"type\":\"ByNamespace\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"system:kube-controller-manager\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "kube-scheduler", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"workload-high\"},\"matchingPrecedence\":800,\"distinguisherMethod\":{\"type\":\"ByNamespace\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"system:kube-scheduler\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "kube-system-service-accounts", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"workload-high\"},\"matchingPrecedence\":900,\"distinguisherMethod\":{\"type\":\"ByNamespace\"},\"rules\":[{\"subjects\":[{\"kind\":\"ServiceAccount\",\"serviceAccount\":{\"namespace\":\"kube-system\",\"name\":\"*\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "probes", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"exempt\"},\"matchingPrecedence\":2,\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:unauthenticated\"}},{\"kind\":\"Group\",\"group\":{\"name\":\"system:authenticated\"}}],\"nonResourceRules\":[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/healthz\",\"/readyz\",\"/livez\"]}]}]}"},
    {&kind_flow_schema, "service-accounts", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"workload-low\"},\"matchingPrecedence\":9000,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:serviceaccounts\"}}]," EVERYTHING "}]}"},
    {&kind_flow_schema, "system-leader-election", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"leader-election\"},\"matchingPrecedence\":100,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"system:kube-controller-manager\"}},{\"kind\":\"User\",\"user\":{\"name\":\"system:kube-scheduler\"}},{\"kind\":\"ServiceAccount\",\"serviceAccount\":{\"namespace\":\"kube-system\",\"name\":\"*\"}}],\"resourceRules\":[{\"verbs\":[\"get\",\"create\",\"update\"],\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],\"namespaces\":[\"*\"]}]}]}"},
    {&kind_flow_schema, "system-node-high", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"node-high\"},\"matchingPrecedence\":400,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:nodes\"}}],\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"\"],\"resources\":[\"nodes\",\"nodes/status\"],\"clusterScope\":true,\"namespaces\":[\"*\"]},{\"verbs\":[\"*\"],\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],\"namespaces\":[\"*\"]}]}]}"},
    {&kind_flow_schema, "system-nodes", false,
     "{\"priorityLevelConfiguration\":{\"name\":\"system\"},\"matchingPrecedence\":500,\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":\"system:nodes\"}}]," EVERYTHING "}]}"},
};
/* clang-format on */
const size_t flow_bootstrap_n = ARRAY_LEN(flow_bootstrap);
