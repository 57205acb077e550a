/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for registries, from the documents that Docker, Podman and Kubernetes keep them in.
 *
 * They are found by image, as kubelet does it: by host, port and path prefix, with wildcards in the
 * components of the host, the most specific first. Several may match; they are tried in order.
 */
#ifndef REGISTRY_KEYRING_H
#define REGISTRY_KEYRING_H

#include "base/arena.h"
#include "base/error.h"

typedef struct Credential {
    const char *user, *password;
    const char *identity_token; /* a refresh token for the token server; "" none */
    const char *registry_token; /* a bearer token for the registry itself; "" none */
} Credential;

typedef struct CredentialArray {
    Credential *v;
    size_t n;
} CredentialArray;

typedef struct Keyring Keyring;

Keyring *keyring_new(void);
Keyring *keyring_free(Keyring *keyring);

/* Documents: that of a Secret of type kubernetes.io/dockerconfigjson ({"auths": {...}}), and of the
 * older type kubernetes.io/dockercfg. A malformed one is an error, as for kubelet; the message
 * contains no secret. Credential helpers in them are ignored: no document from the cluster may
 * start a program. The bytes are copied. */
int keyring_add_dockerconfigjson(Keyring *keyring, Bytes json, Err *reterr);
int keyring_add_dockercfg(Keyring *keyring, Bytes json, Err *reterr);

/* The files of the calling user: $REGISTRY_AUTH_FILE or containers' auth.json, then
 * $DOCKER_CONFIG/config.json or ~/.docker/config.json, with their credential helpers. What they
 * have is tried after the documents. Missing files are fine. */
int keyring_add_user_files(Keyring *keyring, Err *reterr);
/* One such file, and the content of one. */
int keyring_add_file(Keyring *keyring, const char *path, Err *reterr);
int keyring_add_user_document(Keyring *keyring, Bytes json, Err *reterr);

/* image: "quay.io/team/app", without tag and digest. The texts are the keyring's. Credential
 * helpers may run, for some seconds; one that fails is an error that names the program. The calling
 * program ignores SIGPIPE, as a helper need not read its input. Several threads may call this at
 * once. */
int keyring_find(const Keyring *keyring, const char *image, Arena *arena, CredentialArray *ret,
                 Err *reterr);

static inline void keyring_freep(Keyring **keyring)
{
    *keyring = keyring_free(*keyring);
}
#define _keyring_ _cleanup_(keyring_freep)

#endif
