/* SPDX-License-Identifier: Apache-2.0 */
/* See pod_part.h. */
#include "server/write/pod_part.h"

#include "api/object.h"
#include "api/rules/core/pod.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "server/admission/admission.h"

/* ---- ephemeralcontainers ---- */

/* The requested containers, those that exist already first and in their old order, which a patch
 * may have changed: the node identifies containers by their index. */
static EphemeralContainerArray in_order(Arena *arena, const EphemeralContainerArray *asked,
                                        const EphemeralContainerArray *old)
{
    EphemeralContainerArray list = {.v = arena_new_n(arena, EphemeralContainer, asked->n + 1)};

    for (size_t i = 0; i < old->n; i++)
        for (size_t k = 0; k < asked->n; k++)
            if (str_equal(asked->v[k].ephemeral_container_common.name,
                          old->v[i].ephemeral_container_common.name) &&
                list.n <= i)
                list.v[list.n++] = asked->v[k];
    for (size_t k = 0; k < asked->n; k++) {
        bool known = false;

        for (size_t i = 0; i < old->n && !known; i++)
            known = str_equal(asked->v[k].ephemeral_container_common.name,
                              old->v[i].ephemeral_container_common.name);
        if (!known)
            list.v[list.n++] = asked->v[k];
    }
    return list;
}

/* Restores everything except the ephemeral containers, which are all that pods/ephemeralcontainers
 * may change. */
static void keep_all_but_ephemeral(Write *write)
{
    const Kind *kind = write->kind;
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    EphemeralContainerArray asked =
        in_order(&write->object->arena, &spec->ephemeral_containers,
                 &OBJECT_AS(Pod, write->before)->spec.ephemeral_containers);

    write_put_back(write, kind->status);
    write_put_back(write, kind->spec);
    spec->ephemeral_containers = asked;
}

/* ---- resize ---- */

/* Returns the stored containers with the resources and resize policies that were asked for. If the
 * names differ, the containers are returned as they were asked for, and validation refuses them. */
static ContainerArray with_resources(Arena *arena, const ContainerArray *stored,
                                     const ContainerArray *asked)
{
    ContainerArray list = {.v = arena_new_n(arena, Container, stored->n + 1), .n = stored->n};

    for (size_t i = 0; i < stored->n; i++) {
        if (!str_equal(stored->v[i].name, asked->v[i].name))
            return *asked;
        list.v[i] = stored->v[i];
        list.v[i].resources = asked->v[i].resources;
        list.v[i].resize_policy = asked->v[i].resize_policy;
    }
    return list;
}

/* As in kube-apiserver, an update that adds or removes containers is left as it is, so that
 * validation can say so. */
static void keep_all_but_resources(Write *write)
{
    Arena *arena = &write->object->arena;
    Pod *pod = write->object->value;
    const Pod *before = write->before->value;
    PodSpec asked = pod->spec;
    ObjectMeta *meta = &pod->metadata;
    ManagedFieldsEntryArray managed = meta->managed_fields;

    write_put_back(write, write->kind->status);
    type_copy(&type_ObjectMeta, arena, meta, &before->metadata);
    meta->managed_fields = managed;
    if (asked.containers.n != before->spec.containers.n ||
        asked.init_containers.n != before->spec.init_containers.n)
        return;
    write_put_back(write, write->kind->spec);
    pod->spec.resources = asked.resources;
    pod->spec.containers = with_resources(arena, &pod->spec.containers, &asked.containers);
    pod->spec.init_containers =
        with_resources(arena, &pod->spec.init_containers, &asked.init_containers);
    limit_range_fill(write);
}

/* ---- the table ---- */

static const struct {
    const char *subresource;
    void (*keep)(Write *write);
    void (*validate)(const Pod *pod, const Pod *before, Causes *causes);
} parts[] = {
    {"ephemeralcontainers", keep_all_but_ephemeral, validate_pod_ephemeral},
    {"resize", keep_all_but_resources, validate_pod_resize},
};

static size_t part_of(const Write *write)
{
    size_t i = 0;

    if (write->kind != &kind_pod || !write->subresource)
        return ARRAY_LEN(parts);
    while (i < ARRAY_LEN(parts) && !str_equal(parts[i].subresource, write->subresource))
        i++;
    return i;
}

bool pod_part_keep(Write *write)
{
    size_t part = part_of(write);

    if (part == ARRAY_LEN(parts))
        return false;
    parts[part].keep(write);
    return true;
}

bool pod_part_validate(Write *write, Causes *causes)
{
    size_t part = part_of(write);

    if (part == ARRAY_LEN(parts))
        return false;
    parts[part].validate(write->object->value, write->before->value, causes);
    return true;
}
