/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this node accepts a pod that is bound to it. The scheduler has checked most of this, but it does not see a pod
 * whose author has set spec.nodeName. A pod that is not admitted fails for good. Reasons and texts are kubelet's.
 */
#ifndef NODE_POD_ADMIT_H
#define NODE_POD_ADMIT_H

#include "api/schema/core_pod_v1.h"
#include "base/error.h"

/* others: the pods of this node that have not ended. Returns 0, or a negative result with the message in *reterr and a
 * string constant in *ret_reason. */
int pod_admit(const Pod *pod, const Pod *const *others, size_t n_others, const char **ret_reason,
              Err *reterr);

#endif
