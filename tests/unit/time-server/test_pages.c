/* SPDX-License-Identifier: Apache-2.0 */
/* The pages, through a server without a socket. */
#include "app_testing.h"

#include <time.h>
#include <uv.h>

#include "pages.h"

typedef struct Fixture {
    uv_loop_t loop;
    Config config;
    Pages pages;
    HttpServer *server;
    HttpPeer peer;
    HttpLoopback *loopback;
    char answer[64 * 1024];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);
    HttpServerOptions options = {.handler = {.on_request = pages_on_request, .data = &f->pages}};

    *state = f;
    make_home();
    uv_loop_init(&f->loop);
    setenv("TZ", ":Europe/Moscow", 1);
    tzset();
    f->config = (Config){
        .format = counter_format("log"), .zone = "Europe/Moscow", .file = mem_strdup(at("visits"))};
    assert_int_equal(networks_parse("10.0.0.0/8", &f->config.trusted, NULL), 0);
    f->pages.config = &f->config;
    f->pages.clock = clock_new_fake(INT64_C(1669707936) * NS_PER_SEC);
    f->pages.host = "<web-0>";
    assert_int_equal(visits_open(&f->loop, f->pages.clock, &f->config, &f->pages.visits, NULL), 0);
    f->server = http_server_new(&f->loop, &options);
    f->peer.address = "10.0.0.7";
    f->loopback = http_loopback_new(f->server, &f->peer);
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    if (f->loopback)
        http_loopback_free(f->loopback);
    http_server_free(f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    visits_close(f->pages.visits);
    clock_free_fake(f->pages.clock);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free((char *)(uintptr_t)f->config.file);
    free(f);
    remove_home();
    return 0;
}

static const char *ask(Fixture *f, const char *method, const char *path, const char *headers)
{
    _free_ char *text =
        mem_printf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, headers ? headers : "");
    size_t n = 0;

    http_loopback_send(f->loopback, bytes_from_string(text));
    /* Until the answer is there, whether it waited for the file or not. */
    do {
        Bytes bytes;

        uv_run(&f->loop, UV_RUN_DEFAULT);
        bytes = http_loopback_take(f->loopback);
        assert_true(n + bytes.n < sizeof(f->answer));
        memcpy(f->answer + n, bytes.p, bytes.n);
        n += bytes.n;
    } while (n == 0);
    f->answer[n] = 0;
    return f->answer;
}

static void assert_says(const char *answer, const char *part)
{
    if (!strstr(answer, part))
        fail_msg("\"%s\" is not in:\n%s", part, str_or(answer, "(nothing)"));
}

static void assert_status(const char *answer, const char *status)
{
    if (!str_starts_with(answer, "HTTP/1.1 ") || !str_starts_with(answer + 9, status))
        fail_msg("no %s: %s", status, answer);
}

static void curl_gets_text(void **state)
{
    Fixture *f = *state;
    const char *answer = ask(f, "GET", "/", "Accept: */*\r\n");

    assert_status(answer, "200");
    assert_says(answer, "Content-Type: text/plain; charset=utf-8\r\n");
    assert_says(answer, "cache-control: no-store\r\n");
    assert_says(answer, "\r\n\r\n2022-11-29T10:45:36+03:00 Europe/Moscow\nVisits: 1\n<web-0>\n");
    assert_file("visits", "Visits:\n2022-11-29T10:45:36+03:00 - 10.0.0.7\n");
    assert_says(ask(f, "GET", "/?again", NULL), "\nVisits: 2\n");
}

static void a_browser_gets_a_page_that_needs_nobody_else(void **state)
{
    Fixture *f = *state;
    const char *answer = ask(f, "GET", "/", "Accept: text/html,*/*;q=0.8\r\n");

    assert_status(answer, "200");
    assert_says(answer, "Content-Type: text/html; charset=utf-8\r\n");
    assert_says(answer, "content-security-policy: default-src 'none'");
    assert_says(answer, "<!doctype html>");
    assert_says(answer, "data-now=\"1669707936000\" data-offset=\"10800\"");
    assert_says(answer, ">10:45:36</time>");
    assert_says(answer, "Tuesday, 29 November 2022");
    assert_says(answer, "id=\"visits\">1</dd>");
    assert_says(answer, ">Europe/Moscow · UTC+03:00</p>");
    assert_says(answer, "&lt;web-0>");
    assert_null(strstr(answer, "{{"));
    assert_null(strstr(answer, "src=\"http"));
    assert_null(strstr(answer, "href=\"http"));
    assert_null(strstr(answer, " style=\"")); /* the policy would not let it count */
    assert_says(answer, "prefers-color-scheme:dark");
    assert_says(answer, "width=device-width");
    assert_true(str_ends_with(answer, "</html>\n"));
}

static void looking_by_head_is_no_visit(void **state)
{
    Fixture *f = *state;
    const char *answer = ask(f, "HEAD", "/", NULL);

    assert_status(answer, "200");
    assert_true(str_ends_with(answer, "\r\n\r\n"));
    assert_says(ask(f, "GET", "/visits", NULL), "\r\n\r\n0\n");
    assert_status(ask(f, "HEAD", "/visits", NULL), "200");
    assert_status(ask(f, "HEAD", "/nowhere", NULL), "404");
    assert_false(file_exists(at("visits")));
}

static void visits_are_what_the_file_says(void **state)
{
    Fixture *f = *state;

    ask(f, "GET", "/", NULL);
    assert_says(ask(f, "GET", "/visits", NULL), "\r\n\r\n1\n");
    put_text("visits", "Visits:\n");
    assert_says(ask(f, "GET", "/visits", NULL), "\r\n\r\n0\n");
}

