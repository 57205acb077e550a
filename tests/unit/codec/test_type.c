/* SPDX-License-Identifier: Apache-2.0 */
/* Copy, compare, default; and what quantities and base64 come to. */
#include "testing.h"

#include "codec/base64.h"
#include "codec/base64url.h"
#include "codec/json/json.h"
#include "codec/quantity.h"
#include "sample_types.h"

static const char full[] =
    "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2022-11-29T10:45:36Z\",\"labels\":{"
    "\"a\":\"1\"},"
    "\"finalizers\":[\"x/"
    "y\"]},\"spec\":{\"replicas\":3,\"ratio\":1.5,\"className\":\"\",\"selector\":{\"a\":\"1\"},"
    "\"containers\":[{\"name\":\"c\",\"args\":[\"x\"],\"ports\":[{\"name\":\"p\",\"port\":80,"
    "\"target\":\"http\"}],"
    "\"limits\":{\"cpu\":\"1\"}}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],\"numbers\":[1,2],"
    "\"surge\":1,"
    "\"size\":\"1Gi\",\"extra\":{\"k\":[\"v\"]}},\"data\":{\"k\":\"eA==\"},\"raw\":{\"x\":1}}";

static void decode(Arena *arena, const char *text, Sample *sample)
{
    yyjson_doc *doc;
    DecodeReport report = {0};

    memset(sample, 0, sizeof(*sample));
    assert_int_equal(json_parse(arena, bytes_from_string(text), &doc, &report), 0);
    assert_int_equal(
        json_decode(&sample_type, arena, yyjson_doc_get_root(doc), 0, NULL, sample, &report), 0);
}

static void every_name_is_found(void **state)
{
    for (size_t i = 0; i < sample_spec_type.n_fields; i++) {
        const Field *field = &sample_spec_type.fields[i];
        const TypeName *name = type_find(&sample_spec_type, field->json, field->json_length);

        assert_non_null(name);
        assert_ptr_equal(name->field, field);
    }
    assert_null(type_find(&sample_spec_type, "replica", 7));
    assert_null(type_find(&sample_spec_type, "", 0));
}

static void copies_are_deep_and_equal(void **state)
{
    _arena_ Arena arena = ARENA_INIT, other = ARENA_INIT;
    Sample sample, copy;
    _strbuf_ StrBuf out = STRBUF_INIT;

    decode(&arena, full, &sample);
    type_copy(&sample_type, &other, &copy, &sample);
    assert_true(type_equal(&sample_type, &sample, &copy));
    assert_ptr_not_equal(sample.spec.containers.v, copy.spec.containers.v);
    assert_ptr_not_equal(sample.spec.replicas, copy.spec.replicas);
    arena_clear(&arena);
    json_encode(&sample_type, &copy, NULL, &out);
    assert_string_equal(out.p, full);
}

static void differences_are_seen(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"{}", "{}", true},
        {"{\"spec\":{\"containers\":[]}}", "{}", true},
        {"{\"spec\":{\"replicas\":0}}", "{}", false},
        {"{\"spec\":{\"className\":\"\"}}", "{}", false},
        {"{\"spec\":{\"policy\":\"\"}}", "{}", true},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}", "{\"metadata\":{\"labels\":{\"b\":\"1\"}}}",
         false},
        {"{\"spec\":{\"surge\":1}}", "{\"spec\":{\"surge\":\"1\"}}", false},
        {"{\"spec\":{\"containers\":[{\"args\":[\"a\"]}]}}",
         "{\"spec\":{\"containers\":[{\"args\":[\"b\"]}]}}", false},
        {"{\"data\":{\"a\":\"eA==\"}}", "{\"data\":{\"a\":\"eQ==\"}}", false},
    };

    EACH_ROW(i, cases, cases[i].a) {
        _arena_ Arena arena = ARENA_INIT;
        Sample a, b;

        decode(&arena, cases[i].a, &a);
        decode(&arena, cases[i].b, &b);
        assert_int_equal(type_equal(&sample_type, &a, &b), cases[i].equal);
    }
}

