/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of apps/v1: StatefulSet and ControllerRevision. Rules for a single field are in the schema;
 * those between fields are here. Messages are those of Kubernetes.
 */
#include "api/object.h"
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/replicas.h"
#include "api/rules/workload/statefulset.h"
#include "api/rules/rules.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/selector.h"
#include "api/validate/pod.h"

/* ---- StatefulSet ---- */

static void complete_update_strategy(Arena *arena, StatefulSetUpdateStrategy *strategy)
{
    /* rollingUpdate gets a default only if the type was omitted as well. */
    if (str_empty(strategy->type)) {
        strategy->type = "RollingUpdate";
        if (!strategy->rolling_update) {
            strategy->rolling_update = arena_new(arena, RollingUpdateStatefulSetStrategy);
            type_default(&type_RollingUpdateStatefulSetStrategy, arena, strategy->rolling_update);
        }
    }
}

static void stateful_set_complete(Arena *arena, void *value)
{
    StatefulSetSpec *spec = &((StatefulSet *)value)->spec;

    complete_update_strategy(arena, &spec->update_strategy);
    complete_pod_spec(arena, &spec->template.spec);
    for (size_t i = 0; i < spec->volume_claim_templates.n; i++) {
        VolumeClaimTemplate *claim = &spec->volume_claim_templates.v[i];

        claim->kind = "PersistentVolumeClaim";
        claim->api_version = "v1";
    }
}

static void stateful_set_prepare(Arena *arena, void *value, const void *before)
{
    if (before)
        keep_original_claim_templates(arena, value, before);
    else
        ((StatefulSet *)value)->status = (StatefulSetStatus){0};
}

static bool is_none(const IntOrString *v)
{
    return v->is_string ? str_equal(v->string, "0%") : v->number == 0;
}

static void check_max_unavailable(const RollingUpdateStatefulSetStrategy *rolling, Causes *causes)
{
    const char *path = "spec.updateStrategy.rollingUpdate.maxUnavailable";

    validate_int_or_percent(rolling->max_unavailable, path, causes);
    if (is_none(rolling->max_unavailable))
        causes_add(
            causes, CAUSE_INVALID, path,
            rules_bad(&type_RollingUpdateStatefulSetStrategy, rolling, "maxUnavailable", causes),
            "cannot be 0");
}

static void check_update_strategy(const StatefulSetSpec *spec, Causes *causes)
{
    const StatefulSetUpdateStrategy *strategy = &spec->update_strategy;

    if (!str_equal(strategy->type, "OnDelete") && !str_equal(strategy->type, "RollingUpdate") &&
        !str_equal(strategy->type, "Recreate"))
        causes_add(causes, CAUSE_INVALID, "spec.updateStrategy",
                   rules_bad(&type_StatefulSetSpec, spec, "updateStrategy", causes),
                   "must be 'RollingUpdate' or 'OnDelete'");
    else if (!strategy->rolling_update)
        return;
    else if (!str_equal(strategy->type, "RollingUpdate"))
        causes_add(causes, CAUSE_INVALID, "spec.updateStrategy.rollingUpdate",
                   rules_bad(&type_StatefulSetUpdateStrategy, strategy, "rollingUpdate", causes),
                   "only allowed for updateStrategy 'RollingUpdate'");
    else if (strategy->rolling_update->max_unavailable)
        check_max_unavailable(strategy->rolling_update, causes);
}

/* Returns false if the selector is malformed; then the template is not checked. */
static bool check_selector(const StatefulSetSpec *spec, Causes *causes)
{
    const LabelSelector *selector = spec->selector;
    bool valid = validate_label_selector(selector, "spec.selector", causes);

    if (!selector) /* the table reports a missing selector */
        return true;
    if (!selector->match_labels.n && !selector->match_expressions.n)
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(&type_StatefulSetSpec, spec, "selector", causes),
                   "empty selector is invalid for statefulset");
    if (!valid)
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(&type_StatefulSetSpec, spec, "selector", causes), NULL);
    return valid;
}

static bool is_claim_template(const StatefulSetSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->volume_claim_templates.n; i++)
        if (str_equal(spec->volume_claim_templates.v[i].metadata.name, name))
            return true;
    return false;
}

