/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors. The grammar of labels is parsed with a small hand-written lexer, as kube-apiserver
 * does; fields know only = == and !=. What fields a kind serves stands in one table at the end.
 */
#include "api/selector.h"
#include "api/custom.h"
#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "api/text_check.h"
#include "base/vec.h"

/* ---- parsing ---- */

typedef enum Token { TOKEN_END, TOKEN_WORD, TOKEN_COMMA, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_OP } Token;

typedef struct Lexer {
    Arena *arena;
    const char *at;
    Token token;
    const char *text; /* of the token */
    const char *error;
} Lexer;

static void lex_next(Lexer *lexer)
{
    const char *start;

    while (*lexer->at == ' ' || *lexer->at == '\t' || *lexer->at == '\n' || *lexer->at == '\r')
        lexer->at++;
    start = lexer->at;
    switch (*start) {
    case 0:
        lexer->token = TOKEN_END;
        lexer->text = "";
        return;
    case ',':
        lexer->token = TOKEN_COMMA;
        break;
    case '(':
        lexer->token = TOKEN_OPEN;
        break;
    case ')':
        lexer->token = TOKEN_CLOSE;
        break;
    case '!':
    case '=':
    case '<':
    case '>':
        lexer->token = TOKEN_OP;
        if ((*start == '!' || *start == '=') && start[1] == '=')
            lexer->at++;
        break;
    default:
        lexer->token = TOKEN_WORD;
        lexer->at += strcspn(start, " \t\r\n,()!=<>") - 1;
        break;
    }
    lexer->at++;
    lexer->text = arena_strndup(lexer->arena, start, (size_t)(lexer->at - start));
}

static int refuse(Lexer *lexer, const char *expected)
{
    lexer->error =
        arena_printf(lexer->arena, "unable to parse requirement: found '%s', expected: %s",
                     lexer->text, expected);
    return 1;
}

/* "(a,b)", already at "(" */
static int parse_values(Lexer *lexer, StringArray *ret)
{
    VEC(const char *) values = VEC_INIT;
    bool after_word = false;
    int r = 0;

    for (lex_next(lexer);; lex_next(lexer)) {
        if (lexer->token == TOKEN_WORD && !after_word) {
            VEC_PUSH(&values, lexer->text);
            after_word = true;
        } else if (lexer->token == TOKEN_COMMA) {
            if (!after_word)
                VEC_PUSH(&values, "");
            after_word = false;
        } else if (lexer->token == TOKEN_CLOSE) {
            if (!after_word)
                VEC_PUSH(&values, "");
            break;
        } else {
            r = refuse(lexer, "',', or ')'");
            break;
        }
    }
    ret->v = arena_new_n(lexer->arena, const char *, values.n ? values.n : 1);
    ret->n = values.n;
    for (size_t i = 0; i < values.n; i++)
        ret->v[i] = values.v[i];
    VEC_DEINIT(&values);
    str_sort(ret->v, ret->n);
    lex_next(lexer);
    return r;
}

static int parse_one_value(Lexer *lexer, StringArray *ret)
{
    ret->v = arena_new(lexer->arena, const char *);
    ret->n = 1;
    ret->v[0] = "";
    if (lexer->token == TOKEN_WORD) {
        ret->v[0] = lexer->text;
        lex_next(lexer);
        return 0;
    }
    if (lexer->token == TOKEN_COMMA || lexer->token == TOKEN_END)
        return 0;
    return refuse(lexer, "identifier");
}

static int parse_operator(Lexer *lexer, Requirement *ret)
{
    static const struct {
        const char *text;
        SelectorOp op;
    } ops[] = {
        {"=", SELECTOR_EQUALS}, {"==", SELECTOR_EQUALS},    {"!=", SELECTOR_NOT_EQUALS},
        {"in", SELECTOR_IN},    {"notin", SELECTOR_NOT_IN}, {">", SELECTOR_GREATER},
        {"<", SELECTOR_LESS},
    };

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (!str_equal(lexer->text, ops[i].text))
            continue;
        ret->op = ops[i].op;
        lex_next(lexer);
        if (ret->op != SELECTOR_IN && ret->op != SELECTOR_NOT_IN)
            return parse_one_value(lexer, &ret->values);
        if (lexer->token != TOKEN_OPEN)
            return refuse(lexer, "'('");
        return parse_values(lexer, &ret->values);
    }
    return refuse(lexer, "in, notin, =, ==, !=, gt, lt");
}

