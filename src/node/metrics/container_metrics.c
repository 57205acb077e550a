/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics/cadvisor and /metrics/resource in the text format of Prometheus, with the names and labels of
 * cAdvisor and kubelet. A row of a table is a metric: where its number lies in what was collected, and of
 * which subjects it is printed.
 */
#include "node/metrics/pages.h"

#include <sys/sysinfo.h>

#include "node/machine/machine.h"

enum { OF_CONTAINER = 1, OF_POD = 2, OF_NODE = 4, OF_LINK = 8 };

typedef struct MetricRow {
    const char *name, *type;
    const char *labels; /* of its own, such as cpu="total" */
    unsigned of;
    size_t offset; /* of an uint64_t in CgroupStats, or in CollectedLink */
    double scale;
    const char *help;
} MetricRow;

#define STAT(member) offsetof(CgroupStats, member)
#define LINK(member) offsetof(CollectedLink, member)
#define ALL (OF_CONTAINER | OF_POD | OF_NODE)
#define FAULTS(kind, of_what) "failure_type=\"" kind "\",scope=\"" of_what "\""
#define ETH0 "interface=\"eth0\""

/* Rows of one name stand together, and the first of them has the help. */
/* clang-format off */
static const MetricRow container_rows[] = {
    {"container_cpu_usage_seconds_total", "counter", "cpu=\"total\"", ALL, STAT(cpu_ns), 1e-9, "CPU time that was used, in seconds."},
    {"container_cpu_user_seconds_total", "counter", NULL, ALL, STAT(user_ns), 1e-9, "CPU time that was used in user mode, in seconds."},
    {"container_cpu_system_seconds_total", "counter", NULL, ALL, STAT(system_ns), 1e-9, "CPU time that was used in the kernel, in seconds."},
    {"container_cpu_cfs_periods_total", "counter", NULL, OF_CONTAINER | OF_POD, STAT(periods), 1, "Periods of the limit of CPU that have passed."},
    {"container_cpu_cfs_throttled_periods_total", "counter", NULL, OF_CONTAINER | OF_POD, STAT(throttled_periods), 1, "Periods in which the limit of CPU was reached."},
    {"container_cpu_cfs_throttled_seconds_total", "counter", NULL, OF_CONTAINER | OF_POD, STAT(throttled_ns), 1e-9, "The time that was spent waiting because of the limit of CPU, in seconds."},
    {"container_memory_cache", "gauge", NULL, ALL, STAT(cache), 1, "Page cache, in bytes."},
    {"container_memory_rss", "gauge", NULL, ALL, STAT(rss), 1, "Anonymous memory, in bytes."},
    {"container_memory_swap", "gauge", NULL, ALL, STAT(swap), 1, "Use of swap space, in bytes."},
    {"container_memory_mapped_file", "gauge", NULL, ALL, STAT(mapped), 1, "Files mapped into memory, in bytes."},
    {"container_memory_failcnt", "counter", NULL, ALL, STAT(failures), 1, "How often the limit of memory was reached."},
    {"container_memory_usage_bytes", "gauge", NULL, ALL, STAT(memory_usage), 1, "Memory that is used, including what can be reclaimed, in bytes."},
    {"container_memory_max_usage_bytes", "gauge", NULL, ALL, STAT(max_usage), 1, "The largest use of memory so far, in bytes."},
    {"container_memory_working_set_bytes", "gauge", NULL, ALL, STAT(memory_working), 1, "Memory that is used and cannot be reclaimed at once, in bytes."},
    {"container_memory_failures_total", "counter", FAULTS("pgfault", "container"), ALL, STAT(page_faults), 1, "Page faults."},
    {"container_memory_failures_total", "counter", FAULTS("pgmajfault", "container"), ALL, STAT(major_faults), 1, NULL},
    {"container_fs_reads_bytes_total", "counter", "device=\"\"", OF_CONTAINER | OF_POD, STAT(read_bytes), 1, "Bytes that were read from block devices."},
    {"container_fs_reads_total", "counter", "device=\"\"", OF_CONTAINER | OF_POD, STAT(reads), 1, "Reads from block devices."},
    {"container_fs_writes_bytes_total", "counter", "device=\"\"", OF_CONTAINER | OF_POD, STAT(written_bytes), 1, "Bytes that were written to block devices."},
    {"container_fs_writes_total", "counter", "device=\"\"", OF_CONTAINER | OF_POD, STAT(writes), 1, "Writes to block devices."},
    {"container_network_receive_bytes_total", "counter", ETH0, OF_LINK, LINK(bytes_in), 1, "Bytes that were received."},
    {"container_network_receive_errors_total", "counter", ETH0, OF_LINK, LINK(errors_in), 1, "Errors when receiving."},
    {"container_network_receive_packets_dropped_total", "counter", ETH0, OF_LINK, LINK(drops_in), 1, "Packets that were dropped when receiving."},
    {"container_network_receive_packets_total", "counter", ETH0, OF_LINK, LINK(packets_in), 1, "Packets that were received."},
    {"container_network_transmit_bytes_total", "counter", ETH0, OF_LINK, LINK(bytes_out), 1, "Bytes that were sent."},
    {"container_network_transmit_errors_total", "counter", ETH0, OF_LINK, LINK(errors_out), 1, "Errors when sending."},
    {"container_network_transmit_packets_dropped_total", "counter", ETH0, OF_LINK, LINK(drops_out), 1, "Packets that were dropped when sending."},
    {"container_network_transmit_packets_total", "counter", ETH0, OF_LINK, LINK(packets_out), 1, "Packets that were sent."},
    {"container_oom_events_total", "counter", NULL, OF_CONTAINER | OF_POD, STAT(oom_kills), 1, "Processes that were killed for lack of memory."},
    {"container_processes", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(processes), 1, "Processes that run."},
    {"container_threads", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(threads), 1, "Threads that run."},
    {"container_spec_cpu_period", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(period_us), 1, "The period of the limit of CPU, in microseconds."},
    {"container_spec_cpu_quota", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(quota_us), 1, "The CPU time that is allowed in each period, in microseconds; 0: no limit."},
    {"container_spec_cpu_shares", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(shares), 1, "The weight of the cgroup when CPUs are busy."},
    {"container_spec_memory_limit_bytes", "gauge", NULL, OF_CONTAINER | OF_POD, STAT(memory_limit), 1, "The limit of memory, in bytes; 0: no limit."},
};

