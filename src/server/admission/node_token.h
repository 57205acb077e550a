/* SPDX-License-Identifier: Apache-2.0 */
/* The check of admission that auth/ asks for, since a request for a token writes nothing. */
#ifndef SERVER_ADMISSION_NODE_TOKEN_H
#define SERVER_ADMISSION_NODE_TOKEN_H

#include "server/request/call.h"

typedef struct TokenRequest TokenRequest;

/* Refuses a node that asks for a token of a pod which it does not run. Returns 0 or the reason. */
int node_restriction_token(Call *call, const TokenRequest *request, ApiStatus *reterr);

#endif
