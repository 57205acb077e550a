/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what is read, what is written, and the words for what is wrong. */
#include "testing.h"

#include "../sample_types.h"
#include "codec/json/json.h"

static int decode(Arena *arena, const char *text, unsigned flags, Sample *sample,
                  DecodeReport *report)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    yyjson_doc *doc;
    int r;

    *report = (DecodeReport){0};
    memset(sample, 0, sizeof(*sample));
    r = json_parse(arena, bytes_from_string(text), &doc, report);
    if (r)
        return r;
    return json_decode(&sample_type, arena, yyjson_doc_get_root(doc), flags, ignore, sample,
                       report);
}

static const char *encode(Arena *arena, const Sample *sample)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    json_encode(&sample_type, sample, NULL, &out);
    return arena_strdup(arena, out.p);
}

/* in: members of the object; out: what they become, "metadata" and "spec" filled as Go does. */
static void what_is_read_is_written(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"{}", "{\"metadata\":{},\"spec\":{\"containers\":null}}"},
        {"{\"kind\":\"Sample\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":null}}"},
        {"{\"metadata\":{\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"annotations\":{}}}",
         "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},\"spec\":{\"containers\":null}}"},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\",\"a\":\"3\",\"b\":null}}}",
         "{\"metadata\":{\"labels\":{\"a\":\"3\",\"b\":\"\"}},\"spec\":{\"containers\":null}}"},
        {"{\"spec\":{\"containers\":[],\"replicas\":0,\"seconds\":-5,\"paused\":true,\"ratio\":0.5}"
         "}",
         "{\"metadata\":{},\"spec\":{\"replicas\":0,\"seconds\":-5,\"paused\":true,\"ratio\":0.5,"
         "\"containers\":[]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"port\":80,\"target\":\"http\"},{"
         "\"target\":8}],"
         "\"limits\":{\"memory\":\"1024Mi\",\"cpu\":0.5}},null]}}",
         "{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"port\":80,"
         "\"target\":\"http\"},"
         "{\"port\":0,\"target\":8}],\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}},{\"name\":"
         "\"\"}]}}"},
        {"{\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"size\":\"1e3\"}"
         "},{\"hostPath\":null}]}}",
         "{\"metadata\":{},\"spec\":{\"containers\":[],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{"
         "\"size\":\"1e3\"}},"
         "{\"name\":\"\"}]}}"},
        {"{\"metadata\":{\"creationTimestamp\":\"2022-11-29T10:45:36+01:00\",\"deletionTimestamp\":"
         "null},"
         "\"spec\":{\"containers\":[],\"renewed\":\"2022-11-29T10:45:36.1234567Z\"}}",
         "{\"metadata\":{\"creationTimestamp\":\"2022-11-29T09:45:36Z\"},"
         "\"spec\":{\"containers\":[],\"renewed\":\"2022-11-29T10:45:36.123456Z\"}}"},
        {"{\"data\":{\"k\":\"AAEC/w==\",\"e\":\"\",\"n\":null}}",
         "{\"metadata\":{},\"spec\":{\"containers\":null},\"data\":{\"e\":\"\",\"k\":\"AAEC/"
         "w==\",\"n\":null}}"},
        {"{\"metadata\":{\"finalizers\":[null,\"f\"]},\"spec\":{\"containers\":[{\"args\":[null],"
         "\"limits\":{\"cpu\":null}}],\"numbers\":[null],\"extra\":{\"k\":[null],\"n\":null}}}",
         "{\"metadata\":{\"finalizers\":[\"\",\"f\"]},\"spec\":{\"containers\":[{\"name\":\"\","
         "\"args\":"
         "[\"\"],\"limits\":{\"cpu\":\"0\"}}],\"numbers\":[0],\"extra\":{\"k\":[\"\"],\"n\":null}}"
         "}"},
        {"{\"raw\": {\"a\" : [1, 2.50, 1e3, -7, \"<x>\", null, true]} }",
         "{\"metadata\":{},\"spec\":{\"containers\":null},\"raw\":{\"a\":[1,2.5,1000,-7,"
         "\"\\u003cx\\u003e\",null,true]}}"},
        {"{\"metadata\":{\"name\":\"\\u0001\\n\\t\\b\\f\\r\\\"\\\\/"
         "<>&\\u2028\\u2029\\u20ac\\u007f\"}}",
         "{\"metadata\":{\"name\":\"\\u0001\\n\\t\\b\\f\\r\\\"\\\\/"
         "\\u003c\\u003e\\u0026\\u2028\\u2029\xe2\x82\xac\x7f\"},"
         "\"spec\":{\"containers\":null}}"},
        {"{\"spec\":{\"containers\":[],\"className\":\"\",\"surge\":3,\"numbers\":[1,-2],"
         "\"extra\":{\"k\":[\"a\",\"b\"],\"e\":[]}}}",
         "{\"metadata\":{},\"spec\":{\"className\":\"\",\"containers\":[],\"numbers\":[1,-2],"
         "\"surge\":3,"
         "\"extra\":{\"e\":[],\"k\":[\"a\",\"b\"]}}}"},
    };

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        Sample sample;
        DecodeReport report;

        assert_int_equal(
            decode(&arena, cases[i].in, DECODE_CHECK_FIELDS, &sample, &report) & ~JSON_E_FIELD, 0);
        assert_true(type_sound(&sample_type, &sample));
        assert_string_equal(encode(&arena, &sample), cases[i].out);
    }
}

