/* SPDX-License-Identifier: Apache-2.0 */
/* A log line and a metric for each reconcile; see report.h. */
#include "api/schema/core_pod_v1.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "control/report.h"

typedef enum Outcome { OUTCOME_SUCCESS, OUTCOME_AGAIN, OUTCOME_ERROR, OUTCOMES } Outcome;

static const char *const outcome_names[OUTCOMES] = {"success", "requeue_after", "error"};

void report_begin(Reconcile *reconcile)
{
    error_trace_forget();
    reconcile->began_ns = clock_mono_ns(reconcile->controller->options->clock);
}

static bool is_ordinary(StatusReason reason)
{
    return reason == STATUS_CONFLICT || reason == STATUS_NOT_FOUND ||
           reason == STATUS_ALREADY_EXISTS;
}

void report_refusal(Reconcile *reconcile, const ApiStatus *status)
{
    bool ordinary =
        is_ordinary(status->reason) || status_has_cause(status, CAUSE_NAMESPACE_TERMINATING);

    /* Keep the first refusal, but let an unusual one replace an ordinary one. */
    if (reconcile->refusal && (reconcile->refused || ordinary))
        return;
    reconcile->refusal = arena_strdup(&reconcile->arena, str_or(status->message, "refused"));
    reconcile->refused = !ordinary;
}

static void count(Reconcile *reconcile, Outcome outcome)
{
    Controller *controller = reconcile->controller;

    if (!controller->outcomes[outcome])
        controller->outcomes[outcome] =
            METRIC_SERIES(METRIC_RECONCILE_TOTAL, controller->ops->name, outcome_names[outcome]);
    metric_inc(controller->outcomes[outcome]);
}

/* A key that fails repeatedly is logged the 1st, 2nd, 4th, 8th, ... time. Up to two failures in a row
 * by ordinary refusals are not logged, since a lost race is normal and the retry starts from the new
 * state. */
static bool is_worth_a_line(const Reconcile *reconcile, unsigned failures)
{
    if (failures == 0)
        return reconcile->refused;
    return (failures & (failures - 1)) == 0 && (failures > 2 || reconcile->refused);
}

void report_end(Reconcile *reconcile, WorkResult result, unsigned failures)
{
    static LogLimit limit;
    const Controller *controller = reconcile->controller;
    int64_t now = clock_mono_ns(controller->options->clock);
    Outcome outcome = result == WORK_FAILED            ? OUTCOME_ERROR
                      : reconcile->again_after_ns >= 0 ? OUTCOME_AGAIN
                                                       : OUTCOME_SUCCESS;
    bool warn = is_worth_a_line(reconcile, failures);
    uint64_t left_out = 0;
    char trace[ERR_TRACE_MAX];

    count(reconcile, outcome);
    error_trace_take(trace, sizeof(trace));
    if (warn && log_enabled(LOG_LEVEL_WARN))
        warn = log_limit_take(&limit, now, &left_out);
    if (!warn && !log_enabled(LOG_LEVEL_DEBUG))
        return;
    LogField fields[] = {
        LOG_TEXT("controller", controller->ops->name),
        LOG_TEXT("key", reconcile->key),
        LOG_TEXT("outcome", outcome_names[outcome]),
        LOG_MS("ms", now - reconcile->began_ns),
        LOG_TEXT("reason", reconcile->refusal),
        LOG_TEXT("trace", result == WORK_FAILED ? trace : NULL),
        LOG_NUMBER("failures", failures),
        LOG_NUMBER("left_out", left_out),
    };
    size_t n = left_out ? 8 : failures ? 7 : 6;

    log_write_fields(warn ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "reconcile", fields, n,
                     result == WORK_FAILED ? "failed, and is tried again"
                     : warn                ? "a write was refused"
                                           : "done");
}

static MetricSeries *phase_series(const Object *pod)
{
    return METRIC_SERIES(METRIC_PODS, str_or(OBJECT_AS(Pod, pod)->status.phase, "Unknown"));
}

void report_pod_event(const WatchEvent *event)
{
    const Object *before = event->before;

    if (event->type == WATCH_DELETED && !before)
        before = event->object;
    if (before && event->type == WATCH_MODIFIED &&
        str_equal(OBJECT_AS(Pod, before)->status.phase,
                  OBJECT_AS(Pod, event->object)->status.phase))
        return;
    if (before)
        metric_add(phase_series(before), -1);
    if (event->type != WATCH_DELETED)
        metric_inc(phase_series(event->object));
}
