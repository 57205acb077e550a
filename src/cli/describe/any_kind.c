/* SPDX-License-Identifier: Apache-2.0 */
/* Describes objects of kinds that have no description of their own: lists all members under their names,
 * split into words. */
#include <ctype.h>

#include "cli/describe/line.h"

/* Adds the name of a member as words: "Storage Class Name" for "storageClassName". */
static void add_label(StrBuf *out, const char *name)
{
    static const char *const special[][2] = {{"apiVersion", "API Version"}, {"uid", "UID"}};

    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (str_equal(name, special[i][0])) {
            strbuf_add_string(out, special[i][1]);
            return;
        }
    for (const char *c = name; *c; c++)
        if (!isalpha((unsigned char)*c) && *c != '-') {
            strbuf_add_string(out, name);
            return;
        }
    for (const char *c = name; *c; c++) {
        bool upper = isupper((unsigned char)*c);

        if (c > name && upper && (!isupper((unsigned char)c[-1]) || islower((unsigned char)c[1])))
            strbuf_add_char(out, ' ');
        strbuf_add_char(out, c == name ? (char)toupper((unsigned char)*c) : *c);
    }
}

static void add_scalar(StrBuf *out, yyjson_val *value)
{
    if (yyjson_is_str(value))
        strbuf_add_string(out, yyjson_get_str(value));
    else if (yyjson_is_bool(value))
        strbuf_add_string(out, yyjson_get_bool(value) ? "true" : "false");
    else if (yyjson_is_int(value))
        strbuf_printf(out, "%" PRId64, yyjson_get_sint(value));
    else if (yyjson_is_real(value))
        strbuf_printf(out, "%g", yyjson_get_real(value));
    else
        strbuf_add_string(out, "<nil>");
}

static bool is_skipped(const char *path)
{
    static const char *const skipped[] = {".metadata.managedFields", ".metadata.name",
                                          ".metadata.namespace", ".metadata.labels",
                                          ".metadata.annotations"};

    for (size_t i = 0; i < ARRAY_LEN(skipped); i++)
        if (str_equal(path, skipped[i]))
            return true;
    return false;
}

static void add_member(StrBuf *out, yyjson_val *value, size_t depth, const char *path)
{
    yyjson_val *item;
    size_t i, n;

    if (yyjson_is_obj(value)) {
        strbuf_add_char(out, '\n');
        describe_tree(out, value, depth + 1, path);
    } else if (yyjson_is_arr(value)) {
        strbuf_add_char(out, '\n');
        yyjson_arr_foreach(value, i, n, item)
        {
            if (yyjson_is_obj(item)) {
                describe_tree(out, item, depth + 1, path);
                continue;
            }
            strbuf_printf(out, "%*s", (int)(depth + 1) * 2, "");
            add_scalar(out, item);
            strbuf_add_char(out, '\n');
        }
    } else {
        strbuf_add_char(out, '\t');
        add_scalar(out, value);
        strbuf_add_char(out, '\n');
    }
}

void describe_tree(StrBuf *out, yyjson_val *object, size_t depth, const char *path)
{
    Keys names = describe_sorted_keys(object);

    for (size_t i = 0; i < names.n; i++) {
        _free_ char *inner = mem_printf("%s.%s", path, names.v[i]);

        if (is_skipped(inner))
            continue;
        strbuf_printf(out, "%*s", (int)depth * 2, "");
        add_label(out, names.v[i]);
        strbuf_add_char(out, ':');
        add_member(out, yyjson_obj_get(object, names.v[i]), depth, inner);
    }
    VEC_DEINIT(&names);
}

void describe_other(Description *d)
{
    name_and_namespace(d);
    labels_and_annotations(d);
    describe_tree(&d->out, d->object, 0, "");
}
