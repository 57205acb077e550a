/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: what documents mean as JSON, what is refused, and how JSON looks as YAML. */
#include "testing.h"

#include "codec/json/json.h"
#include "codec/yaml/yaml.h"

static void documents_become_json(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a: 1\nb: two\nc: [x, 'y', \"z\"]\n", "{\"a\":1,\"b\":\"two\",\"c\":[\"x\",\"y\",\"z\"]}"},
        {"{\"a\": {\"b\": null}}", "{\"a\":{\"b\":null}}"},
        {"- yes\n- No\n- on\n- OFF\n- true\n- False\n- 'yes'\n- y\n- yEs\n",
         "[true,false,true,false,true,false,\"yes\",true,\"yEs\"]"},
        {"[0644, 0x1F, 0b101, 1_000, +5, -5, 0o17, 08, 0, 007]", "[420,31,5,1000,5,-5,15,8,0,7]"},
        {"[1.5, .5, 1e3, 1., -2.5e-3, 1.2.3, 1e, 0.0, 1e400]",
         "[1.5,0.5,1000,1,-0.0025,\"1.2.3\",\"1e\",0,\"1e400\"]"},
        {"[~, null, Null, nULL]", "[null,null,null,\"nULL\"]"},
        {"[18446744073709551615, 9223372036854775808, 99999999999999999999]",
         "[18446744073709551615,9223372036854775808,100000000000000000000]"},
        {"[-0x1F, -0b1, +0b1, 0b12, 1__0, _1, 0_1, .5_0, 1_0.5, 0x, -, +, ., 0xg, 1_]",
         "[-31,-1,1,\"0b12\",10,\"_1\",1,0.5,10.5,\"0x\",\"-\",\"+\",\".\",\"0xg\",1]"},
        {"[2001-12-14, 2001-12-14t21:59:43.10-05:00, 1:20]",
         "[\"2001-12-14\",\"2001-12-14t21:59:43.10-05:00\",\"1:20\"]"},
        {"[!!str 1, !!int 5, !!float 5, ! 7, !!str yes]", "[\"1\",5,5,7,\"yes\"]"},
        {"1: a\ntrue: b\n1.5: c\ny: d\n",
         "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"true\":\"d\"}"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"a: &x {k: 1}\nb: *x\nc: [*x]\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1}]}"},
        {"a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n",
         "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":3,\"l\":2}}"},
        {"b:\n  <<: [{k: 1}, {k: 2, m: 3}]\n", "{\"b\":{\"k\":1,\"m\":3}}"},
        {"? a\n: b\n", "{\"a\":\"b\"}"},
        {"# only a comment\n---\n", "null"},
        {"plain words", "\"plain words\""},
        {"a: 1\na: 2\n", "{\"a\":1,\"a\":2}"},
    };

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        const char *error = NULL;
        yyjson_doc *doc;
        int r = yaml_parse(&arena, bytes_from_string(cases[i].in), 0, &doc, &error);

        if (r)
            print_error("%s: %s\n", cases[i].in, error);
        assert_int_equal(r, 0);
        json_encode_tree(yyjson_doc_get_root(doc), &out);
        assert_string_equal(out.p, cases[i].out);
    }
}

static void streams_have_documents(void **state)
{
    static const char text[] = "a: 1\n---\nb: 2\n---\n# nothing\n---\nc\n...\n";
    static const char *const expected[] = {"{\"a\":1}", "{\"b\":2}", "null", "\"c\"", NULL};
    _arena_ Arena arena = ARENA_INIT;
    const char *error;
    yyjson_doc *doc;

    EACH_ROW(i, expected, expected[i]) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        assert_int_equal(yaml_parse(&arena, BYTES_LITERAL(text), i, &doc, &error), 0);
        if (!expected[i]) {
            assert_null(doc);
            continue;
        }
        json_encode_tree(yyjson_doc_get_root(doc), &out);
        assert_string_equal(out.p, expected[i]);
    }
    assert_int_equal(yaml_parse(&arena, BYTES_LITERAL(""), 0, &doc, &error), 0);
    assert_null(doc);
}

