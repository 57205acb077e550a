/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the OpenAPI documents have the names that Kubernetes gives them, since generated clients
 * take the names of their functions from there: golden/operations.json.
 */
#include "testing.h"

#include "api_harness.h"

static yyjson_doc *golden;

/* The resource of a path, without namespace and name; NULL: none. */
static const char *resource_of(Arena *arena, const char *path)
{
    char *at = arena_strdup(arena, path + 1), *part;
    bool core = str_starts_with(path, "/api/");
    const char *resource = NULL, *version = NULL;
    size_t n = 0;

    while ((part = strsep(&at, "/"))) {
        n++;
        if (n == (core ? 2u : 3u))
            version = part;
        if (n <= (core ? 2u : 3u) || *part == '{')
            continue;
        if (str_equal(part, "namespaces") && at && str_starts_with(at, "{namespace}/"))
            continue;
        resource = part;
        break;
    }
    return resource ? arena_printf(arena, "%s/%s", version, resource) : NULL;
}

static bool has_resources(const char *group, const char *version)
{
    for (size_t i = 0; i < kind_count(); i++)
        if (!str_empty(kind_at(i)->plural) && str_equal(kind_at(i)->group, group) &&
            str_equal(kind_at(i)->version, version))
            return true;
    return false;
}

static bool is_served(const char *path)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *resource = resource_of(&arena, path), *slash;
    const char *rest = str_starts_with(path, "/apis/") ? path + 6 : "";
    const char *group = arena_strndup(&arena, rest, strcspn(rest, "/"));
    const char *sub = strrchr(path, '}');
    const Kind *kind;

    if (!resource)
        return false;
    slash = strchr(resource, '/');
    if (!slash[1]) /* the list of the resources of a version */
        return has_resources(group, arena_strndup(&arena, resource, (size_t)(slash - resource)));
    kind = kind_find_resource(group, arena_strndup(&arena, resource, (size_t)(slash - resource)),
                              slash + 1);
    if (!kind || !sub || !*(sub + 1) || !strstr(path, "{name}/"))
        return kind != NULL;
    for (const char *const *own = kind->subresources; *own; own++)
        if (str_equal(strstr(path, "{name}/") + 7, *own))
            return true;
    return false;
}

/* Every operation that is documented has its name, and each of the names that belong to a resource of this
 * server is documented. */
static void operations_have_the_names_of_kubernetes(void **state)
{
    Api *api = *state;
    yyjson_val *root = yyjson_doc_get_root(golden), *key, *value, *method, *id;
    size_t i, n, k, m;
    unsigned mistakes = 0;

    api_call(api, "GET", "/openapi/v2", NULL, NULL);
    assert_int_equal(api->status, 200);
    value = yyjson_obj_get(yyjson_doc_get_root(api->json), "paths");
    yyjson_obj_foreach(root, i, n, key, value)
    {
        yyjson_val *ours = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(api->json), "paths"),
                                          yyjson_get_str(key));

        if (!is_served(yyjson_get_str(key)))
            continue;
        yyjson_obj_foreach(value, k, m, method, id)
        {
            const char *is = yyjson_get_str(
                yyjson_obj_get(yyjson_obj_get(ours, yyjson_get_str(method)), "operationId"));

            if (str_equal(is, yyjson_get_str(id)))
                continue;
            print_error("%s %s: %s, not %s\n", yyjson_get_str(method), yyjson_get_str(key),
                        is ? is : "nothing", yyjson_get_str(id));
            mistakes++;
        }
    }
    yyjson_obj_foreach(yyjson_obj_get(yyjson_doc_get_root(api->json), "paths"), i, n, key, value)
    {
        yyjson_val *theirs = yyjson_obj_get(root, yyjson_get_str(key));

        if (str_starts_with(yyjson_get_str(key), "/apis/metrics.k8s.io/"))
            continue; /* of metrics-server */
        yyjson_obj_foreach(value, k, m, method, id)
        {
            if (str_equal(yyjson_get_str(method), "parameters") ||
                yyjson_obj_get(theirs, yyjson_get_str(method)))
                continue;
            print_error("%s %s: Kubernetes has no such operation\n", yyjson_get_str(method),
                        yyjson_get_str(key));
            mistakes++;
        }
    }
    assert_int_equal(mistakes, 0);
}

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations_have_the_names_of_kubernetes, setup, teardown),
    };
    int r;

    if (argc != 2 || !(golden = yyjson_read_file(argv[1], 0, NULL, NULL)))
        return 2;
    r = cmocka_run_group_tests(tests, NULL, NULL);
    yyjson_doc_free(golden);
    return r;
}
