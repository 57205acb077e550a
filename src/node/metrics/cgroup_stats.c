/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over 500 pods reads some thousand files, so the paths and the contents are kept on the stack, and
 * each file is read once. The tables below say which row of which file becomes which number.
 */
#include "node/metrics/cgroup_stats.h"

#include <fcntl.h>

enum { TEXT_MAX = 8192, PATH_MOST = 1024, PAGE_LEAST = 2048 };

typedef struct Place {
    CgroupPlace at;
    const char *cgroup;
    char text[TEXT_MAX];
} Place;

typedef struct Row {
    const char *name;
    size_t offset; /* in CgroupStats */
    uint64_t scale;
} Row;
#define ROW(name, member, scale)                     \
    {                                                \
        name, offsetof(CgroupStats, member), (scale) \
    }

/* ---- files ---- */

bool stats_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t r;

    if (fd < 0)
        return false;
    /* The kernel gives away such a file by pages, of which only the last one is not nearly full. */
    do {
        r = read(fd, buf + n, size - 1 - n);
        n += r > 0 ? (size_t)r : 0;
    } while (r >= PAGE_LEAST && n < size - 1);
    close(fd);
    buf[n] = 0;
    return n > 0;
}

bool stats_row(const char *text, const char *name, uint64_t *ret)
{
    size_t length = strlen(name);

    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncmp(at, name, length) != 0 || (at[length] != ' ' && at[length] != ':'))
            continue;
        *ret = strtoull(at + length + 1, NULL, 10);
        return true;
    }
    return false;
}

/* The file of a cgroup; under v1, of the hierarchy of a controller. */
static bool read_file(Place *place, const char *controller, const char *file)
{
    char path[PATH_MOST];
    int n = place->at.two
                ? snprintf(path, sizeof(path), "%s%s/%s", place->at.root, place->cgroup, file)
                : snprintf(path, sizeof(path), "%s/%s%s/%s", place->at.root, controller,
                           place->cgroup, file);

    return n > 0 && (size_t)n < sizeof(path) && stats_file(path, place->text, sizeof(place->text));
}

static bool read_number(Place *place, const char *controller, const char *file, uint64_t *ret)
{
    char *end;
    uint64_t v;

    if (!read_file(place, controller, file))
        return false;
    v = strtoull(place->text, &end, 10);
    if (end == place->text) /* "max" */
        return false;
    *ret = v;
    return true;
}

static void take_rows(const Place *place, const Row *rows, size_t n, CgroupStats *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t *to = (uint64_t *)(void *)((char *)ret + rows[i].offset), v;

        if (stats_row(place->text, rows[i].name, &v))
            *to = v * rows[i].scale;
    }
}

/* ---- cgroup v1 ---- */

static const Row memory_rows_one[] = {
    ROW("total_rss", rss, 1),
    ROW("total_cache", cache, 1),
    ROW("total_swap", swap, 1),
    ROW("total_mapped_file", mapped, 1),
    ROW("total_pgfault", page_faults, 1),
    ROW("total_pgmajfault", major_faults, 1),
};
static const Row cpu_rows_one[] = {
    ROW("nr_periods", periods, 1),
    ROW("nr_throttled", throttled_periods, 1),
    ROW("throttled_time", throttled_ns, 1),
};
static const Row oom_rows_one[] = {ROW("oom_kill", oom_kills, 1)};

/* Sums the lines "8:0 Read 123" over all devices. */
static void add_io_one(const Place *place, uint64_t *reads, uint64_t *writes)
{
    for (const char *at = place->text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        const char *word = at + strcspn(at, " \n");

        if (strncmp(word, " Read ", 6) == 0)
            *reads += strtoull(word + 6, NULL, 10);
        else if (strncmp(word, " Write ", 7) == 0)
            *writes += strtoull(word + 7, NULL, 10);
    }
}

/* The kernel shows a limit of "none" as the largest number of whole pages. */
static uint64_t limit_or_none(uint64_t v)
{
    return v > INT64_MAX / 2 ? 0 : v;
}

static void read_details_one(Place *place, CgroupStats *ret)
{
    uint64_t v;

    (void)read_number(place, "cpuacct", "cpuacct.usage_user", &ret->user_ns);
    (void)read_number(place, "cpuacct", "cpuacct.usage_sys", &ret->system_ns);
    if (read_file(place, "cpu", "cpu.stat"))
        take_rows(place, cpu_rows_one, ARRAY_LEN(cpu_rows_one), ret);
    (void)read_number(place, "cpu", "cpu.shares", &ret->shares);
    (void)read_number(place, "cpu", "cpu.cfs_period_us", &ret->period_us);
    if (read_number(place, "cpu", "cpu.cfs_quota_us", &v))
        ret->quota_us = limit_or_none(v); /* -1 */
    (void)read_number(place, "memory", "memory.max_usage_in_bytes", &ret->max_usage);
    (void)read_number(place, "memory", "memory.failcnt", &ret->failures);
    if (read_number(place, "memory", "memory.limit_in_bytes", &v))
        ret->memory_limit = limit_or_none(v);
    if (read_file(place, "memory", "memory.oom_control"))
        take_rows(place, oom_rows_one, ARRAY_LEN(oom_rows_one), ret);
    if (read_file(place, "blkio", "blkio.throttle.io_service_bytes"))
        add_io_one(place, &ret->read_bytes, &ret->written_bytes);
    if (read_file(place, "blkio", "blkio.throttle.io_serviced"))
        add_io_one(place, &ret->reads, &ret->writes);
    (void)read_number(place, "pids", "pids.current", &ret->threads);
}

