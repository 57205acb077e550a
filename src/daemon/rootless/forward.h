/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes TCP connections on: from listening sockets of the machine, which the holder has opened, to addresses inside of the namespaces.
 * At most FORWARD_CONNECTIONS connections exist at a time; a further one is reset. An end that does not read makes the other one wait.
 */
#ifndef DAEMON_ROOTLESS_FORWARD_H
#define DAEMON_ROOTLESS_FORWARD_H

#include <uv.h>

#include "base/base.h"

#define FORWARD_CONNECTIONS 1024

typedef struct Forwards Forwards;
typedef struct ForwardPort ForwardPort;

Forwards *forwards_new(uv_loop_t *loop);
/* Closes all connections, after all ports have been closed. Returns NULL. */
Forwards *forwards_free(Forwards *forwards);
/* Accepts connections from the socket, which it takes ownership of. Returns NULL if the socket
 * cannot be used. */
ForwardPort *forward_open(Forwards *forwards, int fd, const char *address, uint16_t port);
/* Stops accepting; existing connections go on. Returns NULL. */
ForwardPort *forward_close(ForwardPort *port);

#endif
