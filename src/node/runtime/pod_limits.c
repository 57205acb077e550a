/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a pod as a whole and of its containers, set in their cgroups. Those of a pod are spec.resources,
 * and the number of processes, so that one pod cannot use up those of the machine. crun creates the
 * cgroup of the pod together with the first container, so the limits are set whenever a container has been
 * created, before it starts. crun sets the limits of a container, too; here they are changed while it
 * runs. cgroup v1 and v2 are supported.
 */
#include <fcntl.h>

#include "api/object.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "node/runtime/pod_limits.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CPU_PERIOD 100000

static bool put(const char *folder, const char *cgroup, const char *file, const char *text)
{
    _free_ char *path = mem_printf(CGROUP_ROOT "%s%s/%s", folder, cgroup, file);
    _close_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) >= 0;
}

/* 0: no limit. */
static bool put_memory(const char *cgroup, int64_t limit)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, limit ? limit : -1);
    return put("/memory", cgroup, "memory.limit_in_bytes", text) ||
           put("", cgroup, "memory.max", limit ? text : "max");
}

/* 0: no limit. */
static bool put_cpu(const char *cgroup, int64_t milli)
{
    char one[32], two[64];
    int64_t quota = milli ? MAX_OF(milli * CPU_PERIOD / 1000, 1000) : -1;

    snprintf(one, sizeof(one), "%" PRId64, quota);
    snprintf(two, sizeof(two), "%" PRId64 " %d", quota, CPU_PERIOD);
    return (put("/cpu", cgroup, "cpu.cfs_period_us", "100000") &&
            put("/cpu", cgroup, "cpu.cfs_quota_us", one)) ||
           put("", cgroup, "cpu.max", milli ? two : "max 100000");
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

/* ---- while it runs ---- */

static int64_t amount(const StringMap *amounts, const char *name)
{
    return resource_amount(name, string_map_get(amounts, name));
}

/* One of the two resources, and how it is written to a cgroup. */
typedef struct Lever {
    const char *name;
    bool (*put_limit)(const char *cgroup, int64_t limit);
    bool (*put_request)(const char *cgroup, int64_t request); /* NULL: no cgroup knows requests */
} Lever;

static const Lever levers[] = {
    {"memory", put_memory, NULL},
    {"cpu", put_cpu, put_cpu_share},
};

/* Limits that become smaller, or that are new, count as a decrease. */
static bool decreases(int64_t from, int64_t to)
{
    return to && (!from || to < from);
}

typedef struct Change {
    const LimitChange *of;
    int64_t limit_from, limit_to, request_from, request_to;
} Change;

static Change change_of(const Lever *lever, const LimitChange *of)
{
    Change change = {.of = of};
    bool cpu = lever->put_request != NULL;

    change.limit_from = amount(&of->from->limits, lever->name);
    change.limit_to = amount(&of->to->limits, lever->name);
    change.request_from = amount(&of->from->requests, lever->name);
    change.request_to = amount(&of->to->requests, lever->name);
    /* As when a container is started, its share follows from the limit if there is no request. */
    if (cpu && !string_map_get(&of->from->requests, lever->name))
        change.request_from = change.limit_from;
    if (cpu && !string_map_get(&of->to->requests, lever->name))
        change.request_to = change.limit_to;
    return change;
}

/* The number in a file of a cgroup, under v1 or v2; 0: the file is missing, or says that there is no
 * limit. */
static int64_t get(const char *cgroup, const char *one, const char *two)
{
    const char *const files[] = {one, two};
    int64_t number = 0;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _free_ char *path = i == 0 ? mem_printf(CGROUP_ROOT "/%.*s%s%s", (int)strcspn(one, "/"),
                                                one, cgroup, strchr(one, '/'))
                                   : mem_printf(CGROUP_ROOT "%s/%s", cgroup, two);
        _free_ char *text = NULL;
        size_t n;

        if (file_read(path, 64, &text, &n) < 0)
            continue;
        text[strcspn(text, " \n")] = 0;
        return str_to_int64(text, 0, INT64_MAX, &number) == 0 ? number : 0;
    }
    return 0;
}

