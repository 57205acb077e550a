/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of metrics and their series. Metrics that Kubernetes also has use its names, labels and
 * bounds, so that dashboards for Kubernetes work; the names of all other metrics begin with
 * "stead_".
 *
 * A series is found by its label text in one map for all metrics; callers keep the pointer.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/observe/metrics.h"
#include "base/strmap.h"

/* clang-format off */
static const MetricBounds request_bounds = {23, {0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3,
                                                 4, 5, 6, 8, 10, 15, 20, 30, 45, 60}};
static const MetricBounds sli_bounds = {21, {0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20,
                                             30, 45, 60}};
static const MetricBounds size_bounds = {7, {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}};
static const MetricBounds queue_bounds = {10, {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10}};
static const MetricBounds batch_bounds = {10, {1, 2, 4, 8, 16, 32, 64, 128, 512, 2048}};
static const MetricBounds commit_bounds = {14, {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                0.25, 0.5, 1, 5}};

static const MetricBounds resize_bounds = {14, {10, 50, 100, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000,
                                                300000, 600000}};
static const MetricBounds flow_bounds = {14, {0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60}};

#define REQUEST_LABELS "verb,group,version,resource,subresource,scope,component"
#define DRY_LABELS "verb,dry_run,group,version,resource,subresource,scope,component"