/* Checks the pods' template as each pod will see it: the controller sets host name and subdomain,
 * and the claim templates' volumes come before the template's own of the same name. */
static void check_template(const StatefulSetSpec *spec, Causes *causes)
{
    PodTemplateSpec template = spec->template;
    const VolumeArray *own = &spec->template.spec.volumes;
    size_t n_claims = spec->volume_claim_templates.n;

    template.spec.hostname = template.spec.subdomain = NULL;
    if (n_claims) {
        Volume *v = arena_new_n(causes->arena, Volume, n_claims + own->n);
        PersistentVolumeClaimVolumeSource *sources =
            arena_new_n(causes->arena, PersistentVolumeClaimVolumeSource, n_claims);
        size_t n = 0;

        for (size_t i = 0; i < n_claims; i++) {
            sources[i].claim_name = spec->volume_claim_templates.v[i].metadata.name;
            v[n].name = sources[i].claim_name;
            v[n++].volume_source.persistent_volume_claim = &sources[i];
        }
        for (size_t i = 0; i < own->n; i++)
            if (!is_claim_template(spec, own->v[i].name))
                v[n++] = own->v[i];
        template.spec.volumes = (VolumeArray){v, n};
    }
    validate_pod_template_spec(&template, "spec.template", causes);
}

static void check_stateful_set_spec(const StatefulSetSpec *spec, bool create, bool skip_template,
                                    Causes *causes)
{
    if (!str_equal(spec->pod_management_policy, "OrderedReady") &&
        !str_equal(spec->pod_management_policy, "Parallel"))
        causes_invalid_string(causes, "spec.podManagementPolicy", spec->pod_management_policy,
                              "must be 'OrderedReady' or 'Parallel'");
    check_update_strategy(spec, causes);
    if (create)
        for (size_t i = 0; i < spec->volume_claim_templates.n; i++)
            validate_claim_spec(
                &spec->volume_claim_templates.v[i].spec,
                arena_printf(causes->arena, "spec.volumeClaimTemplates[%zu].spec", i), causes);
    if (create && !str_empty(spec->service_name))
        faults_add(check_dns_label(spec->service_name), "spec.serviceName", spec->service_name,
                   causes);
    if (check_selector(spec, causes)) {
        rules_template_matches(&spec->template, selector_from_api(causes->arena, spec->selector),
                               causes);
        if (!skip_template)
            check_template(spec, causes);
    }
    rules_template_runs_on(&spec->template, "StatefulSet", causes);
}

/* Whether both sets have claim templates of the same names in the same order. */
static bool same_claim_templates(const StatefulSetSpec *now, const StatefulSetSpec *before)
{
    size_t n = now->volume_claim_templates.n;

    if (n != before->volume_claim_templates.n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_equal(now->volume_claim_templates.v[i].metadata.name,
                       before->volume_claim_templates.v[i].metadata.name))
            return false;
    return true;
}

static void check_stateful_set_changes(const StatefulSet *set, const StatefulSet *set_before,
                                       Causes *causes)
{
    const StatefulSetSpec *now = &set->spec, *before = &set_before->spec;
    bool same_templates = same_claim_templates(now, before);
    static const char *const changeable[] = {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    };

    for (size_t i = 0; i < type_StatefulSetSpec.n_fields; i++) {
        const Field *field = &type_StatefulSetSpec.fields[i];
        bool may = false;

        for (size_t k = 0; k < ARRAY_LEN(changeable); k++)
            may = may || str_equal(field->json, changeable[k]);
        if (same_templates && str_equal(field->json, "volumeClaimTemplates"))
            continue; /* see check_claim_template_changes */
        if (may || type_field_equal(field, field_at(now, field), field_at(before, field)))
            continue;
        causes_forbidden(
            causes, "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden");
        return;
    }
    if (same_templates)
        check_claim_template_changes(set, set_before, causes);
}

