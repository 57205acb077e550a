/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive descent over the text, line by line:
 *
 *   [a.b]          makes or opens the table b in a; what follows are its members
 *   [[a.b]]        adds a table to the array b in a
 *   a.b = value    a member of the current table, through tables that dotted keys make
 *
 * A table that a header or braces have defined cannot be defined again, nor extended by dotted keys
 * from elsewhere, so each member has one place in the file. Floats, dates and times are checked for
 * their characters only. Depth and number of values are limited; a key is looked up by a walk over
 * its siblings, which this limit bounds.
 */
#include "base/strbuf.h"
#include "base/utf8.h"
#include "codec/toml/toml.h"

typedef struct Parser {
    Arena *arena;
    const char *at, *end;
    size_t line, depth, values;
    TomlValue *root, *table;
    TomlReport *report;
} Parser;

static int wrong(Parser *p, const char *message)
{
    if (p->report && !p->report->message)
        *p->report = (TomlReport){p->line, message};
    return TOML_E_SYNTAX;
}

static char peek(const Parser *p)
{
    return p->at < p->end ? *p->at : 0;
}

static bool looking_at(const Parser *p, const char *text)
{
    return (size_t)(p->end - p->at) >= strlen(text) && memcmp(p->at, text, strlen(text)) == 0;
}

static void skip_blanks(Parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

static void skip_comment(Parser *p)
{
    skip_blanks(p);
    if (peek(p) == '#')
        while (p->at < p->end && *p->at != '\n')
            p->at++;
}

static bool skip_newline(Parser *p)
{
    if (looking_at(p, "\r\n"))
        p->at++;
    if (peek(p) != '\n')
        return false;
    p->at++;
    p->line++;
    return true;
}

/* Skips blanks, comments and line ends where they have no meaning. */
static void skip_lines(Parser *p)
{
    do
        skip_comment(p);
    while (skip_newline(p));
}

static int end_of_line(Parser *p)
{
    skip_comment(p);
    return p->at == p->end || skip_newline(p) ? 0 : wrong(p, "something follows on the line");
}

/* ---- strings and keys ----------------------------------------------------------------------- */

static void add_utf8(StrBuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
    } else if (c < 0x800) {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
        strbuf_add_char(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        strbuf_add_char(out, (char)(0xe0 | c >> 12));
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
        strbuf_add_char(out, (char)(0x80 | (c & 63)));
    } else {
        strbuf_add_char(out, (char)(0xf0 | c >> 18));
        strbuf_add_char(out, (char)(0x80 | (c >> 12 & 63)));
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
        strbuf_add_char(out, (char)(0x80 | (c & 63)));
    }
}

static int read_code_point(Parser *p, size_t digits, StrBuf *out)
{
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    uint32_t c = 0;

    for (size_t i = 0; i < digits; i++) {
        const char *digit = peek(p) ? strchr(hex, peek(p)) : NULL;

        if (!digit)
            return wrong(p, "a malformed escape");
        c = c << 4 | ((uint32_t)(digit - hex) & 15);
        p->at++;
    }
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return wrong(p, "an escape that is no character");
    add_utf8(out, c);
    return 0;
}

/* Reads the characters behind a backslash. */
static int read_escape(Parser *p, bool is_multi, StrBuf *out)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    const char *found = peek(p) ? strchr(from, peek(p)) : NULL;
    const char *start = p->at;

    if (found) {
        strbuf_add_char(out, to[found - from]);
        p->at++;
        return 0;
    }
    if (peek(p) == 'u' || peek(p) == 'U') {
        p->at++;
        return read_code_point(p, *start == 'u' ? 4 : 8, out);
    }
    /* A backslash at the end of a line removes all white space up to the next character. */
    skip_blanks(p);
    if (!is_multi || !skip_newline(p))
        return wrong(p, "an unknown escape");
    do
        skip_blanks(p);
    while (skip_newline(p));
    return 0;
}

