/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that a pod is made from, besides itself: a table of kinds. The node watches each of
 * them; when one changes, the pods that read it are told.
 *
 * Node and Service are not in it. What a pod is told of its Node never changes while the node runs,
 * and variables of Services are for containers that start later, as under Kubernetes.
 */
#ifndef NODE_POD_INPUTS_H
#define NODE_POD_INPUTS_H

#include "api/object.h"

#define POD_INPUTS 5

typedef enum PodUse {
    POD_USES_FILES = 1, /* files in its volumes come from it: they follow while the pod runs */
    POD_USES_START = 2, /* preparing the pod, or starting a container, may wait for it */
} PodUse;

typedef struct PodInput {
    const char *kind; /* of group "", version v1 */
    /* What the pod uses the object for: PodUse, or 0. They are of the same namespace, or the kind
     * has none. */
    unsigned (*uses)(const Pod *pod, const Object *object);
} PodInput;

extern const PodInput pod_inputs[POD_INPUTS];

#endif
