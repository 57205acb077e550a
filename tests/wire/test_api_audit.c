/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log. golden/audit.json has the events that kube-apiserver wrote about a list of requests, under the policy
 * tests/oracle/audit/policy.yaml; tests/oracle/record_audit.py made it. The events of stead have to be the same.
 */
#include "testing.h"

#include <sys/stat.h>

#include "api_harness.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "server/audit/policy.h"

#define GOLDEN_MAX ((size_t)16 * 1024 * 1024)
#define MERGE "application/merge-patch+json"

static const char *golden_path, *policy_path;

/* ---- a server with a log ---- */

typedef struct Audited {
    Api api;
    char folder[32];
    char *log, *tokens;
    size_t seen; /* bytes of the log */
} Audited;

static void start(Audited *a)
{
    ServerAudit audit = {.policy_file = policy_path};

    *a = (Audited){.folder = "/tmp/audit-XXXXXX"};
    assert_non_null(mkdtemp(a->folder));
    a->log = mem_printf("%s/new/audit.log", a->folder);
    a->tokens = mem_printf("%s/tokens.csv", a->folder);
    assert_int_equal(file_replace(a->tokens, "oracle,admin,1,\"system:masters\"\n", 33, 0600), 0);
    audit.log_path = a->log;
    uv_loop_init(&a->api.loop);
    api_start_on(&a->api, &(ServerOptions){.token_file = a->tokens, .audit = &audit});
    api_fixture(&a->api);
}

static void settle(Audited *a)
{
    api_settle(&a->api);
    while (!server_audit_is_idle(a->api.server))
        uv_run(&a->api.loop, UV_RUN_ONCE);
}

static void stop(Audited *a)
{
    settle(a);
    api_stop(&a->api);
    assert_int_equal(file_remove_tree(a->folder), 0);
    free(a->log);
    free(a->tokens);
}

/* The lines that have been written since the last call. */
static char *new_lines(Audited *a)
{
    char *text, *ret;
    size_t n;

    settle(a);
    assert_int_equal(file_read(a->log, GOLDEN_MAX, &text, &n), 0);
    assert_true(n == 0 || text[n - 1] == '\n');
    ret = mem_strdup(text + a->seen);
    a->seen = n;
    free(text);
    return ret;
}

/* ---- comparison ---- */

static bool is_volatile(const char *key, yyjson_val *more)
{
    static const char *const keys[] = {"auditID",
                                       "requestReceivedTimestamp",
                                       "stageTimestamp",
                                       "uid",
                                       "resourceVersion",
                                       "creationTimestamp",
                                       "time",
                                       "continue",
                                       "buildDate",
                                       "deletionTimestamp",
                                       "lastTransitionTime"};
    yyjson_val *key_of_step;
    size_t i, n;

    for (i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    yyjson_arr_foreach(more, i, n,
                       key_of_step) if (yyjson_equals_str(key_of_step, key)) return true;
    return false;
}

/* The same as `normalise` in record_audit.py. */
static void normalise(yyjson_mut_doc *doc, yyjson_mut_val *value, yyjson_val *more)
{
    yyjson_mut_val *key, *item;
    size_t i, n;

    if (yyjson_mut_is_arr(value))
        yyjson_mut_arr_foreach(value, i, n, item) normalise(doc, item, more);
    if (!yyjson_mut_is_obj(value))
        return;
    yyjson_mut_obj_foreach(value, i, n, key, item)
    {
        if (yyjson_mut_is_str(item) && yyjson_mut_get_len(item) &&
            is_volatile(yyjson_mut_get_str(key), more))
            yyjson_mut_set_str(item, "*");
        else
            normalise(doc, item, more);
    }
}

/* The members of both, in the order of the first. */
static void print_differences(yyjson_val *expected, yyjson_mut_val *found, StrBuf *report)
{
    yyjson_val *key, *item;
    yyjson_mut_val *found_key, *found_item;
    size_t i, n;

    yyjson_obj_foreach(expected, i, n, key, item)
    {
        yyjson_mut_val *other = yyjson_mut_obj_get(found, yyjson_get_str(key));
        _free_ char *a = yyjson_val_write(item, 0, NULL);
        _free_ char *b = other ? yyjson_mut_val_write(other, 0, NULL) : NULL;
        yyjson_doc *parsed = b ? yyjson_read(b, strlen(b), 0) : NULL;

        if (!yyjson_equals(item, yyjson_doc_get_root(parsed)))
            strbuf_printf(report, "    %s\n      expected %s\n      found    %s\n",
                          yyjson_get_str(key), a, b ? b : "(absent)");
        yyjson_doc_free(parsed);
    }
    yyjson_mut_obj_foreach(found, i, n, found_key, found_item)
    {
        _free_ char *b = yyjson_mut_val_write(found_item, 0, NULL);

        if (!yyjson_obj_get(expected, yyjson_mut_get_str(found_key)))
            strbuf_printf(report, "    %s\n      expected (absent)\n      found    %s\n",
                          yyjson_mut_get_str(found_key), b);
    }
}

static void compare_event(yyjson_val *expected, const char *line, size_t length, yyjson_val *step,
                          StrBuf *report)
{
    yyjson_doc *doc = yyjson_read(line, length, 0), *normal;
    yyjson_mut_doc *copy;

    assert_non_null(doc);
    copy = yyjson_doc_mut_copy(doc, NULL);
    normalise(copy, yyjson_mut_doc_get_root(copy), yyjson_obj_get(step, "volatile"));
    normal = yyjson_mut_doc_imut_copy(copy, NULL);
    if (!expected)
        strbuf_printf(report, "    no event expected, found %.*s\n", (int)length, line);
    else if (!yyjson_equals(expected, yyjson_doc_get_root(normal)))
        print_differences(expected, yyjson_mut_doc_get_root(copy), report);
    yyjson_doc_free(normal);
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(doc);
}

static const char *text_of(yyjson_val *object, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(object, key));
}

