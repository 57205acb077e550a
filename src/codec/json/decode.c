/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes JSON documents into values, with the messages of kube-apiserver's decoder. The path from
 * the root to the current value is a chain of steps on the C stack, which costs nothing until a
 * message needs it. Type errors name the struct and the fields that lead to the value, without
 * indices; field errors name the whole path.
 *
 * null means absent, except in lists and maps, where it is an empty element (type_thing_init).
 *
 * Kinds that are defined at run time differ (FIELD_EXACT): a value of the wrong type is kept as JSON beside the fields (Type.extra), so that
 * validation can report it, and so that objects from before a change of the schema can still be read. null in a list is such a value, unless
 * it is nullable or has a default.
 * JSON that is kept as it is has its members in order of names, so that equal values have equal text.
 */
#include "codec/json/json.h"

#include "base/error.h"
#include "base/text_map.h"
#include "base/timefmt.h"
#include "codec/base64.h"
#include "codec/quantity.h"

enum { FIELD_ERRORS_MAX = 100, SEEN_WORDS = 8 };

typedef struct Step {
    const struct Step *up;
    const Type *type; /* a field of this struct, ... */
    const Field *field;
    const char *key; /* or a key of a map, ... */
    size_t index;    /* or an element of a list */
} Step;

typedef struct Decoder {
    Arena *arena;
    DecodeReport *report; /* may be NULL */
    unsigned flags;
    unsigned depth;
    bool mistyped; /* a value in the field that is being decoded has the wrong type */
    StrBuf scratch;
} Decoder;

/* ---- messages ---- */

/* "v1.PodSpec" of "io.k8s.api.core.v1.PodSpec"; parts == 1: "PodSpec" */
static const char *type_go_name(const Type *type, int parts)
{
    const char *name = type->openapi ? type->openapi : type->name, *p = name + strlen(name);

    while (p > name && (p[-1] != '.' || --parts > 0))
        p--;
    return p;
}

static void add_thing_name(const Field *field, StrBuf *out)
{
    static const char *const names[] = {
        [VALUE_BOOL] = "bool",
        [VALUE_INT32] = "int32",
        [VALUE_INT64] = "int64",
        [VALUE_DOUBLE] = "float64",
        [VALUE_STRING] = "string",
        [VALUE_BYTES] = "[]uint8",
        [VALUE_TIME] = "string",
        [VALUE_MICRO_TIME] = "string",
        [VALUE_QUANTITY] = "resource.Quantity",
        [VALUE_INT_OR_STRING] = "int32",
        [VALUE_RAW] = "runtime.RawExtension",
        [VALUE_DURATION] = "string",
    };

    if (field->value == VALUE_STRUCT)
        strbuf_add_string(out, type_go_name(field->type, 2));
    else
        strbuf_add_string(out, names[field->value]);
}

/* The names of fields, inline structs on the way included, as Go's error context has them. */
static bool add_inline_path(const Type *type, const Field *to, StrBuf *out)
{
    size_t before = out->n;

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field == to) {
            strbuf_printf(out, "%s%s", out->n ? "." : "", field->json);
            return true;
        }
        if (!(field->flags & FIELD_INLINE) || field->value != VALUE_STRUCT)
            continue;
        strbuf_printf(out, "%s%s", out->n ? "." : "", field->json);
        if (add_inline_path(field->type, to, out))
            return true;
        strbuf_truncate(out, before);
    }
    return false;
}

static void add_error_path(const Step *step, StrBuf *out)
{
    if (!step)
        return;
    add_error_path(step->up, out);
    if (step->field)
        add_inline_path(step->type, step->field, out);
}

static int type_error(Decoder *d, const Step *step, const char *what, const char *type_name)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    const Step *in = step;

    if (!d->report || d->mistyped)
        return JSON_E_TYPE;
    while (in && !in->field)
        in = in->up;
    if (!in) {
        d->report->error = arena_printf(
            d->arena, "json: cannot unmarshal %s into Go value of type %s", what, type_name);
        return JSON_E_TYPE;
    }
    add_error_path(step, &path);
    d->report->error =
        arena_printf(d->arena, "json: cannot unmarshal %s into Go struct field %s.%s of type %s",
                     what, type_go_name(in->type, 1), strbuf_string(&path), type_name);
    return JSON_E_TYPE;
}

