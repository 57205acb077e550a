/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of PersistentVolumes and PersistentVolumeClaims. */
#include "api/generated.h"
#include "api/validate.h"

const KindRules rules_persistent_volume = {0};
const KindRules rules_persistent_volume_claim = {0};
