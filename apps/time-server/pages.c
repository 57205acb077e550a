/* SPDX-License-Identifier: Apache-2.0 */
#include "base/files/file.h"
#include "base/strbuf.h"
#include "page_html.h"
#include "pages.h"

#define PLAIN "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"

/* The page contains its style and its script, which the nonce allows, and sends requests only to this server. */
#define CONTENT_POLICY                                                                      \
    "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; " \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* A request that waits for the count. */
typedef struct Pending {
    Pages *pages;
    HttpRequest *request;
    void (*show)(Pages *pages, HttpRequest *request, uint64_t count);
    bool gone;
} Pending;

typedef struct Route {
    const char *path;
    void (*on_request)(Pages *pages, HttpRequest *request);
} Route;

/* The status codes that occur, for /metrics. */
static const int codes[] = {200, 404, 405, 503};
static_assert(ARRAY_LEN(codes) == PAGES_CODES, "one counter for each code");

static void note_answer(Pages *pages, const HttpRequest *request, int status);

static void answer(Pages *pages, HttpRequest *request, int status, const char *type, Bytes body)
{
    note_answer(pages, request, status);
    http_add_header(request, "cache-control", "no-store");
    http_add_header(request, "x-served-by", pages->host);
    http_respond(request, status, type, body);
}

static void answer_text(Pages *pages, HttpRequest *request, int status, const char *text)
{
    answer(pages, request, status, PLAIN, bytes_from_string(text));
}

static void answer_trouble(Pages *pages, HttpRequest *request, const char *what, const char *error)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s: %s\n", what, error);
    http_add_header(request, "retry-after", "1");
    answer(pages, request, 503, PLAIN, strbuf_bytes(&text));
}

/* ---- / ---- */

static void add_escaped(StrBuf *buf, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            strbuf_add_string(buf, "&lt;");
            break;
        case '&':
            strbuf_add_string(buf, "&amp;");
            break;
        case '"':
            strbuf_add_string(buf, "&quot;");
            break;
        default:
            strbuf_add_char(buf, *text);
        }
}

typedef struct Value {
    const char *name, *text;
} Value;

static const char *find_value(const Value *values, const char *name, size_t n)
{
    while (strncmp(values->name, name, n) != 0 || values->name[n])
        values++;
    return values->text;
}

/* Replaces each {{name}} by its value. The template is a part of the program, so every name is known. */
static void fill_in(StrBuf *buf, const char *template, const Value *values)
{
    for (const char *open; (open = strstr(template, "{{")); template = strstr(open, "}}") + 2) {
        strbuf_add(buf, template, (size_t)(open - template));
        add_escaped(buf, find_value(values, open + 2, strcspn(open + 2, "}")));
    }
    strbuf_add_string(buf, template);
}

/* The local time is computed at most once per second, however many requests need it. */
static const PagesNow *read_clock(Pages *pages)
{
    PagesNow *now = &pages->now;
    time_t seconds;

    now->ns = clock_wall_ns(pages->clock);
    seconds = (time_t)(now->ns / NS_PER_SEC);
    if (seconds == now->seconds && now->text[0])
        return now;
    now->seconds = seconds;
    localtime_r(&seconds, &now->local);
    timefmt_offset(seconds, (int)now->local.tm_gmtoff, now->text);
    return now;
}

static void add_html_headers(HttpRequest *request, const char *nonce)
{
    http_add_header(request, "content-security-policy",
                    arena_printf(&request->arena, CONTENT_POLICY, nonce, nonce));
    http_add_header(request, "x-content-type-options", "nosniff");
    http_add_header(request, "referrer-policy", "no-referrer");
}

