/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of Services and Endpoints. server/admission/ allocates addresses and node ports. The rules
 * here keep the fields consistent: clusterIP is the first of clusterIPs, an update that omits an
 * allocated value keeps it, and a change of type removes the values that the new type does not
 * have.
 */
#include <arpa/inet.h>

#include "api/object.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/core_service_v1.h"
#include "api/validate/validate.h"

enum { AFFINITY_SECONDS = 10800, AFFINITY_SECONDS_MAX = 86400 };

static bool is_type(const Service *service, const char *type)
{
    return str_equal(service->spec.type, type);
}

static bool is_headless(const Service *service)
{
    return service->spec.cluster_ips.n == 1 && str_equal(service->spec.cluster_ips.v[0], "None");
}

static bool needs_cluster_ip(const Service *service)
{
    return !is_type(service, "ExternalName");
}

static bool needs_node_port(const Service *service)
{
    return is_type(service, "NodePort") ||
           (is_type(service, "LoadBalancer") && (!service->spec.allocate_load_balancer_node_ports ||
                                                 *service->spec.allocate_load_balancer_node_ports));
}

static bool is_external(const Service *service)
{
    return is_type(service, "LoadBalancer") || is_type(service, "NodePort") ||
           (is_type(service, "ClusterIP") && service->spec.external_ips.n);
}

static bool needs_health_check(const Service *service)
{
    return is_type(service, "LoadBalancer") &&
           str_equal(service->spec.external_traffic_policy, "Local");
}

/* ---- defaults ---- */

static void complete_affinity(Arena *arena, ServiceSpec *spec)
{
    SessionAffinityConfig *config = spec->session_affinity_config;

    if (str_equal(spec->session_affinity, "None"))
        spec->session_affinity_config = NULL;
    if (!str_equal(spec->session_affinity, "ClientIP") ||
        (config && config->client_ip && config->client_ip->timeout_seconds))
        return;
    config = arena_new(arena, SessionAffinityConfig);
    config->client_ip = arena_new(arena, ClientIPConfig);
    config->client_ip->timeout_seconds = arena_int32(arena, AFFINITY_SECONDS);
    spec->session_affinity_config = config;
}

static void complete_service(Arena *arena, void *value)
{
    Service *service = value;
    ServiceSpec *spec = &service->spec;

    complete_affinity(arena, spec);
    for (size_t i = 0; i < spec->ports.n; i++) {
        ServicePort *port = &spec->ports.v[i];

        if (port->target_port.is_string ? str_empty(port->target_port.string)
                                        : port->target_port.number == 0)
            port->target_port = (IntOrString){.number = port->port};
    }
    if (is_external(service) && str_empty(spec->external_traffic_policy))
        spec->external_traffic_policy = "Cluster";
    if (!spec->internal_traffic_policy && needs_cluster_ip(service))
        spec->internal_traffic_policy = "Cluster";
    if (!is_type(service, "LoadBalancer"))
        return;
    if (!spec->allocate_load_balancer_node_ports)
        spec->allocate_load_balancer_node_ports = arena_bool(arena, true);
    for (size_t i = 0; i < service->status.load_balancer.ingress.n; i++) {
        LoadBalancerIngress *ingress = &service->status.load_balancer.ingress.v[i];

        if (!str_empty(ingress->ip) && !ingress->ip_mode)
            ingress->ip_mode = "VIP";
    }
}

/* ---- create and update ---- */

static bool same_strings(const StringArray *a, const StringArray *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!str_equal(a->v[i], b->v[i]))
            return false;
    return true;
}

static StringArray one_string(Arena *arena, const char *s)
{
    StringArray array = {.v = arena_new_n(arena, const char *, 1), .n = 1};

    array.v[0] = s;
    return array;
}

static StringArray copy_strings(Arena *arena, const StringArray *from)
{
    StringArray copy = {.v = from->n ? arena_new_n(arena, const char *, from->n) : NULL,
                        .n = from->n};

    for (size_t i = 0; i < from->n; i++)
        copy.v[i] = arena_strdup(arena, from->v[i]);
    return copy;
}