const MetricInfo metric_table[METRIC_COUNT] = {
    [METRIC_REQUEST_TOTAL] = {"apiserver_request_total", METRIC_COUNTER, DRY_LABELS ",code",
        "Requests that were answered.", NULL},
    [METRIC_REQUEST_DURATION] = {"apiserver_request_duration_seconds", METRIC_HISTOGRAM, DRY_LABELS,
        "Time from the head of a request to the end of its answer.", &request_bounds},
    [METRIC_REQUEST_SLI_DURATION] = {"apiserver_request_sli_duration_seconds", METRIC_HISTOGRAM, REQUEST_LABELS,
        "The same, of requests that are not meant to last, with the bounds of service level indicators.", &sli_bounds},
    [METRIC_RESPONSE_SIZES] = {"apiserver_response_sizes", METRIC_HISTOGRAM, REQUEST_LABELS,
        "Bytes in the body of an answer, of requests that are not meant to last.", &size_bounds},
    [METRIC_INFLIGHT] = {"apiserver_current_inflight_requests", METRIC_GAUGE, "request_kind",
        "Requests that are not answered yet and not meant to last, by whether they change something.", NULL},
    [METRIC_LONGRUNNING] = {"apiserver_longrunning_requests", METRIC_GAUGE, REQUEST_LABELS,
        "Watches, followed logs, exec, attach and port-forward that are under way.", NULL},
    [METRIC_FLOW_DISPATCHED] = {"apiserver_flowcontrol_dispatched_requests_total", METRIC_COUNTER, "priority_level,flow_schema",
        "Requests that priority and fairness has let run.", NULL},
    [METRIC_FLOW_REJECTED] = {"apiserver_flowcontrol_rejected_requests_total", METRIC_COUNTER, "priority_level,flow_schema,reason",
        "Requests that priority and fairness has refused.", NULL},
    [METRIC_FLOW_WAIT] = {"apiserver_flowcontrol_request_wait_duration_seconds", METRIC_HISTOGRAM, "priority_level,flow_schema,execute",
        "How long requests waited in a queue of priority and fairness.", &flow_bounds},
    [METRIC_FLOW_INQUEUE] = {"apiserver_flowcontrol_current_inqueue_requests", METRIC_GAUGE, "priority_level",
        "Requests that wait in the queues of a priority level.", NULL},
    [METRIC_FLOW_EXECUTING] = {"apiserver_flowcontrol_current_executing_requests", METRIC_GAUGE, "priority_level",
        "Requests of a priority level that have begun to run and are not answered yet.", NULL},
    [METRIC_FLOW_NOMINAL] = {"apiserver_flowcontrol_nominal_limit_seats", METRIC_GAUGE, "priority_level",
        "Seats that a priority level has by its share.", NULL},
    [METRIC_FLOW_LENDABLE] = {"apiserver_flowcontrol_upper_lendable_seats", METRIC_GAUGE, "priority_level",
        "Seats of a priority level that others may use.", NULL},
    [METRIC_POD_SECURITY] = {"pod_security_evaluations_total", METRIC_COUNTER,
        "decision,policy_level,policy_version,mode,request_operation,resource,subresource",
        "Pods and templates that were compared with the Pod Security Standards.", NULL},
    [METRIC_POD_SECURITY_ERRORS] = {"pod_security_errors_total", METRIC_COUNTER, "fatal,request_operation,resource,subresource",
        "The same where a label of the namespace was wrong.", NULL},
    [METRIC_STORAGE_OBJECTS] = {"apiserver_storage_objects", METRIC_GAUGE, "resource",
        "Stored objects of a kind.", NULL},
    [METRIC_RESOURCE_OBJECTS] = {"apiserver_resource_objects", METRIC_GAUGE, "group,resource",
        "Stored objects of a kind, by group.", NULL},
    [METRIC_WATCH_EVENTS] = {"apiserver_watch_events_total", METRIC_COUNTER, "group,version,resource",
        "Events sent to watching clients.", NULL},
    [METRIC_AUDIT_EVENTS] = {"apiserver_audit_event_total", METRIC_COUNTER, "",
        "Audit events that were passed to the audit log.", NULL},
    [METRIC_AUDIT_ERRORS] = {"apiserver_audit_error_total", METRIC_COUNTER, "plugin",
        "Audit events that are missing in the audit log, because it could not be written fast enough or at all.", NULL},
    [METRIC_AUDIT_LEVELS] = {"apiserver_audit_level_total", METRIC_COUNTER, "level",
        "Requests, by the level at which the policy says they are recorded.", NULL},
    [METRIC_AUDIT_REJECTED] = {"apiserver_audit_requests_rejected_total", METRIC_COUNTER, "",
        "Requests that were refused because the audit log could not be written, which does not happen here.", NULL},
    [METRIC_QUEUE_DEPTH] = {"workqueue_depth", METRIC_GAUGE, "name",
        "Keys of a work queue that are ready to be processed.", NULL},
    [METRIC_QUEUE_ADDS] = {"workqueue_adds_total", METRIC_COUNTER, "name",
        "Keys added to a work queue.", NULL},
    [METRIC_QUEUE_WAIT] = {"workqueue_queue_duration_seconds", METRIC_HISTOGRAM, "name",
        "How long a key was ready before it was processed.", &queue_bounds},
    [METRIC_QUEUE_WORK] = {"workqueue_work_duration_seconds", METRIC_HISTOGRAM, "name",
        "How long the processing of a key took, writes included.", &queue_bounds},
    [METRIC_QUEUE_UNFINISHED] = {"workqueue_unfinished_work_seconds", METRIC_GAUGE, "name",
        "Seconds of work on keys that are being processed, summed up.", NULL},
    [METRIC_QUEUE_LONGEST] = {"workqueue_longest_running_processor_seconds", METRIC_GAUGE, "name",
        "Seconds for which the key that is being processed the longest has been.", NULL},
    [METRIC_QUEUE_RETRIES] = {"workqueue_retries_total", METRIC_COUNTER, "name",
        "Keys that are tried again after a failure.", NULL},
    [METRIC_RECONCILE_TOTAL] = {"stead_reconcile_total", METRIC_COUNTER, "controller,result",
        "Reconciles, by how they ended: success, requeue_after or error.", NULL},
    [METRIC_PROBE_TOTAL] = {"prober_probe_total", METRIC_COUNTER, "probe_type,result,container,pod,namespace,pod_uid",
        "Probes of containers, by result.", NULL},
    [METRIC_PODS] = {"stead_pods", METRIC_GAUGE, "phase",
        "Pods, by phase.", NULL},
    [METRIC_RESTARTS] = {"stead_container_restarts_total", METRIC_COUNTER, "namespace",
        "Containers that were started again after they had ended.", NULL},
    [METRIC_POD_WARNINGS] = {"stead_pod_warnings_total", METRIC_COUNTER, "reason",
        "Warnings about pods, by the reason of their Event.", NULL},
    [METRIC_RESIZES_REQUESTED] = {"kubelet_container_requested_resizes_total", METRIC_COUNTER, "resource,requirement,operation",
        "Changes of one resource of a container that were asked for while the pod was on the node.", NULL},
    [METRIC_RESIZES_PENDING] = {"kubelet_pod_pending_resizes", METRIC_GAUGE, "reason",
        "Pods whose new resources are not granted.", NULL},
    [METRIC_RESIZES_INFEASIBLE] = {"kubelet_pod_infeasible_resizes_total", METRIC_COUNTER, "reason_detail",
        "Changes of resources that this node can never carry out.", NULL},
    [METRIC_RESIZES_IN_PROGRESS] = {"kubelet_pod_in_progress_resizes", METRIC_GAUGE, "",
        "Pods whose new resources are granted and not in force yet.", NULL},
    [METRIC_RESIZES_DEFERRED_ACCEPTED] = {"kubelet_pod_deferred_accepted_resizes_total", METRIC_COUNTER, "retry_trigger",
        "Changes of resources that were granted after they had to wait.", NULL},
    [METRIC_RESIZE_DURATION] = {"kubelet_pod_resize_duration_milliseconds", METRIC_HISTOGRAM, "success",
        "How long it took to change the cgroups of a pod, in milliseconds.", &resize_bounds},
    [METRIC_COMMITS] = {"stead_store_commits_total", METRIC_COUNTER, "",
        "Transactions that made writes durable.", NULL},
    [METRIC_COMMIT_FAILURES] = {"stead_store_commit_failures_total", METRIC_COUNTER, "reason",
        "Transactions that failed; all their writes were refused.", NULL},
    [METRIC_COMMIT_WRITES] = {"stead_store_commit_writes", METRIC_HISTOGRAM, "",
        "Writes in one transaction.", &batch_bounds},
    [METRIC_COMMIT_DURATION] = {"stead_store_commit_duration_seconds", METRIC_HISTOGRAM, "",
        "How long a transaction took, fsync included.", &commit_bounds},
    [METRIC_COMMIT_WAIT] = {"stead_store_commit_wait_seconds", METRIC_HISTOGRAM, "",
        "How long the first write of a transaction had been queued before it began.", &commit_bounds},
    [METRIC_STORE_REVISION] = {"stead_store_revision", METRIC_GAUGE, "",
        "The newest revision that is committed.", NULL},
    [METRIC_LONG_TURNS] = {"stead_loop_long_turns_total", METRIC_COUNTER, "",
        "Turns of the loop that took longer than a second and so delayed everything else.", NULL},
    [METRIC_DNS_PACKETS] = {"stead_dns_packets_total", METRIC_COUNTER, "protocol,result",
        "DNS packets: answered from the zone, forwarded, or dropped as malformed.", NULL},
    [METRIC_BAD_REQUESTS] = {"stead_http_bad_requests_total", METRIC_COUNTER, "code",
        "Requests that were refused before they had a meaning: malformed, or too large.", NULL},
    [METRIC_HTTP_CONNECTIONS] = {"stead_http_connections", METRIC_GAUGE, "",
        "Connections to the API that are open.", NULL},
    [METRIC_EVENTS_DROPPED] = {"stead_events_dropped_total", METRIC_COUNTER, "",
        "Events that were not recorded, since their object had used up its budget.", NULL},
    [METRIC_IMAGES_COLLECTED] = {"kubelet_image_garbage_collected_total", METRIC_COUNTER, "reason",
        "Images that were removed because the disk was too full.", NULL},
    [METRIC_IMAGES_COLLECTED_BYTES] = {"stead_image_garbage_collected_bytes_total", METRIC_COUNTER, "",
        "Bytes that became free by that.", NULL},
    [METRIC_PROCESS_CPU] = {"process_cpu_seconds_total", METRIC_COUNTER, "",
        "Total user and system CPU time spent in seconds.", NULL},
    [METRIC_PROCESS_RESIDENT] = {"process_resident_memory_bytes", METRIC_GAUGE, "",
        "Resident memory size in bytes.", NULL},
    [METRIC_PROCESS_VIRTUAL] = {"process_virtual_memory_bytes", METRIC_GAUGE, "",
        "Virtual memory size in bytes.", NULL},
    [METRIC_PROCESS_FDS] = {"process_open_fds", METRIC_GAUGE, "",
        "Number of open file descriptors.", NULL},
    [METRIC_PROCESS_FDS_MAX] = {"process_max_fds", METRIC_GAUGE, "",
        "Maximum number of open file descriptors.", NULL},
    [METRIC_PROCESS_START] = {"process_start_time_seconds", METRIC_GAUGE, "",
        "Start time of the process since unix epoch in seconds.", NULL},
    [METRIC_BUILD_INFO] = {"kubernetes_build_info", METRIC_GAUGE, "major,minor,git_version",
        "Always 1; the labels say which version of the API is served by which version of stead.", NULL},
};
/* clang-format on */

