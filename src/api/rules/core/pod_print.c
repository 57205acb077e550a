/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of a Pod. The STATUS column is one word that is derived from the phase, the deletion
 * timestamp and the states of all containers, with the precedence that Kubernetes has.
 */
#include "api/condition.h"
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/waiting_reason.h"

typedef struct Summary {
    const char *reason;
    char buf[512]; /* where reason is made up */
    size_t ready, total;
    int64_t restarts, sidecar_restarts;
    Time last_restart, last_sidecar_restart;
} Summary;

static void later(Time *time, const ContainerStatus *status)
{
    const ContainerStateTerminated *last = status->last_state.terminated;

    if (last && last->finished_at.set && (!time->set || time->seconds < last->finished_at.seconds))
        *time = last->finished_at;
}

static bool condition_is_true(const PodStatus *status, const char *type)
{
    return CONDITION_IS_TRUE(&status->conditions, type);
}

static bool is_sidecar(const Pod *pod, const char *name)
{
    const ContainerArray *inits = &pod->spec.init_containers;

    for (size_t i = 0; i < inits->n; i++)
        if (str_equal(inits->v[i].name, name))
            return container_is_sidecar(&inits->v[i]);
    return false;
}

/* "Completed", "Error", or how it ended. */
static void tell_end(Summary *s, const char *prefix, const ContainerStateTerminated *end)
{
    if (!str_empty(end->reason))
        snprintf(s->buf, sizeof(s->buf), "%s%s", prefix, end->reason);
    else if (end->signal)
        snprintf(s->buf, sizeof(s->buf), "%sSignal:%d", prefix, end->signal);
    else
        snprintf(s->buf, sizeof(s->buf), "%sExitCode:%d", prefix, end->exit_code);
    s->reason = s->buf;
}

/* Visits the init containers up to the first that is not done. Returns true if there is one. */
static bool look_at_inits(Summary *s, const Pod *pod)
{
    const ContainerStatusArray *statuses = &pod->status.init_container_statuses;

    for (size_t i = 0; i < statuses->n; i++) {
        const ContainerStatus *status = &statuses->v[i];
        const ContainerStateTerminated *end = status->state.terminated;
        const ContainerStateWaiting *waiting = status->state.waiting;
        WaitingReason reason = waiting ? waiting_reason_parse(waiting->reason) : WAITING_NONE;
        bool sidecar = is_sidecar(pod, status->name);

        s->restarts += status->restart_count;
        later(&s->last_restart, status);
        if (sidecar) {
            s->sidecar_restarts += status->restart_count;
            later(&s->last_sidecar_restart, status);
        }
        if (end && end->exit_code == 0)
            continue;
        if (sidecar && status->started && *status->started) {
            s->ready += status->ready;
            continue;
        }
        if (end) {
            tell_end(s, "Init:", end);
        } else if (reason != WAITING_NONE && reason != WAITING_POD_INITIALIZING) {
            snprintf(s->buf, sizeof(s->buf), "Init:%s", waiting->reason);
            s->reason = s->buf;
        } else {
            snprintf(s->buf, sizeof(s->buf), "Init:%zu/%zu", i, pod->spec.init_containers.n);
            s->reason = s->buf;
        }
        return true;
    }
    return false;
}

static void look_at_containers(Summary *s, const Pod *pod)
{
    const ContainerStatusArray *statuses = &pod->status.container_statuses;
    char error[sizeof(s->buf)] = "";
    bool running = false;

    s->restarts = s->sidecar_restarts;
    s->last_restart = s->last_sidecar_restart;
    for (size_t i = statuses->n; i-- > 0;) {
        const ContainerStatus *status = &statuses->v[i];
        const ContainerStateTerminated *end = status->state.terminated;

        s->restarts += status->restart_count;
        later(&s->last_restart, status);
        if (status->state.waiting && !str_empty(status->state.waiting->reason)) {
            s->reason = status->state.waiting->reason;
        } else if (end) {
            tell_end(s, "", end);
            if (end->exit_code)
                snprintf(error, sizeof(error), "%s", s->reason);
        } else if (status->ready && status->state.running) {
            running = true;
            s->ready++;
        }
    }
    if (!str_equal(s->reason, "Completed"))
        return;
    if (running && condition_is_true(&pod->status, "Ready")) {
        s->reason = "Running";
    } else if (*error) {
        memcpy(s->buf, error, sizeof(error));
        s->reason = s->buf;
    } else if (running) {
        s->reason = "NotReady";
    }
}

static void summarize(Summary *s, const Pod *pod)
{
    const PodStatus *status = &pod->status;
    bool ended = str_equal(status->phase, "Failed") || str_equal(status->phase, "Succeeded");
    const PodCondition *scheduled = CONDITION_FIND(&status->conditions, "PodScheduled");

    s->total = pod->spec.containers.n;
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        s->total += container_is_sidecar(&pod->spec.init_containers.v[i]);
    s->reason = str_or(status->reason, status->phase);
    if (scheduled && str_equal(scheduled->reason, "SchedulingGated"))
        s->reason = "SchedulingGated";
    if (!look_at_inits(s, pod) || condition_is_true(status, "Initialized"))
        look_at_containers(s, pod);
    if (pod->metadata.deletion_timestamp.set && str_equal(status->reason, "NodeLost"))
        s->reason = "Unknown";
    else if (pod->metadata.deletion_timestamp.set && !ended)
        s->reason = "Terminating";
}

static void cell_readiness_gates(StrBuf *row, const Pod *pod)
{
    const PodReadinessGateArray *gates = &pod->spec.readiness_gates;
    size_t n = 0;

    for (size_t i = 0; i < gates->n; i++)
        n += condition_is_true(&pod->status, gates->v[i].condition_type);
    if (gates->n)
        cell_printf(row, "%zu/%zu", n, gates->n);
    else
        cell_string(row, "<none>");
}

void print_pod(const void *value, int64_t now_ns, StrBuf *row)
{
    const Pod *pod = value;
    const PodIPArray *ips = &pod->status.pod_ips;
    _strbuf_ StrBuf ago = STRBUF_INIT;
    Summary s = {.reason = NULL};

    summarize(&s, pod);
    print_age(&ago, s.last_restart, now_ns);
    cell_string(row, pod->metadata.name);
    cell_printf(row, "%zu/%zu", s.ready, s.total);
    cell_string(row, s.reason);
    if (s.restarts && s.last_restart.set)
        cell_printf(row, "%" PRId64 " (%s ago)", s.restarts, strbuf_string(&ago));
    else
        cell_printf(row, "%" PRId64, s.restarts);
    cell_age(row, pod->metadata.creation_timestamp, now_ns);
    cell_string(row, str_or(ips->n ? ips->v[0].ip : NULL, "<none>"));
    cell_string(row, str_or(pod->spec.node_name, "<none>"));
    cell_string(row, str_or(pod->status.nominated_node_name, "<none>"));
    cell_readiness_gates(row, pod);
}
