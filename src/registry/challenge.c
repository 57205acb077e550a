/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   header     challenge *("," challenge)
 *   challenge  scheme [1*SP (token68 / parameter *("," parameter))]
 *   parameter  token "=" (token / quoted-string)
 *
 * A comma separates both challenges and parameters. A name begins a challenge if no "=" follows it.
 */
#include "registry/challenge.h"

#define HEADER_MAX (8u << 10)

typedef struct Reader {
    Arena *arena;
    const char *at;
} Reader;

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_blanks(Reader *r)
{
    while (*r->at == ' ' || *r->at == '\t')
        r->at++;
}

static void skip_separators(Reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == ',')
        r->at++;
}

/* NULL: there is none. */
static const char *read_token(Reader *r)
{
    const char *start = r->at;

    while (is_token(*r->at))
        r->at++;
    return r->at == start ? NULL : arena_strndup(r->arena, start, (size_t)(r->at - start));
}

/* NULL: it is not closed. */
static const char *read_quoted(Reader *r)
{
    char *text = arena_alloc(r->arena, strlen(r->at)), *to = text;

    for (r->at++; *r->at && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && r->at[1])
            r->at++;
        *to++ = *r->at;
    }
    if (*r->at != '"')
        return NULL;
    r->at++;
    return text;
}

static void set_parameter(Challenge *challenge, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } known[] = {
        {"realm", &challenge->realm},
        {"service", &challenge->service},
        {"scope", &challenge->scope},
        {"error", &challenge->error},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcasecmp(name, known[i].name) == 0 && !*known[i].to)
            *known[i].to = value;
}

static ChallengeScheme scheme_of(const char *name)
{
    if (strcasecmp(name, "basic") == 0)
        return CHALLENGE_BASIC;
    return strcasecmp(name, "bearer") == 0 ? CHALLENGE_BEARER : CHALLENGE_OTHER;
}

/* "=" and a value behind a name. 1: that is malformed. */
static int read_value(Reader *r, const char **ret)
{
    r->at++;
    skip_blanks(r);
    *ret = *r->at == '"' ? read_quoted(r) : read_token(r);
    return *ret ? 0 : 1;
}

/* The characters of token68 that are not those of a token; it has no parameters. */
static bool skip_token68(Reader *r)
{
    const char *at = r->at;

    while (is_token(*at) || *at == '/')
        at++;
    while (*at == '=')
        at++;
    if (*at && *at != ',' && *at != ' ')
        return false;
    r->at = at;
    return true;
}

/* Is what follows a parameter, "name = value"? */
static bool at_parameter(const Reader *r)
{
    const char *at = r->at;

    while (is_token(*at))
        at++;
    while (*at == ' ' || *at == '\t')
        at++;
    if (at == r->at || *at != '=')
        return false;
    at++;
    while (*at == ' ' || *at == '\t')
        at++;
    return is_token(*at) || *at == '"';
}

size_t challenges_parse(Arena *arena, const char *header, Challenge ret[static CHALLENGES_MAX],
                        size_t n)
{
    Reader r = {arena, header};
    size_t first = n;

    if (strlen(header) > HEADER_MAX)
        return n;
    for (skip_separators(&r); *r.at; skip_separators(&r)) {
        bool is_parameter = at_parameter(&r);
        const char *name = read_token(&r), *value;

        if (!name)
            break;
        skip_blanks(&r);
        if (is_parameter && n > first) {
            if (read_value(&r, &value))
                break;
            set_parameter(&ret[n - 1], name, value);
            continue;
        }
        if (is_parameter || n == CHALLENGES_MAX)
            break;
        ret[n++] = (Challenge){.scheme = scheme_of(name)};
        if (*r.at && *r.at != ',' && !at_parameter(&r) && !skip_token68(&r))
            break;
    }
    return n;
}
