/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out single probes and hooks: see probes.c. */
#ifndef NODE_POD_PROBES_H
#define NODE_POD_PROBES_H

#include "node/machine/machine.h"
#include "node/pod/agent.h"

void probe_run(AgentPod *pod, size_t container, MachineProbe probe, uint64_t serial);
void hook_run(AgentPod *pod, size_t container, MachineHook hook, int64_t limit_ns, uint64_t serial);

void attempts_cancel(NodeAgent *agent); /* none calls back after this */

#endif
