/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a schema is structural: every part of an object has a type outside of alternatives (allOf, anyOf, oneOf, not), and alternatives
 * only restrict values. The causes are in order of their texts, as kube-apiserver sorts them.
 */
#include "api/structural/internal.h"

typedef enum Level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD } Level;

static void check_alternative(const SchemaNode *node, bool skip_any_of, const Path *path,
                              Causes *causes);

/* ---- exceptions ---- */

/* Nothing but a type. */
static bool is_only_type(const SchemaNode *node, SchemaType type)
{
    return node->type == type && !node->limits && !node->format && !node->given && !node->items &&
           !node->properties && !node->additional_given && !node->list_type && !node->map_type &&
           !node->list_map_keys.n && !node->required.n && !node->default_json && !node->rules &&
           !node->nullable && !node->int_or_string && !node->embedded_resource &&
           !node->preserve_unknown;
}

static bool is_integer_or_string(const SchemaLimits *limits)
{
    return limits && limits->any_of.n == 2 && is_only_type(limits->any_of.v[0], SCHEMA_INTEGER) &&
           is_only_type(limits->any_of.v[1], SCHEMA_STRING);
}

/* ---- alternatives ---- */

static void check_alternatives(const SchemaNode *node, bool skip_any_of, bool skip_all_of_any_of,
                               const Path *path, Causes *causes)
{
    const SchemaLimits *limits = node->limits;

    if (!limits)
        return;
    for (size_t i = 0; !skip_any_of && i < limits->any_of.n; i++)
        check_alternative(limits->any_of.v[i], false, PATH_INDEX(PATH(path, "anyOf"), i), causes);
    for (size_t i = 0; i < limits->all_of.n; i++)
        check_alternative(limits->all_of.v[i], skip_all_of_any_of && i == 0,
                          PATH_INDEX(PATH(path, "allOf"), i), causes);
    for (size_t i = 0; i < limits->one_of.n; i++)
        check_alternative(limits->one_of.v[i], false, PATH_INDEX(PATH(path, "oneOf"), i), causes);
    if (limits->not )
        check_alternative(limits->not, false, PATH(path, "not"), causes);
    if (limits->pattern && !limits->regex)
        fail_invalid(causes, PATH(path, "pattern"), limits->pattern,
                     arena_printf(causes->arena,
                                  "must be a valid regular expression, but isn't: %s",
                                  str_or(limits->regex_error, "too large")));
}

/* What must not be in an alternative. */
static void check_forbidden(const SchemaNode *node, const Path *path, Causes *causes)
{
    const struct {
        bool given;
        const char *name, *detail;
    } rows[] = {
        {node->type_text, "type", "must be empty to be structural"},
        {node->additional_allowed, "additionalProperties", "must be undefined to be structural"},
        {node->default_json, "default", "must be undefined to be structural"},
        {node->given & GIVEN_TITLE, "title", "must be empty to be structural"},
        {node->given & GIVEN_DESCRIPTION, "description", "must be empty to be structural"},
        {node->nullable, "nullable", "must be false to be structural"},
        {node->preserve_unknown, "x-kubernetes-preserve-unknown-fields",
         "must be false to be structural"},
        {node->embedded_resource, "x-kubernetes-embedded-resource",
         "must be false to be structural"},
        {node->int_or_string, "x-kubernetes-int-or-string", "must be false to be structural"},
        {node->list_map_keys.n, "x-kubernetes-list-map-keys", "must be empty to be structural"},
        {node->list_type, "x-kubernetes-list-type", "must be undefined to be structural"},
        {node->map_type, "x-kubernetes-map-type", "must be undefined to be structural"},
        {node->n_rules, "x-kubernetes-validations", "must be empty to be structural"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].given)
            fail_forbidden(causes, PATH(path, rows[i].name), rows[i].detail);
    if (schema_property(node, "metadata", strlen("metadata")))
        fail_forbidden(causes, PATH_KEY(PATH(path, "properties"), "metadata"),
                       "must not be specified in a nested context");
}

