/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include "base/vec.h"
#include "codec/json/json.h"
#include "codec/yaml/yaml.h"

typedef struct Member {
    yyjson_val *key, *value;
} Member;

static int by_key(const void *a, const void *b)
{
    return strcmp(yyjson_get_str(((const Member *)a)->key),
                  yyjson_get_str(((const Member *)b)->key));
}

static yyjson_mut_val *sorted(yyjson_mut_doc *doc, yyjson_val *json, bool managed_fields,
                              bool in_metadata)
{
    yyjson_mut_val *out;
    yyjson_val *key, *item;
    VEC(Member) members = VEC_INIT;
    size_t i, n;

    if (yyjson_is_arr(json)) {
        out = yyjson_mut_arr(doc);
        yyjson_arr_foreach(json, i, n, item)
            yyjson_mut_arr_append(out, sorted(doc, item, managed_fields, false));
        return out;
    }
    if (!yyjson_is_obj(json))
        return yyjson_val_mut_copy(doc, json);
    yyjson_obj_foreach(json, i, n, key, item)
    {
        if (!in_metadata || managed_fields || !yyjson_equals_str(key, "managedFields"))
            VEC_PUSH(&members, ((Member){key, item}));
    }
    if (members.n)
        qsort(members.v, members.n, sizeof(Member), by_key);
    out = yyjson_mut_obj(doc);
    for (i = 0; i < members.n; i++)
        yyjson_mut_obj_add(out, yyjson_val_mut_copy(doc, members.v[i].key),
                           sorted(doc, members.v[i].value, managed_fields,
                                  yyjson_equals_str(members.v[i].key, "metadata")));
    VEC_DEINIT(&members);
    return out;
}

yyjson_mut_val *output_sorted(yyjson_mut_doc *doc, yyjson_val *json, bool managed_fields)
{
    return sorted(doc, json, managed_fields, false);
}

/* ---- JSON ---- */

static void indent(StrBuf *out, size_t depth)
{
    strbuf_add_char(out, '\n');
    for (size_t i = 0; i < depth * 4; i++)
        strbuf_add_char(out, ' ');
}

static void add_json(yyjson_val *json, StrBuf *out, size_t depth)
{
    yyjson_val *key, *item;
    size_t i, n;

    if (yyjson_is_arr(json) && yyjson_arr_size(json)) {
        strbuf_add_char(out, '[');
        yyjson_arr_foreach(json, i, n, item)
        {
            if (i)
                strbuf_add_char(out, ',');
            indent(out, depth + 1);
            add_json(item, out, depth + 1);
        }
        indent(out, depth);
        strbuf_add_char(out, ']');
    } else if (yyjson_is_obj(json) && yyjson_obj_size(json)) {
        strbuf_add_char(out, '{');
        yyjson_obj_foreach(json, i, n, key, item)
        {
            if (i)
                strbuf_add_char(out, ',');
            indent(out, depth + 1);
            json_encode_string(out, yyjson_get_str(key), yyjson_get_len(key));
            strbuf_add_string(out, ": ");
            add_json(item, out, depth + 1);
        }
        indent(out, depth);
        strbuf_add_char(out, '}');
    } else {
        json_encode_tree(json, out);
    }
}

void output_json(yyjson_val *json, StrBuf *out)
{
    add_json(json, out, 0);
    strbuf_add_char(out, '\n');
}

/* ---- both ---- */

static void print(const OutputStyle *style, yyjson_mut_val *root, StrBuf *out)
{
    yyjson_doc *flat = yyjson_mut_val_imut_copy(root, NULL);

    if (style->yaml)
        yaml_print(yyjson_doc_get_root(flat), out);
    else
        output_json(yyjson_doc_get_root(flat), out);
    yyjson_doc_free(flat);
}

void output_object(const OutputStyle *style, yyjson_val *object, StrBuf *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    print(style, output_sorted(doc, object, style->managed_fields), out);
    yyjson_mut_doc_free(doc);
}

void output_list(const OutputStyle *style, yyjson_val *const *objects, size_t n, StrBuf *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *items, *meta;

    yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1");
    items = yyjson_mut_obj_add_arr(doc, root, "items");
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_append(items, output_sorted(doc, objects[i], style->managed_fields));
    yyjson_mut_obj_add_str(doc, root, "kind", "List");
    meta = yyjson_mut_obj_add_obj(doc, root, "metadata");
    yyjson_mut_obj_add_str(doc, meta, "resourceVersion", "");
    print(style, root, out);
    yyjson_mut_doc_free(doc);
}
