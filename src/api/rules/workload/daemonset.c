/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of DaemonSet. The generation of the template was once a field of the spec; like Kubernetes,
 * this keeps it in an annotation.
 */
#include "api/object.h"
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/replicas.h"
#include "api/rules/rules.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/selector.h"
#include "api/validate/pod.h"

#define GENERATION "deprecated.daemonset.template.generation"

static IntOrString *number(Arena *arena, int32_t n)
{
    IntOrString *v = arena_new(arena, IntOrString);

    v->number = n;
    return v;
}

static void daemon_set_complete(Arena *arena, void *value)
{
    DaemonSetSpec *spec = &((DaemonSet *)value)->spec;
    ObjectMeta *meta = &((DaemonSet *)value)->metadata;
    DaemonSetUpdateStrategy *strategy = &spec->update_strategy;

    if (str_empty(strategy->type))
        strategy->type = "RollingUpdate";
    if (str_equal(strategy->type, "RollingUpdate")) {
        if (!strategy->rolling_update)
            strategy->rolling_update = arena_new(arena, RollingUpdateDaemonSet);
        if (!strategy->rolling_update->max_unavailable)
            strategy->rolling_update->max_unavailable = number(arena, 1);
        if (!strategy->rolling_update->max_surge)
            strategy->rolling_update->max_surge = number(arena, 0);
    }
    complete_pod_spec(arena, &spec->template.spec);
    if (!string_map_get(&meta->annotations, GENERATION))
        string_map_put(arena, &meta->annotations, GENERATION, "1");
}

static void daemon_set_prepare(Arena *arena, void *value, const void *before_value)
{
    DaemonSet *set = value;
    const DaemonSet *before = before_value;
    const char *text = string_map_get(
        before ? &before->metadata.annotations : &set->metadata.annotations, GENERATION);
    int64_t generation = 0;

    if (text && str_to_int64(text, 1, INT64_MAX - 1, &generation))
        generation = 0;
    if (!before)
        set->status = (DaemonSetStatus){0};
    else if (!type_equal(&type_PodTemplateSpec, &set->spec.template, &before->spec.template))
        generation++;
    string_map_put(arena, &set->metadata.annotations, GENERATION,
                   arena_printf(arena, "%" PRId64, MAX_OF(generation, INT64_C(1))));
}

/* ---- validation ---- */

static int64_t count_of(const IntOrString *v)
{
    int64_t n = 0;

    if (!v->is_string)
        return v->number;
    if (str_to_int64(strndupa(v->string, strcspn(v->string, "%")), 0, INT32_MAX, &n))
        return 0;
    return n;
}

static void check_rolling(const RollingUpdateDaemonSet *rolling, Causes *causes)
{
    const char *unavailable = "spec.updateStrategy.rollingUpdate.maxUnavailable",
               *surge = "spec.updateStrategy.rollingUpdate.maxSurge";
    bool has_unavailable = count_of(rolling->max_unavailable) != 0,
         has_surge = count_of(rolling->max_surge) != 0;

    validate_int_or_percent(rolling->max_unavailable, unavailable, causes);
    validate_int_or_percent(rolling->max_surge, surge, causes);
    if (has_unavailable && has_surge)
        causes_add(causes, CAUSE_INVALID, surge,
                   rules_bad(&type_RollingUpdateDaemonSet, rolling, "maxSurge", causes),
                   "may not be set when maxUnavailable is non-zero");
    else if (!has_unavailable && !has_surge)
        causes_required(causes, unavailable, "cannot be 0 when maxSurge is 0");
}

static void check_strategy(const DaemonSetSpec *spec, Causes *causes)
{
    const DaemonSetUpdateStrategy *strategy = &spec->update_strategy;

    if (str_equal(strategy->type, "RollingUpdate"))
        check_rolling(strategy->rolling_update, causes);
    else if (!str_equal(strategy->type, "OnDelete"))
        causes_add(causes, CAUSE_NOT_SUPPORTED, "spec.updateStrategy",
                   rules_bad(&type_DaemonSetSpec, spec, "updateStrategy", causes),
                   "supported values: \"RollingUpdate\", \"OnDelete\"");
}

static void check_selector(const DaemonSetSpec *spec, Causes *causes)
{
    const Selector *selector = selector_from_api(causes->arena, spec->selector);

    if (validate_label_selector(spec->selector, "spec.selector", causes) &&
        (!selector || selector->n || selector->nothing))
        rules_template_matches(&spec->template, selector, causes);
    if (spec->selector && !spec->selector->match_labels.n && !spec->selector->match_expressions.n)
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(&type_DaemonSetSpec, spec, "selector", causes),
                   "empty selector is invalid for daemonset");
}

static void daemon_set_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const DaemonSetSpec *spec = &((const DaemonSet *)value)->spec;

    check_selector(spec, causes);
    validate_pod_template_spec(&spec->template, "spec.template", causes);
    rules_template_runs_on(&spec->template, "DaemonSet", causes);
    check_strategy(spec, causes);
}

static void daemon_set_validate_status(const void *value, const void *before_value, Causes *causes)
{
    const DaemonSetStatus *status = &((const DaemonSet *)value)->status;
    const DaemonSet *before = before_value;
    const struct {
        const char *path;
        int64_t count;
    } counts[] = {
        {"status.currentNumberScheduled", status->current_number_scheduled},
        {"status.numberMisscheduled", status->number_misscheduled},
        {"status.desiredNumberScheduled", status->desired_number_scheduled},
        {"status.numberReady", status->number_ready},
        {"status.observedGeneration", status->observed_generation},
        {"status.updatedNumberScheduled", status->updated_number_scheduled},
        {"status.numberAvailable", status->number_available},
        {"status.numberUnavailable", status->number_unavailable},
    };

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        validate_non_negative(counts[i].count, counts[i].path, causes);
    if (status->collision_count)
        validate_non_negative(*status->collision_count, "status.collisionCount", causes);
    if (before)
        validate_collision_count(status->collision_count, before->status.collision_count, causes);
}

/* ---- printing ---- */

static void daemon_set_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const DaemonSet *set = value;
    const DaemonSetStatus *status = &set->status;

    cell_string(out, set->metadata.name);
    cell_int64(out, status->desired_number_scheduled);
    cell_int64(out, status->current_number_scheduled);
    cell_int64(out, status->number_ready);
    cell_int64(out, status->updated_number_scheduled);
    cell_int64(out, status->number_available);
    cell_labels(out, &set->spec.template.spec.node_selector);
    cell_age(out, set->metadata.creation_timestamp, now_ns);
    cell_containers(out, &set->spec.template.spec.containers);
    cell_selector(out, set->spec.selector, "<none>");
}

static void daemon_set_warn(Arena *arena, const void *value, Warnings *warnings)
{
    rules_warn_pod(arena, &((const DaemonSet *)value)->spec.template.metadata,
                   &((const DaemonSet *)value)->spec.template.spec, "spec.template", warnings);
}

const KindRules rules_daemon_set = {
    .complete = daemon_set_complete,
    .prepare = daemon_set_prepare,
    .validate = daemon_set_validate,
    .validate_status = daemon_set_validate_status,
    .warn = daemon_set_warn,
    .print = daemon_set_print,
};