/* U+2028 and U+2029 are the only characters of more than one byte that are escaped. */
static void line_separators_are_escaped_wherever_they_are(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xe2\x80\xa8", "\"\\u2028\""},
        {"\xe2\x80\xa9", "\"\\u2029\""},
        {"a\xe2\x80\xa9z", "\"a\\u2029z\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
        {"<\xe2\x80\xa8>", "\"\\u003c\\u2028\\u003e\""},
        /* U+2027, U+202A, U+20A8, U+2068 */
        {"\xe2\x80\xa7", "\"\xe2\x80\xa7\""},
        {"\xe2\x80\xaa", "\"\xe2\x80\xaa\""},
        {"\xe2\x82\xa8", "\"\xe2\x82\xa8\""},
        {"\xe2\x81\xa8", "\"\xe2\x81\xa8\""},
    };
    static const char cut[] = "\xe2\x80\xa8";

    EACH_ROW(i, cases, cases[i].out) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        json_encode_string(&out, cases[i].in, strlen(cases[i].in));
        assert_string_equal(out.p, cases[i].out);
    }
    /* The bytes behind the end of a string do not complete its last character. */
    for (size_t n = 1; n < strlen(cut); n++) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        json_encode_string(&out, cut, n);
        assert_int_equal(out.n, n + 2);
        assert_memory_equal(out.p + 1, cut, n);
    }
}