/* See "What objects hold" in docs/ARCHITECTURE.md. */
static void what_lists_and_maps_hold_is_never_absent(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Sample sample;
    const char **places[6];
    IntOrString *surge;

    decode(&arena, full, &sample);
    assert_true(type_sound(&sample_type, &sample));
    places[0] = &sample.metadata.finalizers.v[0];
    places[1] = &sample.metadata.labels.v[0].key;
    places[2] = &sample.metadata.labels.v[0].value;
    places[3] = &sample.spec.containers.v[0].args.v[0];
    places[4] = &sample.spec.containers.v[0].limits.v[0].value;
    places[5] = &sample.spec.extra.v[0].value.items.v[0];
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *was = *places[i];

        *places[i] = NULL;
        assert_false(type_sound(&sample_type, &sample));
        *places[i] = was;
        assert_true(type_sound(&sample_type, &sample));
    }
    surge = sample.spec.surge;
    *surge = (IntOrString){.is_string = true};
    assert_false(type_sound(&sample_type, &sample));
    /* Whatever is not an element may be absent. */
    sample.spec.surge = NULL;
    sample.metadata.name = NULL;
    sample.spec.size = NULL;
    sample.spec.containers.v[0].image = NULL;
    assert_true(type_sound(&sample_type, &sample));
}

static void defaults_fill_what_is_absent(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Sample sample;
    _strbuf_ StrBuf out = STRBUF_INIT;

    decode(&arena,
           "{\"spec\":{\"surge\":0,\"containers\":[{\"name\":\"c\",\"ports\":[{\"port\":1},{"
           "\"protocol\":\"UDP\"}]}]}}",
           &sample);
    type_default(&sample_type, &arena, &sample);
    json_encode(&sample_type, &sample, NULL, &out);
    assert_string_equal(out.p, "{\"metadata\":{},\"spec\":{\"replicas\":1,\"policy\":"
                               "\"OrderedReady\",\"containers\":[{\"name\":"
                               "\"c\",\"ports\":[{\"port\":1,\"protocol\":\"TCP\",\"target\":0},{"
                               "\"port\":0,\"protocol\":\"UDP\","
                               "\"target\":0}]}],\"surge\":0}}");
}

static void quantities_become_canonical(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"0", "0"},
        {"1", "1"},
        {"1000", "1k"},
        {"1500", "1500"},
        {"0.5", "500m"},
        {"500m", "500m"},
        {"1000m", "1"},
        {"1024Mi", "1Gi"},
        {"1Gi", "1Gi"},
        {"256M", "256M"},
        {"1.5Gi", "1536Mi"},
        {"0.5Gi", "512Mi"},
        {"100Ki", "100Ki"},
        {"1023", "1023"},
        {"1e3", "1e3"},
        {"1E3", "1E3"},
        {"12e6", "12e6"},
        {"1000000", "1M"},
        {"-5", "-5"},
        {"0.1m", "100u"},
        {"1n", "1n"},
        {"0.1n", "1n"},
        {"1.500", "1.500"},
        {"1.50", "1500m"},
        {"0.001", "1m"},
        {"1Ki", "1Ki"},
        {"0.5Ki", "512"},
        {" 5 ", "5"},
        {"5T", "5T"},
        {"1000Gi", "1000Gi"},
        {"1.5", "1500m"},
        {"00", "0"},
        {"16Ei", "9223372036854775807"},
        {"0Ki", "0"},
        {"128974848", "128974848"},
        {"129e6", "129e6"},
        {"123Mi", "123Mi"},
        {"128974848000m", "128974848"},
        {"1.Gi", "1.Gi"},
        {".5", "500m"},
        {"+5", "+5"},
        {".", "0"},
        {"Gi", "0"},
        {"1e-3", "1e-3"},
        {"1.5e3", "1500"},
        {"0.0000001Gi", "107374182400n"},
        {"12345678901234567890", "12345678901234567890"},
        {"1e30", "1e30"},
        {"123456789012345678901234567890m", "123456789012345678901234567890m"},
        {"2.5Ti", "2560Gi"},
        {"0.1Gi", "107374182400m"},
        {"100000000000000000000Ki", "9223372036854775807"},
        {"5E", "5E"},
        {"3000Ki", "3000Ki"},
        /* as Kubernetes keeps the text of numbers that are short enough */
        {"+12345679Mi", "+12345679Mi"},
        {"+123456789Mi", "123456789Mi"},
    };
    static const char *const bad[] = {"",    "abc", "1x",   "1.5.5", "1 Gi",
                                      "--5", "1eX", "1KiB", "0x10",  "1e"};
    _arena_ Arena arena = ARENA_INIT;
    const char *out;

    EACH_ROW(i, cases, cases[i].in) {
        assert_int_equal(quantity_canonical(&arena, cases[i].in, strlen(cases[i].in), &out), 0);
        assert_string_equal(out, cases[i].out);
    }
    EACH_ROW(i, bad, bad[i])
        assert_int_not_equal(quantity_canonical(&arena, bad[i], strlen(bad[i]), &out), 0);
}

