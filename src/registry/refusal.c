/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a refusal: {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "...", "detail": ...}]}
 * by the specification, {"details": "..."} or {"message": "..."} from some token servers. Anything
 * else, such as the HTML of a proxy, is not shown.
 */
#include "codec/json/json.h"
#include "registry/internal.h"
#include "registry/transport/text.h"

#define ERRORS_SHOWN 3

static void add(StrBuf *out, const char *separator, yyjson_val *text)
{
    const char *s = yyjson_get_str(text);

    if (!str_empty(s)) {
        strbuf_add_string(out, out->n ? separator : "");
        strbuf_add_string(out, s);
    }
}

/* The code only where there is no message: the usual messages repeat it in words. */
static void add_error(StrBuf *out, yyjson_val *error)
{
    const char *message = yyjson_get_str(yyjson_obj_get(error, "message"));

    add(out, "; ", yyjson_obj_get(error, str_empty(message) ? "code" : "message"));
}

void refusal_reason(Bytes body, char *to, size_t size)
{
    static const char *const other[] = {"details", "message", "error_description", "error"};
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf out = STRBUF_INIT;
    yyjson_val *root, *errors;
    yyjson_doc *doc = NULL;

    to[0] = 0;
    if (body.n == 0 || json_parse(&arena, body, &doc, &(DecodeReport){0}))
        return;
    root = yyjson_doc_get_root(doc);
    errors = yyjson_obj_get(root, "errors");
    for (size_t i = 0; i < ERRORS_SHOWN && i < yyjson_arr_size(errors); i++)
        add_error(&out, yyjson_arr_get(errors, i));
    for (size_t i = 0; i < ARRAY_LEN(other) && out.n == 0; i++)
        add(&out, "", yyjson_obj_get(root, other[i]));
    text_quote(to, size, strbuf_string(&out), out.n);
}
