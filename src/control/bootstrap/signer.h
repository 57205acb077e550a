/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signatures in the ConfigMap cluster-info of kube-public: for each bootstrap token that may sign, one of
 * the kubeconfig in it, so that a machine that knows a token can trust a kubeconfig which anybody may read.
 */
#ifndef CONTROL_BOOTSTRAP_SIGNER_H
#define CONTROL_BOOTSTRAP_SIGNER_H

#include "api/schema/core_config_v1.h"
#include "base/arena.h"

/* A detached JSON Web Signature (HS256) of the content: "HEADER..SIGNATURE". */
const char *bootstrap_sign(Arena *arena, const char *content, const char *id, const char *secret);
/* The data that the ConfigMap should have. False: those that it has are right. */
bool bootstrap_signatures(Arena *arena, const ConfigMap *map, const Secret *const *secrets,
                          size_t n_secrets, int64_t now_ns, StringMap *ret);

#endif
