/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call behind `stead service`. It answers with a line for each port, with tabs between namespace, name, target, address, and
 * whether an endpoint is ready. The address can be reached from this machine: it is the address of the node with the node port if
 * there is one, else that of the load balancer, else the cluster IP.
 */
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/strbuf.h"
#include "daemon/daemon.h"

typedef struct Listing {
    Client *client;
    Arena *arena;
    StrBuf *out;
    const char *node_address;
} Listing;

static bool read_node_address(void *data, Object *object)
{
    const Node *node = OBJECT_AS(Node, object);
    Listing *listing = data;

    for (size_t i = 0; i < node->status.addresses.n; i++)
        if (str_equal(node->status.addresses.v[i].type, "InternalIP"))
            listing->node_address = node->status.addresses.v[i].address;
    return false;
}

typedef struct Readiness {
    const char *service;
    bool ready;
} Readiness;

static bool look_at_slice(void *data, Object *object)
{
    const EndpointSlice *slice = OBJECT_AS(EndpointSlice, object);
    Readiness *readiness = data;

    if (!str_equal(string_map_get(&slice->metadata.labels, "kubernetes.io/service-name"),
                   readiness->service))
        return true;
    for (size_t i = 0; i < slice->endpoints.n; i++)
        readiness->ready |=
            !slice->endpoints.v[i].conditions.ready || *slice->endpoints.v[i].conditions.ready;
    return !readiness->ready;
}

static bool is_ready(Listing *listing, const Service *service)
{
    Readiness readiness = {.service = service->metadata.name};
    ListOptions options = {.ns = service->metadata.namespace};

    client_list(listing->client, &kind_endpoint_slice, &options, look_at_slice, &readiness);
    return readiness.ready;
}

static void print_port(Listing *listing, const Service *service, const ServicePort *port,
                       bool ready)
{
    const LoadBalancerStatus *lb = &service->status.load_balancer;
    const char *address = service->spec.cluster_ip, *name = port->name;
    int32_t number = port->port;

    if (port->node_port && listing->node_address) {
        address = listing->node_address;
        number = port->node_port;
    } else if (lb->ingress.n && !str_empty(lb->ingress.v[0].ip)) {
        address = lb->ingress.v[0].ip;
    }
    strbuf_printf(listing->out, "%s\t%s\t%s%s%d\t", service->metadata.namespace,
                  service->metadata.name, name ? name : "", str_empty(name) ? "" : "/", port->port);
    if (!str_empty(address) && !str_equal(address, "None"))
        strbuf_printf(listing->out, "%s://%s:%d", str_equal(name, "https") ? "https" : "http",
                      address, number);
    strbuf_printf(listing->out, "\t%d\n", ready);
}

static bool print_service(void *data, Object *object)
{
    const Service *service = OBJECT_AS(Service, object);
    Listing *listing = data;
    bool ready = is_ready(listing, service);

    for (size_t i = 0; i < service->spec.ports.n; i++)
        print_port(listing, service, &service->spec.ports.v[i], ready);
    return true;
}

void app_call_services(void *data, HttpRequest *request)
{
    App *app = data;
    const char *name = http_query(request, "name"), *ns = http_query(request, "ns");
    _strbuf_ StrBuf text = STRBUF_INIT;
    Listing listing = {.client = server_client(app->server, "system:status"),
                       .arena = &request->arena,
                       .out = &text};
    int status = 200;

    client_list(listing.client, &kind_node, NULL, read_node_address, &listing);
    if (name) {
        Object *object = client_get(listing.client, &kind_service, str_or(ns, "default"), name);

        if (object) {
            print_service(&listing, object);
        } else {
            strbuf_printf(&text,
                          "there is no service %s in the namespace %s; see: stead service list\n",
                          name, str_or(ns, "default"));
            status = 404;
        }
    } else {
        client_list(listing.client, &kind_service, NULL, print_service, &listing);
    }
    http_respond(request, status, "text/plain; charset=utf-8", strbuf_bytes(&text));
}
