/* SPDX-License-Identifier: Apache-2.0 */
#include "control/autoscale/plan.h"

#include "api/condition.h"
#include "api/quantity.h"
#include "api/selector.h"
#include "api/time.h"
#include "codec/type.h"

#define TOLERANCE 0.1
#define ABLE "AbleToScale"
#define ACTIVE "ScalingActive"
#define LIMITED "ScalingLimited"
#define NOT_COMPUTED "the HPA was unable to compute the replica count: "

typedef struct Planner {
    const AutoscaleInput *input;
    const HorizontalPodAutoscalerSpec *spec;
    Arena *arena;
    AutoscalePlan *plan;
} Planner;

/* What one metric asks for. */
typedef struct Proposal {
    const char *error; /* of the metric, for the Event about all metrics; NULL: the rest is valid */
    const char *reason; /* of the error */
    const char *cause;  /* the same without the name of the metric */
    int32_t replicas;
    const char *name;
    MetricStatus status;
} Proposal;

/* ---- notes and conditions ---- */

static void note(const Planner *p, const char *type, const char *reason, const char *message)
{
    ARENA_PUSH(p->arena, &p->plan->notes, ((AutoscaleNote){type, reason, message}));
}

static void set_condition(const Planner *p, const char *type, bool status, const char *reason,
                          const char *message)
{
    HorizontalPodAutoscalerConditionArray *conditions = &p->plan->status.conditions;
    HorizontalPodAutoscalerCondition *condition = CONDITION_FIND(conditions, type);
    const char *text = status ? "True" : "False";

    if (!condition)
        condition = ARENA_APPEND(p->arena, conditions,
                                 (HorizontalPodAutoscalerCondition){.type = type, .status = ""});
    if (!str_equal(condition->status, text))
        condition->last_transition_time = time_seconds_from_ns(p->input->now_ns);
    condition->status = text;
    condition->reason = reason;
    condition->message = message;
}

static void set_status(const Planner *p, int32_t desired, MetricStatusArray metrics)
{
    HorizontalPodAutoscalerStatus *status = &p->plan->status;

    status->observed_generation = NULL;
    status->current_replicas = p->input->current;
    status->desired_replicas = desired;
    status->current_metrics = metrics;
}

/* ---- metrics ---- */

static double tolerance_of(const HPAScalingRules *rules)
{
    /* thousandths are exact enough for a text such as "0.05" */
    return rules && rules->tolerance ? quantity_nano(rules->tolerance) / 1e9 : TOLERANCE;
}

static const char *milli_quantity(Arena *arena, const char *resource, int64_t milli)
{
    if (!str_equal(resource, "memory"))
        return quantity_from_nano(arena, milli > INT64_MAX / 1000000 ? INT64_MAX : milli * 1000000);
    if (milli % 1000 == 0)
        return quantity_from(arena, milli / 1000, true);
    return quantity_from_nano(arena, milli > INT64_MAX / 1000000 ? INT64_MAX : milli * 1000000);
}

static void compute(const Planner *p, const char *resource, const char *container,
                    const MetricTarget *target, ReplicasResult *ret)
{
    const AutoscaleInput *input = p->input;
    const HorizontalPodAutoscalerBehavior *behavior = p->spec->behavior;
    ReplicasInput in = {
        .pods = input->pods,
        .n_pods = input->n_pods,
        .resource = resource,
        .container = container,
        .utilization = target->average_value ? NULL : target->average_utilization,
        .target_milli = target->average_value ? quantity_milli(target->average_value) : 0,
        .tolerance_up = tolerance_of(behavior ? behavior->scale_up : NULL),
        .tolerance_down = tolerance_of(behavior ? behavior->scale_down : NULL),
        .current = input->current,
        .now_ns = input->now_ns,
        .no_metrics = input->no_metrics,
    };

    replicas_compute(&in, p->arena, ret);
}