/* "string", "number 1.5": what Go calls the value in a message. */
static const char *value_words(Decoder *d, yyjson_val *json, bool with_number)
{
    switch (yyjson_get_type(json)) {
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_OBJ:
        return "object";
    default:
        if (!with_number)
            return "number";
        strbuf_truncate(&d->scratch, 0);
        json_encode_tree(json, &d->scratch);
        if (yyjson_is_real(json) && !strpbrk(d->scratch.p, ".e"))
            strbuf_add_string(&d->scratch, ".0");
        return arena_printf(d->arena, "number %s", d->scratch.p);
    }
}

/* Goes on after an error in a value of a kind that is defined at run time. */
static int forgive(Decoder *d, bool exact, int r)
{
    if (!exact)
        return r;
    d->mistyped = true;
    return 0;
}

static int thing_error(Decoder *d, const Step *step, const Field *field, yyjson_val *json)
{
    _strbuf_ StrBuf name = STRBUF_INIT;
    bool number = field->value == VALUE_INT32 || field->value == VALUE_INT64 ||
                  field->value == VALUE_INT_OR_STRING;

    add_thing_name(field, &name);
    return forgive(d, field->flags & FIELD_EXACT,
                   type_error(d, step, value_words(d, json, number), strbuf_string(&name)));
}

static int list_error(Decoder *d, const Step *step, const Field *field, yyjson_val *json)
{
    _strbuf_ StrBuf name = STRBUF_INIT;

    strbuf_add_string(&name, field->shape == SHAPE_MAP ? "map[string]" : "[]");
    add_thing_name(field, &name);
    return forgive(d, field->flags & FIELD_EXACT,
                   type_error(d, step, value_words(d, json, false), strbuf_string(&name)));
}

static int text_error(Decoder *d, const char *text)
{
    if (d->report)
        d->report->error = text;
    return JSON_E_TYPE;
}

static void add_field_path(const Step *step, StrBuf *out)
{
    if (!step)
        return;
    add_field_path(step->up, out);
    if (step->field)
        strbuf_printf(out, "%s%s", out->n ? "." : "", step->field->json);
    else if (step->key)
        strbuf_printf(out, "%s%s", out->n ? "." : "", step->key);
    else
        strbuf_printf(out, "[%zu]", step->index);
}

static void add_quoted(StrBuf *out, const char *s)
{
    strbuf_add_char(out, '"');
    for (; *s; s++) {
        uint8_t c = (uint8_t)*s;
        if (c == '"' || c == '\\')
            strbuf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            strbuf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < 32 || c == 127)
            strbuf_printf(out, "\\x%02x", c);
        else
            strbuf_add_char(out, *s);
    }
    strbuf_add_char(out, '"');
}

static void field_error(Decoder *d, const Step *step, const char *what, const char *name, size_t n)
{
    _strbuf_ StrBuf path = STRBUF_INIT, text = STRBUF_INIT;
    StringArray *errors = &d->report->field_errors;

    if (errors->n >= FIELD_ERRORS_MAX)
        return;
    add_field_path(step, &path);
    if (path.n)
        strbuf_add_char(&path, '.');
    strbuf_add(&path, name, n);
    strbuf_printf(&text, "%s ", what);
    add_quoted(&text, strbuf_string(&path));
    for (size_t i = 0; i < errors->n; i++)
        if (str_equal(errors->v[i], text.p))
            return;
    ARENA_APPEND(d->arena, errors, arena_strdup(d->arena, text.p));
}

/* ---- things ---- */

static int decode_string(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                         const char **ret)
{
    const char *s = yyjson_get_str(json);
    size_t n = yyjson_get_len(json);

    if (!s)
        return thing_error(d, step, field, json);
    if (n && memchr(s, 0, n))
        return forgive(d, field->flags & FIELD_EXACT,
                       type_error(d, step, "string with a NUL character", "string"));
    *ret = arena_strndup(d->arena, s, n);
    return 0;
}

/* Whether a double is an integer that INT64 holds. */
static bool is_whole(double v)
{
    return v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v;
}

