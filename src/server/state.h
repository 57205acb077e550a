/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the API server, which all of its folders read. What is in it belongs to the files named beside it.
 */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include "base/list.h"
#include "base/strmap.h"
#include "server/server.h"

typedef struct User User;
typedef struct Observer Observer;
typedef struct Audit Audit;
typedef struct TokenAuth TokenAuth;
typedef struct TokenKeys TokenKeys;
typedef struct ServiceAddresses ServiceAddresses;

struct Server {
    struct uv_loop_s *loop;
    Store *store;
    Clock *clock;
    Random *random;
    PodStreams *streams;
    UsageSource *usage; /* NULL: nothing is measured */
    TokenKeys *token_keys;
    char *jwks_uri;
    TokenAuth *token_auth;
    ServiceAddresses *addresses;
    StoreWatch *service_watch, *range_watch;
    Client *client; /* the server's own */
    struct Fairness *fairness;
    struct Hooks *hooks; /* webhooks of admission */
    char *external_address, *node_name;
    bool anonymous, ready;
    const ServerPage *pages;
    size_t n_pages;
    void *pages_data;
    ListNode health; /* of HealthPart */
    HealthPart own_health[3];
    Observer *observer;
    Audit *audit; /* NULL: there is no audit log */
    User *anonymous_user;
    StrMap resources; /* "apps/v1/statefulsets" -> Kind; of built-in kinds */
    ListNode local_clients, watches, writes;
    ListNode bodies_waiting, bodies_decoding; /* of Decoded */
    size_t decoding;                          /* on the pool now */
    uint64_t decoded_on_pool;                 /* since the start */
    Timer bookmark_timer;
    struct ssl_ctx_st
        *proxy_tls;      /* for pods and Services that are asked by https; NULL: none yet */
    ListNode extensions; /* of Extension, by priority */
    StoreWatch *aggregate_watches[3];
    char *front_proxy_pem, *front_proxy_key_pem; /* shown to extension servers; NULL: nothing is */
    size_t proxied;                /* requests that are passed on to other servers now */
    size_t watch_bytes;            /* in the queues of all watches */
    struct WatchLine *newest_line; /* of the newest watch event, shared by its watchers */
};

static inline int64_t server_now(const Server *server)
{
    return clock_wall_ns(server->clock) / NS_PER_SEC;
}
static inline Time server_time(const Server *server)
{
    return (Time){.seconds = server_now(server), .set = true};
}
void local_clients_free(Server *server);

#endif
