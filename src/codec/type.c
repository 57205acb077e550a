/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over values by their tables: look up, copy, compare. Defaults are in json/defaults.c.
 *
 * Every walk has two levels: the field, whose shape is one, optional, list or map, and the thing in
 * it, which has a value type. Functions on things get the address of the thing, functions on fields
 * that of the field.
 */
#include "codec/type.h"

#include <assert.h>

static const uint8_t thing_sizes[] = {
    [VALUE_BOOL] = sizeof(bool),
    [VALUE_INT32] = sizeof(int32_t),
    [VALUE_INT64] = sizeof(int64_t),
    [VALUE_DOUBLE] = sizeof(double),
    [VALUE_STRING] = sizeof(char *),
    [VALUE_BYTES] = sizeof(Bytes),
    [VALUE_TIME] = sizeof(Time),
    [VALUE_MICRO_TIME] = sizeof(Time),
    [VALUE_QUANTITY] = sizeof(char *),
    [VALUE_INT_OR_STRING] = sizeof(IntOrString),
    [VALUE_RAW] = sizeof(Bytes),
    [VALUE_DURATION] = sizeof(int64_t),
    [VALUE_STRUCT] = 0, /* its type says */
};
static_assert(ARRAY_LEN(thing_sizes) == _VALUE_MAX, "a size for each value type");
static_assert(offsetof(StringEntry, value) == TYPE_ENTRY_VALUE, "map entries begin with their key");
static_assert(offsetof(BytesEntry, value) == TYPE_ENTRY_VALUE, "map entries begin with their key");

static size_t thing_size(const Field *field)
{
    return field->value == VALUE_STRUCT ? field->type->size : thing_sizes[field->value];
}

size_t value_size(const Field *field)
{
    size_t size = thing_size(field);

    return field->shape == SHAPE_MAP ? TYPE_ENTRY_VALUE + ((size + 7) & ~(size_t)7) : size;
}

size_t type_field_size(const Field *field)
{
    if (field->shape >= SHAPE_LIST)
        return sizeof(List);
    return type_is_pointer(field) ? sizeof(void *) : thing_size(field);
}

