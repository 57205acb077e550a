/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says it serves, compared with what a real kube-apiserver says (golden/discovery.json and
 * golden/schemas.txt, made by tests/oracle/record_discovery.py): the answers of discovery member by member, and the
 * properties of every definition of OpenAPI, which `kubectl explain` shows. What is not served yet, or is served
 * beyond Kubernetes, is listed here, and an entry that is no longer true is a failure.
 */
#include "testing.h"

#include "api_harness.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "base/text_map.h"

#define GOLDEN_MAX ((size_t)16 * 1024 * 1024)
#define PLAIN "application/json"

/* Resources that Kubernetes has in groups that stead has as well: what their names begin with. */
static const char *const missing_resources[] = {"validatingadmissionpolic",
                                                "mutatingadmissionpolic"};
/* Groups that Kubernetes itself does not have: metrics-server brings this one. */
static const char *const extra_groups[] = {"metrics.k8s.io"};

/* Properties that OpenAPI shows otherwise, as the line of Kubernetes and that of stead; NULL: none. */
static const struct {
    const char *theirs, *ours;
} other_lines[] = {
    {"io.k8s.api.core.v1.PersistentVolumeSpec claimRef ObjectReference granular",
     "io.k8s.api.core.v1.PersistentVolumeSpec claimRef ObjectReference"},
    {"io.k8s.api.policy.v1.PodDisruptionBudgetSpec selector LabelSelector replace",
     "io.k8s.api.policy.v1.PodDisruptionBudgetSpec selector LabelSelector"},
    {"io.k8s.api.core.v1.PersistentVolumeClaimStatus allocatedResourceStatuses map[string]string "
     "granular",
     "io.k8s.api.core.v1.PersistentVolumeClaimStatus allocatedResourceStatuses map[string]string"},
    {"io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec caBundle byte atomic",
     "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec caBundle byte"},
    /* Values that may have any form, which Kubernetes gives names of their own. */
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "additionalItems JSONSchemaPropsOrBool",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "additionalItems RawExtension"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "additionalProperties JSONSchemaPropsOrBool",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "additionalProperties RawExtension"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "default JSON",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "default RawExtension"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "dependencies map[string]JSONSchemaPropsOrStringArray",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "dependencies map[string]RawExtension"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "enum []JSON atomic",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "enum []RawExtension atomic"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "example JSON",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "example RawExtension"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "items JSONSchemaPropsOrArray",
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps "
     "items RawExtension"},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions apiVersion string", NULL},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions kind string", NULL},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.Status apiVersion string", NULL},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.Status kind string", NULL},
};

/* Definitions that stead has none of: those of the missing groups, and those of answers of discovery, which no kind
 * refers to. */
static const char *const missing_definitions[] = {
    "io.k8s.api.admissionregistration.v1.ApplyConfiguration ",
    "io.k8s.api.admissionregistration.v1.AuditAnnotation ",
    "io.k8s.api.admissionregistration.v1.ExpressionWarning ",
    "io.k8s.api.admissionregistration.v1.JSONPatch ",
    "io.k8s.api.admissionregistration.v1.MatchResources ",
    "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
    "io.k8s.api.admissionregistration.v1.Mutation ",
    "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations ",
    "io.k8s.api.admissionregistration.v1.ParamKind ",
    "io.k8s.api.admissionregistration.v1.ParamRef ",
    "io.k8s.api.admissionregistration.v1.TypeChecking ",
    "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    "io.k8s.api.admissionregistration.v1.Validation ",
    "io.k8s.api.admissionregistration.v1.Variable ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIResource ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR ",
    "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent ",
    "io.k8s.apimachinery.pkg.version.Info ",
};

static const char *discovery_path, *schemas_path;

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

static yyjson_val *get(Api *api, const char *path, const char *accept)
{
    _free_ char *headers = mem_printf("Accept: %s\r\n", accept);

    api_call_on(api, api->admin, "GET", path, headers, NULL, 0);
    return api->json ? yyjson_doc_get_root(api->json) : NULL;
}