/* The proposal by the CPU or memory of pods, or of one container of each. */
static void propose_resource(const Planner *p, const char *resource, const char *container,
                             const MetricTarget *target, MetricValueStatus *current, Proposal *ret)
{
    Arena *arena = p->arena;
    ReplicasResult result;

    if (!target->average_value && !target->average_utilization) {
        ret->cause = "invalid resource metric source: neither an average utilization target nor "
                     "an average value (usage) target was set";
        return;
    }
    compute(p, resource, container, target, &result);
    if (result.error) {
        ret->cause = arena_printf(arena, "failed to get %s %s: %s", resource,
                                  target->average_value ? "usage" : "utilization", result.error);
        return;
    }
    ret->replicas = result.replicas;
    current->average_value = milli_quantity(arena, resource, result.average_milli);
    if (target->average_value) {
        ret->name = arena_printf(arena, "%s resource", resource);
        return;
    }
    current->average_utilization = arena_int32(arena, result.utilization);
    ret->name = arena_printf(arena, "%s %sresource utilization (percentage of request)", resource,
                             container ? "container " : "");
}

static void propose_of_pods(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    const ResourceMetricSource *source = spec->resource;
    ResourceMetricStatus *status = arena_new(p->arena, ResourceMetricStatus);

    ret->reason = "FailedGetResourceMetric";
    status->name = source->name;
    propose_resource(p, source->name, NULL, &source->target, &status->current, ret);
    if (ret->cause)
        ret->error = arena_printf(p->arena, "failed to get %s resource metric value: %s",
                                  source->name, ret->cause);
    else
        ret->status = (MetricStatus){.type = spec->type, .resource = status};
}

static void propose_of_containers(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    const ContainerResourceMetricSource *source = spec->container_resource;
    ContainerResourceMetricStatus *status = arena_new(p->arena, ContainerResourceMetricStatus);

    ret->reason = "FailedGetContainerResourceMetric";
    status->name = source->name;
    status->container = source->container;
    propose_resource(p, source->name, source->container, &source->target, &status->current, ret);
    if (ret->cause)
        ret->error = arena_printf(p->arena, "failed to get %s container metric value: %s",
                                  source->container, ret->cause);
    else
        ret->status = (MetricStatus){.type = spec->type, .container_resource = status};
}

/* ---- metrics that come from elsewhere, of which this cluster has none ---- */

static const char no_custom[] = "unable to fetch metrics from custom metrics API: no custom "
                                "metrics API (custom.metrics.k8s.io) registered";

/* A selector as Go prints it. */
static const char *selector_text(Arena *arena, const LabelSelector *selector)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!selector)
        return "nil";
    strbuf_add_string(&text, "&LabelSelector{MatchLabels:map[string]string{");
    for (size_t i = 0; i < selector->match_labels.n; i++)
        strbuf_printf(&text, "%s: %s,", selector->match_labels.v[i].key,
                      selector->match_labels.v[i].value);
    strbuf_add_string(&text, "},MatchExpressions:[]LabelSelectorRequirement{");
    for (size_t i = 0; i < selector->match_expressions.n; i++) {
        const LabelSelectorRequirement *one = &selector->match_expressions.v[i];

        strbuf_printf(&text, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:[", one->key,
                      one->operator);
        for (size_t k = 0; k < one->values.n; k++)
            strbuf_printf(&text, "%s%s", k ? " " : "", one->values.v[k]);
        strbuf_add_string(&text, "],},");
    }
    strbuf_add_string(&text, "},}");
    return arena_strdup(arena, strbuf_string(&text));
}

static void propose_of_metric_of_pods(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    ret->reason = "FailedGetPodsMetric";
    ret->cause =
        arena_printf(p->arena, "unable to get metric %s: %s", spec->pods->metric.name, no_custom);
    ret->error = arena_printf(p->arena, "failed to get pods metric value: %s", ret->cause);
}

static void propose_of_object(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    const ObjectMetricSource *source = spec->object;
    const char *name = source->metric.name;

    ret->reason = "FailedGetObjectMetric";
    ret->cause = arena_printf(
        p->arena, "unable to get metric %s: %s on %s %s/%s", name, source->described_object.kind,
        p->input->autoscaler->metadata.namespace, source->described_object.name, no_custom);
    ret->error = arena_printf(p->arena, "failed to get object metric value: %s%s%s%s",
                              source->target.average_value ? "failed to get " : "",
                              source->target.average_value ? name : "",
                              source->target.average_value ? " object metric: " : "", ret->cause);
}