static char *step_headers(yyjson_val *step, size_t number, const char *method, bool body)
{
    yyjson_val *own = yyjson_obj_get(step, "headers"), *key, *value;
    const char *type = text_of(step, "type"), *accept = text_of(step, "accept");
    StrBuf text = STRBUF_INIT;
    size_t i, n;

    if (!yyjson_obj_get(own, "Authorization"))
        strbuf_add_string(&text, "Authorization: Bearer oracle\r\n");
    if (!yyjson_obj_get(own, "Audit-ID"))
        strbuf_printf(&text, "Audit-ID: step-%zu\r\n", number);
    yyjson_obj_foreach(own, i, n, key, value) if (yyjson_get_len(value))
        strbuf_printf(&text, "%s: %s\r\n", yyjson_get_str(key), yyjson_get_str(value));
    if (body)
        strbuf_printf(&text, "Content-Type: %s\r\n",
                      type                           ? type
                      : strcmp(method, "PATCH") == 0 ? MERGE
                                                     : "application/json");
    if (text_of(step, "as"))
        strbuf_printf(&text, "Impersonate-User: %s\r\n", text_of(step, "as"));
    if (text_of(step, "group"))
        strbuf_printf(&text, "Impersonate-Group: %s\r\n", text_of(step, "group"));
    strbuf_printf(&text, "Accept: %s\r\n", accept ? accept : "application/json");
    return strbuf_take(&text);
}

static void send_step(Audited *a, yyjson_val *step, size_t number)
{
    const char *target = text_of(step, "do"), *path = strchr(target, ' ') + 1;
    _free_ char *method = mem_strndup(target, (size_t)(path - target - 1));
    yyjson_val *value = yyjson_obj_get(step, "body");
    _free_ char *body =
        yyjson_is_str(value) ? mem_strdup(yyjson_get_str(value)) : yyjson_val_write(value, 0, NULL);
    _free_ char *headers = step_headers(step, number, method, body != NULL);
    HttpLoopback *connection = api_connect(&a->api, NULL);

    api_call_on(&a->api, connection, method, path, headers, body, body ? strlen(body) : 0);
    http_loopback_free(connection);
}

