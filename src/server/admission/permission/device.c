/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims of devices: who may ask for administration, and who may write which part of a status. These are
 * rules of validation in Kubernetes, so their refusals are causes.
 *
 *   allocation, reservedFor   need the verb of the request on resourceclaims/binding, for all namespaces
 *   devices                   need "arbitrary-node:" and the verb on resourceclaims/driver, by the name of the
 *                             driver; a ServiceAccount on the node of the allocation may have "associated-node:"
 */
#include "api/device_key.h"
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/resource_v1.h"
#include "base/text_map.h"
#include "server/admission/admission.h"
#include "server/auth/auth.h"

#define ADMIN_LABEL "resource.kubernetes.io/admin-access"
#define NODE_NAME "authentication.kubernetes.io/node-name"
#define GROUP "resource.k8s.io"

/* ---- administration ---- */

static void check_admin(Write *write, const char *path, Causes *causes)
{
    const Object *ns = store_head(write->server->store, &kind_namespace, NULL, write->ns);

    if (ns && str_equal(string_map_get(&object_meta(ns)->labels, ADMIN_LABEL), "true"))
        return;
    causes_forbidden(causes, path,
                     "admin access to devices requires the `" ADMIN_LABEL
                     ": true` label on the containing namespace");
}

static void check_admin_requests(Write *write, const DeviceClaim *claim, Causes *causes)
{
    for (size_t i = 0; i < claim->requests.n; i++) {
        const ExactDeviceRequest *exactly = claim->requests.v[i].exactly;

        if (!exactly || !exactly->admin_access || !*exactly->admin_access)
            continue;
        check_admin(write, arena_printf(causes->arena, "spec.devices.requests[%zu].adminAccess", i),
                    causes);
        return;
    }
}

/* The index of the first result for administration; -1: none. */
static int64_t admin_result(const ResourceClaimStatus *status)
{
    for (size_t i = 0; status->allocation && i < status->allocation->devices.results.n; i++) {
        const bool *admin = status->allocation->devices.results.v[i].admin_access;

        if (admin && *admin)
            return (int64_t)i;
    }
    return -1;
}

static void check_admin_results(Write *write, const ResourceClaimStatus *now,
                                const ResourceClaimStatus *before, Causes *causes)
{
    int64_t i = admin_result(now);

    if (i >= 0 && admin_result(before) < 0)
        check_admin(write,
                    arena_printf(causes->arena,
                                 "status.allocation.devices.results[%" PRId64 "].adminAccess", i),
                    causes);
}

/* ---- permissions of parts of the status ---- */

static const char *verb_of(const Write *write)
{
    return write->call ? write->call->target.attributes.verb : "update";
}

/* NULL: the user may; else the refusal as a sentence. */
static const char *refusal(Write *write, const Attributes *attributes)
{
    ApiStatus status = {0};
    const char *reason;

    if (authorize(write->server, write->user, attributes, &write->arena, &reason))
        return NULL;
    authorize_forbidden(&status, &write->arena, write->user, attributes, reason);
    return status.message;
}

static bool same(const char *name, const ResourceClaimStatus *a, const ResourceClaimStatus *b)
{
    return type_member_equal(&type_ResourceClaimStatus, name, a, b);
}

static void check_binding(Write *write, const ResourceClaimStatus *now,
                          const ResourceClaimStatus *before, Causes *causes)
{
    const Attributes attributes = {.verb = verb_of(write),
                                   .group = GROUP,
                                   .resource = "resourceclaims",
                                   .subresource = "binding"};
    const char *why;

    if (same("allocation", now, before) && same("reservedFor", now, before))
        return;
    why = refusal(write, &attributes);
    if (why)
        causes_forbidden(
            causes, "status.allocation",
            arena_printf(causes->arena,
                         "changing status.allocation or status.reservedFor requires "
                         "resource=\"resourceclaims/binding\", verb=\"%s\" permission: "
                         "%s",
                         attributes.verb, why));
}

/* The one node that can use the allocation, or NULL. */
static const char *node_of(const AllocationResult *allocation)
{
    const NodeSelector *selector = allocation->node_selector;
    const NodeSelectorTerm *term;
    const NodeSelectorRequirement *field;

    if (!selector || selector->node_selector_terms.n != 1)
        return NULL;
    term = &selector->node_selector_terms.v[0];
    if (term->match_expressions.n || term->match_fields.n != 1)
        return NULL;
    field = &term->match_fields.v[0];
    return str_equal(field->key, "metadata.name") && str_equal(field->operator, "In") &&
                   field->values.n == 1
               ? field->values.v[0]
               : NULL;
}

