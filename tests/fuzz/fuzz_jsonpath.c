/* SPDX-License-Identifier: Apache-2.0 */
/* A path, and behind a NUL the JSON in which it looks. */
#include "codec/json/json.h"
#include "codec/json/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char json[] =
        "{\"a\":[{\"b\":1,\"c\":\"x\"},{\"b\":2,\"d\":[[1,2],[3]]}],\"e\":{\"f\":true}}";
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    Bytes text = end ? (Bytes){end + 1, size - (size_t)(end - data) - 1} : bytes_from_string(json);
    const char *path = arena_strndup(&arena, (const char *)data, end ? (size_t)(end - data) : size);
    size_t budget = JSONPATH_BUDGET;
    JsonPathResults found;
    yyjson_doc *doc;

    if (json_parse(&arena, text, &doc, &report))
        return 0;
    found = jsonpath_find(&arena, path, yyjson_doc_get_root(doc), &budget);
    ASSERT(found.n <= JSONPATH_BUDGET + 1);
    return 0;
}
