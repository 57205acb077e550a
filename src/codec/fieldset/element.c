/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path elements that identify the items of a list, in values and in JSON, and the types below a
 * path.
 *
 * An item of a keyed list is identified by its keys. A key that is absent has its default value;
 * without a default it is "" or 0 if the field is always written, and otherwise it is not part of
 * the identity.
 */
#include "codec/fieldset/internal.h"
#include "codec/json/json.h"

static Scalar scalar_of_value(Arena *arena, const Field *field, const void *at)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    at = field_thing(field, at);
    switch (field->value) {
    case VALUE_STRING:
        return (Scalar){.type = SCALAR_STRING,
                        .text = str_or(arena_strdup(arena, *(const char *const *)at), "")};
    case VALUE_BOOL:
        return (Scalar){.type = SCALAR_BOOL, .boolean = *(const bool *)at};
    case VALUE_INT32:
        return (Scalar){.type = SCALAR_NUMBER, .number = *(const int32_t *)at};
    case VALUE_INT64:
        return (Scalar){.type = SCALAR_NUMBER, .number = *(const int64_t *)at};
    case VALUE_DOUBLE:
        return scalar_of_double(*(const double *)at);
    default: {
        DecodeReport report = {0};
        yyjson_doc *doc;
        Field one = *field;
        one.shape = SHAPE_ONE;
        json_encode_field(&one, at, &text);
        if (field->value == VALUE_RAW && json_parse(arena, strbuf_bytes(&text), &doc, &report) == 0)
            return scalar_of_json(arena, yyjson_doc_get_root(doc));
        return (Scalar){.type = SCALAR_OTHER, .text = arena_strdup(arena, text.p)};
    }
    }
}

/* The value of an absent key; false if the key is then not part of the identity. */
static bool key_default(Arena *arena, const Field *field, Scalar *ret)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (field->default_json) {
        if (NEVER(json_parse(arena, bytes_from_string(field->default_json), &doc, &report)))
            return false;
        *ret = scalar_of_json(arena, yyjson_doc_get_root(doc));
        return true;
    }
    if (!(field->flags & FIELD_EMIT_ALWAYS))
        return false;
    *ret = field->value == VALUE_STRING ? (Scalar){.type = SCALAR_STRING, .text = ""}
                                        : (Scalar){.type = SCALAR_NUMBER};
    return true;
}

static void add_part(KeyPart *parts, Element *element, const char *name, Scalar value)
{
    uint32_t at = element->n_parts++;

    for (; at > 0 && strcmp(name, parts[at - 1].name) < 0; at--)
        parts[at] = parts[at - 1];
    parts[at] = (KeyPart){name, value};
}

static size_t count_keys(const Field *list)
{
    size_t n = 0;

    while (list->keys && list->keys[n])
        n++;
    return n;
}

void element_of_value(Arena *arena, const Field *list, const void *item, Element *ret)
{
    KeyPart *parts;
    Scalar *scalar;

    if (list->list_kind == LIST_SET) {
        Field one = *list;
        one.shape = SHAPE_ONE;
        scalar = arena_new(arena, Scalar);
        *scalar = scalar_of_value(arena, &one, item);
        *ret = (Element){.kind = ELEMENT_VALUE, .value = scalar};
        return;
    }
    parts = arena_new_n(arena, KeyPart, count_keys(list));
    *ret = (Element){.kind = ELEMENT_KEY, .parts = parts};
    for (const char *const *key = list->keys; key && *key; key++) {
        const TypeName *name = type_find(list->type, *key, strlen(*key));
        const void *at = name ? (const char *)item + name->offset : NULL;
        Scalar value;

        if (!name)
            continue;
        if (!type_field_empty(name->field, at))
            value = scalar_of_value(arena, name->field, at);
        else if (!key_default(arena, name->field, &value))
            continue;
        add_part(parts, ret, *key, value);
    }
}

static const char *key_list_text(Arena *arena, const Field *list)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (const char *const *key = list->keys; key && *key; key++)
        strbuf_printf(&text, "%s\"%s\"", text.n ? " " : "", *key);
    return arena_strdup(arena, strbuf_string(&text));
}

const char *element_of_json(Arena *arena, const Field *list, yyjson_val *item, Element *ret)
{
    KeyPart *parts;
    Scalar *scalar;

    if (list->list_kind == LIST_SET) {
        if (yyjson_is_obj(item))
            return "associative list without keys has an element that's a map type";
        if (yyjson_is_arr(item))
            return "not supported: associative list with lists as elements";
        if (yyjson_is_null(item))
            return "associative list without keys has an element that's an explicit null";
        scalar = arena_new(arena, Scalar);
        *scalar = scalar_of_json(arena, item);
        *ret = (Element){.kind = ELEMENT_VALUE, .value = scalar};
        return NULL;
    }
    if (yyjson_is_null(item))
        return "associative list with keys may not have a null element";
    if (!yyjson_is_obj(item))
        return "associative list with keys may not have non-map elements";
    parts = arena_new_n(arena, KeyPart, count_keys(list) + 1);
    *ret = (Element){.kind = ELEMENT_KEY, .parts = parts};
    for (const char *const *key = list->keys; key && *key; key++) {
        const TypeName *name = type_find(list->type, *key, strlen(*key));
        yyjson_val *v = yyjson_obj_get(item, *key);
        Scalar value;

        if (v && !yyjson_is_null(v))
            value = scalar_of_json(arena, v);
        else if (!name || !key_default(arena, name->field, &value))
            continue;
        add_part(parts, ret, *key, value);
    }
    if (ret->n_parts == 0)
        return arena_printf(arena,
                            "associative list with keys has an element that omits all key fields "
                            "[%s] (and doesn't have default values for any key fields)",
                            key_list_text(arena, list));
    return NULL;
}

Schema schema_of_field(const Field *field)
{
    if (!field || field->flags & FIELD_ATOMIC_STRUCT)
        return (Schema){0};
    if (field->shape >= SHAPE_LIST)
        return (Schema){.container = field};
    return (Schema){.type = field->value == VALUE_STRUCT ? field->type : NULL};
}

Schema schema_below(Schema schema, const Element *element)
{
    const TypeName *name;

    if (schema.container)
        return (Schema){.type = schema.container->value == VALUE_STRUCT ? schema.container->type
                                                                        : NULL};
    if (!schema.type || element->kind != ELEMENT_FIELD)
        return (Schema){0};
    name = type_find(schema.type, element->name, strlen(element->name));
    return schema_of_field(name ? name->field : NULL);
}
