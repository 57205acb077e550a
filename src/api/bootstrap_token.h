/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bootstrap tokens: "ID.SECRET", of six and sixteen lower-case letters and digits. A token is a Secret
 * bootstrap-token-ID in kube-system, whose data say what the token may be used for and until when.
 */
#ifndef API_BOOTSTRAP_TOKEN_H
#define API_BOOTSTRAP_TOKEN_H

#include "api/schema/core_config_v1.h"
#include "base/arena.h"

#define BOOTSTRAP_PREFIX "bootstrap-token-"
#define BOOTSTRAP_TYPE "bootstrap.kubernetes.io/token"
#define BOOTSTRAP_NAMESPACE "kube-system"
enum { BOOTSTRAP_ID = 6, BOOTSTRAP_SECRET = 16 };

/* Splits the text of a token; false: it is none. *ret_secret points into it. */
bool bootstrap_parse(const char *token, char ret_id[static BOOTSTRAP_ID + 1],
                     const char **ret_secret);
/* Whether the Secret is one of a token that is not being deleted. */
bool bootstrap_is_token(const Secret *secret);
/* The text under a key of the Secret; "" if there is none. */
const char *bootstrap_data(Arena *arena, const Secret *secret, const char *key);
/* How long the token is valid from now on; INT64_MAX: for ever; 0: it has expired, or the time of its
 * expiry cannot be read. */
int64_t bootstrap_left_ns(const Secret *secret, int64_t now_ns);
/* The groups of whoever has the token; false: one of them is not a group for such tokens. */
bool bootstrap_groups(Arena *arena, const Secret *secret, StringArray *ret);

#endif
