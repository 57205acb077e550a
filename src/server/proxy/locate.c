/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where pods/NAME/proxy, services/NAME/proxy and nodes/NAME/proxy lead. NAME is one of "name", "name:port"
 * and "scheme:name:port"; the port of a Service may also be its name.
 *
 * The proxy connects from the network of the server, so it must not be led to what is meant for that alone.
 * A pod is reached at its own address and a Service at the addresses of its ready pods, if they belong to
 * these pods. Loopback, link-local and multicast addresses are refused.
 */
#include <arpa/inet.h>

#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/random.h"
#include "server/proxy/node_page.h"
#include "server/proxy/proxy.h"
#include "server/proxy/rewrite.h"
#include "server/request/respond.h"

/* Of the node agent, whose paths are answered in the process. */
#define NODE_AGENT_PORT "10250"

typedef struct Place {
    const char *scheme, *name, *port; /* "" where not given */
} Place;

/* false: the name has none of the three forms. */
static bool parse_place(Arena *arena, const char *id, Place *ret)
{
    char *at = arena_strdup(arena, id), *parts[3] = {0};
    size_t n = 0;

    while (at && n < ARRAY_LEN(parts))
        parts[n++] = strsep(&at, ":");
    *ret = (Place){"", "", ""};
    if (at)
        return false;
    if (n == 3)
        *ret = (Place){parts[0], parts[1], parts[2]};
    else
        *ret = (Place){"", parts[0], n == 2 ? parts[1] : ""};
    return *ret->name &&
           (!*ret->scheme || str_equal(ret->scheme, "http") || str_equal(ret->scheme, "https"));
}

/* What Go calls a global unicast address. */
static bool may_reach(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    uint32_t v;

    if (str_empty(address))
        return false;
    if (inet_pton(AF_INET, address, &four) == 1) {
        v = ntohl(four.s_addr);
        return v != 0 && v != UINT32_MAX && v >> 24 != 127 && v >> 28 != 0xe && v >> 16 != 0xa9fe;
    }
    if (inet_pton(AF_INET6, address, &six) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        char text[INET_ADDRSTRLEN];

        return inet_ntop(AF_INET, &six.s6_addr[12], text, sizeof(text)) && may_reach(text);
    }
    return !IN6_IS_ADDR_UNSPECIFIED(&six) && !IN6_IS_ADDR_LOOPBACK(&six) &&
           !IN6_IS_ADDR_MULTICAST(&six) && !IN6_IS_ADDR_LINKLOCAL(&six);
}

/* A port of a URL, or that of its scheme. */
static int set_port(Call *call, const Place *place, const char *text, ProxyTarget *ret,
                    ApiStatus *reterr)
{
    int64_t port;

    if (str_empty(text))
        port = str_equal(place->scheme, "https") ? 443 : 80;
    else if (str_to_int64(text, 1, UINT16_MAX, &port))
        return status_set(reterr, call->arena, STATUS_UNAVAILABLE,
                          "error trying to reach service: dial tcp: address %s: invalid port",
                          text);
    ret->port = (uint16_t)port;
    return 0;
}

/* ---- pods ---- */

/* The first address, as status.podIPs has it. */
static const char *pod_address(const Pod *pod)
{
    return pod->status.pod_ips.n ? pod->status.pod_ips.v[0].ip : NULL;
}

static int locate_pod(Call *call, const Place *place, ProxyTarget *ret, ApiStatus *reterr)
{
    Object *object = store_get(call->server->store, &kind_pod, call->route.ns, place->name);
    const char *port = place->port;
    const Pod *pod;

    if (!object)
        return status_not_found(reterr, call->arena, &kind_pod, place->name);
    pod = OBJECT_AS(Pod, object);
    for (size_t i = 0; i < pod->spec.containers.n && !*port; i++)
        if (pod->spec.containers.v[i].ports.n)
            port = arena_printf(call->arena, "%d",
                                pod->spec.containers.v[i].ports.v[0].container_port);
    ret->address = arena_strdup(call->arena, pod_address(pod));
    if (!may_reach(ret->address))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "address not allowed");
    return set_port(call, place, port, ret, reterr);
}

