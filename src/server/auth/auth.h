/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends a request (authenticate.c), which user the request acts as (impersonate.c), and what that
 * user may do (authorize.c).
 */
#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "server/auth/user.h"
#include "server/request/call.h"

typedef struct TokenAuth TokenAuth;

TokenAuth *token_auth_new(const char *file, Err *reterr, int *ret);
TokenAuth *token_auth_free(TokenAuth *auth);

/* Returns a reference to the user of the token, or NULL with a reason for a TokenReview. */
User *authenticate_token(Server *server, const char *token, const char **reterr);

/* The user of a bootstrap token, or NULL. */
User *authenticate_bootstrap(Server *server, const char *token);

/* Returns a reference to the user of the request, who is also kept with the connection. NULL: the
 * request has to be answered with 401. */
User *authenticate(Server *server, HttpRequest *request);

/* If the request asks to act as another user, makes that user its user. Returns false if this is
 * forbidden; the request has been answered then. */
bool impersonate(Call *call);

/* Whether the user may do this. *ret_reason says which rule allows it, or which errors occurred, and is
 * NULL if there is nothing to say; the pointer itself may be NULL. */
bool authorize(Server *server, const User *user, const Attributes *attributes, Arena *arena,
               const char **ret_reason);

/* Sets a Forbidden status with the message of Kubernetes. */
int authorize_forbidden(ApiStatus *ret, Arena *arena, const User *user,
                        const Attributes *attributes, const char *reason);

#endif
