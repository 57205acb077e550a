/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a value by a schema, as kube-openapi's validator does: with its words, and with its choice of what is reported where none of
 * several alternatives fits. Each alternative counts how many of its checks succeeded, and the faults of the best one are reported.
 *
 * With a value from before, a fault of a value that has not changed is none. Properties are compared by name, items of lists by
 * their keys if the list is of type map.
 *
 * The work is bounded by the size of the value times that of the part of the schema that applies to each of its parts, and by
 * STEPS_MAX altogether.
 */
#include <math.h>

#include "api/structural/internal.h"
#include "codec/json/json.h"

/* Faults of which texts are made, and those that are kept. */
enum { STEPS_MAX = 20000000, FAULTS_MADE_MAX = 20000, FAULTS_MAX = 512 };

/* A path from the root of the schema. */
typedef struct At {
    const struct At *up;
    const char *name; /* a member; NULL: an item */
    size_t index;
    bool
        dotted; /* of the root: a dot stands in front, since the member has no property of its own */
} At;

typedef struct Checker {
    Arena *arena;
    size_t steps;
    size_t made; /* faults */
    bool is_default;
} Checker;

static void check(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                  const At *at, FaultList *out);

/* ---- faults ---- */

static void add_path(const At *at, StrBuf *out)
{
    if (!at)
        return;
    add_path(at->up, out);
    if (!at->name)
        strbuf_printf(out, "[%zu]", at->index);
    else
        strbuf_printf(out, "%s%s", at->up || at->dotted ? "." : "", at->name);
}

static const char *path_of(Checker *c, const At *at)
{
    _strbuf_ StrBuf path = STRBUF_INIT;

    add_path(at, &path);
    return arena_strndup(c->arena, strbuf_string(&path), path.n);
}

static bool has_text(const FaultList *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i].text, text))
            return true;
    return false;
}

static void add_fault(Checker *c, FaultList *out, Fault fault)
{
    if (out->n < FAULTS_MAX && !has_text(out, fault.text))
        ARENA_PUSH(c->arena, out, fault);
}

/* Whether a fault gets a text of its own. If not, one that stands for all further faults has been added: the texts of many faults
 * could take as much memory as the value multiplied by the schema. */
static bool may_make(Checker *c, FaultList *out)
{
    if (c->made++ < FAULTS_MADE_MAX)
        return true;
    add_fault(c, out,
              (Fault){CAUSE_INVALID, true, "", "\"\"", "there are too many causes to name them all",
                      "too many"});
    return false;
}

static void merge(Checker *c, FaultList *to, const FaultList *from)
{
    for (size_t i = 0; i < from->n; i++)
        add_fault(c, to, from->v[i]);
    to->matches += from->matches;
}

/* Go's %q and %v of a value, in the arena. */
static const char *quoted(Checker *c, const char *text)
{
    Causes room = {.arena = c->arena};

    return causes_quote(&room, text);
}

static const char *number_text(Checker *c, double v)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    print_double(&text, v);
    return arena_strdup(c->arena, text.p);
}

static bool is_integer(yyjson_val *value)
{
    return yyjson_is_sint(value) ||
           (yyjson_is_uint(value) && yyjson_get_uint(value) <= (uint64_t)INT64_MAX);
}

static const char *value_text(Checker *c, yyjson_val *value)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (yyjson_is_str(value))
        return quoted(c, yyjson_get_str(value));
    if (yyjson_is_num(value) && !is_integer(value))
        return number_text(c, yyjson_get_num(value));
    json_encode_tree(value, &text);
    return arena_strdup(c->arena, text.p);
}

/* "<path> in body <words>" as an invalid value. */
static void invalid(Checker *c, FaultList *out, const At *at, const char *bad, const char *words)
{
    const char *path, *text;

    if (!may_make(c, out))
        return;
    path = path_of(c, at);
    text = arena_printf(c->arena, "%s in body %s", path, words);
    add_fault(c, out, (Fault){CAUSE_INVALID, false, path, bad, text, text});
}

/* A fault whose cause names no field. */
static void invalid_anywhere(Checker *c, FaultList *out, const char *text)
{
    add_fault(c, out, (Fault){CAUSE_INVALID, true, "", "\"\"", text, text});
}

