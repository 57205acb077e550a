/* SPDX-License-Identifier: Apache-2.0 */
/* Makes and removes what the containers of a pod share: see sandbox.c. */
#ifndef NODE_POD_SANDBOX_H
#define NODE_POD_SANDBOX_H

#include "base/process.h"
#include "node/pod/agent.h"

void sandbox_prepare(AgentPod *pod);
void sandbox_teardown(AgentPod *pod);
void sandbox_init(AgentPod *pod);
void sandbox_end_pause(const char *run); /* kills the init of the shared PID namespace */
bool sandbox_shares_processes(const AgentPod *pod);
/* If the init of the shared PID namespace is gone, creates another namespace, calls `done` from the
 * loop, and returns true. Otherwise returns false, and `done` is not called. */
bool sandbox_renew_init(AgentPod *pod, ProcessDone done, void *data);

/* Identifies this boot of the machine; the caller frees it. */
char *node_boot_id(void);

#endif
