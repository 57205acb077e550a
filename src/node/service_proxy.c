/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/format.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "node/service_proxy.h"
#include "view/events.h"
#include "view/service.h"

#define RETRY_FIRST NS_PER_SEC
#define RETRY_MOST (60 * NS_PER_SEC)
/* Events of one object are rate-limited, so the same failure is reported again only after this time. */
#define FAILURE_SAID_AGAIN (600 * NS_PER_SEC)

/* What was handed to Net for one Service, so that it can be withdrawn. */
typedef struct Told {
    ServiceProxy *proxy;
    ServiceEntry *entry;
    VEC(char *) keys; /* of its ports */
    char *address;    /* of its load balancer, if that was put on the bridge; else NULL */
    char *complaints; /* the text that was reported last */
    struct {
        char *address; /* the address that could not be put on the bridge; NULL if there is none */
        char *text;    /* the reason that was reported last */
        int64_t said_ns, delay_ns;
        Timer retry;
    } failed;
} Told;

/* A kind of object that the proxy watches. */
typedef struct Source {
    ServiceProxy *proxy;
    ClientWatch *watch;
    bool known; /* all objects of the kind have arrived */
} Source;

struct ServiceProxy {
    ServiceProxyOptions options;
    Client *client;
    Net *net;
    EventRecorder *events;
    ServiceView view;
    Source sources[2];
};

static void on_retry(Timer *timer);

static Told *told_new(ServiceProxy *proxy, ServiceEntry *entry)
{
    Told *told = mem_new_type(Told);

    told->proxy = proxy;
    told->entry = entry;
    told->failed.retry.on_fire = on_retry;
    told->failed.retry.data = told;
    return told;
}

static void forget_failure(Told *told)
{
    timer_stop(told->proxy->options.clock, &told->failed.retry);
    free(told->failed.address);
    free(told->failed.text);
    told->failed.address = told->failed.text = NULL;
    told->failed.delay_ns = 0;
}

static void told_free(Told *told)
{
    if (!told)
        return;
    forget_failure(told);
    for (size_t i = 0; i < told->keys.n; i++)
        free(told->keys.v[i]);
    VEC_DEINIT(&told->keys);
    free(told->address);
    free(told->complaints);
    free(told);
}

typedef VEC(NetEndpoint) Targets;

static bool yes(const bool *condition)
{
    return condition && *condition;
}

/* Collects the endpoints of one port, which slices refer to by its name. */
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

/* ---- addresses that a Service names ---- */

static bool in_ranges(const Cidr4 *ranges, size_t n, uint32_t address)
{
    for (size_t i = 0; i < n; i++)
        if (cidr4_contains(ranges[i], address))
            return true;
    return false;
}

/* Why traffic to this IPv4 address cannot be meant for the Service, or NULL. */
static const char *whose(const ServiceProxy *proxy, uint32_t address)
{
    const ServiceProxyOptions *options = &proxy->options;

    if (cidr4_contains(options->services, address))
        return "it lies in the range of Services";
    if (cidr4_contains(options->pods, address))
        return "it lies in the range of Pods";
    if (!cidr4_contains(options->load_balancers, address) && ip4_is_local(address))
        return "it is an address of this machine";
    return NULL;
}

typedef VEC(const char *) Addresses;

/* What of a Service is left out, as an Event reports it. */
typedef struct Complaints {
    StrBuf text;
    bool
        wrong_version; /* one of the addresses is not IPv4, for which kube-proxy has a reason of its own */
} Complaints;

static _printf_(2, 3) void add_complaint(Complaints *complaints, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    strbuf_printf(&complaints->text, "%s%s", complaints->text.n ? "; " : "", text);
}

/* Adds the address to those of the Service, or says in the complaints why it is left out. */
static void take_address(const ServiceProxy *proxy, const char *address, bool external,
                         Addresses *addresses, Complaints *complaints)
{
    const ServiceProxyOptions *options = &proxy->options;
    const char *field = external ? "externalIPs" : "status.loadBalancer.ingress", *why;
    uint32_t number;

    if (ip4_parse(address, &number)) {
        add_complaint(complaints, "%s in %s has incorrect IP version", address, field);
        complaints->wrong_version = true;
        return;
    }
    why = whose(proxy, number);
    if (external && !why && !options->n_external)
        why = "the option --external-ips allows no ranges for them";
    else if (external && !why && !in_ranges(options->external, options->n_external, number))
        why = "it lies outside of the ranges that the option --external-ips allows";
    if (why)
        add_complaint(complaints, "%s in %s is left out: %s", address, field, why);
    else
        VEC_PUSH(addresses, address);
}

