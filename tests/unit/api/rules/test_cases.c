/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the rules of the kinds with what a real kube-apiserver says, which the programs in
 * tests/oracle record. The files of each set of kinds have a prefix of their own.
 *
 * ..._cases.json holds objects, and the causes with which kube-apiserver 1.36 refuses them (none: it
 * accepts them, with the warnings, if any). Causes are compared as sets, since their order has no
 * meaning. "before" makes a case an update, and "subresource" one of the status. In changes_*.json,
 * long repetitions are written as "@x300:a" and ["@x300", element].
 *
 * ..._rows.json holds objects and the row of its table for them. "@-330" is a time 330 seconds
 * ago, "@u-330" the same with microseconds.
 *
 * ..._defaults.json holds objects and what kube-apiserver stores for them, without metadata and what
 * admission adds.
 *
 * The three files are the arguments.
 */
#include "../rules_fixture.h"

#include <assert.h>

#include "api/schema/meta_v1.h"
#include "base/files/file.h"
#include "base/timefmt.h"

#define A_UID "11111111-2222-3333-4444-555555555555" /* as in record_changes.py */

static const char *cases_path, *rows_path, *defaults_path;

/* Of the object's apiVersion, v1 where it has none. */
static const Kind *kind_of(yyjson_val *one)
{
    const char *version =
        yyjson_get_str(yyjson_obj_get(yyjson_obj_get(one, "object"), "apiVersion"));

    return kind_find_api_version(version ? version : "v1",
                                 yyjson_get_str(yyjson_obj_get(one, "kind")));
}

static void *value_of(Arena *arena, const Kind *kind, yyjson_val *json)
{
    static const char *const ignore[] = {"apiVersion", "kind", NULL};
    void *value = arena_alloc(arena, kind->type->size);
    DecodeReport report = {0};

    if (json_decode(kind->type, arena, json, DECODE_CHECK_FIELDS, ignore, value, &report))
        fail_msg("%s", report.error ? report.error : report.field_errors.v[0]);
    type_default(kind->type, arena, value);
    if (kind->rules->complete)
        kind->rules->complete(arena, value);
    return value;
}

/* A struct as a bad value is printed by Go with the names of its own types, so it is left out. */
static const char *without_struct(Arena *arena, const char *cause)
{
    const char *from = strstr(cause, " value: {"), *to = from;

    for (const char *at = from; at && (at = strchr(at, '}')); at++)
        if (!at[1] || str_starts_with(at, "}: "))
            to = at;
    if (!from || to == from)
        return cause;
    return arena_printf(arena, "%.*s...%s", (int)(from - cause + strlen(" value: {")), cause, to);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One a line, sorted, without repetitions. */
static const char *joined(Arena *arena, const char **v, size_t n)
{
    const char *text = "";

    if (n) /* v may be NULL otherwise */
        qsort(v, n, sizeof(*v), compare);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_equal(v[i], v[i - 1]))
            text = arena_printf(arena, "%s    %s\n", text, v[i]);
    return text;
}

static const char *expected_text(Arena *arena, yyjson_val *causes)
{
    const char **v = arena_new_n(arena, const char *, yyjson_arr_size(causes) + 1);
    yyjson_val *one;
    size_t i, n;

    yyjson_arr_foreach(causes, i, n, one) v[i] = without_struct(arena, yyjson_get_str(one));
    return joined(arena, v, yyjson_arr_size(causes));
}

static const char *found_text(Arena *arena, const Causes *causes)
{
    const char **v = arena_new_n(arena, const char *, causes->n + 1);

    for (size_t i = 0; i < causes->n; i++)
        v[i] = without_struct(
            arena, arena_printf(arena, "%s: %s", causes->v[i].field, causes->v[i].message));
    return joined(arena, v, causes->n);
}

/* The warnings about an accepted object, without those about what stead itself does not do. */
static const char *warned_text(Arena *arena, const Kind *kind, const void *value)
{
    Warnings all = {0}, common = {0};

    if (kind->rules->warn)
        kind->rules->warn(arena, value, &all);
    for (size_t i = 0; i < all.n; i++)
        if (!str_starts_with(all.v[i], "stead "))
            warnings_add(arena, &common, all.v[i]);
    return joined(arena, common.v, common.n);
}

