/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of JSON Web Tokens (RFC 7515, 7517, 7518): the compact form of a token, keys, and sets of keys.
 * Everything here comes from strangers, and is limited.
 *
 * Algorithms are those of a table: RS, PS and ES with 256, 384 and 512 bits. "none" and symmetric ones are
 * not among them, so a public key can never be used as a secret.
 */
#ifndef SERVER_AUTH_TOKEN_JOSE_H
#define SERVER_AUTH_TOKEN_JOSE_H

#include <openssl/evp.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/strbuf.h"

#define JWS_MAX ((size_t)64 * 1024) /* of a token */
#define KEYS_MAX 128                /* of a set */
#define RSA_BITS_MAX 16384

/* A token. Nothing of it has been verified. */
typedef struct Jws {
    const char *algorithm, *key_id; /* of the header; key_id may be NULL */
    const char *text;
    size_t signed_n; /* how much of the text is signed */
    Bytes signature, payload;
    yyjson_val *claims; /* an object */
} Jws;

typedef struct JoseKey {
    EVP_PKEY *key;
    char *id;              /* "" if it has none */
    const char *algorithm; /* NULL: any that fits the key */
} JoseKey;

typedef struct KeySet {
    JoseKey keys[KEYS_MAX];
    size_t n;
} KeySet;

/* Returns NULL, or why the text is no token. */
const char *jws_parse(Arena *arena, const char *text, Jws *ret);
/* Whether the key has signed the token, with the algorithm that its header names. */
bool jws_verify(const Jws *jws, const JoseKey *key);
/* Signs header.payload, which the text contains, and appends the signature in the form of a token. */
bool jose_sign(EVP_PKEY *key, const char *algorithm, StrBuf *text);

/* The algorithm with which a key signs tokens of ServiceAccounts: RS256, ES256, ES384 or ES512; NULL: none. */
const char *jose_algorithm(const EVP_PKEY *key);
bool jose_is_algorithm(const char *name);
/* The identifier that Kubernetes gives a key: base64url of the SHA-256 of the public part in PKIX form. */
bool jose_key_id(const EVP_PKEY *key, StrBuf *out);
/* Appends the public part of the key as a JSON Web Key. */
bool jose_print(const JoseKey *key, StrBuf *out);

/* Adds the keys of a JSON Web Key Set. Keys of other kinds are skipped. Returns NULL, or why the text is
 * none. */
const char *key_set_parse(Bytes json, KeySet *set);
/* Adds each key of a PEM file: public ones, those of certificates, and the public parts of private ones. */
int key_set_add_pem(KeySet *set, const char *pem, const char *name, Err *reterr);
/* Takes the key. */
int key_set_add(KeySet *set, EVP_PKEY *key, const char *name, Err *reterr);
void key_set_clear(KeySet *set);

#endif