static void show_html(Pages *pages, HttpRequest *request, uint64_t count)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const PagesNow *now = read_clock(pages);
    const char *from_utc = now->text + sizeof("2022-11-29T10:45:36") - 1;
    char visits[24], milliseconds[24], offset[12], utc[24] = "", clock[12], day[48], nonce[40];
    uint64_t random[2];
    const Value values[] = {
        {"visits", visits},    {"milliseconds", milliseconds},
        {"offset", offset},    {"zone", pages->config->zone},
        {"utc", utc},          {"time", now->text},
        {"clock", clock},      {"day", day},
        {"host", pages->host}, {"nonce", nonce},
    };

    random_secret(random, sizeof(random));
    snprintf(nonce, sizeof(nonce), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    snprintf(visits, sizeof(visits), "%" PRIu64, count);
    snprintf(milliseconds, sizeof(milliseconds), "%" PRId64, now->ns / NS_PER_MS);
    snprintf(offset, sizeof(offset), "%ld", now->local.tm_gmtoff);
    if (now->local.tm_gmtoff)
        snprintf(utc, sizeof(utc), " · UTC%.6s", from_utc);
    strftime(clock, sizeof(clock), "%H:%M:%S", &now->local);
    strftime(day, sizeof(day), "%A, %-d %B %Y", &now->local);
    strbuf_reserve(&text, sizeof(page_html) + 512);
    fill_in(&text, page_html, values);
    add_html_headers(request, nonce);
    answer(pages, request, 200, HTML, strbuf_bytes(&text));
}

static void show_page(Pages *pages, HttpRequest *request, uint64_t count)
{
    const char *accept = http_header(request, "accept");
    _strbuf_ StrBuf text = STRBUF_INIT;

    http_add_header(request, "vary", "accept");
    if (accept && strstr(accept, "text/html")) {
        show_html(pages, request, count);
        return;
    }
    strbuf_reserve(&text, 256);
    strbuf_printf(&text, "%s %s\nVisits: %" PRIu64 "\n%s\n", read_clock(pages)->text,
                  pages->config->zone, count, pages->host);
    answer(pages, request, 200, PLAIN, strbuf_bytes(&text));
}

/* ---- waiting for the file ---- */

static void on_counted(void *data, uint64_t count, const char *error)
{
    Pending pending = *(Pending *)data;

    free(data);
    if (pending.gone)
        return;
    pending.request->on_close = NULL;
    if (error)
        answer_trouble(pending.pages, pending.request, "no count", error);
    else
        pending.show(pending.pages, pending.request, count);
}

static void on_gone(HttpRequest *request)
{
    ((Pending *)request->data)->gone = true;
}

static Pending *wait_for_count(Pages *pages, HttpRequest *request,
                               void (*show)(Pages *, HttpRequest *, uint64_t))
{
    Pending *pending = mem_new_type(Pending);

    *pending = (Pending){pages, request, show, false};
    request->data = pending;
    request->on_close = on_gone;
    return pending;
}

static void on_page(Pages *pages, HttpRequest *request)
{
    const PagesNow *now = read_clock(pages);
    Visit visit = {.seconds = now->seconds, .offset = (int)now->local.tm_gmtoff};

    if (str_equal(request->method, "HEAD")) { /* shows the count without counting a visit */
        visits_ask(pages->visits, on_counted, wait_for_count(pages, request, show_page));
        return;
    }
    caller_of(request, &pages->config->trusted, visit.caller);
    visits_add(pages->visits, &visit, on_counted, wait_for_count(pages, request, show_page));
}

static void show_visits(Pages *pages, HttpRequest *request, uint64_t count)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", count);
    answer_text(pages, request, 200, text);
}

static void on_visits(Pages *pages, HttpRequest *request)
{
    visits_ask(pages->visits, on_counted, wait_for_count(pages, request, show_visits));
}

/* ---- how it is doing ---- */

static void on_health(Pages *pages, HttpRequest *request)
{
    answer_text(pages, request, 200, "ok\n");
}

static void on_ready(Pages *pages, HttpRequest *request)
{
    const char *error = visits_error(pages->visits);

    if (error)
        answer_trouble(pages, request, "not ready", error);
    else
        answer_text(pages, request, 200, "ok\n");
}

