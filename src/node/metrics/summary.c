/* SPDX-License-Identifier: Apache-2.0 */
/* stats/summary in kubelet's format: what the node, its pods, their containers and volumes use. */
#include <yyjson.h>

#include "api/schema/core_pod_v1.h"
#include "base/timefmt.h"
#include "node/metrics/pages.h"

typedef struct Summary {
    yyjson_mut_doc *doc;
    const Collection *c;
    char now[TIMEFMT_MAX];
} Summary;

static yyjson_mut_val *timed(Summary *s)
{
    yyjson_mut_val *part = yyjson_mut_obj(s->doc);

    yyjson_mut_obj_add_strcpy(s->doc, part, "time", s->now);
    return part;
}

static void add_number(Summary *s, yyjson_mut_val *to, const char *name, uint64_t v)
{
    yyjson_mut_obj_add_uint(s->doc, to, name, v);
}

static void add_time(Summary *s, yyjson_mut_val *to, const char *key, int64_t seconds)
{
    char text[TIMEFMT_MAX];

    timefmt_seconds(seconds, text);
    yyjson_mut_obj_add_strcpy(s->doc, to, key, text);
}

/* rate: in billionths of a core; negative: unknown */
static void add_stats(Summary *s, yyjson_mut_val *to, const CgroupStats *stats, int64_t rate)
{
    yyjson_mut_val *part;

    if (stats->has_cpu) {
        part = timed(s);
        if (rate >= 0)
            add_number(s, part, "usageNanoCores", (uint64_t)rate);
        add_number(s, part, "usageCoreNanoSeconds", stats->cpu_ns);
        yyjson_mut_obj_add_val(s->doc, to, "cpu", part);
    }
    if (!stats->has_memory)
        return;
    part = timed(s);
    if (stats->memory_limit)
        add_number(s, part, "availableBytes",
                   stats->memory_limit > stats->memory_working
                       ? stats->memory_limit - stats->memory_working
                       : 0);
    add_number(s, part, "usageBytes", stats->memory_usage);
    add_number(s, part, "workingSetBytes", stats->memory_working);
    add_number(s, part, "rssBytes", stats->rss);
    add_number(s, part, "pageFaults", stats->page_faults);
    add_number(s, part, "majorPageFaults", stats->major_faults);
    yyjson_mut_obj_add_val(s->doc, to, "memory", part);
    part = timed(s);
    add_number(s, part, "swapUsageBytes", stats->swap);
    yyjson_mut_obj_add_val(s->doc, to, "swap", part);
}

static void add_fs(Summary *s, yyjson_mut_val *to, const struct statvfs *fs)
{
    yyjson_mut_obj_add_strcpy(s->doc, to, "time", s->now);
    add_number(s, to, "availableBytes", (uint64_t)fs->f_bavail * fs->f_frsize);
    add_number(s, to, "capacityBytes", (uint64_t)fs->f_blocks * fs->f_frsize);
    add_number(s, to, "usedBytes", (uint64_t)(fs->f_blocks - fs->f_bfree) * fs->f_frsize);
    add_number(s, to, "inodesFree", fs->f_ffree);
    add_number(s, to, "inodes", fs->f_files);
    add_number(s, to, "inodesUsed", fs->f_files - fs->f_ffree);
}

/* ---- pods ---- */

static void add_volumes(Summary *s, yyjson_mut_val *to, const CollectedPod *pod)
{
    yyjson_mut_val *list = yyjson_mut_arr(s->doc);

    for (size_t i = 0; i < pod->n_volumes; i++) {
        const CollectedVolume *volume = &pod->volumes[i];
        yyjson_mut_val *part, *ref;

        if (!volume->known)
            continue;
        part = yyjson_mut_arr_add_obj(s->doc, list);
        add_fs(s, part, &volume->fs);
        yyjson_mut_obj_add_strcpy(s->doc, part, "name", volume->name);
        if (!volume->claim)
            continue;
        ref = yyjson_mut_obj_add_obj(s->doc, part, "pvcRef");
        yyjson_mut_obj_add_strcpy(s->doc, ref, "name", volume->claim);
        yyjson_mut_obj_add_strcpy(s->doc, ref, "namespace", object_meta(pod->object)->namespace);
    }
    if (yyjson_mut_arr_size(list))
        yyjson_mut_obj_add_val(s->doc, to, "volume", list);
}

static void add_network(Summary *s, yyjson_mut_val *to, const CollectedLink *link)
{
    yyjson_mut_val *part, *list, *one;

    if (!link->known)
        return;
    part = timed(s);
    list = yyjson_mut_arr(s->doc);
    one = yyjson_mut_arr_add_obj(s->doc, list);
    for (size_t i = 0; i < 2; i++) {
        yyjson_mut_val *at = i ? one : part;

        yyjson_mut_obj_add_str(s->doc, at, "name", "eth0");
        add_number(s, at, "rxBytes", link->bytes_in);
        add_number(s, at, "rxErrors", link->errors_in);
        add_number(s, at, "txBytes", link->bytes_out);
        add_number(s, at, "txErrors", link->errors_out);
    }
    yyjson_mut_obj_add_val(s->doc, part, "interfaces", list);
    yyjson_mut_obj_add_val(s->doc, to, "network", part);
}

