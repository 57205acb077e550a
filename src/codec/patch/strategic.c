/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patch, as kubectl apply and edit send it: a merge patch that knows which lists
 * are merged, and by which member of their elements. The type's table says so.
 *
 *   $patch: replace | delete           in a map or, as an element of its own, in a list
 *   $retainKeys: [names]               all other members of the map go
 *   $setElementOrder/LIST: [...]       the order wanted of the merged list
 *   $deleteFromPrimitiveList/LIST      values to take out of a list of scalars
 *
 * The order of a merged list: elements that the patch names are in the order of the patch, and all
 * others keep their places relative to these as far as possible. Elements are looked up by the text
 * of their merge key in a hash map, so that a long list costs its length and not its square.
 */
#include "base/strmap.h"
#include "base/vec.h"
#include "codec/json/json.h"
#include "codec/json/members.h"
#include "codec/patch/patch.h"

#define DIRECTIVE "$patch"
#define RETAIN_KEYS "$retainKeys"
#define ELEMENT_ORDER "$setElementOrder/"
#define DELETE_SCALARS "$deleteFromPrimitiveList/"

/* Limits how many elements of a patch may be merged into an element that the same patch has already
 * changed or added. Each such merge takes time in proportion to the whole element. */
enum { REPEATS_MAX = 100 };

typedef struct Merge {
    yyjson_mut_doc *doc;
    Arena *arena;
    const char **reterr;
    unsigned repeats;
} Merge;

/* The elements of a list as an array in the arena, so that they can be put into another list. */
typedef struct Items {
    yyjson_mut_val **v;
    size_t n;
} Items;

typedef struct Member {
    const char *name; /* NULL: dealt with */
    yyjson_mut_val *value;
} Member;

typedef struct Members {
    Member *v;
    size_t n;
    TextMap index; /* value: 1 + position in v */
} Members;

/* First position of each identity. */
typedef struct Positions {
    StrMap map;
} Positions;

#define _positions_ _cleanup_(positions_deinit)

static void positions_deinit(Positions *positions)
{
    strmap_deinit(&positions->map);
}

static int fail(Merge *m, int r, const char *format, ...) _printf_(3, 4);
static int fail(Merge *m, int r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (m->reterr)
        *m->reterr = arena_vprintf(m->arena, format, args);
    va_end(args);
    return r;
}

/* ---- Go's %v, for messages ---- */

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const Member *)a)->name, ((const Member *)b)->name);
}

/* If several members have the same name, the last one counts. */
static Members members_of(Merge *m, yyjson_mut_val *object)
{
    Members members = {.v = arena_new_n(m->arena, Member, yyjson_mut_obj_size(object) + 1),
                       .index = TEXT_MAP_INIT(m->arena)};
    size_t i, n;
    yyjson_mut_val *key, *value;

    yyjson_mut_obj_foreach(object, i, n, key, value)
    {
        const char *name = yyjson_mut_get_str(key);
        bool is_new;
        TextMapSlot *slot = text_map_put_n(&members.index, name, strlen(name), &is_new);

        if (is_new)
            slot->value = (void *)(uintptr_t)++members.n;
        members.v[(uintptr_t)slot->value - 1] = (Member){name, value};
    }
    return members;
}

static void print_value(Merge *m, yyjson_mut_val *v, StrBuf *out)
{
    size_t i, n;
    yyjson_mut_val *element;
    Members members;

    if (yyjson_mut_is_str(v)) {
        strbuf_add_string(out, yyjson_mut_get_str(v));
    } else if (yyjson_mut_is_bool(v)) {
        strbuf_add_string(out, yyjson_mut_get_bool(v) ? "true" : "false");
    } else if (yyjson_mut_is_real(v)) {
        json_encode_double(out, yyjson_mut_get_real(v));
    } else if (yyjson_mut_is_num(v)) {
        strbuf_add_int64(out, yyjson_mut_get_sint(v));
    } else if (yyjson_mut_is_arr(v)) {
        strbuf_add_char(out, '[');
        yyjson_mut_arr_foreach(v, i, n, element)
        {
            if (i)
                strbuf_add_char(out, ' ');
            print_value(m, element, out);
        }
        strbuf_add_char(out, ']');
    } else if (yyjson_mut_is_obj(v)) {
        members = members_of(m, v);
        qsort(members.v, members.n, sizeof(*members.v), compare_members);
        strbuf_add_string(out, "map[");
        for (i = 0; i < members.n; i++) {
            strbuf_printf(out, "%s%s:", i ? " " : "", members.v[i].name);
            print_value(m, members.v[i].value, out);
        }
        strbuf_add_char(out, ']');
    } else {
        strbuf_add_string(out, "<nil>");
    }
}

