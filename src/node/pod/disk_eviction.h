/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pods write to the machine's disk, and the pods that write too much.
 *
 * A pod writes to the root folders of its containers, its logs, its emptyDirs, and a few files that
 * the node makes for it (/etc/hosts, termination messages). As under kubelet, a pod that uses more
 * than its limits of ephemeral-storage, or more of an emptyDir than its sizeLimit, is evicted, in
 * kubelet's words; and so is, when the file system has less room left than the reserve, the pod
 * that uses most of it beyond its requests.
 *
 * The rules are pure functions over what was measured, for tests; disk_eviction.c measures.
 */
#ifndef NODE_POD_DISK_EVICTION_H
#define NODE_POD_DISK_EVICTION_H

#include "base/arena.h"
#include "node/pod/agent.h"

/* --disk-reserve if it is not given: this, or the twentieth part of the file system. */
#define DISK_RESERVE_MOST ((uint64_t)1 << 30)

typedef struct StorageUse {
    const char *name;             /* of the container or volume */
    StringArray folders;          /* what is measured */
    const char *limit_text;       /* as the user wrote it; NULL: none */
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

/* What the pod is to keep: limits and requests of its spec. */
void storage_pod_plan(const PodSpec *spec, Arena *arena, StoragePod *ret);
bool storage_has_limits(const PodSpec *spec);
/* The message of an eviction; NULL: it keeps its limits. */
const char *storage_over_limit(const StoragePod *pod, Arena *arena);
/* Which of the pods goes first where room is short: SIZE_MAX where none would help. */
size_t storage_pick(const StoragePod *pods, size_t n);
const char *storage_pressure_message(const StoragePod *pod, uint64_t reserve, uint64_t available,
                                     Arena *arena);
/* Nanoseconds until the next look. */
int64_t storage_next_look(uint64_t available, uint64_t reserve, bool limits);

/* A pod runs: from now on there are looks, until none does. */
void storage_watch(AgentPod *pod);
void storage_stop(NodeAgent *agent);

#endif
