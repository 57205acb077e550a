/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of HorizontalPodAutoscalers, in the form of autoscaling/v2. */
#include "api/print.h"
#include "api/quantity.h"
#include "api/rules/rules.h"
#include "api/schema/autoscaling_v2.h"

enum { PERIOD_MAX = 1800, WINDOW_MAX = 3600, DEFAULT_UTILIZATION = 80 };

/* ---- defaults ---- */

static void add_policy(Arena *arena, HPAScalingRules *rules, const char *type, int32_t value)
{
    if (!rules->policies.v)
        rules->policies.v = arena_new_n(arena, HPAScalingPolicy, 2);
    rules->policies.v[rules->policies.n++] =
        (HPAScalingPolicy){.type = type, .value = value, .period_seconds = 15};
}

static HPAScalingRules *complete_rules(Arena *arena, HPAScalingRules *rules, bool up)
{
    if (!rules)
        rules = arena_new(arena, HPAScalingRules);
    if (!rules->select_policy)
        rules->select_policy = "Max";
    if (up && !rules->stabilization_window_seconds)
        rules->stabilization_window_seconds = arena_int32(arena, 0);
    if (rules->policies.v)
        return rules;
    if (up)
        add_policy(arena, rules, "Pods", 4);
    add_policy(arena, rules, "Percent", 100);
    return rules;
}

static void autoscaler_complete(Arena *arena, void *value)
{
    HorizontalPodAutoscalerSpec *spec = &((HorizontalPodAutoscaler *)value)->spec;

    if (!spec->metrics.n) {
        MetricSpec *metric = arena_new(arena, MetricSpec);

        metric->type = "Resource";
        metric->resource = arena_new(arena, ResourceMetricSource);
        metric->resource->name = "cpu";
        metric->resource->target.type = "Utilization";
        metric->resource->target.average_utilization = arena_int32(arena, DEFAULT_UTILIZATION);
        spec->metrics = (MetricSpecArray){metric, 1};
    }
    if (spec->behavior) {
        spec->behavior->scale_up = complete_rules(arena, spec->behavior->scale_up, true);
        spec->behavior->scale_down = complete_rules(arena, spec->behavior->scale_down, false);
    }
}

static void autoscaler_prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((HorizontalPodAutoscaler *)value)->status = (HorizontalPodAutoscalerStatus){0};
}

/* ---- validation ---- */

static void check_segment(const char *name, const char *detail, const Path *path, Causes *causes)
{
    if (str_empty(name)) {
        fail_required(causes, path, detail);
        return;
    }
    fail_faults(causes, path, name, check_path_segment(name));
}

static void check_reference(const CrossVersionObjectReference *reference, const Path *path,
                            Causes *causes)
{
    check_segment(reference->kind, "", PATH(path, "kind"), causes);
    check_segment(reference->name, "", PATH(path, "name"), causes);
}

static void check_positive(const char *quantity, const Path *path, Causes *causes)
{
    if (quantity && quantity_compare(quantity, "0") <= 0)
        fail_invalid(causes, path, quantity, "must be positive");
}

static void check_target(const MetricTarget *target, const Path *path, Causes *causes)
{
    if (str_empty(target->type))
        fail_required(causes, PATH(path, "type"), "must specify a metric target type");
    if (!str_equal(target->type, "Utilization") && !str_equal(target->type, "Value") &&
        !str_equal(target->type, "AverageValue"))
        fail_invalid(causes, PATH(path, "type"), str_or(target->type, ""),
                     "must be either Utilization, Value, or AverageValue");
    check_positive(target->value, PATH(path, "value"), causes);
    check_positive(target->average_value, PATH(path, "averageValue"), causes);
    if (target->average_utilization && *target->average_utilization < 1)
        fail_invalid_int(causes, PATH(path, "averageUtilization"), *target->average_utilization,
                         "must be greater than 0");
}

/* The target of a resource is a percentage or an amount, not both. */
static void check_resource_target(const MetricTarget *target, const Path *at, Causes *causes)
{
    const Path *path = PATH(at, "target");

    check_target(target, path, causes);
    if (!target->average_utilization && !target->average_value)
        fail_required(causes, PATH(path, "averageUtilization"),
                      "must set either a target raw value or a target utilization");
    if (target->average_utilization && target->average_value)
        fail_forbidden(causes, PATH(path, "averageValue"),
                       "may not set both a target raw value and a target utilization");
}