/* Clients may set clusterIP alone; clusterIPs is then derived from it. */
static void normalize_cluster_ips(Arena *arena, ServiceSpec *now, const ServiceSpec *before)
{
    if (!before) {
        if (!str_empty(now->cluster_ip) && !now->cluster_ips.n)
            now->cluster_ips = one_string(arena, now->cluster_ip);
        return;
    }
    if (str_equal(now->cluster_ip, before->cluster_ip) ||
        !same_strings(&now->cluster_ips, &before->cluster_ips))
        return;
    if (str_empty(now->cluster_ip))
        now->cluster_ips = (StringArray){.v = NULL};
    else
        now->cluster_ips = one_string(arena, now->cluster_ip);
}

/* A port keeps the node port that the port with the same name had, unless another port requests
 * that number. */
static void keep_node_ports(Arena *arena, ServicePortArray *now, const ServicePortArray *before)
{
    TextMap old = TEXT_MAP_INIT(arena), taken = TEXT_MAP_INIT(arena);
    bool is_new;

    for (size_t i = 0; i < before->n; i++) {
        const char *name = str_or(before->v[i].name, "");

        text_map_put_n(&old, name, strlen(name), &is_new)->value = &before->v[i];
    }
    for (size_t i = 0; i < now->n; i++)
        text_map_put_n(&taken, (const char *)arena_int32(arena, now->v[i].node_port),
                       sizeof(int32_t), &is_new);
    for (size_t i = 0; i < now->n; i++) {
        const ServicePort *was = text_map_get(&old, now->v[i].name);

        if (was && !now->v[i].node_port &&
            !text_map_find_n(&taken, (const char *)&was->node_port, sizeof(was->node_port))) {
            now->v[i].node_port = was->node_port;
            text_map_put_n(&taken, (const char *)&was->node_port, sizeof(was->node_port), &is_new);
        }
    }
}

/* Allocated values stay if the update does not mention them. */
static void keep_allocated(Arena *arena, Service *now, const Service *before)
{
    if (needs_cluster_ip(before) && needs_cluster_ip(now)) {
        if (str_empty(now->spec.cluster_ip))
            now->spec.cluster_ip = arena_strdup(arena, before->spec.cluster_ip);
        if (!now->spec.cluster_ips.n)
            now->spec.cluster_ips = copy_strings(arena, &before->spec.cluster_ips);
    }
    if (needs_node_port(before) && needs_node_port(now))
        keep_node_ports(arena, &now->spec.ports, &before->spec.ports);
    if (needs_health_check(before) && needs_health_check(now) && !now->spec.health_check_node_port)
        now->spec.health_check_node_port = before->spec.health_check_node_port;
}

/* After a change of type, fields that only the old type has are removed unless the user has changed
 * them. */
static void drop_meaningless(Service *now, const Service *before)
{
    ServiceSpec *spec = &now->spec;
    const ServiceSpec *old = &before->spec;

    if (needs_cluster_ip(before) && !needs_cluster_ip(now)) {
        if (same_strings(&spec->cluster_ips, &old->cluster_ips)) {
            spec->cluster_ip = NULL;
            spec->cluster_ips = (StringArray){.v = NULL};
        }
        if (same_strings(&spec->ip_families, &old->ip_families))
            spec->ip_families = (StringArray){.v = NULL};
        if (str_equal(spec->ip_family_policy, old->ip_family_policy))
            spec->ip_family_policy = NULL;
    }
    if (needs_node_port(before) && !needs_node_port(now) && spec->ports.n == old->ports.n) {
        bool same = true;

        for (size_t i = 0; i < spec->ports.n; i++)
            same &= spec->ports.v[i].node_port == old->ports.v[i].node_port;
        for (size_t i = 0; same && i < spec->ports.n; i++)
            spec->ports.v[i].node_port = 0;
    }
    if (needs_health_check(before) && !needs_health_check(now) &&
        spec->health_check_node_port == old->health_check_node_port)
        spec->health_check_node_port = 0;
    if (is_type(before, "LoadBalancer") && !is_type(now, "LoadBalancer")) {
        const bool *a = spec->allocate_load_balancer_node_ports;
        const bool *b = old->allocate_load_balancer_node_ports;

        if (a && b && *a == *b)
            spec->allocate_load_balancer_node_ports = NULL;
        if (str_equal(spec->load_balancer_class, old->load_balancer_class))
            spec->load_balancer_class = NULL;
    }
    if (is_external(before) && !is_external(now) &&
        str_equal(spec->external_traffic_policy, old->external_traffic_policy))
        spec->external_traffic_policy = NULL;
    if (!is_type(now, "LoadBalancer"))
        now->status.load_balancer = (LoadBalancerStatus){.ingress.v = NULL};
}

