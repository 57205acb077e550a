/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling: the peer, or, where the peer is a proxy that we trust, whom it names in
 * X-Forwarded-For. That list grows at its end, and anybody can put anything before it; so it is
 * read from the end, for as long as the one who wrote it is trusted.
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

/* "10.0.0.0/8, ::1"; empty: none. 0, or negative with a message. */
int networks_parse(const char *text, Networks *ret, Err *reterr);

#define CALLER_MAX 48

void caller_of(const HttpRequest *request, const Networks *trusted, char buf[static CALLER_MAX]);

#endif
