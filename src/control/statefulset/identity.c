/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identities in a StatefulSet: ordinals and names, and the pods and claims that the set creates
 * for an ordinal. Controllers find what belongs to an ordinal by its name alone, so the scheme of the
 * names must never change.
 */
#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "control/pods.h"
#include "control/statefulset/plan.h"

int64_t statefulset_ordinal(const char *set_name, const char *pod_name)
{
    size_t n = strlen(set_name);
    int64_t ordinal;

    if (!pod_name || strncmp(pod_name, set_name, n) != 0 || pod_name[n] != '-')
        return -1;
    pod_name += n + 1;
    if (pod_name[0] < '0' || pod_name[0] > '9' || (pod_name[0] == '0' && pod_name[1]))
        return -1;
    if (str_to_int64(pod_name, 0, INT32_MAX, &ordinal) != 0)
        return -1;
    return ordinal;
}

bool statefulset_is_ordered(const StatefulSet *set)
{
    return !str_equal(set->spec.pod_management_policy, "Parallel");
}

bool statefulset_is_on_delete(const StatefulSet *set)
{
    return str_equal(set->spec.update_strategy.type, "OnDelete") && !stateful_set_recreates(set);
}

int64_t statefulset_first_updated(const StatefulSet *set)
{
    const RollingUpdateStatefulSetStrategy *rolling = set->spec.update_strategy.rolling_update;
    bool partitioned = rolling && rolling->partition && !stateful_set_recreates(set);

    return statefulset_start(set) + (partitioned ? *rolling->partition : 0);
}

int64_t statefulset_max_unavailable(const StatefulSet *set)
{
    const RollingUpdateStatefulSetStrategy *rolling = set->spec.update_strategy.rolling_update;
    const IntOrString *max = rolling ? rolling->max_unavailable : NULL;

    return MAX_OF(scaled_value(max, statefulset_replicas(set), true, 1), 1);
}

const char *statefulset_claim_name(Arena *arena, const StatefulSet *set, size_t template,
                                   int64_t ordinal)
{
    const char *name = set->spec.volume_claim_templates.v[template].metadata.name;

    return arena_printf(arena, "%s-%s-%" PRId64, str_or(name, ""), set->metadata.name, ordinal);
}

/* Puts the volumes of the claims first; they replace volumes of the template with the same name. */
static void add_claim_volumes(Arena *arena, const StatefulSet *set, Pod *pod, int64_t ordinal)
{
    size_t n_claims = set->spec.volume_claim_templates.n;
    VolumeArray old = pod->spec.volumes;
    Volume *v = arena_new_n(arena, Volume, n_claims + old.n);
    size_t n = 0;

    if (n_claims == 0)
        return;
    for (size_t i = 0; i < n_claims; i++) {
        v[n].name = set->spec.volume_claim_templates.v[i].metadata.name;
        v[n].volume_source.persistent_volume_claim =
            arena_new(arena, PersistentVolumeClaimVolumeSource);
        v[n].volume_source.persistent_volume_claim->claim_name =
            statefulset_claim_name(arena, set, i, ordinal);
        n++;
    }
    for (size_t i = 0; i < old.n; i++) {
        bool replaced = false;

        for (size_t k = 0; k < n_claims; k++)
            replaced = replaced || str_equal(v[k].name, old.v[i].name);
        if (!replaced)
            v[n++] = old.v[i];
    }
    pod->spec.volumes = (VolumeArray){.v = v, .n = n};
}

Pod *statefulset_new_pod(Arena *arena, const StatefulSet *set, const PodTemplateSpec *template,
                         const char *revision, int64_t ordinal)
{
    OwnerReference owner = meta_controller_reference(arena, &kind_stateful_set, &set->metadata);
    Pod *pod = pod_from_template(arena, owner, set->metadata.namespace, template);
    ObjectMeta *meta = &pod->metadata;

    meta->name = arena_printf(arena, "%s-%" PRId64, set->metadata.name, ordinal);
    string_map_put(arena, &meta->labels, POD_NAME_LABEL, meta->name);
    string_map_put(arena, &meta->labels, POD_INDEX_LABEL, arena_printf(arena, "%" PRId64, ordinal));
    string_map_put(arena, &meta->labels, REVISION_LABEL, revision);
    pod->spec.hostname = meta->name;
    pod->spec.subdomain = set->spec.service_name;
    add_claim_volumes(arena, set, pod, ordinal);
    return pod;
}

PersistentVolumeClaim *statefulset_new_claim(Arena *arena, const StatefulSet *set,
                                             const ClaimTemplates *templates, size_t template,
                                             int64_t ordinal)
{
    const VolumeClaimTemplate *from = &templates->now.v[template];
    PersistentVolumeClaim *claim = arena_new(arena, PersistentVolumeClaim);
    const StringMap *labels = set->spec.selector ? &set->spec.selector->match_labels : NULL;

    type_copy(&type_PersistentVolumeClaimSpec, arena, &claim->spec, &from->spec);
    type_copy(
        &type_ObjectMeta, arena, &claim->metadata,
        &(ObjectMeta){.labels = from->metadata.labels, .annotations = from->metadata.annotations});
    claim->metadata.name = statefulset_claim_name(arena, set, template, ordinal);
    claim->metadata.namespace = set->metadata.namespace;
    for (size_t i = 0; labels && i < labels->n; i++)
        string_map_put(arena, &claim->metadata.labels, labels->v[i].key, labels->v[i].value);
    if (templates->changed)
        string_map_put(arena, &claim->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE,
                       claim_template_text(arena, from));
    if (statefulset_claim_owner(set, false) == CLAIM_OWNER_SET)
        meta_add_owner(arena, &claim->metadata,
                       meta_controller_reference(arena, &kind_stateful_set, &set->metadata));
    return claim;
}
