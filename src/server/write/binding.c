/* SPDX-License-Identifier: Apache-2.0 */
/* pods/binding: assigns a pod to a node. */
#include "api/condition.h"
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "server/admission/admission.h"
#include "server/admission/webhook/webhook.h"
#include "server/write/http.h"
#include "server/write/write.h"

static int refuse_binding(Write *write, const char *why)
{
    write->status = (ApiStatus){.reason = STATUS_CONFLICT,
                                .name = write->name,
                                .kind = "pods/binding",
                                .message = arena_printf(&write->arena,
                                                        "Operation cannot be fulfilled on "
                                                        "pods/binding \"%s\": %s",
                                                        write->name, why)};
    return STATUS_CONFLICT;
}

static void set_scheduled(Object *object, Time now)
{
    Pod *pod = OBJECT_AS(Pod, object);
    PodConditionArray *conditions = &pod->status.conditions;
    PodCondition *condition = CONDITION_FIND(conditions, "PodScheduled");

    if (!condition)
        condition = ARENA_APPEND(&object->arena, conditions, (PodCondition){0});
    *condition = (PodCondition){.type = "PodScheduled",
                                .status = "True",
                                .last_transition_time = now,
                                .observed_generation = pod->metadata.generation};
}

static int refuse_other_pod(Write *write, const char *what, const char *asked, const char *is)
{
    return status_conflict(
        &write->status, &write->arena, &kind_pod, write->name,
        arena_printf(&write->arena,
                     "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: %s in precondition: %s, %s in "
                     "object meta: %s",
                     object_key(&kind_pod, write->ns, write->name, &write->arena), what, asked,
                     what, is));
}

/* Checks that this is the pod that the binding means, and that it has no node yet. */
static int check_bindable(Write *write, const Binding *binding, const Pod *pod)
{
    const ObjectMeta *meta = &binding->metadata;
    const char *name = write->name;
    Arena *arena = &write->arena;

    if (!str_empty(meta->uid) && !str_equal(meta->uid, pod->metadata.uid))
        return refuse_other_pod(write, "UID", meta->uid, pod->metadata.uid);
    if (!str_empty(meta->resource_version) &&
        !str_equal(meta->resource_version, pod->metadata.resource_version))
        return refuse_other_pod(write, "ResourceVersion", meta->resource_version,
                                pod->metadata.resource_version);
    if (pod->metadata.deletion_timestamp.set)
        return refuse_binding(
            write,
            arena_printf(arena, "pod %s is being deleted, cannot be assigned to a host", name));
    if (!str_empty(pod->spec.node_name))
        return refuse_binding(write,
                              arena_printf(arena, "pod %s is already assigned to node \"%s\"", name,
                                           pod->spec.node_name));
    if (pod->spec.scheduling_gates.n)
        return refuse_binding(
            write, arena_printf(arena, "pod %s has non-empty .spec.schedulingGates", name));
    return 0;
}

static void copy_entries(Object *to, StringMap *map, const StringMap *from)
{
    for (size_t i = 0; i < from->n; i++)
        string_map_put(&to->arena, map, from->v[i].key, from->v[i].value);
}

static int bind(Write *write, const Object *object)
{
    const Binding *binding = OBJECT_AS(Binding, object);
    const char *node = binding->target.name;
    Object *head;
    Pod *pod;
    int r;

    if (!str_equal(binding->metadata.name, write->name))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "name in URL does not match name in Binding object");
    if (!str_empty(binding->target.kind) && !str_equal(binding->target.kind, "Node"))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "target.kind: Unsupported value: \"%s\": supported values: \"Node\", "
                          "\"<empty>\"",
                          binding->target.kind);
    if (str_empty(node))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "target.name: Required value");
    head = store_head(write->server->store, &kind_pod, write->ns, write->name);
    if (!head)
        return status_not_found(&write->status, &write->arena, &kind_pod, write->name);
    r = check_bindable(write, binding, head->value);
    if (r)
        return r;
    write->before = object_ref(head);
    write->object = object_copy(head);
    pod = OBJECT_AS(Pod, write->object);
    pod->spec.node_name = arena_strdup(&write->object->arena, node);
    pod->status.nominated_node_name = NULL; /* the room that was made for it is taken */
    copy_entries(write->object, &pod->metadata.annotations, &binding->metadata.annotations);
    copy_entries(write->object, &pod->metadata.labels, &binding->metadata.labels);
    set_scheduled(write->object, server_time(write->server));
    return 0;
}

/* A binding changes spec and status in one step, including a field that updates must not change, so
 * it does not go through write_update. */
static void bind_now(Write *write, const Object *binding)
{
    int r = bind(write, binding);

    if (r == 0 && !write->dry_run) {
        if (store_update(write->server->store, write->object, write->before->revision,
                         write_on_stored, write) == 0)
            return;
        status_conflict(&write->status, &write->arena, write->kind, write->name, NULL);
    }
    write_finish(write);
}

static void binding_admitted(Write *write, int r)
{
    _object_ Object *binding = TAKE_PTR(write->object);

    write->subresource = NULL;
    if (r)
        write_finish(write);
    else
        bind_now(write, binding);
}

static void binding_mutated(Write *write, int r)
{
    if (r)
        binding_admitted(write, r);
    else
        hooks_validate(write, HOOK_CREATE, binding_admitted);
}

void write_binding(Write *write, const Object *binding)
{
    if (!hooks_exist(write->server)) {
        bind_now(write, binding);
        return;
    }
    write->object = object_copy(binding);
    write->subresource = "binding";
    hooks_mutate(write, HOOK_CREATE, binding_mutated);
}

void subresource_binding(Call *call)
{
    Write *write = subresource_start(call, subresource_answer);
    _object_ Object *binding = NULL;

    if (subresource_decode(call, &kind_binding, &binding, write)) {
        write_finish(write);
        return;
    }
    if (call->sub && node_restriction_connect(write, "binding")) {
        write_finish(write);
        return;
    }
    /* The resource "bindings" is the old form of pods/binding; only its body names the pod. */
    if (!call->sub) {
        write->kind = &kind_pod;
        write->name = arena_strdup(&write->arena, object_meta(binding)->name);
    }
    write_binding(write, binding);
}
