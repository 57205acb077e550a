/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf: values go there and back, foreign bytes are refused in good order. */
#include "testing.h"

#include "../sample_types.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"

static void from_json(Arena *arena, const char *text, Sample *sample)
{
    yyjson_doc *doc;
    DecodeReport report = {0};

    memset(sample, 0, sizeof(*sample));
    assert_int_equal(json_parse(arena, bytes_from_string(text), &doc, &report), 0);
    assert_int_equal(
        json_decode(&sample_type, arena, yyjson_doc_get_root(doc), 0, NULL, sample, &report), 0);
}

static void values_go_there_and_back(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2022-11-29T10:45:36Z\",\"labels\":{"
        "\"a\":\"1\",\"b\":\"\"},"
        "\"finalizers\":[\"x\",\"\"]}}",
        "{\"spec\":{\"replicas\":-1,\"seconds\":-9223372036854775808,\"paused\":true,\"ratio\":-0."
        "125,"
        "\"className\":\"\",\"numbers\":[1,-2,3,4,5,6,7,8,9],\"surge\":\"25%\",\"size\":\"1Gi\","
        "\"renewed\":\"2022-11-29T10:45:36.123456Z\",\"extra\":{\"k\":[\"a\",\"b\"],\"e\":[]}}}",
        "{\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"port\":80,\"target\":-5},{"
        "\"target\":\"x\"}],"
        "\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}},{}],\"volumes\":[{\"name\":\"v\","
        "\"emptyDir\":{}}]}}",
        "{\"data\":{\"k\":\"AAEC\",\"e\":\"\"},\"raw\":{\"a\":[1,2,{}]}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        Sample sample, again = {0};
        const char *error = NULL;

        from_json(&arena, cases[i], &sample);
        protobuf_encode(&sample_type, &sample, &out);
        assert_int_equal(protobuf_decode(&sample_type, &arena, strbuf_bytes(&out), &again, &error),
                         0);
        assert_true(type_equal(&sample_type, &sample, &again));
    }
}

static void long_messages_keep_their_lengths(void **state)
{
    for (size_t n = 100; n < 40000; n = n * 3 + 1) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        Sample sample = {0}, again = {0};
        char *name = arena_alloc(&arena, n + 1);

        memset(name, 'x', n);
        sample.metadata.name = name;
        sample.spec.policy = name;
        protobuf_encode(&sample_type, &sample, &out);
        assert_int_equal(protobuf_decode(&sample_type, &arena, strbuf_bytes(&out), &again, NULL),
                         0);
        assert_true(type_equal(&sample_type, &sample, &again));
    }
}

