/* SPDX-License-Identifier: Apache-2.0 */
/* In place of image/pull: notes who wants an image, and gives the results that a test chooses. */
#ifndef FAKE_PULLER_H
#define FAKE_PULLER_H

#include "image/pull/pull.h"

extern size_t fake_pulls; /* how many were begun and not left */
extern char fake_pull_name[256], fake_pull_keyring[DIGEST_TEXT]; /* of the newest */
extern size_t fake_pull_secrets;

/* Ends the newest one. */
void fake_pull_end(int outcome, const char *message, int64_t size, int64_t duration_ns);

#endif
