/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of HTML pages. See rewrite.h.
 *
 * The page is cut as browsers cut it: text, comments, tags, and elements whose content is only text until
 * their end tag (script, style and the like). The state between two pieces is one of HtmlState and the
 * bytes of an incomplete tag.
 */
#include "server/proxy/rewrite.h"

#include <strings.h>

typedef enum HtmlState {
    HTML_TEXT,
    HTML_TAG,     /* behind "<": the bytes since then are in `tag` */
    HTML_COMMENT, /* behind "<!--" */
    HTML_RAW,     /* in an element of raw text: until its end tag */
    HTML_RAW_END, /* in such an element, behind "<" */
    HTML_SKIP,    /* in a tag that is too long, until its ">" */
} HtmlState;

struct HtmlRewriter {
    HtmlState state;
    char quote;      /* in HTML_TAG: within a quoted value */
    bool equals;     /* in HTML_TAG: a value may begin */
    unsigned dashes; /* in HTML_COMMENT: how many came last */
    StrBuf tag;
    char raw[16]; /* in HTML_RAW: the name of the element */
    char *prefix, *backend, *host;
};

HtmlRewriter *html_rewriter_new(const Rewrite *rewrite)
{
    HtmlRewriter *html = mem_new_type(HtmlRewriter);

    html->prefix = mem_strdup(rewrite->prefix);
    html->backend = mem_strdup(rewrite->backend);
    html->host = mem_strdup(rewrite->host);
    return html;
}

HtmlRewriter *html_rewriter_free(HtmlRewriter *html)
{
    if (!html)
        return NULL;
    strbuf_deinit(&html->tag);
    free(html->prefix);
    free(html->backend);
    free(html->host);
    free(html);
    return NULL;
}

/* ---- one tag ---- */

/* The attributes that are links, as the HTML specification lists them. */
static const struct {
    const char *tag;
    const char *attributes[4];
} links[] = {
    {"a", {"href"}},
    {"applet", {"codebase"}},
    {"area", {"href"}},
    {"audio", {"src"}},
    {"base", {"href"}},
    {"blockquote", {"cite"}},
    {"body", {"background"}},
    {"button", {"formaction"}},
    {"command", {"icon"}},
    {"del", {"cite"}},
    {"embed", {"src"}},
    {"form", {"action"}},
    {"frame", {"longdesc", "src"}},
    {"head", {"profile"}},
    {"html", {"manifest"}},
    {"iframe", {"longdesc", "src"}},
    {"img", {"longdesc", "src", "usemap"}},
    {"input", {"src", "usemap", "formaction"}},
    {"ins", {"cite"}},
    {"link", {"href"}},
    {"object", {"classid", "codebase", "data", "usemap"}},
    {"q", {"cite"}},
    {"script", {"src"}},
    {"source", {"src"}},
    {"video", {"poster", "src"}},
};

static const char *const raw_elements[] = {"iframe", "noembed",  "noframes", "plaintext", "script",
                                           "style",  "textarea", "title",    "xmp"};

static bool is_name(const char *at, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(at, name, n) == 0;
}

static const char *const *links_of(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (is_name(name, n, links[i].tag))
            return links[i].attributes;
    return NULL;
}

static bool is_link(const char *const *attributes, const char *name, size_t n)
{
    for (size_t i = 0; attributes && i < 4 && attributes[i]; i++)
        if (is_name(name, n, attributes[i]))
            return true;
    return false;
}

/* The characters that a URL may need a reference for. */
static const struct {
    const char *reference;
    char c;
} references[] = {{"&amp;", '&'}, {"&lt;", '<'},   {"&gt;", '>'},
                  {"&#34;", '"'}, {"&#39;", '\''}, {"&quot;", '"'}};

static char *unescape(Arena *arena, const char *text, size_t n)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    for (size_t at = 0; at < n; at++) {
        size_t i, length = 0;

        for (i = 0; i < ARRAY_LEN(references); i++) {
            length = strlen(references[i].reference);
            if (n - at >= length && strncmp(text + at, references[i].reference, length) == 0)
                break;
        }
        strbuf_add_char(&out, i < ARRAY_LEN(references) ? references[i].c : text[at]);
        at += i < ARRAY_LEN(references) ? length - 1 : 0;
    }
    return arena_strdup(arena, strbuf_string(&out));
}

static void escape(StrBuf *out, const char *text)
{
    for (; *text; text++) {
        size_t i;

        for (i = 0; i < ARRAY_LEN(references) && references[i].c != *text; i++)
            ;
        if (i < ARRAY_LEN(references))
            strbuf_add_string(out, references[i].reference);
        else
            strbuf_add_char(out, *text);
    }
}

static void put_link(const HtmlRewriter *html, const char *value, size_t n, const char *raw,
                     size_t raw_n, StrBuf *out)
{
    const Rewrite rewrite = {html->prefix, html->backend, html->host};
    _arena_ Arena arena = ARENA_INIT;
    const char *url = unescape(&arena, value, n);
    const char *changed = rewrite_url(&rewrite, &arena, url);

    if (!changed || changed == url) {
        strbuf_add(out, raw, raw_n);
        return;
    }
    strbuf_add_char(out, '"');
    escape(out, changed);
    strbuf_add_char(out, '"');
}

#define BLANKS " \t\r\n\f"

