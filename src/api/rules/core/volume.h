/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RULES_CORE_VOLUME_H
#define API_RULES_CORE_VOLUME_H

#include "api/validate/validate.h"

typedef struct PersistentVolumeSpec PersistentVolumeSpec;

/* Checks the spec of a PersistentVolume, or one that is inline in another object. An inline one
 * describes a volume of a driver and nothing about who uses it. */
void rules_volume_spec(const PersistentVolumeSpec *spec, bool is_inline, const Path *path,
                       Causes *causes);

#endif
