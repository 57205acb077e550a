/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the indexes that controllers share, for each kind; see object_index.h. */
#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_quota_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/resource_v1.h"
#include "control/controllers.h"
#include "control/object_index.h"
#include "control/pods.h"
#include "view/pod.h"

static void index_term(const char *ns, const Requirement *r, IndexKeys *keys)
{
    if (!r)
        index_key(keys, "x/%s/", ns);
    for (size_t i = 0; r && i < r->values.n; i++)
        index_key(keys, "x/%s/%s=%s", ns, r->key, r->values.v[i]);
}

static void index_anti_affinity(const Pod *pod, IndexKeys *keys)
{
    const Affinity *affinity = pod->spec.affinity;
    const PodAffinityTermArray *terms;

    if (!affinity || !affinity->pod_anti_affinity)
        return;
    terms = &affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution;
    for (size_t i = 0; i < terms->n; i++) {
        const PodAffinityTerm *term = &terms->v[i];
        _arena_ Arena arena = ARENA_INIT;
        const Requirement *r = selector_narrow(selector_from_api(&arena, term->label_selector));

        if (term->namespace_selector)
            index_term("*", r, keys);
        else if (!term->namespaces.n)
            index_term(str_or(pod->metadata.namespace, ""), r, keys);
        for (size_t k = 0; k < term->namespaces.n; k++)
            index_term(str_or(term->namespaces.v[k], ""), r, keys);
    }
}

static void keys_of_pod(const Object *object, IndexKeys *keys)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    const OwnerReference *ref = meta_controller(&pod->metadata);
    const char *ns = str_or(pod->metadata.namespace, "");

    index_owner(&pod->metadata, keys);
    index_labels(&pod->metadata, keys);
    index_key(keys, "l/%s/", ns);
    index_key(keys, "l/");
    index_anti_affinity(pod, keys);
    if (ref ? str_equal(ref->kind, "Job") : job_tracks(pod))
        index_key(keys, "j/%s/%s", ns, ref ? str_or(ref->name, "") : "");
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const char *claim = volume_claim_name(&pod->spec.volumes.v[i]);

        if (claim)
            index_key(keys, "v/%s/%s", ns, claim);
    }
    for (size_t i = 0; i < pod->spec.resource_claims.n; i++) {
        const char *claim = pod_claim_name(pod, i);
        const char *template = pod->spec.resource_claims.v[i].resource_claim_template_name;

        if (claim)
            index_key(keys, "d/%s/%s", ns, claim);
        if (template)
            index_key(keys, "dt/%s/%s", ns, template);
    }
}

static void keys_of_owned(const Object *object, IndexKeys *keys)
{
    index_owner(object_meta(object), keys);
}

static void keys_of_replica_set(const Object *object, IndexKeys *keys)
{
    index_owner(object_meta(object), keys);
    index_selector(object_meta(object), OBJECT_AS(ReplicaSet, object)->spec.selector, keys);
}

static void keys_of_replication_controller(const Object *object, IndexKeys *keys)
{
    const StringMap *selector = &OBJECT_AS(ReplicationController, object)->spec.selector;

    index_owner(object_meta(object), keys);
    index_selector(object_meta(object), &(LabelSelector){.match_labels = *selector}, keys);
}

static void keys_of_job(const Object *object, IndexKeys *keys)
{
    index_owner(object_meta(object), keys);
    index_selector(object_meta(object), OBJECT_AS(Job, object)->spec.selector, keys);
}

static void keys_of_stateful_set(const Object *object, IndexKeys *keys)
{
    index_selector(object_meta(object), OBJECT_AS(StatefulSet, object)->spec.selector, keys);
}

static void keys_of_deployment(const Object *object, IndexKeys *keys)
{
    index_selector(object_meta(object), OBJECT_AS(Deployment, object)->spec.selector, keys);
}

static void keys_of_daemon_set(const Object *object, IndexKeys *keys)
{
    index_selector(object_meta(object), OBJECT_AS(DaemonSet, object)->spec.selector, keys);
}

static void keys_of_budget(const Object *object, IndexKeys *keys)
{
    index_selector(object_meta(object), OBJECT_AS(PodDisruptionBudget, object)->spec.selector,
                   keys);
}

/* A Service without a selector selects nothing. */
static void keys_of_service(const Object *object, IndexKeys *keys)
{
    const ServiceSpec *spec = &OBJECT_AS(Service, object)->spec;
    const StringMap *selector = &spec->selector;

    for (size_t i = 0; i < spec->cluster_ips.n; i++)
        index_key(keys, "i/%s", spec->cluster_ips.v[i]);
    if (selector->n)
        index_selector(object_meta(object), &(LabelSelector){.match_labels = *selector}, keys);
}

static void keys_of_slice(const Object *object, IndexKeys *keys)
{
    index_labels(object_meta(object), keys);
}

static void keys_of_quota(const Object *object, IndexKeys *keys)
{
    index_key(keys, "l/");
    index_key(keys, "l/%s/", str_or(object_meta(object)->namespace, ""));
}

static void keys_of_volume(const Object *object, IndexKeys *keys)
{
    const ObjectReference *claim = OBJECT_AS(PersistentVolume, object)->spec.claim_ref;

    if (claim)
        index_key(keys, "r/%s/%s", str_or(claim->namespace, ""), str_or(claim->name, ""));
    else
        index_key(keys, "a/");
}

KeysOf shared_index_keys(const Kind *kind)
{
    static const struct {
        const Kind *kind;
        KeysOf keys_of;
    } table[] = {
        {&kind_pod, keys_of_pod},
        {&kind_replica_set, keys_of_replica_set},
        {&kind_replication_controller, keys_of_replication_controller},
        {&kind_controller_revision, keys_of_owned},
        {&kind_device_resource_claim, keys_of_owned},
        {&kind_job, keys_of_job},
        {&kind_stateful_set, keys_of_stateful_set},
        {&kind_deployment, keys_of_deployment},
        {&kind_daemon_set, keys_of_daemon_set},
        {&kind_pod_disruption_budget, keys_of_budget},
        {&kind_service, keys_of_service},
        {&kind_endpoint_slice, keys_of_slice},
        {&kind_resource_quota, keys_of_quota},
        {&kind_persistent_volume, keys_of_volume},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].kind == kind)
            return table[i].keys_of;
    return NULL;
}
