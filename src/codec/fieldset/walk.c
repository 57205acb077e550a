/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field sets of JSON trees and of values.
 *
 * The set of a tree (an applied configuration) contains what the tree mentions: leaves, items of
 * keyed lists and sets, and empty or null structs. The difference of two values contains the leaves
 * that differ, and each struct, map, list and item that only one of them has. This is what an
 * update owns; a create is compared with the empty value.
 */
#include "codec/fieldset/internal.h"
#include "codec/json/json.h"
#include "codec/json/members.h"

/* ---- trees ---- */

typedef struct TreeWalk {
    Arena *arena;
    StrBuf path;
    StrBuf errors;
    size_t n_errors;
} TreeWalk;

static void tree_error(TreeWalk *w, const char *text)
{
    w->n_errors++;
    strbuf_printf(&w->errors, "\n  %s: %s", strbuf_string(&w->path), text);
}

/* "string", "x": the value in the words of Go's %T and %#v. */
static const char *tree_value_text(TreeWalk *w, yyjson_val *json, bool type_only)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (type_only || yyjson_is_ctn(json))
        return yyjson_is_str(json)    ? "string"
               : yyjson_is_bool(json) ? "bool"
               : yyjson_is_arr(json)  ? "[]interface {}"
               : yyjson_is_obj(json)  ? "map[string]interface {}"
               : yyjson_is_real(json) ? "float64"
                                      : "int64";
    json_encode_tree(json, &text);
    return arena_strdup(w->arena, text.p);
}

static void tree_check_scalar(TreeWalk *w, const Field *field, yyjson_val *json)
{
    if (yyjson_is_null(json) || field->value == VALUE_RAW || field->value == VALUE_STRUCT)
        return;
    if (field->value == VALUE_BOOL) {
        if (!yyjson_is_bool(json))
            tree_error(w, arena_printf(w->arena, "expected boolean, got %s",
                                       tree_value_text(w, json, false)));
    } else if (field->value <= VALUE_DOUBLE) {
        if (!yyjson_is_num(json))
            tree_error(w, arena_printf(w->arena, "expected numeric (int or float), got %s",
                                       tree_value_text(w, json, true)));
    } else if (field->value == VALUE_QUANTITY || field->value == VALUE_INT_OR_STRING) {
        if (yyjson_is_ctn(json))
            tree_error(w, arena_printf(w->arena, "expected any scalar, got %s",
                                       tree_value_text(w, json, true)));
    } else if (!yyjson_is_str(json)) {
        tree_error(
            w, arena_printf(w->arena, "expected string, got %s", tree_value_text(w, json, false)));
    }
}

static FieldSet *tree_members(TreeWalk *w, Schema schema, yyjson_val *object, bool root);

/* A struct, a map, or what the table does not know. */
static FieldSet *tree_thing(TreeWalk *w, Schema schema, yyjson_val *json, bool *member)
{
    if (yyjson_is_obj(json))
        return tree_members(w, schema, json, false);
    if (schema.type && !yyjson_is_null(json))
        tree_error(
            w, arena_printf(w->arena, "expected map, got &{%s}", tree_value_text(w, json, false)));
    *member |= !schema.type && !schema.container;
    return NULL;
}

static int compare_elements(const void *a, const void *b)
{
    return element_compare(*(const Element *const *)a, *(const Element *const *)b);
}

static void tree_check_unique(TreeWalk *w, const FieldSet *items)
{
    size_t n = items ? items->n : 0;
    const Element **v = arena_new_n(w->arena, const Element *, n + 1);

    for (size_t i = 0; i < n; i++)
        v[i] = &items->v[i].element;
    qsort(v, n, sizeof(*v), compare_elements);
    for (size_t i = 1; i < n; i++) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        if (element_compare(v[i - 1], v[i]) != 0)
            continue;
        element_print_path(v[i], &text);
        tree_error(w, arena_printf(w->arena, "duplicate entries for key %s", text.p));
    }
}

