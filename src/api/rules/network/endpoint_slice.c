/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of EndpointSlices. Lengths are checked before anything is compared pairwise. */
#include <arpa/inet.h>

#include "api/object.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/discovery_v1.h"
#include "base/strmap.h"

enum {
    ENDPOINTS_MAX = 1000,
    ADDRESSES_MAX = 100,
    PORTS_MAX = 20000,
    HINTS_MAX = 8,
    TOPOLOGY_MAX = 16,
};

/* A slice has no spec: the generation counts changes of all its fields and of its labels. */
static bool slice_changed(const EndpointSlice *now, const EndpointSlice *before)
{
    const Field *labels = type_member(&type_ObjectMeta, "labels");

    for (size_t i = 0; i < type_EndpointSlice.n_fields; i++) {
        const Field *field = &type_EndpointSlice.fields[i];

        if (field->type != &type_ObjectMeta &&
            !type_field_equal(field, field_at(now, field), field_at(before, field)))
            return true;
    }
    return !type_field_equal(labels, &now->metadata.labels, &before->metadata.labels);
}

static void endpoint_slice_prepare(Arena *arena _unused_, void *value, const void *before_value)
{
    EndpointSlice *slice = value;
    const EndpointSlice *before = before_value;
    const Field *endpoints = type_member(&type_EndpointSlice, "endpoints");

    if (before)
        slice->metadata.generation = before->metadata.generation + slice_changed(slice, before);
    /* v1 does not accept deprecatedTopology. Values that older servers have stored stay as long as
     * the endpoints do not change. */
    if (before && type_field_equal(endpoints, &slice->endpoints, &before->endpoints))
        return;
    for (size_t i = 0; i < slice->endpoints.n; i++)
        slice->endpoints.v[i].deprecated_topology = (StringMap){0};
}

