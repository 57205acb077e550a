/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of CustomResourceDefinitions. It decides which names a definition gets: those of its spec,
 * unless another definition of the group has them already. A definition that has all its names is
 * established, from which moment the server serves its objects. When a definition is deleted, its objects are
 * deleted first.
 */
#include "api/condition.h"
#include "api/extension/custom.h"
#include "api/print.h"
#include "base/text_map.h"
#include "base/time/clock.h"
#include "codec/type.h"
#include "control/controllers.h"

#define AT_ONCE_MAX 500 /* objects that one reconcile deletes */

typedef CustomResourceDefinition Definition;
typedef CustomResourceDefinitionNames Names;
typedef CustomResourceDefinitionCondition DefinitionCondition;

/* ---- names ---- */

typedef struct Taken {
    const char *group; /* of the definition that asks */
    TextMap resources, kinds;
} Taken;

static void take(TextMap *map, const char *name)
{
    if (!str_empty(name))
        text_map_add(map, name);
}

static bool note_names(void *data, Object *object)
{
    Taken *taken = data;
    const Definition *definition = OBJECT_AS(CustomResourceDefinition, object);
    const Names *names = &definition->status.accepted_names;

    if (!str_equal(definition->spec.group, taken->group))
        return true;
    take(&taken->resources, names->plural);
    take(&taken->resources, names->singular);
    for (size_t i = 0; i < names->short_names.n; i++)
        take(&taken->resources, names->short_names.v[i]);
    take(&taken->kinds, names->kind);
    take(&taken->kinds, names->list_kind);
    return true;
}

typedef struct Naming {
    Arena *arena;
    Names names; /* what the definition gets */
    DefinitionCondition accepted;
} Naming;

static void refuse(Naming *naming, const char *reason, const char *message)
{
    naming->accepted.status = "False";
    naming->accepted.reason = reason;
    naming->accepted.message = message;
}

static void settle_name(Naming *naming, const char *wanted, const char **name, const TextMap *taken,
                        const char *reason)
{
    if (str_equal(str_or(wanted, ""), str_or(*name, "")) ||
        !text_map_has(taken, str_or(wanted, "")))
        *name = wanted;
    else
        refuse(naming, reason, arena_printf(naming->arena, "\"%s\" is already in use", wanted));
}

static void settle_short_names(Naming *naming, const StringArray *wanted, const TextMap *taken)
{
    StringArray *have = &naming->names.short_names;
    TextMap own = TEXT_MAP_INIT(naming->arena);
    _strbuf_ StrBuf text = STRBUF_INIT;
    size_t bad = 0;

    for (size_t i = 0; i < have->n; i++)
        text_map_add(&own, str_or(have->v[i], ""));
    for (size_t i = 0; i < wanted->n; i++) {
        const char *name = str_or(wanted->v[i], "");

        if (!text_map_has(&own, name) && text_map_has(taken, name))
            strbuf_printf(&text, "%s\"%s\" is already in use", bad++ ? ", " : "", name);
    }
    if (bad == 0)
        *have = *wanted;
    else
        refuse(naming, "ShortNamesConflict",
               arena_printf(naming->arena, bad > 1 ? "[%s]" : "%s", strbuf_string(&text)));
}

static Naming decide_names(Reconcile *reconcile, const Definition *definition)
{
    Arena *arena = &reconcile->arena;
    const Names *wanted = &definition->spec.names;
    Taken taken = {definition->spec.group, TEXT_MAP_INIT(arena), TEXT_MAP_INIT(arena)};
    Naming naming = {
        .arena = arena,
        .names = definition->status.accepted_names,
        .accepted = {.type = "NamesAccepted",
                     .status = "True",
                     .reason = "NoConflicts",
                     .message = "no conflicts found"},
    };
    Names *names = &naming.names;

    client_list(reconcile->client, &kind_custom_resource_definition, NULL, note_names, &taken);
    settle_name(&naming, wanted->plural, &names->plural, &taken.resources, "PluralConflict");
    settle_name(&naming, wanted->singular, &names->singular, &taken.resources, "SingularConflict");
    settle_short_names(&naming, &wanted->short_names, &taken.resources);
    settle_name(&naming, wanted->kind, &names->kind, &taken.kinds, "KindConflict");
    settle_name(&naming, wanted->list_kind, &names->list_kind, &taken.kinds, "ListKindConflict");
    names->categories = wanted->categories;
    return naming;
}

static void set_established(Arena *arena, CustomResourceDefinitionStatus *status, bool fits,
                            int64_t now_ns)
{
    DefinitionCondition condition = {.type = "Established"};

    if (CONDITION_IS_TRUE(&status->conditions, "Established"))
        return;
    if (CONDITION_IS_TRUE(&status->conditions, "NamesAccepted") && !fits) {
        condition.status = "False";
        condition.reason = "TooManyVersions";
        condition.message = "the definitions of this server have too many versions together";
    } else if (CONDITION_IS_TRUE(&status->conditions, "NamesAccepted")) {
        condition.status = "True";
        condition.reason = "InitialNamesAccepted";
        condition.message = "the initial names have been accepted";
    } else {
        condition.status = "False";
        condition.reason = "NotAccepted";
        condition.message = "not all names are accepted";
    }
    definition_set_condition(arena, status, &condition, now_ns);
}

static void write_status(Reconcile *reconcile, Object *object,
                         const CustomResourceDefinitionStatus *status)
{
    const Definition *definition = OBJECT_AS(CustomResourceDefinition, object);

    if (!type_equal(&type_CustomResourceDefinitionStatus, status, &definition->status))
        RECONCILE_WRITE_STATUS(reconcile, CustomResourceDefinition, object, status, NULL, NULL);
}

