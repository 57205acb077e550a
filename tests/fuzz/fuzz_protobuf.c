/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes into an object is written as protobuf and as JSON that both give the same object
 * back. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const Type *type, Bytes raw)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf wire = STRBUF_INIT, text = STRBUF_INIT;
    void *value = arena_alloc(&arena, type->size), *again = arena_alloc(&arena, type->size);
    DecodeReport report = {0};
    const char *error = NULL;
    yyjson_doc *doc;

    if (protobuf_decode(type, &arena, raw, value, &error)) {
        ASSERT(error);
        return;
    }
    ASSERT(type_sound(type, value));
    protobuf_encode(type, value, &wire);
    ASSERT(protobuf_decode(type, &arena, strbuf_bytes(&wire), again, &error) == 0);
    ASSERT(type_equal(type, value, again));
    json_encode(type, value, NULL, &text);
    /* JSON has a limit on depth of its own, and no NaN */
    if (json_parse(&arena, strbuf_bytes(&text), &doc, &report) == 0)
        ASSERT(json_decode(type, &arena, yyjson_doc_get_root(doc), 0, NULL,
                           arena_alloc(&arena, type->size), &report) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    ProtobufEnvelope envelope;
    const char *error = NULL;
    const Kind *kind;

    check(&type_Pod, (Bytes){data, size});
    if (protobuf_envelope(&arena, (Bytes){data, size}, &envelope, &error)) {
        ASSERT(error);
        return 0;
    }
    kind = kind_find_api_version(envelope.api_version, envelope.kind);
    if (kind)
        check(kind->type, envelope.raw);
    return 0;
}
