/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier process left of the pods: see restore.c. */
#ifndef NODE_POD_RESTORE_H
#define NODE_POD_RESTORE_H

#include "node/pod/agent.h"

void restore_begin(NodeAgent *agent); /* before the pods are heard of */
void restore_end(NodeAgent *agent);   /* when all that are there were restored */
void pod_restore(AgentPod *pod);
bool pod_was_here(const AgentPod *pod); /* its sandbox was made, by this process or one before */

#endif