static int decode_int(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                      int64_t min, int64_t max, int64_t *ret)
{
    if (yyjson_is_uint(json) && yyjson_get_uint(json) <= (uint64_t)max)
        *ret = (int64_t)yyjson_get_uint(json);
    else if (yyjson_is_sint(json) && yyjson_get_sint(json) >= min)
        *ret = yyjson_get_sint(json);
    else if (field->flags & FIELD_EXACT && yyjson_is_real(json) && is_whole(yyjson_get_real(json)))
        *ret = (int64_t)yyjson_get_real(json);
    else
        return thing_error(d, step, field, json);
    return 0;
}

/* For Go's message: the rest of the text, and the part of the layout that it does not match. */
static const char *time_error(Arena *arena, const char *s)
{
    static const char *const layout[] = {"2006", "-", "01", "-", "02", "T",
                                         "15",   ":", "04", ":", "05", "Z07:00"};
    const char *at = s;
    size_t i;

    for (i = 0; i + 1 < ARRAY_LEN(layout); i++) {
        bool digits = layout[i][0] >= '0' && layout[i][0] <= '9';
        size_t n = strlen(layout[i]);

        if (digits ? strspn(at, "0123456789") < n : *at != layout[i][0])
            break;
        at += n;
    }
    return arena_printf(
        arena,
        "parsing time \"%s\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"%s\" as \"%s\"", s,
        at, layout[i]);
}

static int decode_time(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                       Time *time)
{
    const char *s = NULL;
    int r = decode_string(d, step, field, json, &s);

    if (r)
        return r;
    if (timefmt_parse(s, &time->seconds, &time->nanos))
        return text_error(d, time_error(d->arena, s));
    time->nanos = field->value == VALUE_TIME ? 0 : time->nanos / 1000 * 1000;
    time->set = true;
    return 0;
}

static int decode_bytes(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                        Bytes *ret)
{
    size_t bad = 0;

    if (!yyjson_is_str(json))
        return thing_error(d, step, field, json);
    if (base64_decode(d->arena, yyjson_get_str(json), yyjson_get_len(json), ret, &bad))
        return text_error(d, arena_printf(d->arena, "illegal base64 data at input byte %zu", bad));
    return 0;
}

static int decode_quantity(Decoder *d, yyjson_val *json, const char **ret)
{
    int r;

    if (yyjson_is_str(json)) {
        r = quantity_canonical(d->arena, yyjson_get_str(json), yyjson_get_len(json), ret);
    } else {
        strbuf_truncate(&d->scratch, 0);
        json_encode_tree(json, &d->scratch);
        r = quantity_canonical(d->arena, d->scratch.p, d->scratch.n, ret);
    }
    return r ? text_error(d, quantity_error(r)) : 0;
}

static int decode_duration(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                           int64_t *ret)
{
    const char *text = yyjson_get_str(json);

    if (!text)
        return thing_error(d, step, field, json);
    if (!timefmt_parse_duration(text, ret))
        return text_error(d, arena_printf(d->arena, "time: invalid duration \"%s\"", text));
    return 0;
}

typedef struct Member {
    yyjson_val *key, *value;
} Member;

static int compare_members(const void *a, const void *b)
{
    return strcmp(yyjson_get_str(((const Member *)a)->key),
                  yyjson_get_str(((const Member *)b)->key));
}

/* Adds JSON to the scratch buffer with the members of objects in order of names, or with empty objects. Of equal names the last
 * one stays, as glibc's qsort is stable. */
