/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the client. A Registry has endpoints: the mirrors of its repository, and
 * last the registry itself. A call is made to one endpoint; endpoint_call adds what the protocol
 * needs around it (scheme, authorization, repetition) and turns refusals into outcomes.
 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "base/strmap.h"
#include "registry/registry.h"
#include "registry/transport/transfer.h"

struct RegistryConfig {
    bool (*may_connect)(void *data, const struct sockaddr *to);
    void *data;
    RegistryTimes times;
    ProxySettings proxies;
    struct RegistryMemory *memory; /* what is not constant */
};

typedef struct RegistryMemory {
    LanePool lanes;
    uv_mutex_t lock;
    StrMap plain; /* hosts that use plain HTTP; the value is not used */
} RegistryMemory;

typedef struct Endpoint {
    char *host; /* "registry-1.docker.io", "localhost:5000" */
    char *path; /* of the repository there */
    TransferHost transfer;
    Guard guard;
} Endpoint;

struct Registry {
    const RegistryConfig *config;
    const Keyring *keyring;
    Arena arena; /* of reference */
    ImageReference reference;
    LaneUsers users;
    Endpoint *endpoints;
    size_t n;
    atomic_size_t current; /* that has answered */
    atomic_int_least64_t retry_after;
};

typedef struct Call {
    const char *method;
    const char *path; /* below /v2/<repository>/ */
    const char *accept;
    uint64_t range_from;
    bool is_large;
} Call;

/* 0: the answer is a success, whose body can be read. */
int endpoint_call(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                  Transfer **ret, int *ret_status, Err *reterr);
/* Tries the endpoints in order, beginning with the one that has answered last. */
typedef int (*EndpointTry)(void *data, Endpoint *endpoint, Err *reterr);
int registry_try_endpoints(Registry *registry, EndpointTry try, void *data, Err *reterr);

/* The registry's own words in the body of a refusal; "" if there are none. */
void refusal_reason(Bytes body, char *to, size_t size);

bool memory_is_plain(const RegistryConfig *config, const char *host);
void memory_set_plain(const RegistryConfig *config, const char *host, bool is_plain);

#endif
