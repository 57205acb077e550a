/* SPDX-License-Identifier: Apache-2.0 */
/* What the node answers below nodes/NAME/proxy/ of the API, with kubelet's paths and formats:
 * healthz, pods, and stats/summary, which reports among other things how full volumes are. The
 * numbers are read at the time of the request from cgroups (version 1 and 2), /proc and the file
 * systems. */
#include <sys/statvfs.h>
#include <yyjson.h>

#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/files/file.h"
#include "base/timefmt.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/stats.h"
#include "node/volume/pod_volume.h"

typedef struct Summary {
    yyjson_mut_doc *doc;
    NodeAgent *agent;
    char now[TIMEFMT_MAX];
} Summary;

/* ---- numbers ---- */

static bool read_number(const char *path, uint64_t *ret)
{
    _free_ char *text = NULL;
    char *end;
    size_t n;

    if (file_read(path, 64, &text, &n) < 0)
        return false;
    *ret = strtoull(text, &end, 10);
    return end != text;
}

/* The number in the line "name 123" of a file that consists of such lines. */
static bool read_row(const char *path, const char *name, uint64_t *ret)
{
    _free_ char *text = NULL;
    size_t length = strlen(name), n;

    if (file_read(path, 64 * 1024, &text, &n) < 0)
        return false;
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncmp(at, name, length) != 0 || !strchr(" :\t", at[length]))
            continue;
        *ret = strtoull(at + length + 1, NULL, 10);
        return true;
    }
    return false;
}

/* The folder of a cgroup: that of the controller under cgroup v1, else the one under cgroup v2. */
static char *cgroup_file(const char *controller, const char *cgroup, const char *one,
                         const char *two, bool *ret_two)
{
    char *path = mem_printf("/sys/fs/cgroup/%s%s/%s", controller, cgroup, one);

    *ret_two = !file_exists(path);
    if (!*ret_two)
        return path;
    free(path);
    return mem_printf("/sys/fs/cgroup%s/%s", cgroup, two);
}

static bool cpu_nanoseconds(const char *cgroup, uint64_t *ret)
{
    bool two;
    _free_ char *path = cgroup_file("cpuacct", cgroup, "cpuacct.usage", "cpu.stat", &two);

    if (!two)
        return read_number(path, ret);
    if (!read_row(path, "usage_usec", ret))
        return false;
    *ret *= 1000;
    return true;
}

/* working set: memory that the kernel cannot reclaim at once */
static bool memory_bytes(const char *cgroup, uint64_t *ret_usage, uint64_t *ret_working,
                         uint64_t *ret_rss)
{
    bool two;
    _free_ char *path =
        cgroup_file("memory", cgroup, "memory.usage_in_bytes", "memory.current", &two);
    _free_ char *rows = cgroup_file("memory", cgroup, "memory.stat", "memory.stat", &two);
    uint64_t inactive = 0;

    *ret_rss = 0;
    if (!read_number(path, ret_usage))
        return false;
    (void)read_row(rows, two ? "inactive_file" : "total_inactive_file", &inactive);
    (void)read_row(rows, two ? "anon" : "total_rss", ret_rss);
    *ret_working = *ret_usage > inactive ? *ret_usage - inactive : 0;
    return true;
}

/* ---- parts ---- */

static yyjson_mut_val *timed(Summary *s)
{
    yyjson_mut_val *part = yyjson_mut_obj(s->doc);

    yyjson_mut_obj_add_strcpy(s->doc, part, "time", s->now);
    return part;
}

static void add_cgroup(Summary *s, yyjson_mut_val *to, const char *cgroup)
{
    uint64_t nanoseconds, usage, working, rss;

    if (cpu_nanoseconds(cgroup, &nanoseconds)) {
        yyjson_mut_val *cpu = timed(s);

        yyjson_mut_obj_add_uint(s->doc, cpu, "usageCoreNanoSeconds", nanoseconds);
        yyjson_mut_obj_add_val(s->doc, to, "cpu", cpu);
    }
    if (memory_bytes(cgroup, &usage, &working, &rss)) {
        yyjson_mut_val *memory = timed(s);

        yyjson_mut_obj_add_uint(s->doc, memory, "usageBytes", usage);
        yyjson_mut_obj_add_uint(s->doc, memory, "workingSetBytes", working);
        yyjson_mut_obj_add_uint(s->doc, memory, "rssBytes", rss);
        yyjson_mut_obj_add_val(s->doc, to, "memory", memory);
    }
}

