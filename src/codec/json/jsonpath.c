/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See jsonpath.h. A path is a chain of steps. Each step takes the values that the steps before have found, and
 * makes the values for the next one.
 */
#include "codec/json/jsonpath.h"

#include <stdlib.h>

typedef struct Walk {
    Arena *arena;
    JsonPathResults now, next;
    size_t *budget;
    bool broken; /* the path does not parse, or takes too long */
} Walk;

static bool spend(Walk *walk)
{
    if (*walk->budget == 0)
        walk->broken = true;
    else
        --*walk->budget;
    return !walk->broken;
}

static void give(Walk *walk, yyjson_val *value)
{
    if (!value)
        return;
    if (spend(walk))
        ARENA_PUSH(walk->arena, &walk->next, value);
}

static void end_step(Walk *walk)
{
    walk->now = walk->next;
    walk->next = (JsonPathResults){0};
}

/* ---- steps ---- */

static void step_name(Walk *walk, const char *name, size_t n)
{
    for (size_t i = 0; i < walk->now.n; i++)
        give(walk, yyjson_obj_getn(walk->now.v[i], name, n));
    end_step(walk);
}

static void step_all(Walk *walk)
{
    yyjson_val *key, *value;
    size_t k, max;

    for (size_t i = 0; i < walk->now.n; i++) {
        yyjson_arr_foreach(walk->now.v[i], k, max, value) give(walk, value);
        yyjson_obj_foreach(walk->now.v[i], k, max, key, value) give(walk, value);
    }
    end_step(walk);
}

static void give_below(Walk *walk, yyjson_val *value)
{
    yyjson_val *key, *member;
    size_t k, max;

    if (walk->broken)
        return;
    give(walk, value);
    yyjson_arr_foreach(value, k, max, member) give_below(walk, member);
    yyjson_obj_foreach(value, k, max, key, member) give_below(walk, member);
}

/* Each value, and whatever is below it. JSON is nested a limited number of times. */
static void step_descend(Walk *walk)
{
    for (size_t i = 0; i < walk->now.n; i++)
        give_below(walk, walk->now.v[i]);
    end_step(walk);
}

static int64_t clamp(int64_t index, int64_t n)
{
    if (index < 0)
        index += n;
    return index < 0 ? 0 : MIN_OF(index, n);
}

static void step_slice(Walk *walk, int64_t from, int64_t to, int64_t by)
{
    yyjson_val *value;
    size_t k, max;

    for (size_t i = 0; i < walk->now.n; i++) {
        int64_t n = (int64_t)yyjson_arr_size(walk->now.v[i]);
        int64_t begin = clamp(from, n), end = clamp(to, n);

        yyjson_arr_foreach(walk->now.v[i], k, max, value)
        {
            int64_t at = (int64_t)k - begin;

            if (at >= 0 && (int64_t)k < end && at % by == 0)
                give(walk, value);
        }
    }
    end_step(walk);
}

static void step_index(Walk *walk, int64_t index)
{
    for (size_t i = 0; i < walk->now.n; i++) {
        int64_t n = (int64_t)yyjson_arr_size(walk->now.v[i]);
        int64_t at = index < 0 ? index + n : index;

        if (at >= 0 && at < n)
            give(walk, yyjson_arr_get(walk->now.v[i], (size_t)at));
    }
    end_step(walk);
}

/* ---- filters ---- */

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \t");
}

/* The end of a path in a filter: where an operator or the end of the filter follows. */
static size_t path_length(const char *at)
{
    size_t n = 0, depth = 0;
    char quote = 0;

    for (; at[n]; n++) {
        if (quote)
            quote = at[n] == quote ? 0 : quote;
        else if (at[n] == '\'' || at[n] == '"')
            quote = at[n];
        else if (at[n] == '[')
            depth++;
        else if (at[n] == ']' && depth)
            depth--;
        else if (depth == 0 && strchr("=!<> \t)", at[n]))
            break;
    }
    return n;
}

typedef struct Filter {
    const char *path; /* below @ */
    char op[3];       /* "": whether there is such a value */
    const char *literal;
    bool is_text;
} Filter;

/* Parses "@.a == 'x')]" and returns what is behind it; NULL: it does not parse. */
static const char *parse_filter(Walk *walk, const char *at, Filter *ret)
{
    size_t n;

    *ret = (Filter){0};
    at = skip_spaces(at);
    if (*at++ != '@')
        return NULL;
    n = path_length(at);
    ret->path = arena_strndup(walk->arena, at, n);
    at = skip_spaces(at + n);
    n = strspn(at, "=!<>");
    if (n > 2)
        return NULL;
    memcpy(ret->op, at, n);
    at = skip_spaces(at + n);
    if (n && (*at == '\'' || *at == '"')) {
        const char *end = strchr(at + 1, *at);

        if (!end)
            return NULL;
        ret->is_text = true;
        ret->literal = arena_strndup(walk->arena, at + 1, (size_t)(end - at - 1));
        at = end + 1;
    } else if (n) {
        n = strcspn(at, " \t)");
        ret->literal = arena_strndup(walk->arena, at, n);
        at += n;
    }
    at = skip_spaces(at);
    return at[0] == ')' && at[1] == ']' ? at + 2 : NULL;
}

