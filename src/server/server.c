/* SPDX-License-Identifier: Apache-2.0 */
/* Starts and stops the server, and creates the objects that every cluster has from the start. */
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/networking_v1.h"
#include "api/schema/storage_v1.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strmap.h"
#include "base/time/clock.h"
#include "server/admission/admission.h"
#include "server/admission/webhook/webhook.h"
#include "server/aggregate/aggregate.h"
#include "server/audit/audit.h"
#include "server/auth/auth.h"
#include "server/auth/rbac.h"
#include "server/auth/token.h"
#include "server/fair/fair.h"
#include "server/health.h"
#include "server/read/read.h"
#include "server/request/observe.h"
#include "server/write/body.h"

/* ---- what is there from the start ---- */

static void on_bootstrapped(void *data _unused_, const ApiStatus *status, Object *object _unused_)
{
    if (status->reason != STATUS_OK && status->reason != STATUS_ALREADY_EXISTS)
        log_error("server", "cannot create a system object: %s", status->message);
}

static void ensure(Server *server, Client *client, const Kind *kind, const char *ns,
                   const char *name, void (*fill)(Server *server, Object *object))
{
    _object_ Object *object = NULL;
    ObjectMeta *meta;

    if (store_head(server->store, kind, ns, name))
        return;
    object = object_new(kind);
    meta = object_meta(object);
    meta->name = arena_strdup(&object->arena, name);
    meta->namespace = arena_strdup(&object->arena, ns);
    if (fill)
        fill(server, object);
    client_create(client, object, &(WriteOptions){.field_manager = "stead"}, on_bootstrapped, NULL);
}

/* "127.0.0.1:6443" -> 6443 */
static int32_t port_of(const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    int64_t port;

    return colon && str_to_int64(colon + 1, 1, 65535, &port) == 0 ? (int32_t)port : 6443;
}

static void fill_kubernetes_service(Server *server, Object *object)
{
    Service *service = OBJECT_AS(Service, object);
    Arena *arena = &object->arena;
    ServicePort *port = arena_new(arena, ServicePort);

    string_map_put(arena, &service->metadata.labels, "component", "apiserver");
    string_map_put(arena, &service->metadata.labels, "provider", "kubernetes");
    *port = (ServicePort){.name = "https",
                          .protocol = "TCP",
                          .port = 443,
                          .target_port = {.number = port_of(server->external_address)}};
    service->spec.ports = (ServicePortArray){port, 1};
    service->spec.type = "ClusterIP";
    service->spec.session_affinity = "None";
    service->spec.cluster_ip = service_first_address(server->addresses, arena);
}

static void fill_service_range(Server *server, Object *object)
{
    StringArray *cidrs = &OBJECT_AS(ServiceCIDR, object)->spec.cidrs;

    ARENA_APPEND(&object->arena, cidrs, service_range(server->addresses, &object->arena));
}

static void ensure_service_range(Server *server, Client *client)
{
    ensure(server, client, &kind_service_cidr, NULL, "kubernetes", fill_service_range);
}

static void bootstrap(Server *server, const Pki *pki)
{
    static const char *const namespaces[] = {"default", "kube-system", "kube-public",
                                             "kube-node-lease"};
    Client *client = server->client;

    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
        ensure(server, client, &kind_namespace, NULL, namespaces[i], NULL);
    rbac_ensure_defaults(server, client);
    ensure_service_range(server, client);
    ensure(server, client, &kind_service, "default", "kubernetes", fill_kubernetes_service);
    priority_ensure_classes(server, client);
    storage_classes_ensure(server, client);
    aggregate_ensure_objects(server, client, pki);
}

/* ---- services ---- */

/* The server's own range comes back, as Kubernetes' does. */
static void on_service_range(void *data, const WatchEvent *event)
{
    Server *server = data;

    if (event->type == WATCH_DELETED && str_equal(object_meta(event->object)->name, "kubernetes"))
        ensure_service_range(server, server->client);
}

static void on_service(void *data, const WatchEvent *event)
{
    Server *server = data;

    if (event->type == WATCH_DELETED)
        service_settle(server->addresses, NULL, event->object);
    else if (event->type != WATCH_BOOKMARK)
        service_settle(server->addresses, event->object, event->before);
}

static bool each_service(void *data, Object *object)
{
    service_settle(data, object, NULL);
    return true;
}

/* ---- life ---- */

static void index_resources(Server *server)
{
    KIND_EACH(kind) {
        _free_ char *key = NULL;

        if (str_empty(kind->plural) || kind->family)
            continue;
        key = mem_printf("%s/%s/%s", kind->group, kind->version, kind->plural);
        strmap_put(&server->resources, key, (void *)(uintptr_t)kind);
    }
}

