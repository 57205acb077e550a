/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small server for load tests by hand:  http_echo_server PORT [CERT.pem KEY.pem]
 *
 * GET answers 1 KiB of JSON; POST answers what was sent. h2load -n 200000 -c 8 -m 10
 * https://127.0.0.1:PORT/
 */
#include <signal.h>
#include <uv.h>

#include "base/files/file.h"
#include "http/http.h"

static char answer[1024];

static void on_body(HttpRequest *request, Bytes body)
{
    http_respond(request, 200, "application/json", body);
}

static void on_request(void *data _unused_, HttpRequest *request)
{
    if (str_equal(request->method, "POST"))
        request->on_body = on_body;
    else
        http_respond(request, 200, "application/json", (Bytes){(uint8_t *)answer, sizeof(answer)});
}

static void on_signal(uv_signal_t *handle, int number _unused_)
{
    uv_stop(handle->loop);
}

int main(int argc, char **argv)
{
    HttpServerOptions options = {.handler.on_request = on_request};
    struct ssl_ctx_st *tls = NULL;
    _free_ char *certificate = NULL, *key = NULL;
    uv_loop_t loop;
    uv_signal_t term;
    HttpServer *server;
    char address[64];
    Err err = ERR_INIT;

    if (argc < 2)
        return 2;
    memset(answer, 'x', sizeof(answer));
    if (argc == 4 && (file_read(argv[2], 1 << 20, &certificate, NULL) < 0 ||
                      file_read(argv[3], 1 << 20, &key, NULL) < 0 ||
                      http_tls_server(certificate, key, NULL, &tls, &err) < 0)) {
        fprintf(stderr, "certificate: %s\n", err.message);
        return 1;
    }
    uv_loop_init(&loop);
    uv_signal_init(&loop, &term);
    uv_signal_start(&term, on_signal, SIGTERM);
    options.tls = tls;
    server = http_server_new(&loop, &options);
    snprintf(address, sizeof(address), "127.0.0.1:%s", argv[1]);
    if (http_server_listen(server, address, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    http_server_free(server);
    uv_close((uv_handle_t *)&term, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    http_tls_free(tls);
    return 0;
}
