/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of an image as one folder, by overlayfs. */
#ifndef NODE_RUNTIME_OVERLAY_H
#define NODE_RUNTIME_OVERLAY_H

#include "base/error.h"
#include "codec/type.h"

/* layers: lowest first. upper NULL: read-only, and work is not needed. 0 or -errno. */
int overlay_mount(const StringArray *layers, const char *upper, const char *work,
                  const char *target);

#endif
