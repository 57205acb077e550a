/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes Kubernetes' protobuf. The reader consists of a pointer and an end; each length is checked
 * against the remaining bytes before it is used. A message that occurs twice is merged, as protobuf
 * requires. Unknown fields are skipped, since newer clients send them.
 */
#include "base/utf8.h"
#include "codec/protobuf/protobuf.h"

#include "codec/json/json.h"
#include "codec/quantity.h"

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_FIXED32 };
enum { DEPTH_MAX = 100 };

/* The years 1 to 9999, which text can hold. The first second is Go's zero time. */
#define SECONDS_MIN INT64_C(-62135596800)
#define SECONDS_MAX INT64_C(253402300799)

typedef struct Reader {
    const uint8_t *p, *end;
    Arena *arena;
    const char **reterr;
    int depth;
    bool *maps; /* set if the value that is being decoded has entries of maps; see sort_maps */
} Reader;

/* One field on the wire: its number, and a number or a span. */
typedef struct WireField {
    uint32_t number;
    uint8_t wire;
    uint64_t v;
    Bytes bytes;
} WireField;

static int malformed(Reader *r, const char *text)
{
    if (r->reterr)
        *r->reterr = text;
    return PROTOBUF_E_MALFORMED;
}

static int read_varint(Reader *r, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b;

        if (r->p == r->end)
            return malformed(r, "unexpected EOF");
        b = *r->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return malformed(r, "proto: integer overflow");
}

static int read_fixed(Reader *r, size_t n, uint64_t *ret)
{
    uint64_t v = 0;

    if ((size_t)(r->end - r->p) < n)
        return malformed(r, "unexpected EOF");
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)r->p[i] << (8 * i);
    r->p += n;
    *ret = v;
    return 0;
}

/* Skips a group. Groups are nested without lengths; Kubernetes does not use them. */
static int skip_group(Reader *r)
{
    unsigned depth = 1;
    int x;

    while (depth) {
        uint64_t tag, v;

        x = read_varint(r, &tag);
        if (x)
            return x;
        switch (tag & 7) {
        case WIRE_VARINT:
            x = read_varint(r, &v);
            break;
        case WIRE_FIXED64:
        case WIRE_FIXED32:
            x = read_fixed(r, (tag & 7) == WIRE_FIXED64 ? 8 : 4, &v);
            break;
        case WIRE_BYTES:
            x = read_varint(r, &v);
            if (x == 0 && v > (uint64_t)(r->end - r->p))
                x = malformed(r, "unexpected EOF");
            if (x == 0)
                r->p += v;
            break;
        case WIRE_GROUP:
            depth++;
            break;
        case WIRE_GROUP_END:
            depth--;
            break;
        default:
            x = malformed(r, "proto: illegal wireType");
        }
        if (x)
            return x;
    }
    return 0;
}