const TypeName *type_find(const Type *type, const char *json, size_t length)
{
    size_t low = 0, high = type->n_names;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const TypeName *name = &type->names[middle];
        int d = length != name->length ? (length < name->length ? -1 : 1)
                                       : memcmp(json, name->json, length);
        if (d == 0)
            return name;
        if (d < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const Field *type_member(const Type *type, const char *json)
{
    const TypeName *name = type_find(type, json, strlen(json));

    ASSERT(name && name->depth == 0);
    return name->field;
}

void type_thing_init(const Field *field, void *at)
{
    if (field->value == VALUE_STRING)
        *(const char **)at = "";
    else if (field->value == VALUE_QUANTITY)
        *(const char **)at = "0";
}

/* ---- soundness ---- */

static bool thing_sound(const Field *field, const void *at)
{
    switch (field->value) {
    case VALUE_STRING:
    case VALUE_QUANTITY:
        return *(const char *const *)at != NULL;
    case VALUE_INT_OR_STRING:
        return !((const IntOrString *)at)->is_string || ((const IntOrString *)at)->string;
    case VALUE_STRUCT:
        return type_sound(field->type, at);
    default:
        return true;
    }
}

static bool field_sound(const Field *field, const void *at)
{
    const List *list = at;
    size_t size = value_size(field), skip = field->shape == SHAPE_MAP ? TYPE_ENTRY_VALUE : 0;
    const char *element;

    if (type_is_pointer(field))
        return !field_thing(field, at) || thing_sound(field, field_thing(field, at));
    if (field->shape < SHAPE_LIST)
        return field->value == VALUE_STRING || field->value == VALUE_QUANTITY ||
               thing_sound(field, at);
    element = list->v;
    for (size_t i = 0; i < list->n; i++, element += size)
        if ((skip && !*(const char *const *)(const void *)element) ||
            !thing_sound(field, element + skip))
            return false;
    return true;
}

bool type_sound(const Type *type, const void *value)
{
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++)
        if (!field_sound(field, field_at(value, field)))
            return false;
    return true;
}

/* ---- copy ---- */

static void thing_copy(const Field *field, Arena *arena, void *to, const void *from)
{
    switch (field->value) {
    case VALUE_STRING:
    case VALUE_QUANTITY:
        *(const char **)to = arena_strdup(arena, *(const char *const *)from);
        break;
    case VALUE_BYTES:
    case VALUE_RAW:
        *(Bytes *)to = arena_bytes(arena, *(const Bytes *)from);
        break;
    case VALUE_INT_OR_STRING: {
        IntOrString *v = to;
        *v = *(const IntOrString *)from;
        v->string = arena_strdup(arena, v->string);
        break;
    }
    case VALUE_STRUCT:
        type_copy(field->type, arena, to, from);
        break;
    default:
        memcpy(to, from, thing_sizes[field->value]);
    }
}

/* Things without pointers can be copied and compared as a block (double compares by its bits, which
 * is fine). */
static bool is_plain(const Field *field)
{
    return field->value <= VALUE_DOUBLE;
}

static void list_copy(const Field *field, Arena *arena, List *to, const List *from)
{
    size_t size = value_size(field), n = from->n;
    const char *source = from->v;
    char *target;

    *to = (List){0};
    if (!source)
        return;
    target = arena_alloc_raw(arena, MAX_OF(size * n, (size_t)1), 8);
    *to = (List){target, n};
    if (field->shape == SHAPE_LIST && is_plain(field)) {
        memcpy(target, source, size * n);
        return;
    }
    for (size_t i = 0; i < n; i++, source += size, target += size) {
        if (field->shape == SHAPE_MAP) {
            *(const char **)(void *)target =
                arena_strdup(arena, *(const char *const *)(const void *)source);
            thing_copy(field, arena, target + TYPE_ENTRY_VALUE, source + TYPE_ENTRY_VALUE);
        } else {
            thing_copy(field, arena, target, source);
        }
    }
}

void type_field_copy(const Field *field, Arena *arena, void *to, const void *from)
{
    if (field->shape >= SHAPE_LIST) {
        list_copy(field, arena, to, from);
    } else if (type_is_pointer(field)) {
        const void *thing = field_thing(field, from);
        void *copy = NULL;
        if (thing) {
            copy = arena_alloc_raw(arena, thing_size(field), 8);
            thing_copy(field, arena, copy, thing);
        }
        *(void **)to = copy;
    } else {
        thing_copy(field, arena, to, from);
    }
}

void type_copy(const Type *type, Arena *arena, void *to, const void *from)
{
    memcpy(to, from, type->size);
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++)
        if (!is_plain(field) || field->shape != SHAPE_ONE)
            type_field_copy(field, arena, field_at(to, field), field_at(from, field));
}

void type_member_copy(const Type *type, const char *json, Arena *arena, void *to, const void *from)
{
    const Field *field = type_member(type, json);

    type_field_copy(field, arena, field_at(to, field), field_at(from, field));
}

void *type_clone(const Type *type, Arena *arena, const void *from)
{
    void *to = arena_alloc_raw(arena, type->size, 8);

    type_copy(type, arena, to, from);
    return to;
}

/* ---- compare ---- */

bool type_thing_equal(const Field *field, const void *a, const void *b)
{
    switch (field->value) {
    case VALUE_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case VALUE_INT32:
        return *(const int32_t *)a == *(const int32_t *)b;
    case VALUE_INT64:
    case VALUE_DURATION:
        return *(const int64_t *)a == *(const int64_t *)b;
    case VALUE_DOUBLE:
        return *(const double *)a == *(const double *)b;
    case VALUE_STRING: {
        const char *x = *(const char *const *)a, *y = *(const char *const *)b;
        return x == y || str_equal(x, y);
    }
    case VALUE_QUANTITY:
        /* An absent quantity is zero; it is written as "0" if the field cannot be omitted. */
        return str_equal(str_or(*(const char *const *)a, "0"),
                         str_or(*(const char *const *)b, "0"));
    case VALUE_BYTES:
    case VALUE_RAW:
        return bytes_equal(*(const Bytes *)a, *(const Bytes *)b);
    case VALUE_TIME:
    case VALUE_MICRO_TIME: {
        const Time *x = a, *y = b;
        return x->set == y->set && (!x->set || (x->seconds == y->seconds && x->nanos == y->nanos));
    }
    case VALUE_INT_OR_STRING: {
        const IntOrString *x = a, *y = b;
        return x->is_string == y->is_string &&
               (x->is_string ? str_equal(x->string, y->string) : x->number == y->number);
    }
    case VALUE_STRUCT:
        return type_equal(field->type, a, b);
    default:
        return NEVER(true);
    }
}

