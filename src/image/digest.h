/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a stream, and digests as text: "sha256:" and 64 hex digits. */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include <openssl/evp.h>

#include "base/base.h"

#define DIGEST_TEXT 72 /* room for one, with its NUL */

typedef struct Digest {
    EVP_MD_CTX *context;
} Digest;

void digest_init(Digest *digest);
void digest_deinit(Digest *digest);
void digest_add(Digest *digest, const void *p, size_t n);
void digest_finish(Digest *digest, char text[static DIGEST_TEXT]);
#define _digest_ _cleanup_(digest_deinit)

void digest_of(Bytes bytes, char text[static DIGEST_TEXT]);
bool digest_is_valid(const char *text);
static inline const char *digest_hex(const char *text) /* of a valid one */
{
    return text + 7;
}

#endif
