/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the kinds of a CustomResourceDefinition. */
#include "api/extension/custom.h"

#include "api/condition.h"
#include "api/structural/structural.h"
#include "api/time.h"
#include "base/fnv.h"
#include "codec/json/json.h"

typedef CustomResourceDefinition Definition;
typedef CustomResourceDefinitionVersion Version;

/* ---- conditions ---- */

void definition_set_condition(Arena *arena, CustomResourceDefinitionStatus *status,
                              const CustomResourceDefinitionCondition *condition, int64_t now_ns)
{
    CustomResourceDefinitionConditionArray *all = &status->conditions;
    CustomResourceDefinitionCondition *old = CONDITION_FIND(all, condition->type);
    CustomResourceDefinitionCondition new = *condition;

    new.last_transition_time = old &&str_equal(old->status, new.status)
                                   ? old->last_transition_time
                                   : time_seconds_from_ns(now_ns);
    if (old)
        *old = new;
    else
        ARENA_APPEND(arena, all, new);
}

/* ---- validation ---- */

static void custom_validate(const Kind *kind, const void *value, const void *before, bool status,
                            Causes *causes)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *now = json_encoded(kind->type, value, kind->json_prefix, &arena);
    yyjson_val *old = before ? json_encoded(kind->type, before, kind->json_prefix, &arena) : NULL;

    (void)structural_validate(kind->custom->structural,
                              status ? STRUCTURAL_STATUS : STRUCTURAL_OBJECT, now, old, causes);
}

/* ---- the parts of a kind ---- */

static const char *const *copy_texts(Arena *arena, const StringArray *texts)
{
    const char **ret = arena_new_n(arena, const char *, texts->n + 1);

    for (size_t i = 0; i < texts->n; i++)
        ret[i] = arena_strdup(arena, str_or(texts->v[i], ""));
    return ret;
}

static const char *copy_text(Arena *arena, const char *text)
{
    return str_empty(text) ? "" : arena_strdup(arena, text);
}

static void make_columns(Arena *arena, Kind *kind, const Version *version)
{
    const CustomResourceColumnDefinitionArray *given = &version->additional_printer_columns;
    Column *columns = arena_new_n(arena, Column, given->n + 2);
    size_t n = 0;

    columns[n++] = (Column){
        .name = "Name",
        .type = "string",
        .format = "name",
        .path = ".metadata.name",
        .doc = "Name must be unique within a namespace. It is required when an object is created, "
               "and it never changes.",
    };
    for (size_t i = 0; i < given->n; i++) {
        const CustomResourceColumnDefinition *from = &given->v[i];

        columns[n++] = (Column){.name = copy_text(arena, from->name),
                                .type = copy_text(arena, from->type),
                                .format = copy_text(arena, from->format),
                                .path = copy_text(arena, from->json_path),
                                .priority = from->priority,
                                .doc = copy_text(arena, from->description)};
    }
    if (given->n == 0)
        columns[n++] = (Column){.name = "Age",
                                .type = "date",
                                .format = "",
                                .path = ".metadata.creationTimestamp",
                                .doc = "When the object was created."};
    kind->columns = columns;
    kind->n_columns = n;
}

static void make_subresources(Arena *arena, Kind *kind, CustomVersion *custom,
                              const Version *version)
{
    const CustomResourceSubresources *given = version->subresources;
    const char **names = arena_new_n(arena, const char *, 3);
    size_t n = 0;

    kind->subresources = names;
    if (!given)
        return;
    if (given->scale) {
        names[n++] = "scale";
        custom->scale_spec = copy_text(arena, given->scale->spec_replicas_path);
        custom->scale_status = copy_text(arena, given->scale->status_replicas_path);
        if (!str_empty(given->scale->label_selector_path))
            custom->scale_selector = copy_text(arena, given->scale->label_selector_path);
    }
    if (given->status) {
        names[n++] = "status";
        kind->flags |= KIND_HAS_STATUS;
    }
}

static void make_selectable(Arena *arena, CustomVersion *custom, const Version *version)
{
    const SelectableFieldArray *fields = &version->selectable_fields;
    const char **paths = arena_new_n(arena, const char *, fields->n + 1);

    for (size_t i = 0; i < fields->n; i++)
        paths[i] = copy_text(arena, fields->v[i].json_path);
    custom->selectable = paths;
}

static const char *make_warning(Arena *arena, const Definition *definition, const Version *version)
{
    if (!version->deprecated)
        return NULL;
    if (!str_empty(version->deprecation_warning))
        return arena_strdup(arena, version->deprecation_warning);
    return arena_printf(arena, "%s/%s %s is deprecated", definition->spec.group, version->name,
                        definition->spec.names.kind);
}

/* "com.example.v1.Widget": the parts of the group in reverse. */
static const char *openapi_name(Arena *arena, const char *group, const char *version,
                                const char *kind)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *end = group + strlen(group);

    while (end > group) {
        const char *at = end;

        while (at > group && at[-1] != '.')
            at--;
        strbuf_add(&text, at, (size_t)(end - at));
        strbuf_add_char(&text, '.');
        end = at > group ? at - 1 : group;
    }
    strbuf_printf(&text, "%s.%s", version, kind);
    return arena_strdup(arena, strbuf_string(&text));
}

