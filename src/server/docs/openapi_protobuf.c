/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Converts an OpenAPI v2 document to the protobuf message openapi.v2.Document, which kubectl requests
 * up to version 1.31. Each message is a table that maps JSON members to fields. Members that are not in
 * the table become vendor extensions, which contain the member as text.
 */
#include "codec/json/json.h"
#include "server/docs/openapi.h"

typedef struct Message Message;

typedef enum How {
    HOW_STRING,
    HOW_BOOL,
    HOW_STRINGS, /* a list of strings */
    HOW_MESSAGE,
    HOW_MESSAGES, /* a list of messages */
    HOW_NAMED,    /* an object: each member becomes Named{1 name, 2 value} */
    HOW_TYPE,     /* "string" or a list: TypeItem{1 value...} */
} How;

typedef struct Member {
    const char *json;
    unsigned number;
    How how;
    const Message *message;
    unsigned wrap[3]; /* field numbers of messages around the value, outermost first; 0: none */
} Member;

struct Message {
    const Member *members;
    unsigned extension; /* number of vendor_extension; 0: it has none */
};

static const Message schema_message;

/* clang-format off */
static const Member schema_members[] = {
    {"$ref", 1, HOW_STRING, NULL, {0}},
    {"format", 2, HOW_STRING, NULL, {0}},
    {"description", 4, HOW_STRING, NULL, {0}},
    {"required", 19, HOW_STRINGS, NULL, {0}},
    {"additionalProperties", 21, HOW_MESSAGE, &schema_message, {1}},
    {"type", 22, HOW_TYPE, NULL, {0}},
    {"items", 23, HOW_MESSAGE, &schema_message, {1}},
    {"properties", 25, HOW_NAMED, &schema_message, {1}},
    {0},
};
static const Message schema_message = {schema_members, 31};

static const Member parameter_members[] = {
    {"required", 1, HOW_BOOL, NULL, {0}},
    {"in", 2, HOW_STRING, NULL, {0}},
    {"description", 3, HOW_STRING, NULL, {0}},
    {"name", 4, HOW_STRING, NULL, {0}},
    {"type", 6, HOW_STRING, NULL, {0}},
    {"uniqueItems", 19, HOW_BOOL, NULL, {0}},
    {0},
};
static const Message query_parameter = {parameter_members, 23};
static const Member path_parameter_members[] = {
    {"required", 1, HOW_BOOL, NULL, {0}},
    {"in", 2, HOW_STRING, NULL, {0}},
    {"description", 3, HOW_STRING, NULL, {0}},
    {"name", 4, HOW_STRING, NULL, {0}},
    {"type", 5, HOW_STRING, NULL, {0}},
    {"uniqueItems", 18, HOW_BOOL, NULL, {0}},
    {0},
};
static const Message path_parameter = {path_parameter_members, 22};
static const Member body_members[] = {
    {"description", 1, HOW_STRING, NULL, {0}},
    {"name", 2, HOW_STRING, NULL, {0}},
    {"in", 3, HOW_STRING, NULL, {0}},
    {"required", 4, HOW_BOOL, NULL, {0}},
    {"schema", 5, HOW_MESSAGE, &schema_message, {0}},
    {0},
};
static const Message body_parameter = {body_members, 6};

static const Member response_members[] = {
    {"description", 1, HOW_STRING, NULL, {0}},
    {"schema", 2, HOW_MESSAGE, &schema_message, {1}},
    {0},
};
static const Message response_message = {response_members, 5};

static const Member operation_members[] = {
    {"tags", 1, HOW_STRINGS, NULL, {0}},
    {"description", 3, HOW_STRING, NULL, {0}},
    {"operationId", 5, HOW_STRING, NULL, {0}},
    {"produces", 6, HOW_STRINGS, NULL, {0}},
    {"consumes", 7, HOW_STRINGS, NULL, {0}},
    {"parameters", 8, HOW_MESSAGES, NULL, {0}},
    {"responses", 9, HOW_NAMED, &response_message, {1, 1}},
    {"schemes", 10, HOW_STRINGS, NULL, {0}},
    {0},
};
static const Message operation_message = {operation_members, 13};

static const Member path_members[] = {
    {"get", 2, HOW_MESSAGE, &operation_message, {0}},
    {"put", 3, HOW_MESSAGE, &operation_message, {0}},
    {"post", 4, HOW_MESSAGE, &operation_message, {0}},
    {"delete", 5, HOW_MESSAGE, &operation_message, {0}},
    {"options", 6, HOW_MESSAGE, &operation_message, {0}},
    {"head", 7, HOW_MESSAGE, &operation_message, {0}},
    {"patch", 8, HOW_MESSAGE, &operation_message, {0}},
    {"parameters", 9, HOW_MESSAGES, NULL, {0}},
    {0},
};
static const Message path_message = {path_members, 10};

static const Member info_members[] = {
    {"title", 1, HOW_STRING, NULL, {0}},
    {"version", 2, HOW_STRING, NULL, {0}},
    {0},
};
static const Message info_message = {info_members, 7};

static const Member document_members[] = {
    {"swagger", 1, HOW_STRING, NULL, {0}},
    {"info", 2, HOW_MESSAGE, &info_message, {0}},
    {"paths", 8, HOW_NAMED, &path_message, {2}},
    {"definitions", 9, HOW_NAMED, &schema_message, {1}},
    {0},
};
/* clang-format on */

