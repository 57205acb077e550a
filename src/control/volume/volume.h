/* SPDX-License-Identifier: Apache-2.0 */
/* The pure functions about claims and volumes, and the names that node and controllers share. */
#ifndef CONTROL_VOLUME_VOLUME_H
#define CONTROL_VOLUME_VOLUME_H

#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/storage_v1.h"
#include "api/volume_class.h"

#define VOLUME_PROVISIONED_BY "pv.kubernetes.io/provisioned-by"
/* An annotation of claims that wait for their first consumer: the node of that pod. */
#define VOLUME_SELECTED_NODE "volume.kubernetes.io/selected-node"
#define VOLUME_PROTECTION "kubernetes.io/pv-protection"
#define CLAIM_PROTECTION "kubernetes.io/pvc-protection"

/* Whether class, mode, access modes, size and selector match. */
bool volume_suits_claim(Arena *arena, const PersistentVolume *volume,
                        const PersistentVolumeClaim *claim);
/* The volume that is reserved for the claim, else the smallest free one that suits, or NULL. */
Object *volume_choose(Arena *arena, Object **volumes, size_t n, const PersistentVolumeClaim *claim);
struct ObjectReference *volume_reference_to(Arena *arena, const PersistentVolumeClaim *claim);
/* A volume to be provisioned for the claim. */
PersistentVolume *volume_new(Arena *arena, const PersistentVolumeClaim *claim,
                             const StorageClass *class, const char *volume_dir,
                             const char *node_name);
/* Lets a provisioned volume name the folder of its data below DATA/volumes and its node. Returns
 * whether this changes the volume. */
bool volume_place(Arena *arena, PersistentVolume *volume, const char *volume_dir,
                  const char *node_name);
/* Whether claims of the class are bound when a pod uses them. */
static inline bool volume_class_waits(const StorageClass *class)
{
    return str_equal(class->volume_binding_mode, "WaitForFirstConsumer");
}

#endif