static bool list_equal(const Field *field, const List *a, const List *b)
{
    size_t size = value_size(field), skip = field->shape == SHAPE_MAP ? TYPE_ENTRY_VALUE : 0;
    const char *x = a->v, *y = b->v;

    if (a->n != b->n || ((field->flags & FIELD_EXACT) && !x != !y))
        return false;
    if (x == y)
        return true;
    for (size_t i = 0; i < a->n; i++, x += size, y += size) {
        if (skip && !str_equal(*(const char *const *)(const void *)x,
                               *(const char *const *)(const void *)y))
            return false;
        if (!type_thing_equal(field, x + skip, y + skip))
            return false;
    }
    return true;
}

/* Whether an optional field that is not held by a pointer is present. */
static bool optional_present(const Field *field, const void *at)
{
    switch (field->value) {
    case VALUE_BYTES:
    case VALUE_RAW:
        return ((const Bytes *)at)->p != NULL;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return ((const Time *)at)->set;
    default:
        return *(const void *const *)at != NULL;
    }
}

bool type_field_equal(const Field *field, const void *a, const void *b)
{
    if (field->shape >= SHAPE_LIST)
        return list_equal(field, a, b);
    if (field->shape == SHAPE_ONE)
        return type_thing_equal(field, a, b);
    if (optional_present(field, a) != optional_present(field, b))
        return false;
    a = field_thing(field, a);
    b = field_thing(field, b);
    return a == b || type_thing_equal(field, a, b);
}

bool type_member_equal(const Type *type, const char *json, const void *a, const void *b)
{
    const Field *field = type_member(type, json);

    return type_field_equal(field, field_at(a, field), field_at(b, field));
}

bool type_equal(const Type *type, const void *a, const void *b)
{
    if (a == b)
        return true;
    if (type_is_null(type, a) != type_is_null(type, b))
        return false;
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++)
        if (!type_field_equal(field, field_at(a, field), field_at(b, field)))
            return false;
    return true;
}

/* ---- empty ---- */

bool type_field_empty(const Field *field, const void *at)
{
    if (field->shape >= SHAPE_LIST)
        return field->flags & FIELD_EXACT ? !((const List *)at)->v : ((const List *)at)->n == 0;
    if (field->shape == SHAPE_OPTIONAL)
        return !optional_present(field, at);
    switch (field->value) {
    case VALUE_BOOL:
        return !*(const bool *)at;
    case VALUE_INT32:
        return *(const int32_t *)at == 0;
    case VALUE_INT64:
        return *(const int64_t *)at == 0;
    case VALUE_DOUBLE:
        return *(const double *)at == 0;
    case VALUE_STRING:
        return str_empty(*(const char *const *)at);
    case VALUE_BYTES:
    case VALUE_RAW:
        return ((const Bytes *)at)->n == 0;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return !((const Time *)at)->set;
    default:
        return false; /* Go never omits a struct, and quantities and int-or-strings are structs, too */
    }
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

bool type_field_zero(const Field *field, const void *at)
{
    if (field->shape != SHAPE_ONE || field->value < VALUE_QUANTITY)
        return type_field_empty(field, at);
    switch (field->value) {
    case VALUE_QUANTITY:
        return *(const char *const *)at == NULL;
    case VALUE_STRUCT:
        return type_zero(field->type, at);
    case VALUE_RAW:
        return ((const Bytes *)at)->n == 0;
    default:
        return is_zero(at, thing_size(field));
    }
}

bool type_zero(const Type *type, const void *value)
{
    if (type_is_null(type, value))
        return false;
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++)
        if (!type_field_zero(field, field_at(value, field)))
            return false;
    return true;
}
