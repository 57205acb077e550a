/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees: health with its parts, metrics, and the lines of the log. */
#include "testing.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "api_harness.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/strbuf.h"

#define CM "/api/v1/namespaces/t/configmaps"

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    api_fixture(api);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

/* ---- the log ---- */

static int log_file = -1, log_saved = -1;

static void log_begin(void)
{
    log_file = memfd_create("log", MFD_CLOEXEC);
    log_saved = dup(STDERR_FILENO);
    dup2(log_file, STDERR_FILENO);
}

/* The lines since log_begin; the caller frees. */
static char *log_end(void)
{
    off_t n = lseek(log_file, 0, SEEK_CUR);
    char *text = mem_new((size_t)n + 1);

    dup2(log_saved, STDERR_FILENO);
    close(log_saved);
    assert_int_equal(pread(log_file, text, (size_t)n, 0), n);
    close(log_file);
    return text;
}

static void assert_logged(const char *log, const char *part)
{
    if (!strstr(log, part))
        fail_msg("not in the log: %s\n%s", part, log);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

static void each_request_has_a_line_at_debug(void **state)
{
    Api *api = *state;
    _free_ char *log = NULL;

    log_level_max = LOG_LEVEL_DEBUG;
    log_begin();
    api_call(api, "GET", CM "?labelSelector=secret%3Dword", NULL, NULL);
    api_call(api, "GET", "/no/such%0apath%1b", NULL, NULL);
    api_settle(api);
    log = log_end();
    log_level_max = LOG_LEVEL_INFO;
    assert_logged(log, " debug request: answered id=");
    assert_logged(log, " verb=LIST path=/api/v1/namespaces/t/configmaps user=kubernetes-admin "
                       "from=127.0.0.1 status=200 ");
    assert_null(strstr(log, "word"));
    assert_logged(log, " status=404 ");
    assert_int_equal(count(log, "\n"), 2);
}

static void at_info_a_quiet_request_has_none(void **state)
{
    _free_ char *log = NULL;

    log_begin();
    api_call(*state, "GET", CM, NULL, NULL);
    api_call(*state, "GET", CM "/missing", NULL, NULL);
    api_settle(*state);
    log = log_end();
    assert_string_equal(log, "");
}

static void a_slow_request_says_what_it_waited_for(void **state)
{
    static const char head[] =
        "POST " CM " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n";
    Api *api = *state;
    _free_ char *log = NULL;

    log_begin();
    http_loopback_send(api->admin, BYTES_LITERAL(head));
    api_settle(api);
    clock_fake_advance(api->clock, 1500 * NS_PER_MS);
    http_loopback_send(api->admin, BYTES_LITERAL("{\"metadata\":{\"name\":\"slowly\"}}"));
    api_settle(api);
    http_loopback_take(api->admin);
    api_settle(api);
    log = log_end();
    assert_logged(log, " warn  request: slow: it waited for the client's body id=");
    assert_logged(log, " verb=POST path=" CM " user=kubernetes-admin ");
    assert_logged(log, " status=201 ");
    assert_logged(log, " ms=1500.000 body_ms=1500.000\n");
}

static void a_failed_commit_is_logged_once_with_its_place(void **state)
{
    Api *api = *state;
    _free_ char *log = NULL;

    log_begin();
    fault_arm("store.commit$", 1);
    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"lost\"}}");
    fault_arm("", 0);
    log = log_end();
    assert_int_equal(api->status, 500);
    assert_logged(
        log, " error store: a commit of 1 writes failed: write the state: Input/output error "
             "trace=\"error (Input/output error) in memory_commit (src/store/engine_memory.c:");
    assert_logged(log, " error request: POST " CM " failed: ");
    assert_int_equal(count(log, "trace="), 1);
    api_call(api, "GET", "/readyz?verbose", NULL, NULL);
    assert_int_equal(api->status, 500);
    assert_string_equal(api->body, "[+]ping ok\n[-]store failed: reason withheld\n[+]start ok\n"
                                   "readyz check failed\n");
    api_call(api, "GET", "/livez", NULL, NULL);
    assert_int_equal(api->status, 200);
    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"kept\"}}");
    assert_int_equal(api->status, 201);
    api_call(api, "GET", "/readyz", NULL, NULL);
    assert_int_equal(api->status, 200);
}

