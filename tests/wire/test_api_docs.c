/* SPDX-License-Identifier: Apache-2.0 */
/* What the server tells clients about itself: groups and resources, and the schemas of OpenAPI. */
#include "testing.h"

#include "api/kind.h"
#include "api_harness.h"
#include "base/vec.h"

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static yyjson_val *get(Api *api, const char *path)
{
    api_call(api, "GET", path, NULL, NULL);
    if (api->status != 200)
        fail_msg("%s: %d %s", path, api->status, api->body);
    return yyjson_doc_get_root(api->json);
}

static const char *text(yyjson_val *object, const char *pointer)
{
    return yyjson_get_str(yyjson_ptr_get(object, pointer));
}

/* The element of a list whose member `key` has this value. */
static yyjson_val *find(yyjson_val *list, const char *key, const char *value)
{
    yyjson_val *item, *found = NULL;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item)
    {
        if (!str_equal(yyjson_get_str(yyjson_obj_get(item, key)), value))
            continue;
        if (found)
            fail_msg("%s is listed twice", value);
        found = item;
    }
    return found;
}

/* ---- groups and resources ---- */

static void every_group_is_listed_once_with_its_versions(void **state)
{
    yyjson_val *groups = yyjson_obj_get(get(*state, "/apis"), "groups");

    for (size_t i = 0; i < kind_count(); i++) {
        const Kind *kind = kind_at(i);
        _free_ char *version = mem_printf("%s/%s", kind->group, kind->version);
        yyjson_val *group;

        if (str_empty(kind->group) || str_empty(kind->plural))
            continue;
        group = find(groups, "name", kind->group);
        if (!group)
            fail_msg("%s is missing", kind->group);
        assert_non_null(find(yyjson_obj_get(group, "versions"), "groupVersion", version));
        assert_non_null(text(group, "/preferredVersion/groupVersion"));
    }
    assert_null(find(groups, "name", ""));
}

static void every_kind_is_listed_as_a_resource_of_its_version(void **state)
{
    for (size_t i = 0; i < kind_count(); i++) {
        const Kind *kind = kind_at(i);
        _free_ char *path = str_empty(kind->group)
                                ? mem_printf("/api/%s", kind->version)
                                : mem_printf("/apis/%s/%s", kind->group, kind->version);
        yyjson_val *resource;

        if (str_empty(kind->plural))
            continue;
        resource = find(yyjson_obj_get(get(*state, path), "resources"), "name", kind->plural);
        if (!resource)
            fail_msg("%s is missing in %s", kind->plural, path);
        assert_string_equal(text(resource, "/kind"), kind->kind);
        assert_int_equal(yyjson_get_bool(yyjson_obj_get(resource, "namespaced")),
                         (kind->flags & KIND_NAMESPACED) != 0);
        assert_true(yyjson_arr_size(yyjson_obj_get(resource, "verbs")) > 0);
    }
}

/* ---- OpenAPI ---- */

/* A schema has to say what its value is, and each reference has to lead somewhere. */
static void check_schema(yyjson_val *schema, yyjson_val *all, const char *prefix, const char *where)
{
    static const char *const words[] = {"type", "$ref", "allOf", "oneOf"};
    const char *ref = text(schema, "/$ref");
    yyjson_val *member, *name, *parts = yyjson_obj_get(schema, "allOf");
    yyjson_val *properties = yyjson_obj_get(schema, "properties");
    size_t i, n;
    bool says = false;

    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        says = says || yyjson_obj_get(schema, words[k]);
    /* A schema without any word but its description is that of any JSON. */
    if (!says && yyjson_obj_size(schema) > 1)
        fail_msg("%s does not say what it is", where);
    if (ref && (!str_starts_with(ref, prefix) || !yyjson_obj_get(all, ref + strlen(prefix))))
        fail_msg("%s refers to %s", where, ref);
    if (parts)
        check_schema(yyjson_arr_get(parts, 0), all, prefix, where);
    if (yyjson_obj_get(schema, "items"))
        check_schema(yyjson_obj_get(schema, "items"), all, prefix, where);
    if (yyjson_is_obj(yyjson_obj_get(schema, "additionalProperties")))
        check_schema(yyjson_obj_get(schema, "additionalProperties"), all, prefix, where);
    yyjson_obj_foreach(properties, i, n, name, member)
    {
        _free_ char *inner = mem_printf("%s.%s", where, yyjson_get_str(name));

        if (!yyjson_obj_get(member, "type") && !yyjson_obj_get(member, "$ref") &&
            !yyjson_obj_get(member, "allOf") && !yyjson_obj_get(member, "oneOf"))
            fail_msg("%s does not say what it is", inner);
        check_schema(member, all, prefix, inner);
    }
}

