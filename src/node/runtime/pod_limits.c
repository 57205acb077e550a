/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a pod as a whole, set in the cgroup that its containers share: spec.resources, and
 * the number of processes, so that one pod cannot use up those of the machine. crun creates this
 * cgroup together with the first container, so the limits are set whenever a container has been
 * created, before it starts. cgroup v1 and v2 are supported. */
#include <fcntl.h>

#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "node/runtime/pod_limits.h"

#define CPU_PERIOD 100000

static bool put(const char *folder, const char *cgroup, const char *file, const char *text)
{
    _free_ char *path = mem_printf("/sys/fs/cgroup%s%s/%s", folder, cgroup, file);
    _close_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) >= 0;
}

static bool put_memory(const char *cgroup, int64_t limit)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, limit);
    return put("/memory", cgroup, "memory.limit_in_bytes", text) ||
           put("", cgroup, "memory.max", text);
}

static bool put_cpu(const char *cgroup, int64_t milli)
{
    char one[32], two[64];
    int64_t quota = MAX_OF(milli * CPU_PERIOD / 1000, 1000);

    snprintf(one, sizeof(one), "%" PRId64, quota);
    snprintf(two, sizeof(two), "%" PRId64 " %d", quota, CPU_PERIOD);
    return put("/cpu", cgroup, "cpu.cfs_quota_us", one) || put("", cgroup, "cpu.max", two);
}

static bool put_cpu_share(const char *cgroup, int64_t milli)
{
    int64_t shares = MIN_OF(MAX_OF(milli * 1024 / 1000, 2), 262144);
    char one[32], two[32];

    snprintf(one, sizeof(one), "%" PRId64, shares);
    snprintf(two, sizeof(two), "%" PRId64, 1 + (shares - 2) * 9999 / 262142);
    return put("/cpu", cgroup, "cpu.shares", one) || put("", cgroup, "cpu.weight", two);
}

static bool put_pids(const char *cgroup, int64_t limit)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, limit);
    return put("/pids", cgroup, "pids.max", text) || put("", cgroup, "pids.max", text);
}

bool pod_limits_apply(const char *cgroup, const PodSpec *spec, int64_t pids)
{
    const ResourceRequirements *r = spec->resources;
    const char *memory = r ? string_map_get(&r->limits, "memory") : NULL;
    const char *cpu = r ? string_map_get(&r->limits, "cpu") : NULL;
    const char *share = r ? string_map_get(&r->requests, "cpu") : NULL;
    bool ok = put_pids(cgroup, pids);

    if (memory)
        ok = put_memory(cgroup, quantity_value(memory)) && ok;
    if (cpu)
        ok = put_cpu(cgroup, quantity_milli(cpu)) && ok;
    if (share)
        ok = put_cpu_share(cgroup, quantity_milli(share)) && ok;
    return ok;
}
