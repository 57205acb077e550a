/* SPDX-License-Identifier: Apache-2.0 */
/* What an in-place change of resources may change, with the messages of Kubernetes. */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/resource_list.h"
#include "api/rules/core/pod.h"
#include "api/validate/pod.h"

/* A pod whose first running container has no resources in its status runs on a node that cannot
 * change them. */
static bool node_can_resize(const PodStatus *status)
{
    for (size_t i = 0; i < status->container_statuses.n; i++)
        if (status->container_statuses.v[i].state.running)
            return status->container_statuses.v[i].resources != NULL;
    return true;
}

static bool any_is_removed(const StringMap *now, const StringMap *before)
{
    for (size_t i = 0; i < before->n; i++)
        if (!string_map_get(now, before->v[i].key))
            return true;
    return before->n > now->n;
}

/* ---- masking: the new resources with cpu and memory as they were ---- */

static StringMap mask_amounts(Arena *arena, const StringMap *now, const StringMap *before)
{
    static const char *const mutable[] = {"cpu", "memory"};
    StringMap masked = {.v = arena_new_n(arena, StringEntry, now->n + 1)};

    for (size_t i = 0; i < now->n; i++)
        if (!str_equal(now->v[i].key, mutable[0]) && !str_equal(now->v[i].key, mutable[1]))
            masked.v[masked.n++] = now->v[i];
    for (size_t i = 0; i < ARRAY_LEN(mutable); i++)
        if (string_map_get(before, mutable[i]))
            string_map_put(arena, &masked, mutable[i], string_map_get(before, mutable[i]));
    return masked;
}

static ResourceRequirements mask(Arena *arena, const ResourceRequirements *now,
                                 const ResourceRequirements *before)
{
    return (ResourceRequirements){
        .limits = mask_amounts(arena, &now->limits, &before->limits),
        .requests = mask_amounts(arena, &now->requests, &before->requests),
    };
}

/* ---- the pod as a whole ---- */

static bool has_amounts(const PodSpec *spec)
{
    return spec->resources && spec->resources->requests.n + spec->resources->limits.n > 0;
}

/* Checks the resources of the pod itself. *same: the new spec, whose resources are masked. */
static void check_own(const PodSpec *now, const PodSpec *before, PodSpec *same, Causes *causes)
{
    static const ResourceRequirements none = {0};
    const ResourceRequirements *old = before->resources ? before->resources : &none;
    ResourceRequirements *masked;

    if (before->resources && !now->resources) {
        causes_forbidden(causes, "spec.resources", "pod-level resources cannot be removed");
        return;
    }
    if (any_is_removed(&now->resources->requests, &old->requests))
        causes_forbidden(causes, "spec.resources.requests",
                         "pod-level resource requests cannot be removed");
    if (any_is_removed(&now->resources->limits, &old->limits))
        causes_forbidden(causes, "spec.resources.limits",
                         "pod-level resource limits cannot be removed");
    masked = arena_new(causes->arena, ResourceRequirements);
    *masked = mask(causes->arena, now->resources, old);
    masked->claims = now->resources->claims;
    same->resources = masked;
    if (!before->resources && !masked->requests.n && !masked->limits.n && !masked->claims.n)
        same->resources = NULL;
    if (!type_equal(&type_ResourceRequirements, same->resources ? same->resources : &none, old) ||
        !same->resources != !before->resources)
        causes_forbidden(causes, "spec", "only cpu and memory resources are mutable at pod-level");
}

/* ---- containers ---- */

static bool check_order(const ContainerArray *now, const ContainerArray *before, const char *field,
                        Causes *causes)
{
    size_t n = causes->n + causes->left_out;

    if (now->n != before->n) {
        causes_forbidden(
            causes, arena_printf(causes->arena, "spec.%s", field),
            arena_printf(causes->arena, "%s may not be added or removed on resize", field));
        return false;
    }
    for (size_t i = 0; i < now->n; i++)
        if (!str_equal(now->v[i].name, before->v[i].name))
            causes_forbidden(
                causes, arena_printf(causes->arena, "spec.%s[%zu].name", field, i),
                arena_printf(causes->arena, "%s may not be renamed or reordered on resize", field));
    return causes->n + causes->left_out == n;
}