static void check_object(const ObjectMetricSource *source, const Path *path, Causes *causes)
{
    const Path *target = PATH(path, "target");

    check_reference(&source->described_object, PATH(path, "describedObject"), causes);
    check_segment(source->metric.name, "must specify a metric name",
                  PATH(PATH(path, "metric"), "name"), causes);
    check_target(&source->target, target, causes);
    if (!source->target.value && !source->target.average_value)
        fail_required(causes, PATH(target, "averageValue"),
                      "must set either a target value or averageValue");
}

static void check_external(const ExternalMetricSource *source, const Path *path, Causes *causes)
{
    const Path *target = PATH(path, "target");

    check_segment(source->metric.name, "must specify a metric name",
                  PATH(PATH(path, "metric"), "name"), causes);
    check_target(&source->target, target, causes);
    if (!source->target.value && !source->target.average_value)
        fail_required(causes, PATH(target, "averageValue"),
                      "must set either a target value for metric or a per-pod target");
    if (source->target.value && source->target.average_value)
        fail_forbidden(causes, PATH(target, "value"),
                       "may not set both a target value for metric and a per-pod target");
}

static void check_pods(const PodsMetricSource *source, const Path *path, Causes *causes)
{
    const Path *target = PATH(path, "target");

    check_segment(source->metric.name, "must specify a metric name",
                  PATH(PATH(path, "metric"), "name"), causes);
    check_target(&source->target, target, causes);
    if (!source->target.average_value)
        fail_required(causes, PATH(target, "averageValue"),
                      "must specify a positive target averageValue");
}

static void check_first(const MetricSpec *metric, const Path *path, Causes *causes)
{
    const ContainerResourceMetricSource *container = metric->container_resource;

    if (metric->object) {
        check_object(metric->object, PATH(path, "object"), causes);
    } else if (metric->external) {
        check_external(metric->external, PATH(path, "external"), causes);
    } else if (metric->pods) {
        check_pods(metric->pods, PATH(path, "pods"), causes);
    } else if (metric->resource) {
        if (str_empty(metric->resource->name))
            fail_required(causes, PATH(PATH(path, "resource"), "name"),
                          "must specify a resource name");
        check_resource_target(&metric->resource->target, PATH(path, "resource"), causes);
    } else if (container) {
        const Path *at = PATH(path, "containerResource");

        if (str_empty(container->name))
            fail_required(causes, PATH(at, "name"), "must specify a resource name");
        if (str_empty(container->container))
            fail_required(causes, PATH(at, "container"), "must specify a container");
        else
            fail_faults(causes, PATH(at, "container"), container->container,
                        check_dns_label(container->container));
        check_resource_target(&container->target, at, causes);
    }
}

static void check_metric(const MetricSpec *metric, const Path *path, Causes *causes)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    const struct {
        const char *type, *member;
        bool set;
    } parts[] = {
        {"Object", "object", metric->object != NULL},
        {"External", "external", metric->external != NULL},
        {"Pods", "pods", metric->pods != NULL},
        {"Resource", "resource", metric->resource != NULL},
        {"ContainerResource", "containerResource", metric->container_resource != NULL},
    };
    bool known = false;
    size_t n = 0;

    if (str_empty(metric->type))
        fail_required(causes, PATH(path, "type"), "must specify a metric source type");
    check_first(metric, path, causes);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        bool named = str_equal(metric->type, parts[i].type);

        known |= named;
        n += parts[i].set;
        if (named && !parts[i].set)
            fail_required(causes, PATH(path, parts[i].member),
                          "must populate information for the given metric source");
    }
    if (!known)
        fail_not_supported(causes, PATH(path, "type"), str_or(metric->type, ""), types);
    for (size_t i = 0; n > 1 && i < ARRAY_LEN(parts); i++)
        if (parts[i].set && !str_equal(metric->type, parts[i].type))
            fail_forbidden(causes, PATH(path, parts[i].member),
                           "must populate the given metric source only");
}

static void check_policy(const HPAScalingPolicy *policy, const Path *path, Causes *causes)
{
    static const char *const types[] = {"Percent", "Pods", NULL};

    if (!str_equal(policy->type, "Pods") && !str_equal(policy->type, "Percent"))
        fail_not_supported(causes, PATH(path, "type"), str_or(policy->type, ""), types);
    if (policy->value <= 0)
        fail_invalid_int(causes, PATH(path, "value"), policy->value, "must be greater than zero");
    if (policy->period_seconds <= 0)
        fail_invalid_int(causes, PATH(path, "periodSeconds"), policy->period_seconds,
                         "must be greater than zero");
    if (policy->period_seconds > PERIOD_MAX)
        fail_invalid_int(causes, PATH(path, "periodSeconds"), policy->period_seconds,
                         "must be less than or equal to 1800");
}