/* The cluster's first family is IPv4. The endpoints of a headless Service without selector are
 * managed elsewhere, so it has both families. */
static void complete_families(Arena *arena, Service *service)
{
    ServiceSpec *spec = &service->spec;
    bool foreign = is_headless(service) && !spec->selector.n;

    if (!needs_cluster_ip(service))
        return;
    if (!spec->ip_family_policy)
        spec->ip_family_policy =
            foreign || spec->ip_families.n > 1 ? "RequireDualStack" : "SingleStack";
    if (!spec->ip_families.n)
        spec->ip_families = one_string(
            arena, spec->cluster_ips.n && strchr(spec->cluster_ips.v[0], ':') ? "IPv6" : "IPv4");
    if (foreign && spec->ip_families.n == 1 && !str_equal(spec->ip_family_policy, "SingleStack")) {
        const char **both = arena_new_n(arena, const char *, 2);

        both[0] = spec->ip_families.v[0];
        both[1] = str_equal(both[0], "IPv4") ? "IPv6" : "IPv4";
        spec->ip_families = (StringArray){.v = both, .n = 2};
    }
}

static void prepare_service(Arena *arena, void *value, const void *before)
{
    Service *service = value;
    const Service *old = before;

    if (!old)
        service->status = (ServiceStatus){.load_balancer.ingress.v = NULL};
    normalize_cluster_ips(arena, &service->spec, old ? &old->spec : NULL);
    if (old) {
        keep_allocated(arena, service, old);
        drop_meaningless(service, old);
    }
    complete_families(arena, service);
}

/* ---- validation ---- */

static void bad_strings(Causes *causes, const char *field, const char *json, const Service *service,
                        const char *detail)
{
    const Field *f = type_member(&type_ServiceSpec, json);

    causes_add(causes, CAUSE_INVALID, field,
               validate_bad_value(f, field_at(&service->spec, f), causes), detail);
}

static void validate_service_type(const Service *service, Causes *causes)
{
    const ServiceSpec *spec = &service->spec;
    const char *text = NULL;

    if (!spec->ports.n && !is_headless(service) && !is_type(service, "ExternalName"))
        causes_required(causes, "spec.ports", NULL);
    if (is_headless(service) && is_type(service, "LoadBalancer"))
        text = "may not be set to 'None' for LoadBalancer services";
    else if (is_headless(service) && is_type(service, "NodePort"))
        text = "may not be set to 'None' for NodePort services";
    if (text)
        causes_invalid_string(causes, "spec.clusterIPs[0]", "None", text);
    if (!is_type(service, "ExternalName"))
        return;
    text = "may not be set for ExternalName services";
    if (spec->cluster_ips.n)
        causes_forbidden(causes, "spec.clusterIPs", text);
    if (spec->ip_families.n)
        causes_forbidden(causes, "spec.ipFamilies", text);
    if (spec->ip_family_policy)
        causes_forbidden(causes, "spec.ipFamilyPolicy", text);
    if (str_empty(spec->external_name)) {
        causes_required(causes, "spec.externalName", NULL);
    } else {
        char *name = arena_strdup(causes->arena, spec->external_name);

        if (str_ends_with(name, "."))
            name[strlen(name) - 1] = 0;
        faults_add(check_dns_subdomain(name), "spec.externalName", name, causes);
    }
}

/* The values of the ports that have been checked, none of which a later port may repeat. */
typedef struct PortsSeen {
    TextMap names, ports, node_ports;
} PortsSeen;