static bool case_holds(yyjson_val *one)
{
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};
    const Kind *kind = kind_of(one);
    yyjson_val *old = yyjson_obj_get(one, "before"), *status = yyjson_obj_get(one, "status");
    bool of_status = yyjson_obj_get(one, "subresource");
    void *value, *before = NULL;
    const char *expected, *found;

    assert_non_null(kind);
    value = value_of(&arena, kind, yyjson_obj_get(one, "object"));
    if (!old)
        ((ObjectMeta *)value)->uid = A_UID;
    if (old) {
        before = value_of(&arena, kind, old);
        if (kind->rules->prepare)
            kind->rules->prepare(&arena, before, NULL);
    }
    if (status)
        assert_int_equal(json_decode(kind->status->type, &arena, status, 0, NULL,
                                     field_at(before, kind->status), &(DecodeReport){0}),
                         0);
    if (kind->rules->prepare)
        kind->rules->prepare(&arena, value, before);
    if (of_status)
        validate_object_status(kind, value, before, &causes);
    else
        validate_object(kind, value, before, &causes);
    expected = expected_text(&arena, yyjson_obj_get(one, "causes"));
    found = found_text(&arena, &causes);
    if (strcmp(expected, found) == 0 && !before && yyjson_obj_get(one, "warnings")) {
        expected = expected_text(&arena, yyjson_obj_get(one, "warnings"));
        found = warned_text(&arena, kind, value);
    }
    if (strcmp(expected, found) == 0)
        return true;
    print_error("%s:\n  expected\n%s  found\n%s", yyjson_get_str(yyjson_obj_get(one, "case")),
                expected, found);
    return false;
}

/* The number of a repetition, "@x300..."; 0: it is none. */
static size_t times_of(yyjson_mut_val *value)
{
    const char *text = yyjson_mut_get_str(value);

    return text && str_starts_with(text, "@x") ? strtoul(text + 2, NULL, 10) : 0;
}

/* Expands repetitions, in place. */
static void expand(yyjson_mut_doc *doc, yyjson_mut_val *value)
{
    size_t i, n, times = times_of(value);
    yyjson_mut_val *key, *one;

    if (times) {
        const char *unit = strchr(yyjson_mut_get_str(value), ':') + 1;
        _strbuf_ StrBuf text = STRBUF_INIT;

        for (i = 0; i < times; i++)
            strbuf_add_string(&text, unit);
        yyjson_mut_set_strn(value, yyjson_mut_get_str(yyjson_mut_strncpy(doc, text.p, text.n)),
                            text.n);
    } else if (times_of(yyjson_mut_arr_get_first(value))) {
        times = times_of(yyjson_mut_arr_remove_first(value));
        one = yyjson_mut_arr_get_first(value);
        for (i = 1; i < times; i++)
            yyjson_mut_arr_append(value, yyjson_mut_val_mut_copy(doc, one));
    } else if (yyjson_mut_is_arr(value)) {
        yyjson_mut_arr_foreach(value, i, n, one) expand(doc, one);
    } else if (yyjson_mut_is_obj(value)) {
        yyjson_mut_obj_foreach(value, i, n, key, one) expand(doc, one);
    }
}

static void objects_are_refused_in_kubernetes_words(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *text = NULL;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *one;
    size_t i, n, wrong = 0;

    assert_int_equal(file_read(cases_path, 16 << 20, &text, &n), 0);
    assert_int_equal(json_parse(&arena, (Bytes){(const uint8_t *)text, n}, &doc, &report), 0);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, one)
    {
        yyjson_mut_doc *whole = yyjson_mut_doc_new(NULL);
        yyjson_doc *expanded;

        yyjson_mut_doc_set_root(whole, yyjson_val_mut_copy(whole, one));
        expand(whole, yyjson_mut_doc_get_root(whole));
        expanded = yyjson_mut_doc_imut_copy(whole, NULL);
        wrong += !case_holds(yyjson_doc_get_root(expanded));
        yyjson_doc_free(expanded);
        yyjson_mut_doc_free(whole);
    }
    if (wrong)
        fail_msg("%zu of %zu cases differ", wrong, n);
}

enum { NOW = 1700000000 };

/* The text with times in the place of their marks. */
static StrBuf with_times(const char *text)
{
    StrBuf out = STRBUF_INIT;

    for (const char *at = text; *at;) {
        bool micros = str_starts_with(at, "\"@u-");
        char time[TIMEFMT_MAX];
        char *end;

        if (!micros && !str_starts_with(at, "\"@-")) {
            strbuf_add_char(&out, *at++);
            continue;
        }
        if (micros)
            timefmt_micros(NOW - strtol(at + 4, &end, 10), 0, time);
        else
            timefmt_seconds(NOW - strtol(at + 3, &end, 10), time);
        strbuf_printf(&out, "\"%s", time);
        at = end;
    }
    return out;
}

