/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the rules of Pods that other files use. */
#ifndef API_RULES_CORE_POD_H
#define API_RULES_CORE_POD_H

#include "api/schema/core_pod_v1.h"
#include "api/status.h"
#include "base/strbuf.h"

/* Defaults of a pod's spec that depend on other fields; for the complete() of workloads. */
void complete_pod_spec(Arena *arena, PodSpec *spec);
/* Validates an update through the subresource ephemeralcontainers, which has reset all other
 * fields. */
void validate_pod_ephemeral(const Pod *pod, const Pod *before, Causes *causes);

/* Validates an update through the subresource resize: only cpu and memory of the pod and of its
 * containers may change. */
void validate_pod_resize(const Pod *pod, const Pod *before, Causes *causes);

/* A field of a pod's spec that may change after its creation. */
typedef struct PodMutableField {
    const char *path;
    bool bound; /* also when the pod has a node */
} PodMutableField;
const PodMutableField *pod_mutable_field(size_t i); /* NULL: there are no more */

/* As a row of a table: pod_print.c. */
void print_pod(const void *value, int64_t now_ns, StrBuf *row);

#endif