static void validate_service_port(const Service *service, size_t index, PortsSeen *seen,
                                  Causes *causes)
{
    const ServicePortArray *ports = &service->spec.ports;
    const ServicePort *port = &ports->v[index];
    const Path *at = PATH_INDEX(PATH(NULL, "spec.ports"), index);
    const char *number = arena_printf(causes->arena, "%d", port->port);
    const char *node_port = arena_printf(causes->arena, "%d", port->node_port);

    if (!str_empty(port->name))
        fail_faults(causes, PATH(at, "name"), port->name, check_dns_label(port->name));
    else if (ports->n > 1)
        fail_required(causes, PATH(at, "name"), NULL);
    if (!str_empty(port->name) && !text_map_add(&seen->names, port->name))
        fail_duplicate(causes, PATH(at, "name"), port->name);
    validate_port_number(port->port, PATH(at, "port"), causes);
    validate_port(&port->target_port, PATH(at, "targetPort"), causes);
    if (port->app_protocol)
        fail_faults(causes, PATH(at, "appProtocol"), port->app_protocol,
                    check_qualified_name(port->app_protocol));
    if (port->node_port && is_type(service, "ClusterIP"))
        fail_forbidden(causes, PATH(at, "nodePort"), "may not be used when `type` is 'ClusterIP'");
    if (port->node_port && !text_map_add_joined(&seen->node_ports, node_port, port->protocol, NULL))
        causes_add(causes, CAUSE_DUPLICATE, path_text(PATH(at, "nodePort"), causes), node_port,
                   NULL);
    if (!text_map_add_joined(&seen->ports, number, port->protocol, NULL))
        causes_add(causes, CAUSE_DUPLICATE, path_text(at, causes),
                   arena_printf(causes->arena,
                                "{\"Name\":\"\",\"Protocol\":\"%s\",\"AppProtocol\":null,"
                                "\"Port\":%d,\"TargetPort\":0,\"NodePort\":0}",
                                port->protocol, port->port),
                   NULL);
}

static void validate_cluster_ips(const Service *service, Causes *causes)
{
    const ServiceSpec *spec = &service->spec;
    const StringArray *ips = &spec->cluster_ips, *families = &spec->ip_families;
    static const char field[] = "spec.clusterIPs";
    bool bad = false, mixed = false;

    if (!needs_cluster_ip(service))
        return;
    if (!str_empty(spec->cluster_ip) && !ips->n)
        causes_required(causes, field, NULL);
    else if (!str_empty(spec->cluster_ip) && !str_equal(ips->v[0], spec->cluster_ip))
        bad_strings(causes, field, "clusterIPs", service, "first value must match `clusterIP`");
    else if (str_empty(spec->cluster_ip) && ips->n)
        bad_strings(causes, field, "clusterIPs", service,
                    "must be empty when `clusterIP` is not specified");
    for (size_t i = 1; i < families->n; i++)
        if (str_equal(families->v[i], families->v[0]))
            fail_duplicate(causes, PATH_INDEX(PATH(NULL, "spec.ipFamilies"), i), families->v[i]);
    for (size_t i = 0; i < ips->n; i++) {
        if (i > 0 || !str_equal(ips->v[0], "None")) {
            Faults faults = check_ip(ips->v[i]);

            bad |= faults.n > 0;
            fail_faults(causes, PATH_INDEX(PATH(NULL, field), i), ips->v[i], faults);
            continue;
        }
        bad |= ips->n > 1;
        if (ips->n > 1)
            bad_strings(causes, field, "clusterIPs", service,
                        "'None' must be the first and only value");
    }
    if (ips->n > 2)
        bad_strings(causes, field, "clusterIPs", service, "may only hold up to 2 values");
    if (bad)
        return;
    for (size_t i = 1; i < ips->n; i++)
        mixed |= !strchr(ips->v[0], ':') != !strchr(ips->v[i], ':');
    if (ips->n > 1 && !mixed)
        bad_strings(causes, field, "clusterIPs", service,
                    "may specify no more than one IP for each IP family");
    for (size_t i = 0; !is_headless(service) && i < ips->n && i < families->n; i++) {
        bool six = strchr(ips->v[i], ':');

        if (six != str_equal(families->v[i], "IPv6"))
            fail_invalid(causes, PATH_INDEX(PATH(NULL, field), i), ips->v[i],
                         arena_printf(causes->arena,
                                      "expected an %s value as indicated by `ipFamilies[%zu]`",
                                      families->v[i], i));
    }
}

