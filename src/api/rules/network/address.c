/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of IPAddress and ServiceCIDR. */
#include <arpa/inet.h>

#include "api/ip_address.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/networking_v1.h"

#define FAMILY "ipaddress.kubernetes.io/ip-family"

/* An IPv6 address has many texts. Where the text is a name or is compared, only one of them is valid.
 * `bits` is the rest of a range, or empty. */
static void check_canonical(const char *address, const char *bits, const Path *path, Causes *causes)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    const char *given = arena_printf(causes->arena, "%s%s", address, bits);

    if (inet_pton(AF_INET6, address, &binary) != 1)
        return;
    if (*bits && IN6_IS_ADDR_V4MAPPED(&binary)) {
        causes_invalid_string(causes, path_text(path, causes), given,
                              "must not have an IPv4-mapped IPv6 address");
        return;
    }
    inet_ntop(AF_INET6, &binary, text, sizeof(text));
    if (!str_equal(text, address) && !IN6_IS_ADDR_V4MAPPED(&binary))
        causes_invalid_string(
            causes, path_text(path, causes), given,
            arena_printf(causes->arena, "must be in canonical form (\"%s%s\")", text, bits));
}

/* ---- IPAddress ---- */

static void check_required(const char *s, const char *path, Causes *causes)
{
    if (str_empty(s))
        causes_required(causes, path, NULL);
    else
        faults_add(check_path_segment(s), path, s, causes);
}

static void validate_ip_address(const void *value, const void *before, Causes *causes)
{
    const IPAddress *address = value;
    const ParentReference *parent = address->spec.parent_ref;

    check_canonical(str_or(address->metadata.name, ""), "", PATH(PATH(NULL, "metadata"), "name"),
                    causes);
    if (!parent) { /* the table says that it is required */
        if (before)
            causes_add(causes, CAUSE_INVALID, "spec.parentRef", "null", "field is immutable");
        return;
    }
    if (!str_empty(parent->group))
        faults_add(check_dns_subdomain(parent->group), "spec.parentRef.group", parent->group,
                   causes);
    check_required(parent->resource, "spec.parentRef.resource", causes);
    check_required(parent->name, "spec.parentRef.name", causes);
    if (!str_empty(parent->namespace))
        faults_add(check_path_segment(parent->namespace), "spec.parentRef.namespace",
                   parent->namespace, causes);
}

/* Kubernetes prints the age as well, for which the table has no column. */
static void print_ip_address(const void *value, int64_t now_ns _unused_, StrBuf *row)
{
    const IPAddress *address = value;
    const ParentReference *parent = address->spec.parent_ref;
    _strbuf_ StrBuf text = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;

    cell_string(row, address->metadata.name);
    if (!parent) {
        cell_string(row, "<none>");
        return;
    }
    strbuf_add_string(&text, text_lower(&arena, str_or(parent->resource, "")));
    if (!str_empty(parent->group))
        strbuf_printf(&text, ".%s", text_lower(&arena, parent->group));
    if (!str_empty(parent->namespace))
        strbuf_printf(&text, "/%s", parent->namespace);
    strbuf_printf(&text, "/%s", str_or(parent->name, ""));
    cell_string(row, strbuf_string(&text));
}

const KindRules rules_ip_address = {
    .validate = validate_ip_address,
    .print = print_ip_address,
};

Object *ip_address_of_service(const char *address, const ObjectMeta *service)
{
    Object *object = object_new(&kind_ip_address);
    IPAddress *value = OBJECT_AS(IPAddress, object);
    Arena *arena = &object->arena;

    value->metadata.name = arena_strdup(arena, address);
    string_map_put(arena, &value->metadata.labels, FAMILY, strchr(address, ':') ? "IPv6" : "IPv4");
    string_map_put(arena, &value->metadata.labels, IP_ADDRESS_MANAGED_BY, IP_ADDRESS_MANAGER);
    value->spec.parent_ref = arena_new(arena, ParentReference);
    *value->spec.parent_ref = (ParentReference){
        .resource = "services",
        .namespace = arena_strdup(arena, service->namespace),
        .name = arena_strdup(arena, service->name),
    };
    return object;
}

