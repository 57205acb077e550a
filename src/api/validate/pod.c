/* SPDX-License-Identifier: Apache-2.0 */
/* Pod specs, in Pods and in templates. */
#include "api/resource_name.h"
#include "api/resource_list.h"
#include "api/quantity.h"
#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"

static void validate_id(const int64_t *id, const Path *path, Causes *causes)
{
    if (id && (*id < 0 || *id > INT32_MAX))
        fail_invalid_int(causes, path, *id, "must be between 0 and 2147483647, inclusive");
}

/* One or more parts of letters, digits, - and _ between dots or slashes. */
static bool is_sysctl_name(const char *s)
{
    if (strlen(s) > 253)
        return false;
    for (;;) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_");

        if (!n || strchr("-_", s[0]) || strchr("-_", s[n - 1]))
            return false;
        s += n;
        if (!*s)
            return true;
        if (*s != '.' && *s != '/')
            return false;
        s++;
    }
}

static void validate_security(const PodSpec *spec, const Path *path, Causes *causes)
{
    const PodSecurityContext *security = spec->security_context;
    TextMap sysctls = TEXT_MAP_INIT(causes->arena);

    if (spec->share_process_namespace && *spec->share_process_namespace && spec->host_pid)
        causes_add(causes, CAUSE_INVALID, path_text(PATH(path, "shareProcessNamespace"), causes),
                   "true", "ShareProcessNamespace and HostPID cannot both be enabled");
    if (!security)
        return;
    validate_id(security->fs_group, PATH(path, "fsGroup"), causes);
    validate_id(security->run_as_user, PATH(path, "runAsUser"), causes);
    validate_id(security->run_as_group, PATH(path, "runAsGroup"), causes);
    for (size_t i = 0; i < security->supplemental_groups.n; i++)
        validate_id(&security->supplemental_groups.v[i],
                    PATH_INDEX(PATH(path, "supplementalGroups"), i), causes);
    for (size_t i = 0; i < security->sysctls.n; i++) {
        const char *name = security->sysctls.v[i].name;
        const Path *at = PATH(PATH_INDEX(PATH(path, "sysctls"), i), "name");

        if (!str_empty(name) && !is_sysctl_name(name))
            fail_invalid(causes, at, name,
                         "must have at most 253 characters and match regex "
                         "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
        fail_if_seen(causes, at, &sysctls, name);
    }
    validate_armor_profile(security->app_armor_profile, PATH(path, "appArmorProfile"), causes);
    if (security->seccomp_profile && str_equal(security->seccomp_profile->type, "Localhost") &&
        str_empty(security->seccomp_profile->localhost_profile))
        fail_required(causes, PATH(PATH(path, "seccompProfile"), "localhostProfile"),
                      "must be set when seccomp type is Localhost");
    else if (security->seccomp_profile && str_equal(security->seccomp_profile->type, "Localhost"))
        validate_relative_path(security->seccomp_profile->localhost_profile,
                               PATH(PATH(path, "seccompProfile"), "localhostProfile"), causes);
}

static void bad_list(Causes *causes, const Path *path, const char *json, const PodDNSConfig *dns,
                     const char *detail)
{
    const Field *field = type_member(&type_PodDNSConfig, json);

    causes_add(causes, CAUSE_INVALID, path_text(PATH(path, json), causes),
               validate_bad_value(field, field_at(dns, field), causes), detail);
}

/* A subdomain whose labels may have underscores too; a dot at the end is fine. */
static void validate_search(const char *search, const Path *path, Causes *causes)
{
    char *plain = arena_strdup(causes->arena, search);
    size_t n = strlen(plain);

    if (str_equal(search, "."))
        return;
    if (n && plain[n - 1] == '.')
        plain[n - 1] = 0;
    for (char *c = plain; *c; c++)
        if (*c == '_')
            *c = c == plain || c[-1] == '.' || !c[1] ? 'x' : '-';
    if (check_dns_subdomain(plain).n)
        fail_invalid(causes, path, search,
                     "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                     "characters, '_', '-' or '.', and must start and end with an alphanumeric "
                     "character (e.g. 'example.com', regex used for validation is "
                     "'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')");
}

static void validate_dns(const PodSpec *spec, const Path *path, Causes *causes)
{
    const PodDNSConfig *dns = spec->dns_config;
    size_t length = 0;

    if (str_equal(spec->dns_policy, "None") && !dns)
        fail_required(causes, path, "must provide `dnsConfig` when `dnsPolicy` is None");
    else if (str_equal(spec->dns_policy, "None") && !dns->nameservers.n)
        fail_required(causes, PATH(path, "nameservers"),
                      "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (!dns)
        return;
    if (dns->nameservers.n > 3)
        bad_list(causes, path, "nameservers", dns, "must not have more than 3 nameservers");
    for (size_t i = 0; i < dns->nameservers.n; i++)
        fail_faults(causes, PATH_INDEX(PATH(path, "nameservers"), i), dns->nameservers.v[i],
                    check_ip(dns->nameservers.v[i]));
    if (dns->searches.n > 32)
        bad_list(causes, path, "searches", dns, "must not have more than 32 search paths");
    for (size_t i = 0; i < dns->searches.n; i++) {
        length += strlen(dns->searches.v[i]) + (i > 0);
        validate_search(dns->searches.v[i], PATH_INDEX(PATH(path, "searches"), i), causes);
    }
    if (length > 2048)
        bad_list(causes, path, "searches", dns,
                 "must not have more than 2048 characters (including spaces) in the search list");
    for (size_t i = 0; i < dns->options.n; i++)
        if (str_empty(dns->options.v[i].name))
            fail_required(causes, PATH_INDEX(PATH(path, "options"), i), "must not be empty");
}

static void validate_names(const PodSpec *spec, const Path *path, Causes *causes)
{
    const struct {
        const char *json, *value;
        Faults (*check)(const char *);
    } rows[] = {
        {"serviceAccountName", spec->service_account_name, check_dns_subdomain},
        {"nodeName", spec->node_name, check_dns_subdomain},
        {"hostname", spec->hostname, check_dns_label},
        {"subdomain", spec->subdomain, check_dns_label},
        {"priorityClassName", spec->priority_class_name, check_dns_subdomain},
        {"runtimeClassName", spec->runtime_class_name, check_dns_subdomain},
        {"hostnameOverride", spec->hostname_override, check_dns_subdomain},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!str_empty(rows[i].value))
            fail_faults(causes, PATH(path, rows[i].json), rows[i].value,
                        rows[i].check(rows[i].value));
    if (spec->hostname_override) {
        const Path *at = PATH(path, "hostnameOverride");

        if (spec->set_hostname_as_fqdn && *spec->set_hostname_as_fqdn)
            fail_forbidden(causes, at, "may not be specified when setHostnameAsFQDN is true");
        if (spec->host_network)
            fail_forbidden(causes, at, "may not be specified when hostNetwork is true");
        if (strlen(spec->hostname_override) > 64)
            causes_add(causes, CAUSE_TOO_LONG, path_text(at, causes), NULL,
                       "may not be more than 64 bytes");
    }
    for (size_t i = 0; i < spec->host_aliases.n; i++) {
        const HostAlias *alias = &spec->host_aliases.v[i];
        const Path *at = PATH_INDEX(PATH(path, "hostAliases"), i);

        fail_faults(causes, PATH(at, "ip"), alias->ip, check_ip(alias->ip));
        for (size_t j = 0; j < alias->hostnames.n; j++)
            fail_faults(causes, PATH_INDEX(PATH(at, "hostnames"), j), alias->hostnames.v[j],
                        check_dns_subdomain(alias->hostnames.v[j]));
    }
}

static void validate_host_users(const PodSpec *spec, const Path *path, Causes *causes)
{
    static const char text[] = "when `hostUsers` is false";

    if (!spec->host_users || *spec->host_users)
        return;
    if (spec->host_network)
        fail_forbidden(causes, PATH(path, "hostNetwork"), text);
    if (spec->host_pid)
        fail_forbidden(causes, PATH(path, "HostPID"), text);
    if (spec->host_ipc)
        fail_forbidden(causes, PATH(path, "HostIPC"), text);
}

static void validate_resource_claims(const PodResourceClaimArray *claims, const Path *path,
                                     TextMap *names, Causes *causes)
{
    for (size_t i = 0; i < claims->n; i++) {
        const PodResourceClaim *claim = &claims->v[i];
        const Path *at = PATH_INDEX(path, i);

        if (!str_empty(claim->name))
            fail_faults(causes, PATH(at, "name"), claim->name, check_dns_label(claim->name));
        fail_if_seen(causes, PATH(at, "name"), names, claim->name);
        if (claim->resource_claim_name && claim->resource_claim_template_name)
            causes_add(causes, CAUSE_INVALID, path_text(at, causes), NULL,
                       "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                       "specified");
        if (!claim->resource_claim_name && !claim->resource_claim_template_name)
            causes_add(causes, CAUSE_INVALID, path_text(at, causes), NULL,
                       "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    }
}

/* The name of the claim of an ephemeral volume consists of the names of the pod and the volume. */
static void validate_shared_claims(const PodSpec *spec, const char *pod_name, const Path *path,
                                   Causes *causes)
{
    TextMap made = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; !str_empty(pod_name) && i < spec->volumes.n; i++)
        if (spec->volumes.v[i].volume_source.ephemeral)
            text_map_add(&made, arena_printf(causes->arena, "%s-%s", pod_name,
                                             str_or(spec->volumes.v[i].name, "")));
    for (size_t i = 0; made.n && i < spec->volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *claim =
            spec->volumes.v[i].volume_source.persistent_volume_claim;

        if (claim && text_map_has(&made, claim->claim_name))
            fail_invalid(causes,
                         PATH(PATH(PATH_INDEX(PATH(path, "volumes"), i), "persistentVolumeClaim"),
                              "claimName"),
                         claim->claim_name,
                         "must not reference a PVC that gets created for an ephemeral volume");
    }
}

/* No container may have more than the pod as a whole. */
static void validate_container_limits(const StringMap *limits, const StringMap *own,
                                      const Path *path, Causes *causes)
{
    for (size_t i = 0; i < limits->n; i++) {
        const char *limit = limits->v[i].value, *most = string_map_get(own, limits->v[i].key);

        if (most && quantity_compare(limit, most) > 0)
            fail_invalid(causes, PATH(PATH_KEY(path, limits->v[i].key), "limits"), limit,
                         arena_printf(causes->arena,
                                      "must be less than or equal to pod limits of %s", most));
    }
}

/* The resources of the pod as a whole have room for those of its containers. */
static void validate_own_resources(const PodSpec *spec, const Path *path, Causes *causes)
{
    const ResourceRequirements *own = spec->resources;
    ResourceSum sum = RESOURCE_SUM_INIT(causes->arena),
                limit_sum = RESOURCE_SUM_INIT(causes->arena);
    Pod bare = {.spec = *spec};

    if (own->claims.n)
        fail_forbidden(causes, PATH(path, "claims"),
                       "claims may not be set for Resources at pod-level");
    validate_resources(own, path, causes);
    bare.spec.resources = NULL;
    pod_requests(&sum, &bare, (PodDemandOptions){0});
    pod_limits(&limit_sum, &bare, (PodDemandOptions){0});
    for (size_t i = 0; i < own->requests.n; i++) {
        const StringEntry *entry = &own->requests.v[i];
        const char *all = resource_sum_get(&sum, entry->key);

        if (all && quantity_compare(all, entry->value) > 0)
            fail_invalid(causes, PATH_KEY(PATH(path, "requests"), entry->key), entry->value,
                         arena_printf(causes->arena,
                                      "must be greater than or equal to aggregate container "
                                      "requests of %s",
                                      all));
    }
    for (size_t i = 0; i < own->limits.n; i++) {
        const StringEntry *entry = &own->limits.v[i];
        const char *all = resource_sum_get(&limit_sum, entry->key);

        if (resource_is_huge_pages(entry->key) && all && quantity_compare(all, entry->value) > 0)
            fail_invalid(causes, PATH_KEY(PATH(path, "limits"), entry->key), entry->value,
                         arena_printf(causes->arena,
                                      "must be greater than or equal to aggregate container "
                                      "limits of %s",
                                      all));
    }
    for (size_t i = 0; i < spec->containers.n; i++)
        validate_container_limits(&spec->containers.v[i].resources.limits, &own->limits,
                                  PATH_INDEX(PATH(path, "containers"), i), causes);
}

void validate_pod_spec_at(const PodSpec *spec, const ObjectMeta *pod, const Path *path,
                          Causes *causes)
{
    Arena *arena = causes->arena;
    TextMap volumes = TEXT_MAP_INIT(arena), claims = TEXT_MAP_INIT(arena),
            names = TEXT_MAP_INIT(arena), host_ports = TEXT_MAP_INIT(arena);
    PodCheck check = {.spec = spec,
                      .volumes = &volumes,
                      .claims = &claims,
                      .names = &names,
                      .host_ports = &host_ports,
                      .is_pod = pod != NULL,
                      .causes = causes};

    validate_volumes(&spec->volumes, pod ? pod->name : NULL, PATH(path, "volumes"), &volumes,
                     causes);
    validate_shared_claims(spec, pod ? pod->name : NULL, path, causes);
    validate_resource_claims(&spec->resource_claims, PATH(path, "resourceClaims"), &claims, causes);
    validate_containers(&check, path);
    if (spec->resources)
        validate_own_resources(spec, PATH(path, "resources"), causes);
    validate_security(spec, PATH(path, "securityContext"), causes);
    validate_dns(spec, PATH(path, "dnsConfig"), causes);
    validate_scheduling(spec, path, causes);
    validate_host_users(spec, path, causes);
    validate_names(spec, path, causes);
    if (spec->active_deadline_seconds &&
        (*spec->active_deadline_seconds < 1 || *spec->active_deadline_seconds > INT32_MAX))
        fail_invalid_int(causes, PATH(path, "activeDeadlineSeconds"),
                         *spec->active_deadline_seconds,
                         "must be between 1 and 2147483647, inclusive");
    for (size_t i = 0; i < spec->overhead.n; i++)
        if (*str_or(spec->overhead.v[i].value, "0") == '-')
            fail_invalid(causes, PATH_KEY(PATH(path, "overhead"), spec->overhead.v[i].key),
                         spec->overhead.v[i].value, "must be greater than or equal to 0");
}

void validate_pod_spec(const PodSpec *spec, const char *path, Causes *causes)
{
    validate_pod_spec_at(spec, NULL, PATH(NULL, path), causes);
}

void validate_pod_template_spec(const PodTemplateSpec *pod_template, const char *path,
                                Causes *causes)
{
    const Path *base = PATH(NULL, path);

    if (pod_template->metadata.labels.n)
        validate_labels(&pod_template->metadata.labels, path_text(PATH(base, "labels"), causes),
                        causes);
    if (pod_template->metadata.annotations.n)
        validate_annotations(&pod_template->metadata.annotations,
                             path_text(PATH(base, "annotations"), causes), causes);
    validate_armor_annotations(&pod_template->metadata, &pod_template->spec,
                               PATH(base, "annotations"), PATH(base, "spec"), causes);
    validate_pod_spec_at(&pod_template->spec, NULL, PATH(base, "spec"), causes);
    if (pod_template->spec.ephemeral_containers.n)
        fail_forbidden(causes, PATH(PATH(base, "spec"), "ephemeralContainers"),
                       "ephemeral containers not allowed in pod template");
}
