/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HorizontalPodAutoscalers of autoscaling/v1, which are stored as those of autoscaling/v2.
 *
 * Version 1 knows the CPU of pods as its only metric. All other metrics, the behavior, and what the status
 * has beyond the average use of CPU are JSON in annotations, in the formats of Kubernetes: of metrics and
 * conditions in types of version 1 that appear nowhere else, of the behavior with the names of Go's fields.
 * Annotations are untrusted: one that cannot be read is ignored, as in Kubernetes.
 */
#include <yyjson.h>

#include "api/object.h"
#include "api/rules/rules.h"
#include "api/schema/autoscaling_v1.h"
#include "api/schema/autoscaling_v2.h"
#include "codec/json/json.h"

#define PREFIX "autoscaling.alpha.kubernetes.io/"
#define METRICS PREFIX "metrics"
#define CURRENT PREFIX "current-metrics"
#define CONDITIONS PREFIX "conditions"
#define BEHAVIOR PREFIX "behavior"

/* How the members of version 1 and of version 2 are called. A path of version 2 has two parts. */
typedef struct Member {
    const char *one, *outer, *inner; /* outer NULL: the member itself */
} Member;

/* In which order version 1 writes them. */
typedef struct MetricForm {
    const char *member; /* of MetricSpec and MetricStatus */
    Member spec[6], status[6];
} MetricForm;

/* clang-format off */
static const MetricForm forms[] = {
    {"object",
     {{"target", NULL, "describedObject"}, {"metricName", "metric", "name"}, {"targetValue", "target", "value"},
      {"selector", "metric", "selector"}, {"averageValue", "target", "averageValue"}},
     {{"target", NULL, "describedObject"}, {"metricName", "metric", "name"}, {"currentValue", "current", "value"},
      {"selector", "metric", "selector"}, {"averageValue", "current", "averageValue"}}},
    {"pods",
     {{"metricName", "metric", "name"}, {"targetAverageValue", "target", "averageValue"}, {"selector", "metric", "selector"}},
     {{"metricName", "metric", "name"}, {"currentAverageValue", "current", "averageValue"}, {"selector", "metric", "selector"}}},
    {"resource",
     {{"name", NULL, "name"}, {"targetAverageUtilization", "target", "averageUtilization"}, {"targetAverageValue", "target", "averageValue"}},
     {{"name", NULL, "name"}, {"currentAverageUtilization", "current", "averageUtilization"},
      {"currentAverageValue", "current", "averageValue"}}},
    {"containerResource",
     {{"name", NULL, "name"}, {"targetAverageUtilization", "target", "averageUtilization"}, {"targetAverageValue", "target", "averageValue"},
      {"container", NULL, "container"}},
     {{"name", NULL, "name"}, {"currentAverageUtilization", "current", "averageUtilization"},
      {"currentAverageValue", "current", "averageValue"}, {"container", NULL, "container"}}},
    {"external",
     {{"metricName", "metric", "name"}, {"metricSelector", "metric", "selector"}, {"targetValue", "target", "value"},
      {"targetAverageValue", "target", "averageValue"}},
     {{"metricName", "metric", "name"}, {"metricSelector", "metric", "selector"}, {"currentValue", "current", "value"},
      {"currentAverageValue", "current", "averageValue"}}},
};
/* clang-format on */

/* Quantities that version 1 always writes, where version 2 may have none. */
static bool is_always(const char *one, const char *form, bool spec)
{
    if (spec)
        return (str_equal(form, "object") && str_equal(one, "targetValue")) ||
               (str_equal(form, "pods") && str_equal(one, "targetAverageValue"));
    if (str_equal(form, "object") || str_equal(form, "external"))
        return str_equal(one, "currentValue");
    return str_equal(one, "currentAverageValue");
}

/* ---- metrics as JSON of version 1 ---- */

