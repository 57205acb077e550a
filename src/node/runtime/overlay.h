/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts the layers of an image as one folder, by overlayfs. */
#ifndef NODE_RUNTIME_OVERLAY_H
#define NODE_RUNTIME_OVERLAY_H

#include "base/error.h"
#include "codec/type.h"

/* The lowest layer comes first. If upper is NULL, the mount is read-only, and work is ignored.
 * Returns 0 or -errno. */
int overlay_mount(const StringArray *layers, const char *upper, const char *work,
                  const char *target);

#endif
