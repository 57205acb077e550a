/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of the client of a request. It is the peer, or, if the peer is a trusted proxy, an address in X-Forwarded-For. Each
 * proxy appends the address of its own peer to this list, and a client can send a list with any content. So the list is read from
 * its end, and only for as long as the entries are addresses of trusted proxies.
 */
#ifndef TIME_SERVER_CALLER_H
#define TIME_SERVER_CALLER_H

#include "base/error.h"
#include "http/http.h"

typedef struct Network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
} Network;

typedef struct Networks {
    Network v[16];
    size_t n;
} Networks;

/* Parses a list such as "10.0.0.0/8, ::1", which may be empty. Returns 0, or a negative error with a message. */
int networks_parse(const char *text, Networks *ret, Err *reterr);

#define CALLER_MAX 48

/* Writes the address of the client, or "local" for a peer on a Unix socket. */
void caller_of(const HttpRequest *request, const Networks *trusted, char buf[static CALLER_MAX]);

#endif
