/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of Deployment and ReplicaSet. Both hold pods that are all alike, so they check template and
 * selector in the same way, down to the message that names the wrong kind.
 */
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/replicas.h"
#include "api/rules/rules.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/meta_v1.h"
#include "api/selector.h"
#include "api/validate/pod.h"

/* ---- what both share ---- */

/* Returns false if the selector is malformed; then the template is not checked. */
static bool check_selector(const Type *type, const void *spec, const LabelSelector *selector,
                           Causes *causes)
{
    bool valid = validate_label_selector(selector, "spec.selector", causes);

    if (!selector) /* the table reports a missing selector */
        return true;
    if (!selector->match_labels.n && !selector->match_expressions.n)
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(type, spec, "selector", causes),
                   "empty selector is invalid for deployment");
    if (!valid)
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(type, spec, "selector", causes), "invalid label selector");
    return valid;
}

/* An empty selector has its own message. */
static void check_template(const PodTemplateSpec *template, const LabelSelector *api,
                           Causes *causes)
{
    const Selector *selector = selector_from_api(causes->arena, api);

    if (!selector || selector->n || selector->nothing)
        rules_template_matches(template, selector, causes);
    validate_pod_template_spec(template, "spec.template", causes);
    rules_template_runs_on(template, "ReplicaSet", causes);
}

/* ---- Deployment ---- */

static IntOrString *quarter(Arena *arena)
{
    IntOrString *v = arena_new(arena, IntOrString);

    *v = (IntOrString){.is_string = true, .string = "25%"};
    return v;
}

static void deployment_complete(Arena *arena, void *value)
{
    DeploymentSpec *spec = &((Deployment *)value)->spec;
    DeploymentStrategy *strategy = &spec->strategy;

    if (str_empty(strategy->type))
        strategy->type = "RollingUpdate";
    if (str_equal(strategy->type, "RollingUpdate")) {
        if (!strategy->rolling_update)
            strategy->rolling_update = arena_new(arena, RollingUpdateDeployment);
        if (!strategy->rolling_update->max_unavailable)
            strategy->rolling_update->max_unavailable = quarter(arena);
        if (!strategy->rolling_update->max_surge)
            strategy->rolling_update->max_surge = quarter(arena);
    }
    complete_pod_spec(arena, &spec->template.spec);
}

static bool is_none(const IntOrString *v)
{
    return v->is_string ? str_equal(v->string, "0%") : v->number == 0;
}

static void check_rolling(const RollingUpdateDeployment *rolling, Causes *causes)
{
    const char *path = "spec.strategy.rollingUpdate.maxUnavailable";
    int64_t percent;

    validate_int_or_percent(rolling->max_unavailable, path, causes);
    /* A surge may exceed 100 %. */
    if (!rolling->max_surge->is_string ||
        str_to_int64(arena_strndup(causes->arena, rolling->max_surge->string,
                                   strcspn(rolling->max_surge->string, "%")),
                     0, INT32_MAX, &percent))
        validate_int_or_percent(rolling->max_surge, "spec.strategy.rollingUpdate.maxSurge", causes);
    if (is_none(rolling->max_unavailable) && is_none(rolling->max_surge))
        causes_add(causes, CAUSE_INVALID, path,
                   rules_bad(&type_RollingUpdateDeployment, rolling, "maxUnavailable", causes),
                   "may not be 0 when `maxSurge` is 0");
}

static void check_strategy(const DeploymentSpec *spec, Causes *causes)
{
    const DeploymentStrategy *strategy = &spec->strategy;

    if (str_equal(strategy->type, "Recreate")) {
        if (strategy->rolling_update)
            causes_forbidden(causes, "spec.strategy.rollingUpdate",
                             "may not be specified when strategy `type` is 'Recreate'");
    } else if (str_equal(strategy->type, "RollingUpdate")) {
        check_rolling(strategy->rolling_update, causes);
    } else {
        causes_add(causes, CAUSE_NOT_SUPPORTED, "spec.strategy",
                   rules_bad(&type_DeploymentSpec, spec, "strategy", causes),
                   "supported values: \"Recreate\", \"RollingUpdate\"");
    }
}

