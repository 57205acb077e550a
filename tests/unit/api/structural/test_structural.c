/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares structural schemas with what a real kube-apiserver says, which tests/oracle/record_structural.py records in cases.json:
 * schemas with the causes with which they are refused, and objects with causes or with what is stored of them, and which fields their
 * creators and appliers own. Causes are compared as sets. The file is the argument.
 */
#include "../rules_fixture.h"

#include "api/structural/structural.h"
#include "base/files/file.h"
#include "codec/fieldset/fieldset.h"

static const char *cases_path;

static const char *text_of(Arena *arena, yyjson_val *json)
{
    yyjson_alc alc = json_arena_alc(arena); /* 1.0 stays 1.0 */

    return yyjson_val_write_opts(json, 0, &alc, NULL, NULL);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One a line, sorted, without repetitions. */
static const char *joined(Arena *arena, const char **v, size_t n)
{
    const char *text = "";

    if (n)
        qsort(v, n, sizeof(*v), compare);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_equal(v[i], v[i - 1]))
            text = arena_printf(arena, "%s    %s\n", text, v[i]);
    return text;
}

/* Without bad values that Go prints by its own types, which are those of rules and of whole schemas. */
static const char *without_go(Arena *arena, const char *cause)
{
    const char *from = strstr(cause, "Invalid value: "), *to = strstr(cause, ": only [");

    if (from && to)
        return arena_printf(arena, "%.*s...%s", (int)(from - cause + 15), cause, to);
    to = strstr(cause, ": must only have a single schema");
    return from && to ? arena_printf(arena, "%.*s...%s", (int)(from - cause + 15), cause, to)
                      : cause;
}

static const char *expected_causes(Arena *arena, yyjson_val *causes)
{
    const char **v = arena_new_n(arena, const char *, yyjson_arr_size(causes) + 1);
    yyjson_val *one;
    size_t i, n;

    yyjson_arr_foreach(causes, i, n, one) v[i] = without_go(arena, yyjson_get_str(one));
    return joined(arena, v, yyjson_arr_size(causes));
}

static const char *found_causes(Arena *arena, const Causes *causes)
{
    const char **v = arena_new_n(arena, const char *, causes->n + 1);

    for (size_t i = 0; i < causes->n; i++)
        v[i] = without_go(arena,
                          arena_printf(arena, "%s: %s", causes->v[i].field, causes->v[i].message));
    return joined(arena, v, causes->n);
}

static bool same(const char *what, const char *which, const char *expected, const char *found)
{
    if (str_equal(expected, found))
        return true;
    print_error("%s\n  %s\n  kube-apiserver:\n%s\n  stead:\n%s\n", which, what, expected, found);
    return false;
}

/* ---- objects ---- */

typedef struct Case {
    Arena *arena;
    const char *text; /* of the schema */
    const Structural *structural;
} Case;

/* The object as the server makes it complete: with apiVersion, kind and metadata. */
static yyjson_val *whole_object(Arena *arena, const char *members)
{
    const char *text = arena_printf(arena,
                                    "{\"apiVersion\":\"grid.example.com/v1\",\"kind\":\"KIND\","
                                    "\"metadata\":{\"name\":\"a\"}%s%s",
                                    str_equal(members, "{}") ? "" : ",", members + 1);
    DecodeReport report = {0};
    yyjson_doc *doc;

    assert_int_equal(json_parse(arena, bytes_from_string(text), &doc, &report), 0);
    return yyjson_doc_get_root(doc);
}

static const char *without_meta(Arena *arena, yyjson_val *object)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    yyjson_val *key, *value;
    size_t i, n;

    strbuf_add_char(&out, '{');
    yyjson_obj_foreach(object, i, n, key, value)
    {
        const char *name = yyjson_get_str(key);

        if (str_equal(name, "metadata") || str_equal(name, "apiVersion") || str_equal(name, "kind"))
            continue;
        strbuf_printf(&out, "%s\"%s\":%s", out.n > 1 ? "," : "", name, text_of(arena, value));
    }
    strbuf_add_char(&out, '}');
    return arena_strdup(arena, out.p);
}

