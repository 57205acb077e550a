/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and URLs. See rewrite.h. */
#include "server/proxy/rewrite.h"

/* Appends the segments of a path, and takes ".." back. */
static void join(StrBuf *out, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 2 && strncmp(path, "..", 2) == 0) {
            const char *slash = strrchr(strbuf_string(out), '/');

            strbuf_truncate(out, slash ? (size_t)(slash - out->p) : 0);
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            strbuf_add_char(out, '/');
            strbuf_add(out, path, n);
        }
        path += n + (path[n] == '/');
    }
}

char *rewrite_join(Arena *arena, const char *prefix, const char *path)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    size_t n = strlen(path);

    join(&out, prefix);
    join(&out, path);
    if (out.n == 0 || (n > 0 && path[n - 1] == '/'))
        strbuf_add_char(&out, '/');
    return arena_strdup(arena, strbuf_string(&out));
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

char *rewrite_encode(Arena *arena, const char *path)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    for (const char *c = path; *c; c++) {
        if (is_alpha(*c) || is_digit(*c) || strchr("-_.~$&+,/:;=@", *c))
            strbuf_add_char(&out, *c);
        else
            strbuf_printf(&out, "%%%02X", (unsigned)(uint8_t)*c);
    }
    return arena_strdup(arena, strbuf_string(&out));
}

/* ---- URLs ---- */

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

typedef struct Url {
    bool has_host;
    const char *host; /* without user and password */
    const char *path; /* with its encoding */
    const char *rest; /* query and fragment */
} Url;

static bool is_well_encoded(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((uint8_t)*c < ' ' || *c == 0x7f)
            return false;
        if (*c == '%' && (!is_hex(c[1]) || !is_hex(c[2])))
            return false;
    }
    return true;
}

static bool parse_url(Arena *arena, const char *text, Url *ret)
{
    size_t scheme = 0, n;

    *ret = (Url){.host = "", .path = "", .rest = ""};
    n = strcspn(text, "?#");
    if (!is_well_encoded(arena_strndup(arena, text, n)))
        return false;
    if (is_alpha(text[0]))
        for (scheme = 1; is_alpha(text[scheme]) || is_digit(text[scheme]) ||
                         (text[scheme] && strchr("+-.", text[scheme]));
             scheme++)
            ;
    if (text[scheme] == ':') {
        if (scheme == 0)
            return false; /* missing protocol scheme */
        text += scheme + 1;
    }
    if (text[0] == '/' && text[1] == '/') {
        const char *at;

        n = strcspn(text + 2, "/?#");
        ret->host = arena_strndup(arena, text + 2, n);
        at = strrchr(ret->host, '@');
        ret->host = at ? at + 1 : ret->host;
        ret->has_host = *ret->host;
        text += 2 + n;
    }
    n = strcspn(text, "?#");
    ret->path = arena_strndup(arena, text, n);
    ret->rest = arena_strdup(arena, text + n);
    return true;
}

const char *rewrite_url(const Rewrite *rewrite, Arena *arena, const char *url)
{
    Url parsed;
    const char *path;

    if (!parse_url(arena, url, &parsed))
        return NULL;
    if ((parsed.has_host && !str_equal(parsed.host, rewrite->backend) &&
         !str_equal(parsed.host, rewrite->host)) ||
        parsed.path[0] != '/')
        return url;
    if (str_equal(parsed.host, rewrite->host) && str_starts_with(parsed.path, rewrite->prefix))
        return url;
    path = str_starts_with(parsed.path, rewrite->prefix)
               ? parsed.path
               : rewrite_join(arena, rewrite->prefix, parsed.path);
    /* The host of the backend means nothing to the client, but the one that it has asked stays. */
    if (parsed.has_host && str_equal(parsed.host, rewrite->host))
        return arena_printf(arena, "%.*s%s%s",
                            (int)(strstr(url, parsed.host) - url + (ptrdiff_t)strlen(parsed.host)),
                            url, path, parsed.rest);
    return arena_printf(arena, "%s%s", path, parsed.rest);
}