static void the_wire_is_read(void **state)
{
    static const struct {
        Bytes in;
        int r;
        const char *out; /* JSON members, or the error */
    } cases[] = {
        {BYTES_LITERAL(""), 0, "{\"metadata\":{},\"spec\":{\"containers\":null}}"},
        /* unknown fields of every wire type, a group among them */
        {BYTES_LITERAL(
             "\xf8\x07\x05\xf9\x07xxxxxxxx\xfd\x07xxxx\xfa\x07\x02xx\xfb\x07\x08\x01\xfc\x07"),
         0, "{\"metadata\":{},\"spec\":{\"containers\":null}}"},
        /* the same message twice: merged */
        {BYTES_LITERAL("\x0a\x03\x0a\x01"
                       "a\x0a\x03\x72\x01"
                       "f"),
         0,
         "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"f\"]},\"spec\":{\"containers\":null}}"},
        /* numbers packed and not */
        {BYTES_LITERAL("\x12\x07\x5a\x03\x01\x02\x03\x58\x04"), 0,
         "{\"metadata\":{},\"spec\":{\"containers\":null,\"numbers\":[1,2,3,4]}}"},
        /* map entries out of order and repeated */
        {BYTES_LITERAL("\x0a\x18\x5a\x06\x0a\x01"
                       "b\x12\x01"
                       "2\x5a\x06\x0a\x01"
                       "a\x12\x01"
                       "1\x5a\x06\x0a\x01"
                       "b\x12\x01"
                       "3"),
         0, "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"3\"}},\"spec\":{\"containers\":null}}"},
        /* an entry without a value, one without a key, and an int-or-string without its string */
        {BYTES_LITERAL("\x0a\x07\x5a\x03\x0a\x01"
                       "b\x5a\x00\x12\x04\x62\x02\x08\x01"),
         0,
         "{\"metadata\":{\"labels\":{\"\":\"\",\"b\":\"\"}},\"spec\":{\"containers\":null,"
         "\"surge\":"
         "\"\"}}"},
        /* groups: with each wire type in them, within each other, and cut off */
        {BYTES_LITERAL("\xfb\x07\x08\x81\x01\x11xxxxxxxx\x1dxxxx\x22\x02zz\x2b\x08\x01\x2c\xfc\x07"
                       "\x0a\x03\x0a\x01"
                       "a"),
         0, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":null}}"},
        {BYTES_LITERAL("\xfb\x07\x2b\x2c"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xfb\x07\x22\x03zz"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xfb\x07\x1dxxx"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xfb\x07\x11xxxxxxx"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xfb\x07\x0f"), PROTOBUF_E_MALFORMED, "proto: illegal wireType"},
        {BYTES_LITERAL("\xf9\x07xxxxxxx"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xfd\x07xxx"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\xf8\x07\x80"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\x80\x80\x80\x80\x10\x01"), PROTOBUF_E_MALFORMED,
         "proto: illegal tag 536870912 (wire type 0)"},
        {BYTES_LITERAL("\x0a"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\x0a\x05\x0a"), PROTOBUF_E_MALFORMED, "unexpected EOF"},
        {BYTES_LITERAL("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), PROTOBUF_E_MALFORMED,
         "unexpected EOF"},
        {BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), PROTOBUF_E_MALFORMED,
         "proto: integer overflow"},
        {BYTES_LITERAL("\x08\x01"), PROTOBUF_E_MALFORMED,
         "proto: wrong wireType = 0 for field metadata"},
        {BYTES_LITERAL("\x0f"), PROTOBUF_E_MALFORMED, "proto: illegal wireType 7"},
        {BYTES_LITERAL("\x00"), PROTOBUF_E_MALFORMED, "proto: illegal tag 0 (wire type 0)"},
        {BYTES_LITERAL("\x0a\x03\x0a\x01\xff"), PROTOBUF_E_MALFORMED,
         "proto: invalid UTF-8 in string"},
        {BYTES_LITERAL("\x0a\x03\x0a\x01\x00"), PROTOBUF_E_MALFORMED,
         "proto: string with a NUL character"},
        {BYTES_LITERAL("\x22\x03\x0a\x01{"), PROTOBUF_E_MALFORMED, "unexpected end of JSON input"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        Sample sample = {0};
        const char *error = NULL;

        assert_int_equal(protobuf_decode(&sample_type, &arena, cases[i].in, &sample, &error),
                         cases[i].r);
        if (cases[i].r == 0) {
            assert_true(type_sound(&sample_type, &sample));
            json_encode(&sample_type, &sample, NULL, &out);
        }
        assert_string_equal(cases[i].r ? error : out.p, cases[i].out);
    }
}

/* The bytes as field `number` of a message. */
static Bytes in_field(Arena *arena, unsigned number, Bytes bytes)
{
    uint8_t *p = arena_alloc(arena, bytes.n + 2);

    assert_true(number < 16 && bytes.n < 128);
    p[0] = (uint8_t)(number << 3 | 2);
    p[1] = (uint8_t)bytes.n;
    memcpy(p + 2, bytes.p, bytes.n);
    return (Bytes){p, bytes.n + 2};
}

static void values_in_messages_of_their_own_are_read(void **state)
{
#define SPEC(members) "{\"metadata\":{},\"spec\":{\"containers\":null" members "}}"
    static const char eof[] = "unexpected EOF";
    enum { METADATA = 1, SPEC = 2, RAW = 4, CREATED = 8, SURGE = 12, SIZE = 13, RENEWED = 14 };
    static const struct {
        unsigned outer, inner; /* field numbers; inner 0: none */
        Bytes in;
        int r;
        const char *out;
    } cases[] = {
        {SPEC, SIZE,
         BYTES_LITERAL("\x0a\x02"
                       "1k"),
         0, SPEC(",\"size\":\"1k\"")},
        {SPEC, SIZE, BYTES_LITERAL(""), 0, SPEC(",\"size\":\"0\"")},
        {SPEC, SIZE,
         BYTES_LITERAL("\x12\x02"
                       "1k\x08\x01"),
         0, SPEC(",\"size\":\"0\"")},
        {SPEC, SIZE, BYTES_LITERAL("\x0a\x05"), PROTOBUF_E_MALFORMED, eof},
        {SPEC, SIZE,
         BYTES_LITERAL("\x0a\x02"
                       "1x"),
         PROTOBUF_E_MALFORMED,
         "quantities must match the regular expression "
         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
        {SPEC, SURGE, BYTES_LITERAL("\x08\x00\x10\x07\x1a\x01x"), 0, SPEC(",\"surge\":7")},
        {SPEC, SURGE, BYTES_LITERAL("\x08\x01\x10\x07\x1a\x01x"), 0, SPEC(",\"surge\":\"x\"")},
        {SPEC, SURGE, BYTES_LITERAL("\x1a\x05"), PROTOBUF_E_MALFORMED, eof},
        {SPEC, SURGE, BYTES_LITERAL("\x1a\x01\xff"), PROTOBUF_E_MALFORMED,
         "proto: invalid UTF-8 in string"},
        /* nanoseconds: whole microseconds of a MicroTime, none of a Time, none if out of range */
        {SPEC, RENEWED, BYTES_LITERAL("\x08\x01\x10\x95\x9a\xef\x3a"), 0,
         SPEC(",\"renewed\":\"1970-01-01T00:00:01.123456Z\"")},
        {SPEC, RENEWED, BYTES_LITERAL("\x08\x01\x10\x80\x94\xeb\xdc\x03"), 0,
         SPEC(",\"renewed\":\"1970-01-01T00:00:01.000000Z\"")},
        {SPEC, RENEWED, BYTES_LITERAL("\x08"), PROTOBUF_E_MALFORMED, eof},
        {METADATA, CREATED, BYTES_LITERAL("\x08\x01\x10\x95\x9a\xef\x3a"), 0,
         "{\"metadata\":{\"creationTimestamp\":\"1970-01-01T00:00:01Z\"},"
         "\"spec\":{\"containers\":null}}"},
        {METADATA, CREATED, BYTES_LITERAL(""), 0, SPEC("")},
        {METADATA, CREATED, BYTES_LITERAL("\x08"), PROTOBUF_E_MALFORMED, eof},
        {METADATA, CREATED, BYTES_LITERAL("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
         PROTOBUF_E_MALFORMED, "proto: time out of range"},
        {METADATA, CREATED, BYTES_LITERAL("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
         PROTOBUF_E_MALFORMED, "proto: time out of range"},
        {RAW, 0, BYTES_LITERAL("\x0a\x07{\"a\":1}"), 0,
         "{\"metadata\":{},\"spec\":{\"containers\":null},\"raw\":{\"a\":1}}"},
        {RAW, 0, BYTES_LITERAL("\x0a\x04null"), 0, SPEC("")},
        {RAW, 0, BYTES_LITERAL(""), 0, SPEC("")},
        {RAW, 0, BYTES_LITERAL("\x0a\x05"), PROTOBUF_E_MALFORMED, eof},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        Sample sample = {0};
        const char *error = NULL;
        Bytes in = cases[i].inner ? in_field(&arena, cases[i].inner, cases[i].in) : cases[i].in;
        int r;

        in = in_field(&arena, cases[i].outer, in);
        r = protobuf_decode(&sample_type, &arena, in, &sample, &error);
        if (r == 0)
            json_encode(&sample_type, &sample, NULL, &out);
        assert_string_equal(r ? error : out.p, cases[i].out);
        assert_int_equal(r, cases[i].r);
    }
#undef SPEC
}

static void envelopes_are_opened(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf out = STRBUF_INIT;
    ProtobufEnvelope envelope;
    const char *error;

    protobuf_encode_envelope("apps/v1", "StatefulSet", BYTES_LITERAL("raw"), &out);
    assert_int_equal(protobuf_envelope(&arena, strbuf_bytes(&out), &envelope, &error), 0);
    assert_string_equal(envelope.api_version, "apps/v1");
    assert_string_equal(envelope.kind, "StatefulSet");
    assert_string_equal(envelope.content_type, "");
    assert_true(bytes_equal(envelope.raw, BYTES_LITERAL("raw")));
    assert_int_equal(protobuf_envelope(&arena, BYTES_LITERAL("k8s"), &envelope, &error),
                     PROTOBUF_E_MALFORMED);
    assert_int_equal(protobuf_envelope(&arena, BYTES_LITERAL("{}  "), &envelope, &error),
                     PROTOBUF_E_MALFORMED);
}

static void an_envelope_may_lack_anything_and_have_more(void **state)
{
    static const struct {
        Bytes in;
        const char *api_version, *kind, *content_type;
        Bytes raw;
    } cases[] = {
        {BYTES_LITERAL("k8s\0"), "", "", "", BYTES_NULL},
        {BYTES_LITERAL("k8s\0\x0a\x04\x12\x02"
                       "Ab\x12\x01r"),
         "", "Ab", "", BYTES_LITERAL("r")},
        {BYTES_LITERAL("k8s\0\x0a\x04\x0a\x02v1"), "v1", "", "", BYTES_NULL},
        {BYTES_LITERAL("k8s\0\x22\x04json\x1a\x01x"), "", "", "json", BYTES_NULL},
        /* numbers in place of texts, and a field of the type that is not known */
        {BYTES_LITERAL("k8s\0\x08\x01\x10\x01\x20\x01\x0a\x09\x08\x01\x10\x01\x1a\x01x\x12\x00"),
         "", "", "", BYTES_NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        ProtobufEnvelope envelope;
        const char *error = NULL;

        memset(&envelope, 0xff, sizeof(envelope));
        assert_int_equal(protobuf_envelope(&arena, cases[i].in, &envelope, &error), 0);
        assert_string_equal(envelope.api_version, cases[i].api_version);
        assert_string_equal(envelope.kind, cases[i].kind);
        assert_string_equal(envelope.content_type, cases[i].content_type);
        assert_true(bytes_equal(envelope.raw, cases[i].raw));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_there_and_back),
        cmocka_unit_test(long_messages_keep_their_lengths),
        cmocka_unit_test(the_wire_is_read),
        cmocka_unit_test(values_in_messages_of_their_own_are_read),
        cmocka_unit_test(envelopes_are_opened),
        cmocka_unit_test(an_envelope_may_lack_anything_and_have_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
