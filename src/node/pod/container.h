/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of a pod: how they are started, adopted and signalled, and the paths of their files. */
#ifndef NODE_POD_CONTAINER_H
#define NODE_POD_CONTAINER_H

#include "node/pod/agent.h"

void container_begin(AgentPod *pod, size_t index, int attempt);
/* If its start waits for an image, it fails soon. */
void container_abandon(AgentPod *pod, size_t index);
/* This process gives the container up, which goes on running. */
void container_forget(AgentContainer *c);
void container_signal(AgentPod *pod, size_t index, bool kill);
bool container_adopt(AgentPod *pod, size_t index, int attempt, const char *id);
AgentContainer *container_at(AgentPod *pod, size_t index);
char *container_bundle(const AgentPod *pod, const char *name, int attempt);
char *container_log(const AgentPod *pod, const char *name, int attempt);
void container_paths(AgentContainer *c, int attempt, const char *id);
void container_free(AgentContainer *c);

#endif
