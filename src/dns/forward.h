/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwards questions to the name servers of the machine, byte for byte, each with a query id and a
 * socket (and so a source port) of its own. If a server does not answer in time, the next one is
 * asked; if none answers, or there is none, the answer is SERVFAIL. At most FORWARD_MAX questions are
 * in flight in total, and FORWARD_OF_SOURCE_MAX of one client; further ones get SERVFAIL at once.
 */
#ifndef DNS_FORWARD_H
#define DNS_FORWARD_H

#include "base/base.h"

struct uv_loop_s;

typedef struct Forwarder Forwarder;

#define FORWARD_MAX 512
#define FORWARD_OF_SOURCE_MAX 64

/* Reads the servers from the file `resolv_conf`, again whenever it has changed. The address `own` is
 * never asked, since it is that of the name server itself. */
Forwarder *forwarder_new(struct uv_loop_s *loop, const char *resolv_conf, const char *own);
/* Frees the forwarder. Questions in flight are not answered. */
Forwarder *forwarder_free(Forwarder *forwarder);
/* Called exactly once per question, possibly before forwarder_ask() returns, unless the forwarder is
 * freed first. `answer` is valid during the call; it is empty if the question was malformed. */
typedef void (*ForwardDone)(void *data, Bytes answer);
/* `source` is any number that identifies the client. */
void forwarder_ask(Forwarder *forwarder, Bytes question, bool tcp, uint32_t source,
                   ForwardDone done, void *data);

#endif
