/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Kubernetes 1.36 wrote, read and written again. NAME.json and NAME.pb are one object in both
 * encodings, by its Go types; managed-NAME.json are answers of kube-apiserver, whose managedFields
 * must be what we work out.
 */
#include "testing.h"

#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "base/files/file.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"

static const char *folder;
static const char *const type_meta[] = {"kind", "apiVersion", NULL};

static Bytes load(Arena *arena, const char *name)
{
    FILE *file = fopen(arena_printf(arena, "%s/%s", folder, name), "rb");
    char *text = arena_alloc(arena, 65536);
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, 65536, file);
    fclose(file);
    return (Bytes){(uint8_t *)text, n};
}

static Object *read_json(Arena *arena, const char *name)
{
    yyjson_doc *doc;
    DecodeReport report = {0};
    yyjson_val *root;
    Object *object;
    int r;

    assert_int_equal(json_parse(arena, load(arena, name), &doc, &report), 0);
    root = yyjson_doc_get_root(doc);
    object = object_new(kind_find_api_version(yyjson_get_str(yyjson_obj_get(root, "apiVersion")),
                                              yyjson_get_str(yyjson_obj_get(root, "kind"))));
    r = json_decode(object->kind->type, &object->arena, root, DECODE_CHECK_FIELDS, type_meta,
                    object->value, &report);
    if (r)
        print_error("%s: %s\n", name, report.error ? report.error : report.field_errors.v[0]);
    assert_int_equal(r, 0);
    return object;
}

static void both_encodings_are_the_same_object(void **state)
{
    static const char *const names[] = {
        "configmap", "secret", "pod", "statefulset", "service", "controllerrevision", "event"};

    EACH_ROW(i, names, names[i]) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf json = STRBUF_INIT, again = STRBUF_INIT;
        _object_ Object *object = read_json(&arena, arena_printf(&arena, "%s.json", names[i]));
        _object_ Object *other = object_new(object->kind);
        Bytes text = load(&arena, arena_printf(&arena, "%s.json", names[i]));
        ProtobufEnvelope envelope;
        const char *error = NULL;
        int r;

        json_encode(object->kind->type, object->value, object->kind->json_prefix, &json);
        strbuf_add_char(&json, '\n');
        assert_string_equal(json.p, (const char *)text.p);

        r = protobuf_envelope(&arena, load(&arena, arena_printf(&arena, "%s.pb", names[i])),
                              &envelope, &error);
        assert_int_equal(r, 0);
        assert_string_equal(envelope.kind, object->kind->kind);
        r = protobuf_decode(object->kind->type, &other->arena, envelope.raw, other->value, &error);
        if (r)
            print_error("%s: %s\n", names[i], error);
        assert_int_equal(r, 0);
        json_encode(object->kind->type, other->value, object->kind->json_prefix, &again);
        strbuf_add_char(&again, '\n');
        assert_string_equal(again.p, json.p);
    }
}

static const char *const system_fields[] = {
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.creationTimestamp",
    "metadata.resourceVersion",
    "metadata.managedFields",
    "status",
    NULL,
};

/* fieldsV1 of the manager, compact. */
static const char *managed_by(Arena *arena, const Object *object, const char *manager)
{
    ObjectMeta *meta = object_meta(object);

    for (size_t i = 0; i < meta->managed_fields.n; i++)
        if (str_equal(meta->managed_fields.v[i].manager, manager))
            return arena_strndup(arena, (const char *)meta->managed_fields.v[i].fields_v1.p,
                                 meta->managed_fields.v[i].fields_v1.n);
    return "{}";
}

static const char *print(Arena *arena, const FieldSet *set)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    fieldset_print(set, &text);
    return arena_strdup(arena, text.p);
}

static void creates_own_what_kube_apiserver_says(void **state)
{
    static const char *const names[] = {"cm1", "pod1", "svc1", "sts1"};

    EACH_ROW(i, names, names[i]) {
        _arena_ Arena arena = ARENA_INIT;
        _object_ Object *object =
            read_json(&arena, arena_printf(&arena, "managed-%s.json", names[i]));
        FieldSet *set = fieldset_of_value(object->kind->type, &arena, object->value);
        /* set after ownership is noted */
        static const char *const late[] = {
            "spec.clusterIP",
            "spec.clusterIPs",
            "spec.ipFamilies",
            "spec.ipFamilyPolicy",
            "spec.priority",
            "spec.preemptionPolicy",
            NULL,
        };

        set = fieldset_without(&arena, set, system_fields);
        set = fieldset_without(&arena, set, late);
        assert_string_equal(print(&arena, set), managed_by(&arena, object, "m"));
    }
}

static void updates_own_what_kube_apiserver_says(void **state)
{
    static const char *const names[] = {"cm", "sts"};

    EACH_ROW(i, names, names[i]) {
        _arena_ Arena arena = ARENA_INIT;
        _object_ Object *before =
            read_json(&arena, arena_printf(&arena, "managed-%s1.json", names[i]));
        _object_ Object *after =
            read_json(&arena, arena_printf(&arena, "managed-%s2.json", names[i]));
        FieldSet *removed, *old, *changed;
        const char *text = managed_by(&arena, before, "m");

        changed =
            fieldset_changed(before->kind->type, &arena, before->value, after->value, &removed);
        changed = fieldset_without(&arena, changed, system_fields);
        assert_string_equal(print(&arena, changed), managed_by(&arena, after, "n"));
        assert_int_equal(fieldset_parse(&arena, bytes_from_string(text), &old), 0);
        assert_string_equal(print(&arena, old), text);
        old = fieldset_minus(&arena, fieldset_minus(&arena, old, changed), removed);
        assert_string_equal(print(&arena, old), managed_by(&arena, after, "m"));
    }
}

