/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface through which the server and the controllers learn how much CPU and memory pods and
 * the node use. The node implements it. Nothing is measured before somebody asks: memory is what is
 * used at that time, and CPU is the average since an earlier measurement, or since the start of the
 * container if there is none. The result says how long this time, the window, was.
 */
#ifndef API_USAGE_H
#define API_USAGE_H

#include "api/object.h"
#include "api/selector.h"

typedef struct UsageSource UsageSource;
typedef struct UsageRead UsageRead;

typedef struct ContainerUsage {
    const char *name;
    int64_t cpu; /* in billionths of a core */
    int64_t memory;
} ContainerUsage;

typedef struct PodUsage {
    Object *pod; /* borrowed for the duration of the callback */
    int64_t at_ns, window_ns;
    const ContainerUsage *v; /* the running containers */
    size_t n;
} PodUsage;

typedef struct Usage {
    const PodUsage *pods; /* sorted by namespace and name */
    size_t n_pods;
    /* Of the node. window_ns is 0 if its CPU has not been measured for long enough. */
    int64_t at_ns, window_ns, cpu, memory;
} Usage;

/* Which pods are meant. Pods of which a container was started a moment ago are left out, since
 * their use of CPU is not known yet. */
typedef struct UsageQuery {
    const char *ns, *name;  /* NULL: all */
    const Selector *labels; /* NULL: all */
    bool node_only;         /* no pods */
} UsageQuery;

typedef void (*UsageDone)(void *data, const Usage *usage);

typedef struct UsageOps {
    /* Reads files in the pool, and calls back on the loop, never before it returns. */
    UsageRead *(*read)(UsageSource *source, const UsageQuery *query, UsageDone done, void *data);
    void (*cancel)(UsageRead *read); /* no callback after this */
} UsageOps;

struct UsageSource {
    const UsageOps *ops;
};

#endif
