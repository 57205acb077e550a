/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How commands talk to a server on this machine: HTTP over RUN/stead.sock, which only root can open. What can be called is
 * the table in daemon/calls.c.
 */
#ifndef CLI_CONTROL_CALL_H
#define CLI_CONTROL_CALL_H

#include "base/error.h"
#include "base/strbuf.h"

/* Blocking. The answer's status, or -errno with a message; -ENOENT or
 * -ECONNREFUSED: no server runs. */
int control_call(const char *run_dir, const char *method, const char *path, int64_t timeout_ns,
                 StrBuf *ret_body, Err *reterr);
bool control_is_alive(const char *run_dir);

#endif
