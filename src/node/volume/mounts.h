/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of this process's mount namespace, as the kernel lists them. */
#ifndef NODE_VOLUME_MOUNTS_H
#define NODE_VOLUME_MOUNTS_H

#include "base/error.h"

/* Unmounts everything at or below the folder. The path of the folder is trusted. Below it, a
 * privileged pod may have mounted file systems (mountPropagation: Bidirectional) under names
 * that it can still change. */
int mounts_below_remove(const char *folder, Err *reterr);
bool mounts_has(const char *path);

#endif
