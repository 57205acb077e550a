/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Pods and Bindings: defaults that depend on other fields, the initial status, and the
 * fields that may change later. */
#include "api/object.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/resource_name.h"
#include "api/rules/core/pod.h"
#include "api/rules/rules.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

/* ---- defaults ---- */

/* The default is Always for the tag "latest", explicit or implied. An image with a digest never
 * changes. */
static const char *pull_policy(const char *image)
{
    const char *base = image ? strrchr(image, '/') : NULL;
    const char *digest, *tag;

    if (str_empty(image))
        return "IfNotPresent";
    base = base ? base + 1 : image;
    digest = strchr(base, '@');
    tag = memchr(base, ':', digest ? (size_t)(digest - base) : strlen(base));
    if (!tag)
        return digest ? "IfNotPresent" : "Always";
    if (digest)
        return digest - tag == 7 && !strncmp(tag, ":latest", 7) ? "Always" : "IfNotPresent";
    return str_equal(tag, ":latest") ? "Always" : "IfNotPresent";
}

static void complete_volume(Arena *arena, Volume *volume)
{
    VolumeSource *source = &volume->volume_source;
    bool any = false;

    for (size_t i = 0; i < type_VolumeSource.n_fields; i++)
        any |= *(void **)field_at(source, &type_VolumeSource.fields[i]) != NULL;
    if (!any)
        source->empty_dir = arena_new(arena, EmptyDirVolumeSource);
    if (source->image && str_empty(source->image->pull_policy))
        source->image->pull_policy = pull_policy(source->image->reference);
}

static void complete_container(Container *container)
{
    if (str_empty(container->image_pull_policy))
        container->image_pull_policy = pull_policy(container->image);
}

void complete_pod_spec(Arena *arena, PodSpec *spec)
{
    for (size_t i = 0; i < spec->volumes.n; i++)
        complete_volume(arena, &spec->volumes.v[i]);
    for (size_t i = 0; i < spec->init_containers.n; i++)
        complete_container(&spec->init_containers.v[i]);
    for (size_t i = 0; i < spec->containers.n; i++)
        complete_container(&spec->containers.v[i]);
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++)
        complete_container(
            (Container *)&spec->ephemeral_containers.v[i].ephemeral_container_common);
    if (str_empty(spec->service_account_name))
        spec->service_account_name = spec->service_account;
    spec->service_account = spec->service_account_name;
}

static void complete_pod_container(Arena *arena, const PodSpec *spec, Container *container)
{
    string_map_fill(arena, &container->resources.requests, &container->resources.limits);
    for (size_t i = 0; spec->host_network && i < container->ports.n; i++)
        if (!container->ports.v[i].host_port)
            container->ports.v[i].host_port = container->ports.v[i].container_port;
}

/* Kubernetes completes the requests of a pod that has limits as a whole: from the sum of its containers,
 * or else from these limits. Limits of huge pages come from the sum of the containers. */
static void complete_own_resources(Arena *arena, PodSpec *spec)
{
    ResourceRequirements *own = spec->resources;
    ResourceSum requests = RESOURCE_SUM_INIT(arena), limits = RESOURCE_SUM_INIT(arena);
    Pod bare = {.spec = *spec};
    StringMap sum;
    size_t n = 0;

    if (!own->limits.n && !own->requests.n)
        return;
    bare.spec.resources = NULL;
    pod_limits(&limits, &bare, (PodDemandOptions){0});
    sum = resource_sum_map(&limits);
    for (size_t i = 0; i < sum.n; i++)
        if (resource_is_huge_pages(sum.v[i].key) && !string_map_get(&own->requests, sum.v[i].key))
            sum.v[n++] = sum.v[i];
    sum.n = n;
    string_map_fill(arena, &own->limits, &sum);
    if (!own->limits.n)
        return;
    pod_requests(&requests, &bare, (PodDemandOptions){0});
    sum = resource_sum_map(&requests);
    for (size_t i = 0; i < sum.n; i++)
        if ((str_equal(sum.v[i].key, "cpu") || str_equal(sum.v[i].key, "memory")) &&
            !string_map_get(&own->requests, sum.v[i].key))
            string_map_put(arena, &own->requests, sum.v[i].key, sum.v[i].value);
    string_map_fill(arena, &own->requests, &own->limits);
}

static void complete_addresses(Arena *arena, PodStatus *status)
{
    if (!status->pod_ips.n && !str_empty(status->pod_ip)) {
        status->pod_ips.v = arena_new(arena, PodIP);
        status->pod_ips.v[status->pod_ips.n++].ip = status->pod_ip;
    }
    if (status->pod_ips.n)
        status->pod_ip = status->pod_ips.v[0].ip;
}

