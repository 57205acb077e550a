/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who somebody is (authenticate.c), as whom he acts (impersonate.c), and what he may do (authorize.c).
 */
#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "server/auth/user.h"
#include "server/request/call.h"

typedef struct TokenAuth TokenAuth;

TokenAuth *token_auth_new(const char *file, Err *reterr, int *ret);
TokenAuth *token_auth_free(TokenAuth *auth);

/* NULL and a reason why (for TokenReview), or a reference. */
User *authenticate_token(Server *server, const char *token, const char **reterr);

/* The user of the request, kept with the connection; NULL: 401. */
User *authenticate(Server *server, HttpRequest *request);

/* Makes the request somebody else's if it asks for that; false: it may not, and is answered. */
bool impersonate(Call *call);

/* ret_reason (may be NULL): why, or what went wrong while finding out; NULL where there is nothing
 * to say. */
bool authorize(Server *server, const User *user, const Attributes *attributes, Arena *arena,
               const char **ret_reason);

/* Refuses in Kubernetes' words. */
int authorize_forbidden(ApiStatus *ret, Arena *arena, const User *user,
                        const Attributes *attributes, const char *reason);

#endif
