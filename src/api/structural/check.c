/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with the schema of a CustomResourceDefinition. The order is that of kube-apiserver: whether the schema is structural, then
 * its defaults, then keywords and extensions.
 */
#include "api/structural/internal.h"
#include "codec/json/json.h"

/* Keys of the items of a list. kube-apiserver has no limit, but each item is looked at once for each key. */
enum { MAP_KEYS_MAX = 64 };

/* How the part of the schema that is checked restricts its parts. */
typedef struct Context {
    Arena *arena;
    Causes *causes;
    const char *no_defaults; /* why defaults are forbidden; NULL: they are not */
    bool inside_meta;
} Context;

static void check_node(Context c, const SchemaNode *node, bool is_root, const Path *path);

/* ---- keywords ---- */

static const char *json_list(Causes *causes, const StringArray *texts)
{
    _strbuf_ StrBuf list = STRBUF_INIT;

    strbuf_add_char(&list, '[');
    for (size_t i = 0; i < texts->n; i++) {
        if (i)
            strbuf_add_char(&list, ',');
        json_encode_string(&list, texts->v[i], strlen(texts->v[i]));
    }
    strbuf_add_char(&list, ']');
    return arena_strdup(causes->arena, list.p);
}

static void check_keywords(const Context *c, const SchemaNode *node, const Path *path)
{
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    static const struct {
        uint32_t given;
        const char *name;
    } unsupported[] = {
        {GIVEN_ID, "id"},
        {GIVEN_ADDITIONAL_ITEMS, "additionalItems"},
        {GIVEN_PATTERN_PROPERTIES, "patternProperties"},
        {GIVEN_DEFINITIONS, "definitions"},
        {GIVEN_DEPENDENCIES, "dependencies"},
        {GIVEN_REF, "$ref"},
    };
    Causes *causes = c->causes;

    if (node->type == SCHEMA_OTHER || node->type == SCHEMA_NULL)
        fail_not_supported(causes, PATH(path, "type"), node->type_text, types);
    if (node->default_json && c->no_defaults)
        fail_forbidden(causes, PATH(path, "default"),
                       arena_printf(causes->arena, "must not be set %s", c->no_defaults));
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        if (node->given & unsupported[i].given)
            fail_forbidden(causes, PATH(path, unsupported[i].name),
                           arena_printf(causes->arena, "%s is not supported", unsupported[i].name));
    if (node->type == SCHEMA_NULL)
        fail_forbidden(causes, PATH(path, "type"),
                       "type cannot be set to null, use nullable as an alternative");
    if (node->given & GIVEN_ITEMS_ARRAY)
        fail_forbidden(causes, PATH(path, "items"),
                       "items must be a schema object and not an array");
    if (c->inside_meta && node->embedded_resource)
        fail_forbidden(causes, PATH(path, "x-kubernetes-embedded-resource"),
                       "must not be used inside of resource meta");
    if (node->given & GIVEN_UNIQUE_ITEMS)
        fail_forbidden(causes, PATH(path, "uniqueItems"),
                       "uniqueItems cannot be set to true since the runtime complexity becomes "
                       "quadratic");
}

/* ---- parts ---- */

static void check_additional(Context c, const SchemaNode *node, const Path *path)
{
    if (node->n_properties && (!node->additional_allowed || node->additional))
        fail_forbidden(c.causes, PATH(path, "additionalProperties"),
                       "additionalProperties and properties are mutual exclusive");
    if (c.inside_meta)
        c.no_defaults = "inside additionalProperties applying to object metadata";
    if (node->additional)
        check_node(c, node->additional, false, PATH(path, "additionalProperties"));
}

static void check_properties(const Context *c, const SchemaNode *node, bool is_root,
                             const Path *path)
{
    for (size_t i = 0; i < node->n_properties; i++) {
        const char *name = node->properties[i].name;
        Context below = *c;

        if ((is_root || node->embedded_resource) &&
            (str_equal(name, "metadata") || str_equal(name, "kind") ||
             str_equal(name, "apiVersion"))) {
            below.inside_meta = true;
            if (is_root)
                below.no_defaults = arena_printf(c->arena, "in top-level %s", name);
        }
        check_node(below, node->properties[i].node, false,
                   PATH_KEY(PATH(path, "properties"), name));
    }
}

