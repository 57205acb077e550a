/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"
#include "control/service_view.h"
#include "node/service_proxy.h"

/* What Net was told of one service. */
typedef struct Told {
    VEC(char *) keys; /* of its ports */
    char *address;    /* of its load balancer, put on the bridge; NULL: none */
} Told;

struct ServiceProxy {
    Client *client;
    Net *net;
    ServiceView view;
    ClientWatch *services, *slices;
    bool services_known, slices_known;
};

static void told_free(Told *told)
{
    for (size_t i = 0; told && i < told->keys.n; i++)
        free(told->keys.v[i]);
    if (told)
        VEC_DEINIT(&told->keys);
    if (told)
        free(told->address);
    free(told);
}

typedef VEC(NetEndpoint) Targets;

static bool yes(const bool *condition)
{
    return condition && *condition;
}

/* The endpoints of one port, by its name, as slices name it. */
static void collect(const ServiceEntry *entry, const ServicePort *port, bool terminating,
                    Targets *out)
{
    for (size_t s = 0; s < entry->slices.n; s++) {
        const EndpointSlice *slice = service_entry_slice(entry, s);
        int32_t number = 0;

        for (size_t p = 0; p < slice->ports.n; p++)
            if (str_equal(slice->ports.v[p].name, port->name) && slice->ports.v[p].port)
                number = *slice->ports.v[p].port;
        if (!number || !str_equal(slice->address_type, "IPv4"))
            continue;
        for (size_t e = 0; e < slice->endpoints.n; e++) {
            const Endpoint *endpoint = &slice->endpoints.v[e];
            bool use = terminating ? yes(endpoint->conditions.serving) &&
                                         yes(endpoint->conditions.terminating)
                                   : endpoint_is_ready(endpoint);

            for (size_t a = 0; use && a < endpoint->addresses.n && a < 1; a++)
                VEC_PUSH(out, ((NetEndpoint){endpoint->addresses.v[a], (uint16_t)number}));
        }
    }
}

static void set_port(ServiceProxy *proxy, const ServiceEntry *entry, const char *key,
                     const Service *service, const ServicePort *port)
{
    VEC(const char *) addresses = VEC_INIT;
    Targets endpoints = VEC_INIT;
    NetServicePort net = {.key = key,
                          .protocol = port->protocol,
                          .port = (uint16_t)port->port,
                          .node_port = (uint16_t)port->node_port};

    VEC_PUSH(&addresses, service->spec.cluster_ip);
    for (size_t i = 0; i < service->spec.external_ips.n; i++)
        VEC_PUSH(&addresses, service->spec.external_ips.v[i]);
    for (size_t i = 0; i < service->status.load_balancer.ingress.n; i++)
        if (!str_empty(service->status.load_balancer.ingress.v[i].ip))
            VEC_PUSH(&addresses, service->status.load_balancer.ingress.v[i].ip);
    collect(entry, port, false, &endpoints);
    if (!endpoints.n)
        collect(entry, port, true, &endpoints);
    net.addresses = addresses.v;
    net.n_addresses = addresses.n;
    net.endpoints = endpoints.v;
    net.n_endpoints = endpoints.n;
    if (str_equal(service->spec.session_affinity, "ClientIP"))
        net.affinity_seconds = 10800;
    net_service_set(proxy->net, &net);
    VEC_DEINIT(&addresses);
    VEC_DEINIT(&endpoints);
}

static bool has_address(const Service *service)
{
    return !str_empty(service->spec.cluster_ip) && !str_equal(service->spec.cluster_ip, "None") &&
           !str_equal(service->spec.type, "ExternalName");
}

/* The machine answers for the address of a load balancer. What fails is tried again with the next
 * change of the service. */
static void refresh_address(ServiceProxy *proxy, Told *told, const Service *service)
{
    const LoadBalancerStatus *status = service ? &service->status.load_balancer : NULL;
    const char *address = status && status->ingress.n ? status->ingress.v[0].ip : NULL;

    if (str_equal(address, told->address))
        return;
    if (told->address)
        net_address_remove(proxy->net, told->address, NULL);
    free(told->address);
    told->address = NULL;
    if (!str_empty(address) && net_address_add(proxy->net, address, NULL) == 0)
        told->address = mem_strdup(address);
}

/* Tells Net the whole of the service, and takes back what it no longer has. */
static void refresh(void *data, ServiceEntry *entry)
{
    ServiceProxy *proxy = data;
    const Service *service = entry->service ? OBJECT_AS(Service, entry->service) : NULL;
    Told *told = entry->data ? entry->data : (entry->data = mem_new_type(Told));
    VEC(char *) keys = VEC_INIT;

    refresh_address(proxy, told, service);
    for (size_t i = 0; service && has_address(service) && i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];
        char *key = mem_printf("%s:%s/%s%d", entry->key, port->name ? port->name : "",
                               port->protocol, port->port);

        set_port(proxy, entry, key, service, port);
        VEC_PUSH(&keys, key);
    }
    for (size_t i = 0; i < told->keys.n; i++) {
        bool kept = false;

        for (size_t k = 0; k < keys.n; k++)
            kept |= str_equal(keys.v[k], told->keys.v[i]);
        if (!kept)
            net_service_remove(proxy->net, told->keys.v[i]);
        free(told->keys.v[i]);
    }
    told->keys.n = 0;
    for (size_t i = 0; i < keys.n; i++)
        VEC_PUSH(&told->keys, keys.v[i]);
    VEC_DEINIT(&keys);
    if (!entry->service && !entry->slices.n) {
        told_free(told);
        entry->data = NULL;
    }
}

static void known(ServiceProxy *proxy, bool *what)
{
    bool before = proxy->services_known && proxy->slices_known;

    *what = true;
    if (!before && proxy->services_known && proxy->slices_known)
        net_service_sync_done(proxy->net);
}

static void on_service(void *data, const WatchEvent *event)
{
    ServiceProxy *proxy = data;

    if (event->type == WATCH_BOOKMARK)
        known(proxy, &proxy->services_known);
    else
        service_view_on_event(&proxy->view, event);
}

static void on_slice(void *data, const WatchEvent *event)
{
    ServiceProxy *proxy = data;

    if (event->type == WATCH_BOOKMARK)
        known(proxy, &proxy->slices_known);
    else
        service_view_on_event(&proxy->view, event);
}

ServiceProxy *service_proxy_start(Client *client, Net *net)
{
    ServiceProxy *proxy = mem_new_type(ServiceProxy);

    proxy->client = client;
    proxy->net = net;
    proxy->view.on_change = refresh;
    proxy->view.data = proxy;
    proxy->services = client_watch(client, &kind_service, NULL, on_service, proxy);
    proxy->slices = client_watch(client, &kind_endpoint_slice, NULL, on_slice, proxy);
    return proxy;
}

ServiceProxy *service_proxy_stop(ServiceProxy *proxy)
{
    if (!proxy)
        return NULL;
    client_watch_stop(proxy->client, proxy->services);
    client_watch_stop(proxy->client, proxy->slices);
    STRMAP_EACH(&proxy->view.entries, slot)
    told_free(((ServiceEntry *)slot->value)->data);
    service_view_deinit(&proxy->view);
    free(proxy);
    return NULL;
}
