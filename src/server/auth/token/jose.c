/* SPDX-License-Identifier: Apache-2.0 */
/* See jose.h. JOSE writes the signature of an elliptic curve as two numbers of fixed length, OpenSSL as DER. */
#include "server/auth/token/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "codec/base64url.h"
#include "codec/json/json.h"

#define NUMBER_MAX 66 /* bytes of a coordinate of P-521 */

typedef struct Algorithm {
    const char *name;
    int type; /* EVP_PKEY_RSA or EVP_PKEY_EC */
    bool pss;
    const EVP_MD *(*digest)(void);
    const char *curve, *group; /* the names of JOSE and OpenSSL */
    size_t bytes;              /* of a coordinate */
} Algorithm;

static const Algorithm algorithms[] = {
    {"RS256", EVP_PKEY_RSA, false, EVP_sha256, NULL, NULL, 0},
    {"RS384", EVP_PKEY_RSA, false, EVP_sha384, NULL, NULL, 0},
    {"RS512", EVP_PKEY_RSA, false, EVP_sha512, NULL, NULL, 0},
    {"PS256", EVP_PKEY_RSA, true, EVP_sha256, NULL, NULL, 0},
    {"PS384", EVP_PKEY_RSA, true, EVP_sha384, NULL, NULL, 0},
    {"PS512", EVP_PKEY_RSA, true, EVP_sha512, NULL, NULL, 0},
    {"ES256", EVP_PKEY_EC, false, EVP_sha256, "P-256", "prime256v1", 32},
    {"ES384", EVP_PKEY_EC, false, EVP_sha384, "P-384", "secp384r1", 48},
    {"ES512", EVP_PKEY_EC, false, EVP_sha512, "P-521", "secp521r1", 66},
};

static const Algorithm *find_algorithm(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(algorithms); i++)
        if (str_equal(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

bool jose_is_algorithm(const char *name)
{
    return find_algorithm(name) != NULL;
}

static bool group_is(const EVP_PKEY *key, const char *group)
{
    char name[32];
    size_t n;

    return EVP_PKEY_get_group_name(key, name, sizeof(name), &n) == 1 && str_equal(name, group);
}

/* Whether a key of this kind can have made such a signature. */
static bool fits(const Algorithm *algorithm, const EVP_PKEY *key)
{
    return EVP_PKEY_get_base_id(key) == algorithm->type &&
           (!algorithm->group || group_is(key, algorithm->group));
}

const char *jose_algorithm(const EVP_PKEY *key)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (fits(&algorithms[i], key))
            return algorithms[i].name;
    return NULL;
}

/* ---- tokens ---- */

static const char *parse_part(Arena *arena, const char *from, size_t n, Bytes *ret,
                              yyjson_val **ret_json)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (base64url_decode(arena, from, n, ret))
        return "illegal base64 data";
    if (!ret_json)
        return NULL;
    if (json_parse(arena, *ret, &doc, &report))
        return str_or(report.error, "it is not JSON");
    *ret_json = yyjson_doc_get_root(doc);
    return yyjson_is_obj(*ret_json) ? NULL : "it is no JSON object";
}

const char *jws_parse(Arena *arena, const char *text, Jws *ret)
{
    const char *payload, *signature, *fault;
    yyjson_val *header;
    Bytes bytes;

    *ret = (Jws){.text = text};
    if (strnlen(text, JWS_MAX + 1) > JWS_MAX)
        return "the token is too long";
    payload = strchr(text, '.');
    signature = payload ? strchr(payload + 1, '.') : NULL;
    if (!signature || strchr(signature + 1, '.'))
        return "compact JWS format must have three parts";
    ret->signed_n = (size_t)(signature - text);
    fault = parse_part(arena, text, (size_t)(payload - text), &bytes, &header);
    if (!fault)
        fault = parse_part(arena, payload + 1, (size_t)(signature - payload - 1), &ret->payload,
                           &ret->claims);
    if (!fault)
        fault = parse_part(arena, signature + 1, strlen(signature + 1), &ret->signature, NULL);
    if (fault)
        return fault;
    /* An extension that has to be understood is not. */
    if (yyjson_obj_get(header, "crit"))
        return "unsupported crit header";
    ret->algorithm = str_or(yyjson_get_str(yyjson_obj_get(header, "alg")), "");
    ret->key_id = yyjson_get_str(yyjson_obj_get(header, "kid"));
    return NULL;
}

