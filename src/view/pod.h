/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a pod that controllers, the name server and the node agent ask alike. All of these
 * are pure functions of the object. */
#ifndef VIEW_POD_H
#define VIEW_POD_H

#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/time.h"

/* The condition of this type, or NULL. */
const PodCondition *pod_condition(const Pod *pod, const char *type);
/* Whether the condition Ready is True. */
bool pod_is_ready(const Pod *pod);
bool pod_is_running_and_ready(const Pod *pod);
/* Whether the pod has been ready for at least min_ready_seconds. */
bool pod_is_available(const Pod *pod, int32_t min_ready_seconds, int64_t now_ns);
static inline bool pod_is_terminating(const Pod *pod)
{
    return pod->metadata.deletion_timestamp.set;
}
static inline bool pod_is_failed(const Pod *pod)
{
    return str_equal(pod->status.phase, "Failed");
}
static inline bool pod_is_succeeded(const Pod *pod)
{
    return str_equal(pod->status.phase, "Succeeded");
}
static inline bool pod_has_ended(const Pod *pod)
{
    return pod_is_failed(pod) || pod_is_succeeded(pod);
}
/* The name of the PersistentVolumeClaim that the volume refers to, or NULL. */
static inline const char *volume_claim_name(const Volume *volume)
{
    const PersistentVolumeClaimVolumeSource *source = volume->volume_source.persistent_volume_claim;

    return source ? source->claim_name : NULL;
}
/* What the status of the pod says about its resource claim of this name, or NULL. */
static inline const PodResourceClaimStatus *pod_claim_status(const Pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->status.resource_claim_statuses.n; i++)
        if (str_equal(pod->status.resource_claim_statuses.v[i].name, name))
            return &pod->status.resource_claim_statuses.v[i];
    return NULL;
}
/* The name of the ResourceClaim of entry number i; NULL: it has not been made yet. */
static inline const char *pod_claim_name(const Pod *pod, size_t i)
{
    const PodResourceClaim *entry = &pod->spec.resource_claims.v[i];
    const PodResourceClaimStatus *status;

    if (entry->resource_claim_name)
        return entry->resource_claim_name;
    status = pod_claim_status(pod, entry->name);
    return status ? status->resource_claim_name : NULL;
}
#endif
