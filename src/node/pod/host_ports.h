/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of the machine that lead to pods: see host_ports.c. */
#ifndef NODE_POD_HOST_PORTS_H
#define NODE_POD_HOST_PORTS_H

#include "node/pod/agent.h"

void host_ports_add(AgentPod *pod); /* its address is known */
void host_ports_remove(AgentPod *pod);

#endif