static bool among(const char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(list[i], text))
            return true;
    return false;
}

static bool is_extra(const char *group)
{
    return among(extra_groups, ARRAY_LEN(extra_groups), group);
}

/* The name of a group in a list of discovery, in either form; "" for anything else. */
static const char *group_of(yyjson_val *item)
{
    const char *name = yyjson_get_str(yyjson_obj_get(item, "name"));

    if (!name)
        name = yyjson_get_str(yyjson_ptr_get(item, "/metadata/name"));
    return name ? name : "";
}

/* The list without the groups that only one side has. */
static yyjson_mut_val *common(yyjson_mut_doc *doc, yyjson_val *list)
{
    yyjson_mut_val *result = yyjson_mut_arr(doc);
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item) if (!is_extra(group_of(item)))
        yyjson_mut_arr_append(result, yyjson_val_mut_copy(doc, item));
    return result;
}

/* An item of a list of resources, in either form. */
static bool is_missing_resource(yyjson_mut_val *item)
{
    const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(item, "resource"));

    if (!name)
        name = yyjson_mut_get_str(yyjson_mut_obj_get(item, "name"));
    for (size_t i = 0; name && i < ARRAY_LEN(missing_resources); i++)
        if (strncmp(name, missing_resources[i], strlen(missing_resources[i])) == 0)
            return true;
    return false;
}

/* The answer as comparable text: without addresses, and with the members in order. */
static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print(yyjson_mut_val *value, const char *path, StrBuf *out)
{
    if (yyjson_mut_is_obj(value)) {
        size_t n = yyjson_mut_obj_size(value), i, max, k = 0;
        const char **keys = mem_new((n + 1) * sizeof(*keys));
        yyjson_mut_val *key, *item;

        yyjson_mut_obj_foreach(value, i, max, key, item) keys[k++] = yyjson_mut_get_str(key);
        qsort(keys, n, sizeof(*keys), compare_keys);
        for (k = 0; k < n; k++) {
            _free_ char *below = mem_printf("%s/%s", path, keys[k]);

            if (!str_equal(keys[k], "serverAddressByClientCIDRs"))
                print(yyjson_mut_obj_get(value, keys[k]), below, out);
        }
        free(keys);
    } else if (yyjson_mut_is_arr(value)) {
        yyjson_mut_val *item;
        size_t i, n, k = 0;

        yyjson_mut_arr_foreach(value, i, n, item)
        {
            _free_ char *below = mem_printf("%s[%zu]", path, k);

            if (is_missing_resource(item))
                continue;
            k++;
            print(item, below, out);
        }
    } else {
        char *text = yyjson_mut_val_write(value, 0, NULL);

        strbuf_printf(out, "%s = %s\n", path, text);
        free(text);
    }
}

static void print_answer(yyjson_val *answer, StrBuf *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, answer);
    static const char *const lists[] = {"groups", "items"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (yyjson_obj_get(answer, lists[i]))
            yyjson_mut_obj_replace(copy, yyjson_mut_str(doc, lists[i]),
                                   common(doc, yyjson_obj_get(answer, lists[i])));
    print(copy, "", out);
    yyjson_mut_doc_free(doc);
}

/* Reports the lines that only one of two texts has. */
static size_t report_lines(const char *what, const char *theirs, const char *ours)
{
    const char *const sides[] = {theirs, ours, theirs};
    size_t differing = 0;

    for (int side = 0; side < 2; side++) {
        _arena_ Arena arena = ARENA_INIT;
        TextMap other = TEXT_MAP_INIT(&arena);

        for (const char *at = sides[side + 1]; *at; at += strcspn(at, "\n") + 1)
            (void)text_map_add(&other, arena_strndup(&arena, at, strcspn(at, "\n")));
        for (const char *at = sides[side]; *at; at += strcspn(at, "\n") + 1) {
            const char *line = arena_strndup(&arena, at, strcspn(at, "\n"));

            if (text_map_has(&other, line))
                continue;
            print_message("%s: %s %s\n", what, side ? "only stead has" : "only Kubernetes has",
                          line);
            differing++;
        }
    }
    return differing;
}

