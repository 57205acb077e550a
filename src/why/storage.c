/* SPDX-License-Identifier: Apache-2.0 */
/* What a claim waits for: a class, a pod, room on the disk, its growth, or its end. */
#include "api/condition.h"
#include "api/quantity.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/storage_v1.h"
#include "why/internal.h"

static void claim_step(Why *why, const PersistentVolumeClaim *claim, const char *reason,
                       const char *message, const char *next)
{
    why_step(why, &kind_persistent_volume_claim, claim->metadata.name, reason, message, next);
}

/* The first pod that has the claim among its volumes. */
static const Pod *user_of(Why *why, const PersistentVolumeClaim *claim)
{
    WhyList pods = why_list(why, &kind_pod, claim->metadata.namespace, NULL);

    for (size_t i = 0; i < pods.n; i++) {
        const Pod *pod = pods.v[i];

        for (size_t k = 0; k < pod->spec.volumes.n; k++) {
            const PersistentVolumeClaimVolumeSource *source =
                pod->spec.volumes.v[k].volume_source.persistent_volume_claim;

            if (source && str_equal(source->claim_name, claim->metadata.name))
                return pod;
        }
    }
    return NULL;
}

static void explain_end(Why *why, const PersistentVolumeClaim *claim)
{
    const Pod *pod = user_of(why, claim);

    if (pod)
        claim_step(
            why, claim, "Terminating",
            WHY_TEXT(why, "it is being deleted, but pod %s still uses it", pod->metadata.name),
            WHY_TEXT(why, "delete the pod: kubectl delete pod %s -n %s", pod->metadata.name,
                     pod->metadata.namespace));
    else
        claim_step(why, claim, "Terminating",
                   WHY_TEXT(why, "it is being deleted, and waits for the removal of %s",
                            claim->metadata.finalizers.n
                                ? WHY_TEXT(why, "its finalizer %s", claim->metadata.finalizers.v[0])
                                : "its volume"),
                   NULL);
}

static bool is_default(const StorageClass *class)
{
    return str_equal(
        string_map_get(&class->metadata.annotations, "storageclass.kubernetes.io/is-default-class"),
        "true");
}

/* A claim without a class waits for a default class. */
static void explain_no_class(Why *why, const PersistentVolumeClaim *claim)
{
    WhyList classes = why_list(why, &kind_storage_class, NULL, NULL);

    for (size_t i = 0; i < classes.n; i++)
        if (is_default(classes.v[i])) {
            claim_step(why, claim, "Pending", "its volume is being provisioned", NULL);
            return;
        }
    claim_step(why, claim, "NoDefaultClass",
               "it names no StorageClass, and there is no default one",
               "set storageClassName of the claim; the classes: kubectl get storageclass");
}

static void explain_pending(Why *why, const PersistentVolumeClaim *claim)
{
    static const char *const failures[] = {"ProvisioningFailed", "FailedBinding", "VolumeMismatch",
                                           NULL};
    const Event *failure = why_event(why, &claim->metadata, failures);
    const char *name = claim->spec.storage_class_name;
    const StorageClass *class = NULL;
    size_t before = why->chain->n;
    const void *found = NULL;

    if (!str_empty(claim->spec.volume_name)) {
        claim_step(
            why, claim, "Pending",
            WHY_TEXT(why, "it waits for the volume %s that it names", claim->spec.volume_name),
            "check that the volume exists, is Available, and suits the claim: kubectl get pv");
        return;
    }
    if (failure) {
        claim_step(why, claim, failure->reason, failure->message,
                   "free some room on the disk (stead volume ls), or ask for less");
        return;
    }
    if (!name) {
        explain_no_class(why, claim);
        return;
    }
    if (str_empty(name)) {
        claim_step(why, claim, "NoVolume",
                   "its storageClassName is empty, so it waits for a volume that suits it",
                   "create a PersistentVolume, or name a class");
        return;
    }
    if (why->source->get(why->source->data, &kind_storage_class, NULL, name, &found) ==
        WHY_MISSING) {
        claim_step(why, claim, "NoClass", WHY_TEXT(why, "its StorageClass %s does not exist", name),
                   "create the class, or make the claim again with another one: kubectl get "
                   "storageclass");
        return;
    }
    class = found;
    if (class && str_equal(class->volume_binding_mode, "WaitForFirstConsumer") &&
        !string_map_get(&claim->metadata.annotations, "volume.kubernetes.io/selected-node")) {
        const Pod *pod = user_of(why, claim);

        claim_step(
            why, claim, "WaitForFirstConsumer",
            pod ? WHY_TEXT(why, "it gets its volume when pod %s has a node", pod->metadata.name)
                : "it gets its volume when the first pod uses it, and no pod does",
            pod ? NULL : "create a pod with this claim, or use a class that binds at once");
        return;
    }
    if (why->chain->n == before)
        claim_step(why, claim, "Pending", "its volume is being provisioned", NULL);
}

static void explain_growth(Why *why, const PersistentVolumeClaim *claim)
{
    static const char *const failures[] = {"VolumeResizeFailed", NULL};
    const char *asked = string_map_get(&claim->spec.resources.requests, "storage");
    const char *has = string_map_get(&claim->status.capacity, "storage");
    bool pending = CONDITION_IS_TRUE(&claim->status.conditions, "FileSystemResizePending");
    const Event *failure;

    if (!asked || !has || quantity_compare(has, asked) >= 0)
        return;
    failure = why_event(why, &claim->metadata, failures);
    if (pending && !failure) {
        claim_step(why, claim, "FileSystemResizePending",
                   WHY_TEXT(why,
                            "its volume has %s and has to grow to %s, which the node is doing, or "
                            "does when no pod "
                            "uses it",
                            has, asked),
                   "if this takes longer than some seconds, the node cannot grow a volume in use: "
                   "stop its pod for a moment");
        return;
    }
    claim_step(why, claim, failure ? failure->reason : "Resizing",
               WHY_TEXT(why, "its volume has %s and has to grow to %s%s%s", has, asked,
                        failure ? ": " : "", failure ? failure->message : ""),
               failure ? "free some room on the disk: stead volume ls" : NULL);
}

void why_claim(Why *why, const void *value)
{
    const PersistentVolumeClaim *claim = value;

    if (claim->metadata.deletion_timestamp.set)
        explain_end(why, claim);
    else if (str_equal(claim->status.phase, "Lost"))
        claim_step(why, claim, "Lost",
                   WHY_TEXT(why, "its volume %s is gone, and with it the data",
                            str_or(claim->spec.volume_name, "")),
                   "delete the claim and make it again, or restore the volume from a backup");
    else if (!str_equal(claim->status.phase, "Bound"))
        explain_pending(why, claim);
    else
        explain_growth(why, claim);
}