/* ---- services ---- */

/* The name of the Service's port that has this number. */
static int port_name(Call *call, const char *name, int64_t number, const char **ret,
                     ApiStatus *reterr)
{
    Object *object = store_get(call->server->store, &kind_service, call->route.ns, name);
    const Service *service;

    if (!object)
        return status_not_found(reterr, call->arena, &kind_service, name);
    service = OBJECT_AS(Service, object);
    for (size_t i = 0; i < service->spec.ports.n; i++) {
        if (service->spec.ports.v[i].port != number)
            continue;
        *ret = arena_strdup(call->arena, str_or(service->spec.ports.v[i].name, ""));
        return 0;
    }
    return status_set(reterr, call->arena, STATUS_UNAVAILABLE,
                      "no service port %" PRIi64 " found for service \"%s\"", number, name);
}

/* Is it the address of the pod that it names? Endpoints may be written by users. */
static bool is_of_pod(Call *call, const EndpointAddress *address)
{
    const ObjectReference *pod = address->target_ref;
    Object *object;

    if (!pod || !str_equal(pod->namespace, call->route.ns) || str_empty(pod->name))
        return false;
    object = store_get(call->server->store, &kind_pod, call->route.ns, pod->name);
    for (size_t i = 0; object && i < OBJECT_AS(Pod, object)->status.pod_ips.n; i++)
        if (str_equal(OBJECT_AS(Pod, object)->status.pod_ips.v[i].ip, address->ip))
            return may_reach(address->ip);
    return false;
}

/* Picks one of the addresses at random. */
static bool pick_address(Call *call, const EndpointSubset *subset, const char *port,
                         ProxyTarget *ret)
{
    const EndpointAddressArray *addresses = &subset->addresses;

    for (size_t i = 0; i < subset->ports.n; i++) {
        size_t from;

        if (!str_equal(str_or(subset->ports.v[i].name, ""), port) || addresses->n == 0)
            continue;
        from = random_below(call->server->random, addresses->n);
        for (size_t k = 0; k < addresses->n; k++) {
            const EndpointAddress *address = &addresses->v[(from + k) % addresses->n];

            if (!is_of_pod(call, address))
                continue;
            ret->address = arena_strdup(call->arena, address->ip);
            ret->port = (uint16_t)subset->ports.v[i].port;
            return true;
        }
    }
    return false;
}

static int locate_service(Call *call, const Place *place, ProxyTarget *ret, ApiStatus *reterr)
{
    const char *port = place->port, *id = place->name;
    const EndpointSubsetArray *subsets;
    Object *object;
    int64_t number;
    size_t from;
    int r;

    if (*port && str_to_int64(port, INT64_MIN, INT64_MAX, &number) == 0) {
        r = port_name(call, place->name, number, &port, reterr);
        if (r)
            return r;
    }
    object = store_get(call->server->store, &kind_endpoints, call->route.ns, place->name);
    if (!object)
        return status_not_found(reterr, call->arena, &kind_endpoints, place->name);
    subsets = &OBJECT_AS(Endpoints, object)->subsets;
    if (subsets->n > 0) {
        id = call->route.name;
        from = random_below(call->server->random, subsets->n);
        for (size_t i = 0; i < subsets->n; i++)
            if (pick_address(call, &subsets->v[(from + i) % subsets->n], port, ret))
                return 0;
    }
    return status_set(reterr, call->arena, STATUS_UNAVAILABLE,
                      "no endpoints available for service \"%s\"", id);
}

/* ---- nodes ---- */

