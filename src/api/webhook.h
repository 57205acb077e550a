/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks of admission: what validating and mutating ones have in common. */
#ifndef API_WEBHOOK_H
#define API_WEBHOOK_H

#include "api/kind.h"
#include "api/schema/admissionregistration_v1.h"

/* A webhook of either kind. Everything points into the configuration. */
typedef struct HookView {
    const char *name;
    const WebhookClientConfig *client;
    const RuleWithOperationsArray *rules;
    const char *failure_policy, *match_policy, *side_effects;
    const char *reinvocation_policy; /* NULL for a validating one */
    const LabelSelector *namespace_selector, *object_selector;
    const int32_t *timeout_seconds;
    const StringArray *review_versions;
    const AdmissionMatchConditionArray *conditions;
} HookView;

/* `value` is a ValidatingWebhookConfiguration or a MutatingWebhookConfiguration, as `kind` says. */
size_t hook_count(const Kind *kind, const void *value);
HookView hook_view(const Kind *kind, const void *value, size_t i);

#endif
