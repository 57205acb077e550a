/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorization of one endpoint.
 *
 * Requests are sent as what has worked before, or without authorization. When one is refused, the
 * challenge says what the registry wants: the credential itself (Basic), or a token for certain
 * scopes that a token server gives for it (Bearer). The credentials that match are tried in order,
 * as kubelet does; without any, a token server is asked anonymously.
 */
#ifndef REGISTRY_AUTH_H
#define REGISTRY_AUTH_H

#include "registry/challenge.h"
#include "registry/keyring.h"
#include "registry/memory.h"
#include "registry/transport/transfer.h"

typedef struct Auth {
    /* Set by the owner. */
    RegistryMemory *memory;
    const Keyring *keyring; /* NULL: no credentials */
    const TransferHost *host;
    const char *repository; /* HOST/PATH: finds what is remembered */
    const char *image;      /* finds the credentials */

    uv_mutex_t lock; /* guards what follows; held while a token is fetched, so all wait for it */
    Arena arena;
    char *scopes; /* separated by blanks */
    bool begun, looked_up, has_challenge, from_memory, exhausted;
    Challenge challenge;
    CredentialArray credentials;
    size_t at;           /* the credential in use */
    char *header;        /* that is sent; NULL none */
    unsigned generation; /* of header */
} Auth;

void auth_init(Auth *auth, const char *scope);
void auth_deinit(Auth *auth);
/* From now on the token has to be for this scope, too. */
void auth_add_scope(Auth *auth, const char *scope);
/* The value of Authorization; NULL: none. The caller frees it by auth_header_free. */
char *auth_header(Auth *auth, unsigned *ret_generation);
void auth_header_free(char *header);
/* The credential behind that header; false: there is none, or the access is anonymous. The texts
 * are the keyring's. */
bool auth_credential(Auth *auth, Credential *ret);
/* After the header of this generation has been refused. 0: another one may be accepted.
 * REGISTRY_E_AUTH: there is none; reterr is left alone unless a token server refused. Others: the
 * token server failed. */
int auth_next(Auth *auth, LaneUsers *users, Lane *lane, const Transfer *refused,
              unsigned generation, Err *reterr);

#endif
