/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time-server shows the time and counts its visits durably. It is the first workload of stead, and a small example of its code. Its
 * parts are config (the settings), caller (the address of the client), counter (the file), visits (the queue for the file), pages (the
 * answers) and, in this file, the loop.
 *
 * On SIGTERM it stops accepting connections, answers the requests in flight and writes the visits that are not written yet. Then
 * nothing is left in the loop, and it ends.
 */
#include <malloc.h>
#include <signal.h>
#include <time.h>
#include <uv.h>

#include "base/fault.h"
#include "base/log.h"
#include "pages.h"

#define DRAIN_NS (5 * NS_PER_SEC)
#define IDLE_NS (120 * NS_PER_SEC)

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
    visits_flush(app->pages.visits);
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
}

static void on_signal(uv_signal_t *handle, int number _unused_)
{
    App *app = handle->data;

    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        uv_signal_stop(&app->signals[i]); /* a second signal ends the process at once */
    http_server_drain(app->http, DRAIN_NS, on_drained, app);
}

static void listen_to_signals(App *app)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
    }
}

/* There is only one small write at a time, so one thread and one heap are enough. */
static void stay_small(void)
{
    setenv("UV_THREADPOOL_SIZE", "1", 1);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
}

static void set_zone(const char *zone)
{
    char text[256];

    snprintf(text, sizeof(text), ":%s",
             zone); /* the colon makes glibc take the name of a file and not a POSIX rule */
    setenv("TZ", text, 1);
    tzset();
}

static int start(App *app, Err *reterr)
{
    static char host[256];
    HttpServerOptions options = {
        .limits = {.header_bytes = 16 * 1024, .body = 1024, .idle_timeout_ns = IDLE_NS},
        .handler = {.on_request = pages_on_request, .data = &app->pages},
    };
    int r;

    gethostname(host, sizeof(host) - 1);
    set_zone(app->config.zone);
    app->pages.config = &app->config;
    app->pages.host = host;
    app->pages.clock = clock_new_uv(&app->loop);
    app->pages.started_ns = clock_wall_ns(app->pages.clock);
    r = visits_open(&app->loop, app->pages.clock, &app->config, &app->pages.visits, reterr);
    if (r < 0)
        return r;
    app->http = http_server_new(&app->loop, &options);
    r = http_server_listen(app->http, app->config.listen, reterr);
    if (r < 0)
        return r;
    listen_to_signals(app);
    return 0;
}

static void run(App *app)
{
    const char *error = visits_error(app->pages.visits);

    if (error)
        log_warn("time-server", "not ready, trying again: %s", error);
    log_info("time-server", "answering on %s; visits in %s: %" PRIu64, app->config.listen,
             app->config.file, visits_count(app->pages.visits));
    uv_run(&app->loop, UV_RUN_DEFAULT);
    log_info("time-server", "ending; visits: %" PRIu64, visits_count(app->pages.visits));
    app->pages.visits = visits_close(app->pages.visits);
    app->pages.clock = clock_free_uv(app->pages.clock);
    uv_run(&app->loop, UV_RUN_DEFAULT);
    uv_loop_close(&app->loop);
}

int main(int argc, char **argv)
{
    static App app;
    Err err = ERR_INIT;
    int r = config_read(argc, argv, &app.config, &err);

    if (r == 0 && app.config.help) {
        config_print_help(stdout);
        return 0;
    }
    if (r == 0 && app.config.version) {
        printf("time-server %s\n", STEAD_VERSION);
        return 0;
    }
    fault_arm_from_environment();
    stay_small();
    uv_loop_init(&app.loop);
    if (r == 0)
        r = start(&app, &err);
    if (r < 0) {
        fprintf(stderr, "time-server: %s\n", err.message);
        return 1;
    }
    run(&app);
    return 0;
}
