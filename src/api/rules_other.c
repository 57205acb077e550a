/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of the small groups: StorageClass, PriorityClass, EndpointSlice, Lease, TokenRequest and the access
 * reviews. Lengths are checked before anything is compared pairwise.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "api/object.h"
#include "api/print.h"
#include "api/rules.h"
#include "base/strmap.h"

/* ---- StorageClass ---- */

enum {
    PARAMETERS_MAX = 512,
    PARAMETERS_SIZE_MAX = 256 * 1024,
    TERMS_MAX = 1000, /* the schema's max= of allowedTopologies */
};

static void check_parameters(const StringMap *parameters, Causes *causes)
{
    size_t size = 0;

    if (parameters->n > PARAMETERS_MAX) {
        causes_add(causes, CAUSE_TOO_LONG, "parameters", NULL, "may not be more than 512 bytes");
        return;
    }
    for (size_t i = 0; i < parameters->n; i++) {
        if (str_empty(parameters->v[i].key))
            causes_invalid_string(causes, "parameters", "", "field can not be empty.");
        size += strlen(parameters->v[i].key) + strlen(str_or(parameters->v[i].value, ""));
    }
    if (size > PARAMETERS_SIZE_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "parameters", NULL, "may not be more than 262144 bytes");
}

static bool string_among(const StringArray *strings, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(strings->v[i], s))
            return true;
    return false;
}

static void check_topology_term(const TopologySelectorTerm *term, const Path *path, Causes *causes)
{
    const TopologySelectorLabelRequirementArray *list = &term->match_label_expressions;

    for (size_t i = 0; i < list->n && i < TERMS_MAX; i++) {
        const Path *at = PATH_INDEX(PATH(path, "matchLabelExpressions"), i);
        const StringArray *values = &list->v[i].values;
        Faults faults = check_qualified_name(list->v[i].key);

        for (size_t k = 0; k < values->n && k < TERMS_MAX; k++)
            if (string_among(values, k, values->v[k]))
                causes_add(causes, CAUSE_DUPLICATE,
                           path_text(PATH_INDEX(PATH(at, "values"), k), causes),
                           rules_quoted(values->v[k], causes), NULL);
        if (faults.n)
            faults_add(faults, path_text(PATH(at, "key"), causes), list->v[i].key, causes);
        for (size_t k = 0; k < i; k++)
            if (str_equal(list->v[k].key, list->v[i].key)) {
                causes_add(causes, CAUSE_DUPLICATE, path_text(PATH(at, "key"), causes),
                           rules_quoted(list->v[i].key, causes), NULL);
                break;
            }
    }
}

static void check_topologies(const TopologySelectorTermArray *terms, Causes *causes)
{
    for (size_t i = 0; i < terms->n && i < TERMS_MAX; i++) {
        const Path *path = PATH_INDEX(PATH(NULL, "allowedTopologies"), i);

        check_topology_term(&terms->v[i], path, causes);
        for (size_t k = 0; k < i; k++)
            if (type_equal(&type_TopologySelectorTerm, &terms->v[k], &terms->v[i])) {
                causes_add(causes, CAUSE_DUPLICATE,
                           path_text(PATH(path, "matchLabelExpressions"), causes), "\"\"", NULL);
                break;
            }
    }
}

static void storage_class_validate(const void *value, const void *before, Causes *causes)
{
    const StorageClass *class = value;
    char *provisioner = arena_strdup(causes->arena, str_or(class->provisioner, ""));

    for (char *c = provisioner; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (*provisioner)
        faults_add(check_qualified_name(provisioner), "provisioner", provisioner, causes);
    check_parameters(&class->parameters, causes);
    check_topologies(&class->allowed_topologies, causes);
}

static bool is_default_class(const ObjectMeta *meta)
{
    static const char *const annotations[] = {
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    };

    for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
        if (str_equal(string_map_get(&meta->annotations, annotations[i]), "true"))
            return true;
    return false;
}

static void storage_class_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const StorageClass *class = value;

    cell_printf(out, "%s%s", str_or(class->metadata.name, ""),
                is_default_class(&class->metadata) ? " (default)" : "");
    cell_string(out, class->provisioner);
    cell_string(out, str_or(class->reclaim_policy, "Delete"));
    cell_string(out, str_or(class->volume_binding_mode, "Immediate"));
    cell_bool(out, class->allow_volume_expansion && *class->allow_volume_expansion);
    cell_age(out, class->metadata.creation_timestamp, now_ns);
}

