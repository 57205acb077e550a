/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of the status of ResourceClaims: who uses the claim, what was allocated for it, and what drivers
 * report about the devices. An allocation does not change, but it can be removed, and what was reported
 * about its devices goes with it.
 */
#include "api/device_key.h"
#include "api/rules/resource/claim.h"

#include <arpa/inet.h>

#include "api/object.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/meta_v1.h"
#include "api/validate/pod.h"

enum {
    CONSUMERS_MAX = 256,
    CONDITIONS_MAX = 8,
    INTERFACE_NAME_MAX = 256,
    HARDWARE_ADDRESS_MAX = 128,
    ADDRESSES_MAX = 16,
};

static const char *result_key(Arena *arena, const DeviceRequestAllocationResult *result)
{
    return device_key(arena, result->driver, result->pool, result->device, result->share_id);
}

static const char *status_key(Arena *arena, const AllocatedDeviceStatus *device)
{
    return device_key(arena, device->driver, device->pool, device->device, device->share_id);
}

static void add_results(TextMap *map, const ResourceClaimStatus *status)
{
    for (size_t i = 0; status->allocation && i < status->allocation->devices.results.n; i++)
        (void)text_map_add(map, result_key(map->arena, &status->allocation->devices.results.v[i]));
}

void claim_prepare_status(Arena *arena, void *value, const void *before, int64_t now_ns _unused_)
{
    ResourceClaimStatus *status = &((DeviceResourceClaim *)value)->status;
    TextMap was = TEXT_MAP_INIT(arena), is = TEXT_MAP_INIT(arena);
    size_t n = 0;

    add_results(&was, &((const DeviceResourceClaim *)before)->status);
    add_results(&is, status);
    for (size_t i = 0; i < status->devices.n; i++) {
        const char *key = status_key(arena, &status->devices.v[i]);

        if (!text_map_has(&was, key) || text_map_has(&is, key))
            status->devices.v[n++] = status->devices.v[i];
    }
    status->devices.n = n;
}

/* ---- consumers ---- */

static bool has_consumer(const TextMap *consumers, Arena *arena,
                         const ResourceClaimConsumerReference *consumer)
{
    return text_map_has(consumers,
                        arena_printf(arena, "%s/%s/%s/%s", str_or(consumer->api_group, ""),
                                     str_or(consumer->resource, ""), str_or(consumer->name, ""),
                                     str_or(consumer->uid, "")));
}

static void check_new_consumers(const ResourceClaimStatus *status,
                                const ResourceClaimStatus *before, const Path *path, Causes *causes)
{
    TextMap old = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < before->reserved_for.n; i++) {
        const ResourceClaimConsumerReference *one = &before->reserved_for.v[i];

        (void)text_map_add(&old, arena_printf(causes->arena, "%s/%s/%s/%s",
                                              str_or(one->api_group, ""), str_or(one->resource, ""),
                                              str_or(one->name, ""), str_or(one->uid, "")));
    }
    for (size_t i = 0; i < status->reserved_for.n; i++) {
        if (has_consumer(&old, causes->arena, &status->reserved_for.v[i]))
            continue;
        fail_forbidden(causes, path,
                       "new entries may not be added while `deallocationRequested` or "
                       "`deletionTimestamp` are set");
        return;
    }
}

static void check_consumers(const DeviceResourceClaim *claim, const DeviceResourceClaim *before,
                            Causes *causes)
{
    const ResourceClaimStatus *status = &claim->status;
    const Path *path = PATH(NULL, "status.reservedFor");
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, status->reserved_for.n, CONSUMERS_MAX))
        return;
    for (size_t i = 0; i < status->reserved_for.n; i++) {
        const ResourceClaimConsumerReference *one = &status->reserved_for.v[i];
        const Path *at = PATH_INDEX(path, i);

        if (str_empty(one->resource))
            fail_required(causes, PATH(at, "resource"), "");
        if (str_empty(one->name))
            fail_required(causes, PATH(at, "name"), "");
        if (str_empty(one->uid))
            fail_required(causes, PATH(at, "uid"), "");
        fail_if_seen(causes, at, &seen, str_or(one->uid, ""));
    }
    if (status->reserved_for.n && !status->allocation)
        fail_forbidden(causes, path, "may not be specified when `allocated` is not set");
    else if (status->reserved_for.n && before && claim->metadata.deletion_timestamp.set)
        check_new_consumers(status, &before->status, path, causes);
}

