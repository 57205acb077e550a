/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From `kubectl apply` to `kubectl apply --server-side` and back. Client-side apply keeps the
 * applied document in an annotation and owns its fields by Update. When the same user changes to
 * server-side apply,
 *
 *   - fields that the annotation holds just as they are now are his already: no conflict, and
 *   - the annotation follows what he applies, so that the client's way can go on from there.
 *
 * Both apply to the manager "kubectl" only; a client that does not want this uses another name.
 */
#include "api/object.h"
#include "base/vec.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "server/write/managed_fields.h"

#define ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"
#define SIZE_MAX_OF_ANNOTATION (256 * 1024)

static const char *annotation_of(const Write *write, const Object *object)
{
    if (!object || !str_equal(write->manager, "kubectl") || !str_empty(write->subresource))
        return NULL;
    return str_or(string_map_get(&object_meta(object)->annotations, ANNOTATION), NULL);
}

FieldSet *last_applied_owns(Write *write, const Object *live)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    const char *text = annotation_of(write, live), *why = NULL;
    const Type *type = write->kind->type;
    Arena *arena = &write->arena;
    DecodeReport report = {0};
    FieldSet *set, *changed, *removed = NULL;
    yyjson_doc *doc;
    yyjson_val *root;
    void *value;

    if (!text || json_parse(arena, bytes_from_string(text), &doc, &report))
        return NULL;
    root = yyjson_doc_get_root(doc);
    if (!str_equal(yyjson_get_str(yyjson_obj_get(root, "apiVersion")), write->kind->api_version))
        return NULL;
    set = fieldset_of_tree(type, arena, root, &why);
    value = arena_alloc(arena, type->size);
    memset(value, 0, type->size);
    if (why || json_decode(type, arena, root, 0, ignore, value, &report))
        return NULL;
    changed = fieldset_changed(type, arena, value, live->value, &removed);
    return fieldset_minus(arena, fieldset_minus(arena, set, changed), removed);
}

/* ---- keeping it up to date ---- */

static int compare_keys(const void *a, const void *b)
{
    yyjson_val *const *x = a, *const *y = b;

    return strcmp(yyjson_get_str(*x), yyjson_get_str(*y));
}

static void write_sorted(yyjson_val *value, bool in_annotations, StrBuf *out);

static void write_object(yyjson_val *object, bool skip, StrBuf *out)
{
    size_t idx, max;
    yyjson_val *key, *value;
    VEC(yyjson_val *) keys = {0};

    yyjson_obj_foreach(object, idx, max, key, value)
    {
        if (!skip || !yyjson_equals_str(key, ANNOTATION))
            VEC_PUSH(&keys, key);
    }
    if (keys.n)
        qsort(keys.v, keys.n, sizeof(*keys.v), compare_keys);
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < keys.n; i++) {
        strbuf_add_string(out, i ? "," : "");
        json_encode_string(out, yyjson_get_str(keys.v[i]), yyjson_get_len(keys.v[i]));
        strbuf_add_char(out, ':');
        write_sorted(yyjson_obj_iter_get_val(keys.v[i]),
                     yyjson_equals_str(keys.v[i], "annotations"), out);
    }
    strbuf_add_char(out, '}');
    VEC_DEINIT(&keys);
}

static void write_sorted(yyjson_val *value, bool in_annotations, StrBuf *out)
{
    size_t idx, max;
    yyjson_val *item;

    if (yyjson_is_obj(value)) {
        write_object(value, in_annotations, out);
    } else if (yyjson_is_arr(value)) {
        strbuf_add_char(out, '[');
        yyjson_arr_foreach(value, idx, max, item)
        {
            strbuf_add_string(out, idx ? "," : "");
            write_sorted(item, false, out);
        }
        strbuf_add_char(out, ']');
    } else if (yyjson_is_str(value)) {
        json_encode_string(out, yyjson_get_str(value), yyjson_get_len(value));
    } else {
        _free_ char *text = yyjson_val_write(value, 0, NULL);

        strbuf_add_string(out, text ? text : "null");
    }
}

void last_applied_refresh(Write *write, Object *object, yyjson_val *applied)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    StringMap *annotations = &object_meta(object)->annotations;

    if (!annotation_of(write, object))
        return;
    write_sorted(applied, false, &text);
    strbuf_add_char(&text, '\n');
    if (text.n > SIZE_MAX_OF_ANNOTATION)
        string_map_remove(annotations, ANNOTATION);
    else
        string_map_put(&object->arena, annotations, ANNOTATION,
                       arena_strdup(&object->arena, strbuf_string(&text)));
}