static void check_nodes(Context c, const SchemaNodes *nodes, const Path *path)
{
    for (size_t i = 0; i < nodes->n; i++)
        check_node(c, nodes->v[i], false, PATH_INDEX(path, i));
}

/* ---- extensions ---- */

static void must_be_of_type(Causes *causes, const SchemaNode *node, const Path *path,
                            const char *detail)
{
    if (!node->type_text)
        fail_required(causes, PATH(path, "type"), detail);
    else
        fail_invalid(causes, PATH(path, "type"), node->type_text, detail);
}

static void check_set_items(Causes *causes, const SchemaNode *items, const Path *path)
{
    const char *detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    const Path *at = PATH(path, "items");
    const char *bad = items->list_type ? causes_quote(causes, items->list_type) : "null";

    if (items->type == SCHEMA_ARRAY && items->list_type && !str_equal(items->list_type, "atomic"))
        fail_json(causes, PATH(at, "x-kubernetes-list-type"), bad, detail);
    if (items->type == SCHEMA_OBJECT && !str_equal(items->map_type, "atomic"))
        fail_json(causes, PATH(at, "x-kubernetes-map-type"), bad, detail);
}

static void check_map_type(Causes *causes, const SchemaNode *node, const Path *path)
{
    static const char *const map_types[] = {"atomic", "granular", NULL};

    if (!node->map_type)
        return;
    if (node->type != SCHEMA_OBJECT)
        must_be_of_type(causes, node, path, "must be object if x-kubernetes-map-type is specified");
    if (!name_is_one_of(node->map_type, map_types))
        fail_not_supported(causes, PATH(path, "x-kubernetes-map-type"), node->map_type, map_types);
}

static void check_list_type(Causes *causes, const SchemaNode *node, const Path *path)
{
    static const char *const list_types[] = {"atomic", "set", "map", NULL};
    const char *keys_detail = "must be map if x-kubernetes-list-map-keys is non-empty";
    const Path *at = PATH(path, "x-kubernetes-list-type");

    if (node->list_type && node->type != SCHEMA_ARRAY)
        must_be_of_type(causes, node, path, "must be array if x-kubernetes-list-type is specified");
    else if (str_equal(node->list_type, "set") && node->items)
        check_set_items(causes, node->items, path);
    if (node->list_type && !name_is_one_of(node->list_type, list_types))
        fail_not_supported(causes, at, node->list_type, list_types);
    if (node->list_map_keys.n > MAP_KEYS_MAX)
        causes_add(causes, CAUSE_TOO_MANY,
                   path_text(PATH(path, "x-kubernetes-list-map-keys"), causes),
                   arena_printf(causes->arena, "%zu", node->list_map_keys.n),
                   arena_printf(causes->arena, "must have at most %d items", MAP_KEYS_MAX));
    if (node->list_map_keys.n && !node->list_type)
        fail_required(causes, at, keys_detail);
    else if (node->list_map_keys.n && !str_equal(node->list_type, "map"))
        fail_invalid(causes, at, node->list_type, keys_detail);
}

static void check_map_keys(const Context *c, const SchemaNode *node, const Path *path)
{
    const SchemaNode *items = node->items;
    const Path *keys = PATH(path, "x-kubernetes-list-map-keys");
    TextMap seen = TEXT_MAP_INIT(c->arena);

    for (size_t i = 0; i < node->list_map_keys.n; i++) {
        const char *key = node->list_map_keys.v[i];
        const SchemaNode *property = schema_property(items, key, strlen(key));
        const Path *at = PATH_KEY(PATH(PATH(path, "items"), "properties"), key);

        if (!property)
            fail_json(c->causes, keys, json_list(c->causes, &node->list_map_keys),
                      "entries must all be names of item properties");
        else if (property->type == SCHEMA_ARRAY || property->type == SCHEMA_OBJECT)
            fail_invalid(c->causes, PATH(at, "type"), items->type_text,
                         "must be a scalar type if parent array's x-kubernetes-list-type is map");
        if (!text_map_add(&seen, key))
            fail_json(c->causes, keys, json_list(c->causes, &node->list_map_keys),
                      "must not contain duplicate entries");
    }
}

