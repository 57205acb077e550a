/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as Go sees them: looked up by name, compared, and told apart as items of lists. */
#include "api/structural/internal.h"

#include <math.h>

#include "codec/json/json.h"
#include "codec/json/members.h"

enum { LOOKUP_FEW = 12 };

Lookup lookup_of(Arena *arena, yyjson_val *object)
{
    Lookup lookup = {.object = yyjson_is_obj(object) ? object : NULL};

    if (yyjson_obj_size(lookup.object) > LOOKUP_FEW) {
        lookup.indexed = true;
        lookup.index = json_index(arena, object);
    }
    return lookup;
}

yyjson_val *lookup_find(const Lookup *lookup, const char *name)
{
    yyjson_val *key, *value, *found = NULL;
    size_t i, n, length;

    if (!lookup->object)
        return NULL;
    if (lookup->indexed)
        return text_map_get(&lookup->index, name);
    length = strlen(name);
    yyjson_obj_foreach(lookup->object, i, n, key, value)
    {
        if (yyjson_get_len(key) == length && memcmp(yyjson_get_str(key), name, length) == 0)
            found = value;
    }
    return found;
}

static bool same_objects(Arena *arena, yyjson_val *a, yyjson_val *b)
{
    yyjson_val *key, *value;
    size_t i, n;
    Lookup in_b;

    if (yyjson_obj_size(a) != yyjson_obj_size(b))
        return false;
    in_b = lookup_of(arena, b);
    yyjson_obj_foreach(a, i, n, key, value)
    {
        yyjson_val *other = lookup_find(&in_b, yyjson_get_str(key));

        if (!other || !json_same(arena, value, other))
            return false;
    }
    return true;
}

bool json_same(Arena *arena, yyjson_val *a, yyjson_val *b)
{
    if (!a || !b)
        return a == b;
    if (yyjson_is_obj(a) && yyjson_is_obj(b))
        return same_objects(arena, a, b);
    if (yyjson_is_arr(a) && yyjson_is_arr(b)) {
        size_t n = yyjson_arr_size(a);

        if (n != yyjson_arr_size(b))
            return false;
        a = yyjson_arr_get_first(a);
        b = yyjson_arr_get_first(b);
        for (size_t i = 0; i < n; i++, a = unsafe_yyjson_get_next(a), b = unsafe_yyjson_get_next(b))
            if (!json_same(arena, a, b))
                return false;
        return true;
    }
    return yyjson_equals(a, b);
}

/* ---- items of lists ---- */

void list_key(const SchemaNode *list, yyjson_val *item, StrBuf *out)
{
    strbuf_truncate(out, 0);
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < list->sorted_keys.n; i++) {
        yyjson_val *value = yyjson_obj_get(item, list->sorted_keys.v[i]);

        if (!value)
            continue;
        if (out->n > 1)
            strbuf_add_char(out, ',');
        json_encode_string(out, list->sorted_keys.v[i], strlen(list->sorted_keys.v[i]));
        strbuf_add_char(out, ':');
        json_encode_tree(value, out);
    }
    strbuf_add_char(out, '}');
}

ListIndex list_index(Arena *arena, const SchemaNode *list, yyjson_val *before)
{
    ListIndex index = {TEXT_MAP_INIT(arena)};
    _strbuf_ StrBuf key = STRBUF_INIT;
    yyjson_val *item;
    size_t i, n;

    if (!str_equal(list->list_type, "map"))
        return index;
    yyjson_arr_foreach(before, i, n, item)
    {
        if (!yyjson_is_obj(item))
            continue;
        list_key(list, item, &key);
        text_map_put_first(&index.items, arena_strdup(arena, key.p), item);
    }
    return index;
}

yyjson_val *list_index_find(Arena *arena _unused_, const ListIndex *index, const SchemaNode *list,
                            yyjson_val *item)
{
    _strbuf_ StrBuf key = STRBUF_INIT;

    if (!index->items.n || !yyjson_is_obj(item))
        return NULL;
    list_key(list, item, &key);
    return text_map_get(&index->items, key.p);
}

/* ---- numbers ---- */

void print_double(StrBuf *out, double v)
{
    char text[40], *exponent;
    size_t mantissa;
    int precision;

    for (precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    if (v == 0 || (fabs(v) >= 1e-4 && fabs(v) < 1e21)) {
        if (v == 0)
            strbuf_add_string(out, signbit(v) ? "-0" : "0");
        else if (fabs(v) >= 1e-6)
            json_encode_double(out, v);
        return;
    }
    exponent = strchr(text, 'e');
    mantissa = (size_t)(exponent - text);
    strbuf_add(out, text, mantissa);
    strbuf_add_string(out, exponent);
}

#define INTEGER_MAX 9007199254740991.0
#define EPSILON 1e-9

bool double_is_integer(double v)
{
    double rounded;

    if (isnan(v) || v < -INTEGER_MAX || v > INTEGER_MAX)
        return false;
    rounded = round(v);
    if (v == rounded)
        return true;
    return rounded != 0 && fabs(v - rounded) < EPSILON * fabs(rounded);
}
