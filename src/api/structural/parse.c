/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the JSON of a schema to its tree. Unknown keywords cannot occur, since the table of JSONSchemaProps has dropped them. A keyword
 * whose value has an unexpected type counts as absent.
 */
#include "api/structural/internal.h"
#include "codec/json/json.h"

typedef struct Parser {
    Arena *arena;
    size_t nodes;
    TextMap patterns; /* their regular expressions, since schemas repeat them */
    bool too_deep, too_many;
} Parser;

static SchemaNode *parse_node(Parser *p, yyjson_val *json, size_t depth);

static const char *text_of(Parser *p, yyjson_val *json)
{
    return yyjson_is_str(json) ? arena_strndup(p->arena, yyjson_get_str(json), yyjson_get_len(json))
                               : NULL;
}

/* The same where an empty text is as good as none. */
static const char *text_or_null(Parser *p, yyjson_val *json)
{
    return yyjson_get_len(json) ? text_of(p, json) : NULL;
}

static SchemaType type_of(const char *text)
{
    static const char *const names[] = {
        [SCHEMA_OBJECT] = "object",   [SCHEMA_ARRAY] = "array",   [SCHEMA_STRING] = "string",
        [SCHEMA_INTEGER] = "integer", [SCHEMA_NUMBER] = "number", [SCHEMA_BOOLEAN] = "boolean",
        [SCHEMA_NULL] = "null",
    };

    if (!text)
        return SCHEMA_ANY;
    for (size_t i = SCHEMA_OBJECT; i < ARRAY_LEN(names); i++)
        if (str_equal(names[i], text))
            return (SchemaType)i;
    return SCHEMA_OTHER;
}

static StringArray texts_of(Parser *p, yyjson_val *json)
{
    StringArray out = {0};
    yyjson_val *item;
    size_t i, n;

    if (!yyjson_is_arr(json) || !yyjson_arr_size(json))
        return out;
    out.v = arena_new_n(p->arena, const char *, yyjson_arr_size(json));
    yyjson_arr_foreach(json, i, n, item)
    {
        if (yyjson_is_str(item))
            out.v[out.n++] = text_of(p, item);
    }
    return out;
}

static SchemaLimits *limits_of(Parser *p, SchemaNode *node)
{
    if (!node->limits) {
        node->limits = arena_new(p->arena, SchemaLimits);
        *node->limits = (SchemaLimits){.min_length = -1,
                                       .max_length = -1,
                                       .min_items = -1,
                                       .max_items = -1,
                                       .min_properties = -1,
                                       .max_properties = -1};
    }
    return node->limits;
}

static void parse_pattern(Parser *p, SchemaNode *node, yyjson_val *json)
{
    const char *pattern = text_or_null(p, json);
    SchemaLimits *limits;
    TextMapSlot *slot;
    bool is_new;

    if (!pattern)
        return;
    limits = limits_of(p, node);
    limits->pattern = pattern;
    slot = text_map_put_n(&p->patterns, pattern, strlen(pattern), &is_new);
    if (is_new)
        slot->value = (void *)(uintptr_t)regex_compile(p->arena, pattern, strlen(pattern),
                                                       REGEX_OFTEN, &limits->regex_error);
    limits->regex = slot->value;
    if (!limits->regex && !limits->regex_error)
        (void)regex_compile(p->arena, pattern, strlen(pattern), REGEX_ONCE, &limits->regex_error);
}

static void parse_length(Parser *p, SchemaNode *node, size_t offset, yyjson_val *json)
{
    int64_t v = yyjson_is_uint(json) ? (int64_t)MIN_OF(yyjson_get_uint(json), (uint64_t)INT64_MAX)
                                     : yyjson_get_sint(json);

    if (yyjson_is_int(json))
        *(int64_t *)(void *)((char *)limits_of(p, node) + offset) = v;
}

/* A copy of JSON that does not depend on the document. */
static const char *copy_json(Parser *p, yyjson_val *json)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode_tree(json, &text);
    return arena_strndup(p->arena, strbuf_string(&text), text.n);
}

static void parse_enum(Parser *p, SchemaNode *node, yyjson_val *json)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (!yyjson_arr_size(json))
        return;
    if (!json_parse(p->arena, bytes_from_string(copy_json(p, json)), &doc, &report))
        limits_of(p, node)->enum_values = yyjson_doc_get_root(doc);
}

