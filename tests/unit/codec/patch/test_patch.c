/* SPDX-License-Identifier: Apache-2.0 */
/* The three patches on JSON trees: object + patch = result or message. */
#include "testing.h"

#include "../sample_types.h"
#include "codec/json/json.h"
#include "codec/patch/patch.h"

typedef struct PatchCase {
    const char *object, *patch;
    int r;
    const char *out; /* result or message */
} PatchCase;

typedef enum { JSON, MERGE, STRATEGIC } PatchSort;

static void run(PatchSort sort, const PatchCase *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _arena_ Arena arena = ARENA_INIT;
        DecodeReport report = {0};
        yyjson_doc *object, *patch;
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *tree, *result = NULL;
        const char *error = NULL;
        char *text;
        int r;

        assert_int_equal(json_parse(&arena, bytes_from_string(cases[i].object), &object, &report),
                         0);
        assert_int_equal(json_parse(&arena, bytes_from_string(cases[i].patch), &patch, &report), 0);
        tree = yyjson_val_mut_copy(doc, yyjson_doc_get_root(object));
        if (sort == JSON)
            r = patch_json(doc, tree, yyjson_doc_get_root(patch), &arena, &result, &error);
        else if (sort == MERGE)
            r = patch_merge(doc, tree, yyjson_doc_get_root(patch), &arena, &result);
        else
            r = patch_strategic(&sample_type, doc, tree, yyjson_doc_get_root(patch), &arena,
                                &result, &error);
        if (r != cases[i].r)
            print_error("%s + %s: %s\n", cases[i].object, cases[i].patch, error ? error : "");
        assert_int_equal(r, cases[i].r);
        if (r) {
            if (cases[i].out)
                assert_string_equal(error, cases[i].out);
        } else {
            text = yyjson_mut_val_write(result, 0, NULL);
            assert_string_equal(text, cases[i].out);
            free(text);
        }
        yyjson_mut_doc_free(doc);
    }
}

static void json_patches_do_as_rfc_6902_says(void **state)
{
    static const PatchCase cases[] = {
        {"{\"a\":1}", "[]", 0, "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":{\"c\":[]}}]", 0,
         "{\"a\":1,\"b\":{\"c\":[]}}"},
        {"{\"a\":[1,2]}",
         "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":9},{\"op\":\"add\",\"path\":\"/a/"
         "-\",\"value\":8}]",
         0, "{\"a\":[1,9,2,8]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/-1\"}]", 0, "{\"a\":[1]}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]", 0,
         "{\"a\":null,\"b\":2}"},
        {"{\"a/b\":1,\"m~n\":2}",
         "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"replace\",\"path\":\"/"
         "m~0n\",\"value\":3}]",
         0, "{\"m~n\":3}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]", 0,
         "{\"a\":{},\"c\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/c\"}]", 0,
         "{\"a\":{\"b\":1,\"c\":{\"b\":1}}}"},
        {"{\"a\":{\"x\":1,\"y\":2}}",
         "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":2,\"x\":1}}]", 0,
         "{\"a\":{\"x\":1,\"y\":2}}"},
        {"{}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", 0, "{}"},
        {"{}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"z\":1}}]", 0, "{\"z\":1}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", PATCH_E_CONFLICT,
         "testing value /a failed: test failed"},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/x\"}]", PATCH_E_CONFLICT,
         "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/x/y\",\"value\":1}]", PATCH_E_CONFLICT,
         "add operation does not apply: doc is missing path: \"/x/y\": missing value"},
        {"{\"a\":[]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":1}]", PATCH_E_CONFLICT,
         "replace operation does not apply: doc is missing key: /a/0: missing value"},
        {"{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":1}]", PATCH_E_CONFLICT,
         "error in add for path: '/a/2': Unable to access invalid index: 2: invalid index "
         "referenced"},
        {"{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/x\",\"value\":1}]", PATCH_E_CONFLICT,
         "error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: "
         "parsing \"x\": invalid syntax"},
        {"{}", "[{\"op\":\"jump\",\"path\":\"/a\"}]", PATCH_E_CONFLICT, "Unexpected kind: jump"},
        {"{}", "[{\"path\":\"/a\"}]", PATCH_E_CONFLICT, "Unexpected kind: unknown"},
        {"{}", "[{\"op\":\"remove\"}]", PATCH_E_CONFLICT,
         "remove operation failed to decode path: missing value"},
        {"{}", "{}", PATCH_E_MALFORMED,
         "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
        {"{}", "[3]", PATCH_E_MALFORMED,
         "json: cannot unmarshal number into Go value of type jsonpatch.Operation"},
    };

    run(JSON, cases, ARRAY_LEN(cases));
}

