/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that an earlier server, or a conmon that was killed, left: conmon and the runtime at
 * work, and inits of containers that were created and never started. They are known by the
 * runtime's root folder on their command lines, which holds even where no file names them yet.
 * All of it is blocking, and ends what it finds by SIGKILL.
 */
#ifndef NODE_RUNTIME_STRAYS_H
#define NODE_RUNTIME_STRAYS_H

#include "base/base.h"

/* What to do about a container whose conmon runs. */
typedef enum StrayFate { STRAY_ENDS, STRAY_STAYS } StrayFate;
typedef StrayFate (*StrayDecide)(void *data, const char *id, const char *bundle);

/* Ends all processes of the root whose container has no conmon that decide() lets stay; NULL: all.
 * What runs beside a container's own process (exec) never stays.
 * Gone when it returns, or past killing. */
void strays_end(const char *root, StrayDecide decide, void *data);
/* The same of one container only. */
void strays_end_of(const char *root, const char *id);
/* A container's init without conmon; its pid is taken for it only if its cgroup says so. */
void strays_end_init(const char *id, const char *bundle);
/* Kills, and waits for the end. */
void process_end(int64_t pid);

#endif
