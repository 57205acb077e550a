/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree of a schema to tables. What becomes of a schema:
 *
 *   object with properties          a struct; optional, so that absent and empty stay different
 *   object with a schema for others a map
 *   array                           a list
 *   string, integer, number,        an optional text, INT64, DOUBLE, BOOL
 *   boolean
 *   anything else, and scalars      RAW
 *   that may be null
 *
 * Where a thing cannot be a list or map itself, because it is an item or may be null, it is a struct with that one inline field
 * (type_is_bare). Structs that may be null begin with a bool that says so. Each struct has a hidden field (Type.extra) for values that do
 * not fit, and for members that the schema does not name where x-kubernetes-preserve-unknown-fields or additionalProperties: true wants
 * them.
 */
#include "api/structural/internal.h"
#include "codec/json/json.h"

typedef struct Compiler {
    Arena *arena;
    const char *name, *openapi;
} Compiler;

/* A type under construction. */
typedef struct Builder {
    Compiler *c;
    Type *type;
    Field *fields; /* room for all */
} Builder;

static const Type *make_struct(Compiler *c, const SchemaNode *node, bool keep, bool is_root);

static Builder builder_new(Compiler *c, size_t room, bool nullable)
{
    Builder b = {.c = c, .type = arena_new(c->arena, Type)};

    b.fields = arena_new_n(c->arena, Field, room + 1);
    b.type->name = c->name;
    b.type->openapi = c->openapi;
    b.type->fields = b.fields;
    b.type->is_exact = true;
    b.type->is_nullable = nullable;
    b.type->size = nullable ? 8 : 0;
    return b;
}

static Field *builder_add(Builder *b, Field field)
{
    Field *to = &b->fields[b->type->n_fields++];

    *to = field;
    to->offset = b->type->size;
    b->type->size += (uint32_t)((type_field_size(to) + 7) & ~(size_t)7);
    if (field.default_json || (field.value == VALUE_STRUCT && field.type->has_defaults))
        b->type->has_defaults = true;
    return to;
}

static int compare_names(const void *a, const void *b)
{
    const TypeName *x = a, *y = b;

    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->json, y->json, x->length);
}

static const Type *builder_finish(Builder *b)
{
    TypeName *names = arena_new_n(b->c->arena, TypeName, (size_t)b->type->n_fields + 1);

    for (size_t i = 0; i < b->type->n_fields; i++) {
        const Field *field = &b->fields[i];

        if (!(field->flags & FIELD_INLINE))
            names[b->type->n_names++] = (TypeName){.json = field->json,
                                                   .length = field->json_length,
                                                   .offset = field->offset,
                                                   .field = field};
    }
    qsort(names, b->type->n_names, sizeof(*names), compare_names);
    b->type->names = names;
    if (b->type->size == 0)
        b->type->size = 8;
    return b->type;
}

/* ---- things ---- */

static bool is_map(const SchemaNode *node)
{
    return node->type == SCHEMA_OBJECT && node->additional_given && !node->n_properties &&
           !node->embedded_resource;
}

static void set_raw(Field *field, bool nullable, bool emptied)
{
    field->value = VALUE_RAW;
    field->flags |= (uint16_t)((nullable ? FIELD_NULLABLE : 0) | (emptied ? FIELD_EMPTIED : 0));
}

static void set_thing(Compiler *c, Field *field, const SchemaNode *node, bool keep);

/* The text of the default, or NULL if the field cannot hold it. Integers have no fraction. */
static const char *usable_default(Compiler *c, const Field *field, const char *json)
{
    _arena_ Arena room = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    void *at = arena_alloc(&room, MAX_OF(type_field_size(field), (size_t)8));
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (json_parse(&room, bytes_from_string(json), &doc, &report) ||
        json_decode_field(field, &room, yyjson_doc_get_root(doc), at))
        return NULL;
    if (field->shape == SHAPE_OPTIONAL && field->value == VALUE_INT64) {
        json_encode_field(field, at, &text);
        return arena_strdup(c->arena, text.p);
    }
    return json;
}

static void set_element_default(Compiler *c, Field *field, const SchemaNode *element)
{
    Field one = *field;

    if (!element || !element->default_json || element->nullable)
        return;
    one.shape = SHAPE_OPTIONAL;
    one.default_json = NULL;
    field->element_default = usable_default(c, &one, element->default_json);
}

static void set_list(Compiler *c, Field *field, const SchemaNode *node, bool keep)
{
    const SchemaNode *items = node->items;
    const char **keys;

    field->shape = SHAPE_LIST;
    if (items)
        set_thing(c, field, items, keep || node->preserve_unknown);
    else
        set_raw(field, true, !keep && !node->preserve_unknown);
    set_element_default(c, field, items);
    if (items && str_equal(items->map_type, "atomic"))
        field->flags |= FIELD_ATOMIC_STRUCT;
    if (str_equal(node->list_type, "set"))
        field->list_kind = LIST_SET;
    if (str_equal(node->list_type, "map") && field->value == VALUE_STRUCT) {
        field->list_kind = LIST_MAP;
        keys = arena_new_n(c->arena, const char *, node->list_map_keys.n + 1);
        memcpy(keys, node->list_map_keys.v, node->list_map_keys.n * sizeof(*keys));
        field->keys = keys;
    }
}

