/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context in a kubeconfig. Other clusters, users and contexts in the file stay as they are; a
 * file that cannot be read as a kubeconfig is left alone and refused. The file and its folder come
 * out as 0600 and 0700.
 */
#ifndef CLI_KUBECONFIG_H
#define CLI_KUBECONFIG_H

#include "base/arena.h"
#include "base/error.h"

typedef struct KubeconfigEntry {
    const char *name;   /* of cluster, user and context */
    const char *server; /* "https://127.0.0.1:6443" */
    const char *ca_pem;
    const char *certificate_pem, *key_pem;
} KubeconfigEntry;

/* Puts or replaces, and makes it the current context. */
int kubeconfig_put(const char *path, const KubeconfigEntry *entry, Err *reterr);
/* Takes it out; a current context of this name goes too. Missing is fine. */
int kubeconfig_remove(const char *path, const char *name, Err *reterr);

/* What a context says; "" or NULL where it says nothing. */
typedef struct Kubeconfig {
    const char *server, *tls_server_name, *ns;
    const char *ca_pem; /* NULL: the server is not checked, or plain HTTP */
    const char *certificate_pem, *key_pem;
    const char *token;
    bool insecure; /* insecure-skip-tls-verify */
} Kubeconfig;

enum { KUBECONFIG_E_MISSING = 1 }; /* no file, or no such context: with a message too */

/* The context `name`, or the current one; files that it names are read. In the arena. */
int kubeconfig_read(const char *path, const char *name, Arena *arena, Kubeconfig *ret, Err *reterr);

#endif
