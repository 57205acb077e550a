/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metrics, series that are found again, and their text. */
#include "testing.h"

#include <time.h>

#include "base/observe/metrics.h"

static char *print(void)
{
    StrBuf out = STRBUF_INIT;

    metrics_print(&out);
    return strbuf_take(&out);
}

static void assert_printed(const char *line)
{
    _free_ char *text = print();

    if (!strstr(text, line))
        fail_msg("not printed: %s", line);
}

static void assert_not_printed(const char *line)
{
    _free_ char *text = print();

    if (strstr(text, line))
        fail_msg("printed: %s", line);
}

static bool is_name(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || text[i] == '_' ||
              (i && text[i] >= '0' && text[i] <= '9')))
            return false;
    return n > 0;
}

static void each_row_is_complete(void **state)
{
    EACH_ROW(i, metric_table, metric_table[i].name) {
        const MetricInfo *info = &metric_table[i];

        assert_non_null(info->name);
        assert_true(is_name(info->name, strlen(info->name)));
        assert_non_null(info->help);
        assert_null(strpbrk(info->help, "\n\\"));
        assert_non_null(info->labels);
        for (const char *at = info->labels; *at;) {
            size_t n = strcspn(at, ",");

            assert_true(is_name(at, n));
            assert_false(n == 2 && memcmp(at, "le", 2) == 0);
            at += n + (at[n] == ',');
        }
        assert_int_equal(info->type == METRIC_HISTOGRAM, info->bounds != NULL);
        for (size_t b = 1; info->bounds && b < info->bounds->n; b++)
            assert_true(info->bounds->v[b] > info->bounds->v[b - 1]);
        if (info->type == METRIC_COUNTER)
            assert_true(str_ends_with(info->name, "_total"));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(info->name, metric_table[j].name);
    }
}

static void a_series_is_found_again_by_its_labels(void **state)
{
    MetricSeries *queue = METRIC_SERIES(METRIC_QUEUE_ADDS, "statefulset");

    assert_ptr_equal(METRIC_SERIES(METRIC_QUEUE_ADDS, "statefulset"), queue);
    assert_ptr_not_equal(METRIC_SERIES(METRIC_QUEUE_ADDS, "job"), queue);
    metric_inc(queue);
    metric_add(queue, 2);
    assert_printed("# TYPE workqueue_adds_total counter\n"
                   "workqueue_adds_total{name=\"statefulset\"} 3\n"
                   "workqueue_adds_total{name=\"job\"} 0\n");
}

static void a_histogram_counts_up_to_each_bound(void **state)
{
    MetricSeries *writes = metric_single(METRIC_COMMIT_WRITES);

    metric_observe(writes, 1);
    metric_observe(writes, 2);
    metric_observe(writes, 2.5);
    metric_observe(writes, 100000);
    assert_printed("stead_store_commit_writes_bucket{le=\"1\"} 1\n"
                   "stead_store_commit_writes_bucket{le=\"2\"} 2\n"
                   "stead_store_commit_writes_bucket{le=\"4\"} 3\n");
    assert_printed("stead_store_commit_writes_bucket{le=\"2048\"} 3\n"
                   "stead_store_commit_writes_bucket{le=\"+Inf\"} 4\n"
                   "stead_store_commit_writes_sum 100005.5\n"
                   "stead_store_commit_writes_count 4\n");
}

static void label_values_are_escaped(void **state)
{
    metric_inc(METRIC_SERIES(METRIC_RESTARTS, "a\"b\\c\nd"));
    assert_printed("stead_container_restarts_total{namespace=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void a_removed_series_is_not_printed(void **state)
{
    MetricSeries *series =
        METRIC_SERIES(METRIC_PROBE_TOTAL, "Liveness", "successful", "app", "web-0", "default", "1");

    metric_inc(series);
    assert_printed("pod=\"web-0\"");
    metric_remove(series);
    metric_remove(NULL);
    assert_not_printed("pod=\"web-0\"");
}

static void series_without_end_end_in_one(void **state)
{
    MetricSeries *other, *last = NULL;
    char name[24];

    for (int i = 0; i < METRIC_SERIES_MAX + 10; i++) {
        snprintf(name, sizeof(name), "phase%d", i);
        last = METRIC_SERIES(METRIC_PODS, name);
    }
    other = METRIC_SERIES(METRIC_PODS, "one more");
    assert_ptr_equal(last, other);
    metric_set(other, 7);
    assert_printed("stead_pods{phase=\"other\"} 7\n");
    metric_remove(other); /* shared: it stays */
    assert_printed("stead_pods{phase=\"other\"} 7\n");
}

static void collect(void *data)
{
    metric_set(METRIC_SERIES(METRIC_QUEUE_DEPTH, "collected"), *(double *)data);
}

static void a_collector_is_asked_when_somebody_reads(void **state)
{
    double value = 3;
    MetricCollector collector = {.collect = collect, .data = &value};

    metrics_collector_remove(&collector);
    metrics_collector_add(&collector);
    assert_printed("workqueue_depth{name=\"collected\"} 3\n");
    value = 4.25;
    assert_printed("workqueue_depth{name=\"collected\"} 4.25\n");
    metrics_collector_remove(&collector);
    value = 9;
    assert_printed("workqueue_depth{name=\"collected\"} 4.25\n");
}

static double value_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void the_process_is_described(void **state)
{
    _free_ char *text = print();

    assert_in_range((long)value_of(text, "\nprocess_resident_memory_bytes "), 100000,
                    INT64_C(1) << 44);
    assert_in_range((long)value_of(text, "\nprocess_open_fds "), 3, 1000);
    assert_in_range((long)value_of(text, "\nprocess_start_time_seconds "), time(NULL) - 3600,
                    time(NULL) + 1);
    assert_true(value_of(text, "\nprocess_cpu_seconds_total ") >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_complete),
        cmocka_unit_test(a_series_is_found_again_by_its_labels),
        cmocka_unit_test(a_histogram_counts_up_to_each_bound),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(a_removed_series_is_not_printed),
        cmocka_unit_test(series_without_end_end_in_one),
        cmocka_unit_test(a_collector_is_asked_when_somebody_reads),
        cmocka_unit_test(the_process_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