typedef struct MetricState {
    ListNode series; /* in the order of their creation */
    size_t n;
    MetricSeries *single;
} MetricState;

static struct {
    MetricState metrics[METRIC_COUNT];
    StrMap by_labels; /* name{labels} -> MetricSeries */
    ListNode collectors;
    bool ready;
} registry;

static void make_ready(void)
{
    if (registry.ready)
        return;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        list_init(&registry.metrics[i].series);
    list_init(&registry.collectors);
    registry.ready = true;
}

static void add_escaped(StrBuf *out, const char *value)
{
    for (const char *p = value; p && *p; p++) {
        if (*p == '\\' || *p == '"')
            strbuf_add_char(out, '\\');
        if (*p == '\n')
            strbuf_add_string(out, "\\n");
        else
            strbuf_add_char(out, *p);
    }
}

/* Appends the labels. If values is NULL, every label gets the value "other". */
static void add_labels(StrBuf *out, Metric metric, const char *const *values)
{
    const char *at = metric_table[metric].labels;

    for (size_t i = 0; *at; i++) {
        size_t n = strcspn(at, ",");

        ASSERT(i < METRIC_LABELS_MAX);
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add(out, at, n);
        strbuf_add_string(out, "=\"");
        add_escaped(out, values ? values[i] : "other");
        strbuf_add_char(out, '"');
        at += n + (at[n] == ',');
    }
}