static yyjson_mut_val *metric_to_one(yyjson_mut_doc *doc, yyjson_mut_val *metric, bool spec)
{
    yyjson_mut_val *ret = yyjson_mut_obj(doc);

    yyjson_mut_obj_add_strcpy(doc, ret, "type",
                              str_or(yyjson_mut_get_str(yyjson_mut_obj_get(metric, "type")), ""));
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const Member *members = spec ? forms[i].spec : forms[i].status;
        yyjson_mut_val *from = yyjson_mut_obj_get(metric, forms[i].member), *to;

        if (!from)
            continue;
        to = yyjson_mut_obj_add_obj(doc, ret, forms[i].member);
        for (const Member *m = members; m->one; m++) {
            yyjson_mut_val *outer = m->outer ? yyjson_mut_obj_get(from, m->outer) : from;
            yyjson_mut_val *value = yyjson_mut_obj_get(outer, m->inner);

            if (value)
                yyjson_mut_obj_add_val(doc, to, m->one, yyjson_mut_val_mut_copy(doc, value));
            else if (is_always(m->one, forms[i].member, spec))
                yyjson_mut_obj_add_str(doc, to, m->one, "0");
        }
    }
    return ret;
}

/* The type of a target, which version 1 does not name. */
static const char *target_type(yyjson_mut_val *target, const char *form)
{
    if (str_equal(form, "pods"))
        return "AverageValue";
    if (str_equal(form, "object"))
        return yyjson_mut_obj_get(target, "averageValue") ? "AverageValue" : "Value";
    if (str_equal(form, "external"))
        return yyjson_mut_obj_get(target, "value") ? "Value" : "AverageValue";
    return yyjson_mut_obj_get(target, "averageUtilization") ? "Utilization" : "AverageValue";
}

static void add_member(yyjson_mut_doc *doc, yyjson_mut_val *to, const Member *m, yyjson_val *value)
{
    yyjson_mut_val *outer = to;

    if (m->outer) {
        outer = yyjson_mut_obj_get(to, m->outer);
        if (!outer)
            outer = yyjson_mut_obj_add_obj(doc, to, m->outer);
    }
    yyjson_mut_obj_add_val(doc, outer, m->inner, yyjson_val_mut_copy(doc, value));
}

static yyjson_mut_val *metric_to_two(yyjson_mut_doc *doc, yyjson_val *metric, bool spec)
{
    yyjson_mut_val *ret = yyjson_mut_obj(doc);
    yyjson_val *type = yyjson_obj_get(metric, "type");

    if (yyjson_is_str(type))
        yyjson_mut_obj_add_strcpy(doc, ret, "type", yyjson_get_str(type));
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        yyjson_val *from = yyjson_obj_get(metric, forms[i].member);
        yyjson_mut_val *to, *target;

        if (!yyjson_is_obj(from))
            continue;
        to = yyjson_mut_obj_add_obj(doc, ret, forms[i].member);
        target = yyjson_mut_obj_add_obj(doc, to, spec ? "target" : "current");
        for (const Member *m = spec ? forms[i].spec : forms[i].status; m->one; m++) {
            yyjson_val *value = yyjson_obj_get(from, m->one);

            /* An object's target of 0 is what version 1 writes where there is none. */
            if (value && !yyjson_is_null(value) &&
                !(spec && str_equal(m->one, "targetValue") &&
                  str_equal(forms[i].member, "object") && yyjson_obj_get(from, "averageValue") &&
                  str_equal(yyjson_get_str(value), "0")))
                add_member(doc, to, m, value);
        }
        if (spec)
            yyjson_mut_obj_add_str(doc, target, "type", target_type(target, forms[i].member));
    }
    return ret;
}

static void annotate(Arena *arena, StringMap *annotations, const char *key, yyjson_mut_doc *doc,
                     yyjson_mut_val *value)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_doc *fixed;

    yyjson_mut_doc_set_root(doc, value);
    fixed = yyjson_mut_doc_imut_copy(doc, NULL);
    json_encode_tree(yyjson_doc_get_root(fixed), &text);
    yyjson_doc_free(fixed);
    string_map_put(arena, annotations, key, arena_strdup(arena, strbuf_string(&text)));
}