/* Without a limit, cgroup v1 says the largest multiple of a page. */
#define MEMORY_UNLIMITED (INT64_C(1) << 60)

/* Of a pod, what it had before is not recorded, so it is read from the kernel. */
static Change change_of_pod(const Lever *lever, const LimitChange *of)
{
    Change change = change_of(lever, of);

    if (lever->put_request) {
        change.limit_from = get(of->cgroup, "cpu/cpu.cfs_quota_us", "cpu.max") * 1000 / CPU_PERIOD;
    } else {
        change.limit_from = get(of->cgroup, "memory/memory.limit_in_bytes", "memory.max");
        if (change.limit_from >= MEMORY_UNLIMITED)
            change.limit_from = 0;
    }
    return change;
}

static int put_change(const Lever *lever, const Change *change, Err *reterr)
{
    const LimitChange *of = change->of;
    const char *what = NULL;

    if (lever->put_request && (of->always || change->request_from != change->request_to) &&
        !lever->put_request(of->cgroup, change->request_to))
        what = "request";
    /* A limit that a pod does not have as a whole is left alone. */
    if ((change->limit_from != change->limit_to || (of->always && change->limit_to)) &&
        !lever->put_limit(of->cgroup, change->limit_to))
        what = "limit";
    if (!what)
        return 0;
    return err_set(reterr, errno, "cannot set the %s %s of %s%s%s", lever->name, what,
                   of->name ? "container \"" : "the pod", str_or(of->name, ""),
                   of->name ? "\"" : "");
}

static int put_containers(const Lever *lever, const LimitChange *containers, size_t n,
                          bool decreasing, Err *reterr)
{
    for (size_t i = 0; i < n; i++) {
        Change change = change_of(lever, &containers[i]);
        int r;

        if (decreases(change.limit_from, change.limit_to) != decreasing)
            continue;
        r = put_change(lever, &change, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Refuses limits of memory below what is used now, since the kernel would kill processes. */
static int check_usage(const LimitChange *pod, const LimitChange *containers, size_t n, Err *reterr)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    size_t found = 0;

    for (size_t i = 0; i < n + 1; i++) {
        const LimitChange *of = i == 0 ? pod : &containers[i - 1];
        Change change;
        int64_t used;

        if (!of)
            continue;
        change = i == 0 ? change_of_pod(&levers[0], of) : change_of(&levers[0], of);
        if (!decreases(change.limit_from, change.limit_to))
            continue;
        used = get(of->cgroup, "memory/memory.usage_in_bytes", "memory.current");
        if (used < change.limit_to)
            continue;
        strbuf_printf(&text, "%sattempting to set ", found++ ? ", " : "");
        if (of->name)
            strbuf_printf(&text, "container \"%s\"", of->name);
        else
            strbuf_add_string(&text, "pod");
        strbuf_printf(&text, " memory limit (%" PRId64 ") below current usage (%" PRId64 ")",
                      change.limit_to, used);
    }
    if (!found)
        return 0;
    return err_set(reterr, 0,
                   found > 1 ? "cannot decrease memory limits: [%s]"
                             : "cannot decrease memory limits: %s",
                   strbuf_string(&text));
}

int limits_change(const LimitChange *pod, const LimitChange *containers, size_t n, Err *reterr)
{
    int r = check_usage(pod, containers, n, reterr);

    for (size_t i = 0; i < ARRAY_LEN(levers) && r >= 0; i++) {
        const Lever *lever = &levers[i];
        Change own = pod ? change_of_pod(lever, pod) : (Change){0};
        bool smaller = decreases(own.limit_from, own.limit_to);

        /* The cgroup of the pod has to have room for its containers at any time. */
        if (pod && !smaller)
            r = put_change(lever, &own, reterr);
        if (r >= 0)
            r = put_containers(lever, containers, n, true, reterr);
        if (r >= 0)
            r = put_containers(lever, containers, n, false, reterr);
        if (r >= 0 && pod && smaller)
            r = put_change(lever, &own, reterr);
    }
    return r;
}