static bool columns_hold(const Kind *kind, yyjson_val *columns)
{
    yyjson_val *one;
    size_t i, n;
    bool same = kind->n_columns == yyjson_arr_size(columns);

    yyjson_arr_foreach(columns, i, n, one)
    {
        const char *name = yyjson_get_str(one);
        bool wide = str_ends_with(name, "+");

        same = same && strlen(kind->columns[i].name) == strlen(name) - wide &&
               str_starts_with(name, kind->columns[i].name) && kind->columns[i].priority == wide;
    }
    return same;
}

static bool row_holds(yyjson_val *one)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf row = STRBUF_INIT;
    const Kind *kind = kind_of(one);
    yyjson_val *status = yyjson_obj_get(one, "status");
    yyjson_doc *found;
    ObjectMeta *meta;
    bool same;
    char *cells;
    void *value;

    assert_non_null(kind);
    if (!kind->n_columns) /* the server prints the default columns */
        return yyjson_arr_size(yyjson_obj_get(one, "columns")) == 2;
    value = value_of(&arena, kind, yyjson_obj_get(one, "object"));
    if (kind->rules->prepare)
        kind->rules->prepare(&arena, value, NULL);
    meta = value;
    meta->creation_timestamp = (Time){.seconds = NOW, .set = true};
    meta->deletion_timestamp.set = yyjson_get_bool(yyjson_obj_get(one, "deleted"));
    if (status) {
        memset(field_at(value, kind->status), 0, kind->status->type->size);
        assert_int_equal(json_decode(kind->status->type, &arena, status, 0, NULL,
                                     field_at(value, kind->status), &(DecodeReport){0}),
                         0);
    }
    strbuf_add_char(&row, '[');
    kind->rules->print(value, NOW * INT64_C(1000000000), &row);
    strbuf_add_char(&row, ']');
    assert_int_equal(json_parse(&arena, strbuf_bytes(&row), &found, &(DecodeReport){0}), 0);
    cells = yyjson_val_write(yyjson_obj_get(one, "cells"), 0, NULL);
    same = yyjson_equals(yyjson_obj_get(one, "cells"), yyjson_doc_get_root(found)) &&
           columns_hold(kind, yyjson_obj_get(one, "columns"));
    if (!same)
        print_error("%s:\n  expected %s\n  found    %s\n",
                    yyjson_get_str(yyjson_obj_get(one, "row")), cells, strbuf_string(&row));
    free(cells);
    return same;
}

static void rows_are_kubernetes_own(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *text = NULL;
    _strbuf_ StrBuf json = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *one;
    size_t i, n, wrong = 0;

    assert_int_equal(file_read(rows_path, 16 << 20, &text, &n), 0);
    json = with_times(text);
    assert_int_equal(json_parse(&arena, strbuf_bytes(&json), &doc, &report), 0);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, one) wrong += !row_holds(one);
    if (wrong)
        fail_msg("%zu of %zu rows differ", wrong, n);
}

static bool defaults_hold(yyjson_val *one)
{
    _arena_ Arena arena = ARENA_INIT;
    const Kind *kind = kind_of(one);
    yyjson_mut_doc *found = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *tree, *stored = yyjson_val_mut_copy(found, yyjson_obj_get(one, "stored"));
    char *expected_json, *found_json;
    void *value;
    bool same;

    value = value_of(&arena, kind, yyjson_obj_get(one, "object"));
    ((ObjectMeta *)value)->creation_timestamp = (Time){.seconds = NOW, .set = true};
    if (kind->rules->prepare)
        kind->rules->prepare(&arena, value, NULL);
    tree = json_tree(kind->type, value, found);
    yyjson_mut_obj_remove_key(tree, "metadata");
    same = yyjson_mut_equals(tree, stored);
    expected_json = yyjson_mut_val_write(stored, 0, NULL);
    found_json = yyjson_mut_val_write(tree, 0, NULL);
    if (!same)
        print_error("%s:\n  expected %s\n  found    %s\n",
                    yyjson_get_str(yyjson_obj_get(one, "name")), expected_json, found_json);
    free(expected_json);
    free(found_json);
    yyjson_mut_doc_free(found);
    return same;
}

static void objects_are_completed_as_kubernetes_does(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *text = NULL;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *one;
    size_t i, n, wrong = 0;

    assert_int_equal(file_read(defaults_path, 16 << 20, &text, &n), 0);
    assert_int_equal(json_parse(&arena, (Bytes){(const uint8_t *)text, n}, &doc, &report), 0);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, one) wrong += !defaults_hold(one);
    if (wrong)
        fail_msg("%zu of %zu objects differ", wrong, n);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_refused_in_kubernetes_words),
        cmocka_unit_test(rows_are_kubernetes_own),
        cmocka_unit_test(objects_are_completed_as_kubernetes_does),
    };

    assert(argc == 4);
    cases_path = argv[1];
    rows_path = argv[2];
    defaults_path = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
