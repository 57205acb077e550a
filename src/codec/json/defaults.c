/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills in the defaults of a type's table. A default is written as JSON in the schema; those that
 * are not a plain string, number or boolean are passed to the decoder.
 */
#include "codec/json/json.h"

/* The text of a default that is a plain string, or NULL if it needs the decoder. */
static const char *plain_string(const char *json, size_t *ret_n)
{
    const char *end = *json == '"' ? strchr(json + 1, '"') : NULL;

    if (!end || end[1] || memchr(json, '\\', (size_t)(end - json)))
        return NULL;
    *ret_n = (size_t)(end - json - 1);
    return json + 1;
}

static void set_default_decoded(const Field *field, Arena *arena, void *at)
{
    yyjson_doc *doc;
    DecodeReport report = {0};

    if (NEVER(json_parse(arena, bytes_from_string(field->default_json), &doc, &report)))
        return;
    if (NEVER(json_decode_field(field, arena, yyjson_doc_get_root(doc), at)))
        return;
}

static void set_default(const Field *field, Arena *arena, void *at)
{
    const char *json = field->default_json, *text;
    size_t n;
    int64_t number;
    void *thing = at;

    if (field->shape >= SHAPE_LIST || field->value >= VALUE_TIME || field->value == VALUE_BYTES ||
        field->value == VALUE_DOUBLE) {
        set_default_decoded(field, arena, at);
        return;
    }
    if (field->value == VALUE_STRING) {
        text = plain_string(json, &n);
        if (text)
            *(const char **)at = arena_strndup(arena, text, n);
        else
            set_default_decoded(field, arena, at);
        return;
    }
    if (field->shape == SHAPE_OPTIONAL)
        thing = *(void **)at = arena_alloc(arena, value_size(field));
    if (field->value == VALUE_BOOL)
        *(bool *)thing = *json == 't';
    else if (NEVER(str_to_int64(json, INT64_MIN, INT64_MAX, &number)))
        return;
    else if (field->value == VALUE_INT32)
        *(int32_t *)thing = (int32_t)number;
    else
        *(int64_t *)thing = number;
}

static void default_below(const Field *field, Arena *arena, void *at)
{
    size_t size, skip;
    List *list = at;
    char *element;

    if (field->shape == SHAPE_ONE) {
        type_default(field->type, arena, at);
        return;
    }
    if (field->shape == SHAPE_OPTIONAL) {
        if (*(void **)at)
            type_default(field->type, arena, *(void **)at);
        return;
    }
    size = value_size(field);
    skip = field->shape == SHAPE_MAP ? TYPE_ENTRY_VALUE : 0;
    element = list->v;
    for (size_t i = 0; i < list->n; i++, element += size)
        type_default(field->type, arena, element + skip);
}

static int compare_key(const void *key, const void *entry)
{
    return strcmp(key, ((const BytesEntry *)entry)->key);
}

/* Whether the field has a value that does not fit into it. */
static bool has_misfit(const Type *type, const void *value, const Field *field)
{
    const List *extra = type->extra ? field_at(value, type->extra) : NULL;

    return extra && extra->n &&
           bsearch(field->json, extra->v, extra->n, sizeof(BytesEntry), compare_key);
}

void type_default(const Type *type, Arena *arena, void *value)
{
    if (!type->has_defaults || type_is_null(type, value))
        return;
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++) {
        void *at = field_at(value, field);

        if (field->default_json && type_field_zero(field, at) && !has_misfit(type, value, field))
            set_default(field, arena, at);
        if (field->value == VALUE_STRUCT && field->type->has_defaults)
            default_below(field, arena, at);
    }
}