static void json_patches_count_elements_and_say_what_is_missing(void **state)
{
    static const PatchCase cases[] = {
        {"{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":9}]", 0,
         "{\"a\":[9,2]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/-1\",\"value\":9}]", 0,
         "{\"a\":[1,9]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/-1\",\"value\":9}]", 0,
         "{\"a\":[1,2,9]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/+1\",\"value\":9}]", 0,
         "{\"a\":[1,9,2]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":9}]", 0, "{\"a\":[1,2,9]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/-2\"}]", 0, "{\"a\":[2]}"},
        {"{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]", 0,
         "{\"a\":[2,3,1]}"},
        {"{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/2\",\"path\":\"/a/0\"}]", 0,
         "{\"a\":[3,1,2]}"},
        {"{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", 0, "{\"b\":null}"},
        {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a/0\",\"path\":\"/a/0\"}]", 0,
         "{\"a\":[1,1]}"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,{\"b\":2}]}]", 0,
         "{\"a\":[1,{\"b\":2}]}"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":1}]", 0,
         "{\"a\":[1,{\"b\":2}]}"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/-1\",\"value\":{\"b\":2}}]", 0,
         "{\"a\":[1,{\"b\":2}]}"},
        {"{\"a\":[1,{\"b\":2}]}",
         "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":[1,{\"b\":2}]}}]", 0,
         "{\"a\":[1,{\"b\":2}]}"},
        {"{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\"}]", 0, "{\"a\":null}"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1]}]",
         PATCH_E_CONFLICT, "testing value /a failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,{\"b\":3}]}]",
         PATCH_E_CONFLICT, "testing value /a failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[{\"b\":2},1]}]",
         PATCH_E_CONFLICT, "testing value /a failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{}}]",
         PATCH_E_CONFLICT, "testing value /a failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/1\",\"value\":{}}]",
         PATCH_E_CONFLICT, "testing value /a/1 failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}",
         "[{\"op\":\"test\",\"path\":\"/a/1\",\"value\":{\"b\":2,\"c\":3}}]", PATCH_E_CONFLICT,
         "testing value /a/1 failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/1\",\"value\":{\"c\":2}}]",
         PATCH_E_CONFLICT, "testing value /a/1 failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/1\",\"value\":[2]}]",
         PATCH_E_CONFLICT, "testing value /a/1 failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "testing value /a failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":1}]",
         PATCH_E_CONFLICT, "testing value /b failed: test failed"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/2\",\"value\":1}]",
         PATCH_E_CONFLICT,
         "error in test for path: '/a/2': Unable to access invalid index: 2: invalid index "
         "referenced"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/x\",\"value\":1}]",
         PATCH_E_CONFLICT,
         "error in test for path: '/a/x': strconv.Atoi: parsing \"x\": invalid syntax"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/x/y\",\"value\":1}]",
         PATCH_E_CONFLICT, "test operation does not apply: is missing path: /x/y: missing value"},
        {"{\"a\":[1,{\"b\":2}]}", "[{\"op\":\"test\",\"path\":\"/a/0/y\",\"value\":1}]",
         PATCH_E_CONFLICT, "test operation does not apply: is missing path: /a/0/y: missing value"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/2\"}]", PATCH_E_CONFLICT,
         "error in remove for path: '/a/2': Unable to access invalid index: 2: invalid index "
         "referenced"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/-3\"}]", PATCH_E_CONFLICT,
         "error in remove for path: '/a/-3': Unable to access invalid index: -3: invalid index "
         "referenced"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/-4\",\"value\":1}]", PATCH_E_CONFLICT,
         "error in add for path: '/a/-4': Unable to access invalid index: -4: invalid index "
         "referenced"},
        {"{}", "[{\"op\":\"remove\",\"path\":\"/x/y\"}]", PATCH_E_CONFLICT,
         "remove operation does not apply: doc is missing path: \"/x/y\": missing value"},
        {"{}", "[{\"op\":\"replace\",\"path\":\"/x/y\",\"value\":1}]", PATCH_E_CONFLICT,
         "replace operation does not apply: doc is missing path: /x/y: missing value"},
        {"{}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":1}]", PATCH_E_CONFLICT,
         "replace operation value must be object or array: missing value"},
        {"{}", "[{\"op\":\"move\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "move operation failed to decode from: operation, missing from field: missing value"},
        {"{}", "[{\"op\":\"move\",\"from\":\"/x/y\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "move operation does not apply: doc is missing from path: /x/y: missing value"},
        {"{}", "[{\"op\":\"move\",\"from\":\"/x\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "error in move for path: 'x': Unable to remove nonexistent key: x: missing value"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/x/y\"}]", PATCH_E_CONFLICT,
         "move operation does not apply: doc is missing destination path: /x/y: missing value"},
        {"{\"a\":[1],\"b\":2}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a/5\"}]",
         PATCH_E_CONFLICT,
         "error in move for path: '/a/5': Unable to access invalid index: 5: invalid index "
         "referenced"},
        {"{}", "[{\"op\":\"copy\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "copy operation failed to decode from: operation, missing from field: missing value"},
        {"{}", "[{\"op\":\"copy\",\"from\":\"/x/y\",\"path\":\"/a\"}]", PATCH_E_CONFLICT,
         "copy operation does not apply: doc is missing from path: /x/y: missing value"},
        {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a/5\",\"path\":\"/b\"}]", PATCH_E_CONFLICT,
         "error in copy for from: '/a/5': Unable to access invalid index: 5: invalid index "
         "referenced"},
        {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/x/y\"}]", PATCH_E_CONFLICT,
         "copy operation does not apply: doc is missing destination path: /x/y: missing value"},
        {"{\"a\":[1],\"b\":2}", "[{\"op\":\"copy\",\"from\":\"/b\",\"path\":\"/a/5\"}]",
         PATCH_E_CONFLICT,
         "error while adding value during copy: Unable to access invalid index: 5: invalid index "
         "referenced"},
        {"{}", "\"x\"", PATCH_E_MALFORMED,
         "json: cannot unmarshal string into Go value of type jsonpatch.Patch"},
        {"{}", "true", PATCH_E_MALFORMED,
         "json: cannot unmarshal bool into Go value of type jsonpatch.Patch"},
        {"{}", "1", PATCH_E_MALFORMED,
         "json: cannot unmarshal number into Go value of type jsonpatch.Patch"},
    };

    run(JSON, cases, ARRAY_LEN(cases));
}

static void an_object_of_which_most_members_are_removed_keeps_the_others(void **state)
{
    _strbuf_ StrBuf object = STRBUF_INIT, patch = STRBUF_INIT;

    for (int i = 0; i < 40; i++)
        strbuf_printf(&object, "%s\"m%d\":%d", i ? "," : "{", i, i);
    strbuf_add_char(&object, '}');
    strbuf_add_char(&patch, '[');
    for (int i = 0; i < 40; i++)
        if (i % 10 != 3)
            strbuf_printf(&patch, "{\"op\":\"remove\",\"path\":\"/m%d\"},", i);
    strbuf_add_string(&patch, "{\"op\":\"test\",\"path\":\"/m13\",\"value\":13},"
                              "{\"op\":\"replace\",\"path\":\"/m23\",\"value\":0},"
                              "{\"op\":\"remove\",\"path\":\"/m3\"},"
                              "{\"op\":\"add\",\"path\":\"/m4\",\"value\":4}]");
    run(JSON, &(PatchCase){object.p, patch.p, 0, "{\"m13\":13,\"m23\":0,\"m33\":33,\"m4\":4}"}, 1);
}

static void copies_cannot_grow_without_end(void **state)
{
    static const char op[] = "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"},";
    _strbuf_ StrBuf wide = STRBUF_INIT, deep = STRBUF_INIT, many = STRBUF_INIT;
    PatchCase cases[3];

    strbuf_add_char(&wide, '[');
    strbuf_add_char(&deep, '[');
    strbuf_add_char(&many, '[');
    for (int i = 0; i < 10001; i++)
        strbuf_add_string(&many, i ? ",{}" : "{}");
    for (int i = 0; i < 40; i++) {
        strbuf_add_string(&wide,
                          i % 2 ? "{\"op\":\"copy\",\"from\":\"/a/0\",\"path\":\"/a/-\"}," : op);
        strbuf_add_string(&deep, "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/0\"},");
    }
    strbuf_truncate(&wide, wide.n - 1);
    strbuf_truncate(&deep, deep.n - 1);
    strbuf_add_char(&wide, ']');
    strbuf_add_char(&deep, ']');
    strbuf_add_char(&many, ']');
    cases[0] = (PatchCase){"{\"a\":[[1]]}", wide.p, PATCH_E_CONFLICT, NULL};
    cases[1] = (PatchCase){"{\"a\":[]}", deep.p, PATCH_E_CONFLICT, NULL};
    cases[2] = (PatchCase){"{}", many.p, PATCH_E_TOO_LARGE,
                           "The allowed maximum operations in a JSON patch is 10000, got 10001"};
    run(JSON, cases, 3);
}

