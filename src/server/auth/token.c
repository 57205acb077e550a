/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ServiceAccount tokens: JSON Web Tokens that are signed with ES256 and have the claims of
 * kube-apiserver's bound tokens.
 *
 * A token is header.payload.signature, each part in base64url without padding. Verification takes
 * neither the algorithm nor the key from the header, so a forged header cannot select a weaker algorithm,
 * and a token whose key has another identifier, because an earlier version computed it otherwise, stays
 * valid.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "codec/base64url.h"
#include "codec/json/json.h"
#include "server/auth/token.h"

#define SIGNATURE_BYTES 64
#define TOKEN_MAX 8192

struct TokenKey {
    EVP_PKEY *key;
    char id[44];       /* the "kid": base64url of the SHA-256 of the public key in PKIX form */
    char x[44], y[44]; /* base64url of the coordinates of the public key, for the key set */
};

static bool coordinate(EVP_PKEY *key, const char *name, uint8_t ret[static 32])
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, name, &number) && BN_bn2binpad(number, ret, 32) == 32;

    BN_free(number);
    return ok;
}

static void copy_base64url(char ret[static 44], const uint8_t *p)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    base64url_add(&text, p, 32);
    memcpy(ret, text.p, 44); /* 43 characters and the NUL */
}

int token_key_new(const char *pem, TokenKey **ret, Err *reterr)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    TokenKey *key = mem_new_type(TokenKey);
    uint8_t point[64], digest[32], *der = NULL;
    int n_der;

    key->key = pem ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : EVP_EC_gen("P-256");
    BIO_free(bio);
    n_der = key->key ? i2d_PUBKEY(key->key, &der) : -1;
    if (n_der <= 0 || !coordinate(key->key, OSSL_PKEY_PARAM_EC_PUB_X, point) ||
        !coordinate(key->key, OSSL_PKEY_PARAM_EC_PUB_Y, point + 32) ||
        !EVP_Digest(der, (size_t)n_der, digest, NULL, EVP_sha256(), NULL)) {
        OPENSSL_free(der);
        token_key_free(key);
        return err_set(reterr, 0, "the key for tokens is no P-256 key");
    }
    OPENSSL_free(der);
    copy_base64url(key->id, digest);
    copy_base64url(key->x, point);
    copy_base64url(key->y, point + 32);
    *ret = key;
    return 0;
}

TokenKey *token_key_free(TokenKey *key)
{
    if (!key)
        return NULL;
    EVP_PKEY_free(key->key);
    free(key);
    return NULL;
}

void token_key_jwks(const TokenKey *key, StrBuf *out)
{
    strbuf_printf(out,
                  "{\"keys\":[{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\","
                  "\"alg\":\"ES256\",\"x\":\"%s\",\"y\":\"%s\"}]}",
                  key->id, key->x, key->y);
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

static void print_claims(const TokenClaims *claims, StrBuf *out)
{
    strbuf_add_string(out, "{\"aud\":[");
    for (size_t i = 0; i < claims->audiences.n; i++) {
        strbuf_add_string(out, i ? "," : "");
        add_text(out, claims->audiences.v[i]);
    }
    strbuf_printf(out, "],\"exp\":%" PRId64 ",\"iat\":%" PRId64 ",\"iss\":", claims->expires,
                  claims->issued);
    add_text(out, TOKEN_ISSUER);
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

/* Signs the text and converts the signature from DER to the 64 bytes r||s of JOSE. */
static bool sign(EVP_PKEY *key, const char *text, size_t n, uint8_t ret[static SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[128];
    const uint8_t *at = der;
    size_t n_der = sizeof(der);
    ECDSA_SIG *signature = NULL;
    bool ok = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) &&
              EVP_DigestSign(context, der, &n_der, (const uint8_t *)text, n) &&
              (signature = d2i_ECDSA_SIG(NULL, &at, (long)n_der)) &&
              BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, 32) == 32 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + 32, 32) == 32;

    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
    return ok;
}

char *token_sign(TokenKey *key, Arena *arena, const TokenClaims *claims)
{
    _strbuf_ StrBuf token = STRBUF_INIT, payload = STRBUF_INIT, header = STRBUF_INIT;
    uint8_t signature[SIGNATURE_BYTES];

    strbuf_printf(&header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", key->id);
    base64url_add(&token, (const uint8_t *)header.p, header.n);
    strbuf_add_char(&token, '.');
    print_claims(claims, &payload);
    base64url_add(&token, (const uint8_t *)payload.p, payload.n);
    if (!sign(key->key, token.p, token.n, signature))
        return NULL;
    strbuf_add_char(&token, '.');
    base64url_add(&token, signature, sizeof(signature));
    return arena_strndup(arena, token.p, token.n);
}

static bool signature_good(EVP_PKEY *key, const char *text, size_t n, Bytes raw)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BIGNUM *r = BN_bin2bn(raw.p, 32, NULL), *s = BN_bin2bn(raw.p + 32, 32, NULL);
    uint8_t *der = NULL;
    int n_der = -1;
    bool ok;

    if (signature && r && s && ECDSA_SIG_set0(signature, r, s))
        n_der = i2d_ECDSA_SIG(signature, &der);
    else {
        BN_free(r);
        BN_free(s);
    }
    ok = n_der > 0 && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) &&
         EVP_DigestVerify(context, der, (size_t)n_der, (const uint8_t *)text, n) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(context);
    ECDSA_SIG_free(signature);
    return ok;
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

static int read_claims(Arena *arena, Bytes json, TokenClaims *ret)
{
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root, *own, *account, *pod, *node;

    if (json_parse(arena, json, &doc, &report))
        return 1;
    root = yyjson_doc_get_root(doc);
    own = yyjson_obj_get(root, "kubernetes.io");
    account = yyjson_obj_get(own, "serviceaccount");
    pod = yyjson_obj_get(own, "pod");
    node = yyjson_obj_get(own, "node");
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
    return str_equal(yyjson_get_str(yyjson_obj_get(root, "iss")), TOKEN_ISSUER) &&
                   !str_empty(ret->ns) && !str_empty(ret->service_account) && ret->expires > 0
               ? 0
               : 1;
}

int token_verify(TokenKey *key, Arena *arena, const char *token, TokenClaims *ret)
{
    const char *payload, *signature;
    Bytes json, raw;

    if (strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX)
        return 1;
    payload = strchr(token, '.');
    signature = payload ? strchr(payload + 1, '.') : NULL;
    if (!signature || strchr(signature + 1, '.'))
        return 1;
    if (base64url_decode(arena, signature + 1, strlen(signature + 1), &raw) ||
        raw.n != SIGNATURE_BYTES ||
        !signature_good(key->key, token, (size_t)(signature - token), raw))
        return 1;
    if (base64url_decode(arena, payload + 1, (size_t)(signature - payload - 1), &json))
        return 1;
    return read_claims(arena, json, ret);
}
