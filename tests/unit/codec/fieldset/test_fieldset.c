/* SPDX-License-Identifier: Apache-2.0 */
/* Field sets: text, arithmetic, what trees and values own, and the merge of applied documents. */
#include "testing.h"

#include "../sample_types.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"

static FieldSet *parse(Arena *arena, const char *text)
{
    FieldSet *set;

    assert_int_equal(fieldset_parse(arena, bytes_from_string(text), &set), 0);
    return set;
}

static const char *print(Arena *arena, const FieldSet *set)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    fieldset_print(set, &out);
    return arena_strdup(arena, out.p);
}

static yyjson_val *json(Arena *arena, const char *text)
{
    yyjson_doc *doc;

    assert_int_equal(json_parse(arena, bytes_from_string(text), &doc, NULL), 0);
    return yyjson_doc_get_root(doc);
}

static void text_becomes_canonical(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "{}"},
        {"null", "{}"},
        {"{}", "{}"},
        {"{\"f:b\":{},\"f:a\":{}}", "{\"f:a\":{},\"f:b\":{}}"},
        {"{\"f:a\":{\"f:x\":{},\".\":{}}}", "{\"f:a\":{\".\":{},\"f:x\":{}}}"},
        {"{\"i:2\":{},\"v:\\\"b\\\"\":{},\"v:3\":{},\"k:{\\\"z\\\":1,\\\"a\\\":\\\"<\\\"}\":{\".\":"
         "{}},\"f:z\":{}}",
         "{\"f:z\":{},\"k:{\\\"a\\\":\\\"\\\\u003c\\\",\\\"z\\\":1}\":{},\"v:3\":{},\"v:"
         "\\\"b\\\"\":{},\"i:2\":{}}"},
        {"{\"k:{\\\"a\\\":\\\"x\\\\\\\"y\\\\\\\\z\\\"}\":{},\"v:\\\"x\\\\\\\"y\\\\\\\\z\\\"\":{}}",
         "{\"k:{\\\"a\\\":\\\"x\\\\\\\"y\\\\\\\\z\\\"}\":{},\"v:\\\"x\\\\\\\"y\\\\\\\\z\\\"\":{}}"},
        {"{\"f:a\":{\"q:later\":{}}}", "{\"f:a\":{}}"},
        {"{\"f:a\":{\"f:b\":{}},\"f:a\":{\"f:c\":{}}}", "{\"f:a\":{\"f:b\":{},\"f:c\":{}}}"},
    };
    static const char *const bad[] = {
        "[]",           "5", "{\"a\":{}}", "{\"f:a\":5}", "{\"k:[]\":{}}", "{\"k:{\":{}}",
        "{\"i:x\":{}}", "{"};

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;

        assert_string_equal(print(&arena, parse(&arena, cases[i].in)), cases[i].out);
    }
    EACH_ROW(i, bad, bad[i]) {
        _arena_ Arena arena = ARENA_INIT;
        FieldSet *set;

        assert_int_not_equal(fieldset_parse(&arena, bytes_from_string(bad[i]), &set), 0);
    }
}

static void sets_are_added_and_taken_away(void **state)
{
    static const char a[] = "{\"f:a\":{},\"f:m\":{\".\":{},\"f:x\":{},\"f:y\":{}}}";
    static const char b[] = "{\"f:b\":{},\"f:m\":{\"f:y\":{},\"f:z\":{}}}";
    static const char *const below_m[] = {"m.x", "a", NULL}, *const whole_m[] = {"m", "nope.x",
                                                                                 NULL};
    _arena_ Arena arena = ARENA_INIT;
    FieldSet *x = parse(&arena, a), *y = parse(&arena, b);

    assert_string_equal(
        print(&arena, fieldset_union(&arena, x, y)),
        "{\"f:a\":{},\"f:b\":{},\"f:m\":{\".\":{},\"f:x\":{},\"f:y\":{},\"f:z\":{}}}");
    assert_string_equal(print(&arena, fieldset_minus(&arena, x, y)),
                        "{\"f:a\":{},\"f:m\":{\".\":{},\"f:x\":{}}}");
    assert_string_equal(print(&arena, fieldset_intersect(&arena, x, y)), "{\"f:m\":{\"f:y\":{}}}");
    assert_true(fieldset_empty(fieldset_minus(&arena, x, x)));
    assert_true(fieldset_equal(fieldset_union(&arena, x, NULL), x));
    assert_true(fieldset_equal(fieldset_intersect(&arena, x, NULL), NULL));
    assert_false(fieldset_equal(x, y));
    assert_string_equal(print(&arena, fieldset_without(&arena, x, below_m)),
                        "{\"f:m\":{\".\":{},\"f:y\":{}}}");
    assert_string_equal(print(&arena, fieldset_without(&arena, x, whole_m)), "{\"f:a\":{}}");
    assert_string_equal(print(&arena, fieldset_only(&arena, x, below_m)),
                        "{\"f:a\":{},\"f:m\":{\"f:x\":{}}}");
}