/* n arrays, each the only element of the one around it; the innermost contains the text. */
static char *nested(Arena *arena, unsigned n, const char *text)
{
    size_t length = strlen(text);
    char *v = arena_alloc(arena, 2 * n + length + 1);

    memset(v, '[', n);
    memcpy(v + n, text, length);
    memset(v + n + length, ']', n);
    return v;
}

/* Member b is DEPTH arrays around a 1. Each operation places n more arrays beside this 1, or instead
 * of it, so that the tree has 1 + DEPTH + n containers inside of each other. */
static void json_patches_make_trees_of_exactly_the_greatest_depth(void **state)
{
    enum { DEPTH = 60, FITS = JSON_DEPTH_MAX - 1 - DEPTH };
    static const struct {
        const char *op;
        bool has_value, keeps_a, keeps_1;
    } cases[] = {
        {"add", true, true, true},
        {"replace", true, true, false},
        {"copy", false, true, true},
        {"move", false, false, true},
    };

    EACH_ROW(i, cases, cases[i].op) {
        for (unsigned n = FITS; n <= FITS + 1; n++) {
            _arena_ Arena arena = ARENA_INIT;
            _strbuf_ StrBuf path = STRBUF_INIT;
            const char *value = nested(&arena, n, ""), *object, *patch, *out;

            for (unsigned level = 0; level < DEPTH; level++)
                strbuf_add_string(&path, "/0");
            object = arena_printf(&arena, "{\"a\":%s,\"b\":%s}", value, nested(&arena, DEPTH, "1"));
            patch = arena_printf(&arena, "[{\"op\":\"%s\",\"path\":\"/b%s\",%s%s}]", cases[i].op,
                                 path.p, cases[i].has_value ? "\"value\":" : "\"from\":\"/a\"",
                                 cases[i].has_value ? value : "");
            out = arena_printf(&arena, "%s%s", value, cases[i].keeps_1 ? ",1" : "");
            out = arena_printf(&arena, "{%s%s%s\"b\":%s}", cases[i].keeps_a ? "\"a\":" : "",
                               cases[i].keeps_a ? value : "", cases[i].keeps_a ? "," : "",
                               nested(&arena, DEPTH, out));
            if (n <= FITS)
                run(JSON, &(PatchCase){object, patch, 0, out}, 1);
            else
                run(JSON, &(PatchCase){object, patch, PATCH_E_CONFLICT, "exceeded max depth"}, 1);
        }
    }
}

