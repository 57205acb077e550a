/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ServiceAccount tokens: JSON Web Tokens that have the claims of kube-apiserver's bound tokens.
 *
 * The key of the identifier in the header is tried first, and then all others, so that a token whose key
 * has another identifier, because an earlier version computed it otherwise, stays valid. A key verifies
 * only the algorithm with which it signs, so a forged header cannot select a weaker one.
 */
#include "server/auth/token.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "codec/base64url.h"
#include "codec/json/json.h"
#include "server/auth/token/jose.h"

#define TOKEN_MAX ((size_t)16 * 1024)

struct TokenKeys {
    Arena arena;
    KeySet set; /* the first one signs */
    StringArray issuers;
};

static EVP_PKEY *read_private(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : EVP_EC_gen("P-256");

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool has_key(const KeySet *set, const char *id)
{
    for (size_t i = 0; i < set->n; i++)
        if (str_equal(set->keys[i].id, id))
            return true;
    return false;
}

/* Adds the keys of the file that are not there yet. */
static int add_file(TokenKeys *keys, const TokenKeyFile *file, Err *reterr)
{
    KeySet own = {0};
    int r = key_set_add_pem(&own, file->pem, file->name, reterr);

    for (size_t i = 0; r == 0 && i < own.n; i++) {
        if (has_key(&keys->set, own.keys[i].id))
            continue;
        EVP_PKEY_up_ref(own.keys[i].key);
        r = key_set_add(&keys->set, own.keys[i].key, file->name, reterr);
    }
    key_set_clear(&own);
    return r;
}

int token_keys_new(const TokenKeyOptions *options, const char *pem, TokenKeys **ret, Err *reterr)
{
    TokenKeys *keys = mem_new_type(TokenKeys);
    EVP_PKEY *key = read_private(str_or(options->signing_pem, pem));
    int r;

    keys->arena = ARENA_INIT_SIZE(256);
    r = key ? key_set_add(&keys->set, key, "the file of the key for tokens", reterr)
            : err_set(reterr, 0, "the key for tokens is no private key");
    for (size_t i = 0; r == 0 && i < options->n_files; i++)
        r = add_file(keys, &options->files[i], reterr);
    for (size_t i = 0; i < options->issuers.n; i++)
        ARENA_APPEND(&keys->arena, &keys->issuers,
                     arena_strdup(&keys->arena, options->issuers.v[i]));
    if (!keys->issuers.n)
        ARENA_APPEND(&keys->arena, &keys->issuers, TOKEN_ISSUER);
    if (r < 0) {
        token_keys_free(keys);
        return r;
    }
    *ret = keys;
    return 0;
}

TokenKeys *token_keys_free(TokenKeys *keys)
{
    if (!keys)
        return NULL;
    key_set_clear(&keys->set);
    arena_clear(&keys->arena);
    free(keys);
    return NULL;
}

const StringArray *token_issuers(const TokenKeys *keys)
{
    return &keys->issuers;
}

void token_keys_jwks(const TokenKeys *keys, StrBuf *out)
{
    for (size_t i = 0; i < keys->set.n; i++) {
        strbuf_add_string(out, i ? "," : "{\"keys\":[");
        jose_print(&keys->set.keys[i], out);
    }
    strbuf_add_string(out, "]}");
}

void token_keys_algorithms(const TokenKeys *keys, StrBuf *out)
{
    static const char *const sorted[] = {"ES256", "ES384", "ES512", "RS256"};
    bool any = false;

    strbuf_add_char(out, '[');
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        size_t k = 0;

        while (k < keys->set.n && !str_equal(keys->set.keys[k].algorithm, sorted[i]))
            k++;
        if (k == keys->set.n)
            continue;
        strbuf_printf(out, "%s\"%s\"", any ? "," : "", sorted[i]);
        any = true;
    }
    strbuf_add_char(out, ']');
}

static void add_text(StrBuf *out, const char *s)
{
    json_encode_string(out, s ? s : "", s ? strlen(s) : 0);
}

static void add_reference(StrBuf *out, const char *what, const char *name, const char *uid)
{
    strbuf_printf(out, ",\"%s\":{\"name\":", what);
    add_text(out, name);
    strbuf_add_string(out, ",\"uid\":");
    add_text(out, uid);
    strbuf_add_char(out, '}');
}