/* Makes the DER form of the two numbers. */
static int der_of(const Algorithm *algorithm, Bytes raw, uint8_t **ret)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.p, (int)algorithm->bytes, NULL);
    BIGNUM *s = BN_bin2bn(raw.p + algorithm->bytes, (int)algorithm->bytes, NULL);
    int n = -1;

    *ret = NULL;
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s)) {
        n = i2d_ECDSA_SIG(signature, ret);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(signature);
    return n;
}

static bool set_padding(const Algorithm *algorithm, EVP_PKEY_CTX *context)
{
    return !algorithm->pss ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_AUTO) == 1);
}

bool jws_verify(const Jws *jws, const JoseKey *key)
{
    const Algorithm *algorithm = find_algorithm(jws->algorithm);
    EVP_MD_CTX *context;
    EVP_PKEY_CTX *of_key;
    Bytes signature = jws->signature;
    uint8_t *der = NULL;
    bool good;

    if (!algorithm || !fits(algorithm, key->key) ||
        (key->algorithm && !str_equal(key->algorithm, jws->algorithm)))
        return false;
    if (algorithm->bytes) {
        int n = signature.n == 2 * algorithm->bytes ? der_of(algorithm, signature, &der) : -1;

        if (n <= 0)
            return false;
        signature = (Bytes){der, (size_t)n};
    }
    context = EVP_MD_CTX_new();
    good = context &&
           EVP_DigestVerifyInit(context, &of_key, algorithm->digest(), NULL, key->key) == 1 &&
           set_padding(algorithm, of_key) &&
           EVP_DigestVerify(context, signature.p, signature.n, (const uint8_t *)jws->text,
                            jws->signed_n) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

/* The two numbers of a signature in DER form. */
static bool raw_of(const Algorithm *algorithm, const uint8_t *der, size_t n,
                   uint8_t ret[static 2 * NUMBER_MAX])
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)n);
    int bytes = (int)algorithm->bytes;
    bool good = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, bytes) == bytes &&
                BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + bytes, bytes) == bytes;

    ECDSA_SIG_free(signature);
    return good;
}

bool jose_sign(EVP_PKEY *key, const char *name, StrBuf *text)
{
    const Algorithm *algorithm = find_algorithm(name);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t made[RSA_BITS_MAX / 8], raw[2 * NUMBER_MAX];
    size_t n = sizeof(made);
    bool good = algorithm && context &&
                EVP_DigestSignInit(context, NULL, algorithm->digest(), NULL, key) == 1 &&
                EVP_DigestSign(context, made, &n, (const uint8_t *)text->p, text->n) == 1 &&
                (!algorithm->bytes || raw_of(algorithm, made, n, raw));

    EVP_MD_CTX_free(context);
    if (!good)
        return false;
    strbuf_add_char(text, '.');
    base64url_add(text, algorithm->bytes ? raw : made, algorithm->bytes ? 2 * algorithm->bytes : n);
    return true;
}

/* ---- keys ---- */

bool jose_key_id(const EVP_PKEY *key, StrBuf *out)
{
    uint8_t digest[32], *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    bool good = n > 0 && EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    if (good)
        base64url_add(out, digest, sizeof(digest));
    return good;
}

