/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of the audit log: which requests are recorded, and how much of each. */
#ifndef SERVER_AUDIT_POLICY_H
#define SERVER_AUDIT_POLICY_H

#include "api/status.h"
#include "base/error.h"
#include "server/auth/user.h"

typedef struct AuditRules AuditRules;

/* Each level contains what the levels before it contain. */
typedef enum AuditLevel {
    AUDIT_NONE,
    AUDIT_METADATA,
    AUDIT_REQUEST,          /* and the object in the request */
    AUDIT_REQUEST_RESPONSE, /* and the object in the answer */
    _AUDIT_LEVEL_MAX,
} AuditLevel;

typedef enum AuditStage {
    AUDIT_RECEIVED,
    AUDIT_STARTED,  /* the head of a long answer, such as a watch, has been sent */
    AUDIT_COMPLETE, /* the whole answer has been sent */
    AUDIT_PANIC,    /* does not occur here, but policies may name it */
    _AUDIT_STAGE_MAX,
} AuditStage;

typedef struct AuditVerdict {
    AuditLevel level;
    unsigned omitted; /* a bit for each stage for which there is no event */
    bool omit_managed_fields;
} AuditVerdict;

const char *audit_level_name(AuditLevel level);
const char *audit_stage_name(AuditStage stage);

/* Reads a policy in YAML or JSON. Errors have the words of kube-apiserver. Unknown fields are only logged, as
 * there. */
int audit_rules_parse(Bytes text, AuditRules **ret, Err *reterr);
int audit_rules_load(const char *path, AuditRules **ret, Err *reterr);
AuditRules *audit_rules_free(AuditRules *rules);

/* The first rule that matches decides. user NULL: the user is not known, since the authentication has failed. */
AuditVerdict audit_rules_decide(const AuditRules *rules, const User *user,
                                const Attributes *attributes);

#endif
