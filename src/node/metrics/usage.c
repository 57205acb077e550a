/* SPDX-License-Identifier: Apache-2.0 */
#include "node/metrics/usage.h"

#include "node/metrics/collect.h"

#define WINDOW_MIN (1 * NS_PER_SEC)
#define WINDOW_BEST (15 * NS_PER_SEC)
/* The newest sample is not replaced by one that was taken earlier than this after it. */
#define KEEP_MIN (10 * NS_PER_SEC)

/* ---- rates ---- */

static int64_t distance(UsageSample sample, UsageSample now)
{
    int64_t age = now.at_ns - sample.at_ns;

    return age > WINDOW_BEST ? age - WINDOW_BEST : WINDOW_BEST - age;
}

static bool is_usable(UsageSample sample, UsageSample now)
{
    return sample.at_ns && now.at_ns - sample.at_ns >= WINDOW_MIN && now.cpu_ns >= sample.cpu_ns;
}

static void keep(UsageSamples *samples, UsageSample now)
{
    if (samples->newer.at_ns && now.at_ns - samples->newer.at_ns < KEEP_MIN)
        return;
    samples->older = samples->newer;
    samples->newer = now;
}

bool usage_rate(UsageSamples *samples, UsageSample start, UsageSample now, int64_t *ret_rate,
                int64_t *ret_window_ns)
{
    const UsageSample candidates[] = {start, samples->older, samples->newer};
    const UsageSample *best = NULL;

    for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
        if (is_usable(candidates[i], now) &&
            (!best || distance(candidates[i], now) <= distance(*best, now)))
            best = &candidates[i];
    keep(samples, now);
    if (!best)
        return false;
    *ret_window_ns = now.at_ns - best->at_ns;
    *ret_rate = (int64_t)((double)(now.cpu_ns - best->cpu_ns) / (double)*ret_window_ns * 1e9);
    return true;
}

/* ---- what was collected, as usage ---- */

struct UsageRead {
    Collection *collection; /* NULL: it has been cancelled */
    UsageDone done;
    void *data;
};

/* When the container started, on the monotonic clock. */
static UsageSample start_of(const Collection *c, const CollectedContainer *container)
{
    int64_t at = c->mono_ns - (c->wall_ns - container->started_ns);

    return (UsageSample){.at_ns = container->started_ns && at > 0 ? at : 0};
}

bool collected_rate(const Collection *c, const CollectedPod *pod,
                    const CollectedContainer *container, int64_t *ret_rate, int64_t *ret_window_ns)
{
    UsageSamples *samples = &pod->pod->containers[container->index]->samples;
    UsageSample now = {container->at_ns, container->stats.cpu_ns};

    if (!container->stats.has_cpu)
        return false;
    if (samples->started_ns != container->started_ns)
        *samples = (UsageSamples){.started_ns = container->started_ns};
    return usage_rate(samples, start_of(c, container), now, ret_rate, ret_window_ns);
}

uint64_t collected_node_memory(const Collection *c)
{
    return c->memory_total > c->memory_available ? c->memory_total - c->memory_available : 0;
}

static bool container_usage(const Collection *c, const CollectedPod *pod,
                            const CollectedContainer *container, ContainerUsage *ret,
                            int64_t *ret_window_ns)
{
    *ret = (ContainerUsage){.name = container->name,
                            .memory = (int64_t)container->stats.memory_working};
    return collected_rate(c, pod, container, &ret->cpu, ret_window_ns) &&
           container->stats.has_memory;
}

/* False: the use of one of its containers is not known. */
static bool pod_usage(Collection *c, const CollectedPod *pod, PodUsage *ret)
{
    ContainerUsage *v = arena_new_n(&c->arena, ContainerUsage, pod->n + 1);
    bool known = pod->n > 0;

    *ret = (PodUsage){.pod = pod->object, .v = v, .n = pod->n};
    for (size_t i = 0; i < pod->n; i++) {
        int64_t window = 0;

        /* All are looked at, so that each has a sample for the next time. */
        if (!container_usage(c, pod, &pod->containers[i], &v[i], &window))
            known = false;
        ret->window_ns = MAX_OF(ret->window_ns, window);
        ret->at_ns = c->wall_ns + pod->containers[i].at_ns - c->mono_ns;
    }
    return known;
}

static void measure_node(Collection *c, Usage *ret)
{
    UsageSamples *samples = &c->agent->samples;
    UsageSample now = {c->node_at_ns, c->node.cpu_ns};

    ret->at_ns = c->wall_ns + c->node_at_ns - c->mono_ns;
    ret->memory = (int64_t)collected_node_memory(c);
    if (!c->node.has_cpu || !usage_rate(samples, (UsageSample){0}, now, &ret->cpu, &ret->window_ns))
        ret->window_ns = 0;
}

static void on_collected(Collection *c)
{
    UsageRead *read = c->data;
    PodUsage *pods = arena_new_n(&c->arena, PodUsage, c->n + 1);
    Usage usage = {.pods = pods};

    for (size_t i = 0; i < c->n; i++)
        usage.n_pods += pod_usage(c, &c->pods[i], &pods[usage.n_pods]);
    measure_node(c, &usage);
    read->done(read->data, &usage);
    free(read);
}

static UsageRead *usage_read(UsageSource *source, const UsageQuery *query, UsageDone done,
                             void *data)
{
    NodeAgent *agent = CONTAINER_OF(source, NodeAgent, usage);
    UsageRead *read = mem_new_type(UsageRead);

    read->done = done;
    read->data = data;
    read->collection = collect_start(agent, query, false, on_collected, read);
    return read;
}

static void usage_cancel(UsageRead *read)
{
    collect_cancel(read->collection);
    free(read);
}

static const UsageOps usage_ops = {.read = usage_read, .cancel = usage_cancel};

void usage_start(NodeAgent *agent)
{
    CgroupStats stats;

    /* The first sample of the node, so that the first question about it has an answer. */
    cgroup_stats_read(cgroup_place(CGROUP_ROOT), "", false, &stats);
    agent->usage.ops = &usage_ops;
    if (stats.has_cpu)
        agent->samples.newer = (UsageSample){clock_mono_ns(agent->options.clock), stats.cpu_ns};
}
