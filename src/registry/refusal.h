/* SPDX-License-Identifier: Apache-2.0 */
/* The reason that a registry or a token server gives for a refusal. */
#ifndef REGISTRY_REFUSAL_H
#define REGISTRY_REFUSAL_H

#include "base/base.h"

#define REFUSAL_BODY_MAX (64u << 10)

/* Writes the messages in the body, if there are any, and then the status. */
void refusal_reason(Bytes body, int status, char *to, size_t size);

#endif