static FieldSet *tree_items(TreeWalk *w, const Field *field, yyjson_val *list)
{
    FieldSet *out = NULL;
    Schema below = {.type = field->value == VALUE_STRUCT && !(field->flags & FIELD_ATOMIC_STRUCT)
                                ? field->type
                                : NULL};
    size_t i, n, before = w->path.n;
    yyjson_val *item;

    yyjson_arr_foreach(list, i, n, item)
    {
        Element element;
        FieldSet *children = NULL;
        FieldNode *node;
        bool member = true;
        const char *why = element_of_json(w->arena, field, item, &element);

        if (why) {
            tree_error(w, arena_printf(w->arena, "element %zu: %s", i, why));
            continue;
        }
        element_print_path(&element, &w->path);
        if (below.type)
            children = tree_thing(w, below, item, &member);
        strbuf_truncate(&w->path, before);
        node = fieldset_push(w->arena, &out, element);
        node->member = true;
        node->children = children;
    }
    tree_check_unique(w, out);
    fieldset_sort(w->arena, out);
    return out;
}

static FieldSet *tree_field(TreeWalk *w, const Field *field, yyjson_val *json, bool *member)
{
    bool atomic = field && field->flags & FIELD_ATOMIC_STRUCT;

    if (!field)
        return tree_thing(w, (Schema){0}, json, member);
    if (field->shape == SHAPE_LIST) {
        if (!yyjson_is_null(json) && !yyjson_is_arr(json))
            tree_error(w, arena_printf(w->arena, "expected list, got &{%s}",
                                       tree_value_text(w, json, false)));
        else if (field->list_kind == LIST_ATOMIC)
            *member = true;
        else if (yyjson_is_arr(json))
            return tree_items(w, field, json);
        return NULL;
    }
    if (field->shape == SHAPE_MAP) {
        if (!yyjson_is_null(json) && !yyjson_is_obj(json))
            tree_error(w, arena_printf(w->arena, "expected map, got &{%s}",
                                       tree_value_text(w, json, false)));
        else if (atomic)
            *member = true;
        else if (yyjson_is_obj(json))
            return tree_members(w, (Schema){.container = field}, json, false);
        return NULL;
    }
    if (!atomic && type_bare_map(field) && type_is_open(type_bare_map(field)))
        return tree_thing(w, (Schema){0}, json, member);
    if (!atomic && type_bare_map(field))
        return tree_field(w, type_bare_map(field), json, member);
    if (field->value != VALUE_STRUCT || atomic || type_is_bare(field->type)) {
        tree_check_scalar(w, field, json);
        *member = true;
        return NULL;
    }
    return tree_thing(w, (Schema){.type = field->type}, json, member);
}

static FieldSet *tree_members(TreeWalk *w, Schema schema, yyjson_val *object, bool root)
{
    FieldSet *out = NULL;
    size_t i, n, before = w->path.n;
    yyjson_val *key, *value;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        const char *text = yyjson_get_str(key);
        const TypeName *name =
            schema.type ? type_find(schema.type, text, yyjson_get_len(key)) : NULL;
        const Field *field = name && !type_is_open(name->field) ? name->field : NULL;
        FieldSet *children;
        FieldNode *node;
        bool member = false;

        if (root && !name && (str_equal(text, "apiVersion") || str_equal(text, "kind")))
            continue;
        strbuf_printf(&w->path, ".%s", str_or(text, ""));
        if (schema.container && type_bare_map(schema.container)) {
            children = tree_field(w, type_bare_map(schema.container), value, &member);
        } else if (schema.container && schema.container->value == VALUE_STRUCT &&
                   type_is_bare(schema.container->type)) {
            if (!yyjson_is_null(value) && !yyjson_is_arr(value))
                tree_error(w, arena_printf(w->arena, "expected list, got &{%s}",
                                           tree_value_text(w, value, false)));
            children = NULL;
        } else if (schema.container && schema.container->value == VALUE_STRUCT) {
            children = tree_thing(w, (Schema){.type = schema.container->type}, value, &member);
        } else if (schema.container) {
            tree_check_scalar(w, schema.container, value);
            children = NULL;
        } else {
            children = tree_field(w, field, value, &member);
        }
        strbuf_truncate(&w->path, before);
        member |=
            !name || yyjson_is_null(value) || (yyjson_is_obj(value) && yyjson_obj_size(value) == 0);
        if (!member && !children)
            continue;
        node = fieldset_push(
            w->arena, &out, element_field(name ? name->field->json : arena_strdup(w->arena, text)));
        node->member = member;
        node->children = children;
    }
    fieldset_sort(w->arena, out);
    return out;
}

