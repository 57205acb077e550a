/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes values as JSON text, directly into the buffer. The last character in the buffer shows
 * whether a comma is needed, so inline structs need no state.
 */
#include "codec/json/json.h"

#include <math.h>

#include "base/timefmt.h"
#include "codec/base64.h"

static inline char *room(StrBuf *out, size_t n)
{
    if (_unlikely_(out->n + n + 1 > out->cap))
        strbuf_reserve(out, n);
    return out->p + out->n;
}

static inline void done(StrBuf *out, char *to)
{
    *to = 0;
    out->n = (size_t)(to - out->p);
}

#define ADD_LITERAL(out, s)                     \
    ({                                          \
        char *_to = room((out), sizeof(s) - 1); \
        memcpy(_to, (s), sizeof(s) - 1);        \
        done((out), _to + sizeof(s) - 1);       \
    })

/* Bytes that may have to be escaped in a string. 0xe2 is the first byte of U+2028 and U+2029, which
 * JavaScript treats as ends of lines. */
static const bool special[256] = {
    [0 ... 31] = true, ['"'] = true, ['\\'] = true, ['<'] = true,
    ['>'] = true,      ['&'] = true, [0xe2] = true,
};

static void add_escaped(StrBuf *out, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    static const char brief[256] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                    ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char *to = room(out, 6);

    *to++ = '\\';
    if (brief[c]) {
        *to++ = brief[c];
    } else {
        memcpy(to, "u00", 3);
        to[3] = digits[c >> 4];
        to[4] = digits[c & 15];
        to += 5;
    }
    done(out, to);
}

static void add_string_rest(StrBuf *out, const char *s, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s[i];

        if (_likely_(!special[c]))
            continue;
        if (c == 0xe2) {
            if (n - i < 3 || (uint8_t)s[i + 1] != 0x80 || ((uint8_t)s[i + 2] & 0xfe) != 0xa8)
                continue;
            strbuf_add(out, s + from, i - from);
            strbuf_add_string(out, s[i + 2] & 1 ? "\\u2029" : "\\u2028");
            i += 2;
        } else {
            strbuf_add(out, s + from, i - from);
            add_escaped(out, c);
        }
        from = i + 1;
    }
    strbuf_add(out, s + from, n - from);
    strbuf_add_char(out, '"');
}

void json_encode_string(StrBuf *out, const char *s, size_t n)
{
    size_t clean = 0;
    char *to;

    while (clean < n && !special[(uint8_t)s[clean]])
        clean++;
    to = room(out, clean + 2);
    *to++ = '"';
    if (clean)
        memcpy(to, s, clean);
    to += clean;
    if (_likely_(clean == n)) {
        *to++ = '"';
        done(out, to);
        return;
    }
    done(out, to);
    add_string_rest(out, s + clean, n - clean);
}

/* The usual string takes one pass, since NUL counts as special, too. */
static void encode_text(StrBuf *out, const char *s)
{
    size_t clean = 0;
    char *to;

    if (!s) {
        ADD_LITERAL(out, "\"\"");
        return;
    }
    while (!special[(uint8_t)s[clean]])
        clean++;
    to = room(out, clean + 2);
    *to++ = '"';
    memcpy(to, s, clean);
    to += clean;
    if (_likely_(!s[clean])) {
        *to++ = '"';
        done(out, to);
        return;
    }
    done(out, to);
    add_string_rest(out, s + clean, strlen(s + clean));
}

