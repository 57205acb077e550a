/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceAccount tokens and Accept headers, as strangers send them. */
#include "server/auth/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static TokenKeys *key;
    _arena_ Arena arena = ARENA_INIT;
    const char *text = arena_strndup(&arena, (const char *)data, size);
    TokenClaims claims;
    Accept accept;
    Err err;

    if (!key && token_keys_new(&(TokenKeyOptions){0}, NULL, &key, &err) < 0)
        return 0;
    token_verify(key, &arena, text, &claims);
    accept_parse(text, &arena, false, &accept);
    accept_parse(text, &arena, true, &accept);
    return 0;
}
