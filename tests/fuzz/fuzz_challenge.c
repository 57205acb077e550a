/* SPDX-License-Identifier: Apache-2.0 */
/* A challenge that is read is the same when its parameters are written and read again. */
#include "base/strbuf.h"
#include "registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quote(StrBuf *out, const char *name, const char *value)
{
    if (!value)
        return;
    strbuf_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *value);
    }
    strbuf_add_string(out, "\", ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const schemes[] = {"Other ", "Basic ", "Bearer "};
    _arena_ Arena arena = ARENA_INIT;
    Challenge found[CHALLENGES_MAX], again[CHALLENGES_MAX];
    size_t n = challenges_parse(&arena, arena_strndup(&arena, (const char *)data, size), found, 0);

    ASSERT(n <= CHALLENGES_MAX);
    for (size_t i = 0; i < n; i++) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        strbuf_add_string(&text, schemes[found[i].scheme]);
        quote(&text, "realm", found[i].realm);
        quote(&text, "service", found[i].service);
        quote(&text, "scope", found[i].scope);
        if (text.n > 4096)
            continue; /* longer than a header may be, with its escapes */
        ASSERT(challenges_parse(&arena, strbuf_string(&text), again, 0) == 1);
        ASSERT(again[0].scheme == found[i].scheme && str_equal(again[0].realm, found[i].realm) &&
               str_equal(again[0].service, found[i].service) &&
               str_equal(again[0].scope, found[i].scope));
    }
    return 0;
}
