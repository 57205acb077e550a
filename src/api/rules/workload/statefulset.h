/* SPDX-License-Identifier: Apache-2.0 */
/* What statefulset.c checks with the help of set_extensions.c. */
#ifndef API_RULES_WORKLOAD_STATEFULSET_H
#define API_RULES_WORKLOAD_STATEFULSET_H

#include "api/schema/apps_v1.h"
#include "api/status.h"

/* Checks the annotations that api/stateful_set.h describes. `before` is NULL for a new set. */
void check_set_annotations(const StatefulSet *set, const StatefulSet *before, Causes *causes);
/* Refuses changes of volumeClaimTemplates that cannot flow to existing claims. */
void check_claim_template_changes(const StatefulSet *set, const StatefulSet *before,
                                  Causes *causes);
/* Notes the original templates in an annotation when they change for the first time, and keeps this
 * annotation from then on, also if the client has not sent it. */
void keep_original_claim_templates(Arena *arena, StatefulSet *set, const StatefulSet *before);

#endif
