/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from JSON text, taken through defaults and validation as the server does. */
#ifndef TESTS_RULES_FIXTURE_H
#define TESTS_RULES_FIXTURE_H

#include "testing.h"

#include "api/validate/validate.h"
#include "codec/json/json.h"

/* Quotes in JSON texts are written as '. */
static inline void *value_from(Arena *arena, const Kind *kind, const char *text)
{
    char *json = arena_strdup(arena, text);
    void *value = arena_alloc(arena, kind->type->size);
    DecodeReport report = {0};
    yyjson_doc *doc;

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    assert_int_equal(json_parse(arena, bytes_from_string(json), &doc, &report), 0);
    if (json_decode(kind->type, arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, NULL, value,
                    &report))
        fail_msg("%s", report.error);
    for (size_t i = 0; i < report.field_errors.n; i++)
        fail_msg("%s", report.field_errors.v[i]);
    type_default(kind->type, arena, value);
    if (kind->rules->complete)
        kind->rules->complete(arena, value);
    return value;
}

/* All causes, a line each: "field: message". */
static inline const char *causes_text(const Causes *causes)
{
    const char *text = "";

    for (size_t i = 0; i < causes->n; i++)
        text = arena_printf(causes->arena, "%s%s: %s\n", text, causes->v[i].field,
                            causes->v[i].message);
    return text;
}

static inline void assert_causes(const Kind *kind, const void *value, const void *before,
                                 Arena *arena, const char *expected)
{
    Causes causes = {.arena = arena};

    validate_object(kind, value, before, &causes);
    assert_string_equal(causes_text(&causes), expected);
}

static inline void assert_row(const Kind *kind, const void *value, int64_t now_s,
                              const char *expected)
{
    _strbuf_ StrBuf row = STRBUF_INIT;

    kind->rules->print(value, now_s * INT64_C(1000000000), &row);
    assert_string_equal(strbuf_string(&row), expected);
}

/* An object as JSON, and all that is wrong with it: lines of causes_text. */
typedef struct RuleCase {
    const char *json, *causes;
} RuleCase;

static inline void assert_cases(const Kind *kind, const RuleCase *cases, size_t n)
{
    EACH_ROW_OF(i, n, kind->kind, cases[i].json) {
        _arena_ Arena arena = ARENA_INIT;

        assert_causes(kind, value_from(&arena, kind, cases[i].json), NULL, &arena, cases[i].causes);
    }
}

#endif
