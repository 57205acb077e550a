/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this node takes a pod that was bound to it. The scheduler has asked most of this before;
 * a pod that names its node itself comes past it. A pod that is refused fails, and is not tried
 * again. Reasons and texts are kubelet's.
 */
#ifndef NODE_POD_ADMIT_H
#define NODE_POD_ADMIT_H

#include "api/generated.h"
#include "base/error.h"

/* others: pods of this node that have not ended. 0, or negative with the message; *ret_reason is
 * constant. */
int pod_admit(const Pod *pod, const Pod *const *others, size_t n_others, const char **ret_reason,
              Err *reterr);
/* A setting that pods may have: it is of the pod's own namespaces and takes nothing from others. */
bool sysctl_is_safe(const char *name);

#endif
