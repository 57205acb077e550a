/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that keep credentials: docker-credential-NAME. */
#ifndef REGISTRY_CREDENTIAL_HELPER_H
#define REGISTRY_CREDENTIAL_HELPER_H

#include "registry/keyring.h"

/* What the program has for the server; all texts are empty if it has nothing. It is killed after 20
 * seconds. */
int credential_helper_get(const char *name, const char *server, Arena *arena, Credential *ret,
                          Err *reterr);

#endif