/* Both sorted: the order of members has no meaning. */
static const char *sorted_text(Arena *arena, const char *json)
{
    static const Field open = {
        .json = "", .value = VALUE_RAW, .flags = FIELD_EXACT, .shape = SHAPE_OPTIONAL};
    DecodeReport report = {0};
    yyjson_doc *doc;
    Bytes raw = {0};

    assert_int_equal(json_parse(arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode_field(&open, arena, yyjson_doc_get_root(doc), &raw), 0);
    return arena_strndup(arena, (const char *)raw.p, raw.n);
}

static const char *const ignored[] = {"apiVersion", "kind", NULL};

/* What the server does with a body. Returns its causes, or NULL and what it stores. */
static const char *store(const Case *c, const char *members, const char *before,
                         const char **ret_stored, const void **ret_value)
{
    Arena *arena = c->arena;
    const Type *type = c->structural->type;
    yyjson_val *object = whole_object(arena, members);
    yyjson_val *old = before ? whole_object(arena, before) : NULL;
    void *value = arena_alloc(arena, type->size), *copy;
    DecodeReport report = {0};
    Causes causes = {.arena = arena};
    _strbuf_ StrBuf text = STRBUF_INIT, again = STRBUF_INIT;
    yyjson_doc *doc;

    if (json_decode(type, arena, object, 0, ignored, value, &report))
        return arena_printf(arena, "    %s\n", report.error);
    type_default(type, arena, value);
    json_encode(type, value, "\"apiVersion\":\"grid.example.com/v1\",\"kind\":\"KIND\"", &text);
    assert_int_equal(json_parse(arena, bytes_from_string(text.p), &doc, &report), 0);
    structural_validate(c->structural, STRUCTURAL_OBJECT, yyjson_doc_get_root(doc), old, &causes);
    if (causes.n)
        return found_causes(arena, &causes);
    *ret_stored = without_meta(arena, yyjson_doc_get_root(doc));

    /* What is stored can be copied and read again, and stays the same. */
    copy = type_clone(type, arena, value);
    assert_true(type_equal(type, value, copy) && type_sound(type, value));
    json_encode(type, copy, "\"apiVersion\":\"grid.example.com/v1\",\"kind\":\"KIND\"", &again);
    assert_string_equal(text.p, again.p);
    copy = arena_alloc(arena, type->size);
    assert_int_equal(json_decode(type, arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS,
                                 ignored, copy, &report),
                     0);
    if (!type_equal(type, value, copy))
        fail_msg("%s is not the same when it is read again", text.p);
    type_default(type, arena, copy);
    assert_true(type_equal(type, value, copy));
    assert_null(fieldset_changed(type, arena, value, copy, NULL));
    *ret_value = value;
    return NULL;
}

/*
 * Where stead differs. A double without a fraction, such as 1.0, becomes the integer that it is stored as before it is checked, and not
 * afterwards: kube-apiserver, too, finds an integer when the object is written again.
 */
static const struct {
    const char *schema, *object, *why;
} differences[] = {
    {"\"multipleOf\":0.1", "10000000000.0", "an integer has to be a multiple of an integer"},
    {"\"multipleOf\":2.5", "5.0", "the same"},
    {"\"format\":\"int64\"", "1000000000000000000.0", "is the integer, although it is above 2^53"},
    {"list-type\":\"set\"", "[1,1.0]", "both are the same integer"},
    {"\"x-kubernetes-embedded-resource\":true", "{\"apiVersion\":1,",
     "is refused with 400 and other words"},
    {"\"x-kubernetes-embedded-resource\":true", "\"metadata\":null",
     "kube-apiserver makes it an empty object"},
};

static bool is_different(const char *schema, const char *object)
{
    for (size_t i = 0; i < ARRAY_LEN(differences); i++)
        if (strstr(schema, differences[i].schema) && strstr(object, differences[i].object))
            return true;
    return false;
}

static const char *as_integer(Arena *arena, const char *object, const char *causes)
{
    const char *from = strstr(object, "1.0") ? strstr(causes, "\"number\"") : NULL;

    return from ? as_integer(arena, object,
                             arena_printf(arena, "%.*s\"integer\"%s", (int)(from - causes), causes,
                                          from + strlen("\"number\"")))
                : causes;
}

/* ---- fields ---- */

static const char *set_text(Arena *arena, const FieldSet *set)
{
    static const char *const common[] = {"apiVersion", "kind", "metadata", NULL};
    _strbuf_ StrBuf text = STRBUF_INIT;

    fieldset_print(fieldset_without(arena, set, common), &text);
    return arena_strdup(arena, strbuf_string(&text));
}

static const char *recorded_set(Arena *arena, yyjson_val *json)
{
    FieldSet *set = NULL;

    assert_int_equal(fieldset_parse(arena, bytes_from_string(text_of(arena, json)), &set), 0);
    return set_text(arena, set);
}

/* What the creator of the object owns, and who applies it. */
static bool fields_hold(const Case *c, yyjson_val *one, const char *members, const void *value)
{
    yyjson_val *created = yyjson_obj_get(one, "created"), *applied = yyjson_obj_get(one, "applied");
    yyjson_val *not_applied = yyjson_obj_get(one, "not_applied");
    const Type *type = c->structural->type;
    const char *error = NULL, *found, *expected;
    bool fine = true;
    FieldSet *set;

    if (created)
        fine = same(arena_printf(c->arena, "fields of the creator of %s", members), c->text,
                    recorded_set(c->arena, created),
                    set_text(c->arena, fieldset_of_value(type, c->arena, value)));
    if (!applied && !not_applied)
        return fine;
    set = fieldset_of_tree(type, c->arena, whole_object(c->arena, members), &error);
    /* An applied null, and an applied field that the schema does not have, are errors of the server. */
    if (not_applied && (strstr(yyjson_get_str(not_applied), "Invalid value: \"null\"") ||
                        strstr(yyjson_get_str(not_applied), "field not declared in schema")))
        return fine;
    found = error ? "an error" : set_text(c->arena, set);
    expected = applied ? recorded_set(c->arena, applied) : "an error";
    return same(arena_printf(c->arena, "fields of who applies %s: %s %s", members,
                             str_or(error, ""), str_or(yyjson_get_str(not_applied), "")),
                c->text, expected, found) &&
           fine;
}

static bool object_holds(const Case *c, yyjson_val *one)
{
    yyjson_val *before = yyjson_obj_get(one, "before"), *stored = yyjson_obj_get(one, "stored");
    const char *members = text_of(c->arena, yyjson_obj_get(one, "object"));
    const char *found_stored = NULL;
    const void *value = NULL;
    const char *found =
        store(c, members, before ? text_of(c->arena, before) : NULL, &found_stored, &value);
    const char *expected =
        stored
            ? arena_printf(c->arena, "stored %s", sorted_text(c->arena, text_of(c->arena, stored)))
            : as_integer(c->arena, members,
                         expected_causes(c->arena, yyjson_obj_get(one, "causes")));

    if (is_different(c->text, members))
        return true;
    if (!found)
        found = arena_printf(c->arena, "stored %s", sorted_text(c->arena, found_stored));
    if (value && stored && !fields_hold(c, one, members, value))
        return false;
    return same(arena_printf(c->arena, "%s before %s", members,
                             before ? text_of(c->arena, before) : "nothing"),
                c->text, expected, found);
}

/* ---- schemas ---- */

static bool case_holds(yyjson_val *one, size_t *objects)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *text = text_of(&arena, yyjson_obj_get(one, "schema"));
    const Path *path = PATH(NULL, "spec.validation.openAPIV3Schema");
    Causes causes = {.arena = &arena};
    SchemaNode *root = structural_parse(&arena, bytes_from_string(text), path, &causes);
    yyjson_val *list = yyjson_obj_get(one, "objects"), *item;
    Case c = {.arena = &arena, .text = text};
    bool fine;
    size_t i, n;

    assert_non_null(root);
    structural_check(&arena, root, yyjson_is_true(yyjson_obj_get(one, "status")), path, &causes);
    fine = same("schema", text, expected_causes(&arena, yyjson_obj_get(one, "causes")),
                found_causes(&arena, &causes));
    if (!list || causes.n)
        return fine;
    c.structural = structural_compile(&arena, root, "KIND", "com.example.grid.v1.KIND");
    yyjson_arr_foreach(list, i, n, item)
    {
        if (yyjson_is_true(yyjson_obj_get(one, "status")) &&
            yyjson_obj_get(yyjson_obj_get(item, "object"), "status"))
            continue; /* creates reset it, which is not the schema's work */
        fine &= object_holds(&c, item);
        ++*objects;
    }
    return fine;
}

static void schemas_and_objects_are_judged_as_by_kube_apiserver(void **state _unused_)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *text = NULL;
    size_t length, i, n, failed = 0, objects = 0;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *one;

    assert_int_equal(file_read(cases_path, 64 << 20, &text, &length), 0);
    assert_int_equal(json_parse(&arena, (Bytes){(const uint8_t *)text, length}, &doc, &report), 0);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, one) failed += !case_holds(one, &objects);
    print_message("%zu schemas, %zu objects\n", n, objects);
    assert_true(n >= 300 && objects > 1000);
    assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_and_objects_are_judged_as_by_kube_apiserver),
    };

    if (argc < 2)
        return 1;
    cases_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