static void check_rules(const HPAScalingRules *rules, const Path *path, Causes *causes)
{
    static const char *const selections[] = {"Disabled", "Max", "Min", NULL};
    const int32_t *window = rules ? rules->stabilization_window_seconds : NULL;
    const Path *policies = PATH(path, "policies");
    bool known = false;

    if (!rules) /* of an autoscaler of version 1 */
        return;
    if (window && *window < 0)
        fail_invalid_int(causes, PATH(path, "stabilizationWindowSeconds"), *window,
                         "must be greater than or equal to zero");
    if (window && *window > WINDOW_MAX)
        fail_invalid_int(causes, PATH(path, "stabilizationWindowSeconds"), *window,
                         "must be less than or equal to 3600");
    known = !rules->select_policy;
    for (size_t i = 0; selections[i]; i++)
        known |= str_equal(rules->select_policy, selections[i]);
    if (!known)
        fail_not_supported(causes, PATH(path, "selectPolicy"), rules->select_policy, selections);
    if (!rules->policies.n)
        fail_required(causes, policies, "must specify at least one Policy");
    for (size_t i = 0; i < rules->policies.n; i++)
        check_policy(&rules->policies.v[i], PATH_INDEX(policies, i), causes);
    if (rules->tolerance && quantity_compare(rules->tolerance, "0") < 0)
        fail_invalid(causes, PATH(path, "tolerance"), rules->tolerance,
                     "must be greater than or equal to 0");
}

/* Whether there is a metric that exists even if no pod is running. */
static bool can_scale_to_zero(const HorizontalPodAutoscalerSpec *spec)
{
    for (size_t i = 0; i < spec->metrics.n; i++)
        if (str_equal(spec->metrics.v[i].type, "Object") ||
            str_equal(spec->metrics.v[i].type, "External"))
            return true;
    return false;
}

static void check_group(const char *api_version, const Path *path, Causes *causes)
{
    const char *slash = strchr(api_version, '/');

    if (slash && strchr(slash + 1, '/'))
        fail_invalid(
            causes, path, api_version,
            arena_printf(causes->arena, "unexpected GroupVersion string: %s", api_version));
    else if (!slash)
        fail_invalid(causes, path, api_version, "apiVersion must specify API group");
}

static void autoscaler_validate_status(const void *value, const void *before _unused_,
                                       Causes *causes)
{
    const HorizontalPodAutoscalerStatus *status = &((const HorizontalPodAutoscaler *)value)->status;

    validate_non_negative(status->current_replicas, "status.currentReplicas", causes);
    validate_non_negative(status->desired_replicas, "status.desiredReplicas", causes);
}

static void autoscaler_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const HorizontalPodAutoscalerSpec *spec = &((const HorizontalPodAutoscaler *)value)->spec;
    const Path *path = PATH(NULL, "spec"), *metrics = PATH(path, "metrics"),
               *behavior = PATH(path, "behavior"), *most = PATH(path, "maxReplicas");

    if (spec->min_replicas && *spec->min_replicas < 1)
        fail_invalid_int(causes, PATH(path, "minReplicas"), *spec->min_replicas,
                         "must be greater than or equal to 1");
    if (spec->max_replicas == 0)
        fail_required(causes, most, "must be set and greater than 0");
    else if (spec->max_replicas < 0)
        fail_invalid_int(causes, most, spec->max_replicas, "must be greater than or equal to 1");
    if (spec->min_replicas && spec->max_replicas < *spec->min_replicas)
        fail_invalid_int(causes, most, spec->max_replicas,
                         "must be greater than or equal to `minReplicas`");
    check_reference(&spec->scale_target_ref, PATH(path, "scaleTargetRef"), causes);
    check_group(str_or(spec->scale_target_ref.api_version, ""),
                PATH(PATH(path, "scaleTargetRef"), "apiVersion"), causes);
    for (size_t i = 0; i < spec->metrics.n; i++)
        check_metric(&spec->metrics.v[i], PATH_INDEX(metrics, i), causes);
    if (spec->min_replicas && *spec->min_replicas == 0 && !can_scale_to_zero(spec))
        fail_forbidden(causes, metrics,
                       "must specify at least one Object or External metric to support scaling to "
                       "zero replicas");
    if (spec->behavior) {
        check_rules(spec->behavior->scale_up, PATH(behavior, "scaleUp"), causes);
        check_rules(spec->behavior->scale_down, PATH(behavior, "scaleDown"), causes);
    }
}

