/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge of server-side apply. Structs, maps, keyed lists and sets are merged member by member;
 * everything else is replaced by the applied value. Afterwards, the fields that the applier has
 * given up are removed.
 *
 * In a merged list, applied items are in the applied order. Each other item stays in front of the
 * item that it preceded before, as far as the two orders agree.
 */
#include "codec/fieldset/internal.h"
#include "codec/json/json.h"
#include "codec/json/members.h"

typedef struct Apply {
    yyjson_mut_doc *doc;
    Arena *arena;
} Apply;

static yyjson_mut_val *copy(Apply *a, yyjson_val *v)
{
    return yyjson_val_mut_copy(a->doc, v);
}

static void add_member(Apply *a, yyjson_mut_val *object, yyjson_val *key, yyjson_mut_val *v)
{
    if (v)
        yyjson_mut_obj_add(object, copy(a, key), v);
}

static const Field *field_of(Schema schema, yyjson_val *key)
{
    const TypeName *name =
        schema.type ? type_find(schema.type, yyjson_get_str(key), yyjson_get_len(key)) : NULL;

    return name && !type_is_open(name->field) ? name->field : NULL;
}

/* How the value under a key or index is merged. */
typedef enum MergeKind { MERGE_REPLACE, MERGE_OBJECT, MERGE_ITEMS } MergeKind;

static MergeKind kind_of_field(const Field *field, Schema *ret)
{
    if (field && !(field->flags & FIELD_ATOMIC_STRUCT) && field->shape < SHAPE_LIST &&
        type_bare_map(field))
        field = type_bare_map(field);
    *ret = schema_of_field(field);
    if (!field)
        return MERGE_OBJECT; /* unknown: objects are merged, all else is replaced */
    if (field->shape == SHAPE_LIST)
        return field->list_kind == LIST_ATOMIC ? MERGE_REPLACE : MERGE_ITEMS;
    if (field->flags & FIELD_ATOMIC_STRUCT)
        return MERGE_REPLACE;
    if (field->shape == SHAPE_MAP)
        return MERGE_OBJECT;
    return field->value == VALUE_STRUCT && !type_is_bare(field->type) ? MERGE_OBJECT
                                                                      : MERGE_REPLACE;
}

/* Determines how the value of a map's key is merged. */
static MergeKind kind_of_value(Schema schema, yyjson_val *key, Schema *ret)
{
    if (schema.container && type_bare_map(schema.container))
        return kind_of_field(type_bare_map(schema.container), ret);
    if (schema.container) {
        *ret = schema_below(schema, NULL);
        return ret->type ? MERGE_OBJECT : MERGE_REPLACE;
    }
    return kind_of_field(field_of(schema, key), ret);
}

static yyjson_mut_val *merge(Apply *a, MergeKind kind, Schema schema, const Field *list,
                             yyjson_val *live, yyjson_val *applied);

static yyjson_val *member_of(const TextMap *index, yyjson_val *key)
{
    const TextMapSlot *slot = text_map_find_n(index, yyjson_get_str(key), yyjson_get_len(key));

    return slot ? slot->value : NULL;
}

static yyjson_mut_val *merge_objects(Apply *a, Schema schema, yyjson_val *live, yyjson_val *applied)
{
    yyjson_mut_val *out = yyjson_mut_obj(a->doc);
    TextMap in_live = json_index(a->arena, live), in_applied = json_index(a->arena, applied);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(live, i, n, key, value)
    {
        yyjson_val *over = member_of(&in_applied, key);
        Schema below;
        MergeKind kind = kind_of_value(schema, key, &below);

        add_member(a, out, key,
                   over ? merge(a, kind, below, field_of(schema, key), value, over)
                        : copy(a, value));
    }
    yyjson_obj_foreach(applied, i, n, key, value)
    {
        if (!member_of(&in_live, key) && member_of(&in_applied, key) == value)
            add_member(a, out, key, copy(a, value));
    }
    return out;
}

/* The items of a list together with their path elements. */
typedef struct Indexed {
    Element *elements;
    yyjson_val **items;
    size_t n;
} Indexed;

typedef struct Position {
    const Element *element;
    size_t at;
} Position;

typedef struct Positions {
    Position *v;
    size_t n;
} Positions;