static void bad_documents_are_refused(void **state)
{
    static const struct {
        const char *in, *error;
    } cases[] = {
        {"a: b: c\n", "yaml: mapping values are not allowed in this context"},
        {"x: 1\na: b: c\n", "yaml: line 2: mapping values are not allowed in this context"},
        {"a: *nope\n", "yaml: unknown anchor 'nope' referenced"},
        {"a: &a [*a]\n", "yaml: unknown anchor 'a' referenced"},
        {"a: .inf\n", "yaml: json: unsupported value: +Inf"},
        {"<<: 5\n", "yaml: map merge requires map or sequence of maps as the value"},
        {"[a, b\n", NULL},
        {"[a]\n\"b\n", NULL},
        {"[a] @\n", NULL},
        {"|\n  x\n@\n", NULL},
        {"[a,\n b]\n@\n", NULL},
        {"? [a]\n: b\n", "yaml: line 1: invalid map key"},
        {"a: \x01\n", NULL},
        {"a: &x [1,1,1,1,1,1,1,1,1,1]\nb: &y [*x,*x,*x,*x,*x,*x,*x,*x,*x,*x]\nc: &z "
         "[*y,*y,*y,*y,*y,*y,*y,*y,*y,*y]\n"
         "d: &w [*z,*z,*z,*z,*z,*z,*z,*z,*z,*z]\ne: &v [*w,*w,*w,*w,*w,*w,*w,*w,*w,*w]\nf: "
         "[*v,*v]\n",
         "yaml: document contains excessive aliasing"},
    };
    char deep[256];

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        const char *error = NULL;
        yyjson_doc *doc;

        assert_int_equal(yaml_parse(&arena, bytes_from_string(cases[i].in), 0, &doc, &error),
                         YAML_E_SYNTAX);
        assert_non_null(error);
        if (cases[i].error)
            assert_string_equal(error, cases[i].error);
    }
    for (size_t n = 100; n <= 101; n++) {
        _arena_ Arena arena = ARENA_INIT;
        const char *error;
        yyjson_doc *doc;

        memset(deep, '[', n);
        memset(deep + n, ']', n);
        /* the innermost list is a node at depth n */
        assert_int_equal(yaml_parse(&arena, (Bytes){(uint8_t *)deep, 2 * n}, 0, &doc, &error),
                         n == 100 ? 0 : YAML_E_SYNTAX);
    }
}

static void json_is_printed_as_kubectl_does(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"{\"a\":1,\"b\":[1,{\"c\":\"d\",\"e\":[]}],\"f\":{},\"g\":null}",
         "a: 1\nb:\n- 1\n- c: d\n  e: []\nf: {}\ng: null\n"},
        {"{\"a\":\"true\",\"b\":\"1\",\"c\":\"\",\"d\":\"1e3\",\"e\":\"null\",\"f\":\"y\",\"g\":"
         "\"1:20\"}",
         "a: \"true\"\nb: \"1\"\nc: \"\"\nd: \"1e3\"\ne: \"null\"\nf: \"y\"\ng: \"1:20\"\n"},
        {"{\"t\":\"2024-01-01T00:00:00Z\",\"u\":\"2024-01-01\",\"v\":\"256M\",\"w\":\"100m\"}",
         "t: \"2024-01-01T00:00:00Z\"\nu: \"2024-01-01\"\nv: 256M\nw: 100m\n"},
        {"{\"s\":\"a: b\",\"t\":\"- x\",\"u\":\"x #y\",\"v\":\"{}\"}",
         "s: 'a: b'\nt: '- x'\nu: 'x #y'\nv: '{}'\n"},
        {"{\"s\":\"two\\nlines\\n\",\"t\":\"no\\nend\"}",
         "s: |\n  two\n  lines\nt: |-\n  no\n  end\n"},
        {"{\"true\":1,\"x/y.z\":2}", "\"true\": 1\nx/y.z: 2\n"},
        {"{\"o\":\"=\",\"p\":\"<<\",\"q\":\"\\t\",\"m\":\"x\\ny \",\"n\":\" x\\ny\\n\\n\"}",
         "o: =\np: <<\nq: \"\\t\"\nm: \"x\\ny \"\n\"n\": |2+\n   x\n  y\n\n"},
        {"[1.5,true,-7]", "- 1.5\n- true\n- -7\n"},
        {"{\"e\":\"\xe2\x82\xac\"}", "e: \xe2\x82\xac\n"},
    };

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        DecodeReport report;
        yyjson_doc *doc;

        assert_int_equal(json_parse(&arena, bytes_from_string(cases[i].in), &doc, &report), 0);
        yaml_print(yyjson_doc_get_root(doc), &out);
        assert_string_equal(out.p, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_json),
        cmocka_unit_test(streams_have_documents),
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(json_is_printed_as_kubectl_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