/* Negative, 0 or positive; false: the two cannot be compared. */
static bool compare(yyjson_val *value, const Filter *filter, int *ret)
{
    char *end;
    double literal;

    if (filter->is_text) {
        if (!yyjson_is_str(value))
            return false;
        *ret = strcmp(yyjson_get_str(value), filter->literal);
        return true;
    }
    if (yyjson_is_bool(value)) {
        *ret = strcmp(yyjson_get_bool(value) ? "true" : "false", filter->literal);
        return true;
    }
    literal = strtod(filter->literal, &end);
    if (!yyjson_is_num(value) || *end || end == filter->literal)
        return false;
    *ret = yyjson_get_num(value) < literal ? -1 : yyjson_get_num(value) > literal;
    return true;
}

static bool holds(yyjson_val *value, const Filter *filter)
{
    int order;

    if (!*filter->op)
        return true;
    if (!compare(value, filter, &order))
        return str_equal(filter->op, "!=");
    return str_equal(filter->op, "==")   ? order == 0
           : str_equal(filter->op, "!=") ? order != 0
           : str_equal(filter->op, "<")  ? order < 0
           : str_equal(filter->op, "<=") ? order <= 0
           : str_equal(filter->op, ">")  ? order > 0
                                         : order >= 0;
}

static void step_filter(Walk *walk, const Filter *filter)
{
    yyjson_val *item;
    size_t k, max;

    for (size_t i = 0; i < walk->now.n; i++) {
        yyjson_arr_foreach(walk->now.v[i], k, max, item)
        {
            JsonPathResults found;

            if (strstr(filter->path, "?("))
                walk->broken = true;
            if (walk->broken || !spend(walk))
                return;
            found = jsonpath_find(walk->arena, filter->path, item, walk->budget);
            if (found.n && holds(found.v[0], filter))
                give(walk, item);
        }
    }
    end_step(walk);
}

/* ---- the path ---- */

static const char *bracket_numbers(Walk *walk, const char *at)
{
    int64_t numbers[3] = {0, INT32_MAX, 1};
    size_t n = 0, colons = 0;
    char *end;

    for (;; n++) {
        long v = strtol(at, &end, 10);

        if (end != at && n < 3 && v >= INT32_MIN && v <= INT32_MAX)
            numbers[n] = v;
        else if (end != at || n >= 3)
            return NULL;
        at = skip_spaces(end);
        if (*at != ':')
            break;
        colons++;
        at = skip_spaces(at + 1);
    }
    if (*at != ']' || (n == 0 && colons == 0 && end == at && at[-1] == '[') || numbers[2] < 1)
        return NULL;
    if (colons)
        step_slice(walk, numbers[0], numbers[1], numbers[2]);
    else
        step_index(walk, numbers[0]);
    return at + 1;
}

/* What is behind the bracket that begins at `at`; NULL: it does not parse. */
static const char *bracket(Walk *walk, const char *at)
{
    Filter filter;

    at = skip_spaces(at + 1);
    if (at[0] == '*' && at[1] == ']') {
        step_all(walk);
        return at + 2;
    }
    if (*at == '\'' || *at == '"') {
        const char *end = strchr(at + 1, *at);

        if (!end || end[1] != ']')
            return NULL;
        step_name(walk, at + 1, (size_t)(end - at - 1));
        return end + 2;
    }
    if (at[0] == '?' && at[1] == '(') {
        at = parse_filter(walk, at + 2, &filter);
        if (at)
            step_filter(walk, &filter);
        return at;
    }
    return bracket_numbers(walk, at);
}

/* A name, in which a dot may be escaped. */
static const char *dotted(Walk *walk, const char *at)
{
    const char *end = at;
    char *name, *to;

    if (*at == '*') {
        step_all(walk);
        return at + 1;
    }
    while (*end && *end != '.' && *end != '[')
        end += *end == '\\' && end[1] ? 2 : 1;
    name = to = arena_alloc(walk->arena, (size_t)(end - at) + 1);
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        *to++ = *at;
    }
    if (to != name)
        step_name(walk, name, (size_t)(to - name));
    return end;
}

JsonPathResults jsonpath_find(Arena *arena, const char *path, yyjson_val *root, size_t *budget)
{
    Walk walk = {.arena = arena, .budget = budget};

    if (*budget == 0)
        return walk.now;
    ARENA_PUSH(arena, &walk.now, root);
    for (const char *at = path; at && *at && !walk.broken && walk.now.n;) {
        if (at[0] == '.' && at[1] == '.') {
            step_descend(&walk);
            at += at[2] == '[' ? 2 : 1;
        } else if (*at == '[') {
            at = bracket(&walk, at);
            walk.broken = walk.broken || !at;
        } else {
            at = dotted(&walk, *at == '.' ? at + 1 : at);
        }
    }
    return walk.broken ? (JsonPathResults){0} : walk.now;
}