static int locate_node(Call *call, const Place *place, ProxyTarget *ret, ApiStatus *reterr)
{
    Object *object = store_get(call->server->store, &kind_node, NULL, place->name);
    const Node *node;

    if (!object)
        return status_not_found(reterr, call->arena, &kind_node, place->name);
    if (!*place->port || str_equal(place->port, NODE_AGENT_PORT)) {
        ret->address = NULL; /* the node agent */
        return 0;
    }
    node = OBJECT_AS(Node, object);
    for (size_t i = 0; i < node->status.addresses.n && !ret->address; i++)
        if (str_equal(node->status.addresses.v[i].type, "InternalIP"))
            ret->address = arena_strdup(call->arena, node->status.addresses.v[i].address);
    if (!may_reach(ret->address))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "address not allowed");
    return set_port(call, place, place->port, ret, reterr);
}

/* ---- all of them ---- */

static const struct {
    const Kind *kind;
    const char *word;
    int (*locate)(Call *call, const Place *place, ProxyTarget *ret, ApiStatus *reterr);
} owners[] = {
    {&kind_pod, "pod", locate_pod},
    {&kind_service, "service", locate_service},
    {&kind_node, "node", locate_node},
};

/* The path behind the proxy: cleaned, as kube-apiserver does it, so that none leads out of it. "" if there
 * is none, not even a slash. */
static const char *path_behind(Call *call)
{
    const char *whole = call->target.path;
    size_t n = strlen(whole);
    const char *rest = str_or(call->route.rest, "");

    if (!*rest && whole[n - 1] != '/')
        return "";
    return rewrite_join(call->arena, rest, whole[n - 1] == '/' ? "/" : "");
}

/* A page under ".../proxy" would have links to ".../name" instead of ".../proxy/name". */
static bool add_slash(Call *call, const char *path)
{
    const HttpRequest *request = call->request;
    bool get = str_equal(request->method, "GET") || str_equal(request->method, "HEAD");

    if (*path || !get || http_wants_upgrade(request))
        return false;
    http_add_header(call->request, "location",
                    arena_printf(call->arena, "%s/%s%s", call->target.path,
                                 *request->query ? "?" : "", request->query));
    http_respond(call->request, 301, NULL, BYTES_LITERAL(""));
    return true;
}

static const char *prefix_before(Call *call, const char *path)
{
    size_t n = strlen(call->target.path), behind = strlen(path);

    if (n >= behind && str_equal(call->target.path + n - behind, path))
        n -= behind;
    return arena_strndup(call->arena, call->target.path, n);
}

static int find_target(Call *call, const char *path, ProxyTarget *ret, ApiStatus *reterr)
{
    size_t i = 0;
    Place place;
    int r;

    while (owners[i].kind != call->route.kind)
        ASSERT(++i < ARRAY_LEN(owners));
    if (query_true(call->query.dry_run))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "dryRun is not supported");
    if (!parse_place(call->arena, call->route.name, &place))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "invalid %s request \"%s\"",
                          owners[i].word, call->route.name);
    r = owners[i].locate(call, &place, ret, reterr);
    if (r)
        return r;
    ret->path = rewrite_encode(call->arena, *path ? path : "/");
    ret->prefix = prefix_before(call, path);
    if (str_equal(place.scheme, "https")) {
        Err err = ERR_INIT;

        /* As kube-apiserver: pods have certificates of their own, which nobody here could check. */
        if (!call->server->proxy_tls &&
            http_tls_client(NULL, NULL, NULL, &call->server->proxy_tls, &err) < 0)
            return status_set(reterr, call->arena, STATUS_INTERNAL_ERROR, "%s", err.message);
        ret->tls = call->server->proxy_tls;
    }
    return 0;
}

void subresource_proxy(Call *call)
{
    ProxyTarget target = {0};
    ApiStatus status = {.reason = STATUS_OK};
    const char *path = path_behind(call);

    if (find_target(call, path, &target, &status))
        respond_status(call, &status);
    else if (!target.address)
        node_page_answer(call, *path ? path : "/");
    else if (!add_slash(call, path))
        proxy_start(call, &target);
}
