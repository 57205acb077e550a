/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind, filled at random from its table: JSON, protobuf and copies give the same object back,
 * and it owns its fields in a form that can be read again. A failure prints the seed.
 */
#include "testing.h"

#include "api/object.h"
#include "base/time/clock.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"

enum { DEPTH_MAX = 7, ROUNDS = 40 };

typedef struct Filler {
    Random random;
    Arena *arena;
} Filler;

static bool chance(Filler *f, uint64_t of_100)
{
    return random_below(&f->random, 100) < of_100;
}

static const char *any_text(Filler *f)
{
    static const char *const texts[] = {
        "a",           "web-0",        "",    "<&>", "two words", "\xe2\x82\xac \xf0\x9f\x98\x80",
        "a\"b\\c\n\t", "\xe2\x80\xa8", "yes", "0"};

    return texts[random_below(&f->random, ARRAY_LEN(texts))];
}

static void fill_struct(Filler *f, const Type *type, void *value, int depth);

static void fill_thing(Filler *f, const Field *field, void *at, int depth)
{
    static const char *const quantities[] = {"0", "1", "500m", "1Gi", "256M", "1e3", "-5"};
    static const char *const raws[] = {"{\"a\":[1,2.5,null,\"x\"]}", "{}", "[]", "7", "\"s\""};

    switch (field->value) {
    case VALUE_BOOL:
        *(bool *)at = chance(f, 50);
        break;
    case VALUE_INT32:
        *(int32_t *)at = (int32_t)random_next(&f->random) >> random_below(&f->random, 32);
        break;
    case VALUE_INT64:
        *(int64_t *)at = (int64_t)random_next(&f->random) >> random_below(&f->random, 64);
        break;
    case VALUE_DOUBLE:
        *(double *)at = (double)(int32_t)random_next(&f->random) / 1000;
        break;
    case VALUE_STRING:
        *(const char **)at = any_text(f);
        break;
    case VALUE_BYTES:
        *(Bytes *)at = arena_bytes(f->arena, bytes_from_string(any_text(f)));
        break;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        *(Time *)at = (Time){.set = chance(f, 70)};
        if (((Time *)at)->set) {
            ((Time *)at)->seconds = (int64_t)random_below(&f->random, INT64_C(4000000000));
            if (field->value == VALUE_MICRO_TIME)
                ((Time *)at)->nanos = (int32_t)random_below(&f->random, 1000000) * 1000;
        }
        break;
    case VALUE_DURATION:
        *(int64_t *)at = (int64_t)random_below(&f->random, INT64_C(1) << 52);
        break;
    case VALUE_QUANTITY:
        *(const char **)at = quantities[random_below(&f->random, ARRAY_LEN(quantities))];
        break;
    case VALUE_INT_OR_STRING:
        if (chance(f, 50))
            *(IntOrString *)at = (IntOrString){.is_string = true, .string = any_text(f)};
        else
            *(IntOrString *)at = (IntOrString){.number = (int32_t)random_next(&f->random)};
        break;
    case VALUE_RAW:
        *(Bytes *)at = bytes_from_string(raws[random_below(&f->random, ARRAY_LEN(raws))]);
        break;
    case VALUE_STRUCT:
        fill_struct(f, field->type, at, depth + 1);
        break;
    }
}

static void fill_list(Filler *f, const Field *field, List *list, int depth)
{
    static const char *const keys[] = {"a", "b.io/c", "d\"e"};
    size_t size = value_size(field), n = 1 + random_below(&f->random, ARRAY_LEN(keys));
    char *at = arena_alloc(f->arena, size * n);

    *list = (List){at, n};
    for (size_t i = 0; i < n; i++, at += size) {
        if (field->shape == SHAPE_MAP)
            *(const char **)(void *)at = keys[i];
        fill_thing(f, field, field->shape == SHAPE_MAP ? at + TYPE_ENTRY_VALUE : at, depth);
    }
}

static void fill_struct(Filler *f, const Type *type, void *value, int depth)
{
    uint64_t likely = depth < 3 ? 60 : 25;

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        void *at = field_at(value, field);
        bool below = field->value == VALUE_STRUCT && depth >= DEPTH_MAX;

        if (field->shape == SHAPE_ONE && field->value == VALUE_STRUCT) {
            if (!below)
                fill_struct(f, field->type, at, depth + 1);
            continue;
        }
        if (below || !chance(f, likely))
            continue;
        if (field->shape >= SHAPE_LIST) {
            fill_list(f, field, at, depth);
        } else if (type_is_pointer(field)) {
            *(void **)at = arena_alloc(f->arena, value_size(field));
            fill_thing(f, field, *(void **)at, depth);
        } else {
            fill_thing(f, field, at, depth);
        }
    }
}