static void mistyped(Checker *c, FaultList *out, const At *at, const char *type, const char *bad)
{
    const char *path, *text;

    if (!may_make(c, out))
        return;
    path = path_of(c, at);
    bad = quoted(c, bad);
    text = arena_printf(c->arena, "%s in body must be of type %s: %s", path, type, bad);
    add_fault(c, out, (Fault){CAUSE_TYPE_INVALID, false, path, bad, text, text});
}

/* ---- types ---- */

static const char *type_name(const SchemaNode *node)
{
    return node->int_or_string ? "integer,string" : node->type_text;
}

static const char *json_type(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL:
        return "boolean";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_OBJ:
        return "object";
    default:
        return is_integer(value) ? "integer" : "number";
    }
}

static bool is_of_type(const SchemaNode *node, yyjson_val *value)
{
    bool integers = node->int_or_string || node->type == SCHEMA_INTEGER;

    if (yyjson_is_num(value)) {
        if (node->type == SCHEMA_NUMBER && !node->int_or_string)
            return true;
        return integers && (is_integer(value) || double_is_integer(yyjson_get_num(value)));
    }
    if (node->int_or_string)
        return yyjson_is_str(value);
    return str_equal(node->type_text, json_type(value));
}

/* The format, where it counts. */
static const char *format_of(Checker *c, const SchemaNode *node)
{
    return node->format && (c->is_default || schema_format_known(node)) ? node->format : NULL;
}

static bool check_type(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                       FaultList *out)
{
    bool typed = node->type != SCHEMA_ANY || (node->int_or_string && !c->is_default);
    const char *format = format_of(c, node);
    bool textual = yyjson_is_str(value) || yyjson_is_arr(value);
    bool numeric =
        node->type == SCHEMA_NUMBER || node->type == SCHEMA_INTEGER || node->int_or_string;

    if (!typed && !format && !yyjson_is_null(value))
        return false;
    if (yyjson_is_null(value)) {
        if (typed && !node->nullable && node->type != SCHEMA_NULL)
            mistyped(c, out, at, type_name(node), "null");
        else
            out->matches++;
        return true;
    }
    if (format && !textual && !(typed && is_of_type(node, value))) {
        const char *has = is_integer(value) ? "int64" : yyjson_is_num(value) ? "float64" : "";
        if (!str_equal(has, format)) {
            mistyped(c, out, at, format, has);
            return true;
        }
    }
    if (!(format && textual && !numeric) && !(typed && is_of_type(node, value)))
        mistyped(c, out, at, typed ? type_name(node) : "", json_type(value));
    else
        out->matches++;
    return true;
}

/* ---- strings ---- */

