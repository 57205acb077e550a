/* SPDX-License-Identifier: Apache-2.0 */
#include "api/quota.h"

#include "api/quantity.h"
#include "api/resource_name.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_quota_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/time/clock.h"

#define OF_CLASS ".storageclass.storage.k8s.io/"
#define DEVICE_CLASS "deviceclass.resource.kubernetes.io/"

/* ---- the resources of each kind ---- */

static bool is_any_of(const char *s, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(s, names[i]))
            return true;
    return false;
}

/* "count/pods", "count/jobs.batch" */
static bool is_count_of(const Kind *kind, const char *resource)
{
    size_t n = strlen(kind->plural);

    if (!str_starts_with(resource, "count/"))
        return false;
    resource += strlen("count/");
    if (strncmp(resource, kind->plural, n) != 0)
        return false;
    resource += n;
    return str_empty(kind->group) ? *resource == 0
                                  : *resource == '.' && str_equal(resource + 1, kind->group);
}

static bool pod_uses(const char *resource)
{
    static const char *const names[] = {
        "pods",
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
        "requests.ephemeral-storage",
        "limits.ephemeral-storage",
    };

    if (is_any_of(resource, names, ARRAY_LEN(names)) || resource_is_huge_pages(resource) ||
        str_starts_with(resource, "requests.hugepages-"))
        return true;
    return str_starts_with(resource, "requests.") &&
           (!resource_is_native(resource) || str_starts_with(resource, "requests." DEVICE_CLASS));
}

static bool service_uses(const char *resource)
{
    static const char *const names[] = {"services", "services.nodeports", "services.loadbalancers"};

    return is_any_of(resource, names, ARRAY_LEN(names));
}

static bool claim_uses(const char *resource)
{
    static const char *const names[] = {"persistentvolumeclaims", "requests.storage"};
    const char *of_class = strstr(resource, OF_CLASS);

    return is_any_of(of_class ? of_class + strlen(OF_CLASS) : resource, names, ARRAY_LEN(names));
}

static void add_pod(ResourceSum *sum, const Object *object, int64_t now_ns);
static void add_service(ResourceSum *sum, const Object *object, int64_t now_ns);
static void add_claim(ResourceSum *sum, const Object *object, int64_t now_ns);

/* Kinds that use more than the number of their objects, and those whose number has a second name. */
static const struct {
    const Kind *kind;
    bool (*uses)(const char *resource);
    void (*add)(ResourceSum *sum, const Object *object, int64_t now_ns);
    const char *count; /* the other name of the number of objects */
} rows[] = {
    {&kind_pod, pod_uses, add_pod, NULL},
    {&kind_service, service_uses, add_service, NULL},
    {&kind_persistent_volume_claim, claim_uses, add_claim, NULL},
    {&kind_config_map, NULL, NULL, "configmaps"},
    {&kind_secret, NULL, NULL, "secrets"},
    {&kind_replication_controller, NULL, NULL, "replicationcontrollers"},
    {&kind_resource_quota, NULL, NULL, "resourcequotas"},
};

static size_t row_of(const Kind *kind)
{
    size_t i = 0;

    while (i < ARRAY_LEN(rows) && rows[i].kind != kind)
        i++;
    return i;
}

bool quota_counts_kind(const Kind *kind)
{
    return kind->flags & KIND_NAMESPACED && !(kind->flags & KIND_NOT_STORED) &&
           !str_equal(kind->plural, "events");
}

bool quota_kind_uses(const Kind *kind, const char *resource)
{
    size_t row = row_of(kind);

    if (is_count_of(kind, resource))
        return true;
    return row < ARRAY_LEN(rows) &&
           (rows[row].uses ? rows[row].uses(resource) : str_equal(rows[row].count, resource));
}

bool quota_is_plain_count(const Kind *kind)
{
    size_t row = row_of(kind);

    return row == ARRAY_LEN(rows) || !rows[row].add;
}

/* ---- usage ---- */

int64_t quota_counted_until(const Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    if (object->kind != &kind_pod || !meta->deletion_timestamp.set ||
        !meta->deletion_grace_period_seconds)
        return 0;
    return (meta->deletion_timestamp.seconds + *meta->deletion_grace_period_seconds) * NS_PER_SEC;
}

/* Whether the pod takes resources: it has not ended, and is not one that should have gone but whose
 * node does not report. */
static bool is_alive(const Object *object, int64_t now_ns)
{
    const PodStatus *status = &OBJECT_AS(Pod, object)->status;
    int64_t until = quota_counted_until(object);

    return !str_equal(status->phase, "Failed") && !str_equal(status->phase, "Succeeded") &&
           (until == 0 || now_ns <= until);
}

static void add_requests(ResourceSum *sum, const StringMap *requests)
{
    Arena *arena = sum->amounts.arena;

    for (size_t i = 0; i < requests->n; i++) {
        const char *name = requests->v[i].key, *amount = requests->v[i].value;
        bool own = resource_is_for_containers(name);

        if (own)
            resource_sum_put(sum, name, amount);
        if (own || resource_is_extended(name) || str_starts_with(name, DEVICE_CLASS))
            resource_sum_put(sum, arena_printf(arena, "requests.%s", name), amount);
    }
}

