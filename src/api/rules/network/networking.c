/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of networking.k8s.io/v1: Ingress, IngressClass, NetworkPolicy. stead stores them for other
 * controllers; a warning says that it does not act on them itself.
 */
#include <arpa/inet.h>

#include "api/object.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/networking_v1.h"

/* ---- texts ---- */

static bool is_ip(const char *s)
{
    return check_ip(s).n == 0;
}

/* "*.example.com" */
static Faults check_wildcard(const char *s)
{
    Faults faults = {0};

    if (strncmp(s, "*.", 2) != 0 || check_dns_subdomain(s + 2).n)
        faults.v[faults.n++] =
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain,"
            " which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
            "alphanumeric character (e.g. '*.example.com', regex used for validation is "
            "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    return faults;
}

static void check_host(const char *host, const Path *path, Causes *causes)
{
    fail_faults(causes, path, host,
                strchr(host, '*') ? check_wildcard(host) : check_dns_subdomain(host));
}

/* A name that can stand in a URL. */
static void check_segment(const char *name, const Path *path, Causes *causes)
{
    if (!str_empty(name)) /* the table says so */
        fail_faults(causes, path, name, check_path_segment(name));
}

/* ---- Ingress ---- */

static void check_service(const IngressServiceBackend *service, const Path *at, Causes *causes)
{
    const Path *path = PATH(at, "service"), *port = PATH(path, "port");

    if (str_empty(service->name))
        fail_required(causes, PATH(path, "name"), "");
    else
        fail_faults(causes, PATH(path, "name"), service->name, check_dns_label(service->name));
    if (!str_empty(service->port.name) && service->port.number)
        fail_invalid(causes, at, "", "cannot set both port name & port number");
    else if (!str_empty(service->port.name))
        fail_faults(causes, PATH(port, "name"), service->port.name,
                    check_port_name(service->port.name));
    else if (service->port.number)
        validate_port_number(service->port.number, PATH(port, "number"), causes);
    else
        fail_required(causes, at, "port name or number is required");
}

static void check_backend(const IngressBackend *backend, const Path *path, Causes *causes)
{
    const TypedLocalObjectReference *resource = backend->resource;
    const Path *at = PATH(path, "resource");

    if (resource && backend->service) {
        fail_invalid(causes, path, "", "cannot set both resource and service backends");
    } else if (resource) {
        if (resource->api_group)
            fail_faults(causes, PATH(at, "apiGroup"), resource->api_group,
                        check_dns_subdomain(resource->api_group));
        check_segment(resource->kind, PATH(at, "kind"), causes);
        check_segment(resource->name, PATH(at, "name"), causes);
    } else if (backend->service) {
        check_service(backend->service, path, causes);
    } else {
        fail_invalid(causes, path, "", "resource or service backend is required");
    }
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && memcmp(s + n - m, end, m) == 0;
}

static void check_exact_path(const char *s, const Path *path, Causes *causes)
{
    static const char *const parts[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const ends[] = {"/..", "/."};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(s, parts[i]))
            fail_invalid(causes, path, s,
                         arena_printf(causes->arena, "must not contain '%s'", parts[i]));
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_in(s, ends[i]))
            fail_invalid(causes, path, s,
                         arena_printf(causes->arena, "cannot end with '%s'", ends[i]));
}

static void check_path(const HTTPIngressPath *rule, const Path *path, Causes *causes)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};
    const char *s = str_or(rule->path, "");
    bool loose = str_equal(rule->path_type, "ImplementationSpecific");

    if (!rule->path_type) {
        fail_required(causes, PATH(path, "pathType"), "pathType must be specified");
        return;
    }
    if (!loose && !str_equal(rule->path_type, "Exact") && !str_equal(rule->path_type, "Prefix")) {
        fail_not_supported(causes, PATH(path, "pathType"), rule->path_type, types);
    } else {
        if (*s != '/' && !(loose && !*s))
            fail_invalid(causes, PATH(path, "path"), s, "must be an absolute path");
        if (!loose)
            check_exact_path(s, PATH(path, "path"), causes);
    }
    check_backend(&rule->backend, PATH(path, "backend"), causes);
}

static void check_rule(const IngressRule *rule, const Path *path, Causes *causes)
{
    const HTTPIngressRuleValue *http = rule->ingress_rule_value.http;
    const Path *paths = PATH(PATH(path, "http"), "paths");

    if (!str_empty(rule->host)) {
        if (is_ip(rule->host))
            fail_invalid(causes, PATH(path, "host"), rule->host,
                         "must be a DNS name, not an IP address");
        check_host(rule->host, PATH(path, "host"), causes);
    }
    for (size_t i = 0; http && i < http->paths.n; i++)
        check_path(&http->paths.v[i], PATH_INDEX(paths, i), causes);
}

