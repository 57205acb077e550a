/* SPDX-License-Identifier: Apache-2.0 */
/* Documents with credentials: "IMAGE\n" and a document. What is found for a host that the document
 * does not contain is at most what a wildcard gives. */
#include "base/strbuf.h"
#include "registry/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    _arena_ Arena arena = ARENA_INIT;
    const char *image;
    Bytes document;

    if (!line)
        return 0;
    image = arena_strndup(&arena, (const char *)data, (size_t)(line - data));
    document = (Bytes){line + 1, size - (size_t)(line + 1 - data)};
    for (int form = 0; form < 2; form++) {
        _keyring_ Keyring *keyring = keyring_new();
        CredentialArray found;
        Err err = ERR_INIT;
        int r = form ? keyring_add_dockercfg(keyring, document, &err)
                     : keyring_add_dockerconfigjson(keyring, document, &err);

        ASSERT(r <= 0 && (r == 0 || err.message[0]));
        /* These start no program. */
        ASSERT(keyring_find(keyring, image, &arena, &found, &err) == 0);
        for (size_t i = 0; i < found.n; i++)
            ASSERT(found.v[i].user && found.v[i].password && found.v[i].identity_token);
        ASSERT(keyring_find(keyring, "other.host.example/x", &arena, &found, &err) == 0);
        if (!memchr(document.p, '*', document.n) && !memchr(document.p, '?', document.n) &&
            !memchr(document.p, '[', document.n) && !memchr(document.p, '\\', document.n) &&
            !memmem(document.p, document.n, "other", 5))
            ASSERT(found.n == 0);
    }
    return 0;
}
