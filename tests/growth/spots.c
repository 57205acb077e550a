/* SPDX-License-Identifier: Apache-2.0 */
#include "spots.h"

#include "api/schema/meta_v1.h"
#include "codec/json/json.h"

#define NAME "a%07zu"

/* ---- finding them ---- */

typedef struct Walk {
    Spot spot;
    const Type *above[SPOT_DEPTH + 1];
    size_t n_above;
    void (*each)(void *data, const Spot *spot);
    void *data;
} Walk;

static void walk_type(Walk *walk, const Type *type)
{
    for (size_t i = 0; i < walk->n_above; i++)
        if (walk->above[i] == type)
            return;
    if (walk->spot.depth == SPOT_DEPTH)
        return;
    walk->above[walk->n_above++] = type;
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_INLINE && field->value == VALUE_STRUCT &&
            field->shape < SHAPE_LIST) {
            walk_type(walk, field->type);
            continue;
        }
        walk->spot.path[walk->spot.depth++] = field;
        walk->spot.owner = type;
        walk->spot.is_text = field->shape < SHAPE_LIST;
        if (field->shape >= SHAPE_LIST || field->value == VALUE_STRING ||
            field->value == VALUE_BYTES || field->value == VALUE_QUANTITY)
            walk->each(walk->data, &walk->spot);
        if (field->value == VALUE_STRUCT)
            walk_type(walk, field->type);
        walk->spot.depth--;
    }
    walk->n_above--;
}

void spots_each(const Kind *kind, void (*each)(void *data, const Spot *spot), void *data)
{
    Walk walk = {.spot.kind = kind, .each = each, .data = data};

    walk_type(&walk, kind->type);
}

void spot_print(const Spot *spot, StrBuf *out)
{
    strbuf_add_string(out, spot->kind->kind);
    for (size_t i = 0; i < spot->depth; i++)
        strbuf_printf(out, ".%s%s", spot->path[i]->json,
                      spot->path[i]->shape == SHAPE_LIST  ? "[]"
                      : spot->path[i]->shape == SHAPE_MAP ? "{}"
                                                          : "");
}

void spot_pointer(const Spot *spot, StrBuf *out)
{
    for (size_t i = 0; i < spot->depth; i++) {
        strbuf_printf(out, "/%s", spot->path[i]->json);
        if (i + 1 < spot->depth && spot->path[i]->shape == SHAPE_LIST)
            strbuf_add_string(out, "/0");
        else if (i + 1 < spot->depth && spot->path[i]->shape == SHAPE_MAP)
            strbuf_printf(out, "/" NAME, (size_t)0);
    }
}

/* ---- bodies ---- */

static void print_struct(const Type *type, size_t i, unsigned depth, StrBuf *out);

static void print_text(const Field *field, size_t i, StrBuf *out)
{
    if (field->enum_values) {
        strbuf_printf(out, "\"%s\"", field->enum_values[0]);
        return;
    }
    switch (field->format) {
    case FORMAT_IP:
        strbuf_printf(out, "\"10.%zu.%zu.%zu\"", i / 65536 % 256, i / 256 % 256, i % 256);
        break;
    case FORMAT_ABSOLUTE_PATH:
        strbuf_printf(out, "\"/" NAME "\"", i);
        break;
    default:
        strbuf_printf(out, "\"" NAME "\"", i);
    }
}

static void print_thing(const Field *field, size_t i, unsigned depth, StrBuf *out)
{
    switch (field->value) {
    case VALUE_BOOL:
        strbuf_add_string(out, "true");
        break;
    case VALUE_INT32:
    case VALUE_INT64:
    case VALUE_DOUBLE:
    case VALUE_INT_OR_STRING:
        strbuf_printf(out, "%zu", i + 1);
        break;
    case VALUE_BYTES:
        strbuf_add_string(out, "\"YQ==\"");
        break;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        strbuf_add_string(out, "\"2026-11-21T08:00:00Z\"");
        break;
    case VALUE_QUANTITY:
        strbuf_add_string(out, "\"1\"");
        break;
    case VALUE_RAW:
        strbuf_add_string(out, "{}");
        break;
    case VALUE_STRUCT:
        if (type_is_bare(field->type)) {
            strbuf_add_char(out, '[');
            print_thing(&field->type->fields[0], i, depth + 1, out);
            strbuf_add_char(out, ']');
        } else {
            print_struct(field->type, i, depth + 1, out);
        }
        break;
    default:
        print_text(field, i, out);
    }
}

