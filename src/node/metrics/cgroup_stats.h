/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what the kernel counts for a cgroup, under cgroup v1, v2, and the hybrid of both. All functions
 * block for a short time and use no state, so they may run in the pool. */
#ifndef NODE_METRICS_CGROUP_STATS_H
#define NODE_METRICS_CGROUP_STATS_H

#include "base/base.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

typedef struct CgroupStats {
    bool has_cpu, has_memory;
    uint64_t cpu_ns;                            /* used since the start */
    uint64_t memory_usage, memory_working, rss; /* working: what cannot be reclaimed at once */
    /* These are filled if `detailed` is set. */
    uint64_t user_ns, system_ns;
    uint64_t periods, throttled_periods, throttled_ns;
    uint64_t cache, swap, mapped, max_usage, failures, memory_limit; /* limit 0: none */
    uint64_t page_faults, major_faults, oom_kills;
    uint64_t threads, processes;
    uint64_t read_bytes, written_bytes, reads, writes;
    uint64_t shares, period_us, quota_us; /* 0: no quota */
} CgroupStats;

/* Where cgroups are: found once for many of them. `root` is CGROUP_ROOT except in tests. */
typedef struct CgroupPlace {
    const char *root;
    bool two; /* cgroup v2 */
} CgroupPlace;
CgroupPlace cgroup_place(const char *root);
/* `cgroup` is "" or begins with a slash. */
void cgroup_stats_read(CgroupPlace at, const char *cgroup, bool detailed, CgroupStats *ret);

/* The number in the line "name 123" or "name: 123" of a text of such lines; false: there is none. */
bool stats_row(const char *text, const char *name, uint64_t *ret);
/* Reads a small file into the buffer, which it ends with a NUL; longer files are cut. */
bool stats_file(const char *path, char *buf, size_t size);

#endif
