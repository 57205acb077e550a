/* SPDX-License-Identifier: Apache-2.0 */
/* Creates file systems without running mke2fs. What mke2fs writes into an image of a given shape
 * is little (30 KB of 10 MiB) and always the same except for ids. So its output for the last few
 * shapes is kept, and the next image of the same shape is written from it with new ids. That
 * takes a few writes and one sync, instead of a program that syncs three times. */
#ifndef NODE_VOLUME_DISK_TEMPLATE_H
#define NODE_VOLUME_DISK_TEMPLATE_H

#include "node/volume/disk_image.h"

/* Writes a file system into the file, which must contain only zeros, and syncs it. 0, -errno,
 * or: */
#define TEMPLATE_E_NONE 1 /* no image of this shape has been kept yet */
int volume_template_write(int fd, const ImageShape *shape);
/* Keeps what mke2fs has written into the file. Its checksums must not depend on its ids
 * (metadata_csum_seed). */
void volume_template_keep(int fd, const ImageShape *shape);
/* Drops all templates, as a restart does. For tests. */
void volume_template_forget(void);

#endif
