/* SPDX-License-Identifier: Apache-2.0 */
#include "image/digest.h"

void digest_init(Digest *digest)
{
    digest->context = EVP_MD_CTX_new();
    ASSERT(digest->context);
    ASSERT(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1);
}

void digest_deinit(Digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

void digest_add(Digest *digest, const void *p, size_t n)
{
    ASSERT(EVP_DigestUpdate(digest->context, p, n) == 1);
}

void digest_finish(Digest *digest, char text[static DIGEST_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *at = text + 7;

    ASSERT(EVP_DigestFinal_ex(digest->context, bytes, &n) == 1 && n == 32);
    memcpy(text, "sha256:", 7);
    for (unsigned i = 0; i < n; i++) {
        *at++ = hex[bytes[i] >> 4];
        *at++ = hex[bytes[i] & 15];
    }
    *at = 0;
}

void digest_of(Bytes bytes, char text[static DIGEST_TEXT])
{
    _digest_ Digest digest = {0};

    digest_init(&digest);
    digest_add(&digest, bytes.p, bytes.n);
    digest_finish(&digest, text);
}

bool digest_is_valid(const char *text)
{
    return str_starts_with(text, "sha256:") && strlen(text) == 71 &&
           strspn(text + 7, "0123456789abcdef") == 64;
}
