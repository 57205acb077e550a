/* SPDX-License-Identifier: Apache-2.0 */
/* May a pod run on a node? The pure part of the scheduler: filters over plain structs. */
#ifndef CONTROL_SCHEDULER_SCHEDULER_H
#define CONTROL_SCHEDULER_SCHEDULER_H

#include "api/generated.h"
#include "base/arena.h"
#include "control/object_index.h"

typedef struct ClaimLookup ClaimLookup;
struct ClaimLookup {
    const PersistentVolumeClaim *(*find)(const ClaimLookup *lookup, const char *ns,
                                         const char *name);
};

/* What a pod asks for. */
typedef struct Demand {
    int64_t milli_cpu, memory, storage;
} Demand;

Demand schedule_demand(const Pod *pod);

/* The pods that are on the node, or about to be, and have not ended. Each may be put again when it
 * has changed. */
typedef struct Placed Placed;
Placed *placed_new(void);
Placed *placed_free(Placed *placed);
void placed_put(Placed *placed, Object *pod);
void placed_remove(Placed *placed, const Object *pod); /* does nothing if it is not there */
bool placed_has(const Placed *placed, const Object *pod);
size_t placed_count(const Placed *placed);
Demand placed_used(const Placed *placed);
bool placed_port_is_taken(const Placed *placed, const ContainerPort *port);

typedef struct ScheduleInput {
    const Pod *pod;
    const Node *node;        /* NULL: there is none */
    const Placed *placed;    /* without pod itself */
    const ObjectIndex *pods; /* of all pods; see shared_index_keys */
    const ClaimLookup *claims;
    Arena *arena;
} ScheduleInput;

/* NULL: it may. Otherwise why not, in kube-scheduler's words. *ret_soon: only because claims are
 * being bound, which is a matter of milliseconds and nothing to tell of yet. */
const char *schedule_check(const ScheduleInput *input, bool *ret_soon);

/* Parts of it, for daemons: do the pod's nodeSelector and affinity want this node, and does it
 * tolerate all of the node's taints of this effect? */
bool schedule_node_is_wanted(const Pod *pod, const Node *node);
bool schedule_tolerates(const Pod *pod, const Node *node, const char *effect);

#endif
