/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends a request (authenticate.c), which user the request acts as (impersonate.c), and what that
 * user may do (authorize.c).
 */
#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "server/auth/token/lookup.h"
#include "server/auth/user.h"
#include "server/request/call.h"

typedef struct TokenAuth TokenAuth;

int token_auth_new(const ServerOptions *options, const StringArray *issuers, TokenAuth **ret,
                   Err *reterr);
TokenAuth *token_auth_free(TokenAuth *auth);
/* The audiences of this server, one of which a token for it has. */
const StringArray *authenticate_audiences(const Server *server);
/* Takes new keys for tokens of ServiceAccounts. Who is known by a token is verified again. */
void authenticate_use_keys(Server *server, TokenKeys *keys);

typedef struct TokenQuestion {
    const char *token;
    const StringArray
        *audiences;     /* that the token has to have one of; empty: those of this server */
    const char *client; /* the address of whoever asks */
    Arena *arena;       /* of the texts of the answer */
    TokenWaiter *waiter;
} TokenQuestion;

/* Finds out whose the token is. If this is TOKEN_KNOWN, ret->user is a reference that the caller owns, or
 * NULL with a reason for a TokenReview or without one. */
TokenOutcome authenticate_token(Server *server, const TokenQuestion *question, TokenAnswer *ret);

/* The waiter of the call for authenticate_token: `done` is called with an answer that comes later, unless
 * the request is over before. */
TokenWaiter *authenticate_wait(Call *call, void (*done)(Call *call, const TokenAnswer *answer));
/* The request is over. */
void authenticate_cancel(Call *call);

/* The user of a bootstrap token, or NULL. */
User *authenticate_bootstrap(Server *server, const char *token);

/* Finds the user of the request, who is also kept with the connection. With AUTH_GRANTED, call->user is
 * set. With AUTH_LATER, `done` is called later from the loop, unless authenticate_cancel is called. */
AuthOutcome authenticate(Call *call, void (*done)(Call *call, AuthOutcome outcome));

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
