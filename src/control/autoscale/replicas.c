/* SPDX-License-Identifier: Apache-2.0 */
#include "control/autoscale/replicas.h"

#include <math.h>

#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "view/pod.h"

/* For so long after its start, a pod is expected to use more CPU than later. */
#define CPU_INITIALIZATION (5 * 60 * NS_PER_SEC)
/* A pod that became unready for so long after its start has never been ready. */
#define INITIAL_READINESS (30 * NS_PER_SEC)

typedef enum PodState { POD_READY, POD_UNREADY, POD_MISSING, POD_IGNORED } PodState;

typedef struct Row {
    const Pod *pod;
    PodState state;
    bool measured;   /* value counts */
    int64_t value;   /* thousandths */
    int64_t request; /* thousandths */
} Row;

typedef struct Sheet {
    const ReplicasInput *input;
    Row *rows;
    size_t ready, unready, missing;
} Sheet;

/* ---- what was measured ---- */

static int64_t milli_of(const char *resource, const ContainerUsage *usage)
{
    if (str_equal(resource, "cpu"))
        return (usage->cpu + 999999) / 1000000;
    return usage->memory * 1000;
}

/* False: the pod was not measured, or has no such container. */
static bool read_value(const ReplicasInput *input, const PodUsage *usage, int64_t *ret)
{
    bool found = false;

    if (!usage || (!str_equal(input->resource, "cpu") && !str_equal(input->resource, "memory")))
        return false;
    *ret = 0;
    for (size_t i = 0; i < usage->n; i++) {
        if (input->container && !str_equal(usage->v[i].name, input->container))
            continue;
        *ret += milli_of(input->resource, &usage->v[i]);
        found = true;
    }
    return found;
}

static bool cpu_is_unready(const ReplicasInput *input, const Pod *pod, const PodUsage *usage)
{
    const PodCondition *ready = pod_condition(pod, "Ready");
    int64_t started = time_ns(pod->status.start_time), changed;
    bool no;

    if (!ready || !pod->status.start_time.set)
        return true;
    no = str_equal(ready->status, "False");
    changed = time_ns(ready->last_transition_time);
    if (started + CPU_INITIALIZATION > input->now_ns)
        return no || usage->at_ns < changed + usage->window_ns;
    return no && started + INITIAL_READINESS > changed;
}

static PodState state_of(const ReplicasInput *input, const ScaledPod *pod, bool measured)
{
    if (pod_is_terminating(pod->pod) || pod_is_failed(pod->pod))
        return POD_IGNORED;
    if (str_equal(pod->pod->status.phase, "Pending"))
        return POD_UNREADY;
    if (!measured)
        return POD_MISSING;
    if (str_equal(input->resource, "cpu") && cpu_is_unready(input, pod->pod, pod->usage))
        return POD_UNREADY;
    return POD_READY;
}

static void fill_sheet(Sheet *sheet, Arena *arena)
{
    const ReplicasInput *input = sheet->input;

    sheet->rows = arena_new_n(arena, Row, input->n_pods + 1);
    for (size_t i = 0; i < input->n_pods; i++) {
        Row *row = &sheet->rows[i];

        row->pod = input->pods[i].pod;
        row->measured = read_value(input, input->pods[i].usage, &row->value);
        row->state = state_of(input, &input->pods[i], row->measured);
        if (row->state == POD_UNREADY || row->state == POD_IGNORED)
            row->measured = false;
        sheet->ready += row->state == POD_READY;
        sheet->unready += row->state == POD_UNREADY;
        sheet->missing += row->state == POD_MISSING;
    }
}

static size_t count_measured(const Sheet *sheet)
{
    size_t n = 0;

    for (size_t i = 0; i < sheet->input->n_pods; i++)
        n += sheet->rows[i].measured;
    return n;
}

/* ---- what was requested ---- */

/* Adds the request of a container. False: it has none. */
static bool add_request(const Container *container, const char *resource, int64_t *sum)
{
    const char *request = string_map_get(&container->resources.requests, resource);

    if (!request)
        return false;
    *sum += quantity_milli(request);
    return true;
}