static void add_sorted(Decoder *d, yyjson_val *json, bool emptied)
{
    size_t i, max, n = 0;
    yyjson_val *key, *value;
    Member *members;
    bool first = true;

    if (yyjson_is_arr(json)) {
        strbuf_add_char(&d->scratch, '[');
        yyjson_arr_foreach(json, i, max, value)
        {
            if (i)
                strbuf_add_char(&d->scratch, ',');
            add_sorted(d, value, emptied);
        }
        strbuf_add_char(&d->scratch, ']');
        return;
    }
    if (yyjson_is_uint(json) && yyjson_get_uint(json) > (uint64_t)INT64_MAX) {
        json_encode_double(&d->scratch,
                           yyjson_get_num(json)); /* no number of Go's decoder is larger */
        return;
    }
    if (!yyjson_is_obj(json)) {
        json_encode_tree(json, &d->scratch);
        return;
    }
    strbuf_add_char(&d->scratch, '{');
    members = emptied ? NULL : mem_new(yyjson_obj_size(json) * sizeof(*members));
    yyjson_obj_foreach(json, i, max, key, value)
    {
        if (members)
            members[n++] = (Member){key, value};
    }
    if (n)
        qsort(members, n, sizeof(*members), compare_members);
    for (i = 0; i < n; i++) {
        if (i + 1 < n && compare_members(&members[i], &members[i + 1]) == 0)
            continue;
        if (!first)
            strbuf_add_char(&d->scratch, ',');
        first = false;
        json_encode_string(&d->scratch, yyjson_get_str(members[i].key),
                           yyjson_get_len(members[i].key));
        strbuf_add_char(&d->scratch, ':');
        add_sorted(d, members[i].value, false);
    }
    free(members);
    strbuf_add_char(&d->scratch, '}');
}

static int decode_struct(Decoder *d, const Step *step, const Type *type, yyjson_val *json,
                         const char *const *ignore, void *value);

static int decode_thing(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                        void *at)
{
    int64_t number = 0;
    int r;

    switch (field->value) {
    case VALUE_STRING:
        return decode_string(d, step, field, json, at);
    case VALUE_STRUCT:
        return decode_struct(d, step, field->type, json, NULL, at);
    case VALUE_BOOL:
        if (!yyjson_is_bool(json))
            return thing_error(d, step, field, json);
        *(bool *)at = yyjson_get_bool(json);
        return 0;
    case VALUE_INT32:
        r = decode_int(d, step, field, json, INT32_MIN, INT32_MAX, &number);
        *(int32_t *)at = (int32_t)number;
        return r;
    case VALUE_INT64:
        return decode_int(d, step, field, json, INT64_MIN, INT64_MAX, at);
    case VALUE_DOUBLE:
        if (!yyjson_is_num(json))
            return thing_error(d, step, field, json);
        *(double *)at = yyjson_get_num(json);
        return 0;
    case VALUE_BYTES:
        return decode_bytes(d, step, field, json, at);
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return decode_time(d, step, field, json, at);
    case VALUE_QUANTITY:
        return decode_quantity(d, json, at);
    case VALUE_INT_OR_STRING: {
        IntOrString *v = at;
        v->is_string = yyjson_is_str(json);
        if (v->is_string)
            return decode_string(d, step, field, json, &v->string);
        r = decode_int(d, step, field, json, INT32_MIN, INT32_MAX, &number);
        v->number = (int32_t)number;
        return r;
    }
    case VALUE_RAW:
        strbuf_truncate(&d->scratch, 0);
        if (field->flags & FIELD_EXACT)
            add_sorted(d, json, field->flags & FIELD_EMPTIED);
        else
            json_encode_tree(json, &d->scratch);
        *(Bytes *)at = arena_bytes(d->arena, strbuf_bytes(&d->scratch));
        return 0;
    case VALUE_DURATION:
        return decode_duration(d, step, field, json, at);
    default:
        return NEVER(true) ? JSON_E_TYPE : 0;
    }
}

/* ---- lists and maps ---- */

/* null as an element of a list or map of a run-time kind. */
static int decode_exact_null(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                             void *at)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (field->flags & FIELD_NULLABLE || field->value == VALUE_RAW)
        return decode_thing(d, step, field, json, at);
    if (!field->element_default)
        return thing_error(d, step, field, json);
    if (NEVER(json_parse(d->arena, bytes_from_string(field->element_default), &doc, &report)))
        return JSON_E_SYNTAX;
    return decode_thing(d, step, field, yyjson_doc_get_root(doc), at);
}

static int decode_list(Decoder *d, const Step *up, const Field *field, yyjson_val *json, List *list)
{
    size_t size = value_size(field), i, n;
    Step step = {.up = up};
    yyjson_val *element;
    char *at;
    int r;

    if (!yyjson_is_arr(json))
        return list_error(d, up, field, json);
    n = yyjson_arr_size(json);
    at = arena_alloc(d->arena, MAX_OF(size * n, (size_t)1));
    *list = (List){at, n};
    yyjson_arr_foreach(json, i, n, element)
    {
        step.index = i;
        if (!yyjson_is_null(element))
            r = decode_thing(d, &step, field, element, at);
        else if (field->flags & FIELD_EXACT)
            r = decode_exact_null(d, &step, field, element, at);
        else
            r = (type_thing_init(field, at), 0);
        if (r)
            return r;
        at += size;
    }
    return 0;
}