static int compare_positions(const void *a, const void *b)
{
    const Position *x = a, *y = b;
    int d = element_compare(x->element, y->element);

    return d ? d : (x->at > y->at) - (x->at < y->at);
}

static void index_items(Apply *a, const Field *list, yyjson_val *json, Indexed *ret,
                        Positions *positions)
{
    size_t i, max, n = yyjson_arr_size(json);
    yyjson_val *item;

    *ret = (Indexed){.elements = arena_new_n(a->arena, Element, n + 1),
                     .items = arena_new_n(a->arena, yyjson_val *, n + 1)};
    *positions = (Positions){arena_new_n(a->arena, Position, n + 1), 0};
    yyjson_arr_foreach(json, i, max, item)
    {
        if (element_of_json(a->arena, list, item, &ret->elements[ret->n]))
            continue;
        ret->items[ret->n] = item;
        positions->v[positions->n++] = (Position){&ret->elements[ret->n], ret->n};
        ret->n++;
    }
    qsort(positions->v, positions->n, sizeof(*positions->v), compare_positions);
}

/* First position of the element; -1: not there. */
static ssize_t position_of(const Positions *positions, const Element *element)
{
    size_t low = 0, high = positions->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (element_compare(positions->v[middle].element, element) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == positions->n || element_compare(positions->v[low].element, element) != 0)
        return -1;
    return (ssize_t)positions->v[low].at;
}

typedef struct ListMerge {
    Apply *apply;
    const Field *field;
    Schema below;
    Indexed live, applied;
    Positions live_at, applied_at;
    yyjson_mut_val *out;
    size_t shared; /* next applied item that also is in live */
} ListMerge;

static void take_live(ListMerge *m, size_t i)
{
    yyjson_mut_arr_append(m->out, copy(m->apply, m->live.items[i]));
}

static void take_applied(ListMerge *m, size_t j)
{
    ssize_t i = position_of(&m->live_at, &m->applied.elements[j]);
    yyjson_val *applied = m->applied.items[j];

    yyjson_mut_arr_append(m->out, i >= 0 && m->below.type ? merge(m->apply, MERGE_OBJECT, m->below,
                                                                  NULL, m->live.items[i], applied)
                                                          : copy(m->apply, applied));
    if (j == m->shared)
        m->shared++;
    while (m->shared < m->applied.n &&
           position_of(&m->live_at, &m->applied.elements[m->shared]) < 0)
        m->shared++;
}

static yyjson_mut_val *merge_items(Apply *a, const Field *field, yyjson_val *live,
                                   yyjson_val *applied)
{
    ListMerge m = {.apply = a, .field = field, .out = yyjson_mut_arr(a->doc)};
    size_t i = 0, j = 0;

    m.below.type =
        field->value == VALUE_STRUCT && !(field->flags & FIELD_ATOMIC_STRUCT) ? field->type : NULL;
    index_items(a, field, live, &m.live, &m.live_at);
    index_items(a, field, applied, &m.applied, &m.applied_at);
    while (m.shared < m.applied.n && position_of(&m.live_at, &m.applied.elements[m.shared]) < 0)
        m.shared++;
    while (i < m.live.n || j < m.applied.n) {
        const Element *element = i < m.live.n ? &m.live.elements[i] : NULL;
        ssize_t place = element ? position_of(&m.applied_at, element) : -1;
        bool applied_too = place >= 0;

        if (applied_too && j < m.applied.n) {
            if (element_compare(element, &m.applied.elements[j]) == 0) {
                take_applied(&m, j++);
                i++;
                continue;
            }
            if (m.shared < m.applied.n &&
                element_compare(element, &m.applied.elements[m.shared]) != 0) {
                i++; /* it comes later, or has been placed already */
                continue;
            }
        }
        if (element && !applied_too) {
            take_live(&m, i++);
            continue;
        }
        if (element && (size_t)place < j)
            i++;
        if (j < m.applied.n)
            take_applied(&m, j++);
    }
    return m.out;
}

static yyjson_mut_val *merge(Apply *a, MergeKind kind, Schema schema, const Field *list,
                             yyjson_val *live, yyjson_val *applied)
{
    if (kind == MERGE_REPLACE)
        return copy(a, applied);
    /* null leaves values of other managers unchanged */
    if (yyjson_is_null(applied) && yyjson_is_ctn(live) && yyjson_get_len(live))
        return copy(a, live);
    if (kind == MERGE_OBJECT && yyjson_is_obj(live) && yyjson_is_obj(applied))
        return merge_objects(a, schema, live, applied);
    if (kind == MERGE_ITEMS && yyjson_is_arr(live) && yyjson_is_arr(applied) &&
        yyjson_arr_size(live))
        return merge_items(a, list, live, applied);
    return copy(a, applied);
}

