/* SPDX-License-Identifier: Apache-2.0 */
/* The pure part of claims and volumes, and the names that node and controllers share. */
#ifndef CONTROL_VOLUME_VOLUME_H
#define CONTROL_VOLUME_VOLUME_H

#include "api/object.h"

#define VOLUME_PROVISIONER "stead.dev/volume"
/* On volumes that we made: the node removes it when the files are gone. */
#define VOLUME_FINALIZER "stead.dev/volume"
#define VOLUME_PROTECTION "kubernetes.io/pv-protection"
#define CLAIM_PROTECTION "kubernetes.io/pvc-protection"

/* Class, mode, access modes, size and selector fit. */
bool volume_suits_claim(Arena *arena, const PersistentVolume *volume,
                        const PersistentVolumeClaim *claim);
/* The volume that is reserved for the claim, else the smallest free one that suits; NULL: none. */
Object *volume_choose(Arena *arena, Object **volumes, size_t n, const PersistentVolumeClaim *claim);
PersistentVolume *volume_new(Arena *arena, const PersistentVolumeClaim *claim,
                             const StorageClass *class, const char *volume_dir);

#endif