/* A ResourceFieldSelector without a divisor reads back as one with the divisor "0". */
static void an_absent_quantity_equals_zero(void **state)
{
    static const Field field = {.value = VALUE_QUANTITY, .shape = SHAPE_ONE};
    const char *absent = NULL, *zero = "0", *one = "1";

    assert_true(type_field_equal(&field, &absent, &zero));
    assert_true(type_field_equal(&field, &zero, &absent));
    assert_false(type_field_equal(&field, &absent, &one));
    assert_false(type_field_equal(&field, &one, &zero));
}

static void quantities_are_numbers(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_int_equal(quantity_value("1Gi"), 1 << 30);
    assert_int_equal(quantity_value("500m"), 1);
    assert_int_equal(quantity_value("-1500m"), -2);
    assert_int_equal(quantity_value("1e30"), INT64_MAX);
    assert_int_equal(quantity_value("nonsense"), 0);
    assert_int_equal(quantity_milli("1.5"), 1500);
    assert_int_equal(quantity_milli("100u"), 1);
    assert_true(quantity_compare("1024Mi", "1Gi") == 0);
    assert_true(quantity_compare("1G", "1Gi") < 0);
    assert_true(quantity_compare("2", "1500m") > 0);
    assert_true(quantity_compare("-1", "0") < 0);
    assert_string_equal(quantity_from(&arena, 1 << 30, true), "1Gi");
    assert_string_equal(quantity_from(&arena, 1000, false), "1k");
    assert_string_equal(quantity_from(&arena, 1000, true), "1k");
    assert_string_equal(quantity_from_nano(&arena, 1250000000), "1250m");
    assert_string_equal(quantity_from_nano(&arena, 1), "1n");
    assert_string_equal(quantity_from_nano(&arena, 0), "0");
    assert_string_equal(quantity_add(&arena, "0", "1Ki"), "1Ki");
    assert_string_equal(quantity_add(&arena, "1500m", "500m"), "2");
    assert_string_equal(quantity_add(&arena, "-1", "0.5"), "-500m");
    assert_string_equal(quantity_from(&arena, 0, true), "0");
    assert_string_equal(quantity_from(&arena, INT64_MIN, false), "-9223372036854775808");
}

/* As in Go, a sum has the format of its first number, unless that is zero. */
static void sums_keep_the_format_of_the_first_number(void **state)
{
    static const struct {
        const char *a, *b, *sum, *difference;
    } cases[] = {
        {"1", "500m", "1500m", "500m"},
        {"1Gi", "1Gi", "2Gi", "0"},
        {"0", "1Gi", "1Gi", "-1Gi"},
        {NULL, "2", "2", "-2"},
        {"1Gi", NULL, "1Gi", "1Gi"},
        {"1G", "1Gi", "2073741824", "-73741824"},
        {"1Gi", "1G", "2073741824", "73741824"},
        {"100m", "900m", "1", "-800m"},
        {"1500Mi", "36Mi", "1536Mi", "1464Mi"},
        {"1", "1n", "1000000001n", "999999999n"},
        {"-1", "2", "1", "-3"},
        {"1e3", "1", "1001", "999"},
    };
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW_OF(i, ARRAY_LEN(cases), "sums", cases[i].sum) {
        assert_string_equal(quantity_add(&arena, cases[i].a, cases[i].b), cases[i].sum);
        assert_string_equal(quantity_subtract(&arena, cases[i].a, cases[i].b), cases[i].difference);
    }
}