static void set_map(Compiler *c, Field *field, const SchemaNode *node)
{
    field->shape = SHAPE_MAP;
    if (node->additional)
        set_thing(c, field, node->additional, false);
    else
        set_raw(field, true, !node->preserve_unknown);
    set_element_default(c, field, node->additional);
    if (str_equal(node->map_type, "atomic"))
        field->flags |= FIELD_ATOMIC_STRUCT;
}

/* A list or map where only a struct can be. */
static const Type *make_bare(Compiler *c, const SchemaNode *node, bool keep)
{
    Builder b = builder_new(c, 1, node->nullable);
    Field field = {.json = "", .flags = FIELD_INLINE | FIELD_EXACT};

    if (node->type == SCHEMA_ARRAY)
        set_list(c, &field, node, keep);
    else
        set_map(c, &field, node);
    builder_add(&b, field);
    return builder_finish(&b);
}

static void set_scalar(Field *field, const SchemaNode *node)
{
    static const uint8_t values[] = {
        [SCHEMA_STRING] = VALUE_STRING,
        [SCHEMA_INTEGER] = VALUE_INT64,
        [SCHEMA_NUMBER] = VALUE_DOUBLE,
        [SCHEMA_BOOLEAN] = VALUE_BOOL,
    };

    if (node->nullable || node->int_or_string || node->type < SCHEMA_STRING ||
        node->type > SCHEMA_BOOLEAN)
        set_raw(field, node->nullable, false);
    else
        field->value = values[node->type];
}

/* What an item, the value of a key or an optional field is. `keep`: unknown members are kept. */
static void set_thing(Compiler *c, Field *field, const SchemaNode *node, bool keep)
{
    field->flags |= FIELD_EXACT;
    if (node->int_or_string || (node->type != SCHEMA_ARRAY && node->type != SCHEMA_OBJECT)) {
        set_scalar(field, node);
        return;
    }
    field->value = VALUE_STRUCT;
    if (node->nullable)
        field->flags |= FIELD_NULLABLE;
    field->type = node->type == SCHEMA_ARRAY || is_map(node) ? make_bare(c, node, keep)
                                                             : make_struct(c, node, keep, false);
    if (node->type == SCHEMA_OBJECT && field->shape == SHAPE_OPTIONAL &&
        str_equal(node->map_type, "atomic"))
        field->flags |= FIELD_ATOMIC_STRUCT;
}

/* ---- structs ---- */

static void add_property(Builder *b, const char *name, const SchemaNode *node)
{
    Field field = {.json = name, .flags = FIELD_EXACT, .json_length = (uint16_t)strlen(name)};

    if (!node->nullable && !node->int_or_string && node->type == SCHEMA_ARRAY) {
        set_list(b->c, &field, node, false);
    } else if (!node->nullable && !node->int_or_string && is_map(node)) {
        set_map(b->c, &field, node);
    } else {
        field.shape = SHAPE_OPTIONAL;
        set_thing(b->c, &field, node, false);
    }
    if (node->default_json)
        field.default_json = usable_default(b->c, &field, node->default_json);
    builder_add(b, field);
}

static void add_meta(Builder *b, const char *name, bool is_root)
{
    Field field = {.json = name, .json_length = (uint16_t)strlen(name)};

    field.shape = is_root ? SHAPE_ONE : SHAPE_OPTIONAL;
    field.value = VALUE_STRING;
    if (str_equal(name, "metadata")) {
        field.value = VALUE_STRUCT;
        field.type = &type_ObjectMeta;
    }
    builder_add(b, field);
}

static bool is_meta(const char *name)
{
    return str_equal(name, "apiVersion") || str_equal(name, "kind") || str_equal(name, "metadata");
}

static void add_extra(Builder *b, bool emptied)
{
    Field field = {.json = "", .flags = FIELD_INLINE | FIELD_EXACT, .shape = SHAPE_MAP};

    set_raw(&field, true, emptied);
    b->type->extra = builder_add(b, field);
}

static const Type *make_struct(Compiler *c, const SchemaNode *node, bool keep, bool is_root)
{
    size_t n = node ? node->n_properties : 0;
    bool has_meta = is_root || node->embedded_resource;
    Builder b = builder_new(c, n + 4, !is_root && node->nullable);

    if (!is_root && has_meta) {
        add_meta(&b, "apiVersion", false);
        add_meta(&b, "kind", false);
    }
    if (has_meta)
        add_meta(&b, "metadata", is_root);
    for (size_t i = 0; i < n; i++)
        if (!has_meta || !is_meta(node->properties[i].name))
            add_property(&b, node->properties[i].name, node->properties[i].node);
    keep |= !node || node->preserve_unknown;
    b.type->keeps_unknown = keep || node->additional_given;
    add_extra(&b, !keep);
    return builder_finish(&b);
}

const Structural *structural_compile(Arena *arena, SchemaNode *root, const char *name,
                                     const char *openapi)
{
    Compiler c = {.arena = arena, .name = name, .openapi = openapi};
    Structural *structural = arena_new(arena, Structural);

    structural->root = root;
    structural->type = make_struct(&c, root, false, true);
    return structural;
}
