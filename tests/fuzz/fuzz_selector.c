/* SPDX-License-Identifier: Apache-2.0 */
/* A selector that parses can be matched; one that does not says why. */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *pod = object_new(&kind_pod);
    const char *text = arena_strndup(&arena, (const char *)data, size), *why = NULL;
    Selector *selector = NULL;

    object_meta(pod)->name = "web-0";
    string_map_put(&pod->arena, &object_meta(pod)->labels, "app", "web");
    if (selector_parse_labels(&arena, text, &selector, &why) == 0)
        selector_matches_labels(selector, &object_meta(pod)->labels);
    else
        ASSERT(why && *why);
    if (selector_parse_fields(&arena, text, &selector, &why) == 0) {
        selector_unknown_field(selector, &kind_pod);
        selector_matches_fields(selector, pod);
    }
    return 0;
}