static void check_tls(const IngressTLS *tls, const Path *path, Causes *causes)
{
    const Path *hosts = PATH(path, "hosts");

    for (size_t i = 0; i < tls->hosts.n; i++)
        check_host(tls->hosts.v[i], PATH_INDEX(hosts, i), causes);
    if (!str_empty(tls->secret_name))
        fail_faults(causes, PATH(path, "secretName"), tls->secret_name,
                    check_dns_subdomain(tls->secret_name));
}

static void ingress_validate(const void *value, const void *before, Causes *causes)
{
    static const char annotation[] = "kubernetes.io/ingress.class";
    const Ingress *ingress = value;
    const IngressSpec *spec = &ingress->spec;
    const Path *path = PATH(NULL, "spec"), *rules = PATH(path, "rules"), *tls = PATH(path, "tls");
    const char *class = string_map_get(&ingress->metadata.annotations, annotation);

    if (!spec->rules.n && !spec->default_backend)
        rules_invalid(causes, path, rules_bad(&type_IngressSpec, spec, "rules", causes),
                      "either `defaultBackend` or `rules` must be specified");
    if (spec->default_backend)
        check_backend(spec->default_backend, PATH(path, "defaultBackend"), causes);
    for (size_t i = 0; i < spec->rules.n; i++)
        check_rule(&spec->rules.v[i], PATH_INDEX(rules, i), causes);
    for (size_t i = 0; i < spec->tls.n; i++)
        check_tls(&spec->tls.v[i], PATH_INDEX(tls, i), causes);
    if (spec->ingress_class_name)
        fail_faults(causes, PATH(path, "ingressClassName"), spec->ingress_class_name,
                    check_dns_subdomain(spec->ingress_class_name));
    if (!before && class && spec->ingress_class_name && !str_equal(class, spec->ingress_class_name))
        fail_invalid(causes, PATH(PATH(NULL, "annotations"), annotation), class,
                     "must match `ingressClassName` when both are specified");
}

static void ingress_prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((Ingress *)value)->status = (IngressStatus){0};
}

static void ingress_validate_status(const void *value, const void *before _unused_, Causes *causes)
{
    const IngressLoadBalancerIngressArray *points =
        &((const Ingress *)value)->status.load_balancer.ingress;

    for (size_t i = 0; i < points->n; i++)
        validate_balancer_address(points->v[i].ip, points->v[i].hostname,
                                  PATH_INDEX(PATH(NULL, "status.loadBalancer.ingress"), i), causes);
}

static void ingress_warn(Arena *arena, const void *value, Warnings *warnings)
{
    if (!((const Ingress *)value)->spec.ingress_class_name &&
        string_map_get(&((const Ingress *)value)->metadata.annotations,
                       "kubernetes.io/ingress.class"))
        rules_warn(arena, warnings,
                   "annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
                   "'spec.ingressClassName' instead");
    rules_warn(arena, warnings,
               "stead keeps Ingresses but has no controller for them: no traffic follows this one "
               "until you run one; a Service of type LoadBalancer is reached at once");
}

static void print_hosts(StrBuf *out, const IngressRuleArray *rules)
{
    enum { MAX = 3 };
    _strbuf_ StrBuf text = STRBUF_INIT;
    size_t n = 0;
    bool more = false;

    for (size_t i = 0; i < rules->n; i++) {
        more = more || n == MAX;
        if (!more && !str_empty(rules->v[i].host))
            strbuf_printf(&text, "%s%s", n++ ? "," : "", rules->v[i].host);
    }
    if (more && n)
        strbuf_printf(&text, " + %zu more...", rules->n - MAX);
    cell_string(out, n ? strbuf_string(&text) : "*");
}

static void print_addresses(StrBuf *out, const IngressLoadBalancerIngressArray *places)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < places->n; i++) {
        const char *name = str_empty(places->v[i].ip) ? places->v[i].hostname : places->v[i].ip;

        if (!str_empty(name))
            strbuf_printf(&text, "%s%s", text.n ? "," : "", name);
    }
    cell_string(out, strbuf_string(&text));
}

static void ingress_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Ingress *ingress = value;

    cell_string(out, ingress->metadata.name);
    cell_string(out, str_or(ingress->spec.ingress_class_name, "<none>"));
    print_hosts(out, &ingress->spec.rules);
    print_addresses(out, &ingress->status.load_balancer.ingress);
    cell_string(out, ingress->spec.tls.n ? "80, 443" : "80");
    cell_age(out, ingress->metadata.creation_timestamp, now_ns);
}

const KindRules rules_ingress = {
    .prepare = ingress_prepare,
    .validate = ingress_validate,
    .validate_status = ingress_validate_status,
    .warn = ingress_warn,
    .print = ingress_print,
};

