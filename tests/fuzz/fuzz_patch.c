/* SPDX-License-Identifier: Apache-2.0 */
/* Patches on a Pod: whatever comes out can be decoded or refused, and is not deeper than JSON may
 * be. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"
#include "codec/patch/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pod_text[] = "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"},"
                               "\"finalizers\":[\"a\",\"b\"]},\"spec\":{\"containers\":[{"
                               "\"name\":\"c\",\"image\":\"i\",\"env\":[{\"name\":\"A\",\"value\":"
                               "\"1\"}],\"ports\":[{\"containerPort\":80}]},{"
                               "\"name\":\"d\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
                               "\"tolerations\":[{\"key\":\"k\"}]}}";

static unsigned depth_of(yyjson_mut_val *v)
{
    size_t i, n;
    yyjson_mut_val *key, *child;
    unsigned deepest = 0;

    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, child) deepest = MAX_OF(deepest, depth_of(child));
    } else if (yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, i, n, key, child) deepest = MAX_OF(deepest, depth_of(child));
    } else {
        return 0;
    }
    return deepest + 1;
}

static void check(int sort, yyjson_val *patch)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_doc *object;
    yyjson_mut_val *tree, *result = NULL;
    DecodeReport report = {0};
    const char *error = NULL;
    Pod pod = {0};
    int r;

    ASSERT(json_parse(&arena, BYTES_LITERAL(pod_text), &object, NULL) == 0);
    tree = yyjson_val_mut_copy(doc, yyjson_doc_get_root(object));
    if (sort == 0)
        r = patch_json(doc, tree, patch, &arena, &result, &error);
    else if (sort == 1)
        r = patch_merge(doc, tree, patch, &arena, &result);
    else
        r = patch_strategic(&type_Pod, doc, tree, patch, &arena, &result, &error);
    if (r) {
        ASSERT(sort == 1 || error);
    } else {
        ASSERT(depth_of(result) <= 2 * JSON_DEPTH_MAX);
        r = json_decode_tree(&type_Pod, &arena, result, DECODE_CHECK_FIELDS, NULL, &pod, &report);
        ASSERT(r != JSON_E_TYPE || report.error);
    }
    yyjson_mut_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_doc *patch;

    if (json_parse(&arena, (Bytes){data, size}, &patch, NULL))
        return 0;
    for (int sort = 0; sort < 3; sort++)
        check(sort, yyjson_doc_get_root(patch));
    return 0;
}
