/* SPDX-License-Identifier: Apache-2.0 */
/* The Node object: see node_object.c. */
#ifndef NODE_NODE_OBJECT_H
#define NODE_NODE_OBJECT_H

#include "node/pod/agent.h"

void node_object_register(NodeAgent *agent);

#endif