/* True: the events are those that were recorded. */
static bool play(Audited *a, yyjson_val *step, size_t number, StrBuf *report)
{
    yyjson_val *events = yyjson_obj_get(step, "events");
    int status = yyjson_get_int(yyjson_obj_get(step, "status"));
    _strbuf_ StrBuf differences = STRBUF_INIT;
    _free_ char *lines = NULL;
    size_t i = 0, n;

    send_step(a, step, number);
    lines = new_lines(a);
    if (a->api.status != status)
        strbuf_printf(&differences, "    status: expected %d, found %d\n", status, a->api.status);
    for (const char *line = lines; *line; line += n + 1, i++) {
        n = strcspn(line, "\n");
        compare_event(yyjson_arr_get(events, i), line, n, step, &differences);
    }
    for (; i < yyjson_arr_size(events); i++)
        strbuf_printf(&differences, "    the event of stage %s is missing\n",
                      text_of(yyjson_arr_get(events, i), "stage"));
    if (differences.n)
        strbuf_printf(report, "%zu %s\n%s", number, text_of(step, "do"),
                      strbuf_string(&differences));
    return !differences.n;
}

static yyjson_doc *read_golden(void)
{
    _free_ char *text = NULL;
    yyjson_doc *golden;
    size_t n;

    assert_int_equal(file_read(golden_path, GOLDEN_MAX, &text, &n), 0);
    golden = yyjson_read(text, n, 0);
    assert_non_null(golden);
    return golden;
}

static void events_are_those_of_kube_apiserver(void **state _unused_)
{
    _strbuf_ StrBuf report = STRBUF_INIT;
    yyjson_doc *golden = read_golden();
    yyjson_val *step;
    size_t i, n, wrong = 0;
    Audited *a = mem_new_type(Audited);

    start(a);
    free(new_lines(a));
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(golden), "steps"), i, n, step) wrong +=
        !play(a, step, i, &report);
    stop(a);
    free(a);
    yyjson_doc_free(golden);
    fputs(strbuf_string(&report), stderr); /* cmocka would cut it off */
    assert_int_equal(wrong, 0);
    assert_true(n > 0);
}

static void bad_policies_are_refused_in_the_words_of_kube_apiserver(void **state _unused_)
{
    static const char prefix[] = "loading audit policy file: ";
    yyjson_doc *golden = read_golden();
    yyjson_val *refusal;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(golden), "refusals"), i, n, refusal)
    {
        const char *policy = text_of(refusal, "policy"), *message = text_of(refusal, "message");
        AuditRules *rules = NULL;
        Err err = ERR_INIT;
        int r = audit_rules_parse(bytes_from_string(policy), &rules, &err);

        if (message && !str_starts_with(message, prefix))
            fail_msg("not recorded: %s", message);
        if (message ? r >= 0 || strncmp(err.message, message + strlen(prefix), 400) != 0 : r < 0)
            fail_msg("of %s\nexpected %s\nfound    %s", policy, message ? message : "no error",
                     r < 0 ? err.message : "no error");
        audit_rules_free(rules);
    }
    assert_true(n > 0);
    yyjson_doc_free(golden);
}

/* ---- what a comparison of single answers does not show ---- */

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void a_watch_is_recorded_when_it_starts_and_when_it_ends(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    _free_ char *during = NULL, *after = NULL;
    HttpLoopback *watch;

    start(a);
    free(new_lines(a));
    watch = api_stream(&a->api, "/api/v1/namespaces/t/pods?watch=true", NULL);
    during = new_lines(a);
    assert_int_equal(count(during, "\n"), 2);
    assert_non_null(strstr(during, "\"stage\":\"RequestReceived\""));
    assert_non_null(strstr(during, "\"stage\":\"ResponseStarted\""));
    assert_non_null(strstr(during, "\"responseStatus\":{\"metadata\":{},\"code\":200}"));
    http_loopback_free(watch);
    after = new_lines(a);
    assert_int_equal(count(after, "\n"), 1);
    assert_non_null(strstr(after, "\"stage\":\"ResponseComplete\""));
    stop(a);
    free(a);
}

static void an_answer_has_the_id_of_its_events(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    _free_ char *lines = NULL, *id = NULL;
    const char *header;

    start(a);
    free(new_lines(a));
    api_call(&a->api, "GET", "/api/v1/namespaces/t/pods", NULL, NULL);
    header = strcasestr(a->api.head, "\r\naudit-id: ");
    assert_non_null(header);
    id = mem_printf("\"auditID\":\"%.36s\"", header + 12);
    lines = new_lines(a);
    assert_int_equal(count(lines, id), 2);
    stop(a);
    free(a);
}