/* One or two quotes may stand before the three that end the string. */
static bool at_end_of_multi(Parser *p, char quote, StrBuf *out)
{
    size_t n = 0;

    while (n < 5 && p->at + n < p->end && p->at[n] == quote)
        n++;
    if (n < 3)
        return false;
    strbuf_add(out, p->at, n - 3);
    p->at += n;
    return true;
}

static int read_multi(Parser *p, char quote, StrBuf *out)
{
    p->at += 3;
    skip_newline(p);
    for (;;) {
        char c = peek(p);

        if (p->at == p->end)
            return wrong(p, "a string that does not end");
        if (c == quote && at_end_of_multi(p, quote, out))
            return 0;
        if (skip_newline(p)) {
            strbuf_add_char(out, '\n');
            continue;
        }
        if (((uint8_t)c < ' ' && c != '\t') || c == 0x7f)
            return wrong(p, "a control character in a string");
        p->at++;
        if (c != '\\' || quote == '\'')
            strbuf_add_char(out, c);
        else if (read_escape(p, true, out))
            return TOML_E_SYNTAX;
    }
}

static int read_single(Parser *p, char quote, StrBuf *out)
{
    for (p->at++;;) {
        char c = peek(p);

        if (p->at == p->end || c == '\n')
            return wrong(p, "a string that does not end");
        if (((uint8_t)c < ' ' && c != '\t') || c == 0x7f)
            return wrong(p, "a control character in a string");
        p->at++;
        if (c == quote)
            return 0;
        if (c != '\\' || quote == '\'')
            strbuf_add_char(out, c);
        else if (read_escape(p, false, out))
            return TOML_E_SYNTAX;
    }
}

static int read_string(Parser *p, bool may_be_multi, const char **ret)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    char quote = peek(p);
    bool is_multi = may_be_multi && looking_at(p, quote == '"' ? "\"\"\"" : "'''");
    int r = is_multi ? read_multi(p, quote, &out) : read_single(p, quote, &out);

    *ret = arena_strdup(p->arena, strbuf_string(&out));
    return r;
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int read_key(Parser *p, const char **ret)
{
    const char *start = p->at;

    if (peek(p) == '"' || peek(p) == '\'')
        return read_string(p, false, ret);
    while (is_bare(peek(p)))
        p->at++;
    *ret = arena_strndup(p->arena, start, (size_t)(p->at - start));
    return p->at > start ? 0 : wrong(p, "a key is missing");
}

/* ---- the tree ------------------------------------------------------------------------------- */

static TomlValue *find(const TomlValue *table, const char *key)
{
    for (TomlValue *v = table->first; v; v = v->next)
        if (strcmp(v->key, key) == 0)
            return v;
    return NULL;
}

const TomlValue *toml_get(const TomlValue *table, const char *key)
{
    return table && table->kind == TOML_TABLE ? find(table, key) : NULL;
}

static TomlValue *add(Parser *p, TomlValue *to, TomlKind kind, const char *key)
{
    TomlValue *value;

    if (++p->values > TOML_VALUES_MAX) {
        wrong(p, "too many values");
        return NULL;
    }
    value = arena_new(p->arena, TomlValue);
    value->kind = kind;
    value->key = key;
    if (to->last)
        to->last->next = value;
    else
        to->first = value;
    to->last = value;
    return value;
}

/* Returns the table `key` of `from`, and creates it if it is missing. For an array of tables, it
 * is the last element. */
static TomlValue *enter(Parser *p, TomlValue *from, const char *key, bool by_keys)
{
    TomlValue *found = find(from, key);

    if (!found) {
        found = add(p, from, TOML_TABLE, key);
        if (found)
            found->is_by_keys = by_keys;
        return found;
    }
    if (!by_keys && found->kind == TOML_ARRAY && !found->is_closed && found->last)
        found = found->last;
    if (found->kind != TOML_TABLE ||
        (by_keys ? !found->is_by_keys : found->is_closed && !found->text)) {
        wrong(p, "a key that is defined already");
        return NULL;
    }
    return found;
}