static void the_index_of_schemas_lists_every_group_version(Api *api, yyjson_val *theirs)
{
    yyjson_val *paths = yyjson_obj_get(get(api, "/openapi/v3", PLAIN), "paths"), *path;
    size_t i, n;

    yyjson_arr_foreach(theirs, i, n, path)
    {
        const char *text = yyjson_get_str(path);
        const char *slash = strchr(text, '/');
        bool version = slash && (strncmp(text, "api/", 4) == 0 || strchr(slash + 1, '/')) &&
                       strncmp(text, "api", 3) == 0;

        if (version && !yyjson_obj_get(paths, text))
            fail_msg("/openapi/v3 does not list %s", text);
    }
}

static yyjson_doc *read_golden(char **ret_text)
{
    size_t n;

    assert_int_equal(file_read(discovery_path, GOLDEN_MAX, ret_text, &n), 0);
    return yyjson_read(*ret_text, n, 0);
}

static void discovery_is_that_of_kubernetes(void **state)
{
    Api *api = *state;
    _free_ char *text = NULL;
    yyjson_doc *golden = read_golden(&text);
    yyjson_val *key, *answer;
    size_t i, n, differing = 0;

    assert_non_null(golden);
    yyjson_obj_foreach(yyjson_doc_get_root(golden), i, n, key, answer)
    {
        const char *name = yyjson_get_str(key), *accept = strchr(name, ' ') + 1;
        _free_ char *path = mem_strndup(name, (size_t)(accept - name - 1));
        _strbuf_ StrBuf theirs = STRBUF_INIT, ours = STRBUF_INIT;
        yyjson_val *found, *code = yyjson_obj_get(answer, "code");

        if (str_equal(path, "/openapi/v3")) {
            the_index_of_schemas_lists_every_group_version(api, yyjson_obj_get(answer, "paths"));
            continue;
        }
        found = get(api, path, accept);
        if (code) {
            assert_int_equal(api->status, yyjson_get_int(code));
            continue;
        }
        if (api->status != 200)
            fail_msg("%s: %d", path, api->status);
        print_answer(answer, &theirs);
        print_answer(found, &ours);
        differing += report_lines(name, strbuf_string(&theirs), strbuf_string(&ours));
    }
    for (size_t k = 0; k < ARRAY_LEN(extra_groups); k++) {
        _free_ char *path = mem_printf("/apis/%s", extra_groups[k]);

        (void)get(api, path, PLAIN);
        assert_int_equal(api->status, 200);
    }
    yyjson_doc_free(golden);
    assert_int_equal(differing, 0);
}

/* ---- schemas ---- */

static void add_type_text(yyjson_val *schema, StrBuf *out)
{
    const char *ref = yyjson_get_str(yyjson_obj_get(schema, "$ref"));
    const char *type = yyjson_get_str(yyjson_obj_get(schema, "type"));
    const char *format = yyjson_get_str(yyjson_obj_get(schema, "format"));

    if (ref) {
        strbuf_add_string(out, strrchr(ref, '.') + 1);
    } else if (str_equal(type, "array")) {
        strbuf_add_string(out, "[]");
        add_type_text(yyjson_obj_get(schema, "items"), out);
    } else if (str_equal(type, "object") && yyjson_obj_get(schema, "additionalProperties")) {
        strbuf_add_string(out, "map[string]");
        add_type_text(yyjson_obj_get(schema, "additionalProperties"), out);
    } else {
        strbuf_add_string(out, format ? format : type ? type : "object");
    }
}

static void add_words(yyjson_val *list, const char *separator, StrBuf *out)
{
    yyjson_val *word;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, word)
        strbuf_printf(out, "%s%s", i ? separator : " ", yyjson_get_str(word));
}

static void add_word(yyjson_val *word, StrBuf *out)
{
    if (word)
        strbuf_printf(out, " %s", yyjson_get_str(word));
}

static bool contains(yyjson_val *list, const char *text)
{
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(list, i, n, item) if (str_equal(yyjson_get_str(item), text)) return true;
    return false;
}

