/* SPDX-License-Identifier: Apache-2.0 */
/* The node's part in the life of claims' volumes, besides mounting them: see claim_volumes.c. */
#ifndef NODE_POD_CLAIM_VOLUMES_H
#define NODE_POD_CLAIM_VOLUMES_H

#include "node/pod/agent.h"

void agent_volume_check(NodeAgent *agent, Object *volume); /* is there something to do for it? */
void agent_volumes_check(NodeAgent *agent);
/* The volume has this size now: its claim is told, if that is news. */
void agent_volume_grown(NodeAgent *agent, const char *name, int64_t size);
/* The claim to which the volume is bound, or NULL. */
Object *agent_volume_claim(NodeAgent *agent, const char *name);
void agent_volumes_release(AgentPod *pod); /* the pod is torn down */
void agent_volumes_sweep(NodeAgent *agent);

#endif
