/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first move of a process into a cgroup after a pause waits for the kernel to see every
 * processor idle or switching once (an RCU grace period): 14 ms here, a sixth of the time that a
 * pod takes to start. A move that comes soon after another does not wait. So one that changes
 * nothing, of this process to where it is, is made while the container is still being prepared.
 */
#ifndef NODE_RUNTIME_CGROUP_H
#define NODE_RUNTIME_CGROUP_H

#include "base/base.h"

/* The file that takes processes into the cgroup of a line of /proc/PID/cgroup ("4:pids:/a"). */
char *cgroup_procs_path(const char *line);
/* Blocks for that time: call from the pool. Where it cannot be done, starts wait as ever. */
void cgroup_warm(void);

/* "/stead-x/pod...": in every hierarchy there is, with all below and what still runs there. */
void cgroup_remove(const char *cgroup);

#endif