/* ---- the behavior, with the names of Go's fields ---- */

static void add_renamed(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *go,
                        yyjson_mut_val *from, const char *json)
{
    yyjson_mut_val *value = from ? yyjson_mut_obj_get(from, json) : NULL;

    yyjson_mut_obj_add_val(doc, to, go,
                           value ? yyjson_mut_val_mut_copy(doc, value) : yyjson_mut_null(doc));
}

static yyjson_mut_val *rules_to_go(yyjson_mut_doc *doc, yyjson_mut_val *rules)
{
    yyjson_mut_val *ret, *list, *policy, *from;
    size_t i, n;

    if (!rules)
        return yyjson_mut_null(doc);
    ret = yyjson_mut_obj(doc);
    add_renamed(doc, ret, "StabilizationWindowSeconds", rules, "stabilizationWindowSeconds");
    add_renamed(doc, ret, "SelectPolicy", rules, "selectPolicy");
    list = yyjson_mut_obj_add_arr(doc, ret, "Policies");
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(rules, "policies"), i, n, from)
    {
        policy = yyjson_mut_arr_add_obj(doc, list);
        add_renamed(doc, policy, "Type", from, "type");
        add_renamed(doc, policy, "Value", from, "value");
        add_renamed(doc, policy, "PeriodSeconds", from, "periodSeconds");
    }
    add_renamed(doc, ret, "Tolerance", rules, "tolerance");
    return ret;
}

/* Go reads names in any case, so lower case names of the API are enough of a translation. */
static yyjson_mut_val *lower_names(yyjson_mut_doc *doc, yyjson_val *from)
{
    yyjson_mut_val *ret;
    yyjson_val *key, *value;
    size_t i, n;

    if (yyjson_is_arr(from)) {
        ret = yyjson_mut_arr(doc);
        yyjson_arr_foreach(from, i, n, value) yyjson_mut_arr_append(ret, lower_names(doc, value));
        return ret;
    }
    if (!yyjson_is_obj(from))
        return yyjson_val_mut_copy(doc, from);
    ret = yyjson_mut_obj(doc);
    yyjson_obj_foreach(from, i, n, key, value)
    {
        yyjson_mut_val *name = yyjson_mut_strcpy(doc, yyjson_get_str(key));
        char *text = (char *)(uintptr_t)yyjson_mut_get_str(name);

        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text | 0x20);
        yyjson_mut_obj_add(ret, name, lower_names(doc, value));
    }
    return ret;
}

/* ---- reading annotations ---- */

/* Fills a value of the type; false: it cannot be read. */
static bool read_value(Arena *arena, const Type *type, yyjson_mut_val *json, void *value)
{
    DecodeReport report = {0};

    return json_decode_tree(type, arena, json, 0, NULL, value, &report) == 0;
}

/* The JSON of an annotation; NULL: there is none, or it is not JSON. */
static yyjson_val *annotation(Arena *arena, const StringMap *annotations, const char *key)
{
    const char *text = string_map_get(annotations, key);
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (!text || json_parse(arena, bytes_from_string(text), &doc, &report))
        return NULL;
    return yyjson_doc_get_root(doc);
}

typedef yyjson_mut_val *ToTwo(yyjson_mut_doc *doc, yyjson_val *item);

/* Reads the list of an annotation into an array that has room for `more` items. Each item is decoded
 * in the form that to_two gives it. Returns false if there is no list or if an item cannot be read. */
