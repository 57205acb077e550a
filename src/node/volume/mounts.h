/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of this process's namespace, as the kernel lists them. */
#ifndef NODE_VOLUME_MOUNTS_H
#define NODE_VOLUME_MOUNTS_H

#include "base/error.h"

/* Unmounts everything at or below the folder. Its own path is trusted; below it a privileged pod
 * may have mounted things (mountPropagation: Bidirectional) under names that it can still change. */
int mounts_below_remove(const char *folder, Err *reterr);
bool mounts_has(const char *path);

#endif