/* ---- the allocation ---- */

static void check_result(const DeviceRequestAllocationResult *result,
                         const DeviceRequestNames *names, const Path *path, Causes *causes)
{
    device_check_reference(result->request, names, PATH(path, "request"), causes);
    validate_driver_name(result->driver, PATH(path, "driver"), causes);
    device_check_pool(result->pool, PATH(path, "pool"), causes);
    device_check_label(result->device, PATH(path, "device"), causes);
    device_check_binding_conditions(&result->binding_conditions,
                                    &result->binding_failure_conditions, path, causes);
    if (result->share_id)
        device_check_uid(result->share_id, PATH(path, "shareID"), causes);
}

static void check_config(const DeviceAllocationConfiguration *config,
                         const DeviceRequestNames *names, const Path *path, Causes *causes)
{
    static const char *const sources[] = {"FromClaim", "FromClass", NULL};

    if (str_empty(config->source))
        fail_required(causes, PATH(path, "source"), "");
    else if (!name_is_one_of(config->source, sources))
        fail_not_supported(causes, PATH(path, "source"), config->source, sources);
    device_check_references(&config->requests, names, PATH(path, "requests"), causes);
    device_check_configuration(&config->device_configuration, path, causes);
}

static void check_allocation(const DeviceResourceClaim *claim, Causes *causes)
{
    const AllocationResult *allocation = claim->status.allocation;
    const DeviceAllocationResult *devices = &allocation->devices;
    const Path *results = PATH(NULL, "status.allocation.devices.results"),
               *config = PATH(NULL, "status.allocation.devices.config");
    DeviceRequestNames names;

    device_request_names(causes->arena, &claim->spec.devices, &names);
    if (!device_too_many(causes, results, devices->results.n, DEVICE_REQUESTS_MAX))
        for (size_t i = 0; i < devices->results.n; i++)
            check_result(&devices->results.v[i], &names, PATH_INDEX(results, i), causes);
    if (!device_too_many(causes, config, devices->config.n, (size_t)2 * DEVICE_CONFIG_MAX))
        for (size_t i = 0; i < devices->config.n; i++)
            check_config(&devices->config.v[i], &names, PATH_INDEX(config, i), causes);
    if (allocation->node_selector && !allocation->node_selector->node_selector_terms.n)
        causes_required(causes, "status.allocation.nodeSelector.nodeSelectorTerms",
                        "must have at least one node selector term");
    else if (allocation->node_selector)
        validate_node_selector(allocation->node_selector,
                               PATH(NULL, "status.allocation.nodeSelector"), causes);
}

/* ---- what drivers report ---- */

/* Removes the leading zeros of the parts of an IPv4 address, which Go reads over. */
static void remove_zeros(char *address)
{
    char *to = address;
    bool begins = true; /* a part, without a digit but zeros so far */

    for (const char *c = address; *c; c++) {
        bool zero = begins && *c == '0' && c[1] >= '0' && c[1] <= '9';

        begins = zero || *c == '.';
        if (!zero)
            *to++ = *c;
    }
    *to = 0;
}