static int check_requirement(Lexer *lexer, const Requirement *r)
{
    int64_t number;

    if (r->op != SELECTOR_GREATER && r->op != SELECTOR_LESS)
        return 0;
    if (str_to_int64(r->values.v[0], INT64_MIN, INT64_MAX, &number) == 0)
        return 0;
    lexer->error = "for 'Gt', 'Lt' operators, the value must be an integer";
    return 1;
}

static int parse_requirement(Lexer *lexer, Requirement *ret)
{
    bool negated = lexer->token == TOKEN_OP && str_equal(lexer->text, "!");
    Faults faults;

    *ret = (Requirement){0};
    if (negated)
        lex_next(lexer);
    if (lexer->token != TOKEN_WORD)
        return refuse(lexer, "identifier");
    ret->key = lexer->text;
    faults = check_qualified_name(ret->key);
    if (faults.n) {
        lexer->error = arena_printf(lexer->arena,
                                    "unable to parse requirement: <nil>: Invalid value: \"%s\": %s",
                                    ret->key, faults.v[0]);
        return 1;
    }
    lex_next(lexer);
    if (lexer->token == TOKEN_END || lexer->token == TOKEN_COMMA) {
        ret->op = negated ? SELECTOR_NOT_EXISTS : SELECTOR_EXISTS;
        return 0;
    }
    if (negated)
        return refuse(lexer, "',' or 'end of string'");
    return parse_operator(lexer, ret) || check_requirement(lexer, ret);
}

int selector_parse_labels(Arena *arena, const char *text, Selector **ret, const char **reterr)
{
    Lexer lexer = {.arena = arena, .at = text ? text : ""};
    Selector *selector = arena_new(arena, Selector);
    size_t commas = 1;

    for (const char *c = lexer.at; *c; c++)
        commas += *c == ',';
    selector->v = arena_new_n(arena, Requirement, commas);
    lex_next(&lexer);
    while (lexer.token != TOKEN_END) {
        if (parse_requirement(&lexer, &selector->v[selector->n]))
            goto refused;
        selector->n++;
        if (lexer.token == TOKEN_END)
            break;
        if (lexer.token != TOKEN_COMMA) {
            lexer.error =
                arena_printf(arena, "found '%s', expected: ',' or 'end of string'", lexer.text);
            goto refused;
        }
        lex_next(&lexer);
        if (lexer.token != TOKEN_WORD && !str_equal(lexer.text, "!")) {
            lexer.error =
                arena_printf(arena, "found '%s', expected: identifier after ','", lexer.text);
            goto refused;
        }
    }
    *ret = selector;
    return 0;
refused:
    *reterr = lexer.error;
    return 1;
}

/* One term: a=b, a==b, a!=b, where \\ \, \= are escapes in the value. */
static int parse_field_term(Arena *arena, const char *term, size_t n, Requirement *ret)
{
    const char *op = NULL;
    char *value;
    size_t length = 0, skip;

    for (const char *c = term; c < term + n && !op; c++)
        if (*c == '=' || (*c == '!' && c + 1 < term + n && c[1] == '='))
            op = c;
    if (!op)
        return 1;
    ret->op = *op == '!' ? SELECTOR_NOT_EQUALS : SELECTOR_EQUALS;
    skip = *op == '!' || (op + 1 < term + n && op[1] == '=') ? 2 : 1;
    ret->key = arena_strndup(arena, term, (size_t)(op - term));
    value = arena_alloc(arena, n + 1);
    for (const char *c = op + skip; c < term + n; c++) {
        if (*c == '\\' && c + 1 < term + n)
            c++;
        value[length++] = *c;
    }
    ret->values.v = arena_new(arena, const char *);
    ret->values.v[0] = value;
    ret->values.n = 1;
    return 0;
}

int selector_parse_fields(Arena *arena, const char *text, Selector **ret, const char **reterr)
{
    Selector *selector = arena_new(arena, Selector);
    size_t commas = 1;

    text = text ? text : "";
    for (const char *c = text; *c; c++)
        commas += *c == ',';
    selector->v = arena_new_n(arena, Requirement, commas);
    while (*text) {
        const char *end = text;

        while (*end && *end != ',')
            end += *end == '\\' && end[1] ? 2 : 1;
        if (end > text &&
            parse_field_term(arena, text, (size_t)(end - text), &selector->v[selector->n])) {
            *reterr = arena_printf(arena, "invalid selector: '%s'; can't understand '%.*s'", text,
                                   (int)(end - text), text);
            return 1;
        }
        selector->n += end > text;
        text = *end ? end + 1 : end;
    }
    *ret = selector;
    return 0;
}