static void complete_pod(Arena *arena, void *value)
{
    PodSpec *spec = &((Pod *)value)->spec;

    if (spec->termination_grace_period_seconds && *spec->termination_grace_period_seconds < 0)
        spec->termination_grace_period_seconds = arena_int64(arena, 1);
    complete_addresses(arena, &((Pod *)value)->status);
    complete_pod_spec(arena, spec);
    for (size_t i = 0; i < spec->init_containers.n; i++)
        complete_pod_container(arena, spec, &spec->init_containers.v[i]);
    for (size_t i = 0; i < spec->containers.n; i++)
        complete_pod_container(arena, spec, &spec->containers.v[i]);
    if (spec->resources)
        complete_own_resources(arena, spec);
    if (!spec->enable_service_links)
        spec->enable_service_links = arena_bool(arena, true);
}

/* ---- what a new pod starts with ---- */

static void prepare_pod(Arena *arena, void *value, const void *before)
{
    Pod *pod = value;

    if (before)
        return;
    complete_armor(arena, &pod->metadata, &pod->spec);
    pod->status = (PodStatus){.phase = "Pending", .qos_class = pod_quality(&pod->spec)};
    if (pod->spec.scheduling_gates.n) {
        PodCondition *condition = arena_new(arena, PodCondition);

        condition->type = "PodScheduled";
        condition->status = "False";
        condition->last_transition_time = pod->metadata.creation_timestamp;
        condition->reason = "SchedulingGated";
        condition->message = "Scheduling is blocked due to non-empty scheduling gates";
        pod->status.conditions = (PodConditionArray){.v = condition, .n = 1};
    }
}

/* ---- validation ---- */

static void validate_token_volumes(const PodSpec *spec, Causes *causes)
{
    for (size_t i = 0; str_empty(spec->service_account_name) && i < spec->volumes.n; i++) {
        const ProjectedVolumeSource *projected = spec->volumes.v[i].volume_source.projected;

        for (size_t j = 0; projected && j < projected->sources.n; j++)
            if (projected->sources.v[j].service_account_token)
                causes_forbidden(
                    causes,
                    arena_printf(causes->arena,
                                 "spec.volumes[%zu].projected.sources[%zu].serviceAccountToken", i,
                                 j),
                    "must not be specified when serviceAccountName is not set");
    }
}

static bool containers_may_follow(const ContainerArray *now, const ContainerArray *before,
                                  const char *field, Causes *causes)
{
    if (now->n == before->n)
        return true;
    causes_forbidden(causes, field, "pod updates may not add or remove containers");
    return false;
}

/* ---- what may change ---- */

static void check_deadline(const PodSpec *spec, const PodSpec *old_spec, Causes *causes)
{
    const int64_t *now = spec->active_deadline_seconds, *before = old_spec->active_deadline_seconds;

    if (!now && before)
        causes_add(causes, CAUSE_INVALID, "spec.activeDeadlineSeconds", "null",
                   "must not update from a positive integer to nil value");
    else if (now && before && *now > *before)
        causes_invalid_int(causes, "spec.activeDeadlineSeconds", *now,
                           "must be less than or equal to previous value");
}

/* Adds what makes a toleration another one; false: it was there. */
static bool toleration_add(TextMap *seen, const Toleration *toleration)
{
    return text_map_add_joined(seen, toleration->key, toleration->value,
                               arena_printf(seen->arena, "%s %s", str_or(toleration->operator, ""),
                                            str_or(toleration->effect, "")));
}

static void check_tolerations(const PodSpec *now, const PodSpec *old, Causes *causes)
{
    TextMap kept = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < now->tolerations.n; i++)
        toleration_add(&kept, &now->tolerations.v[i]);
    for (size_t i = 0; i < old->tolerations.n; i++)
        if (toleration_add(&kept, &old->tolerations.v[i])) {
            causes_forbidden(causes, "spec.tolerations",
                             "existing toleration can not be modified except its "
                             "tolerationSeconds");
            return;
        }
}

static void check_gates(const PodSpec *spec, const PodSpec *old_spec, Causes *causes)
{
    const PodSchedulingGateArray *now = &spec->scheduling_gates,
                                 *before = &old_spec->scheduling_gates;
    TextMap old = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < before->n; i++)
        text_map_add(&old, before->v[i].name);
    for (size_t i = 0; i < now->n; i++)
        if (!text_map_has(&old, now->v[i].name))
            causes_forbidden(
                causes, arena_printf(causes->arena, "spec.schedulingGates[%zu].name", i),
                arena_printf(causes->arena,
                             "only deletion is allowed, but found new scheduling gate '%s'",
                             str_or(now->v[i].name, "")));
}