static int read_field(Reader *r, WireField *ret)
{
    uint64_t tag;
    int x = read_varint(r, &tag);

    if (x)
        return x;
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return malformed(r, arena_printf(r->arena, "proto: illegal tag %d (wire type %d)",
                                         (int)(tag >> 3), (int)(tag & 7)));
    *ret = (WireField){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    switch (ret->wire) {
    case WIRE_VARINT:
        return read_varint(r, &ret->v);
    case WIRE_FIXED64:
        return read_fixed(r, 8, &ret->v);
    case WIRE_FIXED32:
        return read_fixed(r, 4, &ret->v);
    case WIRE_BYTES:
        x = read_varint(r, &ret->v);
        if (x)
            return x;
        if (ret->v > (uint64_t)(r->end - r->p))
            return malformed(r, "unexpected EOF");
        ret->bytes = (Bytes){r->p, (size_t)ret->v};
        r->p += ret->v;
        return 0;
    case WIRE_GROUP:
        return skip_group(r);
    default:
        return malformed(r, arena_printf(r->arena, "proto: illegal wireType %d", ret->wire));
    }
}

static int wrong_wire(Reader *r, const Field *field, const WireField *wire)
{
    return malformed(r, arena_printf(r->arena, "proto: wrong wireType = %d for field %s",
                                     wire->wire, field->json));
}

/* Makes a reader of an inner message. */
static int descend(Reader *r, Bytes bytes, Reader *ret)
{
    if (r->depth >= DEPTH_MAX)
        return malformed(r, "proto: message nested too deep");
    *ret = *r;
    ret->p = bytes.p;
    ret->end = bytes.p + bytes.n;
    ret->depth++;
    return 0;
}

static int decode_string(Reader *r, Bytes bytes, const char **ret)
{
    if (bytes.n && memchr(bytes.p, 0, bytes.n))
        return malformed(r, "proto: string with a NUL character");
    if (!utf8_valid(bytes.p, bytes.n))
        return malformed(r, "proto: invalid UTF-8 in string");
    *ret = arena_strndup(r->arena, (const char *)bytes.p, bytes.n);
    return 0;
}

static int decode_time(Reader *up, const Field *field, Bytes bytes, Time *time)
{
    Reader r;
    WireField wire;
    int x = descend(up, bytes, &r);

    *time = (Time){0};
    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x)
            break;
        time->set = true;
        if (wire.number == 1 && wire.wire == WIRE_VARINT)
            time->seconds = (int64_t)wire.v;
        else if (wire.number == 2 && wire.wire == WIRE_VARINT && wire.v < 1000000000)
            time->nanos = field->value == VALUE_TIME ? 0 : (int32_t)wire.v / 1000 * 1000;
    }
    if (x)
        return x;
    if (time->set && (time->seconds < SECONDS_MIN || time->seconds > SECONDS_MAX))
        return malformed(up, "proto: time out of range");
    if (time->set && time->seconds == SECONDS_MIN)
        *time = (Time){0};
    return 0;
}

/* Decodes a message whose only field has number 1: quantities, durations and raw JSON are wrapped like that.
 * Without that field, the outcome is all zero. */
static int decode_wrapped(Reader *up, Bytes bytes, unsigned type, WireField *ret)
{
    Reader r;
    WireField wire;
    int x = descend(up, bytes, &r);

    *ret = (WireField){0};
    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x == 0 && wire.number == 1 && wire.wire == type)
            *ret = wire;
    }
    return x;
}

static int decode_quantity(Reader *r, Bytes bytes, const char **ret)
{
    WireField text;
    int x = decode_wrapped(r, bytes, WIRE_BYTES, &text);

    if (x)
        return x;
    if (text.bytes.n == 0) {
        *ret = "0";
        return 0;
    }
    x = quantity_canonical(r->arena, (const char *)text.bytes.p, text.bytes.n, ret);
    return x ? malformed(r, quantity_error(x)) : 0;
}

static int decode_duration(Reader *r, Bytes bytes, int64_t *ret)
{
    WireField wire;
    int x = decode_wrapped(r, bytes, WIRE_VARINT, &wire);

    *ret = (int64_t)wire.v;
    return x;
}

static int decode_raw(Reader *r, Bytes bytes, Bytes *ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    WireField json;
    int x = decode_wrapped(r, bytes, WIRE_BYTES, &json);

    if (x)
        return x;
    *ret = BYTES_NULL;
    if (json.bytes.n == 0)
        return 0;
    if (json_parse(&arena, json.bytes, &doc, &report))
        return malformed(r, arena_strdup(r->arena, report.error));
    if (yyjson_is_null(yyjson_doc_get_root(doc)))
        return 0;
    json_encode_tree(yyjson_doc_get_root(doc), &text);
    *ret = arena_bytes(r->arena, strbuf_bytes(&text));
    return 0;
}

static int decode_int_or_string(Reader *up, Bytes bytes, IntOrString *v)
{
    Reader r;
    WireField wire;
    int x = descend(up, bytes, &r);

    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x)
            break;
        if (wire.number == 1 && wire.wire == WIRE_VARINT)
            v->is_string = wire.v == 1;
        else if (wire.number == 2 && wire.wire == WIRE_VARINT)
            v->number = (int32_t)wire.v;
        else if (wire.number == 3 && wire.wire == WIRE_BYTES)
            x = decode_string(&r, wire.bytes, &v->string);
    }
    if (v->is_string)
        v->number = 0;
    v->string = v->is_string ? str_or(v->string, "") : NULL;
    return x;
}

