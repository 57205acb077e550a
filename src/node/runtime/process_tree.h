/* SPDX-License-Identifier: Apache-2.0 */
/* Kills a process and everything that it has started. */
#ifndef NODE_RUNTIME_PROCESS_TREE_H
#define NODE_RUNTIME_PROCESS_TREE_H

#include "base/base.h"

/* Kills the processes (0 is ignored), their descendants, and all processes in the sessions of
 * these, which finds those whose parent has ended. A process that has left both its parent and
 * its session is not found; that is how a daemon outlives the process that started it. Blocking:
 * it reads all of /proc. */
void process_tree_end(const int64_t *pids, size_t n);

#endif
