/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of NodeMetrics and PodMetrics. */
#include "api/object.h"
#include "api/print.h"
#include "api/quantity.h"
#include "api/rules/rules.h"
#include "api/schema/metrics_v1beta1.h"
#include "base/timefmt.h"

static const char *usage_of(const StringMap *usage, const char *name)
{
    return str_or(string_map_get(usage, name), "0");
}

static void print_window(StrBuf *out, int64_t window_ns)
{
    char text[TIMEFMT_MAX];

    timefmt_duration(window_ns, text);
    cell_string(out, text);
}

static void node_metrics_print(const void *value, int64_t now_ns _unused_, StrBuf *out)
{
    const NodeMetrics *metrics = value;

    cell_string(out, metrics->metadata.name);
    cell_string(out, usage_of(&metrics->usage, "cpu"));
    cell_string(out, usage_of(&metrics->usage, "memory"));
    print_window(out, metrics->window);
}

static void pod_metrics_print(const void *value, int64_t now_ns _unused_, StrBuf *out)
{
    const PodMetrics *metrics = value;
    _arena_ Arena arena = ARENA_INIT;
    const char *cpu = "0", *memory = "0";

    for (size_t i = 0; i < metrics->containers.n; i++) {
        cpu = quantity_add(&arena, cpu, usage_of(&metrics->containers.v[i].usage, "cpu"));
        memory = quantity_add(&arena, memory, usage_of(&metrics->containers.v[i].usage, "memory"));
    }
    cell_string(out, metrics->metadata.name);
    cell_string(out, cpu);
    cell_string(out, memory);
    print_window(out, metrics->window);
}

const KindRules rules_node_metrics = {.print = node_metrics_print};
const KindRules rules_pod_metrics = {.print = pod_metrics_print};
