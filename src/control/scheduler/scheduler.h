/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a pod may run on a node: the pure part of the scheduler, filters over plain structs. */
#ifndef CONTROL_SCHEDULER_SCHEDULER_H
#define CONTROL_SCHEDULER_SCHEDULER_H

#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/arena.h"
#include "control/object_index.h"

typedef struct ClaimLookup ClaimLookup;
struct ClaimLookup {
    const PersistentVolumeClaim *(*find)(const ClaimLookup *lookup, const char *ns,
                                         const char *name);
};

/* The resources that a pod requests. */
typedef struct Demand {
    int64_t milli_cpu, memory, storage;
} Demand;

Demand schedule_demand(const Pod *pod);

/* The pods that are on the node, or about to be, and have not ended. placed_put() also replaces a pod
 * that has changed. */
typedef struct Placed Placed;
Placed *placed_new(void);
Placed *placed_free(Placed *placed);
void placed_put(Placed *placed, Object *pod);
void placed_remove(Placed *placed, const Object *pod); /* no effect if it is absent */
bool placed_has(const Placed *placed, const Object *pod);
size_t placed_count(const Placed *placed);
Demand placed_used(const Placed *placed);
bool placed_port_is_taken(const Placed *placed, const ContainerPort *port);

typedef struct ScheduleInput {
    const Pod *pod;
    const Node *node;        /* NULL if there is none */
    const Placed *placed;    /* without the pod itself */
    const ObjectIndex *pods; /* the shared index of pods */
    const ClaimLookup *claims;
    Arena *arena;
} ScheduleInput;

/* NULL if the pod may run, otherwise the reason, in the words of kube-scheduler. *ret_soon says that
 * only unbound claims are in the way; binding takes milliseconds, so it is too early for an Event. */
const char *schedule_check(const ScheduleInput *input, bool *ret_soon);

/* Two parts of it for DaemonSets: whether the pod's nodeSelector and affinity match the node, and
 * whether it tolerates all taints of the node with this effect. */
bool schedule_node_is_wanted(const Pod *pod, const Node *node);
bool schedule_tolerates(const Pod *pod, const Node *node, const char *effect);

#endif
