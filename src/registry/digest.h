/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of content, as OCI writes them: the name of the algorithm, a colon and lower-case hex
 * digits.
 *
 * The image store identifies everything by SHA-256. A registry may also name content by SHA-512,
 * which is checked while it is received.
 */
#ifndef REGISTRY_DIGEST_H
#define REGISTRY_DIGEST_H

#include <openssl/evp.h>

#include "base/base.h"

#define DIGEST_TEXT 136 /* room for any digest, with its NUL */

typedef struct Digest {
    EVP_MD_CTX *context;
    bool is_sha512;
} Digest;

void digest_init(Digest *digest); /* SHA-256 */
/* With the algorithm of this digest, which is known (digest_is_known). */
void digest_init_like(Digest *digest, const char *text);
void digest_deinit(Digest *digest);
void digest_add(Digest *digest, const void *p, size_t n);
void digest_finish(Digest *digest, char text[static DIGEST_TEXT]);
#define _digest_ _cleanup_(digest_deinit)

void digest_of(Bytes bytes, char text[static DIGEST_TEXT]);
/* Do the bytes have this digest, which is known? */
bool digest_matches(Bytes bytes, const char *text);
bool digest_is_valid(const char *text); /* "sha256:" and 64 hex digits */
bool digest_is_known(const char *text); /* the same, or "sha512:" and 128 hex digits */
static inline const char *digest_hex(const char *text) /* of a known one */
{
    return text + 7;
}

#endif