/* The placement of a pod with scheduling gates may still be restricted further. */
static void check_node_selector(const PodSpec *spec, const PodSpec *before, Causes *causes)
{
    const Field *field = type_member(&type_PodSpec, "nodeSelector");

    for (size_t i = 0; before->scheduling_gates.n && i < before->node_selector.n; i++)
        if (!str_equal(string_map_get(&spec->node_selector, before->node_selector.v[i].key),
                       before->node_selector.v[i].value)) {
            causes_add(causes, CAUSE_INVALID, "spec.nodeSelector",
                       validate_bad_value(field, &spec->node_selector, causes),
                       "only additions to spec.nodeSelector are allowed (no mutations or "
                       "deletions)");
            break;
        }
}

static ContainerArray with_images_of(const ContainerArray *now, const ContainerArray *before,
                                     Arena *arena)
{
    ContainerArray copy = {.v = arena_new_n(arena, Container, now->n + 1), .n = now->n};

    for (size_t i = 0; i < now->n; i++) {
        copy.v[i] = now->v[i];
        copy.v[i].image = before->v[i].image;
    }
    return copy;
}

static void restore_images(PodSpec *spec, const PodSpec *before, Arena *arena)
{
    spec->containers = with_images_of(&spec->containers, &before->containers, arena);
}

static void restore_init_images(PodSpec *spec, const PodSpec *before, Arena *arena)
{
    spec->init_containers = with_images_of(&spec->init_containers, &before->init_containers, arena);
}

static void restore_deadline(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    spec->active_deadline_seconds = before->active_deadline_seconds;
}

static void restore_tolerations(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    spec->tolerations = before->tolerations;
}

static void restore_grace(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    int64_t *now = spec->termination_grace_period_seconds,
            *old = before->termination_grace_period_seconds;

    if (old && *old < 0 && now && *now == 1)
        spec->termination_grace_period_seconds = old;
}

static void restore_gates(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    spec->scheduling_gates = before->scheduling_gates;
}

static void restore_node_selector(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    if (before->scheduling_gates.n)
        spec->node_selector = before->node_selector;
}

static void restore_affinity(PodSpec *spec, const PodSpec *before, Arena *arena _unused_)
{
    if (before->scheduling_gates.n && !before->affinity && spec->affinity &&
        !spec->affinity->pod_affinity && !spec->affinity->pod_anti_affinity)
        spec->affinity = NULL;
}

/* Each of these fields may change by its own rule. An update is valid if these rules hold and if
 * the specs are equal once all of these fields are reset. The node's tests use this table, too, to
 * know what may change while a pod runs. */
static const struct {
    PodMutableField field;
    void (*check)(const PodSpec *now, const PodSpec *before, Causes *causes);
    void (*restore)(PodSpec *spec, const PodSpec *before, Arena *arena);
} mutable_fields[] = {
    {{"spec.containers[*].image", true}, NULL, restore_images},
    {{"spec.initContainers[*].image", true}, NULL, restore_init_images},
    {{"spec.activeDeadlineSeconds", true}, check_deadline, restore_deadline},
    {{"spec.tolerations", true}, check_tolerations, restore_tolerations},
    {{"spec.terminationGracePeriodSeconds", true}, NULL, restore_grace},
    {{"spec.schedulingGates", false}, check_gates, restore_gates},
    {{"spec.nodeSelector", false}, check_node_selector, restore_node_selector},
    {{"spec.affinity", false}, NULL, restore_affinity},
    {{"spec.ephemeralContainers", true}, NULL, NULL},     /* by validate_pod_ephemeral() alone */
    {{"spec.containers[*].resources", true}, NULL, NULL}, /* by validate_pod_resize() alone */
    {{"spec.initContainers[*].resources", true}, NULL, NULL},
    {{"spec.resources", true}, NULL, NULL},
};

const PodMutableField *pod_mutable_field(size_t i)
{
    return i < ARRAY_LEN(mutable_fields) ? &mutable_fields[i].field : NULL;
}