static void check_removed(const ContainerArray *now, const ContainerArray *before,
                          const char *field, Causes *causes)
{
    for (size_t i = 0; i < now->n; i++) {
        const ResourceRequirements *new = &now->v[i].resources, *old = &before->v[i].resources;

        if (any_is_removed(&new->requests, &old->requests))
            causes_forbidden(
                causes, arena_printf(causes->arena, "spec.%s[%zu].resources.requests", field, i),
                "resource requests cannot be removed");
        if (any_is_removed(&new->limits, &old->limits))
            causes_forbidden(causes,
                             arena_printf(causes->arena, "spec.%s[%zu].resources.limits", field, i),
                             "resource limits cannot be removed");
    }
}

static bool restarts(const Container *container)
{
    for (size_t i = 0; i < container->resize_policy.n; i++)
        if (str_equal(container->resize_policy.v[i].restart_policy, "RestartContainer"))
            return true;
    return false;
}

/* Returns the new containers with masked resources, after it has checked that nothing else in them
 * is new. */
static ContainerArray mask_containers(const ContainerArray *now, const ContainerArray *before,
                                      bool init, Causes *causes)
{
    Arena *arena = causes->arena;
    ContainerArray masked = {.v = arena_new_n(arena, Container, now->n + 1), .n = now->n};

    for (size_t i = 0; i < now->n; i++) {
        const char *path = init ? arena_printf(arena, "spec.initContainers[%zu]", i) : "spec";

        masked.v[i] = now->v[i];
        masked.v[i].resources = mask(arena, &now->v[i].resources, &before->v[i].resources);
        if (!type_equal(&type_Container, &masked.v[i], &before->v[i]))
            causes_forbidden(causes, path,
                             init ? "only cpu and memory resources for init or sidecar containers "
                                    "are mutable"
                                  : "only cpu and memory resources are mutable");
        if (init && !container_is_sidecar(&now->v[i]) && restarts(&now->v[i]) &&
            !type_equal(&type_Container, &now->v[i], &before->v[i]))
            causes_forbidden(causes, path,
                             "non-sidecar init containers with a resize policy of "
                             "RestartContainer cannot be resized");
    }
    return masked;
}

static void check_containers(const PodSpec *now, const PodSpec *before, PodSpec *same,
                             Causes *causes)
{
    bool regular = check_order(&now->containers, &before->containers, "containers", causes);
    bool init =
        check_order(&now->init_containers, &before->init_containers, "initContainers", causes);

    if (!regular || !init)
        return;
    check_removed(&now->init_containers, &before->init_containers, "initContainers", causes);
    check_removed(&now->containers, &before->containers, "containers", causes);
    same->containers = mask_containers(&now->containers, &before->containers, false, causes);
    same->init_containers =
        mask_containers(&now->init_containers, &before->init_containers, true, causes);
    if (!causes->n && !type_equal(&type_PodSpec, same, before))
        causes_forbidden(causes, "spec", "only cpu and memory resources are mutable");
}

void validate_pod_resize(const Pod *pod, const Pod *before, Causes *causes)
{
    const PodSpec *now = &pod->spec, *old = &before->spec;
    PodSpec same = *now;
    const char *quality = before->status.qos_class;

    if (string_map_get(&before->metadata.annotations, POD_MIRROR_ANNOTATION)) {
        causes_forbidden(causes, "", "static pods cannot be resized");
        return;
    }
    if (old->os && str_equal(old->os->name, "windows")) {
        causes_forbidden(causes, "", "windows pods cannot be resized");
        return;
    }
    validate_type(&type_PodSpec, now, old, "spec", causes);
    validate_pod_spec_at(now, &pod->metadata, PATH(NULL, "spec"), causes);
    if (!str_equal(str_empty(quality) ? pod_quality(old) : quality, pod_quality(now)))
        causes_invalid_string(causes, "spec", str_or(quality, ""),
                              "Pod QOS Class may not change as a result of resizing");
    if (!node_can_resize(&before->status))
        causes_forbidden(causes, "spec", "Pod running on node without support for resize");
    if (has_amounts(old) || has_amounts(now))
        check_own(now, old, &same, causes);
    if (before->status.node_allocatable_resource_claim_statuses.n)
        causes_forbidden(causes, "spec",
                         "pods with node allocatable resource claims cannot be resized");
    check_containers(now, old, &same, causes);
}
