/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ResourceClaims, ResourceClaimTemplates and DeviceClasses: what they ask for. */
#include "api/print.h"
#include "api/resource_name.h"
#include "api/rules/resource/claim.h"

enum { ALTERNATIVES_MAX = 8, CONSTRAINTS_MAX = 32 };

/* ---- completion ---- */

static void complete_mode(const char **mode, int64_t *count)
{
    if (str_empty(*mode))
        *mode = "ExactCount";
    if (str_equal(*mode, "ExactCount") && *count == 0)
        *count = 1;
}

void device_complete_claim(DeviceClaim *claim)
{
    if (!claim->requests.n)
        claim->requests.v = NULL; /* which is written as null */
    for (size_t i = 0; i < claim->requests.n; i++) {
        DeviceRequest *request = &claim->requests.v[i];

        if (request->exactly)
            complete_mode(&request->exactly->allocation_mode, &request->exactly->count);
        for (size_t k = 0; k < request->first_available.n; k++)
            complete_mode(&request->first_available.v[k].allocation_mode,
                          &request->first_available.v[k].count);
    }
}

/* ---- requests ---- */

static void check_class(const char *name, const Path *path, Causes *causes)
{
    if (str_empty(name))
        fail_required(causes, path, "");
    else
        fail_faults(causes, path, name, check_dns_subdomain(name));
}

static void check_mode(const char *mode, int64_t count, const Path *path, Causes *causes)
{
    static const char *const modes[] = {"All", "ExactCount", NULL};

    if (str_equal(mode, "All")) {
        if (count)
            fail_invalid_int(causes, PATH(path, "count"), count,
                             "must not be specified when allocationMode is 'All'");
    } else if (str_equal(mode, "ExactCount")) {
        if (count <= 0)
            fail_invalid_int(causes, PATH(path, "count"), count, "must be greater than zero");
    } else {
        fail_not_supported(causes, PATH(path, "allocationMode"), mode, modes);
    }
}

static void check_exact(const ExactDeviceRequest *request, const Path *path, Causes *causes)
{
    check_class(request->device_class_name, PATH(path, "deviceClassName"), causes);
    device_check_selectors(&request->selectors, PATH(path, "selectors"), causes);
    check_mode(request->allocation_mode, request->count, path, causes);
    device_check_tolerations(&request->tolerations, PATH(path, "tolerations"), causes);
}

static void check_alternative(const DeviceSubRequest *request, const Path *path, Causes *causes)
{
    device_check_label(request->name, PATH(path, "name"), causes);
    check_class(request->device_class_name, PATH(path, "deviceClassName"), causes);
    device_check_selectors(&request->selectors, PATH(path, "selectors"), causes);
    check_mode(request->allocation_mode, request->count, path, causes);
    device_check_tolerations(&request->tolerations, PATH(path, "tolerations"), causes);
}

static void check_alternatives(const DeviceSubRequestArray *requests, const Path *path,
                               Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, requests->n, ALTERNATIVES_MAX))
        return;
    for (size_t i = 0; i < requests->n; i++)
        check_alternative(&requests->v[i], PATH_INDEX(path, i), causes);
    for (size_t i = 0; i < requests->n; i++)
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, str_or(requests->v[i].name, ""));
}

static void check_request(const DeviceRequest *request, const Path *path, Causes *causes)
{
    device_check_label(request->name, PATH(path, "name"), causes);
    if (request->exactly && request->first_available.n)
        rules_invalid(causes, path, "null",
                      "exactly one of `exactly` or `firstAvailable` is required, but multiple "
                      "fields are set");
    else if (request->exactly)
        check_exact(request->exactly, PATH(path, "exactly"), causes);
    else if (request->first_available.n)
        check_alternatives(&request->first_available, PATH(path, "firstAvailable"), causes);
    else
        fail_required(causes, path, "exactly one of `exactly` or `firstAvailable` is required");
}