static const char *pod_request(const ReplicasInput *input, Arena *arena, Row *row)
{
    const PodSpec *spec = &row->pod->spec;
    const char *name = row->pod->metadata.name;
    const ContainerArray *lists[] = {&spec->containers, &spec->init_containers};

    if (!input->container && spec->resources && spec->resources->requests.n) {
        const char *request = string_map_get(&spec->resources->requests, input->resource);

        if (!request)
            return arena_printf(arena, "missing pod-level request for %s in Pod %s",
                                input->resource, name);
        row->request = quantity_milli(request);
        return NULL;
    }
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            const Container *container = &lists[k]->v[i];
            bool wanted = !input->container || str_equal(input->container, container->name);

            if (k == 1 && !str_equal(container->restart_policy, "Always"))
                continue;
            if (wanted && !add_request(container, input->resource, &row->request))
                return arena_printf(arena, "missing request for %s in container %s of Pod %s",
                                    input->resource, container->name, name);
            if (wanted && input->container)
                return NULL;
        }
    }
    return input->container
               ? arena_printf(arena, "container %s not found in Pod %s", input->container, name)
               : NULL;
}

/* ---- ratios ---- */

/* The ratio of use to target over what counts as measured; negative: there are no requests. */
static double ratio_of(const Sheet *sheet, ReplicasResult *ret)
{
    const ReplicasInput *input = sheet->input;
    __int128 total = 0, requests = 0;
    int64_t n = 0;

    for (size_t i = 0; i < input->n_pods; i++) {
        if (!sheet->rows[i].measured)
            continue;
        total += sheet->rows[i].value;
        requests += sheet->rows[i].request;
        n++;
    }
    ret->average_milli = (int64_t)(total / n);
    if (!input->utilization)
        return (double)ret->average_milli / (double)input->target_milli;
    if (requests == 0)
        return -1;
    ret->utilization = (int32_t)MIN_OF(total * 100 / requests, (__int128)INT32_MAX);
    return (double)ret->utilization / *input->utilization;
}

static bool is_within(const ReplicasInput *input, double ratio)
{
    return 1.0 - input->tolerance_down <= ratio && ratio <= 1.0 + input->tolerance_up;
}

static int32_t scaled(double ratio, size_t n)
{
    double v = ceil(ratio * (double)n);

    return v >= INT32_MAX ? INT32_MAX : (int32_t)v;
}

/* Gives pods that were not measured the use that changes least. */
static void assume(Sheet *sheet, double ratio)
{
    const ReplicasInput *input = sheet->input;

    for (size_t i = 0; i < input->n_pods; i++) {
        Row *row = &sheet->rows[i];
        int64_t percent = input->utilization ? MAX_OF(100, *input->utilization) : 100;

        if (row->state == POD_MISSING && ratio < 1.0) {
            row->value = input->utilization ? (int64_t)((__int128)row->request * percent / 100)
                                            : input->target_milli;
            row->measured = true;
        } else if ((row->state == POD_MISSING || row->state == POD_UNREADY) && ratio > 1.0) {
            row->value = 0;
            row->measured = true;
        }
    }
}

static void scale_by_ratio(Sheet *sheet, double ratio, ReplicasResult *ret)
{
    const ReplicasInput *input = sheet->input;
    bool up_with_unready = sheet->unready > 0 && ratio > 1.0;
    ReplicasResult ignored = {0};
    double again;
    int32_t replicas;

    ret->replicas = input->current;
    if (!up_with_unready && sheet->missing == 0) {
        if (!is_within(input, ratio))
            ret->replicas = scaled(ratio, sheet->ready);
        return;
    }
    assume(sheet, ratio);
    again = ratio_of(sheet, &ignored);
    if (again < 0) {
        ret->error = "no metrics returned matched known pods";
        return;
    }
    /* What is assumed must not turn the direction. */
    if (is_within(input, again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0))
        return;
    replicas = scaled(again, count_measured(sheet));
    if ((again < 1.0 && replicas > input->current) || (again > 1.0 && replicas < input->current))
        return;
    ret->replicas = replicas;
}

void replicas_compute(const ReplicasInput *input, Arena *arena, ReplicasResult *ret)
{
    Sheet sheet = {.input = input};
    double ratio;

    *ret = (ReplicasResult){0};
    if (input->no_metrics) {
        ret->error = arena_printf(arena, "unable to get metrics for resource %s: %s",
                                  input->resource, input->no_metrics);
        return;
    }
    if (!input->n_pods) {
        ret->error = "no pods returned by selector while calculating replica count";
        return;
    }
    fill_sheet(&sheet, arena);
    if (!count_measured(&sheet)) {
        ret->error = "did not receive metrics for targeted pods (pods might be unready)";
        return;
    }
    for (size_t i = 0; input->utilization && !ret->error && i < input->n_pods; i++)
        ret->error = pod_request(input, arena, &sheet.rows[i]);
    if (ret->error)
        return;
    ratio = ratio_of(&sheet, ret);
    if (ratio < 0)
        ret->error = "no metrics returned matched known pods";
    else
        scale_by_ratio(&sheet, ratio, ret);
}
