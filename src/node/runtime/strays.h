/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that an earlier server or a killed conmon has left behind: conmon, running commands
 * of the runtime, and inits of containers that were created but never started. They are
 * recognized by the root folder of the runtime on their command lines, which works even before
 * any file names them. All functions block, and kill what they find with SIGKILL. */
#ifndef NODE_RUNTIME_STRAYS_H
#define NODE_RUNTIME_STRAYS_H

#include "base/base.h"

/* What happens to a container whose conmon runs. */
typedef enum StrayFate { STRAY_ENDS, STRAY_STAYS } StrayFate;
typedef StrayFate (*StrayDecide)(void *data, const char *id, const char *bundle);

/* Kills all processes of this root folder, except those of containers whose conmon decide() lets
 * stay (NULL: none stays). Processes of an exec never stay. When this returns, the processes are
 * gone or cannot be killed. */
void strays_end(const char *root, StrayDecide decide, void *data);
/* The same for one container. */
void strays_end_of(const char *root, const char *id);
/* Kills the init of a container that has no conmon. The pid in the bundle is trusted only if the
 * cgroup of the process is that of the container. */
void strays_end_init(const char *id, const char *bundle);
/* Kills the process and waits until it has ended. */
void process_end(int64_t pid);

#endif
