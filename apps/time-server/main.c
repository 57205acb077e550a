/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time-server: shows the time and counts its visits, durably. The first workload of stead, and a
 * small example of how its code looks: config (what is set), visits (what is kept), pages (what is
 * answered), and here the loop.
 */
#include <signal.h>
#include <time.h>
#include <uv.h>

#include "base/log.h"
#include "pages.h"

#define DRAIN_NS (INT64_C(5) * NS_PER_SEC)

typedef struct App {
    uv_loop_t loop;
    uv_signal_t signals[2];
    Config config;
    Pages pages;
    HttpServer *http;
} App;

static void on_drained(void *data)
{
    App *app = data;

    app->http = http_server_free(app->http);
    app->pages.clock = clock_free_uv(app->pages.clock);
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    App *app = handle->data;

    (void)number;
    if (app->http)
        http_server_drain(app->http, DRAIN_NS, on_drained, app);
    uv_signal_stop(handle);
}

static int start(App *app, Err *reterr)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    static char host[256];
    HttpServerOptions options = {.limits = http_limits_default,
                                 .handler = {.on_request = pages_on_request, .data = &app->pages}};
    int r = visits_open(&app->loop, app->config.file, &app->pages.visits, reterr);

    if (r < 0)
        return r;
    options.limits.body = 1024;
    options.limits.header_bytes = 16 * 1024;
    gethostname(host, sizeof(host) - 1);
    setenv("TZ", app->config.zone, 1);
    tzset();
    app->pages.config = &app->config;
    app->pages.host = host;
    app->pages.clock = clock_new_uv(&app->loop);
    app->http = http_server_new(&app->loop, &options);
    r = http_server_listen(app->http, app->config.listen, reterr);
    if (r < 0)
        return r;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static App app;
    Err err = ERR_INIT;
    int r = config_read(argc, argv, &app.config, &err);

    if (r == 0 && app.config.help) {
        config_print_help();
        return 0;
    }
    if (r == 0 && app.config.version) {
        printf("time-server %s\n", STEAD_VERSION);
        return 0;
    }
    uv_loop_init(&app.loop);
    if (r == 0)
        r = start(&app, &err);
    if (r < 0) {
        fprintf(stderr, "time-server: %s\n", err.message);
        return 1;
    }
    log_info("time-server", "answering on %s, %" PRIu64 " visits in %s", app.config.listen,
             visits_count(app.pages.visits), app.config.file);
    uv_run(&app.loop, UV_RUN_DEFAULT);
    visits_close(app.pages.visits);
    uv_loop_close(&app.loop);
    return 0;
}
