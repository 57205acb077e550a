/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks objects as a whole: values, embedded resources, and the uniqueness of items in lists that are sets or maps. Walks over what
 * has rules.
 */
#include "api/structural/internal.h"
#include "codec/json/json.h"

/* ---- sets and maps ---- */

typedef struct Uniques {
    Arena *arena;
    Causes *causes;
    size_t found;
} Uniques;

static void check_uniques_below(Uniques *u, const SchemaNode *node, yyjson_val *value,
                                const Path *path);

/* Adds a cause for the second of equal items; further ones have none. */
static void check_items(Uniques *u, const SchemaNode *node, yyjson_val *list, const Path *path)
{
    bool map = str_equal(node->list_type, "map");
    TextMap seen = TEXT_MAP_INIT(u->arena);
    _strbuf_ StrBuf key = STRBUF_INIT;
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item)
    {
        TextMapSlot *slot;
        bool is_new;

        strbuf_truncate(&key, 0);
        if (map)
            list_key(node, item, &key);
        else
            json_encode_tree(item, &key);
        if (!map && yyjson_is_real(item))
            strbuf_add_char(&key, 'f'); /* 1 and 1.0 are two values for Go */
        slot = text_map_put_n(&seen, arena_strndup(u->arena, key.p, key.n), key.n, &is_new);
        if (is_new || slot->value)
            continue;
        slot->value = item;
        u->found++;
        if (!u->causes)
            continue;
        if (yyjson_is_real(item))
            strbuf_truncate(&key, key.n - 1);
        causes_add(u->causes, CAUSE_DUPLICATE, path_text(PATH_INDEX(path, i), u->causes),
                   yyjson_is_str(item) ? causes_quote(u->causes, yyjson_get_str(item)) : key.p,
                   NULL);
    }
}

static bool check_map_items(Uniques *u, yyjson_val *list, const Path *path)
{
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item)
    {
        _strbuf_ StrBuf text = STRBUF_INIT;

        if (yyjson_is_obj(item) || yyjson_is_null(item))
            continue;
        u->found++;
        json_encode_tree(item, &text);
        if (u->causes)
            fail_json(u->causes, PATH_INDEX(path, i), text.p,
                      "must be an object for an array of list-type map");
        return false;
    }
    return true;
}

static void check_uniques_list(Uniques *u, const SchemaNode *node, yyjson_val *list,
                               const Path *path)
{
    yyjson_val *item;
    size_t i, n;

    if (str_equal(node->list_type, "set"))
        check_items(u, node, list, path);
    else if (str_equal(node->list_type, "map") && check_map_items(u, list, path))
        check_items(u, node, list, path);
    if (!node->items || !node->items->has_uniques_below)
        return;
    yyjson_arr_foreach(list, i, n, item)
    {
        check_uniques_below(u, node->items, item, PATH_INDEX(path, i));
    }
}

static void check_uniques_below(Uniques *u, const SchemaNode *node, yyjson_val *value,
                                const Path *path)
{
    yyjson_val *key, *member;
    size_t i, n;

    if (yyjson_is_arr(value)) {
        check_uniques_list(u, node, value, path);
        return;
    }
    yyjson_obj_foreach(value, i, n, key, member)
    {
        const char *name = yyjson_get_str(key);
        const SchemaNode *property = schema_property(node, name, yyjson_get_len(key));

        if (property && property->has_uniques_below)
            check_uniques_below(u, property, member, PATH(path, name));
        else if (node->additional && node->additional->has_uniques_below)
            check_uniques_below(u, node->additional, member, PATH_KEY(path, name));
    }
}

bool check_uniques(Arena *arena, const SchemaNode *node, yyjson_val *value, const Path *path,
                   Causes *causes)
{
    Uniques u = {.arena = arena, .causes = causes};

    if (node->has_uniques_below && yyjson_is_ctn(value))
        check_uniques_below(&u, node, value, path);
    return u.found;
}

/* ---- embedded resources ---- */

void fail_json(Causes *causes, const Path *path, const char *json, const char *detail)
{
    causes_add(causes, CAUSE_INVALID, path_text(path, causes), json, detail);
}

static const char *json_text(Arena *arena, yyjson_val *value)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode_tree(value, &text);
    return arena_strdup(arena, text.p);
}

static void check_api_version(Arena *arena, yyjson_val *value, const Path *path, Causes *causes)
{
    const char *text = yyjson_get_str(value), *slash;

    if (!value)
        fail_required(causes, path, "");
    else if (!text)
        fail_json(causes, path, json_text(arena, value), "must be a string");
    else if (!*text)
        fail_invalid(causes, path, text, "must not be empty");
    else if ((slash = strchr(text, '/')) && strchr(slash + 1, '/'))
        fail_invalid(causes, path, text,
                     arena_printf(arena, "unexpected GroupVersion string: %s", text));
}

static void check_kind(Arena *arena, yyjson_val *value, const Path *path, Causes *causes)
{
    const char *text = yyjson_get_str(value);
    Faults faults;

    if (!value) {
        fail_required(causes, path, "");
        return;
    }
    if (!text) {
        fail_json(causes, path, json_text(arena, value), "must be a string");
        return;
    }
    if (!*text) {
        fail_invalid(causes, path, text, "must not be empty");
        return;
    }
    faults = check_dns_1035_label(text_lower(arena, text));
    for (size_t i = 0; i < faults.n; i++)
        fail_invalid(causes, path, text,
                     arena_printf(arena, "may have mixed case, but should otherwise match: %s",
                                  faults.v[i]));
}