static const char *value_text(Merge *m, yyjson_mut_val *v)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    print_value(m, v, &out);
    return arena_strdup(m->arena, strbuf_string(&out));
}

static int no_merge_key(Merge *m, yyjson_mut_val *v, const char *merge_key)
{
    return fail(m, PATCH_E_MALFORMED, "map: %s does not contain declared merge key: %s",
                value_text(m, v), merge_key);
}

static const char *go_type(yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(v)) {
    case YYJSON_TYPE_OBJ:
        return "map[string]interface {}";
    case YYJSON_TYPE_ARR:
        return "[]interface {}";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_NUM:
        return yyjson_mut_is_real(v) ? "float64" : "int64";
    default:
        return "%!s(<nil>)";
    }
}

/* ---- lists of items ---- */

static Items items_of(Merge *m, yyjson_mut_val *list)
{
    Items items = {arena_new_n(m->arena, yyjson_mut_val *, yyjson_mut_arr_size(list) + 1), 0};
    size_t i, n;
    yyjson_mut_val *element;

    yyjson_mut_arr_foreach(list, i, n, element) items.v[items.n++] = element;
    return items;
}

static Items items_new(Merge *m, size_t max)
{
    return (Items){arena_new_n(m->arena, yyjson_mut_val *, max + 1), 0};
}

static yyjson_mut_val *list_of(Merge *m, Items items)
{
    yyjson_mut_val *list = yyjson_mut_arr(m->doc);

    for (size_t i = 0; i < items.n; i++)
        yyjson_mut_arr_append(list, items.v[i]);
    return list;
}

/* The identity of an item: the value of its merge key, or the scalar itself. NULL: the item has no
 * such member. */
static const char *identity(Merge *m, yyjson_mut_val *item, const char *merge_key)
{
    yyjson_mut_val *v = merge_key ? yyjson_mut_obj_get(item, merge_key) : item;

    if (!v)
        return NULL;
    return arena_printf(m->arena, "%d:%s", yyjson_mut_get_type(v), value_text(m, v));
}

static void position_put(Merge *m, Positions *positions, yyjson_mut_val *item,
                         const char *merge_key, size_t at)
{
    const char *text = identity(m, item, merge_key);

    if (text && !strmap_get(&positions->map, text))
        strmap_put(&positions->map, text, (void *)(uintptr_t)(at + 1));
}

static void positions_init(Merge *m, Positions *positions, Items items, const char *merge_key)
{
    for (size_t i = 0; i < items.n; i++)
        position_put(m, positions, items.v[i], merge_key, i);
}

/* Returns -1 if the item is not there. */
static ssize_t position_of(Merge *m, const Positions *positions, yyjson_mut_val *item,
                           const char *merge_key)
{
    const char *text = identity(m, item, merge_key);

    return text ? (ssize_t)(uintptr_t)strmap_get(&positions->map, text) - 1 : -1;
}

typedef struct Placed {
    yyjson_mut_val *item;
    ssize_t at;
    size_t before; /* keeps the sort stable */
} Placed;

static int compare_placed(const void *a, const void *b)
{
    const Placed *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->before < y->before ? -1 : x->before > y->before;
}

static void sort_items(Merge *m, Items items, const Positions *order, const char *merge_key)
{
    Placed *placed = arena_new_n(m->arena, Placed, items.n + 1);

    for (size_t i = 0; i < items.n; i++)
        placed[i] = (Placed){items.v[i], position_of(m, order, items.v[i], merge_key), i};
    qsort(placed, items.n, sizeof(*placed), compare_placed);
    for (size_t i = 0; i < items.n; i++)
        items.v[i] = placed[i].item;
}

/* Sorts the items that `order` names in that order, and inserts the others by their previous
 * positions. The others are in their previous order already: a merge leaves existing items where
 * they are, and `order` names all items that it adds. */