static bool all_in_protobuf(const Type *type, int depth)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_NO_PROTO || !field->number)
            return false;
        if (field->value == VALUE_STRUCT && depth < DEPTH_MAX &&
            !all_in_protobuf(field->type, depth + 1))
            return false;
    }
    return true;
}

static const char *encode(Arena *arena, const Type *type, const void *value)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    json_encode(type, value, NULL, &out);
    return arena_strdup(arena, out.p);
}

static void check(const Kind *kind, uint64_t seed)
{
    _arena_ Arena arena = ARENA_INIT_SIZE(65536);
    _strbuf_ StrBuf wire = STRBUF_INIT, text = STRBUF_INIT, again = STRBUF_INIT;
    const Type *type = kind->type;
    Filler filler = {.arena = &arena};
    void *value = arena_alloc(&arena, type->size), *read = arena_alloc(&arena, type->size);
    void *other = arena_alloc(&arena, type->size), *copy = arena_alloc(&arena, type->size);
    DecodeReport report = {0};
    const char *json, *error = NULL;
    FieldSet *owned, *parsed;
    yyjson_doc *doc;

    random_seed(&filler.random, seed);
    fill_struct(&filler, type, value, 0);
    json = encode(&arena, type, value);
    assert_int_equal(json_parse(&arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode(type, &arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, NULL,
                                 read, &report),
                     0);
    assert_true(type_sound(type, read));
    assert_string_equal(encode(&arena, type, read), json);
    type_copy(type, &arena, copy, read);
    assert_true(type_equal(type, copy, read));
    assert_string_equal(encode(&arena, type, copy), json);
    if (all_in_protobuf(type, 0)) {
        protobuf_encode(type, read, &wire);
        assert_int_equal(protobuf_decode(type, &arena, strbuf_bytes(&wire), other, &error), 0);
        assert_true(type_equal(type, other, read));
    }
    owned = fieldset_of_value(type, &arena, read);
    fieldset_print(owned, &text);
    assert_int_equal(fieldset_parse(&arena, strbuf_bytes(&text), &parsed), 0);
    assert_true(fieldset_equal(owned, parsed));
    fieldset_print(parsed, &again);
    assert_string_equal(again.p, text.p);
    assert_true(fieldset_empty(fieldset_minus(&arena, owned, parsed)));
    assert_true(fieldset_empty(fieldset_changed(type, &arena, read, copy, &parsed)));
    assert_true(fieldset_empty(parsed));
}

static void every_kind_comes_back(void **state)
{
    EACH_ROW_OF(i, kind_count(), "kinds", kind_at(i)->kind)
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t seed = i * ROUNDS + round;

            if (round == 0)
                print_message("%s, seeds from %" PRIu64 "\n", kind_at(i)->kind, seed);
            check(kind_at(i), seed);
        }
}

static void check_table(const Type *type, int depth)
{
    size_t names = 0;

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        assert_int_equal(field->json_length, strlen(field->json));
        assert_true(field->offset + (field->shape >= SHAPE_LIST ? sizeof(List) : 1) <= type->size);
        if (field->value == VALUE_STRUCT)
            assert_non_null(field->type);
        if (field->list_kind == LIST_MAP)
            for (const char *const *key = field->keys; *key; key++)
                assert_non_null(type_find(field->type, *key, strlen(*key)));
        if (field->flags & FIELD_PATCH_MERGE && field->value == VALUE_STRUCT)
            assert_non_null(type_find(field->type, field->patch_key, strlen(field->patch_key)));
        if (!(field->flags & FIELD_INLINE)) {
            const TypeName *name = type_find(type, field->json, field->json_length);
            assert_non_null(name);
            assert_ptr_equal(name->field, field);
            names++;
        }
        if (field->value == VALUE_STRUCT && depth < DEPTH_MAX)
            check_table(field->type, depth + 1);
    }
    assert_true(type->n_names >= names || type_is_bare(type));
}

static void every_table_holds_together(void **state)
{
    EACH_ROW_OF(i, kind_count(), "kinds", kind_at(i)->kind)
        check_table(kind_at(i)->type, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_holds_together),
        cmocka_unit_test(every_kind_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
