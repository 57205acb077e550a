/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of the client share: outcomes and limits. */
#ifndef REGISTRY_TYPES_H
#define REGISTRY_TYPES_H

#include <sys/types.h>

#include "base/base.h"

/* Each comes with a message in reterr. */
enum {
    REGISTRY_E_AUTH = 1,     /* the registry wants other credentials, or denies these access */
    REGISTRY_E_MISSING,      /* it does not have this */
    REGISTRY_E_THROTTLED,    /* too many requests; registry_retry_after says how long to wait */
    REGISTRY_E_UNAVAILABLE,  /* cannot be reached, or does not answer as a registry in time */
    REGISTRY_E_UNKNOWN_HOST, /* the name of its host cannot be resolved */
    REGISTRY_E_BAD_DATA,     /* what it sent is not what was asked for: digest, length, type */
    REGISTRY_E_REFUSED, /* it is blocked, refers us to a forbidden place, or rejects the request */
};

/* How long a registry may take. 0: the default. */
typedef struct RegistryTimes {
    int64_t connect_ms;     /* until connected, with TLS: 20 s */
    int64_t first_byte_ms;  /* from the request to the head of the answer: 30 s */
    int64_t stall_ms;       /* of waiting in which less than stall_bytes arrive: 30 s */
    int64_t stall_bytes;    /* 32 KiB */
    int64_t retry_ms;       /* before the first repetition, doubled for each further one: 200 ms */
    int64_t retry_after_ms; /* the most that one Retry-After is waited for: 20 s */
} RegistryTimes;

/* Returns how many bytes it wrote to buffer; 0 at the end, negative to fail. */
typedef ssize_t (*RegistryRead)(void *data, void *buffer, size_t size);

#endif