static Items order_items(Merge *m, Items merged, Items order, Items before, const char *merge_key)
{
    _positions_ Positions wanted = {STRMAP_INIT}, was = {STRMAP_INIT};
    Items named = items_new(m, merged.n), others = items_new(m, merged.n),
          all = items_new(m, merged.n);
    size_t i = 0, j = 0;

    positions_init(m, &wanted, order, merge_key);
    positions_init(m, &was, before, merge_key);
    for (size_t k = 0; k < merged.n; k++) {
        Items *to = position_of(m, &wanted, merged.v[k], merge_key) >= 0 ? &named : &others;
        to->v[to->n++] = merged.v[k];
    }
    sort_items(m, named, &wanted, merge_key);
    while (i < others.n || j < named.n) {
        bool take_other = j == named.n;

        if (i < others.n && j < named.n) {
            ssize_t other_at = position_of(m, &was, others.v[i], merge_key);
            ssize_t named_at = position_of(m, &was, named.v[j], merge_key);
            take_other = other_at >= 0 && named_at >= 0 && other_at < named_at;
        }
        all.v[all.n++] = take_other ? others.v[i++] : named.v[j++];
    }
    return all;
}

/* ---- directives ---- */

static bool is_directive_name(const char *name)
{
    return str_equal(name, RETAIN_KEYS) || str_starts_with(name, ELEMENT_ORDER) ||
           str_starts_with(name, DELETE_SCALARS);
}

/* A value that is new in the object has nothing to merge with, so nulls and directives are removed
 * from it. False: the value itself is a directive. */
static bool clean(Merge *m, yyjson_mut_val **value)
{
    yyjson_mut_val *v = *value, *to;
    Members members;
    Items items;

    if (yyjson_mut_is_obj(v)) {
        if (yyjson_mut_obj_get(v, DIRECTIVE))
            return false;
        members = members_of(m, v);
        to = yyjson_mut_obj(m->doc);
        for (size_t i = 0; i < members.n; i++) {
            Member *member = &members.v[i];
            if (!yyjson_mut_is_null(member->value) && !is_directive_name(member->name) &&
                clean(m, &member->value))
                yyjson_mut_obj_add(to, yyjson_mut_strcpy(m->doc, member->name), member->value);
        }
        *value = to;
    } else if (yyjson_mut_is_arr(v)) {
        items = items_of(m, v);
        to = yyjson_mut_arr(m->doc);
        for (size_t i = 0; i < items.n; i++)
            if (clean(m, &items.v[i]))
                yyjson_mut_arr_append(to, items.v[i]);
        *value = to;
    }
    return true;
}

static int retain_keys(Merge *m, JsonMembers *original, Members *patch, yyjson_mut_val *names)
{
    _positions_ Positions kept = {STRMAP_INIT};

    if (!yyjson_mut_is_arr(names))
        return fail(m, PATCH_E_MALFORMED, "invalid patch format of retainKeys");
    positions_init(m, &kept, items_of(m, names), NULL);
    for (size_t i = 0; i < patch->n; i++) {
        Member *member = &patch->v[i];

        if (!member->name || yyjson_mut_is_null(member->value) || is_directive_name(member->name))
            continue;
        if (position_of(m, &kept, yyjson_mut_str(m->doc, member->name), NULL) < 0)
            return fail(m, PATCH_E_MALFORMED, "invalid patch format of retainKeys");
    }
    for (size_t i = 0; i < original->n; i++)
        if (position_of(m, &kept, original->v[i].key, NULL) < 0)
            original->v[i].value = NULL;
    return 0;
}

/* ---- merging ---- */

static int merge_map(Merge *m, const Type *type, yyjson_mut_val *original, yyjson_mut_val *patch,
                     yyjson_mut_val **ret);

static const Field *find_field(const Type *type, const char *name)
{
    const TypeName *found = type ? type_find(type, name, strlen(name)) : NULL;

    return found ? found->field : NULL;
}

static const Type *type_below(const Field *field)
{
    return field && field->value == VALUE_STRUCT && field->shape != SHAPE_MAP ? field->type : NULL;
}