static void check_usable_ip(int family, const void *ip, const char *path, const char *text,
                            Causes *causes)
{
    const uint8_t *b = ip;
    static const uint8_t zero[16];
    static const uint8_t loopback6[16] = {[15] = 1};
    bool v4 = family == AF_INET;

    if (memcmp(b, zero, v4 ? 4 : 16) == 0)
        causes_invalid_string(causes, path, text,
                              arena_printf(causes->arena, "may not be unspecified (%s)", text));
    if (v4 ? b[0] == 127 : memcmp(b, loopback6, 16) == 0)
        causes_invalid_string(causes, path, text,
                              "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (v4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        causes_invalid_string(causes, path, text,
                              "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (v4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 0x02)
        causes_invalid_string(
            causes, path, text,
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

static void check_ip_address(int family, const char *address, const Path *list, size_t i,
                             Causes *causes)
{
    const Path *path = PATH_INDEX(list, i);
    Faults faults = check_ip(address);
    uint8_t ip[16];

    if (faults.n) {
        faults_add(faults, path_text(path, causes), address, causes);
        return;
    }
    if (inet_pton(family, address, ip) != 1) {
        causes_invalid_string(causes, path_text(list, causes), address,
                              family == AF_INET ? "must be an IPv4 address"
                                                : "must be an IPv6 address");
        family = family == AF_INET ? AF_INET6 : AF_INET;
        if (inet_pton(family, address, ip) != 1)
            return;
    }
    check_usable_ip(family, ip, path_text(path, causes), address, causes);
}

static void check_domain_name(const char *name, const Path *path, Causes *causes)
{
    size_t n = name ? strlen(name) : 0;
    const char *bare = n && name[n - 1] == '.' ? arena_strndup(causes->arena, name, n - 1) : name;
    Faults faults;

    if (!n) {
        causes_required(causes, path_text(path, causes), NULL);
        return;
    }
    faults = check_dns_subdomain(bare);
    if (faults.n)
        faults_add(faults, path_text(path, causes), name, causes);
    else if (!strchr(bare, '.'))
        causes_invalid_string(causes, path_text(path, causes), name,
                              "should be a domain with at least two segments separated by dots");
}

static void check_addresses(const StringArray *addresses, const char *type, const Path *path,
                            Causes *causes)
{
    for (size_t i = 0; i < addresses->n && i < ADDRESSES_MAX; i++) {
        if (str_equal(type, "IPv4"))
            check_ip_address(AF_INET, addresses->v[i], path, i, causes);
        else if (str_equal(type, "IPv6"))
            check_ip_address(AF_INET6, addresses->v[i], path, i, causes);
        else if (str_equal(type, "FQDN"))
            check_domain_name(addresses->v[i], PATH_INDEX(path, i), causes);
    }
}

/* Checks the names of zones or nodes in a hint: each must be well-formed and occur only once. */
static void check_hint_names(const StringArray *names, Faults (*check)(const char *),
                             const Path *path, Causes *causes)
{
    if (names->n > HINTS_MAX) {
        rules_too_many(causes, path_text(path, causes), names->n, HINTS_MAX);
        return;
    }
    for (size_t i = 0; i < names->n; i++) {
        const char *at = path_text(PATH(PATH_INDEX(path, i), "name"), causes);

        if (rules_among(names, i, names->v[i]))
            causes_add(causes, CAUSE_DUPLICATE, at, rules_quoted(names->v[i], causes), NULL);
        faults_add(check(names->v[i]), at, names->v[i], causes);
    }
}

static void check_hints(const EndpointHints *hints, const Path *path, Causes *causes)
{
    StringArray zones = {arena_new_n(causes->arena, const char *, hints->for_zones.n),
                         hints->for_zones.n};
    StringArray nodes = {arena_new_n(causes->arena, const char *, hints->for_nodes.n),
                         hints->for_nodes.n};

    for (size_t i = 0; i < zones.n; i++)
        zones.v[i] = str_or(hints->for_zones.v[i].name, "");
    for (size_t i = 0; i < nodes.n; i++)
        nodes.v[i] = str_or(hints->for_nodes.v[i].name, "");
    check_hint_names(&zones, check_label_value, PATH(path, "forZones"), causes);
    check_hint_names(&nodes, check_dns_subdomain, PATH(path, "forNodes"), causes);
}

static void check_endpoint(const Endpoint *endpoint, const char *type, const Path *path,
                           Causes *causes)
{
    const char *topology = path_text(PATH(path, "deprecatedTopology"), causes);

    check_addresses(&endpoint->addresses, type, PATH(path, "addresses"), causes);
    if (endpoint->node_name)
        faults_add(check_dns_subdomain(endpoint->node_name),
                   path_text(PATH(path, "nodeName"), causes), endpoint->node_name, causes);
    if (endpoint->deprecated_topology.n > TOPOLOGY_MAX)
        rules_too_many(causes, topology, endpoint->deprecated_topology.n, TOPOLOGY_MAX);
    validate_labels(&endpoint->deprecated_topology, topology, causes);
    if (endpoint->hostname)
        faults_add(check_dns_label(endpoint->hostname), path_text(PATH(path, "hostname"), causes),
                   endpoint->hostname, causes);
    if (endpoint->hints)
        check_hints(endpoint->hints, PATH(path, "hints"), causes);
}

static void check_slice_ports(const DiscoveryEndpointPortArray *ports, Causes *causes)
{
    StrMap seen = STRMAP_INIT;

    if (ports->n > PORTS_MAX) {
        rules_too_many(causes, "ports", ports->n, PORTS_MAX);
        return;
    }
    for (size_t i = 0; i < ports->n; i++) {
        const char *name = str_or(ports->v[i].name, "");
        const Path *path = PATH(PATH_INDEX(PATH(NULL, "ports"), i), "name");

        if (*name)
            faults_add(check_dns_label(name), path_text(path, causes), name, causes);
        if (strmap_put(&seen, name, &seen))
            causes_add(causes, CAUSE_DUPLICATE, path_text(path, causes), rules_quoted(name, causes),
                       NULL);
    }
    strmap_deinit(&seen);
}

static void endpoint_slice_validate(const void *value, const void *before_value, Causes *causes)
{
    const EndpointSlice *slice = value, *before = before_value;
    const Field *endpoints = type_member(&type_EndpointSlice, "endpoints");

    check_slice_ports(&slice->ports, causes);
    /* Stored endpoints may stay as they are. */
    if (before && type_field_equal(endpoints, &slice->endpoints, &before->endpoints))
        return;
    if (slice->endpoints.n > ENDPOINTS_MAX) {
        rules_too_many(causes, "endpoints", slice->endpoints.n, ENDPOINTS_MAX);
        return;
    }
    for (size_t i = 0; i < slice->endpoints.n; i++)
        check_endpoint(&slice->endpoints.v[i], slice->address_type,
                       PATH_INDEX(PATH(NULL, "endpoints"), i), causes);
}

static void endpoint_slice_warn(Arena *arena, const void *value, Warnings *warnings)
{
    if (str_equal(((const EndpointSlice *)value)->address_type, "FQDN"))
        rules_warn(arena, warnings, "spec.addressType: FQDN endpoints are deprecated");
}

/* Prints the first three items, and how many more there are. */
static void cell_some(StrBuf *out, const StringArray *items)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    print_some(&text, items, 3);
    cell_string(out, strbuf_string(&text));
}

static void endpoint_slice_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const EndpointSlice *slice = value;
    _arena_ Arena arena = ARENA_INIT;
    StringArray ports = {arena_new_n(&arena, const char *, slice->ports.n), slice->ports.n},
                addresses = {0};

    for (size_t i = 0; i < ports.n; i++) {
        const DiscoveryEndpointPort *port = &slice->ports.v[i];

        ports.v[i] = port->port ? arena_printf(&arena, "%d", *port->port) : str_or(port->name, "*");
    }
    for (size_t i = 0; i < slice->endpoints.n; i++)
        addresses.n += slice->endpoints.v[i].addresses.n;
    addresses.v = arena_new_n(&arena, const char *, addresses.n);
    addresses.n = 0;
    for (size_t i = 0; i < slice->endpoints.n; i++)
        for (size_t k = 0; k < slice->endpoints.v[i].addresses.n; k++)
            addresses.v[addresses.n++] = slice->endpoints.v[i].addresses.v[k];
    cell_string(out, slice->metadata.name);
    cell_string(out, slice->address_type);
    cell_some(out, &ports);
    cell_some(out, &addresses);
    cell_age(out, slice->metadata.creation_timestamp, now_ns);
}

const KindRules rules_endpoint_slice = {
    .prepare = endpoint_slice_prepare,
    .validate = endpoint_slice_validate,
    .warn = endpoint_slice_warn,
    .print = endpoint_slice_print,
};
