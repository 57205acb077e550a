/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which permissions a request takes: every verb, subresource and form of body against what a real
 * kube-apiserver asked its authorizer (golden/authorization.json, made by record_authorization.py).
 *
 * A user starts with nothing. For each question that Kubernetes asked, the request must be refused
 * in its words until exactly that is granted; in the end the request must get the same status.
 */
#include "testing.h"

#include "api/schema/rbac_v1.h"
#include "api_harness.h"
#include "base/files/file.h"
#include "base/format.h"
#include "base/strbuf.h"
#include "server/request/call.h"

#define GOLDEN_MAX ((size_t)16 * 1024 * 1024)
#define GRANTS_MAX 16
#define ROLES "rbac.authorization.k8s.io"

static const char *golden_path;

typedef struct Golden {
    char *text;
    yyjson_doc *doc;
    yyjson_val *fixtures, *cases;
} Golden;

static const char *text_of(yyjson_val *object, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(object, key));
}

static void golden_read(Golden *ret)
{
    size_t n;

    assert_int_equal(file_read(golden_path, GOLDEN_MAX, &ret->text, &n), 0);
    ret->doc = yyjson_read(ret->text, n, 0);
    assert_non_null(ret->doc);
    ret->fixtures = yyjson_obj_get(yyjson_doc_get_root(ret->doc), "fixtures");
    ret->cases = yyjson_obj_get(yyjson_doc_get_root(ret->doc), "cases");
}

static void golden_free(Golden *golden)
{
    yyjson_doc_free(golden->doc);
    free(golden->text);
}

/* ---- granting ---- */

static StringArray one(Arena *arena, const char *s)
{
    StringArray array = {arena_new(arena, const char *), 1};

    array.v[0] = s;
    return array;
}

/* [verb, path] or [verb, group, resource, subresource, namespace, name] */
static void rule_of(Arena *arena, yyjson_val *question, PolicyRule *ret)
{
    const char *v[6];

    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = yyjson_get_str(yyjson_arr_get(question, i));
    *ret = (PolicyRule){.verbs = one(arena, v[0])};
    if (!v[2]) {
        ret->non_resource_urls = one(arena, v[1]);
        return;
    }
    ret->api_groups = one(arena, v[1]);
    ret->resources = one(arena, *v[3] ? arena_printf(arena, "%s/%s", v[2], v[3]) : v[2]);
    if (*v[5])
        ret->resource_names = one(arena, v[5]);
}

static void must_work(void *data _unused_, int outcome, const char *reason _unused_,
                      Object *object _unused_)
{
    assert_int_equal(outcome, 0);
}

/* A role with this one rule, bound where the question was asked. Both go straight into the store: the
 * question may be about a namespace that is not there. */
static void grant(Api *api, const char *who, size_t number, yyjson_val *question)
{
    const char *ns = yyjson_get_str(yyjson_arr_get(question, 4));
    _object_ Object *role = object_new(&kind_cluster_role);
    _object_ Object *binding =
        object_new(str_empty(ns) ? &kind_cluster_role_binding : &kind_role_binding);
    Arena *arena = &binding->arena;
    const char *name = arena_printf(arena, "granted-%zu", number);
    const Subject user = {.kind = "User", .api_group = ROLES, .name = who};
    PolicyRuleArray *rules = &OBJECT_AS(ClusterRole, role)->rules;
    SubjectArray *subjects;

    object_meta(role)->name = arena_strdup(&role->arena, name);
    rules->v = arena_new(&role->arena, PolicyRule);
    rules->n = 1;
    rule_of(&role->arena, question, rules->v);
    object_meta(binding)->name = name;
    if (str_empty(ns)) {
        subjects = &OBJECT_AS(ClusterRoleBinding, binding)->subjects;
        OBJECT_AS(ClusterRoleBinding, binding)->role_ref = (RoleRef){ROLES, "ClusterRole", name};
    } else {
        object_meta(binding)->namespace = ns;
        subjects = &OBJECT_AS(RoleBinding, binding)->subjects;
        OBJECT_AS(RoleBinding, binding)->role_ref = (RoleRef){ROLES, "ClusterRole", name};
    }
    subjects->v = arena_new(arena, Subject);
    subjects->v[subjects->n++] = user;
    assert_int_equal(store_create(api->store, role, must_work, NULL), 0);
    assert_int_equal(store_create(api->store, binding, must_work, NULL), 0);
    api_settle(api);
}

