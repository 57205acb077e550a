/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server alone, without controllers and node: for benchmarks, and for comparing its answers
 * with another's.
 *
 *     api_server ADDRESS:PORT DATA [TOKEN_FILE]     (DATA "-": in memory)
 *
 * Serves TLS with certificates under DATA/pki, or plain text in memory; ends on SIGTERM.
 */
#include <signal.h>
#include <uv.h>

#include "base/log.h"
#include "http/http.h"
#include "server/server.h"
#include "store/store.h"

typedef struct App {
    uv_loop_t loop;
    uv_signal_t term;
    Clock *clock;
    Random random;
    Pki *pki;
    Store *store;
    Server *server;
    HttpServer *http;
    struct ssl_ctx_st *tls;
} App;

static void on_term(uv_signal_t *handle, int number _unused_)
{
    uv_stop(handle->loop);
}

static int open_tls(App *app, const char *data, Err *reterr)
{
    static const char *const addresses[] = {"127.0.0.1", NULL};
    _free_ char *dir = mem_printf("%s/pki", data);
    int r = pki_open(dir, addresses, 0, app->clock, &app->pki, reterr);

    if (r < 0)
        return r;
    return http_tls_server(app->pki->server_pem, app->pki->server_key_pem, app->pki->ca_pem,
                           &app->tls, reterr);
}

static int start(App *app, const char *address, const char *data, const char *tokens, Err *reterr)
{
    bool memory = str_equal(data, "-");
    ServerOptions options = {.loop = &app->loop,
                             .clock = app->clock,
                             .random = &app->random,
                             .token_file = tokens,
                             .service_cidr = "10.96.0.0/12",
                             .external_address = address,
                             .anonymous = true};
    HttpServerOptions http = {.limits = http_limits_default};
    StoreEngine *engine;
    int r;

    r = memory ? engine_memory_open(memory_state_new(), &engine)
               : engine_sqlite_open(data, 10000, &engine, reterr);
    if (r < 0 || (!memory && (r = open_tls(app, data, reterr)) < 0))
        return r;
    r = store_open(&app->loop, engine, 10000, &app->store, reterr);
    if (r < 0)
        return r;
    options.store = app->store;
    options.pki = app->pki;
    r = server_new(&options, &app->server, reterr);
    if (r < 0)
        return r;
    server_set_ready(app->server, true);
    http.tls = app->tls;
    http.handler = server_http_handler(app->server);
    app->http = http_server_new(&app->loop, &http);
    return http_server_listen(app->http, address, reterr);
}

int main(int argc, char **argv)
{
    static App app;
    Err err = ERR_INIT;

    if (argc < 3) {
        fprintf(stderr, "usage: api_server ADDRESS:PORT DATA [TOKEN_FILE]\n");
        return 2;
    }
    uv_loop_init(&app.loop);
    app.clock = clock_new_uv(&app.loop);
    random_seed_system(&app.random);
    if (start(&app, argv[1], argv[2], argc > 3 ? argv[3] : NULL, &err) < 0) {
        log_error("api_server", "%s", err.message);
        return 1;
    }
    uv_signal_init(&app.loop, &app.term);
    uv_signal_start(&app.term, on_term, SIGTERM);
    uv_run(&app.loop, UV_RUN_DEFAULT);
    http_server_free(app.http);
    server_free(app.server);
    store_close(app.store);
    return 0;
}
