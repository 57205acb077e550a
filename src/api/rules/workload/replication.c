/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ReplicationController and PodTemplate. */
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/replicas.h"
#include "api/rules/rules.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/selector.h"
#include "api/validate/pod.h"

/* ---- PodTemplate ---- */

static void pod_template_complete(Arena *arena, void *value)
{
    complete_pod_spec(arena, &((PodTemplate *)value)->template.spec);
}

static void pod_template_validate(const void *value, const void *before _unused_, Causes *causes)
{
    validate_pod_template_spec(&((const PodTemplate *)value)->template, "template", causes);
}

static void pod_template_warn(Arena *arena, const void *value, Warnings *warnings)
{
    rules_warn_pod(arena, &((const PodTemplate *)value)->template.metadata,
                   &((const PodTemplate *)value)->template.spec, "template", warnings);
}

static void pod_template_print(const void *value, int64_t now_ns _unused_, StrBuf *out)
{
    const PodTemplate *template = value;

    cell_string(out, template->metadata.name);
    cell_containers(out, &template->template.spec.containers);
    cell_labels(out, &template->template.metadata.labels);
}

const KindRules rules_pod_template = {
    .complete = pod_template_complete,
    .validate = pod_template_validate,
    .warn = pod_template_warn,
    .print = pod_template_print,
};

/* ---- ReplicationController ---- */

/* The template's labels are the default of both the selector and the controller's own labels. */
static void replication_controller_complete(Arena *arena, void *value)
{
    ReplicationController *controller = value;
    PodTemplateSpec *template = controller->spec.template;

    if (!template)
        return;
    if (!controller->spec.selector.n)
        controller->spec.selector = template->metadata.labels;
    if (!controller->metadata.labels.n)
        controller->metadata.labels = template->metadata.labels;
    complete_pod_spec(arena, &template->spec);
}

static void replication_controller_prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((ReplicationController *)value)->status = (ReplicationControllerStatus){0};
}

static void replication_controller_validate(const void *value, const void *before _unused_,
                                            Causes *causes)
{
    const ReplicationControllerSpec *spec = &((const ReplicationController *)value)->spec;

    if (!spec->selector.n)
        causes_required(causes, "spec.selector", "");
    if (!spec->template) {
        causes_required(causes, "spec.template", "");
        return;
    }
    if (spec->selector.n)
        rules_template_matches(spec->template, selector_from_map(causes->arena, &spec->selector),
                               causes);
    validate_pod_template_spec(spec->template, "spec.template", causes);
    rules_template_runs_on(spec->template, "ReplicationController", causes);
}

static void replication_controller_validate_status(const void *value, const void *before _unused_,
                                                   Causes *causes)
{
    const ReplicationControllerStatus *status = &((const ReplicationController *)value)->status;
    const StatusCount counts[] = {
        {"status.fullyLabeledReplicas", status->fully_labeled_replicas},
        {"status.readyReplicas", status->ready_replicas},
        {"status.availableReplicas", status->available_replicas},
    };

    validate_type(&type_ReplicationControllerStatus, status, NULL, "status", causes);
    rules_counts_of_replicas(counts, ARRAY_LEN(counts), status->replicas, causes);
    rules_available(status->available_replicas, status->ready_replicas, causes);
}

static void replication_controller_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const ReplicationController *controller = value;

    rules_warn_name(arena, controller->metadata.name, warnings);
    if (controller->spec.template)
        rules_warn_pod(arena, &controller->spec.template->metadata,
                       &controller->spec.template->spec, "spec.template", warnings);
}

static void replication_controller_print(const void *value, int64_t now_ns, StrBuf *out)
{
    static const ContainerArray none;
    const ReplicationController *controller = value;
    const PodTemplateSpec *template = controller->spec.template;

    cell_string(out, controller->metadata.name);
    cell_int64(out, controller->spec.replicas ? *controller->spec.replicas : 0);
    cell_int64(out, controller->status.replicas);
    cell_int64(out, controller->status.ready_replicas);
    cell_age(out, controller->metadata.creation_timestamp, now_ns);
    cell_containers(out, template ? &template->spec.containers : &none);
    cell_labels(out, &controller->spec.selector);
}

const KindRules rules_replication_controller = {
    .complete = replication_controller_complete,
    .prepare = replication_controller_prepare,
    .validate = replication_controller_validate,
    .validate_status = replication_controller_validate_status,
    .warn = replication_controller_warn,
    .print = replication_controller_print,
};
