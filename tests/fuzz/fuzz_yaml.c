/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that are read are printed as YAML that reads the same. */
#include <math.h>

#include "codec/json/json.h"
#include "codec/yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Is there something that YAML does not give back? Of two equal keys one is left, and a negative
 * zero is printed as Go prints it, "-0", which is an integer in YAML. */
static bool loses_something(yyjson_val *v)
{
    size_t i, n;
    yyjson_val *key, *child;

    if (yyjson_is_real(v))
        return yyjson_get_real(v) == 0 && signbit(yyjson_get_real(v));
    if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, child)
        {
            if (loses_something(child))
                return true;
        }
        return false;
    }
    yyjson_obj_foreach(v, i, n, key, child)
    {
        if (yyjson_obj_getn(v, yyjson_get_str(key), yyjson_get_len(key)) != child ||
            loses_something(child))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < 3; i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf text = STRBUF_INIT, before = STRBUF_INIT, after = STRBUF_INIT;
        const char *error = NULL;
        yyjson_doc *doc, *again;

        if (yaml_parse(&arena, (Bytes){data, size}, i, &doc, &error)) {
            ASSERT(error);
            return 0;
        }
        if (!doc)
            return 0;
        json_encode_tree(yyjson_doc_get_root(doc), &before);
        if (loses_something(yyjson_doc_get_root(doc)))
            continue;
        yaml_print(yyjson_doc_get_root(doc), &text);
        if (yaml_parse(&arena, strbuf_bytes(&text), 0, &again, &error))
            continue; /* keys longer than libyaml takes back */
        json_encode_tree(yyjson_doc_get_root(again), &after);
        ASSERT(str_equal(before.p, after.p));
    }
    return 0;
}