static const char *entry_key(const char *entry)
{
    return *(const char *const *)(const void *)entry;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(entry_key(a), entry_key(b));
}

/* Sorts by key. Of equal keys, the last one stays, since glibc's qsort is stable. */
void json_sort_entries(void *entries, size_t *n, size_t size)
{
    char *v = entries, *to;
    bool sorted = true;

    for (size_t i = 1; i < *n && sorted; i++)
        sorted = strcmp(entry_key(v + (i - 1) * size), entry_key(v + i * size)) < 0;
    if (sorted)
        return;
    qsort(v, *n, size, compare_entries);
    to = v;
    for (size_t i = 1; i < *n; i++) {
        if (!str_equal(entry_key(to), entry_key(v + i * size)))
            to += size;
        if (to != v + i * size)
            memcpy(to, v + i * size, size);
    }
    *n = (size_t)(to - v) / size + 1;
}

static void check_duplicate_keys(Decoder *d, const Step *up, yyjson_val *json, const char *keys,
                                 size_t n, size_t size)
{
    size_t i, max;
    yyjson_val *key, *value;
    _free_ bool *seen = mem_new(n);

    yyjson_obj_foreach(json, i, max, key, value)
    {
        size_t low = 0, high = n;

        while (low + 1 < high) {
            size_t middle = (low + high) / 2;
            if (strcmp(yyjson_get_str(key), entry_key(keys + middle * size)) < 0)
                high = middle;
            else
                low = middle;
        }
        if (seen[low])
            field_error(d, up, "duplicate field", yyjson_get_str(key), yyjson_get_len(key));
        seen[low] = true;
    }
}

static int decode_map(Decoder *d, const Step *up, const Field *field, yyjson_val *json, List *list)
{
    Field key_field = {.value = VALUE_STRING};
    size_t size = value_size(field), i, n;
    Step step = {.up = up};
    yyjson_val *key, *value;
    char *at;
    int r;

    if (!yyjson_is_obj(json))
        return list_error(d, up, field, json);
    n = yyjson_obj_size(json);
    at = arena_alloc(d->arena, MAX_OF(size * n, (size_t)1));
    *list = (List){at, n};
    yyjson_obj_foreach(json, i, n, key, value)
    {
        bool null = yyjson_is_null(value), exact = field->flags & FIELD_EXACT;

        if (null && exact && !(field->flags & FIELD_NULLABLE) && !field->element_default) {
            list->n--;
            continue;
        }
        r = decode_string(d, up, &key_field, key, (const char **)(void *)at);
        if (r)
            return r;
        step.key = entry_key(at);
        if (!null)
            r = decode_thing(d, &step, field, value, at + TYPE_ENTRY_VALUE);
        else if (exact)
            r = decode_exact_null(d, &step, field, value, at + TYPE_ENTRY_VALUE);
        else
            r = (type_thing_init(field, at + TYPE_ENTRY_VALUE), 0);
        if (r)
            return r;
        at += size;
    }
    n = list->n;
    json_sort_entries(list->v, &list->n, size);
    if (list->n < n && d->flags & DECODE_CHECK_FIELDS)
        check_duplicate_keys(d, up, json, list->v, list->n, size);
    return 0;
}

static int decode_field(Decoder *d, const Step *step, const Field *field, yyjson_val *json,
                        void *at)
{
    if (yyjson_is_null(json) && (!(field->flags & FIELD_NULLABLE) || field->shape >= SHAPE_LIST))
        return 0;
    if (field->shape == SHAPE_LIST)
        return decode_list(d, step, field, json, at);
    if (field->shape == SHAPE_MAP)
        return decode_map(d, step, field, json, at);
    if (type_is_pointer(field)) {
        void **thing = at;
        if (!*thing)
            *thing = arena_alloc(d->arena, value_size(field));
        at = *thing;
    }
    return decode_thing(d, step, field, json, at);
}

/* ---- structs ---- */

