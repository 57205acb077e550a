/* SPDX-License-Identifier: Apache-2.0 */
/* The call of the control socket for `stead volume ls`; `app` is an App. */
#ifndef DAEMON_VOLUME_CALLS_H
#define DAEMON_VOLUME_CALLS_H

#include "base/strbuf.h"
#include "daemon/daemon.h"

/* Appends a line for the disk and one for each volume; see volume_command.c. */
void app_print_volumes(void *app, Arena *arena, StrBuf *out);
void app_call_volume_list(void *app, HttpRequest *request);

#endif
