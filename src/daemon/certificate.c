/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renews the server's certificate while the server runs, when a quarter of its lifetime is left. New connections get the new
 * certificate, and existing ones are kept. Clients trust the certificate authority, which stays the same, so they do not notice.
 *
 * A timer does not count the time that the machine is suspended, but the lifetime of a certificate includes it. So the timer also fires
 * once a day, and then only compares times.
 */
#include "base/log.h"
#include "daemon/daemon.h"

#define LOOK (INT64_C(86400) * NS_PER_SEC)
#define RETRY (INT64_C(600) * NS_PER_SEC)

int app_use_certificate(App *app, struct ssl_ctx_st **ret, Err *reterr)
{
    return http_tls_server(app->pki->server_pem, app->pki->server_key_pem, app->pki->ca_pem, ret,
                           reterr);
}

static int renew(App *app, Err *reterr)
{
    _free_ char *dir = mem_printf("%s/pki", app->options->data);
    struct ssl_ctx_st *tls = NULL;
    int r = pki_renew(app->pki, dir, app->names, app->clock, reterr);

    if (r > 0)
        r = app_use_certificate(app, &tls, reterr);
    if (r < 0 || !tls)
        return r;
    http_server_set_tls(app->http, tls);
    http_tls_free(tls);
    log_info("server", "the server's certificate was renewed");
    return 0;
}

static void wait_for_it(App *app, int64_t least)
{
    int64_t left = pki_renew_at(app->pki) * NS_PER_SEC - clock_wall_ns(app->clock);

    timer_start(app->clock, &app->renewal, MAX_OF(MIN_OF(left, LOOK), least));
}

static void on_look(Timer *timer)
{
    App *app = timer->data;
    Err err = ERR_INIT;

    if (pki_renew_at(app->pki) * NS_PER_SEC <= clock_wall_ns(app->clock) && renew(app, &err) < 0) {
        log_warn("server", "the server's certificate cannot be renewed: %s", err.message);
        wait_for_it(app, RETRY);
        return;
    }
    wait_for_it(app, NS_PER_SEC);
}

void app_watch_certificate(App *app)
{
    app->renewal.on_fire = on_look;
    app->renewal.data = app;
    wait_for_it(app, NS_PER_SEC);
}