static const MetricRow resource_rows[] = {
    {"node_cpu_usage_seconds_total", "counter", NULL, OF_NODE, STAT(cpu_ns), 1e-9, "[STABLE] CPU time that the node has used, in seconds"},
    {"container_cpu_usage_seconds_total", "counter", NULL, OF_CONTAINER, STAT(cpu_ns), 1e-9, "[STABLE] CPU time that the container has used, in seconds"},
    {"container_memory_working_set_bytes", "gauge", NULL, OF_CONTAINER, STAT(memory_working), 1, "[STABLE] Working set of the container, in bytes"},
    {"container_swap_usage_bytes", "gauge", NULL, OF_CONTAINER, STAT(swap), 1, "[ALPHA] Swap space that the container uses, in bytes"},
    {"pod_cpu_usage_seconds_total", "counter", NULL, OF_POD, STAT(cpu_ns), 1e-9, "[STABLE] CPU time that the pod has used, in seconds"},
    {"pod_memory_working_set_bytes", "gauge", NULL, OF_POD, STAT(memory_working), 1, "[STABLE] Working set of the pod, in bytes"},
    {"pod_swap_usage_bytes", "gauge", NULL, OF_POD, STAT(swap), 1, "[ALPHA] Swap space that the pod uses, in bytes"},
};
/* clang-format on */

typedef struct Printer {
    const Collection *c;
    StrBuf *out;
    bool full; /* labels as cAdvisor has them; else as kubelet */
} Printer;

static void begin(StrBuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Label values are names, image names and paths of cgroups; an image may hold any text. */
static void add_text(StrBuf *out, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_add_char(out, '\\');
        if (*text == '\n')
            strbuf_add_string(out, "\\n");
        else
            strbuf_add_char(out, *text);
    }
}

static void add_label(StrBuf *out, const char *name, const char *value, bool first)
{
    strbuf_printf(out, "%s%s=\"", first ? "" : ",", name);
    add_text(out, value);
    strbuf_add_char(out, '"');
}

/* The labels of a container, of a pod (container NULL), or of the node (both NULL). */
static void add_labels(const Printer *p, const CollectedPod *pod,
                       const CollectedContainer *container, const char *own)
{
    StrBuf *out = p->out;

    strbuf_add_char(out, '{');
    if (container || p->full)
        add_label(out, "container", container ? container->name : "", true);
    if (p->full) {
        add_label(out, "id", container ? container->cgroup : pod ? pod->cgroup : "/", false);
        add_label(out, "image", container ? container->image : "", false);
        add_label(out, "name", container ? container->id : "", false);
    }
    if (pod || p->full) {
        add_label(out, "namespace", pod ? object_meta(pod->object)->namespace : "",
                  !container && !p->full);
        add_label(out, "pod", pod ? object_meta(pod->object)->name : "", false);
    }
    if (own)
        strbuf_printf(out, ",%s", own);
    strbuf_add_char(out, '}');
}

static void add_sample(const Printer *p, const char *name, const CollectedPod *pod,
                       const CollectedContainer *container, const char *own, double value)
{
    const Collection *c = p->c;
    int64_t at_ns = c->wall_ns + (container ? container->at_ns : c->node_at_ns) - c->mono_ns;

    strbuf_add_string(p->out, name);
    if (pod || p->full)
        add_labels(p, pod, container, own);
    strbuf_printf(p->out, " %.15g %" PRId64 "\n", value, at_ns / NS_PER_MS);
}