/* Addresses that no client can reach from elsewhere. */
static void validate_reachable_ip(const char *s, const Path *path, Causes *causes)
{
    uint8_t b[16];

    if (inet_pton(AF_INET, s ? s : "", b) == 1) {
        if (!b[0] && !b[1] && !b[2] && !b[3])
            fail_invalid(causes, path, s,
                         arena_printf(causes->arena, "may not be unspecified (%s)", s));
        if (b[0] == 127)
            fail_invalid(causes, path, s,
                         "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (b[0] == 169 && b[1] == 254)
            fail_invalid(causes, path, s,
                         "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (b[0] == 224 && !b[1] && !b[2])
            fail_invalid(causes, path, s,
                         "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    } else if (inet_pton(AF_INET6, s ? s : "", b) == 1) {
        if (IN6_IS_ADDR_UNSPECIFIED((struct in6_addr *)b))
            fail_invalid(causes, path, s,
                         arena_printf(causes->arena, "may not be unspecified (%s)", s));
        if (IN6_IS_ADDR_LOOPBACK((struct in6_addr *)b))
            fail_invalid(causes, path, s,
                         "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (IN6_IS_ADDR_LINKLOCAL((struct in6_addr *)b))
            fail_invalid(causes, path, s,
                         "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (IN6_IS_ADDR_MC_LINKLOCAL((struct in6_addr *)b))
            fail_invalid(causes, path, s,
                         "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    } else {
        fail_invalid(causes, path, s, "must be a valid IP address");
    }
}

/* Spaces around a range are ignored, as in Kubernetes. */
static void validate_source_range(const char *range, const Path *path, Causes *causes)
{
    static const char spaces[] = " \t\r\n";
    const char *from = range + strspn(range, spaces);
    size_t n = strlen(from);

    while (n && strchr(spaces, from[n - 1]))
        n--;
    fail_faults(causes, path, range, check_cidr(arena_strndup(causes->arena, from, n)));
}

static void validate_load_balancer(const Service *service, Causes *causes)
{
    static const char only[] = "may only be used when `type` is 'LoadBalancer'";
    const ServiceSpec *spec = &service->spec;
    bool balancer = is_type(service, "LoadBalancer");

    if (spec->load_balancer_source_ranges.n && !balancer)
        causes_forbidden(causes, "spec.LoadBalancerSourceRanges", only);
    for (size_t i = 0; i < spec->load_balancer_source_ranges.n; i++)
        validate_source_range(spec->load_balancer_source_ranges.v[i],
                              PATH_INDEX(PATH(NULL, "spec.LoadBalancerSourceRanges"), i), causes);
    if (spec->allocate_load_balancer_node_ports && !balancer)
        causes_forbidden(causes, "spec.allocateLoadBalancerNodePorts", only);
    if (spec->load_balancer_class && !balancer)
        causes_forbidden(causes, "spec.loadBalancerClass", only);
    else if (spec->load_balancer_class)
        faults_add(check_qualified_name(spec->load_balancer_class), "spec.loadBalancerClass",
                   spec->load_balancer_class, causes);
}

static void validate_traffic(const Service *service, Causes *causes)
{
    static const char *const policies[] = {"Cluster", "Local", NULL};
    const ServiceSpec *spec = &service->spec;
    const char *policy = spec->external_traffic_policy;

    if (!is_external(service)) {
        if (!str_empty(policy))
            causes_invalid_string(causes, "spec.externalTrafficPolicy", policy,
                                  "may only be set for externally-accessible services");
    } else if (str_empty(policy)) {
        causes_required(causes, "spec.externalTrafficPolicy", NULL);
    } else if (!name_is_one_of(policy, policies)) {
        causes_not_supported(causes, "spec.externalTrafficPolicy", policy, policies);
    }
    if (spec->health_check_node_port && !needs_health_check(service))
        causes_invalid_int(causes, "spec.healthCheckNodePort", spec->health_check_node_port,
                           "may only be set when `type` is 'LoadBalancer' and "
                           "`externalTrafficPolicy` is 'Local'");
    else if (spec->health_check_node_port)
        validate_port_number(spec->health_check_node_port, PATH(NULL, "spec.healthCheckNodePort"),
                             causes);
}

static void validate_session_affinity(const ServiceSpec *spec, Causes *causes)
{
    const SessionAffinityConfig *config = spec->session_affinity_config;
    const int32_t *seconds =
        config && config->client_ip ? config->client_ip->timeout_seconds : NULL;

    if (str_equal(spec->session_affinity, "None") && config)
        causes_forbidden(causes, "spec.sessionAffinityConfig",
                         "must not be set when session affinity is None");
    if (str_equal(spec->session_affinity, "ClientIP") && seconds &&
        (*seconds <= 0 || *seconds > AFFINITY_SECONDS_MAX))
        causes_invalid_int(causes, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", *seconds,
                           "must be greater than 0 and less than 86400");
}

static void validate_service_update(const Service *service, const Service *before, Causes *causes)
{
    static const char fixed[] = "may not change once set";
    const StringArray *now = &service->spec.cluster_ips, *old = &before->spec.cluster_ips;
    const StringArray *families = &service->spec.ip_families;
    const StringArray *old_families = &before->spec.ip_families;
    bool headless = is_headless(service), was_headless = is_headless(before);

    if (is_type(service, "LoadBalancer") && is_type(before, "LoadBalancer") &&
        !str_equal(service->spec.load_balancer_class, before->spec.load_balancer_class))
        causes_add(causes, CAUSE_INVALID, "spec.loadBalancerClass",
                   rules_bad(&type_ServiceSpec, &service->spec, "loadBalancerClass", causes),
                   fixed);
    if (needs_health_check(service) && needs_health_check(before) &&
        service->spec.health_check_node_port != before->spec.health_check_node_port)
        causes_forbidden(causes, "spec.healthCheckNodePort", "field is immutable");
    if (!needs_cluster_ip(service) || !needs_cluster_ip(before) || (headless && was_headless))
        return;
    if (old->n && !now->n)
        bad_strings(causes, "spec.clusterIPs[0]", "clusterIPs", service,
                    "primary clusterIP can not be unset");
    for (size_t i = 0; i < old->n && i < now->n && i < 2 && (i == 0 || old->n == now->n); i++)
        if (!str_equal(old->v[i], now->v[i]))
            bad_strings(causes, i ? "spec.clusterIPs[1]" : "spec.clusterIPs[0]", "clusterIPs",
                        service, fixed);
    if (old->n > now->n && now->n == 1 && !str_equal(service->spec.ip_family_policy, "SingleStack"))
        causes_invalid_string(causes, "spec.ipFamilyPolicy", service->spec.ip_family_policy,
                              "must be set to 'SingleStack' when releasing the secondary "
                              "clusterIP");
    if (headless == was_headless && old_families->n && families->n &&
        !str_equal(old_families->v[0], families->v[0]))
        bad_strings(causes, "spec.ipFamilies[0]", "ipFamilies", service, fixed);
}

static void validate_service(const void *value, const void *before, Causes *causes)
{
    const Service *service = value;
    const ServiceSpec *spec = &service->spec;
    PortsSeen seen = {.names = TEXT_MAP_INIT(causes->arena),
                      .ports = TEXT_MAP_INIT(causes->arena),
                      .node_ports = TEXT_MAP_INIT(causes->arena)};

    if (before)
        validate_service_update(service, before, causes);
    validate_service_type(service, causes);
    for (size_t i = 0; i < spec->ports.n; i++)
        validate_service_port(service, i, &seen, causes);
    if (spec->selector.n)
        validate_labels(&spec->selector, "spec.selector", causes);
    validate_session_affinity(spec, causes);
    validate_cluster_ips(service, causes);
    for (size_t i = 0; i < spec->external_ips.n; i++) {
        const Path *at = PATH_INDEX(PATH(NULL, "spec.externalIPs"), i);
        Faults faults = check_ip(spec->external_ips.v[i]);

        fail_faults(causes, at, spec->external_ips.v[i], faults);
        if (!faults.n)
            validate_reachable_ip(spec->external_ips.v[i], at, causes);
    }
    validate_load_balancer(service, causes);
    validate_traffic(service, causes);
}

static void validate_service_status(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const modes[] = {"Proxy", "VIP", NULL};
    const Service *service = value;
    const LoadBalancerIngressArray *points = &service->status.load_balancer.ingress;

    if (points->n && !is_type(service, "LoadBalancer")) {
        causes_forbidden(causes, "status.loadBalancer.ingress",
                         "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    for (size_t i = 0; i < points->n; i++) {
        const LoadBalancerIngress *point = &points->v[i];
        const Path *at = PATH_INDEX(PATH(NULL, "status.loadBalancer.ingress"), i);

        if (point->ip_mode && str_empty(point->ip))
            fail_forbidden(causes, PATH(at, "ipMode"), "may not be specified when `ip` is not set");
        else if (point->ip_mode && !name_is_one_of(point->ip_mode, modes))
            fail_not_supported(causes, PATH(at, "ipMode"), point->ip_mode, modes);
        validate_balancer_address(point->ip, point->hostname, at, causes);
    }
}

/* ---- warnings ---- */

static void warn_ip(Arena *arena, const char *ip, const char *path, Warnings *warnings)
{
    char canonical[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (inet_pton(AF_INET6, ip, &address) != 1 ||
        !inet_ntop(AF_INET6, &address, canonical, sizeof(canonical)))
        return;
    if (IN6_IS_ADDR_V4MAPPED(&address))
        rules_warn(arena, warnings,
                   arena_printf(arena, "%s: non-standard IP address \"%s\" is invalid: use \"%s\"",
                                path, ip, canonical + strlen("::ffff:")));
    else if (!str_equal(ip, canonical))
        rules_warn(arena, warnings,
                   arena_printf(arena,
                                "%s: IPv6 address \"%s\" should be in RFC 5952 canonical format "
                                "(\"%s\")",
                                path, ip, canonical));
}

static void warn_ips(Arena *arena, const StringArray *ips, const char *member, Warnings *warnings)
{
    for (size_t i = 0; i < ips->n; i++)
        warn_ip(arena, ips->v[i], arena_printf(arena, "spec.%s[%zu]", member, i), warnings);
}

static void warn_service(Arena *arena, const void *value, Warnings *warnings)
{
    const Service *service = value;
    const ServiceSpec *spec = &service->spec;
    bool headless = is_headless(service) && is_type(service, "ClusterIP");
    bool external_name = is_type(service, "ExternalName");

    if (string_map_get(&service->metadata.annotations,
                       "service.kubernetes.io/topology-aware-hints"))
        rules_warn(
            arena, warnings,
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
            "service.kubernetes.io/topology-mode instead");
    warn_ips(arena, &spec->cluster_ips, "clusterIPs", warnings);
    if (headless && !str_empty(spec->load_balancer_ip))
        rules_warn(arena, warnings, "spec.loadBalancerIP is ignored for headless services");
    if (headless && spec->external_ips.n)
        rules_warn(arena, warnings, "spec.externalIPs is ignored for headless services");
    if (headless && !str_equal(spec->session_affinity, "None"))
        rules_warn(arena, warnings, "spec.SessionAffinity is ignored for headless services");
    warn_ips(arena, &spec->external_ips, "externalIPs", warnings);
    if (spec->external_ips.n && !headless && !external_name)
        rules_warn(
            arena, warnings,
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters");
    if (!str_empty(spec->load_balancer_ip))
        warn_ip(arena, spec->load_balancer_ip, "spec.loadBalancerIP", warnings);
    if (external_name && spec->external_ips.n)
        rules_warn(arena, warnings,
                   "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    if (!external_name && !str_empty(spec->external_name))
        rules_warn(arena, warnings,
                   "spec.externalName is ignored when spec.type is not \"ExternalName\"");
    if (str_equal(spec->traffic_distribution, "PreferClose"))
        rules_warn(
            arena, warnings,
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
}

/* ---- rows ---- */

static void add_joined(StrBuf *text, const char *s)
{
    if (text->n)
        strbuf_add_char(text, ',');
    strbuf_add_string(text, s);
}

/* Adds the addresses of the load balancer, sorted and without duplicates. */
static void add_balancer(StrBuf *text, const LoadBalancerIngressArray *ingress)
{
    const char **names = mem_new((ingress->n + 1) * sizeof(*names));
    size_t n = 0;

    for (size_t i = 0; i < ingress->n; i++)
        if (!str_empty(str_or(ingress->v[i].ip, ingress->v[i].hostname)))
            names[n++] = str_or(ingress->v[i].ip, ingress->v[i].hostname);
    str_sort(names, n);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_equal(names[i], names[i - 1]))
            add_joined(text, names[i]);
    free(names);
}

static void cell_external_ip(StrBuf *row, const Service *service)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool balancer = is_type(service, "LoadBalancer");

    if (is_type(service, "ExternalName")) {
        cell_string(row, service->spec.external_name);
        return;
    }
    if (balancer)
        add_balancer(&text, &service->status.load_balancer.ingress);
    for (size_t i = 0; i < service->spec.external_ips.n; i++)
        add_joined(&text, service->spec.external_ips.v[i]);
    cell_string(row, str_or(strbuf_string(&text), balancer ? "<pending>" : "<none>"));
}

static void cell_ports(StrBuf *row, const ServicePortArray *ports)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < ports->n; i++) {
        const ServicePort *port = &ports->v[i];

        strbuf_printf(&text, "%s%d", i ? "," : "", port->port);
        if (port->node_port > 0)
            strbuf_printf(&text, ":%d", port->node_port);
        strbuf_printf(&text, "/%s", port->protocol ? port->protocol : "");
    }
    cell_string(row, str_or(strbuf_string(&text), "<none>"));
}

static void print_service(const void *value, int64_t now_ns, StrBuf *row)
{
    const Service *service = value;
    const StringArray *ips = &service->spec.cluster_ips;

    cell_string(row, service->metadata.name);
    cell_string(row, service->spec.type);
    cell_string(row, ips->n ? ips->v[0] : "<none>");
    cell_external_ip(row, service);
    cell_ports(row, &service->spec.ports);
    cell_age(row, service->metadata.creation_timestamp, now_ns);
    cell_labels(row, &service->spec.selector);
}

const KindRules rules_service = {
    .complete = complete_service,
    .prepare = prepare_service,
    .validate = validate_service,
    .validate_status = validate_service_status,
    .warn = warn_service,
    .print = print_service,
};

/* ---- Endpoints ---- */

static void validate_endpoint_address(const EndpointAddress *address, const Path *path,
                                      Causes *causes)
{
    fail_faults(causes, PATH(path, "ip"), address->ip, check_ip(address->ip));
    if (!str_empty(address->hostname))
        fail_faults(causes, PATH(path, "hostname"), address->hostname,
                    check_dns_label(address->hostname));
    if (address->node_name)
        fail_faults(causes, PATH(path, "nodeName"), address->node_name,
                    check_dns_subdomain(address->node_name));
    validate_reachable_ip(address->ip, PATH(path, "ip"), causes);
}

static void validate_subset(const EndpointSubset *subset, const Path *path, Causes *causes)
{
    if (!subset->addresses.n && !subset->not_ready_addresses.n)
        fail_required(causes, path, "must specify `addresses` or `notReadyAddresses`");
    for (size_t i = 0; i < subset->addresses.n; i++)
        validate_endpoint_address(&subset->addresses.v[i], PATH_INDEX(PATH(path, "addresses"), i),
                                  causes);
    for (size_t i = 0; i < subset->not_ready_addresses.n; i++)
        validate_endpoint_address(&subset->not_ready_addresses.v[i],
                                  PATH_INDEX(PATH(path, "notReadyAddresses"), i), causes);
    for (size_t i = 0; i < subset->ports.n; i++) {
        const EndpointPort *port = &subset->ports.v[i];
        const Path *at = PATH_INDEX(PATH(path, "ports"), i);

        if (!str_empty(port->name))
            fail_faults(causes, PATH(at, "name"), port->name, check_dns_label(port->name));
        else if (subset->ports.n > 1)
            fail_required(causes, PATH(at, "name"), NULL);
        validate_port_number(port->port, PATH(at, "port"), causes);
        if (port->app_protocol)
            fail_faults(causes, PATH(at, "appProtocol"), port->app_protocol,
                        check_qualified_name(port->app_protocol));
    }
}

static void validate_endpoints(const void *value, const void *before _unused_, Causes *causes)
{
    const Endpoints *endpoints = value;

    for (size_t i = 0; i < endpoints->subsets.n; i++)
        validate_subset(&endpoints->subsets.v[i], PATH_INDEX(PATH(NULL, "subsets"), i), causes);
}

/* Prints the first three addresses with their ports. */
static void cell_endpoints(StrBuf *row, const EndpointSubsetArray *subsets)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    size_t shown = 0, count = 0;

    for (size_t i = 0; i < subsets->n; i++) {
        const EndpointSubset *subset = &subsets->v[i];
        size_t ports = subset->ports.n ? subset->ports.n : 1;

        count += ports * subset->addresses.n;
        for (size_t j = 0; j < ports; j++)
            for (size_t k = 0; k < subset->addresses.n && shown < 3; k++, shown++) {
                const char *ip = subset->addresses.v[k].ip;
                bool six = ip && strchr(ip, ':') && subset->ports.n;

                strbuf_printf(&text, "%s%s%s%s", shown ? "," : "", six ? "[" : "", ip,
                              six ? "]" : "");
                if (subset->ports.n)
                    strbuf_printf(&text, ":%d", subset->ports.v[j].port);
            }
    }
    if (count > shown)
        strbuf_printf(&text, " + %zu more...", count - shown);
    cell_string(row, subsets->n ? strbuf_string(&text) : "<none>");
}

static void print_endpoints(const void *value, int64_t now_ns, StrBuf *row)
{
    const Endpoints *endpoints = value;

    cell_string(row, endpoints->metadata.name);
    cell_endpoints(row, &endpoints->subsets);
    cell_age(row, endpoints->metadata.creation_timestamp, now_ns);
}

const KindRules rules_endpoints = {
    .validate = validate_endpoints,
    .print = print_endpoints,
};
