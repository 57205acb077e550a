/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the defaults of a schema: each has to be a valid value of its schema, without unknown fields. */
#include "api/structural/internal.h"
#include "codec/json/json.h"

/* Whether something of the value would be dropped. `keep`: unknown members of the node itself are kept. */
static bool has_unknown(const SchemaNode *node, yyjson_val *value, bool keep)
{
    yyjson_val *key, *member;
    size_t i, n;

    keep |= node && node->preserve_unknown;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, n, member)
        {
            if (node && node->items ? has_unknown(node->items, member, keep)
                                    : !keep && has_unknown(NULL, member, false))
                return true;
        }
        return false;
    }
    yyjson_obj_foreach(value, i, n, key, member)
    {
        const char *name = yyjson_get_str(key);
        const SchemaNode *property = node ? schema_property(node, name, yyjson_get_len(key)) : NULL;

        if (node && node->embedded_resource &&
            (str_equal(name, "apiVersion") || str_equal(name, "kind") ||
             str_equal(name, "metadata")))
            continue;
        if (property || (node && node->additional_given)) {
            if (has_unknown(property ? property : node->additional, member, false))
                return true;
        } else if (!keep) {
            return true;
        }
    }
    return false;
}

static void check_default(Arena *arena, const SchemaNode *node, bool inside_meta, const Path *path,
                          Causes *causes)
{
    const Path *at = PATH(path, "default");
    DecodeReport report = {0};
    FaultList faults = {0};
    yyjson_doc *doc;
    yyjson_val *value;
    size_t from;

    if (NEVER(json_parse(arena, bytes_from_string(node->default_json), &doc, &report)))
        return;
    value = yyjson_doc_get_root(doc);
    if (!inside_meta && has_unknown(node, value, false))
        fail_json(causes, at, node->default_json, "must not have unknown fields");
    from = causes->n;
    if (!inside_meta)
        check_embedded(arena, node, value, at, causes);
    if (causes->n > from)
        return;
    check_value(arena, node, value, NULL, true, &faults);
    add_fault_causes(&faults, at, causes);
}

static void check_below(Arena *arena, const SchemaNode *node, bool inside_meta, const Path *path,
                        Causes *causes)
{
    bool has_meta = node->embedded_resource;

    if (has_meta)
        inside_meta = false;
    if (node->default_json)
        check_default(arena, node, inside_meta, path, causes);
    if (node->items)
        check_below(arena, node->items, inside_meta, PATH(path, "items"), causes);
    for (size_t i = 0; i < node->n_properties; i++) {
        const char *name = node->properties[i].name;
        bool meta = has_meta && (str_equal(name, "metadata") || str_equal(name, "kind") ||
                                 str_equal(name, "apiVersion"));

        check_below(arena, node->properties[i].node, inside_meta || meta,
                    PATH_KEY(PATH(path, "properties"), name), causes);
    }
}

void check_defaults(Arena *arena, const SchemaNode *root, const Path *path, Causes *causes)
{
    SchemaNode whole = *root; /* a resource with metadata, as embedded ones are */

    whole.embedded_resource = whole.has_embedded_below = true;
    check_below(arena, &whole, false, path, causes);
}
