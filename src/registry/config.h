/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine knows about registries: containers' registries.conf (mirrors, insecure and
 * blocked registries), the folders of certificates, proxies, and the limits of a conversation.
 *
 * A RegistryConfig is read once and shared by all threads. It also remembers between conversations
 * what makes the next one short: connections, tokens, and which hosts use plain HTTP.
 */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

#include <sys/socket.h>

#include "base/arena.h"
#include "base/error.h"
#include "registry/types.h"

typedef struct RegistryConfig RegistryConfig;

typedef struct RegistryOptions {
    /* registries.conf; FILE.d/ *.conf are read after it. NULL: $CONTAINERS_REGISTRIES_CONF, else
     * the user's own (~/.config/containers), else /etc/containers. "": none */
    const char *conf;
    /* Folders with a subfolder HOST[:PORT] for a registry, NULL-ended, the first counts. NULL:
     * /etc/containers/certs.d and /etc/docker/certs.d, and those of the user */
    const char *const *certs;
    /* Whether a host that a registry refers us to, by a redirect or as its token server, may be at
     * this address. Loopback and link-local addresses need not be refused here. A registry that
     * is itself at such an address may refer to others. NULL: all may be connected to. */
    bool (*may_connect)(void *data, const struct sockaddr *to);
    void *data;
    RegistryTimes times;
} RegistryOptions;

/* options may be NULL. A file that is malformed is an error; one that is missing is not. */
int registry_config_load(const RegistryOptions *options, RegistryConfig **ret, Err *reterr);
RegistryConfig *registry_config_free(RegistryConfig *config);

static inline void registry_config_freep(RegistryConfig **config)
{
    *config = registry_config_free(*config);
}
#define _registry_config_ _cleanup_(registry_config_freep)

#endif
