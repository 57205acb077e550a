/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a regular expression to a tree, with the syntax and the messages of Go's regexp/syntax:
 *
 *   alternation = concatenation { "|" concatenation }
 *   concatenation = { item [ repetition ] }
 *   item = character | class | escape | assertion | "(" alternation ")" | "(?flags)"
 *
 * The parser stops at the first error and keeps it; all functions then do nothing more.
 */
#include "base/regex/internal.h"
#include "base/utf8.h"

typedef enum ParseFlag {
    FLAG_FOLD = 1 << 0,
    FLAG_DOT_NEWLINE = 1 << 1,
    FLAG_MULTI_LINE = 1 << 2,
    FLAG_LAZY = 1 << 3,
} ParseFlag;

typedef struct Parser {
    Arena *arena;
    const char *text, *at, *end;
    unsigned flags;
    int depth;
    size_t ranges; /* of all sets up to now */
    const char *error;
} Parser;

const char *regex_error(Arena *arena, const char *what, const char *where, size_t n)
{
    return arena_printf(arena, "error parsing regexp: %s: `%.*s`", what,
                        (int)MIN_OF(n, (size_t)INT_MAX), where);
}

static void fail(Parser *p, const char *what, const char *where, const char *end)
{
    if (!p->error)
        p->error = regex_error(p->arena, what, where, (size_t)(end - where));
    p->at = p->end;
}

static void fail_whole(Parser *p, const char *what)
{
    fail(p, what, p->text, p->end);
}

static bool next_is(const Parser *p, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(p->end - p->at) >= n && memcmp(p->at, text, n) == 0;
}

static uint32_t take_rune(Parser *p)
{
    uint32_t rune;
    size_t n = utf8_decode((const uint8_t *)p->at, (size_t)(p->end - p->at), &rune);

    if (rune == UTF8_REPLACEMENT && n == 1) {
        fail(p, "invalid UTF-8", p->at, p->end);
        return 0;
    }
    p->at += n;
    return rune;
}

/* ---- nodes ---- */

static Node *new_node(Parser *p, NodeKind kind)
{
    Node *node = arena_new(p->arena, Node);

    node->kind = kind;
    node->height = 1;
    node->nullable = kind != NODE_SET;
    return node;
}

static Node *new_set(Parser *p, RuneSet set)
{
    Node *node = new_node(p, NODE_SET);

    node->set = set;
    p->ranges += set.n;
    if (p->ranges > REGEX_RANGES_MAX)
        fail_whole(p, "expression too large");
    return node;
}

static Node *new_rune(Parser *p, uint32_t rune)
{
    RuneSet set = {0};

    rune_set_add(p->arena, &set, rune, rune);
    if (p->flags & FLAG_FOLD)
        rune_set_fold(p->arena, &set);
    return new_set(p, set);
}

static Node *new_assert(Parser *p, RegexAssert assertion)
{
    Node *node = new_node(p, NODE_ASSERT);

    node->assertion = assertion;
    return node;
}

static void push_sub(Parser *p, Node *node, Node *sub)
{
    ARENA_PUSH(p->arena, &node->subs, sub);
    node->height = MAX_OF(node->height, sub->height + 1);
    if (node->height > REGEX_DEPTH_MAX)
        fail_whole(p, "expression nests too deeply");
}

/* ---- escapes and classes ---- */

static int hex_value(uint32_t c)
{
    if (c >= '0' && c <= '9')
        return (int)c - '0';
    if (c >= 'a' && c <= 'f')
        return (int)c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return (int)c - 'A' + 10;
    return -1;
}

