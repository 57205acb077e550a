/* SPDX-License-Identifier: Apache-2.0 */
/* Images leave the store. Images that are removed meanwhile are kept until it has ended. */
#ifndef IMAGE_TRANSFER_TRANSFER_H
#define IMAGE_TRANSFER_TRANSFER_H

#include "image/image.h"
#include "registry/config.h"
#include "registry/keyring.h"

/* Writes an archive with all these images, which is an OCI layout as well as what `docker save` writes. The file is new or replaced
 * as a whole. Returns 0, IMAGE_E_MISSING or a negative result. */
int image_export(ImageStore *store, const StringArray *names, const char *file, Err *reterr);

/* Pushes the image to the registry that `to` names, as which it is known there. *ret_digest: of its manifest. Returns 0,
 * IMAGE_E_MISSING, or a negative result with the registry's reason. Not on the pool, since it waits for a network. It fails soon after
 * *stop has become true. */
int image_push(ImageStore *store, const char *name, const char *to, const RegistryConfig *config,
               const Keyring *keyring, const atomic_bool *stop, Arena *arena,
               const char **ret_digest, Err *reterr);

#endif
