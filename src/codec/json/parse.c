/* SPDX-License-Identifier: Apache-2.0 */
/* Text to JSON documents in an arena: yyjson's reader, a limit on depth, and Go's words for what is
 * wrong. */
#include "codec/json/json.h"

/* Freeing is the arena's; growing copies. */
static void *arena_malloc(void *ctx, size_t size)
{
    return arena_alloc_raw(ctx, size, 16);
}

static void *arena_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
    void *to;

    if (size <= old_size)
        return p;
    to = arena_alloc_raw(ctx, size, 16);
    memcpy(to, p, old_size);
    return to;
}

static void arena_free(void *ctx, void *p)
{
}

yyjson_alc json_arena_alc(Arena *arena)
{
    return (yyjson_alc){arena_malloc, arena_realloc, arena_free, arena};
}

static bool too_deep(Bytes text)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* Most documents have fewer containers than the limit, so there is nothing to look at closer. */
static bool may_be_deep(yyjson_doc *doc)
{
    yyjson_val *v = yyjson_doc_get_root(doc);
    size_t n = yyjson_doc_get_val_count(doc), containers = 0;

    for (size_t i = 0; i < n; i++)
        containers += yyjson_is_ctn(v + i);
    return containers > JSON_DEPTH_MAX;
}

static const char *syntax_error(Arena *arena, Bytes text, const yyjson_read_err *err)
{
    size_t at = err->pos;
    uint8_t c, before = 0;
    const char *where = "looking for beginning of value";
    char name[8] = {0};

    if (at >= text.n || err->code == YYJSON_READ_ERROR_EMPTY_CONTENT)
        return "unexpected end of JSON input";
    if (err->code == YYJSON_READ_ERROR_INVALID_STRING && strstr(err->msg, "UTF-8"))
        return "invalid UTF-8 in string";
    c = text.p[at];
    for (size_t i = at; i-- && !before;)
        if (!memchr(" \t\r\n", text.p[i], 4))
            before = text.p[i];
    if (err->code == YYJSON_READ_ERROR_UNEXPECTED_CONTENT)
        where = "after top-level value";
    else if (err->code == YYJSON_READ_ERROR_INVALID_STRING)
        where = "in string literal";
    else if (err->code == YYJSON_READ_ERROR_INVALID_NUMBER)
        where = "in numeric literal";
    else if (before == '{')
        where = "looking for beginning of object key string";
    else if (before && !strchr(",[:", before))
        where = c == ':' ? "after array element" : "after object key:value pair";
    if (c == '\'' || c == '"')
        snprintf(name, sizeof(name), c == '"' ? "'\"'" : "'\\''");
    else if (c >= 32 && c < 127)
        snprintf(name, sizeof(name), "'%c'", c);
    else
        snprintf(name, sizeof(name), c == '\n' ? "'\\n'" : c == '\t' ? "'\\t'" : "'\\x%02x'", c);
    return arena_printf(arena, "invalid character %s %s", name, where);
}

int json_parse(Arena *arena, Bytes text, yyjson_doc **ret, DecodeReport *report)
{
    yyjson_alc alc = json_arena_alc(arena);
    yyjson_read_err err = {0};
    yyjson_doc *doc;

    /* yyjson's reader does not write to the text unless told to. */
    doc = text.n ? yyjson_read_opts((char *)(uintptr_t)text.p, text.n, 0, &alc, &err) : NULL;
    if (!doc) {
        if (report)
            report->error = syntax_error(arena, text, &err);
        return JSON_E_SYNTAX;
    }
    if (may_be_deep(doc) && too_deep(text)) {
        if (report)
            report->error = "exceeded max depth";
        return JSON_E_SYNTAX;
    }
    *ret = doc;
    return 0;
}