/* ---- IngressClass ---- */

static void ingress_class_complete(Arena *arena _unused_, void *value)
{
    IngressClassParametersReference *parameters = ((IngressClass *)value)->spec.parameters;

    if (parameters && !parameters->scope)
        parameters->scope = "Cluster";
}

static void check_parameters(const IngressClassParametersReference *parameters, const Path *path,
                             Causes *causes)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    const Path *ns = PATH(path, "namespace");

    if (parameters->api_group)
        fail_faults(causes, PATH(path, "apiGroup"), parameters->api_group,
                    check_dns_subdomain(parameters->api_group));
    check_segment(parameters->kind, PATH(path, "kind"), causes);
    check_segment(parameters->name, PATH(path, "name"), causes);
    if (str_equal(parameters->scope, "Namespace")) {
        if (!parameters->namespace)
            fail_required(causes, ns, "`parameters.scope` is set to 'Namespace'");
        else
            fail_faults(causes, ns, parameters->namespace, check_dns_label(parameters->namespace));
    } else if (!str_equal(parameters->scope, "Cluster")) {
        fail_not_supported(causes, PATH(path, "scope"), parameters->scope, scopes);
    } else if (parameters->namespace) {
        fail_forbidden(causes, ns, "`parameters.scope` is set to 'Cluster'");
    }
}

/* "acme.io/ingress" */
static void check_controller(const char *name, const Path *path, Causes *causes)
{
    enum { MAX = 250 };
    const char *slash = strchr(name, '/');

    if (strlen(name) > MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 250 bytes");
    if (!*name) {
        fail_required(causes, path, "");
    } else if (!slash || slash == name || !slash[1]) {
        fail_invalid(causes, path, name,
                     "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else {
        const char *host = arena_strndup(causes->arena, name, (size_t)(slash - name));

        fail_faults(causes, path, host, check_dns_subdomain(host));
    }
}

static void ingress_class_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const IngressClassSpec *spec = &((const IngressClass *)value)->spec;
    const Path *path = PATH(NULL, "spec");

    check_controller(str_or(spec->controller, ""), PATH(path, "controller"), causes);
    if (spec->parameters)
        check_parameters(spec->parameters, PATH(path, "parameters"), causes);
}

static void ingress_class_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const IngressClass *class = value;
    const IngressClassParametersReference *parameters = class->spec.parameters;

    cell_printf(out, "%s%s", class->metadata.name,
                str_equal(string_map_get(&class->metadata.annotations,
                                         "ingressclass.kubernetes.io/is-default-class"),
                          "true")
                    ? " (default)"
                    : "");
    cell_string(out, class->spec.controller);
    if (!parameters)
        cell_string(out, "<none>");
    else
        cell_printf(out, "%s%s%s/%s", parameters->kind, parameters->api_group ? "." : "",
                    str_or(parameters->api_group, ""), parameters->name);
    cell_age(out, class->metadata.creation_timestamp, now_ns);
}

const KindRules rules_ingress_class = {
    .complete = ingress_class_complete,
    .validate = ingress_class_validate,
    .print = ingress_class_print,
};

/* ---- NetworkPolicy ---- */

static void network_policy_complete(Arena *arena, void *value)
{
    NetworkPolicySpec *spec = &((NetworkPolicy *)value)->spec;

    if (spec->policy_types.n)
        return;
    spec->policy_types.v = arena_new_n(arena, const char *, 2);
    spec->policy_types.v[spec->policy_types.n++] = "Ingress";
    if (spec->egress.n)
        spec->policy_types.v[spec->policy_types.n++] = "Egress";
}

static void check_policy_port(const NetworkPolicyPort *port, const Path *path, Causes *causes)
{
    const Path *end = PATH(path, "endPort");

    if (!port->port) {
        if (port->end_port)
            fail_invalid_int(causes, end, *port->end_port,
                             "may not be specified when `port` is not specified");
        return;
    }
    if (port->port->is_string) {
        if (port->end_port)
            fail_invalid_int(causes, end, *port->end_port,
                             "may not be specified when `port` is non-numeric");
        fail_faults(causes, PATH(path, "port"), port->port->string,
                    check_port_name(port->port->string));
        return;
    }
    validate_port_number(port->port->number, PATH(path, "port"), causes);
    if (!port->end_port)
        return;
    if (*port->end_port < port->port->number)
        fail_invalid_int(causes, end, port->port->number,
                         "must be greater than or equal to `port`");
    validate_port_number(*port->end_port, end, causes);
}

/* An address and how many of its bits count. */
typedef struct Range {
    uint8_t bytes[16];
    int bits, family;
} Range;