/* Lean, so that what an item costs by itself does not hide what a scan of the others costs: names
 * and keys, what is required, and the first member of a union. */
static bool is_printed(const Type *type, const Field *field, unsigned depth, bool *union_done)
{
    if (field->flags & FIELD_UNION_MEMBER || type->is_union) {
        bool first = !*union_done;

        *union_done = true;
        return first && depth < 4;
    }
    if (field->shape >= SHAPE_LIST)
        return false;
    if (field->value == VALUE_STRUCT)
        return field->flags & FIELD_REQUIRED && depth < 4;
    return field->flags & FIELD_REQUIRED || str_equal(field->json, "name") ||
           str_equal(field->json, "key") || str_equal(field->json, "uid") ||
           str_equal(field->json, "mountPath");
}

static void print_struct_members(const Type *type, size_t i, unsigned depth, bool *first,
                                 StrBuf *out)
{
    bool union_done = false;

    for (size_t f = 0; f < type->n_fields; f++) {
        const Field *field = &type->fields[f];

        if (field->flags & FIELD_INLINE && field->value == VALUE_STRUCT &&
            field->shape < SHAPE_LIST) {
            print_struct_members(field->type, i, depth, first, out);
            continue;
        }
        if (!is_printed(type, field, depth, &union_done))
            continue;
        strbuf_printf(out, "%s\"%s\":", *first ? "" : ",", field->json);
        *first = false;
        if (field->shape >= SHAPE_LIST)
            strbuf_add_string(out, field->shape == SHAPE_LIST ? "[]" : "{}");
        else
            print_thing(field, i, depth, out);
    }
}

static void print_struct(const Type *type, size_t i, unsigned depth, StrBuf *out)
{
    bool first = true;

    strbuf_add_char(out, '{');
    print_struct_members(type, i, depth, &first, out);
    strbuf_add_char(out, '}');
}

void body_item(const Field *field, size_t i, StrBuf *out)
{
    print_thing(field, i, 0, out);
}

static void print_items(const Body *body, const Field *field, StrBuf *out)
{
    bool map = field->shape == SHAPE_MAP;

    strbuf_add_char(out, map ? '{' : '[');
    for (size_t i = 0; i < body->n; i++) {
        size_t at = body->from + i * body->step % body->n;

        if (i)
            strbuf_add_char(out, ',');
        if (map)
            strbuf_printf(out, "\"" NAME "\":", at);
        if (body->null_items)
            strbuf_add_string(out, "null");
        else
            print_thing(field, at, 0, out);
    }
    strbuf_add_char(out, map ? '}' : ']');
}

static void print_order(const Body *body, const Field *field, StrBuf *out)
{
    strbuf_printf(out, "\"$setElementOrder/%s\":[", field->json);
    for (size_t i = 0; i < body->n; i++) {
        size_t at = body->from + i * body->step % body->n;

        if (i)
            strbuf_add_char(out, ',');
        if (field->patch_key && field->value == VALUE_STRUCT) {
            const TypeName *key =
                type_find(field->type, field->patch_key, strlen(field->patch_key));

            strbuf_printf(out, "{\"%s\":", field->patch_key);
            print_thing(key->field, at, 0, out);
            strbuf_add_char(out, '}');
        } else {
            print_thing(field, at, 0, out);
        }
    }
    strbuf_add_string(out, "],");
}

