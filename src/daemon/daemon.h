/* SPDX-License-Identifier: Apache-2.0 */
/* A running server: its parts, and what connects them. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <uv.h>

#include "cli/options.h"
#include "control/control.h"
#include "daemon/control_socket.h"
#include "distribution/distribution.h"
#include "dns/dns.h"
#include "image/image.h"
#include "net/net.h"
#include "node/node.h"
#include "node/service_proxy.h"
#include "server/server.h"

#define STORE_WINDOW 10000 /* changes that the store keeps for watchers */

typedef struct App {
    Options *options;
    uv_loop_t loop;
    uv_signal_t signals[2];
    Timer ending; /* begins the stop after the turn in which a signal came */
    Clock *clock;
    Random random;
    int64_t started_ns;
    char listen_address[64];
    uint16_t port;
    char *helper_dir; /* the folder of the helper programs */
    char *
        image_dir; /* the folder of the images that come with the program; NULL: it was not found */
    Store *store;
    Net *net;
    Pki *pki;
    const char *names[8]; /* names and addresses for the server's certificate; ends with NULL */
    Timer renewal;        /* of that certificate */
    struct FileWatch *key_watch; /* of keys for tokens; NULL: none is configured */
    Server *server;
    HttpServer *http;
    Control *control;
    ImageStore *images;
    struct RegistryConfig *registries; /* NULL: the files for it are malformed */
    struct Puller *puller;             /* NULL: the same, or there is no node */
    Distribution *distribution;        /* --registry; NULL: none */
    struct ImageCollector *collector;  /* NULL: there is no node */
    DnsServer *dns;
    ServiceProxy *proxy;
    NodeAgent *node;
    struct Publisher *publisher; /* of an ordinary user's server; NULL otherwise */
    ControlSocket *socket;
    HealthPart health[4];
    int64_t
        net_failed_ns; /* the time of the last failed change of the network; 0: none has failed */
    bool stopping;
    bool failed;    /* the start failed, so app_stop also removes what the start has created */
    Client *client; /* of the calls of the control socket; see app_client() */
} App;

/* The client with which the calls of commands read. */
static inline Client *app_client(App *app)
{
    if (!app->client)
        app->client = server_client(app->server, "system:status");
    return app->client;
}

/* Stops all parts in the reverse order of their start; the loop ends afterwards. A second call does nothing. */
void app_stop(App *app);
/* Sets helper_dir and image_dir: they are beside the program in a build folder, and below ../ of it when installed. */
void app_find_files(App *app, const char *program);
/* certificate.c: makes a TLS context from the current certificate of the server. */
int app_use_certificate(App *app, struct ssl_ctx_st **ret, Err *reterr);
/* Renews the certificate before it expires, for as long as the server runs. */
void app_watch_certificate(App *app);

/* authentication.c: reads what the options say about users of other servers into *ret. */
int app_authentication(App *app, ServerOptions *ret, Err *reterr);

/* Reads the files again when they are replaced. */
int app_watch_authentication(App *app, Err *reterr);

/* health.c: adds the health checks of the parts beside the API server. */
void app_watch_health(App *app);

/* registry.c: starts the registry of --registry, and tells clients where it is. */
int app_start_registry(App *app, Err *reterr);
/* calls.c: opens the control socket. */
int app_open_socket(App *app, Err *reterr);

#endif