/* Where other programs find the keys of tokens. The usual issuer is a name of this server in the cluster. */
static char *jwks_uri(const Server *server, const TokenKeyOptions *options)
{
    const char *issuer = token_issuers(server->token_keys)->v[0];

    if (options->jwks_uri)
        return mem_strdup(options->jwks_uri);
    return str_equal(issuer, TOKEN_ISSUER)
               ? mem_printf("%s/openid/v1/jwks", issuer)
               : mem_printf("https://%s/openid/v1/jwks", server->external_address);
}

static int open_parts(Server *server, const ServerOptions *options, Err *reterr)
{
    int r;

    r = token_keys_new(&options->token_keys, options->pki ? options->pki->token_key_pem : NULL,
                       &server->token_keys, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    server->jwks_uri = jwks_uri(server, &options->token_keys);
    r = token_auth_new(options, token_issuers(server->token_keys), &server->token_auth, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = service_addresses_new(options->service_cidr, &server->addresses, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    store_list(server->store, &kind_service, NULL, NULL, each_service, server->addresses);
    r = store_watch(server->store, &kind_service, 0, on_service, server, &server->service_watch);
    if (!r)
        r = store_watch(server->store, &kind_service_cidr, 0, on_service_range, server,
                        &server->range_watch);
    if (r)
        return err_set(reterr, 0, "cannot watch Services");
    r = fairness_new(server, &server->fairness, reterr);
    if (r == 0 && options->audit)
        r = audit_new(server, options->audit, &server->audit, reterr);
    return r < 0 ? ERR_TRACE(r) : 0;
}

int server_new(const ServerOptions *options, Server **ret, Err *reterr)
{
    Server *server = mem_new_type(Server);
    int r;

    server->loop = options->loop;
    server->store = options->store;
    server->clock = options->clock;
    server->random = options->random;
    server->streams = options->streams;
    server->anonymous = options->anonymous;
    server->external_address = mem_strdup(str_or(options->external_address, "127.0.0.1:6443"));
    server->node_name = mem_strdup(options->node_name);
    server->anonymous_user = user_new("system:anonymous", NULL);
    server->anonymous_user->anonymous = true;
    user_add_group(server->anonymous_user, "system:unauthenticated");
    list_init(&server->local_clients);
    list_init(&server->watches);
    list_init(&server->writes);
    list_init(&server->extensions);
    server->hooks = hooks_new(server);
    bodies_init(server);
    index_resources(server);
    health_start(server);
    server->observer = observer_new(server);
    r = open_parts(server, options, reterr);
    if (r < 0) {
        server_free(server);
        return ERR_TRACE(r);
    }
    server->client = server_client(server, "system:apiserver");
    bootstrap(server, options->pki);
    fairness_bootstrap(server->fairness);
    aggregate_start(server, options->pki);
    *ret = server;
    return 0;
}

Server *server_free(Server *server)
{
    if (!server)
        return NULL;
    timer_stop(server->clock, &server->bookmark_timer);
    bodies_forget(server);
    server->hooks = hooks_free(server->hooks);
    /* Writes that the store has not answered yet are still carried out, but no client receives
     * their result. */
    LIST_EACH_SAFE(&server->writes, node) {
        CONTAINER_OF(node, Write, node)->server = NULL;
        list_remove(node);
    }
    local_clients_free(server);
    aggregate_stop(server);
    store_watch_stop(server->service_watch);
    store_watch_stop(server->range_watch);
    server->fairness = fairness_free(server->fairness);
    server->observer = observer_free(server->observer);
    server->audit = audit_free(server->audit);
    watch_forget_line(server);
    token_keys_free(server->token_keys);
    free(server->jwks_uri);
    token_auth_free(server->token_auth);
    service_addresses_free(server->addresses);
    http_tls_free(server->proxy_tls);
    user_unref(server->anonymous_user);
    strmap_deinit(&server->resources);
    free(server->external_address);
    free(server->node_name);
    free(server);
    return NULL;
}

bool server_audit_is_idle(const Server *server)
{
    return audit_is_idle(server->audit);
}

void server_set_streams(Server *server, PodStreams *streams)
{
    server->streams = streams;
}

int server_use_token_keys(Server *server, const TokenKeyOptions *options, const char *pem,
                          Err *reterr)
{
    TokenKeys *keys;
    int r = token_keys_new(options, pem, &keys, reterr);

    if (r == 0)
        authenticate_use_keys(server, keys);
    return r;
}

void server_set_usage(Server *server, UsageSource *usage)
{
    server->usage = usage;
}

void server_set_pages(Server *server, const ServerPage *pages, size_t n, void *data)
{
    server->pages = pages;
    server->n_pages = n;
    server->pages_data = data;
}

void server_set_ready(Server *server, bool ready)
{
    server->ready = ready;
}