static void check_requests(const DeviceRequestArray *requests, const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, requests->n, DEVICE_REQUESTS_MAX))
        return;
    for (size_t i = 0; i < requests->n; i++)
        check_request(&requests->v[i], PATH_INDEX(path, i), causes);
    for (size_t i = 0; i < requests->n; i++)
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, str_or(requests->v[i].name, ""));
}

/* ---- references to requests ---- */

void device_request_names(Arena *arena, const DeviceClaim *claim, DeviceRequestNames *ret)
{
    ret->names = (TextMap)TEXT_MAP_INIT(arena);
    for (size_t i = 0; i < claim->requests.n; i++) {
        const DeviceRequest *request = &claim->requests.v[i];
        const char *name = str_or(request->name, "");

        (void)text_map_add(&ret->names, name);
        for (size_t k = 0; k < request->first_available.n; k++)
            (void)text_map_add(
                &ret->names,
                arena_printf(arena, "%s/%s", name, str_or(request->first_available.v[k].name, "")));
    }
}

void device_check_reference(const char *reference, const DeviceRequestNames *names,
                            const Path *path, Causes *causes)
{
    static const char wrong[] = "must be the name of a request in the claim or the name of a "
                                "request and a subrequest separated by '/'";
    const char *text = str_or(reference, ""), *slash = strchr(text, '/');
    const char *first;

    if (slash && strchr(slash + 1, '/')) {
        fail_invalid(causes, path, text, wrong);
        return;
    }
    first = slash ? arena_strndup(causes->arena, text, (size_t)(slash - text)) : text;
    fail_faults(causes, path, first, check_dns_label(first));
    if (slash)
        fail_faults(causes, path, slash + 1, check_dns_label(slash + 1));
    if (!text_map_has(&names->names, text))
        fail_invalid(causes, path, text, wrong);
}

void device_check_references(const StringArray *references, const DeviceRequestNames *names,
                             const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, references->n, DEVICE_REQUESTS_MAX))
        return;
    for (size_t i = 0; i < references->n; i++)
        device_check_reference(references->v[i], names, PATH_INDEX(path, i), causes);
    for (size_t i = 0; i < references->n; i++)
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, references->v[i]);
}

static void check_attribute_name(const char *name, const Path *path, Causes *causes)
{
    device_check_qualified(name, path, causes);
    if (!strchr(name, '/'))
        fail_invalid(causes, path, name,
                     "a fully qualified name must be a domain and a name separated by a slash");
}

static void check_constraint(const DeviceConstraint *constraint, const DeviceRequestNames *names,
                             const Path *path, Causes *causes)
{
    device_check_references(&constraint->requests, names, PATH(path, "requests"), causes);
    if (constraint->match_attribute)
        check_attribute_name(constraint->match_attribute, PATH(path, "matchAttribute"), causes);
    else if (constraint->distinct_attribute)
        check_attribute_name(constraint->distinct_attribute, PATH(path, "distinctAttribute"),
                             causes);
    else
        fail_required(causes, path,
                      "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but "
                      "multiple fields are set");
}

void device_check_claim(const DeviceClaim *claim, const Path *path, Causes *causes)
{
    const Path *constraints = PATH(path, "constraints"), *config = PATH(path, "config");
    DeviceRequestNames names;

    device_request_names(causes->arena, claim, &names);
    check_requests(&claim->requests, PATH(path, "requests"), causes);
    if (!device_too_many(causes, constraints, claim->constraints.n, CONSTRAINTS_MAX))
        for (size_t i = 0; i < claim->constraints.n; i++)
            check_constraint(&claim->constraints.v[i], &names, PATH_INDEX(constraints, i), causes);
    if (device_too_many(causes, config, claim->config.n, DEVICE_CONFIG_MAX))
        return;
    for (size_t i = 0; i < claim->config.n; i++) {
        const DeviceClaimConfiguration *one = &claim->config.v[i];

        device_check_references(&one->requests, &names, PATH(PATH_INDEX(config, i), "requests"),
                                causes);
        device_check_configuration(&one->device_configuration, PATH_INDEX(config, i), causes);
    }
}

