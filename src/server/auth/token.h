/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ServiceAccount tokens: JSON Web Tokens that one key signs. Further keys only verify: those of a server
 * before this one, or of a key that is being replaced.
 */
#ifndef SERVER_AUTH_TOKEN_H
#define SERVER_AUTH_TOKEN_H

#include "base/error.h"
#include "server/request/call.h"
#include "server/server.h"

#define TOKEN_ISSUER "https://kubernetes.default.svc"

typedef struct TokenClaims {
    const char *ns, *service_account, *service_account_uid;
    const char *pod, *pod_uid, *node, *node_uid;
    StringArray audiences;
    const char *id;
    int64_t issued, expires;
} TokenClaims;

typedef struct TokenKeys TokenKeys;
/* The key that signs, of RSA or an elliptic curve; a new one if pem is NULL. */
int token_keys_new(const TokenKeyOptions *options, const char *pem, TokenKeys **ret, Err *reterr);
TokenKeys *token_keys_free(TokenKeys *keys);
/* Whose tokens these are; the first one is that of new tokens. */
const StringArray *token_issuers(const TokenKeys *keys);
char *token_sign(TokenKeys *keys, Arena *arena, const TokenClaims *claims);

enum { TOKEN_E_OTHER = 1, TOKEN_E_UNSIGNED }; /* of another issuer, or no token; not signed by us */
/* Returns 0, or TOKEN_E_*. The caller has to check the times. */
int token_verify(const TokenKeys *keys, Arena *arena, const char *token, TokenClaims *ret);

/* Appends the JSON Web Key Set: {"keys":[...]} */
void token_keys_jwks(const TokenKeys *keys, StrBuf *out);
/* Appends the algorithms of the keys as a JSON list. */
void token_keys_algorithms(const TokenKeys *keys, StrBuf *out);

void subresource_token(Call *call);

#endif
