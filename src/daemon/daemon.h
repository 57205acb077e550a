/* SPDX-License-Identifier: Apache-2.0 */
/* A running server: all parts and what holds them together. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <uv.h>

#include "cli/command.h"
#include "control/control.h"
#include "daemon/control_socket.h"
#include "dns/dns.h"
#include "image/image.h"
#include "net/net.h"
#include "node/node.h"
#include "node/service_proxy.h"
#include "server/server.h"

typedef struct App {
    Options *options;
    uv_loop_t loop;
    uv_signal_t signals[2];
    Clock *clock;
    Random random;
    int64_t started_ns;
    char listen_address[64];
    uint16_t port;
    char *helper_dir; /* where the helper programs lie */
    char *image_dir;  /* the images that belong to the program; NULL: none found */
    Store *store;
    Net *net;
    Pki *pki;
    const char *names[8]; /* that the server's certificate has to hold; NULL-ended */
    Timer renewal;        /* of that certificate */
    Server *server;
    HttpServer *http;
    Control *control;
    ImageStore *images;
    DnsServer *dns;
    ServiceProxy *proxy;
    NodeAgent *node;
    ControlSocket *socket;
    HealthPart health[4];
    int64_t net_failed_ns; /* when a change of the network failed last; 0: none has */
    bool stopping;
    bool failed; /* before it was ready: what it made is taken back */
} App;

void app_stop(App *app);
/* helper_dir and image_dir: beside the program in a build folder, else where they are installed. */
void app_find_files(App *app, const char *program);
/* certificate.c: the server's certificate, for new connections. */
int app_use_certificate(App *app, struct ssl_ctx_st **ret, Err *reterr);
void app_watch_certificate(App *app); /* renews it in time */

/* health.c: the parts of /readyz that the API server does not know. */
void app_watch_health(App *app);

/* The calls that commands make. */
void app_call_services(void *app, HttpRequest *request);
int app_open_socket(App *app, Err *reterr);

#endif