typedef struct Seen {
    uint64_t words[SEEN_WORDS];
    uint64_t *more; /* of types with more names than that */
} Seen;

static bool seen_before(Decoder *d, Seen *seen, const Type *type, size_t index)
{
    uint64_t *words = seen->words, bit = UINT64_C(1) << (index % 64);
    bool before;

    if (type->n_names > SEEN_WORDS * 64) {
        if (!seen->more)
            seen->more = arena_new_n(d->arena, uint64_t, type->n_names / 64 + 1);
        words = seen->more;
    }
    before = words[index / 64] & bit;
    words[index / 64] |= bit;
    return before;
}

static bool is_ignored(Decoder *d, const Step *step, const char *const *ignore, const char *name,
                       size_t n, unsigned *seen)
{
    for (unsigned i = 0; ignore && ignore[i]; i++) {
        if (strlen(ignore[i]) != n || memcmp(ignore[i], name, n) != 0)
            continue;
        if (*seen & 1U << i && d->flags & DECODE_CHECK_FIELDS)
            field_error(d, step, "duplicate field", name, n);
        *seen |= 1U << i;
        return true;
    }
    return false;
}

/* The address of the field. Inline structs on the way that are held by pointers are allocated. */
static void *reach(Decoder *d, const Type *type, const TypeName *name, void *value)
{
    if (name->depth == 0)
        return (char *)value + name->offset;
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        const TypeName *inner;
        void *at;

        if (!(field->flags & FIELD_INLINE) || field->value != VALUE_STRUCT)
            continue;
        inner = type_find(field->type, name->json, name->length);
        if (!inner || inner->field != name->field)
            continue;
        at = field_at(value, field);
        if (type_is_pointer(field)) {
            if (!*(void **)at)
                *(void **)at = arena_alloc(d->arena, field->type->size);
            at = *(void **)at;
        }
        return reach(d, field->type, inner, at);
    }
    return (char *)value + name->offset;
}

/* Members of an object that are kept beside the fields. */
typedef struct Extra {
    const Type *type;
    yyjson_val *object;
    List
        *list; /* of BytesEntry, with room for all members of the object; NULL: the type has none */
    TextMap seen; /* members without a field */
} Extra;

static int keep_member(Decoder *d, const Step *up, yyjson_val *key, yyjson_val *member,
                       const Field *field, Extra *extra)
{
    Field key_field = {.value = VALUE_STRING};
    BytesEntry *entry;
    int r;

    if (!extra->list->v)
        extra->list->v = arena_new_n(d->arena, BytesEntry, yyjson_obj_size(extra->object));
    entry = (BytesEntry *)extra->list->v + extra->list->n;
    r = decode_string(d, up, &key_field, key, &entry->key);
    if (r)
        return r;
    extra->list->n++;
    return decode_thing(d, up, field, member, &entry->value);
}

/* A member without a field. */
static int decode_unknown(Decoder *d, const Step *up, yyjson_val *key, yyjson_val *member,
                          Extra *extra)
{
    const char *text = yyjson_get_str(key);
    size_t n = yyjson_get_len(key);
    bool is_new = true;

    if (!extra->type->keeps_unknown) {
        if (d->flags & DECODE_CHECK_FIELDS)
            field_error(d, up, "unknown field", text, n);
        return 0;
    }
    if (d->flags & DECODE_CHECK_FIELDS)
        text_map_put_n(&extra->seen, text, n, &is_new);
    if (!is_new)
        field_error(d, up, "duplicate field", text, n);
    return keep_member(d, up, key, member, extra->type->extra, extra);
}

/* A field of a run-time kind. If the value does not fit, it is kept as it is. */
static int decode_exact_field(Decoder *d, const Step *step, yyjson_val *key, yyjson_val *member,
                              void *at, Extra *extra)
{
    static const Field open = {.json = "", .value = VALUE_RAW, .flags = FIELD_EXACT};
    bool before = d->mistyped;
    int r;

    d->mistyped = false;
    r = decode_field(d, step, step->field, member, at);
    if (r == 0 && d->mistyped) {
        memset(at, 0, type_field_size(step->field));
        if (d->report)
            d->report->error = NULL;
        r = keep_member(d, step->up, key, member, &open, extra);
    }
    d->mistyped = before;
    return r;
}

