/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocation of addresses and node ports to Services. The allocations are kept in memory only. They
 * are those of the stored Services and of the writes in flight. A write that fails releases what it has
 * allocated. When a Service is stored without something that it had before, or is deleted,
 * service_settle releases it.
 *
 * Addresses are chosen at random. A band at the start of the range is used last, so that it is likely to
 * be free for Services that ask for a particular address. The band has the size that kube-apiserver
 * uses.
 */
#include <arpa/inet.h>

#include "api/object.h"
#include "api/schema/core_service_v1.h"
#include "base/strmap.h"
#include "base/text_map.h"
#include "server/admission/admission.h"

#define PORT_MIN 30000
#define PORT_MAX 32767
#define RANDOM_TRIES 64

struct ServiceAddresses {
    uint32_t base, size;                    /* of the whole range, in host byte order */
    StrMap by_address;                      /* "10.96.0.1" -> owner "default/kubernetes" */
    char *by_port[PORT_MAX - PORT_MIN + 1]; /* owner, or NULL */
};

int service_addresses_new(const char *cidr, ServiceAddresses **ret, Err *reterr)
{
    ServiceAddresses *addresses;
    _free_ char *text = mem_strdup(str_or(cidr, "10.96.0.0/12"));
    char *slash = strchr(text, '/');
    char first[INET_ADDRSTRLEN];
    struct in_addr address;
    int64_t bits = 0;

    if (slash)
        *slash = 0;
    if (!slash || inet_pton(AF_INET, text, &address) != 1 || str_to_int64(slash + 1, 8, 30, &bits))
        return err_set(reterr, 0, "\"%s\" is no range of service addresses such as 10.96.0.0/12",
                       cidr);
    addresses = mem_new_type(ServiceAddresses);
    addresses->size = UINT32_C(1) << (32 - bits);
    addresses->base = ntohl(address.s_addr) & ~(addresses->size - 1);
    address.s_addr = htonl(addresses->base + 1);
    inet_ntop(AF_INET, &address, first, sizeof(first));
    strmap_put(&addresses->by_address, first, mem_strdup("default/kubernetes"));
    *ret = addresses;
    return 0;
}

ServiceAddresses *service_addresses_free(ServiceAddresses *addresses)
{
    if (!addresses)
        return NULL;
    STRMAP_EACH(&addresses->by_address, slot)
        free(slot->value);
    strmap_deinit(&addresses->by_address);
    for (size_t i = 0; i < ARRAY_LEN(addresses->by_port); i++)
        free(addresses->by_port[i]);
    free(addresses);
    return NULL;
}

/* ---- owners ---- */

static char **port_slot(ServiceAddresses *addresses, int32_t port)
{
    return port >= PORT_MIN && port <= PORT_MAX ? &addresses->by_port[port - PORT_MIN] : NULL;
}

/* Gives the address to the owner. Returns true if the owner has it now, which includes that it had
 * it before. */
static bool take_address(ServiceAddresses *addresses, const char *address, const char *owner)
{
    const char *holder = strmap_get(&addresses->by_address, address);

    if (holder)
        return str_equal(holder, owner);
    strmap_put(&addresses->by_address, address, mem_strdup(owner));
    return true;
}

static bool take_port(ServiceAddresses *addresses, int32_t port, const char *owner)
{
    char **slot = port_slot(addresses, port);

    if (!slot)
        return false;
    if (!*slot)
        *slot = mem_strdup(owner);
    return str_equal(*slot, owner);
}

/* The addresses of the Service, and its node ports as keys of four bytes, which is shorter than any
 * address. */
static TextMap held_by(const Service *service, Arena *arena)
{
    TextMap held = TEXT_MAP_INIT(arena);
    bool is_new;

    if (!service)
        return held;
    for (size_t i = 0; i < service->spec.cluster_ips.n; i++)
        text_map_add(&held, service->spec.cluster_ips.v[i]);
    for (size_t i = 0; i < service->spec.ports.n; i++)
        text_map_put_n(&held, (const char *)&service->spec.ports.v[i].node_port, sizeof(int32_t),
                       &is_new);
    text_map_put_n(&held, (const char *)&service->spec.health_check_node_port, sizeof(int32_t),
                   &is_new);
    return held;
}

static bool holds_port(const TextMap *held, int32_t port)
{
    return text_map_find_n(held, (const char *)&port, sizeof(port)) != NULL;
}

static bool real_address(const char *address)
{
    return !str_empty(address) && !str_equal(address, "None");
}

static void release_port(ServiceAddresses *addresses, int32_t port, const char *owner)
{
    char **slot = port_slot(addresses, port);

    if (slot && str_equal(*slot, owner)) {
        free(*slot);
        *slot = NULL;
    }
}

