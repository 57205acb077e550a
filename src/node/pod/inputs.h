/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects besides itself from which a pod is made, as a table of kinds. The node watches each
 * kind; when an object changes, the pods that use it react.
 *
 * Node and Service are not in the table: what a pod reads from its Node does not change while the
 * node runs, and as under Kubernetes, variables of Services are set only when a container starts.
 */
#ifndef NODE_POD_INPUTS_H
#define NODE_POD_INPUTS_H

#include "api/object.h"
#include "api/schema/core_pod_v1.h"

#define POD_INPUTS 5

typedef enum PodUse {
    /* files in its volumes come from the object and follow it while the pod runs */
    POD_USES_FILES = 1,
    /* preparing the pod or starting a container may have to wait for the object */
    POD_USES_START = 2,
} PodUse;

typedef struct PodInput {
    const char *kind; /* of group "", version v1 */
    /* What the pod uses the object for (a combination of PodUse), or 0. The caller has checked
     * that both are in the same namespace, or that the kind has none. */
    unsigned (*uses)(const Pod *pod, const Object *object);
} PodInput;

extern const PodInput pod_inputs[POD_INPUTS];

#endif
