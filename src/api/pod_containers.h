/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of a pod by how long they run. */
#ifndef API_POD_CONTAINERS_H
#define API_POD_CONTAINERS_H

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/base.h"

/* The annotation of a pod that a node has by itself, and which the API only shows. */
#define POD_MIRROR_ANNOTATION "kubernetes.io/config.mirror"

/* Whether an init container keeps running beside the containers of the pod. */
static inline bool container_is_sidecar(const Container *container)
{
    return str_equal(container->restart_policy, "Always");
}

/* Goes through the containers that run as long as the pod does and so keep their ports: first the
 * regular ones, then the sidecars. *next begins with 0; NULL: there are no more. */
static inline const Container *pod_next_lasting(const PodSpec *spec, size_t *next)
{
    size_t i = (*next)++;

    if (i < spec->containers.n)
        return &spec->containers.v[i];
    for (i -= spec->containers.n; i < spec->init_containers.n; i = (*next)++ - spec->containers.n)
        if (container_is_sidecar(&spec->init_containers.v[i]))
            return &spec->init_containers.v[i];
    return NULL;
}

#endif
