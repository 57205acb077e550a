/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a pod may run on a node: the pure part of the scheduler, filters over plain structs. */
#ifndef CONTROL_SCHEDULER_SCHEDULER_H
#define CONTROL_SCHEDULER_SCHEDULER_H

#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "base/arena.h"
#include "control/object_index.h"

typedef enum ClaimWait {
    CLAIM_BINDS_ALONE,   /* nothing: its class does not wait for a pod */
    CLAIM_AWAITS_NODE,   /* select the node: a volume is then chosen or provisioned */
    CLAIM_HAS_NO_VOLUME, /* its class provisions no volumes, and none suits it */
} ClaimWait;

typedef struct DeviceResourceClaim DeviceResourceClaim;
typedef struct ClaimLookup ClaimLookup;
struct ClaimLookup {
    const PersistentVolumeClaim *(*find)(const ClaimLookup *lookup, const char *ns,
                                         const char *name);
    /* What the scheduler has to do for a claim that is not bound. */
    ClaimWait (*wait)(const ClaimLookup *lookup, const PersistentVolumeClaim *claim);
    /* The volume, or NULL. */
    const PersistentVolume *(*volume)(const ClaimLookup *lookup, const char *name);
    /* The ResourceClaim, or NULL. */
    const DeviceResourceClaim *(*devices)(const ClaimLookup *lookup, const char *ns,
                                          const char *name);
};

/* The resources that a pod requests. */
typedef struct Demand {
    int64_t milli_cpu, memory, storage;
} Demand;

Demand schedule_demand(const Pod *pod);
/* What a pod requests besides: extended resources and huge pages. */
StringMap schedule_other_requests(Arena *arena, const Pod *pod);

/* The pods that are on the node, or about to be, and have not ended. placed_put() also replaces a pod
 * that has changed; it returns whether the pod takes less of something than before. */
typedef struct Placed Placed;
Placed *placed_new(void);
Placed *placed_free(Placed *placed);
bool placed_put(Placed *placed, Object *pod);
void placed_remove(Placed *placed, const Object *pod); /* no effect if it is absent */
bool placed_has(const Placed *placed, const Object *pod);
size_t placed_count(const Placed *placed);
Demand placed_used(const Placed *placed);
/* How much the pods use of a resource that is not part of Demand. */
int64_t placed_used_of(const Placed *placed, const char *resource);
void placed_each(const Placed *placed, void (*each)(void *data, Object *object), void *data);
bool placed_port_is_taken(const Placed *placed, const ContainerPort *port);

typedef struct ScheduleInput {
    const Pod *pod;
    const Node *node;        /* NULL if there is none */
    const Placed *placed;    /* without the pod itself */
    const ObjectIndex *pods; /* the shared index of pods */
    const ClaimLookup *claims;
    Arena *arena;
} ScheduleInput;

typedef struct ScheduleOutcome {
    bool
        soon; /* only claims that are about to be bound are in the way, which takes milliseconds, so it
                  is too early for an Event */
    const char *reasons;                  /* the message without what it says of preemption */
    bool preemptible;                     /* the pod might fit if others went */
    const PersistentVolumeClaim **claims; /* those for which the node has to be selected first */
    size_t n_claims;
} ScheduleOutcome;

/* NULL if the pod may run once the claims of the outcome are bound, otherwise the reason, in the words
 * of kube-scheduler. */
const char *schedule_check(const ScheduleInput *input, ScheduleOutcome *ret);

/* Two parts of it for DaemonSets: whether the pod's nodeSelector and affinity match the node, and
 * whether it tolerates all taints of the node with this effect. */
bool schedule_node_is_wanted(const Pod *pod, const Node *node);
bool schedule_tolerates(const Pod *pod, const Node *node, const char *effect);
/* The first toleration of the pod for the taint, or NULL. */
const Toleration *schedule_toleration(const Pod *pod, const Taint *taint);

#endif
