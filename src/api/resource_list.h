/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts of resources, as maps of names to quantities, and what pods ask for. */
#ifndef API_RESOURCE_LIST_H
#define API_RESOURCE_LIST_H

#include "base/text_map.h"
#include "codec/type.h"

typedef struct Pod Pod;
typedef struct PodSpec PodSpec;
typedef struct ResourceRequirements ResourceRequirements;

/* An amount of this resource as a number: thousandths of CPUs, units of all others; 0 for NULL. */
int64_t resource_amount(const char *name, const char *quantity);
/* Whether both ask for the same; NULL asks for nothing. */
bool requirements_equal(const ResourceRequirements *a, const ResourceRequirements *b);

/* Amounts under way: each addition is in proportion to what is added. */
typedef struct ResourceSum {
    TextMap amounts; /* name -> quantity */
} ResourceSum;

#define RESOURCE_SUM_INIT(a)         \
    {                                \
        .amounts = TEXT_MAP_INIT(a), \
    }

void resource_sum_put(ResourceSum *sum, const char *name, const char *quantity);
void resource_sum_add(ResourceSum *sum, const StringMap *amounts);
void resource_sum_add_sum(ResourceSum *sum, const ResourceSum *other);
/* Each amount becomes at least this one. */
void resource_sum_raise(ResourceSum *sum, const StringMap *amounts);
void resource_sum_raise_sum(ResourceSum *sum, const ResourceSum *other);
const char *resource_sum_get(const ResourceSum *sum, const char *name); /* NULL: not there */
/* As a map, sorted by name; names and quantities are not copied. */
StringMap resource_sum_map(const ResourceSum *sum);

/*
 * The resources of a pod as a whole: init containers run one at a time before the containers, each
 * together with the sidecars started before it, and the pod needs the maximum of these phases.
 * Amounts of the pod itself take precedence.
 */
typedef struct PodDemandOptions {
    bool in_force; /* while resources are changed: the larger of what was asked for and what the
                      containers have */
    bool overhead; /* with what running the pod costs */
} PodDemandOptions;

void pod_requests(ResourceSum *sum, const Pod *pod, PodDemandOptions options);
void pod_limits(ResourceSum *sum, const Pod *pod, PodDemandOptions options);
/* The pod itself has requests or limits of the kind that a pod can have. */
bool pod_has_own_resources(const Pod *pod);
/* The node can never grant the resources that the pod asks for now. */
bool pod_resize_is_infeasible(const Pod *pod);

/* Guaranteed, Burstable or BestEffort. */
const char *pod_quality(const PodSpec *spec);

#endif
