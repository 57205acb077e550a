/* SPDX-License-Identifier: Apache-2.0 */
/* When no process has been moved into a cgroup for a while, the next move waits for an RCU grace
 * period, about 14 ms, which is a sixth of the time that a pod takes to start. A move shortly
 * after another one does not wait. So while a container is still being prepared, this process is
 * moved into the cgroup where it already is. */
#ifndef NODE_RUNTIME_CGROUP_H
#define NODE_RUNTIME_CGROUP_H

#include "base/base.h"

/* The path of cgroup.procs for the cgroup that a line of /proc/PID/cgroup names ("4:pids:/a").
 * The caller frees it. */
char *cgroup_procs_path(const char *line);
/* Makes such a move. It blocks for that time, so call it on the pool. If it fails, the next
 * start waits itself. */
void cgroup_warm(void);

/* "/stead-x/pod...": in every hierarchy there is, with all below and what still runs there. */
void cgroup_remove(const char *cgroup);

#endif
