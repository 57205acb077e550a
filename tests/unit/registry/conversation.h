/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with a fake registry, with short times. */
#ifndef TESTS_UNIT_REGISTRY_CONVERSATION_H
#define TESTS_UNIT_REGISTRY_CONVERSATION_H

#include "testing.h"

#include "base/strbuf.h"
#include "fake_registry.h"
#include "registry/registry.h"

#define MANIFEST                                                                         \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"," \
    "\"config\":{},\"layers\":[]}"
#define MANIFEST_HEX "21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31"
#define MANIFEST_DIGEST "sha256:" MANIFEST_HEX
#define BLOB "0123456789abcdefghij"
#define BLOB_HEX "6bc14bdc4517a7a682c6910de2e2946eb8e1ecd04090728fef6d092a7ceb62c5"
#define BLOB_DIGEST "sha256:" BLOB_HEX
#define BLOB_PATH "/v2/app/blobs/" BLOB_DIGEST

#define OCI_TYPE "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
#define MANIFEST_OK "HTTP/1.1 200 OK\r\n" OCI_TYPE "Content-Length: 100\r\n\r\n" MANIFEST
#define BLOB_OK "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" BLOB
#define UNAUTHORIZED(challenge) \
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " challenge "\r\nContent-Length: 0\r\n\r\n"
#define EMPTY(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"
#define REDIRECT(to) "HTTP/1.1 307 See\r\nLocation: " to "\r\nContent-Length: 0\r\n\r\n"

typedef struct Conversation {
    Arena arena;
    FakeRegistry *fake;
    RegistryConfig *config;
    Keyring *keyring;
    Registry *registry;
    Err err;
} Conversation;

extern const RegistryTimes short_times;

/* The registry is localhost:PORT/app:1. keyring_json: "@PORT@" is replaced; NULL: no credentials. */
void conversation_begin(Conversation *c, const FakeReply *replies, size_t n,
                        const char *keyring_json);
/* Another conversation with the same configuration. */
void conversation_again(Conversation *c);
void conversation_end(Conversation *c); /* fails if there were unexpected requests */

/* Text with the port in place of "@PORT@". */
const char *with_port(Arena *arena, int port, const char *text);

/* Reads the blob of 20 bytes, or of unknown size where size is -1: 0 or the outcome. */
int read_blob(Conversation *c, int64_t size, StrBuf *ret);

#endif