/* A positive result means that there is no such operator. */
static int op_from_api(const char *op, SelectorOp *ret)
{
    static const struct {
        const char *name;
        SelectorOp op;
    } names[] = {{"In", SELECTOR_IN},
                 {"NotIn", SELECTOR_NOT_IN},
                 {"Exists", SELECTOR_EXISTS},
                 {"DoesNotExist", SELECTOR_NOT_EXISTS}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal(names[i].name, op)) {
            *ret = names[i].op;
            return 0;
        }
    return 1;
}

static void require_map(Arena *arena, Selector *selector, const StringMap *map)
{
    for (size_t i = 0; i < map->n; i++) {
        Requirement *r = &selector->v[selector->n++];

        r->key = arena_strdup(arena, map->v[i].key);
        r->op = SELECTOR_EQUALS;
        r->values.v = arena_new(arena, const char *);
        r->values.v[0] = arena_strdup(arena, str_or(map->v[i].value, ""));
        r->values.n = 1;
    }
}

Selector *selector_from_api(Arena *arena, const struct LabelSelector *api)
{
    Selector *selector = arena_new(arena, Selector);

    if (!api) {
        selector->nothing = true;
        return selector;
    }
    selector->v =
        arena_new_n(arena, Requirement, api->match_labels.n + api->match_expressions.n + 1);
    require_map(arena, selector, &api->match_labels);
    for (size_t i = 0; i < api->match_expressions.n; i++) {
        const LabelSelectorRequirement *from = &api->match_expressions.v[i];
        Requirement *r = &selector->v[selector->n++];

        r->key = arena_strdup(arena, str_or(from->key, ""));
        if (op_from_api(from->operator, & r->op))
            selector->nothing = true;
        r->values.v = arena_new_n(arena, const char *, from->values.n + 1);
        r->values.n = from->values.n;
        for (size_t k = 0; k < from->values.n; k++)
            r->values.v[k] = arena_strdup(arena, from->values.v[k]);
        str_sort(r->values.v, r->values.n);
    }
    return selector;
}

Selector *selector_from_map(Arena *arena, const StringMap *map)
{
    Selector *selector = arena_new(arena, Selector);

    selector->v = arena_new_n(arena, Requirement, map->n + 1);
    require_map(arena, selector, map);
    return selector;
}

void selector_print(const Selector *selector, StrBuf *out)
{
    static const char *const words[] = {
        [SELECTOR_EQUALS] = "=",        [SELECTOR_NOT_EQUALS] = "!=", [SELECTOR_IN] = " in (",
        [SELECTOR_NOT_IN] = " notin (", [SELECTOR_GREATER] = ">",     [SELECTOR_LESS] = "<"};

    for (size_t i = 0; selector && i < selector->n; i++) {
        const Requirement *r = &selector->v[i];

        strbuf_printf(out, "%s%s%s", i ? "," : "", r->op == SELECTOR_NOT_EXISTS ? "!" : "", r->key);
        if (r->op == SELECTOR_EXISTS || r->op == SELECTOR_NOT_EXISTS)
            continue;
        strbuf_add_string(out, words[r->op]);
        for (size_t k = 0; k < r->values.n; k++)
            strbuf_printf(out, "%s%s", k ? "," : "", r->values.v[k]);
        if (r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN)
            strbuf_add_char(out, ')');
    }
}

/* ---- matching ---- */

static bool value_among(const Requirement *r, const char *value)
{
    for (size_t i = 0; i < r->values.n; i++)
        if (str_equal(r->values.v[i], value))
            return true;
    return false;
}

static bool number_compares(const Requirement *r, const char *value)
{
    int64_t have, want;

    if (str_to_int64(value, INT64_MIN, INT64_MAX, &have) ||
        str_to_int64(r->values.v[0], INT64_MIN, INT64_MAX, &want))
        return false;
    return r->op == SELECTOR_GREATER ? have > want : have < want;
}

/* value NULL: the key is not there */
static bool requirement_holds(const Requirement *r, const char *value)
{
    switch (r->op) {
    case SELECTOR_EQUALS:
    case SELECTOR_IN:
        return value && value_among(r, value);
    case SELECTOR_NOT_EQUALS:
    case SELECTOR_NOT_IN:
        return !value || !value_among(r, value);
    case SELECTOR_EXISTS:
        return value;
    case SELECTOR_NOT_EXISTS:
        return !value;
    case SELECTOR_GREATER:
    case SELECTOR_LESS:
        return value && number_compares(r, value);
    }
    return false;
}

