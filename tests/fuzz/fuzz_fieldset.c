/* SPDX-License-Identifier: Apache-2.0 */
/* Sets that parse print in a form that parses to the same set; documents that are applied can be
 * merged. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char live_text[] = "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"},"
                                "\"finalizers\":[\"a\",\"b\"]},\"spec\":{\"containers\":[{"
                                "\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":80,"
                                "\"protocol\":\"TCP\"}]},{\"name\":\"d\"}]}}";

static void ignore_path(void *data _unused_, const char *path)
{
    ASSERT(*path);
}

static void check_set(Arena *arena, FieldSet *set)
{
    _strbuf_ StrBuf text = STRBUF_INIT, again = STRBUF_INIT;
    FieldSet *other;

    fieldset_print(set, &text);
    ASSERT(fieldset_parse(arena, strbuf_bytes(&text), &other) == 0);
    ASSERT(fieldset_equal(set, other));
    fieldset_print(other, &again);
    ASSERT(str_equal(text.p, again.p));
    ASSERT(fieldset_empty(fieldset_minus(arena, set, other)));
    ASSERT(fieldset_equal(fieldset_union(arena, set, other), set));
    ASSERT(fieldset_equal(fieldset_intersect(arena, set, other), set));
    fieldset_each_path(set, ignore_path, NULL);
}

static void check_apply(Arena *arena, yyjson_val *applied, FieldSet *drop)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_doc *live;
    const char *error = NULL;
    FieldSet *set = fieldset_of_tree(&type_Pod, arena, applied, &error);

    ASSERT(json_parse(arena, BYTES_LITERAL(live_text), &live, NULL) == 0);
    if (!error) {
        check_set(arena, set);
        drop = fieldset_given_up(&type_Pod, arena, drop, set);
        ASSERT(fieldset_apply(&type_Pod, doc, yyjson_doc_get_root(live), applied, drop, arena));
    }
    yyjson_mut_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    FieldSet *set = NULL;
    yyjson_doc *doc;

    if (fieldset_parse(&arena, (Bytes){data, size}, &set) == 0)
        check_set(&arena, set);
    else
        set = NULL;
    if (json_parse(&arena, (Bytes){data, size}, &doc, NULL) == 0 &&
        yyjson_is_obj(yyjson_doc_get_root(doc)))
        check_apply(&arena, yyjson_doc_get_root(doc), set);
    return 0;
}
