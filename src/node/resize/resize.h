/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the resources of pods on this node. `asked` of an AgentPod is the newest version of its
 * object; `object` is the same with the resources that the node has granted, and everything else on the
 * node uses it. While both ask for the same, they are one object.
 *
 * A change is granted as soon as the node has room for it beside what other pods have been granted
 * (grant.c), and recorded in DATA/pods/<uid>/resources before anything is done about it, so that a
 * server that dies neither forgets a grant nor grants twice. Then the cgroups are changed (apply.c), or
 * the machine restarts containers. The bundle of a running container says in `resources` what it has.
 */
#ifndef NODE_RESIZE_RESIZE_H
#define NODE_RESIZE_RESIZE_H

#include "api/schema/core_pod_v1.h"
#include "codec/type.h"

typedef struct AgentPod AgentPod;
typedef struct NodeAgent NodeAgent;

/* Whether both specs have the same resources, as a whole and for each container. */
bool resources_equal(const PodSpec *a, const PodSpec *b);

/* ---- grant.c ---- */

void resize_agent_init(NodeAgent *agent);
void resize_agent_stop(NodeAgent *agent);
/* All pods that existed when the agent was started are known: those that wait may be looked at. */
void resize_pods_are_known(NodeAgent *agent);

/* Sets the objects of a pod that is new to this process. */
void resize_begin(AgentPod *pod, Object *asked);
/* Takes a newer version, of which `object` gets all but the resources that are not granted yet. */
void resize_take(AgentPod *pod, Object *asked);
/* Something has changed for the pods that wait; `trigger` names it for the metrics. */
void resize_review_soon(NodeAgent *agent, const char *trigger);

/* ---- apply.c ---- */

void resize_apply_init(AgentPod *pod);
void resize_apply_stop(AgentPod *pod);
void resize_apply(AgentPod *pod); /* the op of the machine */

/* The resources as text for the file of a container or a pod, and back. */
char *resources_text(const Type *type, const void *value);
bool resources_read(const char *path, Arena *arena, const Type *type, void *ret);

#endif