static size_t count_runes(const char *s, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

static void too_long(Checker *c, FaultList *out, const At *at, int64_t max)
{
    const char *path = path_of(c, at);
    const char *text =
        arena_printf(c->arena, "%s in body should be at most %" PRId64 " chars long", path, max);

    add_fault(c, out,
              (Fault){CAUSE_TOO_LONG, false, path, NULL,
                      max < 0 ? "value is too long"
                              : arena_printf(c->arena, "may not be more than %" PRId64 " byte%s",
                                             max, max == 1 ? "" : "s"),
                      text});
}

static void check_string(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                         FaultList *out)
{
    const SchemaLimits *limits = node->limits;
    const char *s = yyjson_get_str(value);
    size_t n = yyjson_get_len(value);

    if (!limits)
        return;
    if (limits->max_length >= 0 && count_runes(s, n) > (size_t)limits->max_length) {
        too_long(c, out, at, limits->max_length);
    } else if (limits->min_length > 0 && count_runes(s, n) < (size_t)limits->min_length) {
        invalid(c, out, at, quoted(c, s),
                arena_printf(c->arena, "should be at least %" PRId64 " chars long",
                             limits->min_length));
    } else if (limits->regex && regex_test(limits->regex, s, n) != 0) {
        invalid(c, out, at, quoted(c, s),
                arena_printf(c->arena, "should match '%s'", limits->pattern));
    } else if (limits->pattern && !limits->regex) {
        invalid(c, out, at, quoted(c, s),
                arena_printf(c->arena, "should match '%s, but pattern is invalid: %s'",
                             limits->pattern, str_or(limits->regex_error, "")));
    }
}

static bool check_format_of(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                            FaultList *out)
{
    SchemaFormat format = schema_format_find(format_of(c, node));

    if (!format)
        return false;
    if (!schema_format_matches(format, yyjson_get_str(value), yyjson_get_len(value)))
        mistyped(c, out, at, node->format, yyjson_get_str(value));
    return true;
}

/* ---- numbers ---- */

typedef struct Number {
    bool is_integer;
    int64_t integer;
    double real;
} Number;

static Number number_of(yyjson_val *value)
{
    Number number = {.is_integer = is_integer(value), .real = yyjson_get_num(value)};

    if (number.is_integer)
        number.integer = yyjson_get_sint(value);
    return number;
}

/* Go's conversion of a double to int64 on amd64. */
static int64_t to_int64(double v)
{
    return v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;
}

/* Whether a number is of the range of the type and format; adds a fault if not. */
static bool check_range(Checker *c, const SchemaNode *node, const Number *number, const char *what,
                        const At *at, FaultList *out)
{
    const char *format = node->format;
    bool fits = true;

    if (node->int_or_string && !c->is_default)
        return true;
    if (node->type == SCHEMA_INTEGER) {
        bool small = str_equal(format, "int32");
        double v = number->real;

        if (!small && !str_equal(format, "int64"))
            format = NULL;
        if (number->is_integer)
            fits = !small || (number->integer >= INT32_MIN && number->integer <= INT32_MAX);
        else
            fits =
                v == trunc(v) && (small ? v >= INT32_MIN && v <= INT32_MAX
                                        : v >= -9223372036854775808.0 && v < 9223372036854775808.0);
    } else if (node->type == SCHEMA_NUMBER && str_equal(format, "float")) {
        fits = fabs(number->real) < 3.4028235677973366e38;
    }
    if (fits)
        return true;
    if (format)
        invalid_anywhere(c, out,
                         arena_printf(c->arena, "%s value must be of type %s with format %s in %s",
                                      what, node->type_text, format, path_of(c, at)));
    else
        invalid_anywhere(c, out,
                         arena_printf(c->arena,
                                      "%s value must be of type %s (default format) in %s", what,
                                      node->type_text, path_of(c, at)));
    return false;
}

static const char *print_number(Checker *c, const Number *number, bool as_integer)
{
    return as_integer ? arena_printf(c->arena, "%" PRId64, number->integer)
                      : number_text(c, number->real);
}

static void check_multiple(Checker *c, const SchemaNode *node, const Number *number, const At *at,
                           FaultList *out)
{
    double factor = node->limits->multiple_of;
    Number limit = {.real = factor};
    bool native = check_range(c, node, &limit, "MultipleOf", at, out) && number->is_integer;
    const char *bad = print_number(c, number, native), *text;
    bool fits;

    if (native) {
        limit = (Number){true, to_int64(factor), factor};
        fits = limit.integer > 0 && number->integer % limit.integer == 0;
    } else {
        fits = factor > 0 &&
               double_is_integer(factor < 1 ? 1 / factor * number->real : number->real / factor);
    }
    if (fits)
        return;
    text = print_number(c, &limit, native);
    if (native ? limit.integer > 0 : factor > 0) {
        invalid(c, out, at, bad, arena_printf(c->arena, "should be a multiple of %s", text));
    } else {
        const char *path = path_of(c, at);
        const char *words = arena_printf(
            c->arena, "factor MultipleOf declared for %s must be positive: %s", path, text);

        add_fault(c, out, (Fault){CAUSE_INVALID, false, path, text, words, words});
    }
}

/* A bound; sign 1: the maximum, -1: the minimum. */
static void check_bound(Checker *c, const SchemaNode *node, const Number *number, double bound,
                        bool exclusive, int sign, const At *at, FaultList *out)
{
    Number limit = {.real = bound};
    bool native =
        check_range(c, node, &limit, sign > 0 ? "Maximum boundary" : "Minimum boundary", at, out) &&
        number->is_integer;
    int order;

    limit.integer = to_int64(bound);
    if (native)
        order = (number->integer > limit.integer) - (number->integer < limit.integer);
    else
        order = (number->real > bound) - (number->real < bound);
    if (order * sign < 0 || (order == 0 && !exclusive))
        return;
    invalid(c, out, at, print_number(c, number, native),
            arena_printf(c->arena, "should be %s than %s%s", sign > 0 ? "less" : "greater",
                         exclusive ? "" : "or equal to ", print_number(c, &limit, native)));
}

static void check_number(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                         FaultList *out)
{
    const SchemaLimits *limits = node->limits;
    Number number = number_of(value);

    check_range(c, node, &number, "Checked", at, out);
    out->matches++;
    if (!limits)
        return;
    if (limits->has_multiple_of)
        check_multiple(c, node, &number, at, out);
    if (limits->has_minimum)
        check_bound(c, node, &number, limits->minimum, limits->exclusive_minimum, -1, at, out);
    if (limits->has_maximum)
        check_bound(c, node, &number, limits->maximum, limits->exclusive_maximum, 1, at, out);
}

/* ---- enum ---- */

static bool enum_has(Checker *c, yyjson_val *values, yyjson_val *value)
{
    yyjson_val *item;
    size_t i, n;

    if (yyjson_is_null(value))
        return false;
    c->steps += yyjson_arr_size(values);
    yyjson_arr_foreach(values, i, n, item)
    {
        /* A number is converted to the type of the other one first. */
        if (yyjson_is_num(item) && yyjson_is_num(value)) {
            Number x = number_of(value), y = number_of(item);

            if (y.is_integer ? (x.is_integer ? x.integer : to_int64(x.real)) == y.integer
                             : x.real == y.real)
                return true;
        } else if (json_same(c->arena, value, item)) {
            return true;
        }
    }
    return false;
}

static void check_enum(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                       FaultList *out)
{
    yyjson_val *values = node->limits ? node->limits->enum_values : NULL, *item;
    _strbuf_ StrBuf list = STRBUF_INIT, json = STRBUF_INIT;
    const char *path, *bad;
    size_t i, n;

    if (!values || enum_has(c, values, value) || !may_make(c, out))
        return;
    yyjson_arr_foreach(values, i, n, item)
    {
        strbuf_truncate(&json, 0);
        if (yyjson_is_str(item))
            strbuf_add_string(&json, yyjson_get_str(item));
        else
            json_encode_tree(item, &json);
        strbuf_printf(&list, "%s%s", i ? ", " : "", quoted(c, strbuf_string(&json)));
    }
    path = path_of(c, at);
    bad = value_text(c, value);
    add_fault(c, out,
              (Fault){CAUSE_NOT_SUPPORTED, false, path, bad,
                      arena_printf(c->arena, "supported values: %s", strbuf_string(&list)),
                      arena_printf(c->arena, "%s in body should be one of %s", path, list.p)});
}

/* ---- lists ---- */

static void too_many(Checker *c, FaultList *out, const At *at, size_t n, int64_t max,
                     const char *what)
{
    const char *path = path_of(c, at);

    add_fault(c, out,
              (Fault){CAUSE_TOO_MANY, false, path, arena_printf(c->arena, "%zu", n),
                      max < 0 ? "has too many items"
                              : arena_printf(c->arena, "must have at most %" PRId64 " item%s", max,
                                             max == 1 ? "" : "s"),
                      arena_printf(c->arena, "%s in body should have at most %" PRId64 " %s", path,
                                   max, what)});
}

static void too_few(Checker *c, FaultList *out, const At *at, size_t n, int64_t min,
                    const char *what)
{
    invalid(c, out, at, arena_printf(c->arena, "%zu", n),
            arena_printf(c->arena, "should have at least %" PRId64 " %s", min, what));
}

static void check_list(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                       const At *at, FaultList *out)
{
    const SchemaLimits *limits = node->limits;
    size_t i, max, n = yyjson_arr_size(value);
    yyjson_val *item;

    if (node->items) {
        ListIndex index = list_index(c->arena, node, before);

        yyjson_arr_foreach(value, i, max, item)
        {
            yyjson_val *old = list_index_find(c->arena, &index, node, item);

            check(c, node->items, item, old, &(At){.up = at ? at : &(At){.name = ""}, .index = i},
                  out);
        }
    }
    if (limits && limits->min_items > 0 && n < (size_t)limits->min_items)
        too_few(c, out, at, n, limits->min_items, "items");
    if (limits && limits->max_items >= 0 && n > (size_t)limits->max_items)
        too_many(c, out, at, n, limits->max_items, "items");
    out->matches++;
}

/* ---- objects ---- */

/* null where it is no value: it is dropped, or becomes the default. */
static bool is_dropped(const Checker *c, const SchemaNode *property, yyjson_val *value)
{
    return !c->is_default && yyjson_is_null(value) && !property->nullable;
}

/* Whether a required member is there, or its default will be. */
static bool is_there(const Checker *c, const SchemaNode *node, const Lookup *lookup,
                     const char *name)
{
    const SchemaNode *property = schema_property(node, name, strlen(name));
    yyjson_val *value = lookup_find(lookup, name);

    if (value && (!property || !is_dropped(c, property, value)))
        return true;
    return !c->is_default && property && property->default_json;
}

static void check_members(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                          const At *at, FaultList *out)
{
    Lookup in_before = lookup_of(c->arena, before);
    yyjson_val *key, *member;
    size_t i, n;

    yyjson_obj_foreach(value, i, n, key, member)
    {
        const char *name = yyjson_get_str(key);
        const SchemaNode *property = schema_property(node, name, yyjson_get_len(key));
        At below = {.up = at, .name = name, .dotted = !property};

        if (!property && node->additional_given && !node->additional_allowed) {
            const char *path = path_of(c, at);
            const char *text =
                arena_printf(c->arena, "%s.%s in body is a forbidden property", path, name);

            add_fault(c, out, (Fault){CAUSE_INVALID, false, path, quoted(c, name), text, text});
            continue;
        }
        if (!property)
            property = node->additional;
        if (property && !is_dropped(c, property, member))
            check(c, property, member, before ? lookup_find(&in_before, name) : NULL, &below, out);
    }
}

static void check_object(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                         const At *at, FaultList *out)
{
    const SchemaLimits *limits = node->limits;
    size_t n = yyjson_obj_size(value);
    Lookup lookup;

    if (limits && limits->min_properties > 0 && n < (size_t)limits->min_properties)
        too_few(c, out, at, n, limits->min_properties, "properties");
    if (limits && limits->max_properties >= 0 && n > (size_t)limits->max_properties)
        too_many(c, out, at, n, limits->max_properties, "properties");
    if (node->n_properties || node->additional_given)
        check_members(c, node, value, before, at, out);
    if (!node->required.n)
        return;
    lookup = lookup_of(c->arena, value);
    for (size_t i = 0; i < node->required.n; i++) {
        At below = {.up = at, .name = node->required.v[i], .dotted = true};
        const char *path;

        if (is_there(c, node, &lookup, node->required.v[i]) || !may_make(c, out))
            continue;
        path = path_of(c, &below);
        add_fault(c, out,
                  (Fault){CAUSE_REQUIRED, false, path, NULL, NULL,
                          arena_printf(c->arena, "%s in body is required", path)});
    }
}

/* ---- alternatives ---- */

/* Checks the value by an alternative. What it was before does not matter there. */
static FaultList attempt(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at)
{
    FaultList faults = {0};

    check(c, node, value, NULL, at, &faults);
    return faults;
}

static void check_any_of(Checker *c, const SchemaNodes *nodes, yyjson_val *value, const At *at,
                         FaultList *out)
{
    FaultList best = {0};

    for (size_t i = 0; i < nodes->n; i++) {
        FaultList faults = attempt(c, nodes->v[i], value, at);

        if (!faults.n) {
            out->matches += faults.matches;
            return;
        }
        if (i == 0 || faults.matches > best.matches)
            best = faults;
    }
    invalid_anywhere(c, out,
                     arena_printf(c->arena, "%s must validate at least one schema (anyOf)",
                                  quoted(c, path_of(c, at))));
    merge(c, out, &best);
}

static void check_one_of(Checker *c, const SchemaNodes *nodes, yyjson_val *value, const At *at,
                         FaultList *out)
{
    FaultList best = {0};
    size_t valid = 0, matches = 0;
    bool has_best = false;

    for (size_t i = 0; i < nodes->n; i++) {
        FaultList faults = attempt(c, nodes->v[i], value, at);

        if (!faults.n) {
            if (valid++ == 0)
                matches = faults.matches;
            has_best = false;
        } else if (!valid && (!has_best || faults.matches > best.matches)) {
            best = faults;
            has_best = true;
        }
    }
    if (valid == 1) {
        out->matches += matches;
        return;
    }
    invalid_anywhere(
        c, out,
        arena_printf(c->arena, "%s must validate one and only one schema (oneOf). %s",
                     quoted(c, path_of(c, at)),
                     valid ? arena_printf(c->arena, "Found %zu valid alternatives", valid)
                           : "Found none valid"));
    if (has_best)
        merge(c, out, &best);
}

static void check_all_of(Checker *c, const SchemaNodes *nodes, yyjson_val *value, const At *at,
                         FaultList *out)
{
    size_t valid = 0;

    for (size_t i = 0; i < nodes->n; i++) {
        FaultList faults = attempt(c, nodes->v[i], value, at);

        valid += !faults.n;
        merge(c, out, &faults);
    }
    if (valid != nodes->n)
        invalid_anywhere(c, out,
                         arena_printf(c->arena, "%s must validate all the schemas (allOf)%s",
                                      quoted(c, path_of(c, at)), valid ? "" : ". None validated"));
}

static void check_alternatives(Checker *c, const SchemaNode *node, yyjson_val *value, const At *at,
                               FaultList *out)
{
    const SchemaLimits *limits = node->limits;

    if (limits && limits->any_of.n)
        check_any_of(c, &limits->any_of, value, at, out);
    if (limits && limits->one_of.n)
        check_one_of(c, &limits->one_of, value, at, out);
    if (limits && limits->all_of.n)
        check_all_of(c, &limits->all_of, value, at, out);
    if (limits && limits->not ) {
        FaultList faults = attempt(c, limits->not, value, at);

        if (!faults.n)
            invalid_anywhere(c, out,
                             arena_printf(c->arena, "%s must not validate the schema (not)",
                                          quoted(c, path_of(c, at))));
    }
    out->matches++;
}

/* ---- all of it ---- */

static void check_all(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                      const At *at, FaultList *out)
{
    bool typed = check_type(c, node, value, at, out);

    if (yyjson_is_null(value)) {
        check_enum(c, node, value, at, out);
        return;
    }
    out->matches += typed;
    check_alternatives(c, node, value, at, out);
    out->matches++;
    if (yyjson_is_str(value)) {
        check_string(c, node, value, at, out);
        out->matches += 1 + (size_t)check_format_of(c, node, value, at, out);
    } else if (yyjson_is_num(value)) {
        check_number(c, node, value, at, out);
        out->matches++;
    } else if (yyjson_is_arr(value)) {
        check_list(c, node, value, before, at, out);
        out->matches++;
    }
    check_enum(c, node, value, at, out);
    out->matches++;
    if (yyjson_is_obj(value)) {
        check_object(c, node, value, before, at, out);
        out->matches++;
    }
    out->matches++;
}

static void check(Checker *c, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                  const At *at, FaultList *out)
{
    FaultList faults = {0};
    bool is_meta = at && !at->up && at->name &&
                   (str_equal(at->name, "kind") || str_equal(at->name, "apiVersion"));

    if (++c->steps > STEPS_MAX) {
        invalid_anywhere(c, out, "the object takes too many steps to be validated");
        return;
    }
    check_all(c, node, value, before, at, &faults);
    if (faults.n && before && !is_meta && json_same(c->arena, value, before))
        faults.n = 0;
    merge(c, out, &faults);
}

void check_value(Arena *arena, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                 bool is_default, FaultList *ret)
{
    Checker c = {.arena = arena, .is_default = is_default};

    check(&c, node, value, before, NULL, ret);
}

void add_fault_causes(const FaultList *faults, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < faults->n; i++) {
        const Fault *fault = &faults->v[i];
        const char *name = fault->path + (*fault->path == '.');
        bool named = !fault->anywhere && *name;
        const char *field;

        if (!path && !named)
            field = "<nil>";
        else
            field = path_text(named ? PATH(path, name) : path, causes);
        causes_add(causes, fault->type, field, fault->bad, fault->detail);
    }
}