static MetricSeries *find_or_make(Metric metric, const char *const *values)
{
    const MetricInfo *info = &metric_table[metric];
    MetricState *state = &registry.metrics[metric];
    _strbuf_ StrBuf key = STRBUF_INIT;
    size_t n_buckets = info->bounds ? info->bounds->n + 1 : 0, prefix;
    MetricSeries *series;

    make_ready();
    strbuf_add_string(&key, info->name);
    strbuf_add_char(&key, '{');
    prefix = key.n;
    add_labels(&key, metric, values);
    series = strmap_get(&registry.by_labels, strbuf_string(&key));
    if (series)
        return series;
    if (values && state->n >= METRIC_SERIES_MAX)
        return find_or_make(metric, NULL);
    series = mem_new(sizeof(*series) + n_buckets * sizeof(series->buckets[0]));
    series->metric = metric;
    series->is_other = !values && *info->labels;
    series->labels = mem_strdup(strbuf_string(&key) + prefix);
    strmap_put(&registry.by_labels, strbuf_string(&key), series);
    list_append(&state->series, &series->node);
    state->n++;
    return series;
}

MetricSeries *metric_series(Metric metric, const char *const *values)
{
    ASSERT(metric < METRIC_COUNT && values);
    return find_or_make(metric, values);
}

MetricSeries *metric_single(Metric metric)
{
    MetricState *state = &registry.metrics[metric];

    if (_likely_(state->single))
        return state->single;
    ASSERT(!*metric_table[metric].labels);
    state->single = find_or_make(metric, NULL);
    return state->single;
}

void metric_remove(MetricSeries *series)
{
    _free_ char *key = NULL;

    if (!series || series->is_other)
        return;
    key = mem_printf("%s{%s", metric_table[series->metric].name, series->labels);
    strmap_remove(&registry.by_labels, key);
    list_remove(&series->node);
    registry.metrics[series->metric].n--;
    free(series->labels);
    free(series);
}