bool ip_address_is_managed(const Object *address)
{
    return str_equal(string_map_get(&object_meta(address)->labels, IP_ADDRESS_MANAGED_BY),
                     IP_ADDRESS_MANAGER);
}

bool ip_address_is_of(const Object *address, const ObjectMeta *service)
{
    const ParentReference *parent = OBJECT_AS(IPAddress, address)->spec.parent_ref;

    return ip_address_is_managed(address) && parent && str_empty(parent->group) &&
           str_equal(parent->resource, "services") &&
           str_equal(parent->namespace, service->namespace) &&
           str_equal(parent->name, service->name);
}

/* ---- ServiceCIDR ---- */

static bool is_v6(const char *cidr)
{
    return strchr(cidr, ':') != NULL;
}

static void validate_cidrs(const StringArray *cidrs, Causes *causes)
{
    const Path *path = PATH(PATH(NULL, "spec"), "cidrs");
    bool good = true;

    if (cidrs->n == 0) {
        causes_required(causes, "spec.cidrs", "at least one CIDR required");
        return;
    }
    if (cidrs->n > 2) {
        causes_add(causes, CAUSE_INVALID, "spec.cidrs", "{}", "may only hold up to 2 values");
        return;
    }
    for (size_t i = 0; i < cidrs->n; i++) {
        Faults faults = check_cidr(cidrs->v[i]);

        good = good && faults.n == 0;
        faults_add(faults, path_text(PATH_INDEX(path, i), causes), cidrs->v[i], causes);
        if (faults.n == 0)
            check_canonical(arena_strndup(causes->arena, cidrs->v[i], strcspn(cidrs->v[i], "/")),
                            strchr(cidrs->v[i], '/'), PATH_INDEX(path, i), causes);
    }
    if (good && cidrs->n == 2 && is_v6(cidrs->v[0]) == is_v6(cidrs->v[1]))
        rules_invalid(causes, path, rules_bad(&type_ServiceCIDRSpec, cidrs, "cidrs", causes),
                      "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
                      "2001:db8::/64");
}

/* A range stays as it is, but one of the other IP family may be added. */
static void validate_cidrs_change(const StringArray *now, const StringArray *old, Causes *causes)
{
    const Path *path = PATH(PATH(NULL, "spec"), "cidrs");

    if (now->n != old->n && !(old->n == 1 && now->n == 2)) {
        rules_invalid(causes, path, rules_bad(&type_ServiceCIDRSpec, now, "cidrs", causes),
                      "field is immutable");
        return;
    }
    for (size_t i = 0; i < old->n; i++)
        if (!str_equal(now->v[i], old->v[i]))
            causes_invalid_string(causes, path_text(PATH_INDEX(path, i), causes), now->v[i],
                                  "field is immutable");
    if (now->n > old->n)
        validate_cidrs(now, causes);
}

static void validate_service_cidr(const void *value, const void *before, Causes *causes)
{
    const ServiceCIDR *range = value, *old = before;

    if (old)
        validate_cidrs_change(&range->spec.cidrs, &old->spec.cidrs, causes);
    else
        validate_cidrs(&range->spec.cidrs, causes);
}

static void print_service_cidr(const void *value, int64_t now_ns, StrBuf *row)
{
    const ServiceCIDR *range = value;
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < range->spec.cidrs.n; i++)
        strbuf_printf(&text, "%s%s", i ? "," : "", range->spec.cidrs.v[i]);
    cell_string(row, range->metadata.name);
    cell_string(row, strbuf_string(&text));
    cell_age(row, range->metadata.creation_timestamp, now_ns);
}

const KindRules rules_service_cidr = {
    .validate = validate_service_cidr,
    .print = print_service_cidr,
    .subresources = status_without_meta,
};