static void add_path(void *data, const char *path)
{
    strbuf_printf(data, "%s;", path);
}

static void paths_read_as_in_conflicts(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf out = STRBUF_INIT;
    FieldSet *set =
        parse(&arena, "{\"f:spec\":{\"f:replicas\":{},\"f:containers\":{\"k:{\\\"name\\\":"
                      "\\\"web\\\"}\":{\".\":{},"
                      "\"f:image\":{}},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{}}},"
                      "\"f:fin\":{\"v:\\\"a\\\"\":{}},\"i:3\":{}}");

    fieldset_each_path(set, add_path, &out);
    assert_string_equal(
        out.p, "[3];.fin[=\"a\"];.spec.replicas;.spec.containers[name=\"web\"];"
               ".spec.containers[port=80,protocol=\"TCP\"];.spec.containers[name=\"web\"].image;");
}

static void paths_quote_what_stands_in_texts(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf out = STRBUF_INIT;

    fieldset_each_path(
        parse(&arena,
              "{\"f:fin\":{\"v:\\\"a\\\\\\\"b\\\\\\\\c\\\"\":{},\"v:true\":{},\"v:-1\":{}}}"),
        add_path, &out);
    assert_string_equal(out.p, ".fin[=-1];.fin[=\"a\\\"b\\\\c\"];.fin[=true];");
}

static void trees_own_what_they_mention(void **state)
{
    static const struct {
        const char *in, *out, *error;
    } cases[] = {
        {"{\"kind\":\"Sample\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"labels\":{"
         "\"x\":\"1\"},\"annotations\":{}}}",
         "{\"f:metadata\":{\"f:annotations\":{},\"f:labels\":{\"f:x\":{}},\"f:name\":{}}}", NULL},
        {"{\"spec\":{\"replicas\":null,\"selector\":{\"a\":\"b\"},\"nodeSelector\":{\"a\":\"b\"},"
         "\"numbers\":[1]}}",
         "{\"f:spec\":{\"f:nodeSelector\":{},\"f:numbers\":{},\"f:replicas\":{},\"f:selector\":{"
         "\"f:a\":{}}}}",
         NULL},
        {"{\"spec\":{\"containers\":[{\"name\":\"c\",\"args\":[\"x\"],\"ports\":[{\"port\":1},{"
         "\"port\":1,\"protocol\":\"UDP\"}]}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:args\":{},"
         "\"f:name\":{},\"f:ports\":{"
         "\"k:{\\\"port\\\":1,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{}},"
         "\"k:{\\\"port\\\":1,\\\"protocol\\\":\\\"UDP\\\"}\":{\".\":{},\"f:port\":{},\"f:"
         "protocol\":{}}}}}}}",
         NULL},
        {"{\"metadata\":{\"finalizers\":[\"b\",\"a\"]},\"spec\":{\"volumes\":[{\"name\":\"v\","
         "\"emptyDir\":{}}]}}",
         "{\"f:metadata\":{\"f:finalizers\":{\"v:\\\"a\\\"\":{},\"v:\\\"b\\\"\":{}}},\"f:spec\":{"
         "\"f:volumes\":{"
         "\"k:{\\\"name\\\":\\\"v\\\"}\":{\".\":{},\"f:emptyDir\":{},\"f:name\":{}}}}}",
         NULL},
        {"{\"other\":{\"a\":[1],\"b\":{\"c\":2}}}",
         "{\"f:other\":{\".\":{},\"f:a\":{},\"f:b\":{\".\":{},\"f:c\":{}}}}", NULL},
        {"{\"spec\":{\"containers\":[]}}", "{}", NULL},
        {"{\"spec\":{\"containers\":\"x\"}}", NULL,
         ".spec.containers: expected list, got &{\"x\"}"},
        {"{\"spec\":{\"replicas\":\"x\",\"paused\":1}}", NULL,
         "errors:\n  .spec.replicas: expected numeric (int or float), got string\n  .spec.paused: "
         "expected boolean, got 1"},
        {"{\"spec\":{\"containers\":[{\"name\":\"x\"},{\"name\":\"x\"}]}}", NULL,
         ".spec.containers: duplicate entries for key [name=\"x\"]"},
        {"{\"spec\":{\"containers\":[null]}}", NULL,
         ".spec.containers: element 0: associative list with keys may not have a null element"},
        {"{\"spec\":{\"volumes\":{}}}", NULL, NULL},
        {"[]", NULL, NULL},
    };

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        const char *error = NULL;
        FieldSet *set = fieldset_of_tree(&sample_type, &arena, json(&arena, cases[i].in), &error);

        if (cases[i].out) {
            assert_null(error);
            assert_string_equal(print(&arena, set), cases[i].out);
        } else {
            assert_non_null(error);
            if (cases[i].error)
                assert_string_equal(error, cases[i].error);
        }
    }
}