static void add_limits(ResourceSum *sum, const StringMap *limits)
{
    static const char *const names[][2] = {{"cpu", "limits.cpu"},
                                           {"memory", "limits.memory"},
                                           {"ephemeral-storage", "limits.ephemeral-storage"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *limit = string_map_get(limits, names[i][0]);

        if (limit)
            resource_sum_put(sum, names[i][1], limit);
    }
}

void quota_add_container_usage(ResourceSum *sum, const StringMap *requests, const StringMap *limits)
{
    add_requests(sum, requests);
    add_limits(sum, limits);
}

static void add_pod(ResourceSum *sum, const Object *object, int64_t now_ns)
{
    static const PodDemandOptions options = {.in_force = true, .overhead = true};
    Arena *arena = sum->amounts.arena;
    ResourceSum requests = RESOURCE_SUM_INIT(arena), limits = RESOURCE_SUM_INIT(arena);
    const Pod *pod = object->value;
    StringMap request_map, limit_map;

    if (!is_alive(object, now_ns))
        return;
    pod_requests(&requests, pod, options);
    pod_limits(&limits, pod, options);
    request_map = resource_sum_map(&requests);
    limit_map = resource_sum_map(&limits);
    resource_sum_put(sum, "pods", "1");
    quota_add_container_usage(sum, &request_map, &limit_map);
}

static void add_service(ResourceSum *sum, const Object *object, int64_t now_ns _unused_)
{
    const ServiceSpec *spec = &OBJECT_AS(Service, object)->spec;
    bool balanced = str_equal(spec->type, "LoadBalancer");
    bool all_ports = str_equal(spec->type, "NodePort") ||
                     (balanced && (!spec->allocate_load_balancer_node_ports ||
                                   *spec->allocate_load_balancer_node_ports));
    int64_t ports = 0;

    for (size_t i = 0; i < spec->ports.n; i++)
        ports += all_ports || (balanced && spec->ports.v[i].node_port);
    resource_sum_put(sum, "services", "1");
    resource_sum_put(sum, "services.loadbalancers", balanced ? "1" : "0");
    resource_sum_put(sum, "services.nodeports", quantity_from(sum->amounts.arena, ports, false));
}

static const char *class_of_claim(const PersistentVolumeClaim *claim)
{
    const char *old =
        string_map_get(&claim->metadata.annotations, "volume.beta.kubernetes.io/storage-class");

    return old ? old : str_or(claim->spec.storage_class_name, "");
}

/* In whole bytes. While the claim grows, the larger of both sizes. */
static const char *storage_of_claim(Arena *arena, const PersistentVolumeClaim *claim)
{
    const char *asked = string_map_get(&claim->spec.resources.requests, "storage");
    const char *granted = string_map_get(&claim->status.allocated_resources, "storage");

    if (asked && granted && quantity_compare(granted, asked) > 0)
        asked = granted;
    if (asked && quantity_milli(asked) % 1000)
        asked = quantity_from(arena, quantity_value(asked), strchr(asked, 'i') != NULL);
    return asked;
}

static void add_claim(ResourceSum *sum, const Object *object, int64_t now_ns _unused_)
{
    const PersistentVolumeClaim *claim = object->value;
    Arena *arena = sum->amounts.arena;
    const char *class = class_of_claim(claim), *storage = storage_of_claim(arena, claim);

    resource_sum_put(sum, "persistentvolumeclaims", "1");
    if (storage)
        resource_sum_put(sum, "requests.storage", storage);
    if (!*class)
        return;
    resource_sum_put(sum, arena_printf(arena, "%s" OF_CLASS "persistentvolumeclaims", class), "1");
    if (storage)
        resource_sum_put(sum, arena_printf(arena, "%s" OF_CLASS "requests.storage", class),
                         storage);
}

void quota_add_usage(ResourceSum *sum, const Object *object, int64_t now_ns)
{
    const Kind *kind = object->kind;
    size_t row = row_of(kind);
    Arena *arena = sum->amounts.arena;
    const char *count = str_empty(kind->group)
                            ? arena_printf(arena, "count/%s", kind->plural)
                            : arena_printf(arena, "count/%s.%s", kind->plural, kind->group);
    ResourceSum usage = RESOURCE_SUM_INIT(arena);

    resource_sum_put(&usage, count, "1");
    if (row < ARRAY_LEN(rows) && rows[row].count)
        resource_sum_put(&usage, rows[row].count, "1");
    if (row < ARRAY_LEN(rows) && rows[row].add)
        rows[row].add(&usage, object, now_ns);
    resource_sum_add_sum(sum, &usage);
}

/* ---- scopes ---- */

bool quota_is_terminating(const Object *pod)
{
    const PodSpec *spec = &OBJECT_AS(Pod, pod)->spec;

    return spec->active_deadline_seconds && *spec->active_deadline_seconds >= 0;
}

static bool crosses(const PodAffinityTerm *term)
{
    return term->namespaces.n || term->namespace_selector;
}

static bool any_crosses(const PodAffinityTermArray *required,
                        const WeightedPodAffinityTermArray *preferred)
{
    for (size_t i = 0; i < required->n; i++)
        if (crosses(&required->v[i]))
            return true;
    for (size_t i = 0; i < preferred->n; i++)
        if (crosses(&preferred->v[i].pod_affinity_term))
            return true;
    return false;
}

/* The pod has an affinity to pods of other namespaces, or against them. */
static bool crosses_namespaces(const Affinity *affinity)
{
    const PodAffinity *near = affinity ? affinity->pod_affinity : NULL;
    const PodAntiAffinity *far = affinity ? affinity->pod_anti_affinity : NULL;

    return (near && any_crosses(&near->required_during_scheduling_ignored_during_execution,
                                &near->preferred_during_scheduling_ignored_during_execution)) ||
           (far && any_crosses(&far->required_during_scheduling_ignored_during_execution,
                               &far->preferred_during_scheduling_ignored_during_execution));
}

static bool has_value(const StringArray *values, const char *value)
{
    for (size_t i = 0; i < values->n; i++)
        if (str_equal(values->v[i], value))
            return true;
    return false;
}

/* A name that the object may lack, such as that of its priority class. */
static bool name_matches(const ScopedResourceSelectorRequirement *requirement, const char *name)
{
    const char *operator= requirement->operator;

    if (str_equal(operator, "Exists"))
        return !str_empty(name);
    if (str_equal(operator, "DoesNotExist"))
        return str_empty(name);
    if (str_equal(operator, "NotIn"))
        return str_empty(name) || !has_value(&requirement->values, name);
    return !str_empty(name) && has_value(&requirement->values, name);
}

/* A claim has up to three attributes classes while it changes: one of them has to match. */
static bool claim_matches(const ScopedResourceSelectorRequirement *requirement,
                          const PersistentVolumeClaim *claim)
{
    const PersistentVolumeClaimStatus *status = &claim->status;
    const char *const names[] = {
        claim->spec.volume_attributes_class_name,
        status->current_volume_attributes_class_name,
        status->modify_volume_status
            ? status->modify_volume_status->target_volume_attributes_class_name
            : NULL,
    };
    bool any = false;

    if (!str_equal(requirement->scope_name, "VolumeAttributesClass"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_empty(names[i]))
            continue;
        any = true;
        if (name_matches(requirement, names[i]))
            return true;
    }
    return !any && name_matches(requirement, NULL);
}

static bool pod_matches(const ScopedResourceSelectorRequirement *requirement, const Object *object)
{
    const PodSpec *spec = &OBJECT_AS(Pod, object)->spec;
    const char *scope = requirement->scope_name;

    if (str_equal(scope, "Terminating"))
        return quota_is_terminating(object);
    if (str_equal(scope, "NotTerminating"))
        return !quota_is_terminating(object);
    if (str_equal(scope, "BestEffort"))
        return str_equal(pod_quality(spec), "BestEffort");
    if (str_equal(scope, "NotBestEffort"))
        return !str_equal(pod_quality(spec), "BestEffort");
    if (str_equal(scope, "PriorityClass"))
        return name_matches(requirement, spec->priority_class_name);
    if (str_equal(scope, "CrossNamespacePodAffinity"))
        return crosses_namespaces(spec->affinity);
    return false;
}

static bool scope_matches(const ScopedResourceSelectorRequirement *requirement,
                          const Object *object)
{
    if (object->kind == &kind_pod)
        return pod_matches(requirement, object);
    if (object->kind == &kind_persistent_volume_claim)
        return claim_matches(requirement, object->value);
    return false;
}

bool quota_has_scopes(const ResourceQuota *quota)
{
    return quota->spec.scopes.n ||
           (quota->spec.scope_selector && quota->spec.scope_selector->match_expressions.n);
}

bool quota_scopes_match(const ResourceQuota *quota, const Object *object)
{
    const ScopeSelector *selector = quota->spec.scope_selector;

    for (size_t i = 0; i < quota->spec.scopes.n; i++) {
        const ScopedResourceSelectorRequirement exists = {.scope_name = quota->spec.scopes.v[i],
                                                          .operator= "Exists" };

        if (!scope_matches(&exists, object))
            return false;
    }
    for (size_t i = 0; selector && i < selector->match_expressions.n; i++)
        if (!scope_matches(&selector->match_expressions.v[i], object))
            return false;
    return true;
}

const char *quota_text(Arena *arena, const StringMap *amounts)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < amounts->n; i++)
        strbuf_printf(&text, "%s%s=%s", i ? "," : "", amounts->v[i].key, amounts->v[i].value);
    return arena_strdup(arena, strbuf_string(&text));
}
