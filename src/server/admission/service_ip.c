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

#include "api/condition.h"
#include "api/ip_address.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/networking_v1.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/strmap.h"
#include "base/text_map.h"
#include "base/vec.h"
#include "server/admission/admission.h"

#define PORT_MIN 30000
#define PORT_MAX 32767
#define RANDOM_TRIES 64
#define DEFAULT_RANGE "kubernetes"

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
    STRMAP_DEINIT_WITH(&addresses->by_address, free);
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

/* A range that addresses may be taken from. */
typedef struct Range {
    uint32_t base, size;
} Range;

typedef VEC(Range) Ranges;

static void add_range(Ranges *ranges, const char *text)
{
    Range range;
    Cidr4 cidr;

    if (cidr4_parse(text, &cidr) || cidr.bits < 1) /* of the other family, which Services lack */
        return;
    range = (Range){cidr.base, cidr.bits == 32 ? 1 : UINT32_C(1) << (32 - cidr.bits)};
    VEC_PUSH(ranges, range);
}

static bool look_at_range(void *data, Object *object)
{
    const ServiceCIDR *range = OBJECT_AS(ServiceCIDR, object);
    bool own = str_equal(range->metadata.name, DEFAULT_RANGE);

    if (range->metadata.deletion_timestamp.set)
        return true;
    /* The range of the server needs no controller to be ready. */
    if (own ? CONDITION_FIND(&range->status.conditions, "Ready") != NULL &&
                  !CONDITION_IS_TRUE(&range->status.conditions, "Ready")
            : !CONDITION_IS_TRUE(&range->status.conditions, "Ready"))
        return true;
    for (size_t i = 0; i < range->spec.cidrs.n; i++)
        add_range(data, range->spec.cidrs.v[i]);
    return true;
}

/* The server's own range comes first, and counts before its object is there, too. */
static void find_ranges(Allocation *a, Ranges *ret)
{
    Store *store = a->write->server->store;
    Range own = {a->addresses->base, a->addresses->size};

    if (!store_head(store, &kind_service_cidr, NULL, DEFAULT_RANGE))
        VEC_PUSH(ret, own);
    store_list(store, &kind_service_cidr, NULL, NULL, look_at_range, ret);
}

/* Someone may have reserved the address by an IPAddress. */
static bool is_reserved(const Allocation *a, const char *address)
{
    const Object *head = store_head(a->write->server->store, &kind_ip_address, NULL, address);

    return head && !ip_address_is_managed(head);
}

static bool is_free(const Allocation *a, const char *address)
{
    return !strmap_get(&a->addresses->by_address, address) && !is_reserved(a, address);
}

/* Returns a free address, or NULL if the range is full. */
static const char *pick_in(Allocation *a, Range range)
{
    uint32_t size = range.size;
    uint32_t band = MIN_OF(MAX_OF(UINT32_C(16), size / 16), UINT32_C(256));
    uint32_t first = size > 32 ? band : 1, count = size - 1 - first, start;

    if (size < 4) /* neither the first nor the last address of a range is used */
        return NULL;
    for (int i = 0; i < RANDOM_TRIES; i++) {
        const char *address = print_address(
            a->arena, range.base + first + (uint32_t)random_below(a->write->server->random, count));

        if (is_free(a, address))
            return address;
    }
    start = (uint32_t)random_below(a->write->server->random, size - 2);
    for (uint32_t i = 0; i < size - 2; i++) {
        const char *address = print_address(a->arena, range.base + 1 + (start + i) % (size - 2));

        if (is_free(a, address))
            return address;
    }
    return NULL;
}

static const char *pick_address(Allocation *a)
{
    Ranges ranges = VEC_INIT;
    const char *address = NULL;

    find_ranges(a, &ranges);
    for (size_t i = 0; i < ranges.n && !address; i++)
        address = pick_in(a, ranges.v[i]);
    VEC_DEINIT(&ranges);
    return address;
}

static bool in_a_range(Allocation *a, uint32_t address)
{
    Ranges ranges = VEC_INIT;
    bool found = false;

    find_ranges(a, &ranges);
    for (size_t i = 0; i < ranges.n && !found; i++)
        found = address - ranges.v[i].base < ranges.v[i].size;
    VEC_DEINIT(&ranges);
    return found;
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
        if (str_equal(strmap_get(&a->addresses->by_address, address), a->owner))
            ; /* it stays, even if its range is being deleted */
        else if (!in_a_range(a, ntohl(binary.s_addr)))
            refuse_address(a, address, "the provided network does not match the current range");
        else if (is_reserved(a, address) || !take_address(a->addresses, address, a->owner))
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

/* ---- objects of addresses ---- */

static void on_address_written(Write *write)
{
    if (write->status.reason != STATUS_OK && write->status.reason != STATUS_ALREADY_EXISTS &&
        write->status.reason != STATUS_NOT_FOUND)
        log_limited(LOG_LEVEL_WARN, "server", "the IPAddress %s could not be written: %s",
                    write->name, str_or(write->status.message, "refused"));
}

static Write *start_address(const Write *of, const char *address)
{
    Write *write = write_new(of->server, of->user, &kind_ip_address, NULL, address);

    write->manager = "kube-apiserver";
    write->done = on_address_written;
    return write;
}

static bool has_address(const Service *service, const char *address)
{
    for (size_t i = 0; service && i < service->spec.cluster_ips.n; i++)
        if (str_equal(service->spec.cluster_ips.v[i], address))
            return true;
    return false;
}

void service_write_addresses(const Write *of)
{
    Store *store = of->server->store;
    const Service *now = of->gone ? NULL : OBJECT_AS(Service, of->object);
    const Service *before = of->before ? OBJECT_AS(Service, of->before) : NULL;
    const char *address;

    for (size_t i = 0; before && i < before->spec.cluster_ips.n; i++) {
        const Object *head;

        address = before->spec.cluster_ips.v[i];
        head = store_head(store, &kind_ip_address, NULL, address);
        if (head && !has_address(now, address) && ip_address_is_of(head, &before->metadata))
            write_delete(start_address(of, address));
    }
    for (size_t i = 0; now && i < now->spec.cluster_ips.n; i++) {
        Write *write;

        address = now->spec.cluster_ips.v[i];
        if (!real_address(address) || store_head(store, &kind_ip_address, NULL, address))
            continue;
        write = start_address(of, address);
        write->object = ip_address_of_service(address, &now->metadata);
        write_create(write);
    }
}

const char *service_range(const ServiceAddresses *addresses, Arena *arena)
{
    return arena_printf(arena, "%s/%d", print_address(arena, addresses->base),
                        33 - __builtin_ffs((int)addresses->size));
}