/* Reads "a.b.c", enters all but the last, and returns the table and the last key. */
static int read_path(Parser *p, TomlValue *from, bool by_keys, TomlValue **ret,
                     const char **ret_key)
{
    *ret = from;
    for (size_t n = 1;; n++) {
        int r = read_key(p, ret_key);

        if (r)
            return r;
        skip_blanks(p);
        if (peek(p) != '.')
            return 0;
        if (n == TOML_DEPTH_MAX)
            return wrong(p, "nested too deeply");
        p->at++;
        skip_blanks(p);
        *ret = enter(p, *ret, *ret_key, by_keys);
        if (!*ret)
            return TOML_E_SYNTAX;
    }
}

/* ---- values --------------------------------------------------------------------------------- */

static int read_value(Parser *p, TomlValue *to, const char *key);

static int read_member(Parser *p, TomlValue *table)
{
    TomlValue *parent;
    const char *key;
    int r = read_path(p, table, true, &parent, &key);

    if (r)
        return r;
    if (peek(p) != '=')
        return wrong(p, "an equals sign is missing");
    p->at++;
    skip_blanks(p);
    if (find(parent, key))
        return wrong(p, "a key that is defined already");
    return read_value(p, parent, key);
}

/* Makes an inline table, and all tables that its dotted keys have made, final. */
static void close_tables(TomlValue *table)
{
    table->is_closed = true;
    table->is_by_keys = false;
    for (TomlValue *v = table->first; v; v = v->next)
        if (v->kind == TOML_TABLE && !v->is_closed)
            close_tables(v);
}

static int read_inline_table(Parser *p, TomlValue *table)
{
    p->at++;
    skip_blanks(p);
    for (bool first = true; peek(p) != '}'; first = false) {
        if (!first) {
            if (peek(p) != ',')
                return wrong(p, "a comma is missing");
            p->at++;
            skip_blanks(p);
        }
        if (read_member(p, table))
            return TOML_E_SYNTAX;
        skip_blanks(p);
    }
    p->at++;
    close_tables(table);
    return 0;
}

static int read_array(Parser *p, TomlValue *array)
{
    p->at++;
    array->is_closed = true;
    for (;;) {
        skip_lines(p);
        if (peek(p) == ']')
            break;
        if (read_value(p, array, NULL))
            return TOML_E_SYNTAX;
        skip_lines(p);
        if (peek(p) == ',')
            p->at++;
        else if (peek(p) != ']')
            return wrong(p, "a comma is missing");
    }
    p->at++;
    return 0;
}

/* "+1_000", "0xff": 0 if it is an integer that fits. */
static int read_integer(const char *text, int64_t *ret)
{
    char plain[72];
    size_t n = 0;
    const char *digits = text + (text[0] == '+' || text[0] == '-');
    int base = str_starts_with(digits, "0x")   ? 16
               : str_starts_with(digits, "0o") ? 8
               : str_starts_with(digits, "0b") ? 2
                                               : 10;
    char *end;

    if (base != 10 && digits != text)
        return 1;
    plain[n++] = text[0] == '-' ? '-' : '+';
    for (const char *c = base == 10 ? digits : digits + 2; *c && n + 1 < sizeof(plain); c++)
        if (*c != '_')
            plain[n++] = *c;
    plain[n] = 0;
    errno = 0;
    *ret = strtoll(plain, &end, base);
    return n < 2 || *end || errno || strspn(plain + 1, "0123456789abcdefABCDEF") != n - 1;
}