static void check_metadata(Arena *arena, yyjson_val *value, const Path *path, Causes *causes)
{
    ObjectMeta *meta = arena_new(arena, ObjectMeta);
    DecodeReport report = {0};

    if (json_decode(&type_ObjectMeta, arena, value, 0, NULL, meta, &report)) {
        fail_json(causes, path, json_text(arena, value), report.error);
        return;
    }
    if (!str_empty(meta->generate_name))
        fail_faults(causes, PATH(path, "generateName"), meta->generate_name,
                    check_name_prefix(check_path_segment, meta->generate_name));
    if (!str_empty(meta->name))
        fail_faults(causes, PATH(path, "name"), meta->name, check_path_segment(meta->name));
    if (!str_empty(meta->namespace))
        fail_faults(causes, PATH(path, "namespace"), meta->namespace,
                    check_dns_label(meta->namespace));
    /* Compared with itself, nothing has changed, and names have been checked. */
    validate_object_meta(NULL, meta, meta, path_text(path, causes), causes);
}

static void check_embedded_resource(Arena *arena, yyjson_val *value, const Path *path,
                                    Causes *causes)
{
    Lookup lookup = lookup_of(arena, value);
    yyjson_val *metadata = lookup_find(&lookup, "metadata");

    check_api_version(arena, lookup_find(&lookup, "apiVersion"), PATH(path, "apiVersion"), causes);
    check_kind(arena, lookup_find(&lookup, "kind"), PATH(path, "kind"), causes);
    if (metadata)
        check_metadata(arena, metadata, PATH(path, "metadata"), causes);
}

void check_embedded(Arena *arena, const SchemaNode *node, yyjson_val *value, const Path *path,
                    Causes *causes)
{
    yyjson_val *key, *member;
    size_t i, n;

    if (!node->has_embedded_below)
        return;
    if (yyjson_is_arr(value) && node->items)
        yyjson_arr_foreach(value, i, n, member)
        {
            check_embedded(arena, node->items, member, PATH_INDEX(path, i), causes);
        }
    if (!yyjson_is_obj(value))
        return;
    if (node->embedded_resource)
        check_embedded_resource(arena, value, path, causes);
    yyjson_obj_foreach(value, i, n, key, member)
    {
        const char *name = yyjson_get_str(key);
        const SchemaNode *property = schema_property(node, name, yyjson_get_len(key));

        if (property)
            check_embedded(arena, property, member, PATH(path, name), causes);
        else if (node->additional)
            check_embedded(arena, node->additional, member, PATH_KEY(path, name), causes);
    }
}

/* ---- objects ---- */

/* After one of these, rules are not evaluated. */
static bool is_blocking(CauseType type)
{
    return type == CAUSE_NOT_SUPPORTED || type == CAUSE_REQUIRED || type == CAUSE_TOO_LONG ||
           type == CAUSE_TOO_MANY || type == CAUSE_TYPE_INVALID;
}

static void validate_status(Arena *arena, const SchemaNode *root, yyjson_val *object,
                            yyjson_val *before, Causes *causes)
{
    const SchemaNode *node = schema_property(root, "status", strlen("status"));
    yyjson_val *status = yyjson_obj_get(object, "status");
    FaultList faults = {0};

    if (!node || !status)
        return;
    check_value(arena, node, status, yyjson_obj_get(before, "status"), false, &faults);
    add_fault_causes(&faults, PATH(NULL, "status"), causes);
}

bool structural_validate(const Structural *structural, StructuralPart part, yyjson_val *object,
                         yyjson_val *before, Causes *causes)
{
    _arena_ Arena arena = ARENA_INIT;
    const SchemaNode *root = structural->root;
    FaultList faults = {0};
    size_t from = causes->n;

    if (!root)
        return true;
    if (part == STRUCTURAL_STATUS) {
        validate_status(&arena, root, object, before, causes);
    } else {
        check_value(&arena, root, object, before, false, &faults);
        add_fault_causes(&faults, NULL, causes);
        check_embedded(&arena, root, object, NULL, causes);
    }
    if (!before || !check_uniques(&arena, root, before, NULL, NULL))
        check_uniques(&arena, root, object, NULL, causes);
    for (size_t i = from; i < causes->n; i++) {
        if (!is_blocking(causes->v[i].type))
            continue;
        if (root->has_rules_below)
            causes_add(causes, CAUSE_INVALID, "<nil>", "null",
                       "some validation rules were not checked because the object was invalid; "
                       "correct the existing errors to complete validation");
        return false;
    }
    return true;
}

/* ---- rules ---- */

static void visit(Arena *arena, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                  const Path *path, StructuralVisit *v)
{
    yyjson_val *key, *member;
    size_t i, n;
    Lookup in_before;

    if (!node || !node->has_rules_below)
        return;
    if (node->n_rules)
        v->on_value(v, node, value, before, path);
    if (yyjson_is_arr(value) && node->items && node->items->has_rules_below) {
        ListIndex index = list_index(arena, node, before);

        yyjson_arr_foreach(value, i, n, member)
        {
            visit(arena, node->items, member, list_index_find(arena, &index, node, member),
                  PATH_INDEX(path, i), v);
        }
        return;
    }
    in_before = lookup_of(arena, before);
    yyjson_obj_foreach(value, i, n, key, member)
    {
        const char *name = yyjson_get_str(key);
        const SchemaNode *property = schema_property(node, name, yyjson_get_len(key));
        const SchemaNode *below = property ? property : node->additional;

        if (below && below->has_rules_below)
            visit(arena, below, member, lookup_find(&in_before, name),
                  property ? PATH(path, name) : PATH_KEY(path, name), v);
    }
}

void structural_visit(const Structural *structural, StructuralPart part _unused_,
                      yyjson_val *object, yyjson_val *before, StructuralVisit *v)
{
    _arena_ Arena arena = ARENA_INIT;

    visit(&arena, structural->root, object, before, NULL, v);
}