static void base64_is_as_strict_as_go(void **state)
{
    static const struct {
        const char *in;
        int bad; /* -1: fine */
        const char *out;
    } cases[] = {
        {"", -1, ""},        {"eA==", -1, "x"},         {"eHk=", -1, "xy"},
        {"eHl6", -1, "xyz"}, {"eH\nl6\r\n", -1, "xyz"}, {"eHl6eA==\n", -1, "xyzx"},
        {"eHl6e", 4, NULL},  {"eA=", 3, NULL},          {"eA", 0, NULL},
        {"e===", 1, NULL},   {"eA==x", 4, NULL},        {"e A==", 1, NULL},
        {"====", 0, NULL},   {"eHl-", 3, NULL},
    };
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, cases, cases[i].in) {
        Bytes b = BYTES_NULL;
        size_t bad = 999;
        int r = base64_decode(&arena, cases[i].in, strlen(cases[i].in), &b, &bad);

        if (cases[i].bad >= 0) {
            assert_int_not_equal(r, 0);
            assert_int_equal(bad, cases[i].bad);
            continue;
        }
        assert_int_equal(r, 0);
        assert_non_null(b.p);
        assert_true(bytes_equal(b, bytes_from_string(cases[i].out)));
    }
}

static void bytes_of_every_length_go_through_base64_and_back(void **state)
{
    uint8_t bytes[200];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf text = STRBUF_INIT;
        Bytes back = BYTES_NULL;
        size_t bad;

        base64_encode((Bytes){bytes, n}, &text);
        assert_int_equal(text.n, base64_length(n));
        assert_int_equal(base64_decode(&arena, strbuf_string(&text), text.n, &back, &bad), 0);
        assert_true(bytes_equal(back, (Bytes){bytes, n}));
    }
}

/* The vectors of RFC 4648, without padding, and the two digits that differ from base64. */
static void base64url_is_written_without_padding_and_read_back(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},
        {"f", "Zg"},
        {"fo", "Zm8"},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg"},
        {"fooba", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xef\xbe", "----"},
        {"\xff\xff\xff", "____"},
        {"\xff\xff", "__8"},
        {"\xff", "_w"},
    };
    static const char *const refused[] = {
        "A", "AAAAA", "Zg==", "Zm8=", "Zm+v", "Zm/v", "Zm9 ", "Zm9\n"};
    _arena_ Arena arena = ARENA_INIT;
    Bytes bytes;

    EACH_ROW(i, cases, cases[i].text) {
        size_t n = strlen(cases[i].bytes);
        _strbuf_ StrBuf text = STRBUF_INIT;

        strbuf_add_char(&text, '.');
        base64url_add(&text, (const uint8_t *)cases[i].bytes, n);
        assert_string_equal(text.p + 1, cases[i].text);
        assert_int_equal(base64url_decode(&arena, cases[i].text, strlen(cases[i].text), &bytes), 0);
        assert_int_equal(bytes.n, n);
        assert_memory_equal(bytes.p, cases[i].bytes, n);
    }
    EACH_ROW(i, refused, refused[i])
        assert_int_equal(base64url_decode(&arena, refused[i], strlen(refused[i]), &bytes), 1);
    assert_int_equal(base64url_decode(&arena, "A\0AA", 4, &bytes), 1);
}

static void each_suffix_is_a_power_of_a_thousand_or_of_1024(void **state)
{
    static const char *const decimal[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"},
                             *const binary[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    char few[16], many[16];

    for (size_t i = 1; i < ARRAY_LEN(decimal); i++) {
        snprintf(few, sizeof(few), "3%s", decimal[i]);
        snprintf(many, sizeof(many), "3000%s", decimal[i - 1]);
        assert_int_equal(quantity_compare(few, many), 0);
    }
    for (size_t i = 1; i < ARRAY_LEN(binary); i++) {
        snprintf(few, sizeof(few), "3%s", binary[i]);
        snprintf(many, sizeof(many), "3072%s", binary[i - 1]);
        assert_int_equal(quantity_compare(few, many), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found),
        cmocka_unit_test(copies_are_deep_and_equal),
        cmocka_unit_test(differences_are_seen),
        cmocka_unit_test(what_lists_and_maps_hold_is_never_absent),
        cmocka_unit_test(defaults_fill_what_is_absent),
        cmocka_unit_test(quantities_become_canonical),
        cmocka_unit_test(an_absent_quantity_equals_zero),
        cmocka_unit_test(sums_keep_the_format_of_the_first_number),
        cmocka_unit_test(quantities_are_numbers),
        cmocka_unit_test(base64_is_as_strict_as_go),
        cmocka_unit_test(bytes_of_every_length_go_through_base64_and_back),
        cmocka_unit_test(base64url_is_written_without_padding_and_read_back),
        cmocka_unit_test(each_suffix_is_a_power_of_a_thousand_or_of_1024),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