static void drop(Api *api, const Kind *kind, const char *ns, const char *name)
{
    Object *head = store_head(api->store, kind, ns, name);
    _object_ Object *last = NULL;

    assert_non_null(head);
    last = object_copy(head);
    assert_int_equal(store_delete(api->store, last, head->revision, must_work, NULL), 0);
}

static void take_back(Api *api, size_t number, yyjson_val *question)
{
    const char *ns = yyjson_get_str(yyjson_arr_get(question, 4));
    _free_ char *name = mem_printf("granted-%zu", number);

    drop(api, &kind_cluster_role, NULL, name);
    if (str_empty(ns))
        drop(api, &kind_cluster_role_binding, NULL, name);
    else
        drop(api, &kind_role_binding, ns, name);
    api_settle(api);
}

/* ---- one case ---- */

static const char *user_of(yyjson_val *c)
{
    return str_or(text_of(c, "as"), "tester-0");
}

static void send_case(Api *api, yyjson_val *c)
{
    HttpLoopback *connection = api_connect(api, user_of(c));
    const char *body = text_of(c, "body"), *type = text_of(c, "type");
    _strbuf_ StrBuf headers = STRBUF_INIT;
    yyjson_val *pair;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(c, "headers"), i, n, pair)
        strbuf_printf(&headers, "%s: %s\r\n", yyjson_get_str(yyjson_arr_get(pair, 0)),
                      yyjson_get_str(yyjson_arr_get(pair, 1)));
    if (body)
        strbuf_printf(&headers, "Content-Type: %s\r\n", type);
    if (yyjson_get_bool(yyjson_obj_get(c, "stream")))
        api_open_on(api, connection, text_of(c, "method"), text_of(c, "path"),
                    strbuf_string(&headers));
    else
        api_call_on(api, connection, text_of(c, "method"), text_of(c, "path"),
                    strbuf_string(&headers), body, body ? strlen(body) : 0);
    http_loopback_free(connection);
    api_settle(api);
}

/* One mistake is told, and the walk goes on: a table is read best as a whole. */
static size_t mistakes;

static _printf_(1, 2) void mistake(const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    print_error("%s\n", text);
    mistakes++;
}

static const char *message_of(const Api *api)
{
    return api->json ? text_of(yyjson_doc_get_root(api->json), "message") : NULL;
}

/* Where Kubernetes forgets the reason, ours may follow. */
static bool says(const char *message, const char *words)
{
    return str_ends_with(words, ": ") ? str_starts_with(message, words) : str_equal(message, words);
}

static void expect_refusal(const Api *api, yyjson_val *c, const char *words)
{
    const char *name = text_of(c, "name");

    if (api->status != 403)
        mistake("%s: %d where Kubernetes says: %s", name, api->status, words);
    else if (!str_empty(words) && !says(message_of(api), words))
        mistake("%s:\n  %s\n  where Kubernetes says\n  %s", name, str_or(message_of(api), ""),
                words);
}

static void expect_same(const char *name, yyjson_val *is, yyjson_val *should, const char *what)
{
    _free_ char *a = is ? yyjson_val_write(is, 0, NULL) : NULL;
    _free_ char *b = should ? yyjson_val_write(should, 0, NULL) : NULL;

    if (!str_equal(a, b))
        mistake("%s: %s is %s, not %s", name, what, str_or(a, "absent"), str_or(b, "absent"));
}

static void expect_end(const Api *api, yyjson_val *c)
{
    static const char *const members[] = {"username", "uid", "groups", "extra"};
    int status = yyjson_get_int(yyjson_obj_get(c, "status"));
    const char *name = text_of(c, "name"), *words = text_of(c, "message");
    yyjson_val *user = yyjson_obj_get(c, "user");

    if (yyjson_get_bool(yyjson_obj_get(c, "loose"))) {
        if (api->status == 403)
            mistake("%s: %s", name, message_of(api));
        return;
    }
    if (api->status != status)
        mistake("%s: %d (%s) where Kubernetes ends in %d (%s)", name, api->status,
                str_or(message_of(api), ""), status, str_or(words, ""));
    for (size_t i = 0; user && api->json && i < ARRAY_LEN(members); i++)
        expect_same(name,
                    yyjson_obj_get(yyjson_doc_ptr_get(api->json, "/status/userInfo"), members[i]),
                    yyjson_obj_get(user, members[i]), members[i]);
}