static void check_alternative(const SchemaNode *node, bool skip_any_of, const Path *path,
                              Causes *causes)
{
    check_alternatives(node, skip_any_of, false, path, causes);
    if (node->items)
        check_alternative(node->items, false, PATH(path, "items"), causes);
    for (size_t i = 0; i < node->n_properties; i++)
        check_alternative(node->properties[i].node, false,
                          PATH_KEY(PATH(path, "properties"), node->properties[i].name), causes);
    check_forbidden(node, path, causes);
}

/* ---- structure ---- */

/* At the root, metadata may restrict the name and nothing else. */
static bool is_plain_metadata(const SchemaNode *node)
{
    SchemaNode rest = *node;
    bool names_only = node->n_properties == 1 || node->n_properties == 2;

    for (size_t i = 0; i < node->n_properties; i++)
        names_only &= str_equal(node->properties[i].name, "name") ||
                      str_equal(node->properties[i].name, "generateName");
    if (names_only)
        rest.properties = NULL;
    rest.type = SCHEMA_ANY;
    rest.default_json = NULL;
    return is_only_type(&rest, SCHEMA_ANY);
}

static void check_meta_properties(const SchemaNode *node, Level level, const Path *path,
                                  Causes *causes)
{
    static const char *const names[] = {"kind", "apiVersion"};
    bool has_meta = level == LEVEL_ROOT || node->embedded_resource;
    const Path *properties = PATH(path, "properties");
    const SchemaNode *metadata = schema_property(node, "metadata", strlen("metadata"));

    for (size_t i = 0; has_meta && i < ARRAY_LEN(names); i++) {
        const SchemaNode *property = schema_property(node, names[i], strlen(names[i]));

        if (property && property->type != SCHEMA_STRING)
            fail_invalid(causes, PATH(PATH_KEY(properties, names[i]), "type"), property->type_text,
                         "must be string");
    }
    if (!metadata)
        return;
    if (has_meta && metadata->type != SCHEMA_OBJECT)
        fail_invalid(causes, PATH(PATH_KEY(properties, "metadata"), "type"), metadata->type_text,
                     "must be object");
    if (level == LEVEL_ROOT && !is_plain_metadata(metadata))
        fail_forbidden(causes, PATH_KEY(properties, "metadata"),
                       "must not specify anything other than name and generateName, but metadata "
                       "is implicitly specified");
}

static void check_type(const SchemaNode *node, Level level, const Path *path, Causes *causes)
{
    static const char *const details[] = {
        [LEVEL_ROOT] = "must not be empty at the root",
        [LEVEL_ITEM] = "must not be empty for specified array items",
        [LEVEL_FIELD] = "must not be empty for specified object fields",
    };
    const char *embedded = "must be object if x-kubernetes-embedded-resource is true";
    const Path *type = PATH(path, "type");

    if (node->embedded_resource && node->type != SCHEMA_OBJECT) {
        if (!node->type_text)
            fail_required(causes, type, embedded);
        else
            fail_invalid(causes, type, node->type_text, embedded);
    } else if (!node->type_text && !node->int_or_string && !node->preserve_unknown) {
        fail_required(causes, type, details[level]);
    }
    if (level == LEVEL_ROOT && node->type_text && node->type != SCHEMA_OBJECT)
        fail_invalid(causes, type, node->type_text, "must be object at the root");
}

static void check_extensions(const SchemaNode *node, const Path *path, Causes *causes)
{
    if (node->int_or_string && node->preserve_unknown)
        fail_json(causes, PATH(path, "x-kubernetes-preserve-unknown-fields"), "true",
                  "must be false if x-kubernetes-int-or-string is true");
    if (node->int_or_string && node->embedded_resource)
        fail_json(causes, PATH(path, "x-kubernetes-embedded-resource"), "true",
                  "must be false if x-kubernetes-int-or-string is true");
    if (node->embedded_resource && node->additional_given)
        fail_forbidden(causes, PATH(path, "additionalProperties"),
                       "must not be used if x-kubernetes-embedded-resource is set");
    if (node->embedded_resource && !node->preserve_unknown && !node->n_properties)
        fail_required(causes, PATH(path, "properties"),
                      "must not be empty if x-kubernetes-embedded-resource is true without "
                      "x-kubernetes-preserve-unknown-fields");
}