static void propose_of_external(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    const ExternalMetricSource *source = spec->external;
    const char *name = source->metric.name;

    ret->reason = "FailedGetExternalMetric";
    ret->cause = arena_printf(
        p->arena,
        "unable to get external metric %s/%s/%s: unable to fetch metrics from external "
        "metrics API: the server could not find the requested resource (get "
        "%s.external.metrics.k8s.io)",
        p->input->autoscaler->metadata.namespace, name,
        selector_text(p->arena, source->metric.selector), name);
    ret->error =
        arena_printf(p->arena, "failed to get %s external metric value: failed to get %s%s%s: %s",
                     name, source->target.average_value ? "" : "external metric ", name,
                     source->target.average_value ? " external metric" : "", ret->cause);
}

static void propose(const Planner *p, const MetricSpec *spec, Proposal *ret)
{
    static const struct {
        const char *type;
        void (*propose)(const Planner *p, const MetricSpec *spec, Proposal *ret);
        size_t member; /* which must be there */
    } rows[] = {
        {"Resource", propose_of_pods, offsetof(MetricSpec, resource)},
        {"ContainerResource", propose_of_containers, offsetof(MetricSpec, container_resource)},
        {"Pods", propose_of_metric_of_pods, offsetof(MetricSpec, pods)},
        {"Object", propose_of_object, offsetof(MetricSpec, object)},
        {"External", propose_of_external, offsetof(MetricSpec, external)},
    };

    *ret = (Proposal){.status.type = ""};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        void *const *member = (void *const *)(const void *)((const char *)spec + rows[i].member);

        if (!str_equal(rows[i].type, spec->type) || !*member)
            continue;
        rows[i].propose(p, spec, ret);
        if (ret->cause)
            note(p, "Warning", ret->reason, ret->cause);
        return;
    }
    ret->reason = "InvalidMetricSourceType";
    ret->cause = ret->error =
        arena_printf(p->arena, "unknown metric source type \"%s\"", str_or(spec->type, ""));
    note(p, "Warning", ret->reason, ret->cause);
}

/* False: the selector of the target leads to no pods of its own. */
static bool check_selector(const Planner *p, const char **ret_error)
{
    const AutoscaleInput *input = p->input;
    const char *why, *reason = "InvalidSelector";
    Selector *selector;

    if (str_empty(input->selector)) {
        *ret_error = "selector is required";
        note(p, "Warning", "SelectorRequired", *ret_error);
        set_condition(p, ACTIVE, false, reason, "the HPA target's scale is missing a selector");
        return false;
    }
    if (selector_parse_labels(p->arena, input->selector, &selector, &why)) {
        *ret_error = arena_printf(
            p->arena, "couldn't convert selector into a corresponding internal selector object: %s",
            why);
    } else if (input->rivals) {
        reason = "AmbiguousSelector";
        *ret_error =
            arena_printf(p->arena, "pods by selector %s are controlled by multiple HPAs: %s",
                         input->selector, input->rivals);
    } else {
        return true;
    }
    note(p, "Warning", reason, *ret_error);
    set_condition(p, ACTIVE, false, reason, *ret_error);
    return false;
}

/* The largest proposal of all metrics. Metrics that fail are passed over when others ask for more
 * replicas; they never let the number go down. NULL, or the error that prevents scaling. */
static const char *propose_all(const Planner *p, Proposal *ret, MetricStatusArray *ret_statuses)
{
    const MetricSpecArray *specs = &p->spec->metrics;
    Proposal first = {0};
    const char *error;
    size_t failed = 0;

    *ret = (Proposal){.name = ""};
    if (!check_selector(p, &error))
        return error;
    *ret_statuses =
        (MetricStatusArray){arena_new_n(p->arena, MetricStatus, specs->n + 1), specs->n};
    for (size_t i = 0; i < specs->n; i++) {
        Proposal one;

        propose(p, &specs->v[i], &one);
        ret_statuses->v[i] = one.status;
        if (one.error) {
            if (!failed++)
                first = one;
        } else if (ret->replicas == 0 || one.replicas > ret->replicas) {
            *ret = one;
        }
    }
    if (failed && (failed >= specs->n || ret->replicas < p->input->current)) {
        set_condition(p, ACTIVE, false, first.reason,
                      arena_printf(p->arena, NOT_COMPUTED "%s", first.cause));
        return arena_printf(p->arena,
                            "invalid metrics (%zu invalid out of %zu), first error is: %s", failed,
                            specs->n, first.error);
    }
    set_condition(p, ACTIVE, true, "ValidMetricFound",
                  arena_printf(p->arena,
                               "the HPA was able to successfully calculate a replica count from %s",
                               ret->name));
    return NULL;
}

/* ---- the plan ---- */

