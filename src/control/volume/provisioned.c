/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provisioned PersistentVolume looks like. It names the folder that holds its data and, by
 * node affinity, the node on whose disk that is, so that any kubelet on this node would find them.
 */
#include "api/object.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "codec/type.h"
#include "control/volume/volume.h"

#define HOSTNAME_LABEL "kubernetes.io/hostname"

static VolumeNodeAffinity *affinity_to(Arena *arena, const char *node_name)
{
    VolumeNodeAffinity *affinity = arena_new(arena, VolumeNodeAffinity);
    NodeSelectorTerm *term = arena_new(arena, NodeSelectorTerm);
    NodeSelectorRequirement *requirement = arena_new(arena, NodeSelectorRequirement);
    const char **values = arena_new_n(arena, const char *, 1);

    values[0] = arena_strdup(arena, node_name);
    *requirement = (NodeSelectorRequirement){
        .key = HOSTNAME_LABEL, .operator= "In", .values = {.v = values, .n = 1}};
    term->match_expressions = (NodeSelectorRequirementArray){.v = requirement, .n = 1};
    affinity->required = arena_new(arena, NodeSelector);
    affinity->required->node_selector_terms = (NodeSelectorTermArray){.v = term, .n = 1};
    return affinity;
}

bool volume_place(Arena *arena, PersistentVolume *volume, const char *volume_dir,
                  const char *node_name)
{
    PersistentVolumeSpec *spec = &volume->spec;
    PersistentVolumeSource source = {.local = arena_new(arena, LocalVolumeSource)};
    VolumeNodeAffinity *affinity = affinity_to(arena, node_name);

    source.local->path = arena_printf(arena, "%s/%s/data", volume_dir, volume->metadata.name);
    if (type_equal(&type_PersistentVolumeSource, &source, &spec->persistent_volume_source) &&
        spec->node_affinity && type_equal(&type_VolumeNodeAffinity, affinity, spec->node_affinity))
        return false;
    spec->persistent_volume_source = source;
    spec->node_affinity = affinity;
    return true;
}

ObjectReference *volume_reference_to(Arena *arena, const PersistentVolumeClaim *claim)
{
    ObjectReference *ref = arena_new(arena, ObjectReference);

    *ref = (ObjectReference){.kind = "PersistentVolumeClaim",
                             .namespace = claim->metadata.namespace,
                             .name = claim->metadata.name,
                             .uid = claim->metadata.uid,
                             .api_version = "v1",
                             .resource_version = claim->metadata.resource_version};
    return ref;
}

PersistentVolume *volume_new(Arena *arena, const PersistentVolumeClaim *claim,
                             const StorageClass *class, const char *volume_dir,
                             const char *node_name)
{
    PersistentVolume *volume = arena_new(arena, PersistentVolume);
    PersistentVolumeSpec *spec = &volume->spec;
    const char **finalizers = arena_new_n(arena, const char *, 2);

    volume->metadata.name = arena_printf(arena, "pvc-%s", claim->metadata.uid);
    string_map_put(arena, &volume->metadata.annotations, VOLUME_PROVISIONED_BY, VOLUME_PROVISIONER);
    finalizers[0] = VOLUME_PROTECTION;
    finalizers[1] = VOLUME_FINALIZER;
    volume->metadata.finalizers = (StringArray){.v = finalizers, .n = 2};
    string_map_put(arena, &spec->capacity, "storage",
                   str_or(string_map_get(&claim->spec.resources.requests, "storage"), "0"));
    spec->access_modes = claim->spec.access_modes;
    spec->claim_ref = volume_reference_to(arena, claim);
    spec->persistent_volume_reclaim_policy = str_or(class->reclaim_policy, "Delete");
    spec->storage_class_name = class->metadata.name;
    spec->mount_options = class->mount_options;
    spec->volume_mode = str_or(claim->spec.volume_mode, "Filesystem");
    if (str_equal(string_map_get(&class->parameters, VOLUME_ROOM_PARAMETER), "reserved"))
        string_map_put(arena, &volume->metadata.annotations, VOLUME_ROOM_ANNOTATION, "reserved");
    volume_place(arena, volume, volume_dir, node_name);
    return volume;
}
