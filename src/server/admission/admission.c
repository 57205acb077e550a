/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks and defaults that depend on other objects than the written one: the namespace has to exist,
 * defaults come from a class or an account, finalizers protect volumes. Each has a row in the table at
 * the end, and the first row that refuses the write ends admission.
 */
#include "api/meta.h"
#include "api/object.h"
#include "api/schema/certificates_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/rbac_v1.h"
#include "api/schema/resource_v1.h"
#include "api/schema/scheduling_v1.h"
#include "server/admission/admission.h"
#include "server/auth/rbac.h"

#define TOLERATION_SECONDS 300

/* ---- namespaces ---- */

static int refuse_terminating(Write *write)
{
    Arena *arena = &write->arena;
    Cause *cause = arena_new(arena, Cause);

    *cause = (Cause){CAUSE_NAMESPACE_TERMINATING, "metadata.namespace",
                     arena_printf(arena, "namespace %s is being terminated", write->ns)};
    status_forbidden(&write->status, arena, write->kind, write->name,
                     arena_printf(arena,
                                  "unable to create new content in namespace %s because it is "
                                  "being terminated",
                                  write->ns));
    write->status.causes = cause;
    write->status.n_causes = 1;
    return write->status.reason;
}

static int namespace_admit(Write *write)
{
    Object *ns;

    if (!(write->kind->flags & KIND_NAMESPACED))
        return 0;
    ns = store_head(write->server->store, &kind_namespace, NULL, write->ns);
    if (!ns)
        return status_not_found(&write->status, &write->arena, &kind_namespace, write->ns);
    if (object_meta(ns)->deletion_timestamp.set)
        return refuse_terminating(write);
    return 0;
}

/* ---- finalizers ---- */

static int volume_protection_admit(Write *write)
{
    const char *name = write->kind == &kind_persistent_volume ? "kubernetes.io/pv-protection"
                                                              : "kubernetes.io/pvc-protection";

    meta_add_finalizer(&write->object->arena, object_meta(write->object), name);
    return 0;
}

/* ---- pods ---- */

static bool tolerates(const PodSpec *spec, const char *key)
{
    for (size_t i = 0; i < spec->tolerations.n; i++) {
        const Toleration *toleration = &spec->tolerations.v[i];

        if ((str_empty(toleration->key) || str_equal(toleration->key, key)) &&
            (str_empty(toleration->effect) || str_equal(toleration->effect, "NoExecute")))
            return true;
    }
    return false;
}

static int tolerations_admit(Write *write)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    Arena *arena = &write->object->arena;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!tolerates(spec, keys[i]))
            ARENA_APPEND(
                arena, &spec->tolerations,
                (Toleration){.key = keys[i],
                             .operator= "Exists",
                             .effect = "NoExecute",
                             .toleration_seconds = arena_int64(arena, TOLERATION_SECONDS)});
    return 0;
}

/* ---- the table ---- */

static const struct {
    const Kind *kind; /* NULL: all kinds */
    int (*admit)(Write *write);
} create_rows[] = {
    {NULL, namespace_admit},
    {&kind_pod, limit_range_complete},
    {&kind_pod, serviceaccount_admit},
    {NULL, node_restriction_admit},
    {&kind_pod, node_selector_admit},
    {&kind_pod, priority_admit},
    {&kind_pod, tolerations_admit},
    {&kind_pod, runtime_class_admit},
    {&kind_persistent_volume_claim, storage_class_admit},
    {&kind_persistent_volume_claim, volume_protection_admit},
    {&kind_persistent_volume, volume_protection_admit},
    {&kind_priority_class, priority_class_admit},
    {&kind_certificate_signing_request, certificate_admit},
    {&kind_resource_slice, device_taints_admit},
    {&kind_role, rbac_admit},
    {&kind_role_binding, rbac_admit},
    {&kind_cluster_role, rbac_admit},
    {&kind_cluster_role_binding, rbac_admit},
};

int admission_namespace(Write *write)
{
    return namespace_admit(write);
}

int admission_allocate(Write *write)
{
    return write->kind == &kind_service && !write->subresource ? service_allocate(write) : 0;
}

int admission_create(Write *write)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(create_rows) && r == 0; i++)
        if (!create_rows[i].kind || create_rows[i].kind == write->kind)
            r = create_rows[i].admit(write);
    return r;
}

/* In the order of the plugins of kube-apiserver. */
static const struct {
    const Kind *kind; /* NULL: all kinds */
    int (*check)(Write *write);
} check_rows[] = {
    {&kind_pod, limit_range_check},
    {&kind_persistent_volume_claim, limit_range_check},
    {NULL, pod_security_check},
    {NULL, owner_references_check},
    {&kind_certificate_signing_request, certificate_check},
    {&kind_pod, pod_resize_check},
    {NULL, quota_admit}, /* last, since only what is stored may be charged */
};

void admission_add_causes(Write *write, Causes *causes)
{
    if (write->kind == &kind_device_resource_claim || write->kind == &kind_resource_claim_template)
        device_claim_check(write, causes);
}

int admission_validate(Write *write)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(check_rows) && r == 0; i++)
        if (!check_rows[i].kind || check_rows[i].kind == write->kind)
            r = check_rows[i].check(write);
    return r;
}

void admission_stored(Write *write)
{
    quota_charge(write);
    if (write->kind == &kind_service && !str_equal(write->subresource, "status"))
        service_write_addresses(write);
}

void admission_removed(const Write *write)
{
    if (write->kind == &kind_service)
        service_write_addresses(write);
}

void admission_named(Write *write)
{
    static const char *finalizers[] = {"kubernetes"};
    Object *object = write->object;
    Namespace *ns;

    if (write->kind != &kind_namespace)
        return;
    ns = OBJECT_AS(Namespace, object);
    string_map_put(&object->arena, &ns->metadata.labels, "kubernetes.io/metadata.name",
                   ns->metadata.name);
    ns->spec.finalizers = (StringArray){finalizers, 1};
    ns->status.phase = "Active";
}

int admission_update(Write *write)
{
    if (write->kind == &kind_priority_class)
        return priority_class_admit(write);
    if (write->kind == &kind_resource_slice)
        return device_taints_admit(write);
    if (write->kind == &kind_pod && !write->subresource) {
        priority_keep(write);
        return tolerations_admit(write);
    }
    if (write->kind == &kind_role || write->kind == &kind_role_binding ||
        write->kind == &kind_cluster_role || write->kind == &kind_cluster_role_binding)
        return rbac_admit(write);
    return 0;
}

int admission_delete(Write *write)
{
    static const char *const immortal[] = {"default", "kube-system", "kube-public"};

    int r = node_restriction_delete(write);

    if (r)
        return r;
    if (write->kind == &kind_priority_class)
        return priority_class_admit_delete(write);
    if (write->kind != &kind_namespace)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(immortal); i++)
        if (str_equal(write->name, immortal[i]))
            return status_forbidden(&write->status, &write->arena, write->kind, write->name,
                                    "this namespace may not be deleted");
    return 0;
}