static bool parse_range(const char *s, Range *ret)
{
    const char *slash = strchr(s, '/');
    int64_t bits;

    if (check_cidr(s).n || !slash || str_to_int64(slash + 1, 0, 128, &bits))
        return false;
    ret->family = strchr(s, ':') ? AF_INET6 : AF_INET;
    ret->bits = (int)bits;
    return inet_pton(ret->family, strndupa(s, (size_t)(slash - s)), ret->bytes) == 1;
}

static bool is_inside(const Range *inner, const Range *outer)
{
    int whole = outer->bits / 8, rest = outer->bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));

    return inner->family == outer->family && inner->bits > outer->bits &&
           memcmp(inner->bytes, outer->bytes, (size_t)whole) == 0 &&
           (!rest || ((inner->bytes[whole] ^ outer->bytes[whole]) & mask) == 0);
}

static void check_block(const IPBlock *block, const Path *path, Causes *causes)
{
    const Path *except = PATH(path, "except");
    Range all, hole;

    if (str_empty(block->cidr)) /* the table says so */
        return;
    fail_faults(causes, PATH(path, "cidr"), block->cidr, check_cidr(block->cidr));
    if (!parse_range(block->cidr, &all))
        return;
    for (size_t i = 0; i < block->except.n; i++) {
        const char *s = block->except.v[i];

        fail_faults(causes, PATH_INDEX(except, i), s, check_cidr(s));
        if (parse_range(s, &hole) && !is_inside(&hole, &all))
            fail_invalid(causes, PATH_INDEX(except, i), s, "must be a strict subset of `cidr`");
    }
}

static void check_peer(const NetworkPolicyPeer *peer, const Path *path, Causes *causes)
{
    validate_label_selector(peer->pod_selector, path_text(PATH(path, "podSelector"), causes),
                            causes);
    validate_label_selector(peer->namespace_selector,
                            path_text(PATH(path, "namespaceSelector"), causes), causes);
    if (peer->ip_block)
        check_block(peer->ip_block, PATH(path, "ipBlock"), causes);
    if (!peer->pod_selector && !peer->namespace_selector && !peer->ip_block)
        fail_required(causes, path, "must specify a peer");
    else if (peer->ip_block && (peer->pod_selector || peer->namespace_selector))
        fail_forbidden(causes, path, "may not specify both ipBlock and another peer");
}

static void check_way(const NetworkPolicyPortArray *ports, const NetworkPolicyPeerArray *peers,
                      const char *name, const Path *path, Causes *causes)
{
    const Path *at_ports = PATH(path, "ports"), *at_peers = PATH(path, name);

    for (size_t i = 0; i < ports->n; i++)
        check_policy_port(&ports->v[i], PATH_INDEX(at_ports, i), causes);
    for (size_t i = 0; i < peers->n; i++)
        check_peer(&peers->v[i], PATH_INDEX(at_peers, i), causes);
}

static void network_policy_validate(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const known[] = {"Ingress", "Egress", NULL};
    const NetworkPolicySpec *spec = &((const NetworkPolicy *)value)->spec;
    const Path *path = PATH(NULL, "spec"), *ingress = PATH(path, "ingress"),
               *egress = PATH(path, "egress"), *types = PATH(path, "policyTypes");

    validate_label_selector(&spec->pod_selector, "spec.podSelector", causes);
    for (size_t i = 0; i < spec->ingress.n; i++)
        check_way(&spec->ingress.v[i].ports, &spec->ingress.v[i].from, "from",
                  PATH_INDEX(ingress, i), causes);
    for (size_t i = 0; i < spec->egress.n; i++)
        check_way(&spec->egress.v[i].ports, &spec->egress.v[i].to, "to", PATH_INDEX(egress, i),
                  causes);
    if (spec->policy_types.n > 2) {
        rules_invalid(causes, types,
                      rules_bad(&type_NetworkPolicySpec, spec, "policyTypes", causes),
                      "may not specify more than two policyTypes");
        return;
    }
    for (size_t i = 0; i < spec->policy_types.n; i++)
        if (!str_equal(spec->policy_types.v[i], "Ingress") &&
            !str_equal(spec->policy_types.v[i], "Egress"))
            fail_not_supported(causes, PATH_INDEX(types, i), spec->policy_types.v[i], known);
}

static void network_policy_warn(Arena *arena, const void *value _unused_, Warnings *warnings)
{
    rules_warn(arena, warnings,
               "stead keeps NetworkPolicies but does not filter: all traffic between pods stays "
               "allowed");
}

static void network_policy_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const NetworkPolicy *policy = value;

    cell_string(out, policy->metadata.name);
    cell_selector(out, &policy->spec.pod_selector, "<none>");
    cell_age(out, policy->metadata.creation_timestamp, now_ns);
}

const KindRules rules_network_policy = {
    .complete = network_policy_complete,
    .validate = network_policy_validate,
    .warn = network_policy_warn,
    .print = network_policy_print,
};
