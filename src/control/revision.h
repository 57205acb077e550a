/* SPDX-License-Identifier: Apache-2.0 */
/* ControllerRevisions: the earlier templates of StatefulSets and DaemonSets. All functions are pure;
 * results are allocated in the arena. */
#ifndef CONTROL_REVISION_H
#define CONTROL_REVISION_H

#include "api/kind.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/meta_v1.h"
#include "base/arena.h"

#define REVISION_LABEL "controller-revision-hash"
#define REVISION_HASH_LABEL "controller.kubernetes.io/hash"

/* The template as a patch, in exactly the bytes that Kubernetes writes. */
Bytes revision_data(Arena *arena, const PodTemplateSpec *template);
/* The collision count makes the hash differ if another template already has the name. */
const char *revision_hash(Arena *arena, Bytes data, int32_t collision_count);
/* A new revision that is controlled by the owner of this kind, and named after it and the hash. The
 * hash is also its label `hash_label`. */
ControllerRevision *revision_new(Arena *arena, const Kind *kind, const ObjectMeta *owner,
                                 const StringMap *labels, const char *hash_label, Bytes data,
                                 int64_t number, int32_t collision_count);
/* A copy with another number: an older template has become the newest again. */
ControllerRevision *revision_renumber(Arena *arena, const ControllerRevision *revision,
                                      int64_t number);
/* The template that a revision holds, or NULL if its data is not such a patch. */
PodTemplateSpec *revision_template(Arena *arena, const ControllerRevision *revision);
/* Sorts by number, then by creation time, then by name. */
void revision_sort(const ControllerRevision **revisions, size_t n);

#endif
