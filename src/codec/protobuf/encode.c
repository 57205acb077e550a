/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes values as Kubernetes' protobuf, as its generated Go code does: fields that are not
 * pointers there are always written, even if they are empty, and lists of numbers are not packed.
 * Fields are in the order of the table; readers accept any order.
 *
 * The length of a message precedes it, so one byte is left free for it; the message is moved if the
 * length needs more.
 */
#include "codec/protobuf/protobuf.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static size_t put_varint(char *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (char)(v | 0x80);
    to[n++] = (char)v;
    return n;
}

static void add_varint(StrBuf *out, uint64_t v)
{
    char text[10];

    strbuf_add(out, text, put_varint(text, v));
}

static void add_tag(StrBuf *out, unsigned number, unsigned wire)
{
    add_varint(out, (uint64_t)number << 3 | wire);
}

static void add_bytes(StrBuf *out, unsigned number, const void *p, size_t n)
{
    add_tag(out, number, WIRE_BYTES);
    add_varint(out, n);
    strbuf_add(out, p, n);
}

static void add_string(StrBuf *out, unsigned number, const char *s)
{
    add_bytes(out, number, s ? s : "", s ? strlen(s) : 0);
}

static void add_number(StrBuf *out, unsigned number, uint64_t v)
{
    add_tag(out, number, WIRE_VARINT);
    add_varint(out, v);
}

static size_t message_begin(StrBuf *out, unsigned number)
{
    add_tag(out, number, WIRE_BYTES);
    strbuf_add_char(out, 0);
    return out->n;
}

static void message_end(StrBuf *out, size_t begin)
{
    size_t n = out->n - begin, more;
    char length[10];
    size_t length_n = put_varint(length, n);

    more = length_n - 1;
    if (more) {
        strbuf_add(out, length, more); /* any bytes: makes room */
        memmove(out->p + begin + more, out->p + begin, n);
    }
    memcpy(out->p + begin - 1, length, length_n);
}

static void encode_double(StrBuf *out, unsigned number, double v)
{
    uint64_t bits;
    uint8_t text[8];

    memcpy(&bits, &v, sizeof(bits));
    for (int i = 0; i < 8; i++)
        text[i] = (uint8_t)(bits >> (8 * i));
    add_tag(out, number, WIRE_FIXED64);
    strbuf_add(out, text, sizeof(text));
}

static void encode_time(StrBuf *out, unsigned number, const Time *time)
{
    size_t begin = message_begin(out, number);

    if (time->set) {
        add_number(out, 1, (uint64_t)time->seconds);
        add_number(out, 2, (uint64_t)time->nanos);
    }
    message_end(out, begin);
}

static void encode_int_or_string(StrBuf *out, unsigned number, const IntOrString *v)
{
    size_t begin = message_begin(out, number);

    add_number(out, 1, v->is_string);
    add_number(out, 2, v->is_string ? 0 : (uint64_t)(int64_t)v->number);
    add_string(out, 3, v->is_string ? v->string : "");
    message_end(out, begin);
}

static void encode_thing(const Field *field, unsigned number, const void *at, StrBuf *out)
{
    size_t begin;

    switch (field->value) {
    case VALUE_BOOL:
        add_number(out, number, *(const bool *)at);
        break;
    case VALUE_INT32:
        add_number(out, number, (uint64_t)(int64_t) * (const int32_t *)at);
        break;
    case VALUE_INT64:
        add_number(out, number, (uint64_t) * (const int64_t *)at);
        break;
    case VALUE_DOUBLE:
        encode_double(out, number, *(const double *)at);
        break;
    case VALUE_STRING:
        add_string(out, number, *(const char *const *)at);
        break;
    case VALUE_BYTES:
        add_bytes(out, number, ((const Bytes *)at)->p, ((const Bytes *)at)->n);
        break;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        encode_time(out, number, at);
        break;
    case VALUE_QUANTITY:
        begin = message_begin(out, number);
        add_string(out, 1, str_or(*(const char *const *)at, "0"));
        message_end(out, begin);
        break;
    case VALUE_DURATION:
        begin = message_begin(out, number);
        add_number(out, 1, (uint64_t) * (const int64_t *)at);
        message_end(out, begin);
        break;
    case VALUE_INT_OR_STRING:
        encode_int_or_string(out, number, at);
        break;
    case VALUE_RAW:
        begin = message_begin(out, number);
        if (((const Bytes *)at)->n)
            add_bytes(out, 1, ((const Bytes *)at)->p, ((const Bytes *)at)->n);
        message_end(out, begin);
        break;
    case VALUE_STRUCT:
        begin = message_begin(out, number);
        protobuf_encode(field->type, at, out);
        message_end(out, begin);
        break;
    }
}

static void encode_list(const Field *field, const List *list, StrBuf *out)
{
    size_t size = value_size(field), begin;
    const char *at = list->v;

    for (size_t i = 0; i < list->n; i++, at += size) {
        if (field->shape == SHAPE_LIST) {
            encode_thing(field, field->number, at, out);
            continue;
        }
        begin = message_begin(out, field->number);
        add_string(out, 1, *(const char *const *)(const void *)at);
        if (field->value != VALUE_BYTES ||
            ((const Bytes *)(const void *)(at + TYPE_ENTRY_VALUE))->p)
            encode_thing(field, 2, at + TYPE_ENTRY_VALUE, out);
        message_end(out, begin);
    }
}

void protobuf_encode(const Type *type, const void *value, StrBuf *out)
{
    for (const Field *field = type->fields, *end = field + type->n_fields; field < end; field++) {
        const void *at = field_at(value, field);

        if (field->flags & FIELD_NO_PROTO || !field->number)
            continue;
        if (field->shape >= SHAPE_LIST) {
            encode_list(field, at, out);
            continue;
        }
        if (field->shape == SHAPE_OPTIONAL && type_field_empty(field, at))
            continue;
        if (field->value == VALUE_BYTES && !((const Bytes *)at)->p)
            continue;
        encode_thing(field, field->number, field_thing(field, at), out);
    }
}

void protobuf_encode_envelope(const char *api_version, const char *kind, Bytes raw, StrBuf *out)
{
    size_t begin;

    strbuf_reserve(out, raw.n + 128);
    strbuf_add(out, "k8s", 4);
    begin = message_begin(out, 1);
    add_string(out, 1, api_version);
    add_string(out, 2, kind);
    message_end(out, begin);
    add_bytes(out, 2, raw.p, raw.n);
    add_string(out, 3, "");
    add_string(out, 4, "");
}