static void check_node(const SchemaNode *node, Level level, const Path *path, Causes *causes)
{
    const SchemaLimits *limits = node->limits;
    const SchemaLimits *first = limits && limits->all_of.n ? limits->all_of.v[0]->limits : NULL;

    if (node->type == SCHEMA_ARRAY && !node->items)
        fail_required(causes, PATH(path, "items"), "must be specified");
    if (node->items)
        check_node(node->items, LEVEL_ITEM, PATH(path, "items"), causes);
    for (size_t i = 0; i < node->n_properties; i++)
        check_node(node->properties[i].node, LEVEL_FIELD,
                   PATH_KEY(PATH(path, "properties"), node->properties[i].name), causes);
    if (node->additional_given && level == LEVEL_ROOT)
        fail_forbidden(causes, PATH(path, "additionalProperties"), "must not be used at the root");
    if (node->additional)
        check_node(node->additional, LEVEL_FIELD, PATH(path, "additionalProperties"), causes);
    check_alternatives(node, is_integer_or_string(limits),
                       is_integer_or_string(first) && first == limits->all_of.v[0]->limits, path,
                       causes);
    check_type(node, level, path, causes);
    check_extensions(node, path, causes);
    check_meta_properties(node, level, path, causes);
}

/* ---- completeness: what an alternative mentions has a type outside of it ---- */

/* `node` is what corresponds to the alternative outside of it, at `path`. */
static void check_complete(const SchemaNode *alternative, const SchemaNode *node, const Path *path,
                           const Path *at, Causes *causes);

static void check_complete_list(const SchemaNodes *nodes, const char *name, const SchemaNode *node,
                                const Path *path, const Path *at, Causes *causes)
{
    for (size_t i = 0; i < nodes->n; i++)
        check_complete(nodes->v[i], node, path, PATH_INDEX(PATH(at, name), i), causes);
}

static void check_complete_below(const SchemaNode *alternative, const SchemaNode *node,
                                 const Path *path, const Path *at, Causes *causes)
{
    const SchemaLimits *limits = alternative->limits;

    if (!limits)
        return;
    if (limits->not )
        check_complete(limits->not, node, path, PATH(at, "not"), causes);
    check_complete_list(&limits->all_of, "allOf", node, path, at, causes);
    check_complete_list(&limits->any_of, "anyOf", node, path, at, causes);
    check_complete_list(&limits->one_of, "oneOf", node, path, at, causes);
}

static void must_be_defined(const Path *path, const Path *at, Causes *causes)
{
    fail_required(
        causes, path,
        arena_printf(causes->arena, "because it is defined in %s", path_text(at, causes)));
}

static void check_complete(const SchemaNode *alternative, const SchemaNode *node, const Path *path,
                           const Path *at, Causes *causes)
{
    if (!node) {
        must_be_defined(path, at, causes);
        return;
    }
    check_complete_below(alternative, node, path, at, causes);
    if (alternative->items)
        check_complete(alternative->items, node->items, PATH(path, "items"), PATH(at, "items"),
                       causes);
    for (size_t i = 0; i < alternative->n_properties; i++) {
        const SchemaProperty *property = &alternative->properties[i];

        check_complete(property->node,
                       schema_property(node, property->name, strlen(property->name)),
                       PATH_KEY(PATH(path, "properties"), property->name),
                       PATH_KEY(PATH(at, "properties"), property->name), causes);
    }
}

static int compare_causes(const void *a, const void *b)
{
    const Cause *x = a, *y = b;
    _strbuf_ StrBuf p = STRBUF_INIT, q = STRBUF_INIT;

    strbuf_printf(&p, "%s: %s", x->field, x->message);
    strbuf_printf(&q, "%s: %s", y->field, y->message);
    return strcmp(p.p, q.p);
}

void check_structure(Arena *arena _unused_, const SchemaNode *root, const Path *path,
                     Causes *causes)
{
    size_t from = causes->n;

    check_node(root, LEVEL_ROOT, path, causes);
    check_complete_below(root, root, path, path, causes);
    if (causes->n > from)
        qsort(causes->v + from, causes->n - from, sizeof(*causes->v), compare_causes);
}