/* ---- dropping ---- */

static yyjson_mut_val *drop_thing(Apply *a, MergeKind kind, Schema schema, const Field *list,
                                  yyjson_val *json, const FieldSet *drop);

static yyjson_mut_val *drop_members(Apply *a, Schema schema, yyjson_val *object,
                                    const FieldSet *drop)
{
    yyjson_mut_val *out = yyjson_mut_obj(a->doc), *v;
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        Element element = element_field(yyjson_get_str(key));
        const FieldNode *node = fieldset_find(drop, &element);
        Schema below;
        MergeKind kind;

        if (node && node->member)
            continue;
        kind = kind_of_value(schema, key, &below);
        v = node && node->children
                ? drop_thing(a, kind, below, field_of(schema, key), value, node->children)
                : copy(a, value);
        add_member(a, out, key, v);
    }
    return yyjson_mut_obj_size(out) ? out : NULL;
}

static yyjson_mut_val *drop_items(Apply *a, const Field *field, yyjson_val *list,
                                  const FieldSet *drop)
{
    yyjson_mut_val *out = yyjson_mut_arr(a->doc), *v;
    Schema below = {.type = field->value == VALUE_STRUCT ? field->type : NULL};
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item)
    {
        Element element;
        const FieldNode *node = NULL;

        if (!element_of_json(a->arena, field, item, &element))
            node = fieldset_find(drop, &element);
        if (node && node->member)
            continue;
        v = node && node->children && yyjson_is_obj(item)
                ? drop_members(a, below, item, node->children)
                : copy(a, item);
        if (v)
            yyjson_mut_arr_append(out, v);
    }
    return yyjson_mut_arr_size(out) ? out : NULL;
}

/* Returns what is left of the value, or NULL if nothing is. */
static yyjson_mut_val *drop_thing(Apply *a, MergeKind kind, Schema schema, const Field *list,
                                  yyjson_val *json, const FieldSet *drop)
{
    if (kind == MERGE_OBJECT && yyjson_is_obj(json))
        return drop_members(a, schema, json, drop);
    if (kind == MERGE_ITEMS && yyjson_is_arr(json))
        return drop_items(a, list, json, drop);
    return copy(a, json);
}

yyjson_mut_val *fieldset_apply(const Type *type, yyjson_mut_doc *doc, yyjson_val *live,
                               yyjson_val *applied, const FieldSet *drop, Arena *arena)
{
    Apply a = {.doc = doc, .arena = arena};
    yyjson_mut_val *merged = merge(&a, MERGE_OBJECT, (Schema){.type = type}, NULL, live, applied),
                   *left;
    yyjson_doc *whole;

    if (fieldset_empty(drop))
        return merged;
    whole = yyjson_mut_val_imut_copy(merged, NULL);
    left = drop_members(&a, (Schema){.type = type}, yyjson_doc_get_root(whole), drop);
    yyjson_doc_free(whole);
    return left ? left : yyjson_mut_obj(doc);
}

/* ---- what to drop ---- */

/* A manager that owns a field of a struct also counts as an owner of the struct. */
static FieldSet *with_named_fields(Arena *arena, Schema schema, const FieldSet *set)
{
    FieldSet *out = NULL;

    for (size_t i = 0; set && i < set->n; i++) {
        const FieldNode *from = &set->v[i];
        FieldNode *node = fieldset_push(arena, &out, from->element);
        bool named = schema.type && from->element.kind == ELEMENT_FIELD &&
                     type_find(schema.type, from->element.name, strlen(from->element.name));

        node->member = from->member || (named && from->children);
        node->children =
            with_named_fields(arena, schema_below(schema, &from->element), from->children);
    }
    return out;
}

FieldSet *fieldset_given_up(const Type *type, Arena *arena, const FieldSet *last,
                            const FieldSet *owned)
{
    Schema schema = {.type = type};

    return fieldset_minus(arena, with_named_fields(arena, schema, last),
                          with_named_fields(arena, schema, owned));
}