/* Whether all items are of one type. Sets *maps if they are maps. */
static int check_elements(Merge *m, Items a, Items b, bool *maps)
{
    const char *sort = NULL;

    for (size_t i = 0; i < a.n + b.n; i++) {
        yyjson_mut_val *v = i < a.n ? a.v[i] : b.v[i - a.n];

        if (yyjson_mut_is_arr(v))
            return fail(m, PATCH_E_CONFLICT, "lists of lists are not supported");
        if (yyjson_mut_is_null(v) || (sort && !str_equal(sort, go_type(v))))
            return fail(m, PATCH_E_MALFORMED, "list element types are not identical: [%s %s]",
                        value_text(m, list_of(m, a)), value_text(m, list_of(m, b)));
        sort = go_type(v);
        *maps = yyjson_mut_is_obj(v);
    }
    return 0;
}

static Items filter_out(Merge *m, Items items, const Positions *out, const char *merge_key)
{
    Items kept = items_new(m, items.n);

    for (size_t i = 0; i < items.n; i++)
        if (position_of(m, out, items.v[i], merge_key) < 0)
            kept.v[kept.n++] = items.v[i];
    return kept;
}

static Items merge_scalars(Merge *m, Items original, Items patch)
{
    _positions_ Positions seen = {STRMAP_INIT};
    Items merged = items_new(m, original.n + patch.n);

    for (size_t i = 0; i < original.n + patch.n; i++) {
        yyjson_mut_val *v = i < original.n ? original.v[i] : patch.v[i - original.n];

        if (position_of(m, &seen, v, NULL) >= 0)
            continue;
        position_put(m, &seen, v, NULL, merged.n);
        merged.v[merged.n++] = v;
    }
    return merged;
}

/* Takes the elements that are directives out of the patch and carries them out. */
static int apply_element_directives(Merge *m, const char *merge_key, Items *original, Items *patch)
{
    _positions_ Positions deleted = {STRMAP_INIT};
    Items plain = items_new(m, patch->n);
    bool replace = false;

    for (size_t i = 0; i < patch->n; i++) {
        yyjson_mut_val *v = patch->v[i], *directive = yyjson_mut_obj_get(v, DIRECTIVE);
        const char *word = yyjson_mut_get_str(directive);

        if (!directive) {
            plain.v[plain.n++] = v;
        } else if (word && str_equal(word, "delete")) {
            if (!yyjson_mut_obj_get(v, merge_key))
                return no_merge_key(m, v, merge_key);
            position_put(m, &deleted, v, merge_key, i);
        } else if (word && str_equal(word, "replace")) {
            replace = true;
        } else if (word && str_equal(word, "merge")) {
            return fail(m, PATCH_E_MALFORMED, "merging lists cannot yet be specified in the patch");
        } else {
            return fail(m, PATCH_E_MALFORMED, "unknown patch type: %s in map: %s",
                        value_text(m, directive), value_text(m, v));
        }
    }
    *original = replace ? plain : filter_out(m, *original, &deleted, merge_key);
    *patch = replace ? items_new(m, 0) : plain;
    return 0;
}

static int merge_elements(Merge *m, const Type *type, const char *merge_key, Items original,
                          Items patch, Items *ret)
{
    _positions_ Positions known = {STRMAP_INIT};
    Items merged = items_new(m, original.n + patch.n);
    bool *touched = arena_new_n(m->arena, bool, original.n + patch.n + 1);
    int r;

    memcpy(merged.v, original.v, original.n * sizeof(*merged.v));
    merged.n = original.n;
    positions_init(m, &known, merged, merge_key);
    for (size_t i = 0; i < patch.n; i++) {
        ssize_t at;

        if (!yyjson_mut_obj_get(patch.v[i], merge_key))
            return no_merge_key(m, patch.v[i], merge_key);
        at = position_of(m, &known, patch.v[i], merge_key);
        if (at >= 0) {
            if (touched[at] && ++m->repeats > REPEATS_MAX)
                return fail(m, PATCH_E_MALFORMED, "too many elements with the same %s", merge_key);
            touched[at] = true;
            r = merge_map(m, type, merged.v[at], patch.v[i], &merged.v[at]);
            if (r)
                return r;
            continue;
        }
        position_put(m, &known, patch.v[i], merge_key, merged.n);
        touched[merged.n] = true;
        merged.v[merged.n] = patch.v[i];
        if (clean(m, &merged.v[merged.n]))
            merged.n++;
    }
    *ret = merged;
    return 0;
}