/* Appends the number, which has `bytes` bytes; 0: as many as it needs. */
static bool print_number(const EVP_PKEY *key, const char *parameter, size_t bytes, StrBuf *out)
{
    uint8_t made[RSA_BITS_MAX / 8];
    BIGNUM *number = NULL;
    bool good = EVP_PKEY_get_bn_param(key, parameter, &number) == 1;
    int n;

    if (good) {
        bytes = bytes ? bytes : (size_t)BN_num_bytes(number);
        n = bytes <= sizeof(made) ? BN_bn2binpad(number, made, (int)bytes) : -1;
        good = n == (int)bytes;
    }
    BN_free(number);
    if (good)
        base64url_add(out, made, bytes);
    return good;
}

bool jose_print(const JoseKey *key, StrBuf *out)
{
    const Algorithm *algorithm = find_algorithm(jose_algorithm(key->key));
    bool good;

    if (!algorithm)
        return false;
    strbuf_printf(out, "{\"use\":\"sig\",\"kty\":\"%s\",\"kid\":\"%s\"",
                  algorithm->group ? "EC" : "RSA", key->id);
    if (algorithm->group) {
        strbuf_printf(out, ",\"crv\":\"%s\",\"alg\":\"%s\",\"x\":\"", algorithm->curve,
                      algorithm->name);
        good = print_number(key->key, OSSL_PKEY_PARAM_EC_PUB_X, algorithm->bytes, out);
        strbuf_add_string(out, "\",\"y\":\"");
        good = good && print_number(key->key, OSSL_PKEY_PARAM_EC_PUB_Y, algorithm->bytes, out);
    } else {
        strbuf_printf(out, ",\"alg\":\"%s\",\"n\":\"", algorithm->name);
        good = print_number(key->key, OSSL_PKEY_PARAM_RSA_N, 0, out);
        strbuf_add_string(out, "\",\"e\":\"");
        good = good && print_number(key->key, OSSL_PKEY_PARAM_RSA_E, 0, out);
    }
    strbuf_add_string(out, "\"}");
    return good;
}

void key_set_clear(KeySet *set)
{
    for (size_t i = 0; i < set->n; i++) {
        EVP_PKEY_free(set->keys[i].key);
        free(set->keys[i].id);
    }
    set->n = 0;
}

int key_set_add(KeySet *set, EVP_PKEY *key, const char *name, Err *reterr)
{
    _strbuf_ StrBuf id = STRBUF_INIT;
    const char *algorithm = jose_algorithm(key);

    if (set->n >= KEYS_MAX || !algorithm || EVP_PKEY_get_bits(key) > RSA_BITS_MAX ||
        !jose_key_id(key, &id)) {
        EVP_PKEY_free(key);
        return err_set(reterr, 0, "%s has %s", name,
                       set->n >= KEYS_MAX ? "too many keys"
                                          : "a key that is neither RSA nor P-256, P-384 or P-521");
    }
    set->keys[set->n++] = (JoseKey){key, mem_strdup(strbuf_string(&id)), algorithm};
    return 0;
}

/* The key of one block; NULL: it has none. */
static EVP_PKEY *key_of_block(const char *type, const uint8_t *der, long n)
{
    const uint8_t *at = der;
    EVP_PKEY *key = NULL;
    X509 *certificate;

    if (str_equal(type, PEM_STRING_PUBLIC))
        return d2i_PUBKEY(NULL, &at, n);
    if (str_equal(type, PEM_STRING_RSA_PUBLIC))
        return d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, n);
    if (str_equal(type, PEM_STRING_RSA) || str_equal(type, PEM_STRING_ECPRIVATEKEY) ||
        str_equal(type, PEM_STRING_PKCS8INF))
        return d2i_AutoPrivateKey(NULL, &at, n);
    if (!str_equal(type, PEM_STRING_X509))
        return NULL;
    certificate = d2i_X509(NULL, &at, n);
    if (certificate)
        key = X509_get_pubkey(certificate);
    X509_free(certificate);
    return key;
}

