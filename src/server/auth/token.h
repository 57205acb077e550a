/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceAccount tokens: JSON Web Tokens signed with ES256. */
#ifndef SERVER_AUTH_TOKEN_H
#define SERVER_AUTH_TOKEN_H

#include "base/error.h"
#include "server/request/call.h"

#define TOKEN_ISSUER "https://kubernetes.default.svc"

typedef struct TokenClaims {
    const char *ns, *service_account, *service_account_uid;
    const char *pod, *pod_uid, *node, *node_uid;
    StringArray audiences;
    const char *id;
    int64_t issued, expires;
} TokenClaims;

typedef struct TokenKey TokenKey;
int token_key_new(const char *pem, TokenKey **ret, Err *reterr);
TokenKey *token_key_free(TokenKey *key);
char *token_sign(TokenKey *key, Arena *arena, const TokenClaims *claims);

/* Returns 0, or a positive value if the token was not signed by this key. The caller has to check the
 * times. */
int token_verify(TokenKey *key, Arena *arena, const char *token, TokenClaims *ret);

/* Appends the JSON Web Key Set: {"keys":[...]} */
void token_key_jwks(const TokenKey *key, StrBuf *out);

void subresource_token(Call *call);

#endif