static void deployment_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const DeploymentSpec *spec = &((const Deployment *)value)->spec;

    if (check_selector(&type_DeploymentSpec, spec, spec->selector, causes))
        check_template(&spec->template, spec->selector, causes);
    check_strategy(spec, causes);
    if (spec->progress_deadline_seconds &&
        *spec->progress_deadline_seconds <= spec->min_ready_seconds)
        causes_invalid_int(causes, "spec.progressDeadlineSeconds", *spec->progress_deadline_seconds,
                           "must be greater than minReadySeconds");
}

static void deployment_validate_status(const void *value, const void *before_value, Causes *causes)
{
    const DeploymentStatus *status = &((const Deployment *)value)->status;
    const Deployment *before = before_value;
    const StatusCount counts[] = {
        {"status.updatedReplicas", status->updated_replicas},
        {"status.readyReplicas", status->ready_replicas},
        {"status.availableReplicas", status->available_replicas},
    };

    validate_type(&type_DeploymentStatus, status, NULL, "status", causes);
    rules_counts_of_replicas(counts, ARRAY_LEN(counts), status->replicas, causes);
    rules_available(status->available_replicas, status->ready_replicas, causes);
    if (before)
        validate_collision_count(status->collision_count, before->status.collision_count, causes);
}

static void deployment_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Deployment *deployment = value;
    const DeploymentStatus *status = &deployment->status;

    cell_string(out, deployment->metadata.name);
    cell_printf(out, "%d/%d", status->ready_replicas,
                deployment->spec.replicas ? *deployment->spec.replicas : 0);
    cell_int64(out, status->updated_replicas);
    cell_int64(out, status->available_replicas);
    cell_age(out, deployment->metadata.creation_timestamp, now_ns);
    cell_containers(out, &deployment->spec.template.spec.containers);
    cell_selector(out, deployment->spec.selector, "");
}

static void deployment_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const Deployment *object = value;

    rules_warn_name(arena, object->metadata.name, warnings);
    rules_warn_pod(arena, &object->spec.template.metadata, &object->spec.template.spec,
                   "spec.template", warnings);
}

const KindRules rules_deployment = {
    .complete = deployment_complete,
    .validate = deployment_validate,
    .validate_status = deployment_validate_status,
    .warn = deployment_warn,
    .print = deployment_print,
};

/* ---- ReplicaSet ---- */

static void replica_set_complete(Arena *arena, void *value)
{
    complete_pod_spec(arena, &((ReplicaSet *)value)->spec.template.spec);
}

static void replica_set_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const ReplicaSetSpec *spec = &((const ReplicaSet *)value)->spec;

    if (check_selector(&type_ReplicaSetSpec, spec, spec->selector, causes))
        check_template(&spec->template, spec->selector, causes);
}

static void replica_set_validate_status(const void *value, const void *before _unused_,
                                        Causes *causes)
{
    const ReplicaSetStatus *status = &((const ReplicaSet *)value)->status;
    const StatusCount counts[] = {
        {"status.fullyLabeledReplicas", status->fully_labeled_replicas},
        {"status.readyReplicas", status->ready_replicas},
        {"status.availableReplicas", status->available_replicas},
    };

    validate_type(&type_ReplicaSetStatus, status, NULL, "status", causes);
    rules_counts_of_replicas(counts, ARRAY_LEN(counts), status->replicas, causes);
    rules_available(status->available_replicas, status->ready_replicas, causes);
}

static void replica_set_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const ReplicaSet *set = value;

    cell_string(out, set->metadata.name);
    cell_int64(out, set->spec.replicas ? *set->spec.replicas : 0);
    cell_int64(out, set->status.replicas);
    cell_int64(out, set->status.ready_replicas);
    cell_age(out, set->metadata.creation_timestamp, now_ns);
    cell_containers(out, &set->spec.template.spec.containers);
    cell_selector(out, set->spec.selector, "<none>");
}

static void replica_set_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const ReplicaSet *object = value;

    rules_warn_name(arena, object->metadata.name, warnings);
    rules_warn_pod(arena, &object->spec.template.metadata, &object->spec.template.spec,
                   "spec.template", warnings);
}

const KindRules rules_replica_set = {
    .complete = replica_set_complete,
    .validate = replica_set_validate,
    .validate_status = replica_set_validate_status,
    .warn = replica_set_warn,
    .print = replica_set_print,
};