static void stateful_set_validate(const void *value, const void *before_value, Causes *causes)
{
    const StatefulSetSpec *spec = &((const StatefulSet *)value)->spec;
    const StatefulSetSpec *before =
        before_value ? &((const StatefulSet *)before_value)->spec : NULL;
    Causes old = {.arena = causes->arena};

    /* A set that was stored under less strict rules can still be scaled. */
    if (before)
        check_stateful_set_spec(before, false, false, &old);
    check_stateful_set_spec(spec, !before, old.n > 0, causes);
    check_set_annotations(value, before_value, causes);
    if (before)
        check_stateful_set_changes(value, before_value, causes);
}

static void stateful_set_validate_status(const void *value, const void *before_value,
                                         Causes *causes)
{
    const StatefulSetStatus *status = &((const StatefulSet *)value)->status;
    const StatefulSet *before = before_value;
    const struct {
        const char *path;
        int32_t count;
    } parts[] = {
        {"status.readyReplicas", status->ready_replicas},
        {"status.currentReplicas", status->current_replicas},
        {"status.updatedReplicas", status->updated_replicas},
        {"status.availableReplicas", status->available_replicas},
    };

    validate_type(&type_StatefulSetStatus, status, NULL, "status", causes);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].count > status->replicas)
            causes_invalid_int(causes, parts[i].path, parts[i].count,
                               "cannot be greater than status.replicas");
    if (status->available_replicas > status->ready_replicas)
        causes_invalid_int(causes, "status.availableReplicas", status->available_replicas,
                           "cannot be greater than status.readyReplicas");
    if (before)
        validate_collision_count(status->collision_count, before->status.collision_count, causes);
}

static void stateful_set_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const StatefulSetSpec *spec = &((const StatefulSet *)value)->spec;

    rules_warn_pod(arena, &spec->template.metadata, &spec->template.spec, "spec.template",
                   warnings);
    if (spec->revision_history_limit && *spec->revision_history_limit < 0)
        rules_warn(arena, warnings,
                   "spec.revisionHistoryLimit: a negative value retains all historical revisions; "
                   "a value >= 0 is "
                   "recommended");
}

static void stateful_set_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const StatefulSet *set = value;

    cell_string(out, set->metadata.name);
    cell_printf(out, "%d/%d", set->status.ready_replicas,
                set->spec.replicas ? *set->spec.replicas : 0);
    cell_age(out, set->metadata.creation_timestamp, now_ns);
    cell_containers(out, &set->spec.template.spec.containers);
}

const KindRules rules_stateful_set = {
    .complete = stateful_set_complete,
    .prepare = stateful_set_prepare,
    .validate = stateful_set_validate,
    .validate_status = stateful_set_validate_status,
    .warn = stateful_set_warn,
    .print = stateful_set_print,
};

/* ---- ControllerRevision ---- */

static void controller_revision_validate(const void *value, const void *before, Causes *causes)
{
    Bytes data = ((const ControllerRevision *)value)->data;

    if (before)
        return;
    if (!data.n || bytes_equal(data, BYTES_LITERAL("null")))
        causes_required(causes, "data", "data is mandatory");
    else if (data.p[0] != '{')
        causes_required(causes, "data", "data must be a valid JSON object");
}

/* "statefulset.apps/web", "<none>" */
static void print_controller(const ObjectMeta *meta, StrBuf *out)
{
    const OwnerReference *owner = meta_controller(meta);
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *slash;

    if (!owner) {
        cell_string(out, "<none>");
        return;
    }
    strbuf_add_string(&text, owner->kind ? owner->kind : "");
    if ((slash = strchr(owner->api_version ? owner->api_version : "", '/'))) {
        strbuf_add_char(&text, '.');
        strbuf_add(&text, owner->api_version, (size_t)(slash - owner->api_version));
    }
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            text.p[i] += 'a' - 'A';
    cell_printf(out, "%s/%s", strbuf_string(&text), owner->name ? owner->name : "");
}

static void controller_revision_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const ControllerRevision *revision = value;

    cell_string(out, revision->metadata.name);
    print_controller(&revision->metadata, out);
    cell_int64(out, revision->revision);
    cell_age(out, revision->metadata.creation_timestamp, now_ns);
}

const KindRules rules_controller_revision = {
    .validate = controller_revision_validate,
    .print = controller_revision_print,
};