static bool is_on_node(const User *user, const char *node)
{
    if (!node || !user->sa_name)
        return false;
    for (size_t i = 0; i < user->extra.n; i++)
        if (str_equal(user->extra.v[i].key, NODE_NAME))
            return user->extra.v[i].value.items.n == 1 &&
                   str_equal(user->extra.v[i].value.items.v[0], node);
    return false;
}

static const char *key_of(Arena *arena, const AllocatedDeviceStatus *device)
{
    return device_key(arena, device->driver, device->pool, device->device, device->share_id);
}

/* Adds the drivers of the devices of `of` that are not the same in `other`. */
static void add_changed(TextMap *drivers, const ResourceClaimStatus *of,
                        const ResourceClaimStatus *other)
{
    Arena *arena = drivers->arena;
    TextMap others = TEXT_MAP_INIT(arena);

    for (size_t i = 0; i < other->devices.n; i++)
        text_map_put_first(&others, key_of(arena, &other->devices.v[i]), &other->devices.v[i]);
    for (size_t i = 0; i < of->devices.n; i++) {
        const AllocatedDeviceStatus *found =
            text_map_get(&others, key_of(arena, &of->devices.v[i]));

        if (!found || !type_equal(&type_AllocatedDeviceStatus, found, &of->devices.v[i]))
            (void)text_map_add(drivers, of->devices.v[i].driver);
    }
}

static void check_driver(Write *write, const char *driver, bool near, Causes *causes)
{
    Arena *arena = causes->arena;
    const char *verbs[] = {arena_printf(arena, "associated-node:%s", verb_of(write)),
                           arena_printf(arena, "arbitrary-node:%s", verb_of(write))};
    const char *why = NULL, *listed;

    for (size_t i = near ? 0 : 1; i < ARRAY_LEN(verbs); i++) {
        const char *refused = refusal(write, &(Attributes){.verb = verbs[i],
                                                           .group = GROUP,
                                                           .resource = "resourceclaims",
                                                           .subresource = "driver",
                                                           .ns = write->ns,
                                                           .name = driver});

        if (!refused)
            return;
        why = why ? why : refused;
    }
    listed = near ? arena_printf(arena, "%s %s", verbs[0], verbs[1]) : verbs[1];
    causes_forbidden(
        causes, "status.devices",
        arena_printf(arena,
                     "changing status.devices requires "
                     "resource=\"resourceclaims/driver\", verb=\"[%s]\" permission: %s",
                     listed, why));
}

static void check_drivers(Write *write, const ResourceClaimStatus *now,
                          const ResourceClaimStatus *before, Causes *causes)
{
    TextMap changed = TEXT_MAP_INIT(causes->arena), seen = TEXT_MAP_INIT(causes->arena);
    const char **drivers =
        arena_new_n(causes->arena, const char *, now->devices.n + before->devices.n + 1);
    bool near = is_on_node(write->user, node_of(now->allocation));
    size_t n = 0;

    add_changed(&changed, now, before);
    add_changed(&changed, before, now);
    for (size_t i = 0; i < now->devices.n + before->devices.n; i++) {
        const char *driver = i < now->devices.n ? now->devices.v[i].driver
                                                : before->devices.v[i - now->devices.n].driver;

        if (text_map_has(&changed, driver) && text_map_add(&seen, driver))
            drivers[n++] = str_or(driver, "");
    }
    str_sort(drivers, n);
    for (size_t i = 0; i < n; i++)
        check_driver(write, drivers[i], near, causes);
}

void device_claim_check(Write *write, Causes *causes)
{
    const ResourceClaimStatus *now, *before;

    if (write->kind == &kind_resource_claim_template) {
        if (!write->before)
            check_admin_requests(
                write, &OBJECT_AS(ResourceClaimTemplate, write->object)->spec.spec.devices, causes);
        return;
    }
    now = &OBJECT_AS(DeviceResourceClaim, write->object)->status;
    if (!write->before) {
        check_admin_requests(write, &OBJECT_AS(DeviceResourceClaim, write->object)->spec.devices,
                             causes);
    } else if (str_equal(write->subresource, "status")) {
        before = &OBJECT_AS(DeviceResourceClaim, write->before)->status;
        check_admin_results(write, now, before, causes);
        check_binding(write, now, before, causes);
        if (now->allocation)
            check_drivers(write, now, before, causes);
    }
}

/* ---- taints ---- */

int device_taints_admit(Write *write)
{
    ResourceSliceSpec *spec = &OBJECT_AS(ResourceSlice, write->object)->spec;

    for (size_t i = 0; i < spec->devices.n; i++)
        for (size_t k = 0; k < spec->devices.v[i].taints.n; k++)
            if (!spec->devices.v[i].taints.v[k].time_added.set)
                spec->devices.v[i].taints.v[k].time_added = server_time(write->server);
    return 0;
}
