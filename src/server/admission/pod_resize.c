/* SPDX-License-Identifier: Apache-2.0 */
/* What the node of a pod says to a change of the pod's resources, before the node itself is asked.
 * The messages are those of the plugins NodeDeclaredFeatureValidator and PodResizeValidator. */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/schema/core_cluster_v1.h"
#include "server/admission/admission.h"

#define OS_LABEL "kubernetes.io/os"

static int refuse(Write *write, const char *why)
{
    return status_forbidden(&write->status, &write->arena, write->kind, write->name, why);
}

static int refuse_with_cause(Write *write, const char *why, CauseType type)
{
    Cause *causes = arena_new_n(&write->arena, Cause, 1);

    refuse(write, why);
    causes[0] = (Cause){.type = type};
    write->status.causes = causes;
    write->status.n_causes = 1;
    return write->status.reason;
}

/* ---- features that the node declares ---- */

static bool declares(const Node *node, const char *feature)
{
    const StringArray *features = &node->status.declared_features;

    for (size_t i = 0; i < features->n; i++)
        if (str_equal(features->v[i], feature))
            return true;
    return false;
}

static bool changes_pod_level(const PodSpec *now, const PodSpec *before)
{
    return !requirements_equal(now->resources, before->resources);
}

static bool changes_init_container(const PodSpec *now, const PodSpec *before)
{
    for (size_t i = 0; i < before->init_containers.n; i++) {
        const Container *old = &before->init_containers.v[i];

        if (!container_is_sidecar(old) &&
            !requirements_equal(&now->init_containers.v[i].resources, &old->resources))
            return true;
    }
    return false;
}

static const struct {
    const char *name;
    bool (*is_needed)(const PodSpec *now, const PodSpec *before);
} features[] = {
    {"InPlacePodLevelResourcesVerticalScaling", changes_pod_level},
    {"InPlacePodVerticalScalingInitContainers", changes_init_container},
};

static int check_features(Write *write, const Node *node)
{
    const PodSpec *now = &OBJECT_AS(Pod, write->object)->spec;
    const PodSpec *before = &OBJECT_AS(Pod, write->before)->spec;
    const char *missing = NULL;

    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (features[i].is_needed(now, before) && !declares(node, features[i].name))
            missing = arena_printf(&write->arena, "%s%s%s", str_or(missing, ""),
                                   missing ? ", " : "", features[i].name);
    if (!missing)
        return 0;
    return refuse(write, arena_printf(&write->arena,
                                      "pod update requires features %s which are not available on "
                                      "node \"%s\"",
                                      missing, node->metadata.name));
}

/* ---- what the node has ---- */

static int check_capacity(Write *write, const Node *node)
{
    static const char *const names[] = {"cpu", "memory"};
    ResourceSum sum = RESOURCE_SUM_INIT(&write->arena);
    const char *mistakes = NULL;

    pod_requests(&sum, write->object->value, (PodDemandOptions){.overhead = true});
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *asked = resource_sum_get(&sum, names[i]);
        const char *has = string_map_get(&node->status.allocatable, names[i]);

        if (!asked || quantity_compare(asked, has) <= 0)
            continue;
        mistakes =
            arena_printf(&write->arena, "%s%s%s, requested: %" PRId64 ", allocatable: %" PRId64,
                         str_or(mistakes, ""), mistakes ? "; " : "", names[i],
                         resource_amount(names[i], asked), resource_amount(names[i], has));
    }
    if (!mistakes)
        return 0;
    return refuse_with_cause(
        write,
        arena_printf(&write->arena, "node didn't have enough allocatable resources: %s", mistakes),
        CAUSE_NODE_CAPACITY);
}

int pod_resize_check(Write *write)
{
    const char *name = OBJECT_AS(Pod, write->object)->spec.node_name, *os;
    const Object *object;
    const Node *node;
    int r;

    if (!write->before || !str_equal(write->subresource, "resize") || str_empty(name) ||
        object_meta(write->object)->generation == object_meta(write->before)->generation)
        return 0;
    object = store_head(write->server->store, &kind_node, NULL, name);
    if (!object)
        return refuse(write, arena_printf(&write->arena, "node \"%s\" not found", name));
    node = object->value;
    r = check_features(write, node);
    if (r)
        return r;
    os = string_map_get(&node->metadata.labels, OS_LABEL);
    if (os && !str_equal(os, "linux"))
        return refuse_with_cause(
            write,
            arena_printf(&write->arena,
                         "pod resize is only supported on linux nodes, node \"%s\" is \"%s\"", name,
                         os),
            CAUSE_UNSUPPORTED_PLATFORM);
    return check_capacity(write, node);
}