static bool read_list(Arena *arena, yyjson_mut_doc *doc, const StringMap *from, const char *key,
                      const Type *type, ToTwo *to_two, size_t more, void **ret, size_t *ret_n)
{
    yyjson_val *list = annotation(arena, from, key), *item;
    char *all;
    size_t i, n;

    if (!yyjson_is_arr(list))
        return false;
    all = arena_alloc(arena, (yyjson_arr_size(list) + more + 1) * type->size);
    yyjson_arr_foreach(list, i, n, item)
    {
        if (!yyjson_is_obj(item) ||
            !read_value(arena, type, to_two(doc, item), all + i * type->size))
            return false;
    }
    *ret = all;
    *ret_n = yyjson_arr_size(list);
    return true;
}

static yyjson_mut_val *spec_to_two(yyjson_mut_doc *doc, yyjson_val *item)
{
    return metric_to_two(doc, item, true);
}

static yyjson_mut_val *status_to_two(yyjson_mut_doc *doc, yyjson_val *item)
{
    return metric_to_two(doc, item, false);
}

static void read_metrics(Arena *arena, yyjson_mut_doc *doc, const StringMap *from,
                         MetricSpecArray *ret)
{
    MetricSpecArray own = *ret;
    void *all;
    size_t n;

    if (!read_list(arena, doc, from, METRICS, &type_MetricSpec, spec_to_two, own.n, &all, &n))
        return;
    *ret = (MetricSpecArray){all, n};
    for (size_t i = 0; i < own.n; i++)
        ret->v[ret->n++] = own.v[i];
}

static void read_current(Arena *arena, yyjson_mut_doc *doc, const StringMap *from,
                         MetricStatusArray *ret)
{
    void *all;
    size_t n;

    if (read_list(arena, doc, from, CURRENT, &type_MetricStatus, status_to_two, 0, &all, &n))
        *ret = (MetricStatusArray){all, n};
}

static void read_conditions(Arena *arena, yyjson_mut_doc *doc, const StringMap *from,
                            HorizontalPodAutoscalerConditionArray *ret)
{
    void *all;
    size_t n;

    if (read_list(arena, doc, from, CONDITIONS, &type_HorizontalPodAutoscalerCondition,
                  yyjson_val_mut_copy, 0, &all, &n))
        *ret = (HorizontalPodAutoscalerConditionArray){all, n};
}

static void read_behavior(Arena *arena, yyjson_mut_doc *doc, const StringMap *from,
                          HorizontalPodAutoscalerBehavior **ret)
{
    yyjson_val *json = annotation(arena, from, BEHAVIOR);
    HorizontalPodAutoscalerBehavior *behavior = arena_new(arena, HorizontalPodAutoscalerBehavior);

    if (yyjson_is_obj(json) &&
        read_value(arena, &type_HorizontalPodAutoscalerBehavior, lower_names(doc, json),
                   behavior) &&
        (behavior->scale_up || behavior->scale_down))
        *ret = behavior;
}

/* ---- objects ---- */

static bool is_own_metric(const MetricSpec *metric)
{
    return str_equal(metric->type, "Resource") && metric->resource &&
           str_equal(metric->resource->name, "cpu") && metric->resource->target.average_utilization;
}

static StringMap without_own(Arena *arena, const StringMap *from)
{
    static const char *const own[] = {METRICS, CURRENT, CONDITIONS, BEHAVIOR};
    StringMap ret = {ARENA_COPY_N(arena, from->v, from->n), from->n};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        string_map_remove(&ret, own[i]);
    return ret;
}

static MetricSpec cpu_metric(Arena *arena, int32_t percent)
{
    MetricSpec metric = {.type = "Resource", .resource = arena_new(arena, ResourceMetricSource)};

    metric.resource->name = "cpu";
    metric.resource->target.type = "Utilization";
    metric.resource->target.average_utilization = arena_int32(arena, percent);
    return metric;
}