static void check_map_list(const Context *c, const SchemaNode *node, const Path *path)
{
    if (!str_equal(node->list_type, "map") || !node->list_type)
        return;
    if (!node->list_map_keys.n)
        fail_required(c->causes, PATH(path, "x-kubernetes-list-map-keys"),
                      "must not be empty if x-kubernetes-list-type is map");
    if (!node->items) {
        if (!(node->given & GIVEN_ITEMS_ARRAY))
            fail_required(c->causes, PATH(path, "items"),
                          "must have a schema if x-kubernetes-list-type is map");
        else
            fail_json(c->causes, PATH(path, "items"), NULL,
                      "must only have a single schema if x-kubernetes-list-type is map");
        return;
    }
    if (node->items->type != SCHEMA_OBJECT)
        fail_invalid(c->causes, PATH(PATH(path, "items"), "type"), node->items->type_text,
                     "must be object if parent array's x-kubernetes-list-type is map");
    else
        check_map_keys(c, node, path);
}

/* Items of sets and maps cannot be null, and keys are always there. */
static void check_keys_present(const Context *c, const SchemaNode *node, const Path *path)
{
    const SchemaNode *items = node->items;
    bool map = str_equal(node->list_type, "map");
    TextMap required = TEXT_MAP_INIT(c->arena);

    if (!items || !node->list_type || (!map && !str_equal(node->list_type, "set")))
        return;
    if (items->nullable)
        fail_forbidden(c->causes, PATH(PATH(path, "items"), "nullable"),
                       arena_printf(c->causes->arena,
                                    "cannot be nullable when x-kubernetes-list-type is %s",
                                    node->list_type));
    for (size_t i = 0; i < items->required.n; i++)
        text_map_add(&required, items->required.v[i]);
    for (size_t i = 0; map && i < node->list_map_keys.n; i++) {
        const char *key = node->list_map_keys.v[i];
        const SchemaNode *property = schema_property(items, key, strlen(key));
        const Path *at = PATH_KEY(PATH(PATH(path, "items"), "properties"), key);

        if (!property)
            continue;
        if (!text_map_has(&required, key) && !property->default_json)
            fail_required(c->causes, PATH(at, "default"),
                          "this property is in x-kubernetes-list-map-keys, so it must have a "
                          "default or be a required property");
        if (property->nullable)
            fail_forbidden(c->causes, PATH(at, "nullable"),
                           "this property is in x-kubernetes-list-map-keys, so it cannot be "
                           "nullable");
    }
}

/* ---- rules ---- */

static bool is_blank(const char *text)
{
    return text && !text[strspn(text, " \t\r\n\v\f")];
}

static bool has_break(const char *text)
{
    const char *from = text ? text + strspn(text, " \t\r\n\v\f") : "";
    size_t n = strlen(from);

    while (n && strchr(" \t\r\n\v\f", from[n - 1]))
        n--;
    return memchr(from, '\n', n) || memchr(from, '\r', n);
}

/* "['a.b']" as "a.b", with \' and \\ as Go's strconv reads them. Returns what comes after it, or NULL. */
static const char *read_quoted_name(const char *at, StrBuf *name)
{
    for (at += 2; *at && *at != '\''; at++) {
        if (*at == '\\' && !*++at)
            return NULL;
        strbuf_add_char(name, *at);
    }
    return at[0] == '\'' && at[1] == ']' ? at + 2 : NULL;
}

/* Whether the path, such as ".spec['x']", leads to something that the schema describes. */
static bool leads_somewhere(const SchemaNode *node, const char *at)
{
    while (*at) {
        _strbuf_ StrBuf name = STRBUF_INIT;
        bool quoted = at[0] == '[';

        if (quoted) {
            at = at[1] == '\'' ? read_quoted_name(at, &name) : NULL;
            if (!at)
                return false;
        } else if (*at == '.') {
            size_t n = strcspn(at + 1, ".[]");

            strbuf_add(&name, at + 1, n);
            at += n + 1;
            if (!n)
                return false;
        } else {
            return false;
        }
        if (node->n_properties)
            node = schema_property(node, strbuf_string(&name), name.n);
        else
            node = quoted || node->additional ? node->additional : NULL;
        if (!node)
            return false;
    }
    return true;
}