static void check_all(yyjson_val *all, const char *prefix)
{
    yyjson_val *name, *schema;
    size_t i, n;

    assert_true(yyjson_obj_size(all) > 0);
    yyjson_obj_foreach(all, i, n, name, schema)
        check_schema(schema, all, prefix, yyjson_get_str(name));
}

static void every_schema_of_version_2_is_complete(void **state)
{
    yyjson_val *root = get(*state, "/openapi/v2"), *all = yyjson_obj_get(root, "definitions");

    check_all(all, "#/definitions/");
    assert_string_equal(text(all, "/io.k8s.api.apps.v1.StatefulSet/properties/spec/$ref"),
                        "#/definitions/io.k8s.api.apps.v1.StatefulSetSpec");
}

static void every_schema_of_version_3_is_complete(void **state)
{
    Api *api = *state;
    VEC(char *) paths = VEC_INIT;
    yyjson_val *index = yyjson_obj_get(get(api, "/openapi/v3"), "paths"), *name, *entry;
    size_t i, n;

    yyjson_obj_foreach(index, i, n, name, entry)
    {
        if (yyjson_obj_get(entry, "serverRelativeURL"))
            VEC_PUSH(&paths, mem_strdup(text(entry, "/serverRelativeURL")));
    }
    assert_true(paths.n > 5);
    for (size_t k = 0; k < paths.n; k++) {
        check_all(yyjson_ptr_get(get(api, paths.v[k]), "/components/schemas"),
                  "#/components/schemas/");
        free(paths.v[k]);
    }
    VEC_DEINIT(&paths);
}

/* Beside a $ref, readers of version 3 ignore all other words, so it is wrapped. */
static void a_field_keeps_its_description_beside_the_reference(void **state)
{
    yyjson_val *set = yyjson_ptr_get(get(*state, "/openapi/v3/apis/apps/v1"),
                                     "/components/schemas/io.k8s.api.apps.v1.StatefulSet");

    assert_string_equal(text(set, "/properties/spec/allOf/0/$ref"),
                        "#/components/schemas/io.k8s.api.apps.v1.StatefulSetSpec");
    assert_non_null(text(set, "/properties/spec/description"));
    assert_null(text(set, "/properties/spec/$ref"));
    assert_string_equal(text(set, "/x-kubernetes-group-version-kind/0/kind"), "StatefulSet");
}

static void lists_say_how_they_are_merged(void **state)
{
    static const struct {
        const char *at, *is; /* NULL: there is no such word */
    } rows[] = {
        {"/containers/x-kubernetes-list-type", "map"},
        {"/containers/x-kubernetes-list-map-keys/0", "name"},
        {"/containers/x-kubernetes-list-map-keys/1", NULL},
        {"/containers/x-kubernetes-patch-strategy", "merge"},
        {"/containers/x-kubernetes-patch-merge-key", "name"},
        {"/volumes/x-kubernetes-patch-strategy", "merge,retainKeys"},
        {"/tolerations/x-kubernetes-list-type", "atomic"},
        {"/tolerations/x-kubernetes-patch-strategy", NULL},
        {"/nodeName/type", "string"},
        {"/priority/type", "integer"},
        {"/priority/format", "int32"},
        {"/nodeSelector/type", "object"},
        {"/nodeSelector/additionalProperties/type", "string"},
        {"/restartPolicy/enum/0", "Always"},
        {"/restartPolicy/enum/1", "Never"},
        {"/restartPolicy/enum/2", "OnFailure"},
        {"/restartPolicy/enum/3", NULL},
    };
    yyjson_val *spec = yyjson_ptr_get(get(*state, "/openapi/v3/api/v1"),
                                      "/components/schemas/io.k8s.api.core.v1.PodSpec/properties");

    EACH_ROW(i, rows, rows[i].at) {
        const char *is = text(spec, rows[i].at);

        if (!str_equal(is, rows[i].is))
            fail_msg("%s is %s", rows[i].at, str_or(is, "absent"));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_group_is_listed_once_with_its_versions),
        TEST(every_kind_is_listed_as_a_resource_of_its_version),
        TEST(every_schema_of_version_2_is_complete),
        TEST(every_schema_of_version_3_is_complete),
        TEST(a_field_keeps_its_description_beside_the_reference),
        TEST(lists_say_how_they_are_merged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