static const Structural *compile(Arena *arena, const Definition *definition, const Version *version,
                                 Kind *kind, CustomVersion *custom)
{
    Causes causes = {.arena = arena};
    _strbuf_ StrBuf json = STRBUF_INIT;
    const JSONSchemaProps *schema = version->schema ? version->schema->open_api_v3_schema : NULL;
    SchemaNode *root = NULL;

    if (schema) {
        json_encode(&type_JSONSchemaProps, schema, NULL, &json);
        custom->schema = arena_bytes(arena, strbuf_bytes(&json));
        root = structural_parse(arena, custom->schema, NULL, &causes);
    }
    kind->mark = fnv_fold(fnv1a(FNV_START, strbuf_string(&json)));
    return structural_compile(
        arena, root, kind->kind,
        openapi_name(arena, definition->spec.group, version->name, kind->kind));
}

static const Field *member(const Type *type, const char *name)
{
    const TypeName *found = type_find(type, name, strlen(name));

    return found && found->depth == 0 ? found->field : NULL;
}

static Kind *make_kind(Arena *arena, const Definition *definition, const Version *version)
{
    const CustomResourceDefinitionNames *names = &definition->status.accepted_names;
    const char *group = arena_strdup(arena, definition->spec.group);
    Kind *kind = arena_new(arena, Kind);
    CustomVersion *custom = arena_new(arena, CustomVersion);

    kind->group = group;
    kind->version = copy_text(arena, version->name);
    kind->kind = copy_text(arena, names->kind);
    kind->list_kind = copy_text(arena, names->list_kind);
    kind->plural = copy_text(arena, names->plural);
    kind->singular = copy_text(arena, names->singular);
    kind->api_version = arena_printf(arena, "%s/%s", group, kind->version);
    kind->json_prefix =
        arena_printf(arena, "\"apiVersion\":\"%s\",\"kind\":\"%s\"", kind->api_version, kind->kind);
    kind->store_prefix = arena_printf(arena, "/registry/%s/%s/", group, kind->plural);
    kind->short_names = copy_texts(arena, &names->short_names);
    kind->categories = copy_texts(arena, &names->categories);
    kind->flags = KIND_HAS_GENERATION | KIND_VERSIONED_UPDATE;
    if (str_equal(definition->spec.scope, "Namespaced"))
        kind->flags |= KIND_NAMESPACED;
    if (!version->served)
        kind->flags |= KIND_NOT_SERVED;
    kind->custom = custom;
    custom->validate = custom_validate;
    make_columns(arena, kind, version);
    make_subresources(arena, kind, custom, version);
    make_selectable(arena, custom, version);
    custom->warning = make_warning(arena, definition, version);
    custom->terminating = definition->metadata.deletion_timestamp.set;
    custom->structural = compile(arena, definition, version, kind, custom);
    kind->type = custom->structural->type;
    kind->spec = member(kind->type, "spec");
    kind->status = member(kind->type, "status");
    return kind;
}

/* ---- the family ---- */

/* What the family is made of, in a number. */
static uint64_t source_of(const Definition *definition, bool closed)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode(&type_CustomResourceDefinitionSpec, &definition->spec, NULL, &text);
    json_encode(&type_CustomResourceDefinitionNames, &definition->status.accepted_names, NULL,
                &text);
    strbuf_add_char(&text, definition->metadata.deletion_timestamp.set ? '-' : '+');
    strbuf_add_char(&text, closed ? '-' : '+');
    return fnv1a(FNV_START, strbuf_string(&text));
}

static bool is_built_in(const char *group, const char *plural)
{
    KIND_EACH(kind)
        if (!kind->family && str_equal(kind->group, group) && str_equal(kind->plural, plural))
            return true;
    return false;
}

bool custom_fits(const CustomResourceDefinition *definition)
{
    const CustomResourceDefinitionSpec *spec = &definition->spec;
    const KindFamily *before =
        kind_family_find(str_or(spec->group, ""), str_or(spec->names.plural, ""));

    return (before && before->n_kinds >= spec->versions.n) || kind_family_fits(spec->versions.n);
}

KindFamily *custom_family(const void *value, bool closed)
{
    const Definition *definition = value;
    const CustomResourceDefinitionSpec *spec = &definition->spec;
    uint64_t source;
    KindFamily *family, *before;

    if (!closed && !CONDITION_IS_TRUE(&definition->status.conditions, "Established"))
        return NULL;
    if (is_built_in(spec->group, spec->names.plural))
        return NULL;
    source = source_of(definition, closed);
    before = kind_family_find(spec->group, spec->names.plural);
    if (before && before->source == source)
        return NULL;
    if (!custom_fits(definition))
        return NULL;
    family = kind_family_new();
    family->source = source;
    family->kinds = arena_new_n(&family->arena, Kind *, spec->versions.n);
    for (size_t i = 0; i < spec->versions.n; i++) {
        Kind *kind = make_kind(&family->arena, definition, &spec->versions.v[i]);

        if (closed)
            kind->flags |= KIND_NOT_SERVED;
        family->kinds[family->n_kinds++] = kind;
        if (spec->versions.v[i].storage)
            family->stored = kind;
    }
    return family->stored ? family : kind_family_unref(family);
}