static void check_rule(Causes *causes, const SchemaNode *node, const SchemaRule *rule,
                       const Path *path)
{
    static const char *const reasons[] = {"FieldValueDuplicate", "FieldValueForbidden",
                                          "FieldValueInvalid", "FieldValueRequired", NULL};

    if (!rule->rule || is_blank(rule->rule))
        fail_required(causes, PATH(path, "rule"), "rule is not specified");
    else if (is_blank(rule->message))
        fail_invalid(causes, PATH(path, "message"), rule->message,
                     "must be non-empty if specified");
    else if (has_break(rule->message))
        fail_invalid(causes, PATH(path, "message"), rule->message, "must not contain line breaks");
    else if (has_break(rule->rule) && !rule->message)
        fail_required(causes, PATH(path, "message"),
                      "message must be specified if rule contains line breaks");
    if (is_blank(rule->message_expression))
        fail_required(causes, PATH(path, "messageExpression"),
                      "messageExpression must be non-empty if specified");
    if (rule->reason && !name_is_one_of(rule->reason, reasons))
        fail_not_supported(causes, PATH(path, "reason"), rule->reason, reasons);
    if (!rule->field_path)
        return;
    if (is_blank(rule->field_path))
        fail_invalid(causes, PATH(path, "fieldPath"), rule->field_path,
                     "must be non-empty if specified");
    if (strpbrk(rule->field_path, "\r\n"))
        fail_invalid(causes, PATH(path, "fieldPath"), rule->field_path,
                     "must not contain line breaks");
    if (!leads_somewhere(node, rule->field_path))
        fail_invalid(causes, PATH(path, "fieldPath"), rule->field_path, "must be a valid path");
}

/* ---- all of it ---- */

static void check_node(Context c, const SchemaNode *node, bool is_root, const Path *path)
{
    const SchemaLimits *limits = node->limits;

    check_keywords(&c, node, path);
    if (node->additional_given)
        check_additional(c, node, path);
    check_properties(&c, node, is_root, path);
    if (limits && limits->not )
        check_node(c, limits->not, false, PATH(path, "not"));
    if (limits) {
        check_nodes(c, &limits->all_of, PATH(path, "allOf"));
        check_nodes(c, &limits->one_of, PATH(path, "oneOf"));
        check_nodes(c, &limits->any_of, PATH(path, "anyOf"));
    }
    if (node->items)
        check_node(c, node->items, false, PATH(path, "items"));
    if (node->given & GIVEN_PRESERVE_FALSE)
        fail_json(c.causes, PATH(path, "x-kubernetes-preserve-unknown-fields"), "false",
                  "must be true or undefined");
    check_map_type(c.causes, node, path);
    check_list_type(c.causes, node, path);
    if (node->list_map_keys.n <= MAP_KEYS_MAX) {
        check_map_list(&c, node, path);
        check_keys_present(&c, node, path);
    }
    for (size_t i = 0; i < node->n_rules; i++)
        check_rule(c.causes, node, &node->rules[i],
                   PATH_INDEX(PATH(path, "x-kubernetes-validations"), i));
}

/* With the status subresource, the status is checked by its own part of the schema, so the root must not say anything about it. */
static void check_root(const SchemaNode *root, const Path *path, Causes *causes)
{
    const SchemaLimits *limits = root->limits;
    const uint32_t allowed = GIVEN_DESCRIPTION | GIVEN_TITLE | GIVEN_EXTERNAL_DOCS | GIVEN_EXAMPLE |
                             GIVEN_UNIQUE_ITEMS | GIVEN_PRESERVE_FALSE | GIVEN_ITEMS_ARRAY;

    if (root->given & ~allowed || root->nullable || root->default_json || root->additional_given ||
        root->embedded_resource || root->int_or_string || root->list_type || root->map_type ||
        root->list_map_keys.n ||
        (limits &&
         (limits->enum_values || limits->all_of.n || limits->any_of.n || limits->one_of.n ||
          limits->not || limits->max_properties >= 0 || limits->min_properties >= 0)))
        fail_json(causes, path, NULL,
                  "only [Description Type Format Title Maximum ExclusiveMaximum Minimum "
                  "ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems "
                  "MultipleOf Required Items Properties ExternalDocs Example "
                  "XPreserveUnknownFields XValidations] fields are allowed at the root of the "
                  "schema if the status subresource is enabled");
}

