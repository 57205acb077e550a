/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Pod Security Standards: what the levels baseline and restricted forbid to pods, in each version
 * of the standards. It is a version of Kubernetes, so a namespace can stay with an older one.
 */
#ifndef API_POD_SECURITY_POD_SECURITY_H
#define API_POD_SECURITY_POD_SECURITY_H

#include <limits.h>

#include "api/schema/meta_v1.h"
#include "base/arena.h"

typedef struct PodSpec PodSpec;

typedef enum SecurityLevel {
    SECURITY_PRIVILEGED,
    SECURITY_BASELINE,
    SECURITY_RESTRICTED
} SecurityLevel;

enum { SECURITY_LATEST = INT_MAX };

typedef struct SecurityPolicy {
    SecurityLevel level;
    int minor; /* of version 1.x; SECURITY_LATEST: the newest */
} SecurityPolicy;

/* Both true: the text is a level, or a version. */
bool security_parse_level(const char *text, SecurityLevel *ret);
bool security_parse_version(const char *text, int *ret);
const char *security_level_text(SecurityLevel level);
/* "restricted:latest" */
const char *security_policy_text(Arena *arena, const SecurityPolicy *policy);
bool security_policy_equal(const SecurityPolicy *a, const SecurityPolicy *b);

/* One check that a pod does not pass. */
typedef struct SecurityFinding {
    const char *reason; /* the topic, such as "host namespaces" */
    const char *detail; /* which fields of which containers */
} SecurityFinding;

enum { SECURITY_CHECKS_MAX = 20 };

typedef struct SecurityFindings {
    SecurityFinding v[SECURITY_CHECKS_MAX];
    size_t n;
} SecurityFindings;

/* The metadata and spec of a pod, or of a template. */
SecurityFindings security_check(Arena *arena, const SecurityPolicy *policy, const ObjectMeta *meta,
                                const PodSpec *spec);
/* "reason, reason", and "reason (detail), reason (detail)". */
const char *security_reasons(Arena *arena, const SecurityFindings *findings);
const char *security_details(Arena *arena, const SecurityFindings *findings);

#endif