FieldSet *fieldset_of_tree(const Type *type, Arena *arena, yyjson_val *json, const char **reterr)
{
    TreeWalk w = {.arena = arena};
    FieldSet *out = NULL;

    if (yyjson_is_obj(json))
        out = tree_members(&w, (Schema){.type = type}, json, true);
    else
        tree_error(&w, "expected map");
    if (w.n_errors) {
        /* one: ".path: text"; more: each on a line of its own */
        if (reterr)
            *reterr = w.n_errors == 1 ? arena_strdup(arena, w.errors.p + 3)
                                      : arena_printf(arena, "errors:%s", w.errors.p);
        out = NULL;
    }
    strbuf_deinit(&w.path);
    strbuf_deinit(&w.errors);
    return out;
}

/* ---- values ---- */

/* The result of a comparison, for the thing itself and for what is below it. */
typedef struct Diff {
    bool changed, removed;
    FieldSet *changed_below, *removed_below;
} Diff;

typedef struct Item {
    Element element;
    const char *thing;
} Item;

static void diff_attach(Arena *arena, Diff *up, Element element, const Diff *diff)
{
    FieldNode *node;

    if (diff->changed || diff->changed_below) {
        node = fieldset_push(arena, &up->changed_below, element);
        node->member = diff->changed;
        node->children = diff->changed_below;
    }
    if (diff->removed || diff->removed_below) {
        node = fieldset_push(arena, &up->removed_below, element);
        node->member = diff->removed;
        node->children = diff->removed_below;
    }
}

static bool is_present(const Field *field, const void *at)
{
    return !type_field_empty(field, at) || field->flags & FIELD_EMIT_ALWAYS;
}

/* Would its JSON be {}? */
static bool is_empty_struct(const Type *type, const void *value)
{
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++) {
        const void *at = field_at(value, field);

        if (field->flags & FIELD_INLINE) {
            if (field == type->extra) {
                if (((const List *)at)->n)
                    return false;
                continue;
            }
            at = field_thing(field, at);
            if (at && !is_empty_struct(field->type, at))
                return false;
        } else if (is_present(field, at)) {
            return false;
        }
    }
    return true;
}

static void diff_members(Arena *arena, const Type *type, const void *before, const void *after,
                         Diff *diff);

static void diff_struct(Arena *arena, const Type *type, const void *before, const void *after,
                        Diff *diff)
{
    if ((before && !is_empty_struct(type, before)) || (after && !is_empty_struct(type, after))) {
        diff_members(arena, type, before, after, diff);
        fieldset_sort(arena, diff->changed_below);
        fieldset_sort(arena, diff->removed_below);
    }
    diff->changed = !before;
    diff->removed = !after;
}

static void diff_list(Arena *arena, const Field *field, const List *before, const List *after,
                      Diff *diff);

static void diff_thing(Arena *arena, const Field *field, const void *before, const void *after,
                       Diff *diff)
{
    const Field *map = type_bare_map(field);

    if (map) {
        diff_list(arena, map, before ? field_at(before, map) : NULL,
                  after ? field_at(after, map) : NULL, diff);
        fieldset_sort(arena, diff->changed_below);
        fieldset_sort(arena, diff->removed_below);
        return;
    }
    if (field->value == VALUE_STRUCT && !type_is_bare(field->type) &&
        (field->shape == SHAPE_MAP || !(field->flags & FIELD_ATOMIC_STRUCT))) {
        diff_struct(arena, field->type, before, after, diff);
        return;
    }
    diff->changed = !before || (after && !type_thing_equal(field, before, after));
    diff->removed = !after;
}

static int compare_items(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int d = element_compare(&x->element, &y->element);

    return d ? d : (x->thing > y->thing) - (x->thing < y->thing);
}