static int read_bare_value(Parser *p, TomlValue *to, const char *key)
{
    const char *start = p->at, *text;
    TomlValue *value;
    int64_t integer = 0;

    while (is_bare(peek(p)) || (peek(p) && strchr("+.:", peek(p))))
        p->at++;
    /* A date and a time may be separated by a blank. */
    if (p->at - start == 10 && start[4] == '-' && p->end - p->at > 1 && p->at[0] == ' ' &&
        p->at[1] >= '0' && p->at[1] <= '9')
        for (p->at++; is_bare(peek(p)) || (peek(p) && strchr("+.:", peek(p)));)
            p->at++;
    text = arena_strndup(p->arena, start, (size_t)(p->at - start));
    value = add(p, to, TOML_OTHER, key);
    if (!value)
        return TOML_E_SYNTAX;
    value->text = text;
    if (str_equal(text, "true") || str_equal(text, "false")) {
        value->kind = TOML_BOOLEAN;
        value->boolean = text[0] == 't';
    } else if (read_integer(text, &integer) == 0) {
        value->kind = TOML_INTEGER;
        value->integer = integer;
    } else if (!(text[0] >= '0' && text[0] <= '9') && text[0] != '+' && text[0] != '-' &&
               !str_equal(text, "inf") && !str_equal(text, "nan")) {
        return wrong(p, "a malformed value");
    }
    return 0;
}

static int read_value(Parser *p, TomlValue *to, const char *key)
{
    TomlValue *value;
    char c = peek(p);
    int r;

    if (c != '"' && c != '\'' && c != '[' && c != '{')
        return read_bare_value(p, to, key);
    value = add(p, to, c == '[' ? TOML_ARRAY : c == '{' ? TOML_TABLE : TOML_STRING, key);
    if (!value)
        return TOML_E_SYNTAX;
    if (c == '"' || c == '\'')
        return read_string(p, true, &value->text);
    if (++p->depth > TOML_DEPTH_MAX)
        return wrong(p, "nested too deeply");
    r = c == '[' ? read_array(p, value) : read_inline_table(p, value);
    p->depth--;
    return r;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* "[a.b]": it may have been made by the header of a table in it, but not by its own. */
static int open_table(Parser *p, TomlValue *parent, const char *key)
{
    TomlValue *table = find(parent, key);

    if (!table)
        table = add(p, parent, TOML_TABLE, key);
    else if (table->kind != TOML_TABLE || table->is_closed || table->is_by_keys)
        return wrong(p, "a table that is defined already");
    if (!table)
        return TOML_E_SYNTAX;
    table->is_closed = true;
    table->text = ""; /* by a header: tables in it may follow */
    p->table = table;
    return 0;
}

/* "[[a.b]]" */
static int open_element(Parser *p, TomlValue *parent, const char *key)
{
    TomlValue *array = find(parent, key);

    if (!array)
        array = add(p, parent, TOML_ARRAY, key);
    else if (array->kind != TOML_ARRAY || array->is_closed)
        return wrong(p, "an array that is defined already");
    p->table = array ? add(p, array, TOML_TABLE, NULL) : NULL;
    return p->table ? 0 : TOML_E_SYNTAX;
}

static int read_header(Parser *p)
{
    bool is_element = looking_at(p, "[[");
    TomlValue *parent;
    const char *key;

    p->at += is_element ? 2 : 1;
    skip_blanks(p);
    if (read_path(p, p->root, false, &parent, &key))
        return TOML_E_SYNTAX;
    if (!looking_at(p, is_element ? "]]" : "]"))
        return wrong(p, "a header that does not end");
    p->at += is_element ? 2 : 1;
    return is_element ? open_element(p, parent, key) : open_table(p, parent, key);
}

int toml_parse(Arena *arena, const char *text, size_t n, TomlValue **ret, TomlReport *report)
{
    Parser p = {.arena = arena, .at = text, .end = text + n, .line = 1, .report = report};
    int r = 0;

    if (report)
        *report = (TomlReport){0};
    p.root = p.table = *ret = arena_new(arena, TomlValue);
    p.root->kind = TOML_TABLE;
    if (memchr(text, 0, n) || !utf8_valid((const uint8_t *)text, n))
        return wrong(&p, "not UTF-8");
    for (skip_lines(&p); r == 0 && p.at < p.end; skip_lines(&p)) {
        r = peek(&p) == '[' ? read_header(&p) : read_member(&p, p.table);
        if (r == 0)
            r = end_of_line(&p);
    }
    return r;
}
