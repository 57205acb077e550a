/* SPDX-License-Identifier: Apache-2.0 */
/* May a pod run on a node? The pure part of the scheduler: filters over plain structs. */
#ifndef CONTROL_SCHEDULER_H
#define CONTROL_SCHEDULER_H

#include "api/generated.h"
#include "base/arena.h"

typedef struct ClaimLookup ClaimLookup;
struct ClaimLookup {
    const PersistentVolumeClaim *(*find)(const ClaimLookup *lookup, const char *ns,
                                         const char *name);
};

typedef struct ScheduleInput {
    const Pod *pod;
    const Node *node; /* NULL: there is none */
    const Pod *
        *placed; /* pods on the node, or about to be, that have not ended; without pod itself */
    size_t n_placed;
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