static void a_request_without_meaning_is_counted_and_logged(void **state)
{
    Api *api = *state;
    HttpLoopback *stranger = api_connect(api, NULL);
    _free_ char *log = NULL;

    log_begin();
    http_loopback_send(stranger, BYTES_LITERAL("BREW /pot HTCPCP/1.0\r\n\r\n"));
    api_settle(api);
    log = log_end();
    assert_logged(log, "refused before it had a meaning: 400 Bad request, from 127.0.0.1\n");
    http_loopback_free(stranger);
    api_call(api, "GET", "/metrics", NULL, NULL);
    assert_non_null(strstr(api->body, "\nstead_http_bad_requests_total{code=\"400\"} "));
}

/* ---- health ---- */

typedef struct HealthCase {
    const char *path;
    int status;
    const char *body;
} HealthCase;

static const char *fail_part(void *data)
{
    return data;
}

static void health_has_parts(void **state)
{
    static const HealthCase cases[] = {
        {"/healthz", 200, "ok"},
        {"/livez", 200, "ok"},
        {"/livez?verbose", 500,
         "[+]ping ok\n[-]part failed: reason withheld\nlivez check failed\n"},
        {"/readyz", 500,
         "[+]ping ok\n[+]store ok\n[+]start ok\n[-]part failed: reason withheld\n"
         "readyz check failed\n"},
        {"/readyz?exclude=part", 200, "ok"},
        {"/readyz?verbose&exclude=part&exclude=ping", 200,
         "[+]ping excluded: ok\n[+]store ok\n[+]start ok\n[+]part excluded: ok\n"
         "readyz check passed\n"},
        {"/readyz?verbose&exclude=part&exclude=no%22ne&exclude=x", 200,
         "[+]ping ok\n[+]store ok\n[+]start ok\n[+]part excluded: ok\n"
         "warn: some health checks cannot be excluded: no matches for \"no\\\"ne\", \"x\"\n"
         "readyz check passed\n"},
        {"/readyz/ping", 200, "ok"},
        {"/readyz/part", 500, "internal server error: it is broken\n"},
        {"/livez/part", 500, "internal server error: it is broken\n"},
        {"/livez/store", 404, "404 page not found\n"},
        {"/readyz/none", 404, "404 page not found\n"},
        {"/readyzz", 404, "404 page not found\n"},
    };
    Api *api = *state;
    HealthPart part = {.name = "part",
                       .live = true,
                       .check = fail_part,
                       .data = (void *)(uintptr_t) "it is broken"};
    _free_ char *log = NULL;

    server_add_health(api->server, &part);
    log_begin();
    EACH_ROW(i, cases, cases[i].path) {
        const HealthCase *c = &cases[i];
        bool passes = strncmp(c->path, "/healthz", 8) == 0 || str_equal(c->path, "/livez");

        part.check = fail_part;
        part.data = passes ? NULL : (void *)(uintptr_t) "it is broken";
        api_call(api, "GET", c->path, NULL, NULL);
        assert_string_equal(api->body, c->body);
        assert_int_equal(api->status, c->status);
    }
    server_remove_health(&part);
    log = log_end();
    assert_logged(log, " warn  server: readyz: part: it is broken\n");
}

static void every_method_asks_for_health(void **state)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz", "/readyz/store",
                                        "/metrics"};
    static const char *const methods[] = {"HEAD", "OPTIONS", "POST"};
    Api *api = *state;
    HttpLoopback *stranger = api_connect(api, NULL);

    EACH_ROW(i, paths, paths[i]) {
        EACH_ROW(m, methods, methods[m]) {
            api_call(api, methods[m], paths[i], NULL, NULL);
            assert_int_equal(api->status, 200);
        }
    }
    api_call(api, "HEAD", "/healthz", NULL, NULL);
    assert_non_null(strcasestr(api->head, "content-length: 2\r\n"));
    assert_string_equal(api->body, "");
    /* Everybody may get it, and no more: so the role that gives it says. */
    api_call_on(api, stranger, "GET", "/healthz", NULL, NULL, 0);
    assert_int_equal(api->status, 200);
    api_call_on(api, stranger, "HEAD", "/healthz", NULL, NULL, 0);
    assert_int_equal(api->status, 403);
    http_loopback_free(stranger);
}