static void collect_addresses(const ServiceProxy *proxy, const Service *service,
                              Addresses *addresses, Complaints *complaints)
{
    const LoadBalancerStatus *status = &service->status.load_balancer;

    VEC_PUSH(addresses, service->spec.cluster_ip);
    for (size_t i = 0; i < service->spec.external_ips.n; i++)
        take_address(proxy, service->spec.external_ips.v[i], true, addresses, complaints);
    for (size_t i = 0; i < status->ingress.n; i++)
        /* In mode "Proxy" the load balancer sends to the node port, and traffic must not bypass it. */
        if (!str_empty(status->ingress.v[i].ip) &&
            !str_equal(status->ingress.v[i].ip_mode, "Proxy"))
            take_address(proxy, status->ingress.v[i].ip, false, addresses, complaints);
}

/* Records an Event if the complaints are not the ones that were reported last. */
static void complain(ServiceProxy *proxy, Told *told, const Object *service,
                     const Complaints *complaints)
{
    const char *text = complaints->text.n ? strbuf_string(&complaints->text) : NULL;

    if (str_equal(text, told->complaints))
        return;
    free(told->complaints);
    told->complaints = text ? mem_strdup(text) : NULL;
    if (text)
        event_record(proxy->events, service, "Warning",
                     complaints->wrong_version ? "KubeProxyIncorrectIPVersion" : "AddressIgnored",
                     "%.900s", text);
}

/* Net reports that it left something of a port out. */
static void on_problem(void *data, const char *key, const char *text)
{
    ServiceProxy *proxy = data;
    _free_ char *name = mem_strndup(key, strcspn(key, ":"));
    const ServiceEntry *entry = strmap_get(&proxy->view.entries, name);

    if (entry && entry->service)
        event_record(proxy->events, entry->service, "Warning", "AddressIgnored", "%s", text);
}

/* ---- ports ---- */

static void set_port(ServiceProxy *proxy, const ServiceEntry *entry, const char *key,
                     const Service *service, const ServicePort *port, const Addresses *addresses)
{
    Targets endpoints = VEC_INIT;
    NetServicePort net = {.key = key,
                          .protocol = port->protocol,
                          .addresses = addresses->v,
                          .n_addresses = addresses->n,
                          .port = (uint16_t)port->port,
                          .node_port = (uint16_t)port->node_port};

    collect(entry, port, false, &endpoints);
    if (!endpoints.n)
        collect(entry, port, true, &endpoints);
    net.endpoints = endpoints.v;
    net.n_endpoints = endpoints.n;
    if (str_equal(service->spec.session_affinity, "ClientIP"))
        net.affinity_seconds = 10800;
    net_service_set(proxy->net, &net);
    VEC_DEINIT(&endpoints);
}

static bool has_address(const Service *service)
{
    return !str_empty(service->spec.cluster_ip) && !str_equal(service->spec.cluster_ip, "None") &&
           !str_equal(service->spec.type, "ExternalName");
}

/* Schedules the next attempt, and reports the failure unless the same one was reported recently. */
static void address_failed(Told *told, const char *address, const char *text)
{
    ServiceProxy *proxy = told->proxy;
    int64_t now = clock_mono_ns(proxy->options.clock);

    told->failed.address = mem_strdup(address);
    told->failed.delay_ns =
        told->failed.delay_ns ? MIN_OF(told->failed.delay_ns * 2, RETRY_MOST) : RETRY_FIRST;
    timer_start(proxy->options.clock, &told->failed.retry, told->failed.delay_ns);
    if (str_equal(told->failed.text, text) && now - told->failed.said_ns < FAILURE_SAID_AGAIN)
        return;
    free(told->failed.text);
    told->failed.text = mem_strdup(text);
    told->failed.said_ns = now;
    event_record(proxy->events, told->entry->service, "Warning", "SyncLoadBalancerFailed",
                 "Error syncing load balancer: %s", text);
}

static void put_address(Told *told, const char *address)
{
    Err err = ERR_INIT;

    if (net_address_add(told->proxy->net, address, &err) < 0) {
        address_failed(told, address, err.message);
        return;
    }
    forget_failure(told);
    told->address = mem_strdup(address);
}

static void on_retry(Timer *timer)
{
    Told *told = timer->data;
    _free_ char *address = TAKE_PTR(told->failed.address);

    put_address(told, address);
}

/* Puts the address of the Service's load balancer on the bridge, so that the machine answers for it, and takes a former
 * address off. If an attempt has failed, the timer makes the next one; changes of the Service that do not concern the
 * address do not make it earlier. */
static void refresh_address(ServiceProxy *proxy, Told *told, const Service *service)
{
    const LoadBalancerStatus *status = service ? &service->status.load_balancer : NULL;
    const char *address = status && status->ingress.n ? status->ingress.v[0].ip : NULL;
    Err err = ERR_INIT;
    uint32_t number;

    /* Addresses outside of our range belong to other load balancers. */
    if (ip4_parse(address, &number) || !cidr4_contains(proxy->options.load_balancers, number))
        address = NULL;
    if (address && str_equal(address, told->failed.address))
        return;
    forget_failure(told);
    if (str_equal(address, told->address))
        return;
    if (told->address && net_address_remove(proxy->net, told->address, &err) < 0)
        log_warn("node", "%s", err.message); /* the next start of the server takes it off */
    free(told->address);
    told->address = NULL;
    if (address)
        put_address(told, address);
}