static void read_one(Place *place, CgroupStats *ret)
{
    ret->has_cpu = read_number(place, "cpuacct", "cpuacct.usage", &ret->cpu_ns);
    ret->has_memory = read_number(place, "memory", "memory.usage_in_bytes", &ret->memory_usage);
}

/* ---- cgroup v2 ---- */

static const Row memory_rows_two[] = {
    ROW("anon", rss, 1),
    ROW("file", cache, 1),
    ROW("file_mapped", mapped, 1),
    ROW("pgfault", page_faults, 1),
    ROW("pgmajfault", major_faults, 1),
};
static const Row cpu_rows_two[] = {
    ROW("usage_usec", cpu_ns, 1000),           ROW("user_usec", user_ns, 1000),
    ROW("system_usec", system_ns, 1000),       ROW("nr_periods", periods, 1),
    ROW("nr_throttled", throttled_periods, 1), ROW("throttled_usec", throttled_ns, 1000),
};
static const Row event_rows_two[] = {
    ROW("max", failures, 1),
    ROW("oom_kill", oom_kills, 1),
};

/* Sums "rbytes=1" and so on over the lines of all devices. */
static void add_io_two(const Place *place, CgroupStats *ret)
{
    static const Row rows[] = {
        ROW(" rbytes=", read_bytes, 1),
        ROW(" wbytes=", written_bytes, 1),
        ROW(" rios=", reads, 1),
        ROW(" wios=", writes, 1),
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t *to = (uint64_t *)(void *)((char *)ret + rows[i].offset);

        for (const char *at = place->text; (at = strstr(at, rows[i].name));) {
            at += strlen(rows[i].name);
            *to += strtoull(at, NULL, 10);
        }
    }
}

static void read_details_two(Place *place, CgroupStats *ret)
{
    uint64_t weight = 0;
    char *end;

    /* The inverse of what runtimes compute, so that shares come out as they were asked for. */
    if (read_number(place, NULL, "cpu.weight", &weight) && weight)
        ret->shares = 2 + (weight - 1) * 262142 / 9999;
    if (read_file(place, NULL, "cpu.max")) {
        ret->quota_us = strtoull(place->text, &end, 10);
        end += end == place->text ? strcspn(end, " ") : 0;
        ret->period_us = strtoull(end, NULL, 10);
    }
    (void)read_number(place, NULL, "memory.peak", &ret->max_usage);
    (void)read_number(place, NULL, "memory.max", &ret->memory_limit);
    (void)read_number(place, NULL, "memory.swap.current", &ret->swap);
    if (read_file(place, NULL, "memory.events"))
        take_rows(place, event_rows_two, ARRAY_LEN(event_rows_two), ret);
    if (read_file(place, NULL, "io.stat"))
        add_io_two(place, ret);
    (void)read_number(place, NULL, "pids.current", &ret->threads);
}

static void read_two(Place *place, CgroupStats *ret)
{
    if (read_file(place, NULL, "cpu.stat")) {
        take_rows(place, cpu_rows_two, ARRAY_LEN(cpu_rows_two), ret);
        ret->has_cpu = true;
    }
    ret->has_memory = read_number(place, NULL, "memory.current", &ret->memory_usage);
}

/* ---- both ---- */

static void count_processes(Place *place, CgroupStats *ret)
{
    if (!read_file(place, "pids", "cgroup.procs"))
        return;
    for (const char *at = place->text; (at = strchr(at, '\n')); at++)
        ret->processes++;
}

CgroupPlace cgroup_place(const char *root)
{
    char path[PATH_MOST];

    snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    return (CgroupPlace){root, access(path, F_OK) == 0};
}

static void read_memory_rows(Place *place, bool detailed, CgroupStats *ret)
{
    uint64_t inactive = 0;

    ret->memory_working = ret->memory_usage;
    if (!ret->has_memory || !read_file(place, "memory", "memory.stat"))
        return;
    (void)stats_row(place->text, place->at.two ? "inactive_file" : "total_inactive_file",
                    &inactive);
    ret->memory_working = ret->memory_usage > inactive ? ret->memory_usage - inactive : 0;
    if (detailed && place->at.two)
        take_rows(place, memory_rows_two, ARRAY_LEN(memory_rows_two), ret);
    else if (detailed)
        take_rows(place, memory_rows_one, ARRAY_LEN(memory_rows_one), ret);
}

void cgroup_stats_read(CgroupPlace at, const char *cgroup, bool detailed, CgroupStats *ret)
{
    Place place;

    place.at = at;
    place.cgroup = cgroup;
    *ret = (CgroupStats){0};
    if (at.two)
        read_two(&place, ret);
    else
        read_one(&place, ret);
    read_memory_rows(&place, detailed, ret);
    if (!detailed)
        return;
    if (at.two)
        read_details_two(&place, ret);
    else
        read_details_one(&place, ret);
    count_processes(&place, ret);
}