static void parts_are_listed_with_the_paths(void **state)
{
    Api *api = *state;

    api_call(api, "GET", "/", NULL, NULL);
    assert_non_null(strstr(api->body, "\"/livez\",\"/livez/ping\",\"/readyz\",\"/readyz/ping\","
                                      "\"/readyz/store\",\"/readyz/start\""));
    assert_non_null(strstr(api->body, "\"/metrics\""));
}

/* ---- metrics ---- */

static double metric(Api *api, const char *name)
{
    _free_ char *line = mem_printf("\n%s ", name);
    const char *at;

    api_call(api, "GET", "/metrics", NULL, NULL);
    assert_int_equal(api->status, 200);
    at = strstr(api->body, line);
    return at ? strtod(at + strlen(line), NULL) : 0;
}

#define REQUESTS(verb, dry, resource, sub, scope, code)                                        \
    "apiserver_request_total{verb=\"" verb "\",dry_run=\"" dry "\",group=\"\",version=\"v1\"," \
    "resource=\"" resource "\",subresource=\"" sub "\",scope=\"" scope                         \
    "\",component=\"apiserver\",code=\"" code "\"}"

static void requests_are_counted_with_kubernetes_labels(void **state)
{
    static const struct {
        const char *method, *path, *body, *name;
    } cases[] = {
        {"POST", CM, "{\"metadata\":{\"name\":\"m\"}}",
         REQUESTS("POST", "", "configmaps", "", "resource", "201")},
        {"POST", CM "?dryRun=All", "{\"metadata\":{\"name\":\"d\"}}",
         REQUESTS("POST", "All", "configmaps", "", "resource", "201")},
        {"GET", CM "/m", NULL, REQUESTS("GET", "", "configmaps", "", "resource", "200")},
        {"GET", CM, NULL, REQUESTS("LIST", "", "configmaps", "", "namespace", "200")},
        {"GET", "/api/v1/configmaps", NULL,
         REQUESTS("LIST", "", "configmaps", "", "cluster", "200")},
        {"GET", CM "/none", NULL, REQUESTS("GET", "", "configmaps", "", "resource", "404")},
        {"GET", "/api/v1/namespaces/t/status", NULL,
         REQUESTS("GET", "", "namespaces", "status", "resource", "200")},
        {"DELETE", CM "/m", NULL, REQUESTS("DELETE", "", "configmaps", "", "resource", "200")},
        {"DELETE", CM, NULL,
         REQUESTS("DELETECOLLECTION", "", "configmaps", "", "namespace", "200")},
        {"PATCH", CM "/none", "{}", REQUESTS("PATCH", "", "configmaps", "", "resource", "415")},
    };
    Api *api = *state;

    EACH_ROW(i, cases, cases[i].name) {
        double before = metric(api, cases[i].name);

        api_call(api, cases[i].method, cases[i].path, NULL, cases[i].body);
        api_settle(api);
        if (metric(api, cases[i].name) != before + 1)
            fail_msg("%s %s: %d is not counted in %s", cases[i].method, cases[i].path, api->status,
                     cases[i].name);
    }
}

/* Whatever a client sends, the number of series stays as it is. */
static void clients_cannot_make_series(void **state)
{
    Api *api = *state;
    size_t before = 0;

    for (int i = 0; i < 40; i++) {
        _free_ char *path = mem_printf("/api/v1/namespaces/ns%d/thing%d/n%d/sub%d", i, i, i, i);
        _free_ char *other = mem_printf("/healthz/x%d", i);
        _free_ char *sub = mem_printf("/api/v1/namespaces/ns%d/pods/p%d/sub%d", i, i, i);

        api_call(api, "GET", path, NULL, NULL);
        api_call(api, "GET", other, NULL, NULL);
        api_call(api, "GET", sub, NULL, NULL);
        api_call(api, "GET", CM "?dryRun=nonsense", NULL, NULL);
        if (i < 2) {
            api_call(api, "GET", "/metrics", NULL, NULL);
            api_call(api, "GET", "/metrics", NULL, NULL);
            before = count(api->body, "\n");
        }
    }
    api_call(api, "GET", "/metrics", NULL, NULL);
    assert_int_equal(count(api->body, "\n"), before);
}

