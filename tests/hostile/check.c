/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text_map.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"
#include "hostile.h"

/* ---- objects ---- */

static _noreturn_ void broken(Object *object, const char *rule)
{
    Bytes json = object_json(object);

    fprintf(stderr, "a stored %s %s: %.*s\n", object->kind->kind, rule, (int)MIN_OF(json.n, 4000u),
            (const char *)json.p);
    abort();
}

/* Each type is looked at once: some contain themselves. */
static bool all_in_protobuf(const Type *type, TextMap *seen)
{
    if (text_map_has(seen, type->name))
        return true;
    text_map_add(seen, type->name);
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_NO_PROTO || !field->number)
            return false;
        if (field->value == VALUE_STRUCT && !all_in_protobuf(field->type, seen))
            return false;
    }
    return true;
}

static void check_json(Object *object, Arena *arena)
{
    const Type *type = object->kind->type;
    void *again = arena_alloc(arena, type->size);
    _strbuf_ StrBuf first = STRBUF_INIT, second = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;

    json_encode(type, object->value, NULL, &first);
    if (json_parse(arena, strbuf_bytes(&first), &doc, &report) ||
        json_decode(type, arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, NULL, again,
                    &report))
        broken(object, "cannot be read back from its JSON");
    json_encode(type, again, NULL, &second);
    if (!bytes_equal(strbuf_bytes(&first), strbuf_bytes(&second)))
        broken(object, "changes when it is read back from its JSON");
}

static void check_protobuf(Object *object, Arena *arena)
{
    const Type *type = object->kind->type;
    void *again = arena_alloc(arena, type->size);
    _strbuf_ StrBuf first = STRBUF_INIT, second = STRBUF_INIT;
    TextMap seen = TEXT_MAP_INIT(arena);
    const char *error = NULL;

    protobuf_encode(type, object->value, &first);
    if (protobuf_decode(type, arena, strbuf_bytes(&first), again, &error))
        broken(object, "cannot be read back from its protobuf");
    if (!type_sound(type, again))
        broken(object, "has a NULL text when it is read back from its protobuf");
    protobuf_encode(type, again, &second);
    if (all_in_protobuf(type, &seen) && !bytes_equal(strbuf_bytes(&first), strbuf_bytes(&second)))
        broken(object, "changes when it is read back from its protobuf");
}

void check_object(Object *object)
{
    _arena_ Arena arena = ARENA_INIT_SIZE(16384);

    if (!type_sound(object->kind->type, object->value))
        broken(object, "has a NULL text in a list or a map");
    check_json(object, &arena);
    check_protobuf(object, &arena);
    if (strstr((const char *)object_json_line(object).p, "(null)"))
        broken(object, "has \"(null)\" in a text");
}

/* ---- answers ---- */

static bool is_text(yyjson_val *root, const char *name, const char *text)
{
    return yyjson_equals_str(yyjson_obj_get(root, name), text);
}

const char *check_answer(const Api *api)
{
    yyjson_val *root = yyjson_doc_get_root(api->json);

    if (strstr(api->head, "(null)") || strstr(api->body, "(null)"))
        return "\"(null)\" in the answer";
    if (!root)
        return "the body is not JSON";
    if (api->status >= 200 && api->status < 300)
        return NULL;
    if (api->status < 400)
        return "this status code is wrong for any request";
    if (!is_text(root, "kind", "Status") || !is_text(root, "status", "Failure"))
        return "the body is not a Status";
    if (yyjson_get_int(yyjson_obj_get(root, "code")) != api->status)
        return "the Status has another code than the answer";
    /* kube-apiserver answers 500 without a reason to a few faults of the client, such as a value of
     * the wrong type in an apply, and so do we. A fault of our own is an InternalError. */
    if (api->status >= 500 && yyjson_obj_get(root, "reason"))
        return "the server has failed";
    if (str_empty(yyjson_get_str(yyjson_obj_get(root, "message"))))
        return "the Status has no message";
    return NULL;
}
