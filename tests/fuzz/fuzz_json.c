/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes into a Pod is written as JSON that decodes into the same Pod. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const type_meta[] = {"kind", "apiVersion", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;
    DecodeReport report = {0};
    Pod pod = {0}, again = {0};
    yyjson_doc *doc;
    int r;

    if (json_parse(&arena, (Bytes){data, size}, &doc, &report)) {
        ASSERT(report.error);
        return 0;
    }
    r = json_decode(&type_Pod, &arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, type_meta,
                    &pod, &report);
    if (r == JSON_E_TYPE) {
        ASSERT(report.error);
        return 0;
    }
    ASSERT(type_sound(&type_Pod, &pod));
    json_encode(&type_Pod, &pod, NULL, &text);
    ASSERT(json_parse(&arena, strbuf_bytes(&text), &doc, NULL) == 0);
    ASSERT(json_decode(&type_Pod, &arena, yyjson_doc_get_root(doc), 0, NULL, &again, &report) == 0);
    ASSERT(type_equal(&type_Pod, &pod, &again));
    type_default(&type_Pod, &arena, &again);
    return 0;
}
