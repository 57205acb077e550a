/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of APIServices. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/apiregistration_v1.h"

#define GROUP_PRIORITY_MAX 20000
#define VERSION_PRIORITY_MAX 1000

/* The APIs of this server are always there. */
static void set_local_condition(Arena *arena, APIService *service)
{
    APIServiceCondition *condition = arena_new(arena, APIServiceCondition);

    *condition = (APIServiceCondition){
        .type = "Available",
        .status = "True",
        .last_transition_time = service->metadata.creation_timestamp,
        .reason = "Local",
        .message = "Local APIServices are always available",
    };
    service->status.conditions = (APIServiceConditionArray){condition, 1};
}

static void api_service_prepare(Arena *arena, void *value, const void *before)
{
    APIService *service = value;

    if (!before && !service->spec.service)
        set_local_condition(arena, service);
}

static void check_service(const APIServiceSpec *spec, Causes *causes)
{
    if (!spec->service) {
        if (spec->ca_bundle.n)
            causes_invalid_string(causes, "spec.caBundle",
                                  arena_printf(causes->arena, "%zu bytes", spec->ca_bundle.n),
                                  "local APIServices may not have a caBundle");
        if (spec->insecure_skip_tls_verify)
            causes_add(causes, CAUSE_INVALID, "spec.insecureSkipTLSVerify", "true",
                       "local APIServices may not have insecureSkipTLSVerify");
        return;
    }
    if (str_empty(spec->service->namespace))
        causes_required(causes, "spec.service.namespace", NULL);
    if (str_empty(spec->service->name))
        causes_required(causes, "spec.service.name", NULL);
    if (spec->service->port && (*spec->service->port < 1 || *spec->service->port > 65535))
        causes_invalid_int(causes, "spec.service.port", *spec->service->port,
                           "port is not valid: must be between 1 and 65535, inclusive");
    if (spec->insecure_skip_tls_verify && spec->ca_bundle.n)
        causes_add(causes, CAUSE_INVALID, "spec.insecureSkipTLSVerify", "true",
                   "may not be true if caBundle is present");
}

static void api_service_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const APIService *service = value;
    const APIServiceSpec *spec = &service->spec;
    const char *group = str_or(spec->group, ""), *version = str_or(spec->version, "");
    const char *name = arena_printf(causes->arena, "%s.%s", version, group);

    if (!str_empty(service->metadata.name) && !str_equal(service->metadata.name, name))
        causes_invalid_string(causes, "metadata.name", service->metadata.name,
                              arena_printf(causes->arena,
                                           "must be `spec.version+\".\"+spec.group`: %s",
                                           causes_quote(causes, name)));
    if (!*group && !str_equal(version, "v1"))
        causes_required(causes, "spec.group",
                        "only v1 may have an empty group and it better be legacy kube");
    if (*group)
        faults_add(check_dns_subdomain(group), "spec.group", group, causes);
    faults_add(check_dns_1035_label(version), "spec.version", version, causes);
    if (spec->group_priority_minimum <= 0 || spec->group_priority_minimum > GROUP_PRIORITY_MAX)
        causes_invalid_int(causes, "spec.groupPriorityMinimum", spec->group_priority_minimum,
                           "must be positive and less than 20000");
    if (spec->version_priority <= 0 || spec->version_priority > VERSION_PRIORITY_MAX)
        causes_invalid_int(causes, "spec.versionPriority", spec->version_priority,
                           "must be positive and less than 1000");
    check_service(spec, causes);
}

static void api_service_validate_status(const void *value, const void *before _unused_,
                                        Causes *causes)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    const APIServiceConditionArray *conditions = &((const APIService *)value)->status.conditions;

    for (size_t i = 0; i < conditions->n; i++) {
        const char *status = str_or(conditions->v[i].status, "");

        if (!str_equal(status, statuses[0]) && !str_equal(status, statuses[1]) &&
            !str_equal(status, statuses[2]))
            causes_not_supported(causes,
                                 arena_printf(causes->arena, "status.conditions[%zu].status", i),
                                 status, statuses);
    }
}

static const APIServiceCondition *available(const APIService *service)
{
    for (size_t i = 0; i < service->status.conditions.n; i++)
        if (str_equal(service->status.conditions.v[i].type, "Available"))
            return &service->status.conditions.v[i];
    return NULL;
}

static void api_service_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const APIService *service = value;
    const APIServiceServiceReference *reference = service->spec.service;
    const APIServiceCondition *condition = available(service);

    cell_string(out, service->metadata.name);
    if (reference)
        cell_printf(out, "%s/%s", str_or(reference->namespace, ""), str_or(reference->name, ""));
    else
        cell_string(out, "Local");
    if (!condition)
        cell_string(out, "Unknown");
    else if (str_equal(condition->status, "True") || str_empty(condition->reason))
        cell_string(out, condition->status);
    else
        cell_printf(out, "%s (%s)", condition->status, condition->reason);
    cell_age(out, service->metadata.creation_timestamp, now_ns);
}

const KindRules rules_api_service = {
    .prepare = api_service_prepare,
    .validate = api_service_validate,
    .validate_status = api_service_validate_status,
    .print = api_service_print,
};