/* The first keyword for which there is no structural schema at all. */
static const char *find_unsupported(const SchemaNode *node)
{
    static const struct {
        uint32_t given;
        const char *text;
    } rows[] = {
        {GIVEN_ID, "OpenAPIV3Schema 'id' is not supported"},
        {GIVEN_SCHEMA, "OpenAPIV3Schema 'schema' is not supported"},
        {GIVEN_REF, "OpenAPIV3Schema '$ref' is not supported"},
        {GIVEN_PATTERN_PROPERTIES, "OpenAPIV3Schema 'patternProperties' is not supported"},
        {GIVEN_DEPENDENCIES, "OpenAPIV3Schema 'dependencies' is not supported"},
        {GIVEN_ADDITIONAL_ITEMS, "OpenAPIV3Schema 'additionalItems' is not supported"},
        {GIVEN_DEFINITIONS, "OpenAPIV3Schema 'definitions' is not supported"},
        {GIVEN_ITEMS_ARRAY, "OpenAPIV3Schema 'items' must be a schema, but is an array"},
        {GIVEN_PRESERVE_FALSE, "internal error: 'x-kubernetes-preserve-unknown-fields' must be "
                               "true or undefined"},
    };
    const SchemaLimits *limits = node->limits;
    const SchemaNodes *lists[] = {limits ? &limits->all_of : NULL, limits ? &limits->any_of : NULL,
                                  limits ? &limits->one_of : NULL};
    const SchemaNode *single[] = {limits ? limits->not : NULL, node->items, node->additional};
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (node->given & rows[i].given)
            return rows[i].text;
    for (size_t i = 0; i < ARRAY_LEN(lists) && !found; i++)
        for (size_t j = 0; lists[i] && j < lists[i]->n && !found; j++)
            found = find_unsupported(lists[i]->v[j]);
    for (size_t i = 0; i < ARRAY_LEN(single) && !found; i++)
        found = single[i] ? find_unsupported(single[i]) : NULL;
    for (size_t i = 0; i < node->n_properties && !found; i++)
        found = find_unsupported(node->properties[i].node);
    return found;
}

void structural_check(Arena *arena, const SchemaNode *root, bool has_status, const Path *path,
                      Causes *causes)
{
    Context c = {.arena = arena, .causes = causes};
    const char *unsupported = find_unsupported(root);
    size_t from = causes->n + causes->left_out, before;

    if (has_status && root->type != SCHEMA_OBJECT && root->type_text)
        fail_invalid(causes, PATH(path, "type"), root->type_text,
                     "only \"object\" is allowed as the type at the root of the schema if the "
                     "status subresource is enabled");
    else if (has_status)
        check_root(root, path, causes);
    if (root->nullable)
        fail_forbidden(causes, PATH(path, "nullable"), "nullable cannot be true at the root");
    if (!unsupported) {
        before = causes->n + causes->left_out;
        check_structure(arena, root, path, causes);
        if (causes->n + causes->left_out == before)
            check_defaults(arena, root, path, causes);
    }
    check_node(c, root, true, path);
    if (unsupported && causes->n + causes->left_out == from)
        fail_invalid(causes, path, "", unsupported);
}

void structural_warn(Arena *arena, const SchemaNode *root, Warnings *warnings)
{
    const SchemaLimits *limits = root->limits;
    const SchemaNodes *lists[] = {limits ? &limits->all_of : NULL, limits ? &limits->any_of : NULL,
                                  limits ? &limits->one_of : NULL};
    const SchemaNode *single[] = {root->items, root->additional, limits ? limits->not : NULL};

    if (root->format && !schema_format_known(root))
        warnings_add(arena, warnings,
                     arena_printf(arena, "unrecognized format \"%s\"", root->format));
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (single[i])
            structural_warn(arena, single[i], warnings);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; lists[i] && j < lists[i]->n; j++)
            structural_warn(arena, lists[i]->v[j], warnings);
    for (size_t i = 0; i < root->n_properties; i++)
        structural_warn(arena, root->properties[i].node, warnings);
}
