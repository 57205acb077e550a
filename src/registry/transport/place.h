/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests may go, and by which way. */
#ifndef REGISTRY_TRANSPORT_PLACE_H
#define REGISTRY_TRANSPORT_PLACE_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/arena.h"

/*
 * Protects what listens on this machine, and its pods, from registries: a registry that is reached
 * at a public address may not refer us to a private place, whose answer it would learn about, or
 * which a request would change.
 */
typedef struct Guard {
    bool (*may_connect)(void *data, const struct sockaddr *to); /* NULL: all that is public */
    void *data;
    atomic_bool is_private; /* the registry itself was reached at a private address */
} Guard;

/* Loopback, link-local, multicast, or no address of a host at all. */
bool address_is_private(const struct sockaddr *address);
/* Notes the address of the registry itself. */
void guard_note(Guard *guard, const struct sockaddr *address);
/* May a host that the registry refers us to have the address? */
bool guard_allows(const Guard *guard, const struct sockaddr *address);
/* The same for a host whose address the proxy will look up: only its name is known. */
bool guard_allows_name(const Guard *guard, const char *host);

/* "10.0.0.1" or "::1", also in brackets. False: it is no address. */
bool address_parse(const char *text, struct sockaddr_storage *ret);

/* The proxies that the environment names. Their URLs may contain passwords. */
typedef struct ProxySettings {
    char *http, *https, *exceptions; /* NULL: not set */
} ProxySettings;

void proxy_settings_read(ProxySettings *ret);
void proxy_settings_deinit(ProxySettings *settings);
/* NULL: connect directly. Loopback is never reached by a proxy. */
const char *proxy_for(const ProxySettings *settings, bool is_https, const char *host,
                      const char *port);

#endif