void service_settle(ServiceAddresses *addresses, const Object *now, const Object *before)
{
    const Service *is = now ? OBJECT_AS(Service, now) : NULL;
    const Service *was = before ? OBJECT_AS(Service, before) : NULL;
    const ObjectMeta *meta = is ? &is->metadata : was ? &was->metadata : NULL;
    _free_ char *owner = meta ? mem_printf("%s/%s", meta->namespace, meta->name) : NULL;
    _arena_ Arena arena = ARENA_INIT;
    TextMap held = held_by(is, &arena);

    for (size_t i = 0; was && i < was->spec.cluster_ips.n; i++) {
        const char *address = was->spec.cluster_ips.v[i];

        if (real_address(address) && !text_map_has(&held, address) &&
            str_equal(strmap_get(&addresses->by_address, address), owner))
            free(strmap_remove(&addresses->by_address, address));
    }
    for (size_t i = 0; was && i < was->spec.ports.n; i++)
        if (!holds_port(&held, was->spec.ports.v[i].node_port))
            release_port(addresses, was->spec.ports.v[i].node_port, owner);
    if (was && !holds_port(&held, was->spec.health_check_node_port))
        release_port(addresses, was->spec.health_check_node_port, owner);
    for (size_t i = 0; is && i < is->spec.cluster_ips.n; i++)
        if (real_address(is->spec.cluster_ips.v[i]))
            take_address(addresses, is->spec.cluster_ips.v[i], owner);
    for (size_t i = 0; is && i < is->spec.ports.n; i++)
        take_port(addresses, is->spec.ports.v[i].node_port, owner);
    if (is)
        take_port(addresses, is->spec.health_check_node_port, owner);
}

/* ---- addresses ---- */

typedef struct Allocation {
    Write *write;
    Service *service;
    const Service *before; /* NULL on create */
    ServiceAddresses *addresses;
    Arena *arena; /* of the object */
    const char *owner;
    TextMap ports_before; /* port and protocol -> ServicePort */
    Causes causes;
} Allocation;

static const char *print_address(Arena *arena, uint32_t address)
{
    struct in_addr binary = {.s_addr = htonl(address)};
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &binary, text, sizeof(text));
    return arena_strdup(arena, text);
}

const char *service_first_address(const ServiceAddresses *addresses, Arena *arena)
{
    return print_address(arena, addresses->base + 1);
}

/* Returns a free address, or NULL if the range is full. */
static const char *pick_address(Allocation *a)
{
    uint32_t size = a->addresses->size;
    uint32_t band = MIN_OF(MAX_OF(UINT32_C(16), size / 16), UINT32_C(256));
    uint32_t first = size > 32 ? band : 1, count = size - 1 - first, start;

    for (int i = 0; i < RANDOM_TRIES; i++) {
        const char *address =
            print_address(a->arena, a->addresses->base + first +
                                        (uint32_t)random_below(a->write->server->random, count));

        if (!strmap_get(&a->addresses->by_address, address))
            return address;
    }
    start = (uint32_t)random_below(a->write->server->random, size - 2);
    for (uint32_t i = 0; i < size - 2; i++) {
        const char *address =
            print_address(a->arena, a->addresses->base + 1 + (start + i) % (size - 2));

        if (!strmap_get(&a->addresses->by_address, address))
            return address;
    }
    return NULL;
}

static void refuse_address(Allocation *a, const char *address, const char *why)
{
    causes_add(&a->causes, CAUSE_INVALID, "spec.clusterIPs",
               arena_printf(&a->write->arena, "[\"%s\"]", address),
               arena_printf(&a->write->arena, "failed to allocate IP %s: %s", address, why));
}

static void allocate_address(Allocation *a)
{
    ServiceSpec *spec = &a->service->spec;
    const char *address = spec->cluster_ip;
    struct in_addr binary;

    if (str_empty(address) && spec->cluster_ips.n)
        address = spec->cluster_ip = spec->cluster_ips.v[0];
    if (str_empty(address) && a->before && real_address(a->before->spec.cluster_ip) &&
        !str_equal(a->before->spec.type, "ExternalName"))
        address = arena_strdup(a->arena, a->before->spec.cluster_ip);
    if (str_empty(address) && a->before && str_equal(a->before->spec.cluster_ip, "None"))
        address = "None";
    if (str_empty(address)) {
        address = pick_address(a);
        if (!address) {
            refuse_address(a, "", "range is full");
            return;
        }
    }
    if (real_address(address)) {
        if (inet_pton(AF_INET, address, &binary) != 1)
            return; /* validation reports it */
        if (ntohl(binary.s_addr) - a->addresses->base >= a->addresses->size)
            refuse_address(a, address, "the provided network does not match the current range");
        else if (!take_address(a->addresses, address, a->owner))
            refuse_address(a, address, "provided IP is already allocated");
    }
    spec->cluster_ip = address;
    if (spec->cluster_ips.n == 0) {
        spec->cluster_ips.v = arena_new(a->arena, const char *);
        spec->cluster_ips.v[0] = address;
        spec->cluster_ips.n = 1;
    }
    if (spec->ip_families.n == 0) {
        spec->ip_families.v = arena_new(a->arena, const char *);
        spec->ip_families.v[0] = "IPv4";
        spec->ip_families.n = 1;
    }
    if (str_empty(spec->ip_family_policy))
        spec->ip_family_policy = "SingleStack";
}

/* ---- ports ---- */

