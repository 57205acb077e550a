/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use an image that was pulled with credentials. A pod whose policy is IfNotPresent or Never may use an image that
 * is already there only if it could have pulled it itself, as kubelet has it (KubeletEnsureSecretPulledImages with the policy
 * NeverVerifyPreloadedImages): images that were imported may be used by all pods, images from a registry by those
 * that show the credentials with which they were pulled, or by all if none were needed.
 *
 * DIR/grants/HEX.json has for each repository from which the image was pulled the Secrets that were accepted, with a
 * digest of the credential. It is written before the name of the image, so there is no moment at which the image looks
 * as if it had been imported.
 */
#ifndef IMAGE_PULL_GRANTS_H
#define IMAGE_PULL_GRANTS_H

#include "registry/digest.h"
#include "image/image.h"
#include "registry/keyring.h"

/* A credential that a Secret has for a repository. */
typedef struct PullSecret {
    const char *uid, *namespace, *name; /* of the Secret */
    char hash[DIGEST_TEXT];             /* of the credential */
} PullSecret;

void credential_hash(const Credential *credential, char ret[static DIGEST_TEXT]);

/* Notes that the repository has given the image to this Secret; NULL: to any pod of this machine. The caller holds the
 * store's write_lock. */
int image_grant(ImageStore *store, const char *id, const char *repository, const PullSecret *secret,
                Err *reterr);
/* Whether a pod with these Secrets may use the image, which came from a registry. */
bool image_is_granted(ImageStore *store, const char *id, const char *repository,
                      const PullSecret *secrets, size_t n);

#endif