/* ---- printing ---- */

static void print_amount(StrBuf *out, const char *name, const char *current, const char *target,
                         bool average)
{
    if (name)
        strbuf_printf(out, "%s: ", name);
    strbuf_printf(out, "%s/%s%s", str_or(current, "<unknown>"), str_or(target, "<auto>"),
                  average ? " (avg)" : "");
}

static void print_percent(StrBuf *out, const char *name, const int32_t *current,
                          const int32_t *target)
{
    char now[16] = "<unknown>", aim[16] = "<auto>";

    if (current)
        snprintf(now, sizeof(now), "%d%%", *current);
    if (target)
        snprintf(aim, sizeof(aim), "%d%%", *target);
    strbuf_printf(out, "%s: %s/%s", name, now, aim);
}

static void print_resource(StrBuf *out, const char *name, const MetricTarget *target,
                           const MetricValueStatus *current)
{
    if (target->average_value)
        print_amount(out, name, current ? current->average_value : NULL, target->average_value,
                     false);
    else
        print_percent(out, name, current ? current->average_utilization : NULL,
                      target->average_utilization);
}

static void print_value(StrBuf *out, const MetricTarget *target, const MetricValueStatus *current)
{
    if (target->average_value)
        print_amount(out, NULL, current ? current->average_value : NULL, target->average_value,
                     true);
    else
        print_amount(out, NULL, current ? current->value : NULL, target->value, false);
}

static void print_metric(StrBuf *out, const MetricSpec *metric, const MetricStatus *status)
{
    if (metric->external)
        print_value(out, &metric->external->target,
                    status->external ? &status->external->current : NULL);
    else if (metric->pods)
        print_amount(out, NULL, status->pods ? status->pods->current.average_value : NULL,
                     metric->pods->target.average_value, false);
    else if (metric->object)
        print_value(out, &metric->object->target, status->object ? &status->object->current : NULL);
    else if (metric->resource)
        print_resource(out, metric->resource->name, &metric->resource->target,
                       status->resource ? &status->resource->current : NULL);
    else if (metric->container_resource)
        print_resource(out, metric->container_resource->name, &metric->container_resource->target,
                       status->container_resource ? &status->container_resource->current : NULL);
    else
        strbuf_add_string(out, "<unknown type>");
}

static void print_metrics(StrBuf *row, const HorizontalPodAutoscaler *autoscaler)
{
    enum { MAX = 2 };
    static const MetricStatus unknown;
    const MetricSpecArray *metrics = &autoscaler->spec.metrics;
    const MetricStatusArray *statuses = &autoscaler->status.current_metrics;
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < MIN_OF(metrics->n, (size_t)MAX); i++) {
        strbuf_add_string(&text, i ? ", " : "");
        print_metric(&text, &metrics->v[i], i < statuses->n ? &statuses->v[i] : &unknown);
    }
    if (metrics->n > MAX)
        strbuf_printf(&text, " + %zu more...", metrics->n - MAX);
    cell_string(row, metrics->n ? strbuf_string(&text) : "<none>");
}

static void autoscaler_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const HorizontalPodAutoscaler *autoscaler = value;
    const HorizontalPodAutoscalerSpec *spec = &autoscaler->spec;

    cell_string(out, autoscaler->metadata.name);
    cell_printf(out, "%s/%s", spec->scale_target_ref.kind, spec->scale_target_ref.name);
    print_metrics(out, autoscaler);
    if (spec->min_replicas)
        cell_printf(out, "%d", *spec->min_replicas);
    else
        cell_string(out, "<unset>");
    cell_int64(out, spec->max_replicas);
    cell_int64(out, autoscaler->status.current_replicas);
    cell_age(out, autoscaler->metadata.creation_timestamp, now_ns);
}

const KindRules rules_horizontal_pod_autoscaler = {
    .complete = autoscaler_complete,
    .prepare = autoscaler_prepare,
    .validate = autoscaler_validate,
    .validate_status = autoscaler_validate_status,
    .print = autoscaler_print,
};