static void merge_patches_do_as_rfc_7386_says(void **state)
{
    static const PatchCase cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", 0, "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", 0, "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", 0, "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", 0, "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", 0, "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":\"foo\"}", "{\"a\":{\"b\":1,\"c\":null}}", 0, "{\"a\":{\"b\":1}}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", 0, "{\"a\":{\"bb\":{}}}"},
        {"{\"e\":null}", "{\"a\":[1,null,{\"x\":null}]}", 0, "{\"e\":null,\"a\":[1,null,{}]}"},
        {"{\"a\":1}", "{\"a\":2,\"a\":null}", 0, "{}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":null,\"a\":{\"c\":2}}", 0, "{\"a\":{\"b\":1,\"c\":2}}"},
        {"[1]", "{\"a\":{\"b\":null,\"c\":1}}", 0, "{\"a\":{\"c\":1}}"},
        {"{\"a\":1}", "[1]", PATCH_E_MALFORMED, NULL},
        {"{\"a\":1}", "null", PATCH_E_MALFORMED, NULL},
    };

    run(MERGE, cases, ARRAY_LEN(cases));
}

#define CONTAINERS(list) "{\"spec\":{\"containers\":" list "}}"

static void strategic_patches_merge_lists_by_their_key(void **state)
{
    static const PatchCase cases[] = {
        {"{\"spec\":{\"replicas\":1,\"paused\":true}}",
         "{\"spec\":{\"replicas\":3,\"paused\":null}}", 0, "{\"spec\":{\"replicas\":3}}"},
        {"{}", "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":null}}}", 0,
         "{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"},
        {CONTAINERS("[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"}]"),
         CONTAINERS("[{\"name\":\"b\",\"image\":\"3\"}]"), 0,
         CONTAINERS("[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"3\"}]")},
        {CONTAINERS("[{\"name\":\"a\"}]"), CONTAINERS("[{\"name\":\"b\",\"image\":null}]"), 0,
         CONTAINERS("[{\"name\":\"b\"},{\"name\":\"a\"}]")},
        {CONTAINERS("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         CONTAINERS("[{\"name\":\"a\",\"$patch\":\"delete\"}]"), 0,
         CONTAINERS("[{\"name\":\"b\"}]")},
        {CONTAINERS("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         CONTAINERS("[{\"name\":\"c\"},{\"$patch\":\"replace\"}]"), 0,
         CONTAINERS("[{\"name\":\"c\"}]")},
        {CONTAINERS("[{\"name\":\"a\",\"args\":[\"x\",\"y\"]}]"),
         CONTAINERS("[{\"name\":\"a\",\"args\":[\"z\"]}]"), 0,
         CONTAINERS("[{\"name\":\"a\",\"args\":[\"z\"]}]")},
        {CONTAINERS("[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]"),
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"c\"},{\"name\":\"a\"}],\"containers\":[{\"name\":\"c\","
         "\"image\":\"i\"}]}}",
         0, CONTAINERS("[{\"name\":\"b\"},{\"name\":\"c\",\"image\":\"i\"},{\"name\":\"a\"}]")},
        {CONTAINERS("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}", 0,
         CONTAINERS("[{\"name\":\"b\"},{\"name\":\"a\"}]")},
        {"{\"spec\":{}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"b\"}]}}",
         0, CONTAINERS("[{\"name\":\"b\"}]")},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
         "{\"metadata\":{\"finalizers\":[\"c\",\"a\"]}}", 0,
         "{\"metadata\":{\"finalizers\":[\"c\",\"a\",\"b\"]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"b\",\"x\"],\"$setElementOrder/"
         "finalizers\":[\"c\",\"a\"]}}",
         0, "{\"metadata\":{\"finalizers\":[\"c\",\"a\"]}}"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"$retainKeys\":[\"name\",\"hostPath\"],\"name\":\"v\","
         "\"hostPath\":{\"medium\":\"m\"}}]}}",
         0, "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"medium\":\"m\"}}]}}"},
        {"{\"spec\":{\"selector\":{\"a\":\"1\"}}}",
         "{\"spec\":{\"selector\":{\"$patch\":\"replace\",\"b\":\"2\"}}}", 0,
         "{\"spec\":{\"selector\":{\"b\":\"2\"}}}"},
        {"{\"spec\":{\"selector\":{\"a\":\"1\"}}}",
         "{\"spec\":{\"selector\":{\"$patch\":\"delete\"}}}", 0, "{\"spec\":{\"selector\":{}}}"},
        {CONTAINERS("[{\"name\":\"a\",\"ports\":[{\"port\":80,\"name\":\"x\"}]}]"),
         CONTAINERS(
             "[{\"name\":\"a\",\"ports\":[{\"port\":80,\"protocol\":\"UDP\"},{\"port\":81}]}]"),
         0,
         CONTAINERS("[{\"name\":\"a\",\"ports\":[{\"port\":80,\"name\":\"x\",\"protocol\":\"UDP\"},"
                    "{\"port\":81}]}]")},
        {CONTAINERS("[{\"name\":\"a\"}]"), CONTAINERS("[{\"image\":\"x\"}]"), PATCH_E_MALFORMED,
         "map: map[image:x] does not contain declared merge key: name"},
        {CONTAINERS("[{\"name\":\"a\"}]"), CONTAINERS("[{\"name\":\"a\",\"$patch\":\"foo\"}]"),
         PATCH_E_MALFORMED, "unknown patch type: foo in map: map[$patch:foo name:a]"},
        {CONTAINERS("[{\"name\":\"a\"}]"), CONTAINERS("[[1]]"), PATCH_E_CONFLICT,
         "lists of lists are not supported"},
        {CONTAINERS("[{\"name\":\"a\"}]"),
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"x\"}],\"containers\":[{\"name\":\"b\"}]}}",
         PATCH_E_MALFORMED,
         "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder "
         "list:\n[map[name:x]]\n"},
        {"{\"spec\":{}}", "{\"spec\":{\"$retainKeys\":[\"a\"],\"b\":1}}", PATCH_E_MALFORMED,
         "invalid patch format of retainKeys"},
        {"{}", "[]", PATCH_E_MALFORMED, "invalid JSON document"},
    };

    run(STRATEGIC, cases, ARRAY_LEN(cases));
}

static void strategic_patches_say_what_they_refuse_and_leave_the_rest_in_place(void **state)
{
    static const PatchCase cases[] = {
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"image\":true}]}}", PATCH_E_MALFORMED,
         "map: map[image:true] does not contain declared merge key: name"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"image\":false,\"args\":[1,\"x\",1.5,{\"b\":null,\"a\":-1}]}"
         "]}}",
         PATCH_E_MALFORMED,
         "map: map[args:[1 x 1.5 map[a:-1 b:<nil>]] image:false] does not contain declared merge "
         "key: name"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"$patch\":\"delete\"}]}}", PATCH_E_MALFORMED,
         "map: map[$patch:delete] does not contain declared merge key: name"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}", "{\"spec\":{\"containers\":[\"x\"]}}",
         PATCH_E_MALFORMED, "list element types are not identical: [[map[name:a]] [x]]"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},null]}}", PATCH_E_MALFORMED,
         "list element types are not identical: [[map[name:a]] [map[name:b] <nil>]]"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"$patch\":\"merge\"}]}}", PATCH_E_MALFORMED,
         "merging lists cannot yet be specified in the patch"},
        {"{\"spec\":{\"selector\":{\"a\":\"1\"}}}",
         "{\"spec\":{\"selector\":{\"$patch\":\"foo\"}}}", PATCH_E_MALFORMED,
         "unknown patch type: foo in map: map[$patch:foo]"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"v\"}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":\"name\"}]}}", PATCH_E_MALFORMED,
         "invalid patch format of retainKeys"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":\"x\"}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a string"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":true}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a bool"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":3}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a int64"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":1.5}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a float64"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":{}}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a map[string]interface {}"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"$setElementOrder/containers\":null}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a %!s(<nil>)"},
        {"{\"spec\":{\"containers\":{}}}", "{\"spec\":{\"$setElementOrder/containers\":[]}}",
         PATCH_E_MALFORMED, "expected a []interface {}, but received a map[string]interface {}"},
        {"{\"spec\":{\"containers\":[]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[],\"containers\":3}}", PATCH_E_MALFORMED,
         "expected a []interface {}, but received a int64"},
        {"{\"spec\":{}}", "{\"spec\":{\"$setElementOrder/nope\":[]}}", PATCH_E_MALFORMED,
         "unable to find api field in struct SampleSpec for the json field \"nope\""},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"image\":\"x\"}],\"containers\":[{\"name\":\"a\"}]}}",
         PATCH_E_MALFORMED, "map: map[image:x] does not contain declared merge key: name"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"x\"}],\"containers\":[{\"image\":\"a\"}]}}",
         PATCH_E_MALFORMED, "map: map[image:a] does not contain declared merge key: name"},
        {"{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"x\"}]}}", PATCH_E_MALFORMED,
         "map: map[image:x] does not contain declared merge key: name"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[],\"containers\":[{\"name\":\"b\",\"image\":\"i\"}]}}",
         0, "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\",\"image\":\"i\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"b\"},{\"name\":\"a\"}],\"containers\":[]}}",
         0, "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}"},
        {"{\"spec\":{}}", "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"x\"}]}}", 0,
         "{\"spec\":{}}"},
        {"{\"spec\":{}}", "{\"spec\":{\"$deleteFromPrimitiveList/numbers\":[1]}}", 0,
         "{\"spec\":{}}"},
        {"{\"spec\":{\"replicas\":1}}", "{\"spec\":{\"$patch\":\"replace\"}}", 0, "{\"spec\":{}}"},
        {"{\"metadata\":{}}", "{\"metadata\":{\"labels\":{\"$patch\":\"delete\"}}}", 0,
         "{\"metadata\":{}}"},
        {"{\"metadata\":{}}", "{\"metadata\":{\"labels\":null}}", 0, "{\"metadata\":{}}"},
        {"{\"spec\":{\"numbers\":[1,2]}}", "{\"spec\":{\"numbers\":[3]}}", 0,
         "{\"spec\":{\"numbers\":[3]}}"},
        {"{\"spec\":{\"numbers\":[1,2,3]}}",
         "{\"spec\":{\"$deleteFromPrimitiveList/numbers\":[2]}}", 0,
         "{\"spec\":{\"numbers\":[1,3]}}"},
        {"{\"x\":[{\"a\":1}]}", "{\"x\":[{\"b\":2}]}", 0, "{\"x\":[{\"b\":2}]}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"},{"
         "\"name\":\"b\",\"image\":\"i\"}]}}",
         0, "{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"i\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/"
         "containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"b\",\"image\":\"i\"},{"
         "\"name\":\"a\",\"$patch\":\"delete\"}]}}",
         0, "{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"i\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"x\"},{\"name\":\"a\"},{\"name\":\"y\"},{\"name\":"
         "\"b\"},{\"name\":\"z\"}]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}", 0,
         "{\"spec\":{\"containers\":[{\"name\":\"x\"},{\"name\":\"y\"},{\"name\":\"b\"},{\"name\":"
         "\"a\"},{\"name\":\"z\"}]}}"},
    };

    run(STRATEGIC, cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_patches_do_as_rfc_6902_says),
        cmocka_unit_test(json_patches_count_elements_and_say_what_is_missing),
        cmocka_unit_test(an_object_of_which_most_members_are_removed_keeps_the_others),
        cmocka_unit_test(copies_cannot_grow_without_end),
        cmocka_unit_test(json_patches_make_trees_of_exactly_the_greatest_depth),
        cmocka_unit_test(merge_patches_do_as_rfc_7386_says),
        cmocka_unit_test(strategic_patches_merge_lists_by_their_key),
        cmocka_unit_test(strategic_patches_say_what_they_refuse_and_leave_the_rest_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