static void to_stored(Arena *arena, const void *value, void *ret)
{
    const AutoscalingV1HorizontalPodAutoscaler *from = value;
    HorizontalPodAutoscaler *to = ret;
    const int32_t *percent = from->spec.target_cpu_utilization_percentage;
    const StringMap *annotations = &from->metadata.annotations;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    to->metadata = from->metadata;
    to->spec.scale_target_ref =
        (CrossVersionObjectReference){.kind = from->spec.scale_target_ref.kind,
                                      .name = from->spec.scale_target_ref.name,
                                      .api_version = from->spec.scale_target_ref.api_version};
    to->spec.min_replicas = from->spec.min_replicas;
    to->spec.max_replicas = from->spec.max_replicas;
    to->status.observed_generation = from->status.observed_generation;
    to->status.last_scale_time = from->status.last_scale_time;
    to->status.current_replicas = from->status.current_replicas;
    to->status.desired_replicas = from->status.desired_replicas;
    if (percent)
        ARENA_APPEND(arena, &to->spec.metrics, cpu_metric(arena, *percent));
    if (from->status.current_cpu_utilization_percentage) {
        ResourceMetricStatus *status = arena_new(arena, ResourceMetricStatus);

        status->name = "cpu";
        status->current.average_utilization = from->status.current_cpu_utilization_percentage;
        ARENA_APPEND(arena, &to->status.current_metrics,
                     (MetricStatus){.type = "Resource", .resource = status});
    }
    read_metrics(arena, doc, annotations, &to->spec.metrics);
    read_behavior(arena, doc, annotations, &to->spec.behavior);
    read_current(arena, doc, annotations, &to->status.current_metrics);
    read_conditions(arena, doc, annotations, &to->status.conditions);
    if (!to->spec.metrics.n)
        ARENA_APPEND(arena, &to->spec.metrics, cpu_metric(arena, 80));
    to->metadata.annotations = without_own(arena, annotations);
    yyjson_mut_doc_free(doc);
    kind_horizontal_pod_autoscaler.rules->complete(arena, to);
}

static void annotate_spec(Arena *arena, const HorizontalPodAutoscalerSpec *spec, StringMap *to)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *others = yyjson_mut_arr(doc), *behavior, *tree;

    for (size_t i = 0; i < spec->metrics.n; i++)
        if (!is_own_metric(&spec->metrics.v[i]))
            yyjson_mut_arr_append(
                others,
                metric_to_one(doc, json_tree(&type_MetricSpec, &spec->metrics.v[i], doc), true));
    if (yyjson_mut_arr_size(others))
        annotate(arena, to, METRICS, doc, others);
    if (spec->behavior) {
        tree = json_tree(&type_HorizontalPodAutoscalerBehavior, spec->behavior, doc);
        behavior = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_val(doc, behavior, "ScaleUp",
                               rules_to_go(doc, yyjson_mut_obj_get(tree, "scaleUp")));
        yyjson_mut_obj_add_val(doc, behavior, "ScaleDown",
                               rules_to_go(doc, yyjson_mut_obj_get(tree, "scaleDown")));
        annotate(arena, to, BEHAVIOR, doc, behavior);
    }
    yyjson_mut_doc_free(doc);
}

static void annotate_status(Arena *arena, const HorizontalPodAutoscalerStatus *status,
                            StringMap *to)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *current = yyjson_mut_arr(doc), *conditions = yyjson_mut_arr(doc);

    for (size_t i = 0; i < status->current_metrics.n; i++)
        yyjson_mut_arr_append(
            current,
            metric_to_one(doc, json_tree(&type_MetricStatus, &status->current_metrics.v[i], doc),
                          false));
    for (size_t i = 0; i < status->conditions.n; i++)
        yyjson_mut_arr_append(conditions, json_tree(&type_HorizontalPodAutoscalerCondition,
                                                    &status->conditions.v[i], doc));
    if (status->current_metrics.n)
        annotate(arena, to, CURRENT, doc, current);
    if (status->conditions.n)
        annotate(arena, to, CONDITIONS, doc, conditions);
    yyjson_mut_doc_free(doc);
}

