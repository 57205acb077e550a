/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the client. A Registry has endpoints: the mirrors of its repository, and
 * last the registry itself. A call is made to one endpoint; endpoint_call adds what the protocol
 * needs around it (scheme, authorization, repetition) and turns refusals into outcomes.
 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "registry/auth.h"
#include "registry/conf/registries_conf.h"
#include "registry/memory.h"
#include "registry/registry.h"
#include "registry/transport/transfer.h"

struct RegistryConfig {
    RegistriesConf conf;
    VEC(char *) certs; /* folders, NULL-ended */
    bool (*may_connect)(void *data, const struct sockaddr *to);
    void *data;
    RegistryTimes times;
    ProxySettings proxies;
    RegistryMemory *memory; /* what is not constant */
};

typedef struct Endpoint {
    const char *host; /* "registry-1.docker.io", "localhost:5000" */
    const char *path; /* of the repository there */
    TransferHost transfer;
    Guard guard;
    Auth auth;
} Endpoint;

struct Registry {
    const RegistryConfig *config;
    const Keyring *keyring;
    Arena arena; /* of reference and endpoints */
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
    const char *url;  /* that the registry has named, in place of the path */
    const char *accept;
    uint64_t range_from;
    bool is_large;
    bool tries_all; /* credentials, also where the answer is that there is no such thing */
    /* What is sent: body, or body_size bytes from read, which can be sent once only. */
    const char *content_type, *content_range;
    Bytes body;
    RegistryRead read;
    void *read_data;
    int64_t body_size;
} Call;

/* 0: the answer is a success, whose body can be read. */
int endpoint_call(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                  Transfer **ret, int *ret_status, Err *reterr);
/* Tries the endpoints in order, beginning with the one that has answered last, until one succeeds
 * or a result is negative. Outcome and message are those of the registry itself. */
typedef int (*EndpointTry)(void *data, Endpoint *endpoint, Err *reterr);
int registry_try_endpoints(Registry *registry, EndpointTry try, void *data, Err *reterr);

#endif