const KindRules rules_storage_class = {
    .validate = storage_class_validate,
    .print = storage_class_print,
};

/* ---- PriorityClass ---- */

#define SYSTEM_PREFIX "system-"
#define USER_PRIORITY_MAX 1000000000

/* NULL: it is one of the system's. */
static const char *fault_of_system_class(Arena *arena, const PriorityClass *class)
{
    static const struct {
        const char *name;
        int32_t value;
    } known[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};
    const char *name = class->metadata.name;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_equal(known[i].name, name))
            continue;
        if (class->value != known[i].value)
            return arena_printf(arena, "value of %s PriorityClass must be %d", name,
                                known[i].value);
        return class->global_default
                   ? arena_printf(arena, "globalDefault of %s PriorityClass must be false", name)
                   : NULL;
    }
    return arena_printf(arena, "%s is not a known system priority class", name);
}

static void priority_class_validate(const void *value, const void *before, Causes *causes)
{
    const PriorityClass *class = value, *old = before;
    const char *fault;

    if (old) {
        if (class->value != old->value)
            causes_forbidden(causes, "value", "may not be changed in an update.");
        return;
    }
    if (!str_starts_with(str_or(class->metadata.name, ""), SYSTEM_PREFIX)) {
        if (class->value > USER_PRIORITY_MAX)
            causes_forbidden(causes, "value",
                             "maximum allowed value of a user defined priority is 1000000000");
        return;
    }
    fault = fault_of_system_class(causes->arena, class);
    if (fault)
        causes_forbidden(causes, "metadata.name",
                         arena_printf(causes->arena,
                                      "priority class names with '" SYSTEM_PREFIX
                                      "' prefix are reserved for system use only. error: %s",
                                      fault));
}

const KindRules rules_priority_class = {.validate = priority_class_validate};

/* ---- EndpointSlice ---- */

enum {
    ENDPOINTS_MAX = 1000,
    ADDRESSES_MAX = 100,
    PORTS_MAX = 20000,
    HINTS_MAX = 8,
    TOPOLOGY_MAX = 16,
};

/* A slice has no spec: all of it counts, and its labels. */
static bool slice_changed(const EndpointSlice *now, const EndpointSlice *before)
{
    const TypeName *labels = type_find(&type_ObjectMeta, "labels", strlen("labels"));

    for (size_t i = 0; i < type_EndpointSlice.n_fields; i++) {
        const Field *field = &type_EndpointSlice.fields[i];

        if (field->type != &type_ObjectMeta &&
            !type_field_equal(field, field_at(now, field), field_at(before, field)))
            return true;
    }
    return !type_field_equal(labels->field, &now->metadata.labels, &before->metadata.labels);
}

