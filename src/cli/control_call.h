/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from commands to the server on this machine: HTTP over RUN/stead.sock, which only root can open. The table in
 * daemon/calls.c has the calls.
 */
#ifndef CLI_CONTROL_CALL_H
#define CLI_CONTROL_CALL_H

#include "base/error.h"
#include "base/strbuf.h"

/* Blocks until the server has answered. Returns the status of the answer, or -errno with a message. Callers ask control_is_alive
 * first, since a server that does not run is an ordinary case for them. */
int control_call(const char *run_dir, const char *method, const char *path, int64_t timeout_ns,
                 StrBuf *ret_body, Err *reterr);
/* Whether a server listens on the socket of the run folder. */
bool control_is_alive(const char *run_dir);

#endif