/* Hands the ports of the Service to Net, and withdraws those that it no longer has. */
static void refresh(ServiceProxy *proxy, ServiceEntry *entry)
{
    const Service *service = entry->service ? OBJECT_AS(Service, entry->service) : NULL;
    Told *told = entry->data ? entry->data : (entry->data = told_new(proxy, entry));
    VEC(char *) keys = VEC_INIT;
    Addresses addresses = VEC_INIT;
    Complaints complaints = {0};

    refresh_address(proxy, told, service);
    if (service && has_address(service)) {
        collect_addresses(proxy, service, &addresses, &complaints);
        complain(proxy, told, entry->service, &complaints);
    }
    for (size_t i = 0; service && has_address(service) && i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];
        char *key = mem_printf("%s:%s/%s%d", entry->key, port->name ? port->name : "",
                               port->protocol, port->port);

        set_port(proxy, entry, key, service, port, &addresses);
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
    VEC_DEINIT(&addresses);
    strbuf_deinit(&complaints.text);
    if (!entry->service && !entry->slices.n) {
        told_free(told);
        entry->data = NULL;
    }
}

static bool all_known(const ServiceProxy *proxy)
{
    for (size_t i = 0; i < ARRAY_LEN(proxy->sources); i++)
        if (!proxy->sources[i].known)
            return false;
    return true;
}

static void on_change(void *data, ServiceEntry *entry)
{
    if (all_known(data))
        refresh(data, entry);
}

static int by_age(const void *a, const void *b)
{
    const ServiceEntry *const *x = a, *const *y = b;
    Time created[2] = {{0}};

    if ((*x)->service && (*y)->service) {
        created[0] = object_meta((*x)->service)->creation_timestamp;
        created[1] = object_meta((*y)->service)->creation_timestamp;
    }
    if (created[0].seconds != created[1].seconds)
        return created[0].seconds < created[1].seconds ? -1 : 1;
    return strcmp((*x)->key, (*y)->key);
}

/* Hands all Services to Net, the oldest first: Net gives an address and port to the Service that asks first, so a restart
 * does not move them from one Service to another. */
static void tell_all(ServiceProxy *proxy)
{
    VEC(ServiceEntry *) entries = VEC_INIT;

    STRMAP_EACH(&proxy->view.entries, slot)
        VEC_PUSH(&entries, (ServiceEntry *)slot->value);
    if (entries.n)
        qsort(entries.v, entries.n, sizeof(entries.v[0]), by_age);
    for (size_t i = 0; i < entries.n; i++)
        refresh(proxy, entries.v[i]);
    VEC_DEINIT(&entries);
    net_service_sync_done(proxy->net);
}

static void on_event(void *data, const WatchEvent *event)
{
    Source *source = data;
    ServiceProxy *proxy = source->proxy;

    if (event->type != WATCH_BOOKMARK) {
        service_view_on_event(&proxy->view, event);
    } else if (!source->known) {
        source->known = true;
        if (all_known(proxy))
            tell_all(proxy);
    }
}

ServiceProxy *service_proxy_start(const ServiceProxyOptions *options)
{
    static const Kind *const kinds[] = {&kind_service, &kind_endpoint_slice};
    ServiceProxy *proxy = mem_new_type(ServiceProxy);
    Client *client = options->client;
    Cidr4 *ranges = mem_new((options->n_external + 1) * sizeof(*ranges));

    proxy->options = *options;
    proxy->options.external = ranges;
    if (options->n_external)
        memcpy(ranges, options->external, options->n_external * sizeof(*ranges));
    proxy->client = client;
    proxy->net = options->net;
    proxy->events = event_recorder_new(client, options->clock, "kube-proxy", options->node_name);
    proxy->view.on_change = on_change;
    proxy->view.data = proxy;
    net_service_on_problem(proxy->net, on_problem, proxy);
    for (size_t i = 0; i < ARRAY_LEN(proxy->sources); i++) {
        proxy->sources[i].proxy = proxy;
        proxy->sources[i].watch =
            client_watch(client, kinds[i], NULL, on_event, &proxy->sources[i]);
    }
    return proxy;
}

ServiceProxy *service_proxy_stop(ServiceProxy *proxy)
{
    if (!proxy)
        return NULL;
    net_service_on_problem(proxy->net, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(proxy->sources); i++)
        client_watch_stop(proxy->client, proxy->sources[i].watch);
    STRMAP_EACH(&proxy->view.entries, slot)
        told_free(((ServiceEntry *)slot->value)->data);
    service_view_deinit(&proxy->view);
    event_recorder_free(proxy->events);
    free((void *)(uintptr_t)proxy->options.external);
    free(proxy);
    return NULL;
}
