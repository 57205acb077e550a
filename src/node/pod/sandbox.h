/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod's containers share, made and taken down: see sandbox.c. */
#ifndef NODE_POD_SANDBOX_H
#define NODE_POD_SANDBOX_H

#include "base/process.h"
#include "node/pod/agent.h"

void sandbox_prepare(AgentPod *pod);
void sandbox_teardown(AgentPod *pod);
void sandbox_init(AgentPod *pod);
void sandbox_end_pause(const char *run); /* init of the shared PID namespace */
bool sandbox_shares_processes(const AgentPod *pod);
/* Makes a shared PID namespace anew if its init is gone. False: it need not; done is not called. */
bool sandbox_renew_init(AgentPod *pod, ProcessDone done, void *data);

/* The caller's: names this boot of the machine. */
char *node_boot_id(void);

#endif