static int decode_message(Reader *r, const Type *type, void *value);

static uint8_t wire_of(const Field *field)
{
    return field->value <= VALUE_INT64    ? WIRE_VARINT
           : field->value == VALUE_DOUBLE ? WIRE_FIXED64
                                          : WIRE_BYTES;
}

static int decode_thing(Reader *r, const Field *field, const WireField *wire, void *at)
{
    Reader inner;
    int x;

    if (wire->wire != wire_of(field))
        return wrong_wire(r, field, wire);
    switch (field->value) {
    case VALUE_BOOL:
        *(bool *)at = wire->v != 0;
        return 0;
    case VALUE_INT32:
        *(int32_t *)at = (int32_t)wire->v;
        return 0;
    case VALUE_INT64:
        *(int64_t *)at = (int64_t)wire->v;
        return 0;
    case VALUE_DOUBLE:
        memcpy(at, &wire->v, sizeof(double));
        return 0;
    case VALUE_STRING:
        return decode_string(r, wire->bytes, at);
    case VALUE_BYTES:
        *(Bytes *)at = arena_bytes(r->arena, wire->bytes);
        return 0;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return decode_time(r, field, wire->bytes, at);
    case VALUE_QUANTITY:
        return decode_quantity(r, wire->bytes, at);
    case VALUE_INT_OR_STRING:
        return decode_int_or_string(r, wire->bytes, at);
    case VALUE_DURATION:
        return decode_duration(r, wire->bytes, at);
    case VALUE_RAW:
        return decode_raw(r, wire->bytes, at);
    default:
        x = descend(r, wire->bytes, &inner);
        return x ? x : decode_message(&inner, field->type, at);
    }
}

/* Returns room for one more element, zeroed. The capacity is not stored, since it follows from the
 * length: 4, then each power of two. */
static void *list_push(Reader *r, List *list, size_t size)
{
    size_t n = list->n;

    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
        void *v = arena_alloc(r->arena, size * MAX_OF(n * 2, (size_t)4));
        if (n)
            memcpy(v, list->v, size * n);
        list->v = v;
    }
    list->n++;
    return (char *)list->v + n * size;
}

/*
 * Maps are sorted once, when no entries can follow. A single message may be split into any number
 * of pieces, so its maps are sorted when the element of a list, the value of a map, or the whole
 * object that contains it is complete; these come in one piece.
 */
static void sort_maps(const Type *type, void *value)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        void *at = field_at(value, field);
        List *list = at;

        if (field->shape == SHAPE_MAP && list->n > 1) {
            json_sort_entries(list->v, &list->n, value_size(field));
        } else if (field->shape < SHAPE_LIST && field->value == VALUE_STRUCT) {
            if (type_is_pointer(field))
                at = *(void **)at;
            if (at)
                sort_maps(field->type, at);
        }
    }
}

static int decode_whole(Reader *r, const Field *field, const WireField *wire, void *at)
{
    bool maps = false, *up = r->maps;
    int x;

    r->maps = &maps;
    x = decode_thing(r, field, wire, at);
    r->maps = up;
    if (x == 0 && maps)
        sort_maps(field->type, at);
    return x;
}

static int decode_packed(Reader *up, const Field *field, Bytes bytes, List *list)
{
    Reader r;
    int x = descend(up, bytes, &r);

    while (x == 0 && r.p < r.end) {
        WireField wire = {.wire = wire_of(field)};

        x = wire.wire == WIRE_VARINT ? read_varint(&r, &wire.v) : read_fixed(&r, 8, &wire.v);
        if (x == 0)
            x = decode_thing(&r, field, &wire, list_push(&r, list, value_size(field)));
    }
    return x;
}