/* Brings them in order of names. Of members of the same name, one that fits into its field counts. */
static void finish_extra(Extra *extra, const void *value)
{
    BytesEntry *v;
    size_t to = 0;

    if (!extra->list || !extra->list->n)
        return;
    json_sort_entries(extra->list->v, &extra->list->n, sizeof(BytesEntry));
    v = extra->list->v;
    for (size_t i = 0; i < extra->list->n; i++) {
        const TypeName *name = type_find(extra->type, v[i].key, strlen(v[i].key));

        if (!name || type_field_empty(name->field, field_at(value, name->field)))
            v[to++] = v[i];
    }
    *extra->list = to ? (List){v, to} : (List){0};
}

static int decode_struct(Decoder *d, const Step *up, const Type *type, yyjson_val *json,
                         const char *const *ignore, void *value)
{
    Extra extra = {.type = type,
                   .object = json,
                   .list = type->extra ? field_at(value, type->extra) : NULL,
                   .seen = TEXT_MAP_INIT(d->arena)};
    Step step = {.up = up, .type = type};
    Seen seen;
    unsigned ignored = 0;
    size_t i, n;
    yyjson_val *key, *member;

    if (type->is_nullable && yyjson_is_null(json)) {
        *(bool *)value = true;
        return 0;
    }
    if (type_is_bare(type))
        return decode_field(d, up, &type->fields[0], json, field_at(value, &type->fields[0]));
    if (!yyjson_is_obj(json))
        return forgive(d, type->is_exact,
                       type_error(d, up, value_words(d, json, false), type_go_name(type, 2)));
    if (d->depth >= JSON_DEPTH_MAX)
        return text_error(d, "exceeded max depth");
    d->depth++;
    if (d->flags & DECODE_CHECK_FIELDS)
        seen = (Seen){0};
    yyjson_obj_foreach(json, i, n, key, member)
    {
        const char *text = yyjson_get_str(key);
        size_t length = yyjson_get_len(key);
        const TypeName *name = type_find(type, text, length);
        int r;

        if (!name) {
            if (is_ignored(d, up, ignore, text, length, &ignored))
                continue;
            r = decode_unknown(d, up, key, member, &extra);
            if (r)
                return r;
            continue;
        }
        if (d->flags & DECODE_CHECK_FIELDS &&
            seen_before(d, &seen, type, (size_t)(name - type->names)))
            field_error(d, up, "duplicate field", text, length);
        step.field = name->field;
        if (extra.list && name->field->flags & FIELD_EXACT)
            r = decode_exact_field(d, &step, key, member, field_at(value, name->field), &extra);
        else
            r = decode_field(d, &step, name->field, member, reach(d, type, name, value));
        if (r)
            return r;
    }
    d->depth--;
    finish_extra(&extra, value);
    return 0;
}

int json_decode(const Type *type, Arena *arena, yyjson_val *json, unsigned flags,
                const char *const *ignore, void *value, DecodeReport *report)
{
    Decoder d = {.arena = arena, .report = report, .flags = report ? flags : 0};
    int r = decode_struct(&d, NULL, type, json, ignore, value);

    strbuf_deinit(&d.scratch);
    if (r == 0 && d.mistyped)
        return JSON_E_TYPE;
    if (r == 0 && d.flags & DECODE_CHECK_FIELDS && report->field_errors.n)
        return JSON_E_FIELD;
    return r;
}

int json_decode_field(const Field *field, Arena *arena, yyjson_val *json, void *at)
{
    Decoder d = {.arena = arena};
    int r = decode_field(&d, NULL, field, json, at);

    strbuf_deinit(&d.scratch);
    return r == 0 && d.mistyped ? JSON_E_TYPE : r;
}

int json_decode_tree(const Type *type, Arena *arena, yyjson_mut_val *json, unsigned flags,
                     const char *const *ignore, void *value, DecodeReport *report)
{
    yyjson_doc *doc = yyjson_mut_val_imut_copy(json, NULL);
    int r;

    if (!doc)
        return ERR_ORIGIN(-ENOMEM);
    r = json_decode(type, arena, yyjson_doc_get_root(doc), flags, ignore, value, report);
    yyjson_doc_free(doc);
    return r;
}
