/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credentials with which `stead image pull` and `push` ask a registry: those of the user who calls the command, also by credential
 * helpers, which are programs in the user's environment. The command passes those for the repository of the image, and no others, to the
 * server in the body of the call, over a socket that only the user of the server can open. The server keeps them for this call only.
 */
#ifndef DAEMON_IMAGE_CREDENTIALS_H
#define DAEMON_IMAGE_CREDENTIALS_H

#include "base/strbuf.h"
#include "cli/options.h"
#include "registry/keyring.h"

#define IMAGE_CREDENTIALS_MAX (256u << 10) /* bytes in a call */

/* Appends documents, one a line, with the credentials for the repository of this image, or the one of --creds. */
int image_credentials_find(const Options *options, const char *name, StrBuf *out, Err *reterr);
int image_credentials_read(Bytes documents, Keyring *keyring, Err *reterr);

#endif