static void print_text_of(const Body *body, const Field *field, StrBuf *out)
{
    static const char *const pieces[] = {"a", "/a.-", "1", "a, ", "*:"};
    const char *piece = pieces[body->step % ARRAY_LEN(pieces)];
    size_t length = strlen(piece);

    strbuf_add_char(out, '"');
    for (size_t i = 0; i < body->n; i++)
        strbuf_add_char(out, piece[i % length]);
    if (field->value == VALUE_BYTES)
        strbuf_add_string(out, "====" + body->n % 4);
    strbuf_add_char(out, '"');
}

static void print_way(const Body *body, const Type *type, size_t depth, StrBuf *out);

/* The field on the way itself. */
static void print_step(const Body *body, size_t depth, StrBuf *out)
{
    const Field *field = body->spot->path[depth];

    if (body->order && depth + 1 == body->spot->depth && field->shape == SHAPE_LIST &&
        field->flags & FIELD_PATCH_MERGE)
        print_order(body, field, out);
    strbuf_printf(out, "\"%s\":", field->json);
    if (depth + 1 == body->spot->depth) {
        if (body->spot->is_text)
            print_text_of(body, field, out);
        else
            print_items(body, field, out);
    } else if (field->shape == SHAPE_LIST) {
        strbuf_add_char(out, '[');
        print_way(body, field->type, depth + 1, out);
        strbuf_add_char(out, ']');
    } else if (field->shape == SHAPE_MAP) {
        strbuf_printf(out, "{\"" NAME "\":", (size_t)0);
        print_way(body, field->type, depth + 1, out);
        strbuf_add_char(out, '}');
    } else {
        print_way(body, field->type, depth + 1, out);
    }
}

static void print_way_members(const Body *body, const Type *type, size_t depth, bool *first,
                              StrBuf *out)
{
    const Field *way = body->spot->path[depth];
    bool union_done = false;

    for (size_t f = 0; f < type->n_fields; f++) {
        const Field *field = &type->fields[f];

        if (field->flags & FIELD_INLINE && field->value == VALUE_STRUCT &&
            field->shape < SHAPE_LIST) {
            print_way_members(body, field->type, depth, first, out);
            continue;
        }
        if (field == way) {
            strbuf_add_string(out, *first ? "" : ",");
            print_step(body, depth, out);
            *first = false;
        } else if (body->beside && field->shape >= SHAPE_LIST &&
                   !str_equal(field->json, "managedFields")) {
            strbuf_printf(out, "%s\"%s\":", *first ? "" : ",", field->json);
            print_items(body, field, out);
            *first = false;
        } else if (depth > 0 && type != &type_ObjectMeta && !type->is_union &&
                   !(way->flags & FIELD_UNION_MEMBER) && is_printed(type, field, 0, &union_done)) {
            strbuf_printf(out, "%s\"%s\":", *first ? "" : ",", field->json);
            print_thing(field, 0, 0, out);
            *first = false;
        }
    }
}

static void print_way(const Body *body, const Type *type, size_t depth, StrBuf *out)
{
    bool first = true;

    if (type_is_bare(type)) {
        print_items(body, &type->fields[0], out);
        return;
    }
    strbuf_add_char(out, '{');
    if (depth == 1 && body->name && body->spot->path[0] == &body->spot->kind->type->fields[0]) {
        strbuf_printf(out, "\"name\":\"%s\"", body->name);
        first = false;
    }
    print_way_members(body, type, depth, &first, out);
    strbuf_add_char(out, '}');
}

void body_print(const Body *body, StrBuf *out)
{
    const Kind *kind = body->spot->kind;
    bool first = true;

    strbuf_add_char(out, '{');
    if (body->type_meta) {
        strbuf_printf(out, "\"kind\":\"%s\",\"apiVersion\":\"%s\"", kind->kind, kind->api_version);
        first = false;
    }
    if (body->name && body->spot->path[0] != &kind->type->fields[0]) {
        strbuf_printf(out, "%s\"metadata\":{\"name\":\"%s\"}", first ? "" : ",", body->name);
        first = false;
    }
    print_way_members(body, kind->type, 0, &first, out);
    strbuf_add_char(out, '}');
}
