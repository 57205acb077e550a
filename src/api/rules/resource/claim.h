/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the rules of ResourceClaims: the spec and the status. */
#ifndef API_RULES_RESOURCE_CLAIM_H
#define API_RULES_RESOURCE_CLAIM_H

#include "api/rules/resource/device.h"

void claim_prepare_status(Arena *arena, void *value, const void *before, int64_t now_ns);
void claim_validate_status(const void *value, const void *before, Causes *causes);

#endif
