/* SPDX-License-Identifier: Apache-2.0 */
/* /livez, /readyz and their parts. */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "server/request/call.h"

/* "/livez", "/readyz/store" and the like; false: there is no such path. */
bool health_answer(Call *call, const char *path);

void health_paths(const Server *server, StrBuf *out); /* JSON strings, with commas between */
void health_start(Server *server);

#endif
