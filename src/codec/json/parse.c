/* SPDX-License-Identifier: Apache-2.0 */
/* Parses text into JSON documents in an arena. It uses yyjson's reader, limits the depth, and
 * reports errors in Go's words. */
#include "base/strbuf.h"
#include "codec/json/json.h"

/* The arena frees everything at once, so free does nothing and realloc copies. */
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

static void arena_free(void *ctx _unused_, void *p _unused_)
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

/* Most documents have fewer containers than the limit, so their depth need not be computed. */
static bool may_be_deep(yyjson_doc *doc)
{
    yyjson_val *v = yyjson_doc_get_root(doc);
    size_t n = yyjson_doc_get_val_count(doc), containers = 0;

    for (size_t i = 0; i < n; i++)
        containers += yyjson_is_ctn(v + i);
    return containers > JSON_DEPTH_MAX;
}

/* What comes before a position in a text. */
typedef struct Place {
    char container; /* the innermost open bracket, 0: none */
    char before;    /* the last character that is no white space, '"' of a string; 0: none */
    bool after_key; /* the last token is the key of an object */
} Place;

/* `from` is the opening quote; returns the closing one, or `end`. */
static size_t end_of_string(Bytes text, size_t from, size_t end)
{
    size_t i = from + 1;

    while (i < end && text.p[i] != '"')
        i += text.p[i] == '\\' ? 2 : 1;
    return i < end ? i : end;
}

static Place find_place(Bytes text, size_t at)
{
    _strbuf_ StrBuf open = STRBUF_INIT;
    Place place = {0};

    for (size_t i = 0; i < at; i++) {
        char c = (char)text.p[i];

        if (memchr(" \t\r\n", c, 4))
            continue;
        place.after_key =
            c == '"' && place.container == '{' && (place.before == '{' || place.before == ',');
        if (c == '"')
            i = end_of_string(text, i, at);
        else if (c == '{' || c == '[')
            strbuf_add_char(&open, c);
        else if ((c == '}' || c == ']') && open.n > 0)
            strbuf_truncate(&open, open.n - 1);
        place.before = c;
        place.container = open.n > 0 ? open.p[open.n - 1] : 0;
    }
    return place;
}

/* What Go's decoder expects there, in its words. */
static const char *expected_at(const Place *place)
{
    if (place->container == '{' && (place->before == '{' || place->before == ','))
        return "looking for beginning of object key string";
    if (!place->before || strchr(",[:", place->before))
        return "looking for beginning of value";
    if (place->container == '[')
        return "after array element";
    if (place->container == '{')
        return place->after_key ? "after object key" : "after object key:value pair";
    return "after top-level value";
}

static const char *syntax_error(Arena *arena, Bytes text, const yyjson_read_err *err)
{
    size_t at = err->pos;
    uint8_t c;
    const char *where;
    char name[8] = {0};
    Place place;

    /* yyjson reports the position of a trailing comma; Go reports that of the character behind it.
     */
    if (at < text.n && strstr(err->msg, "trailing comma"))
        for (at++; at < text.n && memchr(" \t\r\n", text.p[at], 4);)
            at++;
    if (at >= text.n || err->code == YYJSON_READ_ERROR_EMPTY_CONTENT)
        return "unexpected end of JSON input";
    if (err->code == YYJSON_READ_ERROR_INVALID_STRING && strstr(err->msg, "UTF-8"))
        return "invalid UTF-8 in string";
    if (err->code == YYJSON_READ_ERROR_INVALID_STRING) {
        where = "in string literal";
    } else if (err->code == YYJSON_READ_ERROR_INVALID_NUMBER) {
        where = "in numeric literal";
    } else {
        place = find_place(text, at);
        where = expected_at(&place);
    }
    c = text.p[at];
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
