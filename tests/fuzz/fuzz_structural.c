/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a CustomResourceDefinition, and behind a line break an object. An object of an accepted schema can be completed, written,
 * read and copied without a change, and what is said about it twice is the same.
 */
#include "api/structural/structural.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const ignored[] = {"apiVersion", "kind", NULL};

static void check_publish(Bytes schema)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    yyjson_doc *doc;

    structural_publish(schema, 2, "g", "v1", "K", &text);
    ASSERT(json_parse(&arena, strbuf_bytes(&text), &doc, NULL) == 0);
    strbuf_truncate(&text, 0);
    structural_publish(schema, 3, "g", "v1", "K", &text);
    ASSERT(json_parse(&arena, strbuf_bytes(&text), &doc, NULL) == 0);
}

static void on_value(StructuralVisit *visit _unused_, const SchemaNode *node,
                     yyjson_val *value _unused_, yyjson_val *before _unused_,
                     const Path *path _unused_)
{
    ASSERT(node->n_rules);
}

static void check_object(Arena *arena, const Structural *structural, yyjson_val *object)
{
    const Type *type = structural->type;
    void *value = arena_alloc(arena, type->size), *copy = arena_alloc(arena, type->size);
    Causes causes = {.arena = arena}, again = {.arena = arena};
    StructuralVisit visit = {.on_value = on_value};
    DecodeReport report = {0};
    _strbuf_ StrBuf text = STRBUF_INIT, second = STRBUF_INIT;
    yyjson_doc *doc;

    if (json_decode(type, arena, object, 0, ignored, value, &report))
        return;
    type_default(type, arena, value);
    ASSERT(type_sound(type, value));
    json_encode(type, value, "\"apiVersion\":\"g/v1\",\"kind\":\"K\"", &text);
    if (json_parse(arena, strbuf_bytes(&text), &doc, NULL))
        return; /* defaults have made it too deep */
    structural_validate(structural, STRUCTURAL_OBJECT, yyjson_doc_get_root(doc), NULL, &causes);
    structural_validate(structural, STRUCTURAL_STATUS, yyjson_doc_get_root(doc), object, &again);
    structural_visit(structural, STRUCTURAL_OBJECT, yyjson_doc_get_root(doc), object, &visit);
    ASSERT(json_decode(type, arena, yyjson_doc_get_root(doc), 0, ignored, copy, &report) == 0);
    json_encode(type, copy, "\"apiVersion\":\"g/v1\",\"kind\":\"K\"", &second);
    if (!causes.n)
        ASSERT(str_equal(text.p, second.p));
    copy = type_clone(type, arena, value);
    ASSERT(type_equal(type, value, copy));
    ASSERT(!fieldset_changed(type, arena, value, copy, NULL));
    (void)fieldset_of_value(type, arena, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    const uint8_t *end = memchr(data, '\n', size);
    size_t n = end ? (size_t)(end - data) : size;
    const Path *path = PATH(NULL, "openAPIV3Schema");
    Causes causes = {.arena = &arena};
    Warnings warnings = {0};
    SchemaNode *root = structural_parse(&arena, (Bytes){data, n}, path, &causes);
    yyjson_doc *doc;

    if (!root)
        return 0;
    structural_check(&arena, root, size & 1, path, &causes);
    structural_warn(&arena, root, &warnings);
    check_publish((Bytes){data, n});
    if (causes.n || !end || json_parse(&arena, (Bytes){end + 1, size - n - 1}, &doc, NULL))
        return 0;
    check_object(&arena, structural_compile(&arena, root, "K", "g.v1.K"), yyjson_doc_get_root(doc));
    return 0;
}
