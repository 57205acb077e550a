/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collection holds a reference to each of its pods, and the agent waits for those when it stops, so
 * a pass that is under way always ends before what it refers to. Names are copied into its arena, since
 * pods may change or end meanwhile.
 */
#include "node/metrics/collect.h"

#include <time.h>

#include "api/schema/core_container_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/files/file.h"
#include "base/strmap.h"
#include "node/machine/machine.h"
#include "node/volume/pod_volume.h"

enum { PART_LEAST = 64 };
#define LINKS_TEXT_MAX ((size_t)4 * 1024 * 1024)

/* ---- what is meant, on the loop ---- */

static void add_containers(Collection *c, CollectedPod *to)
{
    Machine *machine = to->pod->machine;
    Arena *arena = &c->arena;

    to->containers = arena_new_n(arena, CollectedContainer, machine_count(machine) + 1);
    for (size_t i = 0; i < machine_count(machine); i++) {
        const char *id = machine_container_id(machine, i);

        if (machine_container_stage(machine, i) != CONTAINER_RUNNING || !id)
            continue;
        to->containers[to->n++] = (CollectedContainer){
            .index = i,
            .name = arena_strdup(arena, machine_container(machine, i)->name),
            .id = arena_strdup(arena, id),
            .image = c->detailed ? arena_strdup(arena, machine_container(machine, i)->image) : NULL,
            .cgroup = arena_printf(arena, "%s/%s", to->cgroup, id),
            .started_ns = machine_started_ns(machine, i),
        };
    }
}

static void add_volumes(Collection *c, CollectedPod *to)
{
    const AgentPod *pod = to->pod;
    const PodSpec *spec = agent_pod_spec(pod);

    to->volumes = arena_new_n(&c->arena, CollectedVolume, pod->n_volumes + 1);
    for (size_t i = 0; i < pod->n_volumes && i < spec->volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *claim =
            spec->volumes.v[i].volume_source.persistent_volume_claim;

        if (str_empty(pod->volumes[i].path))
            continue;
        to->volumes[to->n_volumes++] = (CollectedVolume){
            .name = arena_strdup(&c->arena, pod->volumes[i].name),
            .path = arena_strdup(&c->arena, pod->volumes[i].path),
            .claim = claim ? arena_strdup(&c->arena, claim->claim_name) : NULL,
        };
    }
}

static void add_pod(Collection *c, AgentPod *pod)
{
    CollectedPod *to = &c->pods[c->n++];

    to->pod = agent_pod_ref(pod);
    to->object = object_ref(pod->object);
    to->cgroup = arena_printf(&c->arena, "%s/pod%s", c->agent->cgroup, pod->uid);
    add_containers(c, to);
    if (!c->detailed)
        return;
    add_volumes(c, to);
    if (pod->network && c->agent->options.net && !agent_pod_spec(pod)->host_network)
        to->link = net_pod_link(c->agent->options.net, &c->arena, pod->uid);
}

static bool is_meant(const UsageQuery *query, const AgentPod *pod)
{
    if (!pod->machine || machine_stage(pod->machine) != MACHINE_ACTIVE)
        return false;
    if (query->ns && !str_equal(query->ns, pod->ns))
        return false;
    if (query->name && !str_equal(query->name, pod->name))
        return false;
    return !query->labels ||
           selector_matches_labels(query->labels, &object_meta(pod->object)->labels);
}

static int compare_pods(const void *a, const void *b)
{
    const AgentPod *x = ((const CollectedPod *)a)->pod, *y = ((const CollectedPod *)b)->pod;
    int d = strcmp(x->ns, y->ns);

    return d ? d : strcmp(x->name, y->name);
}

/* ---- reading, in the pool ---- */

static int64_t machine_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* The links of this network namespace: /proc/net/dev is read once, since /sys shows the links of the
 * namespace in which it was mounted. */
typedef struct Links {
    char *text;
    StrMap rows; /* name -> the numbers behind it */
} Links;

static void read_links(Links *links)
{
    size_t n;

    if (file_read("/proc/net/dev", LINKS_TEXT_MAX, &links->text, &n) < 0)
        return;
    for (char *at = links->text, *line; (line = strsep(&at, "\n"));) {
        char *colon = strchr(line, ':');

        if (!colon)
            continue;
        *colon = 0;
        strmap_put(&links->rows, line + strspn(line, " "), colon + 1);
    }
}

/* The columns are those of receiving and then those of sending: bytes, packets, errors, drops and four
 * more. What the host's end receives, the pod has sent. */
