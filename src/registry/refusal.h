/* SPDX-License-Identifier: Apache-2.0 */
/* Why a registry or a token server refuses. */
#ifndef REGISTRY_REFUSAL_H
#define REGISTRY_REFUSAL_H

#include "base/base.h"

#define REFUSAL_BODY_MAX (64u << 10)

/* Its own words in the body where there are any, then the status. */
void refusal_reason(Bytes body, int status, char *to, size_t size);

#endif