static bool wants_ports(const ServiceSpec *spec)
{
    if (str_equal(spec->type, "NodePort"))
        return true;
    return str_equal(spec->type, "LoadBalancer") &&
           !(spec->allocate_load_balancer_node_ports && !*spec->allocate_load_balancer_node_ports);
}

static const char *port_key(const Allocation *a, const ServicePort *port)
{
    return arena_printf(&a->write->arena, "%d/%s", port->port, str_or(port->protocol, ""));
}

static void index_ports_before(Allocation *a)
{
    for (size_t i = 0; a->before && i < a->before->spec.ports.n; i++) {
        ServicePort *was = &a->before->spec.ports.v[i];

        text_map_put_first(&a->ports_before, port_key(a, was), was);
    }
}

/* The node port that this port of the Service had before, or 0. */
static int32_t port_before(const Allocation *a, const ServicePort *port)
{
    const ServicePort *was = text_map_get(&a->ports_before, port_key(a, port));

    return was ? was->node_port : 0;
}

static int32_t pick_port(Allocation *a)
{
    uint32_t count = PORT_MAX - PORT_MIN + 1;
    uint32_t start = (uint32_t)random_below(a->write->server->random, count);

    for (uint32_t i = 0; i < count; i++) {
        int32_t port = PORT_MIN + (int32_t)((start + i) % count);

        if (!*port_slot(a->addresses, port))
            return port;
    }
    return 0;
}

static void allocate_port(Allocation *a, int32_t *port, const char *field)
{
    if (*port == 0) {
        *port = pick_port(a);
        if (*port)
            take_port(a->addresses, *port, a->owner);
        else
            causes_add(&a->causes, CAUSE_INTERNAL, field, NULL,
                       "failed to allocate a nodePort: range is full");
    } else if (!port_slot(a->addresses, *port)) {
        causes_invalid_int(&a->causes, field, *port,
                           "provided port is not in the valid range. The range of valid ports is "
                           "30000-32767");
    } else if (!take_port(a->addresses, *port, a->owner)) {
        causes_invalid_int(&a->causes, field, *port, "provided port is already allocated");
    }
}

static void allocate_ports(Allocation *a)
{
    ServiceSpec *spec = &a->service->spec;
    bool wants = wants_ports(spec);

    for (size_t i = 0; i < spec->ports.n; i++) {
        ServicePort *port = &spec->ports.v[i];

        if (wants && port->node_port == 0)
            port->node_port = port_before(a, port);
        if (wants || (str_equal(spec->type, "LoadBalancer") && port->node_port))
            allocate_port(a, &port->node_port,
                          arena_printf(&a->write->arena, "spec.ports[%zu].nodePort", i));
        else if (a->before && !str_equal(a->before->spec.type, spec->type) &&
                 port->node_port == port_before(a, port))
            port->node_port = 0; /* a node port that the server assigned belongs to the old type */
    }
    if (str_equal(spec->type, "LoadBalancer") &&
        str_equal(spec->external_traffic_policy, "Local")) {
        if (!spec->health_check_node_port && a->before)
            spec->health_check_node_port = a->before->spec.health_check_node_port;
        allocate_port(a, &spec->health_check_node_port, "spec.healthCheckNodePort");
    }
}

/* A change of the type removes the fields that only the old type has. */
static void drop_of_old_type(Allocation *a)
{
    ServiceSpec *spec = &a->service->spec;
    const ServiceSpec *was = &a->before->spec;

    if (str_equal(spec->type, was->type))
        return;
    if (str_equal(spec->type, "ExternalName") && str_equal(spec->cluster_ip, was->cluster_ip)) {
        spec->cluster_ip = NULL;
        spec->cluster_ips = (StringArray){0};
        spec->ip_families = (StringArray){0};
        spec->ip_family_policy = NULL;
    }
    if (str_equal(spec->type, "ClusterIP") || str_equal(spec->type, "ExternalName")) {
        if (str_equal(spec->external_traffic_policy, was->external_traffic_policy))
            spec->external_traffic_policy = NULL;
        spec->allocate_load_balancer_node_ports = NULL;
        if (spec->health_check_node_port == was->health_check_node_port)
            spec->health_check_node_port = 0;
    }
}

int service_allocate(Write *write)
{
    Allocation a = {.write = write,
                    .service = OBJECT_AS(Service, write->object),
                    .before = write->before ? OBJECT_AS(Service, write->before) : NULL,
                    .addresses = write->server->addresses,
                    .arena = &write->object->arena,
                    .ports_before = TEXT_MAP_INIT(&write->arena),
                    .causes = {.arena = &write->arena}};

    a.owner = arena_printf(&write->arena, "%s/%s", write->ns, write->name);
    if (a.before)
        drop_of_old_type(&a);
    write->claimed = true;
    if (!str_equal(a.service->spec.type, "ExternalName"))
        allocate_address(&a);
    index_ports_before(&a);
    allocate_ports(&a);
    if (a.causes.n)
        return status_invalid(&write->status, &write->arena, write->kind, write->name, &a.causes);
    return 0;
}