static CustomResourceDefinitionStatus copy_status(Arena *arena, const Definition *definition)
{
    CustomResourceDefinitionStatus ret = {0};

    type_copy(&type_CustomResourceDefinitionStatus, arena, &ret, &definition->status);
    return ret;
}

static void settle(Reconcile *reconcile, Object *object)
{
    const Definition *definition = OBJECT_AS(CustomResourceDefinition, object);
    Arena *arena = &reconcile->arena;
    int64_t now_ns = clock_wall_ns(reconcile->controller->options->clock);
    CustomResourceDefinitionStatus status = copy_status(arena, definition);
    Naming naming = decide_names(reconcile, definition);

    status.accepted_names = naming.names;
    definition_set_condition(arena, &status, &naming.accepted, now_ns);
    set_established(arena, &status, custom_fits(definition), now_ns);
    write_status(reconcile, object, &status);
}

/* ---- the end ---- */

static void set_terminating(Reconcile *reconcile, Object *object, const char *value,
                            const char *reason, const char *message)
{
    const Definition *definition = OBJECT_AS(CustomResourceDefinition, object);
    CustomResourceDefinitionStatus status = copy_status(&reconcile->arena, definition);

    definition_set_condition(
        &reconcile->arena, &status,
        &(DefinitionCondition){
            .type = "Terminating", .status = value, .reason = reason, .message = message},
        clock_wall_ns(reconcile->controller->options->clock));
    write_status(reconcile, object, &status);
}

static void take_finalizer_off(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_custom_resource_definition), *copy;

    if (object && !reconcile->failed &&
        meta_has_finalizer(object_meta(object), DEFINITION_FINALIZER)) {
        copy = object_copy(object);
        meta_remove_finalizer(object_meta(copy), DEFINITION_FINALIZER);
        reconcile_update(reconcile, copy, NULL, NULL, NULL);
    }
    reconcile_then(reconcile, reconcile_end);
}

static void delete_one(Reconcile *reconcile, Object *object)
{
    if (!object_meta(object)->deletion_timestamp.set)
        reconcile_delete(reconcile, object, NULL, NULL, NULL);
}

static void clean_up(Reconcile *reconcile, Object *object)
{
    const Definition *definition = OBJECT_AS(CustomResourceDefinition, object);
    const KindFamily *family =
        kind_family_find(definition->spec.group, definition->spec.names.plural);
    ObjectList left;

    if (!family || !CONDITION_IS_TRUE(&definition->status.conditions, "Established")) {
        set_terminating(reconcile, object, "False", "NeverEstablished",
                        "resource was never established");
        reconcile_then(reconcile, take_finalizer_off);
        return;
    }
    left = control_list(reconcile->client, &reconcile->arena, family->stored, NULL);
    if (left.n == 0) {
        set_terminating(reconcile, object, "False", "InstanceDeletionCompleted",
                        "removed all instances");
        reconcile_then(reconcile, take_finalizer_off);
        return;
    }
    set_terminating(reconcile, object, "True", "InstanceDeletionInProgress",
                    "CustomResource deletion is in progress");
    for (size_t i = 0; i < left.n && reconcile->pending < AT_ONCE_MAX; i++)
        delete_one(reconcile, left.v[i]);
    reconcile_then(reconcile, reconcile_end); /* each one that goes leads here again */
}

static void reconcile_definition(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_custom_resource_definition);

    if (object && object_meta(object)->deletion_timestamp.set &&
        meta_has_finalizer(object_meta(object), DEFINITION_FINALIZER)) {
        clean_up(reconcile, object);
        return;
    }
    if (object && !object_meta(object)->deletion_timestamp.set)
        settle(reconcile, object);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- events ---- */

typedef struct Neighbours {
    Controller *controller;
    const char *group;
} Neighbours;

static bool each_neighbour(void *data, Object *object)
{
    const Neighbours *neighbours = data;

    if (str_equal(OBJECT_AS(CustomResourceDefinition, object)->spec.group, neighbours->group))
        controller_enqueue(neighbours->controller, NULL, object_meta(object)->name);
    return true;
}

/* What one definition gives up, another one of its group may want. */
static void on_definition(Controller *controller, const WatchEvent *event)
{
    const Definition *now = OBJECT_AS(CustomResourceDefinition, event->object);
    const Definition *before =
        event->before ? OBJECT_AS(CustomResourceDefinition, event->before) : NULL;

    controller_enqueue_self(controller, event);
    if (event->type == WATCH_DELETED ||
        (before && !type_equal(&type_CustomResourceDefinitionNames, &now->status.accepted_names,
                               &before->status.accepted_names)))
        client_list(controller->client, &kind_custom_resource_definition, NULL, each_neighbour,
                    &(Neighbours){controller, now->spec.group});
}

static bool is_custom(const Kind *kind)
{
    return kind->custom != NULL;
}

static void on_instance(Controller *controller, const WatchEvent *event)
{
    const Kind *kind = event->object->kind;
    _free_ char *name = NULL;

    if (event->type != WATCH_DELETED)
        return;
    name = mem_printf("%s.%s", kind->plural, kind->group);
    controller_enqueue(controller, NULL, name);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_custom_resource_definition, on_definition);
    controller_watch_kinds(controller, is_custom, on_instance);
}

const ControllerOps definition_controller = {
    .name = "custom resource definition",
    .component = "apiextensions-apiserver",
    .start = start,
    .reconcile = reconcile_definition,
};