static void decode(Arena *arena, const char *text, Sample *sample)
{
    DecodeReport report = {0};

    memset(sample, 0, sizeof(*sample));
    assert_int_equal(json_decode(&sample_type, arena, json(arena, text), 0, NULL, sample, &report),
                     0);
}

static void values_own_what_changed(void **state)
{
    static const struct {
        const char *before, *after, *changed, *removed;
    } cases[] = {
        {"{}", "{}", "{}", "{}"},
        {"{}", "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"}}}",
         "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:x\":{}},\"f:name\":{}}}", "{}"},
        {"{\"metadata\":{\"labels\":{\"x\":\"1\",\"y\":\"1\"}}}",
         "{\"metadata\":{\"labels\":{\"x\":\"2\",\"z\":\"1\"}}}",
         "{\"f:metadata\":{\"f:labels\":{\"f:x\":{},\"f:z\":{}}}}",
         "{\"f:metadata\":{\"f:labels\":{\"f:y\":{}}}}"},
        {"{\"metadata\":{\"labels\":{\"x\":\"1\"}}}", "{}", "{}",
         "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:x\":{}}}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\",\"image\":\"2\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\"f:image\":{}},\"k:{"
         "\\\"name\\\":\\\"c\\\"}\":{\".\":{},"
         "\"f:name\":{}}}}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"b\\\"}\":{\".\":{},\"f:name\":{}}}}"
         "}"},
        {"{\"spec\":{\"nodeSelector\":{\"a\":\"b\"},\"numbers\":[1]}}",
         "{\"spec\":{\"nodeSelector\":{\"a\":\"c\"},\"numbers\":[1]}}",
         "{\"f:spec\":{\"f:nodeSelector\":{}}}", "{}"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"medium\":\"m\"}}]}}",
         "{\"f:spec\":{\"f:volumes\":{\"k:{\\\"name\\\":\\\"v\\\"}\":{\"f:hostPath\":{\".\":{},\"f:"
         "medium\":{}}}}}}",
         "{\"f:spec\":{\"f:volumes\":{\"k:{\\\"name\\\":\\\"v\\\"}\":{\"f:emptyDir\":{}}}}}"},
        {"{}", "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}", "{}"},
        /* elements that have the same key are one value */
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}", "{}", "{}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\",\"image\":\"1\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\",\"image\":\"2\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}", "{}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"2\"},{\"name\":\"a\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}", "{}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}", "{}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\".\":{},\"f:image\":{},"
         "\"f:name\":{}}}}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\".\":{},\"f:image\":{},"
         "\"f:name\":{}}}}}"},
    };

    EACH_ROW(i, cases, cases[i].before) {
        _arena_ Arena arena = ARENA_INIT;
        Sample before, after;
        FieldSet *changed, *removed;

        decode(&arena, cases[i].before, &before);
        decode(&arena, cases[i].after, &after);
        changed = fieldset_changed(&sample_type, &arena, &before, &after, &removed);
        assert_string_equal(print(&arena, changed), cases[i].changed);
        assert_string_equal(print(&arena, removed), cases[i].removed);
    }
}