static void watches_are_long_running_and_count_their_events(void **state)
{
    static const char running[] =
        "apiserver_longrunning_requests{verb=\"WATCH\",group=\"\",version=\"v1\",resource="
        "\"configmaps\",subresource=\"\",scope=\"namespace\",component=\"apiserver\"}";
    static const char sent[] =
        "apiserver_watch_events_total{group=\"\",version=\"v1\",resource=\"configmaps\"}";
    Api *api = *state;
    double before = metric(api, sent);
    HttpLoopback *stream = api_stream(api, CM "?watch=1", NULL);
    _free_ char *lines = NULL;

    assert_true(metric(api, running) == 1);
    assert_true(metric(api, "apiserver_current_inflight_requests{request_kind=\"readOnly\"}") == 1);
    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"w\"}}");
    lines = api_lines(api, stream);
    assert_true(metric(api, sent) >= before + 1);
    http_loopback_free(stream);
    api_settle(api);
    assert_true(metric(api, running) == 0);
}

static void objects_and_commits_are_counted(void **state)
{
    Api *api = *state;
    double maps = metric(api, "apiserver_storage_objects{resource=\"configmaps\"}");
    double commits = metric(api, "stead_store_commits_total");

    api_call(api, "POST", CM, NULL, "{\"metadata\":{\"name\":\"one\"}}");
    assert_int_equal(api->status, 201);
    assert_true(metric(api, "apiserver_storage_objects{resource=\"configmaps\"}") == maps + 1);
    assert_true(metric(api, "apiserver_resource_objects{group=\"\",resource=\"configmaps\"}") ==
                maps + 1);
    assert_true(metric(api, "stead_store_commits_total") == commits + 1);
    assert_non_null(
        strstr(api->body, "\napiserver_storage_objects{resource=\"statefulsets.apps\"} 0\n"));
}

static void open_connections_are_counted(void **state)
{
    static const char open[] = "stead_http_connections";
    Api *api = *state;
    double before = metric(api, open);
    HttpLoopback *one = api_connect(api, "somebody"), *two = api_connect(api, NULL);

    assert_true(before >= 1); /* the one that asks */
    assert_true(metric(api, open) == before + 2);
    http_loopback_eof(one);
    api_settle(api);
    assert_true(metric(api, open) == before + 1);
    http_loopback_free(one);
    http_loopback_free(two);
    api_settle(api);
    assert_true(metric(api, open) == before);
}

static void metrics_are_for_those_who_may_read_them(void **state)
{
    Api *api = *state;
    HttpLoopback *nobody = api_connect(api, NULL), *user = api_connect(api, "somebody");

    api_call_on(api, nobody, "GET", "/metrics", NULL, NULL, 0);
    assert_int_equal(api->status, 403);
    api_call_on(api, user, "GET", "/metrics", NULL, NULL, 0);
    assert_int_equal(api->status, 403);
    api_call_on(api, api->admin, "GET", "/metrics",
                "Impersonate-User: prometheus\r\nImpersonate-Group: system:monitoring\r\n", NULL,
                0);
    assert_int_equal(api->status, 200);
    assert_non_null(
        strcasestr(api->head, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    http_loopback_free(nobody);
    http_loopback_free(user);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_request_has_a_line_at_debug),
        TEST(at_info_a_quiet_request_has_none),
        TEST(a_slow_request_says_what_it_waited_for),
        TEST(a_failed_commit_is_logged_once_with_its_place),
        TEST(a_request_without_meaning_is_counted_and_logged),
        TEST(health_has_parts),
        TEST(every_method_asks_for_health),
        TEST(parts_are_listed_with_the_paths),
        TEST(requests_are_counted_with_kubernetes_labels),
        TEST(clients_cannot_make_series),
        TEST(watches_are_long_running_and_count_their_events),
        TEST(objects_and_commits_are_counted),
        TEST(open_connections_are_counted),
        TEST(metrics_are_for_those_who_may_read_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