static void errors_speak_as_kube_apiserver(void **state)
{
    static const struct {
        const char *in;
        int r;
        const char *error;
    } cases[] = {
        {"{\"spec\":{\"replicas\":\"x\"}}", JSON_E_TYPE,
         "json: cannot unmarshal string into Go struct field SampleSpec.spec.replicas of type "
         "int32"},
        {"{\"spec\":{\"replicas\":1.5}}", JSON_E_TYPE,
         "json: cannot unmarshal number 1.5 into Go struct field SampleSpec.spec.replicas of type "
         "int32"},
        {"{\"spec\":{\"replicas\":1.0}}", JSON_E_TYPE,
         "json: cannot unmarshal number 1.0 into Go struct field SampleSpec.spec.replicas of type "
         "int32"},
        {"{\"spec\":{\"replicas\":3000000000}}", JSON_E_TYPE,
         "json: cannot unmarshal number 3000000000 into Go struct field SampleSpec.spec.replicas "
         "of type int32"},
        {"{\"spec\":[]}", JSON_E_TYPE,
         "json: cannot unmarshal array into Go struct field Sample.spec of type v1.SampleSpec"},
        {"{\"spec\":{\"containers\":{}}}", JSON_E_TYPE,
         "json: cannot unmarshal object into Go struct field SampleSpec.spec.containers of type "
         "[]v1.Container"},
        {"{\"spec\":{\"containers\":[{\"name\":5}]}}", JSON_E_TYPE,
         "json: cannot unmarshal number into Go struct field Container.spec.containers.name of "
         "type string"},
        {"{\"metadata\":{\"labels\":{\"a\":true}}}", JSON_E_TYPE,
         "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type "
         "string"},
        {"{\"metadata\":{\"labels\":[]}}", JSON_E_TYPE,
         "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type "
         "map[string]string"},
        {"{\"spec\":{\"volumes\":[{\"emptyDir\":3}]}}", JSON_E_TYPE,
         "json: cannot unmarshal number into Go struct field "
         "Volume.spec.volumes.VolumeSource.emptyDir of type "
         "v1.Directory"},
        {"{\"spec\":{\"size\":\"abc\"}}", JSON_E_TYPE,
         "quantities must match the regular expression "
         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
        {"{\"data\":{\"a\":\"x\"}}", JSON_E_TYPE, "illegal base64 data at input byte 0"},
        {"{\"metadata\":{\"creationTimestamp\":\"2022-13\"}}", JSON_E_TYPE,
         "parsing time \"2022-13\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"-\""},
        {"[]", JSON_E_TYPE, "json: cannot unmarshal array into Go value of type v1.Sample"},
        {"{\"metadata\":{\"name\":\"a\\u0000b\"}}", JSON_E_TYPE,
         "json: cannot unmarshal string with a NUL character into Go struct field "
         "ObjectMeta.metadata.name of type string"},
        {"", JSON_E_SYNTAX, "unexpected end of JSON input"},
        {"{\"a\":", JSON_E_SYNTAX, "unexpected end of JSON input"},
        {"{,}", JSON_E_SYNTAX, "invalid character ',' looking for beginning of object key string"},
        {"{\"a\":x}", JSON_E_SYNTAX, "invalid character 'x' looking for beginning of value"},
        {"{} x", JSON_E_SYNTAX, "invalid character 'x' after top-level value"},
        {"\"\xff\"", JSON_E_SYNTAX, "invalid UTF-8 in string"},
        /* the character, as Go names it, and what was looked for there */
        {"~", JSON_E_SYNTAX, "invalid character '~' looking for beginning of value"},
        {"\x7f", JSON_E_SYNTAX, "invalid character '\\x7f' looking for beginning of value"},
        {"\x01", JSON_E_SYNTAX, "invalid character '\\x01' looking for beginning of value"},
        {"'", JSON_E_SYNTAX, "invalid character '\\'' looking for beginning of value"},
        {"{} \"", JSON_E_SYNTAX, "invalid character '\"' after top-level value"},
        {"- 1", JSON_E_SYNTAX, "invalid character ' ' in numeric literal"},
        {"\"\t\"", JSON_E_SYNTAX, "invalid character '\\t' in string literal"},
        {"\"\n\"", JSON_E_SYNTAX, "invalid character '\\n' in string literal"},
        {"[1 2]", JSON_E_SYNTAX, "invalid character '2' after array element"},
        {"{\"a\":[1,{}] [", JSON_E_SYNTAX, "invalid character '[' after object key:value pair"},
        {"[{\"a]\\\"\":[]} {", JSON_E_SYNTAX, "invalid character '{' after array element"},
        {"{\"a\" 1}", JSON_E_SYNTAX, "invalid character '1' after object key"},
        {"{\"a\":\"b\" 1}", JSON_E_SYNTAX, "invalid character '1' after object key:value pair"},
        {"{\"a\":1,}", JSON_E_SYNTAX,
         "invalid character '}' looking for beginning of object key string"},
        {"{\"a\":1,\"b\" 1}", JSON_E_SYNTAX, "invalid character '1' after object key"},
        {"[1,]", JSON_E_SYNTAX, "invalid character ']' looking for beginning of value"},
        {"{\"a\":1:2}", JSON_E_SYNTAX, "invalid character ':' after object key:value pair"},
        {"[1:2]", JSON_E_SYNTAX, "invalid character ':' after array element"},
        {"{\"a\":1 \"b\":2}", JSON_E_SYNTAX, "invalid character '\"' after object key:value pair"},
        {"{ x", JSON_E_SYNTAX, "invalid character 'x' looking for beginning of object key string"},
        {"{\"a\" : \n}", JSON_E_SYNTAX, "invalid character '}' looking for beginning of value"},
    };

    EACH_ROW(i, cases, cases[i].in) {
        _arena_ Arena arena = ARENA_INIT;
        Sample sample;
        DecodeReport report;

        assert_int_equal(decode(&arena, cases[i].in, 0, &sample, &report), cases[i].r);
        assert_string_equal(report.error, cases[i].error);
    }
}

static void unknown_and_duplicate_fields_are_named(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Sample sample;
    DecodeReport report;
    static const char *const expected[] = {
        "unknown field \"foo\"",
        "duplicate field \"metadata.name\"",
        "duplicate field \"metadata.labels.a\"",
        "unknown field \"spec.containers[1].x\"",
        "duplicate field \"spec.replicas\"",
        "unknown field \"spec.Replicas\"",
    };

    assert_int_equal(
        decode(&arena,
               "{\"kind\":\"Sample\",\"foo\":{\"x\":1},\"metadata\":{\"name\":\"a\",\"name\":\"b\","
               "\"labels\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}},"
               "\"spec\":{\"containers\":[{},{\"x\":1,\"x\":2}],\"replicas\":1,\"replicas\":2,"
               "\"Replicas\":4}}",
               DECODE_CHECK_FIELDS, &sample, &report),
        JSON_E_FIELD);
    assert_int_equal(report.field_errors.n, ARRAY_LEN(expected));
    EACH_ROW(i, expected, expected[i])
        assert_string_equal(report.field_errors.v[i], expected[i]);
    assert_string_equal(sample.metadata.name, "b");
    assert_int_equal(*sample.spec.replicas, 2);
}

static void depth_is_limited(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_doc *doc;
    DecodeReport report = {0};
    char text[512];

    memset(text, '[', 101);
    memset(text + 101, ']', 101);
    assert_int_equal(json_parse(&arena, (Bytes){(uint8_t *)text, 202}, &doc, &report),
                     JSON_E_SYNTAX);
    assert_string_equal(report.error, "exceeded max depth");
    assert_int_equal(json_parse(&arena, (Bytes){(uint8_t *)text + 1, 200}, &doc, &report), 0);
}

static void doubles_are_written_as_go_does(void **state)
{
    static const struct {
        double v;
        const char *out;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {100, "100"},
        {0.1, "0.1"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e300, "1.5e+300"},
        {123456.789, "123456.789"},
        {1.0 / 3, "0.3333333333333333"},
        {2.5e-9, "2.5e-9"},
        {10.25, "10.25"},
    };

    EACH_ROW(i, cases, cases[i].out) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        json_encode_double(&out, cases[i].v);
        assert_string_equal(out.p, cases[i].out);
    }
}

