/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running server's side of RUN/stead.sock, a socket that only root can open (mode 0600 in a
 * folder of mode 0700): HTTP with a table of calls, each of which answers with a line or two of
 * plain text for people. cli/control_call.h is the side of the commands.
 */
#ifndef DAEMON_CONTROL_SOCKET_H
#define DAEMON_CONTROL_SOCKET_H

#include "base/error.h"
#include "http/http.h"

typedef struct ControlCall {
    const char *method, *path;
    void (*run)(void *data, HttpRequest *request); /* ends in http_respond, now or later */
} ControlCall;

typedef struct ControlSocket ControlSocket;

int control_socket_open(struct uv_loop_s *loop, const char *run_dir, const ControlCall *calls,
                        size_t n, void *data, ControlSocket **ret, Err *reterr);
ControlSocket *control_socket_close(ControlSocket *socket);

#endif
