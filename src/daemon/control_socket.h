/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of RUN/stead.sock, a socket that only root can open (it has mode 0600 in a folder of mode 0700). It serves HTTP
 * with a table of calls, which answer in plain text. cli/control_call.h is the side of the commands.
 */
#ifndef DAEMON_CONTROL_SOCKET_H
#define DAEMON_CONTROL_SOCKET_H

#include "base/error.h"
#include "http/http.h"

typedef struct ControlCall {
    const char *method, *path;
    void (*run)(void *data, HttpRequest *request); /* has to end in http_respond, now or later */
} ControlCall;

typedef struct ControlSocket ControlSocket;

/* Serves the calls, whose array has to stay valid; `data` is passed to each. Returns 0, or a negative error with a message. */
int control_socket_open(struct uv_loop_s *loop, const char *run_dir, const ControlCall *calls,
                        size_t n, void *data, ControlSocket **ret, Err *reterr);
/* Closes and removes the socket; NULL is allowed. Returns NULL. */
ControlSocket *control_socket_close(ControlSocket *socket);

#endif
