/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes what listens inside of the namespaces reachable at loopback addresses of the machine:
 *
 *   a node port                127.0.0.1:<node port>
 *   a load balancer            <its address>:<port>, where the addresses are of 127.43.0.0/24, and 127.0.0.1:<port> for the first one
 *   a host port of a pod, or
 *   a port of a pod with
 *   hostNetwork that it names  127.0.0.1:<port>
 *
 * Only TCP is forwarded. An Event of the object says which port is not reachable, and why.
 */
#ifndef DAEMON_ROOTLESS_PUBLISH_H
#define DAEMON_ROOTLESS_PUBLISH_H

#include <uv.h>

#include "api/client.h"
#include "base/time/clock.h"

typedef struct Publisher Publisher;

typedef struct PublisherOptions {
    uv_loop_t *loop;
    Client *client;
    Clock *clock;
    const char *run_dir, *node_name;
} PublisherOptions;

Publisher *publisher_start(const PublisherOptions *options);
/* NULL is allowed. Returns NULL. */
Publisher *publisher_stop(Publisher *publisher);

#endif
