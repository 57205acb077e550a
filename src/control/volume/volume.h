/* SPDX-License-Identifier: Apache-2.0 */
/* The pure functions about claims and volumes, and the names that node and controllers share. */
#ifndef CONTROL_VOLUME_VOLUME_H
#define CONTROL_VOLUME_VOLUME_H

#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/storage_v1.h"
#include "api/volume_class.h"

#define VOLUME_PROTECTION "kubernetes.io/pv-protection"
#define CLAIM_PROTECTION "kubernetes.io/pvc-protection"

/* Whether class, mode, access modes, size and selector match. */
bool volume_suits_claim(Arena *arena, const PersistentVolume *volume,
                        const PersistentVolumeClaim *claim);
/* The volume that is reserved for the claim, else the smallest free one that suits, or NULL. */
Object *volume_choose(Arena *arena, Object **volumes, size_t n, const PersistentVolumeClaim *claim);
/* A volume to be provisioned for the claim. */
PersistentVolume *volume_new(Arena *arena, const PersistentVolumeClaim *claim,
                             const StorageClass *class, const char *volume_dir);

#endif