static void applied_documents_are_merged(void **state)
{
    static const struct {
        const char *live, *applied, *drop, *out;
    } cases[] = {
        {"{\"spec\":{\"replicas\":1,\"policy\":\"p\"}}", "{\"spec\":{\"replicas\":2}}", "",
         "{\"spec\":{\"replicas\":2,\"policy\":\"p\"}}"},
        {"{\"spec\":{\"selector\":{\"a\":\"1\"}}}",
         "{\"spec\":{\"selector\":null,\"replicas\":null}}", "",
         "{\"spec\":{\"selector\":{\"a\":\"1\"},\"replicas\":null}}"},
        {"{\"spec\":{\"nodeSelector\":{\"a\":\"1\"},\"numbers\":[1,2]}}",
         "{\"spec\":{\"nodeSelector\":{\"b\":\"2\"},\"numbers\":[3]}}", "",
         "{\"spec\":{\"nodeSelector\":{\"b\":\"2\"},\"numbers\":[3]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"x\",\"b\"]}}", "",
         "{\"metadata\":{\"finalizers\":[\"a\",\"x\",\"b\",\"c\"]}}"},
        /* what only others have stays behind what it was behind, as far as the applied order allows */
        {"{\"metadata\":{\"finalizers\":[\"a\",\"c\",\"z\"]}}",
         "{\"metadata\":{\"finalizers\":[\"a\",\"y\",\"c\"]}}", "",
         "{\"metadata\":{\"finalizers\":[\"a\",\"y\",\"c\",\"z\"]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"c\",\"a\"]}}", "",
         "{\"metadata\":{\"finalizers\":[\"b\",\"c\",\"a\"]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"x\",\"b\",\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"a\",\"y\",\"c\",\"b\"]}}", "",
         "{\"metadata\":{\"finalizers\":[\"a\",\"x\",\"y\",\"c\",\"b\"]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\",\"args\":[\"x\"]}]}}", "",
         "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\",\"image\":\"1\",\"args\":["
         "\"x\"]},{\"name\":\"b\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}", "",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}"},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}", "{}",
         "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}}}",
         "{\"metadata\":{\"labels\":{\"b\":\"2\"}}}"},
        {"{\"metadata\":{\"name\":\"n\",\"labels\":{\"a\":\"1\"}}}", "{}",
         "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}}}", "{\"metadata\":{\"name\":\"n\"}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":"
         "\"2\"}]}}",
         "{}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\".\":{},\"f:image\":{}},"
         "\"k:{\\\"name\\\":\\\"b\\\"}\":{\"f:image\":{}}}}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"}]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}", "{}",
         "{\"f:metadata\":{\"f:finalizers\":{\"v:\\\"a\\\"\":{}}}}",
         "{\"metadata\":{\"finalizers\":[\"b\"]}}"},
    };

    EACH_ROW(i, cases, cases[i].live) {
        _arena_ Arena arena = ARENA_INIT;
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *merged =
            fieldset_apply(&sample_type, doc, json(&arena, cases[i].live),
                           json(&arena, cases[i].applied), parse(&arena, cases[i].drop), &arena);
        char *text = yyjson_mut_val_write(merged, 0, NULL);

        assert_string_equal(text, cases[i].out);
        free(text);
        yyjson_mut_doc_free(doc);
    }
}

static void structs_are_given_up_as_a_whole(void **state)
{
    static const struct {
        const char *last, *owned, *out;
    } cases[] = {
        {"{\"f:spec\":{\"f:selector\":{\"f:a\":{}}}}", "{\"f:spec\":{\"f:replicas\":{}}}",
         "{\"f:spec\":{\"f:selector\":{\".\":{},\"f:a\":{}}}}"},
        {"{\"f:spec\":{\"f:selector\":{\"f:a\":{}}}}", "{\"f:spec\":{\"f:selector\":{\"f:b\":{}}}}",
         "{\"f:spec\":{\"f:selector\":{\"f:a\":{}}}}"},
        {"{\"f:spec\":{\"f:replicas\":{}}}", "{}", "{\"f:spec\":{\".\":{},\"f:replicas\":{}}}"},
        {"{\"f:spec\":{\"f:replicas\":{}}}", "{\"f:spec\":{\"f:replicas\":{}}}", "{}"},
    };

    EACH_ROW(i, cases, cases[i].last) {
        _arena_ Arena arena = ARENA_INIT;

        assert_string_equal(
            print(&arena, fieldset_given_up(&sample_type, &arena, parse(&arena, cases[i].last),
                                            parse(&arena, cases[i].owned))),
            cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_canonical),
        cmocka_unit_test(sets_are_added_and_taken_away),
        cmocka_unit_test(paths_read_as_in_conflicts),
        cmocka_unit_test(paths_quote_what_stands_in_texts),
        cmocka_unit_test(trees_own_what_they_mention),
        cmocka_unit_test(values_own_what_changed),
        cmocka_unit_test(applied_documents_are_merged),
        cmocka_unit_test(structs_are_given_up_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