static void validate_pod_update(const Pod *pod, const Pod *before, Causes *causes)
{
    const PodSpec *now = &pod->spec, *old = &before->spec;
    PodSpec same = *now;

    if (!containers_may_follow(&now->containers, &old->containers, "spec.containers", causes) ||
        !containers_may_follow(&now->init_containers, &old->init_containers, "spec.initContainers",
                               causes))
        return;
    for (size_t i = 0; i < ARRAY_LEN(mutable_fields); i++)
        if (mutable_fields[i].check)
            mutable_fields[i].check(now, old, causes);
    for (size_t i = 0; i < ARRAY_LEN(mutable_fields); i++)
        if (mutable_fields[i].restore)
            mutable_fields[i].restore(&same, old, causes->arena);
    if (!type_equal(&type_PodSpec, &same, old))
        causes_forbidden(
            causes, "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
            "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
            "be set to 1 if it was previously negative)");
}

static void validate_pod(const void *value, const void *before, Causes *causes)
{
    const Pod *pod = value;

    validate_armor_annotations(&pod->metadata, &pod->spec, PATH(NULL, "metadata.annotations"),
                               before ? NULL : PATH(NULL, "spec"), causes);
    validate_pod_spec_at(&pod->spec, &pod->metadata, PATH(NULL, "spec"), causes);
    validate_token_volumes(&pod->spec, causes);
    if (before) {
        validate_armor_update(&pod->metadata, &((const Pod *)before)->metadata, causes);
        validate_pod_update(pod, before, causes);
        return;
    }
    if (pod->spec.ephemeral_containers.n)
        causes_forbidden(causes, "spec.ephemeralContainers", "cannot be set on create");
    if (!str_empty(pod->spec.node_name) && pod->spec.scheduling_gates.n)
        causes_forbidden(causes, "spec.nodeName",
                         "cannot be set until all schedulingGates have been cleared");
}

static const EphemeralContainer *find_ephemeral(const EphemeralContainerArray *list,
                                                const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i].ephemeral_container_common.name, name))
            return &list->v[i];
    return NULL;
}

void validate_pod_ephemeral(const Pod *pod, const Pod *before, Causes *causes)
{
    static const char path[] = "spec.ephemeralContainers";
    const EphemeralContainerArray *old = &before->spec.ephemeral_containers;

    validate_type(&type_PodSpec, &pod->spec, &before->spec, "spec", causes);
    validate_pod_spec_at(&pod->spec, &pod->metadata, PATH(NULL, "spec"), causes);
    for (size_t i = 0; i < old->n; i++) {
        const char *name = old->v[i].ephemeral_container_common.name;
        const EphemeralContainer *now = find_ephemeral(&pod->spec.ephemeral_containers, name);

        if (!now || !type_equal(&type_EphemeralContainer, now, &old->v[i]))
            causes_forbidden(causes, path,
                             arena_printf(causes->arena,
                                          "existing ephemeral containers \"%s\" may not be %s\n",
                                          name, now ? "changed" : "removed"));
    }
}

static void validate_pod_status(const void *value, const void *before _unused_, Causes *causes)
{
    const PodStatus *status = &((const Pod *)value)->status;

    if (!str_empty(status->nominated_node_name))
        faults_add(check_dns_subdomain(status->nominated_node_name), "status.nominatedNodeName",
                   status->nominated_node_name, causes);
    for (size_t i = 0; i < status->pod_ips.n; i++)
        fail_faults(causes, PATH_INDEX(PATH(NULL, "status.podIPs"), i), status->pod_ips.v[i].ip,
                    check_ip(status->pod_ips.v[i].ip));
    for (size_t i = 0; i < status->host_ips.n; i++)
        fail_faults(causes, PATH_INDEX(PATH(NULL, "status.hostIPs"), i), status->host_ips.v[i].ip,
                    check_ip(status->host_ips.v[i].ip));
}

/* ---- warnings ---- */

static void warn_pod(Arena *arena, const void *value, Warnings *warnings)
{
    const Pod *pod = value;

    rules_warn_name(arena, pod->metadata.name, warnings);
    warn_armor(arena, &pod->metadata, &pod->spec, warnings);
    rules_warn_pod(arena, &pod->metadata, &pod->spec, "", warnings);
}

const KindRules rules_pod = {
    .complete = complete_pod,
    .prepare = prepare_pod,
    .validate = validate_pod,
    .validate_status = validate_pod_status,
    .warn = warn_pod,
    .print = print_pod,
};

/* ---- bindings ---- */

static void validate_binding(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const kinds[] = {"Node", "<empty>", NULL};
    const Binding *binding = value;

    if (!str_empty(binding->target.kind) && !str_equal(binding->target.kind, "Node"))
        causes_not_supported(causes, "target.kind", binding->target.kind, kinds);
    if (str_empty(binding->target.name))
        causes_required(causes, "target.name", NULL);
}

const KindRules rules_binding = {
    .validate = validate_binding,
};
