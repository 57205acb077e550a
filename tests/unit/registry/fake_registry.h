/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on loopback that says exactly what a test wants it to say, in threads of its own.
 *
 * A request takes the first reply that is not used up and begins with what it expects. A request
 * that no reply fits is answered with 500, and fails the test in fake_stop.
 */
#ifndef TESTS_UNIT_REGISTRY_FAKE_REGISTRY_H
#define TESTS_UNIT_REGISTRY_FAKE_REGISTRY_H

#include "base/base.h"

typedef enum FakeThen {
    FAKE_KEEP,    /* the connection stays open for the next request */
    FAKE_CLOSE,   /* the connection ends */
    FAKE_HANG,    /* nothing follows until the client closes */
    FAKE_ZEROS,   /* zeros follow without end */
    FAKE_LINES,   /* header lines follow without end */
    FAKE_INTERIM, /* responses 103 follow without end */
    FAKE_TRICKLE, /* a byte every 10 ms follows */
} FakeThen;

typedef struct FakeReply {
    const char *expect; /* the start of the request line: "GET /v2/app/" */
    const char *with;   /* that the head contains; NULL: anything */
    /* NULL: none. "@PORT@" is the port of the server, "@LENGTH@" the length of the body. */
    const char *reply;
    FakeThen then;
    int times; /* 0: once; -1: for ever */
} FakeReply;

typedef struct FakeRegistry FakeRegistry;

FakeRegistry *fake_start(const FakeReply *replies, size_t n);
int fake_port(const FakeRegistry *fake);
size_t fake_requests(FakeRegistry *fake);
size_t fake_connections(FakeRegistry *fake);
/* Whether any request had this in its head or body. */
bool fake_has_seen(FakeRegistry *fake, const char *text);
/* Blocks until so many requests have come. */
void fake_wait(FakeRegistry *fake, size_t requests);
/* The number of requests that no reply fitted. */
size_t fake_stop(FakeRegistry *fake);

#endif
