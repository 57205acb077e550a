/* SPDX-License-Identifier: Apache-2.0 */
/* The ControllerRevisions of a StatefulSet; control/revision.h describes what they contain. */
#include "api/schema/apps_v1.h"
#include "control/statefulset/plan.h"

Bytes statefulset_revision_data(Arena *arena, const StatefulSet *set)
{
    return revision_data(arena, &set->spec.template);
}

ControllerRevision *statefulset_new_revision(Arena *arena, const StatefulSet *set, Bytes data,
                                             int64_t number, int32_t collision_count)
{
    return revision_new(arena, &kind_stateful_set, &set->metadata,
                        &set->spec.template.metadata.labels, REVISION_HASH_LABEL, data, number,
                        collision_count);
}
