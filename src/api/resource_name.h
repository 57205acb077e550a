/* SPDX-License-Identifier: Apache-2.0 */
/* Names of resources, such as cpu, hugepages-2Mi, services.nodeports and example.com/gpu: which ones
 * exist, and where each may be used. */
#ifndef API_RESOURCE_NAME_H
#define API_RESOURCE_NAME_H

#include "base/base.h"

/* Kubernetes defines it without a domain. */
bool resource_is_standard(const char *name);
bool resource_is_huge_pages(const char *name);
/* Kubernetes defines it: it has no domain, or that of Kubernetes. */
bool resource_is_native(const char *name);
/* A resource of the cluster's own, by a name that quotas can refer to with "requests." before it. */
bool resource_is_extended(const char *name);
/* Its limits may exceed its requests. */
bool resource_may_overcommit(const char *name);
/* Containers, and quotas, may name it without a domain. */
bool resource_is_for_containers(const char *name);
bool resource_is_for_quotas(const char *name);
/* It is counted, and so has no fractions. */
bool resource_is_whole(const char *name);

#endif