int key_set_add_pem(KeySet *set, const char *pem, const char *name, Err *reterr)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    char *type = NULL, *header = NULL;
    uint8_t *der = NULL;
    size_t before = set->n;
    long n;
    int r = 0;

    while (r == 0 && PEM_read_bio(bio, &type, &header, &der, &n) == 1) {
        EVP_PKEY *key = key_of_block(type, der, n);

        r = key ? key_set_add(set, key, name, reterr) : 0;
        OPENSSL_free(type);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)n);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (r == 0 && set->n == before)
        return err_set(reterr, 0, "%s contains no key in PEM form", name);
    return r;
}

/* ---- sets of keys ---- */

static BIGNUM *number_of(Arena *arena, yyjson_val *key, const char *name, size_t most)
{
    yyjson_val *text = yyjson_obj_get(key, name);
    Bytes bytes;

    if (!yyjson_is_str(text) ||
        base64url_decode(arena, yyjson_get_str(text), yyjson_get_len(text), &bytes) || !bytes.n ||
        bytes.n > most)
        return NULL;
    return BN_bin2bn(bytes.p, (int)bytes.n, NULL);
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (parameters && context && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key;
}

static EVP_PKEY *rsa_key(Arena *arena, yyjson_val *json)
{
    BIGNUM *n = number_of(arena, json, "n", RSA_BITS_MAX / 8), *e = number_of(arena, json, "e", 8);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;

    if (n && e && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
        key = make_key("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *ec_key(Arena *arena, yyjson_val *json)
{
    const char *curve = yyjson_get_str(yyjson_obj_get(json, "crv"));
    const Algorithm *algorithm = NULL;
    uint8_t point[1 + 2 * NUMBER_MAX] = {4}; /* the uncompressed form */
    BIGNUM *x = number_of(arena, json, "x", NUMBER_MAX),
           *y = number_of(arena, json, "y", NUMBER_MAX);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    int n;

    for (size_t i = 0; curve && i < ARRAY_LEN(algorithms); i++)
        if (str_equal(algorithms[i].curve, curve))
            algorithm = &algorithms[i];
    n = algorithm ? (int)algorithm->bytes : 0;
    if (n && x && y && builder && BN_bn2binpad(x, point + 1, n) == n &&
        BN_bn2binpad(y, point + 1 + n, n) == n &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * (size_t)n))
        key = make_key("EC", builder); /* which refuses a point that is not on the curve */
    OSSL_PARAM_BLD_free(builder);
    BN_free(x);
    BN_free(y);
    return key;
}

static void add_json_key(Arena *arena, yyjson_val *json, KeySet *set)
{
    const char *type = yyjson_get_str(yyjson_obj_get(json, "kty"));
    const char *use = yyjson_get_str(yyjson_obj_get(json, "use"));
    const char *name = yyjson_get_str(yyjson_obj_get(json, "alg"));
    const Algorithm *algorithm = find_algorithm(name);
    EVP_PKEY *key = NULL;

    if ((use && !str_equal(use, "sig")) || (name && !algorithm))
        return;
    if (str_equal(type, "RSA"))
        key = rsa_key(arena, json);
    else if (str_equal(type, "EC"))
        key = ec_key(arena, json);
    ERR_clear_error();
    if (!key)
        return;
    set->keys[set->n++] =
        (JoseKey){key, mem_strdup(str_or(yyjson_get_str(yyjson_obj_get(json, "kid")), "")),
                  algorithm ? algorithm->name : NULL};
}

const char *key_set_parse(Bytes json, KeySet *set)
{
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *keys, *key;
    size_t i, n;

    if (json_parse(&arena, json, &doc, &report))
        return "the key set is not JSON";
    keys = yyjson_obj_get(yyjson_doc_get_root(doc), "keys");
    if (!yyjson_is_arr(keys))
        return "the key set has no list of keys";
    yyjson_arr_foreach(keys, i, n, key)
    {
        if (set->n >= KEYS_MAX)
            return "the key set has too many keys";
        add_json_key(&arena, key, set);
    }
    return NULL;
}
