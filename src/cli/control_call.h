/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from commands to the server on this machine: HTTP over RUN/stead.sock, which only the user of the server can open, usually
 * root. The table in daemon/calls.c has the calls. The few that only read are also pages of the API, for all others.
 */
#ifndef CLI_CONTROL_CALL_H
#define CLI_CONTROL_CALL_H

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/options.h"

/* Blocks until the server has answered. body: BYTES_NULL for none. Returns the status of the answer, or -errno with a message. Callers ask control_is_alive
 * first, since a server that does not run is an ordinary case for them. */
int control_call(const char *run_dir, const char *method, const char *path, Bytes body,
                 int64_t timeout_ns, StrBuf *ret_body, Err *reterr);
/* Whether this process may open the socket: it belongs to root, or to the user whose server it is. Other users go through the API. */
bool control_reaches(const Options *options);
/* Reads what a server says about itself: over the socket if this process may open it, else through the API with the user's own
 * certificate. `page` is "/status", "/images" or "/volumes", see daemon/calls.c. Returns 0, or an exit code after printing a message. */
int control_read(const Options *options, const char *page, StrBuf *ret);
/* Whether a server listens on the socket of the run folder. */
bool control_is_alive(const char *run_dir);

#endif
