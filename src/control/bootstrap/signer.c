/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bootstrap/signer.h"

#include <openssl/hmac.h>

#include "api/bootstrap_token.h"
#include "api/object.h"
#include "base/strbuf.h"
#include "codec/base64url.h"
#include "codec/type.h"

#define SIGNATURE "jws-kubeconfig-"

const char *bootstrap_sign(Arena *arena, const char *content, const char *id, const char *secret)
{
    _strbuf_ StrBuf text = STRBUF_INIT, signature = STRBUF_INIT;
    const char *header = arena_printf(arena, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", id);
    uint8_t digest[32];
    unsigned n = sizeof(digest);
    size_t n_header;

    base64url_add(&text, (const uint8_t *)header, strlen(header));
    n_header = text.n;
    strbuf_add_char(&text, '.');
    base64url_add(&text, (const uint8_t *)content, strlen(content));
    ASSERT(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text.p, text.n, digest,
                &n));
    base64url_add(&signature, digest, sizeof(digest));
    return arena_printf(arena, "%.*s..%s", (int)n_header, text.p, strbuf_string(&signature));
}

/* Whether the token may sign; its name has to be that of its id. */
static bool may_sign(Arena *arena, const Secret *secret, int64_t now_ns, const char **ret_id,
                     const char **ret_secret)
{
    *ret_id = bootstrap_data(arena, secret, "token-id");
    *ret_secret = bootstrap_data(arena, secret, "token-secret");
    return bootstrap_is_token(secret) && **ret_id && **ret_secret &&
           str_equal(secret->metadata.name, arena_printf(arena, BOOTSTRAP_PREFIX "%s", *ret_id)) &&
           bootstrap_left_ns(secret, now_ns) > 0 &&
           str_equal(bootstrap_data(arena, secret, "usage-bootstrap-signing"), "true");
}

bool bootstrap_signatures(Arena *arena, const ConfigMap *map, const Secret *const *secrets,
                          size_t n_secrets, int64_t now_ns, StringMap *ret)
{
    const char *content = string_map_get(&map->data, "kubeconfig");

    *ret = (StringMap){0};
    if (!content)
        return false;
    ret->v = arena_new_n(arena, StringEntry, map->data.n);
    for (size_t i = 0; i < map->data.n; i++)
        if (!str_starts_with(map->data.v[i].key, SIGNATURE))
            ret->v[ret->n++] = map->data.v[i];
    for (size_t i = 0; i < n_secrets; i++) {
        const char *id, *secret;

        if (may_sign(arena, secrets[i], now_ns, &id, &secret))
            string_map_put(arena, ret, arena_printf(arena, SIGNATURE "%s", id),
                           bootstrap_sign(arena, content, id, secret));
    }
    if (ret->n != map->data.n)
        return true;
    for (size_t i = 0; i < ret->n; i++)
        if (!str_equal(ret->v[i].key, map->data.v[i].key) ||
            !str_equal(ret->v[i].value, map->data.v[i].value))
            return true;
    return false;
}
