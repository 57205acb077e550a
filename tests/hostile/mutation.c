/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"

enum { LONG_TEXT = 70000 };

const char *const mutation_names[] = {
#define MUTATION_NAME(name) [MUTATION_##name] = #name,
    MUTATIONS(MUTATION_NAME)
#undef MUTATION_NAME
};

static bool is_number(const Field *field)
{
    return field->value == VALUE_INT32 || field->value == VALUE_INT64 ||
           field->value == VALUE_DOUBLE || field->value == VALUE_INT_OR_STRING ||
           field->value == VALUE_QUANTITY || field->value == VALUE_TIME ||
           field->value == VALUE_MICRO_TIME;
}

static bool is_text(const Field *field)
{
    return field->value == VALUE_STRING || field->value == VALUE_BYTES ||
           field->value == VALUE_INT_OR_STRING || field->value == VALUE_QUANTITY ||
           field->value == VALUE_TIME || field->value == VALUE_MICRO_TIME;
}

static yyjson_mut_val *long_text(yyjson_mut_doc *doc, const Field *field)
{
    char *text = mem_new(LONG_TEXT + 1);
    yyjson_mut_val *value;

    memset(text, field->value == VALUE_QUANTITY ? '9' : 'a', LONG_TEXT);
    value = yyjson_mut_strncpy(doc, text, LONG_TEXT);
    free(text);
    return value;
}

static yyjson_mut_val *extreme(yyjson_mut_doc *doc, const Field *field, bool max)
{
    switch (field->value) {
    case VALUE_INT32:
        return yyjson_mut_sint(doc, max ? INT32_MAX : INT32_MIN);
    case VALUE_INT_OR_STRING:
        return max ? yyjson_mut_str(doc, "99999999999999999999%") : yyjson_mut_sint(doc, INT32_MIN);
    case VALUE_QUANTITY:
        return yyjson_mut_str(doc, max ? "9223372036854775807" : "-9223372036854775808");
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return yyjson_mut_str(doc, max ? "9999-12-31T23:59:59Z" : "0001-01-01T00:00:01Z");
    case VALUE_DOUBLE:
        return yyjson_mut_real(doc, max ? 1.7976931348623157e308 : -1e-308);
    default:
        return yyjson_mut_sint(doc, max ? INT64_MAX : INT64_MIN);
    }
}

static yyjson_mut_val *empty(yyjson_mut_doc *doc, const Field *field)
{
    switch (field->value) {
    case VALUE_BOOL:
        return yyjson_mut_bool(doc, false);
    case VALUE_INT32:
    case VALUE_INT64:
    case VALUE_DOUBLE:
        return yyjson_mut_sint(doc, 0);
    case VALUE_RAW:
        return yyjson_mut_null(doc);
    case VALUE_STRUCT:
        return type_is_bare(field->type) ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
    default:
        return yyjson_mut_str(doc, "");
    }
}

/* One thing in place of another; NULL: it does not apply. */
static yyjson_mut_val *changed(yyjson_mut_doc *doc, const Field *field, Mutation mutation)
{
    switch (mutation) {
    case MUTATION_NULL_ITEM:
    case MUTATION_NULL_AMONG:
        return yyjson_mut_null(doc);
    case MUTATION_EMPTY_ITEM:
        return empty(doc, field);
    case MUTATION_TWICE_ITEM:
        return sample_thing(doc, field);
    case MUTATION_MAX_NUMBER:
        return is_number(field) ? extreme(doc, field, true) : NULL;
    case MUTATION_MIN_NUMBER:
        return is_number(field) ? extreme(doc, field, false) : NULL;
    case MUTATION_HUGE_NUMBER:
        return is_number(field) ? field->value == VALUE_QUANTITY
                                      ? yyjson_mut_str(doc, "9e999999999")
                                      : yyjson_mut_rawcpy(doc, "99999999999999999999999999")
                                : NULL;
    case MUTATION_LONG_TEXT:
        return is_text(field) ? long_text(doc, field) : NULL;
    case MUTATION_ODD_TEXT:
        return is_text(field) ? yyjson_mut_str(doc, "../\n\t%00\xe2\x80\xae\xf0\x9f\x98\x80'\"\\")
                              : NULL;
    case MUTATION_FORMAT_TEXT:
        return is_text(field) ? yyjson_mut_str(doc, "%s%n%s$(A)$(") : NULL;
    default:
        return NULL;
    }
}