bool selector_matches_labels(const Selector *selector, const StringMap *labels)
{
    if (!selector)
        return true;
    if (selector->nothing)
        return false;
    for (size_t i = 0; i < selector->n; i++)
        if (!requirement_holds(&selector->v[i], string_map_get(labels, selector->v[i].key)))
            return false;
    return true;
}

const char *selector_exact(const Selector *selector, const char *key)
{
    for (size_t i = 0; selector && i < selector->n; i++)
        if (selector->v[i].op == SELECTOR_EQUALS && str_equal(selector->v[i].key, key))
            return selector->v[i].values.v[0];
    return NULL;
}

/* ---- fields ---- */

/* The kinds whose fields besides metadata.name and metadata.namespace can be selected by. */
/* clang-format off */
static const struct {
    const char *kind;
    const char *fields[12];
    const char *group; /* NULL: of any group */
} served_fields[] = {
    {"Pod", {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
             "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"}},
    {"Event", {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
               "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
               "reason", "reportingComponent", "source", "type"}, ""},
    {"Event", {"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
               "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type"}, "events.k8s.io"},
    {"CertificateSigningRequest", {"spec.signerName"}},
    {"ResourceSlice", {"spec.nodeName", "spec.driver"}},
    {"Secret", {"type"}},
    {"Namespace", {"status.phase"}},
    {"Node", {"spec.unschedulable"}},
    {"Service", {"spec.clusterIP", "spec.type"}},
    {"Job", {"status.successful"}},
    {"ReplicaSet", {"status.replicas"}},
    {"ReplicationController", {"status.replicas"}},
};
/* clang-format on */

static bool serves(size_t row, const Kind *kind)
{
    const char *group = served_fields[row].group;

    return str_equal(served_fields[row].kind, kind->kind) &&
           (!group || str_equal(group, kind->group));
}

const char *selector_unknown_field(const Selector *selector, const Kind *kind)
{
    for (size_t i = 0; selector && i < selector->n; i++) {
        const char *key = selector->v[i].key;
        bool known = str_equal(key, "metadata.name") || str_equal(key, "metadata.namespace");

        for (size_t k = 0; kind->custom && !known && kind->custom->selectable[k]; k++)
            known = str_equal(kind->custom->selectable[k] + 1, key);
        for (size_t k = 0; !kind->custom && !known && k < ARRAY_LEN(served_fields); k++)
            for (size_t f = 0; serves(k, kind) && !known &&
                               f < ARRAY_LEN(served_fields[k].fields) && served_fields[k].fields[f];
                 f++)
                known = str_equal(served_fields[k].fields[f], key);
        if (!known)
            return key;
    }
    return NULL;
}

/* The scalar at a dotted path through structs, as text. Numbers are written to `room`. */
static const char *path_value(const Type *type, const void *value, const char *path, char room[24])
{
    size_t n = strcspn(path, ".");
    const TypeName *name = type_find(type, path, n);
    const void *at;

    if (!name)
        return "";
    at = (const char *)value + name->offset;
    if (name->field->value == VALUE_STRUCT) {
        at = field_thing(name->field, at);
        if (!at)
            return "";
        /* Events: "source" alone means its component. */
        return path_value(name->field->type, at, path[n] ? path + n + 1 : "component", room);
    }
    if (name->field->value == VALUE_STRING)
        return str_or(*(const char *const *)at, "");
    if (name->field->value == VALUE_BOOL) {
        at = field_thing(name->field, at);
        return at && *(const bool *)at ? "true" : "false";
    }
    at = field_thing(name->field, at);
    if (at && name->field->value == VALUE_INT32)
        snprintf(room, 24, "%" PRId32, *(const int32_t *)at);
    else if (at && name->field->value == VALUE_INT64)
        snprintf(room, 24, "%" PRId64, *(const int64_t *)at);
    else
        return "";
    return room;
}

static const char *field_value(const Object *object, const char *path, char room[24])
{
    const char *value = path_value(object->kind->type, object_value(object), path, room);

    /* The source of an Event of the newer API is its reporting controller. */
    if (!*value && object->kind == &kind_event && str_equal(path, "source"))
        return str_or(OBJECT_AS(Event, object)->reporting_component, "");
    return value;
}

bool selector_matches_fields(const Selector *selector, const Object *object)
{
    char room[24];

    for (size_t i = 0; selector && i < selector->n; i++)
        if (!requirement_holds(&selector->v[i], field_value(object, selector->v[i].key, room)))
            return false;
    return !selector || !selector->nothing;
}