void metrics_collector_add(MetricCollector *collector)
{
    make_ready();
    list_append(&registry.collectors, &collector->node);
}

void metrics_collector_remove(MetricCollector *collector)
{
    if (collector->node.next)
        list_remove(&collector->node);
}

/* ---- the process ---- */

static double count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -3; /* "." and "..", and the folder itself */

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* The wall time of the boot in seconds, computed from two clocks. */
static double boot_time(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

static void collect_process(void)
{
    static double started;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    unsigned long long user = 0, system = 0, start = 0;
    unsigned long virtual = 0;
    long resident = 0;
    struct rlimit limit;
    _close_fd_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char text[1024] = "";
    const char *at;

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        text[0] = 0;
    /* The name of the program is in parentheses and may contain any character. */
    at = strrchr(text, ')');
    if (at && sscanf(at + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
                     "%*d %llu %lu %ld",
                     &user, &system, &start, &virtual, &resident) == 5) {
        if (started == 0)
            started = boot_time() + (double)start / ticks;
        metric_set(metric_single(METRIC_PROCESS_CPU), (double)(user + system) / ticks);
        metric_set(metric_single(METRIC_PROCESS_VIRTUAL), (double)virtual);
        metric_set(metric_single(METRIC_PROCESS_RESIDENT),
                   (double)resident * (double)sysconf(_SC_PAGESIZE));
        metric_set(metric_single(METRIC_PROCESS_START), started);
    }
    metric_set(metric_single(METRIC_PROCESS_FDS), count_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metric_set(metric_single(METRIC_PROCESS_FDS_MAX), (double)limit.rlim_cur);
}

/* ---- the text ---- */

static void add_number(StrBuf *out, double v)
{
    if (v >= 0 && v < 9e15 && (double)(uint64_t)v == v) {
        char text[21];
        size_t n = uint64_print((uint64_t)v, text);

        strbuf_add(out, text, n);
    } else {
        strbuf_printf(out, "%.15g", v);
    }
}

static void print_sample(StrBuf *out, const MetricSeries *series, const char *suffix, double value)
{
    strbuf_add_string(out, metric_table[series->metric].name);
    strbuf_add_string(out, suffix);
    if (*series->labels) {
        strbuf_add_char(out, '{');
        strbuf_add_string(out, series->labels);
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ' ');
    add_number(out, value);
    strbuf_add_char(out, '\n');
}

static void print_bucket(StrBuf *out, const MetricSeries *series, const char *bound, uint64_t n)
{
    strbuf_add_string(out, metric_table[series->metric].name);
    strbuf_add_string(out, "_bucket{");
    strbuf_add_string(out, series->labels);
    strbuf_add_string(out, *series->labels ? ",le=\"" : "le=\"");
    strbuf_add_string(out, bound);
    strbuf_add_string(out, "\"} ");
    strbuf_add_int64(out, (int64_t)n);
    strbuf_add_char(out, '\n');
}

static void print_histogram(StrBuf *out, const MetricSeries *series)
{
    const MetricBounds *bounds = metric_table[series->metric].bounds;
    uint64_t n = 0;

    for (size_t i = 0; i < bounds->n; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%g", bounds->v[i]);
        n += series->buckets[i];
        print_bucket(out, series, text, n);
    }
    print_bucket(out, series, "+Inf", series->count);
    print_sample(out, series, "_sum", series->value);
    print_sample(out, series, "_count", (double)series->count);
}

void metrics_print(StrBuf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    make_ready();
    collect_process();
    LIST_EACH_SAFE(&registry.collectors, node) {
        MetricCollector *collector = CONTAINER_OF(node, MetricCollector, node);

        collector->collect(collector->data);
    }
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const MetricInfo *info = &metric_table[i];

        if (list_empty(&registry.metrics[i].series))
            continue;
        strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
                      types[info->type]);
        LIST_EACH_SAFE(&registry.metrics[i].series, node) {
            const MetricSeries *series = CONTAINER_OF(node, MetricSeries, node);

            if (info->type == METRIC_HISTOGRAM)
                print_histogram(out, series);
            else
                print_sample(out, series, "", series->value);
        }
    }
}
