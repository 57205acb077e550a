/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON merge patch, RFC 7386. If several members of a patch have the same name, only the last one
 * is used, as in Go; otherwise each of them would cost a search through the members of the object.
 */
#include "codec/json/members.h"
#include "codec/patch/patch.h"

/* A copy without members that are null; elements of lists stay. */
static yyjson_mut_val *copy_pruned(yyjson_mut_doc *doc, yyjson_val *v)
{
    yyjson_mut_val *copy;
    yyjson_val *key, *child;
    size_t i, n;

    if (yyjson_is_arr(v)) {
        copy = yyjson_mut_arr(doc);
        yyjson_arr_foreach(v, i, n, child) yyjson_mut_arr_append(copy, copy_pruned(doc, child));
        return copy;
    }
    if (!yyjson_is_obj(v))
        return yyjson_val_mut_copy(doc, v);
    copy = yyjson_mut_obj(doc);
    yyjson_obj_foreach(v, i, n, key, child)
    {
        if (!yyjson_is_null(child))
            yyjson_mut_obj_add(copy, yyjson_val_mut_copy(doc, key), copy_pruned(doc, child));
    }
    return copy;
}

static void merge_members(yyjson_mut_doc *doc, Arena *arena, yyjson_mut_val *object,
                          yyjson_val *patch)
{
    JsonMembers members = json_members(arena, object);
    TextMap last = json_index(arena, patch);
    size_t i, n;
    yyjson_val *key, *v;

    yyjson_obj_foreach(patch, i, n, key, v)
    {
        JsonMember *now = json_members_find(&members, yyjson_get_str(key), yyjson_get_len(key));

        if (v != text_map_find_n(&last, yyjson_get_str(key), yyjson_get_len(key))->value)
            continue;
        if (yyjson_is_null(v)) {
            if (now)
                now->value = NULL;
        } else if (now && yyjson_mut_is_obj(now->value) && yyjson_is_obj(v)) {
            merge_members(doc, arena, now->value, v);
        } else {
            json_members_put(&members, yyjson_val_mut_copy(doc, key), copy_pruned(doc, v));
        }
    }
    json_members_close(&members, object);
}

int patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch, Arena *arena,
                yyjson_mut_val **ret)
{
    if (!yyjson_is_obj(patch))
        return PATCH_E_MALFORMED;
    if (!yyjson_mut_is_obj(object)) {
        *ret = copy_pruned(doc, patch);
        return 0;
    }
    merge_members(doc, arena, object, patch);
    *ret = object;
    return 0;
}
