/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the parts of a version of a CustomResourceDefinition: its schema, and its selectable fields. */
#include "api/rules/extension/definition.h"
#include "api/rules/rules.h"
#include "api/structural/structural.h"
#include "base/text_map.h"
#include "codec/json/json.h"

#define SELECTABLE_MAX 8

/* NULL if it is too large, of which there is a cause then. */
static const SchemaNode *parse(Arena *arena, const JSONSchemaProps *schema, const Path *path,
                               Causes *causes)
{
    _strbuf_ StrBuf json = STRBUF_INIT;

    json_encode(&type_JSONSchemaProps, schema, NULL, &json);
    return structural_parse(arena, strbuf_bytes(&json), path, causes);
}

void definition_check_schema(const JSONSchemaProps *schema, bool has_status, const Path *path,
                             Causes *causes)
{
    _arena_ Arena arena = ARENA_INIT;
    const SchemaNode *root = parse(&arena, schema, path, causes);

    if (root)
        structural_check(&arena, root, has_status, path, causes);
}

void definition_warn_schema(Arena *arena, const JSONSchemaProps *schema, Warnings *warnings)
{
    Causes causes = {.arena = arena};
    const SchemaNode *root = parse(arena, schema, NULL, &causes);

    if (root)
        structural_warn(arena, root, warnings);
}

/* The schema of the field that the path names. The path has no indices. */
static const JSONSchemaProps *schema_at(const JSONSchemaProps *schema, const char *path,
                                        Causes *causes, const char **ret_wrong)
{
    const char *at = path;

    *ret_wrong = NULL;
    while (*at == '.' && schema) {
        size_t n = strcspn(at + 1, ".[");
        const char *name = arena_strndup(causes->arena, at + 1, n);
        const JSONSchemaProps *next = NULL;

        if (at[1 + n] == '[') {
            *ret_wrong = "array notation is not allowed";
            return NULL;
        }
        for (size_t i = 0; i < schema->properties.n; i++)
            if (str_equal(schema->properties.v[i].key, name))
                next = &schema->properties.v[i].value;
        if (!next) {
            *ret_wrong = "does not refer to a valid field";
            return NULL;
        }
        schema = next;
        at += 1 + n;
    }
    if (*at)
        *ret_wrong = arena_printf(causes->arena, "expected [ or . but got: %.*s",
                                  (int)strcspn(at, ".["), at);
    return schema;
}

static bool may_select(const JSONSchemaProps *schema)
{
    return str_equal(schema->type, "string") || str_equal(schema->type, "boolean") ||
           str_equal(schema->type, "integer");
}

static void check_field(const JSONSchemaProps *schema, const char *field, TextMap *seen,
                        const Path *path, Causes *causes)
{
    const char *wrong;

    schema = schema_at(schema, field, causes, &wrong);
    if (wrong) {
        fail_invalid(causes, path, field,
                     arena_printf(causes->arena, "is an invalid path: %s", wrong));
        return;
    }
    if (str_starts_with(field, ".metadata.") || str_equal(field, ".metadata"))
        fail_invalid(causes, path, field, "must not point to fields in metadata");
    if (!may_select(schema))
        fail_invalid(causes, path, field,
                     "must point to a field of type string, boolean or integer. Enum string fields "
                     "and strings with formats are allowed.");
    fail_if_seen(causes, path, seen, field);
}

void definition_check_selectable(const CustomResourceDefinitionVersion *version,
                                 const CustomResourceDefinitionVersion *before, bool shared,
                                 const Path *path, Causes *causes)
{
    const SelectableFieldArray *fields = &version->selectable_fields;
    const JSONSchemaProps *schema = version->schema ? version->schema->open_api_v3_schema : NULL;
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    size_t different = 0;

    if (fields->n && !schema) {
        fail_invalid(causes, path, "",
                     shared ? "may only be set when validations.schema is included"
                            : "may only be set when `version.schema.openAPIV3Schema` is not "
                              "included");
        return;
    }
    for (size_t i = 0; i < fields->n; i++) {
        const char *field = fields->v[i].json_path;
        const Path *at = PATH(PATH_INDEX(path, i), "jsonPath");

        if (str_empty(field)) {
            fail_required(causes, at, NULL);
            continue;
        }
        different += !text_map_has(&seen, field);
        check_field(schema, field, &seen, at, causes);
    }
    if (different > SELECTABLE_MAX && !(before && before->selectable_fields.n > SELECTABLE_MAX))
        rules_too_many(causes, path_text(path, causes), different, SELECTABLE_MAX);
}