static void texts_of_clients_are_cut(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    _strbuf_ StrBuf headers = STRBUF_INIT;
    _free_ char *lines = NULL;

    start(a);
    free(new_lines(a));
    strbuf_add_string(&headers, "Audit-ID: ");
    for (int i = 0; i < 5000; i++)
        strbuf_add_char(&headers, 'x');
    strbuf_add_string(&headers, "\r\nUser-Agent: ");
    for (int i = 0; i < 5000; i++)
        strbuf_add_char(&headers, 'y');
    strbuf_add_string(&headers, "\r\n");
    api_call_on(&a->api, a->api.admin, "GET", "/api/v1/namespaces/t/pods", headers.p, NULL, 0);
    lines = new_lines(a);
    assert_int_equal(count(lines, "\n"), 2);
    assert_true(strlen(lines) < 6000);
    assert_non_null(strstr(lines, "yyy...TRUNCATED\""));
    stop(a);
    free(a);
}

static void make_config_map(Audited *a, const char *name, size_t length)
{
    _strbuf_ StrBuf body = STRBUF_INIT;

    strbuf_printf(&body, "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"k\":\"", name);
    for (size_t i = 0; i < length; i++)
        strbuf_add_char(&body, 'z');
    strbuf_add_string(&body, "\"}}");
    assert_int_equal(api_call(&a->api, "POST", "/api/v1/namespaces/t/configmaps", NULL, body.p),
                     201);
}

/* A list of this length is sent in pieces. */
static void a_long_list_is_recorded_in_one_line(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    _free_ char *lines = NULL;

    start(a);
    for (int i = 0; i < 40; i++) {
        _free_ char *name = mem_printf("long-%d", i);

        make_config_map(a, name, 10000);
    }
    free(new_lines(a));
    api_call(&a->api, "GET", "/api/v1/namespaces/t/configmaps", NULL, NULL);
    lines = new_lines(a);
    assert_int_equal(count(lines, "\n"), 2);
    assert_int_equal(count(lines, "\"name\":\"long-"), 40);
    assert_null(strstr(lines, "managedFields"));
    stop(a);
    free(a);
}

static void an_object_that_is_too_long_is_left_out(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    _free_ char *lines = NULL;

    start(a);
    for (int i = 0; i < 5; i++) {
        _free_ char *name = mem_printf("long-%d", i);

        make_config_map(a, name, 1000 * 1000);
    }
    free(new_lines(a));
    api_call(&a->api, "GET", "/api/v1/namespaces/t/configmaps", NULL, NULL);
    lines = new_lines(a);
    assert_int_equal(count(lines, "\n"), 2);
    assert_non_null(strstr(lines, "\"audit.k8s.io/truncated\":\"true\""));
    assert_null(strstr(lines, "responseObject"));
    stop(a);
    free(a);
}

static void levels_and_events_are_counted(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);

    start(a);
    api_call(&a->api, "GET", "/healthz", NULL, NULL);
    api_call(&a->api, "GET", "/metrics", NULL, NULL);
    assert_non_null(strstr(a->api.body, "\napiserver_audit_event_total "));
    assert_non_null(strstr(a->api.body, "\napiserver_audit_level_total{level=\"None\"} "));
    assert_non_null(strstr(a->api.body, "\napiserver_audit_level_total{level=\"Metadata\"} "));
    assert_non_null(strstr(a->api.body, "\napiserver_audit_requests_rejected_total 0\n"));
    stop(a);
    free(a);
}

static void the_log_is_readable_by_its_owner_only(void **state _unused_)
{
    Audited *a = mem_new_type(Audited);
    struct stat st;

    start(a);
    assert_int_equal(stat(a->log, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    stop(a);
    free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_those_of_kube_apiserver),
        cmocka_unit_test(bad_policies_are_refused_in_the_words_of_kube_apiserver),
        cmocka_unit_test(a_watch_is_recorded_when_it_starts_and_when_it_ends),
        cmocka_unit_test(an_answer_has_the_id_of_its_events),
        cmocka_unit_test(texts_of_clients_are_cut),
        cmocka_unit_test(a_long_list_is_recorded_in_one_line),
        cmocka_unit_test(an_object_that_is_too_long_is_left_out),
        cmocka_unit_test(levels_and_events_are_counted),
        cmocka_unit_test(the_log_is_readable_by_its_owner_only),
    };

    golden_path = argc > 1 ? argv[1] : "";
    policy_path = argc > 2 ? argv[2] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
