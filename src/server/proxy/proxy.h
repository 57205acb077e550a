/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes a request on to another server and its answer back: to a port of a pod, of a Service or of a
 * node, or to an extension server.
 *
 * Both bodies are streamed with at most PROXY_PENDING bytes waiting in each direction; whoever does not
 * read holds the other side back. An upgrade (WebSocket, SPDY) is passed on as bytes. What the backend
 * answers is untrusted. Its head is limited, headers that are for one connection only are dropped in both
 * directions, and credentials of the client are never passed on.
 */
#ifndef SERVER_PROXY_PROXY_H
#define SERVER_PROXY_PROXY_H

#include "http/http.h"
#include "server/request/call.h"

typedef struct ProxyTarget {
    const char *address; /* numeric */
    uint16_t port;
    struct ssl_ctx_st *tls;  /* NULL: plain */
    const char *server_name; /* expected in the certificate; NULL: any */
    const char *host;        /* the Host header; NULL: that of the client */
    const char *path;        /* with its encoding, without the query */
    const char *prefix; /* of links that lead through the proxy; NULL: links stay as they are */
    const HttpHeader *headers; /* extra ones, which replace those of the client */
    size_t n_headers;
    bool extension; /* of an extension server: its errors are texts, and redirects are refused */
} ProxyTarget;

/* Takes the request over until its end. The target is copied as far as it is needed later. */
void proxy_start(Call *call, const ProxyTarget *target);

/* pods/NAME/proxy, services/NAME/proxy and nodes/NAME/proxy. */
void subresource_proxy(Call *call);

#endif