/* Everything behind the name of a start tag, up to and with its ">". */
static void put_attributes(const HtmlRewriter *html, const char *const *attributes, const char *at,
                           const char *end, StrBuf *out)
{
    while (at < end) {
        const char *from = at, *name, *value;
        size_t name_n, n;
        bool quoted;

        at += strspn(at, BLANKS "/");
        name = at;
        at += strcspn(at, BLANKS "/>=");
        at += at == name && *at == '='; /* a name may begin with it */
        name_n = (size_t)(at - name);
        at += strspn(at, BLANKS);
        if (*at != '=' || name_n == 0) {
            at = MIN_OF(MAX_OF(at, from + 1), end);
            strbuf_add(out, from, (size_t)(at - from));
            continue;
        }
        at++;
        at += strspn(at, BLANKS);
        strbuf_add(out, from, (size_t)(at - from));
        from = at;
        quoted = *at == '"' || *at == '\'';
        value = at + quoted;
        n = strcspn(value, !quoted ? BLANKS ">" : *at == '"' ? "\"" : "'");
        at = MIN_OF(value + n + quoted, end);
        if (is_link(attributes, name, name_n))
            put_link(html, value, n, from, (size_t)(at - from), out);
        else
            strbuf_add(out, from, (size_t)(at - from));
    }
}

/* A whole tag, from "<" to ">". */
static void put_tag(HtmlRewriter *html, StrBuf *out)
{
    const char *tag = html->tag.p;
    size_t n = strcspn(tag + 1, BLANKS "/>");
    const char *const *attributes = links_of(tag + 1, n);

    html->state = HTML_TEXT;
    for (size_t i = 0; i < ARRAY_LEN(raw_elements); i++) {
        if (is_name(tag + 1, n, raw_elements[i])) {
            html->state = HTML_RAW;
            snprintf(html->raw, sizeof(html->raw), "%s", raw_elements[i]);
        }
    }
    /* A NUL would end the texts below; no browser takes such a tag for a link. */
    if (!attributes || strlen(tag) != html->tag.n) {
        strbuf_add(out, tag, html->tag.n);
        return;
    }
    strbuf_add(out, tag, 1 + n);
    put_attributes(html, attributes, tag + 1 + n, tag + html->tag.n, out);
}

/* ---- the page ---- */

static void leave_tag(HtmlRewriter *html, HtmlState state, StrBuf *out)
{
    strbuf_add(out, strbuf_string(&html->tag), html->tag.n);
    strbuf_truncate(&html->tag, 0);
    html->state = state;
}

/* A byte within a tag. */
static void feed_tag(HtmlRewriter *html, char c, StrBuf *out)
{
    StrBuf *tag = &html->tag;
    char second;

    strbuf_add_char(tag, c);
    second = tag->p[1];
    if (tag->n == 2 && !(second == '/' || second == '!' || second == '?' ||
                         (second >= 'a' && second <= 'z') || (second >= 'A' && second <= 'Z'))) {
        leave_tag(html, HTML_TEXT, out); /* a "<" in the text */
    } else if (tag->n == 4 && memcmp(tag->p, "<!--", 4) == 0) {
        html->dashes = 2; /* "<!-->" is a whole comment */
        leave_tag(html, HTML_COMMENT, out);
    } else if (html->quote) {
        html->quote = c == html->quote ? 0 : html->quote;
    } else if (c == '>') {
        if (second == '/' || second == '!' || second == '?') {
            leave_tag(html, HTML_TEXT, out);
        } else {
            put_tag(html, out);
            strbuf_truncate(tag, 0);
        }
    } else if ((c == '"' || c == '\'') && html->equals) {
        html->quote = c;
        html->equals = false;
    } else {
        html->equals = c == '=' || (html->equals && c && strchr(BLANKS, c));
    }
    if (tag->n > HTML_TAG_MAX)
        leave_tag(html, HTML_SKIP, out);
}

/* A byte behind "<" in an element of raw text: is it the end tag? */
static void feed_raw_end(HtmlRewriter *html, char c, StrBuf *out)
{
    StrBuf *tag = &html->tag;
    size_t n = strlen(html->raw);

    strbuf_add_char(tag, c);
    if (tag->n == 2 ? c == '/' : tag->n <= 2 + n && (html->raw[tag->n - 3] == (c | 0x20)))
        return;
    leave_tag(html, tag->n == 3 + n && strchr(BLANKS "/>", c) && c ? HTML_TEXT : HTML_RAW, out);
    if (html->state == HTML_TEXT && c != '>')
        html->state = HTML_SKIP;
}

void html_rewriter_feed(HtmlRewriter *html, Bytes bytes, StrBuf *out)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = (char)bytes.p[i];

        switch (html->state) {
        case HTML_TEXT:
        case HTML_RAW:
            if (c == '<') {
                html->state = html->state == HTML_TEXT ? HTML_TAG : HTML_RAW_END;
                html->quote = 0;
                html->equals = false;
                strbuf_add_char(&html->tag, c);
            } else {
                strbuf_add_char(out, c);
            }
            break;
        case HTML_TAG:
            feed_tag(html, c, out);
            break;
        case HTML_RAW_END:
            feed_raw_end(html, c, out);
            break;
        case HTML_COMMENT:
            strbuf_add_char(out, c);
            if (c == '>' && html->dashes >= 2)
                html->state = HTML_TEXT;
            html->dashes = c == '-' ? html->dashes + 1 : 0;
            break;
        case HTML_SKIP:
            strbuf_add_char(out, c);
            if (c == '>')
                html->state = HTML_TEXT;
            break;
        }
    }
}

/* An incomplete tag at the end is text. */
void html_rewriter_end(HtmlRewriter *html, StrBuf *out)
{
    leave_tag(html, HTML_TEXT, out);
}
