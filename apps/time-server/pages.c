/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/strbuf.h"
#include "base/timefmt.h"
#include "pages.h"

#define PLAIN "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"

/* A request that waits for its visit to be on disk. */
typedef struct Pending {
    Pages *pages;
    HttpRequest *request;
    bool gone;
} Pending;

static void answer_text(HttpRequest *request, int status, const char *text)
{
    http_respond(request, status, PLAIN, bytes_from_string(text));
}

static void print_now(const Pages *pages, char buf[static TIMEFMT_MAX])
{
    time_t now = (time_t)(clock_wall_ns(pages->clock) / NS_PER_SEC);
    struct tm local;

    localtime_r(&now, &local);
    timefmt_offset(now, (int)local.tm_gmtoff, buf);
}

static bool wants_html(const HttpRequest *request)
{
    const char *accept = http_header(request, "accept");

    return accept && strstr(accept, "text/html");
}

static const char page[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>time-server</title>"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>"
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 "
    "system-ui,sans-serif;min-height:100vh;margin:0;"
    "display:grid;place-items:center;text-align:center}time{font-size:clamp(1.4rem,6vw,3rem);"
    "font-variant-numeric:tabular-nums}p{margin:.4rem}</style></head><body><main><p><time>%s</"
    "time></p>"
    "<p>%s</p><p>Visits: <strong>%" PRIu64
    "</strong></p><p><small>%s</small></p></main></body></html>\n";

static void on_visit(void *data, uint64_t count, const char *error)
{
    Pending *pending = data;
    HttpRequest *request = pending->request;
    const Pages *pages = pending->pages;
    _strbuf_ StrBuf text = STRBUF_INIT;
    char now[TIMEFMT_MAX];
    bool gone = pending->gone;

    free(pending);
    if (gone)
        return;
    request->on_close = NULL;
    if (error) {
        strbuf_printf(&text, "not counted: %s\n", error);
        answer_text(request, 503, text.p);
        return;
    }
    print_now(pages, now);
    if (wants_html(request)) {
        strbuf_printf(&text, page, now, pages->config->zone, count, pages->host);
        http_respond(request, 200, HTML, strbuf_bytes(&text));
    } else {
        strbuf_printf(&text, "%s %s\nVisits: %" PRIu64 "\n%s\n", now, pages->config->zone, count,
                      pages->host);
        answer_text(request, 200, text.p);
    }
}

static void on_gone(HttpRequest *request)
{
    ((Pending *)request->data)->gone = true;
}

static void show_page(Pages *pages, HttpRequest *request)
{
    Pending *pending = mem_new_type(Pending);

    pending->pages = pages;
    pending->request = request;
    request->data = pending;
    request->on_close = on_gone;
    visits_add(pages->visits, on_visit, pending);
}

static void show_visits(Pages *pages, HttpRequest *request)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", visits_count(pages->visits));
    answer_text(request, 200, text);
}

static void show_health(Pages *pages, HttpRequest *request)
{
    (void)pages;
    answer_text(request, 200, "ok\n");
}

static void show_ready(Pages *pages, HttpRequest *request)
{
    const char *error = visits_error(pages->visits);

    answer_text(request, error ? 503 : 200, error ? error : "ok\n");
}

static void show_version(Pages *pages, HttpRequest *request)
{
    (void)pages;
    answer_text(request, 200, "time-server " STEAD_VERSION "\n");
}

/* clang-format off */
static const struct {
    const char *path;
    void (*show)(Pages *pages, HttpRequest *request);
} paths[] = {
    {"/",        show_page},
    {"/visits",  show_visits},
    {"/healthz", show_health},
    {"/readyz",  show_ready},
    {"/version", show_version},
};
/* clang-format on */

void pages_on_request(void *data, HttpRequest *request)
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (!str_equal(paths[i].path, request->path))
            continue;
        if (str_equal(request->method, "GET") || str_equal(request->method, "HEAD")) {
            paths[i].show(data, request);
        } else {
            http_add_header(request, "allow", "GET, HEAD");
            answer_text(request, 405, "only GET and HEAD\n");
        }
        return;
    }
    answer_text(request, 404, "there is no such page\n");
}