/* The same lines as lines_of() in record_discovery.py writes. */
static void add_definition(const char *name, yyjson_val *schema, StrBuf *out)
{
    yyjson_val *key, *property;
    size_t i, n;

    yyjson_obj_foreach(yyjson_obj_get(schema, "properties"), i, n, key, property)
    {
        strbuf_printf(out, "%s %s ", name, yyjson_get_str(key));
        add_type_text(property, out);
        if (contains(yyjson_obj_get(schema, "required"), yyjson_get_str(key)))
            strbuf_add_string(out, " required");
        add_word(yyjson_obj_get(property, "x-kubernetes-list-type"), out);
        add_words(yyjson_obj_get(property, "x-kubernetes-list-map-keys"), " ", out);
        add_word(yyjson_obj_get(property, "x-kubernetes-patch-strategy"), out);
        add_word(yyjson_obj_get(property, "x-kubernetes-patch-merge-key"), out);
        add_word(yyjson_obj_get(property, "x-kubernetes-map-type"), out);
        add_words(yyjson_obj_get(property, "enum"), "|", out);
        strbuf_add_char(out, '\n');
    }
}

/* Kubernetes' line is expected to be stead's. */
static const char *expected_line(const char *line)
{
    for (size_t i = 0; i < ARRAY_LEN(other_lines); i++)
        if (str_equal(other_lines[i].theirs, line))
            return other_lines[i].ours;
    return line;
}

/* The row that says that the definition of the line is missing; -1: none. */
static int missing_row(const char *line)
{
    for (size_t i = 0; i < ARRAY_LEN(missing_definitions); i++)
        if (strncmp(line, missing_definitions[i], strlen(missing_definitions[i])) == 0)
            return (int)i;
    return -1;
}

static bool is_served(yyjson_val *definitions, const char *line)
{
    return yyjson_obj_getn(definitions, line, strcspn(line, " ")) != NULL;
}

static void every_definition_has_the_properties_of_kubernetes(void **state)
{
    Api *api = *state;
    yyjson_val *definitions = yyjson_obj_get(get(api, "/openapi/v2", PLAIN), "definitions"), *key,
               *schema;
    _strbuf_ StrBuf theirs = STRBUF_INIT, ours = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *text = NULL;
    TextMap known = TEXT_MAP_INIT(&arena);
    bool used[ARRAY_LEN(missing_definitions)] = {0};
    size_t n, i, max, exceptions = 0;

    assert_int_equal(file_read(schemas_path, GOLDEN_MAX, &text, &n), 0);
    for (char *at = text; *at; at += strcspn(at, "\n") + 1) {
        const char *line = arena_strndup(&arena, at, strcspn(at, "\n"));
        const char *expected = expected_line(line);

        (void)text_map_add(&known, arena_strndup(&arena, line, strcspn(line, " ")));
        if (missing_row(line) >= 0 && is_served(definitions, line))
            fail_msg("%s is served: take it from the list of what is missing", line);
        if (missing_row(line) >= 0) {
            used[missing_row(line)] = true;
            continue;
        }
        if (!is_served(definitions, line))
            fail_msg("the definition of %s is missing", line);
        exceptions += expected != line;
        if (expected)
            strbuf_printf(&theirs, "%s\n", expected);
    }
    assert_int_equal(exceptions, ARRAY_LEN(other_lines));
    for (i = 0; i < ARRAY_LEN(used); i++)
        assert_true(used[i]);
    yyjson_obj_foreach(definitions, i, max, key,
                       schema) if (text_map_has(&known, yyjson_get_str(key)))
        add_definition(yyjson_get_str(key), schema, &ours);
    assert_int_equal(report_lines("schema", strbuf_string(&theirs), strbuf_string(&ours)), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(discovery_is_that_of_kubernetes, setup, teardown),
        cmocka_unit_test_setup_teardown(every_definition_has_the_properties_of_kubernetes, setup,
                                        teardown),
    };

    assert(argc == 3);
    discovery_path = argv[1];
    schemas_path = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
