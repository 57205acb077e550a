/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/strbuf.h"
#include "codec/toml/toml.h"

// clang-format off
static const struct { const char *in, *out; } documents[] = {
    {"", "{}"},
    {"# comment\n\n  a = 1 # one\n", "{a:1}"},
    {"a = 'x'\r\nb = \"y\"", "{a:'x',b:'y'}"},
    {"a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"", "{a:'\b\t\n\f\r\"\\\xc3\xa9\xf0\x9f\x98\x80'}"},
    {"a = 'C:\\x'", "{a:'C:\\x'}"},
    {"a = \"\"\"\nx\n y\\\n   \n  z\"\"\"", "{a:'x\n yz'}"},
    {"a = \"\"\"x\"\"\"\"\"", "{a:'x\"\"'}"},
    {"a = '''\nx'\\n'''", "{a:'x'\\n'}"},
    {"a = \"\"\nb = ''", "{a:'',b:''}"},
    {"a = true\nb = false", "{a:true,b:false}"},
    {"a = 0\nb = +17\nc = -1_000\nd = 0xff\ne = 0o17\nf = 0b101", "{a:0,b:17,c:-1000,d:255,e:15,f:5}"},
    {"a = 1.5\nb = 6.02e+23\nc = inf\nd = -nan", "{a:<1.5>,b:<6.02e+23>,c:<inf>,d:<-nan>}"},
    {"a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5\nc = 07:32:00", "{a:<1979-05-27T07:32:00Z>,b:<1979-05-27 07:32:00.5>,c:<07:32:00>}"},
    {"a = []\nb = [1, 'x', [true]]", "{a:[],b:[1,'x',[true]]}"},
    {"a = [ # comment\n 1,\n\n 2, # last\n]", "{a:[1,2]}"},
    {"a = {}\nb = { c = 1, d.e = 'x' }", "{a:{},b:{c:1,d:{e:'x'}}}"},
    {"a.b.c = 1\na.b.d = 2\n\"x.y\" . 'z' = 3", "{a:{b:{c:1,d:2}},x.y:{z:3}}"},
    {"1 = 1\n-_a = 2\n\"\" = 3", "{1:1,-_a:2,:3}"},
    {"[a]\nx = 1\n[ b . c ]\ny = 2\n[b]\nz = 3", "{a:{x:1},b:{c:{y:2},z:3}}"},
    {"[[a]]\nx = 1\n[[a]]\n[[a.b]]\ny = 2\n[a.c]\nz = 3\n[[a]]", "{a:[{x:1},{b:[{y:2}],c:{z:3}},{}]}"},
    {"[a]\nb.c = 1\n[a.b.d]\nx = 2", "{a:{b:{c:1,d:{x:2}}}}"},
    {"[[registry]]\nprefix = \"docker.io\"\nmirror = [{location = \"m\"}]", "{registry:[{prefix:'docker.io',mirror:[{location:'m'}]}]}"},
};

static const struct { const char *in; size_t line; const char *message; } wrong[] = {
    {"a", 1, "an equals sign"}, {"= 1", 1, "a key is missing"}, {"a = ", 1, "malformed value"}, {"a = 1 2", 1, "something follows"},
    {"a = x", 1, "malformed value"}, {"\n\na = \"x", 3, "does not end"}, {"a = \"x\ny\"", 1, "does not end"}, {"a = 'x", 1, "does not end"},
    {"a = \"\"\"x\"\"", 1, "does not end"}, {"a = \"\\x\"", 1, "unknown escape"}, {"a = \"\\u12\"", 1, "malformed escape"},
    {"a = \"\\ud800\"", 1, "no character"}, {"a = \"\\u0000\"", 1, "no character"}, {"a = \"\x01\"", 1, "control character"},
    {"a = \"\xff\"", 1, "not UTF-8"}, {"a = [1 2]", 1, "comma"}, {"a = [1,,]", 1, "malformed value"}, {"a = [1", 1, "comma"},
    {"a = {b = 1,}", 1, "key is missing"}, {"a = {b = 1\n}", 1, "comma"}, {"a = 1\na = 2", 2, "defined already"},
    {"a = 1\na.b = 2", 2, "defined already"}, {"[a]\n[a]", 2, "defined already"}, {"a = {}\n[a]", 2, "defined already"},
    {"a = {}\n[a.b]", 2, "defined already"}, {"a = []\n[[a]]", 2, "defined already"}, {"[[a]]\n[a]", 2, "defined already"},
    {"[a]\n[[a]]", 2, "defined already"}, {"[a.b]\n[a]\nb.c = 1", 3, "defined already"}, {"a.b = 1\n[a]", 2, "defined already"},
    {"a = {b.c = 1, b = 2}", 1, "defined already"}, {"[a", 1, "does not end"}, {"[[a]", 1, "does not end"}, {"[]", 1, "key is missing"},
    {"[a] b = 1", 1, "something follows"}, {"a = 1\rb = 2", 1, "something follows"}, {"\"\"\"a\"\"\" = 1", 1, "equals sign"},
};
// clang-format on

static void print(StrBuf *out, const TomlValue *v)
{
    switch (v->kind) {
    case TOML_STRING:
        strbuf_printf(out, "'%s'", v->text);
        return;
    case TOML_INTEGER:
        strbuf_add_int64(out, v->integer);
        return;
    case TOML_BOOLEAN:
        strbuf_add_string(out, v->boolean ? "true" : "false");
        return;
    case TOML_OTHER:
        strbuf_printf(out, "<%s>", v->text);
        return;
    case TOML_ARRAY:
    case TOML_TABLE:
        break;
    }
    strbuf_add_char(out, v->kind == TOML_TABLE ? '{' : '[');
    for (const TomlValue *m = v->first; m; m = m->next) {
        strbuf_printf(out, "%s%s%s", m == v->first ? "" : ",", str_or(m->key, ""),
                      v->kind == TOML_TABLE ? ":" : "");
        print(out, m);
    }
    strbuf_add_char(out, v->kind == TOML_TABLE ? '}' : ']');
}

static void documents_become_trees(void **state)
{
    EACH_ROW(i, documents, documents[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        TomlReport report;
        TomlValue *root;

        if (toml_parse(&arena, documents[i].in, strlen(documents[i].in), &root, &report))
            fail_msg("line %zu: %s", report.line, report.message);
        print(&out, root);
        assert_string_equal(strbuf_string(&out), documents[i].out);
    }
}

static void malformed_documents_name_the_line(void **state)
{
    EACH_ROW(i, wrong, wrong[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        TomlReport report;
        TomlValue *root;

        assert_int_equal(toml_parse(&arena, wrong[i].in, strlen(wrong[i].in), &root, &report),
                         TOML_E_SYNTAX);
        if (!strstr(report.message, wrong[i].message))
            fail_msg("%s", report.message);
        assert_int_equal(report.line, wrong[i].line);
    }
}

/* `text` so many times between the others. */
static int parse_repeated(const char *before, const char *text, size_t n, TomlReport *report)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf document = STRBUF_INIT;
    TomlValue *root;

    strbuf_add_string(&document, before);
    for (size_t i = 0; i < n; i++)
        strbuf_add_string(&document, text);
    return toml_parse(&arena, strbuf_string(&document), document.n, &root, report);
}

static void sizes_are_limited(void **state)
{
    TomlReport report;

    assert_int_equal(parse_repeated("a = ", "[", 100000, &report), TOML_E_SYNTAX);
    assert_string_equal(report.message, "nested too deeply");
    assert_int_equal(parse_repeated("a = ", "{a=", 100000, &report), TOML_E_SYNTAX);
    assert_string_equal(report.message, "nested too deeply");
    assert_int_equal(parse_repeated("a", ".a", 100000, &report), TOML_E_SYNTAX);
    assert_string_equal(report.message, "nested too deeply");
    assert_int_equal(parse_repeated("", "[[a]]\n", TOML_VALUES_MAX - 1, &report), 0);
    assert_int_equal(parse_repeated("", "[[a]]\n", TOML_VALUES_MAX, &report), TOML_E_SYNTAX);
    assert_string_equal(report.message, "too many values");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_trees),
        cmocka_unit_test(malformed_documents_name_the_line),
        cmocka_unit_test(sizes_are_limited),
    };

    return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