static void print_claims(const TokenClaims *claims, const char *issuer, StrBuf *out)
{
    strbuf_add_string(out, "{\"aud\":[");
    for (size_t i = 0; i < claims->audiences.n; i++) {
        strbuf_add_string(out, i ? "," : "");
        add_text(out, claims->audiences.v[i]);
    }
    strbuf_printf(out, "],\"exp\":%" PRId64 ",\"iat\":%" PRId64 ",\"iss\":", claims->expires,
                  claims->issued);
    add_text(out, issuer);
    strbuf_add_string(out, ",\"jti\":");
    add_text(out, claims->id);
    strbuf_add_string(out, ",\"kubernetes.io\":{\"namespace\":");
    add_text(out, claims->ns);
    if (!str_empty(claims->node))
        add_reference(out, "node", claims->node, claims->node_uid);
    if (!str_empty(claims->pod))
        add_reference(out, "pod", claims->pod, claims->pod_uid);
    add_reference(out, "serviceaccount", claims->service_account, claims->service_account_uid);
    strbuf_printf(out, "},\"nbf\":%" PRId64 ",\"sub\":\"system:serviceaccount:", claims->issued);
    strbuf_printf(out, "%s:%s\"}", claims->ns, claims->service_account);
}

char *token_sign(TokenKeys *keys, Arena *arena, const TokenClaims *claims)
{
    _strbuf_ StrBuf token = STRBUF_INIT, payload = STRBUF_INIT, header = STRBUF_INIT;
    const JoseKey *key = &keys->set.keys[0];

    strbuf_printf(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", key->algorithm, key->id);
    base64url_add(&token, (const uint8_t *)header.p, header.n);
    strbuf_add_char(&token, '.');
    print_claims(claims, keys->issuers.v[0], &payload);
    base64url_add(&token, (const uint8_t *)payload.p, payload.n);
    return jose_sign(key->key, key->algorithm, &token) ? arena_strndup(arena, token.p, token.n)
                                                       : NULL;
}

static const char *member(Arena *arena, yyjson_val *object, const char *name)
{
    return arena_strdup(arena, yyjson_get_str(yyjson_obj_get(object, name)));
}

/* One text, or a list of texts. */
static StringArray read_audiences(Arena *arena, yyjson_val *json)
{
    StringArray list = {0};
    size_t i, n;
    yyjson_val *one;

    if (yyjson_is_str(json)) {
        ARENA_APPEND(arena, &list, arena_strdup(arena, yyjson_get_str(json)));
        return list;
    }
    list.v = arena_new_n(arena, const char *, yyjson_arr_size(json) + 1);
    yyjson_arr_foreach(json, i, n, one) if (yyjson_is_str(one)) list.v[list.n++] =
        arena_strdup(arena, yyjson_get_str(one));
    return list;
}

static int read_claims(Arena *arena, yyjson_val *root, TokenClaims *ret)
{
    yyjson_val *own = yyjson_obj_get(root, "kubernetes.io");
    yyjson_val *account = yyjson_obj_get(own, "serviceaccount");
    yyjson_val *pod = yyjson_obj_get(own, "pod"), *node = yyjson_obj_get(own, "node");

    *ret = (TokenClaims){
        .ns = member(arena, own, "namespace"),
        .service_account = member(arena, account, "name"),
        .service_account_uid = member(arena, account, "uid"),
        .pod = member(arena, pod, "name"),
        .pod_uid = member(arena, pod, "uid"),
        .node = member(arena, node, "name"),
        .node_uid = member(arena, node, "uid"),
        .audiences = read_audiences(arena, yyjson_obj_get(root, "aud")),
        .id = member(arena, root, "jti"),
        .issued = yyjson_get_sint(yyjson_obj_get(root, "iat")),
        .expires = yyjson_get_sint(yyjson_obj_get(root, "exp")),
    };
    return !str_empty(ret->ns) && !str_empty(ret->service_account) && ret->expires > 0
               ? 0
               : TOKEN_E_UNSIGNED;
}

static bool is_issuer(const TokenKeys *keys, const char *name)
{
    for (size_t i = 0; i < keys->issuers.n; i++)
        if (str_equal(keys->issuers.v[i], name))
            return true;
    return false;
}

static bool signed_by(const TokenKeys *keys, const Jws *jws)
{
    for (size_t i = 0; i < keys->set.n; i++)
        if (str_equal(keys->set.keys[i].id, jws->key_id))
            return jws_verify(jws, &keys->set.keys[i]);
    for (size_t i = 0; i < keys->set.n; i++)
        if (jws_verify(jws, &keys->set.keys[i]))
            return true;
    return false;
}

int token_verify(const TokenKeys *keys, Arena *arena, const char *token, TokenClaims *ret)
{
    Jws jws;

    if (strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX || jws_parse(arena, token, &jws) ||
        !is_issuer(keys, yyjson_get_str(yyjson_obj_get(jws.claims, "iss"))))
        return TOKEN_E_OTHER;
    return signed_by(keys, &jws) ? read_claims(arena, jws.claims, ret) : TOKEN_E_UNSIGNED;
}