static void plan_by_metrics(const Planner *p, ScaleHistory *history)
{
    const AutoscaleInput *input = p->input;
    AutoscalePlan *plan = p->plan;
    MetricStatusArray statuses = {0};
    LimitInput limits = {.behavior = p->spec->behavior,
                         .least = p->spec->min_replicas ? *p->spec->min_replicas : 1,
                         .most = p->spec->max_replicas,
                         .current = input->current,
                         .now_ns = input->now_ns};
    LimitResult limited;
    Proposal best;
    const char *error = propose_all(p, &best, &statuses);

    if (error) {
        set_status(p, plan->status.desired_replicas, statuses);
        note(p, "Warning", "FailedComputeMetricsReplicas", error);
        return;
    }
    limits.desired = MAX_OF(best.replicas, 0);
    if (limits.desired > input->current)
        plan->reason = arena_printf(p->arena, "%s above target", best.name);
    else if (limits.desired < input->current)
        plan->reason = "All metrics below target";
    limit_replicas(&limits, history, &limited);
    set_condition(p, ABLE, true, limited.able_reason, limited.able_message);
    set_condition(p, LIMITED, limited.limited, limited.limit_reason, limited.limit_message);
    plan->replicas = limited.replicas;
    plan->rescale = plan->replicas != input->current;
    set_status(p, plan->replicas, statuses);
}

void autoscale_plan(const AutoscaleInput *input, ScaleHistory *history, Arena *arena,
                    AutoscalePlan *ret)
{
    const HorizontalPodAutoscalerSpec *spec = &input->autoscaler->spec;
    int32_t least = spec->min_replicas ? *spec->min_replicas : 1;
    Planner p = {input, spec, arena, ret};

    *ret = (AutoscalePlan){.reason = ""};
    type_copy(&type_HorizontalPodAutoscalerStatus, arena, &ret->status, &input->autoscaler->status);
    if (input->scale_error) {
        note(&p, "Warning", "FailedGetScale", input->scale_error);
        set_condition(&p, ABLE, false, "FailedGetScale",
                      arena_printf(arena,
                                   "the HPA controller was unable to get the target's current "
                                   "scale: %s",
                                   input->scale_error));
        return;
    }
    set_condition(&p, ABLE, true, "SucceededGetScale",
                  "the HPA controller was able to get the target's current scale");
    scale_history_begin(history, input->current, input->now_ns);
    ret->replicas = input->current;
    if (input->current == 0) {
        set_condition(&p, ACTIVE, false, "ScalingDisabled",
                      "scaling is disabled since the replica count of the target is zero");
    } else if (input->current > spec->max_replicas) {
        ret->reason = "Current number of replicas above Spec.MaxReplicas";
        ret->replicas = spec->max_replicas;
    } else if (input->current < least) {
        ret->reason = "Current number of replicas below Spec.MinReplicas";
        ret->replicas = least;
    } else {
        plan_by_metrics(&p, history);
        return;
    }
    ret->rescale = ret->replicas != input->current;
    set_status(&p, ret->replicas, (MetricStatusArray){0});
}

void autoscale_rescaled(const AutoscaleInput *input, const char *error, ScaleHistory *history,
                        Arena *arena, AutoscalePlan *plan)
{
    const HorizontalPodAutoscaler *autoscaler = input->autoscaler;
    Planner p = {input, &autoscaler->spec, arena, plan};

    if (error) {
        note(&p, "Warning", "FailedRescale",
             arena_printf(arena, "New size: %d; reason: %s; error: %s", plan->replicas,
                          plan->reason, error));
        set_condition(&p, ABLE, false, "FailedUpdateScale",
                      arena_printf(arena,
                                   "the HPA controller was unable to update the target scale: %s",
                                   error));
        plan->status.desired_replicas = autoscaler->status.desired_replicas;
        return;
    }
    note(&p, "Normal", "SuccessfulRescale",
         arena_printf(arena, "New size: %d; reason: %s", plan->replicas, plan->reason));
    set_condition(&p, ABLE, true, "SucceededRescale",
                  arena_printf(arena,
                               "the HPA controller was able to update the target scale to %d",
                               plan->replicas));
    plan->status.last_scale_time = time_seconds_from_ns(input->now_ns);
    scale_history_note(history, autoscaler->spec.behavior, input->current, plan->replicas,
                       input->now_ns);
}