static void add_varint(StrBuf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        strbuf_add_char(out, (char)(v | 0x80));
    strbuf_add_char(out, (char)v);
}

static void add_bytes(StrBuf *out, unsigned number, const void *p, size_t n)
{
    add_varint(out, number << 3 | 2);
    add_varint(out, n);
    strbuf_add(out, p, n);
}

static void add_text(StrBuf *out, unsigned number, yyjson_val *value)
{
    if (yyjson_is_str(value))
        add_bytes(out, number, yyjson_get_str(value), yyjson_get_len(value));
}

static void add_message(const Message *message, yyjson_val *value, StrBuf *out);

/* The message of a parameter depends on its location: body, query or path. */
static void add_parameter(unsigned number, yyjson_val *value, StrBuf *out)
{
    _strbuf_ StrBuf inner = STRBUF_INIT, kind = STRBUF_INIT, parameter = STRBUF_INIT,
                    item = STRBUF_INIT;
    bool body = yyjson_equals_str(yyjson_obj_get(value, "in"), "body"),
         path = yyjson_equals_str(yyjson_obj_get(value, "in"), "path");

    add_message(body ? &body_parameter : path ? &path_parameter : &query_parameter, value, &inner);
    if (body) {
        add_bytes(&parameter, 1, inner.p, inner.n);
    } else {
        add_bytes(&kind, path ? 4 : 3, inner.p, inner.n);
        add_bytes(&parameter, 2, kind.p, kind.n);
    }
    add_bytes(&item, 1, parameter.p, parameter.n);
    add_bytes(out, number, item.p, item.n);
}

/* Adds the message of the value, inside of the given wrapping messages, as field `number`. */
static void add_wrapped(const Message *message, yyjson_val *value, unsigned number,
                        const unsigned *wrap, StrBuf *out)
{
    _strbuf_ StrBuf inner = STRBUF_INIT;

    if (*wrap)
        add_wrapped(message, value, *wrap, wrap + 1, &inner);
    else
        add_message(message, value, &inner);
    add_bytes(out, number, strbuf_string(&inner), inner.n);
}

/* Adds an object: field number { wrap[0]: repeated Named{1 name, 2 value in wrap[1]...} } */
static void add_named(const Member *member, yyjson_val *value, StrBuf *out)
{
    _strbuf_ StrBuf list = STRBUF_INIT;
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&iter))) {
        _strbuf_ StrBuf named = STRBUF_INIT;

        add_text(&named, 1, key);
        add_wrapped(member->message, yyjson_obj_iter_get_val(key), 2, member->wrap + 1, &named);
        add_bytes(&list, member->wrap[0], named.p, named.n);
    }
    add_bytes(out, member->number, strbuf_string(&list), list.n);
}

static void add_strings(unsigned number, yyjson_val *value, StrBuf *out)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(value);
    yyjson_val *item;

    if (yyjson_is_str(value))
        add_text(out, number, value);
    while ((item = yyjson_arr_iter_next(&iter)))
        add_text(out, number, item);
}

static void add_member(const Member *member, yyjson_val *value, StrBuf *out)
{
    _strbuf_ StrBuf inner = STRBUF_INIT;
    yyjson_arr_iter iter;
    yyjson_val *item;

    switch (member->how) {
    case HOW_STRING:
        add_text(out, member->number, value);
        return;
    case HOW_BOOL:
        add_varint(out, member->number << 3);
        add_varint(out, yyjson_get_bool(value));
        return;
    case HOW_STRINGS:
        add_strings(member->number, value, out);
        return;
    case HOW_TYPE:
        add_strings(1, value, &inner);
        add_bytes(out, member->number, strbuf_string(&inner), inner.n);
        return;
    case HOW_MESSAGE:
        add_wrapped(member->message, value, member->number, member->wrap, out);
        return;
    case HOW_MESSAGES:
        iter = yyjson_arr_iter_with(value);
        while ((item = yyjson_arr_iter_next(&iter)))
            add_parameter(member->number, item, out);
        return;
    case HOW_NAMED:
        add_named(member, value, out);
        return;
    }
}

/* Adds NamedAny{1 name, 2 Any{2 yaml}}. JSON can be used there, since it is a subset of YAML. */
static void add_extension(unsigned number, yyjson_val *key, yyjson_val *value, StrBuf *out)
{
    _strbuf_ StrBuf any = STRBUF_INIT, named = STRBUF_INIT;
    size_t n = 0;
    char *text = yyjson_val_write(value, 0, &n);

    add_bytes(&any, 2, text ? text : "", n);
    free(text);
    add_text(&named, 1, key);
    add_bytes(&named, 2, any.p, any.n);
    add_bytes(out, number, named.p, named.n);
}

static void add_message(const Message *message, yyjson_val *value, StrBuf *out)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&iter))) {
        const Member *member = message->members;

        while (member->json && !yyjson_equals_str(key, member->json))
            member++;
        if (member->json)
            add_member(member, yyjson_obj_iter_get_val(key), out);
        else if (message->extension && str_starts_with(yyjson_get_str(key), "x-"))
            add_extension(message->extension, key, yyjson_obj_iter_get_val(key), out);
    }
}

void openapi_v2_protobuf(Arena *arena, Bytes json, StrBuf *out)
{
    static const Message document = {document_members, 16};
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (NEVER(json_parse(arena, json, &doc, &report)))
        return;
    add_message(&document, yyjson_doc_get_root(doc), out);
}
