/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How commands talk to a running server: HTTP over RUN/stead.sock, a socket that only root can open
 * (mode 0600 in a folder of mode 0700). A table of calls; each answers with a line or two of plain
 * text for people.
 */
#ifndef CLI_CONTROL_SOCKET_H
#define CLI_CONTROL_SOCKET_H

#include "base/error.h"
#include "base/strbuf.h"
#include "http/http.h"

typedef struct ControlCall {
    const char *method, *path;
    void (*run)(void *data, HttpRequest *request); /* ends in http_respond, now or later */
} ControlCall;

typedef struct ControlSocket ControlSocket;

int control_socket_open(struct uv_loop_s *loop, const char *run_dir, const ControlCall *calls,
                        size_t n, void *data, ControlSocket **ret, Err *reterr);
ControlSocket *control_socket_close(ControlSocket *socket);

/* From a command: blocking. The answer's status, or -errno with a message; -ENOENT or
 * -ECONNREFUSED: no server runs. */
int control_socket_call(const char *run_dir, const char *method, const char *path,
                        int64_t timeout_ns, StrBuf *ret_body, Err *reterr);
bool control_socket_alive(const char *run_dir);
/* Appends text with everything but letters, digits and "-._~/" percent-encoded. */
void control_socket_encode(StrBuf *out, const char *text);

#endif