static void from_stored(Arena *arena, const void *stored, void *ret)
{
    const HorizontalPodAutoscaler *from = stored;
    AutoscalingV1HorizontalPodAutoscaler *to = ret;

    to->metadata = from->metadata;
    to->spec.scale_target_ref = (AutoscalingV1CrossVersionObjectReference){
        .kind = from->spec.scale_target_ref.kind,
        .name = from->spec.scale_target_ref.name,
        .api_version = from->spec.scale_target_ref.api_version};
    to->spec.min_replicas = from->spec.min_replicas;
    to->spec.max_replicas = from->spec.max_replicas;
    to->status.observed_generation = from->status.observed_generation;
    to->status.last_scale_time = from->status.last_scale_time;
    to->status.current_replicas = from->status.current_replicas;
    to->status.desired_replicas = from->status.desired_replicas;
    for (size_t i = 0; i < from->spec.metrics.n; i++) {
        if (!is_own_metric(&from->spec.metrics.v[i]))
            continue;
        to->spec.target_cpu_utilization_percentage =
            from->spec.metrics.v[i].resource->target.average_utilization;
        break;
    }
    for (size_t i = 0; i < from->status.current_metrics.n; i++) {
        const MetricStatus *metric = &from->status.current_metrics.v[i];

        if (str_equal(metric->type, "Resource") && metric->resource &&
            str_equal(metric->resource->name, "cpu") &&
            metric->resource->current.average_utilization)
            to->status.current_cpu_utilization_percentage =
                metric->resource->current.average_utilization;
    }
    to->metadata.annotations = without_own(arena, &from->metadata.annotations);
    annotate_spec(arena, &from->spec, &to->metadata.annotations);
    annotate_status(arena, &from->status, &to->metadata.annotations);
}

const KindForm form_autoscaling_v1_horizontal_pod_autoscaler = {
    .stored = &kind_horizontal_pod_autoscaler,
    .to_stored = to_stored,
    .from_stored = from_stored,
};

/* ---- rules: those of version 2 ---- */

/* What version 1 leaves open is filled in by the conversion, which also drops what annotations do not say
 * properly. */
static void complete(Arena *arena, void *value)
{
    HorizontalPodAutoscaler stored = {0};
    AutoscalingV1HorizontalPodAutoscaler again = {0};

    to_stored(arena, value, &stored);
    from_stored(arena, &stored, &again);
    *(AutoscalingV1HorizontalPodAutoscaler *)value = again;
}

static void prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((AutoscalingV1HorizontalPodAutoscaler *)value)->status =
            (AutoscalingV1HorizontalPodAutoscalerStatus){0};
}

static void validate_by(void (*check)(const void *, const void *, Causes *), const void *value,
                        const void *before, Causes *causes)
{
    HorizontalPodAutoscaler now = {0}, then = {0};

    to_stored(causes->arena, value, &now);
    if (before)
        to_stored(causes->arena, before, &then);
    check(&now, before ? &then : NULL, causes);
}

static void validate(const void *value, const void *before, Causes *causes)
{
    validate_by(kind_horizontal_pod_autoscaler.rules->validate, value, before, causes);
}

static void validate_status(const void *value, const void *before, Causes *causes)
{
    validate_by(kind_horizontal_pod_autoscaler.rules->validate_status, value, before, causes);
}

static void print(const void *value, int64_t now_ns, StrBuf *row)
{
    _arena_ Arena arena = ARENA_INIT;
    HorizontalPodAutoscaler stored = {0};

    to_stored(&arena, value, &stored);
    kind_horizontal_pod_autoscaler.rules->print(&stored, now_ns, row);
}

const KindRules rules_autoscaling_v1_horizontal_pod_autoscaler = {
    .complete = complete,
    .prepare = prepare,
    .validate = validate,
    .validate_status = validate_status,
    .print = print,
};
