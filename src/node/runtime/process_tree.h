/* SPDX-License-Identifier: Apache-2.0 */
/* Ending a process with all that it started. */
#ifndef NODE_RUNTIME_PROCESS_TREE_H
#define NODE_RUNTIME_PROCESS_TREE_H

#include "base/base.h"

/* Kills the processes (0: none), their descendants, and what shares a session with one of these,
 * which finds those whose parent has ended. A process that left both its parent and its session is
 * not found: that is what a daemon does to outlive whoever started it. Blocking: it reads all of
 * /proc. */
void process_tree_end(const int64_t *pids, size_t n);

#endif