static double number_at(const MetricRow *row, const void *at)
{
    return (double)*(const uint64_t *)(const void *)((const char *)at + row->offset) * row->scale;
}

static void print_row(const Printer *p, const MetricRow *row)
{
    const Collection *c = p->c;

    if (row->of & OF_NODE)
        add_sample(p, row->name, NULL, NULL, row->labels, number_at(row, &c->node));
    for (size_t i = 0; i < c->n; i++) {
        const CollectedPod *pod = &c->pods[i];

        if (row->of & OF_LINK && pod->network.known)
            add_sample(p, row->name, pod, NULL, row->labels, number_at(row, &pod->network));
        if (row->of & OF_POD && pod->stats.has_cpu)
            add_sample(p, row->name, pod, NULL, row->labels, number_at(row, &pod->stats));
        for (size_t k = 0; row->of & OF_CONTAINER && k < pod->n; k++)
            if (pod->containers[k].stats.has_cpu)
                add_sample(p, row->name, pod, &pod->containers[k], row->labels,
                           number_at(row, &pod->containers[k].stats));
    }
}

static void print_rows(const Printer *p, const MetricRow *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].help)
            begin(p->out, rows[i].name, rows[i].type, rows[i].help);
        print_row(p, &rows[i]);
    }
}

static void print_starts(const Printer *p, const char *help)
{
    const Collection *c = p->c;

    begin(p->out, "container_start_time_seconds", "gauge", help);
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->pods[i].n; k++)
            add_sample(p, "container_start_time_seconds", &c->pods[i], &c->pods[i].containers[k],
                       NULL, (double)c->pods[i].containers[k].started_ns / 1e9);
}

static void print_seen(const Printer *p)
{
    const Collection *c = p->c;

    begin(p->out, "container_last_seen", "gauge", "When the container was last seen.");
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->pods[i].n; k++)
            add_sample(p, "container_last_seen", &c->pods[i], &c->pods[i].containers[k], NULL,
                       (double)(c->wall_ns / NS_PER_SEC));
}

void print_container_metrics(const Collection *c, StrBuf *out)
{
    Printer p = {.c = c, .out = out, .full = true};

    print_rows(&p, container_rows, ARRAY_LEN(container_rows));
    print_starts(&p, "When the container started, in seconds since 1970.");
    print_seen(&p);
    begin(out, "container_scrape_error", "gauge", "1 if the metrics could not be read, else 0");
    strbuf_add_string(out, "container_scrape_error 0\n");
    begin(out, "machine_cpu_cores", "gauge", "The number of CPUs.");
    strbuf_printf(out, "machine_cpu_cores %d\n", get_nprocs());
    begin(out, "machine_memory_bytes", "gauge", "The memory of the machine, in bytes.");
    strbuf_printf(out, "machine_memory_bytes %.15g\n", (double)c->memory_total);
}

void print_resource_metrics(const Collection *c, StrBuf *out)
{
    Printer p = {.c = c, .out = out};

    print_rows(&p, resource_rows, ARRAY_LEN(resource_rows));
    begin(out, "node_memory_working_set_bytes", "gauge",
          "[STABLE] Working set of the node, in bytes");
    add_sample(&p, "node_memory_working_set_bytes", NULL, NULL, NULL,
               (double)collected_node_memory(c));
    print_starts(&p, "[STABLE] When the container started, in seconds since 1970");
    begin(out, "resource_scrape_error", "gauge",
          "[STABLE] 1 if the metrics could not be read, else 0");
    strbuf_add_string(out, "resource_scrape_error 0\n");
    begin(out, "scrape_error", "gauge",
          "[ALPHA] (Deprecated since 1.29.0) 1 if the metrics could not be read, else 0");
    strbuf_add_string(out, "scrape_error 0\n");
}

static void add_probe(StrBuf *out, const AgentPod *pod, const char *container, const char *type,
                      const char *result, uint64_t n)
{
    strbuf_add_string(out, "prober_probe_total{");
    add_label(out, "container", container, true);
    add_label(out, "namespace", pod->ns, false);
    add_label(out, "pod", pod->name, false);
    add_label(out, "pod_uid", pod->uid, false);
    strbuf_printf(out, ",probe_type=\"%s\",result=\"%s\"} %" PRIu64 "\n", type, result, n);
}

void print_probe_metrics(NodeAgent *agent, StrBuf *out)
{
    static const char *const types[] = {"Startup", "Readiness", "Liveness"}, *const results[] = {
                                                                                 "failed",
                                                                                 "successful"};

    begin(out, "prober_probe_total", "counter",
          "[BETA] Probes of a container, by their type and result.");
    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;

        for (size_t i = 0; pod->machine && i < pod->n_containers; i++)
            for (size_t k = 0; k < ARRAY_LEN(types) * ARRAY_LEN(results); k++)
                if (pod->containers[i]->probed[k / 2][k % 2])
                    add_probe(out, pod, machine_container(pod->machine, i)->name, types[k / 2],
                              results[k % 2], pod->containers[i]->probed[k / 2][k % 2]);
    }
}