/* A spec that never changes is not checked again. */
static bool check_immutable(const Kind *kind, const void *now, const void *before, Causes *causes)
{
    if (before)
        validate_immutable(kind->spec, field_at(now, kind->spec), field_at(before, kind->spec),
                           "spec", causes);
    return before != NULL;
}

/* ---- ResourceClaim ---- */

static void claim_complete(Arena *arena _unused_, void *value)
{
    device_complete_claim(&((DeviceResourceClaim *)value)->spec.devices);
}

static void claim_validate(const void *value, const void *before, Causes *causes)
{
    const DeviceResourceClaim *claim = value;

    if (!check_immutable(&kind_device_resource_claim, value, before, causes))
        device_check_claim(&claim->spec.devices, PATH(NULL, "spec.devices"), causes);
}

static void claim_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const DeviceResourceClaim *claim = value;
    bool deleted = claim->metadata.deletion_timestamp.set;
    const char *allocated = claim->status.reserved_for.n ? "allocated,reserved" : "allocated";

    cell_string(out, claim->metadata.name);
    if (claim->status.allocation)
        cell_printf(out, "%s%s", deleted ? "deleted," : "", allocated);
    else
        cell_string(out, deleted ? "deleted" : "pending");
    cell_age(out, claim->metadata.creation_timestamp, now_ns);
}

static const SubresourceRules claim_subresources[] = {
    {.name = "status",
     .reset = status_without_meta_paths,
     .keeps_meta = true,
     .prepare = claim_prepare_status},
    {0},
};

const KindRules rules_device_resource_claim = {
    .complete = claim_complete,
    .validate = claim_validate,
    .validate_status = claim_validate_status,
    .print = claim_print,
    .subresources = claim_subresources,
};

/* ---- ResourceClaimTemplate ---- */

static void template_complete(Arena *arena _unused_, void *value)
{
    device_complete_claim(&((ResourceClaimTemplate *)value)->spec.spec.devices);
}

static void template_validate(const void *value, const void *before, Causes *causes)
{
    const ResourceClaimTemplateSpec *spec = &((const ResourceClaimTemplate *)value)->spec;

    validate_template_meta(&spec->metadata, PATH(NULL, "spec.metadata"), causes);
    device_check_claim(&spec->spec.devices, PATH(NULL, "spec.spec.devices"), causes);
    (void)check_immutable(&kind_resource_claim_template, value, before, causes);
}

/* Of a kind whose only columns are the name and the age. */
static void print_name(const void *value, int64_t now_ns, StrBuf *out)
{
    const ObjectMeta *meta = value;

    cell_string(out, meta->name);
    cell_age(out, meta->creation_timestamp, now_ns);
}

const KindRules rules_resource_claim_template = {
    .complete = template_complete,
    .validate = template_validate,
    .print = print_name,
};

/* ---- DeviceClass ---- */

static void class_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const DeviceClassSpec *spec = &((const DeviceClass *)value)->spec;
    const Path *config = PATH(NULL, "spec.config");

    device_check_selectors(&spec->selectors, PATH(NULL, "spec.selectors"), causes);
    if (!device_too_many(causes, config, spec->config.n, DEVICE_CONFIG_MAX))
        for (size_t i = 0; i < spec->config.n; i++)
            device_check_configuration(&spec->config.v[i].device_configuration,
                                       PATH_INDEX(config, i), causes);
    if (spec->extended_resource_name && !resource_is_extended(spec->extended_resource_name))
        causes_invalid_string(causes, "spec.extendedResourceName", spec->extended_resource_name,
                              "must be a valid extended resource name");
}

const KindRules rules_device_class = {.validate = class_validate, .print = print_name};
