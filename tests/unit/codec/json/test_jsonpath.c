/* SPDX-License-Identifier: Apache-2.0 */
/* Paths into JSON. */
#include "testing.h"

#include "base/strbuf.h"
#include "codec/json/json.h"
#include "codec/json/jsonpath.h"

static const char text[] =
    "{\"spec\":{\"a\":1,\"b.c\":2,\"list\":[10,20,30,40],\"empty\":[]},"
    "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"n\":3},"
    "{\"type\":\"Done\",\"status\":\"False\",\"n\":5,\"on\":true}]}}";

static const struct {
    const char *path, *results; /* JSON, separated by spaces */
} rows[] = {
    {".spec.a", "1"},
    {"spec.a", "1"},
    {"", NULL},
    {".spec.none", ""},
    {".spec.a.b", ""},
    {".spec.b\\.c", "2"},
    {".spec['b.c']", "2"},
    {".spec[\"a\"]", "1"},
    {".spec.list[0]", "10"},
    {".spec.list[-1]", "40"},
    {".spec.list[9]", ""},
    {".spec.list[-9]", ""},
    {".spec.list[1:3]", "20 30"},
    {".spec.list[:2]", "10 20"},
    {".spec.list[2:]", "30 40"},
    {".spec.list[-2:]", "30 40"},
    {".spec.list[::2]", "10 30"},
    {".spec.list[*]", "10 20 30 40"},
    {".spec.list.*", "10 20 30 40"},
    {".spec.empty[*]", ""},
    {".status.conditions[*].type", "\"Ready\" \"Done\""},
    {".status.conditions[?(@.type==\"Ready\")].status", "\"True\""},
    {".status.conditions[?(@.type=='Done')].status", "\"False\""},
    {".status.conditions[?(@.type != 'Done')].n", "3"},
    {".status.conditions[?(@.n > 3)].type", "\"Done\""},
    {".status.conditions[?(@.n >= 3)].n", "3 5"},
    {".status.conditions[?(@.n < 5)].n", "3"},
    {".status.conditions[?(@.n <= 5)].n", "3 5"},
    {".status.conditions[?(@.on)].n", "5"},
    {".status.conditions[?(@.on == true)].n", "5"},
    {".status.conditions[?(@.none == 1)].n", ""},
    {"..n", "3 5"},
    {".status..type", "\"Ready\" \"Done\""},
    /* These do not parse. */
    {".spec.list[", ""},
    {".spec.list[]", ""},
    {".spec.list[x]", ""},
    {".spec.list['a]", ""},
    {".spec.list[1:2:0]", ""},
    {".spec.list[1:2:3:4]", ""},
    {".spec.list[99999999999]", ""},
    {".status.conditions[?(@.type==]", ""},
    {".status.conditions[?(type)]", ""},
    {".status.conditions[?(@.a[?(@.b)])]", ""},
};

static yyjson_val *parse(Arena *arena)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    assert_int_equal(json_parse(arena, bytes_from_string(text), &doc, &report), 0);
    return yyjson_doc_get_root(doc);
}

static void paths_find_what_kubectl_finds(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *root = parse(&arena);

    EACH_ROW(i, rows, rows[i].path) {
        _strbuf_ StrBuf found = STRBUF_INIT;
        size_t budget = JSONPATH_BUDGET;
        JsonPathResults results = jsonpath_find(&arena, rows[i].path, root, &budget);

        for (size_t k = 0; k < results.n; k++) {
            strbuf_add_string(&found, k ? " " : "");
            json_encode_tree(results.v[k], &found);
        }
        assert_string_equal(strbuf_string(&found), rows[i].results ? rows[i].results : text);
    }
}

static void a_path_ends_when_its_budget_is_used_up(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *root = parse(&arena);
    size_t budget = 3;

    assert_int_equal(jsonpath_find(&arena, ".spec.list[*]", root, &budget).n, 0);
    assert_int_equal(budget, 0);
    assert_int_equal(jsonpath_find(&arena, ".spec.a", root, &budget).n, 0);
    budget = 100;
    assert_int_equal(jsonpath_find(&arena, "..........n", root, &budget).n, 0);
    assert_int_equal(budget, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_what_kubectl_finds),
        cmocka_unit_test(a_path_ends_when_its_budget_is_used_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