/* An address with the length of its prefix, written as Go would. */
static void check_interface_address(const char *text, const Path *path, Causes *causes)
{
    const char *slash = strchr(text, '/');
    char *address = arena_strndup(causes->arena, text, slash ? (size_t)(slash - text) : 0);
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    const char *canonical;
    char printed[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    int64_t bits;

    if (family == AF_INET)
        remove_zeros(address);
    if (!slash || inet_pton(family, address, bytes) != 1 ||
        str_to_int64(slash + 1, 0, family == AF_INET6 ? 128 : 32, &bits) ||
        !inet_ntop(family, bytes, printed, sizeof(printed))) {
        fail_invalid(causes, path, text,
                     "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
        return;
    }
    canonical = arena_printf(causes->arena, "%s/%" PRId64, printed, bits);
    if (strcmp(canonical, text) != 0)
        fail_invalid(causes, path, text,
                     arena_printf(causes->arena, "must be in canonical form (\"%s\")", canonical));
}

static void check_network(const NetworkDeviceData *network, const Path *path, Causes *causes)
{
    const Path *ips = PATH(path, "ips");
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (strlen(str_or(network->interface_name, "")) > INTERFACE_NAME_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "interfaceName"), causes), NULL,
                   "may not be more than 256 bytes");
    if (strlen(str_or(network->hardware_address, "")) > HARDWARE_ADDRESS_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "hardwareAddress"), causes), NULL,
                   "may not be more than 128 bytes");
    if (device_too_many(causes, ips, network->ips.n, ADDRESSES_MAX))
        return;
    for (size_t i = 0; i < network->ips.n; i++) {
        check_interface_address(network->ips.v[i], PATH_INDEX(ips, i), causes);
        fail_if_seen(causes, PATH_INDEX(ips, i), &seen, network->ips.v[i]);
    }
}

static void check_device(const AllocatedDeviceStatus *device, const TextMap *allocated,
                         const Path *path, Causes *causes)
{
    Arena *arena = causes->arena;

    validate_driver_name(device->driver, PATH(path, "driver"), causes);
    device_check_pool(device->pool, PATH(path, "pool"), causes);
    device_check_label(device->device, PATH(path, "device"), causes);
    if (device->share_id)
        device_check_uid(device->share_id, PATH(path, "shareID"), causes);
    if (!text_map_has(allocated, status_key(arena, device)))
        rules_invalid(causes, path,
                      arena_printf(arena,
                                   "{\"Driver\":%s,\"Pool\":%s,\"Device\":%s,\"ShareID\":%s}",
                                   causes_quote(causes, str_or(device->driver, "")),
                                   causes_quote(causes, str_or(device->pool, "")),
                                   causes_quote(causes, str_or(device->device, "")),
                                   causes_quote(causes, str_or(device->share_id, ""))),
                      "must be an allocated device in the claim");
    (void)device_too_many(causes, PATH(path, "conditions"), device->conditions.n, CONDITIONS_MAX);
    validate_conditions(&device->conditions, PATH(path, "conditions"), causes);
    if (device->data.n)
        device_check_object(device->data, PATH(path, "data"), causes);
    if (device->network_data)
        check_network(device->network_data, PATH(path, "networkData"), causes);
}

static void check_devices(const ResourceClaimStatus *status, Causes *causes)
{
    const Path *path = PATH(NULL, "status.devices");
    TextMap allocated = TEXT_MAP_INIT(causes->arena), seen = TEXT_MAP_INIT(causes->arena);

    add_results(&allocated, status);
    for (size_t i = 0; i < status->devices.n; i++)
        check_device(&status->devices.v[i], &allocated, PATH_INDEX(path, i), causes);
    for (size_t i = 0; i < status->devices.n; i++)
        fail_if_seen(causes, PATH_INDEX(path, i), &seen,
                     status_key(causes->arena, &status->devices.v[i]));
}

void claim_validate_status(const void *value, const void *before_value, Causes *causes)
{
    const DeviceResourceClaim *claim = value, *before = before_value;
    const Field *field = type_member(&type_ResourceClaimStatus, "allocation");

    check_consumers(claim, before, causes);
    check_devices(&claim->status, causes);
    if (claim->status.allocation && before && before->status.allocation)
        validate_immutable(field, &claim->status.allocation, &before->status.allocation,
                           "status.allocation", causes);
    else if (claim->status.allocation)
        check_allocation(claim, causes);
}
