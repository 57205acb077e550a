/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtime classes: a pod that names one gets its overhead, its node selector and its tolerations.
 */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/node_v1.h"
#include "base/text_map.h"
#include "server/admission/admission.h"

static int refuse(Write *write, const char *why)
{
    return status_forbidden(&write->status, &write->arena, write->kind, write->name, why);
}

static int take_overhead(Write *write, PodSpec *spec, const Overhead *overhead)
{
    const Field *field = type_member(&type_PodSpec, "overhead");

    if (!overhead)
        return spec->overhead.n
                   ? refuse(write, "pod rejected: Pod Overhead set without corresponding "
                                   "RuntimeClass defined Overhead")
                   : 0;
    if (spec->overhead.n && !type_field_equal(field, &spec->overhead, &overhead->pod_fixed))
        return refuse(write, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined "
                             "Overhead");
    type_field_copy(field, &write->object->arena, &spec->overhead, &overhead->pod_fixed);
    return 0;
}

static int take_selector(Write *write, PodSpec *spec, const StringMap *selector)
{
    for (size_t i = 0; i < selector->n; i++) {
        const char *key = selector->v[i].key, *value = str_or(selector->v[i].value, "");
        const char *own = string_map_get(&spec->node_selector, key);

        if (own && !str_equal(own, value))
            return refuse(write,
                          arena_printf(&write->arena,
                                       "conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; "
                                       "pod.spec.nodeSelector[%s] = %s",
                                       key, value, key, own));
    }
    string_map_fill(&write->object->arena, &spec->node_selector, selector);
    return 0;
}

/* Two tolerations are the same if only their times differ. */
static const char *identity(Arena *arena, const Toleration *t)
{
    return arena_printf(arena, "%s %s %s %s", str_or(t->key, ""), str_or(t->operator, ""),
                        str_or(t->effect, ""), str_or(t->value, ""));
}

static void take_tolerations(Write *write, PodSpec *spec, const TolerationArray *tolerations)
{
    Arena *arena = &write->object->arena;
    TextMap seen = TEXT_MAP_INIT(&write->arena);

    for (size_t i = 0; i < spec->tolerations.n; i++)
        (void)text_map_add(&seen, identity(&write->arena, &spec->tolerations.v[i]));
    for (size_t i = 0; i < tolerations->n; i++) {
        if (!text_map_add(&seen, identity(&write->arena, &tolerations->v[i])))
            continue;
        ARENA_APPEND(arena, &spec->tolerations,
                     *(Toleration *)type_clone(&type_Toleration, arena, &tolerations->v[i]));
    }
}

int runtime_class_admit(Write *write)
{
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    const RuntimeClass *class;
    Object *object;
    int r;

    if (!spec->runtime_class_name)
        return take_overhead(write, spec, NULL);
    object = store_head(write->server->store, &kind_runtime_class, NULL, spec->runtime_class_name);
    if (!object)
        return refuse(write,
                      arena_printf(&write->arena, "pod rejected: RuntimeClass \"%s\" not found",
                                   spec->runtime_class_name));
    class = object->value;
    r = take_overhead(write, spec, class->overhead);
    if (r == 0 && class->scheduling)
        r = take_selector(write, spec, &class->scheduling->node_selector);
    if (r == 0 && class->scheduling)
        take_tolerations(write, spec, &class->scheduling->tolerations);
    return r;
}
