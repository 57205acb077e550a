/* SPDX-License-Identifier: Apache-2.0 */
/*
 * persistentVolumeClaimRetentionPolicy, which is expressed by owner references alone. No controller
 * deletes a claim; the garbage collector does when the owner that the policy requires is gone.
 *
 *     whenScaled  whenDeleted   owner of a replica's claim   owner of a condemned pod's claim
 *     Retain      Retain        none                         none
 *     Retain      Delete        the set                      the set
 *     Delete      Retain        none                         the pod
 *     Delete      Delete        the set                      the pod
 */
#include "api/meta.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/statefulset/plan.h"

static bool policy_deletes(const char *policy)
{
    return str_equal(policy, "Delete");
}

static bool deletes_when_scaled(const StatefulSet *set)
{
    const StatefulSetPersistentVolumeClaimRetentionPolicy *policy =
        set->spec.persistent_volume_claim_retention_policy;

    return policy_deletes(policy ? policy->when_scaled : NULL);
}

static bool deletes_when_deleted(const StatefulSet *set)
{
    const StatefulSetPersistentVolumeClaimRetentionPolicy *policy =
        set->spec.persistent_volume_claim_retention_policy;

    return policy_deletes(policy ? policy->when_deleted : NULL);
}

ClaimOwner statefulset_claim_owner(const StatefulSet *set, bool condemned)
{
    if (condemned && deletes_when_scaled(set))
        return CLAIM_OWNER_POD;
    return deletes_when_deleted(set) ? CLAIM_OWNER_SET : CLAIM_OWNER_NONE;
}

static bool names_set(const OwnerReference *ref, const StatefulSet *set)
{
    return str_equal(ref->api_version, "apps/v1") && str_equal(ref->kind, "StatefulSet") &&
           str_equal(ref->name, set->metadata.name);
}

static bool names_pod(const OwnerReference *ref, const char *pod_name)
{
    return str_equal(ref->api_version, "v1") && str_equal(ref->kind, "Pod") &&
           str_equal(ref->name, pod_name);
}

static bool is_uid(const OwnerReference *ref, const char *uid)
{
    return !str_empty(uid) && str_equal(ref->uid, uid);
}

static const char *pod_uid(const Pod *pod)
{
    return pod ? pod->metadata.uid : NULL;
}

bool statefulset_claim_is_stale(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                const char *pod_name, const Pod *pod)
{
    const OwnerReferenceArray *owners = &claim->metadata.owner_references;

    for (size_t i = 0; i < owners->n; i++) {
        const OwnerReference *ref = &owners->v[i];

        if (names_set(ref, set) && !is_uid(ref, set->metadata.uid))
            return true;
        if (deletes_when_scaled(set) && names_pod(ref, pod_name) && !is_uid(ref, pod_uid(pod)))
            return true;
    }
    return false;
}

ClaimVerdict statefulset_judge_claim(const StatefulSet *set, const PersistentVolumeClaim *claim,
                                     const char *pod_name, const Pod *pod, bool condemned)
{
    const OwnerReferenceArray *owners = &claim->metadata.owner_references;
    ClaimOwner want = statefulset_claim_owner(set, condemned);
    bool has_set = false, has_pod = false, weak = false, foreign = false;

    for (size_t i = 0; i < owners->n; i++) {
        const OwnerReference *ref = &owners->v[i];
        bool controls = ref->controller && *ref->controller;

        if (names_set(ref, set)) {
            if (!is_uid(ref, set->metadata.uid))
                return CLAIM_LEFT_ALONE;
            has_set = true;
            weak = weak || !controls;
        } else if (names_pod(ref, pod_name)) {
            if (!is_uid(ref, pod_uid(pod)))
                return CLAIM_LEFT_ALONE;
            has_pod = true;
            weak = weak || !controls;
        } else if (controls) {
            foreign = true;
        }
    }
    if (foreign && (deletes_when_scaled(set) || deletes_when_deleted(set)))
        return has_set || has_pod ? CLAIM_UPDATE : CLAIM_CONFLICT;
    if (weak || has_set != (want == CLAIM_OWNER_SET) || has_pod != (want == CLAIM_OWNER_POD && pod))
        return CLAIM_UPDATE;
    return CLAIM_FINE;
}

PersistentVolumeClaim *statefulset_fix_claim(Arena *arena, const StatefulSet *set,
                                             const PersistentVolumeClaim *claim,
                                             const char *pod_name, const Pod *pod, bool condemned)
{
    PersistentVolumeClaim *fixed = type_clone(&type_PersistentVolumeClaim, arena, claim);
    ClaimOwner want = statefulset_claim_owner(set, condemned);
    OwnerReferenceArray *owners = &fixed->metadata.owner_references;
    size_t n = 0;

    for (size_t i = 0; i < owners->n; i++)
        if (!names_set(&owners->v[i], set) && !names_pod(&owners->v[i], pod_name))
            owners->v[n++] = owners->v[i];
    owners->n = n;
    if (meta_controller(&fixed->metadata))
        return fixed; /* Another controller owns the claim, and there can be only one. */
    if (want == CLAIM_OWNER_SET)
        meta_add_owner(arena, &fixed->metadata,
                       meta_controller_reference(arena, &kind_stateful_set, &set->metadata));
    else if (want == CLAIM_OWNER_POD && pod)
        meta_add_owner(arena, &fixed->metadata,
                       meta_controller_reference(arena, &kind_pod, &pod->metadata));
    return fixed;
}
