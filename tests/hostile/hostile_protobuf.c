/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"
#include "codec/protobuf/protobuf.h"
#include "hostile.h"

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES };

static void add_varint(StrBuf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        strbuf_add_char(out, (char)(v | 0x80));
    strbuf_add_char(out, (char)v);
}

static void add_number(StrBuf *out, unsigned number, uint64_t v)
{
    add_varint(out, number << 3 | WIRE_VARINT);
    add_varint(out, v);
}

static void add_bytes(StrBuf *out, unsigned number, const void *p, size_t n)
{
    add_varint(out, number << 3 | WIRE_BYTES);
    add_varint(out, n);
    strbuf_add(out, p, n);
}

static void add_message(StrBuf *out, unsigned number, const StrBuf *message)
{
    add_bytes(out, number, message->p, message->n);
}

static void write_message(const Type *type, yyjson_mut_val *object, StrBuf *out);

/* The message that stands for a time, a quantity, an int-or-string or raw JSON. */
static void write_wrapped(const Field *field, yyjson_mut_val *value, StrBuf *out)
{
    const char *text = yyjson_mut_get_str(value);
    char *json = NULL;
    int64_t seconds;
    int32_t nanos;

    switch (field->value) {
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        if (text && timefmt_parse(text, &seconds, &nanos) == 0)
            add_number(out, 1, (uint64_t)seconds);
        else if (yyjson_mut_is_num(value))
            add_number(out, 1, UINT64_MAX);
        break;
    case VALUE_QUANTITY:
        if (text)
            add_bytes(out, 1, text, yyjson_mut_get_len(value));
        break;
    case VALUE_INT_OR_STRING:
        add_number(out, 1, !yyjson_mut_is_num(value));
        if (text)
            add_bytes(out, 3, text, yyjson_mut_get_len(value));
        if (yyjson_mut_is_num(value))
            add_number(out, 2, (uint64_t)yyjson_mut_get_sint(value));
        break;
    default:
        json = yyjson_mut_val_write(value, 0, NULL);
        add_bytes(out, 1, str_or(json, "{"), strlen(str_or(json, "{")));
        free(json);
    }
}

static void write_thing(const Field *field, unsigned number, yyjson_mut_val *value, StrBuf *out)
{
    _strbuf_ StrBuf message = STRBUF_INIT;
    const char *text = yyjson_mut_get_str(value);

    if (field->value >= VALUE_TIME && field->value <= VALUE_RAW) {
        write_wrapped(field, value, &message);
        add_message(out, number, &message);
    } else if (field->value == VALUE_STRUCT && !text && !yyjson_mut_is_num(value)) {
        write_message(field->type, value, &message);
        add_message(out, number, &message);
    } else if (yyjson_mut_is_bool(value)) {
        add_number(out, number, yyjson_mut_get_bool(value));
    } else if (yyjson_mut_is_real(value)) {
        double real = yyjson_mut_get_real(value);

        add_varint(out, number << 3 | WIRE_FIXED64);
        strbuf_add(out, &real, sizeof(real));
    } else if (yyjson_mut_is_num(value)) {
        add_number(out, number, (uint64_t)yyjson_mut_get_sint(value));
    } else if (yyjson_mut_is_null(value) && field->value <= VALUE_INT64) {
        add_number(out, number, 0);
    } else {
        add_bytes(out, number, text ? text : "", text ? yyjson_mut_get_len(value) : 0);
    }
}

static void write_field(const Field *field, yyjson_mut_val *value, StrBuf *out)
{
    size_t i, n;
    yyjson_mut_val *key, *item;

    if (field->shape == SHAPE_LIST && yyjson_mut_is_arr(value)) {
        yyjson_mut_arr_foreach(value, i, n, item)
        {
            write_thing(field, field->number, item, out);
        }
    } else if (field->shape == SHAPE_MAP && yyjson_mut_is_obj(value)) {
        yyjson_mut_obj_foreach(value, i, n, key, item)
        {
            _strbuf_ StrBuf entry = STRBUF_INIT;

            if (yyjson_mut_get_len(key)) /* else without a key at all */
                add_bytes(&entry, 1, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
            if (!yyjson_mut_is_null(item))
                write_thing(field, 2, item, &entry);
            add_message(out, field->number, &entry);
        }
    } else if (!yyjson_mut_is_null(value)) {
        write_thing(field, field->number, value, out);
    }
}

static void write_message(const Type *type, yyjson_mut_val *object, StrBuf *out)
{
    size_t k, n;
    yyjson_mut_val *key, *value;

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        _strbuf_ StrBuf inner = STRBUF_INIT;

        if (type_is_bare(type)) {
            write_field(field, object, out);
        } else if (field->flags & FIELD_INLINE) {
            write_message(field->type, object, &inner);
            if (inner.n)
                add_message(out, field->number, &inner);
        } else {
            yyjson_mut_obj_foreach(object, k, n, key, value)
            {
                if (yyjson_mut_equals_str(key, field->json) && field->number)
                    write_field(field, value, out);
            }
        }
    }
}

void protobuf_write(const HostileTarget *target, yyjson_mut_val *body, StrBuf *out)
{
    _strbuf_ StrBuf raw = STRBUF_INIT;

    write_message(target->type, body, &raw);
    protobuf_encode_envelope(target->kind ? target->kind->api_version : "v1",
                             target->kind ? target->kind->kind : "DeleteOptions",
                             strbuf_bytes(&raw), out);
}
