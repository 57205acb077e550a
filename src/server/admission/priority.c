/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Priority classes: at its creation a pod gets the priority and the preemption policy of the class that
 * it names, or of the default class. Later changes of classes do not affect it.
 */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/scheduling_v1.h"
#include "server/admission/admission.h"

#define PREEMPT "PreemptLowerPriority"

/* The classes that every cluster has. */
static const struct {
    const char *name;
    int32_t value;
    const char *description;
} system_classes[] = {
    {"system-node-critical", 2000001000,
     "Used for system critical pods that must not be moved from their current node."},
    {"system-cluster-critical", 2000000000,
     "Used for system critical pods that must run in the cluster, but can be moved to another node "
     "if necessary."},
};

void priority_ensure_classes(Server *server, Client *client)
{
    for (size_t i = 0; i < ARRAY_LEN(system_classes); i++) {
        _object_ Object *object = NULL;
        PriorityClass *class;

        if (store_head(server->store, &kind_priority_class, NULL, system_classes[i].name))
            continue;
        object = object_new(&kind_priority_class);
        class = object->value;
        class->metadata.name = arena_strdup(&object->arena, system_classes[i].name);
        class->value = system_classes[i].value;
        class->description = system_classes[i].description;
        client_create(client, object, &(WriteOptions){.field_manager = "stead"}, NULL, NULL);
    }
}

/* If several classes are marked as default, the one with the lowest value applies. */
static bool look_for_default(void *data, Object *object)
{
    const PriorityClass **found = data, *class = object->value;

    if (class->global_default && (!*found || class->value < (*found)->value))
        *found = class;
    return true;
}

static const PriorityClass *default_class(Server *server)
{
    const PriorityClass *found = NULL;

    store_list(server->store, &kind_priority_class, NULL, NULL, look_for_default, &found);
    return found;
}

static int refuse(Write *write, const char *why)
{
    return status_forbidden(&write->status, &write->arena, write->kind, write->name, why);
}

static int take_values(Write *write, PodSpec *spec, int32_t value, const char *policy)
{
    Arena *arena = &write->object->arena;

    if (spec->priority && *spec->priority != value)
        return refuse(write, arena_printf(&write->arena,
                                          "the integer value of priority (%d) must not be provided "
                                          "in pod spec; priority admission controller computed %d "
                                          "from the given PriorityClass name",
                                          *spec->priority, value));
    spec->priority = arena_int32(arena, value);
    if (!policy)
        return 0;
    if (spec->preemption_policy && !str_equal(spec->preemption_policy, policy))
        return refuse(write, arena_printf(&write->arena,
                                          "the string value of PreemptionPolicy (%s) must not be "
                                          "provided in pod spec; priority admission controller "
                                          "computed %s from the given PriorityClass name",
                                          spec->preemption_policy, policy));
    spec->preemption_policy = arena_strdup(arena, policy);
    return 0;
}

int priority_admit(Write *write)
{
    Server *server = write->server;
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    const PriorityClass *class;
    Object *object;

    if (str_empty(spec->priority_class_name)) {
        class = default_class(server);
        if (!class)
            return take_values(write, spec, 0, PREEMPT);
        spec->priority_class_name = arena_strdup(&write->object->arena, class->metadata.name);
        return take_values(write, spec, class->value, class->preemption_policy);
    }
    object = store_head(server->store, &kind_priority_class, NULL, spec->priority_class_name);
    if (!object)
        return refuse(write, arena_printf(&write->arena, "no PriorityClass with name %s was found",
                                          spec->priority_class_name));
    class = object->value;
    return take_values(write, spec, class->value, class->preemption_policy);
}

/* An update without these fields keeps the values of the pod. */
void priority_keep(Write *write)
{
    Arena *arena = &write->object->arena;
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    const PodSpec *before = &OBJECT_AS(Pod, write->before)->spec;

    if (!spec->priority && before->priority)
        spec->priority = arena_int32(arena, *before->priority);
    if (!spec->preemption_policy)
        spec->preemption_policy = arena_strdup(arena, before->preemption_policy);
}

int priority_class_admit(Write *write)
{
    const PriorityClass *class = write->object->value, *there;

    if (!class->global_default)
        return 0;
    there = default_class(write->server);
    if (!there || (write->before && str_equal(there->metadata.name, class->metadata.name)))
        return 0;
    return refuse(write, arena_printf(&write->arena,
                                      "PriorityClass %s is already marked as default. Only one "
                                      "default can exist",
                                      there->metadata.name));
}

int priority_class_admit_delete(Write *write)
{
    for (size_t i = 0; i < ARRAY_LEN(system_classes); i++)
        if (str_equal(system_classes[i].name, write->name))
            return refuse(write, "this is a system priority class and cannot be deleted");
    return 0;
}
