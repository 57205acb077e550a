/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of the server, for Prometheus. Every metric is a row of the table in metrics.c: name,
 * type, labels, help. A row has a series for each combination of label values that has occurred.
 *
 * A caller looks its series up once (metric_series) and keeps the pointer. From then on, an update
 * is a single addition, without allocation and without a search. A series lives until
 * metric_remove, or the end of the process. A metric without labels has one series, METRIC(name).
 *
 * The number of series of a metric is limited: past METRIC_SERIES_MAX, all further combinations
 * share one series whose labels are all "other". So no input can grow the table without end, but
 * callers should pass only values from a bounded set (never a path, a user or a header).
 *
 * Everything here belongs to the loop's thread. Other threads hand their numbers over to it.
 */
#ifndef BASE_OBSERVE_METRICS_H
#define BASE_OBSERVE_METRICS_H

#include "base/list.h"
#include "base/strbuf.h"

typedef enum Metric {
    METRIC_REQUEST_TOTAL,
    METRIC_REQUEST_DURATION,
    METRIC_REQUEST_SLI_DURATION,
    METRIC_RESPONSE_SIZES,
    METRIC_INFLIGHT,
    METRIC_LONGRUNNING,
    METRIC_FLOW_DISPATCHED,
    METRIC_FLOW_REJECTED,
    METRIC_FLOW_WAIT,
    METRIC_FLOW_INQUEUE,
    METRIC_FLOW_EXECUTING,
    METRIC_FLOW_NOMINAL,
    METRIC_FLOW_LENDABLE,
    METRIC_POD_SECURITY,
    METRIC_POD_SECURITY_ERRORS,
    METRIC_STORAGE_OBJECTS,
    METRIC_RESOURCE_OBJECTS,
    METRIC_WATCH_EVENTS,
    METRIC_AUDIT_EVENTS,
    METRIC_AUDIT_ERRORS,
    METRIC_AUDIT_LEVELS,
    METRIC_AUDIT_REJECTED,
    METRIC_QUEUE_DEPTH,
    METRIC_QUEUE_ADDS,
    METRIC_QUEUE_WAIT,
    METRIC_QUEUE_WORK,
    METRIC_QUEUE_UNFINISHED,
    METRIC_QUEUE_LONGEST,
    METRIC_QUEUE_RETRIES,
    METRIC_RECONCILE_TOTAL,
    METRIC_PROBE_TOTAL,
    METRIC_PODS,
    METRIC_RESTARTS,
    METRIC_POD_WARNINGS,
    METRIC_RESIZES_REQUESTED,
    METRIC_RESIZES_PENDING,
    METRIC_RESIZES_INFEASIBLE,
    METRIC_RESIZES_IN_PROGRESS,
    METRIC_RESIZES_DEFERRED_ACCEPTED,
    METRIC_RESIZE_DURATION,
    METRIC_COMMITS,
    METRIC_COMMIT_FAILURES,
    METRIC_COMMIT_WRITES,
    METRIC_COMMIT_DURATION,
    METRIC_COMMIT_WAIT,
    METRIC_STORE_REVISION,
    METRIC_LONG_TURNS,
    METRIC_DNS_PACKETS,
    METRIC_BAD_REQUESTS,
    METRIC_HTTP_CONNECTIONS,
    METRIC_EVENTS_DROPPED,
    METRIC_IMAGES_COLLECTED,
    METRIC_IMAGES_COLLECTED_BYTES,
    METRIC_PROCESS_CPU,
    METRIC_PROCESS_RESIDENT,
    METRIC_PROCESS_VIRTUAL,
    METRIC_PROCESS_FDS,
    METRIC_PROCESS_FDS_MAX,
    METRIC_PROCESS_START,
    METRIC_BUILD_INFO,
    METRIC_COUNT,
} Metric;

typedef enum MetricType { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } MetricType;

#define METRIC_LABELS_MAX 9
#define METRIC_SERIES_MAX 5000

typedef struct MetricBounds {
    size_t n;
    double v[24];
} MetricBounds;

typedef struct MetricInfo {
    const char *name;
    MetricType type;
    const char *labels; /* "verb,code"; "": none */
    const char *help;
    const MetricBounds *bounds; /* of a histogram */
} MetricInfo;

extern const MetricInfo metric_table[METRIC_COUNT];

typedef struct MetricSeries {
    ListNode node; /* in the list of its metric */
    Metric metric;
    bool is_other; /* shared by all combinations of labels beyond the limit */
    char *labels;  /* "verb=\"GET\",code=\"200\"" */
    double value;  /* of a histogram: the sum */
    uint64_t count;
    /* of a histogram: the number of observations between the previous bound and this one */
    uint64_t buckets[];
} MetricSeries;

/* Finds the series, or creates it. There must be as many values as the metric has labels; NULL
 * counts as "". */
MetricSeries *metric_series(Metric metric, const char *const *values);
#define METRIC_SERIES(metric, ...) metric_series((metric), (const char *const[]){__VA_ARGS__})
/* The series of a metric without labels. */
MetricSeries *metric_single(Metric metric);
/* Removes a series whose labels name an object that is gone. The pointer must not be used
 * afterwards. NULL is accepted. */
void metric_remove(MetricSeries *series);

static inline void metric_add(MetricSeries *series, double v)
{
    series->value += v;
}
static inline void metric_inc(MetricSeries *series)
{
    series->value += 1;
}
static inline void metric_set(MetricSeries *series, double v)
{
    series->value = v;
}
static inline void metric_observe(MetricSeries *series, double v)
{
    const MetricBounds *bounds = metric_table[series->metric].bounds;
    size_t i = 0;

    while (i < bounds->n && v > bounds->v[i])
        i++;
    series->buckets[i]++;
    series->count++;
    series->value += v;
}
static inline void metric_observe_ns(MetricSeries *series, int64_t ns)
{
    metric_observe(series, (double)ns / 1e9);
}

/* Computes gauges at the moment when the metrics are read. It is embedded in its owner, which has
 * to remove it before it is freed. */
typedef struct MetricCollector {
    ListNode node;
    void (*collect)(void *data);
    void *data;
} MetricCollector;

void metrics_collector_add(MetricCollector *collector);
void metrics_collector_remove(MetricCollector *collector); /* one that was never added is fine */

/* All series in the text format of Prometheus (version 0.0.4), process_* included. */
#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_print(StrBuf *out);

#endif
