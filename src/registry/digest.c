/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/digest.h"

#define PREFIX 7 /* the length of "sha256:" and of "sha512:" */

static void init(Digest *digest, bool is_sha512)
{
    digest->is_sha512 = is_sha512;
    digest->context = EVP_MD_CTX_new();
    ASSERT(digest->context);
    ASSERT(EVP_DigestInit_ex(digest->context, is_sha512 ? EVP_sha512() : EVP_sha256(), NULL) == 1);
}

void digest_init(Digest *digest)
{
    init(digest, false);
}

void digest_init_like(Digest *digest, const char *text)
{
    ASSERT(digest_is_known(text));
    init(digest, str_starts_with(text, "sha512:"));
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
    char *at = text + PREFIX;

    ASSERT(EVP_DigestFinal_ex(digest->context, bytes, &n) == 1 && PREFIX + 2 * n < DIGEST_TEXT);
    memcpy(text, digest->is_sha512 ? "sha512:" : "sha256:", PREFIX);
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

bool digest_matches(Bytes bytes, const char *text)
{
    _digest_ Digest digest = {0};
    char found[DIGEST_TEXT];

    digest_init_like(&digest, text);
    digest_add(&digest, bytes.p, bytes.n);
    digest_finish(&digest, found);
    return str_equal(found, text);
}

static bool is_hex_after(const char *text, const char *prefix, size_t digits)
{
    return str_starts_with(text, prefix) && strlen(text) == PREFIX + digits &&
           strspn(text + PREFIX, "0123456789abcdef") == digits;
}

bool digest_is_valid(const char *text)
{
    return is_hex_after(text, "sha256:", 64);
}

bool digest_is_known(const char *text)
{
    return digest_is_valid(text) || is_hex_after(text, "sha512:", 128);
}