static int merge_list(Merge *m, const Field *field, yyjson_mut_val *original, yyjson_mut_val *patch,
                      bool deletion, Items *ret)
{
    Items before = items_of(m, original), wanted = items_of(m, patch), merged = {0};
    const char *merge_key = NULL;
    bool maps = false;
    int r;

    if (!deletion && !(field && field->flags & FIELD_PATCH_MERGE)) {
        *ret = wanted;
        return 0;
    }
    r = check_elements(m, before, wanted, &maps);
    if (r)
        return r;
    if (!maps && deletion) {
        _positions_ Positions out = {STRMAP_INIT};

        positions_init(m, &out, wanted, NULL);
        *ret = filter_out(m, before, &out, NULL);
        return 0;
    }
    if (!maps) {
        merged = merge_scalars(m, before, wanted);
    } else {
        merge_key = field ? field->patch_key : NULL;
        if (!merge_key)
            return fail(m, PATCH_E_MALFORMED, "cannot merge lists without merge key for %s",
                        field && field->type ? field->type->name : "");
        r = apply_element_directives(m, merge_key, &before, &wanted);
        if (r == 0)
            r = merge_elements(m, field->type, merge_key, before, wanted, &merged);
        if (r)
            return r;
    }
    *ret = order_items(m, merged, wanted, before, merge_key);
    return 0;
}

/* The patch's elements must come in the order that the directive gives. */
static int check_order(Merge *m, Items patch, Items order, const char *merge_key)
{
    size_t i = 0;

    if (patch.n == 0 || order.n == 0)
        return 0;
    for (size_t j = 0; i < patch.n && j < order.n;) {
        const char *a, *b;

        if (yyjson_mut_obj_get(patch.v[i], DIRECTIVE)) {
            i++;
            continue;
        }
        a = identity(m, patch.v[i], merge_key);
        b = identity(m, order.v[j], merge_key);
        if (!a || !b)
            return no_merge_key(m, a ? order.v[j] : patch.v[i], merge_key);
        i += str_equal(a, b);
        j++;
    }
    while (i < patch.n && yyjson_mut_obj_get(patch.v[i], DIRECTIVE))
        i++;
    if (i == patch.n)
        return 0;
    return fail(m, PATCH_E_MALFORMED,
                "The order in patch list:\n%s\n doesn't match $setElementOrder list:\n%s\n",
                value_text(m, list_of(m, patch)), value_text(m, list_of(m, order)));
}

static void member_set(Merge *m, JsonMembers *object, const char *name, yyjson_mut_val *v)
{
    json_members_put(object, yyjson_mut_strcpy(m->doc, name), v);
}

static yyjson_mut_val *member_get(const JsonMembers *object, const char *name)
{
    const JsonMember *member = json_members_find(object, name, strlen(name));

    return member ? member->value : NULL;
}

static void member_remove(JsonMembers *object, const char *name)
{
    JsonMember *member = json_members_find(object, name, strlen(name));

    if (member)
        member->value = NULL;
}

static Member *member_find(Members *members, const char *name)
{
    void *at = text_map_get(&members->index, name);
    Member *member = at ? &members->v[(uintptr_t)at - 1] : NULL;

    return member && member->name ? member : NULL;
}

/* Carries out a $setElementOrder directive: merges the list that it refers to, and sorts it. */
static int merge_in_order(Merge *m, const Type *type, JsonMembers *original, Members *patch,
                          const char *name, yyjson_mut_val *directive)
{
    const Field *field = find_field(type, name);
    Member *member = member_find(patch, name);
    yyjson_mut_val *before = member_get(original, name), *wanted = member ? member->value : NULL;
    const char *merge_key = field ? field->patch_key : NULL;
    Items order, merged;
    int r;

    if (!yyjson_mut_is_arr(directive) || (before && !yyjson_mut_is_arr(before)) ||
        (wanted && !yyjson_mut_is_arr(wanted)))
        return fail(m, PATCH_E_MALFORMED, "expected a []interface {}, but received a %s",
                    go_type(!yyjson_mut_is_arr(directive)          ? directive
                            : before && !yyjson_mut_is_arr(before) ? before
                                                                   : wanted));
    if (!field)
        return fail(m, PATCH_E_MALFORMED,
                    "unable to find api field in struct %s for the json field \"%s\"",
                    type ? type->name : "", name);
    order = items_of(m, directive);
    r = wanted ? check_order(m, items_of(m, wanted), order, merge_key) : 0;
    if (r)
        return r;
    if (!before && !wanted)
        return 0;
    if (!wanted) {
        merged = items_of(m, before);
    } else if (!before) {
        clean(m, &wanted);
        merged = items_of(m, wanted);
    } else {
        r = merge_list(m, field, before, wanted, false, &merged);
        if (r)
            return r;
    }
    for (size_t i = 0; merge_key && i < merged.n; i++)
        if (!yyjson_mut_obj_get(merged.v[i], merge_key))
            return no_merge_key(m, merged.v[i], merge_key);
    merged =
        order_items(m, merged, order, before ? items_of(m, before) : items_new(m, 0), merge_key);
    if (member)
        member->name = NULL;
    member_set(m, original, name, list_of(m, merged));
    return 0;
}