/* The sum over the containers; negative if one of them is unknown. */
static int64_t add_containers(Summary *s, yyjson_mut_val *to, const CollectedPod *pod)
{
    yyjson_mut_val *list = yyjson_mut_arr(s->doc);
    int64_t sum = 0;

    for (size_t i = 0; i < pod->n; i++) {
        const CollectedContainer *container = &pod->containers[i];
        yyjson_mut_val *part = yyjson_mut_arr_add_obj(s->doc, list);
        int64_t rate = -1, window;

        if (!collected_rate(s->c, pod, container, &rate, &window))
            rate = -1;
        sum = sum < 0 || rate < 0 ? -1 : sum + rate;
        yyjson_mut_obj_add_strcpy(s->doc, part, "name", container->name);
        add_time(s, part, "startTime", container->started_ns / NS_PER_SEC);
        add_stats(s, part, &container->stats, rate);
    }
    yyjson_mut_obj_add_val(s->doc, to, "containers", list);
    return sum;
}

static void add_pod(Summary *s, yyjson_mut_val *list, const CollectedPod *pod)
{
    const Pod *value = OBJECT_AS(Pod, pod->object);
    yyjson_mut_val *to = yyjson_mut_arr_add_obj(s->doc, list), *part;

    part = yyjson_mut_obj_add_obj(s->doc, to, "podRef");
    yyjson_mut_obj_add_strcpy(s->doc, part, "name", value->metadata.name);
    yyjson_mut_obj_add_strcpy(s->doc, part, "namespace", value->metadata.namespace);
    yyjson_mut_obj_add_strcpy(s->doc, part, "uid", value->metadata.uid);
    add_time(s, to, "startTime", value->status.start_time.seconds);
    add_stats(s, to, &pod->stats, add_containers(s, to, pod));
    add_network(s, to, &pod->network);
    add_volumes(s, to, pod);
    part = yyjson_mut_obj_add_obj(s->doc, to, "process_stats");
    add_number(s, part, "process_count", pod->stats.processes);
}

/* ---- the node ---- */

static void add_node(Summary *s, yyjson_mut_val *root)
{
    const Collection *c = s->c;
    yyjson_mut_val *node = yyjson_mut_obj_add_obj(s->doc, root, "node"), *part;
    char text[64];

    yyjson_mut_obj_add_strcpy(s->doc, node, "nodeName", c->agent->options.name);
    if (stats_file("/proc/uptime", text, sizeof(text)))
        add_time(s, node, "startTime", c->wall_ns / NS_PER_SEC - (int64_t)strtoull(text, NULL, 10));
    if (c->node.has_cpu) {
        part = timed(s);
        add_number(s, part, "usageCoreNanoSeconds", c->node.cpu_ns);
        yyjson_mut_obj_add_val(s->doc, node, "cpu", part);
    }
    part = timed(s);
    add_number(s, part, "availableBytes", c->memory_available);
    add_number(s, part, "usageBytes", c->node.memory_usage);
    add_number(s, part, "workingSetBytes", collected_node_memory(c));
    add_number(s, part, "rssBytes", c->node.rss);
    yyjson_mut_obj_add_val(s->doc, node, "memory", part);
    if (!c->node_fs.f_blocks)
        return;
    part = yyjson_mut_obj_add_obj(s->doc, node, "fs");
    add_fs(s, part, &c->node_fs);
    part =
        yyjson_mut_obj_add_obj(s->doc, yyjson_mut_obj_add_obj(s->doc, node, "runtime"), "imageFs");
    add_fs(s, part, &c->node_fs);
}

void print_summary(const Collection *c, StrBuf *out)
{
    Summary s = {.doc = yyjson_mut_doc_new(NULL), .c = c};
    yyjson_mut_val *root = yyjson_mut_obj(s.doc), *pods;
    char *text;
    size_t n;

    timefmt_seconds(c->wall_ns / NS_PER_SEC, s.now);
    yyjson_mut_doc_set_root(s.doc, root);
    add_node(&s, root);
    pods = yyjson_mut_obj_add_arr(s.doc, root, "pods");
    for (size_t i = 0; i < c->n; i++)
        add_pod(&s, pods, &c->pods[i]);
    text = yyjson_mut_write(s.doc, YYJSON_WRITE_NOFLAG, &n);
    ASSERT(text);
    strbuf_add(out, text, n);
    free(text);
    yyjson_mut_doc_free(s.doc);
}
