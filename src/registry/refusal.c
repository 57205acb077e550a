/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a refusal is {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "..."}]} by the
 * specification, and {"details": "..."} or {"message": "..."} from some token servers. Anything
 * else, such as the HTML of a proxy, is not shown.
 */
#include "base/strbuf.h"
#include "codec/json/json.h"
#include "registry/refusal.h"
#include "registry/transport/text.h"

#define ERRORS_SHOWN 3

static void add(StrBuf *out, yyjson_val *text)
{
    const char *s = yyjson_get_str(text);

    if (!str_empty(s)) {
        strbuf_add_string(out, out->n ? "; " : "");
        strbuf_add_string(out, s);
    }
}

/* The code only where there is no message: the usual messages repeat it in words. */
static void add_error(StrBuf *out, yyjson_val *error)
{
    const char *message = yyjson_get_str(yyjson_obj_get(error, "message"));

    add(out, yyjson_obj_get(error, str_empty(message) ? "code" : "message"));
}

static void read_words(Bytes body, StrBuf *out)
{
    static const char *const other[] = {"details", "message", "error_description", "error"};
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *root, *errors;
    yyjson_doc *doc = NULL;

    if (body.n == 0 || json_parse(&arena, body, &doc, &(DecodeReport){0}))
        return;
    root = yyjson_doc_get_root(doc);
    errors = yyjson_obj_get(root, "errors");
    for (size_t i = 0; i < ERRORS_SHOWN && i < yyjson_arr_size(errors); i++)
        add_error(out, yyjson_arr_get(errors, i));
    for (size_t i = 0; i < ARRAY_LEN(other) && out->n == 0; i++)
        add(out, yyjson_obj_get(root, other[i]));
}

void refusal_reason(Bytes body, int status, char *to, size_t size)
{
    static const struct {
        int status;
        const char *words;
    } usual[] = {
        {401, "authentication required"}, {403, "access denied"},       {404, "not found"},
        {429, "too many requests"},       {503, "service unavailable"},
    };
    _strbuf_ StrBuf words = STRBUF_INIT;
    char quoted[320];

    read_words(body, &words);
    for (size_t i = 0; i < ARRAY_LEN(usual) && words.n == 0; i++)
        if (status == usual[i].status)
            strbuf_add_string(&words, usual[i].words);
    text_quote(quoted, sizeof(quoted), strbuf_string(&words), words.n);
    snprintf(to, size, "%s%sHTTP status %d", quoted, *quoted ? ": " : "", status);
}