static int compare_properties(const void *a, const void *b)
{
    return strcmp(((const SchemaProperty *)a)->name, ((const SchemaProperty *)b)->name);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void parse_properties(Parser *p, SchemaNode *node, yyjson_val *json, size_t depth)
{
    yyjson_val *key, *value;
    size_t i, n, to = 0;

    if (!yyjson_obj_size(json))
        return;
    node->properties = arena_new_n(p->arena, SchemaProperty, yyjson_obj_size(json));
    yyjson_obj_foreach(json, i, n, key, value)
    {
        node->properties[to].name = text_of(p, key);
        node->properties[to++].node = parse_node(p, value, depth);
    }
    qsort(node->properties, to, sizeof(*node->properties), compare_properties);
    node->n_properties = to;
}

static void parse_list(Parser *p, SchemaNodes *ret, yyjson_val *json, size_t depth)
{
    yyjson_val *item;
    size_t i, n;

    ret->v = arena_new_n(p->arena, SchemaNode *, yyjson_arr_size(json) + 1);
    yyjson_arr_foreach(json, i, n, item) ret->v[ret->n++] = parse_node(p, item, depth);
}

static void parse_rules(Parser *p, SchemaNode *node, yyjson_val *json)
{
    yyjson_val *item;
    size_t i, n;

    node->rules = arena_new_n(p->arena, SchemaRule, yyjson_arr_size(json) + 1);
    yyjson_arr_foreach(json, i, n, item)
    {
        SchemaRule *rule = &node->rules[node->n_rules++];
        yyjson_val *optional = yyjson_obj_get(item, "optionalOldSelf");

        rule->rule = text_of(p, yyjson_obj_get(item, "rule"));
        rule->message = text_or_null(p, yyjson_obj_get(item, "message"));
        rule->message_expression = text_or_null(p, yyjson_obj_get(item, "messageExpression"));
        rule->reason = text_of(p, yyjson_obj_get(item, "reason"));
        rule->field_path = text_or_null(p, yyjson_obj_get(item, "fieldPath"));
        rule->has_optional_old_self = yyjson_is_bool(optional);
        rule->optional_old_self = yyjson_is_true(optional);
    }
}

/* The keywords, and how each is read. */
typedef enum Keyword {
    KEY_ADDITIONAL,
    KEY_ALL_OF,
    KEY_ANY_OF,
    KEY_BOOL, /* a flag of the node */
    KEY_DEFAULT,
    KEY_ENUM,
    KEY_FORMAT,
    KEY_GIVEN, /* that it is there is all that counts; empty texts, lists and objects are not */
    KEY_ITEMS,
    KEY_LENGTH,
    KEY_LIST_KEYS,
    KEY_LIST_TYPE,
    KEY_MAP_TYPE,
    KEY_NOT,
    KEY_NUMBER,
    KEY_ONE_OF,
    KEY_PATTERN,
    KEY_PRESERVE,
    KEY_PROPERTIES,
    KEY_REQUIRED,
    KEY_RULES,
    KEY_TYPE,
} Keyword;

enum { BOOL_NULLABLE, BOOL_INT_OR_STRING, BOOL_EMBEDDED, BOOL_EXCLUSIVE_MIN, BOOL_EXCLUSIVE_MAX };
enum { NUMBER_MIN, NUMBER_MAX, NUMBER_MULTIPLE };

static const struct {
    const char *name;
    Keyword keyword;
    size_t which; /* a SchemaGiven, an offset in SchemaLimits, or one of the constants above */
} keywords[] = {
    {"$ref", KEY_GIVEN, GIVEN_REF},
    {"$schema", KEY_GIVEN, GIVEN_SCHEMA},
    {"additionalItems", KEY_GIVEN, GIVEN_ADDITIONAL_ITEMS},
    {"additionalProperties", KEY_ADDITIONAL, 0},
    {"allOf", KEY_ALL_OF, 0},
    {"anyOf", KEY_ANY_OF, 0},
    {"default", KEY_DEFAULT, 0},
    {"definitions", KEY_GIVEN, GIVEN_DEFINITIONS},
    {"dependencies", KEY_GIVEN, GIVEN_DEPENDENCIES},
    {"description", KEY_GIVEN, GIVEN_DESCRIPTION},
    {"enum", KEY_ENUM, 0},
    {"example", KEY_GIVEN, GIVEN_EXAMPLE},
    {"exclusiveMaximum", KEY_BOOL, BOOL_EXCLUSIVE_MAX},
    {"exclusiveMinimum", KEY_BOOL, BOOL_EXCLUSIVE_MIN},
    {"externalDocs", KEY_GIVEN, GIVEN_EXTERNAL_DOCS},
    {"format", KEY_FORMAT, 0},
    {"id", KEY_GIVEN, GIVEN_ID},
    {"items", KEY_ITEMS, 0},
    {"maxItems", KEY_LENGTH, offsetof(SchemaLimits, max_items)},
    {"maxLength", KEY_LENGTH, offsetof(SchemaLimits, max_length)},
    {"maxProperties", KEY_LENGTH, offsetof(SchemaLimits, max_properties)},
    {"maximum", KEY_NUMBER, NUMBER_MAX},
    {"minItems", KEY_LENGTH, offsetof(SchemaLimits, min_items)},
    {"minLength", KEY_LENGTH, offsetof(SchemaLimits, min_length)},
    {"minProperties", KEY_LENGTH, offsetof(SchemaLimits, min_properties)},
    {"minimum", KEY_NUMBER, NUMBER_MIN},
    {"multipleOf", KEY_NUMBER, NUMBER_MULTIPLE},
    {"not", KEY_NOT, 0},
    {"nullable", KEY_BOOL, BOOL_NULLABLE},
    {"oneOf", KEY_ONE_OF, 0},
    {"pattern", KEY_PATTERN, 0},
    {"patternProperties", KEY_GIVEN, GIVEN_PATTERN_PROPERTIES},
    {"properties", KEY_PROPERTIES, 0},
    {"required", KEY_REQUIRED, 0},
    {"title", KEY_GIVEN, GIVEN_TITLE},
    {"type", KEY_TYPE, 0},
    {"uniqueItems", KEY_GIVEN, GIVEN_UNIQUE_ITEMS},
    {"x-kubernetes-embedded-resource", KEY_BOOL, BOOL_EMBEDDED},
    {"x-kubernetes-int-or-string", KEY_BOOL, BOOL_INT_OR_STRING},
    {"x-kubernetes-list-map-keys", KEY_LIST_KEYS, 0},
    {"x-kubernetes-list-type", KEY_LIST_TYPE, 0},
    {"x-kubernetes-map-type", KEY_MAP_TYPE, 0},
    {"x-kubernetes-preserve-unknown-fields", KEY_PRESERVE, 0},
    {"x-kubernetes-validations", KEY_RULES, 0},
};

static int find_keyword(const char *name)
{
    size_t low = 0, high = ARRAY_LEN(keywords);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int d = strcmp(name, keywords[middle].name);

        if (d == 0)
            return (int)middle;
        if (d < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static void parse_bool(Parser *p, SchemaNode *node, size_t which, bool v)
{
    if (which == BOOL_NULLABLE)
        node->nullable = v;
    else if (which == BOOL_INT_OR_STRING)
        node->int_or_string = v;
    else if (which == BOOL_EMBEDDED)
        node->embedded_resource = v;
    else if (v && which == BOOL_EXCLUSIVE_MIN)
        limits_of(p, node)->exclusive_minimum = true;
    else if (v)
        limits_of(p, node)->exclusive_maximum = true;
}

static void parse_number(Parser *p, SchemaNode *node, size_t which, yyjson_val *json)
{
    SchemaLimits *limits;

    if (!yyjson_is_num(json))
        return;
    limits = limits_of(p, node);
    if (which == NUMBER_MIN) {
        limits->has_minimum = true;
        limits->minimum = yyjson_get_num(json);
    } else if (which == NUMBER_MAX) {
        limits->has_maximum = true;
        limits->maximum = yyjson_get_num(json);
    } else {
        limits->has_multiple_of = true;
        limits->multiple_of = yyjson_get_num(json);
    }
}

static bool is_given(size_t which, yyjson_val *json)
{
    if (which == GIVEN_REF || which == GIVEN_DEPENDENCIES || which == GIVEN_ADDITIONAL_ITEMS ||
        which == GIVEN_EXAMPLE)
        return true;
    if (yyjson_is_str(json))
        return yyjson_get_len(json);
    return yyjson_is_ctn(json) ? unsafe_yyjson_get_len(json) : yyjson_is_true(json);
}

/* Keywords whose values are schemas. */
static void parse_below(Parser *p, SchemaNode *node, Keyword keyword, yyjson_val *json,
                        size_t depth)
{
    switch (keyword) {
    case KEY_ADDITIONAL:
        node->additional_given = true;
        node->additional_allowed = !yyjson_is_false(json);
        if (yyjson_is_obj(json))
            node->additional = parse_node(p, json, depth);
        break;
    case KEY_ALL_OF:
        parse_list(p, &limits_of(p, node)->all_of, json, depth);
        break;
    case KEY_ANY_OF:
        parse_list(p, &limits_of(p, node)->any_of, json, depth);
        break;
    case KEY_ONE_OF:
        parse_list(p, &limits_of(p, node)->one_of, json, depth);
        break;
    case KEY_NOT:
        limits_of(p, node)->not = parse_node(p, json, depth);
        break;
    case KEY_ITEMS:
        if (yyjson_is_arr(json))
            node->given |= GIVEN_ITEMS_ARRAY;
        else
            node->items = parse_node(p, json, depth);
        break;
    default:
        parse_properties(p, node, json, depth);
    }
}

static void parse_keyword(Parser *p, SchemaNode *node, int index, yyjson_val *json, size_t depth)
{
    size_t which = keywords[index].which;

    switch (keywords[index].keyword) {
    case KEY_BOOL:
        parse_bool(p, node, which, yyjson_is_true(json));
        break;
    case KEY_DEFAULT:
        node->default_json = yyjson_is_null(json) ? NULL : copy_json(p, json);
        break;
    case KEY_ENUM:
        parse_enum(p, node, json);
        break;
    case KEY_FORMAT:
        node->format = text_or_null(p, json);
        break;
    case KEY_GIVEN:
        if (is_given(which, json))
            node->given |= (uint32_t)which;
        break;
    case KEY_LENGTH:
        parse_length(p, node, which, json);
        break;
    case KEY_LIST_KEYS:
        node->list_map_keys = texts_of(p, json);
        node->sorted_keys = texts_of(p, json);
        if (node->sorted_keys.n)
            qsort(node->sorted_keys.v, node->sorted_keys.n, sizeof(char *), compare_texts);
        break;
    case KEY_LIST_TYPE:
        node->list_type = text_of(p, json);
        break;
    case KEY_MAP_TYPE:
        node->map_type = text_of(p, json);
        break;
    case KEY_NUMBER:
        parse_number(p, node, which, json);
        break;
    case KEY_PATTERN:
        parse_pattern(p, node, json);
        break;
    case KEY_PRESERVE:
        node->preserve_unknown = yyjson_is_true(json);
        node->given |= yyjson_is_false(json) ? GIVEN_PRESERVE_FALSE : 0;
        break;
    case KEY_REQUIRED:
        node->required = texts_of(p, json);
        break;
    case KEY_RULES:
        parse_rules(p, node, json);
        break;
    case KEY_TYPE:
        node->type_text = text_or_null(p, json);
        node->type = type_of(node->type_text);
        break;
    default:
        parse_below(p, node, keywords[index].keyword, json, depth + 1);
    }
}

static void add_below(SchemaNode *node, const SchemaNode *below)
{
    if (!below)
        return;
    node->has_rules_below |= below->has_rules_below;
    node->has_uniques_below |= below->has_uniques_below;
    node->has_embedded_below |= below->has_embedded_below;
}

/* Never NULL, so that a schema that is too large needs no further checks until its end. */
static SchemaNode *parse_node(Parser *p, yyjson_val *json, size_t depth)
{
    SchemaNode *node = arena_new(p->arena, SchemaNode);
    yyjson_val *key, *value;
    size_t i, n;

    p->too_deep |= depth > SCHEMA_DEPTH_MAX;
    p->too_many |= ++p->nodes > SCHEMA_NODES_MAX;
    if (p->too_deep || p->too_many)
        return node;
    yyjson_obj_foreach(json, i, n, key, value)
    {
        int index = find_keyword(yyjson_get_str(key));

        if (index >= 0)
            parse_keyword(p, node, index, value, depth);
    }
    node->has_rules_below = node->n_rules;
    node->has_uniques_below =
        str_equal(node->list_type, "set") || str_equal(node->list_type, "map");
    node->has_embedded_below = node->embedded_resource;
    add_below(node, node->items);
    add_below(node, node->additional);
    for (i = 0; i < node->n_properties; i++)
        add_below(node, node->properties[i].node);
    return node;
}

SchemaNode *structural_parse(Arena *arena, Bytes json, const Path *path, Causes *causes)
{
    _arena_ Arena room = ARENA_INIT;
    Parser p = {.arena = arena, .patterns = TEXT_MAP_INIT(&room)};
    DecodeReport report = {0};
    yyjson_doc *doc;
    SchemaNode *root;

    if (json_parse(&room, json, &doc, &report)) {
        fail_invalid(causes, path, "", str_or(report.error, "malformed"));
        return NULL;
    }
    root = parse_node(&p, yyjson_doc_get_root(doc), 0);
    if (!p.too_deep && !p.too_many)
        return root;
    causes_add(causes, CAUSE_TOO_MANY, path_text(path, causes), NULL,
               p.too_deep ? "schemas are nested too deeply" : "too many schemas");
    return NULL;
}

SchemaNode *schema_property(const SchemaNode *node, const char *name, size_t length)
{
    size_t low = 0, high = node->n_properties;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *at = node->properties[middle].name;
        int d = strncmp(name, at, length);

        if (d == 0)
            d = at[length] ? -1 : 0;
        if (d == 0)
            return node->properties[middle].node;
        if (d < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