static bool add_fs(Summary *s, yyjson_mut_val *to, const char *path)
{
    struct statvfs fs;

    if (statvfs(path, &fs) < 0)
        return false;
    yyjson_mut_obj_add_strcpy(s->doc, to, "time", s->now);
    yyjson_mut_obj_add_uint(s->doc, to, "availableBytes", (uint64_t)fs.f_bavail * fs.f_frsize);
    yyjson_mut_obj_add_uint(s->doc, to, "capacityBytes", (uint64_t)fs.f_blocks * fs.f_frsize);
    yyjson_mut_obj_add_uint(s->doc, to, "usedBytes",
                            (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize);
    yyjson_mut_obj_add_uint(s->doc, to, "inodesFree", fs.f_ffree);
    yyjson_mut_obj_add_uint(s->doc, to, "inodes", fs.f_files);
    yyjson_mut_obj_add_uint(s->doc, to, "inodesUsed", fs.f_files - fs.f_ffree);
    return true;
}

static void add_time(Summary *s, yyjson_mut_val *to, const char *key, int64_t seconds)
{
    char text[TIMEFMT_MAX];

    timefmt_seconds(seconds, text);
    yyjson_mut_obj_add_strcpy(s->doc, to, key, text);
}

/* ---- pods ---- */

static void add_volumes(Summary *s, yyjson_mut_val *to, const AgentPod *pod)
{
    const PodSpec *spec = agent_pod_spec(pod);
    yyjson_mut_val *list = yyjson_mut_arr(s->doc);

    for (size_t i = 0; i < pod->n_volumes && i < spec->volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *claim =
            spec->volumes.v[i].volume_source.persistent_volume_claim;
        yyjson_mut_val *volume = yyjson_mut_obj(s->doc);

        if (str_empty(pod->volumes[i].path) || !add_fs(s, volume, pod->volumes[i].path))
            continue;
        yyjson_mut_obj_add_strcpy(s->doc, volume, "name", pod->volumes[i].name);
        if (claim) {
            yyjson_mut_val *ref = yyjson_mut_obj(s->doc);

            yyjson_mut_obj_add_strcpy(s->doc, ref, "name", claim->claim_name);
            yyjson_mut_obj_add_strcpy(s->doc, ref, "namespace", pod->ns);
            yyjson_mut_obj_add_val(s->doc, volume, "pvcRef", ref);
        }
        yyjson_mut_arr_add_val(list, volume);
    }
    if (yyjson_mut_arr_size(list))
        yyjson_mut_obj_add_val(s->doc, to, "volume", list);
}

static void add_containers(Summary *s, yyjson_mut_val *to, const AgentPod *pod)
{
    yyjson_mut_val *list = yyjson_mut_arr(s->doc);

    for (size_t i = 0; i < machine_count(pod->machine); i++) {
        const char *id = machine_container_id(pod->machine, i);
        yyjson_mut_val *container;
        _free_ char *cgroup = NULL;

        if (machine_container_stage(pod->machine, i) != CONTAINER_RUNNING || !id)
            continue;
        cgroup = mem_printf("%s/pod%s/%s", pod->agent->cgroup, pod->uid, id);
        container = yyjson_mut_obj(s->doc);
        yyjson_mut_obj_add_strcpy(s->doc, container, "name",
                                  machine_container(pod->machine, i)->name);
        add_time(s, container, "startTime", machine_started_ns(pod->machine, i) / NS_PER_SEC);
        add_cgroup(s, container, cgroup);
        yyjson_mut_arr_add_val(list, container);
    }
    yyjson_mut_obj_add_val(s->doc, to, "containers", list);
}

static void add_pod(Summary *s, yyjson_mut_val *list, const AgentPod *pod)
{
    yyjson_mut_val *to = yyjson_mut_obj(s->doc), *ref = yyjson_mut_obj(s->doc);
    _free_ char *cgroup = mem_printf("%s/pod%s", pod->agent->cgroup, pod->uid);

    yyjson_mut_obj_add_strcpy(s->doc, ref, "name", pod->name);
    yyjson_mut_obj_add_strcpy(s->doc, ref, "namespace", pod->ns);
    yyjson_mut_obj_add_strcpy(s->doc, ref, "uid", pod->uid);
    yyjson_mut_obj_add_val(s->doc, to, "podRef", ref);
    add_time(s, to, "startTime", ((const Pod *)pod->object->value)->status.start_time.seconds);
    add_containers(s, to, pod);
    add_cgroup(s, to, cgroup);
    add_volumes(s, to, pod);
    yyjson_mut_arr_add_val(list, to);
}

/* ---- the node ---- */

static void add_node(Summary *s, yyjson_mut_val *root)
{
    yyjson_mut_val *node = yyjson_mut_obj(s->doc), *memory = timed(s), *fs = yyjson_mut_obj(s->doc);
    uint64_t total = 0, available = 0, uptime = 0;

    yyjson_mut_obj_add_strcpy(s->doc, node, "nodeName", s->agent->options.name);
    if (read_number("/proc/uptime", &uptime))
        add_time(s, node, "startTime",
                 clock_wall_ns(s->agent->options.clock) / NS_PER_SEC - (int64_t)uptime);
    (void)read_row("/proc/meminfo", "MemTotal", &total);
    (void)read_row("/proc/meminfo", "MemAvailable", &available);
    yyjson_mut_obj_add_uint(s->doc, memory, "availableBytes", available * 1024);
    yyjson_mut_obj_add_uint(s->doc, memory, "workingSetBytes", (total - available) * 1024);
    yyjson_mut_obj_add_val(s->doc, node, "memory", memory);
    if (add_fs(s, fs, s->agent->options.data_dir))
        yyjson_mut_obj_add_val(s->doc, node, "fs", fs);
    yyjson_mut_obj_add_val(s->doc, root, "node", node);
}

static void print_summary(NodeAgent *agent, StrBuf *out)
{
    Summary s = {.doc = yyjson_mut_doc_new(NULL), .agent = agent};
    yyjson_mut_val *root = yyjson_mut_obj(s.doc), *pods = yyjson_mut_arr(s.doc);
    char *text;
    size_t n;

    timefmt_seconds(clock_wall_ns(agent->options.clock) / NS_PER_SEC, s.now);
    yyjson_mut_doc_set_root(s.doc, root);
    add_node(&s, root);
    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;

        if (pod->machine && machine_stage(pod->machine) == MACHINE_ACTIVE)
            add_pod(&s, pods, pod);
    }
    yyjson_mut_obj_add_val(s.doc, root, "pods", pods);
    text = yyjson_mut_write(s.doc, YYJSON_WRITE_NOFLAG, &n);
    ASSERT(text);
    strbuf_add(out, text, n);
    free(text);
    yyjson_mut_doc_free(s.doc);
}

static void print_pods(NodeAgent *agent, StrBuf *out)
{
    bool first = true;

    strbuf_add_string(out,
                      "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    STRMAP_EACH(&agent->pods, slot) {
        Bytes json = object_json(((AgentPod *)slot->value)->object);

        if (!first)
            strbuf_add_char(out, ',');
        strbuf_add(out, json.p, json.n);
        first = false;
    }
    strbuf_add_string(out, "]}");
}

static void print_health(NodeAgent *agent _unused_, StrBuf *out)
{
    strbuf_add_string(out, "ok");
}

bool agent_answer(NodeAgent *agent, const char *path, const char **ret_type, StrBuf *out)
{
    static const struct {
        const char *path, *type;
        void (*print)(NodeAgent *agent, StrBuf *out);
    } rows[] = {
        {"/healthz", "text/plain; charset=utf-8", print_health},
        {"/pods", "application/json", print_pods},
        {"/stats/summary", "application/json", print_summary},
    };
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strlen(rows[i].path) != n || strncmp(rows[i].path, path, n) != 0)
            continue;
        *ret_type = rows[i].type;
        rows[i].print(agent, out);
        return true;
    }
    return false;
}
