/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the running pods of the node: which of them, which containers they have and which cgroups
 * belong to them is written down on the loop; a thread of the pool reads the files; and the result comes
 * back on the loop. Everything that the node reports about use is printed from such a pass.
 */
#ifndef NODE_METRICS_COLLECT_H
#define NODE_METRICS_COLLECT_H

#include <sys/statvfs.h>
#include <uv.h>

#include "api/usage.h"
#include "node/metrics/cgroup_stats.h"
#include "node/pod/agent.h"

typedef struct CollectedContainer {
    size_t index; /* in the machine of the pod */
    const char *name, *id, *image, *cgroup;
    int64_t started_ns; /* wall */
    int64_t at_ns;      /* mono: when the files were read */
    CgroupStats stats;
} CollectedContainer;

typedef struct CollectedVolume {
    const char *name, *claim, *path; /* claim NULL: it is not one of a claim */
    bool known;
    struct statvfs fs;
} CollectedVolume;

/* What the other end of a pod's link counts, so that "in" is what the pod has received. */
typedef struct CollectedLink {
    bool known;
    uint64_t bytes_in, bytes_out, packets_in, packets_out, errors_in, errors_out, drops_in,
        drops_out;
} CollectedLink;

typedef struct CollectedPod {
    AgentPod *pod; /* a reference */
    Object *object;
    const char *cgroup, *link; /* NULL: the pod has no link of its own */
    CollectedContainer *containers;
    size_t n;
    CollectedVolume *volumes;
    size_t n_volumes;
    CgroupStats stats; /* only if detailed */
    CollectedLink network;
} CollectedPod;

typedef struct Collection Collection;

/* A range of the pods. The first part reads what is of the node, too. */
typedef struct CollectPart {
    Collection *collection;
    size_t from, to;
    uv_work_t work;
} CollectPart;

typedef void (*CollectDone)(Collection *collection);
struct Collection {
    NodeAgent *agent;
    Arena arena;
    CollectedPod *pods; /* sorted by namespace and name */
    size_t n;
    CgroupStats node;
    uint64_t memory_total, memory_available;
    struct statvfs node_fs;
    int64_t wall_ns; /* when the pass began */
    int64_t mono_ns, node_at_ns;
    bool detailed;
    CollectDone done; /* NULL: nobody waits for the result any more */
    void *data;
    CgroupPlace place;
    CollectPart *parts; /* read by different threads of the pool */
    size_t n_parts, reading;
    int64_t began_ns; /* by the clock of the machine, which the pool may ask */
};

/* `detailed`: with all that the kernel counts, also for whole pods, their volumes and links. The
 * collection is freed after `done`, which is never called before this returns. */
Collection *collect_start(NodeAgent *agent, const UsageQuery *query, bool detailed,
                          CollectDone done, void *data);
void collect_cancel(Collection *collection);

/* usage.c: the rate at which a container uses CPU, in billionths of a core; false: unknown. Keeps the
 * sample for the next time. */
bool collected_rate(const Collection *c, const CollectedPod *pod,
                    const CollectedContainer *container, int64_t *ret_rate, int64_t *ret_window_ns);
uint64_t collected_node_memory(const Collection *c);
/* The agent is a UsageSource from here on. */
void usage_start(NodeAgent *agent);

#endif