/* A list or a map of nothing but the thing, or of it behind a valid one. */
static yyjson_mut_val *around(yyjson_mut_doc *doc, const Field *field, Mutation mutation)
{
    bool among = mutation == MUTATION_NULL_AMONG || mutation == MUTATION_TWICE_ITEM;
    yyjson_mut_val *list = field->shape == SHAPE_MAP ? yyjson_mut_obj(doc) : yyjson_mut_arr(doc);
    yyjson_mut_val *things[2] = {among ? sample_thing(doc, field) : NULL,
                                 changed(doc, field, mutation)};

    if (!things[1])
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        if (!things[i])
            continue;
        if (field->shape == SHAPE_MAP)
            yyjson_mut_obj_add_val(doc, list, mutation == MUTATION_TWICE_ITEM || !i ? "a" : "",
                                   things[i]);
        else
            yyjson_mut_arr_append(list, things[i]);
    }
    return list;
}

static yyjson_mut_val *wrong(yyjson_mut_doc *doc, Mutation mutation)
{
    yyjson_mut_val *value;

    switch (mutation) {
    case MUTATION_WRONG_TEXT:
        return yyjson_mut_str(doc, "text");
    case MUTATION_WRONG_NUMBER:
        return yyjson_mut_real(doc, -1.5);
    case MUTATION_WRONG_BOOL:
        return yyjson_mut_bool(doc, true);
    case MUTATION_WRONG_LIST:
        value = yyjson_mut_arr(doc);
        yyjson_mut_arr_add_arr(doc, value);
        return value;
    default:
        value = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_obj(doc, value, "text");
        return value;
    }
}

static yyjson_mut_val *valid(yyjson_mut_doc *doc, const Field *field)
{
    yyjson_mut_val *list;

    if (field->shape < SHAPE_LIST)
        return sample_thing(doc, field);
    list = field->shape == SHAPE_MAP ? yyjson_mut_obj(doc) : yyjson_mut_arr(doc);
    if (field->shape == SHAPE_MAP)
        yyjson_mut_obj_add_val(doc, list, "a", sample_thing(doc, field));
    else
        yyjson_mut_arr_append(list, sample_thing(doc, field));
    return list;
}

static yyjson_mut_val *mutated(yyjson_mut_doc *doc, yyjson_mut_val *before, const Field *field,
                               Mutation mutation)
{
    switch (mutation) {
    case MUTATION_VALID:
    case MUTATION_TWICE:
        return before ? before : valid(doc, field);
    case MUTATION_NULL:
        return yyjson_mut_null(doc);
    case MUTATION_EMPTY:
        return field->shape == SHAPE_LIST  ? yyjson_mut_arr(doc)
               : field->shape == SHAPE_MAP ? yyjson_mut_obj(doc)
                                           : empty(doc, field);
    case MUTATION_WRONG_TEXT:
    case MUTATION_WRONG_NUMBER:
    case MUTATION_WRONG_BOOL:
    case MUTATION_WRONG_LIST:
    case MUTATION_WRONG_OBJECT:
        return wrong(doc, mutation);
    case MUTATION_NULL_ITEM:
    case MUTATION_NULL_AMONG:
    case MUTATION_EMPTY_ITEM:
    case MUTATION_TWICE_ITEM:
        if (field->shape >= SHAPE_LIST)
            return around(doc, field, mutation);
        if (field->value == VALUE_STRUCT && type_is_bare(field->type))
            return around(doc, &field->type->fields[0], mutation);
        return NULL;
    default:
        return field->shape >= SHAPE_LIST ? around(doc, field, mutation)
                                          : changed(doc, field, mutation);
    }
}

bool mutate(yyjson_mut_doc *doc, yyjson_mut_val *object, const Field *field, Mutation mutation)
{
    yyjson_mut_val *before = yyjson_mut_obj_get(object, field->json), *value;

    if (mutation == MUTATION_ABSENT)
        return yyjson_mut_obj_remove_key(object, field->json) != NULL;
    value = mutated(doc, before, field, mutation);
    if (!value)
        return false;
    if (value != before)
        yyjson_mut_obj_put(object, yyjson_mut_str(doc, field->json), value);
    if (mutation == MUTATION_TWICE)
        yyjson_mut_obj_add_val(doc, object, field->json, yyjson_mut_val_mut_copy(doc, value));
    return true;
}
