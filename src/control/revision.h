/* SPDX-License-Identifier: Apache-2.0 */
/* ControllerRevisions: what StatefulSets and DaemonSets remember of their earlier templates. */
#ifndef CONTROL_REVISION_H
#define CONTROL_REVISION_H

#include "api/generated.h"
#include "base/arena.h"

#define REVISION_LABEL "controller-revision-hash"
#define REVISION_HASH_LABEL "controller.kubernetes.io/hash"

/* The template as a patch, in the very bytes that Kubernetes makes. */
Bytes revision_data(Arena *arena, const PodTemplateSpec *template);
const char *revision_hash(Arena *arena, Bytes data, int32_t collision_count);
/* A revision of whatever `about` and `owner` are of; its label of this name says the hash. */
ControllerRevision *revision_new(Arena *arena, const OwnerReference *owner, const ObjectMeta *about,
                                 const StringMap *labels, const char *hash_label, Bytes data,
                                 int64_t number, int32_t collision_count);
/* The template that a revision holds; NULL where its data is not such a patch. */
PodTemplateSpec *revision_template(Arena *arena, const ControllerRevision *revision);
/* By number, then age, then name. */
void revision_sort(const ControllerRevision **revisions, size_t n);

#endif