/* Items in order of their elements; those of one element stay in the order of the list. */
static Item *items_of(Arena *arena, const Field *field, const List *list)
{
    size_t size = value_size(field), n = list ? list->n : 0;
    Item *items = arena_alloc_raw(arena, (n + 1) * sizeof(*items), 8);
    const char *at = list ? list->v : NULL;
    bool sorted = true;

    for (size_t i = 0; i < n; i++, at += size) {
        items[i].thing = at;
        if (field->shape == SHAPE_MAP) {
            items[i].element = element_field(*(const char *const *)(const void *)at);
            items[i].thing += TYPE_ENTRY_VALUE;
        } else {
            element_of_value(arena, field, at, &items[i].element);
        }
        sorted &= i == 0 || element_compare(&items[i - 1].element, &items[i].element) <= 0;
    }
    if (!sorted)
        qsort(items, n, sizeof(*items), compare_items);
    return items;
}

static size_t same_from(const Item *items, size_t from, size_t n)
{
    size_t to = from + 1;

    while (to < n && element_compare(&items[from].element, &items[to].element) == 0)
        to++;
    return to - from;
}

/* Items of one element: usually one on each side. Where there are more they count as one value. */
static void diff_items(Arena *arena, const Field *field, const Item *before, size_t n_before,
                       const Item *after, size_t n_after, Diff *diff)
{
    const void *b = n_before ? before->thing : NULL, *a = n_after ? after->thing : NULL;

    if (n_before <= 1 && n_after <= 1) {
        diff_thing(arena, field, b, a, diff);
    } else if (n_before >= 2 && n_after >= 2) {
        diff->changed = n_before != n_after;
        for (size_t i = 0; i < n_before && !diff->changed; i++)
            diff->changed = !type_thing_equal(field, before[i].thing, after[i].thing);
    } else if (n_before >= 2) {
        if (a)
            diff_thing(arena, field, NULL, a, diff);
        diff->removed = true;
    } else {
        if (b)
            diff_thing(arena, field, b, NULL, diff);
        diff->changed = true;
    }
}

static void diff_list(Arena *arena, const Field *field, const List *before, const List *after,
                      Diff *diff)
{
    size_t i = 0, j = 0, bn = before ? before->n : 0, an = after ? after->n : 0;
    Item *b = items_of(arena, field, before), *a = items_of(arena, field, after);

    while (i < bn || j < an) {
        int d = i == bn ? 1 : j == an ? -1 : element_compare(&b[i].element, &a[j].element);
        size_t from_b = d <= 0 ? same_from(b, i, bn) : 0, from_a = d >= 0 ? same_from(a, j, an) : 0;
        Element element = d <= 0 ? b[i].element : a[j].element;
        Diff below = {0};

        diff_items(arena, field, b + i, from_b, a + j, from_a, &below);
        if (element.kind == ELEMENT_FIELD &&
            (below.changed || below.removed || below.changed_below || below.removed_below))
            element.name = arena_strdup(arena, element.name);
        diff_attach(arena, diff, element, &below);
        i += from_b;
        j += from_a;
    }
    diff->changed = !before;
    diff->removed = !after;
}

static void diff_json(Arena *arena, yyjson_val *before, yyjson_val *after, Diff *diff);

/* The members of one object, compared with those of the other. `skip`: those that it has, too, are left out. */
static void diff_json_members(Arena *arena, yyjson_val *object, bool is_before, yyjson_val *other,
                              bool skip, Diff *diff)
{
    TextMap own = json_index(arena, object);
    TextMap others = other ? json_index(arena, other) : (TextMap)TEXT_MAP_INIT(arena);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        const char *name = yyjson_get_str(key);
        yyjson_val *match = text_map_get(&others, name);
        Diff below = {0};

        if (text_map_get(&own, name) != value || (skip && match))
            continue;
        diff_json(arena, is_before ? value : match, is_before ? match : value, &below);
        diff_attach(arena, diff, element_field(name), &below);
    }
}

/* JSON about which the table knows nothing: objects are compared member by member, everything else as a whole. */
static void diff_json(Arena *arena, yyjson_val *before, yyjson_val *after, Diff *diff)
{
    diff->changed = !before;
    diff->removed = !after;
    if ((before && !yyjson_is_obj(before)) || (after && !yyjson_is_obj(after))) {
        diff->changed |= after && before && !yyjson_equals(before, after);
        return;
    }
    if (before)
        diff_json_members(arena, before, true, after, false, diff);
    if (after)
        diff_json_members(arena, after, false, before, true, diff);
    fieldset_sort(arena, diff->changed_below);
    fieldset_sort(arena, diff->removed_below);
}