static void endpoint_slice_prepare(Arena *arena, void *value, const void *before_value)
{
    EndpointSlice *slice = value;
    const EndpointSlice *before = before_value;
    const Field *endpoints =
        type_find(&type_EndpointSlice, "endpoints", strlen("endpoints"))->field;

    if (before)
        slice->metadata.generation = before->metadata.generation + slice_changed(slice, before);
    /* v1 does not take deprecatedTopology; what older servers stored may stay while nobody touches
     * it. */
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
    if (inet_pton(family, address, ip) == 1)
        check_usable_ip(family, ip, path_text(path, causes), address, causes);
    else
        causes_invalid_string(causes, path_text(list, causes), address,
                              family == AF_INET ? "must be an IPv4 address"
                                                : "must be an IPv6 address");
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

/* Names of zones or nodes: each once, each well-formed. */
static void check_hint_names(const StringArray *names, Faults (*check)(const char *),
                             const Path *path, Causes *causes)
{
    if (names->n > HINTS_MAX) {
        rules_too_many(causes, path_text(path, causes), names->n, HINTS_MAX);
        return;
    }
    for (size_t i = 0; i < names->n; i++) {
        const char *at = path_text(PATH(PATH_INDEX(path, i), "name"), causes);

        if (string_among(names, i, names->v[i]))
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
    const Field *endpoints =
        type_find(&type_EndpointSlice, "endpoints", strlen("endpoints"))->field;

    check_slice_ports(&slice->ports, causes);
    /* What was stored once may stay. */
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

static void endpoint_slice_warn(Arena *arena, const void *value, StringArray *warnings)
{
    if (str_equal(((const EndpointSlice *)value)->address_type, "FQDN"))
        rules_warn(arena, warnings, "spec.addressType: FQDN endpoints are deprecated");
}

/* The first three, and how many more. */
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

/* ---- Lease ---- */

static void lease_prepare(Arena *arena, void *value, const void *before_value)
{
    LeaseSpec *spec = &((Lease *)value)->spec;
    const LeaseSpec *before = before_value ? &((const Lease *)before_value)->spec : NULL;

    /* Coordinated election is off, as it is by default in Kubernetes. */
    if (!before || !before->strategy)
        spec->strategy = NULL;
    if (!before || !before->preferred_holder)
        spec->preferred_holder = NULL;
}

static void lease_validate(const void *value, const void *before, Causes *causes)
{
    static const char *const strategies[] = {"OldestEmulationVersion", NULL};
    const LeaseSpec *spec = &((const Lease *)value)->spec;

    if (spec->strategy && strchr(spec->strategy, '/'))
        faults_add(check_qualified_name(spec->strategy), "spec.strategy.strategy", spec->strategy,
                   causes);
    else if (spec->strategy && !str_equal(spec->strategy, strategies[0]))
        causes_not_supported(causes, "spec.strategy.strategy", spec->strategy, strategies);
    if (!str_empty(spec->preferred_holder) && str_empty(spec->strategy))
        causes_forbidden(causes, "spec.preferredHolder",
                         "may only be specified if `strategy` is defined");
}

static void lease_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Lease *lease = value;

    cell_string(out, lease->metadata.name);
    cell_string(out, lease->spec.holder_identity);
    cell_age(out, lease->metadata.creation_timestamp, now_ns);
}

const KindRules rules_lease = {
    .prepare = lease_prepare,
    .validate = lease_validate,
    .print = lease_print,
};

/* ---- TokenRequest ---- */

static void token_request_validate(const void *value, const void *before, Causes *causes)
{
    const int64_t *seconds = ((const TokenRequest *)value)->spec.expiration_seconds;
    const char *path = "spec.expirationSeconds";

    if (!seconds || *seconds < 600)
        causes_invalid_int(causes, path, seconds ? *seconds : 0,
                           "may not specify a duration less than 10 minutes");
    else if (*seconds > INT64_C(1) << 32)
        causes_invalid_int(causes, path, *seconds,
                           "may not specify a duration larger than 2^32 seconds");
}

const KindRules rules_token_request = {.validate = token_request_validate};

/* ---- access reviews ---- */

static void check_raw_or_requirements(const char *raw, size_t n_requirements, const Path *path,
                                      Causes *causes)
{
    const char *text = path_text(path, causes);

    if (!str_empty(raw) && n_requirements)
        causes_invalid_string(causes, path_text(PATH(path, "rawSelector"), causes), raw,
                              "may not specified at the same time as requirements");
    if (str_empty(raw) && !n_requirements)
        causes_required(
            causes, path_text(PATH(path, "requirements"), causes),
            arena_printf(causes->arena,
                         "when %s is specified, requirements or rawSelector is required", text));
}

/* Operators that are not known may come from a newer client, and are let through. */
static void check_requirement_values(const char *op, size_t n_values, const Path *path,
                                     Causes *causes)
{
    const char *at = path_text(PATH(path, "values"), causes);

    if ((str_equal(op, "In") || str_equal(op, "NotIn")) && !n_values)
        causes_required(causes, at, "must be specified when `operator` is 'In' or 'NotIn'");
    if ((str_equal(op, "Exists") || str_equal(op, "DoesNotExist")) && n_values)
        causes_forbidden(causes, at,
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
}

static void check_field_selector(const FieldSelectorAttributes *selector, const Path *path,
                                 Causes *causes)
{
    check_raw_or_requirements(selector->raw_selector, selector->requirements.n, path, causes);
    for (size_t i = 0; i < selector->requirements.n; i++) {
        const FieldSelectorRequirement *r = &selector->requirements.v[i];
        const Path *at = PATH_INDEX(PATH(path, "requirements"), i);

        if (str_empty(r->key))
            causes_required(causes, path_text(PATH(at, "key"), causes), "must be specified");
        check_requirement_values(r->operator, r->values.n, at, causes);
    }
}

static void check_label_selector(const LabelSelectorAttributes *selector, const Path *path,
                                 Causes *causes)
{
    check_raw_or_requirements(selector->raw_selector, selector->requirements.n, path, causes);
    for (size_t i = 0; i < selector->requirements.n; i++) {
        const LabelSelectorRequirement *r = &selector->requirements.v[i];
        const Path *at = PATH_INDEX(PATH(path, "requirements"), i);

        check_requirement_values(r->operator, r->values.n, at, causes);
        faults_add(check_qualified_name(r->key), path_text(PATH(at, "key"), causes), r->key,
                   causes);
        for (size_t k = 0; k < r->values.n; k++)
            faults_add(check_label_value(r->values.v[k]),
                       path_text(PATH_INDEX(PATH(at, "values"), k), causes), r->values.v[k],
                       causes);
    }
}

static void check_attributes(const ResourceAttributes *resource, const NonResourceAttributes *other,
                             Causes *causes)
{
    const Path *path = PATH(NULL, "spec.resourceAttributes");

    if (resource && other)
        causes_add(causes, CAUSE_INVALID, "spec.nonResourceAttributes",
                   rules_bad(&type_SelfSubjectAccessReviewSpec,
                             &(const SelfSubjectAccessReviewSpec){.non_resource_attributes =
                                                                      (void *)(uintptr_t)other},
                             "nonResourceAttributes", causes),
                   "cannot be specified in combination with resourceAttributes");
    if (!resource && !other)
        causes_add(causes, CAUSE_INVALID, "spec.resourceAttributes", "null",
                   "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    if (resource && resource->field_selector)
        check_field_selector(resource->field_selector, PATH(path, "fieldSelector"), causes);
    if (resource && resource->label_selector)
        check_label_selector(resource->label_selector, PATH(path, "labelSelector"), causes);
}

static void check_empty_meta(const ObjectMeta *meta, bool ns_may, const char *text, Causes *causes)
{
    if (str_empty(meta->name) && str_empty(meta->generate_name) &&
        (ns_may || str_empty(meta->namespace)) && !meta->labels.n && !meta->annotations.n &&
        !meta->owner_references.n && !meta->finalizers.n)
        return;
    causes_add(causes, CAUSE_INVALID, "metadata",
               rules_bad(&type_SubjectAccessReview, &(const SubjectAccessReview){.metadata = *meta},
                         "metadata", causes),
               text);
}

static void check_subject(const SubjectAccessReviewSpec *spec, Causes *causes)
{
    check_attributes(spec->resource_attributes, spec->non_resource_attributes, causes);
    if (str_empty(spec->user) && !spec->groups.n)
        causes_invalid_string(causes, "spec.user", "",
                              "at least one of user or group must be specified");
}

static void subject_access_review_validate(const void *value, const void *before, Causes *causes)
{
    const SubjectAccessReview *review = value;

    check_subject(&review->spec, causes);
    check_empty_meta(&review->metadata, false, "must be empty", causes);
}

static void self_subject_access_review_validate(const void *value, const void *before,
                                                Causes *causes)
{
    const SelfSubjectAccessReview *review = value;

    check_attributes(review->spec.resource_attributes, review->spec.non_resource_attributes,
                     causes);
    check_empty_meta(&review->metadata, false, "must be empty", causes);
}

static void local_subject_access_review_validate(const void *value, const void *before,
                                                 Causes *causes)
{
    const LocalSubjectAccessReview *review = value;
    const ResourceAttributes *resource = review->spec.resource_attributes;

    check_subject(&review->spec, causes);
    check_empty_meta(&review->metadata, true, "must be empty except for namespace", causes);
    if (resource && !str_equal(resource->namespace, review->metadata.namespace))
        causes_invalid_string(causes, "spec.resourceAttributes.namespace", resource->namespace,
                              "must match metadata.namespace");
    if (review->spec.non_resource_attributes)
        causes_add(causes, CAUSE_INVALID, "spec.nonResourceAttributes",
                   rules_bad(&type_SubjectAccessReviewSpec, &review->spec, "nonResourceAttributes",
                             causes),
                   "disallowed on this kind of request");
}

const KindRules rules_subject_access_review = {.validate = subject_access_review_validate};
const KindRules rules_self_subject_access_review = {.validate =
                                                        self_subject_access_review_validate};
const KindRules rules_local_subject_access_review = {.validate =
                                                         local_subject_access_review_validate};
