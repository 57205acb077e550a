/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that are not ours go to the machine's own servers, byte for byte, with a query id and a
 * socket (so a source port) of their own each time. A server that does not answer in time is
 * followed by the next; when none does, or there is none, the answer is SERVFAIL. At most
 * FORWARD_MAX questions are under way, and FORWARD_OF_SOURCE_MAX of one client; more are refused the
 * same way.
 */
#ifndef DNS_FORWARD_H
#define DNS_FORWARD_H

#include "base/base.h"

struct uv_loop_s;

typedef struct Forwarder Forwarder;

#define FORWARD_MAX 512
#define FORWARD_OF_SOURCE_MAX 64

/* own: our address, which is never asked. */
Forwarder *forwarder_new(struct uv_loop_s *loop, const char *resolv_conf, const char *own);
Forwarder *forwarder_free(Forwarder *forwarder);
/* answer is called exactly once, from the loop or at once, unless the forwarder is freed first. */
typedef void (*ForwardDone)(void *data, Bytes answer);
/* source: whoever asks, by any number. */
void forwarder_ask(Forwarder *forwarder, Bytes question, bool tcp, uint32_t source,
                   ForwardDone done, void *data);

#endif