static void on_version(Pages *pages, HttpRequest *request)
{
    answer_text(pages, request, 200, "time-server " STEAD_VERSION "\n");
}

static void on_metrics(Pages *pages, HttpRequest *request);

/* clang-format off */
static const Route routes[] = {
    {"/",        on_page},
    {"/visits",  on_visits},
    {"/healthz", on_health},
    {"/readyz",  on_ready},
    {"/metrics", on_metrics},
    {"/version", on_version},
};
/* clang-format on */
static_assert(ARRAY_LEN(routes) + 1 == PAGES_PATHS,
              "one counter for each path, and one for all others");

static size_t route_of(const HttpRequest *request)
{
    size_t i = 0;

    while (i < ARRAY_LEN(routes) && !str_equal(routes[i].path, request->path))
        i++;
    return i;
}

static void note_answer(Pages *pages, const HttpRequest *request, int status)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        pages->answers[route_of(request)][i] += codes[i] == status;
}

/* ---- /metrics, in Prometheus' text format ---- */

static void add_metric(StrBuf *buf, const char *name, const char *type, const char *help)
{
    strbuf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_number(StrBuf *buf, const char *name, const char *type, const char *help, double v)
{
    add_metric(buf, name, type, help);
    strbuf_printf(buf, "%s %.17g\n", name, v);
}

static double resident_bytes(void)
{
    _free_ char *text = NULL;
    long total, resident;

    if (file_read("/proc/self/statm", 256, &text, NULL) < 0 ||
        sscanf(text, "%ld %ld", &total, &resident) != 2)
        return 0;
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void on_metrics(Pages *pages, HttpRequest *request)
{
    const VisitsStats *stats = visits_stats(pages->visits);
    _strbuf_ StrBuf text = STRBUF_INIT;

    add_number(&text, "time_server_visits", "gauge", "Visits in the file.",
               (double)visits_count(pages->visits));
    add_number(&text, "time_server_ready", "gauge", "Whether visits can be counted.",
               !visits_error(pages->visits));
    add_number(&text, "time_server_visits_written_total", "counter", "Visits written.",
               (double)stats->written);
    add_number(&text, "time_server_writes_total", "counter",
               "Writes of the file; one serves all visits that wait.", (double)stats->writes);
    add_number(&text, "time_server_write_failures_total", "counter", "Writes that failed.",
               (double)stats->failures);
    add_number(&text, "time_server_write_seconds_total", "counter", "Time spent in writes.",
               (double)stats->write_ns / 1e9);
    add_metric(&text, "time_server_requests_total", "counter", "Answers by path and status.");
    for (size_t i = 0; i < PAGES_PATHS; i++)
        for (size_t k = 0; k < PAGES_CODES; k++)
            if (pages->answers[i][k])
                strbuf_printf(&text,
                              "time_server_requests_total{path=\"%s\",code=\"%d\"} %" PRIu64 "\n",
                              i < ARRAY_LEN(routes) ? routes[i].path : "other", codes[k],
                              pages->answers[i][k]);
    add_number(&text, "process_resident_memory_bytes", "gauge", "Memory in use.", resident_bytes());
    add_number(&text, "process_start_time_seconds", "gauge", "When it began, since 1970.",
               (double)(pages->started_ns / NS_PER_MS) / 1e3);
    answer(pages, request, 200, METRICS, strbuf_bytes(&text));
}

void pages_on_request(void *data, HttpRequest *request)
{
    size_t i = route_of(request);

    if (i == ARRAY_LEN(routes)) {
        answer_text(data, request, 404, "there is no such page\n");
    } else if (!str_equal(request->method, "GET") && !str_equal(request->method, "HEAD")) {
        http_add_header(request, "allow", "GET, HEAD");
        answer_text(data, request, 405, "only GET and HEAD\n");
    } else {
        routes[i].on_request(data, request);
    }
}
