/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of certificates for single registries: containers-certs.d(5), and Docker's. */
#ifndef REGISTRY_CONF_CERTS_H
#define REGISTRY_CONF_CERTS_H

#include "base/arena.h"
#include "base/error.h"

typedef struct RegistryCerts {
    const char *ca;                       /* PEM; NULL: none */
    const char *client_cert, *client_key; /* paths; NULL: none */
} RegistryCerts;

/* Reads the first of the folders DIRS[i]/HOST that exists. Its files *.crt are CAs that are
 * trusted besides those of the system, and *.cert with the *.key of the same name is the client
 * certificate that the registry gets. */
int registry_certs_read(const char *const *dirs, const char *host, Arena *arena, RegistryCerts *ret,
                        Err *reterr);

#endif
