/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures what pods write to the disk of the machine, and evicts those that write too much.
 *
 * A pod writes to the root folders of its containers, to its logs and emptyDirs, and to a few
 * files that the node makes for it (/etc/hosts, termination messages). As under kubelet, and with
 * its messages, a pod is evicted if it exceeds its limits of ephemeral-storage or the sizeLimit of
 * an emptyDir. If the file system has less room than the reserve, the pod that exceeds its
 * requests most is evicted.
 *
 * The rules are pure functions over the measurements (disk_eviction_plan.c); disk_eviction.c
 * measures.
 */
#ifndef NODE_POD_DISK_EVICTION_H
#define NODE_POD_DISK_EVICTION_H

#include "api/schema/core_pod_v1.h"
#include "base/arena.h"
#include "node/pod/agent.h"

/* The default of --disk-reserve: this, but at most a twentieth of the file system. */
#define DISK_RESERVE_MOST ((uint64_t)1 << 30)
struct statvfs;
/* What is reserved of this file system for the machine: --disk-reserve, or its default. */
uint64_t storage_reserve(const NodeAgent *agent, const struct statvfs *fs);

typedef struct StorageUse {
    const char *name;             /* name of the container or volume */
    StringArray folders;          /* the folders that are measured */
    const char *limit_text;       /* the limit as the user wrote it; NULL if there is none */
    int64_t limit, request, used; /* limit 0: none */
    bool empty_dir;               /* else a container */
} StorageUse;

typedef struct StoragePod {
    StorageUse *v;
    size_t n;
    StringArray others; /* more folders of the pod */
    int64_t others_used;
    int64_t limit, request; /* of all its containers; limit 0: none */
    int32_t priority;
} StoragePod;

/* Reads the limits and requests of the pod. */
void storage_pod_plan(const PodSpec *spec, Arena *arena, StoragePod *ret);
bool storage_has_limits(const PodSpec *spec);
/* The message of the eviction if the pod exceeds a limit, or NULL. */
const char *storage_over_limit(const StoragePod *pod, Arena *arena);
/* The index of the pod to evict when room is short; SIZE_MAX if evicting would not help. */
size_t storage_pick(const StoragePod *pods, size_t n);
const char *storage_pressure_message(const StoragePod *pod, uint64_t reserve, uint64_t available,
                                     Arena *arena);
/* The time until the next check in nanoseconds. */
int64_t storage_next_look(uint64_t available, uint64_t reserve, bool limits);

/* A pod runs: checks begin, and go on while any pod runs. */
void storage_watch(AgentPod *pod);
void storage_stop(NodeAgent *agent);

#endif