static void run_case(Api *api, yyjson_val *c)
{
    yyjson_val *asked = yyjson_obj_get(c, "asked"), *refusals = yyjson_obj_get(c, "refusals");
    yyjson_val *granted = yyjson_obj_get(c, "granted"), *question;
    yyjson_val *held[GRANTS_MAX];
    size_t n = 0, i, max;

    yyjson_arr_foreach(granted, i, max, question)
    {
        held[n] = question;
        grant(api, user_of(c), n++, question);
    }
    yyjson_arr_foreach(asked, i, max, question)
    {
        assert_true(n < GRANTS_MAX);
        send_case(api, c);
        expect_refusal(api, c, yyjson_get_str(yyjson_arr_get(refusals, i)));
        held[n] = question;
        grant(api, user_of(c), n++, question);
    }
    send_case(api, c);
    expect_end(api, c);
    while (n) {
        n--;
        take_back(api, n, held[n]);
    }
}

/* ---- tests ---- */

/* Those that are acted as may do everything. */
static void allow_the_others(Api *api)
{
    static const char everything[] =
        "{\"metadata\":{\"name\":\"others\"},\"roleRef\":{\"apiGroup\":\"" ROLES
        "\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"},\"subjects\":["
        "{\"kind\":\"User\",\"name\":\"bob\"},{\"kind\":\"User\",\"name\":\"system:anonymous\"},"
        "{\"kind\":\"User\",\"name\":\"system:node:n\"},"
        "{\"kind\":\"User\",\"name\":\"system:serviceaccount:t\"},"
        "{\"kind\":\"User\",\"name\":\"system:serviceaccount:t:default\"}]}";

    api_call(api, "POST", "/apis/" ROLES "/v1/clusterrolebindings", NULL, everything);
    assert_int_equal(api->status, 201);
}

static void set_stage(Api *api, const Golden *golden)
{
    yyjson_val *fixture;
    size_t i, n;

    api_start(api, NULL);
    /* What everybody may by default would hide what is asked. */
    api_call(api, "DELETE", "/apis/" ROLES "/v1/clusterrolebindings", NULL, NULL);
    assert_int_equal(api->status, 200);
    allow_the_others(api);
    yyjson_arr_foreach(golden->fixtures, i, n, fixture)
    {
        api_call(api, "POST", yyjson_get_str(yyjson_arr_get(fixture, 0)), NULL,
                 yyjson_get_str(yyjson_arr_get(fixture, 1)));
        if (api->status != 201)
            fail_msg("%s: %s", yyjson_get_str(yyjson_arr_get(fixture, 0)), api->body);
    }
}

static void each_request_takes_the_permissions_that_kubernetes_asks_for(void **state)
{
    Golden golden;
    Api api;
    yyjson_val *c;
    size_t i, n;

    golden_read(&golden);
    set_stage(&api, &golden);
    yyjson_arr_foreach(golden.cases, i, n, c) run_case(&api, c);
    api_stop(&api);
    golden_free(&golden);
    if (mistakes)
        fail_msg("%zu mistakes", mistakes);
}

static bool was_asked(const Golden *golden, const Kind *kind, const char *subresource)
{
    yyjson_val *c, *question;
    size_t i, n, k, m;

    yyjson_arr_foreach(golden->cases, i, n, c)
    {
        yyjson_arr_foreach(yyjson_obj_get(c, "asked"), k, m, question)
        {
            if (str_equal(yyjson_get_str(yyjson_arr_get(question, 1)), kind->group) &&
                str_equal(yyjson_get_str(yyjson_arr_get(question, 2)), kind->plural) &&
                str_equal(yyjson_get_str(yyjson_arr_get(question, 3)), subresource))
                return true;
        }
    }
    return false;
}

static void each_kind_and_subresource_is_among_the_cases(void **state)
{
    Golden golden;

    golden_read(&golden);
    for (size_t i = 0; i < kind_count(); i++) {
        const Kind *kind = kind_at(i);

        /* Metrics are served by an extension of kube-apiserver, which does not know them itself. */
        if (str_empty(kind->plural) || kind->flags & KIND_COMPUTED)
            continue;
        if (!was_asked(&golden, kind, ""))
            fail_msg("record_authorization.py knows no %s", kind->plural);
        for (const char *const *sub = kind->subresources; *sub; sub++)
            if (!was_asked(&golden, kind, *sub))
                fail_msg("record_authorization.py knows no %s/%s", kind->plural, *sub);
    }
    golden_free(&golden);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_takes_the_permissions_that_kubernetes_asks_for),
        cmocka_unit_test(each_kind_and_subresource_is_among_the_cases),
    };

    golden_path = argc > 1 ? argv[1] : "golden/authorization.json";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