static void prefix_comes_first(void **state)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    Sample sample = {.metadata = {.name = "a"}};

    json_encode(&sample_type, &sample, "\"kind\":\"Sample\",\"apiVersion\":\"v1\"", &out);
    assert_string_equal(out.p,
                        "{\"kind\":\"Sample\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},"
                        "\"spec\":{\"containers\":null}}");
}

static void trees_give_the_value_back(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Sample sample, again = {0};
    DecodeReport report;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    assert_int_equal(decode(&arena,
                            "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"<\"}},\"spec\":{"
                            "\"containers\":[{\"name\":"
                            "\"c\",\"args\":[\"1\",\"2\"]}],\"surge\":\"10%\",\"ratio\":0.25}}",
                            0, &sample, &report),
                     0);
    assert_int_equal(json_decode_tree(&sample_type, &arena, json_tree(&sample_type, &sample, doc),
                                      0, NULL, &again, &report),
                     0);
    assert_true(type_equal(&sample_type, &sample, &again));
    yyjson_mut_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written),
        cmocka_unit_test(line_separators_are_escaped_wherever_they_are),
        cmocka_unit_test(errors_speak_as_kube_apiserver),
        cmocka_unit_test(unknown_and_duplicate_fields_are_named),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(doubles_are_written_as_go_does),
        cmocka_unit_test(prefix_comes_first),
        cmocka_unit_test(trees_give_the_value_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