static void take_link(const Links *links, const char *name, CollectedLink *ret)
{
    const char *row = strmap_get(&links->rows, name);
    uint64_t v[16] = {0};

    if (!row)
        return;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char *end;

        v[i] = strtoull(row, &end, 10);
        row = end;
    }
    *ret = (CollectedLink){.known = true,
                           .bytes_out = v[0],
                           .packets_out = v[1],
                           .errors_out = v[2],
                           .drops_out = v[3],
                           .bytes_in = v[8],
                           .packets_in = v[9],
                           .errors_in = v[10],
                           .drops_in = v[11]};
}

static void read_pod(Collection *c, CollectedPod *pod, const Links *links)
{
    for (size_t i = 0; i < pod->n; i++) {
        pod->containers[i].at_ns = c->mono_ns + machine_ns() - c->began_ns;
        cgroup_stats_read(c->place, pod->containers[i].cgroup, c->detailed,
                          &pod->containers[i].stats);
    }
    if (!c->detailed)
        return;
    cgroup_stats_read(c->place, pod->cgroup, true, &pod->stats);
    for (size_t i = 0; i < pod->n_volumes; i++)
        pod->volumes[i].known = statvfs(pod->volumes[i].path, &pod->volumes[i].fs) == 0;
    if (pod->link)
        take_link(links, pod->link, &pod->network);
}

static void read_node(Collection *c)
{
    char text[4096];

    c->node_at_ns = c->mono_ns + machine_ns() - c->began_ns;
    cgroup_stats_read(c->place, "", c->detailed, &c->node);
    if (stats_file("/proc/meminfo", text, sizeof(text))) {
        (void)stats_row(text, "MemTotal", &c->memory_total);
        (void)stats_row(text, "MemAvailable", &c->memory_available);
        c->memory_total *= 1024;
        c->memory_available *= 1024;
    }
    if (c->detailed && statvfs(c->agent->options.data_dir, &c->node_fs) < 0)
        c->node_fs = (struct statvfs){0};
}

static void collect_work(uv_work_t *work)
{
    const CollectPart *part = work->data;
    Collection *c = part->collection;
    Links links = {0};

    if (part == c->parts)
        read_node(c);
    if (c->detailed)
        read_links(&links);
    for (size_t i = part->from; i < part->to; i++)
        read_pod(c, &c->pods[i], &links);
    strmap_deinit(&links.rows);
    free(links.text);
}

/* ---- life ---- */

static void collect_done(uv_work_t *work, int status _unused_)
{
    Collection *c = ((CollectPart *)work->data)->collection;

    if (--c->reading)
        return;
    if (c->done)
        c->done(c);
    c->agent->busy--;
    for (size_t i = 0; i < c->n; i++) {
        object_unref(c->pods[i].object);
        agent_pod_unref(c->pods[i].pod);
    }
    free(c->pods);
    arena_clear(&c->arena);
    free(c);
}

/* Many pods are read by two threads, so that a question about them is answered in half the time. */
static void start_parts(Collection *c)
{
    c->n_parts = c->n > PART_LEAST ? 2 : 1;
    c->parts = arena_new_n(&c->arena, CollectPart, c->n_parts);
    c->reading = c->n_parts;
    for (size_t i = 0; i < c->n_parts; i++) {
        CollectPart *part = &c->parts[i];

        part->collection = c;
        part->from = c->n * i / c->n_parts;
        part->to = c->n * (i + 1) / c->n_parts;
        part->work.data = part;
        uv_queue_work(c->agent->options.loop, &part->work, collect_work, collect_done);
    }
}

Collection *collect_start(NodeAgent *agent, const UsageQuery *query, bool detailed,
                          CollectDone done, void *data)
{
    Collection *c = mem_new_type(Collection);

    c->agent = agent;
    c->detailed = detailed;
    c->done = done;
    c->data = data;
    c->wall_ns = clock_wall_ns(agent->options.clock);
    c->mono_ns = clock_mono_ns(agent->options.clock);
    c->began_ns = machine_ns();
    c->place = cgroup_place(CGROUP_ROOT);
    if (!query->node_only) {
        c->pods = mem_new(sizeof(*c->pods) * (agent->pods.n + 1));
        STRMAP_EACH(&agent->pods, slot)
            if (is_meant(query, slot->value))
                add_pod(c, slot->value);
        qsort(c->pods, c->n, sizeof(*c->pods), compare_pods);
    }
    agent->busy++;
    start_parts(c);
    return c;
}

void collect_cancel(Collection *collection)
{
    collection->done = NULL;
}
