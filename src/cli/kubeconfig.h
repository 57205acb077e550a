/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a kubeconfig, and adds or removes one context with its cluster and its user. The other entries of the file are kept. A
 * file that is not a kubeconfig is refused and left unchanged. A new file has the mode 0600, its folder 0700.
 */
#ifndef CLI_KUBECONFIG_H
#define CLI_KUBECONFIG_H

#include "base/arena.h"
#include "base/error.h"

typedef struct KubeconfigEntry {
    const char *name;   /* of the cluster, the user and the context */
    const char *server; /* "https://127.0.0.1:6443" */
    const char *ca_pem;
    const char *certificate_pem, *key_pem;
} KubeconfigEntry;

/* Adds or replaces the entry and makes it the current context. Returns 0, or a negative error with a message. */
int kubeconfig_put(const char *path, const KubeconfigEntry *entry, Err *reterr);
/* Removes the entry, and the current context if it has this name. Returns 0 also if there is no such entry or file. */
int kubeconfig_remove(const char *path, const char *name, Err *reterr);

/* The settings of a context; NULL where it has none. */
typedef struct Kubeconfig {
    const char *server, *tls_server_name, *ns;
    const char *
        ca_pem; /* NULL: the certificate of the server is not verified, or the server uses plain HTTP */
    const char *certificate_pem, *key_pem;
    const char *token;
    bool insecure; /* insecure-skip-tls-verify */
} Kubeconfig;

enum { KUBECONFIG_E_MISSING = 1 }; /* there is no such file or context; has a message */

/* Reads the context `name` (NULL: the current one), and the files that it refers to, into the arena. Returns 0,
 * KUBECONFIG_E_MISSING, or a negative error with a message. */
int kubeconfig_read(const char *path, const char *name, Arena *arena, Kubeconfig *ret, Err *reterr);

#endif
