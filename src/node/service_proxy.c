/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strmap.h"
#include "base/vec.h"
#include "node/service_proxy.h"

/* One service and what stands behind it. Objects are referenced. */
typedef struct Entry {
    char *key;       /* "ns/name" */
    Object *service; /* NULL: only slices are known so far */
    VEC(Object *) slices;
    VEC(char *) keys; /* of the ports given to Net */
    char *address;    /* of its load balancer, put on the bridge; NULL: none */
} Entry;

struct ServiceProxy {
    Client *client;
    Net *net;
    StrMap entries;
    ClientWatch *services, *slices;
    bool services_known, slices_known;
};

static Entry *entry_of(ServiceProxy *proxy, const char *ns, const char *name)
{
    _free_ char *key = mem_printf("%s/%s", ns, name);
    Entry *entry = strmap_get(&proxy->entries, key);

    if (entry)
        return entry;
    entry = mem_new_type(Entry);
    entry->key = TAKE_PTR(key);
    strmap_put(&proxy->entries, entry->key, entry);
    return entry;
}

static void entry_free(Entry *entry)
{
    object_unref(entry->service);
    for (size_t i = 0; i < entry->slices.n; i++)
        object_unref(entry->slices.v[i]);
    for (size_t i = 0; i < entry->keys.n; i++)
        free(entry->keys.v[i]);
    VEC_DEINIT(&entry->slices);
    VEC_DEINIT(&entry->keys);
    free(entry->address);
    free(entry->key);
    free(entry);
}

typedef VEC(NetEndpoint) Targets;

static bool yes(const bool *condition, bool otherwise)
{
    return condition ? *condition : otherwise;
}

/* The endpoints of one port, by its name, as slices name it. */
static void collect(const Entry *entry, const ServicePort *port, bool terminating, Targets *out)
{
    for (size_t s = 0; s < entry->slices.n; s++) {
        const EndpointSlice *slice = OBJECT_AS(EndpointSlice, entry->slices.v[s]);
        int32_t number = 0;

        for (size_t p = 0; p < slice->ports.n; p++)
            if (str_equal(slice->ports.v[p].name, port->name) && slice->ports.v[p].port)
                number = *slice->ports.v[p].port;
        if (!number || !str_equal(slice->address_type, "IPv4"))
            continue;
        for (size_t e = 0; e < slice->endpoints.n; e++) {
            const Endpoint *endpoint = &slice->endpoints.v[e];
            bool use = terminating ? yes(endpoint->conditions.serving, false) &&
                                         yes(endpoint->conditions.terminating, false)
                                   : yes(endpoint->conditions.ready, true);

            for (size_t a = 0; use && a < endpoint->addresses.n && a < 1; a++)
                VEC_PUSH(out, ((NetEndpoint){endpoint->addresses.v[a], (uint16_t)number}));
        }
    }
}

static void set_port(ServiceProxy *proxy, const Entry *entry, const char *key,
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
static void refresh_address(ServiceProxy *proxy, Entry *entry, const Service *service)
{
    const LoadBalancerStatus *status = service ? &service->status.load_balancer : NULL;
    const char *address = status && status->ingress.n ? status->ingress.v[0].ip : NULL;

    if (str_equal(address, entry->address))
        return;
    if (entry->address)
        net_address_remove(proxy->net, entry->address, NULL);
    free(entry->address);
    entry->address = NULL;
    if (!str_empty(address) && net_address_add(proxy->net, address, NULL) == 0)
        entry->address = mem_strdup(address);
}

/* Tells Net the whole of the service, and takes back what it no longer has. */
static void refresh(ServiceProxy *proxy, Entry *entry)
{
    const Service *service = entry->service ? OBJECT_AS(Service, entry->service) : NULL;
    VEC(char *) keys = VEC_INIT;

    refresh_address(proxy, entry, service);
    for (size_t i = 0; service && has_address(service) && i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];
        char *key = mem_printf("%s:%s/%s%d", entry->key, port->name ? port->name : "",
                               port->protocol, port->port);

        set_port(proxy, entry, key, service, port);
        VEC_PUSH(&keys, key);
    }
    for (size_t i = 0; i < entry->keys.n; i++) {
        bool kept = false;

        for (size_t k = 0; k < keys.n; k++)
            kept |= str_equal(keys.v[k], entry->keys.v[i]);
        if (!kept)
            net_service_remove(proxy->net, entry->keys.v[i]);
        free(entry->keys.v[i]);
    }
    entry->keys.n = 0;
    for (size_t i = 0; i < keys.n; i++)
        VEC_PUSH(&entry->keys, keys.v[i]);
    VEC_DEINIT(&keys);
    if (!entry->service && !entry->slices.n) {
        strmap_remove(&proxy->entries, entry->key);
        entry_free(entry);
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
    const ObjectMeta *meta;
    Entry *entry;

    if (event->type == WATCH_BOOKMARK) {
        known(proxy, &proxy->services_known);
        return;
    }
    meta = object_meta(event->object);
    entry = entry_of(proxy, meta->namespace, meta->name);
    object_unref(entry->service);
    entry->service = event->type == WATCH_DELETED ? NULL : object_ref(event->object);
    refresh(proxy, entry);
}

static void on_slice(void *data, const WatchEvent *event)
{
    ServiceProxy *proxy = data;
    const ObjectMeta *meta;
    const char *service;
    Entry *entry;
    size_t at;

    if (event->type == WATCH_BOOKMARK) {
        known(proxy, &proxy->slices_known);
        return;
    }
    meta = object_meta(event->object);
    service = string_map_get(&meta->labels, "kubernetes.io/service-name");
    if (!service)
        return;
    entry = entry_of(proxy, meta->namespace, service);
    for (at = 0; at < entry->slices.n; at++)
        if (str_equal(object_meta(entry->slices.v[at])->name, meta->name))
            break;
    if (at < entry->slices.n) {
        object_unref(entry->slices.v[at]);
        entry->slices.v[at] = entry->slices.v[--entry->slices.n];
    }
    if (event->type != WATCH_DELETED)
        VEC_PUSH(&entry->slices, object_ref(event->object));
    refresh(proxy, entry);
}

ServiceProxy *service_proxy_start(Client *client, Net *net)
{
    ServiceProxy *proxy = mem_new_type(ServiceProxy);

    proxy->client = client;
    proxy->net = net;
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
    STRMAP_EACH(&proxy->entries, slot)
    entry_free(slot->value);
    strmap_deinit(&proxy->entries);
    free(proxy);
    return NULL;
}