static int merge_member(Merge *m, const Type *type, JsonMembers *original, const Member *member)
{
    bool deletion = str_starts_with(member->name, DELETE_SCALARS);
    const char *name = deletion ? member->name + strlen(DELETE_SCALARS) : member->name;
    yyjson_mut_val *before = member_get(original, name), *v = member->value;
    const Field *field;
    Items items;
    int r;

    if (yyjson_mut_is_null(v)) {
        member_remove(original, name);
        return 0;
    }
    if (deletion && (!before || !yyjson_mut_is_arr(before) || !yyjson_mut_is_arr(v)))
        return 0;
    field = find_field(type, name);
    if (before && yyjson_mut_is_obj(before) && yyjson_mut_is_obj(v)) {
        r = merge_map(m, type_below(field), before, v, &v);
        if (r)
            return r;
        if (v == before)
            return 0;
    } else if (before && yyjson_mut_is_arr(before) && yyjson_mut_is_arr(v)) {
        r = merge_list(m, field, before, v, deletion, &items);
        if (r)
            return r;
        v = list_of(m, items);
    } else if (!clean(m, &v)) {
        member_remove(original, name);
        return 0;
    }
    member_set(m, original, name, v);
    return 0;
}

static int merge_members(Merge *m, const Type *type, JsonMembers *original, Members *patch)
{
    Member *retain = member_find(patch, RETAIN_KEYS);
    int r;

    if (retain) {
        retain->name = NULL;
        r = retain_keys(m, original, patch, retain->value);
        if (r)
            return r;
    }
    for (size_t i = 0; i < patch->n; i++) {
        const char *name = patch->v[i].name;

        if (!name || !str_starts_with(name, ELEMENT_ORDER))
            continue;
        patch->v[i].name = NULL;
        r = merge_in_order(m, type, original, patch, name + strlen(ELEMENT_ORDER),
                           patch->v[i].value);
        if (r)
            return r;
    }
    for (size_t i = 0; i < patch->n; i++) {
        r = patch->v[i].name ? merge_member(m, type, original, &patch->v[i]) : 0;
        if (r)
            return r;
    }
    return 0;
}

static int merge_map(Merge *m, const Type *type, yyjson_mut_val *original, yyjson_mut_val *patch,
                     yyjson_mut_val **ret)
{
    yyjson_mut_val *directive = yyjson_mut_obj_get(patch, DIRECTIVE);
    JsonMembers to;
    Members from;
    int r;

    if (directive && yyjson_mut_equals_str(directive, "replace")) {
        yyjson_mut_obj_remove_key(patch, DIRECTIVE);
        *ret = patch;
        return 0;
    }
    if (directive && yyjson_mut_equals_str(directive, "delete")) {
        *ret = yyjson_mut_obj(m->doc);
        return 0;
    }
    if (directive)
        return fail(m, PATCH_E_MALFORMED, "unknown patch type: %s in map: %s",
                    value_text(m, directive), value_text(m, patch));
    to = json_members(m->arena, original);
    from = members_of(m, patch);
    r = merge_members(m, type, &to, &from);
    if (r)
        return r;
    json_members_close(&to, original);
    *ret = original;
    return 0;
}

int patch_strategic(const Type *type, yyjson_mut_doc *doc, yyjson_mut_val *object,
                    yyjson_val *patch, Arena *arena, yyjson_mut_val **ret, const char **reterr)
{
    Merge m = {.doc = doc, .arena = arena, .reterr = reterr};

    if (!yyjson_is_obj(patch) || !yyjson_mut_is_obj(object))
        return fail(&m, PATCH_E_MALFORMED, "invalid JSON document");
    return merge_map(&m, type, object, yyjson_val_mut_copy(doc, patch), ret);
}
