/* SPDX-License-Identifier: Apache-2.0 */
/* The subresource scale of custom resources, whose numbers are where their definition says. */
#include "api/custom.h"
#include "api/object.h"
#include "api/scale.h"
#include "codec/json/json.h"

/* The value at a path such as ".spec.replicas", or NULL. */
static yyjson_val *value_at(yyjson_val *at, const char *path)
{
    while (path && *path == '.' && at) {
        size_t n = strcspn(path + 1, ".");

        at = yyjson_obj_getn(at, path + 1, n);
        path += 1 + n;
    }
    return path ? at : NULL;
}

void custom_scale_read(const Object *object, Arena *arena, CustomScale *ret)
{
    const CustomVersion *custom = object->kind->custom;
    _arena_ Arena scratch = ARENA_INIT;
    yyjson_val *root = json_encoded(object->kind->type, object_value(object), NULL, &scratch);
    yyjson_val *wanted = value_at(root, custom->scale_spec);
    yyjson_val *there = value_at(root, custom->scale_status);

    *ret = (CustomScale){
        .has_wanted = yyjson_is_int(wanted),
        .wanted = (int32_t)yyjson_get_int(wanted),
        .there = (int32_t)yyjson_get_int(there),
        .selector =
            arena_strdup(arena, str_or(yyjson_get_str(value_at(root, custom->scale_selector)), "")),
    };
}

/* Sets the number at the path, and makes the objects on the way that are missing. */
static void put_number(yyjson_mut_doc *doc, yyjson_mut_val *at, const char *path, int32_t number)
{
    while (*path == '.') {
        size_t n = strcspn(path + 1, ".");
        yyjson_mut_val *next = yyjson_mut_obj_getn(at, path + 1, n);
        yyjson_mut_val *key = yyjson_mut_strncpy(doc, path + 1, n);

        path += 1 + n;
        if (*path == '.' && yyjson_mut_is_obj(next)) {
            at = next;
            continue;
        }
        next = *path == '.' ? yyjson_mut_obj(doc) : yyjson_mut_sint(doc, number);
        yyjson_mut_obj_put(at, key, next);
        at = next;
    }
}

void custom_scale_write(Object *object, int32_t replicas)
{
    const Type *type = object->kind->type;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *tree = json_tree(type, object->value, doc);
    void *value = arena_alloc(&object->arena, type->size);
    DecodeReport report = {0};

    put_number(doc, tree, object->kind->custom->scale_spec, replicas);
    if (json_decode_tree(type, &object->arena, tree, 0, NULL, value, &report) == 0)
        object->value = value;
    yyjson_mut_doc_free(doc);
}
