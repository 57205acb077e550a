/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP exchange over a lane, with its redirects. The caller pulls: transfer_head waits for the
 * head of the answer, transfer_read for the next bytes of its body. libcurl is paused while the
 * buffer is full, so that a fast server cannot outrun a slow reader.
 *
 * What arrives is untrusted. The head, each wait, the number of redirects and the places that they
 * lead to are limited:
 *   - Authorization is sent to the origin (scheme, host and port) of the first URL only.
 *   - A redirect never leads to another scheme than http and https, nor from https to http unless
 *     the registry is insecure anyway.
 *   - A redirect to another origin never leads to an address that the guard refuses.
 */
#ifndef REGISTRY_TRANSPORT_TRANSFER_H
#define REGISTRY_TRANSPORT_TRANSFER_H

#include "base/arena.h"
#include "base/error.h"
#include "registry/transport/lane.h"
#include "registry/transport/place.h"
#include "registry/types.h"

#define TRANSFER_REDIRECTS_MAX 10
#define TRANSFER_BUFFER (512u << 10)

/* How the registry is reached and trusted. */
typedef struct TransferHost {
    Guard *guard;
    const ProxySettings *proxies;
    const RegistryTimes *times;           /* without zeros */
    bool insecure;                        /* certificates are not checked */
    const char *ca;                       /* PEM, besides those of the system; NULL none */
    const char *client_cert, *client_key; /* paths; NULL none */
} TransferHost;

typedef struct TransferRequest {
    const char *method; /* NULL: GET */
    const char *url;
    bool is_referred;          /* the registry named this URL: the guard applies from the start */
    bool is_large;             /* the answer is a blob: large buffers pay */
    const char *authorization; /* value of the header; NULL none */
    const char *accept, *content_type, *content_range;
    uint64_t range_from; /* 0: from the start */
    /* What is sent: body, or body_size bytes from read. */
    Bytes body;
    RegistryRead read;
    void *read_data;
    int64_t body_size;
} TransferRequest;

typedef struct Transfer Transfer;

/* The texts of the host and of the request have to stay until transfer_free. */
Transfer *transfer_new(LaneUsers *users, Lane *lane, const TransferHost *host,
                       const TransferRequest *request);
Transfer *transfer_free(Transfer *transfer);

/* Waits for the head of an answer that is no redirect. 0: *ret_status is its status. */
int transfer_head(Transfer *transfer, int *ret_status, Err *reterr);
/* The value of the i-th header of this name; NULL if there is none. */
const char *transfer_header(const Transfer *transfer, const char *name, size_t i);
int64_t transfer_length(const Transfer *transfer);  /* of the body; -1: not stated */
const char *transfer_url(const Transfer *transfer); /* that has answered */
/* The next bytes, which stay until the next call; *ret_n is 0 at the end. */
int transfer_read(Transfer *transfer, const uint8_t **ret, size_t *ret_n, Err *reterr);
/* The rest of the body; more than limit is REGISTRY_E_BAD_DATA. */
int transfer_read_all(Transfer *transfer, size_t limit, Arena *arena, Bytes *ret, Err *reterr);
/* The answer is that of the first URL's host, not of one that it redirects to. */
bool transfer_is_first_origin(const Transfer *transfer);
/* It could not be connected to at all. */
bool transfer_failed_to_connect(const Transfer *transfer);
/* It was connected to, but no request could be sent, as where the peer does not speak TLS. */
bool transfer_failed_in_tls(const Transfer *transfer);

/* Waits, but not when the conversation is canceled. */
int transfer_pause(LaneUsers *users, Lane *lane, int64_t ms, Err *reterr);

static inline void transfer_freep(Transfer **transfer)
{
    *transfer = transfer_free(*transfer);
}
#define _transfer_ _cleanup_(transfer_freep)

#endif