static int decode_entry(Reader *up, const Field *field, const WireField *entry, List *list)
{
    Reader r;
    WireField wire;
    char *at;
    int x;

    if (entry->wire != WIRE_BYTES)
        return wrong_wire(up, field, entry);
    at = list_push(up, list, value_size(field));
    *(const char **)(void *)at = "";
    type_thing_init(field, at + TYPE_ENTRY_VALUE);
    x = descend(up, entry->bytes, &r);
    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x)
            break;
        if (wire.number == 1)
            x = wire.wire == WIRE_BYTES ? decode_string(&r, wire.bytes, (const char **)(void *)at)
                                        : wrong_wire(&r, field, &wire);
        else if (wire.number == 2)
            x = decode_whole(&r, field, &wire, at + TYPE_ENTRY_VALUE);
    }
    return x;
}

static int decode_field(Reader *r, const Field *field, const WireField *wire, void *at)
{
    if (field->shape == SHAPE_MAP)
        return decode_entry(r, field, wire, at);
    if (field->shape == SHAPE_LIST) {
        if (wire->wire == WIRE_BYTES && wire_of(field) != WIRE_BYTES)
            return decode_packed(r, field, wire->bytes, at);
        return decode_whole(r, field, wire, list_push(r, at, value_size(field)));
    }
    if (type_is_pointer(field)) {
        if (!*(void **)at)
            *(void **)at = arena_alloc(r->arena, value_size(field));
        at = *(void **)at;
    }
    return decode_thing(r, field, wire, at);
}

/* Fields usually come in order, so the search continues behind the previous field. */
static const Field *find_field(const Type *type, uint32_t number, size_t *at)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[*at];

        if (field->number == number && !(field->flags & FIELD_NO_PROTO))
            return field;
        *at = *at + 1 == type->n_fields ? 0 : *at + 1;
    }
    return NULL;
}

static int decode_message(Reader *r, const Type *type, void *value)
{
    size_t at = 0;
    int x;

    while (r->p < r->end) {
        WireField wire;
        const Field *field;

        x = read_field(r, &wire);
        if (x)
            return x;
        field = find_field(type, wire.number, &at);
        if (!field)
            continue;
        *r->maps |= field->shape == SHAPE_MAP;
        x = decode_field(r, field, &wire, field_at(value, field));
        if (x)
            return x;
    }
    return 0;
}

int protobuf_decode(const Type *type, Arena *arena, Bytes raw, void *value, const char **reterr)
{
    bool maps = false;
    Reader r = {.p = raw.p,
                .end = raw.n ? raw.p + raw.n : raw.p,
                .arena = arena,
                .reterr = reterr,
                .maps = &maps};
    int x = decode_message(&r, type, value);

    if (x == 0 && maps)
        sort_maps(type, value);
    return x;
}

static int decode_type_meta(Reader *up, Bytes bytes, ProtobufEnvelope *ret)
{
    Reader r;
    WireField wire;
    int x = descend(up, bytes, &r);

    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x == 0 && wire.wire == WIRE_BYTES && (wire.number == 1 || wire.number == 2))
            x = decode_string(&r, wire.bytes, wire.number == 1 ? &ret->api_version : &ret->kind);
    }
    return x;
}

int protobuf_envelope(Arena *arena, Bytes body, ProtobufEnvelope *ret, const char **reterr)
{
    Reader r = {.p = body.p + 4, .end = body.p + body.n, .arena = arena, .reterr = reterr};
    WireField wire;
    int x = 0;

    *ret = (ProtobufEnvelope){.api_version = "", .kind = "", .content_type = ""};
    if (body.n < 4 || memcmp(body.p, "k8s", 4) != 0)
        return malformed(&r,
                         "provided data does not appear to be a protobuf message, expected prefix "
                         "[107 56 115 0]");
    while (x == 0 && r.p < r.end) {
        x = read_field(&r, &wire);
        if (x || wire.wire != WIRE_BYTES)
            continue;
        if (wire.number == 1)
            x = decode_type_meta(&r, wire.bytes, ret);
        else if (wire.number == 2)
            ret->raw = wire.bytes;
        else if (wire.number == 4)
            x = decode_string(&r, wire.bytes, &ret->content_type);
    }
    return x;
}