static void encode_int(StrBuf *out, int64_t v)
{
    char digits[24], *to;
    size_t at = sizeof(digits), n;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        digits[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        digits[--at] = '-';
    n = sizeof(digits) - at;
    to = room(out, n);
    memcpy(to, digits + at, n);
    done(out, to + n);
}

/* Writes digits and a decimal exponent ("d.ddde-05") without an exponent, as Go does. */
static void add_fixed(StrBuf *out, const char *text)
{
    char digits[32];
    size_t n = 0;
    int exponent;
    const char *p = text;

    if (*p == '-')
        strbuf_add_char(out, *p++);
    for (; *p && *p != 'e'; p++)
        if (*p != '.' && n < sizeof(digits))
            digits[n++] = *p;
    exponent = (int)strtol(p + 1, NULL, 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (exponent < 0) {
        strbuf_add_string(out, "0.");
        for (int i = -1; i > exponent; i--)
            strbuf_add_char(out, '0');
        strbuf_add(out, digits, n);
        return;
    }
    for (size_t i = 0; i < n || i <= (size_t)exponent; i++) {
        if (i == (size_t)exponent + 1)
            strbuf_add_char(out, '.');
        strbuf_add_char(out, i < n ? digits[i] : '0');
    }
}

void json_encode_double(StrBuf *out, double v)
{
    char text[40], *exponent;
    double size = fabs(v);

    if (v == 0 || !isfinite(v)) {
        strbuf_add_string(out, signbit(v) && v == 0 ? "-0" : "0");
        return;
    }
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    if (size >= 1e-6 && size < 1e21) {
        add_fixed(out, text);
        return;
    }
    exponent = strchr(text, 'e');
    {
        const char *end = exponent;
        const char *power = exponent + 2;
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.')
            end--;
        strbuf_add(out, text, (size_t)(end - text));
        while (*power == '0')
            power++;
        strbuf_printf(out, "e%c%s", exponent[1], power);
    }
}

static void encode_time(StrBuf *out, const Time *time, bool micro)
{
    char text[TIMEFMT_MAX];

    if (!time->set) {
        ADD_LITERAL(out, "null");
        return;
    }
    if (micro)
        timefmt_micros(time->seconds, time->nanos, text);
    else
        timefmt_seconds(time->seconds, text);
    encode_text(out, text);
}

static void encode_bytes(StrBuf *out, Bytes b)
{
    if (!b.p) {
        ADD_LITERAL(out, "null");
        return;
    }
    strbuf_add_char(out, '"');
    base64_encode(b, out);
    strbuf_add_char(out, '"');
}

static void encode_members(const Type *type, const void *value, StrBuf *out);

static void encode_struct(const Type *type, const void *value, StrBuf *out)
{
    if (type_is_null(type, value)) {
        ADD_LITERAL(out, "null");
        return;
    }
    if (type_is_bare(type)) {
        json_encode_field(&type->fields[0], field_at(value, &type->fields[0]), out);
        return;
    }
    strbuf_add_char(out, '{');
    encode_members(type, value, out);
    strbuf_add_char(out, '}');
}

static void encode_thing(const Field *field, const void *at, StrBuf *out)
{
    switch (field->value) {
    case VALUE_BOOL:
        if (*(const bool *)at)
            ADD_LITERAL(out, "true");
        else
            ADD_LITERAL(out, "false");
        break;
    case VALUE_INT32:
        encode_int(out, *(const int32_t *)at);
        break;
    case VALUE_INT64:
        encode_int(out, *(const int64_t *)at);
        break;
    case VALUE_DOUBLE:
        json_encode_double(out, *(const double *)at);
        break;
    case VALUE_STRING:
        encode_text(out, *(const char *const *)at);
        break;
    case VALUE_BYTES:
        encode_bytes(out, *(const Bytes *)at);
        break;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        encode_time(out, at, field->value == VALUE_MICRO_TIME);
        break;
    case VALUE_QUANTITY:
        encode_text(out, str_or(*(const char *const *)at, "0"));
        break;
    case VALUE_INT_OR_STRING: {
        const IntOrString *v = at;
        if (v->is_string)
            encode_text(out, v->string);
        else
            encode_int(out, v->number);
        break;
    }
    case VALUE_RAW: {
        Bytes raw = *(const Bytes *)at;
        if (raw.n)
            strbuf_add(out, raw.p, raw.n);
        else
            ADD_LITERAL(out, "null");
        break;
    }
    case VALUE_DURATION: {
        char text[TIMEFMT_MAX];

        timefmt_duration(*(const int64_t *)at, text);
        encode_text(out, text);
        break;
    }
    case VALUE_STRUCT:
        encode_struct(field->type, at, out);
        break;
    }
}

/* Encodes an element or the value of a map entry. Everything that is stored or sent passes through
 * here, so a text that was left NULL by mistake is noticed here; see type.h. */
static void encode_element(const Field *field, const char *at, StrBuf *out)
{
    if (field->value == VALUE_STRING)
        (void)NEVER(!*(const char *const *)(const void *)at);
    encode_thing(field, at, out);
}

static void encode_list(const Field *field, const List *list, StrBuf *out)
{
    bool map = field->shape == SHAPE_MAP;
    size_t size = value_size(field);
    const char *element = list->v;

    if (!element) {
        ADD_LITERAL(out, "null");
        return;
    }
    strbuf_add_char(out, map ? '{' : '[');
    for (size_t i = 0; i < list->n; i++, element += size) {
        if (i)
            strbuf_add_char(out, ',');
        if (map) {
            encode_text(out, *(const char *const *)(const void *)element);
            strbuf_add_char(out, ':');
            encode_element(field, element + TYPE_ENTRY_VALUE, out);
        } else {
            encode_element(field, element, out);
        }
    }
    strbuf_add_char(out, map ? '}' : ']');
}

void json_encode_field(const Field *field, const void *at, StrBuf *out)
{
    if (field->shape >= SHAPE_LIST) {
        encode_list(field, at, out);
        return;
    }
    if (field->shape == SHAPE_OPTIONAL && type_field_empty(field, at)) {
        ADD_LITERAL(out, "null");
        return;
    }
    encode_thing(field, field_thing(field, at), out);
}

static void encode_name(const Field *field, StrBuf *out)
{
    char *to = room(out, (size_t)field->json_length + 4);

    if (to[-1] != '{')
        *to++ = ',';
    *to++ = '"';
    memcpy(to, field->json, field->json_length);
    to += field->json_length;
    *to++ = '"';
    *to++ = ':';
    done(out, to);
}

/* Members that no field of the type is for. */
static void encode_extra(const List *map, StrBuf *out)
{
    const BytesEntry *entry = map->v;

    for (size_t i = 0; i < map->n; i++, entry++) {
        if (out->p[out->n - 1] != '{')
            strbuf_add_char(out, ',');
        encode_text(out, entry->key);
        strbuf_add_char(out, ':');
        strbuf_add(out, entry->value.p, entry->value.n);
    }
}

static void encode_members(const Type *type, const void *value, StrBuf *out)
{
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++) {
        const void *at = field_at(value, field);

        if (field->flags & FIELD_INLINE) {
            if (field == type->extra) {
                encode_extra(at, out);
                continue;
            }
            at = field_thing(field, at);
            if (at)
                encode_members(field->type, at, out);
            continue;
        }
        if (type_field_empty(field, at) && !(field->flags & FIELD_EMIT_ALWAYS))
            continue;
        encode_name(field, out);
        json_encode_field(field, at, out);
    }
}

void json_encode(const Type *type, const void *value, const char *prefix, StrBuf *out)
{
    strbuf_reserve(out, 512);
    if (!prefix) {
        encode_struct(type, value, out);
        return;
    }
    strbuf_add_char(out, '{');
    strbuf_add_string(out, prefix);
    encode_members(type, value, out);
    strbuf_add_char(out, '}');
}

void json_encode_tree(yyjson_val *json, StrBuf *out)
{
    size_t i, n;
    yyjson_val *key, *value;

    switch (yyjson_get_type(json)) {
    case YYJSON_TYPE_BOOL:
        strbuf_add_string(out, yyjson_get_bool(json) ? "true" : "false");
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_uint(json))
            strbuf_printf(out, "%" PRIu64, yyjson_get_uint(json));
        else if (yyjson_is_sint(json))
            encode_int(out, yyjson_get_sint(json));
        else
            json_encode_double(out, yyjson_get_real(json));
        break;
    case YYJSON_TYPE_STR:
        json_encode_string(out, yyjson_get_str(json), yyjson_get_len(json));
        break;
    case YYJSON_TYPE_ARR:
        strbuf_add_char(out, '[');
        yyjson_arr_foreach(json, i, n, value)
        {
            if (i)
                strbuf_add_char(out, ',');
            json_encode_tree(value, out);
        }
        strbuf_add_char(out, ']');
        break;
    case YYJSON_TYPE_OBJ:
        strbuf_add_char(out, '{');
        yyjson_obj_foreach(json, i, n, key, value)
        {
            if (i)
                strbuf_add_char(out, ',');
            json_encode_string(out, yyjson_get_str(key), yyjson_get_len(key));
            strbuf_add_char(out, ':');
            json_encode_tree(value, out);
        }
        strbuf_add_char(out, '}');
        break;
    default:
        ADD_LITERAL(out, "null");
    }
}

yyjson_val *json_encoded(const Type *type, const void *value, const char *prefix, Arena *arena)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;

    json_encode(type, value, prefix, &text);
    ASSERT(json_parse(arena, strbuf_bytes(&text), &doc, &report) == 0);
    return yyjson_doc_get_root(doc);
}

yyjson_mut_val *json_tree(const Type *type, const void *value, yyjson_mut_doc *doc)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_doc *read;
    yyjson_mut_val *tree;

    json_encode(type, value, NULL, &text);
    read = yyjson_read(text.p, text.n, 0);
    if (NEVER(!read))
        return NULL;
    tree = yyjson_val_mut_copy(doc, yyjson_doc_get_root(read));
    yyjson_doc_free(read);
    return tree;
}