static const char *const applied_by_one =
    "{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"ap\",\"labels\":{\"a\":\"1\"}},"
    "\"spec\":{\"serviceName\":\"web\",\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":"
    "\"ap\"}},\"template\":{"
    "\"metadata\":{\"labels\":{\"app\":\"ap\",\"x\":\"y\"}},\"spec\":{\"nodeSelector\":{\"n\":"
    "\"1\"},\"containers\":[{"
    "\"name\":\"web\",\"image\":\"nginx\",\"env\":[{\"name\":\"E\",\"value\":\"1\"},{\"name\":"
    "\"F\",\"value\":\"2\"}],"
    "\"ports\":[{\"containerPort\":80,\"name\":\"http\"},{\"containerPort\":81}],\"resources\":{"
    "\"limits\":{\"cpu\":"
    "\"1\"}}}]}}}}";
static const char *const applied_by_two = "{\"metadata\":{\"name\":\"ap\",\"labels\":{\"b\":\"2\"}}"
                                          ",\"spec\":{\"replicas\":3,\"template\":{\"spec\":{"
                                          "\"containers\":[{\"name\":\"side\",\"image\":\"s\"},{"
                                          "\"name\":\"web\",\"image\":\"nginx:9\"}]}}}}";
static const char *const applied_by_one_again =
    "{\"metadata\":{\"name\":\"ap\"},\"spec\":{\"serviceName\":\"web\",\"selector\":{"
    "\"matchLabels\":{\"app\":\"ap\"}},"
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"ap\"}},\"spec\":{\"containers\":[{\"name\":"
    "\"web\",\"env\":[{"
    "\"name\":\"F\",\"value\":\"2\"}],\"ports\":[{\"containerPort\":81}]}]}}}}";

static FieldSet *set_of(Arena *arena, const Object *object, const char *manager)
{
    FieldSet *set;

    assert_int_equal(
        fieldset_parse(arena, bytes_from_string(managed_by(arena, object, manager)), &set), 0);
    return set;
}

/* Applies text on live as manager, and expects the spec and labels of `after`. */
static void apply(const char *live_name, const char *text, const char *manager,
                  const char *after_name)
{
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *live = read_json(&arena, live_name), *after = read_json(&arena, after_name);
    _object_ Object *merged = object_new(live->kind);
    const Type *type = live->kind->type;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_doc *applied, *tree;
    DecodeReport report = {0};
    FieldSet *set, *owned;
    const char *error = NULL;
    yyjson_mut_val *result;
    StatefulSet *got = merged->value, *want = after->value;

    assert_int_equal(json_parse(&arena, bytes_from_string(text), &applied, &report), 0);
    set = fieldset_of_tree(type, &arena, yyjson_doc_get_root(applied), &error);
    assert_null(error);
    set = fieldset_without(&arena, set, system_fields);
    assert_string_equal(print(&arena, set), managed_by(&arena, after, manager));
    owned = fieldset_union(&arena, set,
                           set_of(&arena, live, str_equal(manager, "one") ? "two" : "one"));
    yyjson_mut_doc_set_root(doc, json_tree(type, live->value, doc));
    tree = yyjson_mut_doc_imut_copy(doc, NULL);
    result = fieldset_apply(type, doc, yyjson_doc_get_root(tree), yyjson_doc_get_root(applied),
                            fieldset_given_up(type, &arena, set_of(&arena, live, manager), owned),
                            &arena);
    assert_int_equal(
        json_decode_tree(type, &merged->arena, result, 0, type_meta, merged->value, &report), 0);
    type_default(type, &merged->arena, merged->value);
    live->kind->rules->complete(&merged->arena, merged->value);
    {
        _strbuf_ StrBuf a = STRBUF_INIT, b = STRBUF_INIT;
        json_encode(&type_StatefulSetSpec, &got->spec, NULL, &a);
        json_encode(&type_StatefulSetSpec, &want->spec, NULL, &b);
        assert_string_equal(a.p, b.p);
    }
    assert_true(got->metadata.labels.n == want->metadata.labels.n);
    yyjson_doc_free(tree);
    yyjson_mut_doc_free(doc);
}

static void applies_merge_as_kube_apiserver_does(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *first = read_json(&arena, "managed-ap1.json");
    yyjson_doc *applied;
    DecodeReport report = {0};
    const char *error = NULL;
    FieldSet *set;

    assert_int_equal(json_parse(&arena, bytes_from_string(applied_by_one), &applied, &report), 0);
    set = fieldset_of_tree(first->kind->type, &arena, yyjson_doc_get_root(applied), &error);
    assert_null(error);
    assert_string_equal(print(&arena, fieldset_without(&arena, set, system_fields)),
                        managed_by(&arena, first, "one"));
    apply("managed-ap1.json", applied_by_two, "two", "managed-ap3.json");
    apply("managed-ap3.json", applied_by_one_again, "one", "managed-ap4.json");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_encodings_are_the_same_object),
        cmocka_unit_test(creates_own_what_kube_apiserver_says),
        cmocka_unit_test(updates_own_what_kube_apiserver_says),
        cmocka_unit_test(applies_merge_as_kube_apiserver_does),
    };

    if (argc < 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