static bool is_alnum(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Behind "\x": two digits, or any number in braces. */
static bool take_hex(Parser *p, uint32_t *ret)
{
    uint32_t c = p->at < p->end ? take_rune(p) : 0;
    int high, low, digits = 0;

    *ret = 0;
    if (c != '{') {
        high = hex_value(c);
        if (p->at == p->end)
            return false;
        low = hex_value(take_rune(p));
        *ret = (uint32_t)(high * 16 + low);
        return high >= 0 && low >= 0;
    }
    for (; p->at < p->end; digits++) {
        int v;

        c = take_rune(p);
        if (c == '}')
            return digits > 0;
        v = hex_value(c);
        if (v < 0)
            return false;
        *ret = *ret * 16 + (uint32_t)v;
        if (*ret > RUNE_MAX)
            return false;
    }
    return false;
}

static bool take_octal(Parser *p, uint32_t first, uint32_t *ret)
{
    *ret = first - '0';
    for (int i = 1; i < 3 && p->at < p->end && *p->at >= '0' && *p->at <= '7'; i++)
        *ret = *ret * 8 + (uint32_t)(*p->at++ - '0');
    return true;
}

/* One character that is written with a backslash. */
static uint32_t take_escape(Parser *p)
{
    static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    const char *begin = p->at, *letter;
    uint32_t c, value;

    if (++p->at == p->end) {
        fail(p, "trailing backslash at end of expression", p->at, p->at);
        return 0;
    }
    c = take_rune(p);
    if (c == '0' || (c >= '1' && c <= '7' && p->at < p->end && *p->at >= '0' && *p->at <= '7')) {
        take_octal(p, c, &value);
        return value;
    }
    if (c == 'x' && take_hex(p, &value))
        return value;
    letter = c && c < 128 ? strchr(letters, (int)c) : NULL;
    if (letter)
        return (uint8_t)values[letter - letters];
    if (c < 128 && !is_alnum(c))
        return c;
    fail(p, "invalid escape sequence", begin, p->at);
    return 0;
}

static void add_named(Parser *p, RuneSet *to, RuneSet named, bool negated)
{
    if (p->flags & FLAG_FOLD) {
        rune_set_clean(&named);
        rune_set_fold(p->arena, &named);
    }
    rune_set_add_set(p->arena, to, &named, negated);
    p->ranges += named.n;
    if (p->ranges > REGEX_RANGES_MAX)
        fail_whole(p, "expression too large");
}

/* \d and its like; false: something else stands here. */
static bool take_perl_class(Parser *p, RuneSet *to)
{
    RuneSet named;
    char letter;

    if (p->end - p->at < 2 || *p->at != '\\')
        return false;
    letter = p->at[1];
    if (!rune_set_perl(p->arena, (char)(letter | 0x20), &named))
        return false;
    add_named(p, to, named, letter < 'a');
    p->at += 2;
    return true;
}

/* \pL, \p{Greek}, \P{^Greek}. */
static bool take_unicode_class(Parser *p, RuneSet *to)
{
    const char *begin = p->at, *name, *end;
    bool negated, inverse;
    RuneSet named;

    if (!next_is(p, "\\p") && !next_is(p, "\\P"))
        return false;
    negated = p->at[1] == 'P';
    p->at += 2;
    name = p->at;
    if (p->at < p->end && take_rune(p) == '{') {
        end = memchr(begin, '}', (size_t)(p->end - begin));
        if (!end) {
            fail(p, "invalid character class range", begin, p->end);
            return true;
        }
        name++;
        p->at = end + 1;
    } else {
        end = p->at;
    }
    if (p->error)
        return true;
    if (name < end && *name == '^') {
        negated = !negated;
        name++;
    }
    if (!rune_set_unicode(p->arena, name, (size_t)(end - name), &named, &inverse)) {
        fail(p, "invalid character class range", begin, p->at);
        return true;
    }
    add_named(p, to, named, negated != inverse);
    return true;
}

/* [:alpha:] within a class. */
static bool take_posix_class(Parser *p, RuneSet *to)
{
    const char *end, *name = p->at + 2;
    RuneSet named;
    bool negated;

    if (p->end - p->at <= 2 || !next_is(p, "[:"))
        return false;
    end = memmem(name, (size_t)(p->end - name), ":]", 2);
    if (!end)
        return false;
    negated = name < end && *name == '^';
    if (!rune_set_posix(p->arena, name + negated, (size_t)(end - name) - negated, &named)) {
        fail(p, "invalid character class range", p->at, end + 2);
        return true;
    }
    add_named(p, to, named, negated);
    p->at = end + 2;
    return true;
}

static uint32_t take_class_rune(Parser *p, const char *class_begin)
{
    if (p->at == p->end) {
        fail(p, "missing closing ]", class_begin, p->end);
        return 0;
    }
    return *p->at == '\\' ? take_escape(p) : take_rune(p);
}

static void take_range(Parser *p, const char *class_begin, RuneSet *to)
{
    const char *begin = p->at;
    uint32_t lo = take_class_rune(p, class_begin), hi = lo;

    if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        hi = take_class_rune(p, class_begin);
        if (hi < lo)
            fail(p, "invalid character class range", begin, p->at);
    }
    if (!p->error)
        rune_set_add(p->arena, to, lo, hi);
}