static yyjson_val *raw_json(Arena *arena, const Bytes *raw)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (!raw || !raw->n || json_parse(arena, *raw, &doc, &report))
        return NULL;
    return yyjson_doc_get_root(doc);
}

static void diff_raw(Arena *arena, const Bytes *before, const Bytes *after, Diff *diff)
{
    if (before && after && bytes_equal(*before, *after))
        return;
    diff_json(arena, raw_json(arena, before), raw_json(arena, after), diff);
}

/* Members that no field of the type is for; both maps are in order of names. */
static void diff_extra(Arena *arena, const List *before, const List *after, Diff *diff)
{
    const BytesEntry *b = before ? before->v : NULL, *a = after ? after->v : NULL;
    size_t i = 0, j = 0, bn = before ? before->n : 0, an = after ? after->n : 0;

    while (i < bn || j < an) {
        int d = i == bn ? 1 : j == an ? -1 : strcmp(b[i].key, a[j].key);
        Element element = element_field(arena_strdup(arena, d <= 0 ? b[i].key : a[j].key));
        Diff below = {0};

        diff_raw(arena, d <= 0 ? &b[i].value : NULL, d >= 0 ? &a[j].value : NULL, &below);
        diff_attach(arena, diff, element, &below);
        i += d <= 0;
        j += d >= 0;
    }
}

static void diff_field(Arena *arena, const Field *field, const void *before, const void *after,
                       Diff *diff)
{
    bool atomic = field->flags & FIELD_ATOMIC_STRUCT;

    if ((field->shape == SHAPE_LIST && field->list_kind != LIST_ATOMIC) ||
        (field->shape == SHAPE_MAP && !atomic)) {
        diff_list(arena, field, before, after, diff);
    } else if (field->shape < SHAPE_LIST && field->value == VALUE_STRUCT && !atomic &&
               !type_is_bare(field->type)) {
        bool had = before, has = after;

        before = before ? field_thing(field, before) : NULL;
        after = after ? field_thing(field, after) : NULL; /* NULL: null, if it is always written */
        diff_struct(arena, field->type, before, after, diff);
        diff->changed = !had;
        diff->removed = !has;
    } else if (type_is_open(field) && field->shape < SHAPE_LIST) {
        diff_raw(arena, before, after, diff);
    } else if (field->shape < SHAPE_LIST && !atomic && type_bare_map(field)) {
        diff_thing(arena, field, before ? field_thing(field, before) : NULL,
                   after ? field_thing(field, after) : NULL, diff);
    } else {
        diff->changed = !before || (after && !type_field_equal(field, before, after));
        diff->removed = !after;
    }
}

static const void *inline_struct(const Field *field, const void *value)
{
    const void *at = value ? field_at(value, field) : NULL;

    return at ? field_thing(field, at) : NULL;
}

static void diff_members(Arena *arena, const Type *type, const void *before, const void *after,
                         Diff *diff)
{
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++) {
        const void *b, *a;
        Diff below = {0};

        if (field == type->extra) {
            diff_extra(arena, before ? field_at(before, field) : NULL,
                       after ? field_at(after, field) : NULL, diff);
            continue;
        }
        if (field->flags & FIELD_INLINE) {
            diff_members(arena, field->type, inline_struct(field, before),
                         inline_struct(field, after), diff);
            continue;
        }
        b = before ? field_at(before, field) : NULL;
        a = after ? field_at(after, field) : NULL;
        if (b && !is_present(field, b))
            b = NULL;
        if (a && !is_present(field, a))
            a = NULL;
        if (!b && !a)
            continue;
        diff_field(arena, field, b, a, &below);
        diff_attach(arena, diff, element_field(field->json), &below);
    }
}

FieldSet *fieldset_changed(const Type *type, Arena *arena, const void *before, const void *after,
                           FieldSet **removed)
{
    Diff diff = {0};

    diff_members(arena, type, before, after, &diff);
    fieldset_sort(arena, diff.changed_below);
    fieldset_sort(arena, diff.removed_below);
    if (removed)
        *removed = diff.removed_below;
    return diff.changed_below;
}

FieldSet *fieldset_of_value(const Type *type, Arena *arena, const void *value)
{
    return fieldset_changed(type, arena, arena_alloc(arena, type->size), value, NULL);
}
