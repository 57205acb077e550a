/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New file systems without mke2fs. What it writes into an image of some shape is little (30 KB of
 * 10 MiB) and the same each time, but for ids. So what the last few shapes came to is kept, and the
 * next image of a shape is written from that, with ids of its own: some writes and one sync instead
 * of a program with three.
 */
#ifndef NODE_VOLUME_DISK_TEMPLATE_H
#define NODE_VOLUME_DISK_TEMPLATE_H

#include "node/volume/disk_image.h"

/* Writes a file system into the file, which is all zeros, and syncs it. 0, or: */
#define TEMPLATE_E_NONE 1 /* no image of the shape was seen yet */
int volume_template_write(int fd, const ImageShape *shape);
/* Remembers what mke2fs wrote into the file. Its ids must not go into its checksums
 * (metadata_csum_seed). */
void volume_template_keep(int fd, const ImageShape *shape);
/* As after a start. */
void volume_template_forget(void);

#endif