static void a_trusted_proxy_names_the_caller(void **state)
{
    Fixture *f = *state;

    ask(f, "GET", "/", "X-Forwarded-For: 6.6.6.6, 172.17.0.1\r\n");
    assert_file("visits", "Visits:\n2022-11-29T10:45:36+03:00 - 172.17.0.1\n");
}

static void other_paths_and_methods_are_refused(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    Fixture *f = *state;

    assert_status(ask(f, "GET", "/index.html", NULL), "404");
    assert_status(ask(f, "GET", "//", NULL), "404");
    assert_status(ask(f, "GET", "/visits/", NULL), "404");
    assert_status(ask(f, "GET", "/%2e%2e/visits", NULL), "404");
    assert_status(ask(f, "DELETE", "/nowhere", NULL), "404");
    EACH_ROW(i, methods, methods[i]) {
        const char *answer = ask(f, methods[i], "/", NULL);

        assert_status(answer, "405");
        assert_says(answer, "allow: GET, HEAD\r\n");
    }
    assert_status(ask(f, "POST", "/visits", "Content-Length: 3\r\n\r\nabc"), "405");
    assert_false(file_exists(at("visits")));
}

static void nonsense_is_a_bad_request(void **state)
{
    Fixture *f = *state;

    assert_status(ask(f, "GET", "nowhere", NULL), "400");
}

static void an_old_client_is_answered_and_left(void **state)
{
    Fixture *f = *state;
    Bytes bytes;

    http_loopback_send(f->loopback, BYTES_LITERAL("GET /version HTTP/1.0\r\n\r\n"));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    bytes = http_loopback_take(f->loopback);
    assert_true(bytes.n > 0);
    assert_memory_equal(bytes.p + bytes.n - 18, "time-server " STEAD_VERSION "\n", 18);
    assert_true(http_loopback_closed(f->loopback));
}

static void trouble_with_the_file_is_503_with_the_reason(void **state)
{
    Fixture *f = *state;
    const char *answer;

    put_text("visits", "nothing that counts");
    answer = ask(f, "GET", "/", NULL);
    assert_status(answer, "503");
    assert_says(answer, "retry-after: 1\r\n");
    assert_says(answer, "no count: ");
    assert_says(answer, "holds no count of visits in the format \"log\"; it stays as it is");
    answer = ask(f, "GET", "/readyz", NULL);
    assert_status(answer, "503");
    assert_says(answer, "not ready: ");
    assert_status(ask(f, "GET", "/visits", NULL), "503");
    assert_status(ask(f, "GET", "/healthz", NULL), "200");
    assert_file("visits", "nothing that counts");
    unlink(at("visits"));
    clock_fake_advance(f->pages.clock, NS_PER_SEC);
    assert_says(ask(f, "GET", "/", NULL), "Visits: 1\n");
    assert_says(ask(f, "GET", "/readyz", NULL), "\r\n\r\nok\n");
}

static void metrics_tell_what_happened(void **state)
{
    Fixture *f = *state;
    const char *answer;

    ask(f, "GET", "/", NULL);
    ask(f, "GET", "/", NULL);
    ask(f, "GET", "/favicon.ico", NULL);
    answer = ask(f, "GET", "/metrics", NULL);
    assert_status(answer, "200");
    assert_says(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_says(answer, "\ntime_server_visits 2\n");
    assert_says(answer, "\ntime_server_ready 1\n");
    assert_says(answer, "\ntime_server_writes_total 2\n");
    assert_says(answer, "\ntime_server_requests_total{path=\"/\",code=\"200\"} 2\n");
    assert_says(answer, "\ntime_server_requests_total{path=\"other\",code=\"404\"} 1\n");
    assert_says(answer, "# TYPE process_resident_memory_bytes gauge\n");
}

static void one_who_hangs_up_before_the_answer_is_counted_all_the_same(void **state)
{
    Fixture *f = *state;

    http_loopback_send(f->loopback, BYTES_LITERAL("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    f->loopback = http_loopback_free(f->loopback);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(visits_count(f->pages.visits), 1);
}

static void requests_in_a_row_are_answered_in_order(void **state)
{
    Fixture *f = *state;
    Bytes bytes;
    const char *first, *second;
    _free_ char *text = NULL;

    http_loopback_send(f->loopback, BYTES_LITERAL("GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                                                  "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
                                                  "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    bytes = http_loopback_take(f->loopback);
    text = mem_strndup((const char *)bytes.p, bytes.n);
    first = strstr(text, "Visits: 1\n");
    second = strstr(text, "Visits: 2\n");
    assert_true(first && second && first < strstr(text, "time-server 0") &&
                strstr(text, "time-server 0") < second);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(curl_gets_text),
        TEST(a_browser_gets_a_page_that_needs_nobody_else),
        TEST(looking_by_head_is_no_visit),
        TEST(visits_are_what_the_file_says),
        TEST(a_trusted_proxy_names_the_caller),
        TEST(other_paths_and_methods_are_refused),
        TEST(nonsense_is_a_bad_request),
        TEST(an_old_client_is_answered_and_left),
        TEST(trouble_with_the_file_is_503_with_the_reason),
        TEST(metrics_tell_what_happened),
        TEST(one_who_hangs_up_before_the_answer_is_counted_all_the_same),
        TEST(requests_in_a_row_are_answered_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