static Node *parse_class(Parser *p)
{
    const char *begin = p->at++;
    RuneSet set = {0}, plain = {0};
    bool negated = p->at < p->end && *p->at == '^', first = true;

    p->at += negated;
    for (; !p->error && (p->at == p->end || *p->at != ']' || first); first = false)
        if (!take_posix_class(p, &set) && !take_unicode_class(p, &set) && !take_perl_class(p, &set))
            take_range(p, begin, &plain);
    if (p->error)
        return NULL;
    p->at++;
    if (p->flags & FLAG_FOLD) {
        rune_set_clean(&plain);
        rune_set_fold(p->arena, &plain);
    }
    rune_set_add_set(p->arena, &set, &plain, false);
    rune_set_clean(&set);
    if (negated)
        rune_set_negate(p->arena, &set);
    return new_set(p, set);
}

/* ---- repetitions ---- */

/* A number without leading zeros; -1: too large. False: there is none. */
static bool take_count(const char **at, const char *end, int *ret)
{
    const char *s = *at;
    int v = 0;

    if (s == end || *s < '0' || *s > '9' ||
        (*s == '0' && end - s >= 2 && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        v = v < 0 || v >= 100000000 ? -1 : v * 10 + (*s - '0');
    *at = s;
    *ret = v;
    return true;
}

/* {n}, {n,} or {n,m}; anything else in braces is literal text. */
static bool take_counts(const char **at, const char *end, int *min, int *max)
{
    const char *s = *at + 1;

    if (!take_count(&s, end, min) || s == end)
        return false;
    *max = *min;
    if (*s == ',') {
        if (++s == end)
            return false;
        if (*s == '}')
            *max = -1;
        else if (!take_count(&s, end, max))
            return false;
        else if (*max < 0)
            *min = -1;
    }
    if (s == end || *s != '}')
        return false;
    *at = s + 1;
    return true;
}

/* Whether nested repetitions together make at most n copies of the innermost thing. */
static bool repeat_is_valid(const Node *node, int n)
{
    if (node->kind == NODE_REPEAT && !(node->max < 0 && node->min <= 1) && node->max != 1) {
        int m = node->max;

        if (m == 0)
            return true;
        if (m < 0)
            m = node->min;
        if (m > n)
            return false;
        if (m > 0)
            n /= m;
    }
    for (size_t i = 0; i < node->subs.n; i++)
        if (!repeat_is_valid(node->subs.v[i], n))
            return false;
    return true;
}

/* Where a repetition begins here, the last item becomes repeated. `last` is where the repetition before this one began, if
 * there was nothing in between. */
static bool take_repeat(Parser *p, Node *concat, const char **last)
{
    const char *begin = p->at, *at = p->at;
    int min = *at == '+', max = *at == '?' ? 1 : -1;
    Node *node;

    if (*at == '{') {
        if (!take_counts(&at, p->end, &min, &max))
            return false;
        if (min < 0 || min > REGEX_REPEAT_MAX || max > REGEX_REPEAT_MAX ||
            (max >= 0 && min > max)) {
            fail(p, "invalid repeat count", begin, at);
            return true;
        }
    } else if (*at == '*' || *at == '+' || *at == '?') {
        at++;
    } else {
        return false;
    }
    node = new_node(p, NODE_REPEAT);
    node->lazy = p->flags & FLAG_LAZY;
    if (at < p->end && *at == '?') {
        at++;
        node->lazy = !node->lazy;
    }
    p->at = at;
    if (*last) {
        fail(p, "invalid nested repetition operator", *last, at);
        return true;
    }
    if (concat->subs.n == 0) {
        fail(p, "missing argument to repetition operator", begin, at);
        return true;
    }
    node->min = min;
    node->max = max;
    push_sub(p, node, concat->subs.v[concat->subs.n - 1]);
    node->nullable = min == 0 || node->subs.v[0]->nullable;
    concat->subs.v[concat->subs.n - 1] = node;
    concat->height = MAX_OF(concat->height, node->height + 1);
    if (*begin == '{' && (min >= 2 || max >= 2) && !repeat_is_valid(node, REGEX_REPEAT_MAX))
        fail(p, "invalid repeat count", begin, at);
    *last = begin;
    return true;
}

/* ---- groups ---- */

static Node *parse_alternation(Parser *p);

static void take_group_end(Parser *p)
{
    if (p->error)
        return;
    if (p->at == p->end)
        fail_whole(p, "missing closing )");
    else
        p->at++;
}

static Node *parse_group(Parser *p, unsigned inner_flags)
{
    unsigned outer = p->flags;
    Node *node;

    if (++p->depth > REGEX_DEPTH_MAX) {
        fail_whole(p, "expression nests too deeply");
        return NULL;
    }
    p->flags = inner_flags;
    node = parse_alternation(p);
    take_group_end(p);
    p->flags = outer;
    p->depth--;
    return node;
}

/* "(?P<name>" or "(?<name>": names change nothing, since nobody can refer to them. */
static bool take_name(Parser *p)
{
    const char *begin = p->at, *name, *end;
    bool valid;

    if (!((next_is(p, "(?P<") && p->end - p->at > 4) || (next_is(p, "(?<") && p->end - p->at > 3)))
        return false;
    name = begin + (begin[2] == 'P' ? 4 : 3);
    end = memchr(begin, '>', (size_t)(p->end - begin));
    if (!end) {
        fail(p, "invalid named capture", begin, p->end);
        return true;
    }
    valid = name < end;
    for (const char *s = name; s < end; s++)
        valid = valid && (*s == '_' || is_alnum((uint8_t)*s));
    if (!valid)
        fail(p, "invalid named capture", begin, end + 1);
    else
        p->at = end + 1;
    return true;
}

/* Behind "(?": flags, and whether a group begins with them. */
static bool take_flags(Parser *p, const char *begin, unsigned *ret, bool *ret_group)
{
    static const struct {
        char letter;
        ParseFlag flag;
    } letters[] = {
        {'i', FLAG_FOLD}, {'m', FLAG_MULTI_LINE}, {'s', FLAG_DOT_NEWLINE}, {'U', FLAG_LAZY}};
    bool negated = false, saw = false;

    *ret = p->flags;
    while (p->at < p->end && !p->error) {
        uint32_t c = take_rune(p);
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(letters); i++)
            if (c == (uint8_t)letters[i].letter) {
                *ret = negated ? *ret & ~letters[i].flag : *ret | letters[i].flag;
                known = saw = true;
            }
        if (known)
            continue;
        if (c == '-' && !negated) {
            negated = true;
            saw = false;
        } else if ((c == ':' || c == ')') && (!negated || saw)) {
            *ret_group = c == ':';
            return true;
        } else {
            break;
        }
    }
    fail(p, "invalid or unsupported Perl syntax", begin, p->at);
    return false;
}

/* NULL without an error: only flags have changed. */
static Node *parse_paren(Parser *p)
{
    const char *begin = p->at;
    unsigned flags;
    bool group = true;

    if (!next_is(p, "(?")) {
        p->at++;
        return parse_group(p, p->flags);
    }
    if (take_name(p))
        return p->error ? NULL : parse_group(p, p->flags);
    p->at += 2;
    if (!take_flags(p, begin, &flags, &group))
        return NULL;
    if (group)
        return parse_group(p, flags);
    p->flags = flags;
    return NULL;
}

/* ---- items ---- */

static Node *parse_any(Parser *p)
{
    RuneSet set = {0};

    p->at++;
    if (p->flags & FLAG_DOT_NEWLINE) {
        rune_set_add(p->arena, &set, 0, RUNE_MAX);
    } else {
        rune_set_add(p->arena, &set, 0, '\n' - 1);
        rune_set_add(p->arena, &set, '\n' + 1, RUNE_MAX);
    }
    return new_set(p, set);
}

static void parse_quoted(Parser *p, Node *concat)
{
    const char *all_end = p->end, *end;

    p->at += 2;
    end = memmem(p->at, (size_t)(p->end - p->at), "\\E", 2);
    for (p->end = end ? end : all_end; p->at < p->end;)
        push_sub(p, concat, new_rune(p, take_rune(p)));
    p->end = all_end;
    p->at = p->error ? all_end : end ? end + 2 : all_end;
}

/* Escapes that stand for more than one character. */
static Node *parse_backslash(Parser *p)
{
    static const struct {
        char letter;
        RegexAssert assertion;
    } assertions[] = {{'A', ASSERT_BEGIN_TEXT},
                      {'z', ASSERT_END_TEXT},
                      {'b', ASSERT_WORD},
                      {'B', ASSERT_NO_WORD}};
    char letter = p->end - p->at >= 2 ? p->at[1] : 0;
    RuneSet set = {0};

    for (size_t i = 0; i < ARRAY_LEN(assertions); i++)
        if (letter == assertions[i].letter) {
            p->at += 2;
            return new_assert(p, assertions[i].assertion);
        }
    if (letter == 'C') {
        fail(p, "invalid escape sequence", p->at, p->at + 2);
        return NULL;
    }
    if (take_unicode_class(p, &set) || take_perl_class(p, &set)) {
        rune_set_clean(&set);
        return p->error ? NULL : new_set(p, set);
    }
    return new_rune(p, take_escape(p));
}

static Node *parse_item(Parser *p)
{
    bool lines = p->flags & FLAG_MULTI_LINE;

    switch (*p->at) {
    case '(':
        return parse_paren(p);
    case '[':
        return parse_class(p);
    case '.':
        return parse_any(p);
    case '\\':
        return parse_backslash(p);
    case '^':
        p->at++;
        return new_assert(p, lines ? ASSERT_BEGIN_LINE : ASSERT_BEGIN_TEXT);
    case '$':
        p->at++;
        return new_assert(p, lines ? ASSERT_END_LINE : ASSERT_END_TEXT);
    default:
        return new_rune(p, take_rune(p));
    }
}

static Node *parse_concatenation(Parser *p)
{
    Node *concat = new_node(p, NODE_CONCAT);
    const char *last = NULL;

    while (!p->error && p->at < p->end && *p->at != '|' && *p->at != ')') {
        Node *item;

        if (take_repeat(p, concat, &last))
            continue;
        last = NULL;
        if (next_is(p, "\\Q")) {
            parse_quoted(p, concat);
            continue;
        }
        item = parse_item(p);
        if (item && !p->error)
            push_sub(p, concat, item);
    }
    for (size_t i = 0; i < concat->subs.n; i++)
        concat->nullable = concat->nullable && concat->subs.v[i]->nullable;
    return concat->subs.n == 1 ? concat->subs.v[0] : concat;
}

static Node *parse_alternation(Parser *p)
{
    Node *alternate = new_node(p, NODE_ALTERNATE);

    alternate->nullable = false;
    for (;;) {
        Node *one = parse_concatenation(p);

        push_sub(p, alternate, one);
        alternate->nullable = alternate->nullable || one->nullable;
        if (p->error || p->at == p->end || *p->at != '|')
            break;
        p->at++;
    }
    return alternate->subs.n == 1 ? alternate->subs.v[0] : alternate;
}

Node *regex_parse(Arena *arena, const char *text, size_t n, const char **ret_error)
{
    Parser p = {.arena = arena, .text = text, .at = text, .end = text + n};
    Node *node = parse_alternation(&p);

    if (!p.error && p.at < p.end)
        fail_whole(&p, "unexpected )");
    *ret_error = p.error;
    return p.error ? NULL : node;
}
